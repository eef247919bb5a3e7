"""Threads within the limits of a process: processors, stacks, memory; signals of helpers."""

import pytest
from test_process import linux, openmp, python

pytestmark = pytest.mark.usefixtures("team")

FIT = """
    import sys, warnings
    import numpy as np
    import nablas as nb

    x, y = np.random.default_rng(0).random((4000, 300)), np.arange(4000) % 10
    def fit():
        net = nb.MLP([300, 200, 10], output="softmax", seed=0)
        net.fit(x, y, epochs=1, batch_size=500)
        return net.parameters.sum()
"""


def test_a_team_is_at_most_twice_the_allowed_processors():
    code = (
        FIT
        + """
    before = fit()
    nb.set_num_threads(4096)
    assert fit() == before
    print(nb.num_threads(), len(__import__("os").sched_getaffinity(0)))
    """
    )
    for setting in ({}, {"OMP_NUM_THREADS": "100000"}, {"OMP_THREAD_LIMIT": "3"}):
        found, allowed = map(int, python(code, **setting).split())
        assert found <= 2 * allowed


@linux
@openmp
@pytest.mark.parametrize("size", ["16k", "64", "20000 B", "1G", "100000000", "junk"])
def test_any_stack_size_of_openmp(size, monkeypatch):
    """libgomp's threads would overflow small stacks, and end the process where large ones cannot be had."""
    monkeypatch.delenv("NABLAS_TEAM")
    code = (
        FIT
        + """
    fit()
    print(nb.num_threads(), *nb._core.team())
    """
    )
    count, *teams = python(code, OMP_STACKSIZE=size, OMP_NUM_THREADS="2").split()
    assert (count, *teams) == ("2", "openmp" if size == "junk" else "threads", "threads")


# no_more_threads() leaves no memory for another thread's stack, of 256 MB.
STACKS = """
    import os, resource
    if resource.getrlimit(resource.RLIMIT_STACK)[0] != 2**28:  # read when a program starts
        resource.setrlimit(resource.RLIMIT_STACK, (2**28, resource.RLIM_INFINITY))
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    def no_more_threads():
        pages = int(open("/proc/self/statm").read().split()[0])
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (pages * 4096 + 2**27, hard))
"""


@linux
@openmp
@pytest.mark.parametrize("counts", [(2,), (4, 2), (4, 3, 4, 2, 1)])
def test_a_team_of_openmp_grows_only_if_it_can(counts):
    """libgomp ends the threads that a smaller region does not need, and the process if it cannot make them again."""
    code = (
        FIT
        + STACKS
        + f"""
    x = np.ones((600, 600), np.float32)
    nb.set_num_threads(1)
    want = nb.kernels.matmul(x, x)
    for count in {counts}:
        nb.set_num_threads(count)
        for _ in range(3):
            nb.kernels.matmul(x, x)
    no_more_threads()
    nb.set_num_threads(4)
    warnings.simplefilter("ignore")
    for _ in range(3):
        assert (nb.kernels.matmul(x, x) == want).all()
    print(nb._core.team()[0])
    """
    )
    assert python(code, NABLAS_TEAM="openmp", OMP_NUM_THREADS="1") == "openmp"


@linux
def test_faults_of_helpers_reach_their_handlers():
    """Helpers take no signal but those of their own faults, which a blocked one would not tell."""
    code = (
        FIT
        + """
    import os, signal
    nb.set_num_threads(2)
    fit()
    blocked = {}
    for task in os.listdir("/proc/self/task"):
        status = open(f"/proc/self/task/{task}/status").read()
        blocked[int(task)] = int(status.split("SigBlk:")[1].split()[0], 16)
    del blocked[os.getpid()]
    helpers = [mask for mask in blocked.values() if mask >> (signal.SIGINT - 1) & 1]
    assert helpers
    for mask in helpers:
        for fault in (signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL):
            assert not mask >> (fault - 1) & 1, fault
    print("right")
    """
    )
    assert python(code, NABLAS_TEAM="threads") == "right"


@linux
def test_threads_that_cannot_be_started_are_done_without():
    code = (
        FIT
        + STACKS
        + """
    nb.set_num_threads(1)
    want = fit()
    nb.set_num_threads(2)
    no_more_threads()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            assert fit() == want
        assert 0.1 < nb._core.peak_gflops() < 1000  # of the threads that ran
    print([str(w.message) for w in caught if w.category is RuntimeWarning])
    """
    )
    assert python(code, OMP_NUM_THREADS="1") == (
        "['nablas: no more threads could be started; it goes on with fewer']"
    )
