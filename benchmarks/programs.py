"""libxsmm-dnn, a program that is not part of the project: found on the path, run, its output read.

It is `mlp_example` of libxsmm-dnn's tests/mlp, which its users also call `xsmm_dnn_mlp`. The
environment variable LIBXSMM_DNN names another program or its path. It trains by SGD on one batch
that stays the same, without shuffling, softmax and loss, and prints the time of a step and the
number of operations in its products.
"""

import itertools
import os
import re
import shutil
import subprocess

VARIABLE, NAMES = "LIBXSMM_DNN", ("xsmm_dnn_mlp", "mlp_example")
LONGEST = 120  # seconds of one run of the program
ALL_PASSES, FLOAT32, PACKED = "A", "0", "1"  # words of its command line
# Bias and relu fused, relu's slopes kept as bits or found by the activations: some versions fail at the first.
BIAS_RELU = ("5", "3")
TRIED = (32, 32), 32, (32, 32, 32), 1  # sizes, batch, blocks and steps that any version can do
ROW_BLOCKS, OUTPUT_BLOCKS, INPUT_BLOCKS = (16, 32, 64), (16, 32, 64), (16, 28, 32, 64)
NUMBER = r"([-+.\deE]+)"


def find():
    """The program's path, or None."""
    names = [os.environ[VARIABLE]] if os.environ.get(VARIABLE) else NAMES
    return next(filter(None, map(shutil.which, names)), None)


def read(output):
    """What a run printed: seconds a step, 1e9 operations a step, threads, and the library's version.

    ValueError if one is missing.
    """
    found = {}
    for key, pattern in {
        "seconds": rf"^\s*fp time\s*=\s*{NUMBER}",
        "gflop": rf"^\s*GFLOP\s*=\s*{NUMBER}",
        "threads": r"Threads:\s*(\d+)",
        "version": r"^PERFDUMP,\w+,([^,]*),",
    }.items():
        values = re.findall(pattern, output, re.MULTILINE)
        if not values:
            raise ValueError(f"{key}: expected in the program's output, got {output[-200:]!r}")
        found[key] = values[-1]
    return {
        "seconds": float(found["seconds"]),
        "gflop": float(found["gflop"]),
        "threads": int(found["threads"]),
        "version": found["version"],
    }


def version():
    """The library's version, or None without the program."""
    if find() is None:
        return None
    try:
        return LibxsmmDnn(1).run(*TRIED)["version"]
    except (ValueError, OSError, subprocess.SubprocessError):
        return "unknown"


class LibxsmmDnn:
    """Training steps by SGD, with the fastest of some block sizes for each network."""

    def __init__(self, threads):
        self.program, self.threads = find(), threads
        self.environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        usage = self._output("-h")
        self.layout = [PACKED] if "layout" in usage else []  # older versions have one layout
        self.fused = next(filter(self._runs, BIAS_RELU), BIAS_RELU[0])

    def _runs(self, fused):
        """Whether this version can train with layers that are fused so."""
        self.fused = fused
        try:
            return bool(self.run(*TRIED))
        except (ValueError, subprocess.SubprocessError):
            return False

    def _output(self, *arguments):
        done = subprocess.run(
            [self.program, *map(str, arguments)],
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=LONGEST,
        )
        return done.stdout

    def run(self, sizes, batch, blocks, steps):
        """What `steps` steps printed; `blocks` of rows, outputs and inputs."""
        words = [steps, batch, self.fused, ALL_PASSES, *blocks, FLOAT32, *self.layout, *sizes]
        return read(self._output(*words))

    def train(self, case):
        plain = ("sgd", "relu", "softmax", "float32")
        if (case.optimizer, case.activation, case.output, case.dtype) != plain:
            return None
        few = max(3, min(2000, 10**9 // case.flops))
        times, error = {}, None
        for blocks in _blocks(case.sizes, case.batch):
            try:
                times[blocks] = self.run(case.sizes, case.batch, blocks, few)
            except (ValueError, subprocess.SubprocessError) as failed:
                error = failed  # this blocking has no kernel
        if not times:
            raise error
        best = min(times, key=lambda blocks: times[blocks]["seconds"])
        _check(times[best], case, self.threads)

        def run(count):
            return count, count * self.run(case.sizes, case.batch, best, count)["seconds"]

        return run, None


def _blocks(sizes, batch):
    """Block sizes to try, those with the same effect once: what does not divide becomes the whole."""
    seen = {}
    for rows, outputs, inputs in itertools.product(ROW_BLOCKS, OUTPUT_BLOCKS, INPUT_BLOCKS):
        effect = (
            batch if batch % rows else rows,
            *(n if n % outputs else outputs for n in sizes[1:]),
            *(n if n % inputs else inputs for n in sizes[:-1]),
        )
        seen.setdefault(effect, (rows, outputs, inputs))
    return list(seen.values())


def _check(found, case, threads):
    """Whether the program did the case; its products' operations are printed with five digits."""
    if abs(1e9 * found["gflop"] / case.flops - 1) > 1e-3:
        raise ValueError(f"expected {case.flops / 1e9:.5g} GFLOP a step, got {found['gflop']:.5g}")
    if found["threads"] != threads:
        raise ValueError(f"expected {threads} threads, got {found['threads']}")
