"""Rows of X, dense or sparse. Sparse rows are made dense a block at a time, never all at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._data import check_finite
from .._engine import Engine
from .._epochs import Epoch, OnRows, Rates, Task
from .._losses import Loss
from .._registry import default_loss

if TYPE_CHECKING:
    from .._engine import Dataset

Array = NDArray[Any]
BYTES = 32 * 1024 * 1024  # of a dense block of sparse rows


class Rows:
    """All rows of X; `of` decides once whether they are dense or sparse."""

    task: type[Task] = Task
    sparse = False

    def __init__(self, X: Any) -> None:
        self.X = X

    @staticmethod
    def of(X: Any) -> Rows:
        """Rows of a dense array or of a sparse matrix."""
        return SparseRows(X.tocsr()) if hasattr(X, "tocsr") else Rows(X)

    def __len__(self) -> int:
        return int(self.X.shape[0])

    def check_finite(self, dtype: str) -> None:
        """ValueError for a value that `dtype` cannot hold, of rows that are finite in their own."""
        if self.X.dtype != dtype:
            check_finite(self._values(), dtype)

    def _values(self) -> Array:
        return np.asarray(self.X)

    def blocks(self) -> Iterator[tuple[slice, Array]]:
        """Consecutive rows as dense arrays."""
        yield slice(0, len(self)), self.X

    def each(self, function: Callable[[Array], Array]) -> Array:
        """A function of dense rows, for all rows."""
        parts = [function(rows) for _, rows in self.blocks()]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def to_train(self, engine: Engine, y: Array | None, weight: Array | None, loss: Loss) -> Any:
        """What a `Task` of this kind trains on."""
        return engine.dataset(self.X, y, weight, loss)

    def datasets(
        self, engine: Engine, y: Array, weight: Array | None, loss: Loss
    ) -> Iterator[tuple[Dataset, float]]:
        """The core's data of each block, with the block's share of the weight of all rows."""
        total = float(len(self) if weight is None else weight.sum())
        for part, rows in self.blocks():
            w = None if weight is None else weight[part]
            mass = float(len(rows) if w is None else w.sum())
            share = mass / total if total > 0 else 0.0
            yield engine.dataset(rows, y[part], w, loss), share


class SparseRows(Rows):
    """Rows of a CSR matrix."""

    sparse = True

    def _values(self) -> Array:
        return np.asarray(self.X.data)

    def block_rows(self, multiple: int = 1) -> int:
        """Rows of a block of at most `BYTES`, a multiple of `multiple`."""
        fitting = BYTES // max(1, self.X.shape[1] * self.X.dtype.itemsize)
        return int(max(1, fitting // multiple) * multiple)

    def blocks(self) -> Iterator[tuple[slice, Array]]:
        """As `Rows.blocks`."""
        size = self.block_rows()
        for begin in range(0, max(len(self), 1), size):
            part = slice(begin, min(begin + size, len(self)))
            yield part, self.X[part].toarray()

    def to_train(self, engine: Engine, y: Array | None, weight: Array | None, loss: Loss) -> Any:
        """As `Rows.to_train`."""
        return SparseData(self)


@dataclass
class SparseData:
    """A `SparseTask`'s data."""

    source: SparseRows

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.source)


class SparseTask(Task):
    """Epochs over a CSR matrix: each converts its shuffled rows block by block."""

    def epoch(self, rates: Rates, on_rows: OnRows | None) -> Epoch:
        """As `Task.epoch`."""
        data: Any = self.data
        n, epoch = data.rows, self.engine.epochs
        order = np.arange(n)
        if self.shuffle:
            order = np.random.default_rng([self.seed, epoch]).permutation(n)
        size = data.source.block_rows(self.batch_size)
        losses = counts = shares = seconds = 0.0
        for begin in range(0, n, size):
            rows = order[begin : begin + size]
            steps = slice(begin // self.batch_size, -(-(begin + len(rows)) // self.batch_size))
            loss, penalty, finite, taken = self._block(rows).epoch(
                np.ascontiguousarray(rates[steps]), None
            )
            seconds += taken
            if not finite:
                return loss, 0.0, False, seconds
            count = len(rows) if self.by_batch else self._mass(rows)
            losses, counts = losses + loss * count, counts + count
            now = self.engine.penalty(self.l1, self.l2)
            shares += penalty / now * len(rows) if now else 0.0
            if on_rows is not None:
                on_rows(begin + len(rows))
        last = self.engine.penalty(self.l1, self.l2)  # of the epoch's last weights
        return losses / (counts or 1.0), last * shares / n, True, seconds

    def _mass(self, rows: Array) -> float:
        """The rows' weight."""
        return float(len(rows) if self.weight is None else self.weight[rows].sum())

    def _block(self, rows: Array) -> Task:
        """The task of some rows, dense, in their order."""
        data: Any = self.data
        weight = None if self.weight is None else self.weight[rows]
        dense, targets = data.source.X[rows].toarray(), self.targets[rows]
        if isinstance(self.loss, Loss):
            block = self.engine.dataset(dense, targets, weight, self.loss)
        else:
            named = Loss(default_loss(self.engine.activations[-1]))
            block = self.engine.dataset(dense, None, None, named)
        kept = {f.name: getattr(self, f.name) for f in fields(Task)}
        changed = {"data": block, "targets": targets, "weight": weight, "shuffle": False}
        return Task(**kept | changed)


SparseRows.task = SparseTask
