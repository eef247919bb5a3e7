"""The loop of a fit: its epochs, and what happens between them."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _checks, _data, io
from ._checkpoints import State, Tree, data_of, run_epoch, settings_of, training
from ._epochs import Epoch, Task
from ._in_use import held
from ._losses import Loss
from ._prepare import AnyLoss, Prepared, check_rows_to_train, prepare
from ._processes import Processes, description
from ._progress import Report, progress_bar
from ._rates import epochs_rates, known_ahead
from ._reports import divergence, row_report, summary
from ._resume import Resumed, check_written, undoing
from ._sources import Source, is_source
from ._streams import Stream, open_stream
from ._validation import validation
from .callbacks import AnyCallback, Checkpoint, FitState, as_callbacks, has_checkpoint, is_true
from .history import History
from .network import Network
from .optimizers import Optimizer, as_optimizer
from .schedules import Constant, Plan, Schedule

Array = NDArray[Any]

_BATCHES_OF_CALL = 4096  # one call of the core runs epochs of at most so many batches in all


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
    schedule: Schedule | None = None  # the optimizer's as given, with `identity`
    mapped: Array | None = None  # X, if it is a memory map, which was not read before
    resumed: Resumed | None = None
    undo: Callable[[], None] | None = None  # what was changed before the first epoch
    processes: Processes = field(default_factory=Processes)
    state: State = field(init=False)
    _begun: list[AnyCallback] = field(default_factory=list)

    def run(self) -> History:
        """All epochs; `on_fit_end` is called however they end."""
        self.state = State(History(metric=self.net.metric))
        try:
            with held(self.callbacks, self):
                self._run()
            self._settle()
        except BaseException as error:
            if self.undo is not None:
                self.undo()
            if isinstance(error, Exception):  # an interrupt does not wait for a read
                self._settle()
            raise
        return self.state.history

    def _run(self) -> None:
        try:
            self._begin()
            if self.resumed is not None:
                self.undo = self.resumed = None
            bar = progress_bar(self.epochs) if self.progress else contextlib.nullcontext()
            with bar as report:
                self._epochs(report)
            self.processes.together = True
        finally:
            self._end()

    def _settle(self) -> None:
        """A source is not read after the fit, which may have ended before its last epoch."""
        if isinstance(self.task.data, Stream):
            self.task.data.settle()

    def _begin(self) -> None:
        processes, start = self.processes, None
        if processes.comm is not None:
            start = description(self.net, self.optimizer, self.identity or {}, self.epochs)
            start |= {} if self.resumed is None else self.resumed.summary()
        self.net.history = self.state.history
        for callback in self.callbacks:
            getattr(callback, "on_fit_begin", _nothing)(self.net)
            self._begun.append(callback)
        if self.resumed is not None:
            callbacks = self.callbacks if processes.first else None
            self.state = self.resumed.restore(self.net, self.optimizer, callbacks)
            self.net.history = self.state.history
            self.task.trainer = self.net.engine.trainer(self.optimizer)
            self.state.schedule = deepcopy(self.optimizer.schedule.get_state())
        if isinstance(self.task.data, Stream):
            self.task.data.until = self.net.epochs + self.epochs - len(self.state.history)
        if has_checkpoint(self.callbacks):
            io.encoded(*self._content())  # refuses what no file can hold
        if start is not None:
            processes.agree(start, leads=bool(self.callbacks))
            processes.take_over(self.net, self.optimizer)

    def _end(self) -> None:
        """`on_fit_end`; for all processes where they are together."""
        processes = self.processes
        if processes.comm is None or not (processes.agreed and processes.together):
            self._tell_end()
            return
        processes.lead(self.net, self.optimizer, self._tell_end)
        processes.check_end(self.net)

    def _tell_end(self) -> None:
        """Tell all that were told of the begin, whatever others raise; raises the first error."""
        errors = []
        for callback in self._begun:
            try:
                getattr(callback, "on_fit_end", _nothing)(self.net)
            except BaseException as error:
                errors.append(error)
        try:
            if errors:
                raise errors[0]
        finally:
            errors.clear()  # else the error's frame would keep itself, and the network, alive

    def _epochs(self, report: Report | None) -> None:
        task, state, history = self.task, self.state, self.state.history
        batches = -(-task.data.rows // task.batch_size)
        spanned, whole = self._plans(batches)
        timed = [c for c in self.callbacks if isinstance(c, Checkpoint) and c.every_seconds]
        several = self._several(report is not None, batches)
        constant: tuple[Schedule, float] | None = None  # the last epoch's: its `rates` are reused
        epoch = len(history)
        while epoch < self.epochs and not state.stopped:
            schedule = self.optimizer.schedule  # a callback may have set another one
            now = (schedule, schedule.initial) if type(schedule) is Constant else None
            if now is None or now != constant:
                if has_checkpoint(self.callbacks):
                    state.schedule = deepcopy(schedule.get_state())
                plan = spanned if schedule.spans_fit() else whole
                count = min(several, self.epochs - epoch) if known_ahead(schedule) else 1
                first = plan.first_step + epoch * batches
                rates = epochs_rates(schedule, first, (count, batches), plan, self.net.dtype)
                constant = now
            self.undo = None  # it keeps the last fit's states in memory
            on_rows = None if report is None else row_report(report, history, epoch, task.data.rows)
            before = len(history)
            if timed or state.position is not None:
                done = run_epoch(task, rates[0], on_rows, state, timed, self._save)
                task.record(done, rates[0], history, self.loss_scale)
            else:
                done = task.epochs(rates[: self.epochs - epoch], on_rows, history, self.loss_scale)
            epoch += len(history) - before
            self._check(done, epoch)
            if self.validation is not None:
                val_loss, val_score = self.validation()
                history.val_loss.append(val_loss)
                history.val_score.append(val_score)
            schedule.observe((history.val_loss or history.loss)[-1])
            if self._ends(epoch):
                break
        if report is not None:
            report(len(history), summary(history))

    def _several(self, reports: bool, batches: int) -> int:
        """The most epochs in one call of the core; 1 if anything may be called between epochs."""
        task, alone = self.task, self.processes.comm is None
        called = self.callbacks or self.validation is not None or reports
        in_core = isinstance(task.loss, Loss) and not isinstance(task.data, Stream)
        if called or not in_core or not alone or self.state.position is not None:
            return 1
        return max(1, _BATCHES_OF_CALL // batches)

    def _check(self, done: Epoch, epochs: int) -> None:
        """FloatingPointError if the last epoch, after so many others, diverged; or X's error."""
        loss, penalty, finite, _ = done
        if finite and math.isfinite(loss * self.loss_scale + penalty):
            return
        self.processes.together = True
        self.task.engine.forget_optimizer()  # its states are not finite either
        if self.mapped is not None:
            _data.check_finite(self.mapped, self.net.dtype)
        raise FloatingPointError(divergence(self.net, self.task, loss, penalty, epochs + 1))

    def _plans(self, batches: int) -> tuple[Plan, Plan]:
        """Plans of a schedule that spans this fit, and of one that goes on from earlier fits."""
        steps, epochs = self.task.engine.optimizer_steps
        done, position = len(self.state.history), self.state.position
        steps -= done * batches + (position.rows // self.task.batch_size if position else 0)
        total = batches * self.epochs
        return Plan(batches, total), Plan(batches, total, steps, epochs - done)

    def _content(self) -> tuple[Tree, list[tuple[Array, Array]], Tree | None]:
        """What a checkpoint holds, as `io.save` takes it; an error for what it could not resume."""
        specification, layers = self.net._content(self.net.extra)
        if self.identity is None or self.schedule is None:
            return specification, layers, None
        tree = training(self.net, self.optimizer, self.callbacks, self.identity, self.state)
        check_written(specification, tree, self.task, self.schedule)
        return specification, layers, tree

    def _save(self, path: str) -> None:
        io.save(path, *self._content())

    def _ends(self, epoch: int) -> bool:
        """Whether a callback ends the fit: one of process 0."""
        if self.processes.comm is None:
            return bool(self.callbacks) and self._stopped(epoch)
        return self.processes.lead(self.net, self.optimizer, lambda: self._stopped(epoch))

    def _stopped(self, epoch: int) -> bool:
        state = FitState(self.net, epoch, self.state.history)
        later: list[Callable[[], None]] = []
        state._save, state._later, state._last = self._save, later, epoch == self.epochs
        try:
            for callback in self.callbacks:
                answer = callback(state)
                state.stop = _checks.flag("state.stop", state.stop)
                if answer is not None and is_true(answer):
                    state.stop = True
            self.state.stopped = state.stop
            for action in later:
                action()
        finally:
            state._save = state._later = None  # else a state would keep itself and the data alive
        return state.stop


def _nothing(net: Network) -> None:
    """In place of a callback's method that it does not have."""


def _data_of(
    net: Network,
    X: Any,
    y: Any,
    sample_weight: Any,
    loss: AnyLoss,
    classes: list[str] | None,
    class_weight: Any,
    block_rows: int | None,
    settings: Tree,
) -> Prepared:
    """The data of `MLP.fit`: arrays or a source; `classes` as for `prepare`."""
    if not is_source(X):
        if y is None:
            raise TypeError("y: expected an array beside X, got None")
        if block_rows is not None:
            raise TypeError("block_rows: expected None for arrays in memory, got a number")
        found = prepare(net, X, y, sample_weight, loss, classes, class_weight)
        check_rows_to_train(net, found.x)
        return found
    for name, value in (("y", y), ("sample_weight", sample_weight)):
        if value is not None:
            raise TypeError(f"{name}: expected None beside a source, which has its own")
    return open_stream(net, X, loss, classes, class_weight, settings["batch_size"], block_rows)


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
    shards: int,
    processes: Processes,
    block_rows: int | None = None,
    **settings: Any,
) -> Fit:
    """Check the arguments of `MLP.fit` and build a `Fit`; sets `net.classes`."""
    own = processes.own_shards(shards)
    classes = net.classes if resume is None else None  # the checkpoint's are compared later
    found = _data_of(net, X, y, sample_weight, loss, classes, class_weight, block_rows, settings)
    if shards > 1 and not isinstance(found.loss, Loss):
        raise ValueError(
            "loss: expected a name or a Loss with shards or comm, got a function, which computes "
            "a batch's loss as a whole"
        )
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
    undo = undoing(net, optimizer) if resumed is None else resumed.kept.put_back
    try:
        fit = assemble(net, data, validated, optimizer=optimizer, **settings)
        fit.processes = processes
        fit.mapped = found.x if isinstance(found.x, np.memmap) else None
        fit.task.shards, fit.task.own = shards, own
        fit.task.reduce = processes.exchange(net, shards)
        if not processes.first:
            fit.callbacks, fit.progress = (), False
        alone = processes.comm is None
        if resumed is not None or has_checkpoint(fit.callbacks) or not alone:
            fit.identity = settings_of(net, fit.task, optimizer, fit.callbacks, fit.epochs)
            fit.identity |= data_of(found.data if isinstance(found.data, Stream) else found)
            fit.identity |= fingerprint()
            fit.schedule = deepcopy(optimizer.schedule)
            if not processes.first:
                del fit.identity["callbacks"]
        if resumed is not None:
            resumed.check(fit.identity or {}, fit.task, optimizer, fit.epochs)
            fit.resumed = resumed
        fit.undo = undo
        net.classes = found.classes
    except BaseException:
        undo()
        raise
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
        "dropout": _checks.dropout_rates(dropout, len(net.sizes) - 2),
    }
    checked = as_callbacks(callbacks, validation is not None)
    most = _checks.MOST_EPOCHS - net.epochs
    count, shown = _checks.integer("epochs", epochs, 0, most), _checks.flag("progress", progress)
    task = Task(engine=net.engine, trainer=net.engine.trainer(chosen), **data, **settings, **more)
    return Fit(net, task, chosen, count, validation, checked, shown, loss_scale)
