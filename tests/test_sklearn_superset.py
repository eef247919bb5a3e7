"""What the estimators have beyond scikit-learn's: each test fails if its option does nothing."""

import warnings

import numpy as np
import pytest
from scipy import sparse
from scipy.special import expit
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight

import nablas as nb
from nablas import reference
from nablas.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = load_iris(return_X_y=True)
X = StandardScaler().fit_transform(X)
SMALL = {"hidden_layer_sizes": (8,), "max_iter": 15, "random_state": 0, "learning_rate_init": 0.02}


def fitted(**settings):
    return MLPClassifier(**SMALL | settings).fit(X, Y)


def weights(model):
    return np.concatenate([w.ravel() for w in model.coefs_])


@pytest.mark.parametrize(
    "settings",
    [
        {"dropout": 0.5}, {"activation": ["gelu"]}, {"activation": "selu"}, {"l1": 1.0}, {"clip_norm": 0.01},
        {"solver": "adamw", "weight_decay": 0.5}, {"solver": "rmsprop"}, {"solver": "adagrad"}, {"label_smoothing": 0.3},
        {"learning_rate": "cosine"}, {"learning_rate": "one_cycle"}, {"learning_rate": nb.schedules.ExponentialDecay(0.02, factor=0.5)},
        {"class_weight": {0: 10.0, 1: 1.0, 2: 0.1}}, {"loss": lambda p, t: (float(((p - t) ** 2).mean()), 2 * (p - t) / p.size)},
    ],
)  # fmt: skip
def test_an_option_changes_the_training(settings):
    assert np.abs(weights(fitted(**settings)) - weights(fitted())).max() > 1e-3


def test_dropout_one_rate_a_layer():
    two = {"hidden_layer_sizes": (8, 8)}
    one, other = fitted(**two, dropout=[0.5, 0.0]), fitted(**two, dropout=[0.0, 0.5])
    assert np.abs(weights(one) - weights(other)).max() > 1e-3
    with pytest.raises(ValueError, match="dropout: expected 1 rates, got 2"):
        fitted(dropout=[0.1, 0.1])


def test_activations_one_a_layer():
    model = fitted(hidden_layer_sizes=(4, 4), activation=["tanh", "silu"])
    first, second, outputs = model.activations(X)
    z = np.tanh(X @ model.coefs_[0] + model.intercepts_[0]) @ model.coefs_[1] + model.intercepts_[1]
    np.testing.assert_allclose(second, z * expit(z), rtol=1e-10)
    np.testing.assert_allclose(outputs, model.predict_proba(X), rtol=1e-10)
    assert first.shape == (150, 4)
    with pytest.raises(ValueError, match="activation: expected 1 names, got 2"):
        fitted(activation=["relu", "relu"])


def test_l1_makes_weights_small():
    assert (
        np.abs(weights(fitted(l1=20.0, max_iter=100))).sum()
        < 0.5 * np.abs(weights(fitted(max_iter=100))).sum()
    )


def test_clip_norm_bounds_the_step():
    """A step of plain SGD is the rate times the gradient, so with one batch its norm is bounded."""
    settings = {
        "solver": "sgd",
        "momentum": 0,
        "batch_size": 150,
        "max_iter": 1,
        "learning_rate_init": 0.5,
    }
    moved = []
    for clip in (None, 0.01):
        start = MLPClassifier(**SMALL | settings).initialize(4, 3)
        model = fitted(**settings, clip_norm=clip)
        pairs = zip(model.coefs_ + model.intercepts_, start.coefs_ + start.intercepts_, strict=True)
        moved.append(np.sqrt(sum(((a - b) ** 2).sum() for a, b in pairs)))
    assert moved[0] > 0.05
    assert moved[1] == pytest.approx(0.5 * 0.01, rel=1e-6)


def test_gradients_without_adjustment_are_the_cores():
    """Batch-by-batch epochs (l1, clipping) train like the core if neither changes the gradient."""
    by_python = fitted(clip_norm=1e9, alpha=1.0, dropout=0.2, batch_size=40)
    by_core = fitted(alpha=1.0, dropout=0.2, batch_size=40)
    np.testing.assert_allclose(weights(by_python), weights(by_core), rtol=1e-9)
    np.testing.assert_allclose(by_python.loss_curve_, by_core.loss_curve_, rtol=0.01)


def test_label_smoothing_keeps_probabilities_from_the_ends():
    long = {"max_iter": 300, "alpha": 0.0}
    smooth, plain = (
        fitted(**long, label_smoothing=e).predict_proba(X).max(axis=1) for e in (0.3, 0.0)
    )
    assert smooth.mean() < 0.9 < 0.95 < plain.mean()
    binary = MLPClassifier(**SMALL | long, label_smoothing=0.3).fit(X, Y > 0)
    assert binary.predict_proba(X).max(axis=1).mean() < 0.9
    assert binary.predict(X).dtype == bool


def test_class_weight_is_sample_weight():
    weight = np.array([3.0, 1.0, 0.5])[Y]
    ours = fitted(class_weight={0: 3.0, 1: 1.0, 2: 0.5})
    plain = MLPClassifier(**SMALL).fit(X, Y, weight)
    np.testing.assert_allclose(weights(ours), weights(plain), rtol=1e-9)
    rare = np.concatenate([np.flatnonzero(Y < 2), np.flatnonzero(Y == 2)[:5]])
    balanced = MLPClassifier(**SMALL, class_weight="balanced").fit(X[rare], Y[rare])
    unbalanced = MLPClassifier(**SMALL).fit(X[rare], Y[rare])
    assert (
        balanced.predict_proba(X[Y == 2])[:, 2].mean()
        > unbalanced.predict_proba(X[Y == 2])[:, 2].mean()
    )


@pytest.mark.parametrize("loss", ["mae", "absolute_error", "huber", "quantile"])
def test_regression_losses(loss):
    """With only a bias, the optimum is the median (mae), the 90 % quantile, or near the median."""
    rng = np.random.default_rng(0)
    y = rng.exponential(size=400)
    x = np.zeros((400, 1))
    settings = {
        "learning_rate_init": 0.02,
        "max_iter": 400,
        "tol": 0,
        "random_state": 0,
        "alpha": 0.0,
        "n_iter_no_change": 400,
    }
    model = MLPRegressor(loss, (), quantile=0.9, **settings).fit(x, y)
    got = model.predict(x[:1])[0]
    if loss == "quantile":
        assert got == pytest.approx(np.quantile(y, 0.9), abs=0.15)
    elif loss == "huber":
        assert np.median(y) < got < y.mean()
    else:
        assert got == pytest.approx(np.median(y), abs=0.1)
    if loss == "quantile":
        weighted = MLPRegressor(loss, (), quantile=0.9, **settings).fit(x, y, (y < 1).astype(float))
        assert weighted.predict(x[:1])[0] < 1.1


def test_validation_data_scoring_and_curves():
    model = MLPClassifier(**SMALL | {"max_iter": 60}, early_stopping=True, scoring="loss")
    model.fit(X[::2], Y[::2], X_val=X[1::2], y_val=Y[1::2])
    assert len(model.validation_loss_curve_) == model.n_iter_
    np.testing.assert_allclose(
        model.validation_scores_, -np.array(model.validation_loss_curve_), rtol=1e-6
    )
    assert model.best_validation_score_ == max(model.validation_scores_)
    data = model._net.engine.dataset(X[1::2], Y[1::2], None, nb.Loss("cross_entropy"))
    assert -model._net.engine.evaluate(data) == pytest.approx(model.best_validation_score_)
    named = MLPClassifier(**SMALL, early_stopping=True, scoring="balanced_accuracy").fit(X, Y)
    assert 0 <= named.best_validation_score_ <= 1
    watched = MLPClassifier(**SMALL).fit(X, Y, X_val=X, y_val=Y)
    assert watched.validation_scores_ is None
    assert len(watched.validation_loss_curve_) == watched.n_iter_
    with pytest.raises(ValueError, match="y_val: expected an array"):
        MLPClassifier().fit(X, Y, X_val=X)


def test_callbacks_and_progress(capsys):
    seen = []
    fitted(callbacks=[lambda state: seen.append(state.epoch) or state.epoch == 4], progress=True)
    assert seen == [1, 2, 3, 4]
    assert "epoch" in capsys.readouterr().err


def test_scikit_learns_callbacks():
    callback = pytest.importorskip("sklearn.callback")
    seen = []

    class Recorder:
        def setup(self, estimator, context):
            seen.append("setup")

        def teardown(self, estimator, context):
            seen.append("teardown")

        def on_fit_task_begin(self, estimator, context):
            seen.append(f"begin {context.task_name}")

        def on_fit_task_end(self, estimator, context):
            seen.append(f"end {context.task_name}")
            return context.task_name == "epoch 3"

    assert isinstance(Recorder(), callback.FitCallback)
    MLPClassifier(**SMALL).set_callbacks(Recorder()).fit(X, Y)
    epochs = [f"{when} epoch {i}" for i in (1, 2, 3) for when in ("begin", "end")]
    assert seen == ["setup", "begin fit", *epochs, "end fit", "teardown"]


def test_several_targets_of_several_classes():
    words = np.array(["x", "y", "z", "w"])[np.digitize(X[:, 1], [-1, 0, 1])]
    both = np.column_stack([np.array(["a", "b", "c"])[Y], words])
    model = MLPClassifier(**SMALL | {"max_iter": 200}).fit(X, both)
    assert [c.tolist() for c in model.classes_] == [["a", "b", "c"], ["w", "x", "y", "z"]]
    first, second = model.predict_proba(X)
    np.testing.assert_allclose(first.sum(axis=1), 1)
    assert second.shape == (150, 4)
    predicted = model.predict(X)
    assert (predicted == both).mean(axis=0).min() > 0.9
    logs = model.predict_log_proba(X)
    np.testing.assert_allclose(np.exp(logs[1]), second)
    weight = (Y < 2).astype(float)
    ignoring = MLPClassifier(**SMALL | {"max_iter": 100}).fit(X, both, weight)
    assert (ignoring.predict(X)[Y == 2, 0] == "c").mean() < 0.5
    watched = MLPClassifier(**SMALL, early_stopping=True).fit(X, both)
    assert 0 < watched.best_validation_score_ <= 1
    with pytest.raises(ValueError, match="class_weight: expected 'balanced', None or a list"):
        MLPClassifier(class_weight={"a": 2.0}).fit(X, both)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize(
    "weights_of_classes", [None, "balanced", [{0: 2.0, 1: 1.0, 2: 0.5}, {0: 1.0, 1: 3.0}]]
)
def test_several_targets_minimise_the_sum_of_their_losses(solver, smoothing, weights_of_classes):
    """The loss and its slope at the fitted weights, by the formula."""
    both = np.column_stack([Y, (X[:, 1] > 0) + 0])
    model = MLPClassifier(
        (6,), solver=solver, alpha=0.0, max_iter=3, batch_size=150, random_state=1, learning_rate_init=1e-9,
        label_smoothing=smoothing, class_weight=weights_of_classes,
    ).fit(X, both)  # fmt: skip
    weight = weights_of_classes and compute_sample_weight(weights_of_classes, both)
    z = model.network_.forward(X)
    want = 0.0
    for part, labels in zip((z[:, :3], z[:, 3:]), both.T, strict=True):
        want += reference.softmax_cross_entropy(
            part, labels, sample_weight=weight, label_smoothing=smoothing
        )[0]
    assert model.loss_ == pytest.approx(want, rel=1e-5)


def test_threads():
    before = nb.num_threads()
    counts = []
    fitted(n_threads=1, callbacks=[lambda state: counts.append(nb.num_threads()) and None])
    assert set(counts) == {1}
    assert nb.num_threads() == before


def test_initialize_and_hidden_representations():
    model = MLPClassifier((5,), random_state=0).initialize(4, 3)
    assert [w.shape for w in model.coefs_] == [(4, 5), (5, 3)]
    assert model.predict_proba(X).shape == (150, 3)
    np.testing.assert_allclose(
        weights(model), weights(MLPClassifier((5,), random_state=0).initialize(4, 3))
    )
    regressor = MLPRegressor(hidden_layer_sizes=(5,), random_state=0).initialize(4, 2, "float32")
    assert regressor.predict(X.astype("f")).shape == (150, 2)


@pytest.mark.parametrize("kind", ["classes", "binary", "values"])
def test_input_gradients(kind):
    y = {"classes": Y, "binary": Y > 0, "values": np.column_stack([X[:, 0] * X[:, 1], X[:, 2]])}[
        kind
    ]
    cls = MLPRegressor if kind == "values" else MLPClassifier
    model = cls(
        hidden_layer_sizes=(6, 5), activation=["tanh", "gelu"], max_iter=20, random_state=0
    ).fit(X, y)
    outputs = lambda x: model._forward(x)  # noqa: E731
    gradients = model.input_gradients(X[:5])
    assert gradients.shape == (5, model.n_outputs_, 4)
    for j in range(4):
        step = np.zeros(4)
        step[j] = 1e-6
        differences = (outputs(X[:5] + step) - outputs(X[:5] - step)) / 2e-6
        np.testing.assert_allclose(gradients[:, :, j], differences, atol=1e-7)


@pytest.mark.parametrize(
    "option",
    [{"dropout": 0.1}, {"l1": 1.0}, {"clip_norm": 1.0}, {"callbacks": [print]}, {"progress": True}],
)
def test_lbfgs_says_what_it_cannot_do(option):
    with pytest.raises(ValueError, match=next(iter(option))):
        MLPClassifier(solver="lbfgs", **option).fit(X, Y)
    with pytest.raises(ValueError, match="X_val"):
        MLPClassifier(solver="lbfgs").fit(X, Y, X_val=X, y_val=Y)


@pytest.mark.parametrize(
    "rate", ["cosine", "one_cycle", nb.schedules.WarmUp(nb.schedules.Cosine(0.1), steps=3)]
)
def test_a_schedule_that_ends_as_planned_does_not_warn(rate):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fitted(learning_rate=rate).n_iter_ == SMALL["max_iter"]
        with pytest.raises(ConvergenceWarning):
            fitted(learning_rate="plateau")


def test_a_schedule_begins_anew_with_sparse_rows():
    rates = []
    schedule = nb.schedules.ReduceOnPlateau(0.1, patience=1, min_delta=10.0)
    watch = {"callbacks": [lambda state: rates.append(state.history.learning_rate[-1])]}
    model = MLPClassifier(**SMALL | {"max_iter": 4}, learning_rate=schedule, **watch)
    for _ in range(2):
        model.fit(sparse.csr_matrix(X), Y)
    assert rates[:4] == rates[4:]
    assert rates[3] < rates[0]
