"""Kernels and training read and write their arrays and nothing beside them, on every instruction set."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs mprotect")

# What the programs of `bounds` rest on: one element more ends the process.
BEYOND = """
import numpy as np
from bounds import at_the_edge
x = at_the_edge(np.ones(5), end={end})
np.lib.stride_tricks.as_strided(x[{first}:], (6,), ({step},)).sum()
"""


def run(*arguments):
    return subprocess.run([sys.executable, *arguments], cwd=HERE, capture_output=True, text=True)


def test_kernels_and_training_stay_within_their_arrays(isa, dtype):
    done = run("bounds.py", isa, dtype)
    last = done.stdout.splitlines()[-1:]
    assert (done.returncode, last) == (0, ["done"]), f"{last}, {done.returncode}: {done.stderr}"


@pytest.mark.parametrize(("end", "first", "step"), [(True, 0, 8), (False, 4, -8)])
def test_an_access_beside_an_array_is_seen(end, first, step):
    done = run("-c", BEYOND.format(end=end, first=first, step=step))
    assert -done.returncode in (signal.SIGSEGV, signal.SIGBUS), done.stderr
