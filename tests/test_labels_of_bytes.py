"""Labels of bytes equal no string: every call that takes labels says to decode them."""

import matplotlib as mpl
import numpy as np
import pytest

import nablas as nb
from nablas import plots
from nablas.sklearn import MLPClassifier

mpl.use("Agg")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X = np.random.default_rng(0).normal(size=(30, 2))
WORDS = np.array(["a", "b"])[np.arange(30) % 2]
TWO = np.stack([WORDS, WORDS[::-1]], axis=1)
KINDS = {
    "array": lambda y: np.char.encode(y),
    "objects": lambda y: np.char.encode(y).astype(object),
}


@pytest.fixture(scope="module")
def net():
    net = nb.MLP([2, 2], output="softmax", seed=0)
    net.fit(X, WORDS, epochs=2)
    return net


@pytest.fixture(scope="module")
def model():
    return MLPClassifier((3,), max_iter=2, random_state=0).fit(X, WORDS)


@pytest.fixture(scope="module")
def heads():
    return MLPClassifier((3,), max_iter=2, random_state=0).fit(X, TWO)


def new():
    return nb.MLP([2, 2], output="softmax", seed=0)


CALLS = {
    "MLP.fit": lambda get, y: new().fit(X, y, epochs=1),
    "MLP.fit, again": lambda get, y: get("net").fit(X, y, epochs=1),
    "MLP.fit, sigmoid": lambda get, y: nb.MLP([2, 1], output="sigmoid").fit(X, y, epochs=1),
    "MLP.fit, values": lambda get, y: nb.MLP([2, 1]).fit(X, y, epochs=1),
    "MLP.fit, validation": lambda get, y: new().fit(X, WORDS, epochs=1, validation_data=(X, y)),
    "MLP.fit, source": lambda get, y: new().fit(nb.data.ArraySource(X, y), epochs=1),
    "MLP.loss": lambda get, y: get("net").loss(X, y),
    "MLP.gradient": lambda get, y: get("net").gradient(X, y),
    "MLP.score": lambda get, y: get("net").score(X, y),
    "confusion_matrix": lambda get, y: plots.confusion_matrix(get("net"), X, y),
    "boundary": lambda get, y: plots.DecisionBoundaryDisplay.from_estimator(get("net"), X, y),
    "boundary, model": lambda get, y: plots.DecisionBoundaryDisplay.from_estimator(get("model"), X, y),
    "landscape": lambda get, y: plots.LossLandscapeDisplay.from_estimator(get("model"), X, y),
    "gradients": lambda get, y: plots.GradientNormDisplay.from_estimator(get("model"), X, y),
}  # fmt: skip
OF_SEVERAL = {
    "fit": lambda get, y: MLPClassifier((3,), max_iter=2).fit(X, y),
    "score": lambda get, y: get("heads").score(X, y),
    "landscape": lambda get, y: plots.LossLandscapeDisplay.from_estimator(get("heads"), X, y),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CALLS)
def test_one_label_a_row(name, kind, request):
    with pytest.raises(TypeError, match=r"y: expected numbers or strings, got bytes \(decode them"):
        CALLS[name](request.getfixturevalue, KINDS[kind](WORDS))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", OF_SEVERAL)
def test_several_labels_a_row(name, kind, request):
    with pytest.raises(TypeError, match=r"y: expected numbers or strings, got bytes \(decode them"):
        OF_SEVERAL[name](request.getfixturevalue, KINDS[kind](TWO))


def test_classes_of_several_targets():
    with pytest.raises(TypeError, match="classes: expected numbers or strings, got bytes"):
        MLPClassifier((3,)).partial_fit(X, TWO, classes=[[b"a", b"b"], ["a", "b"]])


@pytest.mark.parametrize("kind", KINDS)
def test_the_advice_is_good(kind, net):
    y = KINDS[kind](WORDS)
    with pytest.raises(TypeError) as error:
        net.score(X, y)
    advice = str(error.value).partition("decode them: ")[2].removesuffix(")")
    decoded = eval(advice, {"np": np, "y": y})
    assert (decoded == WORDS).all()
    assert net.score(X, decoded) == net.score(X, WORDS)
