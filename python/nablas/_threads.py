"""Threads, claims and instruction sets of the core."""

from collections.abc import Iterator
from contextlib import contextmanager

from ._core import (
    Claim,
    available_isas,
    compiler,
    has_openmp,
    isa,
    num_threads,
    own_threads,
    peak_gflops,
    set_num_threads,
    set_own_threads,
    team,
    thread_source,
    thresholds,
    use_futex,
    use_isa,
    use_team,
)

__all__ = [
    "Claim",
    "available_isas",
    "claimed",
    "compiler",
    "has_openmp",
    "isa",
    "num_threads",
    "own_threads",
    "peak_gflops",
    "set_num_threads",
    "set_own_threads",
    "team",
    "thread_source",
    "thresholds",
    "use_futex",
    "use_isa",
    "use_team",
]


@contextmanager
def claimed(claim: Claim, message: str) -> Iterator[None]:
    """Hold a claim, or raise RuntimeError with the message if another call has it."""
    held = claim.hold()
    if held is None:
        raise RuntimeError(message)
    try:
        yield
    finally:
        held.release()
