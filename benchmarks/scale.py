"""Training over MPI beside one process, PyTorch's DistributedDataParallel and the cost model of docs/scale.md.

``python -m benchmarks.scale --rounds 5 --json FILE`` measures the model's constants, then interleaves the contenders,
each in processes of its own, after checking their weights. From a FILE in benchmarks/results ``python -m
benchmarks.page`` makes the tables of docs/scale.md. mpiexec must be on the path, or beside the interpreter.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from shutil import which

import numpy as np

import nablas as nb
from nablas import kernels

from . import report

ROOT = Path(__file__).parents[1]
CASES = [((784, 512, 512, 10), 1024, 16384), ((784, 128, 10), 512, 16384)]
CONTENDERS = {  # processes, threads of each
    "1 process, 1 thread": ("fit", 1, 1),
    "1 process, 2 threads": ("fit", 1, 2),
    "2 processes, 1 thread": ("fit", 2, 1),
    "DistributedDataParallel, 2 processes, 1 thread": ("ddp", 2, 1),
}
RATE = 0.01
CLOSE = 1e-3  # relative difference of two libraries' weights after an epoch


def data(sizes, rows):
    """X and y, the same in every process."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(rows, sizes[0])).astype(np.float32), rng.integers(0, sizes[-1], rows)


def fit(sizes, batch, rows, threads, epochs, processes):
    """Milliseconds of each epoch's batches, and the weights after the first epoch."""
    comm = None
    if processes > 1:
        from mpi4py import MPI

        comm = MPI.COMM_WORLD
    nb.set_num_threads(threads)
    x, y = data(sizes, rows)
    net, optimizer, seconds = nb.MLP(sizes, output="softmax", seed=0), nb.SGD(RATE), []
    for epoch in range(epochs):
        history = net.fit(x, y, optimizer=optimizer, batch_size=batch, epochs=1, comm=comm)
        seconds.append(history.seconds[0])
        if epoch == 0:
            weights = net.parameters.copy()
    return seconds, weights, comm is None or comm.rank == 0


def ddp(sizes, batch, rows, threads, epochs, processes):
    """As `fit`, by PyTorch: each process takes its part of every batch in the same order."""
    import torch
    from torch import distributed

    torch.set_num_threads(threads)
    distributed.init_process_group("gloo")
    rank = distributed.get_rank()
    x, y = map(torch.from_numpy, data(sizes, rows))
    net = nb.MLP(sizes, output="softmax", seed=0)
    layers = net.to_torch()[:-1]  # without softmax: the loss has its own
    model = torch.nn.parallel.DistributedDataParallel(layers)
    loss, optimizer = torch.nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), RATE)
    seconds = []
    for epoch in range(epochs):
        start = time.perf_counter()
        order = torch.from_numpy(kernels.permutation(rows, seed=0, epoch=epoch))
        for begin in range(0, rows, batch):
            part = batch // processes
            own = order[begin + rank * part : begin + (rank + 1) * part]
            optimizer.zero_grad()
            loss(model(x[own]), y[own]).backward()
            optimizer.step()
        seconds.append(time.perf_counter() - start)
        if epoch == 0:
            linear = [m for m in layers if isinstance(m, torch.nn.Linear)]
            parts = [p.detach().numpy().T.ravel() for m in linear for p in (m.bias, m.weight)]
            weights = np.concatenate(parts)
    distributed.destroy_process_group()
    return seconds, weights, rank == 0


def worker(kind, folder, arguments):
    """One process of a contender."""
    seconds, weights, first = {"fit": fit, "ddp": ddp}[kind](*json.loads(arguments))
    if first:
        np.save(Path(folder) / "weights.npy", weights)
        (Path(folder) / "seconds.json").write_text(json.dumps(seconds))
    if kind == "ddp":
        os._exit(0)  # gloo's threads may abort the process at its end


def launcher():
    """The path of mpiexec."""
    here = Path(sys.executable).with_name("mpiexec")
    return str(here) if here.exists() else which("mpiexec")


def start(name, case, epochs, folder):
    """Run a contender: milliseconds a batch (the best epoch but the first), and its weights."""
    kind, processes, threads = CONTENDERS[name]
    sizes, batch, rows = case
    arguments = json.dumps([sizes, batch, rows, threads, epochs, processes])
    command = [sys.executable, "-m", "benchmarks.scale", "worker", kind, str(folder), arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    if kind == "fit":
        commands = [command if processes == 1 else [launcher(), "-n", str(processes), *command]]
        each = [environment]
    else:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
        place["WORLD_SIZE"] = str(processes)
        commands = [command] * processes
        each = [{**environment, **place, "RANK": str(rank)} for rank in range(processes)]
    running = [subprocess.Popen(c, cwd=ROOT, env=e) for c, e in zip(commands, each, strict=True)]
    if any([process.wait() for process in running]):
        raise RuntimeError(f"{name}: failed")
    seconds = json.loads((folder / "seconds.json").read_text())
    return 1e3 * min(seconds[1:]) / -(-rows // batch), np.load(folder / "weights.npy")


def compare(rounds, epochs, cases, names, folder):
    """A record for each case: milliseconds of a batch by contender, one a round."""
    records = []
    for case in cases:
        times = {name: [] for name in names}
        for _ in range(rounds):
            weights = {}
            for name in names:
                milliseconds, weights[name] = start(name, case, epochs, folder)
                times[name].append(milliseconds)
            first = weights[names[0]]
            for name in names:
                off = np.linalg.norm(weights[name] - first) / np.linalg.norm(first)
                if not off < CLOSE:
                    raise RuntimeError(f"{name}: weights off by {off}")
        records.append({"sizes": case[0], "batch": case[1], "milliseconds": times})
        print(case, {name: f"{min(t):.3f} {statistics.median(t):.3f}" for name, t in times.items()})
    return records


def exchange_worker():
    """Prints milliseconds of the exchange of two processes, by number of parameters."""
    from mpi4py import MPI

    from nablas._exchange import Exchange

    comm, found = MPI.COMM_WORLD, {}
    for parameters in (650, 101_770, 669_706):
        exchange, sums = (
            Exchange(comm, parameters, "float32", 8),
            [np.zeros(parameters, np.float32)],
        )
        best, losses = np.inf, np.zeros(1)
        for _ in range(200):
            comm.Barrier()
            begin = time.perf_counter()
            exchange(sums, losses)
            best = min(best, time.perf_counter() - begin)
        found[parameters] = 1e3 * best
    if comm.rank == 0:
        print(json.dumps(found))


def constants():
    """Of one thread of this machine: seconds of adding and of an update by SGD, a parameter, and of a message."""
    nb.set_num_threads(1)
    a, b = np.zeros((2, 669_706), np.float32)
    state = np.zeros_like(a)

    def best(action):
        times = []
        for _ in range(200):
            begin = time.perf_counter()
            action()
            times.append(time.perf_counter() - begin)
        return min(times)

    from mpi4py import MPI

    sent, received = np.zeros(1), np.zeros(1)

    def two_messages():
        MPI.Request.Waitall([MPI.COMM_SELF.Irecv(received, 0), MPI.COMM_SELF.Isend(sent, 0)])

    update = lambda: kernels.optimizer_update("sgd", a, b, [state], step=1, learning_rate=0.1)  # noqa: E731
    return {
        "add": best(lambda: np.add(a, b, out=a)) / a.size,
        "update": best(update) / a.size,
        "message": best(two_messages) / 2,
    }


def main(arguments=None):
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("command", nargs="*", help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one small network")
    parser.add_argument("--only", default=";".join(CONTENDERS), help="names with ; between them")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args(arguments)
    if options.command[:1] == ["worker"]:
        return worker(*options.command[1:])
    if options.command[:1] == ["exchange"]:
        return exchange_worker()
    if options.command:
        parser.error(f"unrecognized arguments: {' '.join(options.command)}")
    facts = report.machine(2)
    result = {"constants": constants()}
    command = [launcher(), "-n", "2", sys.executable, "-m", "benchmarks.scale", "exchange"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    result["exchange, milliseconds"] = json.loads(done.stdout)
    print(result)
    names = [name.strip() for name in options.only.split(";")]
    cases = [((20, 30, 4), 64, 512)] if options.quick else CASES
    with tempfile.TemporaryDirectory() as folder:
        result["steps"] = compare(options.rounds, options.epochs, cases, names, Path(folder))
    if options.json:
        run = {"machine": facts, "records": [], "remarks": [], "scale": result}
        Path(options.json).write_text(json.dumps(run, indent=1) + "\n")


if __name__ == "__main__":
    main()
