import numpy as np
import pytest
from cases import relative_error, rng, strange_layouts, thresholds

import nablas as nb
from nablas import _core, kernels, reference

UNARY = _core.registry()["unary"]
SIZES = [0, 1, 3, 15, 16, 17, 33, 100, 5000]
ACTIVATIONS = nb.activations()
ABSOLUTE = {"float32": 1e-6, "float64": 2e-15}


def arguments(n, dtype):
    """0.05 to 4 in absolute value: outside, computing z back from the activation loses digits."""
    x = rng(n).uniform(0.05, 4, n) * rng(n + 1).choice([-1, 1], n)
    return x.astype(dtype)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_values(isa, dtype, activation):
    for n in SIZES:
        z = arguments(n, dtype)
        want = reference.activate(z, activation)
        # rounding z changes g(z) by its condition number, |z g'(z) / g(z)|, relatively
        exact = z.astype(float)
        with np.errstate(all="ignore"):
            condition = np.abs(exact * reference.ACTIVATIONS[activation].slope(exact) / want)
        roundings = 8 + np.nan_to_num(condition, posinf=0)
        got = kernels.activate(z, activation)
        assert (np.abs(got - want) <= roundings * np.finfo(dtype).eps * np.abs(want)).all()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_slopes_are_those_of_the_reference(isa, dtype, activation):
    for n in SIZES:
        z = arguments(n, dtype).astype(np.float64)
        kept = (
            z if ACTIVATIONS[activation] == "preactivation" else reference.activate(z, activation)
        )
        want = reference.ACTIVATIONS[activation].slope(z)
        got = kernels.slope(kept.astype(dtype), activation)
        np.testing.assert_allclose(
            got, want, rtol=1e-5 if dtype == "float32" else 1e-12, atol=ABSOLUTE[dtype]
        )


@pytest.mark.parametrize("activation", [a for a in ACTIVATIONS if a != "step"])
def test_slopes_are_derivatives(isa, activation):
    z, h = arguments(200, "float64"), 1e-6
    difference = (kernels.activate(z + h, activation) - kernels.activate(z - h, activation)) / (
        2 * h
    )
    kept = z if ACTIVATIONS[activation] == "preactivation" else kernels.activate(z, activation)
    np.testing.assert_allclose(kernels.slope(kept, activation), difference, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_whole_range(isa, dtype, activation):
    info = np.finfo(dtype)
    z = np.array(
        [0, -0.0, info.tiny, -info.tiny, 30, -30, 1e4, -1e4, info.max, -info.max, np.nan], dtype
    )
    want = reference.activate(z, activation)
    got = kernels.activate(z, activation)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=2 * info.tiny)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_infinities(isa, dtype, activation):
    z = np.array([np.inf, -np.inf], dtype)
    # the reference at the largest numbers, where an infinity is what grows beyond any bound
    ends = np.array([1, -1]) * np.finfo(np.float64).max
    with np.errstate(all="ignore"):
        limits = reference.ACTIVATIONS[activation].value(ends)
    limits = np.where(np.abs(limits) > 1e300, np.copysign(np.inf, limits), limits)
    np.testing.assert_allclose(kernels.activate(z, activation), limits, rtol=1e-6)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_hadamard_delta(isa, dtype, activation):
    for shape in [(0,), (7,), (3, 5), (2, 3, 4), ()]:
        delta = rng(1).standard_normal(shape).astype(dtype)
        kept = np.asarray(rng(2).uniform(0.1, 0.9, shape), dtype)
        want = delta * kernels.slope(kept, activation)
        np.testing.assert_array_equal(kernels.hadamard_delta(delta, kept, activation), want)
        if delta.ndim:
            for out in (delta.copy(), kept.copy()):
                d, k = (out, kept) if np.array_equal(out, delta) else (delta, out)
                np.testing.assert_array_equal(
                    kernels.hadamard_delta(d, k, activation, out=out), want
                )


@pytest.mark.parametrize("name", UNARY)
def test_layouts_and_out(isa, dtype, name):
    function = getattr(kernels, name)
    x = rng().uniform(0.1, 3, (13, 29)).astype(dtype)
    want = function(x)
    for layout, other in strange_layouts(x):
        np.testing.assert_array_equal(function(other), want, err_msg=layout)
    for layout, out in strange_layouts(np.zeros_like(x)):
        if layout != "read-only":
            np.testing.assert_array_equal(function(x, out=out), want, err_msg=layout)
    shifted = np.zeros(400, dtype)
    shifted[:377] = x.reshape(-1)
    function(shifted[:377], out=shifted[3:380])
    np.testing.assert_array_equal(shifted[3:380], want.reshape(-1))
    assert function(x, out=x) is x
    np.testing.assert_array_equal(x, want)


def test_position_in_an_array_does_not_matter(isa, dtype):
    """The last, partial vector is computed by the same arithmetic as whole ones."""
    x = rng().standard_normal(200).astype(dtype)
    for activation in ACTIVATIONS:
        want = kernels.activate(x, activation)
        for start, stop in [(0, 1), (3, 20), (7, 199), (199, 200)]:
            np.testing.assert_array_equal(
                kernels.activate(x[start:stop], activation), want[start:stop]
            )


@pytest.mark.parametrize(
    "source",
    [
        "bool",
        "uint8",
        "int8",
        "uint16",
        "int16",
        "uint32",
        "int32",
        "uint64",
        "int64",
        "float16",
        "float32",
        "float64",
        "longdouble",
        ">f8",
        ">i4",
    ],
)
def test_gather_rows(isa, dtype, source):
    x = rng().integers(0, 2 if source == "bool" else 100, (20, 7)).astype(source)
    indices = rng(1).integers(0, 20, 33)
    for view in (x, x[:, ::2], x[::-1], np.asfortranarray(x), np.broadcast_to(x[:1], x.shape)):
        got = kernels.gather_rows(view, indices, dtype=dtype)
        np.testing.assert_array_equal(got, view[indices].astype(dtype))
    assert kernels.gather_rows(x, indices[:0]).shape == (0, 7)
    got, want = kernels.gather_rows(x, indices), reference.gather_rows(x, indices)
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got, want)


def test_a_long_double_is_rounded_once(isa):
    x = np.array([[1 + np.longdouble(2) ** -24 + np.longdouble(2) ** -60]])
    for dtype in (None, "float32", "float64"):
        got = kernels.gather_rows(x, [0], dtype=dtype)
        np.testing.assert_array_equal(got, x.astype(dtype or "float32"))


def test_gather_rows_of_every_width(isa, dtype):
    """Rows of its own type are copied by vectors, overlapping ones at the end, and long rows as bytes."""
    for width in range(12 * thresholds(dtype)["lanes"] + 2):
        x = rng().standard_normal((9, width)).astype(dtype)
        indices = rng(1).integers(0, 9, 12)
        np.testing.assert_array_equal(kernels.gather_rows(x, indices), x[indices])


def test_gather_refuses_bad_indices():
    x = np.zeros((4, 2))
    for bad in (-1, 4, 2**40, 2**63 + 5):
        message = f"^indices: expected row numbers from 0 to 3, got {bad} at index 1$"
        with pytest.raises(ValueError, match=message):
            kernels.gather_rows(x, np.array([0, bad], np.uint64 if bad > 2**62 else np.int64))
    with pytest.raises(ValueError, match="^indices: expected no row numbers, got 0 at index 0$"):
        kernels.gather_rows(x[:0], [0])
    with pytest.raises(
        TypeError, match="^indices: expected integer row numbers, got dtype float64"
    ):
        kernels.gather_rows(x, [0.5])


def test_relative_error_of_large_arrays(dtype):
    x = rng().standard_normal(100_003).astype(dtype)
    assert relative_error(kernels.tanh(x), reference.tanh(x)) < 4 * np.finfo(dtype).eps
