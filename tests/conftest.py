"""Fixtures: a test with `isa` runs on every instruction set this machine has."""

import pytest
import registries

import nablas as nb
from nablas import _core

DEFAULT_ISA = _core.isa()


@pytest.fixture(params=_core.available_isas())
def isa(request):
    _core.use_isa(request.param)
    yield request.param
    _core.use_isa(DEFAULT_ISA)


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return request.param


@pytest.fixture
def threads():
    """Sets the number of threads until the end of the test."""
    before = nb.num_threads()
    yield nb.set_num_threads
    nb.set_num_threads(before)


def pytest_collection_modifyitems(items):
    """While an entry of a registry lacks a counterpart, run the tests that say where."""
    if registries.missing():
        items[:] = [item for item in items if item.path.name == "test_recipes.py"]
