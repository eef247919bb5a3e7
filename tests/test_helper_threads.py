"""What threads of a team have in common with the thread that leads it, and what they do not."""

import os
import platform
import signal
import subprocess
import sys

import pytest

TEAMS = ["openmp", "threads"]

ROUNDING = """
import ctypes
import numpy as np
import nablas as nb

UPWARD = 0x400000 if {arm} else 0x800  # FE_UPWARD
rng = np.random.default_rng(0)
a, b = (rng.normal(size=(400, 400)).astype(np.float32) for _ in range(2))
net = nb.MLP([400, 300, 10], output="softmax", seed=0)
y = rng.integers(0, 10, 400)

def results():
    twin = nb.MLP([400, 300, 10], output="softmax", seed=0)
    twin.fit(a, y, epochs=1, batch_size=200)
    return [nb.kernels.matmul(a, b), net.forward(a), net.gradient(a, y), twin.parameters.copy()]

nb.set_num_threads(2)
nearest = results()  # the helpers are there now
assert ctypes.CDLL("libm.so.6").fesetround(UPWARD) == 0
nb.set_num_threads(1)
alone = results()
nb.set_num_threads(2)
for _ in range(5):
    for one, other in zip(alone, results(), strict=True):
        assert np.array_equal(one, other)
assert not np.array_equal(nearest[0], alone[0])
"""

SIGNALS = """
import os
import signal
import numpy as np
import nablas as nb

nb.set_num_threads(2)
a = np.ones((600, 600), np.float32)
nb.kernels.matmul(a, a)
nb.MLP([600, 300], seed=0).fit(a, a[:, :300], epochs=1)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
os.kill(os.getpid(), signal.SIGTERM)
assert signal.sigtimedwait({signal.SIGTERM}, 5) is not None
"""

EXIT = """
import atexit
import queue
import threading

asked, answered = queue.Queue(), queue.Queue()

def flush():
    for _ in range(3):
        asked.put(1)
        print(answered.get(timeout=30))

atexit.register(flush)
import numpy as np
import nablas as nb

net, x = nb.MLP([3, 2], seed=0), np.ones((5, 3), np.float32)

def work():
    while True:
        asked.get()
        net.forward(x)
        answered.put("ok")

threading.Thread(target=work, daemon=True).start()
asked.put(0)
print(answered.get(timeout=30))
"""


def run(program, team):
    settings = {"NABLAS_TEAM": team, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="calls the C library's fesetround")
@pytest.mark.parametrize("team", TEAMS)
def test_helpers_round_as_the_leader_does(team):
    run(ROUNDING.replace("{arm}", str(platform.machine() == "aarch64")), team)


@pytest.mark.skipif(not hasattr(signal, "sigtimedwait"), reason="needs sigtimedwait")
@pytest.mark.parametrize("team", TEAMS)
def test_helpers_take_no_signals(team):
    run(SIGNALS, team)


@pytest.mark.parametrize("team", TEAMS)
def test_functions_at_exit_may_wait_for_a_thread_that_calls_nablas(team):
    assert run(EXIT, team).split() == ["ok"] * 4
