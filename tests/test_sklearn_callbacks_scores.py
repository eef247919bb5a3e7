"""What callbacks are given: targets, weights and the estimator as they are in that epoch."""

import copy
import importlib.util
import pickle
import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn import metrics
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning

import nablas as nb
from nablas.sklearn import LinearRegression, LogisticRegression, MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
NEW = pytest.mark.skipif(
    importlib.util.find_spec("sklearn.callback") is None, reason="scikit-learn without callbacks"
)

X, Y = load_iris(return_X_y=True)
WEIGHT = np.random.default_rng(0).random(150) * 3
ONE_LABEL = {
    "strings": np.array(["a", "bb", "c"])[Y],
    "shifted": Y + 5,
    "binary": np.array(["no", "yes"])[(Y > 0).astype(int)],
    "flags": Y > 1,
}
SEVERAL_LABELS = {
    "multilabel": np.eye(3, dtype=int)[Y],
    "sparse": sparse.csr_matrix(np.eye(3, dtype=int)[Y]),
}
VALUES = {
    "one": Y + 0.5,
    "column": Y[:, None] + 0.5,
    "two": np.column_stack([Y, Y[::-1]]),
}
SETTINGS = {"solver": "adam", "learning_rate_init": 0.05, "random_state": 0, "max_iter": 6}
CASES = [
    *((MLPClassifier, name) for name in (ONE_LABEL | SEVERAL_LABELS)),
    *((LogisticRegression, name) for name in ONE_LABEL),
    *((MLPRegressor, name) for name in VALUES),
]
TARGETS = ONE_LABEL | SEVERAL_LABELS | VALUES


def score(model, x, y, sample_weight=None):
    metric = metrics.accuracy_score if hasattr(model, "classes_") else metrics.r2_score
    return metric(y, model.predict(x), sample_weight=sample_weight)


class Kept:
    """A callback that keeps a score, and the model it was computed with, of every task."""

    def __init__(self):
        self.tasks, self.begun = [], []

    def setup(self, estimator, context):
        pass

    teardown = setup

    def on_fit_task_begin(self, estimator, context, *, fitted_estimator=None):
        if context.task_name != "fit":
            fitted_estimator.predict(X)
            self.begun.append((len(fitted_estimator.loss_curve_), fitted_estimator))

    def on_fit_task_end(
        self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None
    ):
        value = score(fitted_estimator, X, y, **(metadata or {}))
        self.tasks.append((context.task_name, value, fitted_estimator, y))


@NEW
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["equal", "weighted"])
@pytest.mark.parametrize(("kind", "name"), CASES)
def test_the_score_in_a_callback_is_the_score_of_the_model(kind, name, weight, early_stopping):
    y, kept, alone = TARGETS[name], Kept(), {}
    model = kind(**SETTINGS, early_stopping=early_stopping).set_callbacks(kept)
    for epochs in (3, 6):  # the second a refit
        kept.tasks.clear()
        model.set_params(max_iter=epochs)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # y of shape (n, 1)
            model.fit(X, y, weight)
            alone = kind(**SETTINGS | {"max_iter": epochs}, early_stopping=early_stopping)
            alone.fit(X, y, weight)
        task, value, fitted, seen = kept.tasks[-1]
        assert task == "fit"
        assert value == score(model, X, y, weight) == score(alone, X, y, weight)
        assert not (fitted.predict(X) != model.predict(X)).sum()
        if name != "sparse":
            assert seen.shape == (y.shape if name != "column" else (150,))
            assert (seen == y.reshape(seen.shape)).all()
        if not early_stopping:
            assert kept.tasks[-2][1] == value  # of the last epoch
        assert len(kept.tasks) == model.n_iter_ + 1


@NEW
@pytest.mark.parametrize("kind", [MLPClassifier, LogisticRegression])
def test_scikit_learns_monitor(kind):
    callback = importlib.import_module("sklearn.callback")
    monitor = callback.ScoringMonitor(scoring="accuracy")
    y = ONE_LABEL["strings"]
    model = kind(**SETTINGS).set_callbacks(monitor)
    for weight in (None, WEIGHT):
        model.fit(X, y, weight)
        rows = monitor.get_logs().data
        assert rows[-1]["accuracy"] == model.score(X, y, weight)
        assert len(rows) == model.n_iter_ + 1


@NEW
@pytest.mark.parametrize("kind", [MLPClassifier, LogisticRegression])
def test_an_epochs_model_keeps_its_weights_and_trains_on(kind):
    """Each is the model of so many epochs, whatever the fit did later."""
    kept = Kept()
    y = ONE_LABEL["strings"]
    model = kind(**SETTINGS).fit(X[:100], Y[:100])  # with fewer classes
    model.set_callbacks(kept).fit(X, y)
    for epochs, (_, value, fitted, _) in enumerate(kept.tasks[:3], 1):
        short = kind(**SETTINGS | {"max_iter": epochs}).fit(X, y)
        assert (fitted.predict_proba(X) == short.predict_proba(X)).all()
        assert value == score(short, X, y)
        assert list(fitted.classes_) == ["a", "bb", "c"]
        assert fitted.loss_curve_ == short.loss_curve_
    assert [(n, len(at_begin.loss_curve_)) for n, at_begin in kept.begun[:3]] == [
        (n, n) for n in range(3)
    ]
    for fitted in (kept.tasks[0][2], copy.deepcopy(kept.tasks[1][2])):
        fitted.set_callbacks().partial_fit(X, y)
        assert not np.array_equal(fitted.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize(
    "kind", [LogisticRegression, LinearRegression, MLPClassifier, MLPRegressor]
)
@pytest.mark.parametrize("warm", [False, True])
def test_our_callbacks_see_the_model_of_the_epoch(kind, warm):
    settings, seen, copies = SETTINGS | {"warm_start": warm}, [], []

    def look(state):
        curve = list(model.loss_curve_)
        seen.append((model.score(X, Y), len(curve), curve[-1], int(np.ravel(model.n_iter_)[0])))
        copies.append(copy.deepcopy(model))

    model = kind(**settings)
    for before in (0, 6 if warm else 0):
        seen.clear()
        model.set_params(callbacks=[look]).fit(X, Y)
        assert [length for _, length, _, _ in seen] == list(range(before + 1, before + 7))
        assert [epochs for *_, epochs in seen] == list(range(1, 7))
        assert [loss for _, _, loss, _ in seen] == model.loss_curve_[before:]
        assert seen[-1][0] == model.score(X, Y) == copies[-1].score(X, Y)


def test_our_callbacks_see_the_model_at_the_begin():
    class First(nb.Callback):
        def on_fit_begin(self, net):
            self.scores = len(model.loss_curve_), model.classes_.tolist(), model.coef_.any()

    first = First()
    model = LogisticRegression(**SETTINGS).fit(X, Y == 0)
    model.set_params(callbacks=[first]).fit(X, Y)
    assert first.scores == (0, [0, 1, 2], False)


def test_a_callbacks_error_leaves_the_old_model():
    def fail(state):
        raise RuntimeError("no")

    model = LogisticRegression(**SETTINGS).fit(X, Y)
    before = pickle.dumps(model)
    for warm in (False, True):
        model.set_params(callbacks=[fail], warm_start=warm)
        with pytest.raises(RuntimeError, match="no"):
            model.fit(X, Y)
        model.set_params(callbacks=None, warm_start=False)
        assert pickle.dumps(model) == before


@pytest.mark.parametrize(
    "kind", [MLPClassifier, MLPRegressor, LogisticRegression, LinearRegression]
)
def test_divergence_in_the_first_epoch_leaves_the_first_weights(kind):
    """They are the best of a fit with early stopping until an epoch has a score."""
    settings = SETTINGS | {"solver": "sgd", "learning_rate_init": 1e300, "max_iter": 20}
    model, data = kind(**settings, early_stopping=True), 1e3 * X
    with pytest.warns(ConvergenceWarning, match="weights of the best validation score"):
        model.fit(data, Y)
    if kind in (MLPClassifier, MLPRegressor):
        start = kind(**settings).initialize(4, 3) if kind is MLPClassifier else None
        start = start or kind(**settings).initialize(4)
        for mine, first in zip(model.coefs_, start.coefs_, strict=True):
            np.testing.assert_array_equal(mine, first)
    else:
        assert not model.coef_.any()
    assert np.isnan(model.validation_scores_[-1])
    assert np.isfinite(model.predict(data)).all()
    assert isinstance(model.loss_, float)
    with pytest.raises(ValueError, match="non-finite"):
        kind(**settings).fit(data, Y)
