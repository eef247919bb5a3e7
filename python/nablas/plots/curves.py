"""Losses by epoch."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from .. import _checks
from ._display import COLOURS, Display


def _curve(name: str, values: Any) -> list[float]:
    """One number for each epoch as a list, or TypeError, or ValueError."""
    found = _checks.numbers(name, values)
    if found.ndim != 1:
        raise ValueError(f"{name}: expected one number an epoch, got shape {found.shape}")
    curve: list[float] = found.tolist()
    return curve


class LossCurveDisplay(Display):
    """Training and validation losses by epoch, the best validation epoch marked.

    Parameters
    ----------
    loss : list of float
    val_loss : list of float, optional
        May be empty, or shorter than `loss`, as after an interrupt during the validation.
    log : bool
        A logarithmic axis.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
    lines_ : list of matplotlib lines

    Examples
    --------
    >>> net = nb.MLP([1, 1], seed=0)
    >>> history = net.fit([[0.0], [1.0]], [1.0, 2.0], epochs=20)
    >>> display = nb.plots.LossCurveDisplay.from_history(history)
    >>> len(display.lines_)
    1
    """

    def __init__(
        self, loss: list[float], val_loss: list[float] | None = None, *, log: bool = False
    ) -> None:
        self.log = _checks.flag("log", log)
        self.loss = _curve("loss", loss)
        self.val_loss = _curve("val_loss", () if val_loss is None else val_loss)
        most, got = len(self.loss), len(self.val_loss)
        if got > most:
            raise ValueError(f"val_loss: expected at most {most} epochs, as in loss, got {got}")

    @classmethod
    def from_history(cls, history: Any, *, log: bool = False, ax: Any = None) -> Self:
        """Draw what `MLP.fit` returned.

        Parameters
        ----------
        history : History
        log : bool
            A logarithmic axis.
        ax : matplotlib Axes, optional

        Returns
        -------
        LossCurveDisplay
        """
        _checks.having("history", history, "val_loss", "a History")
        return cls(history.loss, history.val_loss, log=log).plot(ax)

    @classmethod
    def from_estimator(cls, estimator: Any, *, log: bool = False, ax: Any = None) -> Self:
        """Draw the curves of a fitted estimator.

        Parameters
        ----------
        estimator : one of ``nablas.sklearn`` or of scikit-learn, with a `loss_curve_`
        log : bool
            A logarithmic axis.
        ax : matplotlib Axes, optional

        Returns
        -------
        LossCurveDisplay
        """
        _checks.having("estimator", estimator, "loss_curve_", "a fitted estimator")
        validation = getattr(estimator, "validation_loss_curve_", None)
        return cls(estimator.loss_curve_, validation, log=log).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw on a matplotlib Axes, a new one by default."""
        ax = self._start(ax)
        epochs = np.arange(1, len(self.loss) + 1)
        marker = "o" if len(epochs) == 1 else None
        self.lines_ = ax.plot(epochs, self.loss, color=COLOURS[0], marker=marker, label="training")
        if self.val_loss:
            seen = np.arange(1, len(self.val_loss) + 1)  # fewer where the last epoch was cut short
            self.lines_ += ax.plot(
                seen, self.val_loss, color=COLOURS[1], linestyle="--", label="validation"
            )
            best = int(np.argmin(np.nan_to_num(self.val_loss, nan=np.inf)))
            self.lines_ += ax.plot(
                best + 1,
                self.val_loss[best],
                "o",
                color=COLOURS[1],
                label=f"best: epoch {best + 1}",
            )
            ax.legend()
        ax.set(xlabel="epoch", ylabel="loss", title="Loss by epoch")
        if self.log:
            ax.set_yscale("log")
        ax.grid(alpha=0.3)
        return self
