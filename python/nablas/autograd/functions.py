"""Functions of Tensors by name (those of every entry: `elementwise`); arrays are constants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import _checks
from .._registry import ACTIVATIONS
from ._einsum import check_subscripts, explicit_subscripts, without_repeats
from .operators import Axis
from .recording import kept
from .rules import RULES
from .tensor import Tensor, apply, as_data, record, wrap

_CONCATENATE, _WHERE = RULES["concatenate"], RULES["where"]
Operand = Any  # Tensor, array or number


def as_tensor(x: Operand) -> Tensor:
    """The Tensor itself, or a Tensor outside the graph that holds an array or number.

    It shares the array's memory, as `Tensor` does.

    Examples
    --------
    >>> from nablas.autograd import as_tensor
    >>> as_tensor([1.0, 2.0])
    Tensor([1., 2.])
    """
    return x if isinstance(x, Tensor) else Tensor(x)


def operand(x: Operand) -> Tensor:
    """As `as_tensor`, with a copy of a small array: the graph may keep it."""
    return x if isinstance(x, Tensor) else wrap(kept(as_data(x)))


def activate(z: Operand, activation: str) -> Tensor:
    """``g(z)`` for a registered activation; ValueError if not in ``nablas.activations()``.

    Examples
    --------
    >>> from nablas.autograd import activate
    >>> activate([-1.0, 2.0], "relu")
    Tensor([0., 2.])
    """
    return apply(_checks.choice("activation", activation, ACTIVATIONS), operand(z))


def matmul(a: Operand, b: Operand) -> Tensor:
    """Matrix product, by NumPy's rules for vectors and stacks of matrices.

    Examples
    --------
    >>> from nablas.autograd import Tensor, matmul
    >>> a = Tensor([[1.0, 2.0]], requires_grad=True)
    >>> matmul(a, [[3.0], [4.0]]).sum().backward()
    >>> a.grad
    Tensor([[3., 4.]])
    """
    return apply("matmul", operand(a), operand(b))


def softmax(x: Operand, axis: int = -1) -> Tensor:
    """Exponentials that sum to 1 along an axis.

    Examples
    --------
    >>> from nablas.autograd import softmax
    >>> softmax([[0.0, 0.0], [0.0, 100.0]]).round(4)
    Tensor([[0.5, 0.5],
            [0. , 1. ]])
    """
    return operand(x).softmax(axis)


def log_softmax(x: Operand, axis: int = -1) -> Tensor:
    """Logarithm of `softmax` along an axis, accurate also at large differences and offsets.

    Examples
    --------
    >>> from nablas.autograd import log_softmax
    >>> log_softmax([[0.0, 1000.0]])
    Tensor([[-1000.,     0.]])
    """
    return operand(x).log_softmax(axis)


def logsumexp(x: Operand, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Logarithm of the sum of exponentials over the given axes.

    Examples
    --------
    >>> from nablas.autograd import logsumexp
    >>> logsumexp([1000.0, 0.0])
    Tensor(1000.)
    """
    return apply("logsumexp", operand(x), axis, keepdims)


def sum(x: Operand, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Sum over the given axes.

    Examples
    --------
    >>> from nablas import autograd
    >>> autograd.sum([[1.0, 2.0], [3.0, 4.0]], axis=0)
    Tensor([4., 6.])
    """
    return apply("sum", operand(x), axis, keepdims)


def mean(x: Operand, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Mean over the given axes.

    Examples
    --------
    >>> from nablas.autograd import Tensor, mean
    >>> x = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    >>> mean(x).backward()
    >>> x.grad
    Tensor([[0.25, 0.25],
            [0.25, 0.25]])
    """
    return apply("mean", operand(x), axis, keepdims)


def max(x: Operand, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Largest entry over the given axes; ties share the gradient equally.

    Examples
    --------
    >>> from nablas import autograd
    >>> x = autograd.Tensor([1.0, 2.0, 2.0], requires_grad=True)
    >>> autograd.max(x).backward()
    >>> x.grad
    Tensor([0. , 0.5, 0.5])
    """
    return apply("max", operand(x), axis, keepdims)


def min(x: Operand, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Smallest entry over the given axes; ties share the gradient equally.

    Examples
    --------
    >>> from nablas import autograd
    >>> autograd.min([[1.0, 2.0], [3.0, 0.0]], axis=1)
    Tensor([1., 0.])
    """
    return apply("min", operand(x), axis, keepdims)


def cumsum(x: Operand, axis: int | None = None) -> Tensor:
    """Cumulative sum along an axis, or of the flattened entries for None.

    Examples
    --------
    >>> from nablas.autograd import cumsum
    >>> cumsum([1.0, 2.0, 3.0])
    Tensor([1., 3., 6.])
    """
    return operand(x).cumsum(axis)


def prod(x: Operand, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Product over the given axes; its gradient is exact also where entries are 0.

    Examples
    --------
    >>> from nablas.autograd import Tensor, prod
    >>> x = Tensor([0.0, 2.0, 3.0], requires_grad=True)
    >>> prod(x).backward()
    >>> x.grad
    Tensor([6., 0., 0.])
    """
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

    Examples
    --------
    >>> from nablas.autograd import Tensor, einsum
    >>> a = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    >>> einsum("ii", a).backward()  # the trace
    >>> a.grad
    Tensor([[1., 0.],
            [0., 1.]])
    """
    tensors, given = [operand(x) for x in operands], subscripts
    shapes = [x.shape for x in tensors]
    if isinstance(subscripts, str):
        subscripts, tensors = without_repeats(subscripts.replace(" ", ""), tensors)
    explicit = explicit_subscripts(subscripts, [x.ndim for x in tensors])
    check_subscripts(given, shapes)
    return apply("einsum", explicit, *tensors)


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

    Examples
    --------
    >>> from nablas.autograd import Tensor, norm
    >>> x = Tensor([3.0, 4.0], requires_grad=True)
    >>> y = norm(x)
    >>> y.backward()
    >>> y.item(), x.grad
    (5.0, Tensor([0.6, 0.8]))
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
    """Entries of `a` where the condition holds, of `b` elsewhere.

    Examples
    --------
    >>> from nablas.autograd import Tensor, where
    >>> x = Tensor([-1.0, 2.0], requires_grad=True)
    >>> where(x > 0, x, 0.0).sum().backward()
    >>> x.grad
    Tensor([0., 1.])
    """
    test = np.array(condition._data if isinstance(condition, Tensor) else condition)
    a, b = _alike(a, b)
    x = a._data if isinstance(a, Tensor) else a
    y = b._data if isinstance(b, Tensor) else b
    return record(_WHERE, (test, a, b), _real("a, b", np.where(test, x, y)))


def _real(names: str, result: Any) -> Any:
    """The result, or TypeError if the arguments made it complex."""
    if result.dtype.kind not in "fiub":
        raise TypeError(f"{names}: expected real numbers, got {result.dtype}")
    return result


def _alike(a: Operand, b: Operand) -> tuple[Any, Any]:
    """Numbers as arrays of the dtype NumPy gives them together with the other operand."""
    if isinstance(a, (int, float)) and isinstance(b, Tensor):
        a = np.asarray(a, np.result_type(b._data, a))
    if isinstance(b, (int, float)) and isinstance(a, Tensor):
        b = np.asarray(b, np.result_type(a._data, b))
    return a, b


def clip(x: Operand, min: Operand = None, max: Operand = None) -> Tensor:
    """Entries limited to an interval; gradient 1 inside and at ends.

    Examples
    --------
    >>> from nablas.autograd import Tensor, clip
    >>> x = Tensor([-2.0, 0.5, 2.0], requires_grad=True)
    >>> clip(x, -1.0, 1.0).sum().backward()
    >>> x.grad
    Tensor([0., 1., 0.])
    """
    return _real("min, max", operand(x).clip(min, max))  # type: ignore[no-any-return]


def reshape(x: Operand, shape: int | Sequence[int]) -> Tensor:
    """The entries in another shape.

    Examples
    --------
    >>> from nablas.autograd import reshape
    >>> reshape([1.0, 2.0, 3.0, 4.0], (2, 2)).shape
    (2, 2)
    """
    return operand(x).reshape(shape)


def transpose(x: Operand, axes: Sequence[int] | None = None) -> Tensor:
    """The axes in another order, reversed by default.

    Examples
    --------
    >>> from nablas.autograd import transpose
    >>> transpose(np.zeros((2, 3, 4)), (2, 0, 1)).shape
    (4, 2, 3)
    """
    return operand(x).transpose(*(() if axes is None else tuple(axes)))


def broadcast_to(x: Operand, shape: Sequence[int]) -> Tensor:
    """The entries repeated to fill a shape.

    Examples
    --------
    >>> from nablas.autograd import Tensor, broadcast_to
    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> broadcast_to(x, (3, 2)).sum().backward()
    >>> x.grad
    Tensor([3., 3.])
    """
    return apply("broadcast_to", operand(x), tuple(shape))


def concatenate(tensors: Sequence[Operand], axis: int | None = 0) -> Tensor:
    """Tensors joined along an existing axis; flattened first for None.

    Examples
    --------
    >>> from nablas.autograd import concatenate
    >>> concatenate([[1.0, 2.0], [3.0]])
    Tensor([1., 2., 3.])
    """
    inputs = [x if isinstance(x, Tensor) else operand(x) for x in tensors]
    if axis is None:
        axis, inputs = 0, [x.flatten() for x in inputs]
    joined = np.concatenate([x._data for x in inputs], axis)
    return record(_CONCATENATE, (axis, *inputs), joined)


def stack(tensors: Sequence[Operand], axis: int = 0) -> Tensor:
    """Tensors of one shape joined along a new axis.

    Examples
    --------
    >>> from nablas.autograd import stack
    >>> stack([[1.0, 2.0], [3.0, 4.0]]).shape
    (2, 2)
    """
    return apply("stack", axis, *[operand(x) for x in tensors])


def piecewise_constant(function: Callable[..., Any], *inputs: Operand) -> Tensor:
    """A function whose derivative is 0 wherever it exists."""
    result = function(*(x._data if isinstance(x, Tensor) else x for x in inputs))
    return record(RULES["constant"], (function, *inputs), result)
