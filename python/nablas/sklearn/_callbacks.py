"""Support for scikit-learn's own callbacks (from version 1.9 on)."""

from __future__ import annotations

from typing import Any

from ..callbacks import Callback, FitState
from ._options import Record

try:
    from sklearn.callback import CallbackSupportMixin as Support
except ImportError:  # older scikit-learn

    class Support:  # type: ignore[no-redef]
        """Empty: this scikit-learn has no callbacks."""


class Bridge(Callback):
    """A callback of `MLP.fit` that begins and ends a scikit-learn task for each epoch."""

    def __init__(self, estimator: Any, record: Record, epochs: int, X: Any, y: Any) -> None:
        self.estimator, self.record, self.epochs = estimator, record, epochs
        self.data = {"X": X, "y": y}
        self.fit = estimator._init_callback_context(max_subtasks=epochs)
        self.epoch: Any = None

    def on_fit_begin(self, _net: Any) -> None:
        """Begin the tasks of the fit and of its first epoch."""
        self.fit.call_on_fit_task_begin(estimator=self.estimator, **self.data)
        self._begin_epoch(1)

    def _begin_epoch(self, number: int) -> None:
        self.epoch = self.fit.subcontext(task_name=f"epoch {number}")
        self.epoch.call_on_fit_task_begin(estimator=self.estimator, **self.data)

    def _end_epoch(self) -> bool:
        task, self.epoch = self.epoch, None
        state = {"n_iter_": self.record.n_iter_}
        return bool(
            task.call_on_fit_task_end(
                estimator=self.estimator, reconstruction_attributes=state, **self.data
            )
        )

    def on_epoch_end(self, state: FitState) -> bool:
        """The epoch's task ends; the next one's begins."""
        stop = self._end_epoch() or state.stop
        if not stop and state.epoch < self.epochs:
            self._begin_epoch(state.epoch + 1)
        return stop

    def on_fit_end(self, _net: Any) -> None:
        """End the tasks still open: an interrupted epoch's and the fit's."""
        if self.epoch is not None:
            self._end_epoch()
        self.fit.call_on_fit_task_end(
            estimator=self.estimator, reconstruction_attributes={}, **self.data
        )


__all__ = ["Bridge", "Support"]
