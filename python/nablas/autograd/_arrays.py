"""Helpers of the rules; those used in gradients take arrays and Tensors."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import kernels, reference
from .._registry import ACTIVATIONS

ndarray = np.ndarray
# Activations with slope 0 on an interval
FLAT = {n for n in ACTIVATIONS if not np.any(reference.ACTIVATIONS[n].slope(np.array(-1.0)))}


def fitted(x: Any) -> Any:
    """An array of a dtype the kernels take: float32 and float64 unchanged, others as float64."""
    return x if x.dtype.char in "fd" else x.astype(np.float64)


def floating(x: Any) -> Any:
    """Floating dtypes unchanged, integers as float64."""
    return x if x.dtype.kind == "f" else x.astype(np.float64)


def by_kernel(kernel: Any, x: Any, *settings: Any) -> Any:
    """A kernel's result, in the dtype of `x` if that is floating, otherwise in float64."""
    if x.dtype.char in "fd":
        return kernel(x, *settings)
    return kernel(fitted(x), *settings).astype(floating(x).dtype)


def times_slope(g: Any, kept: Any, name: str) -> Any:
    """``g`` times the slope of an activation; 0 for any g on an interval where the slope is 0.

    `kept` is what the activation's kernel reads, or with Tensors the preactivation.
    """
    slope: Any = None
    if type(g) is not ndarray:
        slope = reference.ACTIVATIONS[name].slope(kept)
        delta = g * slope
    elif g.dtype == kept.dtype and g.dtype.char in "fd":
        delta = kernels.hadamard_delta(g, kept, name)
        if name not in FLAT or not np.isnan(np.vdot(delta, delta)):  # one pass: is any NaN?
            return delta
    else:
        delta = g * by_kernel(kernels.slope, kept, name)
    if name not in FLAT:
        return delta
    slope = by_kernel(kernels.slope, kept, name) if slope is None else slope
    return np.where(slope == 0, 0, delta)


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum over the axes that broadcasting added or stretched."""
    if g.shape == shape:
        return g
    added = g.ndim - len(shape)
    if added < 0:
        return g + np.zeros(shape, g.dtype)
    stretched = [i + added for i, n in enumerate(shape) if n == 1 and g.shape[i + added] != 1]
    if added or stretched:
        g = g.sum(axis=(*range(added), *stretched), keepdims=False)
    return g.reshape(shape)


def expand(g: Any, shape: tuple[int, ...], axis: Any, keepdims: bool) -> Any:
    """A reduction's result with the reduced axes kept at length 1, as with keepdims."""
    if keepdims or axis is None or not shape:
        return g
    axes = {a % len(shape) for a in (axis if isinstance(axis, tuple) else (axis,))}
    return g.reshape(tuple(1 if i in axes else n for i, n in enumerate(shape)))


def spread(g: Any, shape: tuple[int, ...], axis: Any, keepdims: bool) -> Any:
    """`expand`, broadcast to the input's shape."""
    g = expand(g, shape, axis, keepdims)
    if isinstance(g, (ndarray, np.generic)):
        full = np.empty(shape, g.dtype)
        full[...] = g
        return full
    return np.broadcast_to(g, shape)


def norm(x: Any, axis: Any, keepdims: bool) -> Any:
    """Euclidean norm, scaled by the largest entry where squares would overflow or underflow."""
    x = floating(x)
    size = np.sqrt((x * x).sum(axis=axis, keepdims=keepdims))
    if x.size and not np.all((size > 1e-15) & (size < 1e15)):
        top = np.maximum.reduce(np.absolute(x), axis=axis, keepdims=True)
        top = np.where((top > 0) & np.isfinite(top), top, 1).astype(x.dtype, copy=False)
        scaled = np.sqrt(np.add.reduce(np.square(x / top), axis=axis, keepdims=True)) * top
        size = scaled.reshape(np.shape(size))
    return size


def norm_slope(g: Any, y: Any, x: Any) -> Any:
    """The gradient by x of its Euclidean norm, g and y reduced with keepdims; 0 where y is 0."""
    if not (y < np.finfo(y.dtype).tiny).any():  # 1 / y is a number
        return x * (g / y)
    zero = y == 0
    return np.where(zero, 0, g * (x / np.where(zero, 1, y)))


def extremes_slope(g: Any, y: Any, x: Any, axis: Any) -> Any:
    """The gradient shared equally among all entries that are the largest or smallest."""
    met = x == y
    count = met.sum(axis=axis, keepdims=True)
    none = count == 0  # y is NaN
    dtype = np.result_type(g.dtype, np.float32)  # float16 ends at 65,504 entries
    return np.where(met | none, g / np.where(none, np.nan, count).astype(dtype), 0)


def power_slope(g: Any, a: Any, b: Any) -> Any:
    """The gradient by a of ``a ** b``; 0 where b is 0."""
    if isinstance(b, (int, float)):
        return g * (b * a ** (b - 1)) if b else np.zeros_like(g)
    b = b if b.dtype.kind == "f" else b.astype(g.dtype)  # unsigned integers have no b - 1
    zero = b == 0
    if zero.any():
        # The slope is 0 / a, and its derivative by b is 1 / a, where that is a number.
        lost = zero & ~((np.absolute(a) >= np.finfo(g.dtype).tiny) & np.isfinite(g))
        a, g = np.where(lost, 1, a), np.where(lost, 0, g)
    return g * (b * a ** (b - 1))


def exponent_slope(g: Any, y: Any, a: Any, b: Any) -> Any:
    """The gradient by b of ``y = a ** b``; 0 where a is 0 and b at least 0."""
    flat = (a == 0) & (b >= 0)
    if not flat.any():
        return g * y * np.log(a)
    return np.where(flat, 0, g * y * np.log(np.where(flat, 1, a)))


def share_of_sum(exponential: Any, a: Any, b: Any) -> Any:
    """The derivative by a of ``log(e^a + e^b)``; 1/2 where both are the same infinity."""
    away = b - a
    if np.isnan(away).any():
        same = (a == b) & np.isinf(a)
        away = np.where(same, 0, b) - np.where(same, 0, a)
    above = away > 0
    small = exponential(np.where(above, -away, away))
    return np.where(above, small, 1) / (1 + small)


def sum_exp_slope(g: Any, y: Any, x: Any, axis: Any) -> Any:
    """The gradient by x of ``y = log_sum_exp(x)``, g and y reduced with keepdims.

    Its derivatives sum to 1, also where y is so large that its rounding counts in ``exp(x - y)``.
    """
    shares = np.exp(x - y)
    total = np.where(np.isfinite(y), shares.sum(axis=axis, keepdims=True), 1)
    return g / total * shares


def angle_slope(g: Any, side: Any, a: Any, b: Any) -> Any:
    """``g · side / (a² + b²)`` for the gradients of arctan2; 0 where a and b are 0."""
    total = a * a + b * b
    if ((total >= np.finfo(total.dtype).tiny) & (total < np.inf)).all():
        return g * side / total
    zero = (a == 0) & (b == 0)
    size = np.hypot(np.where(zero, 1, a), np.where(zero, 1, b))
    return np.where(zero, 0, g * (side / size / size))


# Coefficients of x^(2k - 1) in the derivative of sinc, from k = 12 down to 1
_SINC_SLOPE = [
    (-1) ** k * 2 * k * math.pi ** (2 * k) / math.factorial(2 * k + 1) for k in range(12, 0, -1)
]


def sinc_slope(y: Any, x: Any) -> Any:
    """The derivative of ``sin(πx) / (πx)``; near 0 by its series."""
    near = np.absolute(x) < 0.25
    slope = (np.cos(np.pi * x) - y) / np.where(near, 1, x)
    if not near.any():
        return slope
    close = np.where(near, x, 0)
    square, series = close * close, 0.0
    for coefficient in _SINC_SLOPE:
        series = series * square + coefficient
    return np.where(near, series * close, slope)


def scatter(shape: tuple[int, ...], indices: Sequence[Any], *parts: Any) -> Any:
    """Zeros of `shape`, with each part added at its index."""
    if not isinstance(parts[0], (ndarray, np.generic)):
        return parts[0]._apply("scatter", shape, indices, *parts)
    full = np.zeros(shape, parts[0].dtype)
    for i, (index, part) in enumerate(zip(indices, parts, strict=True)):
        if not all(_once(one) for one in (index if isinstance(index, tuple) else (index,))):
            np.add.at(full, index, part)
        elif i == 0:
            full[index] = part
        else:
            full[index] += part
    return full


def _once(part: Any) -> bool:
    """Whether this part of an index selects no entry twice; False if that would take long."""
    if isinstance(part, ndarray):
        if part.dtype.kind == "i" and part.size and 0 <= part.min() <= part.max() < 16 * part.size:
            return bool(np.bincount(part.reshape(-1)).max() == 1)
        return bool(part.dtype == bool)
    return part is None or part is ... or isinstance(part, (slice, int, np.integer))


def split(g: Any, sizes: list[int], axis: int) -> list[Any]:
    """Consecutive parts of `g` along an axis."""
    before, ends = (slice(None),) * (axis % g.ndim), [0, *itertools.accumulate(sizes)]
    return [g[(*before, slice(a, b))] for a, b in itertools.pairwise(ends)]


def unstack(g: Any, count: int, axis: int) -> list[Any]:
    """The slices of `g` along an axis."""
    before = (slice(None),) * (axis % g.ndim)
    return [g[(*before, i)] for i in range(count)]


def moved(x: Any, numbers: Any) -> Any:
    """The entries of x that have these numbers in C order, from 1; 0 for the number 0."""
    if not isinstance(x, ndarray):
        return x._apply("moved", x, numbers)
    return np.concatenate([np.zeros(1, x.dtype), x.reshape(-1)]).take(numbers)


def moved_back(g: Any, numbers: Any, shape: tuple[int, ...]) -> Any:
    """Zeros of `shape`, with the entries of g added at their numbers."""
    if not isinstance(g, (ndarray, np.generic)):
        return g._apply("moved_back", g, numbers, shape)
    full = np.zeros(math.prod(shape) + 1, g.dtype)
    np.add.at(full, numbers.reshape(-1), g.reshape(-1))  # fast in one dimension
    return full[1:].reshape(shape)


def cumprod_slope(g: Any, y: Any, x: Any, axis: int) -> Any:
    """The gradient by x of its cumulative product y; exact also where entries are 0.

    By x[i] it is y[i-1] r[i], where r[i] = g[i] + x[i+1] r[i+1] is the gradient by the product up
    to i, divided by that up to i - 1.
    """
    count = x.shape[axis]
    if count < 2:
        return g
    gradients, factors, products = (unstack(one, count, axis) for one in (g, x, y))
    ratio = gradients[-1]
    found = [ratio * products[-2]]
    for i in range(count - 2, -1, -1):
        ratio = gradients[i] + factors[i + 1] * ratio
        found.append(ratio * products[i - 1] if i else ratio)
    return np.stack(found[::-1], axis)


def softmax(x: Any, axis: int) -> Any:
    """Exponentials that sum to 1 along an axis."""
    if x.ndim == 2 and axis in (-1, 1) and x.dtype.char in "fd":
        return kernels.softmax(x)
    x = floating(x)
    e = np.exp(x - x.max(axis=axis, keepdims=True, initial=-np.inf))
    return e / e.sum(axis=axis, keepdims=True)


def log_sum_exp(x: Any, axis: Any, keepdims: bool) -> Any:
    """Logarithm of the sum of exponentials over the given axes."""
    x = floating(x)
    top, _, over = _sum_exp(x, axis)
    result = over + top
    return result if keepdims else result.reshape(np.add.reduce(x, axis=axis).shape)


def log_softmax(x: Any, axis: int) -> Any:
    """Logarithm of `softmax`; accurate also for large entries."""
    _, below, over = _sum_exp(floating(x), axis)
    return below - over


def _sum_exp(x: Any, axis: Any) -> tuple[Any, Any, Any]:
    """The largest entry or 0, the entries less it, and the logarithm of their exponentials' sum."""
    top = x.max(axis=axis, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0).astype(x.dtype, copy=False)
    below = x - top
    with np.errstate(divide="ignore"):
        return top, below, np.log(np.exp(below).sum(axis=axis, keepdims=True))


# ---- matrix products -------------------------------------------------------------------------


def product(a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False) -> Any:
    """``a @ b``, the last two axes optionally exchanged; float matrices use the C++ kernel."""
    if (
        type(a) is ndarray
        and type(b) is ndarray
        and a.ndim == b.ndim == 2
        and a.dtype == b.dtype
        and a.dtype.char in "fd"
        and a.shape[not transpose_a] == b.shape[transpose_b]
    ):
        return kernels.matmul(a, b, transpose_a=transpose_a, transpose_b=transpose_b)
    return np.matmul(
        a.swapaxes(-1, -2) if transpose_a else a, b.swapaxes(-1, -2) if transpose_b else b
    )


def matmul_left(g: Any, a: Any, b: Any) -> Any:
    """The gradient by a of ``a @ b``: g bᵀ."""
    if a.ndim == 1 and b.ndim == 1:
        return g * b
    if b.ndim == 1:
        return g.reshape((*g.shape, 1)) * b
    if a.ndim == 1:
        return product(g.reshape((*g.shape[:-1], 1, g.shape[-1])), b, False, True).reshape(
            (*b.shape[:-2], a.shape[0])
        )
    return product(g, b, False, True)


def matmul_right(g: Any, a: Any, b: Any) -> Any:
    """The gradient by b of ``a @ b``: aᵀ g."""
    if a.ndim == 1 and b.ndim == 1:
        return g * a
    if a.ndim == 1:
        return a.reshape((-1, 1)) * g.reshape((*g.shape[:-1], 1, g.shape[-1]))
    if b.ndim == 1:
        return product(a, g.reshape((*g.shape, 1)), True, False).reshape(
            (*a.shape[:-2], b.shape[0])
        )
    return product(a, g, True, False)
