"""Products with few columns, whose kernels (kernels/narrow.hpp) have the bits of the tiles'."""

import numpy as np
import pytest
from cases import rng, thresholds

import nablas as nb
from nablas import kernels

FORMS = [(False, False), (True, False), (False, True), (True, True)]


def sizes(dtype):
    """Rows or depth below, at and above the least that repays a narrow kernel, and ragged ones."""
    lanes = int(thresholds(dtype)["lanes"])
    near = {max(1, lanes // 2 - 1), lanes // 2, lanes - 1, lanes, lanes + 1, 2 * lanes}
    return sorted({1, 2, 3, 4, 5, *near, 5 * lanes + 3})


def widths(dtype):
    """Every number of columns up to a tile's, and one more."""
    return range(1, int(thresholds(dtype)["tile_columns"]) + 2)


def in_tiles(a, b, columns, **forms):
    """The same product within one of so many columns that it is computed in tiles."""
    more = 3 * int(thresholds(a.dtype.name)["tile_columns"])
    wide = np.concatenate([b, np.ones((b.shape[0], more), b.dtype)], axis=1)
    if forms.get("transpose_b"):
        wide = np.ascontiguousarray(wide.T)
    return kernels.matmul(a, wide, **forms)[:, :columns]


@pytest.mark.parametrize(("transpose_a", "transpose_b"), FORMS)
def test_products_of_few_columns(isa, dtype, transpose_a, transpose_b):
    forms = {"transpose_a": transpose_a, "transpose_b": transpose_b}
    for rows in sizes(dtype):
        for depth in sizes(dtype):
            a = rng(rows).standard_normal((depth, rows) if transpose_a else (rows, depth))
            a = a.astype(dtype)
            for columns in widths(dtype):
                b = rng(depth).standard_normal((depth, columns)).astype(dtype)
                given = np.ascontiguousarray(b.T) if transpose_b else b
                got = kernels.matmul(a, given, **forms)
                np.testing.assert_array_equal(got, in_tiles(a, b, columns, **forms))


def test_rows_and_results_at_a_distance(isa, dtype):
    lanes = int(thresholds(dtype)["lanes"])
    for columns in widths(dtype):
        for depth in (3, lanes, 2 * lanes + 1):
            a = rng(1).standard_normal((3 * lanes + 1, depth + 5)).astype(dtype)[:, 2:][:, :depth]
            b = rng(2).standard_normal((depth, columns + 3)).astype(dtype)[:, 1 : columns + 1]
            out = np.zeros((len(a), columns + 7), dtype)
            kernels.matmul(a, b, out=out[:, 4 : 4 + columns])
            np.testing.assert_array_equal(
                out[:, 4 : 4 + columns], in_tiles(np.ascontiguousarray(a), b, columns)
            )
            assert not out[:, :4].any()
            assert not out[:, 4 + columns :].any()


@pytest.mark.parametrize("activation", ["identity", "relu", "tanh", "gelu"])
def test_layers_of_few_units(isa, dtype, activation):
    more = 3 * int(thresholds(dtype)["tile_columns"])
    for rows in sizes(dtype):
        for inputs in (1, 3, 4, 5, 33):
            x = rng(rows).standard_normal((rows, inputs)).astype(dtype)
            for units in (1, 2, 3, 4, 5, 7):
                weights = rng(inputs).standard_normal((inputs + 1, units)).astype(dtype)
                wide = np.concatenate([weights, np.ones((inputs + 1, more), dtype)], axis=1)
                z, wide_z = np.empty((rows, units), dtype), np.empty((rows, units + more), dtype)
                a = kernels.dense_forward(x, weights, activation, preactivation_out=z)
                wide_a = kernels.dense_forward(x, wide, activation, preactivation_out=wide_z)
                np.testing.assert_array_equal(z, wide_z[:, :units])
                np.testing.assert_array_equal(a, wide_a[:, :units])


def test_sums_that_go_on_from_one_block_of_rows_to_the_next(isa, dtype, threads):
    """A batch of several blocks (64 MB): the gradient of the first is where that of the second begins."""
    inputs, rows, units = 5000, 4000, 3 * int(thresholds(dtype)["tile_columns"])
    x = np.tile(rng(1).standard_normal((rows, 50)).astype(dtype), inputs // 50)
    y = rng(2).standard_normal((rows, units)).astype(dtype)
    first = rng(3).standard_normal((inputs, units)).astype(dtype)
    threads(1)

    def trained(columns):
        net = nb.MLP([inputs, columns], "relu", "identity", dtype=dtype, seed=0)
        net.weights[0][...] = first[:, :columns]
        net.fit(
            x, y[:, :columns], loss="half_mse", optimizer=nb.SGD(1e-6), batch_size=rows, epochs=1
        )
        return net.parameters.reshape(-1, columns)

    wide = trained(units)
    assert not np.array_equal(wide[1:], first)
    for columns in (1, 2, 3, 4, 7, 10):
        np.testing.assert_array_equal(trained(columns), wide[:, :columns])


def gradient_of(net, x, delta):
    """The flat gradient of a network without hidden layer, by an engine's batch whose loss has the slope `delta`."""
    trainer, data = net.engine.gradient_trainer(), net.engine.dataset(x, None, None, nb.Loss("mse"))
    trainer.forward_batch(data, 0, len(x), None, [0.0], 0)
    return trainer.backward_batch(delta, [0.0], 0).reshape(-1, delta.shape[1])


def test_sums_of_a_layers_deltas_beside_its_products(isa, dtype, threads):
    """The bias's gradient is one more row of a tile or one more column of its transpose; `dense_backward` adds it alone."""
    threads(1)
    limits = thresholds(dtype)
    lanes, height = int(limits["lanes"]), int(limits["tile_rows"])
    for inputs in [*range(1, 2 * height + 6), 32, 33, 8 * height + 3]:
        for outputs in [*widths(dtype), 3 * int(limits["tile_columns"]) + 5]:
            for rows in (1, lanes // 2, 2 * lanes + 3):
                x = rng(inputs).standard_normal((rows, inputs)).astype(dtype)
                delta = rng(outputs).standard_normal((rows, outputs)).astype(dtype)
                net = nb.MLP([inputs, outputs], dtype=dtype, seed=0)
                want, _ = kernels.dense_backward(x, net.parameters.reshape(-1, outputs), delta)
                np.testing.assert_array_equal(gradient_of(net, x, delta), want)


@pytest.mark.parametrize("inputs", [5, 16, 20])
@pytest.mark.parametrize("units", [2, 4, 40])
def test_such_sums_go_on_from_one_block_of_rows_to_the_next(isa, dtype, inputs, units, threads):
    """By blocks of 64 MB and as a whole; mae's slope is a sign over a power of two."""
    threads(1)
    rows, outputs = 2**14 // np.dtype(dtype).itemsize, 4096
    x = rng(1).standard_normal((rows, inputs)).astype(dtype)
    y = np.tile(rng(2).standard_normal((rows, 64)).astype(dtype), outputs // 64)
    net = nb.MLP([inputs, units, outputs], "tanh", dtype=dtype, seed=0)
    data, trainer = net.engine.dataset(x, y, None, nb.Loss("mae")), net.engine.gradient_trainer()
    _, blocks = net.engine.gradient(data, 0.0)
    signs = np.sign(trainer.forward_batch(data, 0, rows, None, [0.0, 0.0], 0) - y)
    whole = trainer.backward_batch(signs / y.size, [0.0, 0.0], 0)
    np.testing.assert_array_equal(blocks, whole)


@pytest.mark.parametrize("columns", [1, 2, 3, 4, 5, 10])
def test_softmax_and_its_loss_take_any_number_of_rows(isa, dtype, columns):
    """Few columns are rearranged from vector to vector; rows below a vector's lanes are padded."""
    lanes = int(thresholds(dtype)["lanes"])
    z = rng(1).standard_normal((3 * lanes + 1, columns)).astype(dtype)
    apart = np.zeros((len(z), columns + 1), dtype)[:, :columns]
    apart[...] = z
    whole = kernels.softmax(z)
    np.testing.assert_array_equal(kernels.softmax(apart), whole)
    for rows in range(1, 2 * lanes + 2):
        padded = np.full((rows + 1, columns), np.nan, dtype)
        assert kernels.softmax(z[:rows], out=padded[:rows]) is not None
        np.testing.assert_array_equal(padded[:rows], whole[:rows])
        assert np.isnan(padded[rows:]).all()
