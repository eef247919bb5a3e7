"""Sums of more than longest_sum terms: blocks in a fixed binary tree, everywhere the same (docs/accuracy.md)."""

import re
from pathlib import Path

import numpy as np
import pytest
from cases import gamma, rng, thresholds

import nablas as nb
from nablas import kernels

BLOCK = thresholds("float32")["longest_sum"]
LENGTHS = [
    BLOCK - 1,
    BLOCK,
    BLOCK + 1,
    2 * BLOCK,
    2 * BLOCK + 5,
    3 * BLOCK,
    5 * BLOCK + 1,
    7 * BLOCK + 100,
]


def test_the_length_of_a_block_is_what_the_page_says(isa, dtype):
    page = (Path(__file__).parents[1] / "docs/accuracy.md").read_text()
    (length,) = re.findall(r"B = (\d+) terms", page)
    assert thresholds(dtype)["longest_sum"] == int(length)


def tree(terms):
    """The sum along axis 0 by the rule: blocks from the first to the last term, T(n) = T(p) + T(n - p)."""

    def block(first):
        total = np.zeros(terms.shape[1:], terms.dtype)
        for term in terms[first : first + BLOCK]:
            total = total + term
        return total

    return tree_of([block(first) for first in range(0, len(terms), BLOCK)])


def tree_of(blocks):
    if len(blocks) == 1:
        return blocks[0]
    p = 1 << (len(blocks) - 1).bit_length() - 1
    return tree_of(blocks[:p]) + tree_of(blocks[p:])


@pytest.mark.parametrize("n", LENGTHS)
def test_products_and_sums_over_rows(isa, dtype, n):
    terms = rng(n).normal(size=(n, 3)).astype(dtype)
    want, one = tree(terms), np.ones((1, n), dtype)
    np.testing.assert_array_equal(kernels.matmul(one, terms)[0], want)
    np.testing.assert_array_equal(
        kernels.matmul(np.asfortranarray(terms), one, transpose_a=True, transpose_b=True)[:, 0],
        want,
    )
    wide = np.ones((9, n), dtype)
    np.testing.assert_array_equal(kernels.matmul(wide, terms), np.tile(want, (9, 1)))
    gradient, _ = kernels.dense_backward(np.ones((n, 2), dtype), np.zeros((3, 3), dtype), terms)
    np.testing.assert_array_equal(gradient, np.tile(want, (3, 1)))
    bias = rng(1).normal(size=3).astype(dtype)
    started = terms.copy()
    started[0] += bias  # the start value is the first term
    found = kernels.dense_forward(np.ones((5, n), dtype), np.vstack([bias, terms]), "relu")
    np.testing.assert_array_equal(found, np.tile(np.maximum(tree(started), 0), (5, 1)))


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (130, 140), (300, 17), (3, 6_000)])
def test_rectangles_of_long_sums(dtype, threads, shape):
    rows, columns = shape
    a, b = (
        rng(i).normal(size=s).astype(dtype)
        for i, s in enumerate([(rows, 2 * BLOCK + 77), (2 * BLOCK + 77, columns)])
    )
    results = []
    for count in (1, 2, 3):
        threads(count)
        results.append(kernels.matmul(a, b))
    for other in results[1:]:
        np.testing.assert_array_equal(other, results[0])
    exact = a.astype(float) @ b.astype(float)
    bound = gamma(BLOCK + 5, dtype) * (np.abs(a).astype(float) @ np.abs(b).astype(float))
    assert (np.abs(results[0] - exact) <= bound).all()


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("sizes", [(3, 2), (40, 30, 2)])
def test_gradients_over_rows(dtype, threads, n, sizes):
    """The core's gradient, that of one batch, and that of the kernels have the same bits."""
    x, y = rng(1).normal(size=(n, sizes[0])).astype(dtype), rng(2).normal(size=(n, 2)).astype(dtype)
    net = nb.MLP(sizes, "tanh", dtype=dtype, seed=0)
    start = net.parameters.copy()
    made = net.layers(x)
    delta = kernels.mse(made[-1][1], y)[1]
    want = []
    for layer in reversed(range(len(sizes) - 1)):
        read = made[layer - 1][1] if layer else x
        block = np.vstack([net.biases[layer], net.weights[layer]])
        below = "tanh" if layer else "identity"
        gradient, delta = kernels.dense_backward(read, block, delta, below)
        want.insert(0, gradient.reshape(-1))
    want = np.concatenate(want)

    def loss(outputs, targets):
        return kernels.mse(outputs, targets)

    for count in (1, 2, 3):
        threads(count)
        np.testing.assert_array_equal(net.gradient(x, y), want)
    for settings in ({}, {"loss": loss}, {"clip_norm": 1e9}):
        net.parameters = start
        net.fit(x, y, epochs=1, batch_size=n, shuffle=False, optimizer=nb.SGD(1.0), **settings)
        np.testing.assert_array_equal(net.parameters, (start - want).astype(dtype), str(settings))


def test_wide_rows_in_blocks(threads):
    """Blocks of rows that are bounded by memory end at the sums' blocks, too. More outputs than lanes, and a ragged end."""
    n, outputs = BLOCK + 300, 2 * thresholds("float32")["lanes"] + 3
    x = rng(1).normal(size=(n, 6000)).astype(np.float32)
    y = rng(2).normal(size=(n, outputs)).astype(np.float32)
    net = nb.MLP([6000, outputs], seed=0)
    found = []
    for count in (1, 2):
        threads(count)
        found.append(net.gradient(x, y))
    np.testing.assert_array_equal(found[0], found[1])
    delta = kernels.mse(net.forward(x), y)[1].astype(float)
    ones_and_x = np.hstack([np.ones((n, 1)), x])
    excess = np.abs(found[0].reshape(6001, outputs) - ones_and_x.T @ delta)
    bound = gamma(BLOCK + 3, "float32") * (np.abs(ones_and_x).T @ np.abs(delta))
    assert (excess <= bound).all()


def test_sums_do_not_stagnate():
    n = 2**25
    assert kernels.matmul(np.ones((1, n), np.float32), np.ones((n, 1), np.float32)) == n
    n = 10**7
    x = rng().random((n, 1), dtype=np.float32)
    y = np.float32(0.3) * x[:, 0] + rng(1).random(n, dtype=np.float32)
    net = nb.MLP([1, 1], seed=0)
    b, w = net.parameters.astype(float)
    wrong = b + w * x[:, 0].astype(float) - y
    exact = np.array([2 * wrong.mean(), 2 * (wrong * x[:, 0]).mean()])
    np.testing.assert_allclose(net.gradient(x, y), exact, rtol=1e-6)
    np.testing.assert_allclose(net.loss(x, y), (wrong**2).mean(), rtol=1e-6)


@pytest.mark.parametrize("rows", [5_000, 3 * BLOCK, 21 * BLOCK + 77])
def test_losses_over_rows(dtype, threads, rows):
    """Of the kernels, of the whole data, and of an epoch of one batch."""
    y = rng(rows).normal(size=(rows, 1)).astype(dtype)
    z, group = np.zeros_like(y), 16  # rows whose losses a kernel adds up
    groups = [
        kernels.half_mse(z[i : i + group], y[i : i + group])[0] * len(y[i : i + group])
        for i in range(0, rows, group)
    ]
    blocks = [sum(groups[i : i + BLOCK // group]) for i in range(0, len(groups), BLOCK // group)]
    want = tree_of(blocks)
    assert dtype == "float32" or want != sum(groups)  # sums of float32 squares are exact
    net = nb.MLP([1, 1], dtype=dtype, init="zeros")
    for count in (1, 3):
        threads(count)
        assert kernels.half_mse(z, y)[0] == want * (1 / rows)
        assert net.loss(y, y, loss="half_mse") == want / rows
        settings = {"loss": "half_mse", "optimizer": nb.SGD(1e-300), "shuffle": False}
        history = net.fit(y, y, batch_size=rows, epochs=1, **settings)
        assert history.loss == [want / rows]


def test_sums_of_weights_and_of_batches(dtype):
    """The mean loss of an epoch is the losses' sum over batches of one row by the sum of the weights."""
    n = 3 * BLOCK + 9
    y, weight = rng(n).normal(size=(n, 1)).astype(dtype), rng(1).random(n).astype(dtype)
    net = nb.MLP([1, 1], dtype=dtype, init="zeros")
    each = [kernels.half_mse(y[i : i + 1] * 0, y[i : i + 1])[0] for i in range(n)]
    settings = {"loss": "half_mse", "optimizer": nb.SGD(1e-300), "shuffle": False, "epochs": 1}
    history = net.fit(y, y, batch_size=1, **settings)
    assert history.loss == [tree(np.array(each)[:, None])[0] / n]
    weighted = net.loss(y, y, loss="half_mse", sample_weight=weight)
    share = tree(weight.astype(np.float64)[:, None])[0]
    _, delta = kernels.half_mse(y * 0, y, sample_weight=weight)
    scaled = weight * np.dtype(dtype).type(1 / share)
    np.testing.assert_array_equal(delta[:, 0], -y[:, 0] * scaled)
    assert abs(weighted * share - (np.array(each) * weight).sum()) < 1e-6 * share


@pytest.mark.parametrize("widths", [[1, 1], [3, 2], [2, 3, 2], [2, 3, 2, 3]])
def test_no_rows(isa, dtype, widths):
    """Gradients without rows are zero, whatever the length of the sums that they are made of."""
    for long in range(-1, len(widths)):
        sizes = [BLOCK + 7 if i == long else width for i, width in enumerate(widths)]
        net = nb.MLP(sizes, dtype=dtype, seed=0)
        x, y = np.zeros((0, sizes[0]), dtype), np.zeros((0, sizes[-1]), dtype)
        assert not net.gradient(x, y).any()
        assert net.forward(x).shape == (0, sizes[-1])
        assert net.loss(x, y) == 0
        with pytest.raises(ValueError, match="X: expected at least one row"):
            net.fit(x, y, epochs=1)
