"""The loop of a fit: one call of the core per epoch, and what happens between epochs."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _checks
from ._checkpoints import State, Tree, data_of, run_epoch, settings_of, training
from ._epochs import OnRows, Rates, Task
from ._prepare import AnyLoss, Prepared, check_rows_to_train, prepare
from ._progress import Report, progress_bar
from ._resume import Resumed
from ._sources import Source, is_source
from ._streams import Stream, open_stream
from ._validation import validation
from .callbacks import AnyCallback, Checkpoint, FitState, as_callbacks, has_checkpoint, is_true
from .history import History
from .network import Network
from .optimizers import Optimizer, as_optimizer
from .schedules import Constant, Plan, Schedule

Array = NDArray[Any]


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
    identity: Tree | None = None  # for checkpoints to resume from; without, they hold the network
    resumed: Resumed | None = None
    state: State = field(init=False)

    def run(self) -> History:
        """All epochs; `on_fit_end` is called however they end."""
        self.state = State(History(metric=self.net.metric))
        kept = None if self.resumed is None else self.resumed.kept
        try:
            try:
                self._begin()
                kept = self.resumed = None
                bar = progress_bar(self.epochs) if self.progress else contextlib.nullcontext()
                with bar as report:
                    self._epochs(report)
            finally:
                self._tell("on_fit_end")
        except BaseException:
            if kept is not None:
                kept.put_back()
            raise
        return self.state.history

    def _begin(self) -> None:
        self.net.history = self.state.history
        self._tell("on_fit_begin")
        if self.resumed is not None:
            self.state = self.resumed.restore(self.net, self.optimizer, self.callbacks)
            self.net.history = self.state.history
            self.task.trainer = self.net.engine.trainer(self.optimizer)
        if isinstance(self.task.data, Stream):
            self.task.data.until = self.net.epochs + self.epochs - len(self.state.history)
        if self.identity is not None and has_checkpoint(self.callbacks):
            self._training()  # refuses a state that no file can hold

    def _tell(self, event: str) -> None:
        for callback in self.callbacks:
            method = getattr(callback, event, None)
            if method is not None:
                method(self.net)

    def _epochs(self, report: Report | None) -> None:
        task, state, history = self.task, self.state, self.state.history
        batches = -(-task.data.rows // task.batch_size)
        spanned, whole = self._plans(batches)
        timed = [c for c in self.callbacks if isinstance(c, Checkpoint) and c.every_seconds]
        constant: Schedule | None = None  # the last epoch's if Constant: `rates` is reused
        for epoch in range(len(history), len(history) if state.stopped else self.epochs):
            schedule = self.optimizer.schedule  # a callback may have set another one
            if schedule is not constant:
                if has_checkpoint(self.callbacks):
                    state.schedule = deepcopy(schedule.get_state())
                plan = spanned if schedule.spans_fit() else whole
                first = plan.first_step + epoch * batches
                rates = _rates(schedule, first, batches, plan, self.net.dtype)
                constant = schedule if type(schedule) is Constant else None
            on_rows = (
                None if report is None else _row_report(report, history, epoch, task.data.rows)
            )
            if timed or state.position is not None:
                done = run_epoch(task, rates, on_rows, state, timed, self._save)
            else:
                done = task.epoch(rates, on_rows)
            loss, penalty, finite, seconds = done
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
            if self.callbacks and self._stopped(epoch + 1):
                break
        if report is not None:
            report(len(history), _summary(history))

    def _plans(self, batches: int) -> tuple[Plan, Plan]:
        """Plans of a schedule that spans this fit, and of one that goes on from earlier fits."""
        steps, epochs = self.task.engine.optimizer_steps
        done, position = len(self.state.history), self.state.position
        steps -= done * batches + (position.rows // self.task.batch_size if position else 0)
        total = batches * self.epochs
        return Plan(batches, total), Plan(batches, total, steps, epochs - done)

    def _training(self) -> Tree | None:
        """What a checkpoint holds beside the network."""
        if self.identity is None:
            return None
        return training(self.net, self.optimizer, self.callbacks, self.identity, self.state)

    def _save(self, path: str) -> None:
        self.net._save(path, self.net.extra, self._training())

    def _stopped(self, epoch: int) -> bool:
        state = FitState(self.net, epoch, self.state.history)
        state._save, state._later, state._last = self._save, [], epoch == self.epochs
        for callback in self.callbacks:
            answer = callback(state)
            if answer is not None and is_true(answer):
                state.stop = True
        self.state.stopped = state.stop
        for action in state._later:
            action()
        return state.stop


def _row_report(report: Report, history: History, epoch: int, rows: int) -> OnRows:
    texts = _summary(history)
    return lambda done: report(epoch + done / rows, texts)


def _divergence(net: Network, task: Task, loss: float, penalty: float, epoch: int) -> str:
    """What a FloatingPointError says: the value, and the likely cause."""
    name, value = ("loss", loss) if not math.isfinite(loss) else ("penalty", penalty)
    text = f"{name} became {'nan' if math.isnan(value) else value} at epoch {epoch}; "
    targets = np.asarray(task.targets)
    if targets.dtype.kind == "f" and targets.size:
        largest = float(np.abs(targets).max())
        if largest > math.sqrt(np.finfo(net.dtype).max) / 2**16:
            return text + (
                f"scale y: its values go up to {largest:.3g}, their squares overflow; "
                "see docs/guide/data.md#scaling"
            )
    return text + (
        f"lower {'learning_rate' if name == 'loss' else 'l1, l2 or learning_rate'} (the weights "
        "are finite but may be far off: initialize() gives new ones); "
        "see docs/guide/training.md#when-it-does-not-learn"
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


def _data_of(
    net: Network,
    X: Any,
    y: Any,
    sample_weight: Any,
    loss: AnyLoss,
    class_weight: Any,
    block_rows: int | None,
    settings: Tree,
) -> Prepared:
    """The data of `MLP.fit`: arrays or a source."""
    if not is_source(X):
        if y is None:
            raise TypeError("y: expected an array beside X, got None")
        if block_rows is not None:
            raise TypeError("block_rows: expected None for arrays in memory, got a number")
        found = prepare(net, X, y, sample_weight, loss, None, class_weight)
        check_rows_to_train(net, found.x)
        return found
    for name, value in (("y", y), ("sample_weight", sample_weight)):
        if value is not None:
            raise TypeError(f"{name}: expected None beside a source, which has its own")
    return open_stream(net, X, loss, class_weight, settings["batch_size"], block_rows)


def make_fit(
    net: Network,
    X: ArrayLike | Source,
    y: ArrayLike | None,
    *,
    loss: AnyLoss,
    validation_data: Sequence[Any] | Source | None,
    sample_weight: ArrayLike | None,
    class_weight: Any,
    optimizer: Optimizer,
    resume: str | os.PathLike[str] | None,
    block_rows: int | None = None,
    **settings: Any,
) -> Fit:
    """Check the arguments of `MLP.fit` and build a `Fit`; sets `net.classes`."""
    found = _data_of(net, X, y, sample_weight, loss, class_weight, block_rows, settings)
    validated, fingerprint = validation(
        net, validation_data, found.loss, found.classes, found.each, block_rows
    )
    data = {
        "data": found.data,
        "targets": found.targets,
        "weight": found.weight,
        "loss": found.loss,
    }
    resumed = None if resume is None else Resumed(resume, net, optimizer)
    if resumed is not None and settings["seed"] is None:
        settings["seed"] = resumed.seed
    try:
        fit = assemble(net, data, validated, optimizer=optimizer, **settings)
        if resumed is not None or has_checkpoint(fit.callbacks):
            fit.identity = settings_of(net, fit.task, optimizer, fit.callbacks, fit.epochs)
            fit.identity |= data_of(found.data if isinstance(found.data, Stream) else found)
            fit.identity |= fingerprint()
        if resumed is not None:
            resumed.check(fit.identity or {}, fit.task, optimizer, fit.epochs)
            fit.resumed = resumed
    except BaseException:
        if resumed is not None:
            resumed.kept.put_back()
        raise
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


def _summary(history: History) -> list[str]:
    parts = [f"loss {history.loss[-1]:.4g}"] if history.loss else []
    if history.val_loss:
        parts += [
            f"val loss {history.val_loss[-1]:.4g}",
            f"val {history.metric} {history.val_score[-1]:.4g}",
        ]
    return parts
