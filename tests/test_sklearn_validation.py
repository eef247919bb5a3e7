"""Validation data have weights: those given, and those of their classes; every score counts them."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import accuracy_score, log_loss, make_scorer, mean_absolute_error, r2_score

import nablas as nb
from nablas.sklearn import LinearRegression, LogisticRegression, MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
RNG = np.random.default_rng(0)
X, X_VAL = RNG.normal(size=(90, 4)), RNG.normal(size=(40, 4))
Y, Y_VAL = (np.digitize(x[:, 0] + x[:, 1], [-0.5, 0.5]) for x in (X, X_VAL))
WEIGHT, WEIGHT_VAL = RNG.exponential(size=90), RNG.exponential(size=40)
SETTINGS = {"max_iter": 1, "random_state": 0, "learning_rate_init": 0.01}
WEIGHTS = [None, {0: 1.0, 1: 5.0, 2: 0.2}, "balanced"]
CLASSIFIERS = [MLPClassifier((5,), **SETTINGS), LogisticRegression(solver="sgd", **SETTINGS)]
REGRESSORS = [MLPRegressor(hidden_layer_sizes=(5,), **SETTINGS), LinearRegression(solver="sgd", **SETTINGS)]  # fmt: skip


def class_weights(kind, y=Y):
    if kind == "balanced":
        return (len(y) / (3 * np.bincount(y)))[Y_VAL]
    return np.array([1.0, 5.0, 0.2] if kind else [1.0] * 3)[Y_VAL]


@pytest.mark.parametrize("model", CLASSIFIERS)
@pytest.mark.parametrize("kind", WEIGHTS)
@pytest.mark.parametrize("weight", [None, WEIGHT_VAL])
def test_loss_and_scores_of_classes(model, kind, weight):
    held = {"X_val": X_VAL, "y_val": Y_VAL, "sample_weight_val": weight}
    counts = class_weights(kind) * (1 if weight is None else weight)
    for scoring, metric in ((None, accuracy_score), ("accuracy", accuracy_score), ("loss", None)):
        model.set_params(class_weight=kind, early_stopping=True, scoring=scoring)
        model.fit(X, Y, **held)
        loss = log_loss(Y_VAL, model.predict_proba(X_VAL), sample_weight=counts)
        assert model.validation_loss_curve_ == pytest.approx([loss], rel=1e-9)
        score = -loss if metric is None else metric(Y_VAL, model.predict(X_VAL), sample_weight=counts)  # fmt: skip
        assert model.validation_scores_ == pytest.approx([score], rel=1e-9)


@pytest.mark.parametrize("missing", [0, 1, 2])
@pytest.mark.parametrize("model", [MLPClassifier((5,), solver="lbfgs"), *CLASSIFIERS])
def test_rows_of_weight_0_do_not_count_in_balanced_weights(model, missing):
    """A class whose rows have no weight is no class; weights of the others are finite."""
    weight = WEIGHT * (missing != Y)
    mass = np.bincount(Y, weight)
    balanced = {c: weight.sum() / (2 * mass[c]) for c in range(3) if c != missing}
    model.set_params(early_stopping=False, scoring=None, max_iter=20, random_state=0)
    got = clone(model).set_params(class_weight="balanced").fit(X, Y, weight).predict_proba(X)
    want = clone(model).set_params(class_weight=balanced).fit(X, Y, weight).predict_proba(X)
    np.testing.assert_allclose(got, want, rtol=1e-9)


@pytest.mark.parametrize("model", REGRESSORS)
def test_loss_and_scores_of_values(model):
    y, y_val = X @ [1, 2, 3, 4], X_VAL @ [1, 2, 3, 4]
    model.set_params(early_stopping=True, scoring="neg_mean_absolute_error")
    model.fit(X, y, X_val=X_VAL, y_val=y_val, sample_weight_val=WEIGHT_VAL)
    score = -mean_absolute_error(y_val, model.predict(X_VAL), sample_weight=WEIGHT_VAL)
    assert model.validation_scores_ == pytest.approx([score], rel=1e-9)


@pytest.mark.parametrize("model", CLASSIFIERS)
def test_a_share_of_the_training_data_keeps_its_weights(model):
    seen = []

    def scorer(estimator, x, y, sample_weight=None):
        seen.append((x, y, sample_weight))
        return 1.0

    model.set_params(class_weight=None, early_stopping=True, scoring=scorer).fit(X, Y, WEIGHT)
    x, y, weight = seen[0]
    where = [int(np.flatnonzero((row == X).all(axis=1))[0]) for row in x]
    np.testing.assert_array_equal(weight, WEIGHT[where])
    np.testing.assert_array_equal(y, Y[where])


@pytest.mark.parametrize("model", [*CLASSIFIERS, *REGRESSORS])
def test_what_cannot_count_weights_is_refused(model):
    blind = make_scorer(lambda y, found: 1.0)
    model.set_params(early_stopping=True, scoring=blind)
    with pytest.raises(ValueError, match="scoring: expected a scorer that takes sample_weight"):
        model.fit(X, Y, WEIGHT)
    model.fit(X, Y)
    with pytest.raises(ValueError, match="X_val: expected an array beside the other"):
        model.fit(X, Y, sample_weight_val=WEIGHT_VAL)
    with pytest.raises(ValueError, match="sample_weight"):
        model.fit(X, Y, X_val=X_VAL, y_val=Y_VAL, sample_weight_val=WEIGHT_VAL[:3])


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.2])
@pytest.mark.parametrize("seed", range(4))
def test_scores_where_few_held_out_rows_have_weight(seed, share, outputs):
    """Often one row or equal targets have weight: R² is scikit-learn's, finite and at most 1."""
    rng = np.random.default_rng(seed)
    y, y_val = (rng.integers(0, 2, (n, outputs)).astype(float) for n in (90, 40))
    y, y_val = (y[:, 0], y_val[:, 0]) if outputs == 1 else (y, y_val)
    weight_val = (rng.random(40) < share) * 1.0
    weight_val[0] = 1
    model = MLPRegressor(hidden_layer_sizes=(5,), early_stopping=True, **SETTINGS)
    model.fit(X, y, X_val=X_VAL, y_val=y_val, sample_weight_val=weight_val)
    want = r2_score(y_val, model.predict(X_VAL), sample_weight=weight_val)
    assert np.isfinite(want)
    assert model.validation_scores_ == pytest.approx([want], rel=1e-9)
    weight = (rng.random(90) < max(share, 0.02)) * 1.0
    weight[:2] = 1
    model = MLPRegressor(hidden_layer_sizes=(5,), early_stopping=True, **SETTINGS)
    try:
        model.fit(X, y, weight)
    except ValueError as error:  # of the nine rows held out none has weight
        if "some above it" not in str(error):
            raise
    else:
        assert len(model.validation_scores_) == 1
        assert np.isfinite(model.validation_scores_).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("model", [MLPClassifier((5,), solver="lbfgs", max_iter=3), *CLASSIFIERS, *REGRESSORS])  # fmt: skip
@pytest.mark.parametrize("held_out", [False, True])
def test_weights_of_any_size_count_or_are_refused(model, dtype, held_out):
    """Without a penalty only their ratios count, in the data's dtype; none are lost silently."""
    if held_out and getattr(model, "solver", None) == "lbfgs":
        pytest.skip("takes no validation data")
    none = {"alpha": 0.0, "C": np.inf}
    settings = {name: value for name, value in none.items() if name in model.get_params()}
    model = clone(model).set_params(early_stopping=False, random_state=0, **settings)
    x, x_val = X.astype(dtype), X_VAL.astype(dtype)

    def fitted(weight, **classes):
        given = {"X_val": x_val, "y_val": Y_VAL, "sample_weight_val": weight[:40]}
        one = clone(model).set_params(**classes)
        one.fit(x, Y, WEIGHT, **given) if held_out else one.fit(x, Y, weight)
        return np.ravel(one.validation_loss_curve_ if held_out else one.predict(x)).astype(float)

    def refused(weight, **classes):
        with pytest.raises(ValueError, match="expected weights whose sum is|at least one non-zero"):
            fitted(weight, **classes)

    least = 2.0 ** (-96 if dtype == np.float32 else -960)
    unit = WEIGHT / WEIGHT.sum()
    want = fitted(unit)
    for power in (-1030, -970, -160, -120, -80, 0, 80):
        weight = np.ldexp(unit, power)
        if weight[:40].sum() >= least:
            np.testing.assert_allclose(fitted(weight), want, rtol=1e-4)
        else:
            refused(weight)
            if "class_weight" in model.get_params() and not held_out:
                refused(np.ones(90), class_weight=dict.fromkeys(range(3), 2.0**power))


def test_weights_that_are_0_because_of_their_classes_are_not_too_small():
    net = nb.MLP([4, 3], output="softmax", seed=0)
    before = net.parameters.copy()
    net.fit(X, np.zeros(90, int), class_weight={0: 0.0}, sample_weight=WEIGHT, epochs=1)
    np.testing.assert_array_equal(net.parameters, before)
    model = MLPClassifier((5,), **SETTINGS, class_weight={0: 0.0, 1: 0.0, 2: 0.0})
    model.fit(X, Y, WEIGHT)


def refusal(fit, *data, **settings):
    """The message about weights with which a call fails, if it does."""
    try:
        fit(*data, **settings)
    except ValueError as error:
        return str(error) if "expected weights" in str(error) else None
    return None


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sample", [None, 1.0, 1e4, 1e-30])
@pytest.mark.parametrize("weight", [1e300, 1e200, 1e38, 1e35, 1e-38, 1e-300])
def test_class_weights_out_of_range_are_refused_as_by_a_network(weight, sample, dtype):
    x, given = X.astype(dtype), None if sample is None else np.full(90, sample)
    each = dict.fromkeys(range(3), weight)
    net = nb.MLP([4, 3], output="softmax", dtype=dtype, seed=0)
    expected = refusal(net.fit, x, Y, epochs=1, sample_weight=given, class_weight=each)
    for model in CLASSIFIERS:
        trained = clone(model).set_params(class_weight=each, early_stopping=False, scoring=None)
        assert refusal(trained.fit, x, Y, sample_weight=given) == expected
