"""Fixtures: a test with `isa` runs on every instruction set this machine has, one with `team` on every backend."""

import signal
import sys

import pytest
import registries

import nablas as nb
from nablas import _core

DEFAULT_ISA = _core.isa()
TEAMS = ["openmp", "threads"] if _core.has_openmp else ["threads"]
SLEEPS = ["condition variables", "futexes"] if sys.platform == "linux" else ["condition variables"]


@pytest.fixture(params=_core.available_isas())
def isa(request):
    _core.use_isa(request.param)
    yield request.param
    _core.use_isa(DEFAULT_ISA)


@pytest.fixture(params=TEAMS)
def team(request, monkeypatch):
    """Each backend of base/parallel, in this process and in those that the test starts."""
    monkeypatch.setenv("NABLAS_TEAM", request.param)
    _core.use_team(request.param)
    yield request.param
    _core.use_team("")


@pytest.fixture(params=SLEEPS)
def sleep(request):
    """Each way in which a team's threads sleep."""
    _core.use_futex(request.param == "futexes")
    yield request.param
    _core.use_futex(True)


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return request.param


@pytest.fixture
def threads():
    """Sets the number of threads until the end of the test."""
    before = nb.num_threads()
    yield nb.set_num_threads
    nb.set_num_threads(before)


def pytest_configure():
    """A shell that starts a command in the background has it ignore Ctrl-C, and so all of its processes; tests send it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    """While an entry of a registry lacks a counterpart, run the tests that say where."""
    if registries.missing():
        items[:] = [item for item in items if item.path.name == "test_recipes.py"]


def pytest_report_collectionfinish():
    return [
        f"tests of all else wait for a counterpart: {message}" for message in registries.missing()
    ]
