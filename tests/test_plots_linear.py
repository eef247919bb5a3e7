"""Displays of the linear models, and of classifiers of one class."""

import copy

import matplotlib as mpl
import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge

from nablas import plots
from nablas.sklearn import LinearRegression, LogisticRegression, MLPClassifier

mpl.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
rng = np.random.default_rng(0)
X = rng.normal(size=(60, 2))
THREE = rng.integers(0, 3, 60)
WORDS = np.array(["a", "b", "c"])[THREE]
VALUES = 5 * rng.normal(size=60)
WEIGHT = rng.integers(1, 4, 60).astype(float)
TARGETS = {
    "values": VALUES,
    "two columns": np.column_stack([VALUES, X[:, 0]]),
    "signs": np.where(THREE > 0, 1, -1),
    "floats": THREE + 0.0,
    "words": WORDS,
    "two words": np.array(["no", "yes"])[THREE % 2],
}
CASES = [
    (kind, solver, name)
    for kind, solvers, names in (
        (LinearRegression, ["lstsq", "adam"], ["values", "two columns"]),
        (
            LogisticRegression,
            ["lbfgs", "newton-cg", "adam"],
            ["signs", "floats", "words", "two words"],
        ),
    )
    for solver in solvers
    for name in names
]


def moved(model):
    """A copy with other weights, of a fitted model."""
    other = copy.deepcopy(model)
    if hasattr(other, "coef_"):
        other.coef_ = other.coef_ + 1
    return other


MAKERS = {
    "boundary": lambda m, y: plots.DecisionBoundaryDisplay.from_estimator(m, X, grid_resolution=3),
    "gradients": lambda m, y: plots.GradientNormDisplay.from_estimator(m, X, y),
    "landscape": lambda m, y: plots.LossLandscapeDisplay.from_estimator(m, X, y, resolution=2),
    "networks": lambda m, y: plots.LossLandscapeDisplay.from_networks([m, moved(m)], X, y),
    "network": lambda m, y: plots.NetworkDisplay.from_estimator(m),
    "weights": lambda m, y: plots.WeightHistogramDisplay.from_estimator(m),
}


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize("display", MAKERS)
@pytest.mark.parametrize(("kind", "solver", "name"), CASES)
def test_every_display_takes_a_fitted_linear_model(kind, solver, name, display):
    model, y = kind(solver=solver, max_iter=20).fit(X, TARGETS[name]), TARGETS[name]
    if display == "boundary" and name == "two columns":
        pytest.skip("of one output")
    coef = model.coef_.copy()
    MAKERS[display](model, y)
    np.testing.assert_array_equal(model.coef_, coef)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize(("kind", "solver", "name"), CASES)
def test_the_loss_is_that_of_the_model(kind, solver, name, class_weight, weighted):
    """Its value is that of the predictions; at the end of a long fit its gradient is small."""
    y, weight = TARGETS[name], WEIGHT if weighted else np.ones(60)
    settings = {"C": np.inf, "class_weight": class_weight} if kind is LogisticRegression else {}
    settings |= {"tol": 1e-9, "max_iter": 3000}
    if solver == "adam":
        settings |= {"learning_rate": "cosine", "learning_rate_init": 0.1, "batch_size": 60}
        settings |= {"n_iter_no_change": 9999}
    model = kind(solver=solver, **settings).fit(X, y, weight)
    own = {"sample_weight": weight} if weighted else {}
    if kind is LogisticRegression:
        codes = np.searchsorted(model.classes_, y)
        losses = -model.predict_log_proba(X)[np.arange(60), codes]
        if class_weight == "balanced":
            totals = np.bincount(codes, weight)
            weight = weight * (weight.sum() / len(totals) / totals)[codes]
    else:
        losses = 0.5 * np.mean((model.predict(X) - y).reshape(60, -1) ** 2, axis=1)
    shown = plots.LossLandscapeDisplay.from_estimator(model, X, y, resolution=3, **own)
    assert shown.points["the network"][1] == pytest.approx(np.average(losses, weights=weight))
    norms = plots.GradientNormDisplay.from_estimator(model, X, y, **own)
    assert max(*norms.by_weights, *norms.by_biases) < 1e-3


@pytest.mark.parametrize("display", sorted(set(MAKERS) - {"boundary"}))
def test_what_a_display_does_not_take_is_told(display):
    with pytest.raises(TypeError, match=r"expected an MLP or a fitted estimator of nablas\.sklearn, got Ridge"):  # fmt: skip
        MAKERS[display](Ridge().fit(X, VALUES), VALUES)
    for kind in (LinearRegression, LogisticRegression):
        with pytest.raises(NotFittedError, match=kind.__name__):
            MAKERS[display](kind(), VALUES)


@pytest.mark.parametrize("labels", [["a"], [3], [0], [True]])
def test_the_boundary_of_a_class_alone(labels):
    """One region, of probability 1 everywhere."""
    y = np.array(labels * 60)
    model = MLPClassifier((3,), max_iter=2).fit(X, y)
    for points in (None, y):
        display = plots.DecisionBoundaryDisplay.from_estimator(model, X, points, grid_resolution=4)
        assert display.classes == labels
        np.testing.assert_array_equal(display.response, np.ones((4, 4, 1)))
        assert len(display.boundary_) == 0
        display.figure_.canvas.draw()


def test_probabilities_of_other_classes_than_the_estimators_are_refused():
    class Odd:
        classes_ = ("a", "b")

        def predict(self, points):
            return np.array(["a"] * len(points))

        def predict_proba(self, points):
            return np.full((len(points), 3), 1 / 3)

    with pytest.raises(ValueError, match=r"probabilities of shape \(n, 2\).*got \(\d+, 3\)"):
        plots.DecisionBoundaryDisplay.from_estimator(Odd(), X)
