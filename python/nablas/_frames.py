"""Data frames and their columns as arrays: by what pandas and polars have, without either."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def is_frame(value: Any) -> bool:
    """Whether `value` is a frame or a column of one."""
    if not (hasattr(value, "to_numpy") and hasattr(value, "shape")):
        return False
    if len(value.shape) == 2:
        return hasattr(value, "columns") and hasattr(value, "dtypes")
    return len(value.shape) == 1 and hasattr(value, "dtype")


def as_array(value: Any) -> Array:
    """A frame or column as an array; one of numbers if all its columns hold numbers or bools.

    NumPy makes objects where it has no dtype for all columns, or none for bools with missing ones.
    Here missing values are NaN.
    """
    dtypes = set(_dtypes(value))
    if any(_is_wide(dtype) for dtype in dtypes):
        value = _narrowed(value)
    array = np.asarray(value)
    if any(getattr(dtype, "is_temporal", bool)() for dtype in dtypes):
        return array.astype(object)  # polars makes numbers of dates beside numbers
    if array.dtype.kind != "O" or odd_column(value):
        return array
    columns = _columns(value)
    kinds = {_kind(column.dtype) for column in columns}
    made = np.stack([_floats(column) for column in columns], axis=-1)
    if "f" not in kinds and not np.isnan(made).any():
        dtype = bool if kinds == {"b"} else "u8" if kinds == {"u"} else "i8"
        if "u" not in kinds or kinds == {"u"}:
            made = np.stack([column.to_numpy(dtype=dtype) for column in columns], axis=-1)
    return made.reshape(array.shape)


def _is_wide(dtype: Any) -> bool:
    """Whether it is of integers of 128 bits, which polars has and NumPy has not."""
    return str(dtype) in ("Int128", "UInt128")


def _narrowed(value: Any) -> Any:
    """Integers of 128 bits as 64 bits, or as floats where one is larger."""
    if len(value.shape) < 2:
        return _narrow(value)
    return value.with_columns([_narrow(c) for c in _columns(value) if _is_wide(c.dtype)])


def _narrow(column: Any) -> Any:
    try:
        return column.cast(int)
    except Exception:  # polars' own error of values out of range
        return column.cast(float)


def odd_column(value: Any) -> str:
    """The first column that holds neither numbers nor bools, for a message; else ""."""
    for i, dtype in enumerate(_dtypes(value)):
        if not _kind(dtype):
            where = f" in column {value.columns[i]!r}" if len(value.shape) == 2 else ""
            return f"{dtype}{where}"
    return ""


def _dtypes(value: Any) -> list[Any]:
    return list(value.dtypes) if len(value.shape) == 2 else [value.dtype]


def _columns(value: Any) -> list[Any]:
    if len(value.shape) < 2:
        return [value]
    one = value.to_series if hasattr(value, "to_series") else lambda i: value.iloc[:, i]
    return [one(i) for i in range(value.shape[1])]


def _kind(dtype: Any) -> str:
    """NumPy's letter for a kind of numbers, or bools; "" for anything else."""
    if hasattr(dtype, "kind"):
        kind = str(dtype.kind)
        return kind if kind in "fiub" else "f" if getattr(dtype, "_is_numeric", False) else ""
    is_numeric = getattr(dtype, "is_numeric", None)
    return "f" if str(dtype) == "Boolean" or (is_numeric and is_numeric()) else ""


def _floats(column: Any) -> Array:
    if hasattr(column, "cast"):
        return np.asarray(column.cast(float).to_numpy())
    return np.asarray(column.to_numpy(dtype="float64", na_value=np.nan))
