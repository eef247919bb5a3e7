"""Values at the ends of what the constraints accept, and data that end in an error that names them."""

from numbers import Real

import numpy as np
import pytest
from sklearn import linear_model, neural_network
from sklearn.utils._param_validation import Interval

import nablas as nb
from nablas.sklearn import (
    LinearRegression,
    LogisticRegression,
    MLPClassifier,
    MLPRegressor,
    register_skl2onnx,
    to_sklearn,
)
from nablas.sklearn import from_torch as ours_of_torch

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
VALUES = X @ [1.0, 2.0, 3.0]
LABELS = (VALUES > 0).astype(int)
KINDS = [MLPClassifier, MLPRegressor, LogisticRegression, LinearRegression]
NETS = (MLPClassifier, MLPRegressor)
SOLVERS = ["sgd", "adam", "adamw", "nadam", "rmsprop", "adagrad", "lbfgs"]
# validation_fraction is of rows; power_t overflows Python's power in scikit-learn, too
SKIPPED = ("validation_fraction", "power_t", "intercept_scaling")
BESIDE = {"quantile": {"loss": "quantile"}, "l1_ratio": {"C": 0.5}}


def target(kind):
    return LABELS if kind in (MLPClassifier, LogisticRegression) else VALUES


def extremes(kind):
    """(parameter, value) near both ends of every real interval, subnormal and huge ones included."""
    for name, constraints in kind._parameter_constraints.items():
        for one in constraints:
            if name in SKIPPED or not isinstance(one, Interval) or one.type is not Real:
                continue
            tried = [0.0, 5e-324, 1e-320, 1e-300, 1e-50, 1e-40, 1.0, 1e39, 1e300, 1.7e308]
            tried += [1 - 1e-7, 1 - 1e-9, 1 - 1e-12, np.nextafter(1.0, 0.0)]
            yield from ((name, float(value)) for value in tried if value in one)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_value_that_is_accepted_trains_or_is_named(kind, solver, dtype):
    """Values up to 1 train; larger ones may be beyond the dtype, and weights may diverge."""
    if solver == "lbfgs" and kind not in NETS:
        pytest.skip("scikit-learn's own")
    net = {"hidden_layer_sizes": (4,)} if kind in NETS else {}
    for name, value in extremes(kind):
        if solver == "lbfgs" and name in ("l1", "clip_norm", "dropout"):
            continue
        settings = {"solver": solver, "max_iter": 2, "random_state": 0, name: value}
        model = kind(**net, **BESIDE.get(name, {}), **settings)
        try:
            model.fit(X.astype(dtype), target(kind))
        except ValueError as error:
            if "non-finite" in str(error):
                assert value > 1e9 or (name == "C" and value < 1e-9)
                continue
            assert value > 1 or name == "C"
            assert str(error).startswith(f"{name}: expected ")  # noqa: PT017
            assert str(error).endswith(f"within the range of {dtype}, got {value}")  # noqa: PT017


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_number_just_below_one_is_the_largest_that_the_dtype_has(dtype):
    largest = float(np.nextafter(np.ones((), dtype), np.zeros((), dtype)))
    for kind, solver, name, other in (
        (MLPClassifier, "sgd", "momentum", {}),
        (MLPClassifier, "adam", "beta_1", {}),
        (MLPClassifier, "adam", "beta_2", {}),
        (MLPClassifier, "lbfgs", "label_smoothing", {}),
        (MLPRegressor, "sgd", "quantile", {"loss": "quantile"}),
    ):
        settings = {"hidden_layer_sizes": (4,), "solver": solver, "random_state": 0} | other
        nearer, limit = (
            kind(**settings, **{name: value}, max_iter=3).fit(X.astype(dtype), target(kind))
            for value in (np.nextafter(1.0, 0.0), largest)
        )
        np.testing.assert_array_equal(nearer.network_.parameters, limit.network_.parameters)


# ---- classes -----------------------------------------------------------------------------------

SEVERAL = np.column_stack([LABELS, np.arange(40) % 3])
MARKS = np.eye(3, dtype=int)[SEVERAL[:, 1]]
FIRST = {  # y and classes of the first call
    "one target": (LABELS, [0, 1]),
    "several": (SEVERAL, [[0, 1], [0, 1, 2]]),
    "marks": (MARKS, [0, 1, 2]),
}
LATER = {
    "other": [0, 1, 7],
    "fewer": [0],
    "more": [0, 1, 2, 3],
    "listed": [[0, 1], [0, 1, 2, 3]],
    "listed alike": [[0, 1], [0, 1], [0, 1]],
    "fewer lists": [[0, 1]],
    "words": [["a", "b"], ["c", "d"]],
    "array": np.array([[0, 1, 2], [0, 1, 2]]),
}


# For one target scikit-learn reads a table of marks, which names its columns 0, 1.
ALIKE = [("one target", "listed alike"), ("one target", "fewer lists")]


@pytest.mark.parametrize(
    ("first", "later"), [(a, b) for a in FIRST for b in LATER if (a, b) not in ALIKE]
)
def test_other_classes_in_a_later_call_are_refused(first, later):
    y, classes = FIRST[first]
    model = MLPClassifier((4,), random_state=0).partial_fit(X, y, classes=classes)
    same = [np.array(one)[::-1] for one in classes] if first == "several" else classes[::-1]
    for again in (None, classes, same):
        model.partial_fit(X, y, classes=again)
    before = model.network_.parameters.copy()
    with pytest.raises(ValueError, match=r"is not the same as on last call|Unknown label|Multioutput|inhomogeneous"):  # fmt: skip
        model.partial_fit(X, y, classes=LATER[later])
    np.testing.assert_array_equal(model.network_.parameters, before)


NO_ORDER = {
    "missing": (["a", "b", None], "a missing value in row 2"),
    "missing number": ([0, 1, None], "a missing value in row 2"),
    "mixed": ([0, 1, "a"], "expected numbers or strings, got both"),
}


@pytest.mark.parametrize("labels", NO_ORDER)
def test_labels_without_an_order_are_named(labels):
    wrong, message = NO_ORDER[labels]
    single = np.array(wrong, object)[np.arange(40) % 3]
    listed = np.array(wrong, object)
    net = MLPClassifier((4,), max_iter=2)
    for call in (
        lambda: MLPClassifier((4,)).partial_fit(X, LABELS, classes=listed),
        lambda: MLPClassifier((4,)).partial_fit(X, SEVERAL, classes=[[0, 1], listed]),
        lambda: MLPClassifier((4,)).initialize(3, classes=listed),
        lambda: LogisticRegression(solver="adam").partial_fit(X, LABELS, classes=listed),
        lambda: ours_of_torch({"0.weight": np.ones((3, 2)), "0.bias": np.zeros(3)}, classes=listed),
    ):
        with pytest.raises(ValueError, match=f"^classes: .*{message}"):
            call()
    for call in (net.fit, net.fit(X, LABELS).partial_fit):
        with pytest.raises(ValueError, match=f"^y: .*{message}"):
            call(X, single)


def test_a_missing_label_in_one_of_several_columns_is_named():
    for column in (0, 1):
        y = np.array(SEVERAL, object)
        y[3, column] = None
        model = MLPClassifier((4,), max_iter=2)
        with pytest.raises(ValueError, match="y: expected labels, got a missing value in row 3"):
            model.fit(X, y)
        model.fit(X, SEVERAL)
        for wrong in (None, "x"):
            y[3, column] = wrong
            with pytest.raises(ValueError, match=rf"in column {column}, got {wrong!r}$"):
                model.partial_fit(X, y)


# ---- conversions and text ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        nb.MLP([2, 1]),
        linear_model.LogisticRegression().fit(X, LABELS),
        linear_model.Perceptron().fit(X, LABELS),
        neural_network.MLPClassifier((2,)),
        MLPClassifier,
        "x",
        None,
    ],
    ids=lambda one: type(one).__name__,
)
def test_to_sklearn_names_what_it_takes(other):
    with pytest.raises(TypeError, match=r"estimator: expected one of nablas\.sklearn, got "):
        to_sklearn(other)


def test_skl2onnx_is_told_of_several_targets():
    skl2onnx = pytest.importorskip("skl2onnx")
    register_skl2onnx()
    model = MLPClassifier((4,), max_iter=2).fit(X, SEVERAL)
    with pytest.raises(ValueError, match="estimator: expected one target, got several"):
        skl2onnx.to_onnx(model, X[:1].astype(np.float32), options={"zipmap": False})


PAIRS = [
    (MLPClassifier, neural_network.MLPClassifier, "adam"),
    (MLPRegressor, neural_network.MLPRegressor, "adam"),
    (LogisticRegression, linear_model.LogisticRegression, "adam"),
    (LogisticRegression, linear_model.LogisticRegression, "lbfgs"),
    (LinearRegression, linear_model.LinearRegression, "adam"),
    (LinearRegression, linear_model.LinearRegression, "lstsq"),
]
TEXTS = {
    "text": X.astype(str),
    "bytes": X.astype("S8"),
    "lists": X.astype(str).tolist(),
    "objects": X.astype(str).astype(object),
    "numbers": X.tolist(),
}


def outcome(call):
    """The message of its ValueError, or None."""
    try:
        call()
    except ValueError as error:
        return str(error)
    return None


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize(("mine", "other", "solver"), PAIRS)
def test_text_in_X_is_refused_where_scikit_learn_refuses_it(mine, other, solver, text):
    def model(kind):
        return kind(**{"solver": solver} if kind is mine else {}, **net)

    net = {"hidden_layer_sizes": (4,), "max_iter": 2} if mine in NETS else {}
    y, x = target(mine), TEXTS[text]
    assert outcome(lambda: model(mine).fit(x, y)) == outcome(lambda: model(other).fit(x, y))
    got, want = model(mine).fit(X, y), model(other).fit(X, y)
    for name in ("predict", "predict_proba"):
        if hasattr(want, name):
            ours, theirs = (getattr(one, name) for one in (got, want))
            assert outcome(lambda f=ours: f(x)) == outcome(lambda f=theirs: f(x))
