"""Nothing wrong without an error: targets of loss functions, masks, NaN outputs, numbers beyond float32."""

import numpy as np
import pytest
from cases import rng

import nablas as nb
from nablas import metrics
from nablas.autograd import Tensor

X = rng().normal(size=(60, 3))
Y = X @ [1.0, -2.0, 0.5] + 0.3


def squares(outputs, targets, sample_weight=None):
    assert targets.shape == outputs.shape
    assert sample_weight is None or sample_weight.shape == (len(outputs),)
    return float(np.mean((outputs - targets) ** 2)), 2 * (outputs - targets) / outputs.size


@pytest.mark.parametrize("weight", [None, np.ones(60)])
@pytest.mark.parametrize(
    "y", [Y, Y[:, None], Y.astype(np.float32), list(Y), np.rint(Y).astype(int)]
)
def test_a_loss_function_gets_targets_of_the_outputs_shape(y, weight):
    nets = [nb.MLP([3, 1], dtype="float64", seed=0) for _ in range(2)]
    for net, loss in zip(nets, (squares, "mse"), strict=True):
        net.fit(
            X, y, loss=loss, optimizer=nb.SGD(0.1), epochs=20, sample_weight=weight,
            validation_data=(X, y),
        )  # fmt: skip
    np.testing.assert_allclose(nets[0].parameters, nets[1].parameters, rtol=1e-9)
    np.testing.assert_allclose(nets[0].history.val_loss, nets[1].history.val_loss, rtol=1e-9)
    np.testing.assert_allclose(nets[0].loss(X, y, loss=squares), nets[1].loss(X, y), rtol=1e-9)


def test_a_loss_function_gets_labels_as_they_are():
    seen = []

    def loss(outputs, targets):
        seen.append(targets.shape)
        return 1.0, np.zeros_like(outputs)

    nb.MLP([3, 4], output="softmax", seed=0).fit(X, np.arange(60) % 4, loss=loss, epochs=1)
    assert set(seen) == {(32,), (28,)}


def masked(array):
    made = np.ma.masked_array(array, np.zeros(np.shape(array), bool))
    made.mask.flat[3] = True
    return made


def test_masked_entries_are_refused_everywhere():
    net = nb.MLP([3, 1], seed=0)
    weight, predicted = np.ones(60), net.predict(X)
    calls = {
        "X": [lambda a: net.fit(a, Y), lambda a: net.loss(a, Y), lambda a: net.gradient(a, Y),
              net.forward, net.predict, net.layers, lambda a: net.score(a, Y)],
        "y": [lambda a: net.fit(X, a), lambda a: net.loss(X, a), lambda a: net.gradient(X, a),
              lambda a: net.fit(X, a, loss=squares), lambda a: net.explain(X, a), lambda a: net.score(X, a)],
        "sample_weight": [lambda a: net.fit(X, Y, sample_weight=a)],
        "x": [lambda a: net.explain(a, Y)],
        "y_true": [lambda a: metrics.r2(a, predicted)],
        "y_pred": [lambda a: metrics.r2(Y, a)],
        "data": [Tensor, lambda a: Tensor(np.ones(3)) * a],
    }  # fmt: skip
    for name, functions in calls.items():
        given = {"X": X, "x": X, "sample_weight": weight, "y_pred": predicted, "data": X}.get(
            name, Y
        )
        for i, function in enumerate(functions):
            before = net.parameters.copy()
            with pytest.raises(TypeError, match=rf"{name}: expected an array without masked"):
                function(masked(given))
            np.testing.assert_array_equal(net.parameters, before, str((name, i)))
    net.fit(np.ma.masked_array(X), Y, epochs=1)  # nothing is masked


@pytest.mark.parametrize("output", ["softmax", "sigmoid", "step"])
def test_nan_outputs_are_no_class(output):
    net = nb.MLP([3, 4, 2], output=output, seed=0)
    for bad in (np.nan, np.inf, 1e300):
        wrong = X.copy()
        wrong[7, 1] = bad
        outputs = net.forward(wrong)
        if np.isnan(outputs).any():
            with pytest.raises(ValueError, match=r"X: expected finite values, got .* at \(7, 1\)"):
                net.predict(wrong)
    net.parameters[:] = 3e38
    net.weights[1][::2] = -3e38
    net.weights[0][:, :2] *= -1  # some rows reach hidden units of either sign
    assert np.isnan(net.forward(X * 1e30)).any()
    with pytest.raises(FloatingPointError, match="outputs: expected numbers, got nan in row"):
        net.predict(X * 1e30)
    with pytest.raises(FloatingPointError):
        net.score(X * 1e30, np.zeros(60, int))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_nan_outputs_of_an_estimator_are_no_class():
    from nablas.sklearn import MLPClassifier

    model = MLPClassifier(max_iter=1, random_state=0).fit(X.astype(np.float32), np.arange(60) % 3)
    for weights in model.coefs_:
        weights[:] = 3e38
        weights[:, ::2] = -3e38
    with pytest.raises(FloatingPointError, match="outputs: expected numbers, got nan"):
        model.predict((X * 1e30).astype(np.float32))


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": nb.SGD(1e39)},
        {"optimizer": nb.Adam(1e39)},
        {"optimizer": nb.Adam(eps=1e39)},
        {"optimizer": nb.AdamW(weight_decay=1e39)},
        {"optimizer": nb.SGD(nb.schedules.Schedule(1e39))},
        {"l2": 1e39},
        {"l1": 1e39},
        {"l2": 2.5e38},
        {"l2": 1e39, "clip_norm": 1.0},
    ],
    ids=str,
)
def test_settings_that_float32_cannot_hold(settings):
    net = nb.MLP([3, 1], seed=0)
    before = net.parameters.copy()
    with pytest.raises((ValueError, FloatingPointError)):
        net.fit(X, Y, epochs=3, **settings)
    np.testing.assert_array_equal(net.parameters, before)


def test_a_penalty_that_overflows_is_an_error():
    for batch in (32, 60):
        net = nb.MLP([3, 1], seed=0)
        with pytest.raises(FloatingPointError, match="became (inf|nan)"):
            net.fit(X, Y, l2=1e10, optimizer=nb.SGD(0.1), epochs=30, batch_size=batch)
        assert np.isfinite(net.parameters).all()
        assert np.isfinite(net.history.loss).all()


def test_messages_name_the_cause():
    net = nb.MLP([3, 4, 5], seed=0)
    with pytest.raises(ValueError, match=r"y: expected shape \(60, 5\).*output='softmax'"):
        net.fit(X, np.arange(60) % 5)
    with pytest.raises(FloatingPointError, match=r"scale y: its values go up to 1e\+30"):
        nb.MLP([3, 1], seed=0).fit(X, np.full(60, 1e30))
    with pytest.raises(FloatingPointError, match="lower learning_rate"):
        nb.MLP([3, 8, 1], seed=0).fit(X, Y, optimizer=nb.SGD(1e6), epochs=50)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_binary_cross_entropy_does_not_cancel(isa, dtype):
    """Targets near 1 and large z, against exact arithmetic in long double."""
    eps = np.finfo(dtype).eps
    z = np.array([[50.0, 3e3, -50.0, -3e3, 20.0, 1e4]], dtype)
    for gap in (eps, 4 * eps, 1e-3):
        y = np.array([[1 - gap, 1 - gap, gap, gap, 1 - gap, 1 - gap]], dtype)
        wide = z.astype(np.longdouble)
        exact = wide * ((wide > 0) - y.astype(np.longdouble)) + np.log1p(np.exp(-np.abs(wide)))
        for i in range(z.shape[1]):
            found = nb.kernels.sigmoid_binary_cross_entropy(z[:, i : i + 1], y[:, i : i + 1])[0]
            assert abs(found - exact[0, i]) <= 4 * eps * exact[0, i]


def test_softmax_of_infinities_is_the_references():
    for row in (
        [np.inf, 0.0],
        [-np.inf, 0.0],
        [np.inf, np.inf],
        [np.nan, 0.0],
        [-np.inf, -np.inf],
        [np.inf, -np.inf],
    ):
        z = np.array([row], np.float32)
        with np.errstate(all="ignore"):
            want = nb.reference.softmax(z)
        np.testing.assert_array_equal(nb.kernels.softmax(z), want, str(row))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_only_the_ratios_of_weights_count(dtype, loss):
    """Weights times any power of 2 give the same bits, or an error."""
    x, ratios = rng().normal(size=(40, 3)), rng(1).uniform(0.5, 2, 40)
    ratios[::7] = 0
    y = rng(2).integers(0, 2, 40) if loss == "cross_entropy" else rng(2).normal(size=(40, 2))
    output = "softmax" if loss == "cross_entropy" else "identity"
    most = 96 if dtype == "float32" else 960

    def found(weight):
        net = nb.MLP([3, 5, 2], output=output, dtype=dtype, seed=0)
        before = net.loss(x, y, sample_weight=weight), net.gradient(x, y, sample_weight=weight)
        history = net.fit(x, y, sample_weight=weight, epochs=2, batch_size=8)
        return before[0], before[1].tobytes(), history.loss, net.parameters.tobytes()

    want = found(ratios.astype(dtype))
    for power in range(-most - 40, most + 30, most // 8):
        weight = (ratios * np.exp2(np.longdouble(power))).astype(dtype)
        if weight.any() and 2.0**-most <= weight.sum(dtype=float) <= 2.0**most:
            assert found(weight) == want
        elif weight.any():
            with pytest.raises(
                ValueError, match="^sample_weight: expected weights whose sum is 0 or"
            ):
                found(weight)
    with pytest.raises(ValueError, match="^sample_weight: expected weights whose sum is 0 or from"):
        nb.MLP([3, 2]).fit(x, np.zeros((40, 2)), sample_weight=ratios * 1e-60)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1e-150, 1e-160, 1e-165, 1e-200, 1e-300])
def test_the_sum_in_an_error_of_weights_is_not_one_that_is_expected(size, dtype):
    """Weights above 0, of rows and of classes, whose products are almost 0 in float64, or 0."""
    net = nb.MLP([3, 5, 2], output="softmax", dtype=dtype, seed=0)
    given = {"sample_weight": np.full(40, size), "class_weight": {0: size, 1: size}}
    with pytest.raises(ValueError, match="^sample_weight: ") as raised:
        net.fit(rng().normal(size=(40, 3)), np.arange(40) % 2, **given, epochs=1)
    assert not str(raised.value).endswith("got a sum of 0")


@pytest.mark.parametrize(
    ("output", "loss"),
    [
        ("exp", "mse"),
        ("exp", "poisson"),
        ("exp", "half_mse"),
        ("softplus", "mse"),
        ("softplus", "half_mse"),
    ],
)
@pytest.mark.parametrize("rows", [4, 100])
def test_a_row_of_weight_zero_does_not_stop_the_training(output, loss, rows):
    """Whose output overflows: linked to the loss or not, the weights move as without it."""
    x, y = rng().uniform(size=(rows, 1)), rng(1).uniform(1, 2, size=(rows, 1))
    weight = np.ones(rows)
    weight[2] = 0
    found = []
    for far in (0.5, 1e30):
        x[2] = far
        net = nb.MLP([1, 1], output=output, seed=0)
        net.parameters[:] = [0.1, 0.6]
        settings = {"loss": loss, "optimizer": nb.Adam(0.01), "epochs": 5, "shuffle": False}
        net.fit(x, y, sample_weight=weight, **settings)
        found.append(net.parameters.copy())
    assert (found[0] != np.array([0.1, 0.6], np.float32)).all()
    np.testing.assert_allclose(found[1], found[0], rtol=1e-6)
