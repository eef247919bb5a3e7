"""Where a network diagram's parts go. All lengths are points, 1/72 inch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._display import text_size
from ._layout import DOTS, Columns, columns, place_labels
from ._network_text import Edge, NetworkText

FONT = 9.0
Pair = tuple[float, float]

_CAPTION = 3 * 1.2 * FONT  # height of the lines below a column
_MOST_VALUES = 24  # edges that get a value by default
_GROWTHS = 14  # attempts to place the values, each on a larger plan


@dataclass
class Plan:
    """Places of nodes and edge labels, the nodes' radius, and the limits of x and y."""

    places: Columns
    labels: dict[Edge, Pair]
    radius: float
    x: Pair
    y: Pair

    @property
    def size(self) -> Pair:
        """Width and height."""
        return self.x[1] - self.x[0], self.y[1] - self.y[0]


@dataclass
class _Margins:
    """Space around the outermost nodes' centres."""

    left: float
    right: float
    above: float
    below: float


def make_plan(text: NetworkText, key: Pair, room: Pair | None, show_values: bool | None) -> Plan:
    """Rows and columns as close as the texts permit, spread over the room where it is larger.

    Parameters
    ----------
    text : NetworkText
    key : (width, height) of the legend below the network
    room : (width, height) of given Axes
    show_values : bool, optional
        As for `NetworkDisplay.from_estimator`.

    Raises
    ------
    ValueError
        If `show_values` is True and the values have no room on any plan.
    """
    radius = _radius(text)
    margins = _margins(text, radius, key)
    width, height = (0.0, 0.0) if room is None else room
    gaps = len(text.sizes) - 1
    ys = [y for column in columns(text.units, 1.0, 1.0) for _, y in column.values()]
    rows = max(ys) - min(ys)
    row = max(2 * radius + 4, (height - margins.above - margins.below) / max(rows, 1))
    count = sum(map(len, text.edges))
    wanted = count <= _MOST_VALUES if show_values is None else show_values
    fixed = room is not None and show_values is None  # values only if they have room as it is
    spread = (width - margins.left - margins.right) / gaps
    if room is None:
        spread = max(spread, 0.4 * rows * row)  # flatter lines are easier to follow
    gap = max(_least_gap(text, wanted and not fixed), spread)
    for k in range(0 if not wanted else 1 if fixed else _GROWTHS):
        places = columns(text.units, row * 1.06**k, gap * 1.12**k)
        labels = _labels(text, places, radius)
        if labels is not None:
            return _limits(places, labels, radius, margins, max(key[0], width))
    if wanted and show_values:
        raise ValueError(f"show_values: expected fewer edges, got {count} that have no room")
    return _limits(columns(text.units, row, gap), {}, radius, margins, max(key[0], width))


def _radius(text: NetworkText) -> float:
    """The least radius of a circle around every node's text."""
    if text.passed is None:
        return 12.0
    shown = [(c, u) for c, units in enumerate(text.units) for u in units if u != DOTS]
    return 2 + max(float(np.hypot(*text_size(text.node(c, u), FONT))) / 2 for c, u in shown)


def _least_gap(text: NetworkText, wanted: bool) -> float:
    """The least distance of two columns; `wanted`: values stand between them."""
    captions = max(text_size(text.caption(c), FONT)[0] for c in range(len(text.sizes)))
    between = 36.0
    if wanted:
        widths = [text_size(text.edge(e), FONT)[0] for layer in text.edges for e in layer]
        between = 30 + 1.6 * max(widths)
    return max(2 * _radius(text) + between, captions + 8)


def _margins(text: NetworkText, radius: float, key: Pair) -> _Margins:
    first, last = (text_size(text.caption(c), FONT)[0] / 2 for c in (0, len(text.weights)))
    left, right = max(radius, first) + 3, max(radius, last) + 3
    if text.backward:
        targets = [text_size(text.target(u), FONT)[0] for u in text.units[-1] if u != DOTS]
        right = max(right, radius + 8 + max(targets))
    return _Margins(left, right, radius + 3, radius + 8 + _CAPTION + 6 + key[1])


def _labels(text: NetworkText, places: Columns, radius: float) -> dict[Edge, Pair] | None:
    """A place for the text of every edge, or None."""
    labels: dict[Edge, Pair] = {}
    for k, layer in enumerate(text.edges):
        segments = np.array([[places[k][i], places[k + 1][j]] for _, i, j in layer])
        sizes = np.array([text_size(text.edge(edge), FONT) for edge in layer])
        nodes = np.array([*places[k].values(), *places[k + 1].values()])
        targets = len({unit for _, _, unit in layer})
        share = targets / (targets + len(layer) / targets)  # lines are far apart at the fewer nodes
        found = place_labels(segments, sizes, nodes, radius, 0.15 + 0.7 * share)
        if found is None:
            return None
        labels.update(
            {edge: (float(x), float(y)) for edge, (x, y) in zip(layer, found, strict=True)}
        )
    return labels


def _limits(
    places: Columns, labels: dict[Edge, Pair], radius: float, margins: _Margins, width: float
) -> Plan:
    """The plan with its limits; at least `width` wide, the network in the middle."""
    ys = [y for column in places for _, y in column.values()]
    right = places[-1][0][0] + margins.right
    spare = max(0.0, width - margins.left - right) / 2
    x = (-margins.left - spare, right + spare)
    return Plan(places, labels, radius, x, (min(ys) - margins.below, max(ys) + margins.above))
