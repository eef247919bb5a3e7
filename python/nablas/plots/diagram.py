"""A network as circles and lines, with its weights or with the numbers of a pass."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np

from .. import _checks
from ._display import COLOURS, Array, Display, network_of, number, pyplot
from ._layout import BIAS, DOTS
from ._network_plan import FONT, Plan, make_plan
from ._network_text import NetworkText

_NAME = 11.0  # font size of x₁, a₁, ŷ, whose index is smaller
_KEY = 300.0  # points of width for the legend of new Axes
_SHOWS = ("forward", "backward", "both")
# Colours of negative, zero and positive numbers. Gradients have others than weights.
_WEIGHTS = [COLOURS[1], "#8c8c8c", COLOURS[0]]
_GRADIENTS = [COLOURS[3], "#8c8c8c", COLOURS[2]]
_NAN = "black"


class NetworkDisplay(Display):
    """Units and bias nodes in columns, weights or gradients as lines.

    Bias nodes are grey and have the value 1; the weights of their edges are the next layer's
    biases. A line's colour tells the sign, its width the size; weights are blue and orange,
    gradients green and pink. With a pass every unit has its numbers: x of the inputs; z and a, and
    δ below them, of the others.

    Parameters
    ----------
    weights, biases : lists of arrays
        Of each layer, (inputs, outputs) and (outputs,).
    activations : list of str
        Of each layer.
    most_units : int
        Layers with more show their first and last units, and the number of those left out.
    passed : Explanation, optional
        A pass of one row through the network.
    show : "forward", "backward" or "both"
        What is drawn of the pass; see `from_explanation`.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
    lines_ : matplotlib LineCollection
        Its array holds the numbers that colour the lines, layer by layer, for each layer in the
        order of its extended weights (row 0 the biases).
    nodes_ : mapping of (column, unit) to a matplotlib Circle
        Column 0 has the inputs; unit -1 is the bias node.
    node_texts_ : mapping of (column, unit) to the text in the node
    edge_texts_ : mapping of (layer, source, unit) to the text on the edge
        Layer 0 leads from column 0 to column 1; source -1 is the bias node. Empty without values.
    target_texts_ : mapping of an output unit to the text of its target
    legend_ : matplotlib Legend

    Examples
    --------
    >>> net = nb.MLP([2, 3, 1], seed=0)
    >>> display = nb.plots.NetworkDisplay.from_estimator(net)
    >>> len(display.nodes_)  # with the bias nodes
    8
    """

    def __init__(
        self,
        weights: list[Array],
        biases: list[Array],
        activations: list[str],
        *,
        most_units: int = 12,
        passed: Any = None,
        show: str = "backward",
    ) -> None:
        _checks.choice("show", show, _SHOWS)
        if passed is not None and len(passed.layers[0].z) != 1:
            raise ValueError(
                f"passed: expected a pass of one row, got {len(passed.layers[0].z)} rows"
            )
        most_units = _checks.integer("most_units", most_units, 2)
        self.weights, self.biases, self.activations = weights, biases, activations
        self.most_units, self.passed = most_units, passed
        self._text = NetworkText(
            weights,
            biases,
            activations,
            most_units,
            passed,
            "weights" if passed is None else show,
        )

    @classmethod
    def from_estimator(
        cls, net: Any, *, most_units: int = 12, show_values: bool | None = None, ax: Any = None
    ) -> Self:
        """Draw a network and its weights.

        Parameters
        ----------
        net : MLP or estimator
        most_units : int
            Units shown of a layer; of larger layers only the first and last units are.
        show_values : bool, optional
            Write weights and biases on the edges. Default: if at most 24 edges are shown and their
            values have room.
        ax : matplotlib Axes, optional

        Returns
        -------
        NetworkDisplay
        """
        net = network_of(net)
        weights, biases = ([part.copy() for part in parts] for parts in (net.weights, net.biases))
        display = cls(weights, biases, list(net.activations), most_units=most_units)
        return display.plot(ax, show_values=show_values)

    @classmethod
    def from_explanation(
        cls,
        passed: Any,
        *,
        show: str = "backward",
        most_units: int = 8,
        show_values: bool | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw a pass of one row.

        Parameters
        ----------
        passed : Explanation
            What `MLP.explain` returns.
        show : "forward", "backward" or "both"
            "forward": z and a in the units, weights on the edges. "backward": z, a and δ in the
            units, the loss's gradient by each weight on its edge, targets beside the outputs.
            "both": as backward, with the weight above its gradient.
        most_units : int
            As for `from_estimator`.
        show_values : bool, optional
            Write the numbers of the edges; default as for `from_estimator`.
        ax : matplotlib Axes, optional

        Returns
        -------
        NetworkDisplay

        Raises
        ------
        ValueError
            For a pass of several rows.
        """
        layers = _checks.having("passed", passed, "layers", "an Explanation").layers
        display = cls(
            [layer.weights for layer in layers],
            [layer.bias for layer in layers],
            [layer.activation for layer in layers],
            most_units=most_units,
            passed=passed,
            show=show,
        )
        return display.plot(ax, show_values=show_values)

    def plot(self, ax: Any = None, *, show_values: bool | None = None) -> Self:
        """Draw on a matplotlib Axes, new ones of the size needed by default.

        Warns
        -----
        UserWarning
            If the given Axes are too small for the texts; it tells the size needed.
        """
        text, own = self._text, ax is None
        ax = self._start(ax, figsize=(6, 4))
        ax.axis("off")
        ax.set_title(text.title())
        room = None
        if not own:
            self.figure_.draw_without_rendering()  # a layout engine may move the Axes
            room = self._points(ax.get_window_extent())
        for ncols in (5, 3, 2):
            self._legend(ax, ncols)
            key = self._points(self.legend_.get_window_extent())
            if key[0] <= (_KEY if room is None else room[0]):
                break
        if show_values is not None:
            show_values = _checks.flag("show_values", show_values)
        plan = make_plan(text, key, room, show_values)
        if room is None:
            self.figure_.set_size_inches(plan.size[0] / 72 + 0.2, plan.size[1] / 72 + 0.5)
        elif (np.array(plan.size) > 1.02 * np.array(room)).any():
            need, have = (" x ".join(f"{v / 72:.1f}" for v in pair) for pair in (plan.size, room))
            warnings.warn(
                f"ax: expected at least {need} inches so that texts do not overlap, got {have}",
                stacklevel=3,
            )
        self._edges(ax, plan)
        self._nodes(ax, plan)
        ax.set(xlim=plan.x, ylim=plan.y, aspect="equal")
        return self

    def _points(self, box: Any) -> tuple[float, float]:
        """Width and height of a box of pixels in points."""
        scale = 72 / self.figure_.dpi
        return box.width * scale, box.height * scale

    def _coloured(self) -> Array:
        """The numbers that colour the edges."""
        return np.array([self._text.colouring(e) for layer in self._text.edges for e in layer])

    def _legend(self, ax: Any, ncols: int) -> None:
        """The key, below the network: signs, the widest line, the bias node."""
        from matplotlib.lines import Line2D

        values, palette = self._coloured(), _GRADIENTS if self._text.backward else _WEIGHTS
        top = _largest(values)
        kind = "∂J/∂w" if self._text.backward else "weight"
        names = [(f"{kind} < 0", (values < 0).any()), (f"{kind} = 0", (values == 0).any())]
        names += [(f"{kind} > 0", (values > 0).any()), (f"{kind} nan", np.isnan(values).any())]
        handles = [
            Line2D([], [], color=colour, linewidth=2.5, label=name)
            for colour, (name, found) in zip([*palette, _NAN], names, strict=True)
            if found
        ]
        handles += [
            Line2D([], [], color="0.3", linewidth=_width(1.0), label=f"widest: {number(top)}"),
            Line2D([], [], marker="o", markersize=9, label="bias node: 1", **_BIAS_MARK),
        ]
        self.legend_ = ax.legend(
            handles=handles,
            title=self._text.key() or None,
            ncols=ncols,
            loc="lower center",
            borderaxespad=0,
            fontsize=FONT,
            title_fontsize=FONT,
            handlelength=1.4,
            columnspacing=1.2,
        )
        self.legend_.set_in_layout(False)

    def _edges(self, ax: Any, plan: Plan) -> None:
        """Draw lines and their texts."""
        from matplotlib.collections import LineCollection
        from matplotlib.colors import BoundaryNorm, ListedColormap

        edges = [edge for layer in self._text.edges for edge in layer]
        values, palette = self._coloured(), _GRADIENTS if self._text.backward else _WEIGHTS
        top, least = _largest(values) or 1.0, np.finfo(float).tiny
        shares = np.nan_to_num(np.abs(values) / top, nan=1.0, posinf=1.0)
        self.lines_ = LineCollection(
            [[plan.places[k][i], plan.places[k + 1][j]] for k, i, j in edges],
            array=np.ma.masked_where(np.isnan(values), values),
            cmap=ListedColormap(palette).with_extremes(bad=_NAN),
            norm=BoundaryNorm([-top, -least, least, top], 3, clip=True),
            linewidths=_width(shares),
            zorder=1,
        )
        ax.add_collection(self.lines_)
        self.edge_texts_ = {
            edge: ax.text(*place, self._text.edge(edge), zorder=2, bbox=_PAPER, **_CENTRED)
            for edge, place in plan.labels.items()
        }

    def _nodes(self, ax: Any, plan: Plan) -> None:
        """Draw circles, their texts, targets, and the captions of the columns."""
        circle = pyplot().Circle
        size = _NAME if self.passed is None else FONT
        self.nodes_, self.node_texts_, self.target_texts_ = {}, {}, {}
        low = plan.y[0] + self._points(self.legend_.get_window_extent())[1] + 6
        for c, column in enumerate(plan.places):
            for u, (x, y) in column.items():
                text = ax.text(x, y, self._text.node(c, u), zorder=4, **_CENTRED)
                self.node_texts_[c, u] = text
                if u == DOTS:
                    text.set_bbox(_PAPER)
                    continue
                text.set_fontsize(size if u >= 0 else FONT)
                face = "0.85" if u == BIAS else "white"
                self.nodes_[c, u] = circle(
                    (x, y), plan.radius, facecolor=face, edgecolor="0.2", zorder=3
                )
                ax.add_patch(self.nodes_[c, u])
                if c == len(plan.places) - 1 and self._text.backward:
                    self.target_texts_[u] = ax.text(
                        x + plan.radius + 5, y, self._text.target(u), va="center", fontsize=FONT
                    )
            place = (column[0][0], low + 3 * 1.2 * FONT)
            ax.text(*place, self._text.caption(c), ha="center", va="top", fontsize=FONT)


_CENTRED: dict[str, Any] = {"fontsize": FONT, "ha": "center", "va": "center"}
_PAPER = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
_BIAS_MARK: dict[str, Any] = {
    "linestyle": "none",
    "markerfacecolor": "0.85",
    "markeredgecolor": "0.2",
}


def _largest(values: Array) -> float:
    """The largest size of the finite ones, 0 without any."""
    return float(np.abs(values[np.isfinite(values)]).max(initial=0.0))


def _width(share: Any) -> Any:
    """A line's width in points; `share` is of the largest number."""
    return 0.7 + 3.3 * share
