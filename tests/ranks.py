"""Starts a job under ``mpiexec``, and is the program that runs there.

``mpiexec -n 3 python ranks.py JOB ARGUMENTS`` calls the function JOB below in every process with the arguments, JSON,
and the communicator; process 0 prints what all returned, as a JSON list.
"""

import functools
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from shutil import which

import numpy as np
import resuming

import nablas as nb

SECONDS = 120  # after which a job is taken for hung


# ---- starting ------------------------------------------------------------------------------------


@functools.cache
def launcher():
    """The path of mpiexec, and a text that says what is missing if it does not run."""
    here = Path(sys.executable).with_name("mpiexec")
    found = str(here) if here.exists() else which("mpiexec")
    if found is None:
        return None, "mpiexec is not installed"
    trial = "from mpi4py import MPI; MPI.COMM_WORLD.rank or print(MPI.COMM_WORLD.size)"
    command = [found, "-n", "2", sys.executable, "-c", trial]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, f"mpiexec does not run: {error}"
    if done.stdout.split() != ["2"]:
        lines = done.stderr.strip().splitlines() or [f"it printed {done.stdout!r}"]
        return None, f"mpiexec or mpi4py does not run: {lines[-1]}"
    return found, ""


def started(size, *command, timeout=SECONDS, **environment):
    """What `size` processes of a command did: a CompletedProcess."""
    full = [launcher()[0], "-n", str(size), sys.executable, *map(str, command)]
    settings = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    return subprocess.run(full, capture_output=True, text=True, timeout=timeout, env=settings)


def ran(size, job, arguments=None, **environment):
    """What a job returned in each process."""
    done = started(size, __file__, job, json.dumps(arguments), **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


# ---- jobs ----------------------------------------------------------------------------------------


def hashes(comm, threads):
    """For each number of threads, the outcome of a fit."""
    found = []
    for count in threads:
        nb.set_num_threads(count)
        net, settings = resuming.make(resuming.PLAIN, epochs=2)
        net.fit(**settings, comm=comm)
        found.append(resuming.outcome(net))
    return found


def fits(comm, cases):
    """The outcomes of generated cases, and of data of other kinds."""
    found = []
    for case in cases:
        net, settings = resuming.make(case, epochs=3, shards=8)
        net.fit(**settings, comm=comm)
        found.append(resuming.outcome(net))
    return found + [outcome for _, outcome in others(comm)]


def others(comm=None):
    """(name, outcome) of fits on data that the generated cases do not have."""
    import scipy.sparse

    x, y = resuming.data(20_000)
    kinds = {
        "sparse": {
            "X": scipy.sparse.csr_matrix(np.where(x[:200] > 1, x[:200], 0)),
            "y": y[:200],
            "batch_size": 64,
        },
        "sums of several blocks": {"X": x, "y": y, "batch_size": 20_000, "shards": 4},
        "fewer rows than shards": {"X": x[:13], "y": y[:13], "batch_size": 10, "clip_norm": 0.1},
        "weights of a batch that are all zero": {
            "X": x[:64],
            "y": y[:64],
            "batch_size": 32,
            "sample_weight": np.arange(64) // 32,
        },
    }
    kinds["source"] = {
        "X": nb.data.ArraySource(x[:600], y[:600]),
        "y": None,
        "batch_size": 50,
        "block_rows": 200,
        "validation_data": nb.data.ArraySource(x[600:700], y[600:700]),
    }
    for name, settings in kinds.items():
        net = nb.MLP(resuming.SIZES, output="softmax", seed=4)
        net.fit(**{"epochs": 2, "seed": 1, "shards": 8, **settings}, comm=comm)
        yield name, resuming.outcome(net)


def resumed(comm, arguments):
    """The outcomes of cases that go on from files, each on its number of threads."""
    found = []
    for case, path, threads in arguments:
        nb.set_num_threads(threads)
        net, settings = resuming.make(case, epochs=4, shards=8, comm=comm)
        net.fit(**settings, resume=path)
        found.append(resuming.outcome(net))
    return found


def written(comm, arguments):
    """Process 0 keeps every checkpoint of a case in a folder."""
    case, folder = arguments
    net, settings = resuming.make(case, epochs=4, shards=8, comm=comm)
    settings["callbacks"].append(resuming.Every(Path(folder)))
    net.fit(**settings)
    return resuming.outcome(net)


def different(comm, _):
    """What is said when process 1 has another setting or other data than the others; one by one."""
    return [said(comm, change) for change in DIFFERENT.values()]


def said(comm, change):
    net, settings = resuming.make(resuming.PLAIN, epochs=1)
    if comm.rank == 1:
        net = change(net, settings) or net
    before = net.parameters.tobytes()
    try:
        net.fit(**settings, comm=comm)
    except Exception as error:
        assert net.parameters.tobytes() == before
        return f"{type(error).__name__}: {error}"
    finally:
        nb._threads.use_isa(USED_ISA)
    return "nothing"


def _with(**changes):
    return lambda _, settings: settings.update(changes)


def _altered(net, settings):
    settings["X"] = settings["X"].copy()
    settings["X"][5, 0] += 1


def _isa(net, settings):
    nb._threads.use_isa(nb.available_isas()[0])


def _weights(net, settings):
    net.parameters[0] += 1


X, Y = resuming.data()
USED_ISA = nb.isa()
# name in the message: a change to process 1
DIFFERENT = {
    "X.values": _altered,
    "X.shape": lambda net, s: s.update(X=X[:-1], y=Y[:-1]),
    "X.dtype": _with(X=X.astype(np.float64)),
    "y.values": _with(y=Y[::-1]),
    "sample_weight.shape": _with(sample_weight=np.ones(len(X))),
    "validation_data": _with(validation_data=(X, Y)),
    "isa": _isa,
    "weights": _weights,
    "epochs": _with(epochs=2),
    "seed": _with(seed=4),
    "shuffle": _with(shuffle=False),
    "batch_size": _with(batch_size=51),
    "optimizer": lambda net, s: s.update(optimizer=nb.AdamW()),
    "learning_rate": lambda net, s: s.update(optimizer=nb.SGD(0.1)),
    "loss.label_smoothing": _with(loss=nb.CrossEntropy(label_smoothing=0.1)),
    "l1": _with(l1=1e-3),
    "l2": _with(l2=1e-3),
    "clip_norm": _with(clip_norm=1.0),
    "dropout": _with(dropout=0.2),
    "shards": _with(shards=16),
    "sizes": lambda net, s: nb.MLP([30, 99, 5], "tanh", "softmax", seed=1),
    "activations": lambda net, s: nb.MLP([30, 100, 5], "relu", "softmax", seed=1),
    "dtype": lambda net, s: nb.MLP([30, 100, 5], "tanh", "softmax", dtype="float64", seed=1),
    # errors of process 1 alone, of which the others hear
    "y: expected": _with(y=Y[:-1]),
    "batch_size: expected": _with(batch_size=0),
    "loss: expected": _with(loss=resuming.squares, y=np.eye(5)[Y]),
    "optimizer: expected": _with(optimizer="none"),
    "no such file": _with(resume="no such file"),
}


def together(comm, _):
    """Errors that are the same in all processes, after each of which the next fit runs."""

    def fail(state):
        raise ZeroDivisionError("in a callback")

    found = []
    _, settings = resuming.make(resuming.PLAIN, epochs=3)
    for changes in (
        {"callbacks": [fail] if comm.rank == 0 else []},
        {"y": np.eye(5)[Y], "loss": "mse", "optimizer": nb.SGD(1e30)},
        {"shards": 1},
        {},
    ):
        try:
            net = nb.MLP(
                resuming.SIZES, output="identity" if "loss" in changes else "softmax", seed=1
            )
            net.fit(**{**settings, **changes}, comm=comm)
            found.append("fine")
        except Exception as error:
            found.append(f"{type(error).__name__}: {error}"[:60])
    return found


def arguments(comm, _):
    """What is said of a communicator that is none, and the outcome with one of a single process."""
    from mpi4py import MPI

    net, settings = resuming.make(resuming.PLAIN, epochs=1)
    try:
        net.fit(**settings, comm=MPI.COMM_NULL)
    except TypeError as error:
        text = f"TypeError: {error}"
    net.fit(**settings, comm=comm)
    return [text, resuming.outcome(net)]


def stopped(comm, _):
    """Which process calls the callbacks, and the best weights that an EarlyStopping puts back."""
    calls = []
    net, settings = resuming.make({**resuming.PLAIN, "validation": 1}, epochs=30)
    settings["optimizer"] = nb.Adam(0.05)
    settings["callbacks"] = [
        nb.EarlyStopping(2, min_delta=0.02),
        lambda state: calls.append(state.epoch),
    ]
    net.fit(**settings, comm=comm)
    return [len(calls), *resuming.outcome(net)]


def dies(comm, how):
    """Process 1 is killed, or gets a signal whose handler raises, in the middle of a long training."""
    net, settings = resuming.make(resuming.PLAIN, rows=4000, epochs=10**6)
    net.fit(**{**settings, "epochs": 1}, comm=comm)
    if comm.rank == 1:
        number = signal.SIGKILL if how == "killed" else signal.SIGINT
        threading.Timer(0.3, os.kill, (os.getpid(), number)).start()
    print("begun", flush=True)
    net.fit(**settings, comm=comm)


def traffic(comm, networks):
    """Bytes and messages for other processes, of each process in each batch, as handed to MPI."""
    found = []
    for sizes in networks:
        counted, net = Counting(comm), nb.MLP(sizes, output="softmax", seed=0)
        x, y = X[:64, : sizes[0]], Y[:64] % sizes[-1]
        with counted.replaced():
            net.fit(x, y, batch_size=32, epochs=2, seed=0, comm=comm)
        found.append([counted.bytes / 4, counted.messages / 4])
    return found


class Counting:
    """Counts what the exchange of a fit sends, in a communicator that stands in for its own."""

    def __init__(self, comm):
        self.bytes = self.messages = 0
        self.rank, self.size = comm.rank, comm.size

    def __getattr__(self, name):
        if name not in ("Get_rank", "Get_size", "Irecv"):
            raise AssertionError(f"{name} is not counted")
        return getattr(self.comm, name)

    @contextmanager
    def replaced(self):
        from nablas import _processes

        real = _processes.Exchange

        def counted(comm, *more):
            self.comm = comm
            return real(self, *more)

        _processes.Exchange = counted
        try:
            yield
        finally:
            _processes.Exchange = real

    def count(self, sizes):
        self.bytes += sum(sizes)
        self.messages += len(sizes)

    def Isend(self, sent, *more):
        self.count([sent.nbytes])
        return self.comm.Isend(sent, *more)

    def Iallgatherv(self, sent, received):
        whole, counts = received
        each = whole.nbytes // whole.size * counts[self.rank]
        self.count([each] * (self.size - 1))
        return self.comm.Iallgatherv(sent, received)

    def Ialltoallv(self, sent, received):
        flat, counts = sent
        self.count([flat.itemsize * n for rank, n in enumerate(counts) if rank != self.rank])
        return self.comm.Ialltoallv(sent, received)


def main(job, arguments):
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    found = comm.gather(globals()[job](comm, json.loads(arguments)))
    if comm.rank == 0:
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
