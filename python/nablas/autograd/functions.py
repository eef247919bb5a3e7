"""Functions of Tensors by name; arrays and numbers are taken as constants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import _checks
from .._registry import ACTIVATIONS
from ._arrays import explicit_subscripts
from .operators import Axis, of_one
from .recording import kept
from .rules import RULES
from .tensor import Tensor, apply, as_data, record, wrap

_CONCATENATE, _WHERE = RULES["concatenate"], RULES["where"]
Operand = Any  # Tensor, array or number


def as_tensor(x: Operand) -> Tensor:
    """The Tensor itself, or a Tensor outside the graph that holds an array or number."""
    return x if isinstance(x, Tensor) else Tensor(x)


def operand(x: Operand) -> Tensor:
    """As `as_tensor`, with a copy of a small array: the graph may keep it."""
    return x if isinstance(x, Tensor) else wrap(kept(as_data(x)))


def _entrywise(name: str, doc: str) -> Callable[[Operand], Tensor]:
    method: Callable[[Tensor], Tensor] = of_one(name)

    def function(x: Operand) -> Tensor:
        return method(x if isinstance(x, Tensor) else operand(x))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


def _binary(name: str, doc: str) -> Callable[[Operand, Operand], Tensor]:
    def function(a: Operand, b: Operand) -> Tensor:
        return apply(name, operand(a), operand(b))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


exp = _entrywise("exp", "E to the power of every entry.")
exp2 = _entrywise("exp2", "2 to the power of every entry.")
expm1 = _entrywise("expm1", "E to the power of every entry, less 1.")
log = _entrywise("log", "Natural logarithm of every entry.")
log2 = _entrywise("log2", "Logarithm to base 2 of every entry.")
log10 = _entrywise("log10", "Logarithm to base 10 of every entry.")
log1p = _entrywise("log1p", "Natural logarithm of 1 plus every entry.")
sqrt = _entrywise("sqrt", "Square root of every entry; its gradient at 0 is infinite.")
cbrt = _entrywise("cbrt", "Cube root of every entry.")
square = _entrywise("square", "Square of every entry.")
reciprocal = _entrywise("reciprocal", "1 over every entry.")
absolute = _entrywise("absolute", "Absolute value of every entry; its gradient at 0 is 0.")
sin = _entrywise("sin", "Sine of every entry.")
cos = _entrywise("cos", "Cosine of every entry.")
tan = _entrywise("tan", "Tangent of every entry.")
arcsin = _entrywise("arcsin", "Inverse sine of every entry.")
arccos = _entrywise("arccos", "Inverse cosine of every entry.")
arctan = _entrywise("arctan", "Inverse tangent of every entry.")
arcsinh = _entrywise("arcsinh", "Inverse hyperbolic sine of every entry.")
arccosh = _entrywise("arccosh", "Inverse hyperbolic cosine of every entry.")
arctanh = _entrywise("arctanh", "Inverse hyperbolic tangent of every entry.")
sinh = _entrywise("sinh", "Hyperbolic sine of every entry.")
cosh = _entrywise("cosh", "Hyperbolic cosine of every entry.")
erf = _entrywise("erf", "Error function of every entry.")
erfc = _entrywise("erfc", "Complementary error function, 1 - erf, of every entry.")
maximum = _binary("maximum", "The larger of two entries; where equal each gets half the gradient.")
minimum = _binary("minimum", "The smaller of two entries; where equal each gets half the gradient.")
logaddexp = _binary("logaddexp", "Logarithm of the sum of two exponentials.")
arctan2 = _binary("arctan2", "The angle of the point (b, a).")
hypot = _binary("hypot", "The length of the vector (a, b).")
power = _binary("power", "The first to the power of the second.")
matmul = _binary("matmul", "Matrix product, by NumPy's rules for vectors and stacks of matrices.")

ACTIVATION_FUNCTIONS = {
    name: _entrywise(name, f"The activation ``{entry.formula}`` of every entry.")
    for name, entry in ACTIVATIONS.items()
}


def activate(z: Operand, activation: str) -> Tensor:
    """``g(z)`` for a registered activation; ValueError if not in ``nablas.activations()``."""
    return apply(_checks.choice("activation", activation, ACTIVATIONS), operand(z))


def softmax(x: Operand, axis: int = -1) -> Tensor:
    """Exponentials that sum to 1 along an axis."""
    return operand(x).softmax(axis)


def log_softmax(x: Operand, axis: int = -1) -> Tensor:
    """Logarithm of `softmax`, computed as ``x - logsumexp(x)`` along an axis."""
    return operand(x).log_softmax(axis)


def logsumexp(x: Operand, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Logarithm of the sum of exponentials over the given axes."""
    return apply("logsumexp", operand(x), axis, keepdims)


def sum(x: Operand, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Sum over the given axes."""
    return apply("sum", operand(x), axis, keepdims)


def mean(x: Operand, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Mean over the given axes."""
    return apply("mean", operand(x), axis, keepdims)


def max(x: Operand, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Largest entry over the given axes; ties share the gradient equally."""
    return apply("max", operand(x), axis, keepdims)


def min(x: Operand, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Smallest entry over the given axes; ties share the gradient equally."""
    return apply("min", operand(x), axis, keepdims)


def cumsum(x: Operand, axis: int | None = None) -> Tensor:
    """Cumulative sum along an axis, or of the flattened entries for None."""
    return operand(x).cumsum(axis)


def prod(x: Operand, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Product over the given axes; its gradient is exact also where entries are 0."""
    return operand(x).prod(axis, keepdims)


def einsum(subscripts: str, *operands: Operand) -> Tensor:
    """Sums of products by Einstein's convention.

    Parameters
    ----------
    subscripts : str
        As NumPy's `einsum` reads them: "ij,jk->ik", "bi,bi->b", "...i,...i".
    *operands : Tensors

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        When the number of terms is not that of the operands, and where NumPy raises it.
    """
    tensors = [operand(x) for x in operands]
    if isinstance(subscripts, str):
        subscripts, tensors = _without_repeats(subscripts.replace(" ", ""), tensors)
    return apply("einsum", explicit_subscripts(subscripts, [x.ndim for x in tensors]), *tensors)


def _without_repeats(subscripts: str, tensors: list[Tensor]) -> tuple[str, list[Tensor]]:
    """Diagonals of the operands that have a letter twice, and the terms without it."""
    inputs, arrow, out = subscripts.partition("->")
    terms = inputs.split(",")
    if len(terms) != len(tensors):
        return subscripts, tensors
    joined = inputs.replace(",", "").replace("...", "")
    if not arrow and len(set(joined)) < len(joined):  # letters that occur once, in NumPy's order
        out = "".join(c for c in sorted(set(joined)) if joined.count(c) == 1)
        arrow, out = "->", "..." * ("..." in inputs) + out
    for i, term in enumerate(terms):
        for letter in sorted(set(term) - {"."}):
            while term.count(letter) > 1 and "..." not in term:
                first = term.index(letter)
                second = term.index(letter, first + 1)
                tensors[i] = np.diagonal(tensors[i], axis1=first, axis2=second)  # type: ignore[call-overload]
                term = term[:first] + term[first + 1 : second] + term[second + 1 :] + letter
        terms[i] = term
    return ",".join(terms) + arrow + out, tensors


def norm(
    x: Operand,
    ord: float = 2,
    axis: Axis = None,
    keepdims: bool = False,
) -> Tensor:
    """Vector norm over the given axes.

    Parameters
    ----------
    x : Tensor
    ord : 1, 2 or inf
        Sum of absolute values, Euclidean, or largest absolute value.
    axis : int or tuple of int, optional
    keepdims : bool

    Returns
    -------
    Tensor
        The gradient at an all-zero vector is 0.

    Raises
    ------
    ValueError
        For another `ord`.
    """
    tensor = operand(x)
    if ord == 2:
        return apply("norm", tensor, axis, keepdims)
    if ord == 1:
        return apply("sum", apply("absolute", tensor), axis, keepdims)
    if ord == np.inf:
        return apply("max", apply("absolute", tensor), axis, keepdims)
    raise ValueError(f"ord: expected 1, 2 or inf, got {ord!r}")


def where(condition: Any, a: Operand, b: Operand) -> Tensor:
    """Entries of `a` where the condition holds, of `b` elsewhere."""
    test = np.array(condition.data if isinstance(condition, Tensor) else condition)
    a, b = _alike(a, b)
    x = a.data if isinstance(a, Tensor) else a
    y = b.data if isinstance(b, Tensor) else b
    return record(_WHERE, (test, a, b), np.where(test, x, y))


def _alike(a: Operand, b: Operand) -> tuple[Any, Any]:
    """Numbers as arrays of the dtype NumPy gives them together with the other operand."""
    if isinstance(a, (int, float)) and isinstance(b, Tensor):
        a = np.asarray(a, np.result_type(b.data, a))
    if isinstance(b, (int, float)) and isinstance(a, Tensor):
        b = np.asarray(b, np.result_type(a.data, b))
    return a, b


def clip(x: Operand, min: Operand = None, max: Operand = None) -> Tensor:
    """Entries limited to an interval; gradient 1 inside and at ends."""
    return operand(x).clip(min, max)


def reshape(x: Operand, shape: int | Sequence[int]) -> Tensor:
    """The entries in another shape."""
    return operand(x).reshape(shape)


def transpose(x: Operand, axes: Sequence[int] | None = None) -> Tensor:
    """The axes in another order, reversed by default."""
    return operand(x).transpose(*(() if axes is None else tuple(axes)))


def broadcast_to(x: Operand, shape: Sequence[int]) -> Tensor:
    """The entries repeated to fill a shape."""
    return apply("broadcast_to", operand(x), tuple(shape))


def concatenate(tensors: Sequence[Operand], axis: int | None = 0) -> Tensor:
    """Tensors joined along an existing axis; flattened first for None."""
    inputs = [x if isinstance(x, Tensor) else operand(x) for x in tensors]
    if axis is None:
        axis, inputs = 0, [x.flatten() for x in inputs]
    joined = np.concatenate([x.data for x in inputs], axis)
    return record(_CONCATENATE, (axis, *inputs), joined)


def stack(tensors: Sequence[Operand], axis: int = 0) -> Tensor:
    """Tensors of one shape joined along a new axis."""
    return apply("stack", axis, *[operand(x) for x in tensors])


def piecewise_constant(function: Callable[..., Any], *inputs: Operand) -> Tensor:
    """A function whose derivative is 0 wherever it exists."""
    result = function(*(x.data if isinstance(x, Tensor) else x for x in inputs))
    return record(RULES["constant"], (function, *inputs), result)
