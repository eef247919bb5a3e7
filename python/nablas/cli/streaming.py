"""The commands on tables larger than memory: two passes, then a cache of the encoded rows."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import kernels
from .._losses import resolve
from .._optional import require
from .._prepare import prepare
from .._sources import BLOCK_BYTES
from .._streams import Content, Evaluation, evaluate, open_validation
from ..data._cache import Cache
from ..mlp import MLP
from . import blocks, tables
from .preprocessing import Preprocessor, Statistics
from .reports import Report
from .targets import no_target, with_target

if TYPE_CHECKING:
    import polars as pl

Array = NDArray[Any]
SPLIT_ROWS = 2**16  # rows whose parts are drawn from one stream of random numbers
PARTS = ("test", "validation", "train")


class Table:
    """The rows of a table that have a target, block by block, and the part that each belongs to.

    Parameters
    ----------
    source, target : str
    how : Format
    shares : dict
        "test": of all rows, "validation": of those that "test" leaves; the rest is "train".
    seed : int
    """

    def __init__(
        self, source: str, target: str, how: tables.Format, shares: dict[str, float], seed: int
    ) -> None:
        self.source, self.target, self.how = source, target, how
        self._shares, self._seed = shares, seed
        self.dropped = 0

    def read(
        self, kinds: dict[str, str] | None = None
    ) -> Iterator[tuple[pl.DataFrame, Array, Array]]:
        """Blocks, the number in `PARTS` of each row's part, drawn by its place, and that place."""
        self.dropped, before = 0, 0
        test, validation = self._shares["test"], self._shares["validation"]
        limits = [test, test + (1 - test) * validation]
        for frame in blocks.read(self.source, self.how, kinds, self.target):
            if self.target not in frame.columns:
                raise tables.no_column(self.source, self.target, frame.columns)
            drawn = _drawn(before, before + frame.height, self._seed)
            parts = np.searchsorted(limits, drawn, side="right")
            kept, rows = with_target(frame, self.target, before)
            self.dropped += frame.height - len(rows)
            yield kept, parts[rows - before], rows
            before += frame.height

    def learn(self, task: str) -> tuple[Preprocessor, list[dict[str, Any]]]:
        """The encoding of the rows to train on, and the report of the columns: one pass."""
        statistics, columns, rows, every = Statistics(self.target, task), Report(), 0, 0
        for frame, parts, _ in self.read():
            columns.update(frame)
            own = parts == PARTS.index("train")
            rows, every = rows + int(own.sum()), every + frame.height
            statistics.update(frame.filter(own), frame[self.target])
        if every == 0:
            raise no_target(self.source, self.target)
        if rows == 0:
            raise none_to_train_on(self.source, every)
        return statistics.finish(left_out=self.dropped > 0), columns.rows()

    def encode(self, preprocessor: Preprocessor, caches: dict[str, Cache]) -> None:
        """Append every row's features and target to the cache of its part: one pass."""
        for frame, parts, rows in self.read(preprocessor.kinds):
            x, y = preprocessor.matrix(frame, rows), preprocessor.targets(frame, rows)
            for i, name in enumerate(PARTS):
                if (own := parts == i).any():
                    caches[name].append(x[own], y[own])
        for cache in caches.values():
            cache.finish()


def none_to_train_on(source: str, rows: int) -> ValueError:
    """The error of a table whose rows, which have a target, are all held out."""
    return ValueError(f"{source}: expected rows left to train on, got {rows} rows in all")


def _drawn(begin: int, end: int, seed: int) -> Array:
    """A random number from 0 to 1 for each of some rows, by its place in the table."""
    streams = range(begin // SPLIT_ROWS, end // SPLIT_ROWS + 1)
    each = [kernels.random_uniform(SPLIT_ROWS, seed=seed, stream=stream) for stream in streams]
    first = streams.start * SPLIT_ROWS
    return np.concatenate(each)[begin - first : end - first]


class Cached:
    """The encoded parts of a table in files that are removed when it is closed.

    Attributes
    ----------
    sources : dict
        The part's source by its name; parts without rows are not there.
    """

    def __init__(self, table: Table, preprocessor: Preprocessor, folder: str | None) -> None:
        with ExitStack() as stack:
            caches = {name: stack.enter_context(Cache(folder)) for name in PARTS}
            table.encode(preprocessor, caches)
            self._stack = stack.pop_all()
        self.sources = {name: caches[name] for name in reversed(PARTS) if caches[name].shape[0]}

    def close(self) -> None:
        """Remove the files."""
        self._stack.close()


def block_rows(options: argparse.Namespace, features: int) -> int | None:
    """Rows of a block, of which two are in memory, where the usual ones are half of it or more."""
    memory = blocks.memory_of(options.memory)
    if memory >= 4 * BLOCK_BYTES:
        return None
    return max(1, memory // 4 // (4 * features + 40))


def score(net: MLP, source: Any) -> tuple[float, float]:
    """Loss and score of a part."""
    return evaluate(open_validation(net, source, Content(resolve(None, net.output))))


def outputs(
    net: MLP, preprocessor: Preprocessor, source: str, how: tables.Format
) -> Iterator[Array]:
    """The outputs of a table's rows, block by block."""
    before = 0
    for frame in blocks.read(source, how, preprocessor.kinds_to_predict):
        rows = before + np.arange(frame.height)
        with tables.about(source):
            x = preprocessor.matrix(frame, rows)
        yield net.forward(x).astype(np.float64)
        before += frame.height


def evaluated(
    net: MLP, preprocessor: Preprocessor, source: str, how: tables.Format
) -> tuple[dict[str, Any], int]:
    """Rows, loss and score of a table, and how many rows without a target are left out."""
    loss = resolve(None, net.output)
    found = Evaluation(net, loss)
    rest: list[Array] = [np.empty((0, net.sizes[0]), np.float32), np.empty(0)]

    def add(x: Array, y: Array) -> None:
        if len(x):
            found.add(prepare(net, x, y, None, loss, net.classes), x, y)

    before, used, name = 0, 0, preprocessor.target["name"]
    for whole in blocks.read(source, how, preprocessor.kinds, name):
        with tables.about(source):
            frame, rows = with_target(whole, name, before)
            x, y = preprocessor.matrix(frame, rows), preprocessor.targets(frame, rows)
        before, used = before + whole.height, used + frame.height
        if len(rest[0]):
            x, y = np.concatenate([rest[0], x]), np.concatenate([rest[1], y])
        full = len(x) // 16 * 16
        add(x[:full], y[:full])
        rest = [x[full:].copy(), y[full:].copy()]
    if used == 0:
        raise no_target(source, name)
    add(*rest)
    value, scored = found.values()
    return {"rows": used, "loss": value * preprocessor.unit, net.metric: scored}, before - used


def write_csv(
    frames: Iterator[pl.DataFrame], write: Callable[[str], Any], separator: str = ","
) -> None:
    """Frames as one CSV table."""
    for i, frame in enumerate(frames):
        write(frame.write_csv(include_header=i == 0, separator=separator))


def save_csv(frames: Iterator[pl.DataFrame], path: str, separator: str = ",") -> None:
    """Frames as one CSV file."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        write_csv(frames, file.write, separator)


def save_parquet(frames: Iterator[pl.DataFrame], path: str) -> None:
    """Frames as one Parquet file, each a row group."""
    parquet, writer = require("pyarrow.parquet", "data"), None
    with ExitStack() as stack:
        for frame in frames:
            table = frame.to_arrow()
            if writer is None:
                writer = stack.enter_context(parquet.ParquetWriter(path, table.schema))
            writer.write_table(table)
