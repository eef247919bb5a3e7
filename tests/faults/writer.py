"""A process that writes one file: ``python writer.py KIND PATH``. Exits with 0, or 3 after an OSError."""

import os
import sys

import numpy as np

import nablas as nb

MARK = "/the/writing/begins/here"


def prepare(kind):
    """A function that writes the new content to a path."""
    net = nb.MLP([3, 4, 2], output="softmax", seed=2)
    if kind == "model":
        return net.save
    if kind == "checkpoint":
        x, y = np.ones((8, 3)), np.arange(8) % 2
        settings = {"optimizer": nb.SGD(1e-300), "epochs": 1, "progress": False}
        return lambda path: net.fit(x, y, callbacks=[nb.Checkpoint(path)], **settings)
    a = nb.autograd.Tensor(2.0, requires_grad=True)
    return nb.autograd.draw(a * a * a).save


if __name__ == "__main__":
    kind, path = sys.argv[1:]
    write = prepare(kind)
    first = f"{path}.first{os.path.splitext(path)[1]}"
    write(first)  # so that all modules are loaded
    os.unlink(first)
    os.path.exists(MARK)
    try:
        write(path)
    except OSError as error:
        print(type(error).__name__, error)
        sys.exit(3)
