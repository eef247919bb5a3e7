"""`sparse_forward` and `sparse_gradient`: the bits of the dense kernels on the same rows; damaged matrices are refused."""

import numpy as np
import pytest
import scipy.sparse
from cases import rng, strange_layouts, thresholds

from nablas import kernels

INTEGERS = [np.dtype(code) for code in np.typecodes["AllInteger"]]


def layer(n, inputs, outputs, dtype, density=0.1):
    """A CSR matrix of so many rows and columns and at most this density, weights and delta."""
    # scipy.sparse.random would shuffle the numbers of all entries
    places = np.unique(rng(0).integers(0, max(1, n * inputs), round(density * n * inputs)))
    x = scipy.sparse.csr_matrix(
        (rng(n).standard_normal(len(places)), divmod(places, max(1, inputs))), (n, inputs)
    )
    weights = rng(1).standard_normal((inputs + 1, outputs)).astype(dtype)
    return x.astype(dtype), weights, rng(2).standard_normal((n, outputs)).astype(dtype)


def parts(x):
    return x.data, x.indices, x.indptr


def grid(dtype):
    """Shapes on both sides of a vector, of four vectors, of a tile and of a block of a sum."""
    limits = thresholds(dtype)
    tile, block = limits["tile_columns"], limits["longest_sum"]
    for outputs in (1, 7, 8, 16, tile - 1, tile, tile + 1, 4 * tile + 3):
        yield 33, 20, outputs, 0.2
    yield from [(0, 3, 2, 0.5), (3, 0, 2, 0.5), (3, 2, 0, 0.5), (1, 1, 1, 1.0), (17, 40, 5, 0.0)]
    for length in (block - 1, block, block + 1, 2 * block + 1, 7 * block + 5):
        yield 6, length, 5, 0.01
        yield length, 6, 5, 0.1
    yield 3, 37 * block, 3, 1e-4  # most blocks without a term


def same(got, want, name=""):
    np.testing.assert_array_equal(got + 0.0, want + 0.0, err_msg=name)  # signs of zeros apart


def test_the_bits_of_the_dense_kernels(isa, dtype, threads):
    for n, inputs, outputs, density in grid(dtype):
        x, weights, delta = layer(n, inputs, outputs, dtype, density)
        z = np.empty((n, outputs), dtype)
        threads(1)
        dense = kernels.dense_forward(x.toarray(), weights, "tanh", preactivation_out=z)
        gradient, _ = kernels.dense_backward(x.toarray(), weights, delta)
        for count in (1, 2, 3):
            threads(count)
            mine = np.full_like(z, np.nan)
            same(kernels.sparse_forward(*parts(x), weights, "tanh", preactivation_out=mine), dense)
            same(mine, z)
            same(kernels.sparse_gradient(*parts(x), delta, inputs), gradient)


def test_a_gradient_in_strips(dtype):
    """More entries than are summed at a time, and more rows than a block."""
    block = thresholds(dtype)["longest_sum"]
    x, _, delta = layer(block + 5, 70_000, 70, dtype, 1e-4)
    got = kernels.sparse_gradient(*parts(x), delta, 70_000)
    columns = np.unique(x.indices)
    thin = x[:, columns]
    want, _ = kernels.dense_backward(thin.toarray(), np.zeros((len(columns) + 1, 70), dtype), delta)
    same(got[1 + columns], want[1:])
    same(got[0], want[0])
    assert not np.delete(got[1:], columns, axis=0).any()


@pytest.mark.parametrize("kind", INTEGERS, ids=str)
def test_every_type_and_layout_of_indices(dtype, kind):
    """Also for `tests/sanitizers`: a misaligned load is reported there."""
    x, weights, delta = layer(9, 20, 3, dtype)
    want = kernels.sparse_forward(*parts(x), weights), kernels.sparse_gradient(*parts(x), delta, 20)
    kinds = x.indices.astype(kind), x.indptr.astype(kind)
    layouts = zip(*map(strange_layouts, kinds), strict=True)
    for name, indices, indptr in [("plain", *kinds), *((n, i, p) for (n, i), (_, p) in layouts)]:
        given = x.data, indices, indptr
        same(kernels.sparse_forward(*given, weights), want[0], name)
        same(kernels.sparse_gradient(*given, delta, 20), want[1], name)


def test_layouts_do_not_matter(dtype):
    x, weights, delta = layer(9, 20, 3, dtype)
    want = kernels.sparse_forward(*parts(x), weights), kernels.sparse_gradient(*parts(x), delta, 20)
    layouts = zip(*(strange_layouts(a) for a in (*parts(x), weights, delta)), strict=True)
    for (name, data), (_, indices), (_, indptr), (_, w), (_, d) in layouts:
        same(kernels.sparse_forward(data, indices, indptr, w), want[0], name)
        same(kernels.sparse_gradient(data, indices, indptr, d, 20), want[1], name)


def test_unsorted_columns_and_columns_given_twice(dtype):
    x, weights, delta = layer(40, 30, 5, dtype, 0.4)
    order = np.concatenate(
        [rng(i).permutation(np.arange(a, b)) for i, (a, b) in enumerate(zip(x.indptr, x.indptr[1:], strict=False))]
    )  # fmt: skip
    mixed = x.data[order], x.indices[order], x.indptr
    before = [a.copy() for a in mixed]
    same(kernels.sparse_forward(*mixed, weights), kernels.sparse_forward(*parts(x), weights))
    same(
        kernels.sparse_gradient(*mixed, delta, 30),
        kernels.sparse_gradient(*parts(x), delta, 30),
    )
    for now, then in zip(mixed, before, strict=True):
        np.testing.assert_array_equal(now, then)
    twice = np.repeat(x.data / 2, 2), np.repeat(x.indices, 2), 2 * x.indptr
    eps = 64 * np.finfo(dtype).eps
    np.testing.assert_allclose(
        kernels.sparse_forward(*twice, weights),
        kernels.sparse_forward(*parts(x), weights),
        rtol=eps, atol=eps,
    )  # fmt: skip


def test_out_may_be_an_input(dtype):
    x, weights, delta = layer(9, 8, 3, dtype, 0.4)
    want = kernels.sparse_forward(*parts(x), weights), kernels.sparse_gradient(*parts(x), delta, 8)
    square = weights.copy()
    assert kernels.sparse_forward(*parts(x), square, out=square) is square
    same(square, want[0])
    square = delta.copy()
    assert kernels.sparse_gradient(*parts(x), square, 8, out=square) is square
    same(square, want[1])
    with pytest.raises(ValueError, match="^preactivation_out: expected memory apart from out"):
        kernels.sparse_forward(*parts(x), weights, out=square, preactivation_out=square)


WRONG = [
    ("indices", 3, 8, "columns from 0 to 7, got 8 at index 3"),
    ("indices", 0, -1, "columns from 0 to 7, got -1 at index 0"),
    ("indices", 2, 2**32 + 1, "columns from 0 to 7, got 4294967297 at index 2"),
    ("indptr", 0, 1, "offsets from 0 to 5, got 1 to 5"),
    ("indptr", 4, 4, "offsets from 0 to 5, got 0 to 4"),
    ("indptr", 2, 6, "offsets from 0 to 5, got 6 at index 2"),
    ("indptr", 2, -3, "offsets from 0 to 5, got -3 at index 2"),
    ("indptr", 2, 1, "offsets that do not decrease, got a decrease at index 2"),
]


@pytest.mark.parametrize(("part", "at", "value", "message"), WRONG)
def test_damaged_matrices(dtype, part, at, value, message):
    given = {
        "data": np.ones(5, dtype),
        "indices": np.array([1, 4, 2, 0, 3]),
        "indptr": np.array([0, 2, 2, 4, 5]),
    }
    given[part][at] = value
    for last in (
        {"weights": np.ones((9, 2), dtype)},
        {"delta": np.ones((4, 2), dtype), "inputs": 8},
    ):
        function = kernels.sparse_forward if "weights" in last else kernels.sparse_gradient
        with pytest.raises(ValueError, match=f"^{part}: expected {message}"):
            function(**given, **last)


def test_bad_shapes_and_types():
    given = {"data": np.ones(3), "indices": [0, 1, 0], "indptr": [0, 2, 3]}

    def forward(**other):
        return kernels.sparse_forward(**{**given, "weights": np.ones((3, 2)), **other})

    def gradient(**other):
        return kernels.sparse_gradient(**{**given, "delta": np.ones((2, 2)), "inputs": 2, **other})

    for call, changed, message in [
        (forward, {"data": np.ones((3, 1))}, "data: expected 1 dimension, got 2"),
        (forward, {"indices": [0, 1]}, r"indices: expected shape \(3,\), got \(2,\)"),
        (forward, {"indptr": []}, "indptr: expected at least one offset, got none"),
        (forward, {"indptr": [[0, 3]]}, "indptr: expected 1 dimension, got 2"),
        (forward, {"weights": np.ones((0, 2))}, "weights: expected at least the bias row, got 0 rows"),
        (forward, {"weights": np.ones(3)}, "weights: expected 2 dimensions, got 1"),
        (forward, {"out": np.ones((3, 2))}, r"out: expected shape \(2, 2\), got \(3, 2\)"),
        (gradient, {"delta": np.ones((3, 2))}, r"delta: expected shape \(2, 2\), got \(3, 2\)"),
        (gradient, {"inputs": 1}, "indices: expected columns from 0 to 0, got 1 at index 1"),
        (gradient, {"inputs": 2**31}, "inputs: expected an integer from 0 to 2147483647"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=f"^{message}"):
            call(**changed)
    for call, changed, message in [
        (forward, {"data": np.ones(3, int)}, "data: expected float32 or float64, got int64"),
        (forward, {"weights": np.ones((3, 2), "f")}, "weights: expected float64 like the other"),
        (forward, {"indices": [0.0, 1.0, 0.0]}, "indices: expected integers, got dtype float64"),
        (forward, {"indices": [True, False, True]}, "indices: expected integers, got dtype bool"),
        (gradient, {"indptr": [0.0, 2.0, 3.0]}, "indptr: expected integers, got dtype float64"),
        (gradient, {"inputs": 2.0}, "inputs: expected an integer, got float"),
    ]:
        with pytest.raises(TypeError, match=f"^{message}"):
            call(**changed)
