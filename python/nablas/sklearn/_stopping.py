"""scikit-learn's rules for ending a fit, as a callback."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..callbacks import Callback, FitState
from ..network import Network
from ..optimizers import Optimizer
from ._options import Curves, InverseScaling, Options

LEAST_RATE = 1e-6  # an adaptive rate at or below it ends the fit


class Stopping(Callback):
    """Fills a record's curves, and ends a fit that no longer improves.

    Parameters
    ----------
    options : Options
    record : Curves
    optimizer : Optimizer
        Its rate is divided by 5 with ``learning_rate="adaptive"``.
    net : Network
    rows : int
        Training rows, for `t_`.
    """

    def __init__(
        self, options: Options, record: Curves, optimizer: Optimizer, net: Network, rows: int
    ) -> None:
        self.options, self.record, self.optimizer, self.rows = options, record, optimizer, rows
        self.net = net
        self.watched = "val_loss" if options.scoring == "loss" else "val_score"
        # The weights at the begin are the best until a score is better than the record's.
        self.best_parameters: Any = net.parameters.copy() if options.early_stopping else None
        self.ended = False
        schedule = optimizer.schedule
        self.scaling = schedule if isinstance(schedule, InverseScaling) else None
        if self.scaling is not None:
            self.scaling.rows = record.t_

    def __call__(self, state: FitState) -> bool:
        """Record the epoch; True ends the fit."""
        record, options = self.record, self.options
        record.loss_ = state.history.loss[-1]
        record.loss_curve_.append(record.loss_)
        record.t_ += self.rows
        if self.scaling is not None:
            self.scaling.rows = record.t_
            self._carry_steps(state.history.learning_rate[-1] / self.scaling.rate)
        record.n_iter_ += 1
        if state.history.val_loss:
            record.validation_loss_curve_.append(state.history.val_loss[-1])
        if options.verbose:
            print(f"Iteration {record.n_iter_}, loss = {record.loss_:.8f}")
        improved = (
            self._improved_score(state)
            if options.early_stopping
            else self._improved_loss(record.loss_)
        )
        record._no_improvement_count = 0 if improved else record._no_improvement_count + 1
        if record._no_improvement_count <= options.n_iter_no_change:
            return False
        self.ended = self._stop_or_slow_down()
        if not self.ended:
            record._no_improvement_count = 0
        return self.ended

    def _carry_steps(self, factor: float) -> None:
        """Before a rate that is smaller by `factor`: scikit-learn's momentum carries the steps
        (rates times gradients), the engine's the gradients.
        """
        self.net.engine.scale_states(factor)

    def _improved_loss(self, loss: float) -> bool:
        record = self.record
        improved: bool = loss <= record.best_loss_ - self.options.tol
        record.best_loss_ = min(record.best_loss_, loss)
        return improved

    def _improved_score(self, state: FitState) -> bool:
        record = self.record
        value = state.history[self.watched][-1]
        value = -value if self.watched == "val_loss" else value
        assert record.validation_scores_ is not None
        record.validation_scores_.append(value)
        if self.options.verbose:
            print(f"Validation score: {value:f}")
        improved = not value < record.best_validation_score_ + self.options.tol
        if value > record.best_validation_score_:
            record.best_validation_score_ = value
            self.best_parameters = state.net.parameters.copy()
        return improved

    def _stop_or_slow_down(self) -> bool:
        options = self.options
        what = "Validation score" if options.early_stopping else "Training loss"
        message = (
            f"{what} did not improve more than tol={options.tol:f} for {options.n_iter_no_change} "
            "consecutive epochs."
        )
        rate = self.optimizer.schedule.initial
        if not options.adaptive or rate <= LEAST_RATE:
            if options.verbose:
                end = " Learning rate too small. Stopping." if options.adaptive else " Stopping."
                print(message + end)
            return True
        self.optimizer.learning_rate = rate / 5
        self._carry_steps(5.0)
        if options.verbose:
            print(f"{message} Setting learning rate to {rate / 5:f}")
        return False

    def restore_best(self, parameters: Any) -> None:
        """Copy the weights of the best validation score into `parameters`."""
        if self.best_parameters is not None and np.isfinite(self.best_parameters).all():
            parameters[:] = self.best_parameters
