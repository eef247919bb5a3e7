"""The estimators against scikit-learn's: its estimator checks, its results, its behaviour."""

import itertools
import pickle
import warnings

import joblib
import numpy as np
import pytest
import sklearn
from scipy import sparse
from sklearn import neural_network as theirs
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_diabetes, load_digits, load_iris, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.inspection import DecisionBoundaryDisplay
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import nablas as nb
from nablas.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = load_iris(return_X_y=True)
X = StandardScaler().fit_transform(X)
TARGETS = {
    "binary": (Y > 0).astype(int),
    "multiclass": Y,
    "strings": np.array(["a", "b", "c"])[Y],
    "multilabel": np.eye(3, dtype=int)[Y],
}
PAIRS = [(MLPClassifier, theirs.MLPClassifier), (MLPRegressor, theirs.MLPRegressor)]


@pytest.mark.parametrize(("ours", "other"), PAIRS)
def test_parameters_and_defaults_are_a_superset(ours, other):
    mine, yours = ours().get_params(), other().get_params()
    assert {name: mine[name] for name in yours} == yours


@pytest.mark.parametrize("kind", [*TARGETS, "values", "two values"])
@pytest.mark.parametrize("hidden", [(), (5,), (5, 3)])
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_initial_weights_are_scikit_learns(kind, hidden, activation):
    """After a step of almost no length; without hidden layers the activation counts, too."""
    y = TARGETS.get(kind, X[:, 0] if kind == "values" else X[:, :2])
    settings = dict(hidden_layer_sizes=hidden, activation=activation, solver="sgd", learning_rate_init=1e-30, max_iter=1, random_state=3)  # fmt: skip
    ours, other = (cls(**settings).fit(X, y) for cls in PAIRS[kind not in TARGETS])
    for a, b in zip(ours.coefs_ + ours.intercepts_, other.coefs_ + other.intercepts_, strict=True):
        np.testing.assert_array_equal(a, b)


# ---- equal results: L-BFGS is deterministic, so both compute the same iterates -----------------


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_lbfgs_takes_scikit_learns_path(kind, activation, weighted):
    """Five iterations; later, a rounding error at a relu's kink may change the iterates."""
    y = TARGETS[kind]
    weight = np.random.default_rng(0).random(len(y)) + 0.1 if weighted else None
    settings = dict(hidden_layer_sizes=(5, 3), activation=activation, solver="lbfgs", alpha=0.5, max_iter=5, random_state=1)  # fmt: skip
    ours = MLPClassifier(**settings).fit(X, y, weight)
    other = theirs.MLPClassifier(**settings).fit(X, y, weight)
    assert ours.loss_ == pytest.approx(other.loss_, rel=1e-6)
    assert ours.n_iter_ == other.n_iter_
    assert ours.out_activation_ == other.out_activation_
    for a, b in zip(ours.coefs_ + ours.intercepts_, other.coefs_ + other.intercepts_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(ours.predict_proba(X), other.predict_proba(X), atol=1e-5)
    assert (ours.predict(X) == other.predict(X)).all()


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_lbfgs_of_regressors(loss, outputs):
    x, y = load_diabetes(return_X_y=True)
    y = np.column_stack([y, y[::-1]])[:, :outputs] / 100
    settings = dict(
        loss=loss, hidden_layer_sizes=(6,), solver="lbfgs", alpha=0.3, max_iter=6, random_state=0
    )
    ours = MLPRegressor(**settings).fit(x, y.squeeze())
    other = theirs.MLPRegressor(**settings).fit(x, y.squeeze())
    if outputs == 1:  # with more, scikit-learn's gradient is not that of its loss
        assert ours.loss_ == pytest.approx(other.loss_, rel=1e-6)
        np.testing.assert_allclose(ours.predict(x), other.predict(x), rtol=1e-3)
    assert ours.predict(x).shape == other.predict(x).shape


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("weighted", [False, True])
def test_descent_without_shuffling_takes_scikit_learns_path(solver, weighted):
    """The last batch is smaller: its penalty is divided by its own weight."""
    weight = np.random.default_rng(0).random(len(Y)) + 0.1 if weighted else None
    settings = dict(hidden_layer_sizes=(4,), solver=solver, alpha=2.0, max_iter=6, batch_size=40, shuffle=False, random_state=0, learning_rate_init=0.01, epsilon=1e-12)  # fmt: skip
    ours = MLPClassifier(**settings).fit(X, Y, weight)
    other = theirs.MLPClassifier(**settings).fit(X, Y, weight)
    for a, b in zip(ours.coefs_, other.coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    # scikit-learn's curve has each batch's penalty before its step, ours that of the epoch's end
    np.testing.assert_allclose(ours.loss_curve_, other.loss_curve_, rtol=0.03)
    assert (ours.n_iter_, ours.t_) == (other.n_iter_, other.t_)


RULES = [
    {"solver": "sgd", "momentum": 0.0},
    {"solver": "sgd", "momentum": 0.9},
    {"solver": "sgd", "momentum": 0.9, "nesterovs_momentum": False},
    {"solver": "adam"},
    {"solver": "adam", "epsilon": 0.1, "beta_1": 0.5, "beta_2": 0.99},
]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("kind", TARGETS)
def test_with_the_same_orders_of_rows_shuffled_descent_is_scikit_learns(kind, rule, monkeypatch):
    settings = dict(hidden_layer_sizes=(5,), alpha=0.0, batch_size=32, learning_rate_init=0.1, max_iter=8, random_state=0, **rule)  # fmt: skip
    ours = MLPClassifier(**settings).fit(X, TARGETS[kind])
    epochs = itertools.count()

    def shuffle(rows, random_state):
        return nb.kernels.permutation(len(rows), seed=ours._seed, epoch=next(epochs))

    monkeypatch.setattr("sklearn.neural_network._multilayer_perceptron.shuffle", shuffle)
    other = theirs.MLPClassifier(**settings).fit(X, TARGETS[kind])
    np.testing.assert_allclose(ours.loss_curve_, other.loss_curve_, rtol=1e-9)
    for a, b in zip(ours.coefs_ + ours.intercepts_, other.coefs_ + other.intercepts_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize(("momentum", "nesterov"), [(0, False), (0.9, False), (0.9, True)])
@pytest.mark.parametrize("learning_rate", ["constant", "invscaling", "adaptive"])
def test_learning_rates(learning_rate, momentum, nesterov):
    settings = dict(hidden_layer_sizes=(4,), solver="sgd", momentum=momentum, nesterovs_momentum=nesterov, learning_rate=learning_rate, max_iter=30, shuffle=False, random_state=0, learning_rate_init=0.3, batch_size=50, tol=0.02, n_iter_no_change=2)  # fmt: skip
    ours = MLPClassifier(**settings).fit(X, Y)
    other = theirs.MLPClassifier(**settings).fit(X, Y)
    assert ours.n_iter_ == other.n_iter_
    np.testing.assert_allclose(ours.coefs_[0], other.coefs_[0], rtol=1e-4)


# ---- behaviour ---------------------------------------------------------------------------------


def test_early_stopping_keeps_the_best_weights():
    settings = dict(
        hidden_layer_sizes=(10,),
        early_stopping=True,
        max_iter=60,
        random_state=0,
        learning_rate_init=0.02,
    )
    ours, other = MLPClassifier(**settings).fit(X, Y), theirs.MLPClassifier(**settings).fit(X, Y)
    assert len(ours.validation_scores_) == ours.n_iter_
    assert ours.best_validation_score_ == max(ours.validation_scores_)
    assert ours.best_loss_ is None
    assert other.best_loss_ is None
    for model in (MLPClassifier(), theirs.MLPClassifier()):
        assert model.set_params(max_iter=2, random_state=0).fit(X, Y).validation_scores_ is None


def test_of_equal_validation_scores_the_first_counts():
    settings = {"early_stopping": True, "max_iter": 9, "random_state": 0, "shuffle": False}
    settings |= {"learning_rate_init": 1e-6, "alpha": 0.0, "hidden_layer_sizes": (5,)}
    both = [cls(**settings).fit(X[:100], Y[:100]) for cls in (MLPClassifier, theirs.MLPClassifier)]
    assert len(set(both[0].validation_scores_)) == 1
    for one, other in zip(both[0].coefs_, both[1].coefs_, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-9)


def test_validation_shares_of_few_or_rare_classes():
    rare = np.r_[:100, 149]  # one row of class 2
    model = MLPClassifier((4,), early_stopping=True, max_iter=3, random_state=0).fit(
        X[rare], Y[rare]
    )
    assert len(model.validation_scores_) == model.n_iter_
    for settings in ({"validation_fraction": 0.001}, {}):
        with pytest.raises(ValueError, match="validation set is too small"):
            MLPClassifier(early_stopping=True, **settings).fit(X[:8], Y[:8])


def test_partial_fit_and_warm_start():
    steps = MLPClassifier((5,), solver="sgd", momentum=0, shuffle=False, random_state=0)
    for _ in range(5):
        steps.partial_fit(X, Y, classes=[0, 1, 2])
    whole = MLPClassifier(
        (5,), solver="sgd", momentum=0, shuffle=False, random_state=0, max_iter=5
    ).fit(X, Y)
    np.testing.assert_allclose(steps.coefs_[0], whole.coefs_[0], rtol=1e-12)
    assert steps.t_ == whole.t_ == 5 * len(Y)
    warm = MLPClassifier((5,), warm_start=True, max_iter=3, random_state=0).fit(X, Y)
    before = warm.loss_
    assert warm.fit(X, Y).loss_ < before
    assert len(warm.loss_curve_) == 6
    with pytest.raises(ValueError, match="warm_start can only be used"):
        warm.fit(X, Y + 1)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        MLPClassifier().partial_fit(X, Y)
    with pytest.raises(AttributeError, match="partial_fit"):
        MLPClassifier(solver="lbfgs").partial_fit(X, Y)
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping=True"):
        MLPClassifier(early_stopping=True).partial_fit(X, Y, classes=[0, 1, 2])


def test_warnings_and_errors():
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(2\) reached"):
        MLPClassifier(max_iter=2).fit(X, Y)
    with pytest.warns(UserWarning, match="going to be clipped"):
        MLPClassifier(max_iter=1, batch_size=1000).fit(X, Y)
    with pytest.raises(ValueError, match="non-finite parameter weights"):
        MLPRegressor(solver="sgd", learning_rate_init=1e6, momentum=0, activation="identity").fit(
            X * 1e30, X[:, 0]
        )
    with pytest.raises(ValueError, match="hidden_layer_sizes must be > 0"):
        MLPClassifier((3, 0)).fit(X, Y)
    for wrong in (
        {"alpha": -1},
        {"solver": "newton"},
        {"activation": "swish"},
        {"max_iter": 0},
        {"dropout": 1.5},
    ):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            MLPClassifier(**wrong).fit(X, Y)


def test_verbose_prints_the_same_lines(capsys):
    lines = []
    for cls in (MLPClassifier, theirs.MLPClassifier):
        cls((3,), max_iter=3, verbose=True, random_state=0).fit(X, Y)
        lines.append([line.split("=")[0] for line in capsys.readouterr().out.splitlines()])
    assert lines[0] == lines[1]


@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array])
def test_sparse_input(form, monkeypatch):
    whole = []
    for method in ("todense", "toarray"):  # never made dense
        monkeypatch.setattr(form, method, lambda self: whole.append(1))
    x = np.where(np.abs(X) > 0.5, X, 0)
    for settings in ({"shuffle": False, "batch_size": 30}, {"solver": "lbfgs", "max_iter": 10}):
        settings = {"hidden_layer_sizes": (5,), "max_iter": 4, "random_state": 0} | settings
        dense, thin = MLPClassifier(**settings).fit(x, Y), MLPClassifier(**settings).fit(form(x), Y)
        np.testing.assert_allclose(thin.coefs_[0], dense.coefs_[0], rtol=1e-6)
        np.testing.assert_allclose(thin.predict_proba(form(x)), dense.predict_proba(x), rtol=1e-6)
        assert thin.loss_ == pytest.approx(dense.loss_, rel=1e-4)
    weight = np.random.default_rng(0).random(len(Y))
    shuffled = MLPClassifier(
        (5,), max_iter=30, random_state=0, early_stopping=True, learning_rate_init=0.05
    ).fit(form(x), Y, weight)
    assert shuffled.score(form(x), Y) > 0.6
    assert not whole


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtypes_are_kept(dtype):
    model = MLPClassifier((4,), max_iter=3).fit(X.astype(dtype), Y)
    assert {a.dtype for a in model.coefs_ + model.intercepts_} == {np.dtype(dtype)}
    assert model.predict_proba(X.astype(dtype)).dtype == dtype
    regressor = MLPRegressor(hidden_layer_sizes=(4,), max_iter=3).fit(X.astype(dtype), Y)
    assert regressor.predict(X.astype(dtype)).dtype == dtype


def test_coefficients_are_the_network():
    model = MLPClassifier((4,), max_iter=3, random_state=0).fit(X, Y)
    model.coefs_[0][:] = 0  # in place
    model.intercepts_[0][:] = 0
    assert len(np.unique(model.predict_proba(X).round(12), axis=0)) == 1
    model.coefs_[0] = np.ones((4, 4))  # replaced
    assert len(np.unique(model.predict_proba(X).round(12), axis=0)) > 10


def test_pickling_cloning_and_joblib(tmp_path):
    model = MLPClassifier((4,), max_iter=5, random_state=0).fit(X, Y)
    joblib.dump(model, tmp_path / "model")
    for twin in (pickle.loads(pickle.dumps(model)), joblib.load(tmp_path / "model")):
        assert (twin.predict_proba(X) == model.predict_proba(X)).all()
        twin.partial_fit(X, Y)
        assert twin.t_ == model.t_ + len(Y)
    assert clone(model).get_params() == model.get_params()


def test_in_the_company_of_scikit_learn():
    pipeline = make_pipeline(
        StandardScaler(), MLPClassifier((8,), max_iter=100, random_state=0, learning_rate_init=0.01)
    )
    assert cross_val_score(pipeline, X, Y, cv=3).mean() > 0.9
    search = GridSearchCV(
        MLPClassifier(max_iter=30, random_state=0),
        {"hidden_layer_sizes": [(2,), (16,)]},
        cv=2,
        n_jobs=2,
    )
    assert search.fit(X, Y).best_params_ == {"hidden_layer_sizes": (16,)}
    calibrated = CalibratedClassifierCV(MLPClassifier((8,), max_iter=50, random_state=0), cv=2).fit(
        X, Y
    )
    assert calibrated.predict_proba(X).shape == (150, 3)
    two = MLPClassifier((8,), max_iter=50, random_state=0).fit(X[:, :2], Y)
    assert (
        DecisionBoundaryDisplay.from_estimator(two, X[:, :2], response_method="predict").surface_
        is not None
    )
    assert "MLPClassifier" in two._repr_html_()


def test_metadata_routing():
    weight = np.where(Y < 2, 1.0, 0.0)
    settings = dict(hidden_layer_sizes=(8,), max_iter=60, random_state=0, learning_rate_init=0.02)
    with sklearn.config_context(enable_metadata_routing=True):
        routed = make_pipeline(
            StandardScaler().set_fit_request(sample_weight=False),
            MLPClassifier(**settings).set_fit_request(sample_weight=True),
        )
        routed.fit(X, Y, sample_weight=weight)
    assert not (routed.predict(X) == 2).any()


def test_pandas():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    model = MLPClassifier((4,), max_iter=3).fit(frame, pandas.Series(TARGETS["strings"]))
    assert model.feature_names_in_.tolist() == list("abcd")
    assert set(model.predict(frame)) <= {"a", "b", "c"}


def test_data_frames():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(X, schema=["a", "b", "c", "d"])
    model = MLPClassifier((4,), max_iter=3).fit(frame, Y)
    assert model.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame.rename({"a": "z"}))


@pytest.mark.parametrize("seed", range(3))
def test_as_good_as_scikit_learn_on_digits(seed):
    x, y = load_digits(return_X_y=True)
    x = x / 16
    scores = []
    for cls in (MLPClassifier, theirs.MLPClassifier):
        model = cls((32,), max_iter=30, random_state=seed, learning_rate_init=0.005).fit(
            x[:1200], y[:1200]
        )
        scores.append(model.score(x[1200:], y[1200:]))
    assert scores[0] > scores[1] - 0.02


def test_multilabel_scores_and_shapes():
    x, y = make_multilabel_classification(200, n_classes=4, random_state=0)
    model = MLPClassifier((16,), max_iter=200, random_state=0, learning_rate_init=0.01).fit(x, y)
    assert model.predict(x).shape == model.predict_proba(x).shape == (200, 4)
    assert model.score(x, y) > 0.7
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(model.predict_log_proba(x)).any()
