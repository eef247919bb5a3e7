"""The loop of a fit: one call of the core per epoch, and what happens between epochs."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _checks, _data
from ._epochs import OnRows, Rates, Task
from ._losses import Loss, LossFunction, call, resolve
from ._progress import Report, progress_bar
from ._registry import default_loss
from .callbacks import AnyCallback, FitState, as_callbacks, is_true
from .history import History
from .network import Network
from .optimizers import Optimizer, as_optimizer
from .schedules import Constant, Plan, Schedule

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
) -> Prepared:
    """The arguments of `fit`, `loss` and `gradient`, checked and converted for the core.

    `classes`, if given, are the labels that strings in `y` must be among; `class_weight` is the
    argument of `fit`, or the weight of each class.
    """
    resolved = resolve(loss, net.output)
    named = resolved if isinstance(resolved, Loss) else Loss(default_loss(net.output))
    x, targets = _data.as_matrix(X, net.dtype), _checks.plain_array("y", y)
    weight = None if sample_weight is None else _data.as_weights(sample_weight, net.dtype)
    _data.check_rows(x, targets, weight)
    if named is resolved:
        targets, classes = _data.as_targets(targets, named.name, net.sizes[-1], net.dtype, classes)
    elif net.sizes[-1] == 1 and targets.ndim == 1:
        targets = targets[:, np.newaxis]  # (n, 1) like the outputs, else they would broadcast
    each = None
    if class_weight is not None:
        count = max(net.sizes[-1], 2)
        codes = _data.class_codes(targets, count)
        each = _data.class_weights(class_weight, codes, classes or list(range(count)), weight)
        of_rows = each[codes].astype(net.dtype)
        weight = of_rows if weight is None else weight * of_rows
    data = net.engine.dataset(x, targets if named is resolved else None, weight, named)
    return Prepared(x, targets, data, classes, weight, resolved, each)


def check_rows_to_train(net: Network, x: Array) -> None:
    """ValueError for no rows, or for a value that is not finite."""
    _data.check_finite(x, net.dtype)
    if x.shape[0] == 0:
        raise ValueError("X: expected at least one row, got 0")


def validation(
    net: Network,
    given: Sequence[Any] | None,
    loss: Loss | LossFunction,
    classes: list[str] | None,
    each: Array | None = None,
) -> Callable[[], tuple[float, float]] | None:
    """A function that returns the loss, weighted as in training, and the score on the data."""
    if given is None:
        return None
    if not (isinstance(given, (tuple, list)) and len(given) in (2, 3)):
        raise TypeError(
            f"validation_data: expected (X, y) or (X, y, sample_weight), got {type(given).__name__}"
        )
    y, weight = given[1], given[2] if len(given) == 3 else None
    try:
        found = prepare(net, given[0], y, weight, loss, classes, each)
        check_rows_to_train(net, found.x)
    except (TypeError, ValueError) as error:
        raise type(error)(f"validation_data, {error}") from error

    def value() -> float:
        if isinstance(found.loss, Loss):
            return net.engine.evaluate(found.data)
        return call(found.loss, net.forward(found.x), found.targets, found.weight)[0]

    truth: Any = y
    if net.output == "softmax" and net.classes is None and found.targets.ndim == 2:
        truth = found.targets.argmax(axis=1)  # of distributions, too
    return lambda: (value(), net.score(found.x, truth))


def dropout_rates(dropout: float | Sequence[float], hidden: int) -> list[float]:
    """One rate for each layer's inputs; 0 for the data."""
    if isinstance(dropout, Real):
        rates = [float(dropout)] * hidden
    else:
        rates = _checks.items("dropout", dropout, "a rate or one for each hidden layer")
    if len(rates) != hidden:
        raise ValueError(f"dropout: expected {hidden} rates, got {len(rates)}")
    for i, rate in enumerate(rates):
        rates[i] = _checks.number("dropout", rate)
        if not 0 <= rates[i] < 1:
            raise ValueError(f"dropout: expected rates from 0 to less than 1, got {rate}")
    return [0.0, *rates]


@dataclass
class Fit:
    """A fit whose arguments were checked."""

    net: Network
    task: Task
    optimizer: Optimizer
    epochs: int
    validation: Callable[[], tuple[float, float]] | None
    callbacks: tuple[AnyCallback, ...]
    progress: bool
    loss_scale: float = 1.0  # factor of the recorded loss, penalty excluded

    def run(self) -> History:
        """All epochs; `on_fit_end` is called however they end."""
        history = self.net.history = History(metric=self.net.metric)
        try:
            self._tell("on_fit_begin")
            bar = progress_bar(self.epochs) if self.progress else contextlib.nullcontext()
            with bar as report:
                self._epochs(history, report)
        finally:
            self._tell("on_fit_end")
        return history

    def _tell(self, event: str) -> None:
        for callback in self.callbacks:
            method = getattr(callback, event, None)
            if method is not None:
                method(self.net)

    def _epochs(self, history: History, report: Report | None) -> None:
        task, rows = self.task, self.task.data.rows
        batches = -(-rows // task.batch_size)
        steps_before, epochs_before = task.engine.optimizer_steps
        spanned = Plan(batches, batches * self.epochs)
        whole = Plan(batches, batches * self.epochs, steps_before, epochs_before)
        constant: Schedule | None = None  # the last epoch's if Constant: `rates` is reused
        for epoch in range(self.epochs):
            schedule = self.optimizer.schedule  # a callback may have set another one
            if schedule is not constant:
                plan = spanned if schedule.spans_fit() else whole
                first = plan.first_step + epoch * batches
                rates = _rates(schedule, first, batches, plan, self.net.dtype)
                constant = schedule if type(schedule) is Constant else None
            loss, penalty, finite, seconds = task.epoch(
                rates, self._row_report(report, history, epoch, rows)
            )
            value = loss * self.loss_scale + penalty
            if not finite or not math.isfinite(value):
                task.engine.forget_optimizer()  # its states are not finite either
                raise FloatingPointError(_divergence(self.net, task, loss, penalty, epoch + 1))
            task.engine.count_epoch()
            history.loss.append(value)
            history.learning_rate.append(float(rates[-1]))
            history.seconds.append(seconds)
            if self.validation is not None:
                val_loss, val_score = self.validation()
                history.val_loss.append(val_loss)
                history.val_score.append(val_score)
            schedule.observe((history.val_loss or history.loss)[-1])
            if self.callbacks and self._stopped(history, epoch + 1):
                break
        if report is not None:
            report(len(history), _summary(history))

    def _row_report(
        self, report: Report | None, history: History, epoch: int, rows: int
    ) -> OnRows | None:
        if report is None:
            return None
        text = _summary(history)
        return lambda done: report(epoch + done / rows, text)

    def _stopped(self, history: History, epoch: int) -> bool:
        state = FitState(self.net, epoch, history)
        for callback in self.callbacks:
            answer = callback(state)
            if answer is not None and is_true(answer):
                state.stop = True
        return state.stop


def _divergence(net: Network, task: Task, loss: float, penalty: float, epoch: int) -> str:
    """What a FloatingPointError says: the value, and the likely cause."""
    name, value = ("loss", loss) if not math.isfinite(loss) else ("penalty", penalty)
    text = f"{name} became {'nan' if math.isnan(value) else value} at epoch {epoch}; "
    targets = np.asarray(task.targets)
    if targets.dtype.kind == "f" and targets.size:
        largest = float(np.abs(targets).max())
        if largest > math.sqrt(np.finfo(net.dtype).max) / 2**16:
            return text + f"scale y: its values go up to {largest:.3g}, their squares overflow"
    return text + (
        f"lower {'learning_rate' if name == 'loss' else 'l1, l2 or learning_rate'} (the weights "
        "are finite but may be far off: initialize() gives new ones)"
    )


def _rates(schedule: Schedule, first: int, count: int, plan: Plan, dtype: str) -> Rates:
    """The rates of `count` updates; ValueError if one is negative or infinite in the dtype."""
    steps = np.arange(first, first + count)
    rates = np.ascontiguousarray(schedule.rates(steps, plan), dtype=np.float64)
    wrong = ~((rates >= 0) & (rates <= np.finfo(dtype).max))
    if wrong.any():
        raise ValueError(
            "learning_rate: expected rates of at least 0 within the range of "
            f"{dtype}, got {rates[wrong.argmax()]}"
        )
    return rates


def make_fit(
    net: Network,
    X: ArrayLike,
    y: ArrayLike,
    *,
    loss: AnyLoss,
    validation_data: Sequence[Any] | None,
    sample_weight: ArrayLike | None,
    class_weight: Any,
    **settings: Any,
) -> Fit:
    """Check the arguments of `MLP.fit` and build a `Fit`; sets `net.classes`."""
    found = prepare(net, X, y, sample_weight, loss, None, class_weight)
    check_rows_to_train(net, found.x)
    validated = validation(net, validation_data, found.loss, found.classes, found.each)
    data = {
        "data": found.data,
        "targets": found.targets,
        "weight": found.weight,
        "loss": found.loss,
    }
    fit = assemble(net, data, validated, **settings)
    net.classes = found.classes
    return fit


def assemble(
    net: Network,
    data: dict[str, Any],
    validation: Callable[[], tuple[float, float]] | None,
    *,
    optimizer: Optimizer | str | None,
    batch_size: int,
    epochs: int,
    shuffle: bool,
    seed: int | None,
    l1: float,
    l2: float,
    clip_norm: float | None,
    dropout: float | Sequence[float],
    callbacks: Iterable[AnyCallback] | None,
    progress: bool,
    loss_scale: float = 1.0,
    **more: Any,
) -> Fit:
    """A `Fit` of checked data and of settings checked here; `more` are other fields of the task."""
    chosen = as_optimizer(optimizer)
    settings = {
        "batch_size": min(_checks.integer("batch_size", batch_size, 1), data["data"].rows),
        "shuffle": _checks.flag("shuffle", shuffle),
        "seed": net.seed if seed is None else _checks.integer("seed", seed, 0),
        "l1": _checks.penalty("l1", l1, net.dtype),
        "l2": _checks.penalty("l2", l2, net.dtype),
        "clip_norm": None if clip_norm is None else _checks.number("clip_norm", clip_norm, above=0),
        "dropout": dropout_rates(dropout, len(net.sizes) - 2),
    }
    checked = as_callbacks(callbacks, validation is not None)
    most = _checks.MOST_EPOCHS - net.epochs
    count, shown = _checks.integer("epochs", epochs, 0, most), _checks.flag("progress", progress)
    task = Task(engine=net.engine, trainer=net.engine.trainer(chosen), **data, **settings, **more)
    return Fit(net, task, chosen, count, validation, checked, shown, loss_scale)


def _summary(history: History) -> str:
    parts = [f"loss {history.loss[-1]:.4g}"] if history.loss else []
    if history.val_loss:
        parts += [
            f"val loss {history.val_loss[-1]:.4g}",
            f"val {history.metric} {history.val_score[-1]:.4g}",
        ]
    return "  ".join(parts)
