"""Base class and helpers of the Displays."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .. import _checks
from .._optional import require

Array = NDArray[Any]

# Okabe and Ito's palette, distinguishable with colour blindness.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000"]
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "*"]


def pyplot() -> Any:
    """matplotlib.pyplot, or an ImportError that says what to install."""
    return require("matplotlib.pyplot", "plot")


def checked_axes(ax: Any) -> Any:
    """The Axes, or the first of an array of them, or TypeError."""
    first: Any = next(iter(np.ravel(np.asarray(ax, object))), None)
    return _checks.having("ax", first, "figure", "matplotlib Axes")


class Display:
    """Base class; `plot` of a subclass draws on the Axes that `_start` returns."""

    ax_: Any
    figure_: Any

    def plot(self, ax: Any = None) -> Self:
        """Draw on a matplotlib Axes, a new one by default; returns the display."""
        raise NotImplementedError

    def _start(self, ax: Any, **settings: Any) -> Any:
        """The Axes to draw on: those given, or new ones."""
        if ax is None:
            ax = pyplot().subplots(layout="constrained", **settings)[1]
        self.figure_ = checked_axes(ax).figure
        self.ax_ = ax
        return ax


def hidden_names(net: Any) -> list[str]:
    """Labels of a network's layers in a plot."""
    last = len(net.sizes) - 1
    return [f"layer {i}" if i < last else "output" for i in range(1, last + 1)]


def network_of(estimator: Any, name: str = "net") -> Any:
    """The network of an MLP or of one of the estimators of ``nablas.sklearn``."""
    found = getattr(estimator, "network_", estimator)
    return _checks.having(name, found, "parameters", "an MLP or a fitted estimator")


def targets_of(estimator: Any, y: Any) -> Any:
    """Targets as the network takes them: an estimator's labels become class indices."""
    classes = getattr(estimator, "classes_", None)
    if not isinstance(classes, np.ndarray) or np.ndim(y) != 1:
        return y
    codes = np.searchsorted(classes, np.asarray(y))
    return codes if len(classes) > 2 else codes.astype(float)


def number(value: float) -> str:
    """Three significant digits, with the minus sign of print; -0.0 is 0."""
    return f"{value + 0.0:.3g}".replace("-", "−")


def text_size(text: str, size: float) -> tuple[float, float]:
    """Width and height of text in points; `size` is the font's."""
    pyplot()
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    lines = text.split("\n")
    font = FontProperties(size=size)
    widths = [text_to_path.get_text_width_height_descent(t, font, False)[0] for t in lines]
    return max(widths), 1.2 * size * len(lines)
