"""What users pass as X, y and sample_weight, turned into what the core reads.

The core checks shapes, ranges and finite targets; here are the conversions: strings to classes,
columns to vectors, frames to arrays, and the search for NaN in X.
"""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def whole(name: str, value: Any, least: int, most: int = 2**63 - 1) -> int:
    """`value` as an int, or TypeError, or ValueError when it is out of range."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name}: expected an integer, got {type(value).__name__}")
    if value < least:
        raise ValueError(f"{name}: expected at least {least}, got {value}")
    if value > most:
        raise ValueError(f"{name}: expected at most {most}, got {value}")
    return int(value)


def penalty(l2: Any) -> float:
    """`l2` as a float, or TypeError, or ValueError when it is negative or not finite."""
    if isinstance(l2, bool) or not isinstance(l2, Real):
        raise TypeError(f"l2: expected a number, got {type(l2).__name__}")
    value = float(l2)
    if not (np.isfinite(value) and value >= 0):
        raise ValueError(f"l2: expected a finite number of at least 0, got {value}")
    return value


def as_matrix(x: Any, dtype: str, name: str = "X") -> Array:
    """`x` as a 2-D array of a dtype the core reads without a copy where that is possible."""
    array = x if isinstance(x, np.ndarray) else np.asarray(x)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name}: expected numbers, got dtype {array.dtype}")
    if array.ndim != 2:
        hint = " (one sample is X[np.newaxis])" if array.ndim == 1 else ""
        raise ValueError(f"{name}: expected 2 dimensions, got shape {array.shape}{hint}")
    if array.dtype.kind == "f" and array.dtype.itemsize not in (4, 8):
        return array.astype(dtype)
    return array


def check_finite(x: Array, dtype: str) -> None:
    """ValueError for the first NaN, infinity or number that `dtype` cannot hold.

    A memory-mapped array is not read for it.
    """
    if x.dtype.kind != "f" or isinstance(x, np.memmap) or x.size == 0:
        return
    largest = np.finfo(dtype).max
    with np.errstate(all="ignore"):
        if x.dtype == dtype and np.isfinite(x.sum()):  # one pass; an overflow looks closer
            return
        if x.min() >= -largest and x.max() <= largest:
            return
        bad = np.argwhere(~(np.abs(x) <= largest))
    if len(bad):
        at = tuple(int(i) for i in bad[0])
        raise ValueError(f"X: expected finite values, got {x[at]} at {at}")


def as_targets(
    y: Any, loss: str, outputs: int, dtype: str, classes: list[str] | None
) -> tuple[Array, list[str] | None]:
    """`y` as class indices (n,) or targets (n, outputs), and the classes if y holds strings."""
    array = np.asarray(y)
    if array.dtype.kind == "O" and array.size and all(isinstance(v, str) for v in array.flat):
        array = array.astype(str)
    if array.dtype.kind == "U":
        limit = {"cross_entropy": outputs, "binary_cross_entropy": 2}.get(loss)
        if limit is None:
            raise TypeError(f"y: expected numbers for loss {loss!r}, got strings")
        if array.shape[1:] not in ((), (1,)):
            raise ValueError(f"y: expected one string a row, got shape {array.shape}")
        array, classes = _encode(array.reshape(-1), classes)
        if len(classes) != limit:
            raise ValueError(f"y: expected {limit} classes, got {len(classes)}")
    elif classes is not None:
        raise TypeError(f"y: expected strings like the classes, got dtype {array.dtype}")
    if array.dtype.kind not in "fiub":
        raise TypeError(f"y: expected numbers or strings, got dtype {array.dtype}")
    integral = array.dtype.kind in "iub"
    if loss == "cross_entropy" and (array.ndim == 1 or (array.shape[1:] == (1,) and outputs > 1)):
        if not integral:
            raise TypeError(f"y: expected integer class labels, got dtype {array.dtype}")
        return array.reshape(-1), classes
    if array.ndim == 1 and outputs == 1:
        array = array.reshape(-1, 1)
    with np.errstate(over="ignore"):  # the core refuses what is not finite
        return np.ascontiguousarray(array, dtype=dtype), classes


def _encode(labels: Array, classes: list[str] | None) -> tuple[Array, list[str]]:
    """Positions of `labels` in `classes`, or in their own sorted set."""
    if classes is None:
        found, codes = np.unique(labels, return_inverse=True)
        return codes.reshape(-1), [str(c) for c in found]
    known = np.array(classes)
    codes = np.searchsorted(known, labels).clip(max=len(known) - 1)
    wrong = np.flatnonzero(known[codes] != labels)
    if len(wrong):
        i = int(wrong[0])
        raise ValueError(
            f"y: expected labels among {', '.join(classes)}, got {str(labels[i])!r} at index {i}"
        )
    return codes, classes


def check_rows(x: Array, y: Array, sample_weight: Array | None) -> None:
    """ValueError when the lengths differ."""
    for name, other in (("y", y), ("sample_weight", sample_weight)):
        if other is not None and (other.ndim == 0 or len(other) != len(x)):
            got = "a scalar" if other.ndim == 0 else str(len(other))
            raise ValueError(f"{name}: expected {len(x)} rows like X, got {got}")
