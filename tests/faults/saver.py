"""A process that saves two networks in turn until it is killed: ``python saver.py PATH``."""

import itertools
import sys

import nablas as nb


def networks():
    """Two networks whose files are large enough to be killed in the middle of."""
    return [nb.MLP([300, 300, 10], output="softmax", seed=seed) for seed in (1, 2)]


if __name__ == "__main__":
    pair = networks()
    pair[0].save(sys.argv[1])
    print("begun", flush=True)
    for net in itertools.cycle(pair):
        net.save(sys.argv[1])
