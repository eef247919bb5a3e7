"""`scoring=` of early stopping: every scorer that scikit-learn's estimator accepts, and functions."""

import warnings

import numpy as np
import pytest
from sklearn import linear_model, neural_network
from sklearn.metrics import get_scorer, get_scorer_names, hinge_loss, make_scorer

from nablas.sklearn import LinearRegression, LogisticRegression, MLPClassifier, MLPRegressor

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning"),
]
RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 3))
VALUES = np.abs(X @ [1.0, 2.0, 3.0] + 5) + 0.1
TARGETS = {
    "values": VALUES,
    "two columns": np.column_stack([VALUES, VALUES[::-1]]),
    "two classes": (VALUES > 5).astype(int),
    "names": np.array(["a", "b", "c"])[np.digitize(VALUES, [4, 6])],
}
NUMBERS, CLASSES = ["values", "two columns"], ["two classes", "names"]
PAIRS = [
    (LinearRegression, linear_model.LinearRegression, NUMBERS),
    (LogisticRegression, linear_model.LogisticRegression, CLASSES),
    (MLPRegressor, neural_network.MLPRegressor, NUMBERS),
    (MLPClassifier, neural_network.MLPClassifier, CLASSES),
]


def size_of_weights(estimator, X, y):
    weights = estimator.coef_ if hasattr(estimator, "coef_") else estimator.coefs_[0]
    return -float(np.abs(weights).sum())


def by_decision(labels, z):
    return hinge_loss(labels, z, labels=np.unique(labels))


SCORERS = {name: get_scorer(name) for name in get_scorer_names()} | {
    "hinge": make_scorer(by_decision, response_method="decision_function", greater_is_better=False),
    "weights": size_of_weights,
}


def accepted(other, y):
    """Names of the scorers that take scikit-learn's fitted estimator."""
    fitted = other().fit(X, y)
    for name, scorer in SCORERS.items():
        if any(part in name for part in ("poisson", "gamma", "log_error")):
            continue  # of positive predictions alone, which early epochs need not make
        try:
            value = scorer(fitted, X, y)
        except (ValueError, TypeError, AttributeError):
            continue
        if np.isfinite(value):
            yield name


@pytest.mark.parametrize(
    ("mine", "other", "kind"),
    [(mine, other, kind) for mine, other, kinds in PAIRS for kind in kinds],
)
def test_every_scorer_sees_the_estimator(mine, other, kind):
    """The best score is that of the estimator with the weights it ends with."""
    y = TARGETS[kind]
    settings = {"solver": "adam", "early_stopping": True, "random_state": 0, "max_iter": 4}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names = list(accepted(other, y))
        assert len(names) > 8
        for name in names:
            scorer = SCORERS[name]
            model = mine(**settings, scoring=scorer if name in ("hinge", "weights") else name)
            model.fit(X[:60], y[:60], X_val=X[60:], y_val=y[60:])
            best = scorer(model, X[60:], y[60:])
            assert model.best_validation_score_ == pytest.approx(best, rel=1e-9), name
            assert len(model.validation_scores_) == 4


@pytest.mark.parametrize(("mine", "other", "kinds"), PAIRS)
def test_a_scorer_is_given_the_users_estimator_as_it_is(mine, other, kinds):
    """Not one of ours inside, with the epochs so far, and names of columns after the fit only."""
    pandas = pytest.importorskip("pandas")
    seen = []

    def look(estimator, X, y):
        seen.append((estimator, estimator.predict(X), np.ravel(estimator.n_iter_)[0]))
        return float(len(seen))

    model = mine(solver="adam", early_stopping=True, scoring=look, max_iter=3, random_state=0)
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    for warm in (False, True):
        seen.clear()
        model.set_params(warm_start=warm).fit(frame, TARGETS[kinds[0]])
        assert all(one is model for one, _, _ in seen)
        assert [count for *_, count in seen] == [0, 1, 2]
        assert list(model.feature_names_in_) == ["a", "b", "c"]


@pytest.mark.parametrize(("mine", "other", "kinds"), PAIRS)
def test_a_scorers_error_leaves_the_old_model(mine, other, kinds):
    def fail(estimator, X, y):
        raise RuntimeError("no")

    model = mine(solver="adam", max_iter=3, random_state=0).fit(X, TARGETS[kinds[1]])
    before = {name: np.copy(value) for name, value in vars(model).items() if name.endswith("_")
              and not isinstance(value, list)}  # fmt: skip
    predicted = model.predict(X)
    model.set_params(early_stopping=True, scoring=fail)
    for warm in (False, True):
        with pytest.raises(RuntimeError, match="no"):
            model.set_params(warm_start=warm).fit(X, TARGETS[kinds[1]])
        np.testing.assert_array_equal(model.predict(X), predicted)
        for name, value in before.items():
            np.testing.assert_array_equal(getattr(model, name), value)
