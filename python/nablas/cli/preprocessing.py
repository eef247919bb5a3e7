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
    def learn(cls, frame: pl.DataFrame, target: str, task: str) -> Preprocessor:
        """Learn the encoding from a table; `task` is auto, classification or regression."""
        columns = [_learn_column(frame[name]) for name in frame.columns if name != target]
        if not columns:
            raise ValueError(f"expected columns beside the target {target!r}, got none")
        return cls(columns, _learn_target(frame[target], task))

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
        blocks: list[Array] = []
        for column in self.columns:
            if column["name"] not in frame.columns:
                raise ValueError(f"expected column {column['name']!r}, got none of that name")
            series = frame[column["name"]]
            if column["kind"] == "number":
                values = _numbers(series)
                missing = np.isnan(values)
                filled = np.where(missing, column["mean"], values)
                blocks.append((filled - column["mean"]) / column["scale"])
            else:
                text = _text(series)
                missing = np.array([value is None for value in text], dtype=bool)
                blocks += [_equal(text, category) for category in column["categories"]]
            if column["indicator"]:
                blocks.append(missing)
        return np.column_stack(blocks).astype(np.float32)

    def targets(self, frame: pl.DataFrame) -> Array:
        """Class indices or standardised numbers, (rows,)."""
        name = self.target["name"]
        if name not in frame.columns:
            raise ValueError(f"expected target column {name!r}, got none of that name")
        series = frame[name]
        if self.target["kind"] == "number":
            mean, scale = float(self.target["mean"]), float(self.target["scale"])
            return np.asarray((_numbers(series) - mean) / scale)
        index = {category: i for i, category in enumerate(self.target["classes"])}
        codes = [index.get(value, -1) for value in _text(series)]
        for i, code in enumerate(codes):
            if code < 0:
                classes = ", ".join(index)
                raise ValueError(
                    f"target {name!r}: expected one of {classes}, got {series[i]!r} in row {i + 1}"
                )
        return np.array(codes, dtype=np.int64)

    def to_json(self) -> dict[str, Any]:
        """The encoding as JSON data, for `from_json`."""
        return {"columns": self.columns, "target": self.target}

    @classmethod
    def from_json(cls, value: Any) -> Preprocessor:
        """The inverse of `to_json`; ValueError for other data."""
        try:
            return cls(list(value["columns"]), dict(value["target"]))
        except (KeyError, TypeError) as error:
            raise ValueError(
                "expected a model made by `nablas train`, got one without its table's columns"
            ) from error


def _text(series: pl.Series) -> list[str | None]:
    import polars as pl

    return series.cast(pl.String).to_list()


def _equal(text: list[str | None], category: str) -> Array:
    return np.array([value == category for value in text], dtype=np.float64)


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
    text = [value for value in _text(series) if value is not None]
    values_, counts = np.unique(np.array(text, dtype=str), return_counts=True)
    frequent = np.argsort(-counts, kind="stable")[:MAX_CATEGORIES]
    return {
        "name": series.name,
        "kind": "text",
        "categories": sorted(str(values_[i]) for i in frequent),
        "indicator": series.null_count() > 0,
    }


def _learn_target(series: pl.Series, task: str) -> dict[str, Any]:
    if task == "auto":
        few = series.dtype.is_integer() and series.n_unique() <= MAX_INTEGER_CLASSES
        classes = few or not series.dtype.is_numeric()
        task = "classification" if classes else "regression"
    if task == "regression":
        mean, scale = _scale(_numbers(series))
        return {"name": series.name, "kind": "number", "mean": mean, "scale": scale}
    if series.n_unique() < 2:
        raise ValueError(f"target {series.name!r}: expected at least 2 classes, got 1")
    ordered = series.unique().sort()
    return {
        "name": series.name,
        "kind": "classes",
        "classes": [str(value) for value in _text(ordered)],
        "dtype": "integer" if series.dtype.is_integer() else "text",
    }
