"""The number of threads of one call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .. import _core


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """So many threads in what this Python thread calls inside; None changes nothing."""
    if count is None:
        yield
        return
    before = _core.set_own_threads(count)
    try:
        yield
    finally:
        _core.set_own_threads(before)
