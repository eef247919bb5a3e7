"""Products, dense layers, softmax and row gather."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .activations import ACTIVATIONS
from .elementwise import deliver, slope

Array = NDArray[Any]


def matmul(
    a: ArrayLike,
    b: ArrayLike,
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    out: Array | None = None,
) -> Array:
    """The product of two matrices, each transposed first if asked.

    Examples
    --------
    >>> nb.reference.matmul([[1.0, 2.0]], [[3.0], [4.0]])
    array([[11.]])
    """
    a, b = np.asarray(a), np.asarray(b)
    return deliver((a.T if transpose_a else a) @ (b.T if transpose_b else b), out)


def dense_forward(
    x: ArrayLike,
    weights: ArrayLike,
    activation: str = "identity",
    *,
    out: Array | None = None,
    preactivation_out: Array | None = None,
) -> Array:
    """``g(x W + b)``: x is extended by a column of ones; row 0 of `weights` is the bias.

    Examples
    --------
    >>> nb.reference.dense_forward([[1.0, 2.0]], [[0.5], [1.0], [2.0]], "relu")
    array([[5.5]])
    """
    x, weights = np.asarray(x), np.asarray(weights)
    z = np.column_stack([np.ones(len(x), dtype=x.dtype), x]) @ weights
    if preactivation_out is not None:
        preactivation_out[...] = z
    return deliver(ACTIVATIONS[activation].value(z), out)


def dense_backward(
    x: ArrayLike,
    weights: ArrayLike,
    delta: ArrayLike,
    activation: str = "identity",
    *,
    preactivation: ArrayLike | None = None,
    gradient_out: Array | None = None,
    delta_out: Array | None = None,
) -> tuple[Array, Array]:
    """The gradient with respect to `weights`, and the delta of the layer below.

    Examples
    --------
    >>> gradient, delta_below = nb.reference.dense_backward(
    ...     [[1.0, 2.0]], [[0.5], [1.0], [-2.0]], [[0.1]], "relu"
    ... )
    >>> gradient.ravel().tolist(), delta_below.tolist()
    ([0.1, 0.1, 0.2], [[0.1, -0.2]])
    """
    x, weights, delta = np.asarray(x), np.asarray(weights), np.asarray(delta)
    gradient = np.column_stack([np.ones(len(x), dtype=x.dtype), x]).T @ delta
    kept = x if ACTIVATIONS[activation].inverse else np.asarray(preactivation)
    below = (delta @ weights[1:].T) * slope(kept, activation)
    return deliver(gradient, gradient_out), deliver(below, delta_out)


def softmax(z: ArrayLike, *, out: Array | None = None) -> Array:
    """``exp(z) / sum(exp(z))`` of each row; NaN for a row with an infinite z above 0.

    Examples
    --------
    >>> nb.reference.softmax(np.array([[0.0, 0.0], [0.0, 100.0]])).round(4)
    array([[0.5, 0.5],
           [0. , 1. ]])
    """
    z = np.asarray(z)
    if z.size == 0:
        return deliver(z.copy(), out)
    log_sum = np.logaddexp.reduce(z.astype(np.float64), axis=1, keepdims=True)
    shares = np.exp(z - np.where(np.isposinf(log_sum), np.nan, log_sum))
    return deliver(shares.astype(z.dtype), out)


def gather_rows(
    x: ArrayLike,
    indices: ArrayLike,
    *,
    dtype: DTypeLike | None = None,
    out: Array | None = None,
) -> Array:
    """``x[indices]`` in `dtype`; default: float64 if x is float64, else float32.

    Examples
    --------
    >>> nb.reference.gather_rows(np.arange(6).reshape(3, 2), [2, 0])
    array([[4., 5.],
           [0., 1.]], dtype=float32)
    """
    x = np.asarray(x)
    if dtype is None:
        dtype = np.float64 if x.dtype.newbyteorder("=") == np.float64 else np.float32
    return deliver(x[np.asarray(indices)].astype(dtype), out)
