"""Places for the nodes, edges and labels of an acyclic graph, drawn from left to right.

Nodes stand in columns by depth. Between two columns of nodes is a column of labels. An edge has an
item in every column that it crosses: its label, or a point. Items of a column keep a distance from
one another, so an edge passes through no node and no label. Sizes are in pixels, y goes down.
The order within columns is by medians (Sugiyama et al. 1981; Gansner et al. 1993).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

Point = tuple[float, float]

COLUMN_GAP = 16.0  # at least, for the slanted part of an edge
STEEPEST = 0.16  # pixels of that part for each pixel that the edge climbs
WIDEST_GAP = 70.0
ROW_GAP = 13.0
ARROW = 8.0
PORT = 11.0  # between two arrows that end at one node
SWEEPS, EFFORT = 24, 60_000  # over the columns; fewer where there are many items


_NARROW, _WIDE = set(".,:;'|!iljI()[]{} "), set("WMmw@%∂Σ∇—")


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Pixels, at most, of a text in a sans-serif font as wide as DejaVu Sans."""
    units = sum(
        0.42 if c in _NARROW else 1.02 if c in _WIDE or ord(c) > 0x2E7F else 0.68 for c in text
    )
    return units * size * (1.1 if bold else 1.0)


@dataclass
class Box:
    """A rectangle by its centre."""

    x: float
    y: float
    width: float
    height: float


@dataclass
class Link:
    """An edge to be placed.

    Attributes
    ----------
    source, target : int
        Indices of nodes; the source is to the left.
    width : float
        Of its label; 0 if it has none.
    above, below : float
        Heights of the label's parts above and below the line.
    """

    source: int
    target: int
    width: float = 0.0
    above: float = 0.0
    below: float = 0.0


@dataclass
class Route:
    """A placed edge.

    Attributes
    ----------
    points : list of (x, y)
        Between two points with one y the edge is straight, else an S-curve with level ends, whose
        Bézier control points have the x in the middle. The last point is the arrow's tip.
    label : Box
        Where the label is; the line passes `Link.above` under its upper side.
    """

    points: list[Point]
    label: Box


@dataclass
class Layout:
    """Boxes of the nodes, routes of the edges, and the size of the whole, from (0, 0)."""

    boxes: list[Box]
    routes: list[Route]
    width: float
    height: float


@dataclass
class _Item:
    """A node, a label or a point of an edge in a column."""

    rank: int
    width: float
    above: float  # heights above and below the item's line
    below: float
    node: bool
    left: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    y: float = 0.0


def place(
    sizes: Sequence[tuple[float, float]],
    links: Sequence[Link],
    depth: Sequence[int],
    *,
    keep_order: bool = False,
) -> Layout:
    """Place a graph.

    Parameters
    ----------
    sizes : sequence of (width, height)
        Of each node.
    links : sequence of Link
    depth : sequence of int
        Column of each node; a link's target is in a later column than its source.
    keep_order : bool
        Keep the nodes of a column in the order given.

    Returns
    -------
    Layout
    """
    entering = [0] * len(sizes)
    for link in links:
        entering[link.target] += 1
    items = [
        _Item(2 * d, w, max(h, PORT * (n + 1)) / 2, max(h, PORT * (n + 1)) / 2, True)
        for (w, h), d, n in zip(sizes, depth, entering, strict=True)
    ]
    chains = [_chain(items, link) for link in links]
    columns: list[list[int]] = [[] for _ in range(2 * max(depth, default=0) + 1)]
    for i, item in enumerate(items):
        columns[item.rank].append(i)
    _order(items, columns, keep_order)
    _rows(items, columns)
    return _measured(items, columns, chains, len(sizes))


def _chain(items: list[_Item], link: Link) -> list[int]:
    """Add an item for each column that an edge crosses; the last one is its label."""
    first, last = items[link.source].rank + 1, items[link.target].rank - 1
    chain = [link.source]
    for rank in range(first, last + 1):
        label = rank == last
        size = (link.width, link.above, link.below) if label else (0.0, 0.0, 0.0)
        items.append(_Item(rank, *size, node=False))
        chain.append(len(items) - 1)
    chain.append(link.target)
    for i, j in pairwise(chain):
        items[i].right.append(j)
        items[j].left.append(i)
    return chain


def _sweeps(items: list[_Item]) -> int:
    return max(4, min(SWEEPS, EFFORT // len(items))) // 2 * 2


# ---- order within columns ----------------------------------------------------------------------


def _order(items: list[_Item], columns: list[list[int]], keep_order: bool) -> None:
    """Reorder the columns so that few edges cross."""
    best, fewest = [list(column) for column in columns], _crossings(items, columns)
    for turn in range(_sweeps(items) // 2):
        rightward = turn % 2 == 0
        place = {i: k for column in columns for k, i in enumerate(column)}
        for column in columns if rightward else columns[::-1]:
            if keep_order and column and items[column[0]].node:
                continue

            def wish(i: int) -> tuple[float, int]:
                near = items[i].left if rightward else items[i].right  # noqa: B023, used at once
                return _median(sorted(place[j] for j in near), place[i]), place[i]  # noqa: B023

            column.sort(key=wish)
            place.update({i: k for k, i in enumerate(column)})
        count = _crossings(items, columns)
        if count < fewest:
            best, fewest = [list(column) for column in columns], count
        if not fewest:
            break
    columns[:] = best


def _median(places: list[int], own: float) -> float:
    if not places:
        return own
    middle = len(places) // 2
    return places[middle] if len(places) % 2 else (places[middle - 1] + places[middle]) / 2


def _crossings(items: list[_Item], columns: list[list[int]]) -> int:
    """Pairs of edges that cross between neighbouring columns."""
    count = 0
    for left, right in pairwise(columns):
        place = {i: k for k, i in enumerate(right)}
        seen: list[int] = []
        for i in left:
            ends = sorted(place[j] for j in items[i].right)
            count += sum(len(seen) - bisect_left(seen, end + 1) for end in ends)
            for end in ends:
                insort(seen, end)
    return count


# ---- rows ----------------------------------------------------------------------------------------


def _rows(items: list[_Item], columns: list[list[int]]) -> None:
    """Give every item its y: near its neighbours, and apart from the others of its column."""
    for column in columns:
        _spread(items, column, [0.0] * len(column), [1.0] * len(column))
    for turn in range(_sweeps(items)):
        for column in columns if turn % 2 == 0 else columns[::-1]:
            wishes, weights = [], []
            for i in column:
                item = items[i]
                one_side = item.left if turn % 2 == 0 else item.right
                near = one_side if turn < 6 and one_side else item.left + item.right
                # Long edges are kept straight before short ones.
                pull = [(1.0 if items[j].node or item.node else 4.0) for j in near]
                total = sum(p * items[j].y for p, j in zip(pull, near, strict=True))
                wishes.append(total / sum(pull) if near else item.y)
                weights.append(sum(pull) or 1e-3)
            _spread(items, column, wishes, weights)
    for column in columns[::-1]:  # long edges go level to their label, as far as there is room
        wishes = [items[i].y if items[i].node else _level(items, i) for i in column]
        _spread(items, column, wishes, [4.0 if items[i].node else 1.0 for i in column])


def _level(items: list[_Item], i: int) -> float:
    """The y of an edge's next item; its own y for the last one."""
    following = items[items[i].right[0]]
    return items[i].y if following.node else following.y


def _spread(
    items: list[_Item], column: list[int], wishes: list[float], weights: list[float]
) -> None:
    """The y of least weighted squared distance from the wishes that keep the items apart.

    With the distances taken off it is an isotonic regression: blocks that are out of order merge.
    """
    offset, offsets = 0.0, []
    for k, i in enumerate(column):
        if k:
            before = items[column[k - 1]]
            offset += before.below + items[i].above + ROW_GAP
        offsets.append(offset)
    blocks: list[tuple[float, float, int]] = []  # mean, weight, members
    for wish, start, weight in zip(wishes, offsets, weights, strict=True):
        mean, mass, members = wish - start, weight, 1
        while blocks and blocks[-1][0] >= mean:
            other, more, count = blocks.pop()
            mean = (mean * mass + other * more) / (mass + more)
            mass, members = mass + more, members + count
        blocks.append((mean, mass, members))
    means = [mean for mean, _, members in blocks for _ in range(members)]
    for i, mean, start in zip(column, means, offsets, strict=True):
        items[i].y = mean + start


# ---- coordinates ---------------------------------------------------------------------------------


def _measured(
    items: list[_Item], columns: list[list[int]], chains: list[list[int]], nodes: int
) -> Layout:
    """The columns' x, the ports of the arrows, the routes."""
    top = min((item.y - item.above for item in items), default=0.0)
    for item in items:
        item.y -= top
    ports = _ports(items, chains, nodes)
    climbs = [0.0] * len(columns)
    for e, chain in enumerate(chains):
        for i, j in pairwise(chain):
            end = ports[e] if j < nodes else items[j].y
            climbs[items[j].rank] = max(climbs[items[j].rank], abs(end - items[i].y))
    centres, halves, x = [], [], 0.0
    for rank, column in enumerate(columns):
        wide = max((items[i].width for i in column), default=0.0)
        if rank:
            x += min(WIDEST_GAP, COLUMN_GAP + STEEPEST * climbs[rank])
            x += ARROW if rank % 2 == 0 else 0
        centres.append(x + wide / 2)
        halves.append(wide / 2)
        x += wide
    boxes = [
        Box(centres[item.rank], item.y, item.width, item.above + item.below)
        for item in items[:nodes]
    ]
    routes = []
    for e, chain in enumerate(chains):
        points = [(boxes[chain[0]].x + boxes[chain[0]].width / 2, items[chain[0]].y)]
        source = items[chain[0]].rank
        points.append((centres[source] + halves[source], items[chain[0]].y))
        for i in chain[1:-1]:
            c, half, y = centres[items[i].rank], halves[items[i].rank], items[i].y
            points += [(c - half, y), (c + half, y)]
        last, end = chain[-1], ports[e]
        points.append((centres[items[last].rank] - halves[items[last].rank] - ARROW, end))
        points.append((boxes[last].x - boxes[last].width / 2, end))
        label = items[chain[-2]]
        height = label.above + label.below
        middle = label.y + (label.below - label.above) / 2
        routes.append(
            Route(_distinct(points), Box(centres[label.rank], middle, label.width, height))
        )
    height = max((item.y + item.below for item in items), default=0.0)
    return Layout(boxes, routes, x, height)


def _distinct(points: list[Point]) -> list[Point]:
    kept = points[:1]
    for point in points[1:]:
        if point != kept[-1]:
            kept.append(point)
    return kept


def _ports(items: list[_Item], chains: list[list[int]], nodes: int) -> list[float]:
    """Where on its target's left side each edge ends: in the order in which the edges arrive."""
    ports = [0.0] * len(chains)
    for node in range(nodes):
        arriving = [e for e, chain in enumerate(chains) if chain[-1] == node]
        arriving.sort(key=lambda e: items[chains[e][-2]].y)
        for k, e in enumerate(arriving):
            ports[e] = items[node].y + PORT * (k - (len(arriving) - 1) / 2)
    return ports


def depths(inputs: Sequence[Sequence[int]]) -> list[int]:
    """Columns of nodes that stand after their inputs, and leaves before their first user."""
    depth = [0] * len(inputs)
    users: list[list[int]] = [[] for _ in inputs]
    for i, read in enumerate(inputs):
        depth[i] = 1 + max((depth[j] for j in read), default=-1)
        for j in read:
            users[j].append(i)
    for i, read in enumerate(inputs):
        if not read and users[i]:
            depth[i] = min(depth[j] for j in users[i]) - 1
    return depth


def path(points: Sequence[Point]) -> str:
    """A route as the path of an SVG, up to the arrow."""
    points = [*points[:-1], (points[-1][0] - ARROW / 2, points[-1][1])]
    parts = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    for (x0, y0), (x1, y1) in pairwise(points):
        middle = (x0 + x1) / 2
        straight = y0 == y1
        parts.append(
            f"H{x1:.1f}"
            if straight
            else f"C{middle:.1f} {y0:.1f} {middle:.1f} {y1:.1f} {x1:.1f} {y1:.1f}"
        )
    return "".join(parts)


def arrow(tip: Point) -> list[Point]:
    """The corners of an arrow's head."""
    x, y = tip
    return [(x, y), (x - ARROW, y - ARROW / 2), (x - ARROW, y + ARROW / 2)]
