"""The inputs and targets that `MLP` accepts."""

import gc

import numpy as np
import pytest
from cases import iris, rng, small, strange_layouts
from sklearn.datasets import load_digits

import nablas as nb
from nablas import _data, kernels


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    return x, y


def test_it_learns(digits):
    x, y = digits
    net = nb.MLP([64, 64, 10], output="softmax", seed=0)
    history = net.fit(x[:1400] / 16, y[:1400], epochs=30, validation_data=(x[1400:] / 16, y[1400:]))
    assert net.score(x[1400:] / 16, y[1400:]) > 0.9
    assert history.val_score[-1] == net.score(x[1400:] / 16, y[1400:])
    assert history.loss[0] > 10 * history.loss[-1]
    assert len(history.seconds) == 30


@pytest.mark.parametrize(
    "source", ["float32", "float64", "uint8", "int32", "int64", "bool", "float16", ">f4"]
)
def test_input_dtypes_train_alike(digits, source):
    x = (digits[0][:300] > 8) if source == "bool" else digits[0][:300]
    want = nb.MLP([64, 8, 10], output="softmax", seed=0)
    want.fit(x.astype("float32"), digits[1][:300], epochs=2, seed=1)
    net = nb.MLP([64, 8, 10], output="softmax", seed=0)
    net.fit(x.astype(source), digits[1][:300], epochs=2, seed=1)
    np.testing.assert_array_equal(net.parameters, want.parameters)


@pytest.mark.parametrize("shuffle", [True, False])  # unshuffled rows may be read in place
def test_layouts_train_alike(digits, shuffle):
    x, y = digits[0][:200], digits[1][:200]
    want = nb.MLP([64, 8, 10], output="softmax", seed=0, dtype="float64")
    want.fit(x, y, epochs=2, seed=1, shuffle=shuffle)
    for name, other in strange_layouts(x):
        net = nb.MLP([64, 8, 10], output="softmax", seed=0, dtype="float64")
        net.fit(other, y, epochs=2, seed=1, shuffle=shuffle)
        np.testing.assert_array_equal(net.parameters, want.parameters, err_msg=name)
        np.testing.assert_array_equal(net.forward(other), want.forward(x), err_msg=name)


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("batch", [17, 300, None])
@pytest.mark.parametrize("columns", [1, 3, 15, 16, 17, 130, 784])
def test_shuffled_rows_are_those_of_the_order(columns, batch, count, threads):
    """More data than a cache holds: later rows are asked for while others are copied."""
    rows = max(70_000 // columns, 301)
    x = rng(columns).integers(0, 200, (rows, columns))
    y = rng(1).integers(0, 3, rows)
    order = kernels.permutation(rows, seed=1, epoch=0)
    threads(count)
    for dtype in "float32", "uint8", "float64":
        nets = [nb.MLP([columns, 128, 3], output="softmax", seed=0) for _ in range(2)]
        settings = {"epochs": 1, "batch_size": batch or rows, "optimizer": nb.SGD(1e-4), "seed": 1}
        nets[0].fit(x.astype(dtype), y, **settings)
        nets[1].fit(x[order].astype("float32"), y[order], shuffle=False, **settings)
        assert np.array_equal(nets[0].parameters, nets[1].parameters), dtype


def test_memory_maps_are_read_by_rows(tmp_path, digits):
    path = tmp_path / "x.npy"
    np.save(path, digits[0].astype("uint8"))
    mapped = np.load(path, mmap_mode="r")
    net, want = (nb.MLP([64, 8, 10], output="softmax", seed=0) for _ in range(2))
    net.fit(mapped, digits[1], epochs=2, seed=1)
    want.fit(digits[0], digits[1], epochs=2, seed=1)
    np.testing.assert_array_equal(net.parameters, want.parameters)


def test_a_sparse_file_larger_than_memory_is_not_read_whole(tmp_path):
    """Two rows of a 512 GiB file of zeros."""
    shape = (2**26, 2048)
    mapped = np.memmap(tmp_path / "huge", dtype="float32", mode="w+", shape=shape)
    net = nb.MLP([2048, 2], seed=0)
    assert net.forward(mapped[:: 2**25]).shape == (2, 2)
    net.fit(mapped[:: 2**25], np.zeros((2, 2)), epochs=1)


class HasArray:
    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array if dtype is None else self.array.astype(dtype)


def test_anything_with_an_array_is_data():
    x, y = iris()
    net, want = small(), small()
    net.fit(HasArray(x), HasArray(y), epochs=2)
    want.fit(x, y, epochs=2)
    np.testing.assert_array_equal(net.parameters, want.parameters)
    assert small().fit(x.tolist(), y.tolist(), epochs=1).loss


def test_string_labels():
    x, y = iris()
    names = np.array(["setosa", "versicolor", "virginica"])
    for labels in (names[y], names[y].astype(object), names[y].tolist()):
        net = small()
        net.fit(x, labels, epochs=30, optimizer=nb.Adam(0.02), validation_data=(x, labels))
        assert net.classes == names.tolist()
        assert set(net.predict(x)) <= set(names)
        assert net.score(x, names[y]) > 0.9
    with pytest.raises(
        ValueError,
        match="y: expected labels among setosa, versicolor, virginica, got 'rose' at index 1",
    ):
        net.loss(x[:2], ["setosa", "rose"])
    with pytest.raises(ValueError, match="y: expected 3 classes, got 4"):
        small().fit(x[:4], list("abcd"), epochs=1)


def test_binary_and_multi_label_targets():
    x, y = iris()
    for target in (
        y == 0,
        (y == 0).astype(float),
        (y == 0)[:, None],
        np.where(y == 0, "yes", "no"),
    ):
        net = nb.MLP([4, 1], output="sigmoid", seed=0)
        net.fit(x, target, epochs=40, optimizer=nb.Adam(0.05))
        assert net.predict(x).shape == (150,)
        assert net.score(x, target) > 0.95
    labels = np.column_stack([y == 0, y > 0, x[:, 2] > 0])
    net = nb.MLP([4, 8, 3], output="sigmoid", seed=0)
    net.fit(x, labels, epochs=40, optimizer=nb.Adam(0.05))
    assert net.predict(x).shape == (150, 3)
    assert net.score(x, labels) > 0.9


def test_regression_shapes():
    x = rng().normal(size=(100, 4))
    net = nb.MLP([4, 1], seed=0)
    net.fit(x, x @ [1, 2, 3, 4], epochs=200, optimizer=nb.SGD(0.05))
    assert net.predict(x).shape == (100,)
    assert net.score(x, x @ [1, 2, 3, 4]) > 0.999
    np.testing.assert_allclose(net.weights[0][:, 0], [1, 2, 3, 4], atol=0.01)
    wide = nb.MLP([4, 2], seed=0)
    wide.fit(x, x[:, :2], epochs=5)
    assert wide.predict(x).shape == (100, 2)


def test_views_share_memory():
    net = small()
    assert [w.shape for w in net.weights] == [(4, 8), (8, 3)]
    assert [b.shape for b in net.biases] == [(8,), (3,)]
    net.weights[1][:] = 0
    net.biases[1][:] = [0, 1, 0]
    assert (net.predict(np.ones((5, 4))) == 1).all()
    assert sum(w.size for w in net.weights + net.biases) == net.parameters.size
    dw, db = net.gradients(np.ones((5, 4)), np.zeros(5, int))[0]
    assert (dw.shape, db.shape) == ((4, 8), (8,))
    kept, total = net.parameters, net.parameters.sum()
    del net
    gc.collect()
    assert kept.sum() == total


def test_validation_on_distributions():
    """The score of softmax outputs is by the most probable class, as for one-hot rows."""
    x, share = rng().normal(size=(40, 3)), rng(1).dirichlet(np.ones(4), size=40)
    net = nb.MLP([3, 5, 4], output="softmax", seed=0)
    history = net.fit(x, share, epochs=2, validation_data=(x, share))
    assert history.val_score[-1] == (net.predict(x) == share.argmax(axis=1)).mean()
    assert history.val_loss[-1] == pytest.approx(net.loss(x, share), rel=1e-6)


@pytest.mark.parametrize("own", ["float32", "float64"])
def test_outputs_of_an_array_are_those_of_the_rows_that_fit_takes(own):
    """`forward` leaves an array's checks and conversion to the core: every dtype and dimension."""

    def outcome(make):
        try:
            return make().tobytes()
        except (TypeError, ValueError) as error:
            return repr(error)

    net = nb.MLP([5, 7, 3], activation="tanh", dtype=own, seed=0)
    numbers = rng(0).uniform(0, 100, (4, 5)).astype(np.longdouble) / 3
    arrays = [numbers[0], numbers[0, 0], numbers[np.newaxis], numbers[:0], numbers[:, ::-1]]
    for code in np.typecodes["All"].replace("V", ""):
        x = numbers.astype("f" if code in "Mm" else code).astype(code)
        arrays += [x, x.astype(x.dtype.newbyteorder())]
    assert len({x.dtype for x in arrays}) > 25
    for x in arrays:
        x = np.asarray(x)
        want = outcome(lambda x=x: net.engine.forward(_data.as_matrix(x, own)))
        assert outcome(lambda x=x: net.forward(x)) == want, x.dtype
