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
    "shares": (lambda y: metrics.cross_entropy(y, SHARES), ONE_HOT, [-0.5, 1.01, np.inf, np.nan]),
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


# ---- weights of zero, sums, kinds of labels: every metric ----------------------------------------


def labels(n):
    return rng.integers(0, 2, (n, 3)), rng.integers(0, 2, (n, 3))


def classes(n):
    return rng.integers(0, 3, n), rng.integers(0, 3, n)


def values(n):
    return rng.integers(0, 2, (n, 2)), rng.integers(0, 2, (n, 2))  # often constant, or exact


def shares(n):
    return rng.integers(0, 3, n), rng.dirichlet(np.ones(3), n)


def one_label(n):
    return rng.integers(0, 2, n), rng.random(n)


def relevance(n):
    return np.eye(3)[rng.integers(0, 3, n)], rng.random((n, 3))


def each_class(metric):
    """scikit-learn's metric of class probabilities, told which classes there are."""
    return lambda y, p, **given: metric(y, p, labels=range(p.shape[1]), **given)


def top_one(y, score, **given):
    return theirs.top_k_accuracy_score(y.argmax(axis=1), score, k=1, labels=range(3), **given)


EVERY = {  # metric, scikit-learn's, and a function that makes data of n rows
    "accuracy": (metrics.accuracy, theirs.accuracy_score, classes),
    "subset_accuracy": (metrics.subset_accuracy, theirs.accuracy_score, labels),
    "r2": (metrics.r2, theirs.r2_score, values),
    "cross_entropy": (metrics.cross_entropy, each_class(theirs.log_loss), shares),
    "cross_entropy, sum": (
        lambda *pair, **given: metrics.cross_entropy(*pair, normalize=False, **given),
        lambda *pair, **given: each_class(theirs.log_loss)(*pair, normalize=False, **given),
        shares,
    ),
    "binary_cross_entropy": (
        metrics.binary_cross_entropy,
        lambda y, p, **given: theirs.log_loss(y, p, labels=[0, 1], **given),
        one_label,
    ),
    "precision_at_k": (lambda *pair, **given: metrics.precision_at_k(*pair, 1, **given), top_one, relevance),
    "recall_at_k": (lambda *pair, **given: metrics.recall_at_k(*pair, 1, **given), top_one, relevance),
}  # fmt: skip


def test_every_metric_is_tried():
    assert {name.partition(",")[0] for name in EVERY} == set(metrics.__all__)


@pytest.mark.parametrize("name", EVERY)
def test_weights_of_zero_count_for_nothing(name):
    """scikit-learn's answer, that of the other rows alone, and whatever the rows of weight 0 hold."""
    ours, other, make = EVERY[name]
    for n in range(2, 8):
        for _ in range(30):
            (y, p), (odd_y, odd_p) = make(n), make(n)
            weight = rng.choice([0, 0, 0.25, 1, 2], n)  # products are exact, as scikit-learn needs
            weight[rng.integers(n)] = 0.5
            found = ours(y, p, sample_weight=weight)
            assert np.isfinite(found)
            assert found == pytest.approx(other(y, p, sample_weight=weight), abs=1e-12)
            seen = weight > 0
            alone = ours(y[seen], p[seen], sample_weight=weight[seen])
            assert found == pytest.approx(alone, abs=1e-12)
            odd_y[seen], odd_p[seen] = y[seen], p[seen]
            assert ours(odd_y, odd_p, sample_weight=weight) == found


def test_values_without_weight_may_be_anything():
    y, h = np.array([1.0, 2, 4]), np.array([1.0, 3, 4])
    for value in (np.nan, np.inf, -np.inf):
        odd_y, odd_h = np.append(y, value), np.append(h, value)
        assert metrics.r2(odd_y, odd_h, sample_weight=[1, 1, 1, 0]) == metrics.r2(y, h)


@pytest.mark.parametrize("size", [1e-200, 5e-324])
def test_targets_whose_squares_underflow_count_as_equal(size):
    assert metrics.r2([0, size], [0, size]) == 1
    assert metrics.r2([0, size], [1, 1]) == 0
    assert metrics.r2([0, 1], [0, 1], sample_weight=[1, 5e-324]) == 1


@pytest.mark.parametrize(
    "dtype", ["float16", "float32", "uint8", "int8", bool, object, "longdouble"]
)
@pytest.mark.parametrize("name", EVERY)
def test_sums_are_in_float64_whatever_the_weights_dtype(name, dtype):
    ours, _, make = EVERY[name]
    n = 3000  # 100 times as much is beyond float16
    y, p = make(n)
    weight = rng.integers(0, 2, n) if dtype is bool else rng.integers(0, 101, n)
    want = ours(y, p, sample_weight=weight.astype(float))
    assert ours(y, p, sample_weight=weight.astype(dtype)) == want


@pytest.mark.parametrize("dtype", ["float16", "float32", "longdouble"])
@pytest.mark.parametrize(
    "name", ["r2", "cross_entropy", "cross_entropy, sum", "binary_cross_entropy"]
)
def test_sums_are_in_float64_whatever_the_values_dtype(name, dtype):
    ours, _, make = EVERY[name]
    y, p = make(3000)
    narrow = np.clip(p, 0.01, 0.99).astype(dtype)  # beyond, they are clipped by their dtype's eps
    assert ours(y, narrow) == pytest.approx(ours(y, narrow.astype(float)), rel=1e-12)
    sure = np.ones(2, dtype)
    assert np.isfinite(metrics.binary_cross_entropy([0, 1], sure))
    assert np.isfinite(metrics.cross_entropy([0, 1], np.stack([sure, 1 - sure], 1)))


@pytest.mark.parametrize("weight", [[1, np.nan], [1, -1], [0, 0], [1, np.inf], [1e308, 1e308]])
@pytest.mark.parametrize("name", EVERY)
def test_weights_that_make_no_mean(name, weight):
    ours, _, make = EVERY[name]
    with pytest.raises(ValueError, match="sample_weight: expected finite weights"):
        ours(*make(2), sample_weight=weight)
    for odd in ([b"1", b"1"], ["1", "1"], np.array([b"1", b"1"], object)):
        with pytest.raises(TypeError, match="sample_weight: expected numbers"):
            ours(*make(2), sample_weight=odd)


@pytest.mark.parametrize("dtype", [np.int64, np.uint64, object])
@pytest.mark.parametrize("low", [0, 2**53, 2**62, 2**63 - 3])
def test_integer_scores_are_compared_exactly(low, dtype):
    score = np.array([[low, low + 1, low + 2]], dtype)
    for k, (precision, recall) in {1: (0, 0), 2: (0.5, 1), 3: (1 / 3, 1)}.items():
        assert metrics.precision_at_k([[0, 1, 0]], score, k) == pytest.approx(precision)
        assert metrics.recall_at_k([[0, 1, 0]], score, k) == recall
    assert (
        metrics.precision_at_k([[0, 0, 1]], np.array([[2**64 - 3, 2**64 - 2, 2**64 - 1]]), 1) == 1
    )


BYTES = {
    "array": lambda shape: np.full(shape, b"a"),
    "list": lambda shape: np.full(shape, b"a").tolist(),
    "objects": lambda shape: np.full(shape, b"a").astype(object),
    "beside strings": lambda shape: np.resize(np.array(["a", b"a"], object), shape),
}  # fmt: skip


@pytest.mark.parametrize("kind", BYTES)
@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize("name", EVERY)
def test_bytes_are_no_labels(name, second, kind):
    ours, _, make = EVERY[name]
    pair = list(make(2))
    strings = name in ("accuracy", "subset_accuracy")
    if strings:
        pair = [np.full(one.shape, "a") for one in pair]
    pair[second] = BYTES[kind](pair[second].shape)
    argument = r"(y_pred|y_prob|y_score)" if second else "y_true"
    how = r" or strings, got bytes \(decode them: np.char.decode\(" if strings else ", got"
    with pytest.raises(TypeError, match=f"{argument}: expected numbers{how}"):
        ours(*pair)


@pytest.mark.parametrize("kind", [None, object])
@pytest.mark.parametrize("function", [metrics.accuracy, metrics.subset_accuracy])
def test_strings_are_not_compared_with_numbers(function, kind):
    words, numbers = np.array([["a"], ["b"]], kind), np.array([[1], [0]], kind)
    for pair in ((words, numbers), (numbers, words)):
        with pytest.raises(TypeError, match="y_true: expected strings or numbers like y_pred"):
            function(*pair)
    both = np.array([["a", 1], ["b", 0]], object)
    assert function(both, both) == 1


def test_r2_of_weights_near_the_largest_number():
    truth, predicted, weight = [1e3, 2e3, 3e3], [1.0, 2.0, 2.0], np.array([1.0, 2.0, 1.0])
    want = metrics.r2(truth, predicted, sample_weight=weight)
    assert metrics.r2(truth, predicted, sample_weight=weight * 1e307) == pytest.approx(want)
    assert metrics.r2(truth, predicted, sample_weight=weight * 1e-300) == pytest.approx(want)


@pytest.mark.parametrize("shape", [(6, 2, 3), (6, 3, 2), (6, 0), (6, 1, 1), (6, 0, 0)])
@pytest.mark.parametrize("name", EVERY)
def test_shapes_that_no_table_of_rows_has(name, shape):
    ours, _, make = EVERY[name]
    for which in ([0], [1], [0, 1]):
        pair = list(make(6))
        for i in which:
            pair[i] = np.zeros(shape)
        with pytest.raises(
            ValueError, match=r"^y_\w+: expected shape \(n,\) or \(n, columns\), got"
        ):
            ours(*pair)
