"""Accuracy of exp, log, tanh, sigmoid and erf over the whole range, in units in the last place.

float32 is compared with float64 functions on every exponent, float64 with mpmath on fewer points.
`python tests/test_math.py` prints the table of docs/accuracy.md.
"""

import math

import mpmath
import numpy as np
import pytest

from nablas import _core, kernels, reference
from nablas._registry import ACTIVATIONS

FUNCTIONS = ["exp", "log", "tanh", "sigmoid", "erf"]
LIMIT = 4.0


def every_exponent(dtype, count):
    """Bit patterns spread evenly over all finite numbers of both signs, subnormals included."""
    integer = np.uint32 if dtype == "float32" else np.uint64
    top = np.array(np.finfo(dtype).max, dtype).view(integer)
    bits = np.linspace(0, float(top), count).astype(integer)
    positive = np.minimum(bits, top).view(dtype)
    return np.concatenate([positive, -positive])


def points(name, dtype):
    count = 400_000 if dtype == "float32" else 1500
    dense = np.linspace(-110, 110, count) if dtype == "float32" else np.linspace(-760, 760, count)
    near = np.linspace(-7, 7, count)
    x = np.concatenate([every_exponent(dtype, count), dense.astype(dtype), near.astype(dtype)])
    return np.abs(x) if name == "log" else x


def exact(name, x):
    """True values: float64 for float32 arguments, mpmath numbers for float64 ones."""
    if x.dtype == np.float32:
        wide = x.astype(np.float64)
        with np.errstate(all="ignore"):
            e = np.exp(-np.abs(wide))
            return {
                "exp": lambda: np.exp(wide),
                "log": lambda: np.log(wide),
                "tanh": lambda: np.tanh(wide),
                "sigmoid": lambda: np.where(wide < 0, e / (1 + e), 1 / (1 + e)),
                "erf": lambda: np.array([math.erf(v) for v in wide]),
            }[name]()
    mp_function = {
        "exp": mpmath.exp,
        "log": lambda v: mpmath.log(v) if v else mpmath.mpf("-inf"),
        "tanh": mpmath.tanh,
        "sigmoid": lambda v: 1 / (1 + mpmath.exp(-v)),
        "erf": mpmath.erf,
    }[name]
    with mpmath.workdps(40):
        return [mp_function(mpmath.mpf(float(v))) for v in x]


def ulp_errors(got, want):
    """|got - want| in units of got's format at the true value."""
    smallest = float(np.finfo(got.dtype).smallest_subnormal)
    digits = np.finfo(got.dtype).nmant
    errors = np.zeros(len(got))
    if got.dtype == np.float32:
        finite = np.abs(want) <= np.finfo(np.float32).max
        _, exponent = np.frexp(want)
        unit = np.maximum(np.ldexp(1.0, exponent - 1 - digits), smallest)
        errors[finite] = np.abs(got[finite].astype(np.float64) - want[finite]) / unit[finite]
    else:
        finite = np.array([abs(w) <= np.finfo(np.float64).max for w in want])
        for i in np.flatnonzero(finite):
            exponent = math.frexp(float(want[i]))[1]
            unit = max(math.ldexp(1.0, exponent - 1 - digits), smallest)
            errors[i] = float(abs(mpmath.mpf(float(got[i])) - want[i]) / unit)
    with np.errstate(over="ignore"):
        overflowed = np.array([float(w) for w in want])[~finite]
    at_limit = np.isinf(got[~finite]) | (np.abs(got[~finite]) == np.finfo(got.dtype).max)
    assert at_limit.all()
    assert (np.sign(got[~finite]) == np.sign(overflowed)).all()
    return errors


def worst(name, dtype):
    x = points(name, dtype)
    errors = ulp_errors(getattr(kernels, name)(x), exact(name, x))
    return float(errors.max()), float(x[errors.argmax()])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_error_over_the_whole_range(isa, dtype, name):
    error, at = worst(name, dtype)
    assert error <= LIMIT, f"{error:.2f} ulp at {at!r}"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_special_values(isa, dtype, name):
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, -1.0], dtype)
    got = getattr(kernels, name)(special)
    want = {
        "exp": [1, 1, np.inf, 0, np.nan, np.exp(-1)],
        "log": [-np.inf, -np.inf, np.inf, np.nan, np.nan, np.nan],
        "tanh": [0.0, -0.0, 1, -1, np.nan, np.tanh(-1)],
        "sigmoid": [0.5, 0.5, 1, 0, np.nan, 1 / (1 + np.e)],
        "erf": [0.0, -0.0, 1, -1, np.nan, math.erf(-1)],
    }[name]
    np.testing.assert_allclose(got, np.array(want, dtype), rtol=1e-6)
    if name in ("tanh", "erf"):
        assert np.signbit(got[1])


def worst_activation(name):
    """The largest error of an activation in float32 on [-10, 10], against the reference in float64."""
    z = np.linspace(-10, 10, 400_001).astype(np.float32)
    want = reference.ACTIVATIONS[name].value(z.astype(np.float64))
    got = kernels.activate(z, name)
    unit = np.maximum(
        np.ldexp(1.0, np.frexp(want)[1] - 24), np.finfo(np.float32).smallest_subnormal
    )
    return float(np.max(np.abs(got - want) / unit))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_error_of_the_activations(isa, name):
    # In gelu's tail exp(-z²/2) and erfc multiply the roundings of their arguments by z²/2, 50 at -10.
    assert worst_activation(name) <= (2 * LIMIT + 2.5 * 50 if name == "gelu" else 2 * LIMIT)


if __name__ == "__main__":
    for isa in _core.available_isas():
        _core.use_isa(isa)
        for kind in ("float32", "float64"):
            row = ", ".join(f"{name} {worst(name, kind)[0]:.2f}" for name in FUNCTIONS)
            print(f"{isa} {kind}: {row}")
        print(
            f"{isa}: " + ", ".join(f"{name} {worst_activation(name):.2f}" for name in ACTIVATIONS)
        )
