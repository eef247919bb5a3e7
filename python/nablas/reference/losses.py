"""Losses and their derivatives by z, from probabilities and means written out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .activations import VALUES, deliver

Array = NDArray[Any]


def _finish(
    entries: Array,
    slopes: Array,
    sample_weight: ArrayLike | None,
    averaged: bool,
    dtype: Any,
    out: Array | None,
) -> tuple[float, Array]:
    """Weighted mean over samples; over the entries of a sample a mean or a sum."""
    n, outputs = entries.shape
    weight = np.ones(n) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    total = weight.sum()
    share = (weight / total if total > 0 else np.zeros(n))[:, np.newaxis]
    if averaged and outputs:
        share = share / outputs
    positive = share[:, 0] > 0
    loss = float((entries[positive] * share[positive]).sum())
    return loss, deliver((slopes * share).astype(dtype), out)


def _wide(z: ArrayLike, targets: ArrayLike) -> tuple[Array, Array, Any]:
    z = np.asarray(z)
    return z.astype(np.float64), np.asarray(targets).astype(np.float64), z.dtype


def softmax_cross_entropy(
    z: ArrayLike,
    targets: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    out: Array | None = None,
) -> tuple[float, Array]:
    """``-sum(y log softmax(z))``; targets are classes or distributions."""
    wide = np.asarray(z).astype(np.float64)
    y = np.asarray(targets)
    if y.ndim == 1:
        y = np.eye(wide.shape[1])[y]
    y = y.astype(np.float64)
    if wide.size == 0:
        return 0.0, deliver(np.zeros(wide.shape, np.asarray(z).dtype), out)
    log_p = wide - np.logaddexp.reduce(wide, axis=1, keepdims=True)
    entries = -np.where(y == 0, 0.0, y * log_p)
    slopes = np.exp(log_p) * y.sum(axis=1, keepdims=True) - y
    return _finish(entries, slopes, sample_weight, False, np.asarray(z).dtype, out)


def sigmoid_binary_cross_entropy(
    z: ArrayLike,
    targets: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    out: Array | None = None,
) -> tuple[float, Array]:
    """``-y log p - (1 - y) log(1 - p)`` with ``p = sigmoid(z)``, summed over outputs."""
    wide, y, dtype = _wide(z, targets)
    entries = y * np.logaddexp(0, -wide) + (1 - y) * np.logaddexp(0, wide)
    slopes = VALUES["sigmoid"](wide) - y
    return _finish(entries, slopes, sample_weight, False, dtype, out)


def mse(
    z: ArrayLike,
    targets: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    out: Array | None = None,
) -> tuple[float, Array]:
    """``(z - y)²``, averaged over outputs."""
    wide, y, dtype = _wide(z, targets)
    return _finish((wide - y) ** 2, 2 * (wide - y), sample_weight, True, dtype, out)


def half_mse(
    z: ArrayLike,
    targets: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    out: Array | None = None,
) -> tuple[float, Array]:
    """``(z - y)² / 2``, summed over outputs."""
    wide, y, dtype = _wide(z, targets)
    return _finish((wide - y) ** 2 / 2, wide - y, sample_weight, False, dtype, out)


def mae(
    z: ArrayLike,
    targets: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    out: Array | None = None,
) -> tuple[float, Array]:
    """``|z - y|``, averaged over outputs; slope 0 where they are equal."""
    wide, y, dtype = _wide(z, targets)
    return _finish(np.abs(wide - y), np.sign(wide - y), sample_weight, True, dtype, out)


def huber(
    z: ArrayLike,
    targets: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    out: Array | None = None,
) -> tuple[float, Array]:
    """``d²/2`` up to ``d = |z - y| = 1``, ``d - 1/2`` beyond; averaged over outputs."""
    wide, y, dtype = _wide(z, targets)
    d = np.abs(wide - y)
    entries = np.where(d <= 1, d * d / 2, d - 0.5)
    return _finish(entries, np.clip(wide - y, -1, 1), sample_weight, True, dtype, out)


def poisson(
    z: ArrayLike,
    targets: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    out: Array | None = None,
) -> tuple[float, Array]:
    """Half the Poisson deviance, ``y log(y/h) - y + h``, ``h = exp(z)``; summed over outputs."""
    wide, y, dtype = _wide(z, targets)
    h = np.exp(wide)
    positive = np.where(y > 0, y, 1.0)
    entries = np.where(y > 0, y * (np.log(positive) - wide), 0.0) - y + h
    return _finish(entries, h - y, sample_weight, False, dtype, out)


BY_NAME = {
    "cross_entropy": softmax_cross_entropy,
    "binary_cross_entropy": sigmoid_binary_cross_entropy,
    "mse": mse,
    "half_mse": half_mse,
    "mae": mae,
    "huber": huber,
    "poisson": poisson,
}
