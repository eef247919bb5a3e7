"""Numbers and arrays that cannot be converted: the message begins with the argument's name, no warning comes first."""

import inspect
import re
import warnings
from fractions import Fraction

import numpy as np
import pytest
from test_arguments import CALLS, SPEAKS_AS, X, Y, net, square

import nablas as nb

COUNT = net().parameters.size


class Unconvertible:
    """An array-like whose conversion fails in its own way."""

    shape, ndim = (12,), 1

    def __init__(self, error):
        self.error = error

    def __array__(self, *_, **__):
        raise self.error

    def __float__(self):
        raise self.error


HOSTILE = {
    "large": 10**400,
    "negative": -(10**400),
    "unprintable": 10**5000,
    "fraction": Fraction(10**400),
    "long fraction": Fraction(10**5000, 3),
    "longdouble": np.finfo(np.longdouble).max,
    "objects": np.array([10**400] * 12, object),
    "list": [10**400] * 12,
    "texts": ["1"] * 12,
    "complex": np.ones(12) * 1j,
    "complex number": np.complex128(1 + 2j),
    "missing": [None] * 12,
    "masked": np.ma.masked_array(np.ones(12), mask=True),
    **{
        error.__name__: Unconvertible(error("of its own"))
        for error in (RuntimeError, OverflowError, ZeroDivisionError, KeyError, ValueError)
    },
}


def error_of(function, *arguments):
    """The ordinary exception that a call raises, or None; a warning fails."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            function(*arguments)
        except (TypeError, ValueError, RuntimeError, ArithmeticError, OSError) as error:
            return error
    return None


def assign(**given):
    for name, value in given.items():
        setattr(net(), name, value)


def classification(**given):
    return net().fit(X, Y, epochs=1, **given)


MORE = {
    "class_weight": (classification, {"class_weight": {0: 1.0}}),
    "check_loss": (
        lambda **k: nb.check_loss(lambda z, y: (float((z**2).sum()), 2 * z), **k),
        {"eps": 1e-6, "atol": 1e-6, "rtol": 1e-4, "outputs": np.ones((2, 2))},
    ),
    "recall_at_k": (
        lambda **k: nb.metrics.recall_at_k([[1, 0, 1]], [[0.9, 0.1, 0.5]], **k),
        {"k": 2, "zero_division": 0.0},
    ),
    "parameters": (assign, {"parameters": np.zeros(COUNT)}),
}
NUMBERS = {**CALLS, **MORE}
SPEAKS = {**SPEAKS_AS, "learning_rate": ("learning_rate", "grad became", "cost became")}
SPEAKS["x0"] = (*SPEAKS_AS["x0"], "grad")
IN_CORE = {("set_num_threads", "unprintable")}  # Python's message of the core's


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_out_of_range(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    function, good = NUMBERS[name]
    for argument in good:
        for kind, value in HOSTILE.items():
            if (name, kind) not in IN_CORE:
                error = error_of(lambda given: function(**given), {**good, argument: value})
                named = str(error).startswith((argument, *SPEAKS.get(argument, ())))
                assert error is None or named, f"{name}({argument}={kind}): {error!r:.200}"


@pytest.mark.parametrize("hostile", HOSTILE)
def test_class_weights_of_a_dict(hostile):
    value = HOSTILE[hostile]
    if hostile == "longdouble":
        value = 1e300
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises((TypeError, ValueError), match="^class_weight"):
            classification(class_weight={0: value})


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sample", [None, 1.0, 1e4])
@pytest.mark.parametrize("weight", [1e300, 1e200, 1e38, 1e35, 1e-38, 1e-300])
def test_products_of_weights(dtype, sample, weight):
    """What is out of range in the dtype only with `class_weight` is called by its name."""
    given = None if sample is None else np.full(12, sample)
    model = nb.MLP([4, 3], output="softmax", dtype=dtype, seed=0)
    classes = dict.fromkeys(range(3), weight)
    settings = {"epochs": 1, "class_weight": classes, "sample_weight": given}
    error = error_of(lambda: model.fit(X, Y, **settings))
    if error is None:
        assert 12 * weight * (sample or 1.0) < (2.0**96 if dtype == "float32" else 2.0**960)
    else:
        expected = "class_weight" if weight > 1 or sample is None else "sample_weight"
        assert str(error).startswith(f"{expected}: expected weights"), error


@pytest.mark.parametrize("bad", [np.nan, -1.0, np.inf])
def test_wrong_sample_weights_are_called_so_beside_class_weights(bad):
    weight = np.ones(12)
    weight[3] = bad
    with pytest.raises(ValueError, match="^sample_weight"):
        classification(class_weight={0: 2.0}, sample_weight=weight)


@pytest.mark.parametrize("shape", [(12, 1), (12, 12), (12, 2, 2), (12, 0)])
@pytest.mark.parametrize("weights", [None, "balanced", {0: 2.0}])
def test_sample_weights_of_several_columns(shape, weights):
    """Told before they are multiplied by the classes' weights, which could take much memory."""
    given, expected = np.ones(shape), re.escape(f"sample_weight: expected shape (12,), got {shape}")
    with pytest.raises(ValueError, match=f"^{expected}$"):
        classification(class_weight=weights, sample_weight=given)
    with pytest.raises(ValueError, match=f"{expected}$"):
        classification(class_weight=weights, validation_data=(X, Y, given))


# ---- what functions return -----------------------------------------------------------------------

VALUES = {
    "text": "0.5", "bytes": b"0.5", "complex": 1j, "NumPy's complex": np.complex128(1 + 2j),
    "complex array": np.array([1 + 2j]), "text array": np.array("0.5"), "large": 10**400,
    "two": np.ones(2), "none": None, "strange": Unconvertible(KeyError("no")),
}  # fmt: skip
GRADIENTS = {
    "texts": lambda z: np.full(z.shape, "1"), "complex": lambda z: z * 1j,
    "missing": lambda z: np.full(z.shape, None), "large": lambda z: np.full(z.shape, 10**400),
    "masked": lambda z: np.ma.masked_array(z, mask=True), "none": lambda z: None,
    "strange": lambda z: Unconvertible(RuntimeError("no")),
}  # fmt: skip


def regression(loss, **given):
    return nb.MLP([4, 1], seed=0).fit(X, X[:, 0], epochs=1, loss=loss, **given)


@pytest.mark.parametrize("value", VALUES)
def test_values_of_functions(value):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises((TypeError, ValueError), match="^loss: expected a number"):
            regression(lambda z, y: (VALUES[value], z))
        with pytest.raises((TypeError, ValueError), match="^cost: expected a number"):
            nb.gradient_descent(lambda x: VALUES[value], lambda x: x, [1.0])


@pytest.mark.parametrize("gradient", GRADIENTS)
def test_gradients_of_functions(gradient):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises((TypeError, ValueError, RuntimeError), match="^loss: expected"):
            regression(lambda z, y: (1.0, GRADIENTS[gradient](z)))
        with pytest.raises((TypeError, ValueError, RuntimeError), match="^grad: expected"):
            nb.gradient_descent(square, GRADIENTS[gradient], [1.0, 2.0])


def test_a_loss_without_weights():
    def plain(z, y):
        return 1.0, z

    for given in ({"sample_weight": np.ones(12)}, {"class_weight": {0: 1.0}}):
        model = nb.MLP([4, 3], output="softmax", seed=0)
        with pytest.raises(TypeError, match="^loss: expected .* sample_weight beside weights"):
            model.fit(X, Y, epochs=1, loss=plain, **given)
    for takes in (lambda z, y, sample_weight: (1.0, z), lambda z, y, **_: (1.0, z)):
        regression(takes, sample_weight=np.ones(12))


# ---- parameters ----------------------------------------------------------------------------------

WRONG = {
    "texts": lambda like: np.full(like.shape, "1"),
    "complex": lambda like: like * 1j,
    "missing": lambda like: np.full(like.shape, None).tolist(),
    "large": lambda like: np.full(like.shape, 10**400).tolist(),
    "masked": lambda like: np.ma.masked_array(like, mask=True),
    "strange": lambda like: Unconvertible(KeyError("no")),
    "a number": lambda like: 1.0,
}


@pytest.mark.parametrize("wrong", WRONG)
def test_parameters_weights_and_biases(wrong):
    model = net()
    before = model.parameters.copy()

    def refused(name, action):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises((TypeError, ValueError)) as error:
                action()
        assert str(error.value).startswith(f"{name}: expected"), error.value
        assert np.array_equal(model.parameters, before)

    refused("parameters", lambda: setattr(model, "parameters", WRONG[wrong](before)))
    for views in (model.weights, model.biases):
        one = WRONG[wrong](views[1])
        refused("[1]", lambda views=views, one=one: views.__setitem__(1, one))
        values = [views[0] + 1, one]
        refused("value[1]", lambda views=views, v=values: views.__setitem__(slice(None), v))
    refused("value", lambda: model.weights.__setitem__(slice(None), 3.0))


def test_parameters_that_are_numbers():
    model = net()
    for value in (
        model.parameters.astype(int),
        model.parameters.astype(float).tolist(),
        np.ma.masked_array(model.parameters),
        model.parameters > 0,
    ):
        model.parameters = value
        assert np.array_equal(model.parameters, np.asarray(value, np.float32))


def test_tensors_of_torch_that_require_a_gradient():
    torch = pytest.importorskip("torch")
    tensor = torch.ones((12, 4), requires_grad=True)
    for name, call in {
        "X": lambda: net().predict(tensor),
        "y": lambda: net().fit(X, tensor[:, 0]),
        "sample_weight": lambda: net().fit(X, Y, sample_weight=tensor[:, 0]),
        "parameters": lambda: assign(parameters=tensor),
    }.items():
        with pytest.raises(RuntimeError, match=f"^{name}: .*detach"):
            call()


def test_the_calls_are_those_of_public_functions():
    """A number argument of `check_loss` and of `metrics` that is new gets these values, too."""
    known = {argument for _, good in NUMBERS.values() for argument in good}
    taken = set(inspect.signature(nb.check_loss).parameters) - {"loss", "targets"}
    for name in nb.metrics.__all__:
        found = inspect.signature(getattr(nb.metrics, name)).parameters.values()
        taken |= {p.name for p in found if isinstance(p.default, float)}
    assert taken <= known
