"""A process that writes one file: ``python writer.py KIND PATH [LIMIT]``. Exits with 0, or 3 after an OSError.

LIMIT is the size in bytes that a file may have (RLIMIT_FSIZE): a write is short there, and the next one fails.
"""

import contextlib
import io
import os
import resource
import sys

import numpy as np

import nablas as nb

MARK = "/the/writing/begins/here"
ROWS = "x,c,y\n" + "".join(f"{i % 7},{'ab'[i % 2]},{i % 3}\n" for i in range(40))


def _command(*arguments):
    """A command of the command line; its errors as an OSError."""
    from nablas.cli import main

    with (
        contextlib.redirect_stderr(io.StringIO()) as told,
        contextlib.redirect_stdout(io.StringIO()),
    ):
        code = main([str(argument) for argument in arguments])
    if code:
        raise OSError(told.getvalue())


def _table(folder):
    path = os.path.join(folder, "table.csv")
    if not os.path.exists(path):
        with open(path, "w") as file:
            file.write(ROWS)
    return path


def _train(path, seed=0):
    table = _table(os.path.dirname(path))
    options = [
        "--target",
        "y",
        "--epochs",
        1,
        "--hidden",
        2,
        "--json",
        "--threads",
        1,
        "--seed",
        seed,
    ]
    _command("train", table, *options, "--out", path)


def _predict(path):
    model = os.path.join(os.path.dirname(path), "model.safetensors")
    if not os.path.exists(model):
        _train(model)
    _command("predict", model, _table(os.path.dirname(path)), "--out", path)


def _checkpointed(net, path):
    x, y = np.ones((8, 3)), np.arange(8) % 2
    settings = {"optimizer": nb.SGD(1e-300), "epochs": 1, "progress": False}
    net.fit(x, y, callbacks=[nb.Checkpoint(path)], **settings)


def prepare(kind):
    """A function that writes the new content to a path."""
    net = nb.MLP([3, 4, 2], output="softmax", seed=2)
    a = nb.autograd.Tensor(2.0, requires_grad=True)
    drawing = nb.autograd.draw(a * a * a)
    return {
        "model": net.save,
        "checkpoint": lambda path: _checkpointed(net, path),
        "onnx": net.to_onnx,
        "drawing": drawing.save,
        "svg": drawing.save,
        "picture": drawing.save,
        "graph": drawing.to_html,
        "steps": net.explain(np.ones(3), 1).to_html,
        "trained": _train,
        "table": _predict,
        "parquet": _predict,
    }[kind]


# Where each kind is written. Estimators have no files of their own but ONNX; histories and data sets have none.
NAMES = {
    "model": "m.safetensors", "checkpoint": "c.safetensors", "onnx": "n.onnx", "drawing": "d.dot", "svg": "d.svg",
    "picture": "d.png", "graph": "g.html", "steps": "s.html", "trained": "t.safetensors", "table": "o.csv",
    "parquet": "o.parquet",
}  # fmt: skip


def main(kind, path, limit=None):
    write = prepare(kind)
    first = f"{path}.first{os.path.splitext(path)[1]}"
    write(first)  # so that all modules are loaded
    os.unlink(first)
    print("begun", flush=True)
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
    os.path.exists(MARK)
    try:
        write(path)
    except OSError as error:
        print(type(error).__name__, error)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
