"""What users pass as X, y and sample_weight, turned into what the core reads.

The core checks shapes, ranges and finite targets; here are the conversions: strings to classes,
columns to vectors, frames to arrays, and the search for NaN in X.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def whole(name: str, value: Any, least: int) -> int:
    """`value` as an int, or TypeError, or ValueError when it is below `least`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name}: expected an integer, got {type(value).__name__}")
    if value < least:
        raise ValueError(f"{name}: expected at least {least}, got {value}")
    return int(value)


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


def check_finite(x: Array, name: str = "X") -> None:
    """ValueError for the first NaN or infinity; a memory-mapped array is not read for it."""
    if x.dtype.kind != "f" or isinstance(x, np.memmap):
        return
    with np.errstate(all="ignore"):
        if np.isfinite(x.sum()):  # one pass without a temporary; an overflow looks closer
            return
    bad = np.argwhere(~np.isfinite(x))
    if len(bad):
        at = tuple(int(i) for i in bad[0])
        raise ValueError(f"{name}: expected finite values, got {x[at]} at {at}")


def as_targets(
    y: Any, loss: str, outputs: int, dtype: str, classes: list[str] | None
) -> tuple[Array, list[str] | None]:
    """`y` as class indices (n,) or targets (n, outputs), and the classes if y holds strings."""
    array = np.asarray(y)
    if array.dtype.kind == "O" and array.size and all(isinstance(v, str) for v in array.flat):
        array = array.astype(str)
    if array.dtype.kind == "U":
        array, classes = _encode(array.reshape(-1), classes)
        limit = outputs if loss == "cross_entropy" else 2
        if len(classes) > limit:
            raise ValueError(f"y: expected at most {limit} classes, got {len(classes)}")
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
    known = {name: i for i, name in enumerate(classes)}
    for i, label in enumerate(labels):
        if str(label) not in known:
            choices = ", ".join(classes)
            raise ValueError(f"y: expected labels among {choices}, got {str(label)!r} at index {i}")
    return np.array([known[str(label)] for label in labels], dtype=np.int64), classes


def check_rows(x: Array, y: Array, sample_weight: Array | None) -> None:
    """ValueError when the lengths differ."""
    for name, other in (("y", y), ("sample_weight", sample_weight)):
        if other is not None and (other.ndim == 0 or len(other) != len(x)):
            got = "a scalar" if other.ndim == 0 else str(len(other))
            raise ValueError(f"{name}: expected {len(x)} rows like X, got {got}")
