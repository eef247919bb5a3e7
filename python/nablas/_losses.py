"""Losses: by name, as an object with hyperparameters, or as a Python function."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._checks import choice, function, number, numbers, plain_array, value_of
from ._registry import LOSSES, checked, default_loss, fits

Array = NDArray[Any]
LossFunction = Callable[..., tuple[float, Array]]


class Loss:
    """A loss of the core.

    Parameters
    ----------
    name : str
        One of ``nablas.losses()``.
    **hyperparameters : float
        The loss's own; omitted ones take their defaults.

    Attributes
    ----------
    hyperparameters : mapping of str to float
    groups : tuple of int
        Sizes of the groups of outputs that have a softmax and a column of class indices each;
        empty where all outputs belong together.

    Raises
    ------
    ValueError
        For an unknown name, or a value out of bounds.
    TypeError
        For an unknown hyperparameter, or one that is no number.

    Examples
    --------
    >>> nb.Loss("huber", delta=2.0)
    Loss('huber', delta=2)
    """

    groups: tuple[int, ...] = ()

    def __init__(self, name: str, **hyperparameters: float) -> None:
        self.name = choice("name", name, LOSSES)
        known = LOSSES[name].hyperparameters
        self.hyperparameters = MappingProxyType(checked(name, known, hyperparameters))

    def __repr__(self) -> str:
        values = [f"{name}={value:g}" for name, value in self.hyperparameters.items()]
        own = type(self) is Loss
        return f"{type(self).__name__}({', '.join([repr(self.name)] * own + values)})"

    def __reduce__(self) -> Any:
        return _unpickled, (self.name, dict(self.hyperparameters), type(self))


def _unpickled(name: str, hyperparameters: dict[str, float], kind: type[Loss]) -> Loss:
    loss = kind.__new__(kind)
    Loss.__init__(loss, name, **hyperparameters)
    return loss


class Huber(Loss):
    """Huber's loss (1964): quadratic up to a distance `delta`, linear beyond; mean over outputs.

    ``d²/2`` where ``|d| <= delta``, else ``delta (|d| - delta/2)``, with ``d = h - y``.

    Parameters
    ----------
    delta : float
        Above 0, in the units of the targets.

    Examples
    --------
    >>> net = nb.MLP([1, 1], init="zeros")
    >>> net.loss([1.0], 3.0, loss=nb.Huber(delta=2.0))  # 2 (3 - 2/2)
    4.0
    """

    def __init__(self, delta: float = 1.0) -> None:
        super().__init__("huber", delta=delta)


class Quantile(Loss):
    """The quantile loss of Koenker and Bassett (1978), minimal at the quantile `q` of the targets.

    ``q (y - h)`` where the target is above the output, ``(1 - q) (h - y)`` where it is below; mean
    over outputs. Also called pinball loss.

    Parameters
    ----------
    q : float
        Above 0 and below 1; 0.5 gives half the mean absolute error.

    Examples
    --------
    >>> net = nb.MLP([1, 1], init="zeros")
    >>> above, below = (net.loss([1.0], y, loss=nb.Quantile(0.75)) for y in (2.0, -2.0))
    >>> above, below
    (1.5, 0.5)
    """

    def __init__(self, q: float = 0.5) -> None:
        super().__init__("quantile", q=q)


class CrossEntropy(Loss):
    """The cross-entropy of a softmax output, ``-sum(t log p)``, with smoothed targets.

    ``t = (1 - label_smoothing) y + label_smoothing / outputs`` (Szegedy et al. 2016; PyTorch).

    Parameters
    ----------
    label_smoothing : float
        From 0 to less than 1.

    Examples
    --------
    >>> net = nb.MLP([1, 2], output="softmax", init="zeros")
    >>> round(net.loss([1.0], 0, loss=nb.CrossEntropy(label_smoothing=0.1)), 4)  # log 2
    0.6931
    """

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__("cross_entropy", label_smoothing=label_smoothing)


class BinaryCrossEntropy(Loss):
    """The cross-entropy of sigmoid outputs, summed over them, with smoothed targets.

    ``-t log p - (1 - t) log(1 - p)`` with ``t = (1 - label_smoothing) y + label_smoothing / 2``.

    Parameters
    ----------
    label_smoothing : float
        From 0 to less than 1.

    Examples
    --------
    >>> net = nb.MLP([1, 1], output="sigmoid", init="zeros")
    >>> round(net.loss([1.0], 1, loss=nb.BinaryCrossEntropy(label_smoothing=0.1)), 4)  # log 2
    0.6931
    """

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__("binary_cross_entropy", label_smoothing=label_smoothing)


def resolve(loss: str | Loss | LossFunction | None, output: str) -> Loss | LossFunction:
    """A loss that fits the output activation, or ValueError."""
    if loss is None:
        return Loss(default_loss(output))
    if not isinstance(loss, (str, Loss)):
        if callable(loss) and not isinstance(loss, type):
            return loss
        raise TypeError(
            "loss: expected a name, a Loss or a function, got "
            f"{f'the class {loss.__name__}' if isinstance(loss, type) else type(loss).__name__}"
        )
    name = choice("loss", loss if isinstance(loss, str) else loss.name, LOSSES, " or a function")
    if isinstance(loss, Loss) and loss.groups:  # of the preactivations, which are the outputs
        return loss
    if not fits(name, output):
        raise ValueError(
            f"loss: expected one that fits output {output!r}, got {name!r}, which needs "
            f"output {LOSSES[name].link!r}"
        )
    return Loss(name) if isinstance(loss, str) else loss


def check_takes_weights(loss: LossFunction) -> None:
    """TypeError for a function without a parameter `sample_weight`."""
    try:
        parameters = inspect.signature(loss).parameters
    except (TypeError, ValueError):  # of a function that does not tell
        return
    others = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    if not others and "sample_weight" not in parameters:
        raise TypeError(
            "loss: expected a function with a parameter sample_weight beside weights, got one of "
            f"{', '.join(parameters) or 'no parameters'}"
        )


def call(
    loss: LossFunction, outputs: Array, targets: Array, weight: Array | None = None
) -> tuple[float, Array]:
    """Value and gradient of a user's loss, checked; `weight` is passed as `sample_weight`.

    The function gets copies of targets and weights, which may be views of the caller's arrays.
    """
    settings = {} if weight is None else {"sample_weight": weight.copy()}
    result = loss(outputs, targets.copy(), **settings)
    if not (isinstance(result, tuple) and len(result) == 2):
        raise TypeError(f"loss: expected (value, gradient) from the function, got {result!r:.60}")
    value, gradient = value_of("loss", result[0]), np.asarray(numbers("loss", result[1]))
    with np.errstate(over="ignore", under="ignore"):  # infinities are found by the caller
        gradient = gradient.astype(outputs.dtype, copy=False)
    if gradient.shape != outputs.shape:
        raise ValueError(
            f"loss: expected a gradient of shape {outputs.shape}, got {gradient.shape}"
        )
    return value, gradient


def check_loss(
    loss: LossFunction,
    outputs: Any = None,
    targets: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-6,
    rtol: float = 1e-4,
) -> bool:
    """Compare a loss function's gradient with central differences of its value.

    Parameters
    ----------
    loss : function
        ``(outputs, targets) -> (value, gradient)``, as for `MLP.fit`. If it has a parameter
        `sample_weight`, it is checked with weights, too.
    outputs : array of shape (n, outputs), optional
        Default: 5 rows of 3 normal numbers.
    targets : array, optional
        Default: numbers from 0 to 1 of the outputs' shape.
    eps, atol, rtol : float
        Step, and absolute and relative tolerance.

    Returns
    -------
    bool
        True.

    Raises
    ------
    RuntimeError
        When a gradient differs; names the entry that differs most.
    TypeError, ValueError
        When the function returns something else than a number and an array of the outputs' shape.

    Examples
    --------
    >>> def half_squares(outputs, targets):
    ...     error = outputs - targets
    ...     return (error**2).sum() / 2 / len(outputs), error / len(outputs)
    >>> nb.check_loss(half_squares)
    True
    """
    rng = np.random.default_rng(0)
    eps = number("eps", eps, above=0)
    atol, rtol = number("atol", atol, least=0), number("rtol", rtol, least=0)
    z = rng.normal(size=(5, 3))
    if outputs is not None:
        z = plain_array("outputs", outputs, float).copy()
    if z.ndim != 2:
        raise ValueError(f"outputs: expected 2 dimensions, got shape {z.shape}")
    if not np.isfinite(z).all():
        raise ValueError("outputs: expected finite values")
    y = rng.random(z.shape) if targets is None else plain_array("targets", targets)
    takes_weight = "sample_weight" in inspect.signature(function("loss", loss)).parameters
    for weight in (None, rng.random(len(z)) + 0.5)[: 2 if takes_weight else 1]:
        gradient = call(loss, z.copy(), y, weight)[1]
        expected = np.empty_like(z)
        for at in np.ndindex(z.shape):
            values = []
            for step in (eps, -eps):
                moved = z.copy()
                moved[at] += step
                values.append(call(loss, moved, y, weight)[0])
            expected[at] = (values[0] - values[1]) / (2 * eps)
        wrong = ~(np.abs(gradient - expected) <= atol + rtol * np.abs(expected))
        if wrong.any():
            gap = np.where(wrong, np.nan_to_num(np.abs(gradient - expected), nan=np.inf), -1)
            at = np.unravel_index(int(gap.argmax()), z.shape)
            raise RuntimeError(
                f"gradient by output {tuple(int(i) for i in at)}: expected {expected[at]:.10g} by "
                f"central differences, got {gradient[at]:.10g}; {int(wrong.sum())} of {z.size} "
                f"entries differ{'' if weight is None else ' with sample_weight'}"
            )
    return True
