"""Rows that are read in blocks: what a source is, checks of what it gives, the order of its rows.

The order of an epoch. Rows are read as *chunks*: consecutive rows, whole batches each but the last
of all, which is always visited last. Chunks in a seeded random order are put together to *blocks*,
the rows in memory at one time; within a block all rows are visited in a seeded random order. So a
row can come at any place of its block, and its chunk into any block. Without shuffling, and with
rows that fit into one block, the order is that of arrays in memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from . import _checks, _data, kernels
from ._reading import lock_of

Array = NDArray[Any]
Range = tuple[int, int]

BLOCK_BYTES = 2**27  # of a block, by default: the same on every machine, as the order depends on it
CHUNKS = 16  # of a block, unless the source asks for larger ones
SEEDS = 2**63
PLACES, RUN = (
    64,
    16,
)  # the mean number of entries of sparse rows is estimated from PLACES runs of RUN rows


class Source(Protocol):
    """Rows in any place, which `MLP.fit` reads block by block.

    Any object with `shape` and `read` is one. An attribute `chunk_rows`, if there is one, is the
    number of consecutive rows that are best read at once, such as a Parquet file's row group.

    Attributes
    ----------
    shape : (int, int)
        Rows and features. Rows are counted once, at the beginning of a fit.

    Notes
    -----
    `read` is called on a second thread while the rows before are trained on, never twice at a time.
    What it raises ends the fit. The arrays it returns are copied before the next call. A fit that
    ends early waits for a read under way, except after Ctrl-C.
    `nablas.data`'s sources of arrays and of caches are trained on where they lie.

    Examples
    --------
    >>> class Squares:
    ...     shape = (1000, 1)
    ...
    ...     def read(self, rows):
    ...         x = np.arange(rows.start, rows.stop)[:, np.newaxis] / 1000
    ...         return x, x**2
    >>> net = nb.MLP([1, 8, 1], seed=0)
    >>> len(net.fit(Squares(), epochs=3))
    3
    """

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and features."""

    def read(self, rows: slice) -> tuple[Any, ...]:
        """The rows from ``rows.start`` up to ``rows.stop``: (X, y) or (X, y, sample_weight).

        Parameters
        ----------
        rows : slice
            Not empty, within the rows, without a step.

        Returns
        -------
        tuple
            Arrays as `MLP.fit` takes them, of the same dtypes at every call; X may be sparse.
        """


def is_source(value: Any) -> bool:
    """Whether a value has `shape` and `read` (and is no class)."""
    return not isinstance(value, type) and hasattr(value, "read") and hasattr(value, "shape")


class Rows(NamedTuple):
    """Some rows as `Checked.read` returns them."""

    x: Any
    y: Array
    weight: Any


class Checked:
    """A source whose every answer is checked: rows, columns and dtypes.

    Parameters
    ----------
    source : Source
    dtype : "float32" or "float64", or None
        The network's. None: every array stays of the dtype that it has.
    """

    def __init__(self, source: Any, dtype: str | None) -> None:
        self.source, self.dtype = source, dtype
        self._lock = lock_of(source)
        self.shape = self._shape()
        self.first: Rows | None = None
        if self.shape[0] == 0:
            raise ValueError("X: expected at least one row, got 0")
        self.first = self.read(0, 1)

    @property
    def rows(self) -> int:
        """Their number."""
        return self.shape[0]

    def _shape(self) -> tuple[int, int]:
        with _answering("shape"):
            shape = self.source.shape
        if not (isinstance(shape, tuple) and len(shape) == 2):
            raise ValueError(f"source: expected shape (rows, features), got {shape!r:.60}")
        rows, features = (_checks.integer("source, shape", count, 0) for count in shape)
        return rows, features

    def read(self, begin: int, end: int, into: Array | None = None) -> Rows:
        """The rows from `begin` to `end`, converted as arrays in memory are: copies, X in `into`.

        Waits until no other thread reads the same source.
        """
        with self._lock.held:
            if (shape := self._shape()) != self.shape:
                raise ValueError(f"source: expected shape {self.shape} as before, got {shape}")
            with _answering(f"rows {begin} to {end} from read"):
                given = self.source.read(slice(begin, end))
            x, y, weight = self.converted(begin, end, given)
            if into is None:
                into = x.copy()
            else:
                into[:] = x
            return Rows(into, y.copy(), None if weight is None else weight.copy())

    def converted(self, begin: int, end: int, given: Any) -> Rows:
        """What the source gave as the rows from `begin` to `end`, checked and converted."""
        if not (isinstance(given, (tuple, list)) and len(given) in (2, 3)):
            raise TypeError(
                "source: expected (X, y) or (X, y, sample_weight) from read, got "
                f"{type(given).__name__}"
            )
        x, y, weight = given if len(given) == 3 else (*given, None)
        x = x if _data.is_sparse(x) else _checks.numbers("X", x)
        x, y = _data.as_matrix(x, self.dtype or x.dtype.name), _checks.plain_array("y", y)
        if weight is not None:
            weight = _checks.numbers("sample_weight", weight)
            weight = _data.as_weights(weight, self.dtype or weight.dtype.name)
        if x.shape != (end - begin, self.shape[1]):
            raise ValueError(
                f"X: expected shape {(end - begin, self.shape[1])} of rows {begin} to {end}, "
                f"got {x.shape}"
            )
        _data.check_rows(x, y, weight)
        found = Rows(x, y, weight)
        check_alike(self.first, found)
        return found

    def sample(self, places: NDArray[np.int64]) -> Rows:
        """Single rows, in ascending order."""
        return gather(self, [(int(i), int(i) + 1) for i in places], 1, None)


@contextmanager
def _answering(what: str) -> Iterator[None]:
    """ValueError in place of a StopIteration, which the generators of a fit cannot pass on."""
    try:
        yield
    except StopIteration as error:
        raise ValueError(f"source: expected {what}, got StopIteration") from error


class InPlace:
    """A source that may have its rows as arrays or memory maps, which need no copy."""

    def every_row(self) -> tuple[Any, ...] | None:
        """What `read` would return of all rows, X an array; None if there is none."""
        raise NotImplementedError

    def prefetch(self, ranges: Sequence[Range]) -> None:
        """Let the system read these rows of X from the disk."""
        raise NotImplementedError


def rows_in_place(source: Checked, block_rows: int) -> Rows | None:
    """All rows of a source that has them as dense arrays which the core reads, or None.

    None also where the targets and weights of all rows would take more memory than a block of
    `block_rows` rows.
    """
    first = source.first
    assert first is not None
    if not isinstance(source.source, InPlace) or _data.is_sparse(first.x):
        return None
    beside = 2 * first.y.nbytes + 24 + (0 if first.weight is None else 2 * first.weight.nbytes)
    if source.rows * beside > block_rows * row_bytes(source):
        return None
    given = source.source.every_row()
    if given is None:
        return None
    x = np.asarray(given[0])
    row = x[:1]
    if source.converted(0, 1, (row, *(a[:1] for a in given[1:]))).x is not row:
        return None  # the core does not read this dtype, and a copy would be as large as X
    return source.converted(0, source.rows, (x, *given[1:]))._replace(x=x)


def check_alike(first: Rows | None, found: Rows) -> None:
    """TypeError if rows differ from the first ones in what may not differ between two reads."""
    if first is None:
        return
    for name, new, old in zip(("X", "y", "sample_weight"), found, first, strict=True):
        mine, theirs = kind_of(name, old), kind_of(name, new)
        if mine != theirs:
            raise TypeError(f"{name}: expected {mine} as in the first row, got {theirs}")


def kind_of(name: str, array: Any) -> str:
    """The dtype and columns of X, y or sample_weight; "None" without any."""
    if array is None:
        return "None"
    text = array.dtype.kind in "OUT" and name == "y"  # strings of any length
    kind = f"dtype {'str' if text else array.dtype.newbyteorder('=')}"
    columns = f", shape (n{''.join(f', {c}' for c in array.shape[1:])})"
    return ("sparse " if _data.is_sparse(array) else "") + kind + columns


def some_rows(rows: int, count: int) -> NDArray[np.int64]:
    """At most `count` of so many rows, ascending: random ones, the same at every call."""
    if rows <= count:
        return np.arange(rows)
    places = kernels.random_uniform(count, seed=0) * rows
    return np.unique(places.astype(np.int64).clip(max=rows - 1))


def gather(source: Checked, ranges: Sequence[Range], piece: int, buffer: Array | None) -> Rows:
    """The rows of some ranges, read in pieces of so many and put together, X in `buffer`.

    Without a `buffer`, as for sparse rows, X is a new array.
    """
    cut = [(at, min(at + piece, end)) for begin, end in ranges for at in range(begin, end, piece)]
    kept, done = [], 0
    for begin, end in cut:
        into = None if buffer is None else buffer[done : done + end - begin]
        kept.append(source.read(begin, end, into))
        done += end - begin
    y = np.concatenate([part.y for part in kept])
    weight = None
    if kept[0].weight is not None:
        weight = np.concatenate([part.weight for part in kept])
    if buffer is not None:
        return Rows(buffer[:done], y, weight)
    return Rows(_data.stacked([part.x for part in kept]), y, weight)


# ---- the order -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """A block of an epoch: rows that are in memory at one time.

    Attributes
    ----------
    before : int
        Rows of the epoch before it, which are whole batches.
    ranges : tuple of (begin, end)
        Rows of the source, ascending.
    seed, epoch : int
        Of the order within; a `seed` of None: as they lie.
    """

    before: int
    ranges: tuple[Range, ...]
    seed: int | None
    epoch: int

    @property
    def rows(self) -> int:
        """Their number."""
        return sum(end - begin for begin, end in self.ranges)

    def order(self) -> NDArray[np.int64] | None:
        """The order in which they are visited; None: as they lie."""
        if self.seed is None:
            return None
        return kernels.permutation(self.rows, seed=self.seed, epoch=self.epoch)


@dataclass(frozen=True)
class Blocks:
    """How a source's rows are divided; `chunk_rows` divides `block_rows`, the batch size both."""

    rows: int
    block_rows: int
    chunk_rows: int

    @property
    def count(self) -> int:
        """Blocks of an epoch."""
        return -(-self.rows // self.block_rows)

    def chunks(self) -> Iterator[Range]:
        """The rows of every chunk, as they lie."""
        for begin in range(0, self.rows, self.chunk_rows):
            yield begin, min(begin + self.chunk_rows, self.rows)

    def parts(self, shuffle: bool, seed: int, epoch: int) -> list[Part]:
        """The blocks of an epoch in their order."""
        chunks = -(-self.rows // self.chunk_rows)
        each = self.block_rows // self.chunk_rows
        order = np.arange(chunks)
        if shuffle and self.count > 1:
            whole = self.rows // self.chunk_rows
            order[:whole] = kernels.permutation(
                whole, seed=(seed + self.count) % SEEDS, epoch=epoch
            )
        return [
            Part(
                number * self.block_rows,
                self._ranges(order[number * each : (number + 1) * each]),
                (seed + number) % SEEDS if shuffle else None,
                epoch if shuffle else 0,
            )
            for number in range(self.count)
        ]

    def _ranges(self, chunks: NDArray[np.int64]) -> tuple[Range, ...]:
        """The rows of some chunks; neighbours are one range."""
        ranges: list[Range] = []
        for chunk in np.sort(chunks).tolist():
            begin = chunk * self.chunk_rows
            end = min(begin + self.chunk_rows, self.rows)
            if ranges and ranges[-1][1] == begin:
                begin = ranges.pop()[0]
            ranges.append((begin, end))
        return tuple(ranges)


def divide(source: Checked, batch_size: int, block_rows: int | None, parts: int = 1) -> Blocks:
    """The blocks of a source: of about `block_rows`, or of `BLOCK_BYTES` divided by `parts`."""
    batch = min(batch_size, source.rows)
    if block_rows is None:
        block_rows = BLOCK_BYTES // parts // row_bytes(source)
    batches = max(block_rows // batch, 1)
    if max(block_rows, batch) >= source.rows:
        whole = -(-source.rows // batch) * batch
        return Blocks(source.rows, whole, whole)
    wanted = getattr(source.source, "chunk_rows", None)
    chunk = batches // min(CHUNKS, batches)
    if wanted is not None:
        wanted = _checks.integer("source, chunk_rows", wanted, 1)
        chunk = min(max(chunk, round(wanted / batch)), batches)
    return Blocks(source.rows, batches // chunk * chunk * batch, chunk * batch)


def row_bytes(source: Checked) -> int:
    """The bytes that a row counts in a block of the default size, whatever dtypes the source has.

    Its values in the network's dtype, of sparse rows the mean of the entries other than 0 with
    their columns; 16 bytes for each target, as read and as encoded; 24 for its place in the order;
    its weight twice.
    """
    assert source.first is not None
    size, (x, y, weight) = np.dtype(source.dtype).itemsize, source.first
    values = x.shape[1] * size
    if _data.is_sparse(x):
        ranges = [(int(i), min(int(i) + RUN, source.rows)) for i in some_rows(source.rows, PLACES)]
        if source.rows <= PLACES * RUN:
            ranges = [(0, source.rows)]
        sample = gather(source, ranges, PLACES * RUN, None).x
        values = math.ceil(np.count_nonzero(sample.data) * (size + 4) / sample.shape[0])
    targets = math.prod(y.shape[1:])
    return int(values + 16 * targets + 24 + (0 if weight is None else 2 * size))
