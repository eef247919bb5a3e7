"""Tables to float32 matrices; the encoding learned from the training table is plain JSON.

Numeric columns are standardised, also dates and times, in seconds; missing values become the mean,
with an indicator column where the training table had any. Text columns become one column for each
of their most frequent values; unknown and rarer values are zero in all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import _checks
from . import targets
from .columns import KINDS, Numbers, Texts, codes_of, kind_of, numbers

if TYPE_CHECKING:
    import polars as pl

Array = NDArray[Any]


class Statistics:
    """What a `Preprocessor` has to know of a table, learned block by block.

    Parameters
    ----------
    target : str
        The column to predict.
    task : "auto", "classification" or "regression"
        "auto": classes if the target is text or has few distinct integers.
    """

    def __init__(self, target: str, task: str) -> None:
        self._target = targets.Statistics(target, task)
        self._columns: dict[str, Numbers | Texts] = {}

    def update(self, block: pl.DataFrame, targets: pl.Series | None = None) -> None:
        """Add a block of rows.

        Parameters
        ----------
        block : polars.DataFrame
            The rows to train on, with the same columns in every block.
        targets : polars.Series, optional
            The target of all rows, if some are not to train on: a class may occur in those only.
            Default: the block's.
        """
        target = self._target.name
        for name in block.columns:
            if name == target:
                continue
            series = block[name]
            kind = kind_of(series)
            made = Texts() if kind == "text" else Numbers(kind)
            column = self._columns.setdefault(name, made)
            if kind != "text" and isinstance(column, Texts) and column.only_missing():
                column = self._columns[name] = made
                column.missing = True
            _check_kind(series, column.kind, "in the blocks before")
            column.update(series)
        self._target.update(block[target], block[target] if targets is None else targets)

    def finish(self, left_out: bool = False) -> Preprocessor:
        """The encoding of the rows so far; `left_out`: others have no target."""
        if not self._columns:
            raise ValueError(f"expected columns beside the target {self._target.name!r}, got none")
        columns = [
            {
                "name": name,
                "kind": column.kind,
                **column.finish(f"column {name!r}"),
                "indicator": column.missing,
            }
            for name, column in self._columns.items()
        ]
        return Preprocessor(columns, self._target.finish(left_out))


class Preprocessor:
    """Converts columns to features, and the target column to training targets.

    Attributes
    ----------
    columns : list of dict
        How each column is encoded.
    target : dict
        Its name, kind ("classes" or "number"), and classes and dtype, or mean and scale.
    """

    def __init__(self, columns: list[dict[str, Any]], target: dict[str, Any]) -> None:
        self.columns, self.target = columns, target

    @property
    def kinds(self) -> dict[str, str]:
        """The kind of every column: "number", "time", "text"; of the target "boolean", too."""
        kinds = {column["name"]: column["kind"] for column in self.columns}
        kind = targets.read_kind(self.target)
        return {**kinds, self.target["name"]: "number" if kind == "integer" else kind}

    @property
    def kinds_to_predict(self) -> dict[str, str]:
        """The same where the target is not used: any value of it is read."""
        return {**self.kinds, self.target["name"]: "text"}

    @property
    def unit(self) -> float:
        """What the loss is multiplied by to be in the target's unit squared; 1 for classes."""
        return float(self.target.get("scale", 1.0)) ** 2

    @property
    def features(self) -> list[str]:
        """Names of the matrix's columns."""
        names = []
        for column in self.columns:
            name = column["name"]
            if column["kind"] == "text":
                names += [f"{name}={category}" for category in column["categories"]]
            else:
                names.append(name)
            if column["indicator"]:
                names.append(f"{name} missing")
        return names

    def matrix(self, frame: pl.DataFrame, rows: Array | None = None) -> Array:
        """The features, (rows, features), float32.

        `rows` are the numbers in the table of the frame's rows, from 0, which errors tell.
        Default: as they lie.
        """
        made = np.zeros((frame.height, len(self.features)), np.float32)
        rows = np.arange(frame.height) if rows is None else rows
        at, given = 0, set(frame.columns)
        for column in self.columns:
            if column["name"] not in given:
                among = ", ".join(frame.columns[:20])
                raise ValueError(f"expected column {column['name']!r} among {among}, got none")
            series = frame[column["name"]]
            if column["kind"] != "text" or column["categories"]:  # else it never had a value
                _check_kind(series, column["kind"], "the model was trained on")
            if column["kind"] == "text":
                codes = codes_of(series, column["categories"])
                missing = series.is_null().to_numpy()
                known = np.flatnonzero(codes >= 0)
                made[known, at + codes[known]] = 1
                at += len(column["categories"])
            else:
                missing = _standardise(series, column, made[:, at], rows)
                at += 1
            if column["indicator"]:
                made[:, at] = missing
                at += 1
        return made

    def targets(self, frame: pl.DataFrame, rows: Array | None = None) -> Array:
        """Class indices or standardised numbers, (rows,); `rows` as for `matrix`."""
        name = self.target["name"]
        if name not in frame.columns:
            raise ValueError(f"expected target column {name!r}, got none of that name")
        series = frame[name]
        rows = np.arange(len(series)) if rows is None else rows
        if self.target["kind"] == "number":
            _check_kind(series, targets.read_kind(self.target), "the model was trained on")
            mean, scale = float(self.target["mean"]), float(self.target["scale"])
            values = numbers(series)
            wrong, expected = np.isnan(values), "numbers"
            made = np.asarray((values - mean) / scale)
        else:
            made = targets.class_codes(series, self.target)
            wrong, expected = made < 0, f"one of {', '.join(self.target['classes'])}"
        if wrong.any():
            i, row = targets.first_wrong(wrong, rows)
            raise ValueError(
                f"target {name!r}: expected {expected}, got {series[i]!r} in row {row}"
            )
        return made

    def to_json(self) -> dict[str, Any]:
        """The encoding as JSON data, for `from_json`."""
        return {"columns": self.columns, "target": self.target}

    @classmethod
    def from_json(cls, value: Any) -> Preprocessor:
        """The inverse of `to_json`; ValueError for other data."""
        try:
            columns, target = list(value["columns"]), dict(value["target"])
            for column in columns:
                _check_column(column)
            _check_target(target)
            names = [column["name"] for column in columns]
            if not names or len({*names, target["name"]}) <= len(names):
                raise ValueError("names")
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                "expected a model made by `nablas train`, got one without its table's columns"
            ) from error
        return cls(columns, target)


def _check_kind(series: pl.Series, kind: str, known: str) -> None:
    """ValueError for values of another kind; a column of missing values alone fits every kind."""
    if kind_of(series) != kind and series.null_count() < len(series):
        raise ValueError(
            f"column {series.name!r}: expected {KINDS[kind]}, as {known}, got "
            f"{series.drop_nulls()[0]!r}"
        )


def _standardise(series: pl.Series, column: dict[str, Any], made: Array, rows: Array) -> Array:
    """Write a column's numbers to `made`; where they are missing."""
    values = numbers(series)
    missing = np.isnan(values)
    filled = np.where(missing, column["mean"], values)
    with np.errstate(over="ignore"):
        made[:] = (filled - column["mean"]) / column["scale"]
    wrong = ~np.isfinite(made)
    if wrong.any():
        i, row = targets.first_wrong(wrong, rows)
        raise ValueError(
            f"column {column['name']!r}: expected numbers near {column['mean']:g} ± "
            f"{column['scale']:g}, got {values[i]:g} in row {row}"
        )
    return missing


def _check_column(column: dict[str, Any]) -> None:
    """TypeError, ValueError or KeyError if `Statistics.finish` makes no such column."""
    _checks.choice("kind", column["kind"], tuple(KINDS))
    _check_text(column["name"])
    _checks.flag("indicator", column["indicator"])
    if column["kind"] == "text":
        _check_names(column["categories"], 0)
    else:
        _check_numbers(column)


def _check_target(target: dict[str, Any]) -> None:
    """As `_check_column`, for the target."""
    _checks.choice("kind", target["kind"], ("number", "classes"))
    _check_text(target["name"])
    if target["kind"] == "number":
        _checks.choice("dtype", target.get("dtype", "number"), ("number", "time"))
        _check_numbers(target)
        return
    _check_names(target["classes"], 2)
    targets.check(target)


def _check_numbers(encoding: dict[str, Any]) -> None:
    _checks.number("mean", encoding["mean"])
    _checks.number("scale", encoding["scale"], above=0)


def _check_names(names: Any, least: int) -> None:
    """Different texts, at least so many."""
    for name in names:
        _check_text(name)
    if not isinstance(names, list) or not least <= len(set(names)) == len(names):
        raise ValueError("names")


def _check_text(name: Any) -> None:
    if not isinstance(name, str):
        raise TypeError("name")
    name.encode()  # UnicodeEncodeError, which is a ValueError, for half a pair of surrogates
