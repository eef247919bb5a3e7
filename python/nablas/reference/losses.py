"""The losses: one function each, of z and targets, giving every entry's loss and its slope by z.

To add one: a function here, under the name that the C++ registry gives it. It is written in NumPy
functions and operators, so that automatic differentiation gets derivatives of higher order by
calling it on Tensors.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .activations import ACTIVATIONS
from .elementwise import deliver

Array = NDArray[Any]
Formula = Callable[..., tuple[Any, Any]]


class Loss(NamedTuple):
    """A loss.

    Attributes
    ----------
    entries : function of (z, y, **hyperparameters)
        Gives each entry's loss and its derivative by z, both of z's shape.
    function : str
        Its name in ``nablas.kernels`` and ``nablas.reference``.
    link : str
        Output activation whose preactivation it takes.
    averaged : bool
        Over the outputs; summed otherwise.
    """

    entries: Formula
    function: str
    link: str
    averaged: bool

    def __call__(
        self,
        z: ArrayLike,
        targets: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        out: Array | None = None,
        **hyperparameters: float,
    ) -> tuple[float, Array]:
        """The weighted mean over the samples, and its derivative by z."""
        dtype, wide = np.asarray(z).dtype, np.asarray(z, dtype=np.float64)
        y = np.asarray(targets)
        if y.ndim == 1:
            y = np.eye(wide.shape[1])[y]
        values, slopes = self.entries(wide, y.astype(np.float64), **hyperparameters)
        n, outputs = wide.shape
        weight = np.ones(n) if sample_weight is None else np.asarray(sample_weight, np.float64)
        total = weight.sum()
        share = (weight / total if total > 0 else np.zeros(n))[:, np.newaxis]
        if self.averaged and outputs:
            share = share / outputs
        positive = share[:, 0] > 0
        value = float((values[positive] * share[positive]).sum())
        delta = np.where(weight[:, np.newaxis] > 0, slopes * share, 0.0)
        return value, deliver(delta.astype(dtype), out)


LOSSES: dict[str, Loss] = {}


def loss(
    *, averaged: bool, link: str = "identity", function: str | None = None
) -> Callable[[Formula], Formula]:
    """Register a function of (z, y, **hyperparameters) under its name."""

    def register(entries: Formula) -> Formula:
        name = entries.__name__
        LOSSES[name] = Loss(entries, function or name, link, averaged)
        return entries

    return register


@loss(averaged=False, link="softmax", function="softmax_cross_entropy")
def cross_entropy(z: Any, y: Any, *, label_smoothing: float = 0.0) -> Any:
    """``-t log softmax(z)``, ``t = (1 - label_smoothing) y + label_smoothing / outputs``.

    A row with +inf has no softmax, all its results are NaN.
    """
    if z.shape[1] == 0:
        return z, z
    y = (1 - label_smoothing) * y + label_smoothing / z.shape[1]
    total = np.logaddexp.reduce(z, axis=1, keepdims=True)
    log_p = z - (total + (total - total))  # NaN where the total is infinite
    absent = (y == 0) & (log_p == log_p)  # 0 log 0 is 0; NaN stays
    return -np.where(absent, 0.0, y * log_p), np.exp(log_p) * y.sum(axis=1, keepdims=True) - y


@loss(averaged=True)
def mse(z: Any, y: Any) -> Any:
    """``(z - y)²``."""
    return (z - y) ** 2, 2 * (z - y)


@loss(averaged=False)
def half_mse(z: Any, y: Any) -> Any:
    """``(z - y)² / 2``."""
    return (z - y) ** 2 / 2, z - y


@loss(averaged=True)
def mae(z: Any, y: Any) -> Any:
    """``|z - y|``; slope 0 where they are equal."""
    return np.abs(z - y), np.sign(z - y)


@loss(averaged=True)
def huber(z: Any, y: Any, *, delta: float = 1.0) -> Any:
    """``d²/2`` up to ``d = |z - y| = delta``, ``delta (d - delta/2)`` beyond."""
    d = np.abs(z - y)
    linear = delta * (d - delta / 2)
    return np.where(d <= delta, d * d / 2, linear), np.clip(z - y, -delta, delta)


@loss(averaged=True)
def quantile(z: Any, y: Any, *, q: float = 0.5) -> Any:
    """``q (y - z)`` where the target is above, ``(1 - q) (z - y)`` where it is below."""
    d = y - z
    return np.where(d > 0, q * d, (q - 1) * d), np.sign(d) * -np.where(d > 0, q, 1 - q)


@loss(averaged=True)
def log_cosh(z: Any, y: Any) -> Any:
    """``log(cosh(z - y))``."""
    d = z - y
    return np.logaddexp(d, -d) - np.log(2), np.tanh(d)


@loss(averaged=False, link="sigmoid", function="sigmoid_binary_cross_entropy")
def binary_cross_entropy(z: Any, y: Any, *, label_smoothing: float = 0.0) -> Any:
    """``-t log p - (1 - t) log(1 - p)``, ``t`` from ``y`` towards one half, ``p = sigmoid(z)``."""
    y = (1 - label_smoothing) * y + label_smoothing / 2
    value = y * np.logaddexp(0, -z) + (1 - y) * np.logaddexp(0, z)
    return value, ACTIVATIONS["sigmoid"].value(z) - y


@loss(averaged=False, link="step")
def perceptron(z: Any, y: Any) -> Any:
    """``max(0, z) - y z``: nothing for a right prediction, ``|z|`` for a wrong one."""
    return np.maximum(z, 0) - y * z, np.heaviside(z, 1.0) - y


@loss(averaged=False, link="exp")
def poisson(z: Any, y: Any) -> Any:
    """Half the Poisson deviance, ``y log(y/h) - y + h`` with ``h = exp(z)``.

    With ``t = log(y/h)`` it is ``y (exp(-t) - 1 + t)``, near t = 0 by its Taylor series.
    """
    t = np.log(np.where(y > 0, y, 1.0)) - z
    series = sum(np.power(-t, k) / math.factorial(k) for k in range(2, 15))
    far = np.where(y > 0, y * t, 0.0) - y + np.exp(z)
    return np.where((np.abs(t) < 0.5) & (y > 0), y * series, far), np.exp(z) - y


def _public(name: str, entry: Loss) -> Callable[..., tuple[float, Array]]:
    """A function with the kernel's name, signature and hyperparameters."""

    def function(
        z: ArrayLike,
        targets: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        out: Array | None = None,
        **hyperparameters: float,
    ) -> tuple[float, Array]:
        return entry(z, targets, sample_weight=sample_weight, out=out, **hyperparameters)

    signature = inspect.signature(function)
    kept = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    own = [
        p for p in inspect.signature(entry.entries).parameters.values() if p.kind is p.KEYWORD_ONLY
    ]
    function.__signature__ = signature.replace(parameters=[*kept, *own])  # type: ignore[attr-defined]
    function.__name__ = function.__qualname__ = entry.function
    over = "Averaged" if entry.averaged else "Summed"
    function.__doc__ = f"""{inspect.getdoc(entry.entries)}

{over} over the outputs.

Examples
--------
>>> z, targets = np.array([[0.5, -0.5]]), np.array([[0.0, 1.0]])
>>> loss, delta = nb.reference.{entry.function}(z, targets)
>>> nb.reference.{entry.function}(z - 0.1 * delta, targets)[0] < loss  # a step down
True
"""
    return function


FUNCTIONS = {entry.function: _public(name, entry) for name, entry in LOSSES.items()}
