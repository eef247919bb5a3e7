"""Tables of labels: marks other than 1, objects, and sets of classes, beside scikit-learn's."""

import itertools

import numpy as np
import pytest
from scipy import sparse
from sklearn import neural_network
from sklearn.datasets import load_iris
from sklearn.model_selection import KFold, cross_val_predict

from nablas.sklearn import LogisticRegression, MLPClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)
MARKED = np.eye(3, dtype=int)[Y]
SETTINGS = {"max_iter": 10, "random_state": 0, "shuffle": False, "hidden_layer_sizes": (5,)}


def frame(columns):
    return pytest.importorskip("pandas").DataFrame(columns)


def stored_twice(y):
    """A CSR matrix with every 1 stored as two."""
    rows = sparse.csr_matrix(y)
    indices, ends = np.repeat(rows.indices, 2), 2 * rows.indptr
    return sparse.csr_matrix((np.ones(len(indices), int), indices, ends), rows.shape)


TABLES = {
    "255": MARKED * 255,
    "bytes": (MARKED * 255).astype(np.uint8),
    "2": MARKED * 2,
    "-1": -MARKED,
    "2.0": MARKED * 2.0,
    "flags": MARKED > 0,
    "all": np.full_like(MARKED, 3),
    "none": np.zeros_like(MARKED),
    "sparse": sparse.csr_matrix(MARKED * 3),
    "columns": sparse.csc_matrix(MARKED * 3),
    "twice": stored_twice(MARKED),
}


@pytest.mark.parametrize("name", TABLES)
def test_whatever_is_not_zero_marks_a_label(name):
    y = TABLES[name]
    mine, other = (
        kind(**SETTINGS).fit(X, y) for kind in (MLPClassifier, neural_network.MLPClassifier)
    )
    np.testing.assert_allclose(mine.predict_proba(X), other.predict_proba(X), rtol=1e-6)
    assert not (mine.predict(X) != other.predict(X)).sum()
    assert mine.classes_.tolist() == other.classes_.tolist()
    plain = MARKED if name not in ("all", "none") else (np.ones_like, np.zeros_like)[name == "none"]
    plain = plain(MARKED) if callable(plain) else plain
    one = MLPClassifier(**SETTINGS).fit(X, plain)
    assert (mine.predict_proba(X) == one.predict_proba(X)).all()
    step = MLPClassifier(**SETTINGS).partial_fit(X, y, classes=[0, 1, 2]).partial_fit(X, y)
    assert step.predict_proba(X).shape == (150, 3)
    problem, wanted = (
        model.__nablas_problem__(X, t, None) for model, t in ((mine, y), (one, plain))
    )
    assert (problem.y == wanted.y).all()


def test_a_loss_of_validation_data_with_another_mark():
    fits = [MLPClassifier(**SETTINGS).fit(X, y, X_val=X, y_val=7 * y) for y in (MARKED, 9 * MARKED)]
    assert fits[0].validation_loss_curve_ == fits[1].validation_loss_curve_
    assert fits[0].validation_loss_curve_[-1] == pytest.approx(fits[0].loss_, rel=0.05)


@pytest.mark.parametrize("values", [(-1, 1), (1, 2), (-1.0, 1.0)], ids=str)
def test_two_values_without_zero_are_classes(values):
    y = np.where(MARKED > 0, values[1], values[0])
    model = MLPClassifier((30,), learning_rate_init=0.02, random_state=0).fit(X, y)
    assert set(np.unique(model.predict(X))) == set(values)
    assert model.score(X, y) > 0.9
    marks = MLPClassifier(**SETTINGS).fit(X, MARKED)
    with pytest.raises(ValueError, match="y: expected 0 or 1 for each of 3 labels"):
        marks.__nablas_problem__(X, y, None)
    with pytest.raises(ValueError, match="y: expected 0 or 1 for each of 3 labels"):
        marks.partial_fit(X, y)


def test_targets_of_which_a_fold_holds_two_values():
    y = np.column_stack([Y, Y[::-1]])
    assert cross_val_predict(MLPClassifier(**SETTINGS), X, y, cv=KFold(3)).shape == y.shape
    words = np.array(["a", "b", "c"])[y]  # never taken for marks
    predicted = cross_val_predict(MLPClassifier(**SETTINGS), X, words, cv=KFold(3))
    assert set(np.unique(predicted)) <= {"a", "b", "c"}


# ---- tables of objects --------------------------------------------------------------------------


NUMBERS = {
    "ints": MARKED,
    "flags": MARKED > 0,
    "floats": MARKED.astype(float),
    "marks": MARKED * 5,
    "targets": np.column_stack([Y, Y[::-1]]),
    "signs": 2 * MARKED - 1,
}


@pytest.mark.parametrize("framed", [False, True])
@pytest.mark.parametrize("name", NUMBERS)
def test_objects_are_what_their_numbers_are(name, framed):
    plain = NUMBERS[name]
    y = plain.astype(object)
    y = frame(y) if framed else y
    one, two = (MLPClassifier(**SETTINGS).fit(X, targets) for targets in (plain, y))
    assert str(one.classes_) == str(two.classes_)
    for a, b in zip(one.coefs_, two.coefs_, strict=True):
        np.testing.assert_array_equal(a, b)
    assert one.score(X, plain) == two.score(X, y)
    assert (one.predict(X) == two.predict(X)).all()
    classes = one.classes_ if isinstance(one.classes_, list) else [0, 1, 2]
    one, two = (MLPClassifier(**SETTINGS).partial_fit(X, t, classes=classes) for t in (plain, y))
    assert (one.predict(X) == two.predict(X)).all()
    problem, wanted = (one.__nablas_problem__(X, targets, None) for targets in (y, plain))
    assert (problem.y == wanted.y).all()


def test_columns_of_unlike_numbers():
    y = frame({"a": Y > 0, "b": (Y > 1).astype(int), "c": (Y == 1) * 1.0}).astype(object)
    model = MLPClassifier(**SETTINGS).fit(X, y)
    assert model.predict_proba(X).shape == (150, 3)
    y["b"] = Y.astype(object)
    assert [c.tolist() for c in MLPClassifier(**SETTINGS).fit(X, y).classes_] == [
        [False, True],
        [0, 1, 2],
        [0.0, 1.0],
    ]
    y["a"] = np.array(["x", "y", "z"])[Y]
    assert MLPClassifier(**SETTINGS).fit(X, y).classes_[0].tolist() == ["x", "y", "z"]


REALS = np.random.default_rng(0).random((150, 2))


@pytest.mark.parametrize(
    "y",
    [
        lambda: REALS,
        lambda: REALS.astype(object),
        lambda: frame(REALS).astype(object),
        lambda: frame({"words": np.array(["x", "y", "z"])[Y], "reals": REALS[:, 0]}),
        lambda: np.column_stack([Y, REALS[:, 0]]).astype(object),
    ],
    ids=["plain", "objects", "frame", "words", "ints"],
)
def test_reals_are_no_labels(y):
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        MLPClassifier(**SETTINGS).fit(X, y())


# ---- classes of partial_fit ---------------------------------------------------------------------


def keys(names):
    return dict.fromkeys(names).keys()


@pytest.mark.parametrize("kind", [set, frozenset, keys, list, np.array])
def test_the_classes_of_a_logistic_regression(kind):
    words = ["x", "yy", "z"]
    for order in itertools.permutations(words):
        model = LogisticRegression(solver="sgd")
        model.partial_fit(X, np.array(words)[Y], classes=kind(order))
        assert model.classes_.tolist() == words
