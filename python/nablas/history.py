"""What happened during a fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass
class History:
    """One entry an epoch in each list.

    Attributes
    ----------
    loss : list of float
        Mean training loss over the epoch's batches as they were met, plus the l2 penalty.
    val_loss : list of float
        Loss on the validation data after the epoch; empty without them.
    val_score : list of float
        Accuracy or R² on the validation data; empty without them.
    metric : str
        What `val_score` is: "accuracy" or "r2".
    learning_rate : list of float
        That of the epoch's last update.
    seconds : list of float
        Training time, without validation and callbacks.
    """

    metric: str = "accuracy"
    loss: list[float] = field(default_factory=list)
    val_loss: list[float] = field(default_factory=list)
    val_score: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.loss)

    def __getitem__(self, name: str) -> list[float]:
        values = getattr(self, name, None)
        if not isinstance(values, list):
            raise KeyError(f"expected one of {', '.join(self)}, got {name!r}")
        return values

    def __iter__(self) -> Iterator[str]:
        return (name for name, values in vars(self).items() if isinstance(values, list))

    def __repr__(self) -> str:
        last = ", ".join(f"{name}={self[name][-1]:.4g}" for name in self if self[name])
        return f"History({len(self)} epochs{': ' + last if last else ''})"

    def plot(self, ax: Any = None) -> Any:
        """Draw the losses by epoch.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        ImportError
            Without matplotlib.
        """
        from .plots import LossCurveDisplay

        return LossCurveDisplay.from_history(self, ax=ax).ax_
