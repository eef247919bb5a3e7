"""Scores of predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def _pair(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    truth, predicted = np.asarray(y_true), np.asarray(y_pred)
    if len(truth) != len(predicted):
        raise ValueError(f"y_true: expected {len(predicted)} rows like y_pred, got {len(truth)}")
    if len(truth) == 0:
        raise ValueError("y_true: expected at least one row, got 0")
    return truth, predicted


def accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Share of the samples that are predicted rightly, with all their labels.

    Parameters
    ----------
    y_true : array of shape (n,) or (n, labels), or one-hot (n, classes) beside classes (n,)
    y_pred : array of shape (n,) or (n, labels)

    Returns
    -------
    float
        From 0 to 1.
    """
    truth, predicted = _pair(y_true, y_pred)
    if predicted.ndim == 1 and truth.ndim == 2 and truth.shape[1] > 1:
        truth = truth.argmax(axis=1)
    right = predicted == truth.reshape(predicted.shape)
    return float(np.mean(right.reshape(len(right), -1).all(axis=1)))


def r2(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """The coefficient of determination, averaged over outputs.

    ``1 - sum((y - h)²) / sum((y - mean(y))²)``; an output whose targets are all equal counts 1 if
    it is met exactly and 0 otherwise, as in scikit-learn.

    Parameters
    ----------
    y_true, y_pred : arrays of shape (n,) or (n, outputs)

    Returns
    -------
    float
        At most 1.
    """
    truth, predicted = (a.reshape(len(a), -1).astype(float) for a in _pair(y_true, y_pred))
    if truth.shape != predicted.shape:
        raise ValueError(
            f"y_true: expected {predicted.shape[1]} columns like y_pred, got {truth.shape[1]}"
        )
    unexplained = np.square(truth - predicted).sum(axis=0)
    total = np.square(truth - truth.mean(axis=0)).sum(axis=0)
    constant = total == 0
    score = 1 - unexplained / np.where(constant, 1, total)
    return float(np.where(constant, unexplained == 0, score).mean())
