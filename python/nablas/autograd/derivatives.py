"""Derivatives of functions: Jacobian, Hessian, and their products with vectors.

They may be nested: within a function that one of them, or `gradcheck`, differentiates,
`create_graph` is always True.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import _checks
from .engine import grad
from .functions import as_tensor, stack
from .recording import enable_grad, recording
from .tensor import Tensor, as_data, wrap

# Whether a function is being evaluated whose result one of these functions will differentiate.
_within: ContextVar[bool] = ContextVar("within", default=False)


@contextmanager
def _differentiating(create_graph: bool) -> Iterator[bool]:
    """Record; gives `create_graph`, which is True also within a function that is differentiated."""
    nested = _within.get() and bool(recording())
    with enable_grad():
        yield _checks.flag("create_graph", create_graph) or nested


def _point(x: ArrayLike | Tensor, create_graph: bool) -> Tensor:
    """A Tensor of the values that only the function's argument refers to.

    The function may also use `x` by its name: such a use is not differentiated.
    """
    if create_graph and isinstance(x, Tensor) and x.requires_grad:
        return x.reshape(x.shape)
    data = as_data(x)
    return Tensor(data if data.dtype.kind == "f" else data.astype(float), requires_grad=True)


def differentiated(function: Callable[..., Any], *inputs: Any) -> Any:
    """What a function returns whose result will be differentiated."""
    token = _within.set(True)
    try:
        return _checks.function("function", function)(*inputs)
    finally:
        _within.reset(token)


def _value(function: Callable[[Tensor], Any], x: Tensor) -> Tensor:
    y = differentiated(function, x)
    if not isinstance(y, Tensor):
        raise TypeError(f"function: expected it to return a Tensor, got {type(y).__name__}")
    return y


def _by(y: Tensor, x: Tensor, gradient: Any, create_graph: bool) -> Tensor:
    if not y.requires_grad:
        return wrap(np.zeros_like(x.data))
    (result,) = grad(
        y, x, gradient, retain_graph=True, create_graph=create_graph, allow_unused=True
    )
    return wrap(np.zeros_like(x.data)) if result is None else result


def jacobian(
    function: Callable[[Tensor], Tensor], x: ArrayLike | Tensor, *, create_graph: bool = False
) -> Tensor:
    """All derivatives of a function's outputs by its inputs.

    Parameters
    ----------
    function : function of a Tensor, returning a Tensor
    x : array
        The point.
    create_graph : bool
        Let the result be differentiated: by `x`, which then must require a gradient, and by other
        Tensors that the function uses. Always so within a function that is itself differentiated by
        a function of this kind or by `gradcheck`.

    Returns
    -------
    Tensor
        Of shape ``y.shape + x.shape``; takes one backward pass for each entry of the output y.

    Examples
    --------
    >>> from nablas.autograd import jacobian
    >>> jacobian(lambda x: x**2, [1.0, 2.0])
    Tensor([[2., 0.],
            [0., 4.]])
    """
    with _differentiating(create_graph) as create_graph:
        point = _point(x, create_graph)
        y = _value(function, point)
        rows = []
        for i in range(y.size):
            unit = np.zeros(y.size, y.dtype)
            unit[i] = 1
            rows.append(_by(y, point, unit.reshape(y.shape), create_graph))
        shape = (*y.shape, *point.shape)
        return stack(rows).reshape(shape) if rows else wrap(np.zeros(shape, y.dtype))


def hessian(
    function: Callable[[Tensor], Tensor], x: ArrayLike | Tensor, *, create_graph: bool = False
) -> Tensor:
    """All second derivatives of a function whose result is a single number.

    Parameters
    ----------
    function : function of a Tensor, returning a Tensor of one entry
    x : array
        The point.
    create_graph : bool
        As for `jacobian`.

    Returns
    -------
    Tensor
        Of shape ``x.shape + x.shape``.

    Raises
    ------
    ValueError
        When the function returns more than one entry.

    Examples
    --------
    >>> from nablas.autograd import hessian
    >>> hessian(lambda x: x[0] ** 2 * x[1], [1.0, 2.0])
    Tensor([[4., 2.],
            [2., 0.]])
    """

    def slope(point: Tensor) -> Tensor:
        y = _value(function, point)
        if y.size != 1:
            raise ValueError(f"function: expected a single number, got shape {y.shape}")
        return _by(y, point, np.ones_like(y.data), True)

    return jacobian(slope, x, create_graph=create_graph)


def vjp(
    function: Callable[[Tensor], Tensor],
    x: ArrayLike | Tensor,
    v: ArrayLike | Tensor,
    *,
    create_graph: bool = False,
) -> tuple[Tensor, Tensor]:
    """The value and ``vᵀ J``, by one backward pass.

    Parameters
    ----------
    function : function of a Tensor, returning a Tensor
    x : array
        The point.
    v : array of the output's shape
    create_graph : bool
        As for `jacobian`; both results can then also be differentiated by `v`.

    Returns
    -------
    value, product : Tensors
        Of the output's shape and of the shape of `x`.

    Examples
    --------
    >>> from nablas.autograd import vjp
    >>> vjp(lambda x: x**2, [1.0, 2.0], [1.0, 0.0])
    (Tensor([1., 4.]), Tensor([2., 0.]))
    """
    with _differentiating(create_graph) as create_graph:
        point = _point(x, create_graph)
        y, u = _value(function, point), as_tensor(v)
        if u.shape != y.shape:
            raise ValueError(f"v: expected shape {y.shape} like the output, got {u.shape}")
        return y if create_graph else y.detach(), _by(y, point, u, create_graph)


def jvp(
    function: Callable[[Tensor], Tensor],
    x: ArrayLike | Tensor,
    v: ArrayLike | Tensor,
    *,
    create_graph: bool = False,
) -> tuple[Tensor, Tensor]:
    """The value and ``J v``, the derivative along `v`.

    Takes two backward passes: ``uᵀ J`` is linear in u, and the gradient of ``uᵀ J v`` by u is
    the product.

    Parameters
    ----------
    function : function of a Tensor, returning a Tensor
    x : array
        The point.
    v : array of the shape of `x`
    create_graph : bool
        As for `vjp`.

    Returns
    -------
    value, product : Tensors
        Both of the output's shape.

    Raises
    ------
    ValueError
        When `v` has another shape than `x`.

    Examples
    --------
    >>> from nablas.autograd import jvp
    >>> jvp(lambda x: x**2, [1.0, 2.0], [1.0, 1.0])
    (Tensor([1., 4.]), Tensor([2., 4.]))
    """
    with _differentiating(create_graph) as create_graph:
        point = _point(x, create_graph)
        direction = as_tensor(v)
        if direction.shape != point.shape:
            raise ValueError(f"v: expected shape {point.shape} like x, got {direction.shape}")
        y = _value(function, point)
        u = Tensor(np.ones_like(y.data), requires_grad=True)  # J v does not depend on u
        back = _by(y, point, u, True)
        return y if create_graph else y.detach(), _by(back, u, direction, create_graph)
