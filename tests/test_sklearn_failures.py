"""A fit that fails leaves an estimator as it was, bit for bit: fitted or not, cold, warm, or a partial fit."""

import copy
import warnings

import numpy as np
import pytest

import nablas as nb
from nablas.sklearn import LinearRegression, LogisticRegression, MLPClassifier, MLPRegressor

X = np.random.default_rng(0).normal(size=(40, 4))
Y = np.arange(40) % 3
WITH_NAN = np.where(np.arange(160).reshape(40, 4) == 57, np.nan, X)


class StoppedError(Exception):
    pass


def stop(_state):
    raise StoppedError


BAD_DATA = {
    "NaN in X": (WITH_NAN, Y, {}),
    "fewer features": (X[:, :3], Y, {}),
    "more rows in y": (X, np.arange(41) % 3, {}),
    "no rows": (X[:0], Y[:0], {}),
    "weights of another length": (X, Y, {"sample_weight": np.ones(3)}),
    "weights that are not finite": (X, Y, {"sample_weight": np.full(40, np.nan)}),
    "X is text": (np.full((40, 4), "a"), Y, {}),
    "targets of one row": (X, Y[:1], {}),
}
BAD_SETTINGS = {
    "an unknown activation": {"activation": "rely"},
    "a layer of no units": {"hidden_layer_sizes": (0,)},
    "layers of another number": {"hidden_layer_sizes": (5, 5, 5)},
    "an unknown solver": {"solver": "adamm"},
    "a negative penalty": {"alpha": -1},
    "dropout of one": {"dropout": 1.0},
    "a rate that diverges": {"solver": "sgd", "learning_rate_init": 1e30, "momentum": 0.99},
    "a callback that raises": {"callbacks": [stop]},
    "a callback that is none": {"callbacks": [3]},
    "a loss that raises": {"loss": lambda outputs, targets: (_ for _ in ()).throw(StoppedError)},
    "a loss of another shape": {"loss": lambda outputs, targets: (1.0, outputs[:1])},
    "a scorer that is none": {"scoring": "no such scorer"},
    "a validation share too small": {"early_stopping": True, "validation_fraction": 0.001},
    "l1 with L-BFGS": {"solver": "lbfgs", "l1": 0.1},
}


def snapshot(estimator):
    """All attributes, with copies of what can change in place."""
    state = {
        k: v
        for k, v in vars(estimator).items()
        if k not in ("_net", "_views", "_optimizer", "_claim")
    }
    weights = None if "_net" not in vars(estimator) else estimator._net.parameters.copy()
    return copy.deepcopy(state), weights, vars(estimator).get("_net")


def same(one, other):
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, np.ndarray):
        return one.shape == other.shape and (one == other).all()
    return type(one) is type(other) and (one == other or callable(one) or hasattr(one, "fit"))


def assert_unchanged(estimator, before):
    (state, weights, net), (old_state, old_weights, old_net) = snapshot(estimator), before
    assert state.keys() == old_state.keys()
    for name, value in state.items():
        assert same(value, old_state[name]), name
    assert net is old_net
    if weights is not None:
        np.testing.assert_array_equal(weights, old_weights)


def attempt(estimator, method, X, y, **settings):
    before = snapshot(estimator)
    failed = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            getattr(estimator, method)(X, y, **settings)
        except (ValueError, TypeError, AttributeError, StoppedError):
            failed = True
    if failed:
        assert_unchanged(estimator, before)
    return failed


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("state", ["new", "fitted", "warm"])
def test_nothing_changes(kind, method, state):
    """Every wrong data and every wrong setting, one at a time."""
    failures = 0

    def estimator(**settings):
        made = kind(hidden_layer_sizes=(5,), max_iter=3, random_state=0, warm_start=state == "warm")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if state != "new":
                made.fit(X, Y)
        return made.set_params(**settings)

    for name, (x, y, more) in BAD_DATA.items():
        if method == "partial_fit" and kind is MLPClassifier:
            more = {**more, "classes": [0, 1, 2]}
        if name == "fewer features" and (state == "new" or (state == "fitted" and method == "fit")):
            continue  # a new fit may have other features
        assert attempt(estimator(), method, x, y, **more), name
        failures += 1
    for settings in BAD_SETTINGS.values():
        extra = {"classes": [0, 1, 2]} if (method, kind) == ("partial_fit", MLPClassifier) else {}
        failures += attempt(estimator(**settings), method, X, Y, **extra)
    assert failures >= 12, "the wrong settings were taken"


@pytest.mark.parametrize("kind", [LogisticRegression, LinearRegression])
def test_nothing_changes_in_linear_models(kind):
    for fitted in (False, True):
        model = kind(random_state=0, max_iter=5)
        if fitted:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.fit(X, Y)
        for name in ("NaN in X", "more rows in y", "no rows", "X is text"):
            x, y, more = BAD_DATA[name]
            assert attempt(model, "fit", x, y, **more), name


def test_an_interrupt_of_a_warm_fit_keeps_what_was_trained():
    """Ctrl-C is no failure: the weights are those of the last epoch, and the curves say so."""

    def interrupt(state):
        if state.epoch == 2:
            raise KeyboardInterrupt

    model = MLPClassifier((5,), max_iter=9, random_state=0, callbacks=[interrupt])
    with pytest.warns(UserWarning, match="interrupted"):
        model.fit(X, Y)
    assert model.n_iter_ == len(model.loss_curve_) == 2


def test_callbacks_see_the_curves_while_training():
    seen = []
    model = MLPClassifier((5,), max_iter=4, random_state=0)
    model.set_params(callbacks=[lambda state: seen.append((len(model.loss_curve_), model.n_iter_))])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, Y)
    assert seen == [(1, 1), (2, 2), (3, 3), (4, 4)]
    assert isinstance(model.network_, nb.MLP)


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize(("limits", "warned"), [({"max_iter": 2}, True), ({"tol": 10.0}, False)])
def test_lbfgs_warns_if_and_only_if_it_has_not_converged(kind, limits, warned):
    x, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        kind(hidden_layer_sizes=(4,), solver="lbfgs", random_state=0, **limits).fit(x, y)
    assert [str(w.message).startswith("lbfgs failed to converge after 2") for w in seen] == [
        True
    ] * warned
