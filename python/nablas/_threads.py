"""Threads and instruction sets of the core."""

from ._core import (
    available_isas,
    isa,
    num_threads,
    peak_gflops,
    set_num_threads,
    set_own_threads,
    thresholds,
    use_isa,
)

__all__ = [
    "available_isas",
    "isa",
    "num_threads",
    "peak_gflops",
    "set_num_threads",
    "set_own_threads",
    "thresholds",
    "use_isa",
]

for _function in (available_isas, isa, num_threads, set_num_threads):
    _function.__module__ = "nablas"
