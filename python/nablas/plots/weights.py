"""Histograms of the weights, layer by layer."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from ._display import COLOURS, Array, Display, hidden_names, network_of


class WeightHistogramDisplay(Display):
    """How each layer's weights are distributed.

    Parameters
    ----------
    weights : list of arrays
    names : list of str
        Of the layers.

    Attributes
    ----------
    ax_ : array of matplotlib Axes
    figure_ : matplotlib Figure
    """

    def __init__(self, weights: list[Array], names: list[str]) -> None:
        self.weights, self.names = weights, names

    @classmethod
    def from_estimator(cls, net: Any, *, bins: int | None = None, ax: Any = None) -> Self:
        """Draw a network's weights (biases excluded).

        Parameters
        ----------
        net : MLP or estimator
        bins : int, optional
            Default: more for larger layers.
        ax : array of Axes, optional
            One for each layer.

        Returns
        -------
        WeightHistogramDisplay
        """
        net = network_of(net)
        weights = [w.astype(float).ravel() for w in net.weights]
        return cls(weights, hidden_names(net)).plot(ax, bins=bins)

    def plot(self, ax: Any = None, *, bins: int | None = None) -> Self:
        """Draw on as many matplotlib Axes as there are layers, new ones by default."""
        count = len(self.weights)
        size = (max(4.0, min(3.0 * count + 0.5, 14)), 3.0)
        ax = self._start(ax, ncols=count, figsize=size, squeeze=False, sharex=True)
        axes = np.ravel(ax)
        if len(axes) < count:
            raise ValueError(f"ax: expected {count} Axes, got {len(axes)}")
        widest = max(float(np.abs(w).max(initial=0)) for w in self.weights) or 1.0
        for place, w, name in zip(axes, self.weights, self.names, strict=False):
            count = bins or int(np.clip(2 * np.sqrt(w.size), 8, 60))
            edges = np.linspace(-widest, widest, count + 1)
            place.hist(w, bins=list(edges), color=COLOURS[0], edgecolor="white", linewidth=0.3)
            place.axvline(0, color="0.4", linewidth=0.8)
            place.set(title=f"{name}: {w.size} weights\ndeviation {w.std():.3g}", xlabel="weight")
        axes[0].set_ylabel("number")
        return self
