"""NumPy's functions that only move entries or insert zeros, of Tensors; see `numpy_functions`."""
# ruff: noqa: D103, documented by NumPy

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import functions as f
from .tensor import Tensor, apply


def value(x: Any) -> Any:
    """The array of a Tensor, also within lists, tuples and dicts; other things as they are."""
    if isinstance(x, Tensor):
        return x._data
    if isinstance(x, (list, tuple)) and any(isinstance(part, (Tensor, list, tuple)) for part in x):
        return type(x)(value(part) for part in x)
    return x


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    """The axes as numbers of at least 0."""
    if axis is None:
        return tuple(range(ndim))
    return tuple(int(a) % ndim for a in (axis if isinstance(axis, (tuple, list)) else (axis,)))


def moving(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that only moves entries or inserts zeros, applied to the entries' numbers."""

    def moved(x: Any, *rest: Any, **settings: Any) -> Any:
        tensor = f.operand(x)
        numbers = np.arange(1, tensor.size + 1).reshape(tensor.shape)
        named = {name: value(part) for name, part in settings.items()}
        found = function(numbers, *(value(part) for part in rest), **named)
        return apply("moved", tensor, found)

    return moved


def _along(axis: int, index: Any) -> tuple[Any, ...]:
    return (*(slice(None),) * axis, index)


def splitting(function: Callable[..., Any], usual: int = 0) -> Callable[..., Any]:
    """A function that cuts an array by slices along an axis."""

    def parts(ary: Any, indices_or_sections: Any, axis: Any = None) -> Any:
        x = f.operand(ary)
        settings = {} if axis is None else {"axis": axis}
        along = min(usual, x.ndim - 1) if axis is None else int(axis) % x.ndim
        shape = [n if i == along else 1 for i, n in enumerate(x.shape)]
        numbers = np.arange(x.shape[along]).reshape(shape)
        found = []
        for part in function(numbers, value(indices_or_sections), **settings):
            first = part.flat[0] if part.size else 0
            found.append(x[_along(along, slice(int(first), int(first) + part.size))])
        return found

    return parts


def flip(m: Any, axis: Any = None) -> Any:
    x = f.operand(m)
    axes = axes_of(axis, x.ndim)
    return x[tuple(slice(None, None, -1 if i in axes else None) for i in range(x.ndim))]


def triangle(function: Callable[..., Any]) -> Callable[..., Any]:
    """``numpy.tril`` or ``numpy.triu``, by a mask."""

    def part(m: Any, k: int = 0) -> Any:
        x = f.operand(m)
        shape = x.shape[-2:] if x.ndim > 1 else 2 * x.shape
        return f.where(function(np.ones(shape, bool), k), x, 0)

    return part


def take(a: Any, indices: Any, axis: Any = None, mode: Any = "raise") -> Any:
    x = f.operand(a)
    if x.size == 0:  # NumPy does not look at the indices
        return moving(np.take)(x, indices, axis, mode=mode)
    x = x.reshape(-1) if axis is None or x.ndim == 0 else x
    axis = 0 if axis is None else int(axis) % x.ndim
    return x[_along(axis, np.take(np.arange(x.shape[axis]), value(indices), mode=mode))]


def delete(arr: Any, obj: Any, axis: Any = None) -> Any:
    x = f.operand(arr)
    x = x.reshape(-1) if axis is None else x
    axis = 0 if axis is None else int(axis) % x.ndim
    rest = np.zeros(x.shape[axis], bool)
    rest[np.delete(np.arange(rest.size), value(obj))] = True
    return x[_along(axis, rest)]


def repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    x, count = f.operand(a), np.asarray(value(repeats))
    if count.size != 1:
        return moving(np.repeat)(a, repeats, axis)
    x = x.reshape(-1) if axis is None or x.ndim == 0 else x
    axis = 0 if axis is None else int(axis) % x.ndim
    before, after = x.shape[: axis + 1], x.shape[axis + 1 :]
    wide = f.broadcast_to(x.reshape(*before, 1, *after), (*before, count.item(), *after))
    return wide.reshape((*before[:-1], before[-1] * count.item(), *after))


def pad(array: Any, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Any:
    modes = ("constant", "edge", "reflect", "symmetric", "wrap")
    if mode not in modes:
        raise TypeError(f"mode: expected one of {', '.join(modes)} of a Tensor, got {mode!r}")
    if mode != "constant":
        return moving(np.pad)(array, pad_width, mode=mode)
    x, width, constants = f.operand(array), value(pad_width), value(constant_values)
    inside = np.pad(np.ones(x.shape, bool), width)
    first = np.unravel_index(inside.argmax(), inside.shape) if x.size else (0,) * x.ndim
    places = tuple(slice(a, a + n) for a, n in zip(first, x.shape, strict=True))
    padded = apply("scatter", inside.shape, (places,), x)
    if np.any(constants):
        return padded + np.pad(np.zeros(x.shape, x.dtype), width, constant_values=constants)
    return padded


def sort(a: Any, axis: Any = -1) -> Any:
    order = np.argsort(value(a), axis, kind="stable")
    return moving(np.take_along_axis)(a, order, axis=axis)
