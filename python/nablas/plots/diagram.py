"""A network as circles and lines."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from ._display import Array, Display, network_of, pyplot

_SMALL: dict[str, Any] = {"fontsize": 7, "ha": "center", "va": "center"}
_PAPER = {"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.85}


class NetworkDisplay(Display):
    """Units in columns, weights as coloured lines, biases as the colour of the units.

    Parameters
    ----------
    weights, biases : lists of arrays
        Of each layer, (inputs, outputs) and (outputs,).
    activations : list of str
        Of each layer.
    most_units : int
        Layers with more show their first and last units.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
    lines_ : matplotlib LineCollection
    colorbar_ : matplotlib Colorbar
    """

    def __init__(
        self,
        weights: list[Array],
        biases: list[Array],
        activations: list[str],
        *,
        most_units: int = 12,
    ) -> None:
        self.weights, self.biases, self.activations = weights, biases, activations
        self.most_units = most_units

    @classmethod
    def from_estimator(
        cls, net: Any, *, most_units: int = 12, show_values: bool | None = None, ax: Any = None
    ) -> Self:
        """Draw a network.

        Parameters
        ----------
        net : MLP or estimator
        most_units : int
            Units shown of a layer; of larger layers only the first and last units are.
        show_values : bool, optional
            Write weights on lines and biases in units. Default: if at most 12 weights are shown.
        ax : matplotlib Axes, optional

        Returns
        -------
        NetworkDisplay
        """
        net = network_of(net)
        display = cls(
            list(net.weights), list(net.biases), list(net.activations), most_units=most_units
        )
        return display.plot(ax, show_values=show_values)

    def plot(self, ax: Any = None, *, show_values: bool | None = None) -> Self:
        """Draw on a matplotlib Axes, a new one by default."""
        plt = pyplot()
        from matplotlib.colors import Normalize

        sizes = [self.weights[0].shape[0], *(w.shape[1] for w in self.weights)]
        shown = [self._shown(size) for size in sizes]
        tallest = max(len(units) for units in shown)
        if ax is None:
            ax = self._start(None, figsize=(2.2 * len(sizes) + 1.2, 0.62 * max(tallest, 4) + 1.3))
        else:
            self._start(ax)
        places = [
            {u: (2.4 * c, (len(units) - 1) / 2 - k) for k, u in enumerate(units) if u >= 0}
            for c, units in enumerate(shown)
        ]
        top = max(float(np.abs(p).max(initial=0)) for p in [*self.weights, *self.biases]) or 1.0
        norm, cmap = Normalize(-top, top), plt.get_cmap("RdBu")
        with_values = self._edges(ax, places, top, norm, cmap, show_values)
        self._units(ax, places, sizes, tallest, top, norm, cmap, with_values)
        self.colorbar_ = self.figure_.colorbar(
            plt.cm.ScalarMappable(norm, cmap), ax=ax, shrink=0.7, label="weight (line), bias (unit)"
        )
        half = (tallest - 1) / 2
        ax.set(xlim=(-0.7, 2.4 * (len(sizes) - 1) + 0.7), ylim=(-half - 1.5, half + 0.5))
        ax.set_aspect("equal")
        ax.axis("off")
        ax.set_title("-".join(str(size) for size in sizes))
        return self

    def _edges(
        self,
        ax: Any,
        places: list[dict[int, tuple[float, float]]],
        top: float,
        norm: Any,
        cmap: Any,
        show_values: bool | None,
    ) -> bool:
        """Draw the weights as lines; returns whether values are written."""
        from matplotlib.collections import LineCollection

        segments, values = [], []
        for c, w in enumerate(self.weights):
            for i, start in places[c].items():
                for j, end in places[c + 1].items():
                    segments.append([start, end])
                    values.append(float(w[i, j]))
        width = 0.5 + 2.5 * np.abs(values) / top
        ax.add_collection(
            LineCollection(segments, colors="0.8", linewidths=width + 0.5, zorder=0)
        )  # grey outline: weights near 0 are white
        self.lines_ = LineCollection(
            segments, array=np.array(values), cmap=cmap, norm=norm, linewidths=width, zorder=1
        )
        ax.add_collection(self.lines_)
        with_values = show_values if show_values is not None else len(values) <= 12
        if with_values:
            for ((x0, y0), (x1, y1)), value in zip(segments, values, strict=True):
                place = (x0 + 0.32 * (x1 - x0), y0 + 0.32 * (y1 - y0))
                ax.text(*place, f"{value:.2f}", bbox=_PAPER, zorder=2, **_SMALL)
        return with_values

    def _units(
        self,
        ax: Any,
        places: list[dict[int, tuple[float, float]]],
        sizes: list[int],
        tallest: int,
        top: float,
        norm: Any,
        cmap: Any,
        with_values: bool,
    ) -> None:
        """Draw each layer's units and its name."""
        plt = pyplot()
        for c, column in enumerate(places):
            for u, (x, y) in column.items():
                face = "white" if c == 0 else cmap(norm(float(self.biases[c - 1][u])))
                ax.add_patch(
                    plt.Circle((x, y), 0.28, facecolor=face, edgecolor="0.2", linewidth=1, zorder=3)
                )
                if c == 0:
                    ax.text(x, y, f"$x_{{{u + 1}}}$", ha="center", va="center", zorder=4)
                elif with_values:
                    bias = float(self.biases[c - 1][u])
                    ink = "white" if abs(bias) > 0.6 * top else "black"
                    ax.text(x, y, f"{bias:.2f}", zorder=4, color=ink, **_SMALL)
            if len(column) < sizes[c]:
                ax.text(2.4 * c, 0, "⋮", ha="center", va="center", fontsize=16)
            name = "inputs" if c == 0 else self.activations[c - 1]
            bottom = -(tallest - 1) / 2 - 0.62
            ax.text(2.4 * c, bottom, f"{name}\n{sizes[c]}", ha="center", va="top", fontsize=9)

    def _shown(self, size: int) -> list[int]:
        """The units of a layer to draw; -1 stands for those left out in the middle."""
        if size <= self.most_units:
            return list(range(size))
        half = max(1, (self.most_units - 1) // 2)
        return [*range(half), -1, *range(size - half, size)]
