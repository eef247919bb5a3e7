"""Conversions carry the optimizer's states, and refuse what scikit-learn does not have."""

import itertools
import pickle

import numpy as np
import pytest
from sklearn import linear_model, neural_network
from sklearn.datasets import load_iris
from sklearn.preprocessing import StandardScaler

from nablas import Huber
from nablas import sklearn as ours
from nablas.sklearn import LinearRegression, LogisticRegression, from_sklearn, to_sklearn

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)
X = StandardScaler().fit_transform(X)
SETTINGS = {
    "hidden_layer_sizes": (3, 4), "max_iter": 15, "batch_size": 40, "learning_rate_init": 0.02,
    "shuffle": False, "random_state": 0, "tol": 0.05, "n_iter_no_change": 2,
}  # fmt: skip
SGD = [
    {"solver": "sgd", "momentum": m, "nesterovs_momentum": nesterov, "learning_rate": rate}
    for m, nesterov, rate in itertools.product(
        (0, 0.9), (False, True), ("constant", "invscaling", "adaptive")
    )
]
SOLVERS = [{"solver": "adam"}, {"solver": "adam", "beta_1": 0.5, "epsilon": 0.1}, *SGD]
KINDS = ("MLPClassifier", "MLPRegressor")


def weights(model):
    return np.concatenate([w.ravel() for w in (*model.coefs_, *model.intercepts_)])


def both(kind):
    """Class and conversion of scikit-learn's estimators, then of ours."""
    yield getattr(neural_network, kind), from_sklearn
    yield getattr(ours, kind), to_sklearn


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("settings", SOLVERS, ids=lambda s: " ".join(map(str, s.values())))
def test_training_goes_on_after_a_conversion(settings, dtype):
    x, tolerance = X.astype(dtype), 5e-6 if dtype is np.float32 else 1e-12
    for kind in KINDS:
        for cls, converted in both(kind):
            model = cls(**SETTINGS | settings).fit(x, Y)
            twin = converted(pickle.loads(pickle.dumps(model)))
            before = weights(model).copy()
            for epochs in range(1, 4):
                model.partial_fit(x, Y)
                twin.partial_fit(x, Y)
                np.testing.assert_allclose(weights(twin), weights(model), rtol=0, atol=tolerance)
                assert twin.t_ == model.t_, epochs
            assert (weights(model) != before).any()


@pytest.mark.parametrize("kind", KINDS)
def test_both_ways_change_nothing(kind):
    for settings in SOLVERS:
        model = getattr(ours, kind)(**SETTINGS | settings).fit(X, Y)
        twin = from_sklearn(to_sklearn(model)).partial_fit(X, Y)
        np.testing.assert_allclose(weights(twin), weights(model.partial_fit(X, Y)), atol=1e-13)


@pytest.mark.parametrize("kind", KINDS)
def test_without_states_the_optimizer_begins_anew(kind):
    for cls, converted in both(kind):
        model = cls(**SETTINGS, solver="lbfgs").fit(X, Y)
        twin = converted(model)
        assert not hasattr(twin, "_optimizer") or twin._optimizer is None
        if converted is from_sklearn:
            twin.set_params(solver="adam").partial_fit(X, Y)
    model = getattr(ours, kind)(**SETTINGS).fit(X, Y).set_params(learning_rate_init=0.5)
    assert not hasattr(to_sklearn(model), "_optimizer")
    model = getattr(ours, kind)(**SETTINGS).initialize(4, 3)
    assert not hasattr(to_sklearn(model), "_optimizer")


# ---- options ------------------------------------------------------------------------------------


def function(outputs, targets):
    return 0.0, np.zeros_like(outputs)


OWN = {
    "dropout": (0.5, [0.0, 0.5]),
    "l1": (0.1,),
    "clip_norm": (1.0,),
    "callbacks": ([lambda state: None],),
}
OWN_OF_CLASSIFIERS = {
    "class_weight": ("balanced", {0: 2.0}),
    "label_smoothing": (0.1,),
    "loss": (function,),
}
THEIRS = {
    "solver": ("adamw", "nadam", "rmsprop", "adagrad"),
    "learning_rate": ("cosine", "one_cycle", "plateau"),
    "activation": ("gelu", ["tanh", "relu"]),
}
THEIRS_OF_REGRESSORS = {"loss": ("huber", "quantile", Huber(), function)}
OPTIONS = [
    *(("MLPClassifier", n, v) for n, vs in (OWN | OWN_OF_CLASSIFIERS | THEIRS).items() for v in vs),
    *(
        ("MLPRegressor", n, v)
        for n, vs in (OWN | THEIRS | THEIRS_OF_REGRESSORS).items()
        for v in vs
    ),
]


@pytest.mark.parametrize(("kind", "name", "value"), OPTIONS)
def test_options_that_scikit_learn_does_not_have(kind, name, value):
    model = getattr(ours, kind)(hidden_layer_sizes=(5, 4), max_iter=2)
    default = getattr(model, name)
    model.set_params(**{name: value}).fit(X, Y)
    with pytest.raises(ValueError, match=name):
        to_sklearn(model)
    model.set_params(**{name: default})
    if name == "activation":  # that of the network, which stays
        return
    twin = to_sklearn(model)
    np.testing.assert_allclose(twin.predict(X), model.predict(X))


@pytest.mark.parametrize("kind", KINDS)
def test_options_that_train_nothing(kind):
    unused = {"n_threads": 1, "progress": False, "weight_decay": 0.5, "scoring": "loss"}
    unused |= {"dropout": [0.0, 0.0], "callbacks": [], "l1": 0, "activation": ["tanh", "tanh"]}
    model = getattr(ours, kind)(hidden_layer_sizes=(5, 4), max_iter=2, **unused).fit(X, Y)
    assert to_sklearn(model).activation == "tanh"
    with pytest.raises(ValueError, match="scoring: expected None"):
        to_sklearn(model.set_params(early_stopping=True))


def test_every_parameter_of_ours_is_decided():
    """A new one must be refused, or be named as one that trains nothing."""
    for kind in KINDS:
        own = getattr(ours, kind)().get_params().keys()
        own -= getattr(neural_network, kind)().get_params().keys()
        refused = {name for k, name, _ in OPTIONS if k == kind}
        assert own - refused == {"progress", "n_threads", "weight_decay", "scoring"} | (
            {"quantile"} if kind == "MLPRegressor" else set()
        )


@pytest.mark.parametrize(
    "solver", sorted(ours.MLPClassifier._parameter_constraints["solver"][0].options)
)
@pytest.mark.parametrize("kind", [LinearRegression, LogisticRegression])
def test_a_linear_model_of_the_engine_is_refused(kind, solver):
    if solver == "lbfgs":
        assert type(to_sklearn(LogisticRegression().fit(X, Y))) is linear_model.LogisticRegression
        return
    model = kind(solver=solver, max_iter=2).fit(X, Y)
    with pytest.raises(ValueError, match="solver: expected one that scikit-learn has"):
        to_sklearn(model)
    theirs = kind().solver
    twin = to_sklearn(model.set_params(solver=theirs))
    assert type(twin) is getattr(linear_model, kind.__name__)
    assert twin.score(X, Y) == model.score(X, Y)
