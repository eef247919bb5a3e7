"""The Python face: what fits, what is refused, and what is kept when something goes wrong."""

import pickle

import numpy as np
import pytest
from cases import rng, strange_layouts
from sklearn.datasets import load_digits, load_iris

import nablas as nb


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    return x, y


def small(**settings):
    return nb.MLP([4, 8, 3], output="softmax", seed=1, **settings)


def iris():
    x, y = load_iris(return_X_y=True)
    return (x - x.mean(axis=0)) / x.std(axis=0), y


# ---- data ----------------------------------------------------------------------------------------


def test_it_learns(digits):
    x, y = digits
    net = nb.MLP([64, 64, 10], output="softmax", seed=0)
    history = net.fit(x[:1400] / 16, y[:1400], epochs=30, validation_data=(x[1400:] / 16, y[1400:]))
    assert net.score(x[1400:] / 16, y[1400:]) > 0.9
    assert history.val_score[-1] == net.score(x[1400:] / 16, y[1400:])
    assert history.loss[0] > 10 * history.loss[-1]
    assert len(history.seconds) == 30


@pytest.mark.parametrize("source", ["float32", "float64", "uint8", "int32", "int64", "bool", "float16", ">f4"])
def test_input_dtypes_train_alike(digits, source):
    x = (digits[0][:300] > 8) if source == "bool" else digits[0][:300]
    want = nb.MLP([64, 8, 10], output="softmax", seed=0)
    want.fit(x.astype("float32"), digits[1][:300], epochs=2, seed=1)
    net = nb.MLP([64, 8, 10], output="softmax", seed=0)
    net.fit(x.astype(source), digits[1][:300], epochs=2, seed=1)
    np.testing.assert_array_equal(net.parameters, want.parameters)


def test_layouts_train_alike(digits):
    x, y = digits[0][:200], digits[1][:200]
    want = nb.MLP([64, 8, 10], output="softmax", seed=0, dtype="float64")
    want.fit(x, y, epochs=2, seed=1)
    for name, other in strange_layouts(x):
        net = nb.MLP([64, 8, 10], output="softmax", seed=0, dtype="float64")
        net.fit(other, y, epochs=2, seed=1)
        np.testing.assert_array_equal(net.parameters, want.parameters, err_msg=name)
        np.testing.assert_array_equal(net.forward(other), want.forward(x), err_msg=name)


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
    with pytest.raises(ValueError, match="y: expected labels among setosa, versicolor, virginica, got 'rose' at index 1"):
        net.loss(x[:2], ["setosa", "rose"])
    with pytest.raises(ValueError, match="y: expected at most 3 classes, got 4"):
        small().fit(x[:4], list("abcd"), epochs=1)


def test_binary_and_multi_label_targets():
    x, y = iris()
    for target in (y == 0, (y == 0).astype(float), (y == 0)[:, None], np.where(y == 0, "yes", "no")):
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
    kept = net.parameters
    del net
    assert kept.sum() is not None


# ---- what is refused -----------------------------------------------------------------------------

X, Y = np.ones((6, 4)), np.zeros(6, int)
WITH_NAN = X.copy()
WITH_NAN[3, 1] = np.nan
WITH_INF = X.astype("f")
WITH_INF[0, 2] = -np.inf


@pytest.mark.parametrize(
    ("x", "y", "settings", "error", "message"),
    [
        (X[:, :3], Y, {}, ValueError, r"X: expected shape \(n, 4\), got \(6, 3\)"),
        (X[0], Y, {}, ValueError, r"X: expected 2 dimensions, got shape \(4,\) .one sample is X"),
        (X[:0], Y[:0], {}, ValueError, "X: expected at least one row, got 0"),
        (X, Y[:5], {}, ValueError, "y: expected 6 rows like X, got 5"),
        (X, 3, {}, ValueError, "y: expected 6 rows like X, got a scalar"),
        (X.astype(str), Y, {}, TypeError, "X: expected numbers, got dtype"),
        (X * 1j, Y, {}, TypeError, "X: expected numbers, got dtype complex128"),
        (WITH_NAN, Y, {}, ValueError, r"X: expected finite values, got nan at \(3, 1\)"),
        (WITH_INF, Y, {}, ValueError, r"X: expected finite values, got -inf at \(0, 2\)"),
        (X, Y + 3, {}, ValueError, "y: expected class labels from 0 to 2, got 3 at index 0"),
        (X, Y - 1, {}, ValueError, "y: expected class labels from 0 to 2, got -1 at index 0"),
        (X, Y.astype(float), {}, TypeError, "y: expected integer class labels, got dtype float64"),
        (X, np.ones((6, 2)), {}, ValueError, r"y: expected shape \(6, 3\), got \(6, 2\)"),
        (X, np.full((6, 3), np.nan), {}, ValueError, r"y: expected finite values, got nan at \(0, 0\)"),
        (X, Y, {"sample_weight": -np.ones(6)}, ValueError, "sample_weight: expected values of at least 0"),
        (X, Y, {"sample_weight": np.ones(5)}, ValueError, "sample_weight: expected 6 rows like X, got 5"),
        (X, Y, {"batch_size": 0}, ValueError, "batch_size: expected at least 1, got 0"),
        (X, Y, {"batch_size": 2.5}, TypeError, "batch_size: expected an integer, got float"),
        (X, Y, {"epochs": -1}, ValueError, "epochs: expected at least 0, got -1"),
        (X, Y, {"loss": "binary_cross_entropy"}, ValueError, "needs output 'sigmoid'"),
        (X, Y, {"loss": "mean"}, ValueError, "loss: expected one of cross_entropy, mse"),
        (X, Y, {"optimizer": "adan"}, ValueError, "optimizer: expected one of sgd, adam"),
        (X, Y, {"optimizer": 3}, TypeError, "optimizer: expected an optimizer or its name, got int"),
        (X, Y, {"l2": -1}, ValueError, "l2: expected a finite number of at least 0, got -1"),
        (X, Y, {"l2": np.nan}, ValueError, "l2"),
        (X, Y, {"dropout": 1.0}, ValueError, "dropout: expected rates from 0 to less than 1, got 1.0"),
        (X, Y, {"dropout": [0.1, 0.2]}, ValueError, "dropout: expected 1 rates, got 2"),
        (X, Y, {"validation_data": X}, TypeError, r"validation_data: expected \(X, y\)"),
        (X, Y, {"validation_data": (X, Y + 5)}, ValueError, "y: expected class labels"),
        (X, Y, {"seed": -1}, ValueError, "seed: expected at least 0"),
    ],
)
def test_bad_fits_change_nothing(x, y, settings, error, message):
    net = small()
    before = net.parameters.copy()
    with pytest.raises(error, match=message):
        net.fit(x, y, **{"epochs": 1, **settings})
    np.testing.assert_array_equal(net.parameters, before)
    net.fit(X, Y, epochs=1)


@pytest.mark.parametrize(
    ("arguments", "settings", "error", "message"),
    [
        (([4],), {}, ValueError, "sizes: expected at least inputs and outputs"),
        (([4, 0, 3],), {}, ValueError, "sizes: expected at least 1, got 0"),
        (([4, 2.5],), {}, TypeError, "sizes: expected an integer, got float"),
        (([4, 3, 2], "rely"), {}, ValueError, "activation: expected one of identity"),
        (([4, 3, 2], "softmax"), {}, ValueError, "activation: expected one of identity"),
        (([4, 3, 2], ["relu", "tanh"]), {}, ValueError, "activation: expected 1 names, got 2"),
        (([4, 3, 2], "relu", "soft"), {}, ValueError, "output: expected one of .*, softmax, got 'soft'"),
        (([4, 2],), {"dtype": "float16"}, TypeError, "dtype: expected float32 or float64, got float16"),
        (([4, 2],), {"init": "best"}, ValueError, "init: expected one of glorot, .*, got 'best'"),
        (([2**40, 2**40, 1],), {}, OverflowError, "sizes: expected fewer than 2..60 parameters"),
        (([2**35, 2**12],), {}, MemoryError, "sizes: expected a network that fits in memory, got 140737488359424 parameters"),
    ],
)
def test_bad_networks(arguments, settings, error, message):
    with pytest.raises(error, match=message):
        nb.MLP(*arguments, **settings)


def test_divergence_keeps_the_last_finite_weights():
    x, y = rng().normal(size=(64, 4)), rng(1).normal(size=(64, 1))
    for dtype in ("float32", "float64"):
        net = nb.MLP([4, 16, 1], "identity", seed=0, dtype=dtype)
        message = r"loss became (nan|inf) at epoch \d+; lower learning_rate"
        with pytest.raises(FloatingPointError, match=message):
            net.fit(x, y, optimizer=nb.SGD(50.0), epochs=1000)
        assert np.isfinite(net.parameters).all()
        net.initialise(seed=1)
        assert np.isfinite(net.fit(x, y, epochs=2).loss).all()


def test_a_loss_function_is_checked():
    x, y = iris()
    with pytest.raises(ValueError, match=r"loss: expected a gradient of shape \(32, 3\), got \(3,\)"):
        small().fit(x, y, loss=lambda h, t: (0.0, np.zeros(3)), epochs=1)
    with pytest.raises(TypeError, match=r"loss: expected \(value, gradient\)"):
        small().fit(x, y, loss=lambda h, t: 0.0, epochs=1)
    with pytest.raises(FloatingPointError, match="loss became nan at epoch 1"):
        small().fit(x, y, loss=lambda h, t: (np.nan, np.zeros(h.shape)), epochs=1)
    with pytest.raises(ZeroDivisionError):
        small().fit(x, y, loss=lambda h, t: 1 / 0, epochs=1)


# ---- the loop ------------------------------------------------------------------------------------


def test_early_stopping_restores_the_best_weights():
    x, y = iris()
    order = rng(5).permutation(150)
    train, test = order[:30], order[30:]
    net = nb.MLP([4, 64, 3], output="softmax", seed=2, dtype="float64")
    stopping = nb.EarlyStopping(patience=5)
    history = net.fit(
        x[train], rng(1).permutation(y[train]), epochs=500, optimizer=nb.Adam(0.02),
        validation_data=(x[test], y[test]), callbacks=[stopping],
    )  # fmt: skip
    assert len(history) == stopping.best_epoch + 5 < 500
    assert net.loss(x[test], y[test]) == min(history.val_loss) == stopping.best


def test_early_stopping_without_its_value():
    x, y = iris()
    with pytest.raises(ValueError, match="monitor: expected a recorded value, got 'val_loss'"):
        small().fit(x, y, callbacks=[nb.EarlyStopping()])


def test_callbacks_and_history(tmp_path):
    x, y = iris()
    seen = []

    def watch(state):
        seen.append((state.epoch, state.history.loss[-1], state.net is net))
        return state.epoch == 3

    net = small()
    checkpoint = nb.Checkpoint(tmp_path / "net-{epoch}.safetensors", every=2)
    history = net.fit(x, y, epochs=10, callbacks=[watch, checkpoint])
    assert [s[0] for s in seen] == [1, 2, 3]
    assert all(s[2] for s in seen)
    assert history["loss"] == [s[1] for s in seen]
    assert [p.name for p in tmp_path.iterdir()] == ["net-2.safetensors"]
    best = nb.Checkpoint(tmp_path / "best.safetensors", monitor="loss")
    net.fit(x, y, epochs=2, callbacks=[best])
    np.testing.assert_array_equal(nb.MLP.load(tmp_path / "best.safetensors").parameters, net.parameters)
    with pytest.raises(KeyError, match="expected one of loss, val_loss"):
        history["accuracy"]
    assert "3 epochs" in repr(history)


def test_an_exception_in_a_callback_leaves_the_net_usable():
    x, y = iris()

    def fail(state):
        raise RuntimeError("mine")

    net = small()
    with pytest.raises(RuntimeError, match="mine"):
        net.fit(x, y, callbacks=[fail])
    net.fit(x, y, epochs=1)


def test_schedules_reach_the_updates():
    x, y = iris()
    net, want = small(), small()
    net.fit(x, y, epochs=2, seed=1, shuffle=False, batch_size=75, optimizer=nb.SGD(nb.schedules.StepDecay(0.1, every=1)))
    for rate in (0.1, 0.01):
        want.fit(x, y, epochs=1, seed=1, shuffle=False, batch_size=75, optimizer=nb.SGD(rate))
    np.testing.assert_allclose(net.parameters, want.parameters, rtol=1e-6)
    history = net.fit(x, y, epochs=3, optimizer=nb.SGD(nb.schedules.ExponentialDecay(0.1, factor=0.5)))
    np.testing.assert_allclose(history.learning_rate, [0.1, 0.05, 0.025])


def test_seeds():
    x, y = iris()

    def fitted(net_seed, fit_seed):
        net = nb.MLP([4, 8, 3], output="softmax", seed=net_seed)
        net.fit(x, y, epochs=2, seed=fit_seed)
        return net.parameters.tobytes()

    assert fitted(1, 1) == fitted(1, 1)
    assert len({fitted(1, 1), fitted(1, 2), fitted(2, 1)}) == 3
    assert nb.MLP([4, 3]).seed != nb.MLP([4, 3]).seed


def test_shuffling_and_l2_and_weights_do_something():
    x, y = iris()
    outcomes = set()
    for settings in ({}, {"shuffle": False}, {"l2": 0.1}, {"sample_weight": rng().random(150)}, {"dropout": 0.5}):
        net = small()
        net.fit(x, y, epochs=2, seed=1, **settings)
        outcomes.add(net.parameters.tobytes())
    assert len(outcomes) == 5


def test_inputs_are_not_modified():
    x, y = iris()
    weight = np.ones(150)
    before = x.copy(), y.copy()
    small().fit(x, y, epochs=2, sample_weight=weight, validation_data=(x, y))
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(y, before[1])


def test_progress_goes_to_stderr(capsys):
    x, y = iris()
    small().fit(x, y, epochs=3, progress=True, validation_data=(x, y))
    out, err = capsys.readouterr()
    assert out == ""
    assert "3/3" in err
    assert "loss" in err


def test_plot():
    import matplotlib as mpl

    mpl.use("Agg")
    x, y = iris()
    ax = small().fit(x, y, epochs=3, validation_data=(x, y)).plot()
    assert [line.get_label() for line in ax.lines] == ["training", "validation"]
    assert ax.get_xlabel() == "epoch"


# ---- the rest ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("output", "loss"), [("softmax", None), ("sigmoid", "mse"), ("gelu", "mse"), ("softmax", "mse"), ("exp", None)])
def test_explain_is_the_engine_seen_from_inside(output, loss):
    x, y = rng().normal(size=(5, 4)), rng(1).dirichlet(np.ones(3), 5)
    net = nb.MLP([4, 6, 5, 3], ["tanh", "silu"], output, dtype="float64", seed=1)
    seen = net.explain(x, y, loss=loss)
    assert seen.loss == pytest.approx(net.loss(x, y, loss=loss), rel=1e-12)
    np.testing.assert_allclose(seen.output, net.forward(x), rtol=1e-12)
    for layer, (dw, db) in zip(seen.layers, net.gradients(x, y, loss=loss), strict=True):
        np.testing.assert_allclose(layer.dW, dw, rtol=1e-9, atol=1e-14)
        np.testing.assert_allclose(layer.db, db, rtol=1e-9, atol=1e-14)
        np.testing.assert_allclose(layer.z, layer.input @ layer.weights + layer.bias, rtol=1e-12)


def test_explain_prints_shapes_and_takes_one_sample():
    net = nb.MLP([2, 2, 1], "identity", seed=0, dtype="float64")
    text = str(net.explain([1.0, 2.0], [0.5], loss="half_mse"))
    for piece in ("layer 1: 2 -> 2, identity", "X' 1x3", "W 3x2", "z 1x2", "half_mse =", "dW 3x1"):
        assert piece in text
    with pytest.raises(ValueError, match="x: expected 2 features, got 3"):
        net.explain([1.0, 2.0, 3.0], [0.5])


def test_pickle():
    x, y = iris()
    net = small()
    net.fit(x, np.array(["a", "b", "c"])[y], epochs=2)
    twin = pickle.loads(pickle.dumps(net))
    np.testing.assert_array_equal(twin.predict(x), net.predict(x))
    twin.fit(x, np.array(["a", "b", "c"])[y], epochs=1)


def test_forward_with_out():
    net, x = small(), iris()[0]
    out = np.full((150, 3), np.nan, "f")
    assert net.forward(x, out) is out
    np.testing.assert_array_equal(out, net.forward(x))
    assert net.forward(x[:0]).shape == (0, 3)
    assert np.isnan(net.forward(np.full((1, 4), np.nan))).all()


def test_score_of_regression_is_r2():
    from sklearn.metrics import r2_score

    x, y = rng().normal(size=(40, 4)), rng(1).normal(size=(40, 3))
    net = nb.MLP([4, 3], seed=0)
    assert net.score(x, y) == pytest.approx(r2_score(y, net.predict(x)), rel=1e-6)
