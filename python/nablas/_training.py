"""The loop of `MLP.fit`: one call of the core an epoch, and what happens between epochs."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _core, _data, _losses, _stepwise
from ._progress import Report, progress_bar
from .callbacks import Callback, FitState, check_monitors, is_true
from .history import History
from .optimizers import Optimizer, as_optimizer
from .schedules import Constant, Plan, Schedule

if TYPE_CHECKING:
    from .mlp import MLP

Array = NDArray[Any]


class Prepared(NamedTuple):
    """Data as the core reads them."""

    x: Array
    targets: Array
    data: _core.Dataset_float32
    classes: list[str] | None
    weight: Array | None


def prepare(
    net: MLP,
    X: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None,
    loss: Any,
    classes: list[str] | None,
) -> Prepared:
    """What `fit` and its like get, checked; string labels are those of `classes`, if given."""
    resolved = _losses.resolve(loss, net.output)
    own = callable(resolved)
    name = _losses.default_loss(net.output) if callable(resolved) else resolved
    x, targets = _data.as_matrix(X, net.dtype), np.asarray(y)
    weight = None if sample_weight is None else np.asarray(sample_weight, dtype=net.dtype)
    _data.check_rows(x, targets, weight)
    if not own:
        targets, classes = _data.as_targets(targets, name, net.sizes[-1], net.dtype, classes)
    data = net._dataset(net._core, x, None if own else targets, weight, name)
    return Prepared(x, targets, data, classes, weight)


def validation(
    net: MLP,
    given: Sequence[Any] | None,
    loss: str | _losses.LossFunction,
    classes: list[str] | None,
) -> Callable[[], tuple[float, float]] | None:
    """A function that gives the loss and the score on the validation data."""
    if given is None:
        return None
    if not (isinstance(given, (tuple, list)) and len(given) in (2, 3)):
        raise TypeError(
            f"validation_data: expected (X, y) or (X, y, sample_weight), got {type(given).__name__}"
        )
    y, weight = given[1], given[2] if len(given) == 3 else None
    try:
        x, targets, data, _, weight = prepare(net, given[0], y, weight, loss, classes)
        _data.check_finite(x, net.dtype)
        if len(x) == 0:
            raise ValueError("X: expected at least one row, got 0")
    except (TypeError, ValueError) as error:
        raise type(error)(f"validation_data, {error}") from error
    if callable(loss):
        return lambda: (_losses.call(loss, net.forward(x), targets, weight)[0], net.score(x, y))
    return lambda: (net._core.evaluate(data, 0.0), net.score(x, y))


def dropout_rates(dropout: float | Sequence[float], hidden: int) -> list[float]:
    """One rate for each layer's inputs; the data themselves are never dropped."""
    scalar = isinstance(dropout, Real)
    rates = [float(dropout)] * hidden if scalar else list(dropout)  # type: ignore[arg-type]
    if len(rates) != hidden:
        raise ValueError(f"dropout: expected {hidden} rates, got {len(rates)}")
    for rate in rates:
        if not 0 <= rate < 1:
            raise ValueError(f"dropout: expected rates from 0 to less than 1, got {rate}")
    return [0.0, *rates]


@dataclass
class Fit:
    """One fit, its arguments checked."""

    net: MLP
    optimizer: Optimizer
    trainer: _core.Trainer_float32
    data: _core.Dataset_float32
    targets: Array
    loss: str | _losses.LossFunction
    batch_size: int
    epochs: int
    shuffle: bool
    seed: int
    l2: float
    dropout: list[float]
    validation: Callable[[], tuple[float, float]] | None
    metric: str
    callbacks: Sequence[Callback]
    progress: bool
    by_batch: bool = False  # scikit-learn's accounts: see Objective in the core
    weight: Array | None = None  # of the rows, for a loss in Python
    l1: float = 0.0
    clip_norm: float | None = None
    loss_scale: float = 1.0  # of the recorded loss, penalty excluded

    def run(self) -> History:
        """All epochs; whatever ends them, callbacks with `on_fit_end` are told."""
        history = History(metric=self.metric)
        for callback in self.callbacks:
            if hasattr(callback, "on_fit_begin"):
                callback.on_fit_begin(self.net)
        try:
            bar = progress_bar(self.epochs) if self.progress else contextlib.nullcontext()
            with bar as report:
                self._epochs(history, report)
        finally:
            for callback in self.callbacks:
                if hasattr(callback, "on_fit_end"):
                    callback.on_fit_end(self.net)
        return history

    def _epochs(self, history: History, report: Report | None) -> None:
        rows = self.data.rows
        batches = -(-rows // self.batch_size)
        plan = Plan(batches, batches * self.epochs)
        constant: Schedule | None = None  # whose rates are those of the epoch before
        for epoch in range(self.epochs):
            schedule = self.optimizer.schedule  # a callback may have set another one
            if schedule is not constant:
                rates = _rates(schedule, epoch * batches, batches, plan)
                constant = schedule if type(schedule) is Constant else None
            on_rows = self._row_report(report, history, epoch, rows)
            loss, penalty, finite, seconds = self._epoch(rates, on_rows)
            if not finite:
                self.net._trained_with = None  # the optimizer's states went astray, too
                raise FloatingPointError(
                    f"loss became {'nan' if math.isnan(loss) else loss} at epoch {epoch + 1}; "
                    "lower learning_rate (the weights are finite but may be far off: initialise() "
                    "gives new ones)"
                )
            self.net._epochs_done += 1
            history.loss.append(loss * self.loss_scale + penalty)
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
    ) -> Callable[[int], None] | None:
        if report is None:
            return None
        text = _summary(history)
        return lambda done: report(epoch + done / rows, text)

    def _stopped(self, history: History, epoch: int) -> bool:
        state = FitState(self.net, epoch, history)
        for callback in self.callbacks:
            if is_true(callback(state)):
                state.stop = True
        return state.stop

    def _epoch(
        self, rates: NDArray[np.float64], on_rows: Callable[[int], None] | None
    ) -> _stepwise.Epoch:
        epoch = self.net._epochs_done
        if callable(self.loss):
            return _stepwise.with_loss(self, self.loss, rates, epoch)
        if self.l1 or self.clip_norm is not None:
            return _stepwise.with_adjusted_gradients(self, rates, epoch)
        # By place: eight keywords cost as much as an epoch of a tiny network.
        return self.trainer.run_epoch(
            self.data, rates, self.batch_size, self.shuffle, self.seed, epoch, self.dropout,
            self.l2, on_rows, self.by_batch,
        )  # fmt: skip


def _rates(schedule: Schedule, first: int, count: int, plan: Plan) -> NDArray[np.float64]:
    """The rates of an epoch's updates, or ValueError."""
    steps = np.arange(first, first + count)
    rates = np.ascontiguousarray(schedule.rates(steps, plan), dtype=np.float64)
    if not (np.isfinite(rates).all() and (rates >= 0).all()):
        raise ValueError(f"learning_rate: expected finite rates, got {rates.min()}")
    return rates


def make_fit(
    net: MLP,
    X: ArrayLike,
    y: ArrayLike,
    *,
    loss: str | _losses.LossFunction | None,
    validation_data: Sequence[Any] | None,
    sample_weight: ArrayLike | None,
    **settings: Any,
) -> Fit:
    """A `Fit` of checked arguments; those of `MLP.fit`."""
    x, targets, data, classes, weight = prepare(net, X, y, sample_weight, loss, None)
    _data.check_finite(x, net.dtype)
    if len(x) == 0:
        raise ValueError("X: expected at least one row, got 0")
    resolved = _losses.resolve(loss, net.output)
    validated = validation(net, validation_data, resolved, classes)
    fit = assemble(Fit, net, data, targets, resolved, validated, weight=weight, **settings)
    net.classes = classes
    return fit


def assemble(
    kind: type[Fit],
    net: MLP,
    data: Any,
    targets: Array,
    loss: str | _losses.LossFunction,
    validation: Callable[[], tuple[float, float]] | None,
    *,
    optimizer: Optimizer | str | None,
    batch_size: int,
    epochs: int,
    shuffle: bool,
    seed: int | None,
    l2: float,
    dropout: float | Sequence[float],
    callbacks: Sequence[Callback],
    progress: bool,
    **more: Any,
) -> Fit:
    """A `Fit` of checked data and of settings checked here; `more` are its other fields."""
    if not isinstance(shuffle, (bool, np.bool_)):
        raise TypeError(f"shuffle: expected True or False, got {type(shuffle).__name__}")
    check_monitors(callbacks, validation is not None)
    chosen = as_optimizer(optimizer)
    trained = net._trained_with
    if trained is None or trained[0] is not chosen:
        trained = chosen, net._trainer(net._core, chosen.name, {**chosen.hyperparameters})
    fit = kind(
        net=net,
        optimizer=chosen,
        trainer=trained[1],
        data=data,
        targets=targets,
        loss=loss,
        batch_size=min(_data.whole("batch_size", batch_size, 1), data.rows),
        epochs=_data.whole("epochs", epochs, 0),
        shuffle=bool(shuffle),
        seed=net.seed if seed is None else _data.whole("seed", seed, 0),
        l2=_data.penalty(l2),
        dropout=dropout_rates(dropout, len(net.sizes) - 2),
        validation=validation,
        metric=net._metric,
        callbacks=callbacks,
        progress=progress,
        **more,
    )
    if trained is not net._trained_with:
        chosen.schedule.begin()
        net._trained_with = trained
    return fit


def _summary(history: History) -> str:
    parts = [f"loss {history.loss[-1]:.4g}"] if history.loss else []
    if history.val_loss:
        parts += [
            f"val loss {history.val_loss[-1]:.4g}",
            f"val {history.metric} {history.val_score[-1]:.4g}",
        ]
    return "  ".join(parts)
