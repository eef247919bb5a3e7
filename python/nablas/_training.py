"""The loop of `MLP.fit`: one call of the core an epoch, and what happens between epochs."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import _core, _losses
from ._progress import Report, progress_bar
from .callbacks import Callback, FitState
from .history import History
from .schedules import Plan

if TYPE_CHECKING:
    from .mlp import MLP
    from .optimizers import Optimizer

Array = NDArray[Any]


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

    def run(self) -> History:
        """All epochs; whatever ends them, callbacks with `on_fit_end` are told."""
        history = History(metric=self.metric)
        for callback in self.callbacks:
            if hasattr(callback, "on_fit_begin"):
                callback.on_fit_begin()
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
        schedule = self.optimizer.schedule
        for epoch in range(self.epochs):
            steps = np.arange(epoch * batches, (epoch + 1) * batches)
            rates = np.ascontiguousarray(schedule.rates(steps, plan), dtype=np.float64)
            on_rows = self._row_report(report, history, epoch, rows)
            loss, finite, seconds = self._epoch(rates, on_rows)
            if not finite:
                raise FloatingPointError(
                    f"loss became {'nan' if math.isnan(loss) else loss} at epoch {epoch + 1}; "
                    "lower learning_rate"
                )
            self.net._epochs_done += 1
            history.loss.append(loss)
            history.learning_rate.append(float(rates[-1]))
            history.seconds.append(seconds)
            if self.validation is not None:
                val_loss, val_score = self.validation()
                history.val_loss.append(val_loss)
                history.val_score.append(val_score)
            schedule.observe((history.val_loss or history.loss)[-1])
            if self._stopped(history, epoch + 1):
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
            if callback(state) is True:
                state.stop = True
        return state.stop

    def _epoch(
        self, rates: NDArray[np.float64], on_rows: Callable[[int], None] | None
    ) -> tuple[float, bool, float]:
        epoch = self.net._epochs_done
        if callable(self.loss):
            return self._python_epoch(self.loss, rates, epoch)
        return self.trainer.run_epoch(
            self.data,
            rates=rates,
            batch_size=self.batch_size,
            shuffle=self.shuffle,
            seed=self.seed,
            epoch=epoch,
            dropout=self.dropout,
            l2=self.l2,
            on_rows=on_rows,
        )

    def _python_epoch(
        self, loss: _losses.LossFunction, rates: NDArray[np.float64], epoch: int
    ) -> tuple[float, bool, float]:
        """As the core's epoch, with the loss in Python between forward and backward."""
        start, total, rows = time.perf_counter(), 0.0, self.data.rows
        order = _core.permutation(rows, seed=self.seed, epoch=epoch) if self.shuffle else None
        for step, rate in enumerate(rates):
            begin = step * self.batch_size
            end = min(begin + self.batch_size, rows)
            outputs = self.trainer.forward_batch(
                self.data, begin, end, order, self.dropout, self.seed
            )
            batch = slice(begin, end) if order is None else order[begin:end]
            value, gradient = _losses.call(loss, outputs, self.targets[batch])
            if not (math.isfinite(value) and np.isfinite(gradient).all()):
                return value, False, time.perf_counter() - start
            self.trainer.backward_batch(gradient, self.dropout, self.seed)
            self.trainer.update(rate, self.l2)
            total += value * (end - begin)
        return total / rows + self.net._penalty(self.l2), True, time.perf_counter() - start


def _summary(history: History) -> str:
    parts = [f"loss {history.loss[-1]:.4g}"] if history.loss else []
    if history.val_loss:
        parts += [
            f"val loss {history.val_loss[-1]:.4g}",
            f"val {history.metric} {history.val_score[-1]:.4g}",
        ]
    return "  ".join(parts)
