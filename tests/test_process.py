"""The process around the package: threads, fork, signals, instruction sets, import."""

import functools
import hashlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
from cases import relative_error, rng
from threadpoolctl import threadpool_limits

import nablas as nb
from nablas import _core, kernels, reference

pytestmark = pytest.mark.usefixtures("team")
openmp = pytest.mark.skipif(not _core.has_openmp, reason="this build has no OpenMP")
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc or forks")


def python(code, timeout=120, **environment):
    """Runs code in a fresh interpreter; returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@functools.cache
def most_threads():
    """Twice the processors this process may use."""
    code = "import nablas; nablas.set_num_threads(4096); print(nablas.num_threads())"
    return int(python(code))


def trained_hash(dtype, dropout=0.0):
    """Layers wide enough for work on each of 7 threads; batches processed by rows and by layers."""
    x, y = rng(1).normal(size=(700, 300)).astype(dtype), rng(2).integers(0, 10, 700)
    weight = rng(3).random(700)
    net = nb.MLP([300, 200, 90, 10], ["relu", "gelu"], "softmax", dtype=dtype, seed=1)
    settings = {"seed": 1, "l2": 1e-4, "dropout": dropout, "sample_weight": weight}
    for batch_size in (20, 100, 700):  # by layers (few rows), by rows, by layers (large)
        history = net.fit(x, y, epochs=2, batch_size=batch_size, **settings)
    digest = hashlib.sha256(net.parameters.tobytes())
    digest.update(net.forward(x).tobytes())
    digest.update(net.gradient(x, y).tobytes())
    digest.update(np.array([*history.loss, net.loss(x, y, sample_weight=weight)]).tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_the_same_bits_for_any_number_of_threads(isa, dtype, threads, dropout):
    hashes = set()
    for count in (1, 2, 3, 7):
        threads(count)
        assert nb.num_threads() == min(count, most_threads())
        hashes.add(trained_hash(dtype, dropout))
    assert len(hashes) == 1


def test_the_same_bits_however_threads_sleep(sleep, threads):
    threads(1)
    want = trained_hash("float32")
    threads(3)  # more than some machines have processors: threads without a part sleep at once
    assert trained_hash("float32") == want


def test_kernels_give_the_same_bits_for_any_number_of_threads(isa, dtype, threads):
    a, b = (
        rng(1).normal(size=(301, 203)).astype(dtype),
        rng(2).normal(size=(203, 407)).astype(dtype),
    )
    z = rng(3).normal(size=(3001, 130)).astype(dtype)
    results = []
    for count in (1, 2, 3, 7):
        threads(count)
        loss, delta = kernels.softmax_cross_entropy(z, np.abs(np.sin(z)))
        out = [
            kernels.matmul(a, b),
            kernels.activate(z, "gelu"),
            kernels.softmax(z),
            delta,
            np.array(loss),
        ]
        results.append([o.tobytes() for o in out])
    assert all(r == results[0] for r in results)


def test_an_epoch_run_in_slices_is_the_same_epoch():
    """A long epoch is run in slices, with signal checks in between; the result is the same."""
    x, y = rng(1).normal(size=(60_000, 300)), rng(2).integers(0, 10, 60_000)
    net = nb.MLP([300, 400, 10], output="softmax", dtype="float64", seed=1)
    twin = reference.ReferenceNetwork(net.sizes, net.activations, net.parameters.copy())
    stops = []
    trainer = net.engine.gradient_trainer()
    data = net.engine.dataset(x, y, None, nb.Loss("cross_entropy"))
    settings = {"batch_size": 3000, "seed": 1, "shuffle": True, "l2": 0.0}
    trainer.run_epochs(
        data, rates=np.full((1, 20), 0.1), epoch=0, dropout=[0.0, 0.0], on_rows=stops.append, l1=0.0, clip_norm=0.0,
        by_batch=False, mean_weight=0.0, bias=True, **settings,
    )  # fmt: skip
    assert len(stops) > 2
    assert stops[-1] == len(x)
    settings |= {"optimizer": "sgd", "learning_rate": 0.1, "loss": "cross_entropy", "epochs": 1}
    *_, (_, want) = reference.fit(twin, x, y, **settings)
    assert relative_error(net.parameters, want) < 1e-10


@openmp
def test_threadpool_limits_are_obeyed(threads):
    threads(2)
    with threadpool_limits(1):
        assert nb.num_threads() == 1
    assert nb.num_threads() == 2
    code = """
        import nablas, threadpoolctl
        with threadpoolctl.threadpool_limits(1):
            assert nablas.num_threads() == 1
        print(nablas.num_threads())
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    assert int(python(code, **environment)) <= allowed


def test_omp_num_threads_is_obeyed():
    assert python("import nablas; print(nablas.num_threads())", OMP_NUM_THREADS="2") == "2"


@pytest.mark.parametrize(
    ("count", "error"),
    [(0, ValueError), (-1, ValueError), (10**6, ValueError), (1.5, TypeError), ("2", TypeError)],
)
def test_bad_thread_counts(count, error):
    with pytest.raises(error, match="count: expected an integer"):
        nb.set_num_threads(count)


@linux
def test_a_forked_child_can_train():
    code = """
        import os, sys
        sys.path.insert(0, {tests!r})
        import nablas as nb
        from test_process import trained_hash
        nb.set_num_threads(2)
        want = trained_hash("float32")
        child = os.fork()
        if child == 0:
            nb.set_num_threads(2)
            os._exit(0 if nb.num_threads() == 1 and trained_hash("float32") == want else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert trained_hash("float32") == want
    """.replace("{tests!r}", repr(os.path.dirname(__file__)))
    python(code)


def _fit_score(seed):
    x = rng(seed).normal(size=(200, 5))
    net = nb.MLP([5, 8, 2], output="softmax", seed=seed)
    net.fit(x, (x[:, 0] > 0).astype(int), epochs=20, seed=seed, optimizer=nb.Adam(0.02))
    return net, net.score(x, (x[:, 0] > 0).astype(int))


def test_joblib_processes():
    results = joblib.Parallel(n_jobs=2)(joblib.delayed(_fit_score)(seed) for seed in range(4))
    for seed, (net, score) in enumerate(results):
        np.testing.assert_array_equal(net.parameters, _fit_score(seed)[0].parameters)
        assert score > 0.8


def test_threads_of_python_train_their_own_nets():
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(_fit_score, range(8)))
    for seed, (net, _) in enumerate(together):
        np.testing.assert_array_equal(net.parameters, _fit_score(seed)[0].parameters)


@linux
def test_importing_changes_nothing():
    code = """
        import ctypes, os, random, signal, numpy as np
        libm = ctypes.CDLL("libm.so.6")
        def state():
            environment = ctypes.create_string_buffer(64)
            libm.fegetenv(environment)
            return (
                environment.raw[28:32],  # MXCSR in glibc's fenv_t on x86-64
                len(os.listdir("/proc/self/task")),
                [signal.getsignal(s) for s in signal.valid_signals()],
                [line for line in open("/proc/self/status") if line.startswith(("SigBlk", "SigIgn", "SigCgt"))],
                dict(os.environ),
                random.getstate(),
                repr(np.random.get_state()),
                np.geterr(),
            )
        before = state()
        import nablas
        assert state() == before
        net = nablas.MLP([4, 3], output="softmax")
        net.fit(np.eye(4), [0, 1, 2, 0], epochs=3)
        assert state()[0] == before[0]
    """
    python(code)


def test_scikit_learn_in_either_order():
    body = """
        import numpy as np
        net = nablas.MLP([300, 200, 10], output="softmax", seed=1)
        net.fit(np.ones((512, 300)), np.zeros(512, int), epochs=2, batch_size=256)
        from sklearn.cluster import KMeans
        KMeans(2, n_init=1).fit(np.random.default_rng(0).normal(size=(3000, 5)))
        net.fit(np.ones((512, 300)), np.zeros(512, int), epochs=2, batch_size=256)
    """
    python("import nablas, sklearn.cluster\n" + textwrap.dedent(body))
    python("import sklearn.cluster, nablas\n" + textwrap.dedent(body))


LONG_CALLS = {
    "a fit of a large net": (
        "[784, 512, 10]",
        "net.fit(x, y, epochs=10**6, batch_size=128, optimizer=slow)",
    ),
    "a fit of a tiny net": (
        "[784, 4, 10]",
        "net.fit(x, y, epochs=10**6, batch_size=4, optimizer=slow)",
    ),
    "a validation": (
        "[784, 2048, 2048, 10]",
        "net.fit(x[:9], y[:9], epochs=9**9, validation_data=(many, y_many))",
    ),
    "a forward pass": ("[784, 4096, 4096, 10]", "net.forward(many)"),
    "a loss": ("[784, 4096, 4096, 10]", "net.loss(many, y_many)"),
    "a gradient": ("[784, 4096, 4096, 10]", "net.gradient(many, y_many)"),
}


@linux
@pytest.mark.parametrize("what", LONG_CALLS)
def test_ctrl_c_ends_a_long_call_within_a_second(what):
    sizes, call = LONG_CALLS[what]
    code = f"""
        import numpy as np, nablas, sys
        net = nablas.MLP({sizes}, output="softmax", seed=1)
        x, y = np.ones((4000, 784), "f"), np.arange(4000) % 10
        many, y_many = np.broadcast_to(x[:1], (400_000, 784)), np.zeros(400_000, int)
        slow = nablas.SGD(1e-4)
        print("go", flush=True)
        try:
            {call}
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        net.fit(x[:64], y[:64], epochs=1, optimizer=slow)
        assert np.isfinite(net.parameters).all()
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "go\n"
        time.sleep(0.7)
        start = time.monotonic()
        child.send_signal(signal.SIGINT)
        assert child.stdout.readline() == "interrupted\n"
        assert time.monotonic() - start < 1
        assert child.wait(60) == 0


def test_nablas_isa_chooses_the_kernels():
    for name in nb.available_isas():
        assert python("import nablas; print(nablas.isa())", NABLAS_ISA=name) == name


def test_an_absent_isa_is_an_error_at_the_first_kernel():
    code = """
        import nablas
        try:
            nablas.kernels.matmul([[1.0]], [[1.0]])
        except RuntimeError as error:
            print(error)
    """
    names = ", ".join(nb.available_isas())
    want = f"NABLAS_ISA: expected one of {names} (what this build and this processor have), got 'x86_64_v9'"
    assert python(code, NABLAS_ISA="x86_64_v9") == want
    with pytest.raises(RuntimeError, match="NABLAS_ISA: expected one of"):
        _core.use_isa("")


def test_an_absent_team_is_an_error_at_the_first_large_call():
    code = """
        import nablas
        try:
            nablas.num_threads()
        except RuntimeError as error:
            print(error)
    """
    want = "NABLAS_TEAM: expected one of "
    assert python(code, NABLAS_TEAM="threadz").startswith(want)
    with pytest.raises(RuntimeError, match=want):
        _core.use_team("threadz")
