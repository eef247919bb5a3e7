"""Every test of a kernel runs on every instruction set this machine has."""

import pytest

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
