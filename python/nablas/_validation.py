"""Loss and score on validation data after every epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray

from ._checkpoints import Tree, data_of
from ._checks import reworded
from ._data import check_finite
from ._losses import Loss, LossFunction
from ._prepare import check_rows_to_train, check_truth, loss_of, prepare, truth_of
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
    known = classes or ([] if isinstance(loss, Loss) else None)  # []: y held no strings
    if is_source(given):
        content = Content(loss, known, each)
        with reworded(_named):
            stream = open_validation(net, given, content, block_rows)
        return lambda: _scored(stream), lambda: data_of(stream, "validation_data, ")
    if not (isinstance(given, (tuple, list)) and len(given) in (2, 3)):
        raise TypeError(
            f"validation_data: expected (X, y) or (X, y, sample_weight), got {type(given).__name__}"
        )
    y, weight = given[1], given[2] if len(given) == 3 else None
    with reworded(_named):
        found = prepare(net, given[0], y, weight, loss, known, each)
        check_rows_to_train(net, found.x)
        truth = truth_of(net, found.targets, y)
        check_truth(net, truth, classes)

    def both() -> tuple[float, float]:
        try:
            if not math.isfinite(loss := loss_of(net, found)):
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
