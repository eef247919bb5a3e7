"""Base class and helpers of the Displays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

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


def checked_axes(ax: Any, *, several: bool = False, flat: bool = True) -> Any:
    """The Axes, or the first of an array where a display takes `several`, or TypeError.

    ValueError for three-dimensional ones where they must be `flat`.
    """
    given = list(np.ravel(np.asarray(ax, object))) if several else [ax]
    expected = "Axes of matplotlib, or an array of them" if several else "matplotlib Axes"
    for one in given or [None]:
        _checks.having("ax", one, "transData", expected)  # which no Figure has
        if flat and hasattr(one, "plot_surface"):
            raise ValueError('ax: expected plane Axes, got ones with projection="3d"')
    return given[0]


class Display:
    """Base class; `plot` of a subclass draws on the Axes that `_start` returns."""

    ax_: Any
    figure_: Any

    def plot(self, ax: Any = None) -> Self:
        """Draw on a matplotlib Axes, a new one by default; returns the display."""
        raise NotImplementedError

    def _start(self, ax: Any, *, several: bool = False, flat: bool = True, **settings: Any) -> Any:
        """The Axes to draw on: those given, as `checked_axes` takes them, or new ones."""
        if ax is None:
            ax = pyplot().subplots(layout="constrained", **settings)[1]
            several, flat = True, False
        self.figure_ = checked_axes(ax, several=several, flat=flat).figure
        self.ax_ = ax
        return ax


def hidden_names(net: Any) -> list[str]:
    """Labels of a network's layers in a plot."""
    last = len(net.sizes) - 1
    return [f"layer {i}" if i < last else "output" for i in range(1, last + 1)]


def network_of(estimator: Any, name: str = "net") -> Any:
    """The network of an MLP or of one of the estimators of ``nablas.sklearn``."""
    found = getattr(estimator, "network_", estimator)
    if hasattr(type(estimator), "__nablas_network__"):  # a linear model
        found = estimator.__nablas_network__()
    expected = "an MLP or a fitted estimator of nablas.sklearn"
    return _checks.having(name, found, "parameters", expected)


class Objective(NamedTuple):
    """A network and data as it takes them; `settings` and `l2` are of its `loss` and `gradient`.

    `scale` is the factor from that loss to the one that an estimator records.
    """

    net: Any
    X: Any
    y: Any
    settings: dict[str, Any]
    l2: float
    scale: float


def objective(estimator: Any, X: Any, y: Any, settings: Mapping[str, Any]) -> Objective:
    """An estimator's own, by default: its loss, labels encoded and classes weighted as in `fit`."""
    net, settings, scale = network_of(estimator), dict(settings), 1.0
    l2 = _checks.penalty("l2", settings.pop("l2", 0.0))
    if hasattr(estimator, "__nablas_problem__"):
        found = estimator.__nablas_problem__(X, y, settings.get("sample_weight"))
        X, y, settings["sample_weight"] = found.X, found.y, found.weight
        if settings.get("loss") is None:
            settings["loss"], scale = found.loss, found.loss_scale
    return Objective(net, X, y, settings, l2, scale)


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
