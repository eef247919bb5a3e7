"""Epochs whose batches meet Python: a loss of the user's, or gradients looked at before updates."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import _core, _losses

if TYPE_CHECKING:
    from ._training import Fit

Array = NDArray[Any]


# Loss without the penalty, penalty, whether all was finite, seconds: as the core's `run_epoch`.
Epoch = tuple[float, float, bool, float]


class _Account:
    """An epoch's loss from its batches', reckoned as the core does."""

    def __init__(self, fit: Fit) -> None:
        self.fit, self.start = fit, time.perf_counter()
        self.loss = self.count = self.shares = 0.0

    def share(self, weight: float) -> float:
        """What a batch of this weight has of the penalties."""
        return (1 / weight if weight > 0 else 0.0) if self.fit.by_batch else 1.0

    def add(self, loss: float, weight: float, rows: int) -> None:
        """A batch's mean loss."""
        count = rows if self.fit.by_batch else weight
        self.loss += loss * count
        self.shares += self.share(weight) * count
        self.count += count

    def epoch(self) -> Epoch:
        """All of them."""
        fit, count = self.fit, self.count or 1.0
        penalty = fit.net._penalty(fit.l2)
        if fit.l1:
            penalty += fit.l1 * sum(float(np.abs(w).sum(dtype=np.float64)) for w in fit.net.weights)
        return self.loss / count, penalty * self.shares / count, True, self._seconds()

    def ended_by(self, loss: float) -> Epoch:
        """A loss that is not finite."""
        return loss, 0.0, False, self._seconds()

    def _seconds(self) -> float:
        return time.perf_counter() - self.start


def _batches(fit: Fit, epoch: int) -> tuple[NDArray[np.int64] | None, Iterator[tuple[int, int]]]:
    """The order of the rows, and each batch's range of it."""
    rows, size = fit.data.rows, fit.batch_size
    order = _core.permutation(rows, seed=fit.seed, epoch=epoch) if fit.shuffle else None
    return order, ((begin, min(begin + size, rows)) for begin in range(0, rows, size))


def with_loss(fit: Fit, loss: _losses.LossFunction, rates: Array, epoch: int) -> Epoch:
    """As the core's epoch, with the loss in Python between forward and backward."""
    account = _Account(fit)
    order, batches = _batches(fit, epoch)
    for rate, (begin, end) in zip(rates, batches, strict=True):
        outputs = fit.trainer.forward_batch(fit.data, begin, end, order, fit.dropout, fit.seed)
        batch = slice(begin, end) if order is None else order[begin:end]
        weights = None if fit.weight is None else fit.weight[batch]
        value, gradient = _losses.call(loss, outputs, fit.targets[batch], weights)
        if not (math.isfinite(value) and np.isfinite(gradient).all()):
            return account.ended_by(value)
        weight = float(end - begin if weights is None else weights.sum())
        fit.trainer.backward_batch(gradient, fit.dropout, fit.seed)
        fit.trainer.update(rate, fit.l2 * account.share(weight))
        account.add(value, weight, end - begin)
    return account.epoch()


def with_adjusted_gradients(fit: Fit, rates: Array, epoch: int) -> Epoch:
    """As the core's epoch, with an l1 penalty and a limit to the norm of each gradient."""
    account = _Account(fit)
    order, batches = _batches(fit, epoch)
    for rate, (begin, end) in zip(rates, batches, strict=True):
        total, weight, gradient = fit.trainer.gradient_batch(
            fit.data, begin, end, order, fit.dropout, fit.seed
        )
        if not math.isfinite(total):
            return account.ended_by(total)
        share = account.share(weight)
        if fit.l1 or fit.l2:
            for (dw, _), w in zip(fit.net._views(gradient), fit.net.weights, strict=True):
                dw += share * (2 * fit.l2 * w + fit.l1 * np.sign(w))
        if fit.clip_norm is not None:
            norm = float(np.linalg.norm(gradient))
            if norm > fit.clip_norm:
                gradient *= fit.clip_norm / norm
        fit.trainer.update(rate, 0.0)
        account.add(total / weight if weight > 0 else 0.0, weight, end - begin)
    return account.epoch()
