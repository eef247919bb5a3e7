"""What a bug report needs: versions, instruction set, threads, tiles."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np

from ._checks import choice
from ._threads import (
    available_isas,
    compiler,
    has_openmp,
    isa,
    num_threads,
    team,
    thread_source,
    thresholds,
)
from ._version import __version__

_SIZES = ("tile_rows", "tile_columns", "block_rows", "block_columns", "block_depth", "longest_sum")


def config() -> dict[str, dict[str, Any]]:
    calls, networks = team()
    sizes = {
        f"{name} {dtype}": int(value)
        for dtype in ("float32", "float64")
        for name, value in thresholds(dtype == "float64").items()
        if name in _SIZES
    }
    return {
        "versions": {
            "nablas": __version__,
            "Python": platform.python_version(),
            "NumPy": np.__version__,
            "platform": platform.platform(),
        },
        "build": {"compiler": compiler, "OpenMP": has_openmp},
        "instruction set": {"in use": isa(), "available": ", ".join(available_isas())},
        "threads": {
            "number": num_threads(),
            "decided by": thread_source(),
            "single calls": calls,
            "networks": networks,
        },
        "tiles and blocks": sizes,
    }


def show_config(mode: str = "stdout") -> dict[str, dict[str, Any]] | None:
    """Print what a bug report needs, or return it.

    Parameters
    ----------
    mode : {"stdout", "dicts"}
        Print the tables, or return them.

    Returns
    -------
    dict or None
        With ``mode="dicts"``: tables by name. ``"versions"``; ``"build"``: the compiler, and
        whether OpenMP was found; ``"instruction set"``: the one in use and those that this build
        and processor have; ``"threads"``: the number that a large call would use now, what
        decides it, and what the teams are made of, ``"openmp"`` or ``"threads"``, for single calls
        and for networks; ``"tiles and blocks"``: of matrix products, in rows and columns, and the
        longest sum without a cut.

    Raises
    ------
    ValueError
        When the mode is another one.
    RuntimeError
        When ``NABLAS_ISA`` or ``NABLAS_TEAM`` names one that this build or processor lacks.

    Examples
    --------
    >>> nb.show_config("dicts")["threads"]["number"] == nb.num_threads()
    True
    """
    choice("mode", mode, ("stdout", "dicts"))
    tables = config()
    if mode == "dicts":
        return tables
    for title, table in tables.items():
        print(f"{title}:")
        for name, value in table.items():
            print(f"  {name}: {value}")
    return None
