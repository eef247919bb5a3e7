"""Gradient descent on any cost written in Python."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._checks import flag, function, integer, number, numbers, plain_array, value_of
from .autograd._arrays import norm
from .callbacks import is_true
from .optimizers import SGD, Optimizer, as_optimizer

Array = NDArray[Any]


@dataclass
class DescentResult:
    """Where a descent ended.

    Attributes
    ----------
    x : array
        The last point, of x0's shape.
    cost : float
    gradient : array
    iterations : int
    converged : bool
        Whether the gradient's norm fell to the tolerance.
    costs : list of float
        The cost at x0 and after every iteration.
    path : list of arrays
        x0 and the point after every iteration with `keep_path`, else empty.

    Examples
    --------
    >>> result = nb.gradient_descent(lambda x: x @ x, lambda x: 2 * x, [3.0, -4.0], 0.1)
    >>> result.converged, result.costs[0]
    (True, 25.0)
    """

    x: Array
    cost: float
    gradient: Array
    iterations: int
    converged: bool
    costs: list[float] = field(repr=False)
    path: list[Array] = field(repr=False)


def gradient_descent(
    cost: Callable[[Array], float],
    grad: Callable[[Array], ArrayLike],
    x0: ArrayLike,
    learning_rate: float = 0.01,
    *,
    max_iterations: int = 1000,
    tolerance: float = 1e-6,
    optimizer: Optimizer | str | None = None,
    callback: Callable[[int, Array, float], Any] | None = None,
    keep_path: bool = False,
) -> DescentResult:
    """Minimise `cost` by following its negative gradient.

    Parameters
    ----------
    cost : function of an array of x0's shape, returning a number
    grad : function of the same array, returning the gradient in its shape
    x0 : array
        Starting point; everything is computed in float64 unless it is float32.
    learning_rate : float
        The step is ``x -= learning_rate * grad(x)``.
    max_iterations : int
    tolerance : float
        End when the gradient's Euclidean norm is at most this.
    optimizer : Optimizer or str, optional
        Makes the steps instead, with its own learning rate; `learning_rate` is then ignored.
    callback : function of (iteration, x, cost), optional
        Called after every iteration; True ends the descent.
    keep_path : bool
        Record every point.

    Returns
    -------
    DescentResult

    Raises
    ------
    ValueError
        When the gradient's shape is not x0's.
    FloatingPointError
        When cost or gradient is not finite; names the iteration.

    Examples
    --------
    >>> result = nb.gradient_descent(
    ...     lambda x: ((x - [1.0, 2.0]) ** 2).sum(),
    ...     lambda x: 2 * (x - [1.0, 2.0]),
    ...     [0.0, 0.0],
    ...     learning_rate=0.1,
    ... )
    >>> result.x.round(4)
    array([1., 2.])
    """
    for name, given in (("cost", cost), ("grad", grad)):
        function(name, given)
    if callback is not None:
        function("callback", callback)
    keep_path = flag("keep_path", keep_path)
    start = numbers("x0", plain_array("x0", x0))
    with np.errstate(over="ignore"):  # infinities are found below
        x = np.array(start, dtype="float32" if start.dtype.name == "float32" else "float64")
    max_iterations = integer("max_iterations", max_iterations, 0)
    tolerance = number("tolerance", tolerance, least=0)
    rule = SGD(learning_rate) if optimizer is None else as_optimizer(optimizer)
    update = rule.bind(x, total_steps=max(max_iterations, 1))
    costs: list[float] = []
    path: list[Array] = []
    for iteration in range(max_iterations + 1):
        value = value_of("cost", cost(x.copy()))
        given = numbers("grad", grad(x.copy()))
        with np.errstate(over="ignore"):
            gradient = np.array(given, dtype=x.dtype)  # a copy: `grad` may use its array again
        if gradient.shape != x.shape:
            raise ValueError(f"grad: expected shape {x.shape}, got {gradient.shape}")
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            what = f"cost became {value}" if not np.isfinite(value) else "grad became non-finite"
            raise FloatingPointError(f"{what} at iteration {iteration}; lower learning_rate")
        costs.append(value)
        if keep_path:
            path.append(x.copy())
        with np.errstate(over="ignore", under="ignore"):  # of squares, which `norm` then scales
            converged = bool(norm(gradient, None, False) <= tolerance)
        stop = callback is not None and iteration > 0 and callback(iteration, x.copy(), value)
        if converged or is_true(stop) or iteration == max_iterations:
            break
        rule.schedule.observe(value)
        update(gradient)
    return DescentResult(x, value, gradient, iteration, converged, costs, path)
