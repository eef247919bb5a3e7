"""Linear models: scikit-learn's answer with its solvers, its objective's minimum with the engine's."""

import importlib.util
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import logsumexp
from sklearn import linear_model as theirs
from sklearn.base import clone
from sklearn.datasets import load_iris, load_wine
from sklearn.ensemble import AdaBoostClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

import nablas as nb
from nablas.sklearn import LinearRegression, LogisticRegression, to_sklearn

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
ENGINE = ["sgd", "adam", "adamw", "nadam", "rmsprop", "adagrad"]
PAIRS = [
    (LinearRegression, theirs.LinearRegression),
    (LogisticRegression, theirs.LogisticRegression),
]


# ---- scikit-learn's solvers: the same numbers to the last bit ----------------------------------


def tables():
    """X and a continuous target: raw, unscaled, correlated, rank-deficient, p > n, sparse."""
    rng = np.random.default_rng(0)
    X, y = load_wine(return_X_y=True)
    one_hot = np.eye(4)[rng.integers(4, size=60)]
    near = rng.normal(size=(60, 1)) + 1e-7 * rng.normal(size=(60, 5))
    wide = rng.normal(size=(20, 50))
    time = np.column_stack([1.7e9 + 1e3 * rng.random(60), rng.random(60)])
    thin = sparse.random(80, 30, 0.1, "csr", random_state=0)
    for name, x in {
        "raw": X, "one-hot": one_hot, "correlated": near, "wide": wide, "timestamps": time, "sparse": thin,
    }.items():  # fmt: skip
        yield name, x, (y if name == "raw" else x @ rng.normal(size=x.shape[1]) + 7)


TABLES = list(tables())


@pytest.mark.parametrize(("name", "x", "y"), TABLES, ids=[t[0] for t in TABLES])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(("mine", "other"), PAIRS)
def test_scikit_learns_solvers_give_scikit_learns_answer(
    mine, other, fit_intercept, weighted, name, x, y
):
    weight = np.random.default_rng(1).random(len(y)) + 0.1 if weighted else None
    if mine is LogisticRegression:
        y = np.digitize(y, np.quantile(y, [0.3, 0.7]))
    settings = {"fit_intercept": fit_intercept}
    got, want = mine(**settings).fit(x, y, weight), other(**settings).fit(x, y, weight)
    for attribute in [n for n in vars(want) if n.endswith("_")]:
        np.testing.assert_array_equal(getattr(got, attribute), getattr(want, attribute))
    np.testing.assert_array_equal(got.predict(x), want.predict(x))
    assert got.score(x, y) == want.score(x, y)


def test_what_was_wrong_on_raw_columns():
    """Least squares of minimum norm, whatever the columns' scale, and no random start."""
    rng = np.random.default_rng(0)
    x = 1e4 + 100 * rng.random((50, 1))
    line = LinearRegression().fit(x, 3 * x[:, 0] + 7)
    assert line.intercept_ == pytest.approx(7, abs=1e-6)
    wide = rng.normal(size=(20, 50))
    y = rng.normal(size=20)
    norm = np.linalg.norm(np.linalg.pinv(wide - wide.mean(axis=0)) @ (y - y.mean()))
    assert np.linalg.norm(LinearRegression().fit(wide, y).coef_) == pytest.approx(norm)
    x, y = load_iris(return_X_y=True)
    state = np.random.get_state()[1].copy()
    one, two = LogisticRegression().fit(x, y), LogisticRegression().fit(x, y)
    np.testing.assert_array_equal(one.coef_, two.coef_)
    np.testing.assert_array_equal(np.random.get_state()[1], state)


@pytest.mark.parametrize(("mine", "other"), PAIRS)
def test_parameters_are_a_superset_and_can_be_set(mine, other):
    ours, known = mine().get_params(), other().get_params()
    assert {name: ours[name] for name in known} == known
    assert isinstance(mine(), other)
    changed = {"solver": "adam", "batch_size": 7, "fit_intercept": False, "tol": 0.5}
    model = mine().set_params(**changed)
    assert clone(model).get_params() == model.get_params() == ours | changed
    for wrong, given, named in (
        ("an unexpected keyword argument 'batchsize'", (), {"batchsize": 3}),
        ("takes .*positional argument", range(99), {}),
    ):
        with pytest.raises(TypeError, match=rf"{mine.__name__}\.__init__\(\) .*{wrong}"):
            mine(*given, **named)


# ---- the engine's solvers: the same objective --------------------------------------------------


def objective(model, x, y, C, l1_ratio, weight, class_weight=None):
    """scikit-learn's objective of logistic regression, over C times the sum of the weights."""
    z = x @ model.coef_.T + model.intercept_
    z = np.column_stack([np.zeros(len(z)), z]) if z.shape[1] == 1 else z
    weight = np.ones(len(y)) if weight is None else weight
    if class_weight is not None:
        weight = weight * np.array([class_weight[c] for c in y])
    losses = logsumexp(z, axis=1) - z[np.arange(len(y)), y]
    w = model.coef_
    penalty = (1 - l1_ratio) / 2 * (w**2).sum() + l1_ratio * np.abs(w).sum()
    return (weight @ losses + (0 if np.isinf(C) else penalty / C)) / weight.sum()


def minimum(y, C, l1_ratio, weight, fit_intercept):
    """Coefficients and value at the objective's minimum, by L-BFGS-B of w = positive - negative.

    (saga, which has the penalty too, does not reach it for three classes of uneven weights.)
    """
    outputs, p = len(np.unique(y)), DATA.shape[1]
    units = 1 if outputs == 2 else outputs
    one_hot = np.eye(outputs)[y][:, 1:] if units == 1 else np.eye(outputs)[y]

    def value(flat):
        positive, negative, b = flat[: units * p], flat[units * p : -units], flat[-units:]
        w = (positive - negative).reshape(units, p)
        z = DATA @ w.T + b
        full = np.column_stack([np.zeros(len(z)), z]) if units == 1 else z
        probability = np.exp(full - logsumexp(full, axis=1, keepdims=True))[:, -units:]
        losses = logsumexp(full, axis=1) - full[np.arange(len(y)), y]
        delta = (probability - one_hot) * weight[:, np.newaxis]
        slope = (delta.T @ DATA + (1 - l1_ratio) / C * w).ravel()
        size = l1_ratio / C * (positive + negative).sum() + (1 - l1_ratio) / 2 / C * (w**2).sum()
        by_b = delta.sum(axis=0) * fit_intercept
        parts = [slope + l1_ratio / C, l1_ratio / C - slope, by_b]
        return (weight @ losses + size) / weight.sum(), np.concatenate(parts) / weight.sum()

    start = np.zeros(2 * units * p + units)
    bounds = [(0, None)] * (2 * units * p) + [(None, None)] * units
    found = minimize(value, start, jac=True, bounds=bounds, tol=1e-14, options={"maxiter": 9999})
    coef = (found.x[: units * p] - found.x[units * p : -units]).reshape(units, p)
    return coef, found.fun


DATA = np.random.default_rng(3).normal(size=(600, 4))
Z = DATA @ [1.0, -2.0, 0.1, 0.0] + 0.3
NOISE = np.random.default_rng(4)
BINARY = (NOISE.random(600) < 1 / (1 + np.exp(-Z))).astype(int)
THREE = (DATA @ NOISE.normal(size=(4, 3)) + NOISE.gumbel(size=(600, 3))).argmax(axis=1)
WEIGHT = NOISE.exponential(size=600) * (1 + 6 * BINARY)
SLOWLY = {
    "learning_rate": "cosine", "max_iter": 150, "tol": 0, "n_iter_no_change": 1000, "random_state": 0
}  # fmt: skip
RATES = {"sgd": 0.05, "adagrad": 0.3}


@pytest.mark.parametrize("batch_size", [20, 600])
@pytest.mark.parametrize("solver", ENGINE)
@pytest.mark.parametrize("C", [0.01, np.inf])
def test_every_solver_and_batch_size_minimises_the_documented_objective(C, solver, batch_size):
    rate = RATES.get(solver, 0.05) * (1 if batch_size == 20 else 4)
    settings = SLOWLY | {"learning_rate_init": rate, "max_iter": 150 if batch_size == 20 else 1500}
    got = LogisticRegression(C=C, solver=solver, batch_size=batch_size, **settings)
    got.fit(DATA, BINARY)
    want = theirs.LogisticRegression(C=C, tol=1e-10).fit(DATA, BINARY)
    # n/200 times the penalty, as by batches, would be off by 0.05 and more at C = 0.01
    np.testing.assert_allclose(got.coef_, want.coef_, atol=0.01)
    least = objective(want, DATA, BINARY, C, 0.0, None)
    assert objective(got, DATA, BINARY, C, 0.0, None) - least < 1e-4
    assert got.loss_ == pytest.approx(objective(got, DATA, BINARY, C, 0.0, None), abs=1e-3)


@pytest.mark.parametrize("batch_size", [20, 600])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("y", [BINARY, THREE], ids=["binary", "three"])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_weights_penalties_and_intercepts_are_honoured(
    form, y, fit_intercept, l1_ratio, batch_size
):
    weights = {0: 1.0, 1: 0.5, 2: 3.0}
    weights = {c: weights[c] for c in np.unique(y)}
    kind = {
        "C": 0.005,
        "l1_ratio": l1_ratio,
        "fit_intercept": fit_intercept,
        "class_weight": weights,
    }
    epochs = {"max_iter": 60, "learning_rate_init": 0.03}
    if batch_size == 600:
        epochs = {"max_iter": 700, "learning_rate_init": 0.1}
    got = LogisticRegression(solver="sgd", batch_size=batch_size, **SLOWLY | kind | epochs)
    got.fit(form(DATA), y, WEIGHT)
    coef, least = minimum(
        y, 0.005, l1_ratio, WEIGHT * np.array(list(weights.values()))[y], fit_intercept
    )
    assert objective(got, DATA, y, 0.005, l1_ratio, WEIGHT, weights) - least < 2e-4
    np.testing.assert_allclose(got.coef_, coef, atol=0.02)
    assert fit_intercept or not got.intercept_.any()
    if l1_ratio and batch_size == 600:  # of all rows at once the zeros are exact
        assert ((got.coef_ == 0) == (np.abs(coef) < 1e-6)).all()


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("solver", ENGINE)
@pytest.mark.parametrize("targets", [1, 2])
def test_least_squares_by_descent(targets, solver, fit_intercept):
    y = np.column_stack([Z, DATA[:, 0] * 3 - 1])[:, :targets] + NOISE.normal(size=(600, 1))
    y = y[:, 0] if targets == 1 else y
    settings = SLOWLY | {"learning_rate_init": 0.5 if solver == "adagrad" else 0.02}
    got = LinearRegression(solver=solver, fit_intercept=fit_intercept, batch_size=50, **settings)
    got.fit(DATA, y, WEIGHT)
    want = theirs.LinearRegression(fit_intercept=fit_intercept).fit(DATA, y, WEIGHT)
    assert got.coef_.shape == want.coef_.shape
    assert np.shape(got.intercept_) == np.shape(want.intercept_)
    np.testing.assert_allclose(got.coef_, want.coef_, atol=0.03)
    np.testing.assert_allclose(got.intercept_, want.intercept_, atol=0.03)
    assert got.predict(DATA).shape == want.predict(DATA).shape


@pytest.mark.parametrize("kind", [LogisticRegression, LinearRegression])
def test_the_nets_options(kind, tmp_path):
    """Schedules, callbacks, validation data, early stopping and memory maps."""
    np.save(tmp_path / "x.npy", DATA)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    seen = []
    options = {"learning_rate": nb.schedules.StepDecay(0.1, every=2), "max_iter": 6, "tol": 0.0}
    options |= {"callbacks": [lambda state: seen.append(state.history.learning_rate[-1])]}
    model = kind(solver="sgd", random_state=0, **options)
    model.fit(mapped, BINARY, X_val=DATA[:50], y_val=BINARY[:50])
    np.testing.assert_allclose(seen, [0.1, 0.1, 0.01, 0.01, 0.001, 0.001])
    assert len(model.validation_loss_curve_) == len(model.loss_curve_) == 6
    early = kind(solver="adam", early_stopping=True, max_iter=8, random_state=0, scoring="loss")
    assert max(early.fit(DATA, BINARY).validation_scores_) == early.best_validation_score_
    assert np.isfinite(kind(solver="adam", clip_norm=0.1).fit(DATA, BINARY).loss_)


def message_of(error, call):
    with pytest.raises(error) as raised:
        call()
    return str(raised.value), str(raised.value.__cause__)


@pytest.mark.parametrize(("mine", "other"), PAIRS)
def test_without_the_engine_partial_fit_is_as_absent_as_in_scikit_learn(mine, other):
    """`SelectFromModel` and others show the message of the attribute."""
    text, _ = message_of(AttributeError, lambda: getattr(other(), "partial_fit"))  # noqa: B009
    for call in (
        lambda: getattr(mine(), "partial_fit"),  # noqa: B009
        lambda: mine.partial_fit(mine(), DATA, BINARY),
    ):
        ours, cause = message_of(AttributeError, call)
        assert ours == text
        assert cause.startswith("partial_fit: expected a solver of adagrad, ")


def test_what_cannot_be_had_is_refused():
    wrong = {"callbacks": [print], "progress": True, "clip_norm": 1.0, "early_stopping": True}
    for kind in (LogisticRegression, LinearRegression):
        for name, value in wrong.items():
            with pytest.raises(ValueError, match=f"{name}: expected none with solver"):
                kind(**{name: value}).fit(DATA, BINARY)
        with pytest.raises(ValueError, match="X_val: expected none"):
            kind().fit(DATA, BINARY, X_val=DATA, y_val=BINARY)
        with pytest.raises(ValueError, match="y_val: expected an array beside the other"):
            kind(solver="sgd").fit(DATA, BINARY, X_val=DATA)
        assert not hasattr(kind(), "partial_fit")
    with pytest.raises(ValueError, match="dual: expected False with solver='adam'"):
        LogisticRegression(solver="adam", dual=True).fit(DATA, BINARY)
    with pytest.raises(ValueError, match="positive: expected False with solver='sgd'"):
        LinearRegression(solver="sgd", positive=True).fit(DATA, BINARY)
    with pytest.raises(ValueError, match="only one class"):
        LogisticRegression(solver="sgd").fit(DATA, np.zeros(600))
    with pytest.raises(ValueError, match="class_weight: expected a dict or None with partial_fit"):
        LogisticRegression(solver="sgd", class_weight="balanced").partial_fit(
            DATA, BINARY, None, [0, 1]
        )


@pytest.mark.parametrize("kind", [LogisticRegression, LinearRegression])
@pytest.mark.parametrize("shape", ["binary", "three"])
def test_one_solver_goes_on_from_another(kind, shape):
    y = BINARY if shape == "binary" else THREE
    if kind is LinearRegression and shape == "three":
        y = np.eye(3)[THREE]
    best = kind().fit(DATA, y)
    went_on = clone(best).set_params(solver="sgd", warm_start=True, learning_rate_init=1e-9)
    vars(went_on).update({k: v for k, v in vars(best).items() if k.endswith("_")})
    went_on.set_params(max_iter=1).fit(DATA, y)
    np.testing.assert_allclose(went_on.coef_, best.coef_, atol=1e-6)
    assert len(went_on.loss_curve_) == 1
    went_on.coef_ = went_on.coef_ + 1  # edited by hand: training goes on from there
    coef = went_on.coef_.copy()
    went_on.partial_fit(DATA, y)
    np.testing.assert_allclose(went_on.coef_, coef, atol=1e-6)
    name = "lbfgs" if kind is LogisticRegression else "lstsq"
    went_on.set_params(max_iter=best.max_iter)
    went_on.set_params(solver=name, warm_start=False).fit(DATA, y)
    np.testing.assert_array_equal(went_on.coef_, best.coef_)
    assert not hasattr(went_on, "loss_curve_")


@pytest.mark.parametrize("kind", [LogisticRegression, LinearRegression])
def test_partial_fits_are_one_fit(kind):
    settings = {"solver": "adam", "random_state": 0, "batch_size": 100, "tol": 0}
    whole = kind(max_iter=5, **settings).fit(DATA, BINARY)
    steps, more = kind(**settings), {"classes": [0, 1]} if kind is LogisticRegression else {}
    for i in range(5):
        steps.partial_fit(DATA, BINARY, **more)
        if i == 2:
            steps = pickle.loads(pickle.dumps(steps))
    np.testing.assert_array_equal(steps.coef_, whole.coef_)
    np.testing.assert_array_equal(steps.intercept_, whole.intercept_)
    assert steps.loss_curve_ == whole.loss_curve_


def test_sparsified_coefficients_go_on():
    model = LogisticRegression(C=0.01, l1_ratio=1.0, solver="sgd", warm_start=True, max_iter=3)
    model.fit(DATA, BINARY).sparsify()
    model.fit(DATA, BINARY)
    assert isinstance(model.coef_, np.ndarray)


def test_in_the_company_of_scikit_learn():
    search = GridSearchCV(
        LogisticRegression(max_iter=20, random_state=0),
        {"solver": ["lbfgs", "sgd"], "C": [0.1, 1.0]},
        cv=2,
    )
    assert search.fit(DATA, BINARY).best_score_ > 0.75
    boosted = AdaBoostClassifier(LogisticRegression(solver="sgd", max_iter=5), n_estimators=3)
    assert boosted.fit(DATA, BINARY).score(DATA, BINARY) > 0.75
    twin = to_sklearn(LogisticRegression().fit(DATA, BINARY))
    assert type(twin) is theirs.LogisticRegression


def test_scikit_learns_callbacks_see_the_model():
    callback = pytest.importorskip("sklearn.callback")
    seen = []

    class Recorder:
        def setup(self, estimator, context):
            seen.append(type(estimator))

        def teardown(self, estimator, context):
            seen.append(type(estimator))

        def on_fit_task_begin(self, estimator, context):
            seen.append(context.task_name)

        def on_fit_task_end(self, estimator, context):
            pass

    assert isinstance(Recorder(), callback.FitCallback)
    model = LogisticRegression(solver="sgd", max_iter=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.set_callbacks(Recorder()).fit(DATA, BINARY)
    kind = LogisticRegression
    assert seen == [kind, "fit", "epoch 1", "epoch 2", kind]


# ---- scikit-learn's own tests with our classes -------------------------------------------------


SLOW = ["cv", "CV", "solvers", "inputs", "iris", "scoring", "l1_ratio", "array_api", "callback"]


@pytest.mark.parametrize(
    ("module", "chosen"),
    [
        ("test_base", "not sparse_equal_dense"),
        ("test_logistic", " and ".join(f"not {slow}" for slow in SLOW)),
    ],
)
def test_scikit_learns_own_tests(module, chosen):
    """Those that are quick; `tests/swapped.py` says how to run all."""
    if importlib.util.find_spec(f"sklearn.linear_model.tests.{module}") is None:
        pytest.skip("this scikit-learn comes without its tests")
    run = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-q", "-p", "swapped", "-p", "no:cacheprovider",
            "-c", str(Path(__file__).with_name("swapped.ini")), "-k", chosen,
            "--pyargs", f"sklearn.linear_model.tests.{module}",
        ],
        cwd=Path(__file__).parent, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-3000:]
    assert "passed" in run.stdout.splitlines()[-1]
