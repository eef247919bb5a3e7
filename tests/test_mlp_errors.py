"""The errors of `MLP`: a refused fit changes nothing, divergence keeps the last finite weights."""

import numpy as np
import pytest
from cases import iris, rng, small

import nablas as nb

X, Y = np.ones((6, 4)), np.zeros(6, int)


class BadSchedule(nb.schedules.Schedule):
    def rates(self, steps, plan):
        return np.full(len(steps), np.nan)


WITH_NAN = X.copy()
WITH_NAN[3, 1] = np.nan
WITH_INF = X.astype("f")
WITH_INF[0, 2] = -np.inf


class Watching(nb.Callback):
    def __init__(self, monitor):
        self.monitor = monitor


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
        (
            X,
            np.full((6, 3), np.nan),
            {},
            ValueError,
            r"y: expected finite values, got nan at \(0, 0\)",
        ),
        (
            X,
            Y,
            {"sample_weight": -np.ones(6)},
            ValueError,
            "sample_weight: expected values of at least 0",
        ),
        (
            X,
            Y,
            {"sample_weight": np.ones(5)},
            ValueError,
            "sample_weight: expected 6 rows like X, got 5",
        ),
        (X, Y, {"batch_size": 0}, ValueError, "batch_size: expected at least 1, got 0"),
        (X, Y, {"batch_size": 2.5}, TypeError, "batch_size: expected an integer, got float"),
        (X, Y, {"epochs": -1}, ValueError, "epochs: expected at least 0, got -1"),
        (X, Y, {"loss": "binary_cross_entropy"}, ValueError, "needs output 'sigmoid'"),
        (X, Y, {"loss": "mean"}, ValueError, "loss: expected one of cross_entropy, mse"),
        (X, Y, {"optimizer": "adan"}, ValueError, "optimizer: expected one of sgd, adam"),
        (
            X,
            Y,
            {"optimizer": 3},
            TypeError,
            "optimizer: expected an optimizer or its name, got int",
        ),
        (X, Y, {"l2": -1}, ValueError, "l2: expected a finite number of at least 0, got -1"),
        (X, Y, {"l2": np.nan}, ValueError, "l2"),
        (
            X,
            Y,
            {"dropout": 1.0},
            ValueError,
            "dropout: expected rates from 0 to less than 1, got 1.0",
        ),
        (X, Y, {"dropout": [0.1, 0.2]}, ValueError, "dropout: expected 1 rates, got 2"),
        (X, Y, {"validation_data": X}, TypeError, r"validation_data: expected \(X, y\)"),
        (
            X,
            Y,
            {"validation_data": (X, Y + 5)},
            ValueError,
            "validation_data, y: expected class labels",
        ),
        (
            X,
            Y,
            {"validation_data": (X[:0], Y[:0])},
            ValueError,
            "validation_data, X: expected at least one row",
        ),
        (X, Y, {"shuffle": "no"}, TypeError, "shuffle: expected True or False, got str"),
        (X, Y, {"l2": "a"}, TypeError, "l2: expected a number, got str"),
        (X, Y, {"seed": 2**64}, ValueError, "seed: expected at most"),
        (X * 1e300, Y, {}, ValueError, r"X: expected finite values, got 1e\+300 at \(0, 0\)"),
        (X, list("aabbaa"), {}, ValueError, "y: expected 3 classes, got 2"),
        (
            X,
            list("abcabc"),
            {"loss": "mse"},
            TypeError,
            "y: expected numbers for loss 'mse', got strings",
        ),
        (X, [["a"] * 3] * 6, {}, ValueError, r"y: expected one string a row, got shape \(6, 3\)"),
        (
            X,
            Y,
            {"callbacks": [Watching("val_acc")]},
            ValueError,
            "monitor: expected one of loss",
        ),
        (
            X,
            Y,
            {"callbacks": [nb.Checkpoint("/no/such/folder/x")]},
            FileNotFoundError,
            "expected a folder",
        ),
        (
            X,
            Y,
            {"optimizer": nb.SGD(BadSchedule(0.1))},
            ValueError,
            "learning_rate: expected rates of at least 0",
        ),
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
        (
            ([4, 3, 2], "relu", "soft"),
            {},
            ValueError,
            "output: expected one of .*, softmax, got 'soft'",
        ),
        (
            ([4, 2],),
            {"dtype": "float16"},
            TypeError,
            "dtype: expected float32 or float64, got float16",
        ),
        (([4, 2],), {"init": "best"}, ValueError, "init: expected one of glorot, .*, got 'best'"),
        (([2**40, 2**40, 1],), {}, OverflowError, "sizes: expected fewer than 2..60 parameters"),
        (
            ([2**35, 2**12],),
            {},
            MemoryError,
            "sizes: expected a network that fits in memory, got 140737488359424 parameters",
        ),
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
        net.initialize(seed=1)
        assert np.isfinite(net.fit(x, y, epochs=2).loss).all()


def test_a_refused_fit_leaves_the_classes_alone():
    net = small()
    with pytest.raises(ValueError, match="X: expected finite"):
        net.fit(WITH_NAN, list("abcabc"))
    assert net.classes is None
    net.fit(X, list("abcabc"), epochs=1)
    with pytest.raises(TypeError, match="y: expected strings like the classes, got dtype int64"):
        net.score(X, Y)
    with pytest.raises(TypeError, match="y: expected strings like the classes"):
        net.loss(X, Y)
    parameters = net.parameters.copy()
    with pytest.raises(ValueError, match="y: expected labels among a, b, c, got 'x' at index 0"):
        net.fit(X, list("xyzxyz"), epochs=1)
    with pytest.raises(TypeError, match="y: expected strings like the classes"):
        net.fit(X, Y, epochs=1)
    assert np.array_equal(parameters, net.parameters)
    net.fit(X[:2], ["c", "a"], epochs=1)
    assert net.classes == ["a", "b", "c"]
    net.initialize()
    net.fit(X, list("xyzxyz"), epochs=1)
    assert net.classes == ["x", "y", "z"]


def test_use_is_checked():
    net = small()
    with pytest.raises(ValueError, match=r"X: expected finite values, got nan at \(3, 1\)"):
        net.predict(WITH_NAN)
    with pytest.raises(ValueError, match="l2: expected a finite number of at least 0, got -5"):
        net.loss(X, Y, l2=-5)
    with pytest.raises(TypeError, match="sample_weight"):
        net.loss(X, Y, loss=lambda h, t: (0.0, h), sample_weight=np.ones(6))
    with pytest.raises(ValueError, match="sample_weight"):
        net.loss(X, Y, loss=lambda h, t, sample_weight: (0.0, h), sample_weight=-np.ones(6))
    with pytest.raises(ValueError, match="y_true: expected 2 columns like y_pred, got 1"):
        nb.metrics.r2(np.ones(5), np.ones((5, 2)))


def test_a_loss_function_is_checked():
    x, y = iris()
    with pytest.raises(
        ValueError, match=r"loss: expected a gradient of shape \(32, 3\), got \(3,\)"
    ):
        small().fit(x, y, loss=lambda h, t: (0.0, np.zeros(3)), epochs=1)
    with pytest.raises(TypeError, match=r"loss: expected \(value, gradient\)"):
        small().fit(x, y, loss=lambda h, t: 0.0, epochs=1)
    with pytest.raises(FloatingPointError, match="loss became nan at epoch 1"):
        small().fit(x, y, loss=lambda h, t: (np.nan, np.zeros(h.shape)), epochs=1)
    with pytest.raises(ZeroDivisionError):
        small().fit(x, y, loss=lambda h, t: 1 / 0, epochs=1)


@pytest.mark.parametrize("hidden", [[], [5], [5, 4]])
@pytest.mark.parametrize("rate", [1.0, -0.1, 2, np.nan, np.inf, True])
def test_one_rate_of_dropout_is_checked_for_any_number_of_hidden_layers(rate, hidden):
    net = nb.MLP([4, *hidden, 3], output="softmax", seed=0)
    with pytest.raises((TypeError, ValueError), match="^dropout: expected"):
        net.fit(X, Y, epochs=1, dropout=rate)
    net.fit(X, Y, epochs=1, dropout=0.5)
