"""Threads, forks, callbacks and the interpreter's end: one training at a time, and nothing crashes or hangs.

What might crash runs in a process of its own.
"""

import os
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest
from cases import rng, small

import nablas as nb
from nablas import _core, kernels

pytestmark = pytest.mark.usefixtures("team")

X, Y = rng().normal(size=(3000, 4)), rng(1).integers(0, 3, 3000)
BUSY = "this network is being trained by another call"


def run(code, seconds=60, within=()):
    done = subprocess.run(
        [*within, sys.executable, "-c", code], capture_output=True, text=True, timeout=seconds
    )
    return done.returncode, done.stdout.strip(), done.stderr[-600:]


# ---- data ------------------------------------------------------------------------------------


@pytest.mark.parametrize("odd", [10**9, -1, 4000])
def test_labels_edited_in_a_callback_change_nothing(odd):
    def fitted(callbacks):
        net, labels = small(), Y.copy()
        net.fit(X, labels, epochs=4, callbacks=callbacks(labels))
        return net.parameters

    want = fitted(lambda labels: [])
    got = fitted(lambda labels: [lambda state: labels.fill(odd)])
    np.testing.assert_array_equal(got, want)


def test_weights_and_targets_edited_in_a_callback_change_nothing():
    def fitted(edit):
        net = nb.MLP([4, 5, 1], seed=0)
        weight, target = rng(2).random(3000).astype("f"), rng(3).normal(size=(3000, 1)).astype("f")
        callbacks = [lambda state: (weight.fill(-1), target.fill(np.nan))] if edit else []
        net.fit(X, target, sample_weight=weight, epochs=3, callbacks=callbacks)
        return net.parameters

    np.testing.assert_array_equal(fitted(True), fitted(False))


def test_booleans_of_any_byte_are_true():
    odd = np.array([[0, 1], [2, 255]], np.uint8).view(bool)
    np.testing.assert_array_equal(kernels.gather_rows(odd, [0, 1]), [[0, 1], [1, 1]])


# ---- one training at a time ------------------------------------------------------------------


def in_a_thread(function):
    """Runs it while the caller holds on; what it raised, or None."""
    raised = []

    def body():
        try:
            function()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    return raised[0] if raised else None


def attempts(net, optimizer):
    """Calls that would train or change a network that is being trained."""
    other = small()
    return {
        "fit": (lambda: net.fit(X, Y, epochs=1), BUSY),
        "initialize": (net.initialize, BUSY),
        "optimizer": (lambda: other.fit(X, Y, epochs=1, optimizer=optimizer), "optimizer: "),
    }


@pytest.mark.parametrize("what", ["fit", "initialize", "optimizer"])
@pytest.mark.parametrize("where", ["callback", "thread"])
def test_a_second_training_is_refused(what, where):
    net, optimizer, seen = small(), nb.Adam(), []

    def callback(state):
        call, message = attempts(net, optimizer)[what]
        if where == "thread":
            error = in_a_thread(call)
            assert isinstance(error, RuntimeError)
            seen.append(str(error).startswith(message))
        else:
            with pytest.raises(RuntimeError, match=message):
                call()
            seen.append(True)

    net.fit(X, Y, epochs=2, optimizer=optimizer, callbacks=[callback])
    assert seen == [True, True]
    twin = small().fit(X, Y, epochs=2, optimizer=nb.Adam())
    assert net.history.loss == twin.loss  # the refused call changed nothing
    net.fit(X, Y, epochs=1, optimizer=optimizer)  # both are free again


def test_a_failed_fit_frees_the_network():
    net, optimizer = small(), nb.SGD(1e30)
    with pytest.raises(FloatingPointError):
        net.fit(X, Y, optimizer=optimizer, epochs=9)
    with pytest.raises(TypeError):
        net.fit(X, Y, callbacks=[3])
    small().fit(X, Y, optimizer=optimizer, epochs=0)
    net.initialize(seed=1)
    net.fit(X, Y, epochs=1)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_an_estimator_is_fitted_by_one_call_at_a_time(method):
    from nablas.sklearn import MLPClassifier

    model, seen = MLPClassifier((5,), max_iter=2), []

    def again(state):
        with pytest.raises(RuntimeError, match="this estimator is being fitted"):
            getattr(model, method)(X, Y)
        seen.append(True)

    model.set_params(callbacks=[again])
    model.partial_fit(X, Y, classes=[0, 1, 2])
    assert seen


def test_predictions_during_training():
    """From threads, while the network trains: finite probabilities, no crash, and training ends."""
    net, stop, rows = small(), threading.Event(), []

    def predict():
        while not stop.is_set():
            p = net.forward(X[:50])
            rows.append(np.isfinite(p).all() and np.allclose(p.sum(axis=1), 1, atol=1e-5))

    threads = [threading.Thread(target=predict) for _ in range(3)]
    for thread in threads:
        thread.start()
    net.fit(X, Y, epochs=60, batch_size=8)
    stop.set()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert rows
    assert all(rows)


# ---- processes -------------------------------------------------------------------------------

SETUP = """
import threading, time, os, sys
import numpy as np
import nablas as nb
x, y = np.random.default_rng(0).normal(size=(200_000, 64)), np.random.default_rng(1).integers(0, 10, 200_000)
net = nb.MLP([64, 64, 10], output="softmax", seed=0)
"""
CALLS = {
    "fit": "lambda: net.fit(x, y, epochs=1000)",
    "forward": "lambda: [net.forward(x) for _ in range(1000)]",
    "matmul": "lambda: [nb.kernels.matmul(x[:20_000], x[:20_000].T.copy()[:, :2000]) for _ in range(1000)]",
    "small calls": "lambda: [net.forward(x[:300]) for _ in range(10**7)]",
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("threads", [1, 3])
def test_daemon_threads_at_exit(call, threads):
    code = SETUP + (
        f"for _ in range({threads}):\n"
        f"    threading.Thread(target={CALLS[call]}, daemon=True).start()\n"
        "time.sleep(0.25)\nprint('end')\n"
    )
    if call == "fit" and threads > 1:
        code = code.replace("net.fit(", "nb.MLP([64, 64, 10], output='softmax').fit(")
    assert run(code)[:2] == (0, "end")


ENDS = {
    "a result": "net.forward(x[:300])",
    "an exception": "threading.Timer(0.3, __import__('_thread').interrupt_main).start()\n"
    "try:\n    while True: nb.kernels.permutation(10**7, seed=0)\nexcept KeyboardInterrupt: pass",
    "another thread's wait for the end": "threading.Thread(target=lambda: net.fit(x, y, epochs=1000), daemon=True).start()\n"
    "time.sleep(0.25)",
}  # fmt: skip


@pytest.mark.parametrize("end", ENDS)
def test_the_interpreter_waits_at_exit_only_for_calls_under_way(end):
    """However a call ends, it is not waited for."""
    code = f"{SETUP}\n{ENDS[end]}\nprint(nb._core.end_sections(20.0))"
    assert run(code)[:2] == (0, "0")


AFTER_OURS = {  # what runs at exit after nablas's own handler, which was registered later
    "atexit": "import atexit; atexit.register(use)",
    "weakref": "import weakref; weakref.finalize(use, use)",
    "another thread": "import atexit, threading\ndef run():\n    thread = threading.Thread(target=use)\n"
    "    try:\n        thread.start()\n    except RuntimeError:  # Python 3.12 starts none any more\n        return use()\n"
    "    thread.join()\natexit.register(run)",
    "multiprocessing": "from multiprocessing.util import Finalize; Finalize(None, use, exitpriority=1)",
    "del": "Late = type('Late', (), {'__del__': lambda self, use=use: use()}); late = Late()",
}
USED_AT_EXIT = """
import os
def use(held={}, write=os.write):
    net, matmul, x = held["net"], held["matmul"], held["x"]
    net.forward(x)
    net.fit(x, held["y"], epochs=2, batch_size=500)
    matmul(x[:64].copy(), x[:64].T.copy())
    write(1, b"used ")
"""


@pytest.mark.parametrize(
    ("how", "others"),
    [
        (how, others)
        for how in AFTER_OURS
        for others in (False, True)
        if (how, others) != ("del", True)
    ],
)
def test_what_runs_at_exit_may_use_nablas(how, others):
    """Also while another thread trains, whose frames keep globals from being deleted."""
    code = f"{USED_AT_EXIT}\n{AFTER_OURS[how]}\n{SETUP}\nuse.__defaults__[0].update(net=nb.MLP([64, 8]), matmul=nb.kernels.matmul, x=x, y=x[:, :8])\n"
    if others:
        code += f"threading.Thread(target={CALLS['fit']}, daemon=True).start()\ntime.sleep(0.2)\n"
    assert run(f"{code}\nuse()")[:2] == (0, "used used")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_does_not_wait_for_its_parents_threads():
    code = f"""{SETUP}
import warnings
warnings.simplefilter("ignore")
threading.Thread(target={CALLS["fit"]}, daemon=True).start()
time.sleep(0.2)
child = os.fork()
if child == 0:
    nb.MLP([64, 8, 10], output="softmax").fit(x[:500], y[:500], epochs=1)
    sys.exit(0)
begin = time.monotonic()
os.waitpid(child, 0)
print(time.monotonic() - begin < 1.5)
"""
    assert run(code)[:2] == (0, "True")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("optimizer", ["SGD(0.1)", "Adam()"])
def test_a_forked_child_goes_on_with_the_same_optimizer(optimizer):
    """Forked in the middle of a step, whose weights are in another order."""
    code = f"""{SETUP}
import warnings
warnings.simplefilter("ignore")
nb.set_num_threads(2)
optimizer = nb.{optimizer}
threading.Thread(
    target=lambda: net.fit(x, y, epochs=1000, batch_size=256, optimizer=optimizer), daemon=True
).start()
time.sleep(0.3)
for _ in range(5):
    child = os.fork()
    if child == 0:
        before = net.parameters.copy()
        net.fit(x[:500], y[:500], epochs=3, optimizer=optimizer)
        os._exit(7 if (net.parameters != before).any() else 8)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    time.sleep(0.03)
print("end")
"""
    assert run(code)[:2] == (0, "end")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_while_another_thread_trains():
    """The child fits the same network, predicts, and trains a new one; the parent goes on."""
    code = (
        SETUP
        + """
import signal, warnings
warnings.simplefilter("ignore")
threading.Thread(target=lambda: net.fit(x, y, epochs=1000), daemon=True).start()
time.sleep(0.2)
for _ in range(5):
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        net.fit(x[:500], y[:500], epochs=1)
        assert np.isfinite(net.forward(x[:10])).all()
        nb.MLP([64, 8, 10], output="softmax").fit(x[:500], y[:500], epochs=1)
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    time.sleep(0.03)
print("end")
"""
    )
    assert run(code)[:2] == (0, "end")


def test_the_first_process_of_a_container_can_train():
    """Its number is 1; that of a claim's owner is compared."""
    within = ["unshare", "--user", "--map-root-user", "--pid", "--fork"]
    if not shutil.which("unshare") or subprocess.run([*within, "true"]).returncode:
        pytest.skip("needs namespaces of Linux")
    code = f"""{SETUP}
def again(state):
    try:
        net.fit(x[:500], y[:500], epochs=1)
    except RuntimeError as error:
        print({BUSY!r} in str(error))
net.fit(x[:500], y[:500], epochs=1, callbacks=[again])
net.fit(x[:500], y[:500], epochs=1)
print(os.getpid(), len(net.history))
"""
    assert run(code, within=within)[:2] == (0, "True\n1 1")


def test_an_optimizer_can_be_copied_and_pickled():
    import copy
    import pickle

    optimizer = nb.SGD(nb.schedules.Cosine(0.1), momentum=0.5)
    for twin in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        assert repr(twin) == repr(optimizer)
        small().fit(X, Y, optimizer=twin, epochs=1)


STACKS = {  # of OMP_STACKSIZE: KiB without a unit; OpenMP's threads from 256 KiB to 8 MiB
    "262144B": "openmp", "262143b": "threads", "256": "openmp", "255": "threads", "256k": "openmp", "255 K": "threads",
    "  8192": "openmp", "8193": "threads", "8M": "openmp", "8   m": "openmp", "9M": "threads", "0.5m": "openmp", "0.2M": "threads",
    "0.007G": "openmp", "0.01 g": "threads", "1G": "threads", "0": "openmp", "": "openmp", "none": "openmp", "512x": "openmp",
}  # fmt: skip


@pytest.mark.skipif(not _core.has_openmp or not hasattr(os, "fork"), reason="needs OpenMP and fork")
@pytest.mark.parametrize("variable", ["OMP_STACKSIZE", "GOMP_STACKSIZE"])
def test_the_team_for_every_stack_size(variable, monkeypatch):
    """The team is chosen at the first question, so each child asks once."""
    monkeypatch.delenv("NABLAS_TEAM")
    code = f"""
import os
from nablas import _core
for size, want in {STACKS!r}.items():
    child = os.fork()
    if child == 0:
        os.environ[{variable!r}] = size
        os._exit(_core.team()[0] != want)
    if os.waitpid(child, 0)[1]:
        print(repr(size), "expected", want)
"""
    assert run(code)[:2] == (0, "")
