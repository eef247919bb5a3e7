"""Columns of tables: their kinds, their numbers, what is learned of them block by block."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars as pl

Array = NDArray[Any]
MAX_CATEGORIES = 100


def kind_of(series: pl.Series) -> str:
    """Whether values are read as "number" or as "text"; ValueError for others."""
    import polars as pl

    dtype = series.dtype
    if dtype.is_numeric() or dtype.is_temporal() or dtype == pl.Boolean:
        return "number"
    if any(dtype == text for text in (pl.String, pl.Categorical, pl.Enum, pl.Null)):
        return "text"
    raise ValueError(f"column {series.name!r}: expected numbers or text, got {dtype!s:.100}")


def numbers(series: pl.Series) -> Array:
    """The values in float64; NaN where missing or infinite."""
    import polars as pl

    if not series.dtype.is_numeric() and kind_of(series) == "text":
        found = series.drop_nulls()
        if len(found) == 0:
            return np.full(len(series), np.nan)
        raise ValueError(f"column {series.name!r}: expected numbers, got {found[0]!r}")
    values = series.to_physical().cast(pl.Float64, strict=False).to_numpy()
    return np.where(np.isfinite(values), values, np.nan)


class Numbers:
    """Mean and standard deviation of the values present, block by block.

    The blocks' means and sums of squared deviations are combined as by Chan, Golub and LeVeque
    (1983).
    """

    def __init__(self) -> None:
        self.count, self.mean, self.squares, self.missing = 0, 0.0, 0.0, False

    def update(self, series: pl.Series) -> None:
        """Add a block of values."""
        values = numbers(series)
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


class Texts:
    """How often each value occurs, block by block."""

    def __init__(self) -> None:
        self.counts: pl.DataFrame | None = None
        self.missing = False

    def update(self, series: pl.Series) -> None:
        """Add a block of values."""
        import polars as pl

        self.missing |= series.null_count() > 0
        counts = series.cast(pl.String).drop_nulls().rename("value").value_counts()
        if self.counts is not None:
            joined = pl.concat([self.counts, counts])
            counts = joined.group_by("value").agg(pl.col("count").sum())
        self.counts = counts

    def only_missing(self) -> bool:
        """Whether there was no value so far."""
        return self.counts is None or self.counts.height == 0

    def finish(self, what: str) -> dict[str, list[str]]:
        """The most frequent values, sorted."""
        if self.counts is None:
            return {"categories": []}
        ordered = self.counts.sort(["count", "value"], descending=[True, False])["value"]
        return {"categories": sorted(ordered.head(MAX_CATEGORIES).to_list())}


def codes_of(series: pl.Series, categories: list[str]) -> Array:
    """The index of each value among the categories, -1 for others and missing ones."""
    import polars as pl

    numbers = list(range(len(categories)))
    made = series.cast(pl.String).replace_strict(
        categories, numbers, default=-1, return_dtype=pl.Int64
    )
    return made.fill_null(-1).to_numpy()
