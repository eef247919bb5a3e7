"""Subclasses of the estimators with parameters of their own, as scikit-learn allows them."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV

from nablas import sklearn as ours

X, Y = load_iris(return_X_y=True)
NETWORKS = ("MLPClassifier", "MLPRegressor")
NAMES = [*NETWORKS, "LogisticRegression", "LinearRegression"]
SOLVERS = {
    **dict.fromkeys(NETWORKS, ("adam", "lbfgs")),
    "LogisticRegression": ("lbfgs", "adam"),
    "LinearRegression": ("lstsq", "adam"),
}

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def subclass(name, solver):
    """A subclass with three of the parameters: one renamed, one its own, one required."""
    base = getattr(ours, name)

    class Mine(base):
        def __init__(self, needed, size=7, max_iter=5):
            layers = {"hidden_layer_sizes": (size,)} if name in NETWORKS else {}
            super().__init__(max_iter=max_iter, solver=solver, random_state=0, **layers)
            self.needed, self.size = needed, size

    return Mine


def outputs(model):
    return model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)


@pytest.mark.parametrize(("name", "solver"), [(n, s) for n in NAMES for s in SOLVERS[n]])
def test_a_subclass_computes_what_its_base_does(name, solver):
    model = subclass(name, solver)(1, size=4).fit(X, Y)
    layers = {"hidden_layer_sizes": (4,)} if name in NETWORKS else {}
    settings = {"max_iter": 5, "solver": solver, "random_state": 0} | layers
    base = getattr(ours, name)(**settings).fit(X, Y)
    np.testing.assert_array_equal(outputs(model), outputs(base))
    assert model.get_params() == {"needed": 1, "size": 4, "max_iter": 5}
    twin = clone(model.set_params(size=3))
    assert twin.size == 3
    assert twin.fit(X, Y).needed == 1
    if solver == "adam":
        model.partial_fit(X, Y)


@pytest.mark.parametrize("name", NAMES)
def test_a_search_over_parameters_of_a_subclass(name):
    search = GridSearchCV(subclass(name, "adam")(0), {"size": [3, 5], "needed": [0, 1]}, cv=2)
    assert search.fit(X, Y).best_params_.keys() == {"size", "needed"}


@pytest.mark.parametrize("name", NAMES)
def test_values_of_known_parameters_are_still_checked(name):
    """Also a default of the subclass, which is not the base's."""
    base = getattr(ours, name)

    class Wrong(base):
        def __init__(self, own=None, max_iter=-3):
            super().__init__(max_iter=max_iter, solver="adam")
            self.own = own

    for model in (Wrong(), Wrong(max_iter=-1)):
        with pytest.raises(ValueError, match="'max_iter' parameter of Wrong must be an int"):
            model.fit(X, Y)
    assert Wrong(max_iter=2).fit(X, Y).own is None


class Pickled(ours.LogisticRegression):
    def __init__(self, own=None):
        super().__init__(solver="sgd", max_iter=3)
        self.own = own


def test_a_subclass_of_a_linear_model_is_pickled():
    model = Pickled(own=2).fit(X, Y)
    twin = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(outputs(twin), outputs(model))
    assert twin.partial_fit(X, Y).own == 2


def test_what_a_subclass_sets_is_seen_by_a_conversion():
    class Dropping(ours.MLPClassifier):
        def __init__(self, size=3):
            super().__init__((size,), dropout=0.5, max_iter=3)
            self.size = size

    with pytest.raises(ValueError, match=r"dropout: expected 0\.0"):
        ours.to_sklearn(Dropping().fit(X, Y))
