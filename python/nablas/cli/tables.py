"""Reads tables as polars frames: scikit-learn's data sets, synthetic data sets, files."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import kernels
from .._optional import require

if TYPE_CHECKING:
    import polars as pl

BUNDLED = ("digits", "iris", "wine", "breast_cancer", "diabetes")
MADE = ("moons", "spiral")
MISSING = ["", "NA", "N/A", "NaN", "nan", "null", "None", "?"]
MADE_ROWS = 1000
SEPARATORS = ",;\t|"
NEARLY = 0.1  # share of values that are no numbers, up to which a column of text is suspicious


@dataclass(frozen=True)
class Format:
    """How a CSV file is read.

    Attributes
    ----------
    separator : str, optional
        Default: the one of ``, ; tab |`` that gives the first line most fields, quotes respected.
    decimal : str
        "." or ",".
    comment : str, optional
        Lines that begin with it are left out.
    header : bool
        Whether the first line has the columns' names; else they are column_1, column_2, ...
    """

    separator: str | None = None
    decimal: str = "."
    comment: str | None = None
    header: bool = True


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
        "number" or "text" of the columns that a model knows: a CSV file's values are read as such.
        Other columns are numbers if all their values are.

    Returns
    -------
    frame : polars.DataFrame
    target : str or None
        None for a CSV or Parquet file without `target`.
    """
    polars = require("polars", "cli")
    if source in BUNDLED:
        frame, target = _bundled(polars, source), target or "target"
    elif source in MADE:
        frame, target = _made(polars, source), target or "target"
    else:
        frame, target = _file(polars, source, target, how or Format(), kinds or {})
    if frame.height == 0:
        raise ValueError(f"{source}: expected at least one row, got 0")
    return frame, target


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
    try:
        if kind == ".npz":
            return _npz(polars, path, target)
        if kind in (".parquet", ".pq"):
            frame = polars.read_parquet(path)
        elif kind in (".csv", ".tsv", ".txt", ".data"):
            frame = _csv(polars, _content(path), how, kinds)
        else:
            raise ValueError("expected a .csv, .tsv, .parquet or .npz file")
    except (MemoryError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # polars' PanicException is no Exception
        if isinstance(error, OSError) and error.filename is not None:
            raise
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise ValueError(f"{path}: {reason}") from error
    if target is not None and target not in frame.columns:
        columns = ", ".join(frame.columns[:20])
        raise ValueError(f"{path}: expected target column {target!r} among {columns}, got none")
    return frame, target


def _content(path: str) -> bytes:
    """The bytes of a file or of standard input, decompressed."""
    if path == "-":
        content = sys.stdin.buffer.read()
    else:
        with open(path, "rb") as file:
            content = file.read()
    return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content


def _csv(polars: Any, content: bytes, how: Format, kinds: dict[str, str]) -> pl.DataFrame:
    """A CSV file's columns: numbers where `kinds` or all their values say so, else text."""
    separator = _check_csv(content.decode("utf-8-sig"), how)
    frame = polars.read_csv(
        io.BytesIO(content), separator=separator, infer_schema=False, has_header=how.header,
        comment_prefix=how.comment,
    )  # fmt: skip
    names = [
        name.strip() if how.header else f"column_{i}" for i, name in enumerate(frame.columns, 1)
    ]
    frame = frame.rename(dict(zip(frame.columns, names, strict=True)))
    columns = []
    for name in frame.columns:
        text = frame[name].str.strip_chars()
        text = text.set(text.is_in(MISSING), None)
        columns.append(_typed(polars, text, how, kinds.get(name)))
    return polars.DataFrame(columns)  # type: ignore[no-any-return]


def _typed(polars: Any, text: pl.Series, how: Format, kind: str | None) -> pl.Series:
    """A column of text as numbers or booleans, if `kind` allows it and all its values are."""
    present = text.len() - text.null_count()
    if kind == "text" or present == 0:
        return text
    shown = text
    if how.decimal == ",":
        shown = text.str.replace_all(".", "", literal=True).str.replace_all(",", ".", literal=True)
    for dtype in (polars.Int64, polars.Float64):
        made = shown.cast(dtype, strict=False)
        if made.len() - made.null_count() == present:
            return made
    wrong = text.filter(made.is_null() & text.is_not_null())
    if set(text.drop_nulls().unique().str.to_lowercase().to_list()) <= {"true", "false"}:
        return (text.str.to_lowercase() == "true").rename(text.name)
    if kind == "number":
        raise ValueError(
            f"column {text.name!r}: expected numbers, as the model was trained on, got {wrong[0]!r}"
        )
    if wrong.len() <= NEARLY * present:
        hint = "; --decimal , reads it" if "," in wrong[0] else ""
        print(
            f"nablas: warning: column {text.name!r} is read as text: {wrong.len()} of {present} "
            f"values are no numbers, such as {wrong[0]!r}{hint}",
            file=sys.stderr,
        )
    return text


def _check_csv(text: str, how: Format) -> str:
    """The separator; ValueError when the rows do not all have the header's number of fields."""
    lines = io.StringIO(text, newline="")
    kept = (line for line in lines if how.comment is None or not line.startswith(how.comment))
    first = next(kept, "")
    separator = how.separator or max(
        SEPARATORS, key=lambda s: len(next(csv.reader([first], delimiter=s), []))
    )
    reader = csv.reader(itertools.chain([first], kept), delimiter=separator, skipinitialspace=True)
    header = next(reader, None)
    if not header:
        raise ValueError("expected a header line, got an empty file")
    names = [name.strip() for name in header]
    if how.header and len(set(names)) < len(names):
        raise ValueError(f"expected distinct column names, got {', '.join(names)}")
    for row in reader:
        if row and len(row) != len(header):
            raise ValueError(
                f"expected {len(header)} fields, got {len(row)} on line {reader.line_num}"
            )
    return separator


def _npz(polars: Any, path: str, target: str | None) -> tuple[pl.DataFrame, str]:
    target = target or "y"
    with np.load(path, allow_pickle=False) as arrays:
        if "X" not in arrays:
            raise ValueError(f"expected an array X, got {', '.join(arrays.files)}")
        x = arrays["X"]
        y = arrays[target] if target in arrays.files else None
    if x.ndim < 2:
        raise ValueError(f"X: expected at least 2 dimensions, got shape {x.shape}")
    x = x.reshape(len(x), -1)
    columns = {f"x{i}": x[:, i] for i in range(x.shape[1])}
    if y is not None:
        if y.shape != (len(x),):
            raise ValueError(f"{target}: expected shape ({len(x)},), got {y.shape}")
        columns[target] = y
    return polars.DataFrame(columns), target
