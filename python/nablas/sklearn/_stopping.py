"""When scikit-learn's estimators end a fit, as a callback of `MLP.fit`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..callbacks import FitState
from ..optimizers import Optimizer

if TYPE_CHECKING:
    from ..mlp import MLP

LEAST_RATE = 1e-6  # below it an adaptive rate ends the fit


class Stopping:
    """Keeps the estimator's curves, and ends a fit that no longer improves.

    Parameters
    ----------
    estimator : BaseMLP
    optimizer : Optimizer
        Its rate falls with ``learning_rate="adaptive"``.
    net : MLP
    rows : int
        Training rows, for `t_`.
    """

    def __init__(self, estimator: Any, optimizer: Optimizer, net: MLP, rows: int) -> None:
        self.estimator, self.optimizer, self.rows = estimator, optimizer, rows
        self.watched = "val_loss" if estimator.scoring == "loss" else "val_score"
        # A fit that goes on from an earlier one has to better its score.
        went_before = estimator.early_stopping and estimator.best_validation_score_ > -np.inf
        self.best_parameters: Any = net.parameters.copy() if went_before else None
        self.ended = False

    def __call__(self, state: FitState) -> bool:
        est = self.estimator
        est.loss_ = state.history.loss[-1]
        est.loss_curve_.append(est.loss_)
        est.t_ += self.rows
        est.n_iter_ += 1
        if state.history.val_loss:
            est.validation_loss_curve_.append(state.history.val_loss[-1])
        if est.verbose:
            print(f"Iteration {est.n_iter_}, loss = {est.loss_:.8f}")
        improved = self._improved_score(state) if est.early_stopping else self._improved_loss()
        est._no_improvement_count = 0 if improved else est._no_improvement_count + 1
        if est._no_improvement_count <= est.n_iter_no_change:
            return False
        self.ended = self._stop_or_slow_down()
        if not self.ended:
            est._no_improvement_count = 0
        return self.ended

    def _improved_loss(self) -> bool:
        est = self.estimator
        improved: bool = est.loss_ <= est.best_loss_ - est.tol
        est.best_loss_ = min(est.best_loss_, est.loss_)
        return improved

    def _improved_score(self, state: FitState) -> bool:
        est = self.estimator
        value = state.history[self.watched][-1]
        value = -value if self.watched == "val_loss" else value
        est.validation_scores_.append(value)
        if est.verbose:
            print(f"Validation score: {value:f}")
        improved = not value < est.best_validation_score_ + est.tol
        if value > est.best_validation_score_:
            est.best_validation_score_ = value
            self.best_parameters = state.net.parameters.copy()
        return improved

    def _stop_or_slow_down(self) -> bool:
        est = self.estimator
        what = "Validation score" if est.early_stopping else "Training loss"
        message = (
            f"{what} did not improve more than tol={est.tol:f} for {est.n_iter_no_change} "
            "consecutive epochs."
        )
        adaptive = est.solver == "sgd" and est.learning_rate == "adaptive"
        rate = self.optimizer.schedule.initial
        if not adaptive or rate <= LEAST_RATE:
            if est.verbose:
                print(
                    message + (" Learning rate too small. Stopping." if adaptive else " Stopping.")
                )
            return True
        self.optimizer.learning_rate = rate / 5
        if est.verbose:
            print(f"{message} Setting learning rate to {rate / 5:f}")
        return False

    def restore_best(self, parameters: Any) -> None:
        """Put the weights of the best validation score back."""
        if self.best_parameters is not None and np.isfinite(self.best_parameters).all():
            parameters[:] = self.best_parameters
