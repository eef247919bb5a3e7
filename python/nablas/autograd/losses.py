"""A loss for `MLP.fit` from a function of Tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _checks
from .engine import grad
from .recording import enable_grad
from .tensor import Tensor

Array = NDArray[Any]


def as_loss(function: Callable[..., Tensor]) -> Callable[..., tuple[float, Array]]:
    """A loss function with its gradient.

    Parameters
    ----------
    function : function of Tensors
        ``(outputs, targets) -> Tensor``, a single number: the mean loss of a batch. Outputs are a
        Tensor of shape (n, outputs), targets an array; `sample_weight`, if weights are used, is a
        keyword.

    Returns
    -------
    function
        ``(outputs, targets) -> (value, gradient)``, for ``MLP.fit(loss=...)``.

    Raises
    ------
    TypeError
        From the returned function, if `function` returns something else than a single number.

    Examples
    --------
    >>> from nablas.autograd import as_loss
    >>> quartic = as_loss(lambda outputs, targets: ((outputs - targets) ** 4).mean())
    >>> value, gradient = quartic(np.array([[2.0]]), np.array([[0.0]]))
    >>> value, gradient
    (16.0, array([[32.]]))
    >>> net = nb.MLP([1, 1], seed=0)
    >>> history = net.fit([[0.0], [1.0]], [1.0, 2.0], loss=quartic)
    """
    _checks.function("function", function)

    def loss(outputs: Array, targets: Array, **settings: Any) -> tuple[float, Array]:
        z = Tensor(np.asarray(outputs), requires_grad=True)
        with enable_grad():
            value = function(z, targets, **settings)
            if not isinstance(value, Tensor) or value.size != 1:
                what = f"shape {value.shape}" if isinstance(value, Tensor) else type(value).__name__
                raise TypeError(
                    f"function: expected a Tensor of a single number from it, got {what}"
                )
            (gradient,) = grad(value.reshape(()), z)
        assert gradient is not None
        return value.item(), gradient.data

    loss.__name__ = getattr(function, "__name__", "loss")
    loss.__doc__ = function.__doc__
    loss.__wrapped__ = function  # type: ignore[attr-defined]  # its parameters are those of both
    return loss
