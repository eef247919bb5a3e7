"""Every public kernel against its reference: the same result for the same arguments, whatever is registered.

A kernel with a parameter of a new name needs a value for it here; `test_*` of the kernels go deeper.
"""

import inspect

import numpy as np
import pytest
from cases import loss_targets, rng

from nablas import kernels, reference
from nablas._registry import LOSSES

LOSS_OF = {entry.function: name for name, entry in LOSSES.items()}


def arguments(name, dtype, p=5, q=4):
    """A value for each required parameter, and for what the reference needs besides; `p` inputs (5 or more), `q` outputs."""
    floats = lambda *shape: rng(len(shape)).standard_normal(shape).astype(dtype)  # noqa: E731
    values = {
        "x": floats(6, p), "z": floats(6, q), "kept": np.abs(floats(6, q)) / 9, "a": floats(6, p), "b": floats(p, q),
        "weights": floats(p + 1, q), "delta": floats(6, q), "indices": [3, 0, 5, 0], "activation": "tanh", "rate": 0.3,
        "seed": 3, "count": 9, "optimizer": "adam", "parameters": floats(p + 2), "gradient": floats(p + 2),
        "states": [np.zeros(p + 2, dtype), np.zeros(p + 2, dtype)], "step": 1, "learning_rate": 0.1,
        "data": floats(8), "indptr": np.array([0, 3, 3, 4, 8, 8, 8]), "inputs": p,
    }  # fmt: skip
    if name.startswith(
        "sparse_"
    ):  # the columns of 6 rows, three of them empty: unsorted, one twice
        values["indices"] = np.array([4, 0, 2, 1, 3, 3, 0, 4])
    if name in LOSS_OF:
        values["targets"] = loss_targets(LOSS_OF[name], 6, q).astype(dtype)
    if name == "log":
        values["x"] = np.abs(values["x"])
    required = [
        p.name
        for p in inspect.signature(getattr(kernels, name)).parameters.values()
        if p.default is p.empty and p.kind is not p.VAR_KEYWORD
    ]
    unknown = set(required) - set(values)
    assert not unknown, f"tests/test_kernels.py: add values for {unknown}"
    return {p: values[p] for p in required}


def results(function, given):
    """What a function returns and what it wrote to, as a list of arrays."""
    positional = [p for p in ("optimizer", "parameters", "gradient", "states") if p in given]
    rest = {p: v for p, v in given.items() if p not in positional}
    out = function(*(given[p] for p in positional), **rest)
    out = [given["parameters"], *given["states"]] if out is None else out
    return [np.asarray(part) for part in (out if isinstance(out, (tuple, list)) else [out])]


@pytest.mark.parametrize("name", kernels.__all__)
def test_a_kernel_computes_what_its_reference_does(isa, dtype, name):
    got = results(getattr(kernels, name), arguments(name, dtype))
    want = results(getattr(reference, name), arguments(name, dtype))
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    assert len(got) == len(want)
    for mine, theirs in zip(got, want, strict=True):
        assert mine.shape == theirs.shape
        assert mine.dtype == theirs.dtype or mine.ndim == 0
        np.testing.assert_allclose(mine, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    "name",
    [n for n in kernels.__all__ if "out" in inspect.signature(getattr(kernels, n)).parameters],
)
def test_out_receives_the_result(dtype, name):
    given = arguments(name, dtype)
    result = getattr(kernels, name)(**given)
    result = result[-1] if isinstance(result, tuple) else result
    out = np.full_like(result, 7)
    returned = getattr(kernels, name)(**given, out=out)
    assert (returned[-1] if isinstance(returned, tuple) else returned) is out
    np.testing.assert_array_equal(out, result)
