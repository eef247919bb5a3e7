"""Functions of every entry by name, made from the table of operations."""

from __future__ import annotations

from collections.abc import Callable

from .._registry import ACTIVATIONS
from .functions import Operand, operand
from .operators import of_one
from .tensor import Tensor, apply

_OF_ONE = """{doc}

Parameters
----------
x : Tensor, array or number

Returns
-------
Tensor

Examples
--------
>>> from nablas.autograd import Tensor, {name}
>>> x = Tensor({at}, requires_grad=True)
>>> y = {name}(x)
>>> y.backward()
>>> round(y.item(), 4), round(x.grad.item(), 4)
{numbers}
"""
_OF_TWO = """{doc}

Parameters
----------
a, b : Tensor, array or number
    Of shapes that broadcast.

Returns
-------
Tensor

Examples
--------
>>> from nablas.autograd import Tensor, {name}
>>> a, b = Tensor(3.0, requires_grad=True), Tensor(4.0, requires_grad=True)
>>> y = {name}(a, b)
>>> y.backward()
>>> round(y.item(), 4), round(a.grad.item(), 4), round(b.grad.item(), 4)
{numbers}
"""
_ACTIVATION = """The activation ``{formula}`` of every entry.

Parameters
----------
x : Tensor, array or number

Returns
-------
Tensor

Examples
--------
>>> from nablas.autograd import Tensor, gradcheck, {name}
>>> x = Tensor([-0.5, 0.5], requires_grad=True)
>>> {name}(x).sum().backward()
>>> x.grad.shape
(2,)
>>> gradcheck({name}, x)  # against central differences
True
"""


def _named(function: Callable[..., Tensor], name: str, doc: str) -> Callable[..., Tensor]:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


def _of_one(name: str, doc: str) -> Callable[[Operand], Tensor]:
    method: Callable[[Tensor], Tensor] = of_one(name)

    def function(x: Operand) -> Tensor:
        return method(x if isinstance(x, Tensor) else operand(x))

    return _named(function, name, doc)


def _entrywise(name: str, doc: str, at: float, *numbers: float) -> Callable[[Operand], Tensor]:
    """A function of one Tensor; `numbers` are its value and its derivative at a point."""
    return _of_one(name, _OF_ONE.format(doc=doc, name=name, at=at, numbers=numbers))


def _binary(name: str, doc: str, *numbers: float) -> Callable[[Operand, Operand], Tensor]:
    """A function of two Tensors; `numbers` are its value and its derivatives at (3, 4)."""

    def function(a: Operand, b: Operand) -> Tensor:
        return apply(name, operand(a), operand(b))

    return _named(function, name, _OF_TWO.format(doc=doc, name=name, numbers=numbers))


exp = _entrywise("exp", "E to the power of every entry.", 0.5, 1.6487, 1.6487)
exp2 = _entrywise("exp2", "2 to the power of every entry.", 0.5, 1.4142, 0.9803)
expm1 = _entrywise("expm1", "E to the power of every entry, less 1.", 0.5, 0.6487, 1.6487)
log = _entrywise("log", "Natural logarithm of every entry.", 0.5, -0.6931, 2.0)
log2 = _entrywise("log2", "Logarithm to base 2 of every entry.", 0.5, -1.0, 2.8854)
log10 = _entrywise("log10", "Logarithm to base 10 of every entry.", 0.5, -0.301, 0.8686)
log1p = _entrywise("log1p", "Natural logarithm of 1 plus every entry.", 0.5, 0.4055, 0.6667)
sqrt = _entrywise(
    "sqrt", "Square root of every entry; its gradient at 0 is infinite.", 0.5, 0.7071, 0.7071
)
cbrt = _entrywise("cbrt", "Cube root of every entry.", 0.5, 0.7937, 0.5291)
square = _entrywise("square", "Square of every entry.", 0.5, 0.25, 1.0)
reciprocal = _entrywise("reciprocal", "1 over every entry.", 0.5, 2.0, -4.0)
absolute = _entrywise(
    "absolute", "Absolute value of every entry; its gradient at 0 is 0.", 0.5, 0.5, 1.0
)
sin = _entrywise("sin", "Sine of every entry.", 0.5, 0.4794, 0.8776)
cos = _entrywise("cos", "Cosine of every entry.", 0.5, 0.8776, -0.4794)
tan = _entrywise("tan", "Tangent of every entry.", 0.5, 0.5463, 1.2984)
arcsin = _entrywise("arcsin", "Inverse sine of every entry.", 0.5, 0.5236, 1.1547)
arccos = _entrywise("arccos", "Inverse cosine of every entry.", 0.5, 1.0472, -1.1547)
arctan = _entrywise("arctan", "Inverse tangent of every entry.", 0.5, 0.4636, 0.8)
arcsinh = _entrywise("arcsinh", "Inverse hyperbolic sine of every entry.", 0.5, 0.4812, 0.8944)
arccosh = _entrywise("arccosh", "Inverse hyperbolic cosine of every entry.", 1.5, 0.9624, 0.8944)
arctanh = _entrywise("arctanh", "Inverse hyperbolic tangent of every entry.", 0.5, 0.5493, 1.3333)
sinh = _entrywise("sinh", "Hyperbolic sine of every entry.", 0.5, 0.5211, 1.1276)
cosh = _entrywise("cosh", "Hyperbolic cosine of every entry.", 0.5, 1.1276, 0.5211)
erf = _entrywise("erf", "Error function of every entry.", 0.5, 0.5205, 0.8788)
erfc = _entrywise(
    "erfc", "Complementary error function, 1 - erf, of every entry.", 0.5, 0.4795, -0.8788
)
maximum = _binary(
    "maximum", "The larger of two entries; where equal each gets half the gradient.", 4.0, 0.0, 1.0
)
minimum = _binary(
    "minimum", "The smaller of two entries; where equal each gets half the gradient.", 3.0, 1.0, 0.0
)
logaddexp = _binary(
    "logaddexp", "Logarithm of the sum of two exponentials.", 4.3133, 0.2689, 0.7311
)
arctan2 = _binary("arctan2", "The angle of the point (b, a).", 0.6435, 0.16, -0.12)
hypot = _binary("hypot", "The length of the vector (a, b).", 5.0, 0.6, 0.8)
power = _binary("power", "The first to the power of the second.", 81.0, 108.0, 88.9876)

ACTIVATION_FUNCTIONS = {
    name: _of_one(name, _ACTIVATION.format(name=name, formula=entry.formula))
    for name, entry in ACTIVATIONS.items()
}
