"""The sum of all processes' gradients, in an order that does not depend on their number.

A batch is cut into S shards, a power of two; process r of R computes the shards ⌊r S / R⌋ to
⌊(r + 1) S / R⌋ and adds up the subtrees of the tree over all shards that it holds alone. Those of
all processes, in their order, are the leaves of what is left of the tree. They are exchanged in one
of three ways, P being the number of parameters and K that of the subtrees:

======== ========================= ======================= ========================================
way      for                       messages of a process   bytes that it sends
======== ========================= ======================= ========================================
gather   K P of at most SMALL      R - 1                   P (R - 1) for each of its subtrees
         bytes
pair     two processes             1                       P
slices   all else                  2 (R - 1)               P (R - 1) / R for each of its subtrees,
                                                           and P (R - 1) / R
======== ========================= ======================= ========================================

In slices, each process adds one R-th of the parameters and gives the others the sum of it. The
losses go with the sums in "gather", else in a gather of their own at the same time.

MPI's blocking calls poll without end. `wait` polls for as long as a message takes, and sleeps
between further polls: where there are more processes than processors, the one that is waited for
gets one sooner.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._optional import require

Array = NDArray[Any]
SMALL = 65536  # bytes, below which the number of messages counts for more than their length
SECONDS_OF_POLLING, SECONDS_A_BYTE, SECONDS_OF_SLEEP = 2e-4, 1e-9, 5e-5


class Subtree(NamedTuple):
    """Shards [begin, begin + size) of a batch, with size a power of two that divides begin."""

    begin: int
    size: int


def own_shards(shards: int, rank: int, size: int) -> tuple[int, int]:
    """The range of shards that a process computes."""
    return rank * shards // size, (rank + 1) * shards // size


def subtrees(begin: int, end: int) -> list[Subtree]:
    """The largest subtrees that lie in a range of shards, in their order."""
    found: list[Subtree] = []
    for shard in range(begin, end):
        found.append(Subtree(shard, 1))
        while len(found) > 1 and _are_halves(*found[-2:]):
            right = found.pop()
            found[-1] = Subtree(found[-1].begin, 2 * right.size)
    return found


def _are_halves(left: Subtree, right: Subtree) -> bool:
    return left.size == right.size and left.begin % (2 * left.size) == 0


def additions(leaves: Sequence[Subtree]) -> list[tuple[int, int]]:
    """Pairs (to, of) of leaves: adding them in this order leaves the tree's sum in leaf 0."""
    steps, open_ = list[tuple[int, int]](), list[tuple[int, Subtree]]()
    for number, leaf in enumerate(leaves):
        open_.append((number, leaf))
        while len(open_) > 1 and _are_halves(open_[-2][1], open_[-1][1]):
            of, right = open_.pop()
            to, left = open_[-1]
            steps.append((to, of))
            open_[-1] = to, Subtree(left.begin, 2 * right.size)
    return steps


def wait(requests: Sequence[Any], size: int = 0) -> None:
    """Wait for requests of mpi4py, of `size` bytes."""
    testall = type(requests[0]).Testall
    until = time.perf_counter() + SECONDS_OF_POLLING + SECONDS_A_BYTE * size
    while not testall(requests):
        if time.perf_counter() > until:
            time.sleep(SECONDS_OF_SLEEP)


class Exchange:
    """Exchanges the sums of one batch after another.

    Parameters
    ----------
    comm : mpi4py communicator
    parameters : int
    dtype : "float32" or "float64"
    shards : int
        At least the number of processes.
    """

    def __init__(self, comm: Any, parameters: int, dtype: str, shards: int) -> None:
        self.comm, self.parameters, self.dtype = comm, parameters, np.dtype(dtype)
        self.rank, self.size = comm.Get_rank(), comm.Get_size()
        self.in_place = require("mpi4py.MPI", "mpi").IN_PLACE
        ranges = [own_shards(shards, rank, self.size) for rank in range(self.size)]
        trees = [subtrees(*of) for of in ranges]
        self.own, self.counts = ranges[self.rank], [len(of) for of in trees]
        self.additions = additions([leaf for of in trees for leaf in of])
        self.leaves = sum(self.counts)
        self.losses = np.empty(self.leaves)
        size = 0
        if self.leaves * parameters * self.dtype.itemsize <= SMALL:
            self.sum = self._gather
            self._prepare_gather()
        elif self.size == 2:
            self.sum, size = self._pair, parameters
        else:
            self.sum = self._slices
            self._prepare_slices()
        self.received = np.empty(size, self.dtype)

    def __call__(self, sums: Sequence[Array], losses: NDArray[np.float64]) -> float:
        """Add up a batch.

        Parameters
        ----------
        sums : arrays of shape (parameters,)
            Of this process's subtrees, in order. The last becomes the sum over all shards.
        losses : array of shape (len(sums),)

        Returns
        -------
        float
            The loss of all shards.
        """
        self.sum(sums, losses)
        return float(self._added(self.losses.reshape(-1, 1))[0])

    def _added(self, leaves: Array) -> Array:
        """The tree's sum of the rows, which are overwritten."""
        for to, of in self.additions:
            np.add(leaves[to], leaves[of], out=leaves[to])
        total: Array = leaves[0]
        return total

    def _losses_to_all(self, losses: NDArray[np.float64]) -> Any:
        return self.comm.Iallgatherv(losses, [self.losses, self.counts])

    # ---- the three ways ------------------------------------------------------------------------

    def _pair(self, sums: Sequence[Array], losses: NDArray[np.float64]) -> None:
        other = 1 - self.rank
        requests = [
            self._losses_to_all(losses),
            self.comm.Irecv(self.received, other),
            self.comm.Isend(sums[0], other),
        ]
        wait(requests, self.received.nbytes)
        np.add(sums[0], self.received, out=sums[0])

    def _prepare_gather(self) -> None:
        """A leaf is a record of its loss and its parameters."""
        record = np.dtype([("loss", np.float64), ("sum", self.dtype, (self.parameters,))])
        self.mine = np.empty(self.counts[self.rank], record)
        self.all = np.empty(self.leaves, record)
        self.bytes = [count * record.itemsize for count in self.counts]

    def _gather(self, sums: Sequence[Array], losses: NDArray[np.float64]) -> None:
        self.mine["loss"], self.mine["sum"] = losses, sums
        to = [self.all.view(np.uint8), self.bytes]
        wait([self.comm.Iallgatherv(self.mine.view(np.uint8), to)], self.all.nbytes)
        self.losses[:] = self.all["loss"]
        sums[-1][:] = self._added(self.all["sum"])

    def _prepare_slices(self) -> None:
        size, count = self.size, self.counts[self.rank]
        bounds = [rank * self.parameters // size for rank in range(size + 1)]
        self.slices = [slice(*bounds[rank : rank + 2]) for rank in range(size)]
        self.lengths = [of.stop - of.start for of in self.slices]
        length = self.lengths[self.rank]
        self.packed = np.empty(count * self.parameters if count > 1 else 0, self.dtype)
        self.all = np.empty((self.leaves, length), self.dtype)
        self.sent = [count * each for each in self.lengths]
        self.taken = [each * length for each in self.counts]

    def _slices(self, sums: Sequence[Array], losses: NDArray[np.float64]) -> None:
        flat = sums[0]
        if len(sums) > 1:
            flat, begins = self.packed, accumulate(self.sent, initial=0)
            for part, begin, length in zip(self.slices, begins, self.lengths, strict=False):
                for i, values in enumerate(sums):
                    to = begin + i * length
                    flat[to : to + length] = values[part]
        requests = [
            self._losses_to_all(losses),
            self.comm.Ialltoallv([flat, self.sent], [self.all, self.taken]),
        ]
        wait(requests, flat.nbytes + self.all.nbytes)
        whole = sums[-1]
        whole[self.slices[self.rank]] = self._added(self.all)
        wait([self.comm.Iallgatherv(self.in_place, [whole, self.lengths])], whole.nbytes)
