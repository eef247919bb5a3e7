"""The gradient rules: one line an operation.

A rule gives the gradient by one input from ``g``, the gradient by the result ``y``, and the
inputs. It is written with NumPy functions and operators alone, so that it works on arrays (first
derivatives, at NumPy's speed) and on Tensors (derivatives of any order) alike. Where inputs were
broadcast the engine sums the result to the input's shape.

A parameter whose name begins with an underscore is not looked at: editing that array in place
after the operation is harmless, editing any other is found and refused.

To add an operation: one line here and, if it is to be public, one in `functions`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _core, kernels
from ._arrays import (
    by_kernel,
    einsum_gradients,
    expand,
    log_sum_exp,
    matmul_left,
    matmul_right,
    norm,
    power_slope,
    product,
    scatter,
    softmax,
    split,
    spread,
    unstack,
)

Rule = Callable[..., Any]


class Operation:
    """A function of arrays and the rules for its gradient.

    Parameters
    ----------
    forward : function of the inputs
    *rules : functions of (g, y, *inputs)
        One for each input that can have a gradient.
    joint : function of (g, y, wanted, *inputs), optional
        All gradients at once, a list as long as `wanted`, which says who needs one.
    symbol : str
        How the operation is written in a drawing, if not by its name.
    """

    __slots__ = ("forward", "joint", "name", "needs", "on_tensors", "rules", "symbol")

    def __init__(
        self, forward: Rule, *rules: Rule, joint: Rule | None = None, symbol: str | None = None
    ) -> None:
        self.name = ""
        self.forward, self.rules, self.joint, self.symbol = forward, rules, joint, symbol
        self.on_tensors = False  # whether the joint rule wants Tensors, never arrays
        self.needs = frozenset[int]().union(*(_looked_at(rule, 1) for rule in rules))
        if joint is not None:
            self.needs = _looked_at(joint, 2)

    def __repr__(self) -> str:
        return f"<operation {self.name}>"


def _looked_at(rule: Rule, before: int) -> frozenset[int]:
    """Places a rule reads: 0 for the result, i for the input i - 1; up to 99 for ``*inputs``."""
    code = rule.__code__
    names = code.co_varnames[1 : code.co_argcount]
    places = {max(i - before, 0) for i, n in enumerate(names, 1) if not n.startswith("_")}
    takes_more = code.co_flags & 4  # has *names
    if takes_more and not code.co_varnames[code.co_argcount].startswith("_"):
        places |= set(range(code.co_argcount - before, 100))
    return frozenset(places)


_add: Any = np.add.reduce  # without NumPy's Python detour of np.sum
_max: Any = np.maximum.reduce
_min: Any = np.minimum.reduce
_LN2, _LN10, _ROOT_PI_2 = math.log(2), math.log(10), 2 / math.sqrt(math.pi)

RULES: dict[str, Operation] = {
    # ---- arithmetic --------------------------------------------------------------------------
    "add": Operation(np.add, lambda g, *_: g, lambda g, *_: g, symbol="+"),
    "subtract": Operation(np.subtract, lambda g, *_: g, lambda g, *_: -g, symbol="−"),
    "multiply": Operation(np.multiply, lambda g, _y, _a, b: g * b, lambda g, _y, a, _b: g * a, symbol="×"),
    "divide": Operation(np.divide, lambda g, _y, _a, b: g / b, lambda g, y, _a, b: -g * y / b, symbol="÷"),
    "power": Operation(
        np.power,
        lambda g, _y, a, b: g * power_slope(a, b),
        lambda g, y, a, b: g * y * np.log(np.where((a == 0) & (b >= 0), 1, a)),
        symbol="^",
    ),
    "negative": Operation(np.negative, lambda g, *_: -g, symbol="−"),
    "reciprocal": Operation(np.reciprocal, lambda g, y, _x: -g * y * y, symbol="1/x"),
    "square": Operation(np.square, lambda g, _y, x: 2 * g * x, symbol="x²"),
    "sqrt": Operation(np.sqrt, lambda g, y, _x: g / (2 * y), symbol="√"),
    "cbrt": Operation(np.cbrt, lambda g, y, _x: g / (3 * y * y)),
    "absolute": Operation(np.absolute, lambda g, _y, x: g * np.sign(x), symbol="|x|"),
    # ---- exponentials and logarithms ---------------------------------------------------------
    "exp": Operation(np.exp, lambda g, y, _x: g * y),
    "exp2": Operation(np.exp2, lambda g, y, _x: g * (y * _LN2)),
    "expm1": Operation(np.expm1, lambda g, y, _x: g * (y + 1)),
    "log": Operation(np.log, lambda g, _y, x: g / x),
    "log2": Operation(np.log2, lambda g, _y, x: g / (x * _LN2)),
    "log10": Operation(np.log10, lambda g, _y, x: g / (x * _LN10)),
    "log1p": Operation(np.log1p, lambda g, _y, x: g / (x + 1)),
    "logaddexp": Operation(
        np.logaddexp, lambda g, y, a, _b: g * np.exp(a - y), lambda g, y, _a, b: g * np.exp(b - y)
    ),
    # ---- trigonometry ------------------------------------------------------------------------
    "sin": Operation(np.sin, lambda g, _y, x: g * np.cos(x)),
    "cos": Operation(np.cos, lambda g, _y, x: -g * np.sin(x)),
    "tan": Operation(np.tan, lambda g, y, _x: g * (1 + y * y)),
    "arcsin": Operation(np.arcsin, lambda g, _y, x: g / np.sqrt(1 - x * x)),
    "arccos": Operation(np.arccos, lambda g, _y, x: -g / np.sqrt(1 - x * x)),
    "arctan": Operation(np.arctan, lambda g, _y, x: g / (1 + x * x)),
    "arctan2": Operation(
        np.arctan2,
        lambda g, _y, a, b: g * b / (a * a + b * b),
        lambda g, _y, a, b: -g * a / (a * a + b * b),
    ),
    "hypot": Operation(np.hypot, lambda g, y, a, _b: g * a / y, lambda g, y, _a, b: g * b / y),
    "sinh": Operation(np.sinh, lambda g, _y, x: g * np.cosh(x)),
    "cosh": Operation(np.cosh, lambda g, _y, x: g * np.sinh(x)),
    "arcsinh": Operation(np.arcsinh, lambda g, _y, x: g / np.sqrt(x * x + 1)),
    "arccosh": Operation(np.arccosh, lambda g, _y, x: g / np.sqrt(x * x - 1)),
    "arctanh": Operation(np.arctanh, lambda g, _y, x: g / (1 - x * x)),
    "erf": Operation(lambda x: by_kernel(kernels.erf, x), lambda g, _y, x: g * (_ROOT_PI_2 * np.exp(-x * x))),
    # ---- choice: equal shares where two are equal --------------------------------------------
    "maximum": Operation(
        np.maximum,
        lambda g, _y, a, b: g * ((a > b) + 0.5 * (a == b)),
        lambda g, _y, a, b: g * ((a < b) + 0.5 * (a == b)),
        symbol="max",
    ),
    "minimum": Operation(
        np.minimum,
        lambda g, _y, a, b: g * ((a < b) + 0.5 * (a == b)),
        lambda g, _y, a, b: g * ((a > b) + 0.5 * (a == b)),
        symbol="min",
    ),
    "where": Operation(
        np.where,
        lambda g, *_: None,
        lambda g, _y, condition, _a, _b: np.where(condition, g, 0),
        lambda g, _y, condition, _a, _b: np.where(condition, 0, g),
    ),
    "clip": Operation(np.clip, lambda g, _y, x, low, high: g * ((x >= low) & (x <= high))),
    # ---- reductions: inputs (x, axis, keepdims) ----------------------------------------------
    "sum": Operation(
        lambda x, axis, keepdims: _add(x, axis, None, None, keepdims),
        lambda g, _y, _x, axis, keepdims: spread(g, _x.shape, axis, keepdims),
        symbol="Σ",
    ),
    "mean": Operation(
        lambda x, axis, keepdims: _mean(x, axis, keepdims),
        lambda g, y, _x, axis, keepdims: spread(g * (y.size / max(_x.size, 1)), _x.shape, axis, keepdims),
    ),
    "max": Operation(
        lambda x, axis, keepdims: _max(x, axis, None, None, keepdims),
        lambda g, y, x, axis, keepdims: _to_extremes(g, y, x, axis, keepdims),
    ),
    "min": Operation(
        lambda x, axis, keepdims: _min(x, axis, None, None, keepdims),
        lambda g, y, x, axis, keepdims: _to_extremes(g, y, x, axis, keepdims),
    ),
    "norm": Operation(
        norm,
        lambda g, y, x, axis, keepdims: x * expand(g / np.where(y == 0, 1, y), x.shape, axis, keepdims),
        symbol="‖x‖",
    ),
    "logsumexp": Operation(
        log_sum_exp,
        lambda g, y, x, axis, keepdims: (
            expand(g, x.shape, axis, keepdims) * np.exp(x - expand(y, x.shape, axis, keepdims))
        ),
    ),
    "cumsum": Operation(
        lambda x, axis: np.cumsum(x, axis=axis),
        lambda g, _y, _x, axis: np.flip(np.cumsum(np.flip(g, axis), axis), axis).reshape(_x.shape),
    ),
    # ---- products ----------------------------------------------------------------------------
    "matmul": Operation(
        product,
        lambda g, _y, a, b: matmul_left(g, a, b),
        lambda g, _y, a, b: matmul_right(g, a, b),
        symbol="@",
    ),
    "einsum": Operation(
        lambda subscripts, *arrays: np.einsum(subscripts, *arrays, optimize=True),
        joint=lambda g, _y, wanted, subscripts, *arrays: [None, *einsum_gradients(g, wanted[1:], subscripts, arrays)],
    ),
    # ---- shapes ------------------------------------------------------------------------------
    "reshape": Operation(lambda x, shape: x.reshape(shape), lambda g, _y, _x, _s: g.reshape(_x.shape)),
    "transpose": Operation(
        lambda x, axes: x.transpose(axes), lambda g, _y, _x, axes: g.transpose(sorted(range(len(axes)), key=axes.__getitem__)), symbol="ᵀ"
    ),
    "broadcast_to": Operation(lambda x, shape: np.broadcast_to(x, shape), lambda g, *_: g),
    "astype": Operation(lambda x, dtype: x.astype(dtype), lambda g, *_: g),
    "getitem": Operation(lambda x, index: x[index], lambda g, _y, _x, index: scatter(g, index, _x.shape), symbol="[ ]"),
    "scatter": Operation(scatter, lambda g, _y, _x, index, _shape: g[index]),
    "concatenate": Operation(
        lambda axis, *arrays: np.concatenate(arrays, axis),
        joint=lambda g, _y, _wanted, axis, *_arrays: [None, *split(g, [x.shape[axis] for x in _arrays], axis)],
    ),
    "stack": Operation(
        lambda axis, *arrays: np.stack(arrays, axis),
        joint=lambda g, _y, _wanted, axis, *_arrays: [None, *unstack(g, len(_arrays), axis)],
    ),
    # ---- softmax along an axis ---------------------------------------------------------------
    "softmax": Operation(
        softmax,
        lambda g, y, _x, axis: y * (g - (g * y).sum(axis=axis, keepdims=True)),
    ),
    "log_softmax": Operation(
        lambda x, axis: x - log_sum_exp(x, axis, True),
        lambda g, y, _x, axis: g - np.exp(y) * g.sum(axis=axis, keepdims=True),
    ),
}  # fmt: skip

# The slopes g'(z) of the registered activations by a = g(z), or by z for those marked so in
# nablas.activations(); on arrays the C++ kernel computes the same.
_LEAK, _SCALE, _ALPHA = 0.01, 1.0507009873554805, 1.6732632423543772
SLOPES: dict[str, Callable[[Any], Any]] = {
    "identity": lambda a: 1.0,
    "sigmoid": lambda a: a * (1 - a),
    "tanh": lambda a: 1 - a * a,
    "relu": lambda a: a > 0,
    "leaky_relu": lambda a: np.where(a > 0, 1, _LEAK),
    "elu": lambda a: np.where(a > 0, 1, a + 1),
    "selu": lambda a: np.where(a > 0, _SCALE, a + _SCALE * _ALPHA),
    "softplus": lambda a: -np.expm1(-a),
    "softsign": lambda a: (1 - np.absolute(a)) ** 2,
    "silu": lambda z: _logistic(z) * (1 + z * (1 - _logistic(z))),
    "gelu": lambda z: _normal(z) + z * np.exp(z * z / -2) / math.sqrt(2 * math.pi),
    "step": lambda a: 0.0,
    "exp": lambda a: a,
}


def _normal(z: Any) -> Any:
    """The normal distribution function."""
    x = z / math.sqrt(2)
    return 0.5 + 0.5 * (by_kernel(kernels.erf, x) if type(x) is np.ndarray else x._apply("erf", x))


def _logistic(z: Any) -> Any:
    return by_kernel(kernels.sigmoid, z) if type(z) is np.ndarray else z.sigmoid()


def _to_extremes(g: Any, y: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    """The gradient shared equally among all entries that are the largest or smallest."""
    met = x == expand(y, x.shape, axis, keepdims)
    return expand(g, x.shape, axis, keepdims) * (met / met.sum(axis=axis, keepdims=True))


def _mean(x: Any, axis: Any, keepdims: bool) -> Any:
    if x.dtype.char == "e":  # sums of float16 overflow; NumPy's mean adds in float32
        return np.mean(x, axis=axis, keepdims=keepdims)
    total = x.sum(axis=axis, keepdims=keepdims)
    return total / (x.size / max(total.size, 1)) if x.size else total * np.nan


def _activation(name: str, slope_of: str) -> Operation:
    from_output, slope = slope_of == "output", SLOPES[name]

    def delta(g: Any, kept: Any) -> Any:
        if type(g) is np.ndarray and g.dtype == kept.dtype and g.dtype.char in "fd":
            return kernels.hadamard_delta(g, kept, name)
        return g * slope(kept)

    rule = (lambda g, y, _z: delta(g, y)) if from_output else (lambda g, _y, z: delta(g, z))
    return Operation(lambda z: by_kernel(kernels.activate, z, name), rule)


RULES |= {
    name: _activation(name, kept) for name, kept in _core.activations().items() if name != "exp"
}
for _name, _operation in RULES.items():
    _operation.name = _name
