"""Measurements without contenders: import time, memory, growth of step times, second thread."""

import itertools
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import nablas as nb

from .cases import RATE


def import_time(module, rounds=5):
    """Median seconds of an import beyond the interpreter's start, and the package's size in MB."""

    def seconds(code):
        times = []
        for _ in range(rounds):
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
            times.append(time.perf_counter() - start)
        return statistics.median(times)

    spec = __import__("importlib.util").util.find_spec(module)
    if spec is None or spec.origin is None:
        return None
    size = sum(p.stat().st_size for p in Path(spec.origin).parent.rglob("*") if p.is_file())
    return {"seconds": seconds(f"import {module}") - seconds("pass"), "megabytes": size / 1e6}


def step_time(sizes, batch, threads, least=0.05):
    """Median microseconds of a training step inside `fit`; leaves the number of threads set."""
    nb.set_num_threads(threads)
    rng = np.random.default_rng(0)
    rows = batch * max(2, min(100, 500_000 // (batch * sizes[0])))
    x, y = rng.random((rows, sizes[0]), dtype=np.float32), rng.integers(0, sizes[-1], rows)
    net, optimizer = nb.MLP(sizes, output="softmax", seed=0), nb.SGD(RATE)
    times, start = [], time.perf_counter()
    while len(times) < 5 or time.perf_counter() - start < least:
        history = net.fit(x, y, optimizer=optimizer, batch_size=batch, epochs=1)
        times.append(1e6 * history.seconds[0] / (rows // batch))
    return statistics.median(times)


def threads(widths=(1, 4, 16, 64, 128), batches=(1, 8, 32, 128, 512)):
    """Speed-up by the second thread for each width and batch size."""
    most = min(2, nb.num_threads())
    out = []
    for width, batch in itertools.product(widths, batches):
        sizes = [width, width, width, 10]
        pairs = [(step_time(sizes, batch, 1), step_time(sizes, batch, most)) for _ in range(3)]
        out.append(
            {"width": width, "batch": batch, "speed_up": statistics.median(a / b for a, b in pairs)}
        )
    nb.set_num_threads(most)
    return out


def growth():
    """Log-log slopes of a step's time over width, depth and batch size, on one thread."""
    before = nb.num_threads()
    sweeps = {
        "width": [(w, [w, w, w, 10], 128) for w in (64, 128, 256, 512)],
        "depth": [(d, [64] * (d + 1) + [10], 64) for d in (4, 8, 16, 32)],
        "batch": [(b, [256, 256, 10], b) for b in (64, 128, 256, 512)],
    }
    out = {}
    for name, points in sweeps.items():
        times = [step_time(sizes, batch, 1) for _, sizes, batch in points]
        slope = np.polyfit(np.log([p[0] for p in points]), np.log(times), 1)[0]
        out[name] = {"at": [p[0] for p in points], "microseconds": times, "slope": float(slope)}
    nb.set_num_threads(before)
    return out


MEMORY_CODE = """
import resource, sys
import numpy as np
import nablas as nb
sizes, rows, batch, optimizer = {sizes}, {rows}, {batch}, {optimizer}
x, y = np.ones((rows, sizes[0]), "f"), np.zeros(rows, int)
net = nb.MLP([4, 3], output="softmax"); net.fit(x[:9, :4].copy(), y[:9], epochs=1)
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = peak()
net = nb.MLP(sizes, output="softmax", seed=0)
net.fit(x, y, epochs=1, batch_size=batch, optimizer=optimizer)
print(peak() - before, net.parameters.size * 4)
"""


def memory():
    """Peak memory of a fit beyond its data, in MB and as a multiple of the least it can need.

    The least is parameters, gradient, optimizer state and activations.
    """
    out = []
    for optimizer, states in (("nb.SGD(1e-4)", 0), ("nb.Adam(1e-4)", 2)):
        sizes, rows, batch = [2048, 2048, 2048, 10], 4096, 512
        code = MEMORY_CODE.format(sizes=sizes, rows=rows, batch=batch, optimizer=optimizer)
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        used, parameters = map(int, done.stdout.split())
        activations = 4 * batch * (sum(sizes) + 2 * max(sizes[1:]))
        must = parameters * (2 + states) + activations
        out.append({"optimizer": optimizer, "megabytes": used / 1e6, "multiple": used / must})
    return out
