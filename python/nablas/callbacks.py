"""Callbacks: objects or functions that a fit calls after every epoch.

Examples
--------
>>> net = nb.MLP([1, 1], seed=0)
>>> stop = nb.callbacks.EarlyStopping(patience=3, monitor="loss")
>>> history = net.fit([[0.0]], [1.0], epochs=5, callbacks=[stop, lambda state: state.epoch == 2])
>>> len(history)
2
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import _checks, _files
from ._optional import require
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
        Set it to True to end the fit; returning True from the callback does the same. Anything but
        a bool is a TypeError.

    Examples
    --------
    >>> def stop_soon(state):
    ...     return state.epoch == 3
    >>> net = nb.MLP([1, 1], seed=0)
    >>> len(net.fit([[0.0], [1.0]], [0.0, 2.0], epochs=10, callbacks=[stop_soon]))
    3
    """

    net: Network
    epoch: int
    history: History
    stop: bool = False
    # Of the fit: writes a checkpoint; what is called once all callbacks have been; the last epoch.
    _save: Callable[[str], None] | None = field(default=None, init=False, repr=False)
    _later: list[Callable[[], None]] | None = field(default=None, init=False, repr=False)
    _last: bool = field(default=False, init=False, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_save": None, "_later": None}  # a copy cannot save


class Callback:
    """Base class of callbacks; override what is needed.

    A plain function of a `FitState` may be given in place of a Callback.

    Attributes
    ----------
    monitor : str or None
        The history entry that the callback reads: "loss", "val_loss" or "val_score". A fit that
        does not record it is refused before it begins.

    Examples
    --------
    >>> class Count(nb.Callback):
    ...     epochs = 0
    ...
    ...     def on_epoch_end(self, state):
    ...         self.epochs += 1
    >>> count = Count()
    >>> history = nb.MLP([1, 1], seed=0).fit([[0.0]], [1.0], epochs=5, callbacks=[count])
    >>> count.epochs
    5
    """

    monitor: str | None = None

    def on_fit_begin(self, net: Network) -> None:
        """Called once before the first epoch."""

    def on_epoch_end(self, state: FitState) -> Any:
        """Called after every epoch; True ends the fit."""

    def on_fit_end(self, net: Network) -> None:
        """Called once at the end, also after an interrupt or an error."""

    def get_state(self) -> dict[str, Any]:
        """What a checkpoint must hold to go on: JSON values and arrays of numbers.

        Called when all callbacks of an epoch have been. Whatever changes during a fit belongs here;
        a callback that returns nothing begins anew where a fit is resumed.
        """
        return {}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what `get_state` returned; called after `on_fit_begin` in a resumed fit."""

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


def _checked_best(value: Any) -> float:
    """A best value read from a file: a number, infinite before the first one."""
    return value if value in (-math.inf, math.inf) else _checks.number("best", value)


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

    Examples
    --------
    >>> stop = nb.EarlyStopping(patience=2, monitor="loss")
    >>> net = nb.MLP([1, 1], init="zeros")
    >>> history = net.fit([[1.0]], [0.0], epochs=50, callbacks=[stop])  # already at 0
    >>> len(history), stop.best_epoch, stop.best
    (3, 1, 0.0)
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
        self._like = None if net is None else net.parameters

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
        self._weights = self._like = None

    def _settings(self) -> dict[str, Any]:
        names = ("patience", "min_delta", "monitor", "restore_best")
        return {name: getattr(self, name) for name in names}

    def get_state(self) -> dict[str, Any]:
        """The best epoch and its weights, and the settings."""
        best = {"best": self.best, "best_epoch": self.best_epoch, "weights": self._weights}
        return {**self._settings(), **best}

    def set_state(self, state: dict[str, Any]) -> None:
        """As `Callback.set_state`; ValueError for other settings."""
        for name, value in self._settings().items():
            if state[name] != value:
                raise ValueError(f"EarlyStopping, {name}: expected {state[name]!r}, got {value!r}")
        best, weights = _checked_best(state["best"]), state["weights"]
        best_epoch = _checks.integer("best_epoch", state["best_epoch"], 0)
        if weights is not None and self._like is not None:
            weights = _checks.plain_array("weights", weights)
            if (weights.shape, weights.dtype) != (self._like.shape, self._like.dtype):
                raise ValueError(f"weights: expected {self._like.size}, got {weights.shape}")
            if not np.isfinite(weights).all():
                raise ValueError("weights: expected finite values")
        self.best, self.best_epoch, self._weights = best, best_epoch, weights


class Checkpoint(Callback):
    """Write checkpoints: model files from which `MLP.fit` can be resumed.

    ``fit(..., resume=path)`` goes on from such a file as if it had never stopped, to the same bits.
    `MLP.load` reads its network. The file is replaced at once or not at all. An estimator of
    ``nablas.sklearn`` writes the network alone.

    Parameters
    ----------
    path : str or path
        "{epoch}", or "{epoch:03d}" with zeros in front, in it is replaced by the number of the
        epoch, also of one in progress. Other braces are written twice, as for `str.format`.
    monitor : str, optional
        Write only when this history entry ("val_loss", "val_score" or "loss") is better than at
        every earlier epoch that `every` takes.
    every : int, optional
        Write after epochs that are a multiple of it. Default: 1, or none with `every_seconds`.
    every_seconds : float, optional
        Write when so much time has passed since the last time, also within an epoch, between two
        batches; and at the end of the fit. Not together with `monitor`.
    keep : int, optional
        Keep the last files only, with "{epoch}" in `path`. Default: all.

    Notes
    -----
    What is written after an epoch is the state when all callbacks have been called, those after
    this one included. A program that may be killed at any time begins or goes on by
    ``resume=path if os.path.exists(path) else None``.

    Examples
    --------
    >>> keep = nb.Checkpoint("epoch-{epoch}.safetensors", every=2)
    >>> history = nb.MLP([1, 1], seed=0).fit([[0.0]], [1.0], epochs=5, callbacks=[keep])
    >>> nb.MLP.load("epoch-4.safetensors").epochs
    4
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        monitor: str | None = None,
        every: int | None = None,
        every_seconds: float | None = None,
        keep: int | None = None,
    ) -> None:
        self.path = _checks.path("path", path)
        numbered = _files.is_numbered("path", self.path)
        self.monitor = None if monitor is None else _checks.choice("monitor", monitor, MONITORS)
        self.every = None if every is None else _checks.integer("every", every, 1)
        self.every_seconds = self.keep = None
        if every_seconds is not None:
            self.every_seconds = _checks.number("every_seconds", every_seconds, above=0)
            if monitor is not None:
                raise ValueError(f"every_seconds: expected None with monitor, got {every_seconds}")
        elif every is None:
            self.every = 1
        if keep is not None:
            self.keep = _checks.integer("keep", keep, 1)
            if keep > 1 and not numbered:
                raise ValueError(f"keep: expected 1 with a path without {{epoch}}, got {keep}")
        self.on_fit_begin()

    def on_fit_begin(self, net: Network | None = None) -> None:
        """Reset the best value; OSError or ImportError if the file cannot be written."""
        self.best = _worst(self.monitor or "loss")
        self._files: list[int] = []  # epochs in the names of those written
        self._wait()
        if net is not None:
            require("safetensors.numpy", "io")
            _files.check(self._path(self.every or 1))

    def _wait(self) -> None:
        self._due = time.monotonic() + (self.every_seconds or math.inf)

    def is_due(self) -> bool:
        """Whether `every_seconds` have passed since the last file."""
        return time.monotonic() >= self._due

    def _path(self, epoch: int) -> str:
        return self.path.format(epoch=epoch)

    def on_epoch_end(self, state: FitState) -> None:
        """Write when all callbacks have been called, subject to the settings."""
        wanted = (self.every is not None and state.epoch % self.every == 0) or self.is_due()
        if wanted and self.monitor is not None:
            value = state.history[self.monitor][-1]
            wanted = _better(self.monitor, value, self.best)
            self.best = value if wanted else self.best
        if wanted:
            self._name(state.epoch)  # so that files which others write first know of it

        def finish() -> None:
            if wanted or (self.every_seconds and (state.stop or state._last)):
                self.write(state._save or state.net.save, state.epoch)

        if state._later is None:
            finish()
        else:
            state._later.append(finish)

    def _name(self, epoch: int) -> None:
        path = self._path(epoch)
        self._files = [*(e for e in self._files if self._path(e) != path), epoch]

    def write(self, save: Callable[[str], Any], epoch: int) -> None:
        """Write a file by `save(path)`, then remove those that need not be kept."""
        self._name(epoch)
        save(self._path(epoch))
        self._wait()
        while self.keep is not None and len(self._files) > self.keep:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path(self._files[0]))
            del self._files[0]

    def get_state(self) -> dict[str, Any]:
        """The best value and the epochs of the files."""
        names = {"path": self.path, "monitor": self.monitor}
        return {**names, "best": self.best, "files": self._files}

    def set_state(self, state: dict[str, Any]) -> None:
        """As `Callback.set_state`; nothing for a state of other files."""
        if (state["path"], state["monitor"]) == (self.path, self.monitor):
            files = _checks.items("files", state["files"], "a list")
            files = [_checks.integer("files", epoch, 1) for epoch in files]
            self.best, self._files = _checked_best(state["best"]), files


def has_checkpoint(callbacks: Iterable[AnyCallback]) -> bool:
    """Whether one of the callbacks writes checkpoints."""
    return any(isinstance(callback, Checkpoint) for callback in callbacks)


__all__ = ["Callback", "Checkpoint", "EarlyStopping", "FitState"]


def __dir__() -> list[str]:
    return __all__
