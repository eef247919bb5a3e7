"""scikit-learn's checks of estimators: every class, every solver, every parameter at another value.

What must fail is listed with its reason, and a check listed in vain fails. scikit-learn's classes
fail the same checks, where they have the parameter.
"""

import inspect

import numpy as np
import pytest
from sklearn import clone, linear_model, neural_network
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

import nablas as nb
from nablas.sklearn import LinearRegression, LogisticRegression, MLPClassifier, MLPRegressor


def ignore(state):
    """A callback that does nothing."""


def half_squares(outputs, targets, sample_weight=None):
    w = np.ones(len(targets)) if sample_weight is None else sample_weight
    share = (w / w.sum())[:, None]
    return float((share * (outputs - targets) ** 2).sum() / 2), share * (outputs - targets)


# fmt: off
EARLY = {"solver": "nadam", "early_stopping": True, "validation_fraction": 0.3, "n_iter_no_change": 40, "scoring": "loss", "random_state": 0}
DESCENT = {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.1, "momentum": 0.8, "nesterovs_momentum": False, "batch_size": 16, "tol": 1e-5}
MOMENTS = {"solver": "adam", "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-7, "clip_norm": 2.0, "verbose": 1, "n_threads": 2, "warm_start": True}
DECAY = {"solver": "adamw", "weight_decay": 0.001, "learning_rate": "cosine", "shuffle": False, "callbacks": [ignore], "max_iter": 60}
NETS = [  # of both
    {"max_iter": 50},
    {"solver": "lbfgs", "max_fun": 500, "alpha": 1.0, "max_iter": 20},
    DESCENT | {"hidden_layer_sizes": (20, 10), "activation": ["tanh", "gelu"], "learning_rate_init": 0.01},
    MOMENTS | {"learning_rate_init": 0.01, "max_iter": 60},
    DECAY | {"hidden_layer_sizes": (), "learning_rate_init": 0.1},
    EARLY | {"learning_rate_init": 0.01, "progress": True, "max_iter": 60},
    {"solver": "adagrad", "l1": 0.001, "learning_rate": "one_cycle", "learning_rate_init": 0.5, "max_iter": 60},
    {"dropout": 0.05, "learning_rate": "plateau", "learning_rate_init": 0.02, "max_iter": 60},
    {"solver": "rmsprop", "learning_rate": nb.schedules.StepDecay(0.01, every=30), "max_iter": 60},
]
LINEAR = [  # of both, with the engine's solvers
    DESCENT | {"learning_rate_init": 0.03, "max_iter": 300},
    MOMENTS | {"learning_rate_init": 0.1},
    DECAY | {"learning_rate_init": 0.2},
    EARLY | {"learning_rate_init": 0.1, "progress": True, "max_iter": 100},
    {"solver": "adagrad", "learning_rate": "one_cycle", "learning_rate_init": 1.0, "max_iter": 60},
    {"solver": "rmsprop", "learning_rate": nb.schedules.StepDecay(0.05, every=50), "max_iter": 100},
]
CONFIGURATIONS = [
    *(cls(**settings) for settings in NETS for cls in (MLPClassifier, MLPRegressor)),
    MLPClassifier(class_weight="balanced", label_smoothing=0.05, learning_rate_init=0.01),
    MLPClassifier(loss=half_squares, learning_rate_init=0.005),
    *(
        MLPRegressor(loss=loss, quantile=0.4, learning_rate_init=0.02, max_iter=100)
        for loss in ("absolute_error", "huber", "log_cosh", "quantile", nb.Huber(0.5))
    ),
    *(cls(**settings) for settings in LINEAR for cls in (LogisticRegression, LinearRegression)),
    *(LogisticRegression(solver=solver) for solver in ("lbfgs", "liblinear", "newton-cholesky", "sag", "saga")),
    LogisticRegression(solver="newton-cg", penalty="l2", n_jobs=1),
    LogisticRegression(solver="liblinear", dual=True, intercept_scaling=2.0),
    LogisticRegression(solver="sgd", C=0.5, l1_ratio=0.5, class_weight="balanced", learning_rate_init=0.1),
    LogisticRegression(solver="sgd", learning_rate="adaptive", learning_rate_init=0.1, fit_intercept=False),
    LinearRegression(),
    LinearRegression(solver="sgd", learning_rate="adaptive", learning_rate_init=0.1, fit_intercept=False),
    LinearRegression(positive=True),
    LinearRegression(copy_X=False, n_jobs=1),
]
# fmt: on

REPEATED = [f"check_sample_weight_equivalence_on_{kind}_data" for kind in ("dense", "sparse")]
BY_PARTS = ["check_fit_score_takes_y", "check_n_features_in_after_fitting", "check_estimators_partial_fit_n_features"]  # fmt: skip
TWICE = [
    "check_supervised_y_2d",
    "check_classifiers_multilabel_representation_invariance",
    "check_class_weight_balanced_linear_classifier",
]
IN_PLACE = ["check_fit_idempotent", "check_regressors_int", "check_supervised_y_2d"]
OF_SOLVERS = {  # of scikit-learn's own solvers
    "liblinear": ["check_classifier_not_supporting_multiclass", "check_fit2d_1sample"],
    "sag": REPEATED,
    "saga": REPEATED,
}


def expected_to_fail(model):
    """Checks and reasons."""
    solver, kind = getattr(model, "solver", None), type(model).__name__
    found = dict.fromkeys(OF_SOLVERS.get(solver, []), "scikit-learn's solver")
    if getattr(model, "dual", False):
        found |= dict.fromkeys(REPEATED, "scikit-learn's solver, random without a seed")
    if getattr(model, "early_stopping", False):
        found |= dict.fromkeys(BY_PARTS, "partial_fit has no early stopping")
        found |= dict.fromkeys(
            REPEATED, "the validation share is drawn from rows, not from weights"
        )
    if getattr(model, "batch_size", "auto") != "auto":
        found |= dict.fromkeys(REPEATED, "batches have a number of rows, not a weight")
    if getattr(model, "dropout", 0):
        found |= dict.fromkeys(REPEATED, "masks are drawn for rows")
    if getattr(model, "class_weight", None) == "balanced":
        found |= dict.fromkeys(BY_PARTS, "partial_fit does not see all data")
    if getattr(model, "warm_start", False):
        found |= dict.fromkeys(TWICE, "the second fit goes on from the first")
    if not getattr(model, "copy_X", True):
        found |= dict.fromkeys(IN_PLACE, "X is overwritten")
    if kind == "LogisticRegression" and not model.fit_intercept:
        found["check_class_weight_classifiers"] = "a line through the origin"
    return found


STRICT = {"xfail_strict": True} if "xfail_strict" in inspect.signature(parametrize_with_checks).parameters else {}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(CONFIGURATIONS, expected_failed_checks=expected_to_fail, **STRICT)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("check", ["check_param_validation", "check_inplace_ensure_writeable"])
@pytest.mark.parametrize("model", CONFIGURATIONS, ids=str)
def test_scikit_learns_checks_of_its_own_classes(model, check):
    """Those that its list for others lacks."""
    getattr(estimator_checks, check)(type(model).__name__, clone(model))


LIKEWISE = [
    neural_network.MLPRegressor(batch_size=16, solver="sgd", random_state=0),
    neural_network.MLPClassifier(early_stopping=True, random_state=0, max_iter=50),
    neural_network.MLPRegressor(early_stopping=True, random_state=0, max_iter=50),
    neural_network.MLPClassifier(warm_start=True, max_iter=50),
    neural_network.MLPRegressor(warm_start=True, max_iter=50),
    *(linear_model.LogisticRegression(solver=solver) for solver in OF_SOLVERS),
    linear_model.LogisticRegression(solver="liblinear", dual=True),
    linear_model.LogisticRegression(fit_intercept=False),
    linear_model.LinearRegression(copy_X=False),
]


def run_by(model):
    """Names of the checks that scikit-learn has for an estimator."""
    made = estimator_checks.estimator_checks_generator(model, legacy=True)
    return {getattr(check, "func", check).__name__ for _, check in made}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("model", "check"),
    [
        (one, name)
        for one in LIKEWISE
        for name in sorted(expected_to_fail(one).keys() & run_by(one))
    ],
)
def test_scikit_learns_classes_fail_the_same_checks(model, check):
    """A reason given above is none of ours."""
    with pytest.raises((AssertionError, ValueError)):
        getattr(estimator_checks, check)(type(model).__name__, clone(model))


CLASSES = sorted({type(one) for one in CONFIGURATIONS}, key=lambda cls: cls.__name__)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_parameter_has_another_value_in_some_configuration(cls):
    default = {name: p.default for name, p in inspect.signature(cls).parameters.items()}
    models = [one.get_params() for one in CONFIGURATIONS if type(one) is cls]
    same = {name for name, value in default.items() if all(m[name] is value for m in models)}
    assert same == set()


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_solver_has_a_configuration(cls):
    (known,) = cls._parameter_constraints["solver"]
    assert {one.solver for one in CONFIGURATIONS if type(one) is cls} == set(known.options)
