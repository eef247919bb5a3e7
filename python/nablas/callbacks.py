"""Callbacks: called after every epoch of a fit; a plain function of a `FitState` is one, too."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .history import History

if TYPE_CHECKING:
    from .mlp import MLP


@dataclass
class FitState:
    """What a callback sees.

    Attributes
    ----------
    net : MLP
        The network with this epoch's weights.
    epoch : int
        Epochs done in this fit, from 1.
    history : History
        The last entries are this epoch's.
    stop : bool
        Set it to end the fit; returning True from the callback does the same.
    """

    net: MLP
    epoch: int
    history: History
    stop: bool = False


# Called after every epoch. Objects may also have ``on_fit_begin(net)`` and ``on_fit_end(net)``.
Callback = Callable[[FitState], Any]

MONITORS = ("loss", "val_loss", "val_score")


def is_true(answer: Any) -> bool:
    """Whether a callback asked for the end: True, of Python or NumPy, and nothing merely truthy."""
    return isinstance(answer, (bool, np.bool_)) and bool(answer)


def check_monitors(callbacks: Sequence[Callback], validated: bool) -> None:
    """ValueError for a callback that watches what this fit will not record."""
    for callback in callbacks:
        monitor = getattr(callback, "monitor", None)
        if monitor is None:
            continue
        if monitor not in MONITORS:
            raise ValueError(f"monitor: expected one of {', '.join(MONITORS)}, got {monitor!r}")
        if monitor != "loss" and not validated:
            raise ValueError(f"monitor: expected validation_data with {monitor!r}, got none")


def _better(monitor: str, value: float, best: float, least: float = 0.0) -> bool:
    """Whether `value` improves on `best` by more than `least`; scores rise, losses fall."""
    return value > best + least if monitor == "val_score" else value < best - least


def _worst(monitor: str) -> float:
    return -math.inf if monitor == "val_score" else math.inf


class EarlyStopping:
    """End the fit when a loss has not improved for some epochs.

    Parameters
    ----------
    patience : int
        Epochs without improvement before the fit ends.
    min_delta : float
        An improvement must be larger than this.
    monitor : str
        "val_loss", "val_score" (higher is better) or "loss".
    restore_best : bool
        Put the best epoch's weights back at the end of the fit, however it ended.
    """

    def __init__(
        self,
        patience: int = 10,
        *,
        min_delta: float = 0.0,
        monitor: str = "val_loss",
        restore_best: bool = True,
    ) -> None:
        if patience < 1:
            raise ValueError(f"patience: expected at least 1, got {patience}")
        self.patience, self.min_delta = patience, min_delta
        self.monitor, self.restore_best = monitor, restore_best
        self.on_fit_begin()

    def on_fit_begin(self, net: MLP | None = None) -> None:
        """Forget an earlier fit."""
        self.best, self.best_epoch = _worst(self.monitor), 0
        self._weights: NDArray[Any] | None = None

    def __call__(self, state: FitState) -> None:
        """Compare this epoch with the best."""
        value = state.history[self.monitor][-1]
        if _better(self.monitor, value, self.best, self.min_delta):
            self.best, self.best_epoch = value, state.epoch
            if self.restore_best:
                self._weights = state.net.parameters.copy()
        elif state.epoch - self.best_epoch >= self.patience:
            state.stop = True

    def on_fit_end(self, net: MLP) -> None:
        """Restore the best weights."""
        if self._weights is not None:
            net.parameters[:] = self._weights
            self._weights = None


class Checkpoint:
    """Save the network after every epoch, or after every best one.

    Parameters
    ----------
    path : str or path
        "{epoch}" in it is replaced by the epoch's number.
    monitor : str, optional
        Save only when this history entry ("val_loss", "val_score" or "loss") is the best so far.
    every : int
        Save only every so many epochs.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, monitor: str | None = None, every: int = 1
    ) -> None:
        if every < 1:
            raise ValueError(f"every: expected at least 1, got {every}")
        self.path, self.monitor, self.every = os.fspath(path), monitor, every
        self.on_fit_begin()

    def on_fit_begin(self, net: MLP | None = None) -> None:
        """Forget an earlier fit; OSError when the folder does not exist."""
        self.best = _worst(self.monitor or "loss")
        folder = os.path.dirname(self.path) or "."
        if net is not None and not os.path.isdir(folder):
            raise FileNotFoundError(f"path: expected a folder that exists, got {folder}")

    def __call__(self, state: FitState) -> None:
        """Save if it is time."""
        if state.epoch % self.every:
            return
        if self.monitor is not None:
            value = state.history[self.monitor][-1]
            if not _better(self.monitor, value, self.best):
                return
            self.best = value
        state.net.save(self.path.replace("{epoch}", str(state.epoch)))
