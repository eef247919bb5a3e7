"""The record of a fit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ._checks import choice
from ._html import table
from ._optional import require

_LAST = 5  # epochs that a notebook shows


@dataclass
class History:
    """One entry an epoch in each list.

    Attributes
    ----------
    loss : list of float
        Mean of the batches' losses, each before its update, plus the penalty after the epoch.
    val_loss : list of float
        Loss on the validation data after the epoch, without penalty; empty without such data.
    val_score : list of float
        Accuracy or R² on the validation data; empty without them.
    metric : str
        What `val_score` is: "accuracy" or "r2".
    learning_rate : list of float
        The rate of the epoch's last update.
    seconds : list of float
        Training time, without validation and callbacks.

    Examples
    --------
    >>> net = nb.MLP([1, 1], seed=0)
    >>> history = net.fit([[0.0], [1.0]], [0.0, 2.0], epochs=3)
    >>> len(history), history["loss"] is history.loss
    (3, True)
    >>> history.loss[-1] < history.loss[0]
    True
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
            raise KeyError(f"expected one of {', '.join(self.keys())}, got {name!r}")
        return values

    def keys(self) -> list[str]:
        """The names of the lists, so that ``dict(history)`` works."""
        return [name for name, values in vars(self).items() if isinstance(values, list)]

    def __copy__(self) -> History:
        twin = object.__new__(type(self))
        vars(twin).update({k: list(v) if isinstance(v, list) else v for k, v in vars(self).items()})
        return twin

    __iter__ = None  # neither over epochs nor over names: use `keys`

    def __repr__(self) -> str:
        last = ", ".join(f"{name}={self[name][-1]:.4g}" for name in self.keys() if self[name])
        return f"History({len(self)} epochs{': ' + last if last else ''})"

    def _repr_html_(self) -> str:
        """The last epochs and the best one, as notebooks show it."""
        count, names = len(self), [name for name in self.keys() if self[name]]
        losses = self.val_loss or self.loss
        best = min(range(len(losses)), key=lambda i: (losses[i] != losses[i], losses[i]), default=0)
        shown = sorted({best, *range(max(0, count - _LAST), count)} & set(range(count)))
        rows = [
            [f"{i + 1} (best)" if i == best else i + 1]
            + [f"{self[name][i]:.4g}" if i < len(self[name]) else "" for name in names]
            for i in shown
        ]
        by = "val_loss" if self.val_loss else "loss"
        caption = f"History: {count} epochs" + (f", best by {by}: {best + 1}" if count else "")
        heads = [f"val_score ({self.metric})" if name == "val_score" else name for name in names]
        return table(caption, ["epoch", *heads], rows)

    def to_frame(self, library: str = "polars") -> Any:
        """The history as a table, one row an epoch.

        Parameters
        ----------
        library : {"polars", "pandas"}
            Whose DataFrame it is.

        Returns
        -------
        DataFrame
            The column "epoch", from 1, then one for each list that is not empty. Where a list is
            shorter than `loss` its last rows are missing values.

        Raises
        ------
        ImportError
            When the library is not installed.
        ValueError
            When the library is another one.

        Examples
        --------
        >>> history = nb.MLP([1, 1], seed=0).fit([[0.0], [1.0]], [0.0, 2.0], epochs=3)
        >>> frame = history.to_frame()
        >>> frame.columns, frame.shape
        (['epoch', 'loss', 'learning_rate', 'seconds'], (3, 4))
        """
        choice("library", library, ("polars", "pandas"))
        columns = {name: self[name] for name in self.keys() if self[name]}
        rows = max(map(len, columns.values()), default=0)
        padded = {name: [*v, *[None] * (rows - len(v))] for name, v in columns.items()}
        data = {"epoch": list(range(1, rows + 1)), **padded}
        if library == "polars":
            return require("polars", "cli").DataFrame(data)
        pandas = require("pandas")
        return pandas.DataFrame(data).astype(dict.fromkeys(padded, "float64"))

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
