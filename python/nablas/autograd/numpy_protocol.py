"""NumPy's functions called on Tensors: recorded, or a TypeError that says what to call."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from . import functions as f
from .rules import RULES
from .tensor import Tensor, apply, as_data, later, wrap

_RECORDED = {
    rule.forward: name for name, rule in RULES.items() if isinstance(rule.forward, np.ufunc)
}
_RECORDED |= {np.fabs: "absolute", np.matmul: "matmul", np.tanh: "tanh", np.float_power: "power"}
_REDUCED = {np.add: f.sum, np.maximum: f.max, np.minimum: f.min, np.multiply: f.prod,
            np.logaddexp: f.logsumexp}  # fmt: skip
_TESTS = {
    np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal, np.isfinite,
    np.isinf, np.isnan, np.signbit, np.logical_and, np.logical_or, np.logical_not, np.logical_xor,
}  # fmt: skip
_PIECEWISE = {np.sign, np.floor, np.ceil, np.trunc, np.rint, np.floor_divide, np.heaviside}


def _value(x: Any) -> Any:
    return x.data if isinstance(x, Tensor) else x


def call_ufunc(ufunc: np.ufunc, method: str, inputs: Any, settings: dict[str, Any]) -> Any:
    """What ``ufunc(tensor)`` does; see `Tensor.__array_ufunc__`."""
    out = settings.pop("out", None)
    if method == "__call__" and not settings:
        result = _called(ufunc, inputs)
    elif method == "reduce" and ufunc in _REDUCED and settings.keys() <= {"axis", "keepdims"}:
        result = _REDUCED[ufunc](inputs[0], **({"axis": 0} | settings))
    elif settings:
        raise TypeError(
            f"numpy.{ufunc.__name__} of a Tensor: expected no {', '.join(settings)}; apply it to "
            "x.detach() or x.data where no gradient is wanted"
        )
    else:
        raise _no_rule(f"{ufunc.__name__}.{method}")
    return result if out is None else _into(out[0], result)


def _called(ufunc: np.ufunc, inputs: Any) -> Any:
    name = _RECORDED.get(ufunc)
    if name is not None:
        plain = (Tensor, float, int)
        return apply(name, *(x if isinstance(x, plain) else as_data(x) for x in inputs))
    if ufunc in _TESTS:
        return ufunc(*(_value(x) for x in inputs))
    if ufunc is np.positive:
        return inputs[0]
    if ufunc in _PIECEWISE:
        return f.piecewise_constant(ufunc, *inputs)
    raise _no_rule(ufunc.__name__)


def _into(out: Any, result: Any) -> Any:
    """Write the result to `out` and return it; TypeError if the result is part of the graph."""
    if isinstance(result, Tensor) and result.requires_grad:
        raise TypeError("out: expected none, since the result is part of the graph")
    if isinstance(out, Tensor):
        out[...] = result
        return out
    out[...] = _value(result)
    return out


def _no_rule(name: str) -> TypeError:
    return TypeError(
        f"numpy.{name} has no gradient rule in nablas.autograd: write it from operations that "
        "have one or as a Function, or apply it to x.detach() or x.data where no gradient is wanted"
    )


def _sum_like(name: str) -> Callable[..., Tensor]:
    def function(a: Any, axis: Any = None, out: None = None, keepdims: bool = False) -> Tensor:
        if out is not None:
            raise TypeError("out: expected none on Tensors")
        return apply(name, f.as_tensor(a), axis, keepdims)

    return function


def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Tensor:
    matrix = isinstance(axis, tuple) or (axis is None and _value(x).ndim > 1)
    if matrix and ord not in (None, "fro"):
        raise TypeError("numpy.linalg.norm of a Tensor: expected a vector norm; give one axis")
    return f.norm(x, 2 if ord in (None, "fro") else ord, axis, keepdims)


def _dot(a: Any, b: Any) -> Any:
    a, b = f.as_tensor(a), f.as_tensor(b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    if b.ndim > 2:
        raise _no_rule("dot of more than two axes")
    return a @ b


def _two_axes(x: Any) -> Tensor:
    tensor = f.as_tensor(x)
    return tensor if tensor.ndim > 1 else tensor.reshape(1, -1)


def _moved(ndim: int, source: Any, destination: Any) -> list[int]:
    """The order of the axes after numpy.moveaxis."""
    lengths = np.moveaxis(np.broadcast_to(0, range(ndim)), source, destination).shape
    return list(lengths)


def _like(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, *rest, **settings: function(_value(x), *rest, **settings)


def _flip(x: Any, axis: Any = None) -> Any:
    np.flip(x.data, axis)  # raises NumPy's error for a bad axis
    axes = range(x.ndim) if axis is None else [a % x.ndim for a in np.atleast_1d(axis)]
    return x[tuple(slice(None, None, -1 if i in axes else None) for i in range(x.ndim))]


def _moving(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that only moves entries or inserts zeros, applied to the entries' indices."""

    def moved(x: Any, *rest: Any, **settings: Any) -> Any:
        tensor = f.as_tensor(x)
        numbers = np.arange(1, tensor.size + 1).reshape(tensor.shape)
        entries = f.concatenate([np.zeros(1, tensor.dtype), tensor.flatten()])
        found = function(numbers, *rest, **settings)
        return [entries[i] for i in found] if isinstance(found, (list, tuple)) else entries[found]

    return moved


def _pad(x: Any, pad_width: Any, mode: str = "constant") -> Any:
    moving = ("constant", "edge", "reflect", "symmetric", "wrap")
    if mode not in moving:
        raise ValueError(f"mode: expected one of {', '.join(moving)}, got {mode!r}")
    return _moving(np.pad)(x, pad_width, mode)


def _sort(x: Any, axis: int | None = -1) -> Any:
    order = np.argsort(_value(x), axis, kind="stable")
    return _moving(np.take_along_axis)(x, order, axis)


def _diff(x: Any, n: int = 1, axis: int = -1) -> Any:
    for _ in range(n):
        last = x.swapaxes(axis, -1)
        x = (last[..., 1:] - last[..., :-1]).swapaxes(axis, -1)
    return x


def _average(x: Any, axis: Any = None, weights: Any = None, *, keepdims: bool = False) -> Any:
    if weights is None:
        return f.mean(x, axis, keepdims)
    if isinstance(axis, int) and np.ndim(_value(weights)) == 1:
        weights = f.as_tensor(weights).reshape(
            [-1 if i == axis % x.ndim else 1 for i in range(x.ndim)]
        )
    total = f.sum(f.broadcast_to(weights, x.shape), axis, keepdims)
    return f.sum(x * weights, axis, keepdims) / total


_FUNCTIONS: dict[Callable[..., Any], Callable[..., Any]] = {
    np.sum: _sum_like("sum"), np.mean: _sum_like("mean"), np.max: _sum_like("max"),
    np.min: _sum_like("min"), np.amax: _sum_like("max"), np.amin: _sum_like("min"),
    np.var: lambda x, axis=None, *, keepdims=False, ddof=0: x.var(axis, keepdims, ddof=ddof),
    np.std: lambda x, axis=None, *, keepdims=False, ddof=0: x.std(axis, keepdims, ddof=ddof),
    np.where: f.where, np.clip: f.clip, np.cumsum: f.cumsum, np.linalg.norm: _norm,
    np.reshape: f.reshape, np.transpose: f.transpose, np.broadcast_to: f.broadcast_to,
    np.ravel: lambda x: x.flatten(), np.matrix_transpose: lambda x: x.swapaxes(-1, -2),
    np.squeeze: lambda x, axis=None: x.squeeze(axis),
    np.expand_dims: lambda x, axis: x.reshape(np.expand_dims(x.data, axis).shape),
    np.swapaxes: lambda x, a, b: x.swapaxes(a, b), np.flip: _flip,
    np.concatenate: f.concatenate, np.stack: f.stack, np.dot: _dot,
    np.vstack: lambda tensors: f.concatenate([_two_axes(x) for x in tensors]),
    np.hstack: lambda tensors: f.concatenate(tensors, 0 if f.as_tensor(tensors[0]).ndim < 2 else 1),
    np.moveaxis: lambda x, source, destination: x.transpose(_moved(x.ndim, source, destination)),
    np.take: lambda x, indices, axis=None: (
        x.flatten()[np.asarray(indices)] if axis is None
        else x[(*[slice(None)] * (axis % x.ndim), np.asarray(indices))]
    ),
    np.outer: lambda a, b: f.as_tensor(a).reshape(-1, 1) * f.as_tensor(b).reshape(-1),
    np.argmax: _like(np.argmax), np.argmin: _like(np.argmin), np.argsort: _like(np.argsort),
    np.shape: _like(np.shape), np.ndim: _like(np.ndim), np.size: _like(np.size),
    np.round: lambda x, decimals=0: wrap(np.round(x.data, decimals)),
    np.array_equal: lambda a, b: np.array_equal(_value(a), _value(b)),
    np.allclose: lambda a, b, *rest, **s: np.allclose(_value(a), _value(b), *rest, **s),
    np.isclose: lambda a, b, *rest, **s: np.isclose(_value(a), _value(b), *rest, **s),
    np.zeros_like: lambda x, **s: wrap(np.zeros_like(x.data, **s)),
    np.ones_like: lambda x, **s: wrap(np.ones_like(x.data, **s)),
    np.atleast_1d: lambda x: _moving(np.atleast_1d)(x),
    np.atleast_2d: lambda x: _moving(np.atleast_2d)(x),
    np.atleast_3d: lambda x: _moving(np.atleast_3d)(x),
    np.prod: lambda x, axis=None, *, keepdims=False: f.prod(x, axis, keepdims),
    np.einsum: lambda subscripts, *operands, optimize=True: f.einsum(subscripts, *operands),
    np.average: _average, np.sort: _sort, np.diff: _diff, np.pad: _pad,
    np.ptp: lambda x, axis=None, *, keepdims=False: x.max(axis, keepdims) - x.min(axis, keepdims),
    np.trace: lambda x, offset=0: _moving(np.diagonal)(x, offset).sum(-1),
    np.array_repr: lambda x, *_: repr(x), np.array_str: lambda x, *_: repr(x),
}  # fmt: skip
_FUNCTIONS |= {
    function: _moving(function)
    for function in (
        np.repeat, np.tile, np.roll, np.rot90, np.fliplr, np.flipud, np.diagonal, np.diag, np.tril,
        np.triu, np.split, np.array_split, np.hsplit, np.vsplit, np.dsplit, np.take_along_axis,
        np.delete, np.rollaxis,
    )
}  # fmt: skip


def call_function(function: Callable[..., Any], inputs: Any, settings: Any) -> Any:
    """What ``numpy.function(tensor)`` does; see `Tensor.__array_function__`."""
    known = _FUNCTIONS.get(function)
    if known is None:
        raise _no_rule(function.__name__)
    try:
        inspect.signature(known).bind(*inputs, **settings)
    except TypeError as error:
        raise TypeError(
            f"numpy.{function.__name__} of a Tensor: {error}; apply it to x.detach() or x.data "
            "where no gradient is wanted"
        ) from None
    return known(*inputs, **settings)


later.call_ufunc, later.call_function = call_ufunc, call_function
