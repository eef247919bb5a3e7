"""The optimizers' update rules on flat arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]


def _sgd(
    w: Array,
    g: Array,
    s: Sequence[Array],
    t: int,
    rate: float,
    l1: ArrayLike,
    *,
    momentum: float = 0,
    nesterov: float = 0,
) -> Array:
    s[0][:] = momentum * s[0] + g
    return w - rate * (g + momentum * s[0] if nesterov else s[0])


def _adam(
    w: Array,
    g: Array,
    s: Sequence[Array],
    t: int,
    rate: float,
    l1: ArrayLike,
    *,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    eps_hat: float = 0,
) -> Array:
    s[0][:] = beta1 * s[0] + (1 - beta1) * g
    s[1][:] = beta2 * s[1] + (1 - beta2) * g**2
    first = s[0] / (1 - beta1**t)
    return w - rate * first / np.maximum(_corrected_root(s[1], t, beta2, eps, eps_hat), l1)


def _corrected_root(
    v: Array, t: int, beta2: float = 0.999, eps: float = 1e-8, eps_hat: float = 0
) -> Array:
    """The root of Adam's second moment, plus eps after its correction or (`eps_hat`) before."""
    correction = np.sqrt(1 - beta2**t)
    root: Array = (np.sqrt(v) + eps) / correction if eps_hat else np.sqrt(v) / correction + eps
    return root


def _adamw(
    w: Array,
    g: Array,
    s: Sequence[Array],
    t: int,
    rate: float,
    l1: ArrayLike,
    *,
    weight_decay: float = 0.01,
    **moments: float,
) -> Array:
    return _adam(w - rate * weight_decay * w, g, s, t, rate, l1, **moments)


def _nadam(
    w: Array,
    g: Array,
    s: Sequence[Array],
    t: int,
    rate: float,
    l1: ArrayLike,
    *,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    momentum_decay: float = 0.004,
) -> Array:
    mu, following = (beta1 * (1 - 0.5 * 0.96 ** (k * momentum_decay)) for k in (t, t + 1))
    s[0][:] = beta1 * s[0] + (1 - beta1) * g
    s[1][:] = beta2 * s[1] + (1 - beta2) * g**2
    s[2][:] *= mu
    product = float(s[2][0])
    change: Array = (1 - mu) / (1 - product) * g + following / (1 - product * following) * s[0]
    return w - rate * change / np.maximum(np.sqrt(s[1] / (1 - beta2**t)) + eps, l1)


def _rmsprop(
    w: Array,
    g: Array,
    s: Sequence[Array],
    t: int,
    rate: float,
    l1: ArrayLike,
    *,
    rho: float = 0.99,
    eps: float = 1e-8,
    momentum: float = 0,
) -> Array:
    s[0][:] = rho * s[0] + (1 - rho) * g**2
    s[1][:] = momentum * s[1] + g / np.maximum(np.sqrt(s[0]) + eps, l1)
    return w - rate * s[1]


def _adagrad(
    w: Array,
    g: Array,
    s: Sequence[Array],
    t: int,
    rate: float,
    l1: ArrayLike,
    *,
    eps: float = 1e-10,
) -> Array:
    s[0][:] = s[0] + g**2
    return w - rate * g / np.maximum(np.sqrt(s[0]) + eps, l1)


# What a gradient of 1, repeated `t` times, changes at the last of them, without the rule's divisor.


def _velocity(t: int, rate: float, momentum: float = 0.0, nesterov: float = 0, **_: float) -> float:
    velocity: float = sum(momentum**k for k in range(t))
    return rate * (1 + momentum * velocity if nesterov else velocity)


def _moment(t: int, rate: float, **_: float) -> float:
    return rate


def _nadam_moment(
    t: int, rate: float, beta1: float = 0.9, momentum_decay: float = 0.004, **_: float
) -> float:
    mu: list[float] = [beta1 * (1 - 0.5 * 0.96 ** (k * momentum_decay)) for k in range(1, t + 2)]
    product = float(np.prod(mu[:-1]))
    of_moment: float = mu[-1] / (1 - product * mu[-1]) * (1 - beta1**t)
    return rate * ((1 - mu[-2]) / (1 - product) + of_moment)


# The rule's divisor, of its states after update `t`.


def _root(s: Sequence[Array], t: int, eps: float = 1e-8, **_: float) -> Array:
    return np.sqrt(s[0]) + eps


def _adam_root(
    s: Sequence[Array],
    t: int,
    beta2: float = 0.999,
    eps: float = 1e-8,
    eps_hat: float = 0,
    **_: float,
) -> Array:
    return _corrected_root(s[1], t, beta2, eps, eps_hat)


class Rule(NamedTuple):
    """An update rule.

    Attributes
    ----------
    formula : callable
        The changed parameters.
    arrays : int
        Of its states.
    reach : callable
        ``(t, rate, **hyperparameters)``: what `t` gradients of 1 change at the last of them,
        without the divisor. The proximal step of ``l1 |w|`` moves by `l1` times that over it.
    divisor : callable or None
        ``(states, t, **hyperparameters)``.
    scalar : bool
        Whether it has a state of one number.
    """

    formula: Callable[..., Array]
    arrays: int
    reach: Callable[..., float]
    divisor: Callable[..., Array] | None
    scalar: bool = False


RULES = {
    "sgd": Rule(_sgd, 1, _velocity, None),
    "adam": Rule(_adam, 2, _moment, _adam_root),
    "adamw": Rule(_adamw, 2, _moment, _adam_root),
    "nadam": Rule(_nadam, 2, _nadam_moment, _adam_root, scalar=True),
    "rmsprop": Rule(_rmsprop, 2, _velocity, _root),
    "adagrad": Rule(_adagrad, 1, _moment, partial(_root, eps=1e-10)),
}


def initial_states(optimizer: str, parameters: Array) -> list[Array]:
    """The states before the first update: zeros like the parameters, and a 1 for a scalar.

    Examples
    --------
    >>> nb.reference.initial_states("adam", np.ones(2))
    [array([0., 0.]), array([0., 0.])]
    """
    rule = RULES[optimizer]
    return [*(np.zeros_like(parameters) for _ in range(rule.arrays)), *[np.ones(1)] * rule.scalar]


def optimizer_update(
    optimizer: str,
    parameters: Array,
    gradient: ArrayLike,
    states: Sequence[Array],
    *,
    step: int,
    learning_rate: float,
    l1: ArrayLike = 0.0,
    l2: float = 0.0,
    **hyperparameters: float,
) -> None:
    """One update in place with ``gradient + 2 l2 w``, then the proximal step of ``l1 |w|``.

    Entries that would not be finite stay. `l1` may be an array of the parameters' shape.

    Examples
    --------
    >>> w, g = np.array([1.0, 2.0]), np.array([1.0, 1.0])
    >>> states = nb.reference.initial_states("sgd", w)
    >>> nb.reference.optimizer_update("sgd", w, g, states, step=1, learning_rate=0.1)
    >>> w
    array([0.9, 1.9])
    """
    rule, g = RULES[optimizer], np.asarray(gradient) + 2 * l2 * parameters
    changed = rule.formula(parameters, g, states, step, learning_rate, l1, **hyperparameters)
    if np.any(l1):
        moved = rule.reach(step, learning_rate, **hyperparameters) * np.asarray(l1)
        if rule.divisor is not None:
            moved = moved / np.maximum(rule.divisor(states, step, **hyperparameters), l1)
        changed = np.sign(changed) * np.maximum(np.abs(changed) - moved, 0)
    parameters[:] = np.where(np.isfinite(changed), changed, parameters)
