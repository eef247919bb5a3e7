"""What is in a table's columns, told before a training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .columns import kind_of, present

if TYPE_CHECKING:
    import polars as pl

MOST_DISTINCT = 1000  # values of a column that are counted in a table read in blocks


def report(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Name, kind, distinct values, missing values and an example of every column."""
    found = Report(None)
    found.update(frame)
    return found.rows()


class Report:
    """The same of a table that is read in blocks.

    Parameters
    ----------
    most : int or None
        Distinct values that are counted; of a column with more the number is None.
    """

    def __init__(self, most: int | None = MOST_DISTINCT) -> None:
        self._most = most
        self._rows: dict[str, dict[str, Any]] = {}
        self._values: dict[str, pl.Series | None] = {}

    def update(self, frame: pl.DataFrame) -> None:
        """Add a block of rows."""
        for series, there in zip(frame, present(frame), strict=True):
            values = series.filter(there)
            row = self._rows.setdefault(
                series.name,
                {"name": series.name, "kind": "", "distinct": 0, "missing": 0, "example": ""},
            )
            row["missing"] += len(series) - len(values)
            if row["distinct"] == 0:
                row["kind"] = kind_of(series)
                row["example"] = str(values[0]) if len(values) else ""
            if row["distinct"] is not None:
                self._count(row, values)

    def _count(self, row: dict[str, Any], values: pl.Series) -> None:
        kept = self._values.get(row["name"])
        if kept is not None and len(kept):
            values = kept.append(values.cast(kept.dtype, strict=False))
        distinct = values.unique()
        few = self._most is None or len(distinct) <= self._most
        row["distinct"] = len(distinct) if few else None
        self._values[row["name"]] = distinct if few else None

    def rows(self) -> list[dict[str, Any]]:
        """One for each column."""
        return list(self._rows.values())
