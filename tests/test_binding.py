"""`Optimizer.bind`: what it takes and what it refuses, before anything is updated."""

import numpy as np
import pytest

import nablas as nb
from nablas.autograd import Tensor

OPTIMIZERS = [nb.SGD, nb.Adam, nb.AdamW, nb.NAdam, nb.RMSprop, nb.Adagrad]
SHAPES = [(), (1,), (2,), (6,), (2, 3), (3, 2), (1, 6), (6, 1), (2, 1), (1, 2), (0,), (0, 3), (3, 0), (1, 2, 3)]  # fmt: skip
PAIRS = [(a, b) for a in SHAPES for b in SHAPES]


def leaf(shape, start=1.0):
    return Tensor(start + np.arange(np.prod(shape, dtype=int)).reshape(shape), requires_grad=True)


def expected(wanted, got, name="gradient"):
    plain = f"{name}: expected shape {wanted}, got {got}"
    return "^" + plain.replace("(", r"\(").replace(")", r"\)") + "$"


@pytest.mark.parametrize("make", OPTIMIZERS)
@pytest.mark.parametrize("as_list", [False, True])
def test_a_gradient_has_the_arrays_shape(make, as_list):
    for shape, other in PAIRS:
        w = np.arange(1.0, 1 + np.prod(shape, dtype=int)).reshape(shape)
        before, step = w.copy(), make(0.5).bind(w)
        gradient = np.ones(other)
        found = np.shape(gradient.tolist() if as_list else gradient)
        if found == shape:
            step(gradient.tolist() if as_list else gradient)
            assert (w < before).all()
            continue
        with pytest.raises(ValueError, match=expected(shape, found)):
            step(gradient.tolist() if as_list else gradient)
        np.testing.assert_array_equal(w, before)


@pytest.mark.parametrize("kind", [Tensor, np.asarray])
def test_a_gradient_has_the_tensors_shape(kind):
    for shape, other in PAIRS:
        tensor = leaf(shape)
        before, step = tensor.data.copy(), nb.SGD(0.5).bind(tensor)
        if shape == other:
            tensor.grad = kind(np.ones(other))
            step()
            np.testing.assert_array_equal(tensor.data, before - 0.5)
            continue
        with pytest.raises(ValueError, match=expected(shape, other, "grad")):
            tensor.grad = kind(np.ones(other))


@pytest.mark.parametrize("make", OPTIMIZERS)
@pytest.mark.parametrize("wrong", range(3))
def test_all_tensors_are_checked_before_one_is_updated(make, wrong):
    def run(spoiled):
        tensors = [leaf(shape) for shape in ((2, 3), (2,), ())]
        step = make(nb.schedules.ExponentialDecay(0.1, factor=0.5)).bind(tensors)
        if spoiled:
            before = [t.data.copy() for t in tensors]
            for i, t in enumerate(tensors):
                t.grad = Tensor(np.ones(t.shape))
                if i == wrong:  # an assignment would be refused
                    t.grad._data = np.ones((1, *t.shape))
            shape = tensors[wrong].shape
            with pytest.raises(
                ValueError, match=expected(shape, (1, *shape), f"gradient of parameter {wrong}")
            ):
                step()
            for t, old in zip(tensors, before, strict=True):
                assert t.grad is not None
                np.testing.assert_array_equal(t.data, old)
        for _ in range(2):
            for t in tensors:
                t.grad = Tensor(np.full(t.shape, 2.0))
            step()
        return [t.data for t in tensors]

    for a, b in zip(run(False), run(True), strict=True):
        np.testing.assert_array_equal(a, b)  # states and the number of the step were kept


@pytest.mark.parametrize(
    ("gradient", "error", "match"),
    [
        (None, TypeError, "^gradient: expected numbers, got dtype object"),
        ("ab", TypeError, "^gradient: expected numbers, got dtype <U2"),
        (np.ones(2, complex), TypeError, "^gradient: expected numbers, got dtype complex128"),
        ([[1.0], [1.0, 2.0]], ValueError, "^gradient: expected an array, got list"),
        (
            np.ma.masked_array([1.0, 2.0], [0, 1]),
            TypeError,
            "^gradient: expected an array without masked",
        ),
    ],
)
def test_what_is_no_gradient(gradient, error, match):
    w = np.ones(2)
    with pytest.raises(error, match=match):
        nb.SGD(1.0).bind(w)(gradient)
    np.testing.assert_array_equal(w, 1)


def test_the_number_of_gradients():
    with pytest.raises(TypeError, match="^gradient: expected one array, got 0"):
        nb.SGD(1.0).bind(np.ones(2))()
    with pytest.raises(TypeError, match="^gradient: expected none, for Tensors hold theirs, got 1"):
        nb.SGD(1.0).bind(leaf((2,)))(np.ones(2))


def test_a_gradient_of_any_layout_and_dtype():
    gradient = np.arange(6.0).reshape(2, 3)
    spread = np.zeros((4, 6))[::2, ::2]
    spread[:] = gradient
    for given in (gradient, np.asfortranarray(gradient), spread, gradient.astype(">f8"), gradient.astype("i2"), Tensor(gradient)):  # fmt: skip
        for dtype in ("f4", "f8"):
            w = np.zeros((2, 3), dtype)
            nb.SGD(1.0).bind(w)(given)
            np.testing.assert_array_equal(w, -gradient)


def read_only():
    array = np.ones(3)
    array.flags.writeable = False
    return array


NO_PARAMETERS = {
    "None": (None, TypeError, "expected an array or Tensors, got NoneType"),
    "number": (3.0, TypeError, "expected an array or Tensors, got float"),
    "string": ("ab", TypeError, "expected an array or Tensors, got str"),
    "dict": ({"w": leaf(())}, TypeError, "expected an array or Tensors, got dict"),
    "network": (nb.MLP([1, 1]), TypeError, "expected an array or Tensors, got MLP"),
    "arrays": ([np.ones(2)], TypeError, r"expected an array or Tensors made with .* at 0"),
    "plain Tensor": ([leaf(()), Tensor(1.0)], TypeError, r"requires_grad=True.* at 1"),
    "computed Tensor": (leaf(()) * 2, TypeError, r"requires_grad=True.* at 0"),
    "integers": (np.ones(3, int), TypeError, "expected float32 or float64, got int64"),
    "half": (np.ones(3, "f2"), TypeError, "expected float32 or float64, got float16"),
    "swapped": (np.ones(3, ">f8"), TypeError, "expected float32 or float64, got one with its bytes swapped"),
    "masked": (np.ma.masked_array([1.0, 2.0], [0, 1]), TypeError, "expected an array without masked"),
    "read-only": (read_only(), ValueError, "expected a writeable array, got a read-only one"),
    "columns": (np.ones((4, 4))[:, ::2], ValueError, "expected a contiguous array, got a strided one"),
    "every other": (np.ones(8)[::2], ValueError, "expected a contiguous array, got a strided one"),
    "reversed": (np.ones(8)[::-1], ValueError, "expected a contiguous array, got a strided one"),
    "Fortran": (np.ones((2, 3), order="F"), ValueError, "expected a contiguous array, got a strided one"),
    "misaligned": (np.zeros(17, "u1")[1:].view("f8"), ValueError, "expected an aligned array, got a misaligned one"),
}  # fmt: skip


@pytest.mark.parametrize("name", NO_PARAMETERS)
def test_what_is_no_parameter(name):
    """At once, not at the first step; the same of a Tensor that holds such an array."""
    given, error, match = NO_PARAMETERS[name]
    with pytest.raises(error, match=f"^parameters: .*{match}"):
        nb.Adam(0.1).bind(given)
    if isinstance(given, np.ndarray) and given.dtype.kind == "f" and not np.ma.isMA(given):
        tensor = leaf(given.shape)
        tensor.data = given
        with pytest.raises(error, match=f"^parameters: .*{match}"):
            nb.Adam(0.1).bind([leaf(()), tensor])


@pytest.mark.parametrize(
    ("total", "error", "got"),
    [
        ("x", TypeError, "an integer, got str"),
        (2.5, TypeError, "an integer, got float"),
        (2.0, TypeError, "an integer, got float"),
        (True, TypeError, "an integer, got bool"),
        ([3], TypeError, "an integer, got list"),
        (0, ValueError, "at least 1, got 0"),
        (-3, ValueError, "at least 1, got -3"),
        (2**63, ValueError, "at most"),
    ],
)
@pytest.mark.parametrize(
    "rate", [0.1, nb.schedules.Cosine(0.1), nb.schedules.OneCycle(0.1)], ids=repr
)
def test_total_steps(rate, total, error, got):
    for parameters in (np.ones(2), leaf((2,))):
        with pytest.raises(error, match=f"^total_steps: expected {got}"):
            nb.SGD(rate).bind(parameters, total_steps=total)
        nb.SGD(rate).bind(parameters, total_steps=np.int32(3))


def test_a_refused_call_leaves_the_schedule_alone():
    optimizer = nb.SGD(nb.schedules.ReduceOnPlateau(1.0, patience=1))
    for _ in range(2):
        optimizer.schedule.observe(1.0)
    before = optimizer.schedule.get_state()
    for parameters, settings in ((None, {}), (np.ones(2), {"total_steps": 0})):
        with pytest.raises((TypeError, ValueError)):
            optimizer.bind(parameters, **settings)
    assert optimizer.schedule.get_state() == before


def test_a_tensor_given_twice_is_updated_once():
    tensor = leaf((2,))
    step = nb.SGD(0.5).bind([tensor, tensor])
    tensor.grad = Tensor(np.ones(2))
    step()
    np.testing.assert_array_equal(tensor.data, [0.5, 1.5])
