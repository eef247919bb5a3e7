"""Metrics of labels that are missing, and of numbers whose squares no float holds."""

import numpy as np
import pytest
from sklearn import metrics as theirs

import nablas as nb
from nablas import metrics

STRINGS = hasattr(np.dtypes, "StringDType")  # from NumPy 2 on


def missing_labels():
    """Four labels, the one in row 1 missing, and the same with another one in its place."""
    pandas = pytest.importorskip("pandas")
    words, numbers = np.array(["a", "b", "c", "a"], object), np.array([0, 1, 2, 0], object)
    for value in (None, np.nan, float("nan"), pandas.NA, pandas.NaT):
        for whole in (words, numbers):
            lacks = whole.copy()
            lacks[1] = value
            yield lacks, whole
    for dtype in ("float16", "float32", "float64", "longdouble"):
        yield np.array([0, np.nan, 2, 0], dtype), np.array([0, 1, 2, 0], dtype)
    for value in (np.nan, None) if STRINGS else ():
        dtype = np.dtypes.StringDType(na_object=value)
        yield np.array(["a", value, "c", "a"], dtype), np.array(["a", "b", "c", "a"], dtype)
    for dtype, whole in (("string", words), ("category", words), ("Int64", numbers)):
        lacks = whole.copy()
        lacks[1] = None
        yield pandas.Series(lacks, dtype=dtype), pandas.Series(whole, dtype=dtype)


@pytest.mark.parametrize("columns", [(), (1,)])
def test_missing_labels_are_refused_where_they_count(columns):
    tried = 0
    for lacks, whole in missing_labels():
        lacks, whole = (np.asarray(one).reshape(4, *columns) for one in (lacks, whole))
        function = metrics.subset_accuracy if columns else metrics.accuracy
        for pair, name in (((lacks, whole), "y_true"), ((whole, lacks), "y_pred")):
            for weight in (None, [1, 0.5, 1, 1]):
                expected = f"^{name}: expected labels, got a missing value in row 1$"
                with pytest.raises(ValueError, match=expected):
                    function(*pair, sample_weight=weight)
            assert function(*pair, sample_weight=[1, 0, 1, 1]) == 1
        tried += 1
    assert tried == 17 + 2 * STRINGS


def test_a_score_of_missing_labels_is_refused():
    net = nb.MLP([1, 1], output="sigmoid", seed=0)
    with pytest.raises(ValueError, match="^y: expected labels, got a missing value in row 1$"):
        net.score([[0.0], [1.0]], [0.0, np.nan])


EXTREME = [5e-324, 1e-200, -1.0, 1e154, -1e200, 1.7e308, np.inf, -np.inf, np.nan]


def in_memory(y, h):
    return metrics.r2(y, h)


def of_a_fit(y, h, source=False):
    """The score on validation data of a network whose outputs are its inputs."""
    net = nb.MLP([1, 1], dtype="float64", seed=0)
    net.weights[0] = [[1.0]]
    held_out = np.reshape(h, (-1, 1)), np.reshape(y, (-1, 1))
    held_out = nb.data.ArraySource(*held_out) if source else held_out
    history = net.fit([[0.0]], [0.0], epochs=1, optimizer="sgd", validation_data=held_out)
    return history.val_score[0]


@pytest.mark.parametrize("score", [in_memory, of_a_fit, lambda y, h: of_a_fit(y, h, True)])
def test_r2_of_any_values_is_a_number_without_a_warning(score):
    """In a program that makes errors of NumPy's warnings a fit would end there."""
    for value in EXTREME:
        if score is in_memory or np.isfinite(value):
            for y, h in (
                ([value, 0, 1], [0, 0, 1]),
                ([2, 0, 1], [value, 0, 1]),
                ([value] * 2, [value, 0]),
            ):
                with np.errstate(all="raise"):
                    found = score(np.array(y, float), np.array(h, float))
                assert isinstance(found, float)
                if np.isfinite(value) and abs(value) < 1e100:
                    assert found == pytest.approx(theirs.r2_score(y, h), abs=1e-9)


class Unequal:
    """A label that cannot be compared; its error takes two arguments."""

    class Error(ValueError):
        def __init__(self, label, why):
            super().__init__(f"{label}: {why}")

    def __eq__(self, other):
        raise self.Error("label", "no order")

    __hash__ = None


@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_a_score_raises_the_error_of_a_label_as_it_is(output):
    labels = np.array([Unequal(), Unequal()], object)
    y = labels if output == "softmax" else np.stack([labels, labels], axis=1)
    with pytest.raises(Unequal.Error, match="^label: no order"):
        nb.MLP([2, 2], output=output, seed=0).score(np.eye(2), y)
