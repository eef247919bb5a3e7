"""Activations and their slopes; one line each in two tables."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]

LEAK = 0.01
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772

_erf = np.vectorize(math.erf, otypes=[float])
_erfc = np.vectorize(math.erfc, otypes=[float])


def _sigmoid(z: Array) -> Array:
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1 / (1 + e), e / (1 + e))


def _phi(z: Array) -> Array:
    return _erfc(-z / math.sqrt(2)) / 2 if z.size else z


VALUES: dict[str, Callable[[Array], Array]] = {
    "identity": lambda z: z,
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.where(z < 0, LEAK * z, z),
    "elu": lambda z: np.where(z < 0, np.expm1(np.minimum(z, 0)), z),
    "selu": lambda z: SELU_SCALE * np.where(z < 0, SELU_ALPHA * np.expm1(np.minimum(z, 0)), z),
    "softplus": lambda z: np.logaddexp(0, z),
    "softsign": lambda z: z / (1 + np.abs(z)),
    "silu": lambda z: z * _sigmoid(z),
    "gelu": lambda z: z * _phi(z),
    "step": lambda z: np.heaviside(z, 1.0),
    "exp": np.exp,
}

# g'(z), as a function of z
SLOPES: dict[str, Callable[[Array], Array]] = {
    "identity": np.ones_like,
    "sigmoid": lambda z: _sigmoid(z) * _sigmoid(-z),
    "tanh": lambda z: 1 / np.cosh(np.clip(z, -300, 300)) ** 2,
    "relu": lambda z: np.where(z > 0, 1.0, 0.0),
    "leaky_relu": lambda z: np.where(z > 0, 1.0, LEAK),
    "elu": lambda z: np.where(z > 0, 1.0, np.exp(np.minimum(z, 0))),
    "selu": lambda z: SELU_SCALE * np.where(z > 0, 1.0, SELU_ALPHA * np.exp(np.minimum(z, 0))),
    "softplus": _sigmoid,
    "softsign": lambda z: 1 / (1 + np.abs(z)) ** 2,
    "silu": lambda z: _sigmoid(z) * (1 + z * _sigmoid(-z)),
    "gelu": lambda z: _phi(z) + z * np.exp(-z * z / 2) / math.sqrt(2 * math.pi),
    "step": np.zeros_like,
    "exp": np.exp,
}

# z from a = g(z), where the slope is given as a function of a
INVERSES: dict[str, Callable[[Array], Array]] = {
    "identity": lambda a: a,
    "sigmoid": lambda a: np.log(a) - np.log1p(-a),
    "tanh": np.arctanh,
    "relu": lambda a: a,
    "leaky_relu": lambda a: np.where(a < 0, a / LEAK, a),
    "elu": lambda a: np.where(a < 0, np.log1p(np.minimum(a, 0)), a),
    "selu": lambda a: np.where(
        a < 0, np.log1p(np.minimum(a, 0) / (SELU_SCALE * SELU_ALPHA)), a / SELU_SCALE
    ),
    "softplus": lambda a: np.log(np.expm1(a)),
    "softsign": lambda a: a / (1 - np.abs(a)),
    "silu": lambda z: z,
    "gelu": lambda z: z,
    "step": lambda a: a,
    "exp": np.log,
}


def deliver(result: Array, out: Array | None) -> Array:
    """`result`, or `out` holding it."""
    if out is None:
        return result
    out[...] = result
    return out


def _unary(function: Callable[[Array], Array], x: ArrayLike, out: Array | None) -> Array:
    array = np.asarray(x)
    with np.errstate(all="ignore"):
        return deliver(function(array.astype(np.float64)).astype(array.dtype), out)


def exp(x: ArrayLike, *, out: Array | None = None) -> Array:
    """E to the power of every entry."""
    return _unary(np.exp, x, out)


def log(x: ArrayLike, *, out: Array | None = None) -> Array:
    """Natural logarithm of every entry."""
    return _unary(np.log, x, out)


def tanh(x: ArrayLike, *, out: Array | None = None) -> Array:
    """Hyperbolic tangent of every entry."""
    return _unary(np.tanh, x, out)


def sigmoid(x: ArrayLike, *, out: Array | None = None) -> Array:
    """1 / (1 + e^-x) of every entry."""
    return _unary(_sigmoid, x, out)


def erf(x: ArrayLike, *, out: Array | None = None) -> Array:
    """Error function of every entry."""
    return _unary(lambda v: _erf(v) if v.size else v, x, out)


def activate(z: ArrayLike, activation: str, *, out: Array | None = None) -> Array:
    """``g(z)``."""
    return _unary(VALUES[activation], z, out)


def slope(kept: ArrayLike, activation: str, *, out: Array | None = None) -> Array:
    """``g'(z)`` from the activation's output, or from z for silu and gelu."""
    return _unary(lambda k: SLOPES[activation](INVERSES[activation](k)), kept, out)


def hadamard_delta(
    delta: ArrayLike, kept: ArrayLike, activation: str, *, out: Array | None = None
) -> Array:
    """``delta * g'(z)``."""
    return deliver(np.asarray(delta) * slope(kept, activation), out)
