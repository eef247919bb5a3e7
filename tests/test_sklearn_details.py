"""Edge cases of the estimators, against scikit-learn's where it has them."""

import pickle
import sys
import threading
import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn import neural_network
from sklearn.datasets import load_iris
from sklearn.preprocessing import StandardScaler

import nablas as nb
from nablas import _core
from nablas.sklearn import MLPClassifier, MLPRegressor, to_onnx, to_sklearn, to_torch

X, Y = load_iris(return_X_y=True)
X = StandardScaler().fit_transform(X)
BINARY = (Y > 0).astype(int)
SEVERAL = np.column_stack([Y, np.arange(150) % 3])  # targets of three classes each
SMALL = {"hidden_layer_sizes": (5,), "max_iter": 10, "random_state": 0}
PLAIN = {"solver": "sgd", "momentum": 0, "shuffle": False, "random_state": 0}
WEIGHT = np.random.default_rng(0).random(150) * 3
WEIGHT[:40] = 10

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def both(name, **settings):
    return getattr(nb.sklearn, name)(**settings), getattr(neural_network, name)(**settings)


# ---- losses as scikit-learn computes them ------------------------------------------------------


@pytest.mark.parametrize("weight", [None, WEIGHT, np.full(150, 100.0)])
@pytest.mark.parametrize("loss", ["log_loss", "squared_error", "poisson"])
def test_losses_of_batches_of_unlike_weight_and_size(loss, weight):
    # Small steps: scikit-learn adds each batch's penalty, nablas that of the epoch's last weights.
    settings = {"hidden_layer_sizes": (3,), "max_iter": 3, "learning_rate_init": 1e-6}
    settings |= {"alpha": 3.0, "batch_size": 40} | PLAIN
    y = Y if loss == "log_loss" else np.column_stack([Y, BINARY])
    name = "MLPClassifier" if loss == "log_loss" else "MLPRegressor"
    settings |= {} if loss == "log_loss" else {"loss": loss}
    mine, others = (model.fit(X, y, weight) for model in both(name, **settings))
    np.testing.assert_allclose(mine.loss_curve_, others.loss_curve_, rtol=3e-5)
    rows = sparse.csr_matrix(X)
    np.testing.assert_allclose(
        getattr(nb.sklearn, name)(**settings).fit(rows, y, weight).loss_curve_,
        mine.loss_curve_,
        rtol=1e-12,
    )


def test_loss_of_lbfgs_and_of_validation_data_is_averaged_over_targets():
    targets = X[:, :2]
    settings = SMALL | {"alpha": 0.0}
    model = MLPRegressor(**settings, solver="lbfgs").fit(X, targets)
    residual = model.predict(X) - targets
    assert model.loss_ == pytest.approx(0.5 * np.mean(residual**2), rel=1e-6)
    model = MLPRegressor(**settings).fit(X, targets, X_val=X, y_val=targets)
    residual = model.predict(X) - targets
    assert model.validation_loss_curve_[-1] == pytest.approx(0.5 * np.mean(residual**2), rel=1e-6)


@pytest.mark.parametrize("alpha", [1.0, 100.0])
def test_loss_with_limited_gradients_is_the_cores(alpha):
    settings = SMALL | {"alpha": alpha, "batch_size": 145, "max_iter": 3}
    core = MLPClassifier(**settings).fit(X, Y, WEIGHT)
    limited = MLPClassifier(**settings, clip_norm=1e9).fit(X, Y, WEIGHT)
    np.testing.assert_allclose(limited.loss_curve_, core.loss_curve_, rtol=1e-12)


def test_loss_has_the_l1_penalty():
    settings = SMALL | {"max_iter": 1, "alpha": 0.0, "learning_rate_init": 1e-9}
    without, penalised = MLPClassifier(**settings), MLPClassifier(**settings, l1=7.0)
    added = penalised.fit(X, Y).loss_ - without.fit(X, Y).loss_
    assert added == pytest.approx(7 / 150 * sum(np.abs(w).sum() for w in penalised.coefs_))


def test_penalty_is_over_the_weight_with_any_loss():
    def half_squares(outputs, targets, sample_weight):
        away, share = outputs - targets, (sample_weight / sample_weight.sum())[:, np.newaxis]
        return float(0.5 * (away**2 * share).sum()), away * share

    settings = {"hidden_layer_sizes": (3,), "max_iter": 60, "alpha": 30.0} | PLAIN
    named, own = (
        MLPRegressor(loss=loss, **settings).fit(X, X[:, 0], np.full(150, 100.0))
        for loss in ("squared_error", half_squares)
    )
    np.testing.assert_allclose(own.coefs_[0], named.coefs_[0], rtol=1e-9)
    np.testing.assert_allclose(own.loss_curve_, named.loss_curve_, rtol=1e-9)


def test_warm_starts_count_on():
    settings = {"hidden_layer_sizes": (8,), "warm_start": True, "tol": 1e-2, "shuffle": False}
    mine, others = both("MLPClassifier", **settings, n_iter_no_change=5, random_state=0)
    counts = [(mine.fit(X, Y).n_iter_, others.fit(X, Y).n_iter_) for _ in range(4)]
    assert [a for a, _ in counts] == [b for _, b in counts]
    assert counts[1][0] == 1


@pytest.mark.parametrize("rate", ["invscaling", "adaptive"])
def test_rates_of_warm_starts_and_partial_fits(rate):
    settings = {"hidden_layer_sizes": (5,), "learning_rate": rate, "learning_rate_init": 0.5}
    settings |= {"max_iter": 3, "tol": 10.0, "n_iter_no_change": 2} | PLAIN
    mine, others = both("MLPClassifier", **settings, warm_start=True)
    losses = [(mine.fit(X, Y).loss_, others.fit(X, Y).loss_) for _ in range(4)]
    mine, others = both("MLPClassifier", **settings)
    first = {"classes": [0, 1, 2]}
    losses += [
        (mine.partial_fit(X, Y, **first).loss_, others.partial_fit(X, Y, **first).loss_)
        for _ in range(8)
    ]
    np.testing.assert_allclose(*np.transpose(losses), rtol=1e-4)


def test_a_random_state_is_drawn_from_as_scikit_learn_draws():
    settings = {"hidden_layer_sizes": (4,), "max_iter": 1} | PLAIN
    states = [settings | {"random_state": np.random.RandomState(3)} for _ in range(2)]
    for _ in range(3):
        mine = MLPClassifier(**states[0]).fit(X, Y)
        others = neural_network.MLPClassifier(**states[1]).fit(X, Y)
        np.testing.assert_allclose(mine.coefs_[0], others.coefs_[0], rtol=1e-5, atol=1e-5)


def test_what_a_fit_cannot_go_on_from():
    warm = MLPClassifier(**SMALL, warm_start=True).fit(X, Y)
    with pytest.raises(ValueError, match=r"expected \(5,\) as in the fit before, got \(6,\)"):
        warm.set_params(hidden_layer_sizes=(6,)).fit(X, Y)
    with pytest.raises(ValueError, match="same classes"):
        warm.set_params(hidden_layer_sizes=(5,)).partial_fit(X[:100], Y[:100])
    with pytest.raises(ValueError, match="not fitted with multilabel"):
        MLPClassifier(**SMALL).fit(X, Y).partial_fit(X, np.ones((150, 3), int))
    with pytest.raises(ValueError, match="partial_fit, which does not see all"):
        MLPClassifier(**SMALL, class_weight="balanced").partial_fit(X, Y, classes=[0, 1, 2])


def test_validation_data_need_not_have_all_classes():
    model = MLPClassifier(**SMALL, warm_start=True).fit(X, Y, X_val=X[:60], y_val=Y[:60])
    model.fit(X, Y, X_val=X[:60], y_val=Y[:60])
    assert len(model.validation_loss_curve_) == 20


def test_a_warm_refit_keeps_the_best_weights():
    settings = SMALL | {"early_stopping": True, "warm_start": True, "max_iter": 40}
    model = MLPClassifier(**settings, learning_rate_init=0.05).fit(X, Y)
    best, weights = model.best_validation_score_, model.coefs_[0].copy()
    model.set_params(learning_rate_init=50.0, solver="sgd", max_iter=3).fit(X, Y)
    assert model.best_validation_score_ == best
    np.testing.assert_array_equal(model.coefs_[0], weights)


def test_other_rules_than_the_fit_before():
    model = MLPClassifier(**SMALL, solver="lbfgs").fit(X, Y)
    model.set_params(solver="adam", warm_start=True, early_stopping=True).fit(X, Y)
    assert len(model.validation_scores_) == model.n_iter_
    model.set_params(early_stopping=False).fit(X, Y)
    assert np.isfinite(model.best_loss_)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_validation_with_smoothed_labels(smoothing):
    scores = []
    watch = {"callbacks": [lambda state: scores.append(state.history.val_score[-1])]}
    for y in (Y, BINARY):
        model = MLPClassifier(**SMALL | {"max_iter": 40}, label_smoothing=smoothing, **watch)
        model.set_params(learning_rate_init=0.02).fit(X, y, X_val=X, y_val=y)
        assert scores[-1] == model.score(X, y) > 0.8
        assert MLPClassifier(**SMALL, label_smoothing=smoothing, early_stopping=True).fit(X, y)


def test_validation_data_of_every_kind_are_recorded():
    rows = sparse.csc_matrix(X)
    dense = MLPClassifier(**SMALL).fit(X, Y, X_val=X, y_val=Y).validation_loss_curve_
    held = MLPClassifier(**SMALL).fit(X, Y, X_val=rows, y_val=Y).validation_loss_curve_
    np.testing.assert_allclose(held, dense, rtol=1e-9)
    curves = [
        MLPClassifier(**SMALL).fit(rows, Y, X_val=X, y_val=Y),
        MLPClassifier(**SMALL).fit(X, SEVERAL, X_val=X[:9], y_val=SEVERAL[:9]),
        MLPRegressor(**SMALL, loss="quantile").fit(X, Y, WEIGHT, X_val=X, y_val=Y),
        MLPClassifier(**SMALL, early_stopping=True).fit(rows, Y),
    ]
    assert [len(model.validation_loss_curve_) for model in curves] == [10] * 4
    with pytest.raises(ValueError, match="X_val: expected an array"):
        MLPClassifier(**SMALL).fit(X, Y, y_val=Y)
    watching = [nb.callbacks.EarlyStopping(monitor="val_loss")]
    with pytest.raises(ValueError, match="monitor: expected validation_data"):
        MLPClassifier(**SMALL, callbacks=watching).fit(rows, Y)


def test_scorers_are_called_without_warnings_and_checked():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=list("abcd"))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        model = MLPClassifier(**SMALL, early_stopping=True, scoring="accuracy").fit(frame, Y)
    assert [w.category.__name__ for w in seen] == ["ConvergenceWarning"]
    assert seen[0].filename == __file__
    assert model.feature_names_in_.tolist() == list("abcd")
    with pytest.raises(ValueError, match="nonsense"):
        MLPClassifier(**SMALL, scoring="nonsense").fit(X, Y)


# ---- the estimator's network -------------------------------------------------------------------


def test_coefficients_exchanged_or_of_another_shape():
    model = MLPClassifier(**SMALL | {"hidden_layer_sizes": (4, 4)}).fit(X, Y)
    first, second = (w.copy() for w in model.coefs_[:2])
    model.coefs_[0], model.coefs_[1] = model.coefs_[1], model.coefs_[0]
    model.predict(X)
    np.testing.assert_array_equal(model.coefs_[1], first)
    np.testing.assert_array_equal(model.coefs_[0], second)
    model.coefs_[0] = np.ones((4, 1))
    with pytest.raises(ValueError, match="coefs_, intercepts_: expected arrays of shapes"):
        model.predict(X)


def test_parameters_set_after_a_fit_wait_for_the_next():
    model = MLPClassifier(**SMALL).fit(X, Y)
    before = model.predict_proba(X)
    model.set_params(activation="tanh")
    for one in (model, pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(one.predict_proba(X), before)


def test_an_unpickled_estimator_predicts_in_many_threads():
    state, failures = pickle.dumps(MLPClassifier(**SMALL).fit(X, Y)), []
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(100):
            model, gate = pickle.loads(state), threading.Barrier(4)

            def predict(model=model, gate=gate):
                gate.wait()
                try:
                    model.predict(X[:2])
                except Exception as error:
                    failures.append(error)

            crowd = [threading.Thread(target=predict) for _ in range(4)]
            for thread in crowd:
                thread.start()
            for thread in crowd:
                thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert failures == []


def test_n_threads_are_of_the_calling_thread_alone(threads):
    threads(2)
    seen = []

    def look(_state):
        seen.append(nb.num_threads())
        other = threading.Thread(target=lambda: seen.append(nb.num_threads()))
        other.start()
        other.join()

    MLPClassifier(**SMALL | {"max_iter": 1}, n_threads=1, callbacks=[look]).fit(X, Y)
    assert seen == [1, 2]
    assert nb.num_threads() == 2
    with pytest.raises(ValueError, match="n_threads"):
        MLPClassifier(**SMALL, n_threads=5000).fit(X, Y)
    with pytest.raises(ValueError, match="n_threads"):
        _core.set_own_threads(-1)


def test_a_network_before_any_data():
    named = MLPClassifier(**SMALL).initialize(4, classes=["x", "y", "z"])
    assert named.classes_.tolist() == ["x", "y", "z"]
    assert named.partial_fit(X, np.array(list("xyz"))[Y]).predict(X[:1])[0] in "xyz"
    warm = MLPClassifier(**SMALL, warm_start=True).fit(X, np.array(list("abc"))[Y])
    assert warm.initialize(4, 3).classes_.tolist() == [0, 1, 2]
    for wrong in ({"n_outputs": 0}, {"dtype": "int32"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            MLPRegressor().initialize(3, **wrong)
    with pytest.raises(ValueError, match="solver"):
        MLPRegressor(solver="foo").initialize(3)
    with pytest.raises(TypeError, match=r"hidden_layer_sizes: expected integers, got 5\.5"):
        MLPRegressor(hidden_layer_sizes=(5.5,)).initialize(3)


# ---- several targets ---------------------------------------------------------------------------


def test_several_targets_when_only_some_classes_are_seen():
    some = (SEVERAL < 2).all(axis=1)
    model = MLPClassifier(**SMALL).fit(X, SEVERAL, X_val=X[some], y_val=SEVERAL[some])
    model.partial_fit(X[some], SEVERAL[some])
    assert model.score(X, SEVERAL) == (model.predict(X) == SEVERAL).all(axis=1).mean()
    MLPClassifier(**SMALL, warm_start=True).fit(X, SEVERAL).fit(X[some], SEVERAL[some])
    first = MLPClassifier(**SMALL).partial_fit(X[some], SEVERAL[some], classes=[[0, 1, 2]] * 2)
    assert [len(p[0]) for p in first.predict_proba(X[:1])] == [3, 3]
    with pytest.raises(ValueError, match=r"y: expected shape \(n, 2\), got \(150,\)"):
        model.partial_fit(X, Y)
    for convert in (to_sklearn, to_torch, lambda m: to_onnx(m, "never")):
        with pytest.raises(ValueError, match="expected one target"):
            convert(model)


def test_input_gradients_of_several_targets():
    model, step = MLPClassifier(**SMALL).fit(X, SEVERAL), 1e-6
    gradients = model.input_gradients(X[:3])
    for j in range(4):
        moved = step * np.eye(4)[j]
        up, down = (np.hstack(model.predict_proba(X[:3] + s * moved)) for s in (1, -1))
        np.testing.assert_allclose(gradients[:, :, j], (up - down) / (2 * step), atol=1e-8)


def test_regressors_refuse_labels():
    with pytest.raises(ValueError, match="y: expected numbers"):
        MLPRegressor(**SMALL).fit(X, Y.astype(str))


def test_labels_that_came_sparse_leave_sparse():
    labels = sparse.csr_matrix(np.arange(450).reshape(150, 3) % 2)
    assert sparse.issparse(MLPClassifier(**SMALL).fit(X, labels).predict(X))
