"""Contenders in their own processes, timed in turn."""

import importlib.util
import json
import os
import pickle
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass

import nablas as nb
from nablas import _core

from . import programs

SECONDS_A_TURN = 0.08
# Idle threads of OpenBLAS and others spin for a while and would take a core from the next
# contender.
SECONDS_BETWEEN_TURNS = 0.12
SECONDS_BETWEEN_BUILDS = 0.01
WARM_UP_SECONDS = 0.1

# name: (class, package it needs or a function that finds what it needs)
CONTENDERS = {
    "nablas": ("benchmarks.peers:Nablas", "nablas"),
    "NumPy": ("benchmarks.peers:NumPy", "threadpoolctl"),
    "PyTorch foreach": ("benchmarks.peers_torch:PyTorch", "torch"),
    "PyTorch fused": ("benchmarks.peers_torch:PyTorchFused", "torch"),
    "torch.compile": ("benchmarks.peers_torch:TorchCompile", "torch"),
    "JAX": ("benchmarks.peers_jax:Jax", "jax"),
    "JAX scan": ("benchmarks.peers_jax:JaxScan", "jax"),
    "scikit-learn": ("benchmarks.peers:ScikitLearn", "sklearn"),
    "onnxruntime": ("benchmarks.peers_torch:OnnxRuntime", "onnxruntime"),
    "libxsmm-dnn": ("benchmarks.programs:LibxsmmDnn", programs.find),
}


BUILD = (
    "nablas@"  # with a folder behind it: another installed build, `pip install --target FOLDER .`
)


def contender(name):
    """Class and folder of a contender; ValueError for an unknown name."""
    if name.startswith(BUILD):
        return CONTENDERS["nablas"][0], os.path.abspath(name.removeprefix(BUILD))
    if name not in CONTENDERS:
        raise ValueError(
            f"expected contenders among {', '.join(CONTENDERS)} or {BUILD}FOLDER, got {name}"
        )
    return CONTENDERS[name][0], None


def installed(name):
    if name.startswith(BUILD):
        return os.path.isdir(os.path.join(contender(name)[1], "nablas"))
    needs = CONTENDERS[name][1]
    return (needs() if callable(needs) else importlib.util.find_spec(needs)) is not None


@dataclass
class Record:
    """One result: microseconds per unit, as median and half the interquartile range (`spread`)."""

    section: str
    case: str
    contender: str
    threads: int
    microseconds: float
    spread: float
    ratio: float  # time over nablas's time: above 1, nablas is faster
    gflops: float
    share: float  # of the peak GFLOP/s of this number of threads


class Worker:
    """A contender's process."""

    def __init__(self, name, threads):
        self.name = name
        environment = dict(os.environ)
        for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            environment[variable] = str(threads)
        cls, folder = contender(name)
        command = [sys.executable, "-m", "benchmarks.worker", cls, str(threads)]
        command += [] if folder is None else [folder]
        if threads == 1 and name.startswith("JAX") and sys.platform == "linux":
            command = ["taskset", "-c", "0", *command]  # XLA has no setting for it
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )

    def ask(self, **order):
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            return {"able": False, "wrong": "its process ended"}
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


class Bench:
    """Times cases with all contenders; collects records, and remarks on contenders left out."""

    def __init__(self, names, threads, rounds):
        self.threads, self.rounds = threads, rounds
        # No library's idle threads spin beside another's where all are builds of nablas.
        alone = all(name.split("@")[0] == "nablas" for name in names)
        self.pause = SECONDS_BETWEEN_BUILDS if alone else SECONDS_BETWEEN_TURNS
        self.times = {}  # (section, case): {contender: microseconds of each round}
        nb.set_num_threads(threads)
        self.peak = {bits: _core.peak_gflops(bits == 64) for bits in (32, 64)}
        self.records, self.remarks = [], []
        for name in names:
            if not installed(name):
                self.remarks.append(f"{name} is not installed and was left out")
        self.workers = [Worker(name, threads) for name in names if installed(name)]
        for (
            worker
        ) in self.workers:  # each answers when its imports, which take processors, are done
            worker.ask(do="prepare", kind="", case=pickle.dumps(None).hex())

    def prepared(self, kind, case, names=None):
        """The workers (of these names) that do a case right, by name; remarks on those that do not."""
        able = {}
        for worker in self.workers:
            if names and worker.name not in names:
                continue
            reply = worker.ask(do="prepare", kind=kind, case=pickle.dumps(case).hex())
            if reply["able"]:
                able[worker.name] = worker
            elif reply.get("wrong"):
                self.remarks.append(f"{case.name}: {worker.name} not timed: {reply['wrong']}")
        return able

    def compare(self, section, kind, case):
        """Time one case with all contenders that can run it; returns its records."""
        able = self.prepared(kind, case)
        counts = {name: self._count(worker) for name, worker in able.items()}
        times = {name: [] for name in able}
        for turn in range(self.rounds):
            # Every other round in reverse, so that no contender always follows the same one.
            for name, worker in list(able.items())[:: -1 if turn % 2 else 1]:
                time.sleep(self.pause)
                worker.ask(
                    do="run", count=max(1, counts[name] // 10)
                )  # wakes its threads and fills caches
                reply = worker.ask(do="run", count=counts[name])
                times[name].append(1e6 * reply["seconds"] / reply["units"])
        self.times[section, case.name] = times
        medians = {name: statistics.median(t) for name, t in times.items()}
        ours = medians.get("nablas")
        for name, values in times.items():
            quarters = statistics.quantiles(values, n=4) if len(values) > 1 else [values[0]] * 3
            gflops = getattr(case, "flops", 0) / medians[name] / 1e3
            peak = self.peak[64 if getattr(case, "dtype", "") == "float64" else 32]
            self.records.append(
                Record(
                    section, case.name, name, self.threads, medians[name], (quarters[2] - quarters[0]) / 2,
                    medians[name] / ours if ours else 0.0, gflops, gflops / peak,
                )
            )  # fmt: skip
        return [r for r in self.records if r.section == section and r.case == case.name]

    def _count(self, worker):
        """The number of units that take SECONDS_A_TURN, measured during the warm-up."""
        worker.ask(do="run", count=1)  # compiles what is not compiled yet
        count, seconds = 1, 0.0
        while seconds < WARM_UP_SECONDS:
            reply = worker.ask(do="run", count=count)
            seconds, units = reply["seconds"], reply["units"]
            if seconds >= WARM_UP_SECONDS or count > 10**7:
                break
            count = max(count * 2, int(units * min(WARM_UP_SECONDS / max(seconds, 1e-7), 100)))
        return max(1, round(units * SECONDS_A_TURN / max(seconds, 1e-9)))

    def close(self):
        for worker in self.workers:
            worker.close()


def as_dicts(records):
    return [asdict(record) for record in records]
