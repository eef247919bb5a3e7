"""The target of a table: its classes or numbers, learned block by block, found again in any table.

A class has the name of its value, however that is written: 1.50 is "1.5", TRUE is "true". So the
kind of the values that the classes were made of is part of the encoding, and a table's values
become that kind before they are looked up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import _checks
from .columns import Numbers, codes_of, kind_of, only_spellings

if TYPE_CHECKING:
    import polars as pl

Array = NDArray[Any]
MAX_INTEGER_CLASSES = 50
KINDS = {  # of the values that classes are made of
    "integer": "numbers",
    "number": "numbers",
    "boolean": "true or false",
    "text": "text",
}
NUMERIC = ("integer", "number")
MOST_WHOLE = 2.0**53  # a float that is less is an integer exactly, or none


def present(series: pl.Series) -> pl.Series:
    """Whether each value is there: neither null nor NaN."""
    found = series.is_not_null()
    return found & series.is_not_nan() if series.dtype.is_float() else found


def with_target(frame: pl.DataFrame, name: str, before: int = 0) -> tuple[pl.DataFrame, Array]:
    """The rows that have a target, and their numbers in the table, from 0.

    `before` rows of the table come before the frame.
    """
    if name not in frame.columns:
        among = ", ".join(frame.columns[:20])
        raise ValueError(f"expected target column {name!r} among {among}, got none")
    kept = present(frame[name])
    return frame.filter(kept), before + np.flatnonzero(kept.to_numpy())


def no_target(source: str, name: str) -> ValueError:
    """The error of a table whose rows all lack the target."""
    return ValueError(f"{source}: expected a target in some row, got none in {name!r}")


def first_wrong(wrong: Array, rows: Array) -> tuple[int, int]:
    """The index of the first wrong value by the table's order, and its row there, from 1.

    Parameters
    ----------
    wrong : array of bool
        At least one is true.
    rows : array of int
        The number in the table of each value's row, from 0.
    """
    found = np.flatnonzero(wrong)
    i = int(found[rows[found].argmin()])
    return i, int(rows[i]) + 1


class Statistics:
    """The classes of all rows, or mean and standard deviation of those to train on.

    Whole numbers in a column of floats are integers if rows without a target are left out: NumPy
    and pandas have no integers in a column with missing values.
    """

    def __init__(self, name: str, task: str) -> None:
        self.name, self.task = name, task
        self.kind: str | None = None
        self.whole = True  # the numbers so far
        self.numbers = Numbers()
        self.classes: pl.Series | None = None
        self._spellings: set[str] = set()  # of missing values: classes if the target is text

    def update(self, series: pl.Series, every: pl.Series) -> None:
        """Add the rows to train on, and every row; those without a value are left out."""
        import polars as pl

        series, every = series.filter(present(series)), every.filter(present(every))
        if len(every) == 0:  # of a type that says nothing
            return
        if only_spellings(every):
            self._spellings.update(every.unique())
            return
        self._add_kind(every)
        if self.kind == "number":
            floats = every.cast(pl.Float64)
            self.whole &= bool(((floats == floats.floor()) & (floats.abs() < MOST_WHOLE)).all())
        if self.task == "auto" and self.kind == "number" and not self.whole:
            self.task = "regression"
        if self.task != "regression":
            self._add_classes(every)
        if self.task == "regression" or (self.task == "auto" and self.kind in NUMERIC):
            self.numbers.kind = kind_of(every)
            self.numbers.update(series)

    def _add_kind(self, every: pl.Series) -> None:
        kind = _kind_of(every)
        if {self.kind, kind} == {"integer", "number"}:
            self.kind = kind = "number"
        if self.kind not in (None, kind):
            expected = KINDS[str(self.kind)]
            raise ValueError(
                f"target {self.name!r}: expected {expected}, as in the rows before, got "
                f"{every[0]!r}"
            )
        self.kind = kind

    def _add_classes(self, every: pl.Series) -> None:
        import polars as pl

        if every.dtype == pl.Duration:
            raise ValueError(f"target {self.name!r}: expected text or numbers, got durations")
        found = every.unique()
        if self.classes is not None:
            if found.dtype != self.classes.dtype and self.kind == "number":
                found, self.classes = found.cast(pl.Float64), self.classes.cast(pl.Float64)
            found = pl.concat([self.classes, found]).unique()
        self.classes = found
        if self.task == "auto" and self.kind in NUMERIC and len(found) > MAX_INTEGER_CLASSES:
            self.task = "regression"

    def finish(self, left_out: bool = False) -> dict[str, Any]:
        """The encoding; `left_out`: some rows have no target."""
        if self.kind == "number" and self.whole and left_out:
            self.kind = "integer"
        if self.task == "auto" and self.kind == "number":
            self.task = "regression"
        if self.kind in (None, "text"):
            self._add_spellings()
        if self.task == "regression":
            found = self.numbers.finish(f"target {self.name!r}")
            times = {"dtype": "time"} if self.numbers.kind == "time" else {}
            return {"name": self.name, "kind": "number", **times, **found}
        classes, kind = [], self.kind or "text"
        if self.classes is not None:
            classes = _names(self.classes.sort(), kind).unique(maintain_order=True).to_list()
        if len(classes) < 2:
            raise ValueError(
                f"target {self.name!r}: expected at least 2 classes, got {len(classes)}"
                f"{': ' if classes else ''}{', '.join(classes)}"
            )
        return {"name": self.name, "kind": "classes", "classes": classes, "dtype": kind}

    def _add_spellings(self) -> None:
        """Take the values that are spelled like missing ones as classes of text."""
        import polars as pl

        if not self._spellings:
            return
        if self.task == "regression":
            got = min(self._spellings)
            raise ValueError(f"target {self.name!r}: expected numbers, got {got!r}")
        found = pl.Series(sorted(self._spellings), dtype=pl.String)
        both = found if self.classes is None else pl.concat([self.classes.cast(pl.String), found])
        self.classes = both.unique()


def _kind_of(series: pl.Series) -> str:
    """One of `KINDS`; ValueError for values that are no classes and no numbers."""
    import polars as pl

    kind_of(series)
    if series.dtype == pl.Boolean:
        return "boolean"
    if series.dtype.is_integer():
        return "integer"
    return "number" if series.dtype.is_numeric() else "text"


def _names(series: pl.Series, kind: str) -> pl.Series:
    """What the classes of the values are called; null where the kind has no such value."""
    import polars as pl

    if kind == "integer" and _kind_of(series) == "number":
        given = series.cast(pl.Float64)
        whole = given.cast(pl.Int64, strict=False)
        series = whole.set((whole.cast(pl.Float64) != given).fill_null(True), None)
    if kind == "number" and series.dtype.is_numeric():
        series = series if series.dtype.is_float() else series.cast(pl.Float64)
        series = series.set(series == 0, 0.0)  # no -0.0
    return series.cast(pl.String)


def read_kind(target: dict[str, Any]) -> str:
    """The kind of values that a target's column is read as: of `KINDS`, "number" or "time".

    Older files say "text" of all classes but integers: if all names are truth values, or decimal
    numbers as polars writes them, they were such values.
    """
    import polars as pl

    if target["kind"] == "number":
        return str(target.get("dtype", "number"))
    kind, classes = str(target["dtype"]), target["classes"]
    if kind != "text":
        return kind
    if set(classes) == {"false", "true"}:
        return "boolean"
    values = pl.Series(classes, dtype=pl.String).cast(pl.Float64, strict=False)
    return "number" if values.cast(pl.String).to_list() == classes else "text"


def class_codes(series: pl.Series, target: dict[str, Any]) -> Array:
    """The index of each value's class; -1 for others."""
    return codes_of(_names(series, read_kind(target)), target["classes"])


def labels(target: dict[str, Any], indices: Array) -> list[Any]:
    """The classes of some indices as values of the target's kind."""
    classes, kind = target["classes"], target["dtype"]
    if kind == "boolean":
        classes = [name == "true" for name in classes]
    elif kind != "text":
        classes = [int(name) if kind == "integer" else float(name) for name in classes]
    return [classes[i] for i in indices]


def check(target: dict[str, Any]) -> None:
    """TypeError, ValueError or KeyError for classes that `Statistics.finish` does not make."""
    classes, kind = target["classes"], _checks.choice("dtype", target["dtype"], tuple(KINDS))
    if kind == "boolean" and set(classes) != {"false", "true"}:
        raise ValueError("classes")
    labels(target, np.empty(0, np.int64))
