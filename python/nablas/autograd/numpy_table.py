"""Which of NumPy's functions are defined on Tensors, and how; `numpy_functions` has the code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import functions as f
from . import numpy_functions as n
from . import numpy_moving as m
from .numpy_moving import moving, value
from .tensor import Tensor, apply

# ---- entry by entry ------------------------------------------------------------------------------


def _clip(a: Any, a_min: Any = None, a_max: Any = None, min: Any = None, max: Any = None) -> Any:
    low, high = a_min if min is None else min, a_max if max is None else max
    return f.clip(a, low, high)


def _nan_to_num(x: Any, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    tensor = f.operand(x)
    fixed = np.nan_to_num(tensor.data, nan=nan, posinf=posinf, neginf=neginf)
    return f.where(np.isfinite(tensor.data), tensor, fixed)


def _select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    result = f.operand(default)
    for test, choice in zip(condlist[::-1], choicelist[::-1], strict=True):
        result = f.where(test, f.operand(choice), result)
    return result


def _where(condition: Any, x: Any = None, y: Any = None) -> Any:
    if x is None or y is None:  # indices, or NumPy's error for one of two
        return np.where(*(value(part) for part in (condition, x, y) if part is not None))
    return f.where(condition, x, y)


def _slogdet(a: Any) -> Any:
    kind = type(np.linalg.slogdet(np.eye(1)))
    return kind(f.operand(np.linalg.slogdet(value(a))[0]), apply("logabsdet", f.operand(a)))


def _astype(x: Any, dtype: Any) -> Any:
    return f.operand(x).astype(dtype)


def _round(a: Any, decimals: int = 0) -> Any:
    return f.piecewise_constant(np.round, a, decimals)


def _of_linalg(name: str) -> Callable[..., Any]:
    return lambda a: apply(name, f.operand(a))


def requires(x: Any) -> bool:
    """Whether it is a Tensor that requires a gradient, or has one within lists and tuples."""
    if isinstance(x, (list, tuple)):
        return any(requires(part) for part in x)
    return isinstance(x, Tensor) and x.requires_grad


def _sort(a: Any, axis: Any = -1, kind: Any = None, stable: Any = None) -> Any:
    """All kinds give the same values, and here the gradients of a stable one."""
    return m.sort(a, axis)


def _like(make: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *given, **settings: f.operand(
        make(*(value(x) for x in given), **{k: value(x) for k, x in settings.items()})
    )


def _order(ndim: int, move: Callable[[Any], Any]) -> list[int]:
    """The order of the axes after a function that moves them."""
    return list(move(np.broadcast_to(0, range(ndim))).shape)


def _reshape(a: Any, shape: Any = None, newshape: Any = None) -> Any:
    """`newshape` is the name in NumPy before 2.1."""
    return f.operand(a).reshape(newshape if shape is None else shape)


# Those whose first operation is NumPy's own, which raises its errors: NumPy is not called before.
DIRECT: dict[Any, Callable[..., Any]] = {
    np.sum: n.reduction("sum"), np.max: n.reduction("max"),
    np.min: n.reduction("min"), np.amax: n.reduction("max"), np.amin: n.reduction("min"),
    np.where: _where, np.concatenate: lambda arrays, axis=0: f.concatenate(arrays, axis),
    np.stack: lambda arrays, axis=0: f.stack(arrays, axis),
    np.reshape: _reshape,
    np.transpose: lambda a, axes=None: f.operand(a).transpose(*(() if axes is None else (axes,))),
    np.broadcast_to: lambda array, shape: f.broadcast_to(
        array, (shape,) if isinstance(shape, int) else shape
    ),
}  # fmt: skip

CHECKED: dict[Any, Callable[..., Any]] = {
    np.mean: n.reduction("mean"), np.var: n.var, np.std: n.std, np.prod: n.prod,
    np.average: n.average, np.median: n.median,
    np.ptp: n.ptp, np.linalg.norm: n.norm, np.cumsum: n.cumsum, np.cumprod: n.cumprod,
    np.nansum: n.of_numbers(f.sum, 0.0), np.nanprod: n.of_numbers(f.prod, 1.0),
    np.nanmax: n.of_numbers(f.max, -np.inf), np.nanmin: n.of_numbers(f.min, np.inf),
    np.nanmean: n.nanmean, np.clip: _clip, np.nan_to_num: _nan_to_num, np.select: _select,
    np.sinc: lambda x: apply("sinc", f.operand(x)), np.real: lambda val: f.operand(val),
    np.copy: lambda a: f.operand(a).copy(), np.round: _round, np.around: _round,
    np.fix: lambda x: f.piecewise_constant(np.trunc, x),
    np.ravel: lambda a: f.operand(a).reshape(-1),
    np.squeeze: lambda a, axis=None: f.operand(a).squeeze(axis),
    np.expand_dims: lambda a, axis: f.operand(a).reshape(np.expand_dims(value(a), axis).shape),
    np.swapaxes: lambda a, axis1, axis2: f.operand(a).swapaxes(axis1, axis2),
    np.moveaxis: lambda a, source, destination: f.operand(a).transpose(
        _order(value(a).ndim, lambda x: np.moveaxis(x, source, destination))
    ),
    np.rollaxis: lambda a, axis, start=0: f.operand(a).transpose(
        _order(value(a).ndim, lambda x: np.rollaxis(x, axis, start))
    ),
    np.pad: m.pad, np.sort: _sort, np.flip: m.flip, np.fliplr: lambda m: m[:, ::-1],
    np.flipud: lambda m: m[::-1], np.tril: m.triangle(np.tril), np.triu: m.triangle(np.triu),
    np.take: m.take, np.delete: m.delete, np.repeat: m.repeat, np.split: m.splitting(np.split),
    np.array_split: m.splitting(np.array_split), np.vsplit: m.splitting(np.vsplit),
    np.hsplit: m.splitting(np.hsplit, 1), np.dsplit: m.splitting(np.dsplit, 2),
    np.diff: n.diff, np.gradient: n.gradient,
    np.vstack: n.vstack, np.hstack: n.hstack, np.dstack: n.dstack, np.column_stack: n.column_stack,
    np.append: n.append, np.meshgrid: n.meshgrid,
    np.atleast_1d: n.lifted(1), np.atleast_2d: n.lifted(2), np.atleast_3d: n.lifted(3),
    np.dot: n.dot, np.inner: n.inner, np.tensordot: n.tensordot, np.vdot: n.vdot, np.outer: n.outer,
    np.kron: n.kron, np.cross: n.cross, np.einsum: n.einsum,
    np.trace: lambda a, offset=0, axis1=0, axis2=1: f.sum(
        moving(np.diagonal)(a, offset, axis1, axis2), -1
    ),
    np.linalg.inv: _of_linalg("inv"), np.linalg.det: _of_linalg("det"),
    np.linalg.cholesky: _of_linalg("cholesky"), np.linalg.slogdet: _slogdet,
    np.linalg.solve: lambda a, b: apply("solve", f.operand(a), f.operand(b)),
}  # fmt: skip
# Those that only move entries or insert zeros.
MOVING: set[Any] = {
    np.tile, np.roll, np.rot90, np.diagonal, np.diag, np.diagflat, np.take_along_axis, np.resize,
}  # fmt: skip
# Of newer versions of NumPy
_NEWER: dict[str, Callable[..., Any]] = {
    "trapezoid": n.trapezoid,
    "trapz": n.trapezoid,
    "astype": _astype,
    "matrix_transpose": lambda x: f.operand(x).swapaxes(-1, -2),
    "permute_dims": DIRECT[np.transpose],
    "concat": DIRECT[np.concatenate],
    "row_stack": n.vstack,
    "unstack": lambda x, axis=0: tuple(CHECKED[np.moveaxis](f.operand(x), axis, 0)),
}
for _name, _function in _NEWER.items():
    if hasattr(np, _name) and getattr(np, _name) not in DIRECT:
        CHECKED[getattr(np, _name)] = _function
if hasattr(np.linalg, "vector_norm"):
    CHECKED[np.linalg.vector_norm] = n.vector_norm

# Arguments that may require a gradient besides the first; "*" are any number of arguments.
# Those of the table DIRECT have no argument of real numbers without a rule.
DIFFERENTIABLE: dict[Any, tuple[str, ...]] = {
    np.clip: ("a_min", "a_max", "min", "max"),
    np.select: ("choicelist", "default"), np.average: ("weights",), np.append: ("values",),
    np.diff: ("prepend", "append"), np.meshgrid: ("*",), np.einsum: ("*",),
    np.atleast_1d: ("*",), np.atleast_2d: ("*",), np.atleast_3d: ("*",),
}  # fmt: skip
DIFFERENTIABLE |= dict.fromkeys(
    (np.dot, np.inner, np.tensordot, np.vdot, np.outer, np.kron, np.cross, np.linalg.solve), ("b",)
)
DIFFERENTIABLE |= {
    getattr(np, name): ("x", "dx") for name in ("trapezoid", "trapz") if hasattr(np, name)
}

# Values that have no gradient: as NumPy gives them.
PLAIN: set[Any] = {
    np.argmax, np.argmin, np.argsort, np.argwhere, np.nonzero, np.flatnonzero, np.count_nonzero,
    np.shape, np.ndim, np.size, np.all, np.any, np.array_equal, np.array_equiv, np.allclose,
    np.isclose, np.isin, np.searchsorted, np.digitize, np.result_type, np.can_cast,
    np.min_scalar_type, np.iscomplexobj, np.isrealobj, np.lexsort, np.nanargmax, np.nanargmin,
    np.may_share_memory, np.shares_memory, np.array2string, np.save, np.savez,
    np.savez_compressed, np.savetxt,
}  # fmt: skip
# Those of arguments that require no gradient: their results have one.
LOSING: set[Any] = {np.bincount, np.histogram, np.unique}
PLAIN |= LOSING
LIKE: dict[Any, Callable[..., Any]] = {
    make: _like(make) for make in (np.zeros_like, np.ones_like, np.empty_like, np.full_like)
}

# What to write instead, for functions without a rule.
HINTS: dict[Any, str] = {
    np.linalg.matrix_power: "@", np.linalg.multi_dot: "@", np.convolve: "slices and numpy.sum",
    np.correlate: "slices and numpy.sum", np.polyval: "* and +", np.interp: "numpy.where",
    np.percentile: "numpy.sort and an index", np.quantile: "numpy.sort and an index",
    np.insert: "numpy.concatenate", np.block: "numpy.concatenate", np.choose: "numpy.where",
    np.compress: "an index", np.extract: "an index", np.piecewise: "numpy.where",
    np.linalg.pinv: "numpy.linalg.solve", np.linalg.lstsq: "numpy.linalg.solve",
    np.nanvar: "numpy.where and numpy.var", np.nanstd: "numpy.where and numpy.std",
    np.nanmedian: "numpy.where and numpy.median", np.cov: "numpy.mean and @",
    np.corrcoef: "numpy.mean and @", np.apply_along_axis: "an operation on the whole array",
}  # fmt: skip
