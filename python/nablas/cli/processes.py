"""A command that several processes run together, started by ``mpiexec``."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from .. import _threads
from .._optional import require
from .._processes import Processes, together

# What the launchers of MPICH, Intel MPI, Open MPI and Slurm tell a process: how many there are.
COUNTS = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")


def world() -> Any:
    """The communicator of all processes; None for a process that was started alone."""
    if not any(os.environ.get(name, "1") not in ("", "1") for name in COUNTS):
        return None
    return require("mpi4py.MPI", "mpi").COMM_WORLD


@contextlib.contextmanager
def command(threads: int | None) -> Iterator[Processes]:
    """The processes of a command, of which the first one prints.

    An error that all have is printed by the first. `threads`: of each process; by default the
    processes of a machine share its processors.
    """
    with together(world()) as processes:
        if threads is None and processes.comm is not None:
            kind = require("mpi4py.MPI", "mpi").COMM_TYPE_SHARED
            here = processes.comm.Split_type(kind)
            threads = max(1, _threads.num_threads() // here.Get_size())
            here.Free()
        if threads is not None:
            _threads.set_num_threads(threads)
        try:
            with contextlib.ExitStack() as quiet:
                if not processes.first:
                    nothing = quiet.enter_context(open(os.devnull, "w"))
                    quiet.enter_context(contextlib.redirect_stdout(nothing))
                    quiet.enter_context(contextlib.redirect_stderr(nothing))
                yield processes
        except Exception as error:
            if processes.first or not processes.together:
                raise
            raise SystemExit(2) from error
