"""Sparse rows: made dense a few batches at a time, never whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._stepwise import Epoch
from .._training import Fit
from ..mlp import MLP

BYTES = 32 * 1024 * 1024  # of a dense block


def block_rows(X: Any, at_least: int = 1) -> int:
    """Rows of a block, a multiple of `at_least`."""
    fitting = BYTES // max(1, X.shape[1] * X.dtype.itemsize)
    return int(max(1, fitting // at_least) * at_least)


def blocks(X: Any, rows: int) -> Iterator[tuple[slice, NDArray[Any]]]:
    """Consecutive rows as dense arrays."""
    for begin in range(0, X.shape[0], rows):
        part = slice(begin, min(begin + rows, X.shape[0]))
        yield part, X[part].toarray()


class DataBlocks:
    """All rows as the core's data: dense ones at once, sparse ones a block at a time.

    Parameters
    ----------
    net : MLP
    X, y, weight : arrays as the core takes them; X may be a CSR matrix
    loss : str
    """

    def __init__(self, net: MLP, X: Any, y: Any, weight: Any, loss: str) -> None:
        self.net, self.X, self.y, self.weight, self.loss = net, X, y, weight, loss
        self.total = float(X.shape[0] if weight is None else weight.sum())
        self._whole = None if hasattr(X, "tocsr") else self._make(X, slice(None))

    def _make(self, rows: Any, part: slice) -> Any:
        weight = None if self.weight is None else self.weight[part]
        return self.net._dataset(self.net._core, rows, self.y[part], weight, self.loss)

    def __iter__(self) -> Iterator[tuple[Any, float]]:
        """Each block and its share of the weight of all."""
        if self._whole is not None:
            yield self._whole, 1.0
            return
        for part, rows in blocks(self.X, block_rows(self.X)):
            weight = len(rows) if self.weight is None else float(self.weight[part].sum())
            yield self._make(rows, part), weight / self.total if self.total > 0 else 0.0


@dataclass
class SparseRows:
    """What stands in a `Fit` for the core's data."""

    X: Any
    y: NDArray[Any]
    weight: NDArray[Any] | None

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.X.shape[0])


class SparseFit(Fit):
    """A `Fit` over a CSR matrix: each epoch goes over its dense blocks in a shuffled order."""

    def _epoch(self, rates: NDArray[np.float64], on_rows: Any) -> Epoch:
        source: Any = self.data
        n, epoch = source.rows, self.net._epochs_done
        order = np.arange(n)
        if self.shuffle:
            order = np.random.default_rng([self.seed, epoch]).permutation(n)
        size = block_rows(source.X, self.batch_size)
        losses, penalties, seconds = 0.0, 0.0, 0.0
        for begin in range(0, n, size):
            rows = order[begin : begin + size]
            weight = None if source.weight is None else source.weight[rows]
            data = self.net._dataset(
                self.net._core, source.X[rows].toarray(), source.y[rows], weight, str(self.loss)
            )
            steps = slice(begin // self.batch_size, -(-(begin + len(rows)) // self.batch_size))
            loss, penalty, finite, taken = self.trainer.run_epoch(
                data,
                rates=np.ascontiguousarray(rates[steps]),
                batch_size=self.batch_size,
                shuffle=False,
                seed=self.seed,
                epoch=epoch,
                dropout=self.dropout,
                l2=self.l2,
                by_batch=self.by_batch,
            )
            seconds += taken
            if not finite:
                return loss, 0.0, False, seconds
            losses, penalties = losses + loss * len(rows), penalties + penalty * len(rows)
            if on_rows is not None:
                on_rows(begin + len(rows))
        return losses / n, penalties / n, True, seconds
