"""Sources of tables: Parquet, Arrow and CSV files, by pyarrow's datasets."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import _checks
from .._optional import require
from .._reading import lock_of

Array = NDArray[Any]
LEAST, BATCH, VALUES = 256, 16_384, 2**21  # rows that pyarrow decodes at once, of so many values
FORMATS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "ipc",
    ".feather": "ipc",
    ".csv": "csv",
    ".gz": "csv",
}
_NAMES = ("parquet", "ipc", "arrow", "feather", "csv", "orc", "json")


_ABANDONED: list[Any] = []  # what a forked child cannot end: it would wait for threads


class _Unit(NamedTuple):
    """Rows that are decoded from the first to the last: a Parquet file's row group, or a file."""

    fragment: Any
    row_group: int | None
    rows: int


class ArrowSource:
    """Rows of a table in files that pyarrow reads: Parquet, Arrow (Feather), CSV.

    Parameters
    ----------
    data : path, list of paths, or pyarrow dataset or table
        A folder is all its files, of which subfolders may be partitions, and so may the folders of
        a list's files. One file has its own columns only.
    target : str
        The column of y: numbers or text, or lists of a fixed size of numbers for several outputs.
    features : sequence of str, optional
        The columns of X: numbers, truth values, or lists of a fixed size of numbers, of which each
        entry is a feature. Default: all but the target and the weights.
    sample_weight : str, optional
        The column of the weights.
    dtype : "float32" or "float64"
        Of X.
    format : str, optional
        "parquet", "ipc", "csv", "orc" or "json". Default: by the first file's name.

    Attributes
    ----------
    shape : (int, int)
    features : list of str
        The columns of X.
    chunk_rows : int or None
        Rows of a Parquet file's row groups, on average.

    Raises
    ------
    ImportError
        Without pyarrow: ``pip install "nablas[data]"``.
    ValueError, TypeError
        For columns that are missing or are no numbers. `read` raises ValueError at a missing value;
        in CSV files (but not in a dataset of them, which has options of its own) these are empty
        fields, NA, null and what else pyarrow takes for one. NaN is a number, which a fit refuses.

    Notes
    -----
    A row group is decoded from its beginning, so reading in random order is fastest with row groups
    of about the size of a chunk (docs/guide/large-data). CSV files are decoded from their
    beginning: use `CachedSource` to shuffle them.

    Examples
    --------
    >>> import pyarrow as pa, pyarrow.parquet
    >>> table = pa.table({"size": [1.0, 2.0, 3.0], "old": [True, False, True], "y": [0, 1, 1]})
    >>> pa.parquet.write_table(table, "table.parquet")
    >>> source = nb.data.ArrowSource("table.parquet", target="y")
    >>> source.shape, source.features
    ((3, 2), ['size', 'old'])
    >>> X, y = source.read(slice(1, 3))
    >>> X.tolist(), y.tolist()
    ([[2.0, 0.0], [3.0, 1.0]], [1, 1])
    """

    def __init__(
        self,
        data: Any,
        *,
        target: str,
        features: Sequence[str] | None = None,
        sample_weight: str | None = None,
        dtype: str = "float32",
        format: str | None = None,
    ) -> None:
        require("pyarrow", "data")
        self._dtype = np.dtype(_checks.float_dtype("dtype", dtype))
        self._dataset = _dataset(data, format)
        _checks.text("target", target)
        if sample_weight is not None:
            _checks.text("sample_weight", sample_weight)
        self._target, self._weight = target, sample_weight
        schema, others = self._dataset.schema, {target, sample_weight}
        if features is None:
            features = [name for name in schema.names if name not in others]
        self.features = _checks.items("features", features, "a sequence of column names")
        for name, columns in (
            ("target", [target]),
            ("features", self.features),
            ("sample_weight", [] if sample_weight is None else [sample_weight]),
        ):
            for column in columns:
                if column not in schema.names:
                    known = ", ".join(schema.names[:20])
                    raise ValueError(f"{name}: expected a column among {known}, got {column!r}")
        for column, lists in ((target, True), (sample_weight, False)):
            if column is not None:
                _check_flat(schema.field(column), lists)
        self._widths = [_width(schema.field(name)) for name in self.features]
        self._columns = [*self.features, *(name for name in others if name is not None)]
        self._units = list(_units(self._dataset))
        self._ends = list(accumulate(unit.rows for unit in self._units))
        self.shape = self._ends[-1] if self._ends else 0, sum(self._widths)
        groups = [unit.rows for unit in self._units if unit.row_group is not None]
        self.chunk_rows = max(1, round(sum(groups) / len(groups))) if groups else None
        self._lock = lock_of(self)
        self._leave()

    def __repr__(self) -> str:
        return f"ArrowSource{self.shape}"

    def read(self, rows: slice) -> tuple[Array, ...]:
        """X, y and the weights, if there are any, of some rows."""
        rows = _checks.rows("rows", rows, self.shape[0])
        x = np.empty((rows.stop - rows.start, self.shape[1]), self._dtype)
        y, weight = [], []
        done, begin = rows.start, 0
        with self._lock.held:
            for number, end in enumerate(self._ends):
                while done < min(rows.stop, end):
                    batch = self._next(number, done - begin, min(rows.stop, end) - done)
                    self._fill(x[done - rows.start :][: batch.num_rows], batch, done)
                    y.append(_plain(batch, self._target, done))
                    if self._weight is not None:
                        weight.append(_plain(batch, self._weight, done))
                    done += batch.num_rows
                begin = end
        found = x, np.concatenate(y)
        return found if self._weight is None else (*found, np.concatenate(weight))

    def _fill(self, x: Array, batch: Any, first: int) -> None:
        at = 0
        for name, width in zip(self.features, self._widths, strict=True):
            values = _plain(batch, name, first)
            x[:, at : at + width] = values.reshape(len(x), width)
            at += width

    # ---- decoding: one unit is open, from its beginning to where it was read last ----------------

    def _leave(self) -> None:
        self._open: tuple[int, Iterator[Any]] | None = None
        self._at, self._rest = 0, None  # rows of the unit before `rest`, decoded and not yet read
        self._process = os.getpid()

    def _next(self, number: int, place: int, most: int) -> Any:
        """Up to `most` rows of a unit from a place on, as a record batch."""
        if self._process != os.getpid():  # a forked child has no thread that decodes
            _ABANDONED.append(self._open)
            self._leave()
        if self._open is None or self._open[0] != number or place < self._at:
            self._leave()
            self._open = number, _batches(self._dataset, self._units[number], self._columns)
        assert self._open is not None
        while True:
            rest: Any = self._rest
            if rest is not None and place < self._at + rest.num_rows:
                break
            self._at += 0 if rest is None else rest.num_rows
            self._rest = next(self._open[1], None)
            if self._rest is None:
                self._leave()
                raise ValueError(f"{self!r}: expected as many rows as at first, got fewer")
        found = rest.slice(place - self._at, most)
        self._at, self._rest = place + found.num_rows, rest.slice(place - self._at + most)
        return found


def _batches(dataset: Any, unit: _Unit, columns: list[str]) -> Iterator[Any]:
    """The record batches of a unit, one after the other."""
    physical, schema = unit.fragment.physical_schema, dataset.schema
    fields = [schema.field(name) for name in columns]
    width = sum(getattr(field.type, "list_size", 1) for field in fields)
    rows = max(LEAST, min(BATCH, VALUES // width // LEAST * LEAST))
    own = all(
        field.name in physical.names and physical.field(field.name).type == field.type
        for field in fields
    )
    if unit.row_group is not None and own:  # decodes page by page
        file = require("pyarrow.parquet", "data").ParquetFile(unit.fragment.open())
        found: Iterator[Any] = file.iter_batches(rows, [unit.row_group], columns)
        return found
    fragment = unit.fragment
    if unit.row_group is not None:
        fragment = fragment.subset(row_group_ids=[unit.row_group])
    scanner = fragment.scanner(
        schema=schema, columns=columns, batch_size=rows, batch_readahead=1, fragment_readahead=1
    )
    return iter(scanner.to_batches())


def record_batches(data: Any) -> Iterator[Any]:
    """All columns of a table in files, batch by batch."""
    dataset = _dataset(data, None)
    for unit in _units(dataset):
        yield from _batches(dataset, unit, dataset.schema.names)


def _dataset(data: Any, format: str | None) -> Any:
    """Pyarrow's dataset of a path, of paths, or of what it takes itself."""
    module = require("pyarrow.dataset", "data")
    if format is not None:
        _checks.choice("format", format, _NAMES)
    if isinstance(data, module.Dataset):
        return data
    if isinstance(data, (list, tuple)):
        data = [_checks.path("data", path) for path in data]
    elif isinstance(data, (str, os.PathLike)):
        data = _checks.path("data", data)
    if format is None and isinstance(data, (str, list)):
        first = next(iter(files_of(data)), "")
        format = FORMATS.get(os.path.splitext(first)[1].lower(), "parquet")
    read_as: Any = _csv_format(module) if format == "csv" else format
    file = isinstance(data, str) and os.path.isfile(data)  # whose folders are no partitions
    try:
        return module.dataset(
            data, format=read_as, partitioning="hive" if format and not file else None
        )
    except TypeError:
        expected = "a path, paths, or a pyarrow dataset or table"
        raise TypeError(f"data: expected {expected}, got {type(data).__name__}") from None
    except ValueError as error:
        raise ValueError(f"data: {error}") from None


def _csv_format(module: Any) -> Any:
    """CSV whose missing values are missing in columns of text, too: not classes of their own."""
    csv = require("pyarrow.csv", "data")
    return module.CsvFileFormat(convert_options=csv.ConvertOptions(strings_can_be_null=True))


def files_of(data: str | list[str]) -> Iterator[str]:
    """The files of a path or of paths."""
    for path in [data] if isinstance(data, str) else data:
        if not os.path.isdir(path):
            yield path
        for folder, folders, names in os.walk(path):
            folders.sort()
            yield from (os.path.join(folder, n) for n in sorted(names) if n[0] not in "._")


def _units(dataset: Any) -> Iterator[_Unit]:
    for fragment in dataset.get_fragments():  # ValueError for a filtered dataset
        groups = getattr(fragment, "row_groups", None)
        if groups is None:
            yield _Unit(fragment, None, fragment.count_rows())
        else:
            yield from (_Unit(fragment, group.id, group.num_rows) for group in groups)


def _width(field: Any) -> int:
    """Features of a column, or TypeError."""
    types = require("pyarrow.types", "data")
    if types.is_fixed_size_list(field.type) and _is_number(types, field.type.value_type):
        return int(field.type.list_size)
    if not _is_number(types, field.type):
        raise TypeError(f"column {field.name!r}: expected numbers, got {field.type}")
    return 1


def _check_flat(field: Any, lists: bool) -> None:
    """TypeError for a column of several values a row, but for `lists` of as many numbers each."""
    types, kind = require("pyarrow.types", "data"), field.type
    if types.is_run_end_encoded(kind):
        kind = kind.value_type
    if types.is_nested(kind) and not (lists and types.is_fixed_size_list(kind)):
        expected = "numbers or text" if lists else "numbers"
        raise TypeError(f"column {field.name!r}: expected {expected}, got {field.type}")
    if types.is_fixed_size_list(kind):
        _width(field)


def _is_number(types: Any, kind: Any) -> bool:
    return any(
        is_one(kind) for is_one in (types.is_integer, types.is_floating, types.is_boolean)
    ) or bool(types.is_decimal(kind))


def _plain(batch: Any, name: str, first: int) -> Array:
    """A column as an array; ValueError where a value is missing. `first`: the number of row 0."""
    types = require("pyarrow.types", "data")
    entries: tuple[int, ...] = ()
    column = batch.column(batch.schema.get_field_index(name))
    if types.is_run_end_encoded(column.type):  # it counts no missing values
        column = require("pyarrow.compute", "data").run_end_decode(column)
    if types.is_dictionary(column.type):  # of which a value may be missing, too
        column = column.dictionary_decode()
    if column.null_count:
        missing = first + int(column.is_null().to_numpy(zero_copy_only=False).argmax())
        raise ValueError(f"column {name!r}: expected values, got none in row {missing}")
    if types.is_fixed_size_list(column.type):
        entries, column = (column.type.list_size,), column.flatten()
        if column.null_count:
            place = int(column.is_null().to_numpy(zero_copy_only=False).argmax())
            missing = first + place // entries[0]
            raise ValueError(
                f"column {name!r}: expected values, got a list that lacks some in row {missing}"
            )
    if types.is_decimal(column.type):
        column = column.cast("float64")
    values: Array = column.to_numpy(zero_copy_only=False).reshape(-1, *entries)
    return values.astype(str) if values.dtype.kind == "O" else values
