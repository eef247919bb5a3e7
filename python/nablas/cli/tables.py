"""Reads tables as polars frames: scikit-learn's data sets, synthetic data sets, files."""

from __future__ import annotations

import csv
import os
import zipfile
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


def read(source: str, target: str | None) -> tuple[pl.DataFrame, str | None]:
    """The table and the name of its target column.

    Parameters
    ----------
    source : str
        The name of a bundled or synthetic data set, or a file's path.
    target : str, optional
        The column to predict. Default: "target" of data sets, "y" of NPZ files.

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
        frame, target = _file(polars, source, target)
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


def _file(polars: Any, path: str, target: str | None) -> tuple[pl.DataFrame, str | None]:
    kind = os.path.splitext(path)[1].lower()
    if not os.path.isfile(path):
        known = ", ".join(BUNDLED + MADE)
        raise ValueError(f"{path}: expected a file or one of {known}, got neither")
    try:
        if kind == ".npz":
            return _npz(polars, path, target)
        if kind in (".parquet", ".pq"):
            frame = polars.read_parquet(path)
        elif kind in (".csv", ".tsv", ".txt"):
            frame = polars.read_csv(
                path,
                separator=_check_csv(path),
                null_values=MISSING,
                infer_schema_length=None,
            )
        else:
            raise ValueError("expected a .csv, .tsv, .parquet or .npz file")
    except (polars.exceptions.PolarsError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {str(error).splitlines()[0]}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if target is not None and target not in frame.columns:
        columns = ", ".join(frame.columns[:20])
        raise ValueError(f"{path}: expected target column {target!r} among {columns}, got none")
    return frame, target


def _check_csv(path: str) -> str:
    """The separator; ValueError when the rows do not all have the header's number of fields."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        first = file.readline()
        separator = max(",;\t", key=first.count)
        file.seek(0)
        reader = csv.reader(file, delimiter=separator)
        header = next(reader, None)
        if not header:
            raise ValueError("expected a header line, got an empty file")
        if len(set(header)) < len(header):
            raise ValueError(f"expected distinct column names, got {', '.join(header)}")
        for row in reader:
            if row and len(row) != len(header):
                raise ValueError(
                    f"expected {len(header)} fields, got {len(row)} on line {reader.line_num}"
                )
    return separator


def _npz(polars: Any, path: str, target: str | None) -> tuple[pl.DataFrame, str]:
    target = target or "y"
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if "X" not in arrays:
                raise ValueError(f"expected an array X, got {', '.join(arrays.files)}")
            x = arrays["X"]
            y = arrays[target] if target in arrays.files else None
    except (zipfile.BadZipFile, EOFError) as error:
        raise ValueError(f"expected an NPZ file, got a damaged one ({error})") from error
    if x.ndim < 2:
        raise ValueError(f"X: expected at least 2 dimensions, got shape {x.shape}")
    x = x.reshape(len(x), -1)
    columns = {f"x{i}": x[:, i] for i in range(x.shape[1])}
    if y is not None:
        if y.shape != (len(x),):
            raise ValueError(f"{target}: expected shape ({len(x)},), got {y.shape}")
        columns[target] = y
    return polars.DataFrame(columns), target
