"""Tables to float32 matrices; the encoding learned from the training table is plain JSON.

Numeric columns are standardised; missing values become the mean, with an indicator column where
the training table had any. Text columns become one column for each of their most frequent values;
unknown and rarer values are zero in all of them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import _checks

if TYPE_CHECKING:
    import polars as pl

Array = NDArray[Any]
MAX_CATEGORIES = 100
MAX_INTEGER_CLASSES = 50


def kind_of(series: pl.Series) -> str:
    """Whether values are read as "number" or as "text"; ValueError for others."""
    import polars as pl

    dtype = series.dtype
    if dtype.is_numeric() or dtype.is_temporal() or dtype == pl.Boolean:
        return "number"
    if any(dtype == text for text in (pl.String, pl.Categorical, pl.Enum, pl.Null)):
        return "text"
    raise ValueError(f"column {series.name!r}: expected numbers or text, got {dtype!s:.100}")


def _numbers(series: pl.Series) -> Array:
    """The values in float64; NaN where missing or infinite."""
    import polars as pl

    if not series.dtype.is_numeric() and kind_of(series) == "text":
        found = series.drop_nulls()
        if len(found) == 0:
            return np.full(len(series), np.nan)
        raise ValueError(f"column {series.name!r}: expected numbers, got {found[0]!r}")
    values = series.to_physical().cast(pl.Float64, strict=False).to_numpy()
    return np.where(np.isfinite(values), values, np.nan)


class _Numbers:
    """Mean and standard deviation of the values present, block by block.

    The blocks' means and sums of squared deviations are combined as by Chan, Golub and LeVeque
    (1983).
    """

    def __init__(self) -> None:
        self.count, self.mean, self.squares, self.missing = 0, 0.0, 0.0, False

    def update(self, series: pl.Series) -> None:
        values = _numbers(series)
        present = values[~np.isnan(values)]
        self.missing |= len(present) < len(values)
        if len(present) == 0:
            return
        count = self.count + len(present)
        with np.errstate(over="ignore", invalid="ignore"):  # `finish` refuses what is not finite
            step = float(present.mean()) - self.mean
            share = len(present) / count
            self.squares += float(present.var()) * len(present) + step * step * share * self.count
        self.mean += step * share
        self.count = count

    def finish(self, what: str) -> dict[str, float]:
        """Mean and scale; ValueError that begins with `what` for numbers too far apart."""
        deviation = math.sqrt(self.squares / self.count) if self.count else 0.0
        if not (math.isfinite(deviation) and math.isfinite(self.mean)):
            raise ValueError(f"{what}: expected numbers less than 1e150 apart, got others")
        return {"mean": self.mean, "scale": deviation if deviation > 0 else 1.0}


class _Texts:
    """How often each value occurs, block by block."""

    def __init__(self) -> None:
        self.counts: pl.DataFrame | None = None
        self.missing = False

    def update(self, series: pl.Series) -> None:
        import polars as pl

        self.missing |= series.null_count() > 0
        counts = series.cast(pl.String).drop_nulls().rename("value").value_counts()
        if self.counts is not None:
            joined = pl.concat([self.counts, counts])
            counts = joined.group_by("value").agg(pl.col("count").sum())
        self.counts = counts

    def only_missing(self) -> bool:
        return self.counts is None or self.counts.height == 0

    def finish(self, what: str) -> dict[str, list[str]]:
        """The most frequent values, sorted."""
        if self.counts is None:
            return {"categories": []}
        ordered = self.counts.sort(["count", "value"], descending=[True, False])["value"]
        return {"categories": sorted(ordered.head(MAX_CATEGORIES).to_list())}


class _Target:
    """The classes of all rows, or mean and standard deviation of those to train on."""

    def __init__(self, name: str, task: str) -> None:
        self.name, self.task, self.integer = name, task, False
        self.numbers = _Numbers()
        self.classes: pl.Series | None = None

    def update(self, series: pl.Series, every: pl.Series) -> None:
        import polars as pl

        self.integer = every.dtype.is_integer()
        if self.task == "auto" and every.dtype.is_numeric() and not self.integer:
            self.task = "regression"
        if self.task != "regression":
            if every.dtype == pl.Duration:
                raise ValueError(f"target {self.name!r}: expected text or numbers, got durations")
            found = every.unique()
            self.classes = found if self.classes is None else pl.concat([self.classes, found])
            self.classes = self.classes.unique()
            if self.task == "auto" and self.integer and len(self.classes) > MAX_INTEGER_CLASSES:
                self.task = "regression"
        if self.task == "regression" or (self.task == "auto" and self.integer):
            self.numbers.update(series)

    def finish(self) -> dict[str, Any]:
        if self.task == "regression":
            return {
                "name": self.name,
                "kind": "number",
                **self.numbers.finish(f"target {self.name!r}"),
            }
        classes = [] if self.classes is None else _text(self.classes.sort())
        if len(classes) < 2:
            raise ValueError(
                f"target {self.name!r}: expected at least 2 classes, got {len(classes)}"
            )
        return {
            "name": self.name,
            "kind": "classes",
            "classes": [str(value) for value in classes],
            "dtype": "integer" if self.integer else "text",
        }


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
        self._target = _Target(target, task)
        self._columns: dict[str, _Numbers | _Texts] = {}

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
            made = _Numbers if kind_of(series) == "number" else _Texts
            column = self._columns.setdefault(name, made())
            if made is _Numbers and isinstance(column, _Texts) and column.only_missing():
                column = self._columns[name] = _Numbers()
                column.missing = True
            if not isinstance(column, made) and series.null_count() < len(series):
                expected = "numbers" if isinstance(column, _Numbers) else "text"
                raise ValueError(
                    f"column {name!r}: expected {expected}, as in the blocks before, got "
                    f"{series.drop_nulls()[0]!r}"
                )
            column.update(series)
        self._target.update(block[target], block[target] if targets is None else targets)

    def finish(self) -> Preprocessor:
        """The encoding of the rows so far."""
        if not self._columns:
            raise ValueError(f"expected columns beside the target {self._target.name!r}, got none")
        columns = [
            {
                "name": name,
                "kind": "number" if isinstance(column, _Numbers) else "text",
                **column.finish(f"column {name!r}"),
                "indicator": column.missing,
            }
            for name, column in self._columns.items()
        ]
        return Preprocessor(columns, self._target.finish())


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
        """The kind of every column of the table: "number" or "text"."""
        kinds = {column["name"]: column["kind"] for column in self.columns}
        text = self.target["kind"] == "classes" and self.target["dtype"] == "text"
        return {**kinds, self.target["name"]: "text" if text else "number"}

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
            if column["kind"] == "number":
                names.append(name)
            else:
                names += [f"{name}={category}" for category in column["categories"]]
            if column["indicator"]:
                names.append(f"{name} missing")
        return names

    def matrix(self, frame: pl.DataFrame, before: int = 0) -> Array:
        """The features, (rows, features), float32; `before` rows of the table come before."""
        made = np.zeros((frame.height, len(self.features)), np.float32)
        at = 0
        for column in self.columns:
            if column["name"] not in frame.columns:
                raise ValueError(f"expected column {column['name']!r}, got none of that name")
            series = frame[column["name"]]
            if column["kind"] == "number":
                values = _numbers(series)
                missing = np.isnan(values)
                filled = np.where(missing, column["mean"], values)
                with np.errstate(over="ignore"):
                    made[:, at] = (filled - column["mean"]) / column["scale"]
                wrong = np.flatnonzero(~np.isfinite(made[:, at]))
                if len(wrong):
                    raise ValueError(
                        f"column {column['name']!r}: expected numbers near {column['mean']:g} ± "
                        f"{column['scale']:g}, got {values[wrong[0]]:g} in row "
                        f"{before + wrong[0] + 1}"
                    )
                at += 1
            else:
                codes = _codes(series, column["categories"])
                missing = series.is_null().to_numpy()
                known = np.flatnonzero(codes >= 0)
                made[known, at + codes[known]] = 1
                at += len(column["categories"])
            if column["indicator"]:
                made[:, at] = missing
                at += 1
        return made

    def targets(self, frame: pl.DataFrame, before: int = 0) -> Array:
        """Class indices or standardised numbers, (rows,); `before` as for `matrix`."""
        name = self.target["name"]
        if name not in frame.columns:
            raise ValueError(f"expected target column {name!r}, got none of that name")
        series = frame[name]
        if self.target["kind"] == "number":
            mean, scale = float(self.target["mean"]), float(self.target["scale"])
            values = _numbers(series)
            missing = np.flatnonzero(np.isnan(values))
            if len(missing):
                i = int(missing[0])
                raise ValueError(
                    f"target {name!r}: expected numbers, got {series[i]} in row {before + i + 1}"
                )
            return np.asarray((values - mean) / scale)
        codes = _codes(series, self.target["classes"])
        if (codes < 0).any():
            i, classes = int((codes < 0).argmax()), ", ".join(self.target["classes"])
            raise ValueError(
                f"target {name!r}: expected one of {classes}, got {series[i]!r} in row "
                f"{before + i + 1}"
            )
        return codes

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


def _check_column(column: dict[str, Any]) -> None:
    """TypeError, ValueError or KeyError if `Statistics.finish` makes no such column."""
    _checks.choice("kind", column["kind"], ("number", "text"))
    _check_text(column["name"])
    _checks.flag("indicator", column["indicator"])
    if column["kind"] == "number":
        _check_numbers(column)
    else:
        _check_names(column["categories"], 0)


def _check_target(target: dict[str, Any]) -> None:
    """As `_check_column`, for the target."""
    _checks.choice("kind", target["kind"], ("number", "classes"))
    _check_text(target["name"])
    if target["kind"] == "number":
        _check_numbers(target)
        return
    _check_names(target["classes"], 2)
    if _checks.choice("dtype", target["dtype"], ("integer", "text")) == "integer":
        for name in target["classes"]:
            int(name)


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


def _text(series: pl.Series) -> list[str | None]:
    import polars as pl

    return series.cast(pl.String).to_list()


def _codes(series: pl.Series, categories: list[str]) -> Array:
    """The index of each value among the categories, -1 for others and missing ones."""
    import polars as pl

    numbers = list(range(len(categories)))
    made = series.cast(pl.String).replace_strict(
        categories, numbers, default=-1, return_dtype=pl.Int64
    )
    return made.fill_null(-1).to_numpy()
