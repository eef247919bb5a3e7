"""NumPy's functions called on Tensors: recorded, or a TypeError that says what to call."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from . import functions as f
from .numpy_moving import moving, value
from .numpy_table import (
    CHECKED,
    DIFFERENTIABLE,
    DIRECT,
    HINTS,
    LIKE,
    LOSING,
    MOVING,
    PLAIN,
    requires,
)
from .recording import recording
from .rules import RULES
from .tensor import Tensor, apply, as_data, later, record

_RECORDED = {
    rule.forward: name for name, rule in RULES.items() if isinstance(rule.forward, np.ufunc)
}
_RECORDED |= {np.matmul: "matmul", np.tanh: "tanh", np.float_power: "power"}
_RECORDED |= {np.radians: "deg2rad", np.degrees: "rad2deg"}
_REDUCED = {np.add: f.sum, np.maximum: f.max, np.minimum: f.min, np.multiply: f.prod,
            np.logaddexp: f.logsumexp}  # fmt: skip
_ACCUMULATED = {np.add: np.cumsum, np.multiply: np.cumprod}
_TESTS = {
    np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal, np.isfinite,
    np.isinf, np.isnan, np.signbit, np.logical_and, np.logical_or, np.logical_not, np.logical_xor,
}  # fmt: skip
_PIECEWISE = {np.sign, np.floor, np.ceil, np.trunc, np.rint, np.floor_divide, np.heaviside}
_UNCHANGED = {np.positive, np.conjugate}


# ---- ufuncs --------------------------------------------------------------------------------------


def call_ufunc(ufunc: np.ufunc, method: str, inputs: Any, settings: dict[str, Any]) -> Any:
    """What ``ufunc(tensor)`` does; see `Tensor.__array_ufunc__`."""
    out = settings.pop("out", None)
    if out is not None and len(out) == 1:
        return _into(out[0], ufunc, method, inputs, settings)
    dtype = settings.pop("dtype", None)
    if dtype is not None:
        plain = _of_values(ufunc, method, inputs, settings | {"dtype": dtype})  # NumPy's errors
        if ufunc in _TESTS:
            return plain
        _check_real(dtype)
        inputs = [f.operand(x).astype(dtype) for x in inputs]
    if method == "__call__" and not settings:
        result = _called(ufunc, inputs)
    elif method == "reduce" and ufunc in _REDUCED and settings.keys() <= {"axis", "keepdims"}:
        result = _REDUCED[ufunc](inputs[0], **({"axis": 0} | settings))
    elif method == "accumulate" and ufunc in _ACCUMULATED and settings.keys() <= {"axis"}:
        accumulate: Any = _ACCUMULATED[ufunc]
        result = accumulate(inputs[0], settings.get("axis", 0))
    elif method == "outer" and not settings:
        a, b = (f.operand(x) for x in inputs)
        call: Any = ufunc
        result = call(a.reshape([*a.shape, *[1] * b.ndim]), b)
    elif settings:
        raise TypeError(
            f"numpy.{ufunc.__name__} of a Tensor: expected no {', '.join(settings)}; apply it to "
            "x.detach() or x.data where no gradient is wanted"
        )
    else:
        raise _no_rule(ufunc, f".{method}")
    return result


def _called(ufunc: np.ufunc, inputs: Any) -> Any:
    name = _RECORDED.get(ufunc)
    if name is not None:
        if ufunc is np.float_power:
            inputs = [f.as_tensor(x).astype(np.float64) for x in inputs]
        plain = (Tensor, float, int)
        return apply(name, *(x if isinstance(x, plain) else as_data(x) for x in inputs))
    if ufunc in _TESTS:
        return ufunc(*(value(x) for x in inputs))
    if ufunc in _UNCHANGED:
        return inputs[0]
    if ufunc is np.heaviside:
        return _heaviside(*inputs)
    if ufunc in _PIECEWISE:
        return f.piecewise_constant(ufunc, *inputs)
    raise _no_rule(ufunc)


def _of_values(ufunc: np.ufunc, method: str, inputs: Any, settings: dict[str, Any]) -> Any:
    """A ufunc, or a method of it, called with the arrays of Tensors."""
    call = ufunc if method == "__call__" else getattr(ufunc, method)
    return call(*value(inputs), **{name: value(x) for name, x in settings.items()})


def _heaviside(x: Any, h: Any) -> Any:
    """The gradient by `h`, the value at 0, is 1 there."""
    result = f.piecewise_constant(np.heaviside, x, value(h))
    if not requires(h):
        return result
    return f.where(value(x) == 0, h.astype(result.dtype), result)


def _into(out: Any, ufunc: np.ufunc, method: str, inputs: Any, settings: dict[str, Any]) -> Any:
    """What NumPy writes to `out`; TypeError if the result is part of the graph."""
    if requires(inputs) and recording() and ufunc not in _TESTS:
        raise TypeError("out: expected none, since the result is part of the graph")
    if not isinstance(out, Tensor):
        return _of_values(ufunc, method, inputs, settings | {"out": out})
    with out._editing():
        _of_values(ufunc, method, inputs, settings | {"out": out.data})
    return out


def _no_rule(function: Any, method: str = "") -> TypeError:
    module = getattr(function, "__module__", None) or "numpy"
    hint = HINTS.get(function)
    write = "write it from operations that have one" if hint is None else f"write it with {hint}"
    return TypeError(
        f"{module}.{function.__name__}{method} has no gradient rule in nablas.autograd: {write} "
        "or as a Function, or apply it to x.detach() or x.data where no gradient is wanted"
    )


# ---- other functions -----------------------------------------------------------------------------


def call_function(function: Callable[..., Any], inputs: Any, settings: Any) -> Any:
    """What ``numpy.function(tensor)`` does; see `Tensor.__array_function__`.

    The arguments are bound by NumPy's own signature. Unless the operation is NumPy's own, NumPy's
    function is called with the values first: its errors and warnings are raised, and the result has
    its dtype.
    """
    if function in PLAIN:
        return _plain(function, inputs, settings)
    if function in LIKE:
        _refuse_lost(function, dict(enumerate(inputs)) | settings, (0, "a", "prototype"))
        return LIKE[function](*inputs, **settings)
    if function in (np.array_repr, np.array_str):
        return repr(inputs[0])
    known = DIRECT.get(function) or CHECKED.get(function)
    if known is None and function not in MOVING:
        raise _no_rule(function)
    arguments = _bound(function, known, inputs, settings)
    if "dtype" in arguments:
        _check_real(arguments["dtype"])
    if known is not None and function in DIRECT:
        return known(**arguments)
    first, also = next(iter(arguments)), DIFFERENTIABLE.get(function, ())
    _refuse_lost(function, arguments, also if first == "*" else (first, *also))
    expected = function(*value(inputs), **{name: value(x) for name, x in settings.items()})
    if known is None:
        x = arguments.pop(first)
        return moving(function)(x, **arguments)
    before = arguments.pop("*", ())
    return _as_numpy(function, known(*before, **arguments), expected)


def _plain(function: Any, inputs: Any, settings: dict[str, Any]) -> Any:
    """What NumPy's function gives; a Tensor as its `out` is edited."""
    if function in LOSING:
        _refuse_lost(function, dict(enumerate(inputs)) | settings, ())
    result = function(*value(inputs), **{name: value(x) for name, x in settings.items()})
    for x in (*inputs, *settings.values()):
        if isinstance(x, Tensor) and x.data is result:
            x.mark_edited()
            return x
    return result


def _refuse_lost(function: Any, arguments: dict[Any, Any], allowed: Any) -> None:
    """TypeError for a Tensor that requires a gradient as an argument without a rule."""
    for name, given in arguments.items():
        if name in allowed:
            continue
        if name == "*":  # only the first of them has a rule
            given = given[1:]
        if requires(given) and recording():
            which = f"argument {name}" if isinstance(name, int) else name
            which = "a further argument" if name == "*" else which
            raise TypeError(
                f"{function.__module__}.{function.__name__} of a Tensor: expected no gradient to "
                f"be wanted by {which}, which has no rule; detach() it"
            )


def _check_real(dtype: Any) -> None:
    """TypeError for a dtype that Tensors do not have."""
    if np.dtype(dtype).kind not in "fiub":
        raise TypeError(f"dtype: expected one of real numbers, got {np.dtype(dtype)}")


def _as_numpy(function: Any, result: Any, expected: Any) -> Any:
    """A result, or each of several, in the dtype that NumPy's has, and in its kind of sequence."""
    if isinstance(expected, (list, tuple)):
        made = [_as_numpy(function, one, two) for one, two in zip(result, expected, strict=True)]
        if hasattr(expected, "_fields"):  # a named tuple
            return type(expected)(*made)
        return type(expected)(made)
    if result.shape != expected.shape:
        raise TypeError(
            f"numpy.{function.__name__} of a Tensor: expected a result of NumPy's shape "
            f"{expected.shape}, got {result.shape}; these arguments have no rule"
        )
    if result.dtype == expected.dtype:
        return result
    if expected.dtype.kind == "f":
        return result.astype(expected.dtype)
    return record(RULES["constant"], (np.asarray, result), np.asarray(expected))


_signature = functools.cache(inspect.signature)


def _bound(function: Any, known: Any, inputs: Any, settings: Any) -> dict[str, Any]:
    """Arguments that differ from NumPy's defaults, by name.

    If NumPy's function takes any number of arguments, those, with the ones before, are named "*".
    """
    try:
        signature = _signature(function)
    except ValueError:  # older versions of NumPy do not say
        signature = _signature(known)
    bound = signature.bind(*inputs, **settings)
    several = any(p.kind is p.VAR_POSITIONAL for p in signature.parameters.values())
    named: dict[str, Any] = {"*": bound.args} if several else {}
    for name, given in bound.arguments.items():
        parameter = signature.parameters[name]
        if several and parameter.kind is not parameter.KEYWORD_ONLY:
            if parameter.kind is parameter.VAR_KEYWORD:
                named |= given
        elif parameter.kind is parameter.VAR_KEYWORD:
            named |= given
        elif given is not parameter.default:
            named[name] = given
    taken = named.keys() - {"out"} if known is None else _signature(known).parameters
    refused = [name for name in named if name not in taken and name != "*"]
    if refused:
        raise TypeError(
            f"{function.__module__}.{function.__name__} of a Tensor: expected no "
            f"{', '.join(refused)}; apply it to x.detach() or x.data where no gradient is wanted"
        )
    return named


later.call_ufunc, later.call_function = call_ufunc, call_function
