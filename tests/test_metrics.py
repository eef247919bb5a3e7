"""Metrics against scikit-learn's; the rule for ties against the mean over all orders."""

import itertools

import numpy as np
import pytest
from cases import strange_layouts
from sklearn import metrics as theirs

from nablas import metrics

rng = np.random.default_rng(0)
WEIGHTS = rng.random(40) + 0.1


@pytest.mark.parametrize("weight", [None, WEIGHTS])
def test_the_same_as_scikit_learn(weight):
    y, guess = rng.integers(0, 3, 40), rng.integers(0, 3, 40)
    labels, marked = rng.integers(0, 2, (40, 3)), rng.integers(0, 2, (40, 3))
    prob, values = rng.dirichlet(np.ones(3), 40), rng.normal(size=(40, 2))
    w = {"sample_weight": weight}
    assert metrics.accuracy(y, guess, **w) == pytest.approx(theirs.accuracy_score(y, guess, **w))
    assert metrics.subset_accuracy(labels, marked, **w) == pytest.approx(
        theirs.accuracy_score(labels, marked, **w)
    )
    assert metrics.r2(values, values[::-1], **w) == pytest.approx(
        theirs.r2_score(values, values[::-1], **w)
    )
    assert metrics.cross_entropy(y, prob, **w) == pytest.approx(theirs.log_loss(y, prob, **w))
    assert metrics.cross_entropy(np.eye(3)[y], prob, **w) == pytest.approx(
        theirs.log_loss(y, prob, **w)
    )
    assert metrics.cross_entropy(y, prob, normalize=False, **w) == pytest.approx(
        theirs.log_loss(y, prob, normalize=False, **w)
    )
    assert metrics.cross_entropy(y, np.eye(3)[guess], **w) == pytest.approx(
        theirs.log_loss(y, np.eye(3)[guess], **w)
    )
    single = labels[:, 0]
    assert metrics.binary_cross_entropy(single, prob[:, 0], **w) == pytest.approx(
        theirs.log_loss(single, prob[:, 0], **w)
    )
    both = sum(theirs.log_loss(labels[:, i], prob[:, i], **w) for i in range(3))
    assert metrics.binary_cross_entropy(labels, prob, **w) == pytest.approx(both)
    for k in (1, 2):
        top = theirs.top_k_accuracy_score(y, prob, k=k, **w)
        assert metrics.recall_at_k(np.eye(3)[y], prob, k, **w) == pytest.approx(top)
        assert metrics.precision_at_k(np.eye(3)[y], prob, k, **w) == pytest.approx(top / k)


def test_ties_are_the_mean_over_all_orders():
    truth = rng.integers(0, 2, (30, 5))
    score = rng.integers(0, 3, (30, 5)).astype(float)  # many ties
    for k in range(1, 6):
        hits = np.zeros(30)
        for order in itertools.permutations(range(5)):
            columns = np.array(order)
            best = columns[np.argsort(-score[:, columns], axis=1, kind="stable")[:, :k]]
            hits += np.take_along_axis(truth, best, 1).sum(axis=1) / 120
        assert metrics.precision_at_k(truth, score, k) == pytest.approx((hits / k).mean())
        some = truth.sum(axis=1) > 0
        recall = np.where(some, hits / np.maximum(truth.sum(axis=1), 1), 0)
        assert metrics.recall_at_k(truth, score, k) == pytest.approx(recall.mean())
        recall[~some] = 1
        assert metrics.recall_at_k(truth, score, k, zero_division=1) == pytest.approx(recall.mean())


def test_dtypes_and_constant_targets():
    for dtype in (np.uint8, bool, int, float):
        truth = np.array([1, 0], dtype)
        assert metrics.binary_cross_entropy(truth, [0.9, 0.1]) == pytest.approx(-np.log(0.9))
    assert metrics.r2([0.1] * 3, [1.1] * 3) == 0
    assert metrics.r2([0.1] * 3, [0.1] * 3) == 1
    for call in (
        lambda: metrics.accuracy(["a"], [0]),
        lambda: metrics.binary_cross_entropy(["a"], [0.5]),
    ):
        with pytest.raises(TypeError):
            call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.accuracy([1], [1, 2]), "y_true: expected 2 rows"),
        (lambda: metrics.accuracy([], []), "at least one row"),
        (lambda: metrics.accuracy(1, 1), "expected an array, got a single value"),
        (lambda: metrics.accuracy([1, 2], [1, 2], sample_weight=[1]), r"sample_weight: expected shape \(2,\)"),
        (lambda: metrics.r2([1.0, 2], [1, 2], sample_weight=[0, 0]), "some above it"),
        (lambda: metrics.r2([1.0, 2], [1, 2], sample_weight=[1, np.inf]), "finite weights"),
        (lambda: metrics.accuracy([[1, 1, 0], [0, 1, 1]], [0, 1]), "one-hot rows"),
        (lambda: metrics.accuracy(np.zeros((2, 3)), np.zeros((2, 2))), r"shape \(2, 2\) like y_pred"),
        (lambda: metrics.cross_entropy([[-0.1, 1.1]], [[0.5, 0.5]]), "probabilities"),
        (lambda: metrics.binary_cross_entropy([2.0], [0.5]), "from 0 to 1"),
        (lambda: metrics.subset_accuracy([1, 2], [1, 2]), r"shape \(n, labels\)"),
        (lambda: metrics.cross_entropy([0, 3], [[0.5, 0.5]] * 2), "from 0 to 1, got 3 at 1"),
        (lambda: metrics.cross_entropy([0, 1], [[0.5, 1.5]] * 2), r"got 1.5 at \(0, 1\)"),
        (lambda: metrics.cross_entropy([0, 1], [0.5, 0.5]), r"shape \(n, classes\)"),
        (lambda: metrics.binary_cross_entropy([0, 1], [[0.5, 0.5]] * 2), "like y_prob"),
        (lambda: metrics.precision_at_k([[0, 1]], [[0.1, 0.2]], 3), "k: expected at most 2, got 3"),
        (lambda: metrics.precision_at_k([[0, 2]], [[0.1, 0.2]], 1), "0 or 1"),
        (lambda: metrics.precision_at_k([[0, 1]], [[0.1, np.nan]], 1), "nan"),
    ],
)  # fmt: skip
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("name", ["r2", "accuracy", "cross_entropy", "binary_cross_entropy"])
def test_layouts_give_the_same_bits(name):
    y, p = np.eye(3)[rng.integers(0, 3, 400)], rng.dirichlet(np.ones(3), 400)
    if name == "accuracy":
        p = p.round()
    function = getattr(metrics, name)
    want = function(y, p)
    for (layout, odd_y), (_, odd_p) in zip(strange_layouts(y), strange_layouts(p), strict=True):
        assert function(odd_y, odd_p) == want, layout


ONE_HOT, SHARES = np.eye(3)[[0, 1, 2, 0]], np.full((4, 3), 1 / 3)
CHECKED = {  # a call of an array whose every entry is checked, the array, and entries that are refused
    "accuracy": (lambda y: metrics.accuracy(y, [0, 1, 2, 0]), ONE_HOT, [2.0, 0.5, -1.0, np.nan]),
    "targets": (lambda y: metrics.binary_cross_entropy(y, SHARES), ONE_HOT, [1.01, -0.01, np.nan]),
    "shares": (lambda y: metrics.cross_entropy(y, SHARES), ONE_HOT, [-0.5, np.nan]),
    "probabilities": (lambda p: metrics.cross_entropy(ONE_HOT, p), SHARES, [1.5, -0.5, np.nan]),
    "one probability": (lambda p: metrics.binary_cross_entropy(ONE_HOT, p), SHARES, [1.01, -0.01, np.nan]),
    "relevance": (lambda y: metrics.precision_at_k(y, SHARES, 1), ONE_HOT, [2.0, 0.5, -1.0, np.nan]),
    "scores": (lambda s: metrics.precision_at_k(ONE_HOT, s, 1), SHARES, [np.nan]),
}  # fmt: skip


@pytest.mark.parametrize("name", CHECKED)
def test_one_bad_entry_among_good_ones(name):
    call, good, bad = CHECKED[name]
    call(good)
    for place in np.ndindex(good.shape):
        for value in bad:
            odd = good.copy()
            odd[place] = value
            with pytest.raises(ValueError, match="expected"):
                call(odd)
