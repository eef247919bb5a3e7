"""Rows in temporary files that are mapped into memory."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Sequence
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from .. import _checks, _data
from .._sources import Checked, InPlace, Range, Rows, check_alike, is_source
from ._arrays import prefetch

Array = NDArray[Any]
PIECE = 2**23  # bytes of X that are copied at once


class _Column:
    """An array that grows row by row in a file without a name."""

    def __init__(self, folder: str | None, first: Array) -> None:
        self.kind, self.shape = first.dtype.newbyteorder("="), first.shape[1:]
        self.file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  `close` closes it

    def append(self, values: Array) -> None:
        self.file.write(np.ascontiguousarray(values, self.kind).view(np.uint8).data)

    def mapped(self, rows: int) -> Array:
        """The array; its mapping keeps the file, which is closed."""
        with self.file:
            self.file.flush()
            try:
                return np.memmap(self.file, self.kind, "r", shape=(rows, *self.shape))
            except OSError as error:  # the file is complete: mapping it needs addresses alone
                if error.errno != errno.ENOMEM:
                    raise
                raise MemoryError(f"cache: no room to map {rows} rows: {error}") from error


class Cache(InPlace):
    """A source of the rows that were appended to it.

    Parameters
    ----------
    folder : str, optional
        Of the files. Default: that of temporary files.
    """

    def __init__(self, folder: str | os.PathLike[str] | None) -> None:
        self._folder = None if folder is None else _checks.path("folder", folder)
        self._columns: list[_Column] = []
        self._arrays: list[Array] | None = None
        self._first: Rows | None = None
        self._names: dict[str, int] = {}
        self._text = False
        self.shape = 0, 0

    def append(self, x: Array, y: Array, weight: Array | None = None) -> None:
        """Add rows, of the columns and dtypes of those before.

        `y`: text is kept as numbers.
        """
        _data.check_rows(x, y, weight)
        check_alike(self._first, Rows(x, y, weight))
        found = Rows(x, self._encoded(y), weight)
        if self._first is None:
            first = None if weight is None else weight[:1].copy()
            self._first, self._text = Rows(x[:1].copy(), y[:1].copy(), first), found.y is not y
            self._columns = [_Column(self._folder, a) for a in found if a is not None]
        given = (array for array in found if array is not None)
        for column, array in zip(self._columns, given, strict=True):
            column.append(array)
        self.shape = self.shape[0] + len(x), x.shape[1]

    def _encoded(self, y: Array) -> Array:
        """`y`, or the numbers of its strings."""
        y = _data.plain_strings(y)
        if y.dtype.kind == "U":
            names = self._names
            numbers = [names.setdefault(str(text), len(names)) for text in y.flat]
            return np.array(numbers, np.int64).reshape(y.shape)
        if y.dtype.hasobject:
            raise TypeError(f"y: expected numbers or strings, got dtype {y.dtype}")
        return y

    def finish(self) -> Self:
        """No rows more."""
        self._arrays = [column.mapped(self.shape[0]) for column in self._columns]
        return self

    def read(self, rows: slice) -> tuple[Array, ...]:
        """X, y and the weights, if there are any, of some rows."""
        if self._arrays is None:
            raise ValueError("cache: expected an open one, got one that was closed")
        rows = _checks.rows("rows", rows, self.shape[0])
        x, y, *weight = (array[rows] for array in self._arrays)
        return (x, np.array(list(self._names))[y] if self._text else y, *weight)

    def every_row(self) -> tuple[Array, ...] | None:
        return self.read(slice(None)) if type(self).read is Cache.read else None

    def prefetch(self, ranges: Sequence[Range]) -> None:
        if self._arrays is not None:
            prefetch(self._arrays[0], ranges)

    def close(self) -> None:
        """Remove the files."""
        self._arrays = None
        for column in self._columns:
            column.file.close()
        self._columns = []

    def __repr__(self) -> str:
        return f"{type(self).__name__}{self.shape}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class CachedSource(Cache):
    """The rows of another source in a temporary file, from which every epoch reads them.

    For sources that are slow to read: text, compressed tables, rows that are computed. The file is
    mapped into memory, and it has no name: it is gone when the source is closed or forgotten, or
    when the process ends in any way.

    Parameters
    ----------
    source : Source
        It is read once, from the first row to the last.
    folder : path, optional
        Where there is room for the rows. Default: that of temporary files.

    Attributes
    ----------
    shape : (int, int)
    chunk_rows : int or None
        The other source's, so that a fit has the same bits.

    Raises
    ------
    OSError
        When the file cannot be written.
    ValueError, TypeError
        For rows that a fit refuses, too: of another number, of other columns or dtypes than the
        first row, sparse.

    Examples
    --------
    >>> x = np.arange(20.0).reshape(10, 2)
    >>> slow = nb.data.ArraySource(x, x[:, 0])
    >>> with nb.data.CachedSource(slow) as source:
    ...     history = nb.MLP([2, 1], seed=0).fit(source, epochs=2)
    >>> len(history)
    2
    """

    def __init__(self, source: Any, folder: str | os.PathLike[str] | None = None) -> None:
        if not is_source(source):
            raise TypeError(
                f"source: expected an object with shape and read, got {type(source).__name__}"
            )
        super().__init__(folder)
        self.chunk_rows = getattr(source, "chunk_rows", None)  # the same blocks, the same bits
        try:
            self._copy(source)
        except BaseException:
            self.close()
            raise

    def _copy(self, source: Any) -> None:
        rows = Checked(source, None)
        assert rows.first is not None
        if _data.is_sparse(rows.first.x):
            raise TypeError("source: expected dense rows, got sparse ones")
        self.append(*rows.first)
        done, step = 1, max(1, PIECE // max(1, rows.first.x.nbytes))
        while done < rows.rows:
            self.append(*rows.read(done, min(done + step, rows.rows)))
            done += step
        self.finish()
