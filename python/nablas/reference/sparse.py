"""Dense layers on sparse rows, in compressed rows (CSR): made dense, then `dense`'s functions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .dense import dense_forward
from .elementwise import deliver

Array = NDArray[Any]


def _rows(data: ArrayLike, indices: ArrayLike, indptr: ArrayLike, columns: int) -> Array:
    """The dense rows, (n, columns); values of one column are added."""
    data, ends = np.asarray(data), np.asarray(indptr)
    x = np.zeros((len(ends) - 1, columns), data.dtype)
    row = np.repeat(np.arange(len(x)), np.diff(ends))
    np.add.at(x, (row, np.asarray(indices, dtype=np.int64)), data)
    return x


def sparse_forward(
    data: ArrayLike,
    indices: ArrayLike,
    indptr: ArrayLike,
    weights: ArrayLike,
    activation: str = "identity",
    *,
    out: Array | None = None,
    preactivation_out: Array | None = None,
) -> Array:
    """``g(x W + b)`` of the rows x with `data` in the columns `indices`.

    Examples
    --------
    >>> weights = np.array([[0.5], [1.0], [2.0]])
    >>> nb.reference.sparse_forward(np.array([3.0]), [1], [0, 1, 1], weights, "relu")
    array([[6.5],
           [0.5]])
    """
    x = _rows(data, indices, indptr, len(np.asarray(weights)) - 1)
    return dense_forward(x, weights, activation, out=out, preactivation_out=preactivation_out)


def sparse_gradient(
    data: ArrayLike,
    indices: ArrayLike,
    indptr: ArrayLike,
    delta: ArrayLike,
    inputs: int,
    *,
    out: Array | None = None,
) -> Array:
    """The gradient of a layer's weights, (inputs + 1, outputs): row 0 the column sums of delta.

    Examples
    --------
    >>> delta = np.array([[0.1], [0.2]])
    >>> nb.reference.sparse_gradient(np.array([3.0]), [1], [0, 1, 1], delta, 2).ravel().round(4)
    array([0.3, 0. , 0.3])
    """
    x, delta = _rows(data, indices, indptr, inputs), np.asarray(delta)
    return deliver(np.vstack([delta.sum(axis=0, keepdims=True), x.T @ delta]), out)
