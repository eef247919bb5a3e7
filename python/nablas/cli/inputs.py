"""The data of ``nablas train``: a table in memory, or one that is read in blocks."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import kernels
from . import blocks, streaming, tables
from .preprocessing import Preprocessor, Statistics
from .reports import report
from .targets import no_target, with_target

if TYPE_CHECKING:
    import polars as pl

Array = NDArray[Any]
Parts = dict[str, tuple[Any, ...]]


@dataclass
class Inputs:
    """What a network is trained on.

    Attributes
    ----------
    preprocessor : Preprocessor
    data : dict
        "train", and perhaps "validation" and "test": (X, y), or a source alone.
    columns : list of dict
        The report of the table's columns.
    dropped : int
        Rows without a target, which are left out.
    block_rows : int, optional
        As for `MLP.fit`.
    """

    preprocessor: Preprocessor
    data: Parts
    columns: list[dict[str, Any]]
    dropped: int
    block_rows: int | None = None

    @property
    def validation(self) -> Any:
        """As for `MLP.fit`."""
        found = self.data.get("validation")
        return found[0] if found is not None and len(found) == 1 else found


@contextmanager
def opened(options: argparse.Namespace) -> Iterator[Inputs]:
    """The data of a training; files that they are kept in are removed at the end."""
    if not blocks.is_large(options.source, options.memory):
        yield _in_memory(options)
        return
    if options.target is None:
        raise _no_target(options)
    shares = {"test": options.test, "validation": options.validation}
    how = format_of(options)
    table = streaming.Table(options.source, options.target, how, shares, options.seed)
    preprocessor, columns = table.learn(options.task)
    cached = streaming.Cached(table, preprocessor, options.cache)
    try:
        data: Parts = {name: (source,) for name, source in cached.sources.items()}
        rows = streaming.block_rows(options, len(preprocessor.features))
        yield Inputs(preprocessor, data, columns, table.dropped, rows)
    finally:
        cached.close()


def _no_target(options: argparse.Namespace) -> ValueError:
    return ValueError(f"{options.source}: expected --target with the column to predict")


def _in_memory(options: argparse.Namespace) -> Inputs:
    frame, target = tables.read(options.source, options.target, format_of(options))
    if target is None:
        raise _no_target(options)
    every = frame.height
    frame, rows = with_target(frame, target)
    if frame.height == 0:
        raise no_target(options.source, target)
    parts = _split(frame[target], options)
    statistics = Statistics(target, options.task)
    statistics.update(frame[parts["train"]], frame[target])
    preprocessor = statistics.finish(left_out=frame.height < every)
    targets = preprocessor.targets(frame, rows)
    data: Parts = {
        name: (preprocessor.matrix(frame[order], rows[order]), targets[order])
        for name, order in parts.items()
        if len(order)
    }
    return Inputs(preprocessor, data, report(frame), every - frame.height)


def _split(target: pl.Series, options: argparse.Namespace) -> dict[str, Array]:
    """Random row numbers of each part, stratified by the target's rank.

    "test" is a share of all rows, "validation" of those that it leaves.
    """
    rows = len(target)
    shuffled = kernels.permutation(rows, seed=options.seed)
    rest = shuffled[target.rank("dense").to_numpy()[shuffled].argsort(kind="stable")]
    parts = {}
    for name, share in (("test", options.test), ("validation", options.validation)):
        count = round(len(rest) * share)
        chosen = ((np.arange(count) + 0.5) * len(rest) / max(count, 1)).astype(np.int64)
        parts[name], rest = rest[chosen], np.delete(rest, chosen)
    if len(rest) == 0:
        raise streaming.none_to_train_on(options.source, rows)
    return {"train": rest, **parts}


def format_of(options: argparse.Namespace) -> tables.Format:
    """How the options say that a CSV file is read."""
    missing = (
        None if options.missing is None else [word.strip() for word in options.missing.split(",")]
    )
    header = not options.no_header
    return tables.Format(options.separator, options.decimal, options.comment, header, missing)
