"""NumPy's functions of Tensors, made of operations of the table.

NumPy documents them; each has NumPy's parameters by NumPy's names. `numpy_protocol` has bound them,
has called NumPy's own function with the values, so that its errors were raised, and corrects the
result's dtype.
"""
# ruff: noqa: D103, documented by NumPy

from __future__ import annotations

import operator
import string
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import functions as f
from ._arrays import floating
from .elementwise import absolute
from .numpy_moving import axes_of, sort, value
from .tensor import Tensor, apply

_LETTERS = string.ascii_letters


def moved_axis(x: Tensor, source: Any, destination: Any) -> Tensor:
    """As ``numpy.moveaxis``."""
    axes = np.moveaxis(np.broadcast_to(0, range(x.ndim)), source, destination).shape
    return x.transpose(axes)


def _tensors(given: Any) -> list[Tensor]:
    return [f.operand(x) for x in given]


# ---- reductions ----------------------------------------------------------------------------------


def reduction(name: str) -> Callable[..., Tensor]:
    def function(a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
        x = f.operand(a)
        return apply(name, x if dtype is None else x.astype(dtype), _axis(axis), bool(keepdims))

    return function


def _axis(axis: Any) -> Any:
    """As the rules read it: None, an int or a tuple."""
    if axis is None or isinstance(axis, int):
        return axis
    return tuple(axis) if isinstance(axis, (tuple, list)) else operator.index(axis)


def of_numbers(reduce: Callable[..., Any], filling: float) -> Callable[..., Any]:
    """A reduction that leaves NaN out; an extreme of NaN alone is NaN."""

    def function(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
        x, axis, keepdims = f.operand(a), _axis(axis), bool(keepdims)
        missing = np.isnan(x.data)
        result = reduce(f.where(missing, filling, x), axis, keepdims)
        if np.isfinite(filling) or not missing.any():
            return result
        filled = result.data == filling
        if filled.any():  # by numbers or by what stands for NaN: the numbers share the gradient
            met = (x.data == filling).astype(x.dtype)
            count = np.maximum(met.sum(axis, keepdims=keepdims), 1)
            shared = f.sum(f.where(met, x, 0.0), axis, keepdims) / count
            result = f.where(filled, shared, result)
        return f.where(missing.all(axis, keepdims=keepdims), np.nan, result)

    return function


def nanmean(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    x = floating(f.operand(a))
    count = (~np.isnan(x.data)).sum(_axis(axis), keepdims=bool(keepdims))
    total = of_numbers(f.sum, 0.0)(x, axis, keepdims)
    return total / count.astype(total.dtype)


def var(a: Any, axis: Any = None, ddof: float = 0, keepdims: bool = False) -> Any:
    return f.operand(a).var(_axis(axis), bool(keepdims), ddof=ddof)  # type: ignore[arg-type]


def std(a: Any, axis: Any = None, ddof: float = 0, keepdims: bool = False) -> Any:
    return f.operand(a).std(_axis(axis), bool(keepdims), ddof=ddof)  # type: ignore[arg-type]


def prod(a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
    x = f.operand(a)
    return f.prod(x if dtype is None else x.astype(dtype), _axis(axis), bool(keepdims))


def average(a: Any, axis: Any = None, weights: Any = None, keepdims: bool = False) -> Any:
    x = f.operand(a)
    if weights is None:
        return f.mean(x, _axis(axis), bool(keepdims))
    x, w = floating(x), f.operand(weights)
    if w.shape != x.shape:  # one weight for each entry along the axes, in their order
        axes = axes_of(axis, x.ndim)
        w = w.transpose(np.argsort(axes).tolist()) if w.ndim else w
        w = w.reshape([n if i in axes else 1 for i, n in enumerate(x.shape)])
    ones = np.ones(x.shape, np.result_type(x.data, w.data))
    total = f.sum(w * ones, _axis(axis), bool(keepdims))
    return f.sum(x * w, _axis(axis), bool(keepdims)) / total


def median(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    x = floating(f.operand(a))
    axes = axes_of(axis, x.ndim)
    rest = [i for i in range(x.ndim) if i not in axes]
    count = int(np.prod([x.shape[i] for i in axes], dtype=int))
    rows = x.transpose([*rest, *axes]).reshape([*(x.shape[i] for i in rest), count])
    ordered = sort(rows)
    n = ordered.shape[-1]
    if n == 0:
        return f.sum(x, _axis(axis), bool(keepdims)) * np.nan
    middle = (ordered[..., (n - 1) // 2] + ordered[..., n // 2]) / 2.0
    middle = f.where(np.isnan(rows.data).any(-1), np.nan, middle)
    lengths = [1 if i in axes else m for i, m in enumerate(x.shape)]
    return middle.reshape(lengths) if keepdims else middle


def ptp(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    x = f.operand(a)
    return x.max(_axis(axis), bool(keepdims)) - x.min(_axis(axis), bool(keepdims))


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    tensor = f.operand(x)
    axis = axis if axis is None or isinstance(axis, tuple) else int(axis)
    matrix = isinstance(axis, tuple) or (axis is None and tensor.ndim > 1)
    if matrix and ord is not None and ord != "fro":
        raise TypeError("ord: expected a vector norm of a Tensor; give one axis")
    if ord in (None, "fro"):
        return f.norm(tensor, 2, _axis(axis), bool(keepdims))
    return vector_norm(tensor, axis=axis, keepdims=keepdims, ord=ord)


def vector_norm(x: Any, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    tensor, axis, keepdims = floating(f.operand(x)), _axis(axis), bool(keepdims)
    if ord in (1, 2, np.inf):
        return f.norm(tensor, ord, axis, keepdims)
    size = absolute(tensor)
    if ord == -np.inf:
        return f.min(size, axis, keepdims)
    if ord == 0:
        counted = f.piecewise_constant(lambda x: (x != 0).astype(x.dtype), tensor)
        return f.sum(counted, axis, keepdims)
    return _flat_at_zero(f.sum(_flat_at_zero(size, ord), axis, keepdims), 1.0 / ord)


def _flat_at_zero(x: Any, exponent: float) -> Any:
    """``x ** exponent`` of entries of at least 0; the gradient is 0 at 0 and where it is 1/inf."""
    flat = (x.data == 0) | ((x.data == np.inf) & (exponent < 0))
    if not flat.any():
        return x**exponent
    with np.errstate(divide="ignore"):
        return f.where(flat, x.data**exponent, f.where(flat, 1.0, x) ** exponent)


def cumsum(a: Any, axis: Any = None, dtype: Any = None) -> Any:
    x = f.operand(a)
    return f.cumsum(x if dtype is None else x.astype(dtype), axis)


def cumprod(a: Any, axis: Any = None, dtype: Any = None) -> Any:
    x = f.operand(a) if dtype is None else f.operand(a).astype(dtype)
    x = x.reshape(-1) if axis is None or x.ndim == 0 else x
    return apply("cumprod", x, 0 if axis is None else int(axis) % x.ndim)


# ---- differences ---------------------------------------------------------------------------------


def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    x = f.operand(a)
    if n == 0:
        return x
    ends = []
    for end in (prepend, append):
        if end is not None:
            end = f.operand(end)
            one = [1 if i == axis % x.ndim else m for i, m in enumerate(x.shape)]
            end = f.broadcast_to(end, one) if end.ndim == 0 else end
        ends.append([] if end is None else [end])
    x = f.concatenate([*ends[0], x, *ends[1]], axis) if ends != [[], []] else x
    if x.dtype == bool:  # NumPy's differences of these are "not equal"
        return f.operand(np.diff(x.data, n, axis))
    for _ in range(n):
        last = x.swapaxes(axis, -1)
        x = (last[..., 1:] - last[..., :-1]).swapaxes(axis, -1)
    return x


def gradient(y: Any, *spacing: Any, axis: Any = None, edge_order: int = 1) -> Any:
    x = f.operand(y)
    x = x if x.dtype == bool else floating(x)  # differences of unsigned integers have no sign
    axes = axes_of(axis, x.ndim)
    steps = [value(h) for h in spacing] or [1.0]
    if any(np.ndim(h) for h in steps):
        raise TypeError("numpy.gradient of a Tensor: expected numbers as spacing, got coordinates")
    if edge_order != 1:
        raise TypeError("numpy.gradient of a Tensor: expected edge_order 1")
    found = []
    for a, h in zip(axes, steps * (len(axes) if len(steps) == 1 else 1), strict=True):
        last = x.swapaxes(a, -1)
        inner = (last[..., 2:] - last[..., :-2]) / (2.0 * h)
        first, end = (last[..., 1:2] - last[..., :1]) / h, (last[..., -1:] - last[..., -2:-1]) / h
        found.append(f.concatenate([first, inner, end], -1).swapaxes(a, -1))
    return found[0] if len(found) == 1 else tuple(found)


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    tensor, step = f.operand(y), dx
    before = (slice(None),) * (axis % tensor.ndim)
    if x is not None:
        at = f.operand(x)
        step = diff(at, axis=axis if at.ndim > 1 else -1)
        if at.ndim == 1:
            step = step.reshape([-1, *[1] * (tensor.ndim - len(before) - 1)])
    heights = tensor[(*before, slice(1, None))] + tensor[(*before, slice(-1))]
    return f.sum(step * heights / 2.0, axis)


# ---- joining -------------------------------------------------------------------------------------


def _at_least(ndim: int) -> Callable[[Any], Any]:
    lift = {1: np.atleast_1d, 2: np.atleast_2d, 3: np.atleast_3d}[ndim]
    return lambda x: f.operand(x).reshape(lift(value(x)).shape)


def lifted(ndim: int) -> Callable[..., Any]:
    def function(*arys: Any) -> Any:
        made = [_at_least(ndim)(x) for x in arys]
        return made[0] if len(made) == 1 else tuple(made)

    return function


def hstack(tup: Sequence[Any]) -> Any:
    tensors = [_at_least(1)(x) for x in tup]
    return f.concatenate(tensors, 0 if tensors[0].ndim == 1 else 1)


def vstack(tup: Sequence[Any]) -> Any:
    return f.concatenate([_at_least(2)(x) for x in tup], 0)


def column_stack(tup: Sequence[Any]) -> Any:
    return f.concatenate([x.reshape(-1, 1) if x.ndim < 2 else x for x in _tensors(tup)], 1)


def dstack(tup: Sequence[Any]) -> Any:
    return f.concatenate([_at_least(3)(x) for x in tup], 2)


def append(arr: Any, values: Any, axis: Any = None) -> Any:
    return f.concatenate([arr, values], axis)


def meshgrid(*xi: Any, sparse: bool = False, indexing: str = "xy") -> Any:
    tensors, lengths = [x.reshape(-1) for x in _tensors(xi)], []
    lengths = [x.size for x in tensors]
    order = list(range(len(tensors)))
    if indexing == "xy" and len(order) > 1:
        order[:2], lengths[:2] = [1, 0], lengths[1::-1]
    made = []
    for x, place in zip(tensors, order, strict=True):
        x = x.reshape([-1 if i == place else 1 for i in range(len(order))])
        made.append(x if sparse else f.broadcast_to(x, lengths))
    return tuple(made)


# ---- products ------------------------------------------------------------------------------------


def dot(a: Any, b: Any) -> Any:
    x, y = f.operand(a), f.operand(b)
    if x.ndim == 0 or y.ndim == 0:
        return x * y
    return x @ y if y.ndim <= 2 else tensordot(x, y, (-1, -2))


def inner(a: Any, b: Any) -> Any:
    x, y = f.operand(a), f.operand(b)
    return x * y if x.ndim == 0 or y.ndim == 0 else tensordot(x, y, (-1, -1))


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    x, y = f.operand(a), f.operand(b)
    if isinstance(axes, (int, np.integer)):
        of_x, of_y = tuple(range(x.ndim - axes, x.ndim)), tuple(range(axes))
    else:
        of_x, of_y = axes_of(axes[0], x.ndim), axes_of(axes[1], y.ndim)
    left = [i for i in range(x.ndim) if i not in of_x]
    right = [i for i in range(y.ndim) if i not in of_y]
    depth = int(np.prod([x.shape[i] for i in of_x], dtype=int))
    shape = [*(x.shape[i] for i in left), *(y.shape[i] for i in right)]
    width = int(np.prod(shape[: len(left)], dtype=int)), int(np.prod(shape[len(left) :], dtype=int))
    rows = x.transpose([*left, *of_x]).reshape(width[0], depth)
    columns = y.transpose([*of_y, *right]).reshape(depth, width[1])
    return (rows @ columns).reshape(shape)


def vdot(a: Any, b: Any) -> Any:
    return f.operand(a).reshape(-1) @ f.operand(b).reshape(-1)


def outer(a: Any, b: Any) -> Any:
    return f.operand(a).reshape(-1, 1) * f.operand(b).reshape(-1)


def kron(a: Any, b: Any) -> Any:
    x, y = f.operand(a), f.operand(b)
    ndim = max(x.ndim, y.ndim)
    of_x, of_y = (1,) * (ndim - x.ndim) + x.shape, (1,) * (ndim - y.ndim) + y.shape
    left = x.reshape([n for m in of_x for n in (m, 1)])
    right = y.reshape([n for m in of_y for n in (1, m)])
    return (left * right).reshape([m * n for m, n in zip(of_x, of_y, strict=True)])


def cross(a: Any, b: Any, axis: int = -1) -> Any:
    x, y = (moved_axis(f.operand(one), axis, -1) for one in (a, b))
    if x.shape[-1] != 3 or y.shape[-1] != 3:
        raise TypeError("numpy.cross of a Tensor: expected vectors of length 3")
    turns = [x[..., i] * y[..., k] - x[..., k] * y[..., i] for i, k in ((1, 2), (2, 0), (0, 1))]
    return moved_axis(f.stack(turns, -1), -1, axis)


def einsum(*operands: Any, optimize: Any = True) -> Any:
    if isinstance(operands[0], str):
        return f.einsum(operands[0], *operands[1:])
    tensors, lists = operands[: len(operands) // 2 * 2 : 2], operands[1::2]
    out = "" if len(operands) % 2 == 0 else "->" + _subscripts(operands[-1])
    return f.einsum(",".join(_subscripts(one) for one in lists) + out, *tensors)


def _subscripts(numbers: Any) -> str:
    return "".join("..." if i is Ellipsis else _LETTERS[i] for i in numbers)
