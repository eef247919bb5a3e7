"""Lines and planes of parameter space: their directions, and coordinates on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from .. import _checks
from ._display import Array


def orthogonal(directions: Sequence[ArrayLike], shape: tuple[int, ...]) -> list[Array]:
    """One or two directions of a shape, the second made orthogonal to the first and as long."""
    given = _checks.items("directions", directions, "one or two arrays")
    ways = [_checks.plain_array("directions", direction, float) for direction in given]
    if len(ways) not in (1, 2):
        raise ValueError(f"directions: expected one or two, got {len(ways)}")
    for i, way in enumerate(ways):
        if way.shape != shape:
            raise ValueError(f"directions: expected shape {shape}, got {way.shape} at {i}")
        if not way.any():
            raise ValueError(f"directions: expected some that are not zero, got zeros at {i}")
    if len(ways) == 2:
        first, second = ways
        rest = second - np.vdot(second, first) / np.vdot(first, first) * first
        if np.linalg.norm(rest) <= 1e-6 * np.linalg.norm(second):
            raise ValueError("directions: expected two that are not parallel")
        ways[1] = rest * (np.linalg.norm(first) / np.linalg.norm(rest))
    return ways


def coordinates(start: Array, ways: list[Array], point: ArrayLike, name: str) -> tuple[float, ...]:
    """Coordinates of a point of the span of orthogonal directions, counted from `start`."""
    at = np.asarray(point, dtype=float)
    if at.shape != start.shape:
        raise ValueError(f"points: expected shape {start.shape}, got {at.shape} for {name!r}")
    offset = at - start
    steps = [float(np.vdot(offset, way) / np.vdot(way, way)) for way in ways]
    away = offset - sum(step * way for step, way in zip(steps, ways, strict=True))
    if np.linalg.norm(away) > 1e-5 * np.linalg.norm(offset):
        raise ValueError(
            f"points: expected points in the span of the directions, got {name!r}, which is "
            f"{np.linalg.norm(away):.3g} away"
        )
    return tuple(steps)
