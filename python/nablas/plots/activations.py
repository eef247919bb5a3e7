"""Activation functions beside their slopes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from .. import _checks, kernels
from .._registry import ACTIVATIONS
from ._display import COLOURS, Array, Display


class ActivationDisplay(Display):
    """g(z) and g'(z), on one Axes for each function.

    Parameters
    ----------
    z : array of shape (n,)
    values, slopes : mappings of a name to an array like z

    Attributes
    ----------
    ax_ : array of matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : mapping of a name to its two matplotlib lines

    Examples
    --------
    >>> display = nb.plots.ActivationDisplay.from_names(["relu", "gelu"])
    >>> sorted(display.lines_)
    ['gelu', 'relu']
    """

    def __init__(self, z: Array, values: dict[str, Array], slopes: dict[str, Array]) -> None:
        self.z, self.values, self.slopes = z, values, slopes

    @classmethod
    def from_names(
        cls,
        names: str | Sequence[str] | None = None,
        *,
        limits: tuple[float, float] = (-4.0, 4.0),
        ax: Any = None,
    ) -> Self:
        """Compute with the kernels, and draw.

        Parameters
        ----------
        names : str or sequence of str, optional
            Of ``nablas.activations()``; all by default.
        limits : (float, float)
            Of z.
        ax : Axes or array of Axes, optional
            One for each name.

        Returns
        -------
        ActivationDisplay
        """
        kept = {name: entry.kept for name, entry in ACTIVATIONS.items()}
        given = [names] if isinstance(names, str) else kept if names is None else names
        chosen = _checks.items("names", list(given) if given is kept else given, "names")
        if not chosen:
            raise ValueError("names: expected at least one, got none")
        for name in chosen:
            _checks.choice("names", name, kept)
        ends = _checks.items("limits", limits, "two numbers")
        if len(ends) != 2:
            raise ValueError(f"limits: expected two numbers, got {len(ends)}")
        low, high = (_checks.number("limits", end) for end in ends)
        z = np.linspace(low, high, 401)
        values = {name: kernels.activate(z, name) for name in chosen}
        slopes = {
            name: kernels.slope(values[name] if kept[name] == "output" else z, name)
            for name in chosen
        }
        return cls(z, values, slopes).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw on as many matplotlib Axes as there are functions, new ones by default."""
        count = len(self.values)
        columns = min(count, 4)
        rows = -(-count // max(columns, 1))
        size = (2.8 * columns + 0.4, 2.5 * rows + 0.4)
        ax = self._start(
            ax, several=True, nrows=rows, ncols=columns, figsize=size, sharex=True, squeeze=False
        )
        axes = np.ravel(ax)
        if len(axes) < count:
            raise ValueError(f"ax: expected {count} Axes, got {len(axes)}")
        self.lines_ = {}
        for place, (name, value) in zip(axes, self.values.items(), strict=False):
            place.axhline(0, color="0.8", linewidth=0.8)
            place.axvline(0, color="0.8", linewidth=0.8)
            (function,) = place.plot(
                self.z, np.where(_jumps(value), np.nan, value), color=COLOURS[0], label="g(z)"
            )
            slope = np.where(_jumps(self.slopes[name]), np.nan, self.slopes[name])
            (line,) = place.plot(self.z, slope, "--", color=COLOURS[1], label="g′(z)")
            place.set(title=name, xlabel="z", ylabel="g solid, g′ dashed")
            if value.max() > 20 > value.min():  # exp: on its full range most of it looks flat
                top = max(3.0, 3 * float(np.median(value)))
                place.set_ylim(-0.08 * top, top)
            self.lines_[name] = (function, line)
            place.tick_params(labelbottom=True)
        for place in axes[count:]:
            place.set_visible(False)
        axes[0].legend(fontsize=9, loc="upper left")
        return self


def _jumps(values: Array) -> Array:
    """Mask of jumps, across which no line is drawn: steps far larger than both neighbours."""
    steps = np.abs(np.diff(values, prepend=values[:1]))
    around = np.maximum(np.roll(steps, 1), np.roll(steps, -1))
    result: Array = (steps > 0.05 * np.ptp(values)) & (steps > 5 * around)
    return result
