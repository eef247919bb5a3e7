"""The gradient rules: one entry for each operation.

A rule gives the gradient by one input from ``g``, the gradient by the result ``y``, and the
inputs. It uses NumPy functions and operators only, so that it works on arrays (first derivatives,
at NumPy's speed) and on Tensors (derivatives of any order). Where inputs were broadcast the engine
sums the gradient to the input's shape.

`needs` declares which arrays' values a rule reads. After an edit in place of one of those, backward
raises an error; any other may be edited after the operation.

To add an operation: one entry here and, if it is to be public, one in `functions`. The activations'
entries are made from the core's registry.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import kernels, reference
from .._registry import ACTIVATIONS
from ._arrays import (
    angle_slope,
    by_kernel,
    cumprod_slope,
    expand,
    exponent_slope,
    extremes_slope,
    floating,
    log_softmax,
    log_sum_exp,
    matmul_left,
    matmul_right,
    moved,
    moved_back,
    norm,
    norm_slope,
    power_slope,
    product,
    scatter,
    share_of_sum,
    sinc_slope,
    softmax,
    split,
    spread,
    sum_exp_slope,
    times_slope,
    unstack,
)
from ._einsum import einsum_gradients
from ._linalg import cholesky_slope, det_slope, log_det_slope, solve_slopes, turned

Rule = Callable[..., Any]


class Operation:
    """A function of arrays and the rules for its gradient.

    Parameters
    ----------
    forward : function of the inputs
    *rules : functions of (g, y, *inputs)
        One for each input that can have a gradient.
    needs : str, or a tuple of one for each of the first inputs
        The arrays whose values the rules read: "y" for the result, a digit for an input by its
        position, "*" for all inputs but that whose gradient it is. Their shapes and dtypes may be
        read without being named. A tuple says it for each rule.
    needs_on_tensors : str, optional
        The same for all rules where the backward pass is itself recorded, if it differs.
    joint : function of (g, y, wanted, *inputs), optional
        All gradients as a list; `wanted` says for each input whether its gradient is needed.
    symbol : str, optional
        The operation's label in drawings. Default: its name.
    own : str
        Inputs in `needs` that nobody else can edit.

    Attributes
    ----------
    needs : str
        What any of the rules reads.
    each : tuple of str
        What each of the first rules reads; empty where `needs` holds for all.
    copied : tuple of int
        The inputs of which the graph keeps a copy if they are small constant arrays.
    saved : function, or None
        Gives the arrays that the operation itself holds.
    """

    __slots__ = (
        "copied", "each", "forward", "joint", "name", "needs", "needs_on_tensors", "on_tensors", "rules", "saved", "symbol"
    )  # fmt: skip

    def __init__(
        self,
        forward: Rule,
        *rules: Rule,
        needs: str | tuple[str, ...],
        needs_on_tensors: str | None = None,
        joint: Rule | None = None,
        symbol: str | None = None,
        own: str = "",
    ) -> None:
        self.name = ""
        self.forward, self.rules, self.joint, self.symbol = forward, rules, joint, symbol
        self.on_tensors = False  # whether the joint rule must be given Tensors, never arrays
        self.each = () if isinstance(needs, str) else needs
        self.needs = needs if isinstance(needs, str) else "".join(sorted(set().union(*needs)))
        self.saved: Callable[[], tuple[Any, ...]] | None = None
        self.needs_on_tensors = self.needs if needs_on_tensors is None else needs_on_tensors
        either = sorted({*self.needs, *self.needs_on_tensors})
        self.copied = tuple(int(i) for i in either if i.isdigit() and i not in own)

    def reads(self, place: str, by: int, on_tensors: bool) -> bool:
        """Whether the gradient by one input reads a place: "y", or an input's digit."""
        needs = self.needs_on_tensors if on_tensors else self.needs
        if needs == "*":
            return place not in ("y", str(by))
        return place in (self.each[by] if needs == self.needs and by < len(self.each) else needs)

    def __repr__(self) -> str:
        return f"<operation {self.name}>"


_add: Any = np.add.reduce  # np.sum without its Python wrapper
_max: Any = np.maximum.reduce
_min: Any = np.minimum.reduce
_LN2, _LN10, _ROOT_PI_2 = math.log(2), math.log(10), 2 / math.sqrt(math.pi)

RULES: dict[str, Operation] = {
    # ---- arithmetic --------------------------------------------------------------------------
    "add": Operation(np.add, lambda g, *rest: g, lambda g, *rest: g, symbol="+", needs=""),
    "subtract": Operation(np.subtract, lambda g, *rest: g, lambda g, *rest: -g, symbol="−", needs=""),
    "multiply": Operation(np.multiply, lambda g, y, a, b: g * b, lambda g, y, a, b: g * a, symbol="×", needs=("1", "0")),
    "divide": Operation(np.divide, lambda g, y, a, b: g / b, lambda g, y, a, b: -g * y / b, symbol="÷", needs=("1", "y1")),
    "power": Operation(
        np.power,
        lambda g, y, a, b: power_slope(g, a, b),
        exponent_slope,
        symbol="^",
        needs="y01",
    ),
    "negative": Operation(np.negative, lambda g, *rest: -g, symbol="−", needs=""),
    "reciprocal": Operation(np.reciprocal, lambda g, y, x: -g * y * y, symbol="1/x", needs="y"),
    "square": Operation(np.square, lambda g, y, x: 2 * g * x, symbol="x²", needs="0"),
    "sqrt": Operation(np.sqrt, lambda g, y, x: g / (2 * y), symbol="√", needs="y"),
    "cbrt": Operation(np.cbrt, lambda g, y, x: g / (3 * y * y), needs="y"),
    "absolute": Operation(np.absolute, lambda g, y, x: g * np.sign(x), symbol="|x|", needs="0"),
    "fabs": Operation(np.fabs, lambda g, y, x: g * np.sign(x), symbol="|x|", needs="0"),
    # ---- exponentials and logarithms ---------------------------------------------------------
    "exp": Operation(np.exp, lambda g, y, x: g * y, needs="y"),
    "exp2": Operation(np.exp2, lambda g, y, x: g * (y * _LN2), needs="y"),
    "expm1": Operation(np.expm1, lambda g, y, x: g * (y + 1), needs="y"),
    "log": Operation(np.log, lambda g, y, x: g / x, needs="0"),
    "log2": Operation(np.log2, lambda g, y, x: g / (x * _LN2), needs="0"),
    "log10": Operation(np.log10, lambda g, y, x: g / (x * _LN10), needs="0"),
    "log1p": Operation(np.log1p, lambda g, y, x: g / (x + 1), needs="0"),
    "logaddexp": Operation(
        np.logaddexp,
        lambda g, y, a, b: g * share_of_sum(np.exp, a, b),
        lambda g, y, a, b: g * share_of_sum(np.exp, b, a),
        needs="01",
    ),
    "logaddexp2": Operation(
        np.logaddexp2,
        lambda g, y, a, b: g * share_of_sum(np.exp2, a, b),
        lambda g, y, a, b: g * share_of_sum(np.exp2, b, a),
        needs="01",
    ),
    # ---- trigonometry ------------------------------------------------------------------------
    "sin": Operation(np.sin, lambda g, y, x: g * np.cos(x), needs="0"),
    "cos": Operation(np.cos, lambda g, y, x: -g * np.sin(x), needs="0"),
    "tan": Operation(np.tan, lambda g, y, x: g * (1 + y * y), needs="y"),
    "arcsin": Operation(np.arcsin, lambda g, y, x: g / np.sqrt(1 - x * x), needs="0"),
    "arccos": Operation(np.arccos, lambda g, y, x: -g / np.sqrt(1 - x * x), needs="0"),
    "arctan": Operation(np.arctan, lambda g, y, x: g / (1 + x * x), needs="0"),
    "arctan2": Operation(
        np.arctan2,
        lambda g, y, a, b: angle_slope(g, b, a, b),
        lambda g, y, a, b: angle_slope(-g, a, a, b),
        needs="01",
    ),
    "hypot": Operation(np.hypot, lambda g, y, a, b: g * a / y, lambda g, y, a, b: g * b / y, needs="y01"),
    "sinh": Operation(np.sinh, lambda g, y, x: g * np.cosh(x), needs="0"),
    "cosh": Operation(np.cosh, lambda g, y, x: g * np.sinh(x), needs="0"),
    "arcsinh": Operation(np.arcsinh, lambda g, y, x: g / np.sqrt(x * x + 1), needs="0"),
    "arccosh": Operation(np.arccosh, lambda g, y, x: g / np.sqrt(x * x - 1), needs="0"),
    "arctanh": Operation(np.arctanh, lambda g, y, x: g / (1 - x * x), needs="0"),
    "deg2rad": Operation(np.deg2rad, lambda g, y, x: g * (math.pi / 180), needs=""),
    "rad2deg": Operation(np.rad2deg, lambda g, y, x: g * (180 / math.pi), needs=""),
    "sinc": Operation(np.sinc, lambda g, y, x: g * sinc_slope(y, x), needs="y0"),
    "erf": Operation(lambda x: by_kernel(kernels.erf, x), lambda g, y, x: g * (_ROOT_PI_2 * np.exp(-x * x)), needs="0"),
    "erfc": Operation(
        lambda x: reference.activations.erfc(x).astype(floating(x).dtype),
        lambda g, y, x: g * (-_ROOT_PI_2 * np.exp(-x * x)),
        needs="0",
    ),
    # ---- selection: ties share the gradient equally ------------------------------------------
    "maximum": Operation(
        np.maximum,  # NaN passes its gradient on, as in PyTorch
        lambda g, y, a, b: np.where(a < b, 0, g * (1 - 0.5 * (a == b))),
        lambda g, y, a, b: np.where(a > b, 0, g * (1 - 0.5 * (a == b))),
        symbol="max",
        needs="01",
    ),
    "minimum": Operation(
        np.minimum,
        lambda g, y, a, b: np.where(a > b, 0, g * (1 - 0.5 * (a == b))),
        lambda g, y, a, b: np.where(a < b, 0, g * (1 - 0.5 * (a == b))),
        symbol="min",
        needs="01",
    ),
    "fmax": Operation(
        np.fmax,  # the entry that is a number where the other is NaN
        lambda g, y, a, b: np.where((a >= b) | (b != b), g * (1 - 0.5 * (a == b)), 0),
        lambda g, y, a, b: np.where((a <= b) | (a != a), g * (1 - 0.5 * (a == b)), 0),
        needs="01",
    ),
    "fmin": Operation(
        np.fmin,
        lambda g, y, a, b: np.where((a <= b) | (b != b), g * (1 - 0.5 * (a == b)), 0),
        lambda g, y, a, b: np.where((a >= b) | (a != a), g * (1 - 0.5 * (a == b)), 0),
        needs="01",
    ),
    "remainder": Operation(
        np.remainder, lambda g, *rest: g, lambda g, y, a, b: -g * np.floor_divide(a, b), symbol="%", needs=("", "01"),
    ),
    "fmod": Operation(np.fmod, lambda g, *rest: g, lambda g, y, a, b: -g * np.trunc(a / b), needs=("", "01")),
    "constant": Operation(
        lambda function, *inputs: function(*inputs),
        lambda g, *rest: None,
        *[lambda g, y, function, *inputs: np.zeros_like(g)] * 3,
        needs="",
    ),
    "linked": Operation(lambda g, x: g, lambda g, *rest: g, lambda g, y, h, x: np.zeros_like(x), needs=""),
    "where": Operation(
        np.where,
        lambda g, *rest: None,
        lambda g, y, condition, a, b: np.where(condition, g, 0),
        lambda g, y, condition, a, b: np.where(condition, 0, g),
        needs="0",
        own="0",
    ),
    "clip": Operation(
        np.clip,
        lambda g, y, x, low, high: np.where((x >= low) & (x <= high), g, 0),
        lambda g, y, x, low, high: np.where((x < low) & (low <= high), g, 0),
        lambda g, y, x, low, high: np.where((x > high) | (low > high), g, 0),
        needs="012",
    ),
    # ---- reductions: inputs (x, axis, keepdims) ----------------------------------------------
    "sum": Operation(
        lambda x, axis, keepdims: _add(x, axis, None, None, keepdims),
        lambda g, y, x, axis, keepdims: spread(g, x.shape, axis, keepdims),
        symbol="Σ",
        needs="",
    ),
    "mean": Operation(
        lambda x, axis, keepdims: _mean(x, axis, keepdims),
        lambda g, y, x, axis, keepdims: spread(g * (y.size / max(x.size, 1)), x.shape, axis, keepdims),
        needs="",
    ),
    "max": Operation(
        lambda x, axis, keepdims: _max(x, axis, None, None, keepdims),
        lambda g, y, x, axis, keepdims: _reduced(extremes_slope, g, y, x, axis, keepdims, axis),
        needs="y0",
    ),
    "min": Operation(
        lambda x, axis, keepdims: _min(x, axis, None, None, keepdims),
        lambda g, y, x, axis, keepdims: _reduced(extremes_slope, g, y, x, axis, keepdims, axis),
        needs="y0",
    ),
    "norm": Operation(
        norm,
        lambda g, y, x, axis, keepdims: _reduced(norm_slope, g, y, x, axis, keepdims),
        symbol="‖x‖",
        needs="y0",
    ),
    "logsumexp": Operation(
        log_sum_exp,
        lambda g, y, x, axis, keepdims: _reduced(sum_exp_slope, g, y, x, axis, keepdims, axis),
        needs="y0",
    ),
    "cumsum": Operation(
        lambda x, axis: np.cumsum(x, axis=axis),
        lambda g, y, x, axis: np.flip(np.cumsum(np.flip(g, axis), axis), axis).reshape(x.shape),
        needs="",
    ),
    "cumprod": Operation(lambda x, axis: np.cumprod(x, axis=axis), lambda g, y, x, axis: cumprod_slope(g, y, x, axis), needs="y0"),
    # ---- products ----------------------------------------------------------------------------
    "matmul": Operation(
        product,
        lambda g, y, a, b: matmul_left(g, a, b),
        lambda g, y, a, b: matmul_right(g, a, b),
        symbol="@",
        needs=("1", "0"),
    ),
    "einsum": Operation(
        lambda subscripts, *arrays: np.einsum(subscripts, *arrays, optimize=True),
        joint=lambda g, y, wanted, subscripts, *arrays: [None, *einsum_gradients(g, wanted[1:], subscripts, arrays)],
        needs="*",
    ),
    # ---- square matrices, or stacks of them ---------------------------------------------------
    "inv": Operation(np.linalg.inv, lambda g, y, a: -np.matmul(np.matmul(turned(y), g), turned(y)), needs="y"),
    "solve": Operation(
        np.linalg.solve,
        joint=solve_slopes,
        needs="y0",
    ),
    "det": Operation(np.linalg.det, det_slope, needs="y0"),
    "logabsdet": Operation(
        lambda a: np.linalg.slogdet(a)[1],
        log_det_slope,
        needs="0",
    ),
    "cholesky": Operation(np.linalg.cholesky, lambda g, y, a: cholesky_slope(g, y), needs="y"),
    # ---- shapes ------------------------------------------------------------------------------
    "reshape": Operation(lambda x, shape: x.reshape(shape), lambda g, y, x, s: g.reshape(x.shape), needs=""),
    "transpose": Operation(
        lambda x, axes: x.transpose(axes), lambda g, y, x, axes: g.transpose(sorted(range(len(axes)), key=axes.__getitem__)), symbol="ᵀ",
        needs="",
    ),
    "broadcast_to": Operation(lambda x, shape: np.broadcast_to(x, shape), lambda g, *rest: g, needs=""),
    "astype": Operation(lambda x, dtype: x.astype(dtype), lambda g, *rest: g, needs=""),
    "getitem": Operation(lambda x, index: x[index], lambda g, y, x, index: scatter(x.shape, (index,), g), symbol="[ ]", needs=""),
    "scatter": Operation(
        scatter,
        joint=lambda g, y, wanted, shape, indices, *parts: [None, None, *[g[index] for index in indices]],
        needs="",
    ),
    "concatenate": Operation(
        lambda axis, *arrays: np.concatenate(arrays, axis),
        joint=lambda g, y, wanted, axis, *arrays: [None, *split(g, [x.shape[axis] for x in arrays], axis)],
        needs="",
    ),
    "stack": Operation(
        lambda axis, *arrays: np.stack(arrays, axis),
        joint=lambda g, y, wanted, axis, *arrays: [None, *unstack(g, len(arrays), axis)],
        needs="",
    ),
    "moved": Operation(moved, lambda g, y, x, numbers: moved_back(g, numbers, x.shape), needs=""),
    "moved_back": Operation(moved_back, lambda g, y, x, numbers, shape: moved(g, numbers), needs=""),
    # ---- softmax along an axis ---------------------------------------------------------------
    "softmax": Operation(
        softmax,
        lambda g, y, x, axis: y * (g - (g * y).sum(axis=axis, keepdims=True)),
        needs="y",
    ),
    "log_softmax": Operation(
        log_softmax,
        lambda g, y, x, axis: g - np.exp(y) * g.sum(axis=axis, keepdims=True),
        needs="y",
    ),
}  # fmt: skip


def _reduced(slope: Rule, g: Any, y: Any, x: Any, axis: Any, keepdims: bool, *more: Any) -> Any:
    """A rule of a reduction whose axes are kept in g and y."""
    return slope(*(expand(one, x.shape, axis, keepdims) for one in (g, y)), x, *more)


def _mean(x: Any, axis: Any, keepdims: bool) -> Any:
    if x.dtype.char not in "fdg":
        # Sums of float16 and of integers overflow: NumPy adds them in float32 and float64.
        return np.mean(x, axis=axis, keepdims=keepdims)
    total = x.sum(axis=axis, keepdims=keepdims)
    return total / (x.size / max(total.size, 1)) if x.size else total * np.nan


def _activation(name: str, kept: str) -> Operation:
    """An activation of the core: its kernels on arrays, the reference's formula on Tensors."""
    from_output = kept == "output"

    def rule(g: Any, y: Any, z: Any) -> Any:
        return times_slope(g, y if from_output and type(g) is np.ndarray else z, name)

    return Operation(
        lambda z: by_kernel(kernels.activate, z, name),
        rule,
        needs="y" if from_output else "0",
        needs_on_tensors="0",
    )


RULES |= {
    name: _activation(name, entry.kept)
    for name, entry in ACTIVATIONS.items()
    if name not in RULES  # exp is NumPy's
}
for _name, _operation in RULES.items():
    _operation.name = _name
