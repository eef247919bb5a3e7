"""Warnings and errors are scikit-learn's, word for word."""

import warnings

import numpy as np
import pytest
from sklearn import linear_model, neural_network
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning

import nablas.sklearn as ours

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)


def said(work):
    """The warnings of a call, and its error."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            work()
        except (TypeError, ValueError) as error:
            return [(type(error), str(error))]
    return [(one.category, str(one.message)) for one in caught]


@pytest.mark.parametrize("kind", ["MLPClassifier", "MLPRegressor"])
@pytest.mark.parametrize("limit", [{"max_iter": 3}, {"max_fun": 3}, {"max_iter": 1}], ids=str)
def test_lbfgs_without_convergence(kind, limit):
    settings = {"solver": "lbfgs", "random_state": 0, "hidden_layer_sizes": (4,)} | limit
    mine, other = (
        said(lambda module=module: getattr(module, kind)(**settings, tol=0.0).fit(X, Y))
        for module in (ours, neural_network)
    )
    assert mine == other
    assert [category for category, _ in mine] == [ConvergenceWarning]


@pytest.mark.parametrize("solver", ["lstsq", "sgd", "adam"])
def test_a_column_of_targets_is_no_reason_to_warn(solver):
    y = Y[:, None] * 1.0
    model = ours.LinearRegression(solver=solver, max_iter=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataConversionWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
        assert model.predict(X).shape == (150, 1)
        if solver != "lstsq":
            model.fit(X, y, X_val=X, y_val=y)
            model.fit(X, Y, X_val=X, y_val=y)
            model.partial_fit(X, y)
    for kind in (ours.MLPRegressor, ours.MLPClassifier):
        with pytest.warns(DataConversionWarning):
            kind(max_iter=2).fit(X, y)


PARAMETERS = [
    {},
    {"penalty": "l2"},
    {"penalty": "l1"},
    {"penalty": None},
    {"penalty": None, "C": 2.0},
    {"penalty": "elasticnet", "l1_ratio": 0.5},
    {"penalty": "l1", "l1_ratio": 0.3},
    {"n_jobs": 2},
    {"n_jobs": 1, "penalty": "l2"},
    {"l1_ratio": None},
    {"l1_ratio": 0.3},
    {"C": np.inf},
]


@pytest.mark.skipif(
    "penalty" not in linear_model.LogisticRegression().get_params(), reason="has no penalty"
)
@pytest.mark.parametrize("settings", PARAMETERS, ids=str)
def test_deprecated_parameters_of_a_logistic_regression(settings):
    def without_convergence(work):
        return [one for one in said(work) if one[0] is not ConvergenceWarning]

    model = linear_model.LogisticRegression(solver="saga", max_iter=2, **settings)
    wanted = without_convergence(lambda: model.fit(X, Y))
    mine = ours.LogisticRegression(solver="adam", max_iter=2, **settings)
    assert without_convergence(lambda: mine.fit(X, Y)) == wanted
    assert without_convergence(lambda: mine.partial_fit(X, Y)) == wanted
    assert bool(wanted) == (settings.keys() not in ({"C"}, set()) and settings != {"l1_ratio": 0.3})


def test_a_ratio_is_needed_for_an_elastic_net():
    model = ours.LogisticRegression(solver="adam", penalty="elasticnet", l1_ratio=None)
    with pytest.raises(ValueError, match="l1_ratio must be specified"):
        model.fit(X, Y)


@pytest.mark.parametrize("kind", ["LinearRegression", "LogisticRegression"])
@pytest.mark.parametrize(
    ("given", "named"), [((1, 2), {}), ((), {"nothing": 1}), (range(40), {}), ((1, 2), {"tol": 1})]
)
def test_arguments_of_linear_models(kind, given, named):
    mine, other = (
        said(lambda module=module: getattr(module, kind)(*given, **named))
        for module in (ours, linear_model)
    )
    assert mine == other
    assert mine[0][0] is TypeError


@pytest.mark.parametrize("sizes", [(True,), [False], (3, True), np.array([True])], ids=str)
def test_flags_are_no_numbers_of_units(sizes):
    for kind in (ours.MLPClassifier, ours.MLPRegressor):
        with pytest.raises(TypeError, match="hidden_layer_sizes: expected integers"):
            kind(hidden_layer_sizes=sizes).fit(X, Y)
