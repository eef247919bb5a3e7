"""Places of a network's units and edge labels. All lengths are points, 1/72 inch."""

from __future__ import annotations

import numpy as np

from ._display import Array

BIAS, DOTS = -1, -2  # a column's entries that are no units: its bias node, the units left out
Columns = list[dict[int, tuple[float, float]]]

_CLEAR = 3.0  # free space around a label
_TRIES = 4000  # steps of the search of one layer


def shown_units(size: int, most: int) -> list[int]:
    """The units of a layer to draw: all, or the first and last with DOTS between them."""
    if size <= most:
        return list(range(size))
    half = max(1, (most - 1) // 2)
    return [*range(half), DOTS, *range(size - half, size)]


def columns(units: list[list[int]], row: float, gap: float) -> Columns:
    """Places of every column's units, centred on y = 0, and of the bias node above them.

    Parameters
    ----------
    units : of each column, the entries from top to bottom
    row, gap : distances between neighbours in a column and between columns

    Returns
    -------
    list of mappings from a unit, BIAS or DOTS to (x, y). The last column has no bias node.
    """
    result: Columns = []
    for c, column in enumerate(units):
        top = (len(column) - 1) / 2 * row
        here = {u: (c * gap, top - k * row) for k, u in enumerate(column)}
        if c < len(units) - 1:
            here[BIAS] = (c * gap, top + row)
        result.append(here)
    return result


def place_labels(
    segments: Array, sizes: Array, nodes: Array, radius: float, prefer: float
) -> Array | None:
    """The centre of one label on each segment.

    A label's box touches no other segment, no node and no other label.

    Parameters
    ----------
    segments : array of shape (m, 2, 2)
        Start and end of each.
    sizes : array of shape (m, 2)
        Width and height of each label.
    nodes : array of shape (k, 2)
    radius : float
        Of the nodes.
    prefer : float
        The wanted share of the way from start to end.

    Returns
    -------
    array of shape (m, 2), or None if the search found no such places
    """
    shares = np.linspace(0.08, 0.92, 85)
    shares = shares[np.argsort(np.abs(shares - prefer), kind="stable")]
    start, end = segments[:, np.newaxis, 0], segments[:, np.newaxis, 1]
    centres = start + shares[:, np.newaxis] * (end - start)
    half = sizes / 2 + _CLEAR
    free = ~(_meets_segment(centres, half, segments) | _meets_node(centres, half, nodes, radius))
    picks = _pick(free, centres, half)
    return None if picks is None else centres[np.arange(len(picks)), picks]


def _meets_segment(centres: Array, half: Array, segments: Array) -> Array:
    """Whether boxes at `centres` (m, s, 2) meet a segment that is not their own.

    By the separating axis theorem for a box and a segment: x, y and the segment's normal.
    """
    reach = (segments[:, 1] - segments[:, 0]) / 2
    offset = segments.mean(axis=1) - centres[:, :, np.newaxis]  # (m, s, other segment, 2)
    box = half[:, np.newaxis, np.newaxis]
    meets = (np.abs(offset) <= box + np.abs(reach)).all(axis=-1)
    normal = np.abs(reach[:, 0] * offset[..., 1] - reach[:, 1] * offset[..., 0])
    meets &= normal <= box[..., 0] * np.abs(reach[:, 1]) + box[..., 1] * np.abs(reach[:, 0])
    own = np.arange(len(segments))
    meets[own, :, own] = False
    result: Array = meets.any(axis=-1)
    return result


def _meets_node(centres: Array, half: Array, nodes: Array, radius: float) -> Array:
    """Whether boxes at `centres` (m, s, 2) meet a node."""
    outside = np.abs(nodes - centres[:, :, np.newaxis]) - half[:, np.newaxis, np.newaxis]
    distance = np.hypot(*np.moveaxis(np.maximum(outside, 0), -1, 0))
    result: Array = (distance <= radius).any(axis=-1)
    return result


def _pick(free: Array, centres: Array, half: Array) -> Array | None:
    """One free candidate for each label so that no two boxes overlap, by backtracking."""
    order = np.argsort(free.sum(axis=1), kind="stable")
    picks = np.full(len(order), -1)
    tries = 0

    def place(depth: int) -> bool:
        nonlocal tries
        if depth == len(order):
            return True
        label, done = order[depth], order[:depth]
        for candidate in np.flatnonzero(free[label]):
            tries += 1
            if tries > _TRIES:
                return False
            apart = np.abs(centres[label, candidate] - centres[done, picks[done]])
            if (apart < half[label] + half[done]).all(axis=1).any():
                continue
            picks[label] = candidate
            if place(depth + 1):
                return True
        return False

    return picks if place(0) else None
