"""Rows that are read in blocks: what a source is, the order of its rows, the thread that reads.

The order of an epoch. Rows are read as *chunks*: consecutive rows, whole batches each but the last
of all, which is always visited last. Chunks in a seeded random order are put together to *blocks*,
the rows in memory at one time; within a block all rows are visited in a seeded random order. So a
row can come at any place of its block, and its chunk into any block. Without shuffling, and with
rows that fit into one block, the order is that of arrays in memory.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from . import _checks, _data, kernels

Array = NDArray[Any]
Range = tuple[int, int]
Loaded = TypeVar("Loaded")

BLOCK_BYTES = 2**27  # of a block, by default: the same on every machine, as the order depends on it
CHUNKS = 16  # of a block, unless the source asks for larger ones
SEEDS = 2**63
WAKE_UP = 0.2  # seconds: a signal that comes just before a wait begins does not end it


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


class ReadLock:
    """Held while a source is read and what it returned is copied."""

    def __init__(self) -> None:
        self.held = threading.RLock()


# By the source's id, as long as a `Checked` holds the source and its lock.
_LOCKS: WeakValueDictionary[int, ReadLock] = WeakValueDictionary()
_one_at_a_time = [threading.Lock()]  # guards _LOCKS; in a list, as a forked child gets a new one
if hasattr(os, "register_at_fork"):  # a thread that holds a lock may not be in the child
    os.register_at_fork(after_in_child=_LOCKS.clear)
    os.register_at_fork(after_in_child=lambda: _one_at_a_time.__setitem__(0, threading.Lock()))


class Checked:
    """A source whose every answer is checked: rows, columns and dtypes.

    Parameters
    ----------
    source : Source
    dtype : "float32" or "float64"
        The network's.
    """

    def __init__(self, source: Any, dtype: str) -> None:
        self.source, self.dtype = source, dtype
        with _one_at_a_time[0]:
            self._lock = _LOCKS.setdefault(id(source), ReadLock())
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
            x, y, weight = self.converted(begin, end, self.source.read(slice(begin, end)))
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
        x, y = _data.as_matrix(given[0], self.dtype), _checks.plain_array("y", given[1])
        weight = None if len(given) == 2 else given[2]
        if weight is not None:
            weight = _data.as_weights(weight, self.dtype)
        if x.shape != (end - begin, self.shape[1]):
            raise ValueError(
                f"X: expected shape {(end - begin, self.shape[1])} of rows {begin} to {end}, "
                f"got {x.shape}"
            )
        _data.check_rows(x, y, weight)
        found = Rows(x, y, weight)
        self._check_kinds(found)
        return found

    def _check_kinds(self, found: Rows) -> None:
        if self.first is None:
            return
        for name, new, old in zip(("X", "y", "sample_weight"), found, self.first, strict=True):
            mine, theirs = _kind(name, old), _kind(name, new)
            if mine != theirs:
                raise TypeError(f"{name}: expected {mine} as in the first row, got {theirs}")

    def sample(self, places: NDArray[np.int64]) -> Rows:
        """Single rows, in ascending order."""
        return gather(self, [(int(i), int(i) + 1) for i in places], 1, None)


class InPlace:
    """A source that may have its rows as arrays or memory maps, which need no copy."""

    def every_row(self) -> tuple[Any, ...] | None:
        """What `read` would return of all rows, X an array; None if there is none."""
        raise NotImplementedError

    def prefetch(self, ranges: Sequence[Range]) -> None:
        """Let the system read these rows of X from the disk."""
        raise NotImplementedError


def rows_in_place(source: Checked, most: int) -> Rows | None:
    """All rows of a source that has them as dense arrays, or None.

    `most`: bytes that targets and weights may take.
    """
    assert source.first is not None
    if not isinstance(source.source, InPlace) or _data.is_sparse(source.first.x):
        return None
    if source.rows * (row_bytes(source) - source.first.x.nbytes) > most:
        return None
    given = source.source.every_row()
    if given is None:
        return None
    x = np.asarray(given[0])
    found = source.converted(0, source.rows, (x, *given[1:]))
    return found._replace(x=x) if found.x is x else None


def _kind(name: str, array: Any) -> str:
    """What may not differ between two reads."""
    if array is None:
        return "None"
    text = array.dtype.kind in "OU" and name == "y"  # strings of any length
    kind = f"dtype {'str' if text else array.dtype.newbyteorder('=')}"
    columns = "" if name == "X" else f", shape (n{''.join(f', {c}' for c in array.shape[1:])})"
    return ("sparse " if _data.is_sparse(array) else "") + kind + columns


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
    """Memory of a row in a block: its values, its target as read and as encoded, its order."""
    assert source.first is not None
    x, y, weight = source.first
    values = x.data.nbytes + x.indices.nbytes if _data.is_sparse(x) else x.nbytes
    return int(values + 2 * y.nbytes + 24 + (0 if weight is None else 2 * weight.nbytes))


# ---- the thread ----------------------------------------------------------------------------------


class Loading(Generic[Loaded]):
    """A call on a thread of its own; it begins at once, and on this thread if none can be started.

    Parameters
    ----------
    function : function without arguments
    """

    def __init__(self, function: Callable[[], Loaded]) -> None:
        self._function = function
        self._result: list[Loaded] = []
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = threading.Thread(
            target=self._run, name="nablas reader", daemon=True
        )
        try:
            self._thread.start()
        except RuntimeError:  # no more threads can be started
            self._thread = None
            self._run()

    def _run(self) -> None:
        try:
            self._result.append(self._function())
        except BaseException as error:
            self._error = error

    def wait(self) -> None:
        """Wait for the function's end."""
        while self._thread is not None and self._thread.is_alive():
            self._thread.join(WAKE_UP)

    def result(self) -> Loaded:
        """What the function returned, when it has; or what it raised."""
        self.wait()
        if self._error is not None:
            raise self._error
        return self._result.pop()
