"""Scores of predictions, by scikit-learn's conventions.

Examples
--------
>>> nb.metrics.accuracy([0, 1, 1, 0], [0, 1, 1, 1])
0.75
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._checks import flag, integer, kinds, number, of_objects, plain_array, present, without_bytes

Array = NDArray[Any]


def _pair(
    y_true: ArrayLike, y_pred: ArrayLike, name: str = "y_pred", *, numbers: bool = True
) -> tuple[Array, Array]:
    """Both as arrays of as many rows, all numbers or, if allowed, all strings.

    `name` is the second one's in messages.
    """
    truth, predicted = _readable("y_true", y_true, numbers), _readable(name, y_pred, numbers)
    for argument, array in (("y_true", truth), (name, predicted)):
        if array.ndim == 0:
            raise ValueError(f"{argument}: expected an array, got a single value")
        if array.ndim > 2 or 0 in array.shape[1:]:
            raise ValueError(f"{argument}: expected shape (n,) or (n, columns), got {array.shape}")
    one, other = kinds(truth), kinds(predicted)
    if one and other and not one & other:
        raise TypeError(f"y_true: expected strings or numbers like {name}, got a mixture")
    if len(truth) != len(predicted):
        raise ValueError(f"y_true: expected {len(predicted)} rows like {name}, got {len(truth)}")
    if len(truth) == 0:
        raise ValueError("y_true: expected at least one row, got 0")
    return truth, predicted


def _readable(name: str, values: ArrayLike, numbers: bool) -> Array:
    expected = "numbers" if numbers else "numbers or strings"
    array: Array = without_bytes(name, plain_array(name, values), expected)
    if numbers and array.dtype.kind == "O":
        if "strings" in kinds(array):
            raise TypeError(f"{name}: expected numbers, got strings")
        array = of_objects(name, array)
    array = np.asarray(array, order="C")  # sums are in the order of the memory
    if array.dtype.kind not in ("biuf" if numbers else "biufUTO"):
        raise TypeError(f"{name}: expected {expected}, got dtype {array.dtype}")
    return array


def _weights(sample_weight: ArrayLike | None, rows: int) -> Array:
    """The rows' weights in float64, ones by default; ValueError unless they make a mean."""
    if sample_weight is None:
        return np.ones(rows)
    weight = _readable("sample_weight", sample_weight, True).astype(float)
    if weight.shape != (rows,):
        raise ValueError(f"sample_weight: expected shape {(rows,)}, got {weight.shape}")
    with np.errstate(over="ignore"):
        total = weight.sum()
    if not (np.isfinite(total) and (weight >= 0).all() and total > 0):
        raise ValueError(
            "sample_weight: expected finite weights of at least 0, some above it, of a finite sum"
        )
    return weight


def _mean(values: Array, sample_weight: ArrayLike | None) -> float:
    """The mean over the rows, of those with a weight above 0."""
    if sample_weight is None:
        return float(np.mean(values, dtype=float))
    weight = _weights(sample_weight, len(values))
    counted = weight > 0
    return float(np.average(values[counted], weights=weight[counted]))


def accuracy(
    y_true: ArrayLike, y_pred: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """Fraction of samples predicted correctly, in all their labels if there are several.

    Parameters
    ----------
    y_true : array of shape (n,) or (n, labels), or one-hot (n, classes) if y_pred is (n,)
    y_pred : array of shape (n,) or (n, labels)
    sample_weight : array of shape (n,), optional

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    ValueError
        For shapes that differ, and for a label that is missing (None, NaN, pd.NA) in a row with a
        weight above 0.

    Examples
    --------
    >>> nb.metrics.accuracy(["owl", "cat"], ["owl", "dog"])
    0.5
    """
    truth, predicted = _pair(y_true, y_pred, numbers=False)
    counted = _weights(sample_weight, len(truth)) > 0
    truth, predicted = present("y_true", truth, counted), present("y_pred", predicted, counted)
    if predicted.ndim == 1 and truth.ndim == 2 and truth.shape[1] > 1:
        if (
            not ((truth == 0) | (truth == 1)).all()
            or not (truth.sum(axis=1, dtype=float) == 1).all()
        ):
            raise ValueError("y_true: expected one-hot rows beside classes in y_pred, got others")
        truth = truth.argmax(axis=1)
    if truth.size != predicted.size:
        raise ValueError(f"y_true: expected shape {predicted.shape} like y_pred, got {truth.shape}")
    right = predicted == truth.reshape(predicted.shape)
    return _mean(right.reshape(len(right), -1).all(axis=1), sample_weight)


def subset_accuracy(
    y_true: ArrayLike, y_pred: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """Fraction of samples whose labels are all predicted correctly.

    Parameters
    ----------
    y_true, y_pred : arrays of shape (n, labels)
    sample_weight : array of shape (n,), optional

    Returns
    -------
    float
        From 0 to 1; scikit-learn's ``accuracy_score`` of label indicators.

    Examples
    --------
    >>> nb.metrics.subset_accuracy([[1, 0], [1, 1]], [[1, 0], [0, 1]])
    0.5
    """
    truth, predicted = _pair(y_true, y_pred, numbers=False)
    if truth.ndim != 2 or truth.shape != predicted.shape:
        raise ValueError(
            f"y_true: expected shape (n, labels) like y_pred, got {truth.shape} and "
            f"{predicted.shape}"
        )
    return accuracy(truth, predicted, sample_weight=sample_weight)


def r2(y_true: ArrayLike, y_pred: ArrayLike, *, sample_weight: ArrayLike | None = None) -> float:
    """The coefficient of determination, averaged over outputs.

    ``1 - sum((y - h)²) / sum((y - mean(y))²)``; an output whose targets are all equal scores 1 if
    predicted exactly and 0 otherwise, as in scikit-learn. Rows of weight 0 count for nothing.

    Parameters
    ----------
    y_true, y_pred : arrays of shape (n,) or (n, outputs)
    sample_weight : array of shape (n,), optional

    Returns
    -------
    float
        At most 1; infinite or NaN where a square is beyond float64, or a value is not finite.

    Examples
    --------
    >>> nb.metrics.r2([1.0, 2.0, 3.0], [1.0, 2.0, 2.0])
    0.5
    """
    truth, predicted = (a.reshape(len(a), -1).astype(float) for a in _pair(y_true, y_pred))
    if truth.shape != predicted.shape:
        raise ValueError(
            f"y_true: expected {predicted.shape[1]} columns like y_pred, got {truth.shape[1]}"
        )
    weight = _weights(sample_weight, len(truth))
    if not weight.all():
        counted = weight > 0
        truth, predicted, weight = truth[counted], predicted[counted], weight[counted]
    weight = weight / weight.max()  # whose products with squares would overflow
    with np.errstate(all="ignore"):  # squares may overflow or underflow; values may be infinite
        unexplained = weight @ np.square(truth - predicted)
        total = weight @ np.square(truth - np.average(truth, axis=0, weights=weight))
        constant = (truth.max(axis=0) == truth.min(axis=0)) | (total == 0)
        score = 1 - unexplained / np.where(constant, 1, total)
        return float(np.where(constant, unexplained == 0, score).mean())


def _probabilities(y_prob: Array) -> Array:
    if y_prob.dtype.kind != "f" or y_prob.dtype.itemsize > 8:
        y_prob = y_prob.astype(float)
    outside = ~((y_prob >= 0) & (y_prob <= 1))
    if outside.any():
        place = tuple(int(i) for i in np.argwhere(outside)[0])
        raise ValueError(f"y_prob: expected numbers from 0 to 1, got {y_prob[place]} at {place}")
    tiny = np.finfo(y_prob.dtype).eps
    return np.clip(y_prob, tiny, 1 - tiny).astype(float)


def cross_entropy(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    normalize: bool = True,
    sample_weight: ArrayLike | None = None,
) -> float:
    """``-sum(y log p)`` of each sample, averaged.

    Probabilities are clipped to [eps, 1 - eps], eps that of their dtype, as in scikit-learn's
    ``log_loss``.

    Parameters
    ----------
    y_true : class indices (n,), or distributions (n, classes)
    y_prob : array of shape (n, classes)
        Probabilities.
    normalize : bool
        False gives the sum over the samples.
    sample_weight : array of shape (n,), optional

    Returns
    -------
    float
        In nats.

    Examples
    --------
    >>> round(nb.metrics.cross_entropy([0, 1], [[0.9, 0.1], [0.4, 0.6]]), 4)
    0.3081
    """
    truth, prob = _pair(y_true, y_prob, "y_prob")
    if prob.ndim != 2:
        raise ValueError(f"y_prob: expected shape (n, classes), got {prob.shape}")
    if truth.ndim == 1:
        if truth.dtype.kind not in "iub":
            raise TypeError(f"y_true: expected class indices, got dtype {truth.dtype}")
        bad = (truth < 0) | (truth >= prob.shape[1])
        if bad.any():
            first = int(bad.argmax())
            raise ValueError(
                f"y_true: expected classes from 0 to {prob.shape[1] - 1}, got {truth[first]} at "
                f"{first}"
            )
        truth = np.eye(prob.shape[1])[truth.astype(np.int64)]
    if truth.shape != prob.shape:
        raise ValueError(f"y_true: expected shape {prob.shape} like y_prob, got {truth.shape}")
    if not ((truth >= 0) & (truth <= 1)).all():
        raise ValueError("y_true: expected probabilities from 0 to 1, got others")
    terms = -(truth * np.log(_probabilities(prob))).sum(axis=1)
    mean = _mean(terms, sample_weight)
    if flag("normalize", normalize):
        return mean
    return mean * float(_weights(sample_weight, len(terms)).sum())


def binary_cross_entropy(
    y_true: ArrayLike, y_prob: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """``-y log p - (1 - y) log(1 - p)``, summed over labels and averaged over samples.

    Probabilities are clipped as in `cross_entropy`.

    Parameters
    ----------
    y_true : array of shape (n,) or (n, labels)
        0 or 1, or probabilities.
    y_prob : array of the same shape
    sample_weight : array of shape (n,), optional

    Returns
    -------
    float
        In nats.

    Examples
    --------
    >>> round(nb.metrics.binary_cross_entropy([0, 1], [0.1, 0.6]), 4)
    0.3081
    """
    truth, prob = _pair(y_true, y_prob, "y_prob")
    if truth.shape != prob.shape:
        raise ValueError(f"y_true: expected shape {prob.shape} like y_prob, got {truth.shape}")
    if truth.dtype.kind not in "fiub":
        raise TypeError(f"y_true: expected 0 or 1, got dtype {truth.dtype}")
    p, truth = _probabilities(prob), truth.astype(float)
    if not ((truth >= 0) & (truth <= 1)).all():
        raise ValueError("y_true: expected numbers from 0 to 1, got others")
    terms = -truth * np.log(p) - (1 - truth) * np.log1p(-p)
    return _mean(terms.reshape(len(terms), -1).sum(axis=1), sample_weight)


def _hits_at_k(y_true: ArrayLike, y_score: ArrayLike, k: int) -> tuple[Array, Array]:
    """Number of each sample's true labels among its k highest scores, and in all."""
    truth, score = _pair(y_true, y_score, "y_score")
    if truth.ndim != 2 or truth.shape != score.shape:
        raise ValueError(
            f"y_true: expected shape (n, labels) like y_score, got {truth.shape} and {score.shape}"
        )
    if not np.isin(truth, (0, 1)).all():
        raise ValueError("y_true: expected 0 or 1 for each label, got other values")
    integer("k", k, 1, score.shape[1])
    if np.isnan(score).any():
        raise ValueError("y_score: expected numbers, got nan")
    relevant = truth.astype(float)
    place = score.shape[1] - k
    last = np.partition(score, place, axis=1)[:, place : place + 1]  # in the scores' own dtype
    above, tied = score > last, score == last
    places = k - above.sum(axis=1)  # of the k, those left for tied labels
    hits = (relevant * above).sum(axis=1)
    hits += (relevant * tied).sum(axis=1) * places / tied.sum(axis=1)
    return hits, relevant.sum(axis=1)


def precision_at_k(
    y_true: ArrayLike, y_score: ArrayLike, k: int, *, sample_weight: ArrayLike | None = None
) -> float:
    """Fraction of true labels among the k with the highest scores, averaged over samples.

    Ties at the k-th score are resolved by the mean over all orders of the tied labels.

    Parameters
    ----------
    y_true : array of shape (n, labels)
        0 or 1.
    y_score : array of shape (n, labels)
        Higher is more likely.
    k : int
        From 1 to the number of labels.
    sample_weight : array of shape (n,), optional

    Returns
    -------
    float
        From 0 to 1.

    Examples
    --------
    >>> nb.metrics.precision_at_k([[1, 0, 1]], [[0.9, 0.5, 0.1]], k=2)
    0.5
    """
    hits, _ = _hits_at_k(y_true, y_score, k)
    return _mean(hits / k, sample_weight)


def recall_at_k(
    y_true: ArrayLike,
    y_score: ArrayLike,
    k: int,
    *,
    zero_division: float = 0.0,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Fraction of a sample's true labels that have one of the k highest scores, averaged.

    Parameters
    ----------
    y_true, y_score, k, sample_weight
        As for `precision_at_k`, ties included.
    zero_division : float
        Value for a sample without true labels, finite.

    Returns
    -------
    float
        From 0 to 1.

    Examples
    --------
    >>> nb.metrics.recall_at_k([[1, 0, 1]], [[0.9, 0.1, 0.5]], k=2)
    1.0
    """
    zero_division = number("zero_division", zero_division)
    hits, relevant = _hits_at_k(y_true, y_score, k)
    some = relevant > 0
    return _mean(np.where(some, hits / np.where(some, relevant, 1), zero_division), sample_weight)


__all__ = [
    "accuracy",
    "binary_cross_entropy",
    "cross_entropy",
    "precision_at_k",
    "r2",
    "recall_at_k",
    "subset_accuracy",
]


def __dir__() -> list[str]:
    return __all__
