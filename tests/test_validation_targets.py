"""Targets to validate on that do not fit those to train on are refused before the first update.

Of a source, whose rows are read as they are needed, this holds for the first row.
"""

import datetime

import numpy as np
import pytest
from cases import rng

import nablas as nb

N = 48
X = rng(0).normal(size=(N, 3))
X[0] = -1
CODES = (np.arange(N) + 2) % 3
WORDS = np.array(["ant", "bee", "cat"])[CODES]


def of_named_loss(outputs, targets, sample_weight=None):
    """Any loss of any targets: its value is not looked at."""
    return 1.0, np.ones_like(outputs) / len(outputs)


TRAINED = {
    "class indices": ("softmax", 3, None, CODES),
    "class names": ("softmax", 3, None, WORDS),
    "distributions": ("softmax", 3, None, np.eye(3)[CODES]),
    "0 and 1": ("sigmoid", 1, None, CODES % 2),
    "two names": ("sigmoid", 1, None, WORDS[CODES % 2]),
    "labels": ("sigmoid", 3, None, np.eye(3)[CODES]),
    "numbers": ("identity", 1, None, X[:, 0]),
    "columns": ("identity", 2, None, X[:, :2]),
    "class indices, function": ("softmax", 3, of_named_loss, CODES),
    "class names, function": ("softmax", 3, of_named_loss, WORDS),
    "numbers, function": ("identity", 1, of_named_loss, X[:, 0]),
    "columns, function": ("identity", 2, of_named_loss, X[:, :2]),
}
VALIDATED = {
    "class indices": CODES,
    "class names": WORDS,
    "two names": WORDS[CODES % 2],
    "other names": np.array(["ant", "bee", "dog"])[CODES],
    "0 and 1": CODES % 2,
    "distributions": np.eye(3)[CODES],
    "numbers": X[:, 0],
    "two columns": X[:, :2],
    "one column": X[:, :1],
    "three dimensions": X[:, :2, np.newaxis],
    "nothing": np.full(N, None),
    "dates": np.full(N, datetime.date(2020, 1, 1)),
    "times": np.full(N, np.datetime64("2020-01-01")),
    "a mixture": np.array(["ant", *[1] * (N - 1)], dtype=object),
}
FORMS = {
    "arrays": lambda y: (X, y),
    "source": lambda y: nb.data.ArraySource(X, y),
}


def refusal(trained, given):
    """The error of a fit that validates so, or None, and the network."""
    output, outputs, loss, y = TRAINED[trained]
    net = nb.MLP([3, 4, outputs], output=output, seed=0)
    try:
        history = net.fit(X, y, loss=loss, epochs=2, validation_data=given)
    except (TypeError, ValueError) as error:
        return str(error), net
    assert len(history.val_loss) == len(history.val_score) == 2
    return None, net


@pytest.mark.parametrize("validated", VALIDATED)
@pytest.mark.parametrize("trained", TRAINED)
def test_they_are_refused_before_training_or_scored(trained, validated):
    message, net = refusal(trained, (X, VALIDATED[validated]))
    if message is None:
        return
    assert message.startswith("validation_data, ")
    assert np.array_equal(net.parameters, nb.MLP(net.sizes, seed=0).parameters)
    assert (net.epochs, net.classes, net.history) == (0, None, None)
    assert trained != validated


@pytest.mark.parametrize("validated", VALIDATED)
@pytest.mark.parametrize("trained", TRAINED)
def test_a_source_is_refused_by_its_first_row(trained, validated):
    y = VALIDATED[validated]
    try:
        sources = [nb.data.ArraySource(X[:n], y[:n]) for n in (1, N)]
    except (TypeError, ValueError):
        return  # the source refuses them
    (by_first, _), (message, net) = (refusal(trained, source) for source in sources)
    assert by_first is None or message == by_first
    if message is not None:
        assert message.startswith("validation_data, ")
        assert net.epochs == (by_first is None)
    assert message is None or trained != validated


@pytest.mark.parametrize("form", FORMS)
def test_strings_beside_integers_are_named(form):
    net = nb.MLP([3, 4, 3], output="softmax", seed=0)
    for y in (CODES, nb.data.ArraySource(X, CODES)):
        with pytest.raises(TypeError, match="^validation_data, y: expected numbers as in training"):
            net.fit(*((y,) if y is not CODES else (X, y)), validation_data=FORMS[form](WORDS))


@pytest.mark.parametrize("form", FORMS)
def test_later_fits_keep_the_classes(form):
    """Rows of some classes go on with the outputs that the first fit named."""
    net, all_at_once = (nb.MLP([3, 8, 3], output="softmax", seed=0) for _ in range(2))
    net.fit(X, WORDS, epochs=3)
    all_at_once.fit(X, CODES, epochs=3)
    some = np.flatnonzero(CODES > 0)
    given = FORMS[form](WORDS)
    part = (
        (X[some], WORDS[some]) if form == "arrays" else (nb.data.ArraySource(X[some], WORDS[some]),)
    )
    net.fit(*part, epochs=2, validation_data=given)
    all_at_once.fit(X[some], CODES[some], epochs=2)
    assert net.classes == ["ant", "bee", "cat"]
    assert np.array_equal(net.parameters, all_at_once.parameters)
