"""The processes of one training: what they agree on, and what process 0 decides for all.

Between its processes a training is in one of two conditions. *Together*: all have come to the same
place, and an error is the same in all. *Apart*: each computes by itself, and an error of one is not
known to the others, which may wait for it; so it ends the whole job.
"""

from __future__ import annotations

import pickle
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from . import _checks
from ._checkpoints import Tree, checksum, differences
from ._exchange import Exchange, own_shards, wait
from ._threads import isa
from ._version import __version__
from .network import Network
from .optimizers import Optimizer

SHARDS = 8  # with `comm`, unless given


class Processes:
    """The processes of a communicator, or this one alone.

    Parameters
    ----------
    comm : mpi4py communicator, or None

    Attributes
    ----------
    rank, size : int
    together : bool
        Whether an error now is the same in all processes.
    agreed : bool
        Whether `agree` has returned.
    """

    def __init__(self, comm: Any = None) -> None:
        self.comm, self.rank, self.size, self.together = None, 0, 1, True
        self.agreed = self._met = self._led = False
        if comm is not None:
            mpi: Any = sys.modules.get("mpi4py.MPI")  # else there are no communicators
            if mpi is None or not isinstance(comm, mpi.Intracomm) or comm == mpi.COMM_NULL:
                raise TypeError(
                    "comm: expected an intracommunicator of mpi4py such as MPI.COMM_WORLD, got "
                    f"{type(comm).__name__}"
                )
            self.rank, self.size = comm.Get_rank(), comm.Get_size()
            self.comm = comm.Dup() if self.size > 1 else None
            self.together = self.size == 1

    @property
    def first(self) -> bool:
        """Whether this is process 0, which prints, calls the callbacks and writes files."""
        return self.rank == 0

    def own_shards(self, shards: int) -> tuple[int, int]:
        """The shards that this process computes; ValueError if there are fewer than processes."""
        if shards < self.size:
            raise ValueError(
                f"shards: expected at least {self.size}, the number of processes, got {shards}"
            )
        return own_shards(shards, self.rank, self.size)

    def exchange(self, net: Network, shards: int) -> Exchange | None:
        """What adds up the gradients of all processes; None for a single one."""
        if self.comm is None:
            return None
        return Exchange(self.comm, net.parameters.size, net.dtype, shards)

    # ---- before the training -------------------------------------------------------------------

    def agree(self, description: Tree, leads: bool = False) -> None:
        """Continue if all processes came here with the same description.

        `leads`: whether this process will call callbacks, if it is process 0.

        Raises
        ------
        ValueError
            In every process, with what differs.
        RuntimeError
            In every process that did not fail itself, if another one did.
        """
        self._meet(None, description, leads)
        self.agreed, self.together = True, self.comm is None

    def _meet(self, failure: str | None, description: Tree, leads: bool = False) -> None:
        self._met = True
        if self.comm is None:
            return
        wait([self.comm.Ibarrier()])
        found = self.comm.allgather((failure, description, leads))
        self.together = True
        self._led = found[0][2]
        if failure is not None:
            return
        for rank, (error, *_) in enumerate(found):
            if error is not None:
                raise RuntimeError(f"comm: process {rank} failed: {error}")
        for rank, (_, theirs, _) in enumerate(found):
            if unlike := differences(found[0][1], theirs, "process 0's"):
                raise ValueError(
                    f"comm: process {rank} differs from process 0: {'; '.join(unlike)}"
                )

    def take_over(self, net: Network, optimizer: Optimizer) -> None:
        """Continue from the weights and the schedule of process 0, which its callbacks may set."""
        if self._led and self.comm is not None:
            self.comm.Bcast(net.parameters)
            optimizer.schedule = self.comm.bcast(optimizer.schedule)

    # ---- meanwhile -----------------------------------------------------------------------------

    def lead(self, net: Network, optimizer: Optimizer, act: Callable[[], Any]) -> bool:
        """Process 0 calls `act`; weights, rate and answer are those of process 0 afterwards.

        Raises
        ------
        Exception
            What `act` raises, and in the other processes RuntimeError.
        """
        if self.comm is None:
            return bool(act())
        failed, news = None, None
        if self.first:
            before = _kept(net, optimizer) if self._led else None
            answer, failure = False, None
            try:
                answer = bool(act())
            except BaseException as error:
                failed, failure = error, _words(error)
            news = (failure, answer, *_changes(net, optimizer, before))
        wait([self.comm.Ibarrier()])
        failure, answer, weights, schedule = self.comm.bcast(news)
        if weights:
            self.comm.Bcast(net.parameters)
        if schedule is not None and not self.first:
            optimizer.schedule = schedule
        if failure is not None:
            self.together = True
            raise failed or RuntimeError(f"comm: process 0 failed: {failure}")
        return bool(answer)

    def check_end(self, net: Network) -> None:
        """RuntimeError, in every process, if their weights differ at the end."""
        if self.comm is None:
            return
        found = self.comm.allgather(checksum(net.parameters))
        self.together = True
        others = [rank for rank, value in enumerate(found) if value != found[0]]
        if others:
            raise RuntimeError(
                f"comm: the weights of process {others[0]} differ from those of process 0 after "
                "the training: something in it changed them"
            )

    # ---- errors --------------------------------------------------------------------------------

    def failed(self, error: BaseException) -> None:
        """Report an error: the others raise it, too; once all agreed to train, the job ends."""
        if self.comm is None or (self._met and self.together):
            return
        if not self._met:
            self._meet(_words(error), {})
            return
        sys.stdout.flush()
        traceback.print_exception(error)
        print(f"nablas: process {self.rank} of {self.size} failed; the job ends", file=sys.stderr)
        sys.stderr.flush()
        self.comm.Abort(1)


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def description(net: Network, optimizer: Optimizer, identity: Tree, epochs: int) -> Tree:
    """What may not differ between processes: a fit's identity, and where it begins."""
    found = {name: value for name, value in identity.items() if name != "callbacks"}
    state = net.engine.training_state()
    return {
        "version": __version__,
        "isa": isa(),
        **found,
        "epochs": epochs,
        "weights": checksum(net.parameters),
        "trained": [state["epochs"], state["updates"], *net.engine.optimizer_steps],
        "optimizer's states": checksum(*state.get("states", [])),
    }


def _kept(net: Network, optimizer: Optimizer) -> tuple[bytes, Any, bytes]:
    schedule = optimizer.schedule
    return net.parameters.tobytes(), schedule, pickle.dumps(schedule)


def _changes(net: Network, optimizer: Optimizer, before: Any) -> tuple[bool, Any]:
    """Whether the weights changed, to the bit, and the schedule if that did."""
    if before is None:
        return False, None
    weights, schedule, state = _kept(net, optimizer)
    same = schedule is before[1] and state == before[2]
    return weights != before[0], None if same else schedule


@contextmanager
def together(comm: Any) -> Iterator[Processes]:
    """The processes of a communicator, until the training has ended or failed."""
    processes = Processes(comm)
    try:
        yield processes
    except BaseException as error:
        processes.failed(error)
        raise
    finally:
        if processes.comm is not None:
            processes.comm.Free()


def checked_shards(shards: Any, comm: Any) -> int:
    """The number of shards: a power of two, by default 1, or SHARDS with `comm`."""
    if shards is None:
        return 1 if comm is None else SHARDS
    count = _checks.integer("shards", shards, 1, 2**20)
    if count & (count - 1):
        raise ValueError(f"shards: expected a power of two, got {count}")
    return count
