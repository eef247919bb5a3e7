"""When scikit-learn's estimators end a fit, as a callback of `MLP.fit`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..callbacks import FitState
from ..optimizers import Optimizer

LEAST_RATE = 1e-6  # below it an adaptive rate ends the fit


class Stopping:
    """Keeps the estimator's curves, and ends a fit that no longer improves.

    Parameters
    ----------
    estimator : BaseMLP
    optimizer : Optimizer
        Its rate falls with ``learning_rate="adaptive"``.
    score : function, optional
        The validation score, where early stopping watches one.
    rows : int
        Training rows, for `t_`.
    """

    def __init__(
        self,
        estimator: Any,
        optimizer: Optimizer,
        score: Callable[[], float] | None,
        rows: int,
        adjust_loss: Callable[[float], float],
    ) -> None:
        self.estimator, self.optimizer, self.score = estimator, optimizer, score
        self.rows, self.adjust_loss = rows, adjust_loss
        estimator._no_improvement_count = 0
        self.best_parameters: Any = None
        self.ended = False

    def __call__(self, state: FitState) -> bool:
        est = self.estimator
        est.loss_ = self.adjust_loss(state.history.loss[-1])
        est.loss_curve_.append(est.loss_)
        est.t_ += self.rows
        est.n_iter_ += 1
        if state.history.val_loss:
            est.validation_loss_curve_.append(state.history.val_loss[-1])
        if est.verbose:
            print(f"Iteration {est.n_iter_}, loss = {est.loss_:.8f}")
        improved = self._improved_loss() if self.score is None else self._improved_score(state)
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
        value = self.score()  # type: ignore[misc]
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
        what = "Training loss" if self.score is None else "Validation score"
        message = (
            f"{what} did not improve more than tol={est.tol:f} for {est.n_iter_no_change} "
            "consecutive epochs."
        )
        adaptive = (
            est.solver == "sgd"
            and isinstance(est.learning_rate, str)
            and est.learning_rate == "adaptive"
        )
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
