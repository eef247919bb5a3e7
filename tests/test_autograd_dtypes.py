"""NumPy's functions of Tensors of every dtype give NumPy's values and dtypes, by the cases of test_autograd_numpy."""

import numpy as np
import pytest
from test_autograd_numpy import CASES, SAME, outcome, parts

from nablas.autograd import Tensor


def changed(x, arrays):
    """A copy of a call's arguments with each array, also within lists, given to a function."""
    if isinstance(x, np.ndarray):
        return arrays(x)
    if isinstance(x, dict):
        return {name: changed(part, arrays) for name, part in x.items()}
    return type(x)(changed(part, arrays) for part in x) if isinstance(x, (list, tuple)) else x


def cast(x, dtype):
    """Numbers in another dtype; what an integer cannot be is another number."""
    if x.dtype.kind != "f":
        return x
    return (x if "float" in dtype else np.nan_to_num(x, posinf=9, neginf=-9)).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "int32", "bool"])
@pytest.mark.parametrize("function", [*CASES, *SAME], ids=lambda f: f"{f.__module__}.{f.__name__}")
def test_dtypes_as_numpy(function, dtype):
    """Arrays of every dtype as Tensors, those that are indices and conditions too."""
    for case in CASES[SAME.get(function, function)]:
        inputs, settings = changed(case, lambda x: cast(x, dtype))
        want, error = outcome(function, inputs, settings)
        if error is not None:
            continue
        found, raised = outcome(function, *changed((inputs, settings), Tensor))
        if isinstance(raised, TypeError) and "of a Tensor" in str(raised):
            continue
        assert raised is None, (case, want, raised)
        for one, two in zip(parts(want), parts(found), strict=True):
            one, got = np.asarray(one), np.asarray(getattr(two, "data", two))
            assert got.dtype == one.dtype, (case, one.dtype, got.dtype)
            exact = {"float16": 1e-2, "float32": 1e-4}.get(dtype, 1e-12)
            np.testing.assert_allclose(got, one, rtol=exact, atol=exact, err_msg=str(case))
