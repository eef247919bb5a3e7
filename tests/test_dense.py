import numpy as np
import pytest
from cases import assert_product, edge_sizes, relative_error, rng, strange_layouts, thresholds

import nablas as nb
from nablas import kernels, reference

TOLERANCE = {"float32": 2e-6, "float64": 1e-14}
NEEDS_Z = [name for name, kept in nb.activations().items() if kept == "preactivation"]


def layer(n, inputs, outputs, dtype):
    x = rng(1).standard_normal((n, inputs)).astype(dtype)
    weights = (rng(2).standard_normal((inputs + 1, outputs)) / np.sqrt(inputs + 1)).astype(dtype)
    return x, weights


def grid(dtype):
    limits = thresholds(dtype)
    rows, columns = limits["tile_rows"], limits["tile_columns"]
    for n in edge_sizes(rows):
        for outputs in (1, columns - 1, columns + 1):
            yield n, 5, outputs
    yield from [(3, 0, 4), (3, 300, 10), (0, 0, 0), (40, 784, 30)]


@pytest.mark.parametrize("activation", list(nb.activations()))
def test_forward(isa, dtype, activation):
    for n, inputs, outputs in grid(dtype):
        x, weights = layer(n, inputs, outputs, dtype)
        z = np.empty((n, outputs), dtype)
        a = kernels.dense_forward(x, weights, activation, preactivation_out=z)
        extended = np.column_stack([np.ones(n, dtype), x])
        assert_product(z, extended, weights)
        np.testing.assert_array_equal(a, kernels.activate(z, activation))


@pytest.mark.parametrize("activation", list(nb.activations()))
def test_backward(isa, dtype, activation):
    for n, inputs, outputs in grid(dtype):
        z, weights = layer(n, inputs, outputs, dtype)
        x = kernels.activate(z, activation)
        delta = rng(3).standard_normal((n, outputs)).astype(dtype)
        preactivation = z if activation in NEEDS_Z else None
        gradient, below = kernels.dense_backward(
            x, weights, delta, activation, preactivation=preactivation
        )
        assert_product(gradient, np.column_stack([np.ones(n, dtype), x]).T, delta)
        product = kernels.matmul(delta, weights[1:], transpose_b=True)
        assert_product(product, delta, weights[1:].T)
        kept = z if activation in NEEDS_Z else x
        want = kernels.hadamard_delta(product, kept, activation)
        # compilers may fuse the slope's multiply-adds differently inside the product
        eps = np.finfo(dtype).eps
        np.testing.assert_allclose(below, want, rtol=8 * eps, atol=8 * eps)


def test_backward_agrees_with_the_reference(isa, dtype):
    z, weights = layer(33, 20, 17, dtype)
    x, delta = np.tanh(z), rng(3).standard_normal((33, 17)).astype(dtype)
    got = kernels.dense_backward(x, weights, delta, "tanh")
    want = reference.dense_backward(x, weights, delta, "tanh")
    for g, w in zip(got, want, strict=True):
        assert relative_error(g, w) < TOLERANCE[dtype]


def test_layouts_do_not_matter(isa, dtype):
    z, weights = layer(15, 12, 9, dtype)
    x, delta = np.tanh(z), rng(3).standard_normal((15, 9)).astype(dtype)
    want = (
        kernels.dense_forward(x, weights, "tanh"),
        *kernels.dense_backward(x, weights, delta, "tanh"),
    )
    for (name, x2), (_, w2), (_, d2) in zip(
        strange_layouts(x), strange_layouts(weights), strange_layouts(delta), strict=True
    ):
        got = kernels.dense_forward(x2, w2, "tanh"), *kernels.dense_backward(x2, w2, d2, "tanh")
        for g, w in zip(got, want, strict=True):
            np.testing.assert_array_equal(g, w, err_msg=name)


def test_outs(dtype):
    x, weights = layer(15, 12, 9, dtype)
    delta = rng(3).standard_normal((15, 9)).astype(dtype)
    gradient, below = np.full((13, 9), np.nan, dtype), np.full((15, 12), np.nan, dtype)
    got = kernels.dense_backward(x, weights, delta, gradient_out=gradient, delta_out=below)
    assert got[0] is gradient
    assert got[1] is below
    for g, w in zip(got, kernels.dense_backward(x, weights, delta), strict=True):
        np.testing.assert_array_equal(g, w)
    square, square_weights = layer(9, 9, 9, dtype)
    want = kernels.dense_forward(square, square_weights)
    np.testing.assert_array_equal(kernels.dense_forward(square, square_weights, out=square), want)
    memory = np.zeros((15, 9), dtype)
    with pytest.raises(ValueError, match="preactivation_out: expected memory apart from out"):
        kernels.dense_forward(x, weights, out=memory, preactivation_out=memory)


@pytest.mark.parametrize(
    ("shape", "weights", "message"),
    [
        (
            (3, 4),
            (4, 2),
            "weights: expected 5 rows .a bias row and one for each column of x., got 4",
        ),
        ((3,), (4, 2), "x: expected 2 dimensions"),
        ((3, 4), (0, 2), "weights: expected at least the bias row"),
    ],
)
def test_bad_shapes(shape, weights, message):
    with pytest.raises(ValueError, match=message):
        kernels.dense_forward(np.ones(shape), np.ones(weights))


def test_bad_backward_arguments():
    x, weights = layer(3, 4, 2, "float64")
    with pytest.raises(ValueError, match=r"delta: expected shape \(3, 2\), got \(3, 5\)"):
        kernels.dense_backward(x, weights, np.ones((3, 5)))
    with pytest.raises(
        ValueError, match="preactivation: expected x's preactivation, which the slope of gelu needs"
    ):
        kernels.dense_backward(x, weights, np.ones((3, 2)), "gelu")
    with pytest.raises(
        ValueError, match="activation: expected one of identity, sigmoid, .*, got 'rely'"
    ):
        kernels.dense_forward(x, weights, "rely")


def test_softmax(isa, dtype):
    for n, classes in [(0, 3), (1, 1), (5, 10), (33, 16), (7, 129), (4, 0)]:
        z = (rng().standard_normal((n, classes)) * 10).astype(dtype)
        p = kernels.softmax(z)
        if z.size:
            assert relative_error(p, reference.softmax(z)) < TOLERANCE[dtype]
            np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)
        np.testing.assert_array_equal(kernels.softmax(z, out=z), p)
    extreme = np.array([[1000.0, 0.0, -1000.0], [-1e30, -1e30, -1e30]], dtype)
    np.testing.assert_allclose(kernels.softmax(extreme), [[1, 0, 0], [1 / 3] * 3], rtol=1e-6)
    assert np.isnan(kernels.softmax(np.array([[np.nan, 1.0]], dtype))).all()


@pytest.mark.parametrize("classes", [1, 2, 17, 64, 65, 129])
def test_softmax_with_the_maximum_at_each_position(isa, dtype, classes):
    """Shifted by less than the maximum, e^z would overflow."""
    one = np.eye(classes, dtype=dtype)
    np.testing.assert_array_equal(kernels.softmax(1e4 * one), one)
    for labels in (np.arange(classes), one):
        value, delta = kernels.softmax_cross_entropy(1e4 * one, labels)
        assert value == 0
        np.testing.assert_array_equal(delta, np.zeros_like(one))
