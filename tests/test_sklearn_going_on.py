"""k calls are one long run: of schedules and optimizers, through partial_fit, warm fits and pickling."""

import copy
import pickle

import numpy as np
import pytest
from scipy import sparse

import nablas as nb
from nablas import schedules
from nablas.sklearn import LinearRegression, LogisticRegression, MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X = np.random.default_rng(0).normal(size=(60, 4))
Y = np.arange(60) % 3
KINDS = [MLPClassifier, MLPRegressor, LogisticRegression, LinearRegression]
SCHEDULES = {
    "exponential": schedules.ExponentialDecay(0.1, factor=0.5),
    "steps": schedules.StepDecay(0.1, every=2),
    "warm-up": schedules.WarmUp(0.1, steps=10),
    "warm-up of steps": schedules.WarmUp(schedules.StepDecay(0.1, every=2), steps=3),
    "plateau": schedules.ReduceOnPlateau(0.1, patience=1, min_delta=10.0),
}
SOLVERS = ["sgd", "adam", "adamw", "nadam", "rmsprop", "adagrad"]
unchanged = [lambda m: m, lambda m: pickle.loads(pickle.dumps(m)), copy.deepcopy]


def make(kind, **settings):
    nets = {"hidden_layer_sizes": (5,)} if kind in (MLPClassifier, MLPRegressor) else {}
    settings = {"batch_size": 20, "random_state": 0, "tol": 0, "n_iter_no_change": 100} | settings
    return kind(**nets, **settings)


def parameters(model):
    arrays = [model.coef_, model.intercept_] if hasattr(model, "coef_") else model.coefs_ + model.intercepts_  # fmt: skip
    return np.concatenate([np.ravel(a) for a in arrays])


def rates(seen):
    return [lambda state: seen.append(state.history.learning_rate[-1])]


@pytest.mark.parametrize("between", unchanged, ids=["as it is", "pickled", "copied"])
@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", KINDS)
def test_partial_fits_are_one_long_fit(kind, solver, name, between):
    """To the last bit, shuffling included."""
    settings = {"solver": solver, "learning_rate": SCHEDULES[name]}
    whole = make(kind, max_iter=5, **settings).fit(X, Y)
    steps = make(kind, **settings)
    for i in range(5):
        first = {"classes": [0, 1, 2]} if i == 0 and kind in (MLPClassifier, LogisticRegression) else {}  # fmt: skip
        steps.partial_fit(X, Y, **first)
        steps = between(steps)
    np.testing.assert_array_equal(parameters(steps), parameters(whole))
    assert steps.loss_curve_ == whole.loss_curve_


@pytest.mark.parametrize("between", unchanged, ids=["as it is", "pickled", "copied"])
@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_warm_fits_with_a_schedule_are_one_long_fit(form, kind, name, between):
    settings = {"solver": "adam", "learning_rate": SCHEDULES[name]}
    whole = make(kind, max_iter=6, **settings).fit(form(X), Y)
    warm = make(kind, max_iter=2, warm_start=True, **settings)
    for _ in range(3):
        warm = between(warm.fit(form(X), Y))
    np.testing.assert_array_equal(parameters(warm), parameters(whole))


@pytest.mark.parametrize("solver", ["adamw", "nadam", "rmsprop", "adagrad"])
def test_warm_fits_with_solvers_that_scikit_learn_lacks(solver):
    whole = make(MLPClassifier, solver=solver, max_iter=6).fit(X, Y)
    warm = make(MLPClassifier, solver=solver, max_iter=2, warm_start=True)
    for _ in range(3):
        warm.fit(X, Y)
    np.testing.assert_array_equal(parameters(warm), parameters(whole))


def test_other_parameters_begin_a_new_optimizer():
    seen = []
    model = make(MLPClassifier, max_iter=3, warm_start=True, callbacks=rates(seen))
    model.set_params(solver="sgd", learning_rate=SCHEDULES["exponential"]).fit(X, Y).fit(X, Y)
    model.set_params(momentum=0.5).fit(X, Y)
    np.testing.assert_allclose(seen, 0.1 * 0.5 ** np.array([0, 1, 2, 3, 4, 5, 0, 1, 2]))


def test_the_parameter_itself_is_not_what_observes():
    schedule = SCHEDULES["plateau"]
    before = copy.deepcopy(vars(schedule))
    seen = []
    for _ in range(2):
        make(MLPClassifier, max_iter=4, learning_rate=schedule, callbacks=rates(seen)).fit(X, Y)
    assert vars(schedule) == before
    assert seen[:4] == seen[4:]
    assert seen[3] < seen[0]


def test_a_schedule_over_a_whole_fit_begins_with_every_call():
    seen = []
    model = make(MLPClassifier, max_iter=3, warm_start=True, callbacks=rates(seen))
    model.set_params(learning_rate="cosine", learning_rate_init=0.1).fit(X, Y).fit(X, Y)
    assert seen[:3] == seen[3:]


# ---- networks ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("optimizer", [nb.SGD, nb.Adam, nb.NAdam])
def test_fits_with_the_same_optimizer_are_one(optimizer, name):
    def trained(epochs, between=lambda pair: pair):
        net = nb.MLP([4, 5, 1], dtype="float64", seed=0)
        rule = optimizer(copy.deepcopy(SCHEDULES[name]))
        for count in epochs:
            net.fit(X, X[:, 0], optimizer=rule, epochs=count)
            net, rule = between((net, rule))
        return net.parameters

    whole = trained([6])
    np.testing.assert_array_equal(trained([1, 3, 2]), whole)
    through_pickle = lambda pair: pickle.loads(pickle.dumps(pair))  # noqa: E731
    np.testing.assert_array_equal(trained([1, 3, 2], through_pickle), whole)


def test_epochs_of_unlike_length_count_as_epochs():
    net, seen = nb.MLP([4, 1], seed=0), []
    rule = nb.SGD(schedules.StepDecay(0.1, every=2))
    for rows in (60, 7, 33, 60):
        net.fit(
            X[:rows], X[:rows, 0], optimizer=rule, epochs=1, batch_size=5, callbacks=rates(seen)
        )
    np.testing.assert_allclose(seen, [0.1, 0.1, 0.01, 0.01])
