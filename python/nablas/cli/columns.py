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
MISSING = ["", "NA", "N/A", "NaN", "nan", "null", "None", "?"]  # spellings in text
PARTS_OF_SECOND = {"ms": 10**3, "us": 10**6, "ns": 10**9}  # by the time units of columns
DAY = 86_400  # seconds
ROUNDING = 8 * float(np.finfo(np.float64).eps)  # relative; numbers so near count as equal
KINDS = {"number": "numbers", "time": "dates or times", "text": "text"}  # as errors tell them


def kind_of(series: pl.Series) -> str:
    """Of `KINDS`, what values are read as; ValueError for others."""
    import polars as pl

    dtype = series.dtype
    if dtype.is_numeric() or dtype == pl.Boolean:
        return "number"
    if dtype.is_temporal():
        return "time"
    if any(dtype == text for text in (pl.String, pl.Categorical, pl.Enum, pl.Null)):
        return "text"
    raise ValueError(f"column {series.name!r}: expected numbers or text, got {dtype!s:.100}")


def only_spellings(series: pl.Series) -> bool:
    """Whether the values are text, each spelled like a missing one: they tell no kind."""
    import polars as pl

    return series.dtype == pl.String and bool(series.drop_nulls().is_in(MISSING).all())


def numbers(series: pl.Series) -> Array:
    """The values in float64, dates and times in seconds; NaN where missing or infinite."""
    kind = kind_of(series)
    if kind == "text":
        found = series.drop_nulls()
        if len(found) == 0:
            return np.full(len(series), np.nan)
        raise ValueError(f"column {series.name!r}: expected numbers, got {found[0]!r}")
    values = _seconds(series) if kind == "time" else _floats(series)
    return np.where(np.isfinite(values), values, np.nan)


def _floats(series: pl.Series) -> Array:
    import polars as pl

    return series.cast(pl.Float64, strict=False).to_numpy()


def _seconds(series: pl.Series) -> Array:
    """Dates and times in seconds since 1970 or midnight, durations in seconds.

    Whole seconds and the rest are converted apart, so that a time is the same number in every unit.
    """
    import polars as pl

    dtype: Any = series.dtype
    whole = series.to_physical().cast(pl.Int64)
    if dtype == pl.Date:
        return _floats(whole) * DAY
    parts = PARTS_OF_SECOND[getattr(dtype, "time_unit", "ns")]
    return _floats(whole // parts) + _floats(whole % parts) / parts


def present(frame: pl.DataFrame) -> pl.DataFrame:
    """Whether each value is there: not null and, of numbers, finite."""
    from polars import selectors

    floats = selectors.float()
    return frame.with_columns(floats.is_finite().fill_null(False), (~floats).is_not_null())


class Numbers:
    """Mean and standard deviation of the values present, block by block.

    The blocks' means and sums of squared deviations are combined as by Chan, Golub and LeVeque
    (1983). `kind` is "number" or "time".
    """

    def __init__(self, kind: str = "number") -> None:
        self.kind = kind
        self.count, self.mean, self.squares, self.missing = 0, 0.0, 0.0, False
        self.least, self.most = math.inf, -math.inf

    def update(self, series: pl.Series) -> None:
        """Add a block of values."""
        values = numbers(series)
        present = values[~np.isnan(values)]
        self.missing |= len(present) < len(values)
        if len(present) == 0:
            return
        self.least = min(self.least, float(present.min()))
        self.most = max(self.most, float(present.max()))
        count = self.count + len(present)
        with np.errstate(over="ignore", invalid="ignore"):  # `finish` refuses what is not finite
            step = float(present.mean()) - self.mean
            share = len(present) / count
            self.squares += float(present.var()) * len(present) + step * step * share * self.count
        self.mean += step * share
        self.count = count

    def finish(self, what: str) -> dict[str, float]:
        """Mean and scale; ValueError that begins with `what` for numbers too far apart.

        The scale is the standard deviation, or 1 of numbers that only rounding tells apart.
        """
        deviation = math.sqrt(self.squares / self.count) if self.count else 0.0
        if not (math.isfinite(deviation) and math.isfinite(self.mean)):
            raise ValueError(f"{what}: expected numbers less than 1e150 apart, got others")
        one = self.most - self.least <= ROUNDING * max(abs(self.least), abs(self.most))
        return {"mean": self.mean, "scale": 1.0 if one or deviation == 0 else deviation}


class Texts:
    """How often each value occurs, block by block."""

    kind = "text"

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

    known = series.cast(pl.String).cast(pl.Enum(categories), strict=False)
    made = known.to_physical().cast(pl.Int64).to_numpy()  # floats where some are missing
    return np.where(np.isnan(made), -1, made).astype(np.int64)
