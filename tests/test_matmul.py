import numpy as np
import pytest
from cases import (
    assert_product,
    product_error,
    product_shapes,
    rng,
    strange_layouts,
    thresholds,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from nablas import kernels, reference

FORMS = [(False, False), (True, False), (False, True), (True, True)]


def operands(n, k, m, dtype, transpose_a, transpose_b, seed=0):
    a = rng(seed).standard_normal((k, n) if transpose_a else (n, k)).astype(dtype)
    b = rng(seed + 1).standard_normal((m, k) if transpose_b else (k, m)).astype(dtype)
    return a, b


@pytest.mark.parametrize(("transpose_a", "transpose_b"), FORMS)
def test_products_meet_the_bound(isa, dtype, transpose_a, transpose_b):
    for n, k, m in product_shapes(dtype):
        a, b = operands(n, k, m, dtype, transpose_a, transpose_b)
        c = kernels.matmul(a, b, transpose_a=transpose_a, transpose_b=transpose_b)
        assert c.shape == (n, m)
        assert c.dtype == dtype
        assert_product(c, a.T if transpose_a else a, b.T if transpose_b else b)


def test_the_bound_rejects_a_product_that_drops_one_term(dtype):
    for k in (1, 7, 64, 300):
        a, b = operands(9, k, 11, dtype, False, False)
        wrong = (a[:, :-1] @ b[:-1]).astype(dtype)
        assert product_error(wrong, a, b) > 1, k


def test_large_magnitudes_and_cancellation(isa, dtype):
    a = (rng().standard_normal((20, 50)) * 10.0 ** rng(1).integers(-10, 10, (20, 50))).astype(dtype)
    b = (rng(2).standard_normal((50, 40)) * 10.0 ** rng(3).integers(-10, 10, (50, 40))).astype(
        dtype
    )
    assert_product(kernels.matmul(a, b), a, b)


def test_every_layout_gives_the_same_bits(isa, dtype):
    for rows, depth, columns in [(37, 41, 43), (100, 600, 128)]:  # the second packs B with AVX2
        a, b = operands(rows, depth, columns, dtype, False, False)
        want = kernels.matmul(a, b)
        for name, other in strange_layouts(a):
            np.testing.assert_array_equal(kernels.matmul(other, b), want, err_msg=name)
        for name, other in strange_layouts(b):
            np.testing.assert_array_equal(kernels.matmul(a, other), want, err_msg=name)


def test_strides_of_zero(isa, dtype):
    """One row, one column or one number repeated, also where B would be packed for its row's distance."""
    for rows, depth, columns in [(37, 41, 43), (1, 600, 128), (200, 600, 128), (200, 600, 20)]:
        a, b = operands(rows, depth, columns, dtype, False, False)
        for part in (np.s_[:1], np.s_[:, :1], np.s_[:1, :1]):
            left, right = np.broadcast_to(a[part], a.shape), np.broadcast_to(b[part], b.shape)
            np.testing.assert_array_equal(kernels.matmul(left, b), kernels.matmul(left.copy(), b))
            np.testing.assert_array_equal(kernels.matmul(a, right), kernels.matmul(a, right.copy()))


def test_every_alignment_gives_the_same_bits(isa, dtype):
    """Columns of B that are streamed begin anywhere in a cache line, at a page's distance too."""
    lanes = int(thresholds(dtype)["lanes"])
    for rows, depth, columns in [(1, 300, 60), (2, 300, 60), (2, 1024, 40), (1, lanes - 1, 5000)]:
        a, b = operands(rows, depth, columns, dtype, False, True)
        want = kernels.matmul(a, b, transpose_b=True)
        assert_product(want, a, b.T)
        for offset in range(lanes + 1):
            raw = np.zeros(b.size + lanes + 1, dtype)
            moved = raw[offset : offset + b.size].reshape(b.shape)
            moved[...] = b
            np.testing.assert_array_equal(kernels.matmul(a, moved, transpose_b=True), want)


def test_inputs_are_not_modified(dtype):
    a, b = operands(8, 9, 10, dtype, False, False)
    before = a.copy(), b.copy()
    kernels.matmul(a, b)
    np.testing.assert_array_equal(a, before[0])
    np.testing.assert_array_equal(b, before[1])


def test_out_is_written_and_never_read(isa, dtype):
    for depth in (0, 5, 300):
        a, b = operands(20, depth, 50, dtype, False, False)
        out = np.full((20, 50), np.nan, dtype)
        assert kernels.matmul(a, b, out=out) is out
        np.testing.assert_array_equal(out, kernels.matmul(a, b))


def test_out_may_have_any_layout(dtype):
    a, b = operands(20, 30, 20, dtype, False, False)
    want = kernels.matmul(a, b)
    for name, out in strange_layouts(np.zeros_like(want)):
        if name != "read-only":
            assert kernels.matmul(a, b, out=out) is out
            np.testing.assert_array_equal(out, want, err_msg=name)


def test_out_may_overlap_an_input(dtype):
    a, b = operands(20, 20, 20, dtype, False, False)
    want = kernels.matmul(a, b)
    for shared in (a.copy(), b.copy()):
        first, second = (shared, b) if np.array_equal(shared, a) else (a, shared)
        np.testing.assert_array_equal(kernels.matmul(first, second, out=shared), want)
    both = np.zeros((30, 20), dtype)
    both[:20] = a
    np.testing.assert_array_equal(kernels.matmul(both[:20], b, out=both[10:]), want)


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(0, 40),
    k=st.integers(0, 40),
    m=st.integers(0, 80),
    steps=st.tuples(*[st.sampled_from([-3, -1, 1, 2])] * 4),
    seed=st.integers(0, 1000),
)
def test_any_shape_and_stride(n, k, m, steps, seed):
    a = rng(seed).standard_normal((3 * n + 1, 3 * k + 1))[:: steps[0], :: steps[1]][:n, :k]
    b = rng(seed + 1).standard_normal((3 * k + 1, 3 * m + 1))[:: steps[2], :: steps[3]][:k, :m]
    k = min(a.shape[1], b.shape[0])
    a, b = a[:, :k], b[:k]
    np.testing.assert_allclose(kernels.matmul(a, b), reference.matmul(a, b), atol=1e-12)


def test_lists_are_taken_as_float64():
    assert kernels.matmul([[1.0, 2.0]], [[3.0], [4.0]]).tolist() == [[11.0]]


@pytest.mark.parametrize(
    ("a", "b", "error", "message"),
    [
        (
            np.ones((2, 3)),
            np.ones((4, 5)),
            ValueError,
            "b: expected 3 rows to match a's columns, got 4",
        ),
        (np.ones(3), np.ones((3, 1)), ValueError, r"a: expected 2 dimensions, got 1, shape \(3,\)"),
        (
            np.ones((2, 3), int),
            np.ones((3, 1)),
            TypeError,
            "a: expected float32 or float64, got int64",
        ),
        (
            np.ones((2, 3), "f"),
            np.ones((3, 1)),
            TypeError,
            "b: expected float32 like a, got float64",
        ),
        (np.ones((2, 3), complex), np.ones((3, 1)), TypeError, "a: expected float32 or float64"),
        ("text", np.ones((3, 1)), TypeError, "a: expected float32 or float64"),
    ],
)
def test_bad_operands(a, b, error, message):
    with pytest.raises(error, match=message):
        kernels.matmul(a, b)


@pytest.mark.parametrize(
    ("out", "error", "message"),
    [
        (np.zeros((2, 2)), ValueError, r"out: expected shape \(2, 4\), got \(2, 2\)"),
        (np.zeros((2, 4), "f"), TypeError, "out: expected float64, got float32"),
        ([[0.0] * 4] * 2, TypeError, "out: expected an array, got list"),
        (np.broadcast_to(np.zeros(4), (2, 4)), ValueError, "out: expected a writeable array"),
    ],
)
def test_bad_out(out, error, message):
    with pytest.raises(error, match=message):
        kernels.matmul(np.ones((2, 3)), np.ones((3, 4)), out=out)


def test_sizes_that_overflow_are_refused_before_allocating():
    huge = np.broadcast_to(np.float64(1), (2**40, 1))
    with pytest.raises((OverflowError, MemoryError)):
        kernels.matmul(huge, huge.T)
