"""Epochs whose batches meet Python: a loss of the user's, or gradients looked at before updates."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import _core, _losses

if TYPE_CHECKING:
    from ._training import Fit

Array = NDArray[Any]
Epoch = tuple[float, bool, float]  # loss, whether it was finite, seconds


def _batches(fit: Fit, epoch: int) -> tuple[NDArray[np.int64] | None, Iterator[tuple[int, int]]]:
    """The order of the rows, and each batch's range of it."""
    rows, size = fit.data.rows, fit.batch_size
    order = _core.permutation(rows, seed=fit.seed, epoch=epoch) if fit.shuffle else None
    return order, ((begin, min(begin + size, rows)) for begin in range(0, rows, size))


def with_loss(fit: Fit, loss: _losses.LossFunction, rates: Array, epoch: int) -> Epoch:
    """As the core's epoch, with the loss in Python between forward and backward."""
    start, total, rows = time.perf_counter(), 0.0, fit.data.rows
    order, batches = _batches(fit, epoch)
    for rate, (begin, end) in zip(rates, batches, strict=True):
        outputs = fit.trainer.forward_batch(fit.data, begin, end, order, fit.dropout, fit.seed)
        batch = slice(begin, end) if order is None else order[begin:end]
        value, gradient = _losses.call(loss, outputs, fit.targets[batch])
        if not (math.isfinite(value) and np.isfinite(gradient).all()):
            return value, False, time.perf_counter() - start
        fit.trainer.backward_batch(gradient, fit.dropout, fit.seed)
        fit.trainer.update(rate, fit.l2 / (end - begin) if fit.l2_shared else fit.l2)
        total += value * (end - begin)
    penalty = fit.net._penalty(fit.l2) * (len(rates) / rows if fit.l2_shared else 1)
    return total / rows + penalty, True, time.perf_counter() - start


def with_adjusted_gradients(
    fit: Fit, adjust: Callable[[Array, float], None], rates: Array, epoch: int
) -> Epoch:
    """As the core's epoch, each gradient (penalty included) edited before its update."""
    start, total, weights, shares = time.perf_counter(), 0.0, 0.0, 0.0
    order, batches = _batches(fit, epoch)
    for rate, (begin, end) in zip(rates, batches, strict=True):
        loss, weight, gradient = fit.trainer.gradient_batch(
            fit.data, begin, end, order, fit.dropout, fit.seed
        )
        if not math.isfinite(loss):
            return loss, False, time.perf_counter() - start
        l2 = fit.l2 / (weight or 1.0) if fit.l2_shared else fit.l2
        if l2:
            for (dw, _), w in zip(fit.net._views(gradient), fit.net.weights, strict=True):
                dw += 2 * l2 * w
        adjust(gradient, weight)
        fit.trainer.update(rate, 0.0)
        total, weights, shares = total + loss, weights + weight, shares + l2 / len(rates)
    mean = total / weights if weights else 0.0
    return mean + fit.net._penalty(shares), True, time.perf_counter() - start
