"""Losses and their derivatives by z, from probabilities and means written out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

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


class EntryLoss(NamedTuple):
    """A loss that is a mean or a sum over entries: its value and its derivative by z."""

    value: Callable[[Array, Array], Array]
    slope: Callable[[Array, Array], Array]
    averaged: bool  # over the outputs; otherwise summed


def _poisson(z: Array, y: Array) -> Array:
    positive = np.where(y > 0, y, 1.0)
    result: Array = np.where(y > 0, y * (np.log(positive) - z), 0.0) - y + np.exp(z)
    return result


def _huber(z: Array, y: Array) -> Array:
    d = np.abs(z - y)
    result: Array = np.where(d <= 1, d * d / 2, d - 0.5)
    return result


ENTRY_LOSSES = {
    "mse": EntryLoss(lambda z, y: (z - y) ** 2, lambda z, y: 2 * (z - y), True),
    "half_mse": EntryLoss(lambda z, y: (z - y) ** 2 / 2, lambda z, y: z - y, False),
    "mae": EntryLoss(lambda z, y: np.abs(z - y), lambda z, y: np.sign(z - y), True),
    "huber": EntryLoss(_huber, lambda z, y: np.clip(z - y, -1, 1), True),
    "binary_cross_entropy": EntryLoss(
        lambda z, y: y * np.logaddexp(0, -z) + (1 - y) * np.logaddexp(0, z),
        lambda z, y: VALUES["sigmoid"](z) - y,
        False,
    ),
    "poisson": EntryLoss(_poisson, lambda z, y: np.exp(z) - y, False),
}


def _function(name: str, doc: str) -> Callable[..., tuple[float, Array]]:
    entry = ENTRY_LOSSES[name]

    def loss(
        z: ArrayLike,
        targets: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        out: Array | None = None,
    ) -> tuple[float, Array]:
        dtype = np.asarray(z).dtype
        wide, y = np.asarray(z, dtype=np.float64), np.asarray(targets, dtype=np.float64)
        values, slopes = entry.value(wide, y), entry.slope(wide, y)
        return _finish(values, slopes, sample_weight, entry.averaged, dtype, out)

    loss.__name__ = loss.__qualname__ = name
    loss.__doc__ = doc
    return loss


sigmoid_binary_cross_entropy = _function(
    "binary_cross_entropy",
    "``-y log p - (1 - y) log(1 - p)`` with ``p = sigmoid(z)``, summed over outputs.",
)
mse = _function("mse", "``(z - y)²``, averaged over outputs.")
half_mse = _function("half_mse", "``(z - y)² / 2``, summed over outputs.")
mae = _function("mae", "``|z - y|``, averaged over outputs; slope 0 where they are equal.")
huber = _function(
    "huber", "``d²/2`` up to ``d = |z - y| = 1``, ``d - 1/2`` beyond; averaged over outputs."
)
poisson = _function(
    "poisson", "Half the Poisson deviance, ``y log(y/h) - y + h``, ``h = exp(z)``; summed."
)

BY_NAME = {
    "cross_entropy": softmax_cross_entropy,
    "binary_cross_entropy": sigmoid_binary_cross_entropy,
    "mse": mse,
    "half_mse": half_mse,
    "mae": mae,
    "huber": huber,
    "poisson": poisson,
}
