"""Sparse rows: made dense a few batches at a time, never whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._training import Fit

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

    def _epoch(self, rates: NDArray[np.float64], on_rows: Any) -> tuple[float, bool, float]:
        source: Any = self.data
        n, epoch = source.rows, self.net._epochs_done
        order = np.arange(n)
        if self.shuffle:
            order = np.random.default_rng([self.seed, epoch]).permutation(n)
        size = block_rows(source.X, self.batch_size)
        loss_name = str(self.loss)
        losses, weights, seconds = 0.0, 0.0, 0.0
        for begin in range(0, n, size):
            rows = order[begin : begin + size]
            weight = None if source.weight is None else source.weight[rows]
            data = self.net._dataset(
                self.net._core, source.X[rows].toarray(), source.y[rows], weight, loss_name
            )
            steps = slice(begin // self.batch_size, -(-(begin + len(rows)) // self.batch_size))
            loss, finite, taken = self.trainer.run_epoch(
                data,
                rates=np.ascontiguousarray(rates[steps]),
                batch_size=self.batch_size,
                shuffle=False,
                seed=self.seed,
                epoch=epoch,
                dropout=self.dropout,
                l2=self.l2,
                l2_shared=self.l2_shared,
            )
            seconds += taken
            if not finite:
                return loss, False, seconds
            share = len(rows) if weight is None else float(weight.sum())
            losses, weights = losses + loss * share, weights + share
            if on_rows is not None:
                on_rows(begin + len(rows))
        return losses / weights if weights else 0.0, True, seconds
