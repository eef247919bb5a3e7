"""Fits and single calls beside other busy processes, and many fits of one net: is the default slower than one thread?"""

import contextlib
import hashlib
import itertools
import math
import statistics
import subprocess
import sys
import time

import numpy as np

import nablas as nb
from nablas import _core

from .cases import RATE

NETS = [
    ((64, 64, 10), 32, 10_000),
    ((784, 128, 10), 32, 6_000),
    ((784, 128, 10), 512, 6_144),
    ((54, 256, 256, 7), 256, 6_144),
]
# Single calls: rows, inputs and outputs of a product, and the pause before each, in seconds.
CALLS = [((32, 256, 256), 0.0), ((32, 256, 256), 0.2e-3), ((128, 256, 256), 0.2e-3)]
LOADS = (0, 1, 2, 4, 8)
NICE = (0, 10)
LEAST = 0.3  # seconds of a fit: many times as long as the system lets a process wait for its turn


@contextlib.contextmanager
def neighbours(count, nice=0):
    """`count` other processes that compute without a pause."""
    command = ["nice", "-n", str(nice), sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(command) for _ in range(count)]
    try:
        time.sleep(0.3 if count else 0)
        yield
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()


class Case:
    """A net with its data; `seconds(threads)` is the time of a fit."""

    def __init__(self, sizes, batch, rows):
        rng = np.random.default_rng(0)
        self.name = f"{'-'.join(map(str, sizes))} / {batch}"
        self.sizes, self.batch = sizes, batch
        self.x = rng.random((rows, sizes[0]), dtype=np.float32)
        self.y = rng.integers(0, sizes[-1], rows)
        self.net, self.optimizer = nb.MLP(sizes, output="softmax", seed=0), nb.SGD(RATE)

    def fit(self, net, threads, epochs=1):
        nb.set_num_threads(threads)
        settings = {"batch_size": self.batch, "epochs": epochs, "seed": 0}
        return net.fit(self.x, self.y, optimizer=self.optimizer, **settings)

    def seconds(self, threads, epochs=1):
        start = time.perf_counter()
        self.fit(self.net, threads, epochs)
        return time.perf_counter() - start

    def step(self, threads, epochs):
        """Seconds of a step of a fit, by the median of its epochs."""
        steps = -(-len(self.x) // self.batch)
        return statistics.median(self.fit(self.net, threads, epochs).seconds) / steps

    def bits(self, threads):
        net = nb.MLP(self.sizes, output="softmax", seed=1)
        nb.set_num_threads(threads)
        net.fit(self.x, self.y, optimizer=nb.SGD(RATE), batch_size=self.batch, epochs=1, seed=1)
        return hashlib.sha256(net.parameters.tobytes()).hexdigest()


class Calls:
    """A product, called again and again after a pause, which is not counted; an epoch is one call."""

    def __init__(self, sizes, pause):
        rng = np.random.default_rng(0)
        rows, inputs, outputs = sizes
        self.name = "product " + " x ".join(map(str, sizes))
        self.name += f", {1e3 * pause:g} ms between" if pause else ""
        self.pause = pause
        self.x = rng.random((rows, inputs), dtype=np.float32)
        self.weights = rng.random((inputs, outputs), dtype=np.float32)
        self.out = np.empty((rows, outputs), np.float32)

    def seconds(self, threads, epochs=1):
        nb.set_num_threads(threads)
        total = 0.0
        for _ in range(epochs):
            end = time.perf_counter() + self.pause
            while time.perf_counter() < end:
                pass
            start = time.perf_counter()
            nb.kernels.matmul(self.x, self.weights, out=self.out)
            total += time.perf_counter() - start
        return total

    def bits(self, threads):
        self.seconds(threads)
        return hashlib.sha256(self.out.tobytes()).hexdigest()


def busy(nets=NETS, calls=CALLS, loads=LOADS, nice=NICE, pairs=7, least=LEAST):
    """Time of the default over one thread's, medians of pairs, and whether the bits are the same.

    A fit, or the calls of a measurement, last for at least so many seconds on one thread of the quiet machine.
    """
    most, rows = nb.num_threads(), []
    chosen = [*(Case(*net) for net in nets), *(Calls(*call) for call in calls)]
    for case, load, priority in itertools.product(chosen, loads, nice):
        if load == 0 and priority != nice[0]:
            continue
        epochs = math.ceil(least / min(case.seconds(1) for _ in range(3)))
        with neighbours(load, priority):
            for threads in (1, most):
                case.seconds(threads)
            ratios = [case.seconds(most, epochs) / case.seconds(1, epochs) for _ in range(pairs)]
            same = len({case.bits(threads) for threads in (1, 2, 3, 7)}) == 1
        ratio = statistics.median(ratios)
        rows.append({"net": case.name, "neighbours": load, "nice": priority, "ratio": ratio,
                     "worst": max(ratios), "same_bits": same})  # fmt: skip
        print(f"{case.name}, {load} neighbours of nice {priority}: {ratio:.2f}", flush=True)
    nb.set_num_threads(most)
    return rows


def recovery(nets=NETS, load=4, rounds=5, longest=2.0):
    """Milliseconds after the neighbours' end until a fit runs at most 1.2 times as long as on the quiet machine."""
    most, rows = nb.num_threads(), []
    for case in (Case(sizes, batch, 20 * batch) for sizes, batch, _ in nets):
        times = []
        for _ in range(rounds):
            quiet = statistics.median(case.seconds(most) for _ in range(21))
            with neighbours(load):
                end = time.perf_counter() + 0.5
                while time.perf_counter() < end:
                    case.seconds(most)
            start = time.perf_counter()
            while case.seconds(most) > 1.2 * quiet and time.perf_counter() - start < longest:
                pass
            times.append(1e3 * (time.perf_counter() - start))
        rows.append({"net": case.name, "milliseconds": statistics.median(times)})
    return rows


def stuck(net=NETS[2], fits=50, epochs=20):
    """The median step of each of many fits; the slowest of these over the median of all.

    A virtual machine can put two of its processors on one core for a while: each then does half of its
    multiply-adds. So the peak of all threads is measured before and after each fit. `full_speed` is how many
    fits had at least 0.9 of the highest peak both times, `slowest_at_full_speed` the slowest of these.
    """
    most, case = nb.num_threads(), Case(*net)
    medians, peaks = [], [_core.peak_gflops()]
    for _ in range(fits):
        medians.append(case.step(most, epochs))
        peaks.append(_core.peak_gflops())
    middle, least = statistics.median(medians), 0.9 * max(peaks)
    around = zip(medians, itertools.pairwise(peaks), strict=True)
    full = [median for median, peaks in around if min(peaks) >= least]
    return {"net": case.name, "fits": fits, "microseconds": 1e6 * middle, "slowest": max(medians) / middle,
            "full_speed": len(full), "slowest_at_full_speed": max(full) / middle if full else None}  # fmt: skip
