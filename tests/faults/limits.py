"""Calls under limits of the address space: a result or a MemoryError, and what existed before is as it was.

Every call runs in a fork of this process, so that a limit does not outlive it: ``python limits.py NAME:BYTES ...``.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import warnings

import numpy as np

import nablas as nb
from nablas import autograd as ag
from nablas import kernels

LIMITS = (
    0,
    1 << 12,
    1 << 16,
    1 << 18,
    1 << 20,
    1 << 22,
    3 << 22,
    1 << 25,
)  # bytes above what is in use
NAMES = (
    "softmax", "matmul", "outer", "dense_forward", "dense_backward", "cross_entropy", "activate", "random", "permutation",
    "network", "fit", "fit in a batch", "fit with validation", "predict", "forward", "gradient", "loss", "explain", "save",
    "load", "autograd", "estimator", "show", "cache",
)  # fmt: skip


def graph(a):
    t = ag.Tensor(a, requires_grad=True)
    (np.exp(t) * t).sum().backward()


def calls(net, a, y, path):
    """The calls by their names."""
    from nablas.sklearn import MLPClassifier

    return {
        "softmax": lambda: kernels.softmax(a.T),
        "matmul": lambda: kernels.matmul(a, a, transpose_a=True),
        "outer": lambda: kernels.matmul(np.ones((1 << 14, 1)), np.ones((1, 1 << 14))),
        "dense_forward": lambda: kernels.dense_forward(a[::-1], np.ones((1001, 500), np.float32), "gelu"),
        "dense_backward": lambda: kernels.dense_backward(a, np.ones((1001, 50), np.float32), np.ones((3000, 50), np.float32)),
        "cross_entropy": lambda: kernels.softmax_cross_entropy(a.T, y[:1000]),
        "activate": lambda: kernels.activate(a.T, "tanh"),
        "random": lambda: kernels.random_normal(1 << 26, seed=0),
        "permutation": lambda: kernels.permutation(1 << 26, seed=0),
        "network": lambda: nb.MLP([8000, 8000, 10]),
        "fit": lambda: net.fit(a, y, epochs=1),
        "fit in a batch": lambda: net.fit(a, y, epochs=1, batch_size=3000, optimizer=nb.Adam()),
        "fit with validation": lambda: net.fit(a, y, epochs=1, validation_data=(a, y), dropout=0.5, l1=1e-3),
        "predict": lambda: net.predict(a.T.copy().T),
        "forward": lambda: net.forward(np.broadcast_to(a, (40, *a.shape)).reshape(-1, 1000)),
        "gradient": lambda: net.gradient(a, y),
        "loss": lambda: net.loss(a.astype(np.float64), y),
        "explain": lambda: net.explain(a, y),
        "save": lambda: net.save(path),
        "load": lambda: nb.MLP.load(path),
        "autograd": lambda: graph(a),
        "estimator": lambda: MLPClassifier((50,), max_iter=2).fit(a, y),
        "show": lambda: str(net.explain(a[:2], y[:2])),
        "cache": lambda: nb.data.CachedSource(nb.data.ArraySource(a, y)).close(),
    }  # fmt: skip


def limited(name, call, extra):
    """Exit status of a fork that makes the call: 0 for a result, 1 for MemoryError."""
    child = os.fork()
    if child == 0:
        warnings.simplefilter("ignore")
        code = 99
        try:
            with open("/proc/self/statm") as file:
                pages = int(file.read().split()[0])
            resource.setrlimit(resource.RLIMIT_AS, (pages * 4096 + extra,) * 2)
            call()
            code = 0
        except MemoryError:
            code = 1
        except BaseException as error:
            os.write(2, f"{name} {extra}: {error!r:.300}\n".encode())
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(wanted):
    """Prints the statuses by "NAME:BYTES" and the files left, as JSON."""
    a = np.random.default_rng(0).random((3000, 1000)).astype(np.float32)
    y = np.arange(3000) % 10
    net = nb.MLP([1000, 300, 10], output="softmax", seed=0)
    before = net.parameters.tobytes()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "m.safetensors")
        net.save(path)
        known = calls(net, a, y, path)
        assert tuple(known) == NAMES
        results = {}
        for case in wanted or [f"{name}:{extra}" for name in NAMES for extra in LIMITS]:
            name, extra = case.rsplit(":", 1)
            results[case] = limited(name, known[name], int(extra))
        assert net.parameters.tobytes() == before
        assert nb.MLP.load(path).parameters.tobytes() == before
        left = [f for f in os.listdir(folder) if f != "m.safetensors"]
    print(json.dumps([results, left]))


def outcome(name, extra):
    """Status of one call in a process of its own, and what that said."""
    command = [sys.executable, __file__, f"{name}:{extra}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    if done.returncode:
        return done.returncode, done.stderr
    results, left = json.loads(done.stdout)
    return (99, f"left {left}") if left else (next(iter(results.values())), done.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
