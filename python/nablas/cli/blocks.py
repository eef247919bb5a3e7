"""Tables larger than memory, in blocks of rows."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .._optional import require
from ..data import _arrow
from . import records, tables
from .columns import only_spellings

if TYPE_CHECKING:
    import polars as pl

SHARE = 4  # of memory that a file may have, to be read at once


def is_large(source: str, memory: int | None) -> bool:
    """Whether a source is a folder, or a file that is read in blocks, of more than `memory`.

    `memory` is in bytes; by default a quarter of what this process may use.
    """
    if source in tables.BUNDLED + tables.MADE or source == "-":
        return False
    if os.path.isdir(source):
        return True
    kind = _kind(source)
    if kind not in tables.PARQUET + tables.TEXT or not os.path.isfile(source):
        return False
    return os.path.getsize(source) > memory_of(memory)


def memory_of(given: int | None) -> int:
    """Bytes that a table may have, to be read at once: as given, or a share of what there is."""
    return usable_memory() // SHARE if given is None else given


def _kind(path: str) -> str:
    """The end of a file's name; "" for a folder, whatever its name is."""
    if os.path.isdir(path):
        return ""
    return os.path.splitext(path.lower().removesuffix(".gz"))[1]


def usable_memory() -> int:
    """Bytes: of the machine, or of the least limit of this process and its control group."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            with open(path) as file:
                found.append(int(file.read()))
        except (OSError, ValueError):  # not there, or "max"
            continue
    import resource

    for name in ("RLIMIT_DATA", "RLIMIT_AS"):
        limit = resource.getrlimit(getattr(resource, name))[0]
        if limit != resource.RLIM_INFINITY:
            found.append(limit)
    return min(found)


def read(
    path: str,
    how: tables.Format,
    kinds: dict[str, str] | None = None,
    target: str | None = None,
) -> Iterator[pl.DataFrame]:
    """The blocks of a table, as `tables.read` reads the whole; none is empty.

    A CSV file's columns are numbers if all values of the first block are; another value further
    down is then an error. `kinds` are those that a model knows.
    """
    polars = require("polars", "cli")
    found = _parquet(polars, path) if _kind(path) in ("", *tables.PARQUET) else _csv(path, how)
    known, because, rows = dict(kinds or {}), tables.TRAINED, 0
    while True:
        with tables.reading(path):
            block = next(found, None)
            if block is None:
                break
            if _kind(path) in tables.TEXT:
                block = tables.typed(polars, block, how, known, target, because)
                if kinds is None:
                    because = "in the rows before"
                    known |= _found(block, target)
            tables.check_times(polars, block)
        rows += block.height
        if block.height:
            yield block
    if rows == 0:
        raise ValueError(f"{path}: expected at least one row, got 0")


def _found(block: pl.DataFrame, target: str | None) -> dict[str, str]:
    """The kinds of the columns that have values that tell one."""
    import polars as pl

    full = [series for series in block if series.null_count() < len(series)]
    full = [s for s in full if s.name != target or not only_spellings(s)]
    kinds: dict[Any, str] = {pl.String: "text", pl.Boolean: "boolean"}
    return {series.name: kinds.get(series.dtype, "number") for series in full}


def _parquet(polars: Any, path: str) -> Iterator[pl.DataFrame]:
    pyarrow = require("pyarrow", "data")
    pyarrow.set_memory_pool(pyarrow.system_memory_pool())  # its own reserves a gigabyte at once
    for file in _arrow.files_of(path) if os.path.isdir(path) else ():
        if _kind(file) in tables.TEXT:  # whose values pyarrow reads by other rules
            raise ValueError(f"expected a folder of Parquet files, got {os.path.basename(file)}")
    for batch in _arrow.record_batches(path):
        yield polars.from_arrow(batch)


def _csv(path: str, how: tables.Format) -> Iterator[pl.DataFrame]:
    polars = require("polars", "cli")
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    opened: Any = gzip.open if packed else open
    with opened(path, "rb") as file:
        encoding = records.encoding_of(file.read(2))
    try:
        with opened(path, "rt", encoding=encoding, newline="") as lines:
            yield from records.frames(polars, lines, how.separator, how.comment, how.header)
    except UnicodeDecodeError as error:
        with opened(path, "rb") as file:
            raise records.undecodable(encoding, file) from error
