"""Histograms of the weights, layer by layer."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from .. import _checks
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

    Examples
    --------
    >>> net = nb.MLP([2, 3, 1], seed=0)
    >>> display = nb.plots.WeightHistogramDisplay.from_estimator(net)
    >>> [weights.shape for weights in display.weights]
    [(6,), (3,)]
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
            Default: twice the root of the number of weights, from 8 to 60.
        ax : array of Axes, optional
            One for each layer.

        Returns
        -------
        WeightHistogramDisplay
        """
        net = network_of(net)
        weights = [w.astype(float).ravel() for w in net.weights]
        if not all(np.isfinite(w).all() for w in weights):
            raise ValueError("net: expected finite weights, got others")
        return cls(weights, hidden_names(net)).plot(ax, bins=bins)

    def plot(self, ax: Any = None, *, bins: int | None = None) -> Self:
        """Draw on as many matplotlib Axes as there are layers, new ones by default."""
        if bins is not None:
            bins = _checks.integer("bins", bins, 1)
        count = len(self.weights)
        columns = min(count, 4)
        rows = -(-count // columns)
        size = (3.0 * columns + 0.5, 2.7 * rows + 0.3)
        ax = self._start(
            ax, several=True, nrows=rows, ncols=columns, figsize=size, squeeze=False, sharex=True
        )
        axes = np.ravel(ax)
        if len(axes) < count:
            raise ValueError(f"ax: expected {count} Axes, got {len(axes)}")
        widest = max(float(np.abs(w).max(initial=0)) for w in self.weights) or 1.0
        for place, w, name in zip(axes, self.weights, self.names, strict=False):
            default = int(np.clip(2 * np.sqrt(w.size), 8, 60))
            edges = np.linspace(-widest, widest, (default if bins is None else bins) + 1)
            place.hist(w, bins=list(edges), color=COLOURS[0], edgecolor="white", linewidth=0.3)
            place.axvline(0, color="0.4", linewidth=0.8)
            many = "weight" if w.size == 1 else "weights"
            place.set(xlabel="weight", ylabel="number of weights")
            place.set_title(f"{name}: {w.size} {many}\nstandard deviation {w.std():.3g}")
            place.tick_params(labelbottom=True)
        for place in axes[count:]:
            place.set_visible(False)
        return self
