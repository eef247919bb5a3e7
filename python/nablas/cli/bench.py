"""``nablas bench``: times of training steps and matrix products on this machine."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _threads, kernels, metrics
from ..mlp import MLP
from ..optimizers import SGD

SECONDS_A_CASE = 0.3
LEAST_ROUNDS = 5
RATE = 1e-3
NETS = [
    ([4, 3], 32),
    ([64, 64, 10], 32),
    ([784, 128, 10], 128),
    ([784, 512, 512, 10], 1024),
]
PRODUCTS = [(32, 64, 64), (128, 784, 128), (1024, 1024, 1024)]


def _median(function: Callable[[], float]) -> float:
    """Median of what the function measures, after one unmeasured call."""
    function()
    values: list[float] = []
    start = time.perf_counter()
    while len(values) < LEAST_ROUNDS or time.perf_counter() - start < SECONDS_A_CASE:
        values.append(function())
    return statistics.median(values)


def steps() -> list[dict[str, Any]]:
    """Microseconds of a step of `fit`: SGD, float32, shuffling and gathering included."""
    results = []
    for sizes, batch in NETS:
        batches = max(2, min(100, 2_000_000 // (batch * sizes[0])))
        rng = np.random.default_rng(0)
        x = rng.random((batch * batches, sizes[0]), dtype=np.float32)
        y = (x @ rng.standard_normal((sizes[0], sizes[-1]))).argmax(axis=1)
        net, optimizer = MLP(sizes, output="softmax", seed=0), SGD(RATE)

        def step(
            net: MLP = net, x: Any = x, y: Any = y, batch: int = batch, n: int = batches
        ) -> float:
            history = net.fit(x, y, optimizer=optimizer, batch_size=batch, epochs=1)  # noqa: B023
            return 1e6 * history.seconds[0] / n

        before = net.loss(x, y)
        microseconds = _median(step)
        if not net.loss(x, y) < before:
            raise RuntimeError(f"{net}: expected the loss to fall, got no fall; not reported")
        products = sum(a * b for a, b in zip(sizes, sizes[1:], strict=False))
        flops = 2 * batch * (3 * products - sizes[0] * sizes[1])
        case = f"{'-'.join(map(str, sizes))}, batch {batch}"
        results.append(
            {"case": case, "microseconds": microseconds, "gflops": flops / microseconds / 1e3}
        )
    return results


def products() -> list[dict[str, Any]]:
    """Microseconds of matrix products in float32, each checked before it is timed."""
    results = []
    for n, k, m in PRODUCTS:
        rng = np.random.default_rng(0)
        a, b = rng.random((n, k), dtype=np.float32), rng.random((k, m), dtype=np.float32)
        out: NDArray[Any] = np.empty((n, m), np.float32)
        kernels.matmul(a, b, out=out)
        if metrics.r2(a.astype(float) @ b.astype(float), out) < 1 - 1e-9:
            raise RuntimeError("matmul: expected the product, got something else; not reported")
        repeats = max(1, 20_000_000 // (n * k * m))

        def product(a: Any = a, b: Any = b, out: Any = out, repeats: int = repeats) -> float:
            start = time.perf_counter()
            for _ in range(repeats):
                kernels.matmul(a, b, out=out)
            return 1e6 * (time.perf_counter() - start) / repeats

        microseconds = _median(product)
        gflops = 2 * n * k * m / microseconds / 1e3
        results.append(
            {"case": f"({n}, {k}) ({k}, {m})", "microseconds": microseconds, "gflops": gflops}
        )
    return results


def run() -> dict[str, Any]:
    """All results, each with its share of the peak."""
    peak = _threads.peak_gflops()
    sections = {"training steps": steps(), "products": products()}
    for row in itertools.chain(*sections.values()):
        row["share_of_peak"] = row["gflops"] / peak
    return {
        "instruction_set": _threads.isa(),
        "threads": _threads.num_threads(),
        "peak_gflops": peak,
        **sections,
    }
