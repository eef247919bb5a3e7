"""A source's rows as the core reads them: a data set for each block, to train on or to score."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import _checks, _data
from ._losses import Loss, LossFunction, call, resolve
from ._prepare import AnyLoss, Prepared, check_rows_to_train, check_truth, prepare, truth_of
from ._reading import Loading
from ._sources import Blocks, Checked, Part, Range, Rows, divide, gather, rows_in_place
from .network import Network

if TYPE_CHECKING:
    from ._engine import Dataset

Array = NDArray[Any]

EVALUATED = 16  # divides the rows of all blocks but the last, as the losses are summed per 16 rows


@dataclass
class Visit:
    """Rows of an epoch that are in memory together.

    Attributes
    ----------
    before, rows : int
        Rows of the epoch before these, and their number.
    data : Dataset
    targets, weight : arrays, or None for `weight`
        For a loss in Python.
    order : int array of shape (rows,), or None
        The order in which they are visited; None: as they lie.
    read : Rows, optional
        As the source gave them.
    buffer : array, optional
        What they were copied to.
    """

    before: int
    rows: int
    data: Dataset
    targets: Array
    weight: Array | None
    order: NDArray[np.int64] | None
    read: Rows | None = None
    buffer: Array | None = None

    @property
    def end(self) -> int:
        """Rows of the epoch up to the last of these."""
        return self.before + self.rows


@dataclass
class Content:
    """What a `Stream` reads rows for."""

    loss: Loss | LossFunction
    classes: list[str] | None = None
    each: Array | None = None  # weight of each class


class Stream:
    """A source's blocks, each read on a second thread while the one before is in use.

    Rows that fit into one block are kept, and rows that a source has as arrays are not copied.

    Attributes
    ----------
    until : int
        The first of the epochs of the network that will not be trained: nothing is read for it.
    """

    def __init__(self, net: Network, source: Checked, blocks: Blocks, content: Content) -> None:
        self.net, self.source, self.blocks, self.content = net, source, blocks, content
        self.rows, self.until = source.rows, 0
        self._buffers: list[Array] = []
        self._kept: Visit | None = None
        self._coming: tuple[Part, Loading[Visit]] | None = None
        self._checked = False
        self._every = None if blocks.count == 1 else rows_in_place(source, blocks.block_rows)
        self._prepared: Prepared | None = None  # of all rows

    def visits(self, shuffle: bool, seed: int, epoch: int, done: int = 0) -> Generator[Visit]:
        """The blocks of an epoch; `done` rows of it are left out, whole blocks of these at least.

        A block's arrays are used again when the next one is asked for.
        """
        parts = self.blocks.parts(shuffle, seed, epoch)
        parts = [part for part in parts if part.before + part.rows > done]
        for part, following in zip(parts, [*parts[1:], None], strict=True):
            visit = self._take(part)
            if following is None and self.blocks.count > 1 and epoch + 1 < self.until:
                following = self.blocks.parts(shuffle, seed, epoch + 1)[0]
            if following is not None:
                self._coming = following, self._loading(following)
            try:
                yield visit
            finally:
                self._release(visit)
        self._checked = True
        self._buffers.clear()  # room for the blocks of validation data

    def settle(self) -> None:
        """Wait until nothing is read any more, and forget what was read ahead."""
        coming, self._coming = self._coming, None
        if coming is not None:
            coming[1].drop()

    def _loading(self, part: Part) -> Loading[Visit]:
        return Loading(lambda: self._load(part))

    def _take(self, part: Part) -> Visit:
        """A block, which was begun to be read before or is now."""
        if self._kept is not None:
            self._kept.order = part.order()
            return self._kept
        coming, self._coming = self._coming, None
        if coming is not None and coming[0] == part:
            return coming[1].result()
        return self._loading(part).result()

    def _load(self, part: Part) -> Visit:
        every = self._every if part.seed is None or isinstance(self.content.loss, Loss) else None
        if every is not None:
            return self._load_in_place(part, every)
        with _errors_of_rows(part.ranges):
            return self._load_copy(part)

    def _load_in_place(self, part: Part, every: Rows) -> Visit:
        self.source.source.prefetch(part.ranges)
        if not self._checked:
            for begin, end in part.ranges:
                with _errors_of_rows([(begin, end)]):
                    check_rows_to_train(self.net, every.x[begin:end])
        if part.seed is None:
            [(begin, end)] = part.ranges
            weight = None if every.weight is None else every.weight[begin:end]
            read = Rows(every.x[begin:end], every.y[begin:end], weight)
            with _errors_of_rows(part.ranges):
                return _visit(part, prepare_rows(self.net, read, self.content), None, read)
        if self._prepared is None:
            with _errors_of_rows([(0, self.rows)]):
                self._prepared = prepare_rows(self.net, every, self.content)
        numbers = np.concatenate([np.arange(begin, end) for begin, end in part.ranges])
        return _visit(part, self._prepared, numbers[part.order()], None)

    def _load_copy(self, part: Part) -> Visit:
        buffer, first = None, self.source.first
        assert first is not None
        if not _data.is_sparse(first.x):
            rows = min(self.blocks.block_rows, self.rows)
            kind = first.x.dtype.newbyteorder("=")
            buffer = (
                self._buffers.pop() if self._buffers else np.empty((rows, first.x.shape[1]), kind)
            )
        read = gather(self.source, part.ranges, self.blocks.chunk_rows, buffer)
        if not self._checked:
            check_rows_to_train(self.net, read.x)
        visit = _visit(part, prepare_rows(self.net, read, self.content), part.order(), read)
        visit.buffer = buffer
        if self.blocks.count == 1:
            self._kept = visit
        return visit

    def _release(self, visit: Visit) -> None:
        if visit is self._kept:
            return
        buffer = visit.buffer
        visit.read, visit.data, visit.buffer = None, None, None  # type: ignore[assignment]
        if buffer is not None:
            self._buffers.append(buffer)


@contextmanager
def _errors_of_rows(ranges: Sequence[Range]) -> Iterator[None]:
    """Errors that name the source's rows."""

    def with_rows(text: str) -> str:
        places = ", ".join(f"{begin} to {end}" for begin, end in ranges)
        text = f"{text}, of the source's rows {places}"
        return text if len(text) < 400 else f"{text[:397]}..."

    with _checks.reworded(with_rows):
        yield


def prepare_rows(net: Network, rows: Rows, content: Content) -> Prepared:
    """Rows of a source as arrays in memory are prepared."""
    return prepare(net, *rows, content.loss, content.classes, content.each, whole=False)


def _visit(
    part: Part, found: Prepared, order: NDArray[np.int64] | None, read: Rows | None
) -> Visit:
    data, targets, weight = found.data, found.targets, found.weight
    return Visit(part.before, part.rows, data, targets, weight, order, read)


# ---- to train on ---------------------------------------------------------------------------------


def open_stream(
    net: Network,
    source: Any,
    loss: AnyLoss,
    classes: list[str] | None,
    class_weight: Any,
    batch_size: int,
    block_rows: int | None,
) -> Prepared:
    """What `prepare` returns, of a source: `x` is the source, `data` its blocks."""
    batch_size = _checks.integer("batch_size", batch_size, 1)
    if block_rows is not None:
        block_rows = _checks.integer("block_rows", block_rows, 1)
    checked, resolved = Checked(source, net.dtype), resolve(loss, net.output)
    blocks = divide(checked, batch_size, block_rows)
    content = _content(net, checked, blocks, Content(resolved, classes), class_weight)
    stream: Any = Stream(net, checked, blocks, content)
    found: Any = checked
    return Prepared(found, np.empty(0), stream, content.classes, None, resolved, content.each)


def _content(
    net: Network, source: Checked, blocks: Blocks, content: Content, class_weight: Any
) -> Content:
    """Add the classes of strings in y, if need be, and the classes' weights; all rows are read."""
    first = source.first
    assert first is not None
    named = isinstance(content.loss, Loss) and all(isinstance(value, str) for value in first.y.flat)
    if named and content.classes is None:
        found: set[str] = set()
        for begin, end in blocks.chunks():
            words = _data.plain_strings(_checks.without_bytes("y", source.read(begin, end).y))
            if words.dtype.kind != "U":
                raise TypeError(f"y: expected numbers or strings, got dtype {words.dtype}")
            found.update(np.unique(words).tolist())
        content.classes = sorted(found)
    one = prepare_rows(net, first, content)  # refuses what fits no row
    if class_weight is None:
        return content
    count = max(net.sizes[-1], 2)
    labels: list[Any] = list(content.classes or range(count))
    if not (isinstance(class_weight, str) and class_weight == "balanced"):
        codes = _data.class_codes(one.targets, count)
        content.each = _data.class_weights(class_weight, codes, labels, None)
        return content
    mass: Array = np.zeros(count)
    for begin, end in blocks.chunks():
        rows = prepare_rows(net, source.read(begin, end), content)
        codes = _data.class_codes(rows.targets, count)
        weight = np.ones(len(codes)) if rows.weight is None else rows.weight
        given = np.concatenate([mass, weight])  # the order of the sums is that of one call
        mass = np.bincount(np.concatenate([np.arange(count), codes]), given, count)
    content.each = _data.balanced_weights(mass)
    return content


# ---- to score ------------------------------------------------------------------------------------


class Evaluation:
    """Loss and score of rows that come block by block.

    Parameters
    ----------
    net : Network
    loss : Loss or function
    """

    def __init__(self, net: Network, loss: Loss | LossFunction) -> None:
        self.net, self.loss, self.rows = net, loss, 0
        self._mean, self._weight = 0.0, 0.0
        self._sums: Array | None = None
        self._score: _Accuracy | _R2 = _Accuracy() if net.metric == "accuracy" else _R2()

    def add(self, found: Prepared | Visit, x: Any, y: Array) -> None:
        """Add rows, `x` and `y` as given; their number is a multiple of 16, but of the last."""
        net, loss = self.net, self.loss
        if isinstance(loss, Loss):
            total, weight, self._sums = net.engine.evaluate_part(found.data, self.rows, self._sums)
            self._mean = total / weight if weight > 0 else 0.0
        else:
            weight = len(y) if found.weight is None else float(found.weight.sum())
            value = call(loss, net.forward(x), found.targets, found.weight)[0]
            self._weight += weight
            self._mean += (value - self._mean) * (weight / self._weight if weight > 0 else 0.0)
        self.rows += len(y)
        self._score.add(net, x, truth_of(net, found.targets, y))

    def values(self) -> tuple[float, float]:
        """The mean loss and the score of all rows."""
        return self._mean, self._score.value()


def evaluate(stream: Stream) -> tuple[float, float]:
    """The mean loss over all rows, and the score."""
    found = Evaluation(stream.net, stream.content.loss)
    try:
        with closing(stream.visits(False, 0, 0)) as visits:
            for visit in visits:
                assert visit.read is not None
                found.add(visit, visit.read.x, visit.read.y)
    except Exception:
        stream.settle()
        raise
    return found.values()


class _Accuracy:
    """The share of rows predicted correctly."""

    def __init__(self) -> None:
        self.right, self.rows = 0, 0

    def add(self, net: Network, x: Any, truth: Array) -> None:
        self.right += round(net.score(x, truth) * len(truth))
        self.rows += len(truth)

    def value(self) -> float:
        return self.right / self.rows


class _R2:
    """`metrics.r2` from sums over the rows, each output's combined as in Chan and others (1983)."""

    def __init__(self) -> None:
        self.rows, self.mean = 0, np.zeros(1)
        self.total, self.unexplained = np.zeros(1), np.zeros(1)
        self.low: Any = np.inf
        self.high: Any = -np.inf

    def add(self, net: Network, x: Any, truth: Array) -> None:
        net.score(x[:1], truth[:1])  # refuses what fits no row
        # C: sums are in the order of the memory
        y = truth.reshape(len(truth), -1).astype(float, order="C")
        predicted = net.predict(x).reshape(y.shape)
        with np.errstate(all="ignore"):  # as in `metrics.r2`
            self._add(y, y - predicted)

    def _add(self, y: Array, wrong: Array) -> None:
        self.unexplained = self.unexplained + np.square(wrong).sum(axis=0)
        rows, step = self.rows + len(y), y.mean(axis=0) - self.mean
        own = np.square(y - y.mean(axis=0)).sum(axis=0)
        self.total = self.total + own + step * step * (self.rows * len(y) / rows)
        self.mean = self.mean + step * (len(y) / rows)
        self.low, self.high = (
            np.minimum(self.low, y.min(axis=0)),
            np.maximum(self.high, y.max(axis=0)),
        )
        self.rows = rows

    def value(self) -> float:
        constant = np.equal(self.low, self.high) | np.equal(self.total, 0)  # it may underflow
        with np.errstate(all="ignore"):
            score = 1 - self.unexplained / np.where(constant, 1, self.total)
            return float(np.where(constant, np.equal(self.unexplained, 0), score).mean())


def open_validation(
    net: Network,
    source: Any,
    content: Content,
    block_rows: int | None = None,
) -> Stream:
    """A source's rows for `evaluate`, in blocks of half the size of those to train on."""
    checked = Checked(source, net.dtype)
    blocks = divide(checked, EVALUATED, None if block_rows is None else max(block_rows // 2, 1), 2)
    assert checked.first is not None
    first = prepare_rows(net, checked.first, content)  # refuses what fits no row
    check_truth(net, truth_of(net, first.targets, checked.first.y), content.classes or None)
    return Stream(net, checked, blocks, content)
