"""Options that have no limits, and errors and warnings that say what they are about."""

import warnings

import joblib
import numpy as np
import pytest
from scipy import sparse
from sklearn import linear_model, neural_network
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import Interval
from test_sklearn_superset import SMALL, fitted, weights

import nablas as nb
import nablas.sklearn
from nablas.sklearn import LinearRegression, LogisticRegression, MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = load_iris(return_X_y=True)
X = StandardScaler().fit_transform(X)


def test_l1_gives_exact_zeros_at_the_penalised_minimum():
    """A weight at zero stays there while the loss's own slope is below l1; others balance it."""
    settings = {"hidden_layer_sizes": (6,), "alpha": 0.0, "tol": 0, "n_iter_no_change": 9999}
    settings |= {"batch_size": 150, "learning_rate": "cosine", "max_iter": 3000, "random_state": 0}
    for solver in ("sgd", "adam", "rmsprop"):
        rate = {"sgd": 0.1}.get(solver, 0.01)
        model = MLPClassifier(l1=3.0, solver=solver, learning_rate_init=rate, **settings).fit(X, Y)
        flat = weights(model)
        assert 0.2 < (flat == 0).mean() < 1
        slopes = model.network_.gradients(X, Y)
        slope = np.concatenate([w.ravel() for w, _ in slopes])
        assert np.abs(slope[flat == 0]).max() <= 3.0 / 150 + 1e-3
        np.testing.assert_allclose(slope[flat != 0], -np.sign(flat[flat != 0]) * 0.02, atol=4e-3)


@pytest.mark.parametrize("settings", [{"l1": 3.0}, {"clip_norm": 0.1}, {"loss": "own"}, {"several": True}, {}])  # fmt: skip
def test_sparse_rows_take_every_option(settings):
    y = np.column_stack([Y, Y[::-1]]) if settings.pop("several", False) else Y
    if settings.get("loss") == "own":
        settings["loss"] = lambda p, t: (float(((p - t) ** 2).mean()), 2 * (p - t) / p.size)
    settings = SMALL | {"shuffle": False, "batch_size": 30, "max_iter": 5} | settings
    x = np.where(np.abs(X) > 0.5, X, 0)
    dense = MLPClassifier(**settings).fit(x, y)
    thin = MLPClassifier(**settings).fit(sparse.csr_matrix(x), y)
    np.testing.assert_array_equal(weights(thin), weights(dense))
    np.testing.assert_array_equal(thin.loss_curve_, dense.loss_curve_)


def test_quantiles_of_sparse_rows_and_by_lbfgs():
    x = sparse.csr_matrix(X)
    for solver in ("adam", "lbfgs"):
        model = MLPRegressor(
            "quantile", (), solver=solver, quantile=0.9, max_iter=500, random_state=0
        )
        assert (model.set_params(learning_rate_init=0.02).fit(x, Y).predict(x) >= Y).mean() > 0.8


@pytest.mark.parametrize("loss", [nb.Huber(delta=0.2), nb.Quantile(0.9), nb.Loss("poisson")])
def test_losses_as_objects(loss):
    model = MLPRegressor(loss, **SMALL).fit(X, Y + 1)
    rows = (X, Y[:, None] + 1.0)
    assert clone(model).get_params()["loss"].hyperparameters == loss.hyperparameters
    penalty = 0.5 * model.alpha * (weights(model) ** 2).sum() / len(X)
    model.network_.fit(*rows, loss=loss, epochs=0)
    assert model.set_params(warm_start=True, max_iter=1, learning_rate_init=1e-12).fit(X, Y + 1).loss_ == pytest.approx(model.network_.loss(*rows, loss=loss) + penalty, rel=1e-6)  # fmt: skip
    with pytest.raises(ValueError, match="loss: expected one that fits output"):
        MLPRegressor(nb.Loss("cross_entropy")).fit(X, Y)


def test_rows_beyond_the_networks_range_are_refused():
    model = MLPClassifier(**SMALL).fit(X.astype(np.float32), Y)
    huge = np.where(np.arange(600).reshape(150, 4) == 77, 1e39, X)
    for method in (
        "predict",
        "predict_proba",
        "predict_log_proba",
        "activations",
        "input_gradients",
    ):
        with pytest.raises(ValueError, match=r"X: expected finite values, got 1e\+39"):
            getattr(model, method)(huge)
    with pytest.raises(ValueError, match="X: expected finite values"):
        model.predict_proba(sparse.csr_matrix(huge))


def test_targets_of_strings_beside_numbers():
    words = np.array(["a", "b", "c"])[Y]
    both = np.column_stack([words.astype(object), ((Y > 0) * 1).astype(object)])
    model = MLPClassifier(**SMALL | {"max_iter": 200}).fit(X, both)
    assert [c.tolist() for c in model.classes_] == [["a", "b", "c"], [0, 1]]
    predicted = model.predict(X)
    assert {type(v) for v in predicted[:, 0]} == {str}
    assert set(predicted[:, 1]) == {0, 1}
    assert model.score(X, both) > 0.9
    with pytest.raises(ValueError, match=r"expected classes \[0, 1\] in column 1, got 'x'"):
        model.partial_fit(X, np.column_stack([words, ["x"] * 150]).astype(object))


LABELS = {
    "words": np.array(["a", "b", "longer"])[Y],
    "words, longer than needed": np.array(["a", "b", "c"], "U20")[Y],
    "objects": np.array(["a", "b", "longer"], object)[Y],
    "list": np.array(["a", "b", "longer"])[Y].tolist(),
    "two": np.array(["no", "yes"], object)[Y // 2],
    "one": np.array(["only"] * len(Y), object),
    "the number one": np.ones(len(Y), int),
    "numbers": Y.astype(np.float32),
    "small": Y.astype(np.uint8) + 250,
    "large": Y * 10**15,
    "of another byte order": Y.astype(Y.dtype.newbyteorder()),
    "truth": Y > 1,
    "days": np.datetime64("2026-01-01") + Y,
    "column": Y[:, None],
    "sets": np.stack([Y > 0, Y > 1], axis=1),
}
COLUMNS = {
    "strings of pandas": ("pandas", {"dtype": "string"}),
    "categories of pandas": ("pandas", {"dtype": "category"}),
    "strings of polars": ("polars", {}),
}


def labels(kind):
    if kind not in COLUMNS:
        return LABELS[kind]
    module, settings = COLUMNS[kind]
    return pytest.importorskip(module).Series(LABELS["list"], **settings)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
@pytest.mark.parametrize("way", ["fit", "partial_fit", "early_stopping"])
@pytest.mark.parametrize("kind", [*LABELS, *COLUMNS])
def test_labels_are_scikit_learns(kind, way):
    """The type of classes and predictions, and the score of a held-out share."""
    y, both = labels(kind), []
    for cls in (MLPClassifier, neural_network.MLPClassifier):
        model = cls((4,), solver="sgd", shuffle=False, max_iter=2, random_state=0)
        if way == "partial_fit":
            flat = np.unique(np.asarray(y))
            model.partial_fit(X, y, classes=flat)
        else:
            model.set_params(early_stopping=way == "early_stopping").fit(X, y)
        both.append((model.classes_, model.predict(X), getattr(model, "validation_scores_", None)))
    (classes, found, scores), (wanted, expected, wanted_scores) = both
    assert (classes.dtype, found.dtype) == (wanted.dtype, expected.dtype)
    np.testing.assert_array_equal(classes, wanted)
    if len(classes) < 3 or way != "early_stopping":  # which is stratified for three, too
        np.testing.assert_array_equal(found, expected)
        assert scores == wanted_scores


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
@pytest.mark.parametrize("solver", ["lbfgs", "sgd"])
@pytest.mark.parametrize("kind", [*LABELS, *COLUMNS])
def test_labels_of_linear_models_are_scikit_learns(kind, solver):
    y, both = labels(kind), []
    for model in (LogisticRegression(solver=solver), linear_model.LogisticRegression()):
        try:
            both.append(model.fit(X, y).classes_)
        except ValueError as error:  # a single class; several labels a row
            both.append(str(error))
    found, wanted = both
    assert type(found) is type(wanted)
    np.testing.assert_array_equal(found, wanted, strict=not isinstance(wanted, str))


CLASSES_GIVEN = [
    3,
    "abc",
    np.array(3),
    {0, 1, 2},
    {0: 1},
    [],
    [0, 1, 1, 2],
    [[0, 1, 2]],
    [[0, 1, 2]] * 2,
]


@pytest.mark.parametrize("classes", CLASSES_GIVEN, ids=str)
def test_classes_of_a_partial_fit_are_what_they_are_in_scikit_learn(classes):
    found = []
    for cls in (MLPClassifier, neural_network.MLPClassifier):
        try:
            found.append(cls((3,)).partial_fit(X, Y, classes=classes).classes_.tolist())
        except ValueError as error:
            found.append(str(error))
    assert found[0] == found[1]


def test_a_class_alone_is_refused_by_logistic_regression():
    with pytest.raises(ValueError, match="greater than one; got 1 class"):
        LogisticRegression(solver="sgd").partial_fit(X, Y * 0, classes=[0])


def test_sparse_targets():
    sets = np.stack([Y > 0, Y > 1], axis=1).astype(int)
    with pytest.raises(TypeError, match="y: expected a dense array, got csr_matrix"):
        MLPRegressor().fit(X, sparse.csr_matrix(sets))
    several = MLPClassifier(**SMALL).fit(X, np.stack([Y, Y > 1], axis=1))
    y = sparse.csr_matrix(sets)
    assert several.score(X, y) == several.score(X, sets)


@pytest.mark.filterwarnings("ignore:Got `batch_size`")
@pytest.mark.parametrize("cls", [MLPClassifier, MLPRegressor, LogisticRegression, LinearRegression])
def test_every_number_that_its_constraint_allows_is_taken(cls):
    """Truth values count as 0 and 1, and no number of epochs is too large."""
    taken = 0
    for name, value in cls().get_params().items():
        numbers = [c for c in cls._parameter_constraints[name] if isinstance(c, Interval)]
        for one in (True, np.float32(0.5), np.int16(1), 10**20, np.float64(1e-3)):
            if not any(c.is_satisfied_by(one) for c in numbers) or value is None:
                continue
            if name == "hidden_layer_sizes" and one == 10**20:  # as many units
                continue
            model = cls(solver="sgd", tol=1e9, n_iter_no_change=1)
            if name != "max_iter":
                model.set_params(max_iter=2)
            model.set_params(**{name: one}).fit(X / 1e3, Y)
            taken += 1
    assert taken > 25


@pytest.mark.parametrize("cls", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dropout", ["a"]),
        ("dropout", [0.1, 2]),
        ("dropout", [None]),
        ("hidden_layer_sizes", 10**20),
    ],
)
def test_an_error_names_the_parameter(cls, solver, name, value):
    with pytest.raises((TypeError, ValueError), match=f"^{name}: "):
        cls(solver=solver).set_params(**{name: value}).fit(X, Y)


@pytest.mark.parametrize("way", ["fit", "partial_fit"])
@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_a_column_of_targets_warns_as_in_scikit_learn(name, way):
    found = []
    for package in (nablas.sklearn, neural_network):
        model = getattr(package, name)(hidden_layer_sizes=(3,), max_iter=1)
        classes = {"classes": [0, 1, 2]} if (name, way) == ("MLPClassifier", "partial_fit") else {}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            getattr(model, way)(X, Y[:, None], **classes)
        found.append([(w.category, str(w.message)) for w in caught])
    assert found[0] == found[1]
    assert DataConversionWarning in [category for category, _ in found[0]]


def test_threads_of_all_processors():
    counts = []
    fitted(n_threads=-1, callbacks=[lambda state: counts.append(nb.num_threads()) and None])
    assert set(counts) == {joblib.cpu_count()}
    with pytest.raises(ValueError, match="n_threads"):
        fitted(n_threads=-2)


@pytest.mark.parametrize("module", ["sklearn", "sklearn.neural_network", r"sklearn\..*"])
def test_filters_for_scikit_learns_warnings_hold(module):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=ConvergenceWarning, module=module)
        fitted(max_iter=2)
        MLPClassifier(solver="lbfgs", max_iter=2).fit(X, Y)


def test_the_advice_on_divergence_is_for_estimators():
    settings = {
        "solver": "sgd",
        "learning_rate_init": 1e6,
        "activation": "identity",
        "max_iter": 50,
    }
    model = MLPRegressor(hidden_layer_sizes=(8,), early_stopping=True, random_state=0, **settings)
    with pytest.warns(ConvergenceWarning, match="best validation score are restored") as seen:
        model.fit(X * 1e3, X[:, 0])
    assert "initialize" not in "".join(str(one.message) for one in seen)
