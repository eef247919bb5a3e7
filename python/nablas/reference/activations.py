"""The activations: one function each, of z, giving ``g(z)`` and ``g'(z)``.

To add one: a function here, under the name that the C++ registry gives it. It is written in NumPy
functions and operators, so that automatic differentiation gets derivatives of higher order by
calling it on Tensors. For that its slope must be written without a kink where g' has none:
``np.abs`` inside a sigmoid, for instance, has a wrong derivative at 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Formula = Callable[[Any], tuple[Any, Any]]


class Activation(NamedTuple):
    """An activation.

    Attributes
    ----------
    formula : function of z
        Gives ``g(z)`` and ``g'(z)``.
    inverse : function of a, or None
        z from ``a = g(z)``, for activations whose kernel takes the slope from a; where g is not
        one-to-one any z with that a.
    """

    formula: Formula
    inverse: Callable[[Array], Array] | None

    def value(self, z: Any) -> Any:
        """``g(z)``."""
        return self.formula(z)[0]

    def slope(self, z: Any) -> Any:
        """``g'(z)``."""
        return self.formula(z)[1]


ACTIVATIONS: dict[str, Activation] = {}

LEAK = 0.01
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def activation(*, inverse: Callable[[Array], Array] | None = None) -> Callable[[Formula], Formula]:
    """Register a function under its name; `inverse` where the slope is a function of a."""

    def register(formula: Formula) -> Formula:
        ACTIVATIONS[formula.__name__] = Activation(formula, inverse)
        return formula

    return register


def _erfc(x: Any) -> Any:
    flat = np.asarray(x, float).ravel()
    return np.fromiter(map(math.erfc, flat.tolist()), float, flat.size).reshape(np.shape(x))


def erfc(x: Any) -> Any:
    """Complementary error function; by x's own method if it has one, as a Tensor has."""
    if hasattr(x, "erfc"):
        return x.erfc()
    return _erfc(x)


def _sigmoid(z: Any) -> Any:
    return np.exp(-np.logaddexp(0, -z))


@activation(inverse=lambda a: a)
def identity(z: Any) -> Any:
    """Linear."""
    return z, np.ones_like(z)


@activation(inverse=lambda a: np.log(a) - np.log1p(-a))
def sigmoid(z: Any) -> Any:
    """Logistic function."""
    a = _sigmoid(z)
    return a, a * _sigmoid(-z)


@activation(inverse=np.arctanh)
def tanh(z: Any) -> Any:
    """Hyperbolic tangent."""
    a = np.tanh(z)
    return a, 1 - a * a


@activation(inverse=lambda a: a)
def relu(z: Any) -> Any:
    """Rectified linear unit."""
    return np.maximum(z, 0), np.where(z > 0, 1.0, 0.0)


@activation(inverse=lambda a: np.where(a < 0, a / LEAK, a))
def leaky_relu(z: Any) -> Any:
    """Maas et al. 2013."""
    return np.where(z < 0, LEAK * z, z), np.where(z > 0, 1.0, LEAK)


@activation(inverse=lambda a: np.where(a < 0, np.log1p(np.minimum(a, 0)), a))
def elu(z: Any) -> Any:
    """Clevert et al. 2016."""
    below = np.minimum(z, 0)
    return np.where(z < 0, np.expm1(below), z), np.where(z > 0, 1.0, np.exp(below))


@activation(
    inverse=lambda a: np.where(
        a < 0, np.log1p(np.minimum(a, 0) / (SELU_SCALE * SELU_ALPHA)), a / SELU_SCALE
    )
)
def selu(z: Any) -> Any:
    """Klambauer et al. 2017."""
    below = np.minimum(z, 0)
    value = np.where(z < 0, SELU_ALPHA * np.expm1(below), z)
    return SELU_SCALE * value, SELU_SCALE * np.where(z > 0, 1.0, SELU_ALPHA * np.exp(below))


@activation(inverse=lambda a: np.log(np.expm1(a)))
def softplus(z: Any) -> Any:
    """Glorot et al. 2011."""
    return np.logaddexp(0, z), _sigmoid(z)


@activation(inverse=lambda a: a / (1 - np.abs(a)))
def softsign(z: Any) -> Any:
    """Bergstra et al. 2009."""
    size = 1 + np.abs(z)
    return z / size, 1 / (size * size)


@activation()
def silu(z: Any) -> Any:
    """Elfwing et al. 2018; also called swish."""
    s = _sigmoid(z)
    return z * s, s * (1 + z * _sigmoid(-z))


@activation()
def gelu(z: Any) -> Any:
    """Hendrycks and Gimpel 2016, by the exact normal distribution function."""
    phi = erfc(z / -math.sqrt(2)) / 2
    return z * phi, phi + z * np.exp(z * z / -2) / math.sqrt(2 * math.pi)


@activation()
def mish(z: Any) -> Any:
    """Misra 2020."""
    t = np.tanh(np.logaddexp(0, z))
    return z * t, t + z * (1 - t * t) * _sigmoid(z)


@activation(inverse=lambda a: a)
def step(z: Any) -> Any:
    """Heaviside's function, 1 at 0; its slope is 0 everywhere."""
    return np.heaviside(z, 1.0), np.zeros_like(z)


@activation(inverse=np.log)
def exp(z: Any) -> Any:
    """The mean of a Poisson model."""
    a = np.exp(z)
    return a, a
