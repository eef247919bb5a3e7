"""The number of threads of one call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from joblib import cpu_count

from .._threads import own_threads, set_own_threads


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Use `count` threads in calls from this Python thread inside.

    -1: as many as there are processors for this process. None changes nothing.
    """
    if count is None:
        yield
        return
    before = own_threads()
    try:
        set_own_threads(cpu_count() if count == -1 else count)
        yield
    finally:
        set_own_threads(before)
