"""What a call may do: give the right result, or raise an error that says which argument is wrong."""

import re

import numpy as np

from .values import EvilError

ALLOWED = (
    ValueError,
    TypeError,
    OverflowError,
    MemoryError,
    FloatingPointError,
    RuntimeError,
    OSError,
    EvilError,
)
DUMP = re.compile(
    r"incompatible function arguments|pybind11|Invoked with|Unable to (convert|cast)|std::|basic_string"
)


def complaint(error, names):
    """What is wrong with an exception; None if it is one that a caller can use."""
    text = str(error)
    if not isinstance(error, ALLOWED):
        return f"raised {type(error).__name__}: {text:.200}"
    if DUMP.search(text):
        return f"message of the binding layer: {text:.200}"
    if isinstance(error, (MemoryError, OSError, EvilError)):
        return None
    first = re.match(r"[\w.]+", text.replace("'", ""))
    if first is None or first[0].split(".")[0] not in names:
        return f"message names no argument: {type(error).__name__}: {text:.200}"
    return None


def snapshot(value):
    """Bytes to find out whether a call has changed its input."""
    try:
        return np.asarray(value).tobytes() if isinstance(value, np.ndarray) else None
    except Exception:  # no array
        return None


def close(got, want, tolerance, coarse):
    """Whether two results are equal but for rounding; NaN equals NaN."""
    got, want = np.asarray(got), np.asarray(want)
    if got.shape != want.shape:
        return False
    if got.dtype.kind in "fc" and want.dtype.kind in "fc":
        with np.errstate(all="ignore"):
            # squares of sums overflow earlier in float32, also where the result is a float64
            top = 1e36 if coarse else 1e306
            beyond = ~(np.abs(want) < top)
            return bool(
                np.all(
                    beyond | np.isclose(got, want, rtol=tolerance, atol=tolerance, equal_nan=True)
                )
            )
    return bool(np.array_equal(got, want))
