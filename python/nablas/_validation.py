"""Loss and score on validation data after every epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray

from ._checkpoints import Tree, data_of
from ._checks import reworded
from ._data import check_finite
from ._losses import Loss, LossFunction, call
from ._prepare import check_rows_to_train, prepare
from ._sources import Source, is_source
from ._streams import Content, Stream, evaluate, open_validation
from .network import Network

Array = NDArray[Any]


def validation(
    net: Network,
    given: Sequence[Any] | Source | None,
    loss: Loss | LossFunction,
    classes: list[str] | None,
    each: Array | None = None,
    block_rows: int | None = None,
) -> tuple[Callable[[], tuple[float, float]] | None, Callable[[], Tree]]:
    """Two functions: of the loss, weighted as in training, and score; and of the fingerprint."""
    if given is None:
        return None, dict
    if is_source(given):
        content = Content(loss, classes, each)
        with reworded(_named):
            stream = open_validation(net, given, content, block_rows)
        return lambda: _scored(stream), lambda: data_of(stream, "validation_data, ")
    if not (isinstance(given, (tuple, list)) and len(given) in (2, 3)):
        raise TypeError(
            f"validation_data: expected (X, y) or (X, y, sample_weight), got {type(given).__name__}"
        )
    y, weight = given[1], given[2] if len(given) == 3 else None
    with reworded(_named):
        found = prepare(net, given[0], y, weight, loss, classes, each)
        check_rows_to_train(net, found.x)

    def value() -> float:
        if isinstance(found.loss, Loss):
            return net.engine.evaluate(found.data)
        return call(found.loss, net.forward(found.x), found.targets, found.weight)[0]

    truth: Any = y
    if net.output == "softmax" and net.classes is None and found.targets.ndim == 2:
        truth = found.targets.argmax(axis=1)  # of distributions, too

    def both() -> tuple[float, float]:
        try:
            if not math.isfinite(loss := value()):
                check_finite(found.x, net.dtype)  # of a memory map, which was not read before
            return loss, net.score(found.x, truth)
        except ValueError as error:
            if str(error).startswith("X: "):
                raise ValueError(f"validation_data, {error}") from error
            raise

    return both, lambda: data_of(found, "validation_data, ")


def _scored(stream: Stream) -> tuple[float, float]:
    with reworded(_named):
        return evaluate(stream)


def _named(text: str) -> str:
    return f"validation_data, {text}"
