"""Reads tables as polars frames: scikit-learn's data sets, synthetic data sets, files."""

from __future__ import annotations

import gzip
import math
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import kernels
from .._optional import require
from . import records
from .columns import DAY, KINDS, MISSING, PARTS_OF_SECOND

if TYPE_CHECKING:
    import polars as pl

Array = NDArray[Any]
PARQUET, TEXT = (".parquet", ".pq"), (".csv", ".tsv", ".txt", ".data")
BUNDLED = ("digits", "iris", "wine", "breast_cancer", "diabetes")
MADE = ("moons", "spiral")
TRAINED = "the model was trained on"
MADE_ROWS = 1000
LONGEST_REASON = 300  # letters of an error, which may quote what is in the file
FIRST_DAY, LAST_DAY = -719_162, 2_932_896  # of the years 1 and 9999, 1970-01-01 is 0
GROUPED = (  # 1.234.567; before a comma, where it can be no decimal point, also 01.234,5e3
    r"^[+-]?([1-9][0-9]{0,2}(\.[0-9]{3})+|[0-9]{1,3}(\.[0-9]{3})+,[0-9]*([eE][+-]?[0-9]+)?)$"
)
NEARLY = 0.1  # share of values that are no numbers, up to which a column of text is suspicious


@dataclass(frozen=True)
class Format:
    """How a CSV file is read.

    Attributes
    ----------
    separator : str, optional
        Default: the one of ``, ; tab |`` that gives the first line most fields, quotes respected.
    decimal : str
        "." or ","; then a point divides thousands.
    comment : str, optional
        Lines that begin with it are left out.
    header : bool
        Whether the first line has the columns' names; else they are column_1, column_2, ...
    missing : sequence of str, optional
        Spellings of a missing value. Default: `MISSING`; of a target of text only the empty field.
    """

    separator: str | None = None
    decimal: str = "."
    comment: str | None = None
    header: bool = True
    missing: Sequence[str] | None = None


def read(
    source: str,
    target: str | None,
    how: Format | None = None,
    kinds: dict[str, str] | None = None,
) -> tuple[pl.DataFrame, str | None]:
    """The table and the name of its target column.

    Parameters
    ----------
    source : str
        The name of a bundled or synthetic data set, a file's path, or "-" for CSV on standard
        input.
    target : str, optional
        The column to predict. Default: "target" of data sets, "y" of NPZ files.
    how : Format, optional
    kinds : dict, optional
        "number", "time", "boolean" or "text" of the columns that a model knows: a CSV file's values
        are read as such, and have no times.
        Other columns are numbers if all their values are.

    Returns
    -------
    frame : polars.DataFrame
    target : str or None
        None for a file without `target`.
    """
    polars = require("polars", "cli")
    if source in BUNDLED:
        frame, target = _bundled(polars, source), target or "target"
    elif source in MADE:
        frame, target = _made(polars, source), target or "target"
    else:
        frame, target = _file(polars, source, target, how or Format(), kinds or {})
    if target is not None and target not in frame.columns:
        raise no_column(source, target, frame.columns)
    if frame.height == 0:
        raise ValueError(f"{source}: expected at least one row, got 0")
    return frame, target


def no_column(source: str, name: str, columns: Sequence[str]) -> ValueError:
    """The error of a table without the target's column."""
    among = ", ".join(columns[:20])
    return ValueError(f"{source}: expected target column {name!r} among {among}, got none")


@contextmanager
def about(source: str) -> Iterator[None]:
    """A ValueError of a table's values begins with the table's name."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error


def _frame(polars: Any, names: list[str], matrix: Any, target: Any) -> pl.DataFrame:
    columns = {name: matrix[:, i] for i, name in enumerate(names)}
    frame: pl.DataFrame = polars.DataFrame({**columns, "target": target})
    return frame


def _bundled(polars: Any, name: str) -> pl.DataFrame:
    bunch = getattr(require("sklearn.datasets", "sklearn"), f"load_{name}")()
    target = bunch.target
    if name not in ("digits", "diabetes"):
        target = np.asarray(bunch.target_names)[target].astype(str).tolist()
    return _frame(polars, [str(n) for n in bunch.feature_names], bunch.data, target)


def _made(polars: Any, name: str) -> pl.DataFrame:
    """Two classes in the plane: interleaving half circles, or two arms of a spiral."""
    half = MADE_ROWS // 2
    position = kernels.random_uniform(MADE_ROWS, seed=0)
    noise = kernels.random_normal(2 * MADE_ROWS, seed=0, stream=1).reshape(-1, 2)
    label = np.repeat([0, 1], half)
    if name == "moons":
        angle = np.pi * position
        points = np.column_stack([np.cos(angle), np.sin(angle)])
        points[half:] = [1, 0.5] - points[half:]
        points += 0.1 * noise
    else:
        radius = np.sqrt(position)
        angle = 3 * np.pi * radius + np.pi * label
        points = radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)]) + 0.02 * noise
    names = np.array(["first", "second"])[label].tolist()
    return _frame(polars, ["x1", "x2"], points, names)


def _file(
    polars: Any, path: str, target: str | None, how: Format, kinds: dict[str, str]
) -> tuple[pl.DataFrame, str | None]:
    name = path.lower().removesuffix(".gz")
    kind = ".csv" if path == "-" else os.path.splitext(name)[1]
    if path != "-" and not os.path.isfile(path):
        known = ", ".join(BUNDLED + MADE)
        raise ValueError(f"{path}: expected a file or one of {known}, got neither")
    with reading(path):
        if kind == ".npz":
            frame, target = _npz(polars, path, target)
        elif kind in PARQUET:
            check_parquet(path)
            frame = polars.read_parquet(path, glob=False)  # no pattern
        elif kind in TEXT:
            frame = _csv(polars, _content(path), how, kinds, target)
        else:
            raise ValueError("expected a .csv, .tsv, .parquet or .npz file")
        check_times(polars, frame)
    return frame, target


@contextmanager
def reading(path: str) -> Iterator[None]:
    """Errors of a library that reads a file become a ValueError of one line with its path."""
    try:
        yield
    except (MemoryError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # polars' PanicException is no Exception
        if isinstance(error, OSError) and error.filename is not None:
            raise
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise ValueError(f"{path}: {reason:.{LONGEST_REASON}}") from error


def check_parquet(path: str) -> None:
    """ValueError if a process of its own cannot read a Parquet file.

    polars ends the process for some damaged files: it asks for more memory than there is.
    """
    command = [sys.executable, "-c", _TRIAL, path]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode < 0:
        last = next(iter(done.stderr.splitlines()), "") or f"signal {-done.returncode}"
        raise ValueError(f"it cannot be read: {last}")
    if done.returncode > 0:
        raise ValueError(done.stdout or "it cannot be read")


_TRIAL = """
import sys, polars
try:
    polars.read_parquet(sys.argv[1], glob=False)
except BaseException as error:
    print(str(error) or type(error).__name__)
    sys.exit(1)
"""


def check_times(polars: Any, frame: pl.DataFrame) -> None:
    """ValueError for a time that Python's datetime lacks: polars panics when it shows one."""
    for series in frame:
        dtype: Any = series.dtype
        if not dtype.is_temporal():
            continue
        unit = (
            1 if dtype == polars.Date else DAY * PARTS_OF_SECOND[getattr(dtype, "time_unit", "ns")]
        )
        if dtype == polars.Time:
            least, most = 0, unit - 1
        elif dtype == polars.Duration:
            least, most = -(10**9) * unit + unit, 10**9 * unit - 1
        else:
            least, most = FIRST_DAY * unit, (LAST_DAY + 1) * unit - 1
        values: Any = series.to_physical()
        low, high = values.min(), values.max()
        if low is not None and not (least <= low and high <= most):
            raise ValueError(
                f"column {series.name!r}: expected times of the years 1 to 9999, got others"
            )


def _content(path: str) -> bytes:
    """The bytes of a file or of standard input, decompressed."""
    if path == "-":
        if sys.stdin is None:
            raise ValueError("expected standard input to be open, got it closed")
        content = sys.stdin.buffer.read()
    else:
        with open(path, "rb") as file:
            content = file.read()
    return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content


def _csv(
    polars: Any, content: bytes, how: Format, kinds: dict[str, str], target: str | None
) -> pl.DataFrame:
    """A CSV file's columns: numbers where `kinds` or all their values say so, else text."""
    text = records.decoded(content)
    found = records.Records(text, how.separator, how.comment, how.header)
    return typed(polars, records.frame(polars, found, how.header), how, kinds, target)


def typed(
    polars: Any,
    frame: pl.DataFrame,
    how: Format,
    kinds: dict[str, str],
    target: str | None,
    known: str = TRAINED,
) -> pl.DataFrame:
    """Columns of text as numbers where `kinds` or all their values say so.

    `known` tells where the kinds are from. A target of text keeps the values that are spelled like
    missing ones: "None" may be the name of a class.
    """
    stripped = polars.all().str.strip_chars()
    missing = MISSING if how.missing is None else ["", *how.missing]
    texts = frame.select(polars.when(~stripped.is_in(missing)).then(stripped).name.keep())
    columns = [_typed(polars, text, how, kinds.get(text.name), known) for text in texts]
    text_target = target is not None and kinds.get(target) in (None, "text")
    if text_target and target in frame.columns and how.missing is None:
        i = frame.columns.index(target)
        if columns[i].dtype == polars.String:
            text = frame[target].str.strip_chars()
            columns[i] = text.set((text == "").fill_null(False), None)
    return polars.DataFrame(columns)  # type: ignore[no-any-return]


def _typed(polars: Any, text: pl.Series, how: Format, kind: str | None, known: str) -> pl.Series:
    """A column of text as numbers or booleans, if `kind` allows it and all its values are."""
    present = text.len() - text.null_count()
    if kind == "text" or present == 0:
        return text
    if kind == "time":
        raise ValueError(
            f"column {text.name!r}: expected {KINDS[kind]}, as {known}, got text of a CSV file"
        )
    shown = _plain(text, how.decimal)
    for dtype in (polars.Int64, polars.Float64) if kind != "boolean" else ():
        made = shown.cast(dtype, strict=False)
        if made.len() - made.null_count() == present:
            return made
    lower = text.str.to_lowercase()
    truth = lower.is_in(["true", "false"])
    numbers_only = kind == "number" and known != TRAINED  # a model's numbers may be truth values
    if int(truth.sum()) == present and not numbers_only:
        return (lower == "true").rename(text.name)
    if kind == "boolean":
        wrong = text.filter(~truth)
        raise ValueError(
            f"column {text.name!r}: expected true or false, as {known}, got {wrong[0]!r}"
        )
    wrong = text.filter(made.is_null() & text.is_not_null())
    if kind == "number":
        raise ValueError(f"column {text.name!r}: expected numbers, as {known}, got {wrong[0]!r}")
    _warn(polars, text, how, wrong)
    return text


def _plain(text: pl.Series, decimal: str) -> pl.Series:
    """Numbers with a decimal point and no other; what is no number stays none."""
    if decimal == ".":
        return text
    points = text.str.contains(".", literal=True) & ~text.str.contains(GROUPED)
    shown = text.set(points.fill_null(False), "no number")
    return shown.str.replace_all(".", "", literal=True).str.replace_all(",", ".", literal=True)


def _warn(polars: Any, text: pl.Series, how: Format, wrong: pl.Series) -> None:
    """Name a column of text whose values are nearly all numbers, also by the other --decimal."""
    present, other = text.len() - text.null_count(), "." if how.decimal == "," else ","
    others = int(_plain(text, other).cast(polars.Float64, strict=False).count())
    more = others > present - wrong.len()
    if min(wrong.len(), present - others if more else present) > NEARLY * present:
        return
    hint = f"; --decimal {other} reads {others} of them as numbers" if more else ""
    print(
        f"nablas: warning: column {text.name!r} is read as text: {wrong.len()} of {present} "
        f"values are no numbers, such as {wrong[0]!r}{hint}",
        file=sys.stderr,
    )


def _npz(polars: Any, path: str, target: str | None) -> tuple[pl.DataFrame, str | None]:
    """The array X as columns x0, x1, ..., and the target's, y by default; None if there is no y."""
    name = target or "y"
    with zipfile.ZipFile(path) as arrays:
        found = [member.removesuffix(".npy") for member in arrays.namelist()]
        for needed in ("X",) if target is None else ("X", target):
            if needed not in found:
                raise ValueError(f"expected an array {needed}, got {', '.join(found)}")
        x = _array(arrays, "X")
        y = _array(arrays, name) if name in found else None
    if x.ndim < 2:
        raise ValueError(f"X: expected at least 2 dimensions, got shape {x.shape}")
    x = x.reshape(len(x), math.prod(x.shape[1:]))
    columns = {f"x{i}": x[:, i] for i in range(x.shape[1])}
    if y is None:
        return polars.DataFrame(columns), None
    if y.shape != (len(x),):
        raise ValueError(f"{name}: expected shape ({len(x)},), got {y.shape}")
    if name in columns:
        raise ValueError(f"{name}: expected a target of another name than the columns of X")
    return polars.DataFrame({**columns, name: y}), name


def _array(arrays: zipfile.ZipFile, name: str) -> Array:
    """An array of an archive, in native byte order; read to the end, where its checksum is."""
    with arrays.open(f"{name}.npy") as file:
        made: Array = np.lib.format.read_array(file, allow_pickle=False)
        if file.read(1):
            raise ValueError(f"{name}: expected an array of shape {made.shape}, got more values")
    if made.dtype.kind not in "fiubUMm":
        raise ValueError(f"{name}: expected numbers or text, got dtype {made.dtype}")
    if made.dtype.kind in "Mm":
        return _times(made, name)
    wide = made.dtype.kind == "f" and made.dtype.itemsize > 8  # which polars does not know
    return made.astype(np.float64 if wide else made.dtype.newbyteorder("="), copy=False)


def _times(array: Array, name: str) -> Array:
    """Times in native byte order, in a unit that polars knows: the array's, or milliseconds."""
    letter, unit = array.dtype.kind, np.datetime_data(array.dtype)[0]
    days = "D" if letter == "M" else ""
    found: Array = array.astype(f"{letter}8[{unit if unit in (*PARTS_OF_SECOND, days) else 'ms'}]")
    kept = np.array_equal(found.astype(array.dtype), array, equal_nan=True)
    if unit == "generic" or not kept:
        expected = "times that 64 bits hold in ms, us or ns"
        raise ValueError(f"{name}: expected {expected}, got dtype {array.dtype}")
    return found
