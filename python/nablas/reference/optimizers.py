"""The optimizers' update rules on flat arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


def _of_ones(rule: str, t: int, rate: float, **settings: float) -> float:
    """The change that `t` gradients of 1 have made at the last of them, not divided by any size."""
    if rule == "nadam":  # with the velocity's correction, but a second moment of 1
        beta1, decay = settings.get("beta1", 0.9), settings.get("momentum_decay", 0.004)
        mu: list[float] = [beta1 * (1 - 0.5 * 0.96 ** (k * decay)) for k in range(1, t + 2)]
        product = float(np.prod(mu[:-1]))
        of_moment: float = mu[-1] / (1 - product * mu[-1]) * (1 - beta1**t)
        return rate * ((1 - mu[-2]) / (1 - product) + of_moment)
    if rule not in ("sgd", "rmsprop"):
        return rate
    momentum = settings.get("momentum", 0.0)
    velocity = float(sum(momentum**k for k in range(t)))
    return rate * (1 + momentum * velocity if settings.get("nesterov") else velocity)


def _threshold(
    rule: str, s: Sequence[Array], t: int, rate: float, l1: ArrayLike, **settings: float
) -> Array:
    """How far a proximal step of ``l1 |w|`` moves: `l1` times the change by gradients of 1."""
    reach = _of_ones(rule, t, rate, **settings)
    if rule == "sgd":
        return reach * np.asarray(l1)
    eps = settings.get("eps", 1e-10 if rule == "adagrad" else 1e-8)
    if rule in ("rmsprop", "adagrad"):
        size = np.sqrt(s[0]) + eps
    else:
        named = {name: settings[name] for name in ("beta2", "eps_hat") if name in settings}
        size = _corrected_root(s[1], t, eps=eps, **named)
    return reach * np.asarray(l1) / np.maximum(size, l1)


class Rule(NamedTuple):
    """A rule's formula, its number of state arrays, and whether it has a scalar state."""

    formula: Callable[..., Array]
    arrays: int
    scalar: bool = False


RULES = {
    "sgd": Rule(_sgd, 1),
    "adam": Rule(_adam, 2),
    "adamw": Rule(_adamw, 2),
    "nadam": Rule(_nadam, 2, scalar=True),
    "rmsprop": Rule(_rmsprop, 2),
    "adagrad": Rule(_adagrad, 1),
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
    g = np.asarray(gradient) + 2 * l2 * parameters
    changed = RULES[optimizer].formula(
        parameters, g, states, step, learning_rate, l1, **hyperparameters
    )
    if np.any(l1):
        moved = _threshold(optimizer, states, step, learning_rate, l1, **hyperparameters)
        changed = np.sign(changed) * np.maximum(np.abs(changed) - moved, 0)
    parameters[:] = np.where(np.isfinite(changed), changed, parameters)
