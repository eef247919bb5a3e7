"""Penalties, a limit of the gradient's norm, uneven weights: the engine against the reference and against minima."""

import itertools

import numpy as np
import pytest
from cases import relative_error, rng
from test_engine import OPTIMIZERS, build

import nablas as nb
from nablas import reference

ROWS, BATCH = 90, 20


def half_mse(outputs, targets, sample_weight=None):
    w = np.ones(len(outputs)) if sample_weight is None else sample_weight
    d, share = outputs - targets, (w / w.sum())[:, None]
    return float(0.5 * (share * d * d).sum()), share * d


ADJUSTMENTS = list(itertools.product([0.0, 0.02], [0.0, 0.03], [None, 0.05, 1e3]))


def squares(network):
    return sum(float((w[1:] ** 2).sum()) for w in network.weights)


@pytest.mark.parametrize("loss", ["half_mse", half_mse])
@pytest.mark.parametrize("rule", OPTIMIZERS)
def test_a_fit_follows_the_reference(isa, rule, loss):
    """Every optimizer, loss in the core and in Python, all penalties and limits; the recorded loss, too."""
    rate = OPTIMIZERS[rule].schedule.initial
    settings = {"momentum": 0.9} if rule in ("sgd", "rmsprop") else {}
    for (l1, l2, clip_norm), weighted in itertools.product(ADJUSTMENTS, [False, True]):
        net, twin, x, y = build("half_mse", ROWS)
        common = {
            "batch_size": BATCH,
            "epochs": 2,
            "seed": 3,
            "l1": l1,
            "l2": l2,
            "clip_norm": clip_norm,
            "sample_weight": rng(4).random(ROWS) if weighted else None,
        }
        theirs = reference.fit(
            twin, x, y, optimizer=rule, learning_rate=rate, loss="half_mse", **settings, **common
        )
        of_steps, before = [], squares(twin)
        for value, _ in theirs:
            of_steps.append(value - l2 * before)
            before = squares(twin)
        optimizer = type(OPTIMIZERS[rule])(rate, **settings)
        history = net.fit(x, y, loss=loss, optimizer=optimizer, **common)
        assert relative_error(net.parameters, twin.parameters) < 1e-10, (
            l1,
            l2,
            clip_norm,
            weighted,
        )
        if not weighted:
            mean = np.average(of_steps[-5:], weights=[20, 20, 20, 20, 10])
            penalty = sum(l1 * np.abs(w).sum() + l2 * (w * w).sum() for w in net.weights)
            assert history.loss[-1] == pytest.approx(mean + penalty, rel=1e-10)


@pytest.mark.parametrize("rows", [10, 5000])  # one block of the sums over rows, and two
@pytest.mark.parametrize("clip_norm", [None, 1e-3])
def test_the_bits_do_not_depend_on_the_threads(isa, threads, rows, clip_norm):
    found = set()
    x, y = rng(1).normal(size=(rows, 40)), rng(2).normal(size=(rows, 3))
    for count in (1, 2, 3, 7):
        threads(count)
        net = nb.MLP([40, 300, 3], "tanh", seed=1)
        history = net.fit(
            x, y, optimizer=nb.Adam(1e-2), batch_size=rows, epochs=3, l1=1e-3, l2=1e-3,
            clip_norm=clip_norm,
        )  # fmt: skip
        found.add((net.parameters.tobytes(), history.loss[-1]))
    assert len(found) == 1


@pytest.mark.parametrize("clip_norm", [0.25, 3.0])
@pytest.mark.parametrize("scale", [1e-25, 1.0, 1e25])
def test_the_norm_is_limited_at_any_scale(isa, dtype, clip_norm, scale):
    """Squares beyond the range of float32 do not spoil the norm."""
    net = nb.MLP([50, 30], dtype=dtype, init="zeros")
    x, y = np.eye(50, dtype=dtype)[:20], rng(0).normal(size=(20, 30)).astype(dtype)
    y *= scale

    def linear(outputs, targets):
        return 0.0, targets

    net.fit(x, y, loss=linear, optimizer=nb.SGD(1.0), batch_size=20, epochs=1, clip_norm=clip_norm)
    whole = np.concatenate([y.sum(axis=0)[None].astype(np.float64), y.astype(np.float64)])
    norm = np.sqrt((whole**2).sum())
    want = -whole * min(1.0, clip_norm / norm)
    got = np.concatenate([net.biases[0][None], net.weights[0][:20]]).astype(np.float64)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=np.abs(want).max() * 1e-6)


@pytest.mark.parametrize("clip_norm", [0.01, 0.5])
@pytest.mark.parametrize("outputs", [1, 3])
def test_the_norm_is_that_of_the_parameters_which_are_trained(dtype, clip_norm, outputs):
    """Without an intercept its gradient, which is larger than the weights' here, does not count."""
    pytest.importorskip("sklearn")
    from nablas.sklearn import LinearRegression

    x = rng(1).normal(size=(64, 5)).astype(dtype)
    y = (x @ rng(2).normal(size=(5, outputs)) + 10).astype(dtype)
    model = LinearRegression(
        fit_intercept=False, solver="sgd", momentum=0, learning_rate_init=1.0, batch_size=64,
        max_iter=1, clip_norm=clip_norm,
    )  # fmt: skip
    with pytest.warns(UserWarning, match="Maximum iterations"):
        model.fit(x, y)
    gradient = -y.T @ x
    np.testing.assert_allclose(
        model.coef_, -gradient * clip_norm / np.linalg.norm(gradient), rtol=1e-4
    )


@pytest.mark.parametrize("rule", OPTIMIZERS)
def test_l1_reaches_the_minimum_of_the_lasso(rule):
    """Full batches: the same zeros and the same weights as coordinate descent, whatever the optimizer."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    x = rng(5).normal(size=(80, 12))
    y = x @ np.r_[3.0, -2.0, 1.0, np.zeros(9)] + 0.3 * rng(6).normal(size=80) + 1.5
    lasso = linear_model.Lasso(alpha=0.2, tol=1e-12, max_iter=100000).fit(x, y)
    net = nb.MLP([12, 1], dtype="float64", seed=0)
    settings = {"weight_decay": 0.0} if rule == "adamw" else {}
    settings |= {"momentum": 0.9} if rule in ("sgd", "rmsprop") else {}
    rate = {"sgd": 0.02, "adagrad": 1.0, "rmsprop": 5e-3}.get(rule, 0.02)
    kind = type(OPTIMIZERS[rule])
    net.fit(
        x, y, loss="half_mse", batch_size=80, epochs=6000, l1=0.2,
        optimizer=kind(nb.schedules.Cosine(rate), **settings),
    )  # fmt: skip
    np.testing.assert_array_equal(net.weights[0][:, 0] == 0, lasso.coef_ == 0)
    assert (lasso.coef_ == 0).sum() >= 7
    np.testing.assert_allclose(net.weights[0][:, 0], lasso.coef_, atol=1e-8)


@pytest.mark.parametrize("rule", OPTIMIZERS)
def test_a_tiny_l1_changes_a_fit_by_as_little(rule):
    fitted = []
    for l1 in (0.0, 1e-12):
        net, _, x, y = build("half_mse", ROWS)
        net.fit(x, y, loss="half_mse", optimizer=rule, epochs=5, seed=1, l1=l1)
        fitted.append(net.parameters.copy())
    assert relative_error(*fitted) < 1e-6
