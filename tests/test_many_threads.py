"""Fits, inference, kernels and autograd from eight threads at once, with and without the interpreter's lock.

Threads switch as often as they can, so that what one reads between another's two steps is met on a build with the lock, too.
"""

import copy
import os
import pickle
import subprocess
import sys
import sysconfig
import threading

import numpy as np
import pytest
from cases import rng, small
from test_kernels import arguments, results

import nablas as nb
from nablas import kernels
from nablas._threads import Claim
from nablas.autograd import Tensor, no_grad

THREADS = 8
X, Y = rng().normal(size=(400, 4)), rng(1).integers(0, 3, 400)

pytestmark = pytest.mark.usefixtures("team")


@pytest.fixture(autouse=True)
def frequent_switches():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def at_once(function, count=THREADS):
    """function(i) in `count` threads that begin together: what each returned, or the exception."""
    barrier, out = threading.Barrier(count), [None] * count

    def body(i):
        barrier.wait()
        try:
            out[i] = function(i)
        except BaseException as error:
            out[i] = error

    threads = [threading.Thread(target=body, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive()
    return out


without_lock = pytest.mark.skipif(
    not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this Python has the lock"
)


@without_lock
def test_the_lock_stays_off():
    """Python switches it on, with a warning, for an extension that does not say that it needs none."""
    code = """
import importlib, pkgutil, sys
class Ours:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in {*sys.stdlib_module_names, "numpy", "nablas"}:
            raise ImportError("of an extra", name=name)
sys.meta_path.insert(0, Ours())
import nablas
for module in pkgutil.walk_packages(nablas.__path__, "nablas."):
    if module.name == "nablas.__main__":
        continue
    try:
        importlib.import_module(module.name)
    except ImportError as error:
        assert error.msg == "of an extra" or "pip install" in error.msg, (module, error)
assert not sys._is_gil_enabled()
"""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHON_GIL"}
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, env=environment)


@without_lock
def test_these_tests_run_without_it():
    """Else they say nothing of such a Python: another package has switched it on."""
    assert not sys._is_gil_enabled()


def test_fits():
    def fitted(i):
        net = small()
        net.fit(X, Y, epochs=5, batch_size=16, optimizer=nb.Adam(), dropout=0.2, seed=i % 2)
        return net.parameters.tobytes(), net.history.loss

    want = fitted(0), fitted(1)
    assert at_once(fitted) == [want[i % 2] for i in range(THREADS)]


def test_one_network_has_one_training():
    net, optimizer = small(), nb.Adam()
    begun, refused = threading.Event(), threading.Semaphore(0)

    def hold(state):
        begun.set()
        for _ in range(THREADS - 1):
            assert refused.acquire(timeout=60)

    def fit(i):
        if i == 0:
            return net.fit(X, Y, epochs=1, optimizer=optimizer, callbacks=[hold])
        assert begun.wait(60)
        try:
            return (net if i % 2 else small()).fit(X, Y, epochs=1, optimizer=optimizer)
        finally:
            refused.release()

    first, *others = at_once(fit)
    assert len(first) == 1
    assert all(isinstance(error, RuntimeError) for error in others)


def test_claims_are_taken_once():
    claims = [Claim() for _ in range(500)]
    held = at_once(lambda i: [held for claim in claims if (held := claim.hold())])
    assert sum(map(len, held)) == len(claims)
    assert not any(claim.hold() for claim in claims)
    held.pop(0)  # what nothing refers to any more is free again, as after an interrupt
    for other in held:
        for one in other:
            one.release()
    assert all(claim.hold() for claim in claims)


def test_inference_evaluation_and_gradients_of_one_network():
    net = small()

    def answers(i):
        return [
            (
                net.forward(X).tobytes(),
                net.loss(X, Y),
                net.gradient(X, Y).tobytes(),
                net.score(X, Y),
            )
            for _ in range(5)
        ]

    want = answers(0)
    assert at_once(answers) == [want] * THREADS


def test_pickling_a_network_that_trains():
    net = small()

    def work(i):
        if i == 0:
            for _ in range(60):
                net.fit(X, Y, epochs=1, optimizer=nb.Adam())
                net.initialize()  # discards the trainer
            return True
        return all(pickle.loads(pickle.dumps(net)).parameters.size for _ in range(300))

    assert at_once(work, 4) == [True] * 4


def test_estimators():
    pytest.importorskip("sklearn")
    from nablas.sklearn import MLPClassifier, MLPRegressor

    def fitted(i):
        kind, ends = (MLPClassifier, MLPRegressor)[i % 2], {"tol": 1e9, "n_iter_no_change": 2}
        model = kind(hidden_layer_sizes=(5,), random_state=0, n_threads=1 + i % 3, **ends).fit(X, Y)
        return model.predict(X).tobytes(), model.loss_curve_

    want = fitted(0), fitted(1)
    assert at_once(fitted) == [want[i % 2] for i in range(THREADS)]


@pytest.mark.parametrize("name", kernels.__all__)
def test_kernels(name):
    # Before the threads: CPython 3.11 cannot read signatures in several at once (gh-106905).
    given = arguments(name, "float32")

    def called(i):
        return [
            part.tobytes()
            for _ in range(10)
            for part in results(getattr(kernels, name), copy.deepcopy(given))
        ]

    want = called(0)
    assert at_once(called) == [want] * THREADS


def test_large_calls():
    a, b = rng(1).normal(size=(300, 200)), rng(2).normal(size=(200, 100))
    want = kernels.matmul(a, b).tobytes()
    found = at_once(lambda i: {kernels.matmul(a, b).tobytes() for _ in range(5)})
    assert found == [{want}] * THREADS


# ---- autograd --------------------------------------------------------------------------------


def test_graphs_of_their_own():
    def gradient(i):
        found = set()
        for _ in range(20):
            w = Tensor(np.linspace(-1, 1, 12).reshape(3, 4), requires_grad=True)
            (np.tanh(Tensor(X[:5]) @ w.T) ** 2).sum().backward()
            w.data -= 0.1 * w.grad.data
            w.mark_edited()
            found.add((w.grad.data.tobytes(), w.data.tobytes()))
        return found

    want = gradient(0)
    assert len(want) == 1
    assert at_once(gradient) == [want] * THREADS


def test_gradients_by_a_leaf_that_threads_share():
    """Sums of small integers are exact in any order: a lost one is seen."""
    w, times = Tensor(np.zeros(3), requires_grad=True), 200

    def add(i):
        for _ in range(times):
            (w * float(i + 1)).sum().backward()

    assert at_once(add) == [None] * THREADS
    np.testing.assert_array_equal(w.grad.data, times * sum(range(1, THREADS + 1)))


def test_edits_by_many_threads_are_seen():
    """More arrays than the record of edits holds before it is cleared of dead ones."""

    def edited(i):
        alive = []
        for _ in range(400):
            x = Tensor([1.0, 2.0], requires_grad=True)
            y = x * x
            x.data += 1
            x.mark_edited()
            alive.append((x, y))
        missed = 0
        for _, y in alive:
            try:
                y.sum().backward()
                missed += 1
            except RuntimeError:
                pass
        return missed

    assert at_once(edited) == [0] * THREADS


def test_no_grad_is_each_threads_own():
    def recorded(i):
        x, seen = Tensor(1.0, requires_grad=True), set()
        for _ in range(300):
            if i % 2:
                with no_grad():
                    seen.add((x * x).requires_grad)
            else:
                seen.add((x * x).requires_grad)
        return seen

    assert at_once(recorded) == [{i % 2 == 0} for i in range(THREADS)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_while_another_thread_adds_to_gradients():
    code = """
import os, signal, threading, warnings
import numpy as np
from nablas.autograd import Tensor
warnings.simplefilter("ignore")
w, stop = Tensor(np.zeros(200_000), requires_grad=True), threading.Event()
def add():
    while not stop.is_set():
        w.sum().backward()
thread = threading.Thread(target=add)
thread.start()
for _ in range(20):
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        v = Tensor([1.0], requires_grad=True)
        v.sum().backward()
        v.mark_edited()
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
stop.set()
thread.join()
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


# ---- the first use ---------------------------------------------------------------------------

FIRST = """
import threading
barrier, errors = threading.Barrier(8), []
def body(i):
    barrier.wait()
    try:
        import numpy as np
        import nablas as nb
        from nablas.autograd import Tensor
        net = nb.MLP([4, 5, 3], output="softmax", seed=0)
        X = np.linspace(-1, 1, 80_000).reshape(20_000, 4)
        net.fit(X, np.arange(20_000) % 3, epochs=1)
        net.forward(X)
        nb.kernels.matmul(X, X.T[:, :200])
        np.exp(Tensor([1.0], requires_grad=True)).sum().backward()
        nb.show_config("dicts")
        found.append(net.parameters.tobytes())
    except BaseException as error:
        errors.append(repr(error))
found = []
threads = [threading.Thread(target=body, args=(i,)) for i in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(errors, len(found), len(set(found)))
"""


def test_eight_first_uses_at_once():
    """Modules, teams, instruction set and registries are all made by whoever comes first."""
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", FIRST], capture_output=True, text=True, timeout=120)  # fmt: skip
        assert done.stdout.strip() == "[] 8 1", done.stdout + done.stderr[-600:]
