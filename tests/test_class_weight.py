"""Weights of classes in `MLP.fit`: those of rows, whatever form the labels have."""

import numpy as np
import pytest
from cases import rng
from sklearn.utils.class_weight import compute_class_weight

import nablas as nb

X, CODES = rng(0).normal(size=(60, 4)), np.r_[np.zeros(40, int), np.ones(15, int), np.full(5, 2)]
WORDS = np.array(["a", "b", "c"])
PAIR = (CODES > 0) + 0
FORMS = {  # outputs, output, y, labels, codes
    "indices": (3, "softmax", CODES, [0, 1, 2], CODES),
    "column": (3, "softmax", CODES[:, None], [0, 1, 2], CODES),
    "strings": (3, "softmax", WORDS[CODES], ["a", "b", "c"], CODES),
    "binary": (1, "sigmoid", PAIR, [0, 1], PAIR),
    "binary column": (1, "sigmoid", PAIR[:, None], [0, 1], PAIR),
    "two strings": (1, "sigmoid", WORDS[PAIR], ["a", "b"], PAIR),
    "two of softmax": (2, "softmax", PAIR, [0, 1], PAIR),
    "perceptron": (1, "step", PAIR, [0, 1], PAIR),
}


def squares(outputs, targets, sample_weight=None):
    w = np.ones(len(outputs)) if sample_weight is None else sample_weight
    y = np.eye(outputs.shape[1])[targets] if targets.ndim == 1 else targets
    share = (w / w.sum())[:, None]
    return float((share * (outputs - y) ** 2).sum()), 2 * share * (outputs - y)


def fitted(form, loss=None, **settings):
    outputs, output, y, _, _ = FORMS[form]
    net = nb.MLP([4, 5, outputs], "tanh", output, dtype="float64", seed=0)
    history = net.fit(
        X, y, loss=loss, epochs=3, batch_size=16, validation_data=(X[::2], y[::2]), **settings
    )
    return net.parameters.copy(), history.loss, history.val_loss


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("loss", [None, squares])
@pytest.mark.parametrize("of_rows", [None, rng(3).random(60)])
def test_they_are_weights_of_rows(form, loss, of_rows):
    labels, codes = FORMS[form][3:]
    if loss is not None and FORMS[form][2].dtype.kind == "U":
        pytest.skip("a loss in Python takes strings as they are")
    found = np.unique(codes)
    balanced = np.ones(len(labels))
    balanced[found] = compute_class_weight("balanced", classes=found, y=codes)
    if of_rows is not None:
        mass = np.bincount(codes, of_rows, minlength=len(labels))
        balanced = mass.sum() / len(found) / mass
    each = np.array([2.0, 1.0, 0.5][: len(labels)])
    given = {label: float(w) for label, w in zip(labels, each, strict=True) if w != 1.0}
    for class_weight, weights in ((given, each), ("balanced", balanced)):
        rows = weights[codes] if of_rows is None else of_rows * weights[codes]
        parameters, losses, val_losses = fitted(
            form, loss, class_weight=class_weight, sample_weight=of_rows
        )
        want, want_losses, _ = fitted(form, loss, sample_weight=rows)
        np.testing.assert_allclose(parameters, want, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(losses, want_losses, rtol=1e-12)
        outputs, output, y, _, _ = FORMS[form]
        net = nb.MLP([4, 5, outputs], "tanh", output, dtype="float64", seed=0)
        net.classes = labels if y.dtype.kind == "U" else None
        net.parameters = parameters
        value = net.loss(X[::2], y[::2], loss=loss, sample_weight=weights[codes][::2])
        assert val_losses[-1] == pytest.approx(value, rel=1e-10)


@pytest.mark.parametrize(
    ("form", "given", "error", "message"),
    [
        ("indices", {3: 1.0}, ValueError, "class_weight: expected classes among 0, 1, 2, got 3"),
        ("strings", {0: 1.0}, ValueError, "class_weight: expected classes among 'a', 'b', 'c', got 0"),
        ("indices", {0: -1.0}, ValueError, r"class_weight\[0\]: expected a finite number of at least 0"),
        ("indices", {0: "x"}, TypeError, r"class_weight\[0\]: expected a number"),
        ("indices", "even", ValueError, "class_weight: expected a dict, 'balanced' or None, got 'even'"),
        ("indices", [1.0, 2.0], TypeError, "class_weight: expected a dict, 'balanced' or None, got list"),
    ],
)  # fmt: skip
def test_bad_weights_are_refused(form, given, error, message):
    with pytest.raises(error, match=message):
        fitted(form, class_weight=given)


@pytest.mark.parametrize(
    ("output", "y"),
    [("softmax", np.full((60, 3), 1 / 3)), ("sigmoid", np.zeros((60, 3))), ("identity", np.zeros((60, 3)))],
)  # fmt: skip
def test_targets_without_one_class_a_row_are_refused(output, y):
    net = nb.MLP([4, 3], output=output)
    with pytest.raises(ValueError, match="class_weight: expected None for targets other than"):
        net.fit(X, y, class_weight="balanced")


def test_a_loss_in_python_is_checked_too():
    net = nb.MLP([4, 3], output="softmax")
    with pytest.raises(ValueError, match="y: expected class indices below 3, got 7 at index 2"):
        net.fit(X[:4], np.array([0, 1, 7, 2]), loss=squares, class_weight={0: 2.0})


@pytest.mark.parametrize(
    "dtype", ["float64", "int8", "bool", "complex64", "U8", "S8", "object", "M8[s]"]
)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (3,), (1, 3), (3, 1)])
@pytest.mark.parametrize("form", [form for form in FORMS if form != "perceptron"])
def test_arrays_are_refused(form, shape, dtype):
    """Also those that have a weight for each class: in which order, a dict says."""
    with pytest.raises(
        TypeError, match="^class_weight: expected a dict, 'balanced' or None, got ndarray"
    ):
        fitted(form, class_weight=np.zeros(shape, dtype))
