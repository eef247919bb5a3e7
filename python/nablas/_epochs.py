"""Epochs of a fit: one call of the core for one or more, or batches for a loss in Python."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import kernels
from ._engine import Engine
from ._losses import Loss, LossFunction, call
from ._streams import Stream, Visit

if TYPE_CHECKING:
    from ._engine import Dataset, Trainer
    from .history import History

Array = NDArray[Any]
_SECONDS_BETWEEN_CALLS = 0.05  # of `on_rows`, as in the core
Rates = NDArray[np.float64]
Sums = NDArray[np.float64]
OnRows = Callable[[int], None]
OnBatch = Callable[[int, Sums], None]
Reduce = Callable[[Sequence[Array], Sums], float]

# Loss without the penalty, penalty, whether all was finite, seconds: as the core's `run_epochs`.
Epoch = tuple[float, float, bool, float]


@dataclass
class Task:
    """What every epoch of a fit reads.

    Attributes
    ----------
    data : Dataset or Stream
        Rows in memory, or those of a source.
    targets, weight : arrays, or None for `weight`
        Of the rows, for a loss in Python.
    dropout : sequence of float
        One rate for each layer's inputs.
    mean_weight : float or None
        The rows' mean weight: a batch's gradient is multiplied by its own mean over it, so that an
        epoch minimises the weighted mean over all rows, however the batches share the weights.
    bias : bool
        False: the biases stay as they are.
    by_batch : bool
        As scikit-learn reports it: the penalty is divided by each batch's weight, and the epoch's
        loss is the mean of the batches' losses by their numbers of rows.
    shards : int
        Into how many shards the core cuts a batch; their sums are added as a tree.
    own : (begin, end)
        The shards that this process computes.
    reduce : function, optional
        Adds the sums of the other processes' shards; without it all are this process's.
    """

    engine: Engine
    trainer: Trainer
    data: Dataset | Stream
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
    shards: int = 1
    own: tuple[int, int] = (0, 1)
    reduce: Reduce | None = None

    def epoch(
        self,
        rates: Rates,
        on_rows: OnRows | None,
        position: tuple[int, Sums] | None = None,
        on_batch: OnBatch | None = None,
        slice_seconds: float = math.inf,
    ) -> Epoch:
        """Train on all rows once.

        Parameters
        ----------
        rates : array of shape (batches,)
            One learning rate for each batch.
        on_rows : function, optional
            Called with the number of rows done, about 20 times a second.
        position : (rows, sums), optional
            Where to go on within the epoch: what `on_batch` was called with.
        on_batch : function, optional
            Called with the rows done and the sums of the batches' losses, between two batches.
        slice_seconds : float
            Longest time between two calls of `on_batch`, rounded up to a batch; at most 0.05.
        """
        if not isinstance(self.loss, Loss):
            return _batch_by_batch(self, self.loss, rates, on_rows, position, on_batch)
        if isinstance(self.data, Stream):
            return _block_by_block(
                self, self.data, rates, on_rows, position, on_batch, slice_seconds
            )
        return self._in_core(
            self.data, rates[None], on_rows, self.shuffle, None, 1.0,
            position, on_batch, slice_seconds,
        )  # fmt: skip

    def epochs(
        self, rates: Rates, on_rows: OnRows | None, history: History, loss_scale: float
    ) -> Epoch:
        """Train on all rows once for each row of `rates` (epochs, batches), or fewer times.

        The core ends a call early if all epochs would take long; of a loss in Python or a source
        one epoch is run. Epochs are recorded as by `record`, by the core also if an exception ends
        a later one. Returns the last one.
        """
        if isinstance(self.data, Stream) or not isinstance(self.loss, Loss):
            return self.record(self.epoch(rates[0], on_rows), rates[0], history, loss_scale)
        return self._in_core(self.data, rates, on_rows, self.shuffle, history, loss_scale)

    def record(self, done: Epoch, rates: Rates, history: History, loss_scale: float) -> Epoch:
        """Count an epoch and add it to the history, unless it diverged; returns it."""
        self.trainer.record(history, loss_scale, rates[-1], *done)
        return done

    def _in_core(
        self,
        data: Dataset,
        rates: Rates,
        on_rows: OnRows | None,
        shuffle: bool,
        history: History | None,
        loss_scale: float,
        position: tuple[int, Sums] | None = None,
        on_batch: OnBatch | None = None,
        slice_seconds: float = math.inf,
        part: tuple[Array | None, int] | None = None,
    ) -> Epoch:
        # Positional arguments: keywords would double the time of a tiny network's epoch.
        return self.trainer.run_epochs(
            data, rates, self.batch_size, shuffle, self.seed, self.engine.epochs, self.dropout,
            self.l1, self.l2, self.clip_norm or 0.0, on_rows, self.by_batch,
            self.mean_weight or 0.0, self.bias, history, loss_scale, position, on_batch,
            slice_seconds, part, self.shards, self.own, self.reduce,
        )  # fmt: skip


class _Account:
    """An epoch's loss from its batches', computed as the core does."""

    def __init__(self, task: Task, sums: Iterable[float]) -> None:
        self.task, self.start = task, time.perf_counter()
        self.loss, self.count, self.shares = map(float, sums)

    def sums(self) -> Sums:
        """What the account goes on from."""
        return np.array([self.loss, self.count, self.shares])

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


def _visits(task: Task, done: int) -> Generator[Visit]:
    """The blocks of rows that an epoch visits after `done` rows; one, if all are in memory."""
    if isinstance(task.data, Stream):
        yield from task.data.visits(task.shuffle, task.seed, task.engine.epochs, done)
        return
    rows, order = task.data.rows, None
    if task.shuffle:
        order = kernels.permutation(rows, seed=task.seed, epoch=task.engine.epochs)
    yield Visit(0, rows, task.data, task.targets, task.weight, order)


def _block_by_block(
    task: Task,
    stream: Stream,
    rates: Rates,
    on_rows: OnRows | None,
    position: tuple[int, Sums] | None,
    on_batch: OnBatch | None,
    slice_seconds: float,
) -> Epoch:
    """An epoch as one call of the core for each block of a source."""
    start, size = time.perf_counter(), task.batch_size
    done: Epoch = 0.0, 0.0, True, 0.0
    with closing(_visits(task, 0 if position is None else position[0])) as visits:
        for visit in visits:
            own = rates[visit.before // size : -(-visit.end // size)]
            done = task._in_core(
                visit.data, own[None], on_rows, False, None, 1.0,
                position, on_batch, slice_seconds, (visit.order, visit.before),
            )  # fmt: skip
            if not done[2]:
                break
            position = visit.end, task.trainer.sums
            if on_batch is not None and visit.end < stream.rows:
                on_batch(*position)
    return *done[:3], time.perf_counter() - start


def _batches(task: Task, done: int) -> Generator[tuple[Visit, int, int]]:
    """Each batch after `done` rows: its block, and its range of the block's order."""
    with closing(_visits(task, done)) as visits:
        for visit in visits:
            for begin in range(max(done - visit.before, 0), visit.rows, task.batch_size):
                yield visit, begin, min(begin + task.batch_size, visit.rows)


def _batch_by_batch(
    task: Task,
    loss: LossFunction,
    rates: Rates,
    on_rows: OnRows | None,
    position: tuple[int, Sums] | None,
    on_batch: OnBatch | None,
) -> Epoch:
    next_time = time.monotonic() + _SECONDS_BETWEEN_CALLS
    done, sums = (0, (0.0, 0.0, 0.0)) if position is None else position
    account, trainer = _Account(task, sums), task.trainer
    with closing(_batches(task, done)) as batches:
        for rate, (visit, begin, end) in zip(
            rates[done // task.batch_size :], batches, strict=True
        ):
            order = None if visit.order is None else visit.order[begin:end]
            outputs = trainer.forward_batch(visit.data, begin, end, order, task.dropout, task.seed)
            rows = slice(begin, end) if order is None else order
            weights = None if visit.weight is None else visit.weight[rows]
            value, by_outputs = call(loss, outputs, visit.targets[rows], weights)
            if not (math.isfinite(value) and np.isfinite(by_outputs).all()):
                return account.ended_by(math.nan if math.isfinite(value) else value)
            weight = float(end - begin if weights is None else weights.sum())
            if task.mean_weight is not None:
                by_outputs = by_outputs * (weight / ((end - begin) * (task.mean_weight or 1.0)))
            trainer.backward_batch(by_outputs, task.dropout, task.seed)
            share = account.share(weight)
            l1, l2, limit = share * task.l1, share * task.l2, task.clip_norm or 0.0
            trainer.update(rate, l1, l2, limit, task.bias)
            account.add(value, weight, end - begin)
            if on_rows is not None and (now := time.monotonic()) >= next_time:
                on_rows(visit.before + end)
                next_time = now + _SECONDS_BETWEEN_CALLS
            if on_batch is not None and visit.before + end < task.data.rows:
                on_batch(visit.before + end, account.sums())
    return account.epoch()
