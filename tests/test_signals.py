"""Long calls look for signals within 100 ms."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

CALLS = {
    "permutation": "kernels.permutation(8_000_000, seed=0)",
    "random_uniform": "kernels.random_uniform(20_000_000, seed=0)",
    "random_normal": "kernels.random_normal(8_000_000, seed=0)",
    "initialize": "nb.MLP([3000, 3000, 3000], seed=0)",
    "matmul": "kernels.matmul(wide, wide.T)",
    "dense_forward": "kernels.dense_forward(tall, weights, 'tanh')",
    "dense_backward": "kernels.dense_backward(tall, weights, tall)",
    "sparse_forward": "kernels.sparse_forward(*terms, weights, 'tanh')",
    "sparse_gradient": "kernels.sparse_gradient(*terms, tall, 256)",
    "activate": "kernels.activate(tall, 'gelu')",
    "dropout": "kernels.dropout(tall, 0.5, seed=0)",
    "forward": "net.forward(tall)",
    "gradient": "net.gradient(tall, tall[:, 0])",
    "loss": "net.loss(tall, tall[:, 0])",
    "fit": "net.fit(tall, tall[:, 0], epochs=1, batch_size=256)",
    "fit, one batch": "net.fit(tall, tall[:, 0], epochs=1, batch_size=len(tall))",
    "fit, one batch, a loss in Python": "net.fit(tall, tall[:, 0], loss=half_sum, epochs=1, batch_size=len(tall))",
    "fit, sparse rows, a loss in Python": "wider.fit(few, tall[:3000, 0], loss=half_sum, epochs=1, batch_size=3000)",
}
CODE = """
import signal, sys, time
import numpy as np
from scipy.sparse import csr_array
import nablas as nb
from nablas import kernels

nb.set_num_threads(1)
tall = np.zeros((200_000, 256), np.float32)
weights = np.zeros((257, 256), np.float32)
terms = np.ones(4_000_000, np.float32), np.arange(4_000_000) % 20, np.arange(0, 4_000_001, 20)
wide = np.zeros((3000, 3000), np.float32)
net = nb.MLP([256, 512, 1], seed=0)
few, wider = csr_array((terms[0][:3000], (np.arange(3000), np.arange(3000)))), nb.MLP([3000, 2700, 1])
half_sum = lambda outputs, targets: (0.0, outputs - targets)
times = []
signal.signal(signal.SIGALRM, lambda *_: times.append(time.perf_counter()))
signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
for call in sys.argv[1:]:
    least = 1.0
    for _ in range(3):  # other processes disturb
        times[:] = [time.perf_counter()]
        while len(times) < 6:
            eval(call)
        least = min(least, np.diff(tuple(times)).max())  # a copy: the handler goes on
        if least < 0.1:
            break
    print(least)
signal.setitimer(signal.ITIMER_REAL, 0)
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs interval timers")
def test_every_long_call_looks_for_signals():
    command = [sys.executable, "-c", CODE, *CALLS.values()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    gaps = dict(zip(CALLS, map(float, done.stdout.split()), strict=True))
    # 100 ms on a current processor; more than that on an older or a shared one
    assert {name: gap for name, gap in gaps.items() if gap > 0.25} == {}


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs interval timers")
def test_a_fit_of_a_wide_network_is_interrupted_within_a_second():
    """All rows of a batch would be one pass of 1.5 seconds of a processor."""
    code = """
import signal, time
import numpy as np, nablas as nb
nb.set_num_threads(1)
net = nb.MLP([1000, 3000, 3000, 10], output="softmax", seed=0)
x, y = np.zeros((2200, 1000), np.float32), np.zeros(2200, int)
times = [time.process_time()]
signal.signal(signal.SIGALRM, lambda *_: times.append(time.process_time()))
signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
net.fit(x, y, epochs=1, batch_size=2200)
signal.setitimer(signal.ITIMER_REAL, 0)
print(np.diff([*times, time.process_time()]).max())
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert float(done.stdout) < 1, done.stdout


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs interval timers")
def test_an_interrupted_initialization_changes_nothing():
    code = """
import signal, nablas as nb
net = nb.MLP([2000, 2000, 2000], seed=0)
before, seed = net.parameters.copy(), net.seed
def interrupt(*_):
    raise KeyboardInterrupt
signal.signal(signal.SIGALRM, interrupt)
signal.setitimer(signal.ITIMER_REAL, 0.03)
try:
    while True:
        net.initialize(seed=1)
        assert False, "not interrupted"
except KeyboardInterrupt:
    assert (net.parameters == before).all() and net.seed == seed
    net.initialize(seed=0)
    assert (net.parameters == before).all()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs interval timers")
def test_an_interrupt_at_any_time_of_an_initialization():
    """All is as before, or all is new: weights, counters, optimizer states."""
    code = """
import signal, time, numpy as np, nablas as nb
def interrupt(*_):
    raise KeyboardInterrupt
signal.signal(signal.SIGALRM, interrupt)
begin = time.perf_counter()
nb.MLP([300, 800], seed=0)
long = 1.5 * (time.perf_counter() - begin)
x, seen = np.ones((8, 300)), set()
for i in range(600):
    if i >= 60 and len(seen) == 2:
        break
    net = nb.MLP([300, 800], seed=0)
    net.fit(x, np.ones((8, 800)), epochs=3, optimizer=nb.SGD(0.1, momentum=0.9))
    before = net.parameters.copy()
    try:
        signal.setitimer(signal.ITIMER_REAL, 1e-5 + long * (i % 60) / 60 * (1 + i // 60))
        net.initialize(seed=1)
        signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        pass
    state = net.engine.training_state()
    old = (net.parameters == before).all()
    seen.add(bool(old))
    assert (net.epochs, net.engine.updates) == ((3, 3) if old else (0, 0))
    assert not old or "states" in state
assert seen == {True, False}, seen
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_tests_in_the_background_get_ctrl_c():
    """A shell has what it starts in the background ignore it."""
    code = """
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
import conftest
conftest.pytest_configure()
signal.raise_signal(signal.SIGINT)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent, stderr=subprocess.PIPE)  # fmt: skip
    assert done.stderr.rstrip().endswith(b"KeyboardInterrupt")
