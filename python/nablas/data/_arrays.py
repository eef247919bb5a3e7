"""Sources of arrays: memory maps, HDF5, zarr, and lists of them."""

from __future__ import annotations

import math
import mmap
from collections.abc import Sequence
from contextlib import suppress
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _checks, _data
from .._sources import InPlace, Range, kind_of

Array = NDArray[Any]


class ArraySource(InPlace):
    """Rows of arrays that are read slice by slice.

    Parameters
    ----------
    X : array, or list of arrays
        Anything with `shape`, `dtype` and slices of rows: a memory map, a dataset of h5py or zarr,
        an array in memory, also one of SciPy's sparse arrays (kept as CSR) or a data frame. The
        parts of a list are one below the other; if their dtypes differ, rows are read in one that
        holds all. Further dimensions are flattened: images (n, 28, 28) have 784 features.
    y : array, or list of arrays
        As for `MLP.fit`, also an array in memory beside an X in files. Parts are all of
        integers, or all of floats, that one such dtype holds; or of one dtype.
    sample_weight : array, or list of arrays, optional

    Attributes
    ----------
    shape : (int, int)
    chunk_rows : int or None
        Rows of a chunk, where h5py and zarr say so.

    Raises
    ------
    ValueError, TypeError
        For arrays of different numbers of rows, without slices, or of values that are no numbers.

    Examples
    --------
    >>> np.save("a.npy", np.ones((3, 2), np.float32))
    >>> np.save("b.npy", np.zeros((2, 2), np.float32))
    >>> parts = [np.load(name, mmap_mode="r") for name in ("a.npy", "b.npy")]
    >>> source = nb.data.ArraySource(parts, y=[0, 1, 0, 1, 0])
    >>> source.shape
    (5, 2)
    >>> source.read(slice(2, 4))[0].tolist()
    [[1.0, 1.0], [0.0, 0.0]]
    """

    def __init__(self, X: Any, y: Any, sample_weight: Any = None) -> None:
        self._x, self._y = _Stack("X", X), _Stack("y", y)
        self._weight = None if sample_weight is None else _Stack("sample_weight", sample_weight)
        if len(self._x.shape) < 2:
            raise ValueError(f"X: expected at least 2 dimensions, got shape {self._x.shape}")
        rows = self._x.shape[0]
        for name, other in (("y", self._y), ("sample_weight", self._weight)):
            if other is not None and other.shape[:1] != (rows,):
                got = other.shape[0] if other.shape else "a scalar"
                raise ValueError(f"{name}: expected {rows} rows like X, got {got}")
        self.shape = rows, math.prod(self._x.shape[1:])
        self.chunk_rows = self._x.chunk_rows

    def read(self, rows: slice) -> tuple[Array, ...]:
        """X, y and the weights, if there are any, of some rows."""
        rows = _checks.rows("rows", rows, self.shape[0])
        x = self._x.read(rows)
        if not _data.is_sparse(x):
            x = x.reshape(len(x), self.shape[1])
        found = x, self._y.read(rows)
        return found if self._weight is None else (*found, self._weight.read(rows))

    def every_row(self) -> tuple[Any, ...] | None:
        stacks = [self._x, self._y] + ([] if self._weight is None else [self._weight])
        if type(self).read is not ArraySource.read or not all(
            len(s.parts) == 1 and isinstance(s.parts[0], np.ndarray) for s in stacks
        ):
            return None
        return self.read(slice(None))

    def prefetch(self, ranges: Sequence[Range]) -> None:
        if len(self._x.parts) == 1:
            prefetch(self._x.parts[0], ranges)

    def __repr__(self) -> str:
        return f"ArraySource{self.shape}"


def prefetch(x: Any, ranges: Sequence[Range]) -> None:
    """Tell the system which rows of a memory map are needed next; other arrays lie in memory."""
    mapped: Any = getattr(x, "_mmap", None)
    if not isinstance(x, np.memmap) or not hasattr(mapped, "madvise") or not x.flags.c_contiguous:
        return
    with suppress(OSError):  # it is advice
        for begin, end in spans(x, np.frombuffer(mapped, np.uint8), ranges):
            mapped.madvise(mmap.MADV_WILLNEED, begin, end - begin)


def spans(x: Array, mapped: Array, ranges: Sequence[Range]) -> list[Range]:
    """The bytes of a mapping, from whole pages on, in which ranges of C-contiguous rows lie."""
    row, start = x.strides[0], x.ctypes.data - mapped.ctypes.data
    page = mmap.PAGESIZE
    return [((start + begin * row) // page * page, start + end * row) for begin, end in ranges]


class _Stack:
    """Arrays one below the other."""

    def __init__(self, name: str, given: Any) -> None:
        least = 2 if name == "X" else 1  # a list of rows is one array
        several = isinstance(given, (list, tuple)) and all(
            not isinstance(part, type) and len(getattr(part, "shape", ())) >= least
            for part in given
        )
        self.name = name
        parts = given if several and given else [given]
        self.parts: Sequence[Any] = [self._readable(part) for part in parts]
        for part in self.parts:
            _checks.having(name, part, "shape", "arrays with row slices")
            _checks.having(name, part, "__getitem__", "arrays with row slices")
            _checks.unmasked(name, part)
        first = tuple(self.parts[0].shape)
        for i, part in enumerate(self.parts):
            if tuple(part.shape)[1:] != first[1:]:
                raise ValueError(
                    f"{name}[{i}]: expected shape (n, ...) like {first}, got {tuple(part.shape)}"
                )
            if _data.is_sparse(part) != _data.is_sparse(self.parts[0]):
                raise TypeError(f"{name}: expected all parts dense or all sparse, got both")
        self.dtype = self._common([self._first_row(part) for part in self.parts if part.shape])
        self.ends = list(accumulate(part.shape[0] if part.shape else 0 for part in self.parts))
        self.shape = (self.ends[-1], *first[1:]) if first else ()
        chunks = getattr(self.parts[0], "chunks", None)
        rows = chunks[0] if isinstance(chunks, tuple) and chunks else None
        self.chunk_rows = rows if isinstance(rows, int) and rows > 0 else None

    def _readable(self, given: Any) -> Any:
        if _data.is_sparse(given):
            if self.name != "X":
                raise TypeError(f"{self.name}: expected a dense array, got {type(given).__name__}")
            return _data.as_csr(given, given.dtype, self.name)
        in_memory = hasattr(given, "iloc")  # pandas, whose slices may go by labels
        if not in_memory and all(hasattr(given, n) for n in ("shape", "dtype", "__getitem__")):
            return given
        return _checks.plain_array(self.name, given)

    def _first_row(self, part: Any) -> Any:
        """At most one row; TypeError if it is no array, and for an X that has no numbers."""
        row = part[0 : min(1, part.shape[0])]
        if _data.is_sparse(row):
            return row
        found = _checks.plain_array(self.name, row)
        if found.ndim != len(part.shape):
            raise TypeError(
                f"{self.name}: expected arrays with row slices, got {type(part).__name__}"
            )
        if self.name != "y" and found.dtype.kind not in "fiub":
            raise TypeError(f"{self.name}: expected numbers, got dtype {found.dtype}")
        return found

    def _common(self, rows: list[Any]) -> np.dtype[Any] | None:
        """The dtype that holds all parts' numbers; None if they have the same one."""
        kinds = {kind_of(self.name, row): row.dtype for row in rows if row.shape[0]}
        if len(kinds) < 2:
            return None
        if self.name != "y":
            return np.result_type(*kinds.values())
        letters = {dtype.kind for dtype in kinds.values()}
        alike = letters <= {"i", "u"} or letters == {"f"}  # by which y is of classes or of numbers
        if not alike or (found := np.result_type(*kinds.values())).kind not in letters:
            first, other, *_ = kinds
            raise TypeError(
                "y: expected parts of one dtype, or of integers or of floats that one such dtype "
                f"holds, got {first} and {other}"
            )
        return found

    def read(self, rows: slice) -> Any:
        """Some rows: an array, or a CSR one."""
        found: list[Any] = []
        begin = 0
        for part, end in zip(self.parts, self.ends, strict=True):
            low, high = max(rows.start, begin), min(rows.stop, end)
            if low < high:
                piece = part[low - begin : high - begin]
                piece = piece if _data.is_sparse(piece) else np.asarray(piece)
                found.append(piece if self.dtype is None else piece.astype(self.dtype, copy=False))
            begin = end
        if len(found) == 1:
            return found[0]
        return _data.stacked(found)
