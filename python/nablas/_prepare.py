"""X, y, weights and a loss as the core reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _checks, _data
from ._losses import Loss, LossFunction, call, check_takes_weights, resolve
from ._registry import default_loss
from .network import Network, score_of

if TYPE_CHECKING:
    from ._engine import Dataset

Array = NDArray[Any]
AnyLoss = str | Loss | LossFunction | None


class Prepared(NamedTuple):
    """Data as the core reads them, and the loss; `targets` and `weight` are a Python loss's."""

    x: Array
    targets: Array
    data: Dataset
    classes: list[str] | None
    weight: Array | None
    loss: Loss | LossFunction
    each: Array | None  # weight of each class


def prepare(
    net: Network,
    X: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None,
    loss: AnyLoss,
    classes: list[str] | None,
    class_weight: Any = None,
    *,
    whole: bool = True,
) -> Prepared:
    """The arguments of `fit`, `loss` and `gradient`, checked and converted for the core.

    `classes`, if given, are the labels that strings in `y` must be among, [] where `y` must hold
    numbers; `class_weight` is the argument of `fit`, or the weight of each class. `whole`: these
    are all rows, not a block.
    """
    resolved = resolve(loss, net.output)
    named = resolved if isinstance(resolved, Loss) else Loss(default_loss(net.output))
    x, targets = _data.as_matrix(X, net.dtype), _checks.plain_array("y", y)
    weight = None if sample_weight is None else _data.as_weights(sample_weight, net.dtype)
    _data.check_rows(x, targets, weight)
    if named is resolved and not named.groups:  # of groups: class indices already
        targets, classes = _data.as_targets(targets, named.name, net.sizes[-1], net.dtype, classes)
    elif named is not resolved and net.sizes[-1] == 1 and targets.ndim == 1:
        targets = targets[:, np.newaxis]  # (n, 1) like the outputs, else they would broadcast
    each = of_rows = None
    if class_weight is not None:
        count = max(net.sizes[-1], 2)
        codes = _data.class_codes(targets, count)
        each = _data.class_weights(class_weight, codes, classes or list(range(count)), weight)
        of_rows = each[codes]
        weight = _data.weights_of_rows(of_rows, weight, net.dtype)
    if weight is not None and not isinstance(resolved, Loss):
        check_takes_weights(resolved)
    if whole:
        _data.check_total_weight(weight, sample_weight, of_rows)
    data = net.engine.dataset(x, targets if named is resolved else None, weight, named)
    return Prepared(x, targets, data, classes, weight, resolved, each)


def loss_of(net: Network, found: Prepared, l2: float = 0.0) -> float:
    """The mean loss of prepared data, plus the L2 penalty."""
    if isinstance(found.loss, Loss):
        return net.engine.evaluate(found.data, l2)
    value = call(found.loss, net.forward(found.x), found.targets, found.weight)[0]
    return value + net.engine.penalty(0.0, l2)


def gradient_of(net: Network, found: Prepared, l2: float) -> Array:
    """The gradient of `loss_of`, flat."""
    if isinstance(found.loss, Loss):
        return net.engine.gradient(found.data, l2)[1]
    trainer, no_dropout = net.engine.gradient_trainer(), [0.0] * (len(net.sizes) - 1)
    outputs = trainer.forward_batch(found.data, 0, found.x.shape[0], None, no_dropout, 0)
    by_outputs = call(found.loss, outputs, found.targets, found.weight)[1]
    gradient = trainer.backward_batch(by_outputs, no_dropout, 0)
    for (by_weights, _), weights in zip(net.engine.views(gradient), net.weights, strict=True):
        by_weights += 2 * l2 * weights
    return gradient


def truth_of(net: Network, targets: Array, y: Any) -> Any:
    """What `Network.score` compares with: `y`, or the most probable classes of distributions."""
    if net.output == "softmax" and net.classes is None and targets.ndim == 2:
        return targets.argmax(axis=1)
    return y


def check_truth(net: Network, y: Any, classes: list[str] | None) -> None:
    """TypeError or ValueError for targets that `Network.score` cannot compare with predictions."""
    one = net.sizes[-1] == 1 or net.output == "softmax"
    shape = (len(y),) if one else (len(y), net.sizes[-1])
    score_of(net, y, np.full(shape, classes[0]) if classes else np.zeros(shape, np.int64), classes)


def check_rows_to_train(net: Network, x: Array) -> None:
    """ValueError for no rows, or for a value that is not finite; a memory map is not read."""
    if not isinstance(x, np.memmap):
        _data.check_finite(x, net.dtype)
    if x.shape[0] == 0:
        raise ValueError("X: expected at least one row, got 0")
