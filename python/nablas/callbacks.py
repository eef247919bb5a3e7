"""Callbacks: objects or functions that a fit calls after every epoch."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import _checks, _files
from .history import History

if TYPE_CHECKING:
    from .network import Network


@dataclass
class FitState:
    """The argument of a callback.

    Attributes
    ----------
    net : Network
        The network with this epoch's weights.
    epoch : int
        Epochs done in this fit, from 1.
    history : History
        The last entries are this epoch's.
    stop : bool
        Set it to end the fit; returning True from the callback does the same.
    """

    net: Network
    epoch: int
    history: History
    stop: bool = False


class Callback:
    """Base class of callbacks; override what is needed.

    A plain function of a `FitState` may be given in place of a Callback.

    Attributes
    ----------
    monitor : str or None
        The history entry that the callback reads: "loss", "val_loss" or "val_score". A fit that
        does not record it is refused before it begins.
    """

    monitor: str | None = None

    def on_fit_begin(self, net: Network) -> None:
        """Called once before the first epoch."""

    def on_epoch_end(self, state: FitState) -> Any:
        """Called after every epoch; True ends the fit."""

    def on_fit_end(self, net: Network) -> None:
        """Called once at the end, also after an interrupt or an error."""

    def get_state(self) -> dict[str, Any]:
        """What a checkpoint must hold to continue: JSON values and arrays."""
        return {}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue from what `get_state` returned."""

    def __call__(self, state: FitState) -> Any:
        """`on_epoch_end`."""
        return self.on_epoch_end(state)


AnyCallback = Callback | Callable[[FitState], Any]
MONITORS = ("loss", "val_loss", "val_score")


def is_true(answer: Any) -> bool:
    """Whether `answer` is True (bool or np.bool_); other truthy values do not end a fit."""
    return isinstance(answer, (bool, np.bool_)) and bool(answer)


def as_callbacks(
    callbacks: Iterable[AnyCallback] | None, validated: bool
) -> tuple[AnyCallback, ...]:
    """Callbacks as a tuple, or TypeError; ValueError for a `monitor` this fit does not record."""
    if callbacks is None:
        return ()
    if not isinstance(callbacks, Iterable) or isinstance(callbacks, (str, np.ndarray)):
        raise TypeError(
            "callbacks: expected a list of functions or Callback objects, got "
            f"{getattr(callbacks, '__name__', type(callbacks).__name__)}"
        )
    found = tuple(callbacks)
    for i, callback in enumerate(found):
        if isinstance(callback, type):
            raise TypeError(
                f"callbacks: expected an object, got the class {callback.__name__} at {i}"
            )
        if not callable(callback):
            raise TypeError(
                "callbacks: expected functions or Callback objects, got "
                f"{type(callback).__name__} at {i}"
            )
        monitor = getattr(callback, "monitor", None)
        if monitor is not None:
            _checks.choice("monitor", monitor, MONITORS)
            if monitor != "loss" and not validated:
                raise ValueError(f"monitor: expected validation_data with {monitor!r}, got none")
    return found


def _better(monitor: str, value: float, best: float, least: float = 0.0) -> bool:
    """Whether `value` is better than `best` by more than `least`; val_score: higher is better."""
    return value > best + least if monitor == "val_score" else value < best - least


def _worst(monitor: str) -> float:
    return -math.inf if monitor == "val_score" else math.inf


class EarlyStopping(Callback):
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
        self.patience = _checks.integer("patience", patience, 1)
        self.min_delta = _checks.number("min_delta", min_delta, least=0)
        self.monitor: str = _checks.choice("monitor", monitor, MONITORS)
        self.restore_best = _checks.flag("restore_best", restore_best)
        self.on_fit_begin()

    def on_fit_begin(self, net: Network | None = None) -> None:
        """Reset `best` and `best_epoch`."""
        self.best, self.best_epoch = _worst(self.monitor), 0
        self._weights: NDArray[Any] | None = None

    def on_epoch_end(self, state: FitState) -> None:
        """Compare this epoch with the best."""
        value = state.history[self.monitor][-1]
        if _better(self.monitor, value, self.best, self.min_delta):
            self.best, self.best_epoch = value, state.epoch
            if self.restore_best:
                self._weights = state.net.parameters.copy()
        elif state.epoch - self.best_epoch >= self.patience:
            state.stop = True

    def on_fit_end(self, net: Network) -> None:
        """Restore the best weights."""
        if self._weights is not None:
            net.parameters[:] = self._weights
            self._weights = None


class Checkpoint(Callback):
    """Save the network after every epoch, or after every best one.

    A file holds the weights, and what `MLP.save` says; not the states of the optimizer and of the
    schedule. Training that goes on from it begins these anew.

    Parameters
    ----------
    path : str or path
        "{epoch}" in it is replaced by the epoch's number.
    monitor : str, optional
        Save only when this history entry ("val_loss", "val_score" or "loss") is better than at
        every earlier save.
    every : int
        Save only in epochs that are a multiple of it.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, monitor: str | None = None, every: int = 1
    ) -> None:
        self.path, self.every = _checks.path("path", path), _checks.integer("every", every, 1)
        self.monitor = None if monitor is None else _checks.choice("monitor", monitor, MONITORS)
        self.on_fit_begin()

    def on_fit_begin(self, net: Network | None = None) -> None:
        """Reset the best value; OSError if the file cannot be written."""
        self.best = _worst(self.monitor or "loss")
        if net is not None:
            _files.check(self._path(self.every))

    def _path(self, epoch: int) -> str:
        return self.path.replace("{epoch}", str(epoch))

    def on_epoch_end(self, state: FitState) -> None:
        """Save, subject to `every` and `monitor`."""
        if state.epoch % self.every:
            return
        if self.monitor is not None:
            value = state.history[self.monitor][-1]
            if not _better(self.monitor, value, self.best):
                return
            self.best = value
        state.net.save(self._path(state.epoch))


__all__ = ["Callback", "Checkpoint", "EarlyStopping", "FitState"]


def __dir__() -> list[str]:
    return __all__
