"""One epoch of a fit: one call of the core, or batch by batch (a loss in Python, l1, clipping)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import kernels
from ._engine import Engine
from ._losses import Loss, LossFunction, call

if TYPE_CHECKING:
    from ._engine import Dataset, Trainer

Array = NDArray[Any]
Rates = NDArray[np.float64]
OnRows = Callable[[int], None]

# Loss without the penalty, penalty, whether all was finite, seconds: as the core's `run_epoch`.
Epoch = tuple[float, float, bool, float]


@dataclass
class Task:
    """What every epoch of a fit reads.

    Attributes
    ----------
    data : Dataset
    targets, weight : arrays, or None for `weight`
        Of the rows, for a loss in Python.
    dropout : sequence of float
        One rate for each layer's inputs.
    mean_weight : float or None
        The rows' mean weight: a batch's gradient is multiplied by its own mean over it, so that an
        epoch goes down the weighted mean over all rows, however the batches share the weights.
    bias : bool
        False: the biases get no gradient.
    in_python : bool
        Whether epochs go batch by batch through Python.
    by_batch : bool
        scikit-learn's accounts: the penalty is divided by each batch's weight, and the epoch's loss
        is the mean of the batches' losses by their numbers of rows.
    """

    engine: Engine
    trainer: Trainer
    data: Dataset
    targets: Array
    weight: Array | None
    loss: Loss | LossFunction
    batch_size: int
    shuffle: bool
    seed: int
    l1: float
    l2: float
    clip_norm: float | None
    dropout: Sequence[float]
    by_batch: bool = False
    mean_weight: float | None = None
    bias: bool = True

    def __post_init__(self) -> None:
        adds = bool(self.l1) or self.mean_weight is not None
        self.adjusted = adds or self.clip_norm is not None or not self.bias
        self.in_python = self.adjusted or not isinstance(self.loss, Loss)

    def epoch(self, rates: Rates, on_rows: OnRows | None) -> Epoch:
        """Train on all rows once; `rates` has one learning rate for each batch."""
        if self.in_python:
            return _batch_by_batch(self, rates)
        # Positional arguments: keywords would double the time of a tiny network's epoch.
        return self.trainer.run_epoch(
            self.data, rates, self.batch_size, self.shuffle, self.seed, self.engine.epochs,
            self.dropout, self.l2, on_rows, self.by_batch,
        )  # fmt: skip


class _Account:
    """An epoch's loss from its batches', computed as the core does."""

    def __init__(self, task: Task) -> None:
        self.task, self.start = task, time.perf_counter()
        self.loss = self.count = self.shares = 0.0

    def share(self, weight: float) -> float:
        """The factor of the penalties in a batch of this weight."""
        return (1 / weight if weight > 0 else 0.0) if self.task.by_batch else 1.0

    def add(self, loss: float, weight: float, rows: int) -> None:
        """Add a batch's mean loss."""
        count = rows if self.task.by_batch else weight
        self.loss += loss * count
        self.shares += self.share(weight) * count
        self.count += count

    def epoch(self) -> Epoch:
        """The result of an epoch whose batches were all finite."""
        task, count = self.task, self.count or 1.0
        penalty = task.engine.penalty(task.l1, task.l2)
        return self.loss / count, penalty * self.shares / count, True, self._seconds()

    def ended_by(self, loss: float) -> Epoch:
        """The result of an epoch that ended at a loss that is not finite."""
        return loss, 0.0, False, self._seconds()

    def _seconds(self) -> float:
        return time.perf_counter() - self.start


def _batches(task: Task) -> tuple[NDArray[np.int64] | None, Iterator[tuple[int, int]]]:
    """The order of the rows, and each batch's range of it."""
    rows, size, order = task.data.rows, task.batch_size, None
    if task.shuffle:
        order = kernels.permutation(rows, seed=task.seed, epoch=task.engine.epochs)
    return order, ((begin, min(begin + size, rows)) for begin in range(0, rows, size))


def _batch_by_batch(task: Task, rates: Rates) -> Epoch:
    account = _Account(task)
    order, batches = _batches(task)
    sides: list[Array] = []
    for rate, (begin, end) in zip(rates, batches, strict=True):
        loss, weight, gradient = _gradient(task, begin, end, order)
        if not math.isfinite(loss):
            return account.ended_by(loss)
        share = account.share(weight)
        if task.mean_weight is not None:
            gradient *= weight / ((end - begin) * (task.mean_weight or 1.0))
        if task.adjusted:
            sides = _adjust(task, gradient, share)
        task.trainer.update(rate, 0.0 if task.adjusted else task.l2 * share)
        for side, (w, _) in zip(sides, task.engine.views(task.engine.parameters), strict=False):
            w[w * side <= 0] = 0
        account.add(loss, weight, end - begin)
    return account.epoch()


def _gradient(
    task: Task, begin: int, end: int, order: NDArray[np.int64] | None
) -> tuple[float, float, Array]:
    """A batch's mean loss, its weight, and the flat gradient of the loss: a view in the trainer."""
    trainer, place = task.trainer, (begin, end, order, task.dropout, task.seed)
    if isinstance(task.loss, Loss):
        total, weight, gradient = trainer.gradient_batch(task.data, *place)
        return (total / weight if weight > 0 else total), weight, gradient
    outputs = trainer.forward_batch(task.data, *place)
    rows = slice(begin, end) if order is None else order[begin:end]
    weights = None if task.weight is None else task.weight[rows]
    loss, by_outputs = call(task.loss, outputs, task.targets[rows], weights)
    if not np.isfinite(by_outputs).all():
        loss = math.nan if math.isfinite(loss) else loss
        return loss, 0.0, by_outputs
    gradient = trainer.backward_batch(by_outputs, task.dropout, task.seed)
    return loss, float(end - begin if weights is None else weights.sum()), gradient


def _adjust(task: Task, gradient: Array, share: float) -> list[Array]:
    """Add the penalties' gradients, then limit the norm, in place.

    Returns, with an L1 penalty, each layer's sides: -1, 0 or 1, the sign that a weight may have
    after the update; one that crossed zero becomes zero.
    """
    layers = zip(
        task.engine.views(gradient), task.engine.views(task.engine.parameters), strict=True
    )
    sides = []
    for (dw, db), (w, _) in layers:
        if not task.bias:
            db[:] = 0
        if task.l2:
            dw += share * 2 * task.l2 * w
        if task.l1:
            sides.append(_add_l1(dw, w, share * task.l1))
    if task.clip_norm is not None:
        norm = float(np.linalg.norm(gradient))
        if norm > task.clip_norm:
            gradient *= task.clip_norm / norm
    return sides


def _add_l1(dw: Array, w: Array, l1: float) -> Array:
    """Add the subgradient of least norm of ``l1 Σ|w|`` (Andrew and Gao 2007); returns the sides.

    A weight at zero leaves it only where the loss's own slope is above l1.
    """
    leaving = np.where(np.abs(dw) > l1, -np.sign(dw), 0)
    side: Array = np.where(w == 0, leaving, np.sign(w))
    dw += l1 * side
    dw[side == 0] = 0
    return side
