"""Tables to float32 matrices; the encoding learned from the training table is plain JSON.

Numeric columns are standardised; missing values become the mean, with an indicator column where
the training table had any. Text columns become one column for each of their most frequent values;
unknown and rarer values are zero in all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars as pl

Array = NDArray[Any]
MAX_CATEGORIES = 100
MAX_INTEGER_CLASSES = 50


def _kind(series: pl.Series) -> str:
    if series.dtype.is_numeric() or series.dtype.is_temporal() or str(series.dtype) == "Boolean":
        return "number"
    if str(series.dtype) in ("String", "Categorical", "Enum", "Null"):
        return "text"
    raise ValueError(f"column {series.name!r}: expected numbers or text, got {series.dtype}")


def _numbers(series: pl.Series) -> Array:
    """The values in float64; NaN where missing or infinite."""
    import polars as pl

    if not series.dtype.is_numeric() and _kind(series) == "text":
        found = series.drop_nulls()
        if len(found) == 0:
            return np.full(len(series), np.nan)
        raise ValueError(f"column {series.name!r}: expected numbers, got {found[0]!r}")
    values = series.to_physical().cast(pl.Float64, strict=False).to_numpy()
    return np.where(np.isfinite(values), values, np.nan)


def _scale(values: Array) -> tuple[float, float]:
    present = values[~np.isnan(values)]
    if len(present) == 0:
        return 0.0, 1.0
    deviation = float(present.std())
    return float(present.mean()), deviation if deviation > 0 else 1.0


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

    @classmethod
    def learn(cls, frame: pl.DataFrame, targets: pl.Series, task: str) -> Preprocessor:
        """Learn the encoding.

        Parameters
        ----------
        frame : polars.DataFrame
            The rows to train on.
        targets : polars.Series
            The target column of all rows: a class may be missing among those to train on.
        task : "auto", "classification" or "regression"
        """
        target = targets.name
        columns = [_learn_column(frame[name]) for name in frame.columns if name != target]
        if not columns:
            raise ValueError(f"expected columns beside the target {target!r}, got none")
        return cls(columns, _learn_target(frame[target], targets, task))

    @property
    def kinds(self) -> dict[str, str]:
        """The kind of every column of the table: "number" or "text"."""
        kinds = {column["name"]: column["kind"] for column in self.columns}
        text = self.target["kind"] == "classes" and self.target["dtype"] == "text"
        return {**kinds, self.target["name"]: "text" if text else "number"}

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

    def matrix(self, frame: pl.DataFrame) -> Array:
        """The features, (rows, features), float32."""
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
                        f"{column['scale']:g}, got {values[wrong[0]]:g} in row {wrong[0] + 1}"
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

    def targets(self, frame: pl.DataFrame) -> Array:
        """Class indices or standardised numbers, (rows,)."""
        name = self.target["name"]
        if name not in frame.columns:
            raise ValueError(f"expected target column {name!r}, got none of that name")
        series = frame[name]
        if self.target["kind"] == "number":
            mean, scale = float(self.target["mean"]), float(self.target["scale"])
            return np.asarray((_numbers(series) - mean) / scale)
        codes = _codes(series, self.target["classes"])
        if (codes < 0).any():
            i, classes = int((codes < 0).argmax()), ", ".join(self.target["classes"])
            raise ValueError(
                f"target {name!r}: expected one of {classes}, got {series[i]!r} in row {i + 1}"
            )
        return codes

    def to_json(self) -> dict[str, Any]:
        """The encoding as JSON data, for `from_json`."""
        return {"columns": self.columns, "target": self.target}

    @classmethod
    def from_json(cls, value: Any) -> Preprocessor:
        """The inverse of `to_json`; ValueError for other data."""
        try:
            made = cls(list(value["columns"]), dict(value["target"]))
            for column in made.columns:
                if column["kind"] == "number":
                    float(column["mean"]), float(column["scale"])
                else:
                    list(column["categories"])
                str(column["name"]), bool(column["indicator"])
            target = made.target
            str(target["name"])
            if target["kind"] == "number":
                float(target["mean"]), float(target["scale"])
            else:
                list(target["classes"]), str(target["dtype"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(
                "expected a model made by `nablas train`, got one without its table's columns"
            ) from error
        return made


def report(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Name, kind, distinct values, missing values and an example of every column."""
    rows = []
    for name in frame.columns:
        series = frame[name]
        present = series.drop_nulls()
        rows.append(
            {
                "name": name,
                "kind": _kind(series),
                "distinct": present.n_unique(),
                "missing": series.null_count(),
                "example": str(present[0]) if len(present) else "",
            }
        )
    return rows


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


def _learn_column(series: pl.Series) -> dict[str, Any]:
    if _kind(series) == "number":
        values = _numbers(series)
        mean, scale = _scale(values)
        return {
            "name": series.name,
            "kind": "number",
            "mean": mean,
            "scale": scale,
            "indicator": bool(np.isnan(values).any()),
        }
    import polars as pl

    counts = series.cast(pl.String).drop_nulls().rename("value").value_counts()
    ordered = counts.sort(["count", "value"], descending=[True, False])["value"]
    frequent = ordered.head(MAX_CATEGORIES).to_list()
    return {
        "name": series.name,
        "kind": "text",
        "categories": sorted(frequent),
        "indicator": series.null_count() > 0,
    }


def _learn_target(series: pl.Series, every: pl.Series, task: str) -> dict[str, Any]:
    """Mean and scale of the rows to train on, or the classes of all rows."""
    if task == "auto":
        few = every.dtype.is_integer() and every.n_unique() <= MAX_INTEGER_CLASSES
        classes = few or not series.dtype.is_numeric()
        task = "classification" if classes else "regression"
    if task == "regression":
        mean, scale = _scale(_numbers(series))
        return {"name": series.name, "kind": "number", "mean": mean, "scale": scale}
    if every.n_unique() < 2:
        raise ValueError(f"target {series.name!r}: expected at least 2 classes, got 1")
    ordered = every.unique().sort()
    return {
        "name": series.name,
        "kind": "classes",
        "classes": [str(value) for value in _text(ordered)],
        "dtype": "integer" if series.dtype.is_integer() else "text",
    }
