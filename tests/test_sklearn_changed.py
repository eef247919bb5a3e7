"""Parameters changed between calls: each call trains, and leaves, the model that they describe."""

import itertools
import pickle

import numpy as np
import pytest
from sklearn import neural_network as theirs

import nablas as nb
from nablas.sklearn import LinearRegression, LogisticRegression, MLPClassifier, MLPRegressor
from nablas.sklearn import from_sklearn as ours_of

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
VALUES = X @ [1.0, 2.0, 3.0] + 5
LABELS = (VALUES > 3).astype(int)
NETS = [(MLPClassifier, theirs.MLPClassifier), (MLPRegressor, theirs.MLPRegressor)]
UNSHUFFLED = {"shuffle": False, "batch_size": 20, "alpha": 0.01, "random_state": 0, "max_iter": 5}
UNSHUFFLED |= {"hidden_layer_sizes": (4,), "learning_rate_init": 0.01}


def target(kind):
    return LABELS if kind in (MLPClassifier, LogisticRegression) else VALUES


def again(model, call, y):
    """One more call; of `partial_fit` as many as a fit has epochs."""
    for _ in range(5 if call == "partial_fit" else 1):
        getattr(model, call)(X, y)
    return model


# ---- the activation ----------------------------------------------------------------------------


@pytest.mark.parametrize("between", [lambda m: m, lambda m: pickle.loads(pickle.dumps(m))])
@pytest.mark.parametrize(
    ("solver", "call"),
    [*itertools.product(["sgd", "adam"], ["fit", "partial_fit"]), ("lbfgs", "fit")],
)
@pytest.mark.parametrize(
    ("first", "second"), list(itertools.permutations(["identity", "logistic", "tanh", "relu"], 2))
)
@pytest.mark.parametrize(("mine", "other"), NETS)
def test_a_changed_activation_trains_as_scikit_learns(mine, other, first, second, solver, call, between):  # fmt: skip
    """The weights and the optimizer's states stay, the next epoch has the new activation."""
    settings = UNSHUFFLED | {"solver": solver, "activation": first, "warm_start": True}
    if solver == "lbfgs":
        settings["max_iter"] = 2  # further on scikit-learn's bound of a row's loss counts
    got, want = (again(kind(**settings), "fit", target(mine)) for kind in (mine, other))
    got = between(got)
    for model in (got, want):
        again(model.set_params(activation=second), call, target(mine))
    core = {"logistic": "sigmoid"}.get(second, second)
    assert got.network_.activations[0] == core
    tolerance = {"sgd": 1e-9, "adam": 1e-9, "lbfgs": 1e-6}[solver]
    np.testing.assert_allclose(got.predict(X), want.predict(X), rtol=tolerance, atol=tolerance)
    for one, two in zip(got.coefs_, want.coefs_, strict=True):
        np.testing.assert_allclose(one, two, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("call", ["fit", "partial_fit"])
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_every_changed_activation_is_the_networks(kind, call):
    model = kind((3, 2), warm_start=True) if kind is MLPClassifier else None
    model = model or kind(hidden_layer_sizes=(3, 2), warm_start=True)
    model.set_params(max_iter=2, random_state=0).fit(X, target(kind))
    outputs = model.network_.output
    for names in [*nb.activations(), ["tanh", "gelu"], ["gelu", "logistic"]]:
        if "softmax" in names:
            continue  # of outputs alone
        again(model.set_params(activation=names), call, target(kind))
        wanted = [names, names] if isinstance(names, str) else names
        wanted = ["sigmoid" if name == "logistic" else name for name in wanted]
        assert model.network_.activations == (*wanted, outputs)
        for view, weights in zip(model.coefs_, model.network_.weights, strict=True):
            assert np.shares_memory(view, weights)


@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw", "rmsprop"])
def test_a_change_and_back_changes_nothing(solver):
    """A call that fails after the change, too."""

    def fail(state):
        raise RuntimeError("no")

    plain, there = (MLPClassifier(**UNSHUFFLED | {"solver": solver}) for _ in range(2))
    for model in (plain, there):
        model.partial_fit(X, LABELS, classes=[0, 1])
    there.set_params(activation="tanh", callbacks=[fail])
    with pytest.raises(RuntimeError, match="no"):
        there.partial_fit(X, LABELS)
    assert there.network_.activations[0] == "relu"
    there.set_params(activation="relu", callbacks=None)
    for model in (plain, there):
        model.partial_fit(X, LABELS)
    np.testing.assert_array_equal(there.network_.parameters, plain.network_.parameters)


def test_what_cannot_change_between_calls_is_refused():
    """The layers, and a loss that needs another output."""
    model = MLPRegressor(hidden_layer_sizes=(3,), warm_start=True, max_iter=2).fit(X, VALUES)
    before = pickle.dumps(model)
    for change, message in (
        ({"hidden_layer_sizes": (4,)}, r"hidden_layer_sizes: expected \(3,\)"),
        ({"hidden_layer_sizes": (3, 3)}, r"hidden_layer_sizes: expected \(3,\)"),
        ({"loss": "poisson"}, "loss: expected one that fits output 'identity', got 'poisson'"),
    ):
        for call in ("fit", "partial_fit"):
            model.set_params(**change)
            with pytest.raises(ValueError, match=message):
                getattr(model, call)(X, np.abs(VALUES))
            model.set_params(hidden_layer_sizes=(3,), loss="squared_error")
            assert pickle.dumps(model) == before


@pytest.mark.parametrize(("mine", "other"), NETS)
@pytest.mark.parametrize("solver", ["lbfgs", "sgd", "adam"])
def test_a_converted_model_has_the_activation_it_was_fitted_with(mine, other, solver):
    """Whether or not it predicts before the parameter is changed."""
    fitted = again(other(**UNSHUFFLED | {"solver": solver}), "fit", target(mine))
    early, late = ours_of(fitted), ours_of(fitted)
    early.predict(X)
    for model in (early, late):
        model.set_params(activation="tanh")
        np.testing.assert_allclose(model.predict(X), fitted.predict(X))
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), early.predict(X))  # fmt: skip


# ---- the intercept and other parameters of linear models ---------------------------------------


def data_loss(model, coef, intercept, y):
    """Half the mean of squares, or the mean cross-entropy of two classes, without a penalty."""
    z = X @ np.ravel(coef) + intercept
    if isinstance(model, LinearRegression):
        return 0.5 * np.mean((z - y) ** 2)
    return np.mean(np.logaddexp(0, z) - y * z)


def penalty(model, coef):
    if isinstance(model, LinearRegression):
        return 0.0
    ratio = model.l1_ratio
    size = (1 - ratio) / 2 * (coef**2).sum() + ratio * np.abs(coef).sum()
    return size / (model.C * len(X))


CHANGES = [
    {"fit_intercept": False},
    {"fit_intercept": True},
    {"solver": "adam"},
    {"solver": "sgd"},
    {"solver": "rmsprop"},
    {"solver": "of scikit-learn"},
    {"momentum": 0.5},
    {"learning_rate_init": 0.02},
    {"C": 0.1},
    {"l1_ratio": 1.0},
    {"warm_start": False},
    {"warm_start": True},
    {"max_iter": 3},
]


def changed(model, rng):
    """One or two parameters at another value; True where the engine trains."""
    for i in rng.choice(len(CHANGES), size=rng.integers(1, 3)):
        change = dict(CHANGES[i])
        if change.get("solver") == "of scikit-learn":
            change["solver"] = "lstsq" if isinstance(model, LinearRegression) else "lbfgs"
        if isinstance(model, LinearRegression) and change.keys() & {"C", "l1_ratio"}:
            continue
        model.set_params(**change)
    return model.solver in ("adam", "sgd", "rmsprop")


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("kind", [LinearRegression, LogisticRegression])
def test_the_recorded_loss_is_that_of_the_model(kind, seed):
    """Of each epoch of each call, in a random sequence of changes: the loss at the weights before
    it, and the penalty at those after it; all rows are one batch.
    """
    rng, y = np.random.default_rng(seed), target(kind)
    model = kind(solver="sgd", warm_start=True, random_state=0, max_iter=2)
    model.set_params(batch_size=len(X), learning_rate_init=0.05, tol=0).fit(X, y)
    for _ in range(12):
        if not changed(model, rng):
            model.set_params(callbacks=None)
            if kind is LogisticRegression:
                model.set_params(l1_ratio=0.0)  # of scikit-learn's lbfgs
            model.fit(X, y)
            continue
        seen = []
        look = lambda _, to=seen: to.append((model.coef_, model.intercept_))  # noqa: E731
        model.set_params(callbacks=[look])
        call = model.partial_fit if rng.random() < 0.5 else model.fit
        if call == model.partial_fit or model.warm_start:
            start = model.coef_, model.intercept_ if model.fit_intercept else 0.0
        else:
            start = np.zeros_like(model.coef_), 0.0
        call(X, y)
        assert model.fit_intercept or not np.any(model.intercept_)
        np.testing.assert_array_equal(seen[-1][0], model.coef_)
        np.testing.assert_array_equal(seen[-1][1], model.intercept_)
        for loss, (before, after) in zip(
            model.loss_curve_[-len(seen) :], itertools.pairwise([start, *seen]), strict=True
        ):
            expected = data_loss(model, *before, y) + penalty(model, after[0])
            assert loss == pytest.approx(expected, rel=1e-9)
    assert data_loss(model, model.coef_, model.intercept_, y) == pytest.approx(
        0.5 * np.mean((model.predict(X) - y) ** 2)
        if kind is LinearRegression
        else -np.mean(np.log(model.predict_proba(X)[np.arange(len(y)), y]))
    )


# ---- chunks ------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunks", [2, 3, 5])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
def test_chunks_have_the_objective_of_one_fit_by_a_larger_C(chunks, l1_ratio):
    """n counts the rows of a call: k equal chunks and C times k are the steps of one fit."""
    rows, settings = len(X) // chunks, {"solver": "sgd", "shuffle": False, "l1_ratio": l1_ratio}
    settings |= {"tol": 0, "learning_rate_init": 0.1}
    whole = LogisticRegression(C=0.1, batch_size=rows, max_iter=4, **settings).fit(X, LABELS)
    parts = LogisticRegression(C=0.1 * chunks, **settings)
    for _ in range(4):
        for i in range(chunks):
            part = slice(i * rows, (i + 1) * rows)
            parts.partial_fit(X[part], LABELS[part], classes=[0, 1])
    np.testing.assert_allclose(parts.coef_, whole.coef_, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(parts.intercept_, whole.intercept_, rtol=1e-9)
    documented = " ".join(LogisticRegression.partial_fit.__doc__.split())
    assert "k equal chunks need k times the `C`" in documented
