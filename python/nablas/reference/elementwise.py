"""Functions of every entry, computed in float64 and rounded to the argument's dtype."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .activations import ACTIVATIONS

Array = NDArray[Any]

_erf = np.vectorize(math.erf, otypes=[float])


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
    """E to the power of every entry.

    Examples
    --------
    >>> nb.reference.exp(np.array([0.0, 1.0])).round(4)
    array([1.    , 2.7183])
    """
    return _unary(np.exp, x, out)


def log(x: ArrayLike, *, out: Array | None = None) -> Array:
    """Natural logarithm of every entry.

    Examples
    --------
    >>> nb.reference.log(np.array([1.0, 2.0])).round(4)
    array([0.    , 0.6931])
    """
    return _unary(np.log, x, out)


def tanh(x: ArrayLike, *, out: Array | None = None) -> Array:
    """Hyperbolic tangent of every entry.

    Examples
    --------
    >>> nb.reference.tanh(np.array([0.0, 1.0])).round(4)
    array([0.    , 0.7616])
    """
    return _unary(np.tanh, x, out)


def sigmoid(x: ArrayLike, *, out: Array | None = None) -> Array:
    """1 / (1 + e^-x) of every entry.

    Examples
    --------
    >>> nb.reference.sigmoid(np.array([0.0, 1.0])).round(4)
    array([0.5   , 0.7311])
    """
    return _unary(ACTIVATIONS["sigmoid"].value, x, out)


def erf(x: ArrayLike, *, out: Array | None = None) -> Array:
    """Error function of every entry.

    Examples
    --------
    >>> nb.reference.erf(np.array([0.0, 1.0])).round(4)
    array([0.    , 0.8427])
    """
    return _unary(lambda v: _erf(v) if v.size else v, x, out)


def activate(z: ArrayLike, activation: str, *, out: Array | None = None) -> Array:
    """``g(z)``.

    Examples
    --------
    >>> nb.reference.activate(np.array([-1.0, 2.0]), "relu")
    array([0., 2.])
    """
    return _unary(ACTIVATIONS[activation].value, z, out)


def slope(kept: ArrayLike, activation: str, *, out: Array | None = None) -> Array:
    """``g'(z)`` from the activation's output, or from z where its slope is a function of z.

    Examples
    --------
    >>> nb.reference.slope(np.array([0.0, 0.5]), "tanh").round(4)  # 1 - a²
    array([1.  , 0.75])
    """
    entry = ACTIVATIONS[activation]
    return _unary(lambda k: entry.slope(entry.inverse(k) if entry.inverse else k), kept, out)


def hadamard_delta(
    delta: ArrayLike, kept: ArrayLike, activation: str, *, out: Array | None = None
) -> Array:
    """``delta * g'(z)``.

    Examples
    --------
    >>> nb.reference.hadamard_delta([0.2, 0.2], np.array([0.0, 0.5]), "tanh").round(4)
    array([0.2 , 0.15])
    """
    return deliver(np.asarray(delta) * slope(kept, activation), out)
