"""The loop of `fit` and the other methods of `MLP`."""

import pickle

import numpy as np
import pytest
from cases import iris, rng, small

import nablas as nb

# ---- the loop of fit -----------------------------------------------------------------------------


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
    with pytest.raises(
        ValueError, match="monitor: expected validation_data with 'val_loss', got none"
    ):
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
    np.testing.assert_array_equal(
        nb.MLP.load(tmp_path / "best.safetensors").parameters, net.parameters
    )
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
    net.fit(
        x,
        y,
        epochs=2,
        seed=1,
        shuffle=False,
        batch_size=75,
        optimizer=nb.SGD(nb.schedules.StepDecay(0.1, every=1)),
    )
    for rate in (0.1, 0.01):
        want.fit(x, y, epochs=1, seed=1, shuffle=False, batch_size=75, optimizer=nb.SGD(rate))
    np.testing.assert_allclose(net.parameters, want.parameters, rtol=1e-6)
    history = net.fit(
        x, y, epochs=3, optimizer=nb.SGD(nb.schedules.ExponentialDecay(0.1, factor=0.5))
    )
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
    for settings in (
        {},
        {"shuffle": False},
        {"l2": 0.1},
        {"sample_weight": rng().random(150)},
        {"dropout": 0.5},
    ):
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
    assert [line.get_label() for line in ax.lines][:2] == ["training", "validation"]
    assert ax.get_xlabel() == "epoch"


# ---- other methods -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "loss"),
    [("softmax", None), ("sigmoid", "mse"), ("gelu", "mse"), ("softmax", "mse"), ("exp", None)],
)
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


def test_a_loss_function_with_weights_is_the_loss_by_name():
    def half_squares(outputs, targets, sample_weight=None):
        weight = np.ones(len(outputs)) if sample_weight is None else sample_weight
        away, share = outputs - targets, (weight / weight.sum())[:, np.newaxis]
        return float(0.5 * (away**2 * share).sum()), away * share

    rng = np.random.default_rng(0)
    x, y, weight = rng.normal(size=(50, 3)), rng.normal(size=(50, 2)), rng.random(50)
    held_out = (x[:9], y[:9], weight[:9])
    settings = {"batch_size": 20, "epochs": 5, "l2": 0.1, "seed": 1, "sample_weight": weight}
    histories, nets = [], []
    for loss in ("half_mse", half_squares):
        net = nb.MLP([3, 4, 2], "tanh", dtype="float64", seed=0)
        histories.append(net.fit(x, y, loss=loss, validation_data=held_out, **settings))
        nets.append(net)
    np.testing.assert_allclose(nets[1].parameters, nets[0].parameters, rtol=1e-10)
    np.testing.assert_allclose(histories[1].loss, histories[0].loss, rtol=1e-12)
    np.testing.assert_allclose(histories[1].val_loss, histories[0].val_loss, rtol=1e-12)
    losses = [nets[0].loss(x, y, loss=f, sample_weight=weight) for f in ("half_mse", half_squares)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-12)


def test_slices_of_weights_and_biases_may_be_assigned_to():
    net = nb.MLP([2, 3, 4, 1], seed=0)
    for views in (net.weights, net.biases):
        for places in (slice(0, 1), slice(None), slice(None, None, -2), slice(2, 2)):
            values = [np.full(view.shape, i) for i, view in enumerate(views[places])]
            views[places] = values
            assert all((a == b).all() for a, b in zip(views[places], values, strict=True))
        before = [view.copy() for view in views]
        with pytest.raises(ValueError, match="expected 3 arrays, got 2"):
            views[:] = before[:2]
        with pytest.raises(ValueError, match=r"^value\[2\]: expected shape"):
            views[:] = [np.ones(before[0].shape), before[1], np.ones(9)]
        assert all((a == b).all() for a, b in zip(views, before, strict=True))
    net = nb.MLP([3, 3, 3], seed=0)
    first, second = (view.copy() for view in net.weights)
    net.weights[:] = net.weights[1], net.weights[0]
    assert (net.weights[0] == second).all()
    assert (net.weights[1] == first).all()
