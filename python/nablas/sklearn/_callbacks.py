"""Support for scikit-learn's own callbacks (from version 1.9 on)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

from ..callbacks import Callback, FitState
from ._options import CURVES, Problem

try:
    from sklearn.callback import CallbackSupportMixin as Support
except ImportError:  # older scikit-learn

    class Support:  # type: ignore[no-redef]
        """Empty: this scikit-learn has no callbacks."""


def data_of(problem: Problem, decoded: Callable[[Any], Any]) -> dict[str, Any]:
    """A task's X, y and metadata: targets and weights as the user gave them.

    y is a function, which scikit-learn calls if a callback asks for y.
    """
    given = problem.given
    metadata = None if given is None else {"sample_weight": given}
    return {"X": problem.X, "y": cache(partial(decoded, problem.y)), "metadata": metadata}


class Bridge(Callback):
    """A callback of `MLP.fit` that begins and ends a scikit-learn task for each epoch.

    Parameters
    ----------
    estimator : estimator
        Its attributes are those of a fit that stopped now, whenever a task ends.
    epochs : int
    whole, problem : dict
        What `data_of` returns for all rows, of the fit's task, and for those trained on, of the
        epochs' tasks.
    finish : function
        Called before the fit's task ends: gives the estimator its final attributes.
    """

    def __init__(
        self,
        estimator: Any,
        epochs: int,
        whole: dict[str, Any],
        problem: dict[str, Any],
        finish: Callable[[], None],
    ) -> None:
        self.epochs, self.finish = epochs, finish
        self.whole = {"estimator": estimator, **whole}
        self.problem = {"estimator": estimator, **problem}
        self.fit = estimator._init_callback_context(max_subtasks=epochs)
        self.epoch: Any = None

    def _attributes(self) -> dict[str, Any]:
        """What a copy of the estimator would share with it and training changes: the curves."""
        attributes = vars(self.problem["estimator"])
        return {name: list(attributes[name]) for name in CURVES if attributes.get(name) is not None}

    def on_fit_begin(self, _net: Any) -> None:
        """Begin the tasks of the fit and of its first epoch."""
        self.fit.call_on_fit_task_begin(**self.whole)
        self._begin_epoch(1)

    def _begin_epoch(self, number: int) -> None:
        self.epoch = self.fit.subcontext(task_name=f"epoch {number}")
        self.epoch.call_on_fit_task_begin(
            **self.problem, reconstruction_attributes=self._attributes
        )

    def _end(self, task: Any, data: dict[str, Any]) -> bool:
        return bool(task.call_on_fit_task_end(**data, reconstruction_attributes=self._attributes))

    def on_epoch_end(self, state: FitState) -> bool:
        """The epoch's task ends; the next one's begins."""
        task, self.epoch = self.epoch, None
        stop = self._end(task, self.problem) or state.stop
        if not stop and state.epoch < self.epochs:
            self._begin_epoch(state.epoch + 1)
        return stop

    def on_fit_end(self, _net: Any) -> None:
        """End the tasks still open: an interrupted epoch's and the fit's."""
        if self.epoch is not None:
            self._end(self.epoch, self.problem)
        self.finish()
        self._end(self.fit, self.whole)


__all__ = ["Bridge", "Support", "data_of"]
