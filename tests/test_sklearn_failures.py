"""A fit that fails leaves an estimator as it was, bit for bit: fitted or not, cold, warm, or a partial fit."""

import copy
import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.utils._param_validation import generate_invalid_param_val, make_constraint

import nablas as nb
from nablas.sklearn import LinearRegression, LogisticRegression, MLPClassifier, MLPRegressor

X = np.random.default_rng(0).normal(size=(40, 4))
Y = np.arange(40) % 3
WITH_NAN = np.where(np.arange(160).reshape(40, 4) == 57, np.nan, X)
ESTIMATORS = {
    "classifier": MLPClassifier((5,), max_iter=3),
    "regressor": MLPRegressor(hidden_layer_sizes=(5,), solver="sgd", max_iter=3),
    "classifier by L-BFGS": MLPClassifier((5,), solver="lbfgs", max_iter=3),
    "logistic": LogisticRegression(max_iter=3),
    "logistic by the engine": LogisticRegression(solver="adam", max_iter=3),
    "least squares": LinearRegression(),
    "least squares by the engine": LinearRegression(solver="sgd", max_iter=3),
}


class StoppedError(Exception):
    pass


def stop(state):
    if state.epoch == 2 or state.net.epochs > 3:
        raise StoppedError


def raise_later():
    calls = []

    def loss(outputs, targets):
        calls.append(1)
        if len(calls) > 2:
            raise StoppedError
        return 1.0, np.ones_like(outputs)

    return loss


class Failing(nb.schedules.Schedule):
    """Gives an impossible rate from the third update on."""

    def rates(self, steps, plan):
        return np.where(steps < 2, self.initial, -1.0)


BAD_DATA = {
    "NaN in X": (WITH_NAN, Y, {}),
    "infinity in X": (np.where(np.isnan(WITH_NAN), np.inf, X), Y, {}),
    "NaN in sparse X": (sparse.csr_matrix(WITH_NAN), Y, {}),
    "X of one dimension": (X[:, 0], Y, {}),
    "X of three dimensions": (X[:, :, None], Y, {}),
    "X is text": (np.full((40, 4), "a"), Y, {}),
    "X is complex": (X + 1j, Y, {}),
    "no X": (None, Y, {}),
    "no rows": (X[:0], Y[:0], {}),
    "no columns": (X[:, :0], Y, {}),
    "more rows in y": (X, np.arange(41) % 3, {}),
    "NaN in y": (X, np.where(Y == 2, np.nan, Y), {}),
    "infinity in y": (X, np.where(Y == 2, np.inf, Y), {}),
    "objects in y": (X, np.array([object()] * 40), {}),
    "no y": (X, None, {}),
    "weights of another length": (X, Y, {"sample_weight": np.ones(3)}),
    "weights of two dimensions": (X, Y, {"sample_weight": np.ones((40, 2))}),
    "weights that are not finite": (X, Y, {"sample_weight": np.full(40, np.nan)}),
    "weights that are text": (X, Y, {"sample_weight": np.full(40, "a")}),
}
BAD_VALIDATION = {
    "one array alone": {"X_val": X},
    "fewer features": {"X_val": X[:, :3], "y_val": Y},
    "fewer rows": {"X_val": X[:3], "y_val": Y},
    "NaN": {"X_val": WITH_NAN, "y_val": Y},
    "no rows": {"X_val": X[:0], "y_val": Y[:0]},
}
BAD_SETTINGS = {  # where the parameter exists; each fails after its validation, some while training
    "an unknown activation of a layer": {"activation": ["rely"]},
    "a layer of no units": {"hidden_layer_sizes": (0,)},
    "layers of another number": {"activation": ["relu"] * 3},
    "dropout of another number": {"dropout": [0.1] * 3},
    "a rate that diverges": {"solver": "sgd", "learning_rate_init": 1e200, "momentum": 0.99},
    "a rate below zero": {"solver": "sgd", "learning_rate": Failing(0.1), "batch_size": 20},
    "a callback that raises": {"callbacks": [stop]},
    "a callback that is none": {"callbacks": [3]},
    "a loss that raises": {"loss": raise_later(), "batch_size": 20},
    "a loss of another shape": {"loss": lambda outputs, targets: (1.0, outputs[:1])},
    "a scorer that is none": {"scoring": "no such scorer"},
    "a scorer that raises": {"scoring": lambda *_: 1 / 0, "early_stopping": True},
    "a validation share too small": {"early_stopping": True, "validation_fraction": 0.001},
    "weights of unknown classes": {"class_weight": {7: "a"}},
    "the dual problem": {"dual": True},
    "weights above zero": {"positive": True},
}


def frozen(value):
    """A value of bytes and names that differs where the object does."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, dict):
        return [(str(k), frozen(v)) for k, v in value.items()]
    if isinstance(value, (list, tuple)):
        return [frozen(v) for v in value]
    if isinstance(value, np.random.RandomState):
        return frozen(value.get_state())
    if isinstance(value, nb.MLP):
        last = value.engine.last
        schedule = id(None if last is None else last.optimizer.schedule)  # the object itself
        return frozen([value.parameters, value.classes, value.engine.training_state(), schedule])
    if hasattr(value, "__dict__") and not callable(value):
        inside = {k: v for k, v in vars(value).items() if k not in ("_claim", "claim", "_views")}
        return type(value).__name__, frozen(inside)
    return repr(value)


def attempt(estimator, method, X, y, **settings):
    """Whether the call raised; if it did, the estimator must be what it was."""
    before = frozen(estimator)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            getattr(estimator, method)(X, y, **settings)
        except Exception:
            assert frozen(estimator) == before
            return True
    return False


def in_state(name, state):
    """A new estimator, one that was fitted, or one in the midst of warm or partial training."""
    estimator = copy.deepcopy(ESTIMATORS[name]).set_params()
    names = estimator.get_params()
    if "random_state" in names:
        estimator.set_params(random_state=np.random.RandomState(0))
    if "warm_start" in names:
        estimator.set_params(warm_start=state == "warm")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if state != "new":
            estimator.fit(X, Y)
        if state == "warm" and hasattr(estimator, "partial_fit"):
            estimator.partial_fit(X, Y)
    return estimator


def methods(estimator):
    yield "fit", {}
    if hasattr(estimator, "partial_fit"):
        classifies = hasattr(estimator, "predict_log_proba")
        yield "partial_fit", {"classes": [0, 1, 2]} if classifies else {}


every_state = pytest.mark.parametrize("state", ["new", "fitted", "warm"])
every_estimator = pytest.mark.parametrize("name", ESTIMATORS)


@every_estimator
@every_state
def test_wrong_data_change_nothing(name, state):
    estimator = in_state(name, state)
    for method, more in methods(estimator):
        for what, (x, y, settings) in BAD_DATA.items():
            assert attempt(estimator, method, x, y, **settings | more), (method, what)
        if state == "warm" or (state, method) == ("fitted", "partial_fit"):
            continued = hasattr(estimator, "partial_fit") or "L-BFGS" in name
            assert attempt(estimator, method, X[:, :3], Y, **more) or not continued
    for what, arrays in BAD_VALIDATION.items():
        assert attempt(estimator, "fit", X, Y, **arrays), what


@every_estimator
@every_state
def test_wrong_parameters_change_nothing(name, state):
    """Every parameter with values that its constraints exclude."""
    estimator = in_state(name, state)
    given = estimator.get_params()
    for parameter, constraints in estimator._parameter_constraints.items():
        if parameter not in given:
            continue
        wrong = [object()]
        for constraint in constraints:
            try:
                wrong.append(generate_invalid_param_val(make_constraint(constraint)))
            except NotImplementedError:
                continue
        for value in wrong:
            estimator.set_params(**{parameter: value})
            for method, more in methods(estimator):
                failed = attempt(estimator, method, X, Y, **more)
                # one constraint's wrong value may be right by another; a fitted model's
                # partial_fit does not look again
                assert failed or value is not wrong[0] or method == "partial_fit", parameter
            estimator.set_params(**given)


@every_estimator
@every_state
def test_wrong_settings_change_nothing(name, state):
    """What fails after the parameters' validation, while the network is built or trained."""
    estimator = in_state(name, state)
    given, tried, failures = estimator.get_params(), 0, 0
    for settings in BAD_SETTINGS.values():
        known = {k: v for k, v in settings.items() if k in given}
        if not known.keys() & (settings.keys() - {"solver", "batch_size", "early_stopping"}):
            continue
        if "solver" in known and known["solver"] != given["solver"] and "engine" not in name:
            known.pop("solver")
        estimator.set_params(**known)
        for method, more in methods(estimator):
            tried += 1
            failures += attempt(estimator, method, X, Y, **more)
        estimator.set_params(**given)
    least = {"logistic": 0.3, "least squares": 0.3, "classifier by L-BFGS": 0.3}.get(name, 0.55)
    assert failures >= least * tried, (failures, tried)


@pytest.mark.parametrize(
    "kind", [MLPClassifier, MLPRegressor, LogisticRegression, LinearRegression]
)
@pytest.mark.parametrize("solver", ["sgd", "adam", "nadam", "rmsprop"])
def test_after_a_failure_training_goes_on_as_if_there_had_been_none(kind, solver):
    """The optimizer's states and schedule are given back with the weights."""
    nets = {"hidden_layer_sizes": (5,)} if kind in (MLPClassifier, MLPRegressor) else {}
    rate = nb.schedules.StepDecay(0.1, every=2)
    models = [
        kind(solver=solver, learning_rate=rate, batch_size=10, random_state=0, **nets) for _ in "ab"
    ]
    more = (
        {"classes": [0, 1, 2]}
        if hasattr(models[0], "predict_log_proba") or kind is MLPClassifier
        else {}
    )
    for model in models:
        model.partial_fit(X, Y, **more)
    models[1].set_params(callbacks=[stop])
    for _ in range(2):
        with pytest.raises(StoppedError):
            models[1].set_params(warm_start=True).fit(X, Y)
    models[1].set_params(callbacks=None, warm_start=False)
    for model in models:
        model.partial_fit(X, Y)
        model.partial_fit(X, Y)
    assert frozen(models[0].loss_curve_) == frozen(models[1].loss_curve_)
    for attribute in ("coef_", "intercept_", "coefs_", "intercepts_"):
        assert frozen(getattr(models[0], attribute, 0)) == frozen(getattr(models[1], attribute, 0))


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
