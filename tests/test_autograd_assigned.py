"""What may be assigned to `data` and `grad`; where a gradient would be lost; warnings."""

import warnings

import numpy as np
import pytest
from cases import leaf

import nablas as nb
import nablas.autograd as ag
from nablas.autograd import Tensor, no_grad

VALUES = {"number": 2.0, "vector": [1.0, 2.0], "matrix": [[1.0, 2.0], [3.0, 4.0]]}


def backward(w):
    (w**2).sum().backward()
    return w.grad


# ---- data ----------------------------------------------------------------------------------------


def by_data(w):
    w.data = w.data - 0.1 * w.grad  # a Tensor, as NumPy gives what a Tensor is part of


def by_arrays(w):
    w.data = w.data - 0.1 * w.grad.data  # a NumPy number where w is one


def by_detached(w):
    w.data = w.detach() - 0.1 * w.grad


def by_result(w):
    w.data = w - 0.1 * w.grad


def by_list(w):
    w.data = (w.data - 0.1 * w.grad.data).tolist()


UPDATES = [by_data, by_arrays, by_detached, by_result, by_list]


def use_logsumexp(w):
    return ag.logsumexp(w)


def use_in_place(w):
    with no_grad():
        w -= 0.1


def use_optimizer(w):
    w.grad = None
    backward(w)
    nb.SGD(0.1).bind([w])()


def use_item(w):
    with no_grad():
        w[...] = 1.0


@pytest.mark.parametrize("update", UPDATES)
@pytest.mark.parametrize("use", [use_logsumexp, use_in_place, use_optimizer, use_item, backward])
@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_data_that_was_assigned_works_like_other_data(update, use, value):
    w = leaf(value)
    backward(w)
    update(w)
    np.testing.assert_allclose(w.data, 0.8 * np.array(value), rtol=1e-12)
    assert type(w.data) is np.ndarray
    assert w.data.flags.writeable
    assert w.is_leaf
    use(w)
    assert type(w.data) is np.ndarray
    assert w.shape == np.shape(value)


def test_an_array_that_is_assigned_is_shared():
    w, array = leaf([1.0, 2.0]), np.array([3.0, 4.0])
    w.data = array
    assert w.data is array


@pytest.mark.parametrize("wanted", [False, True])
@pytest.mark.parametrize(
    "given", [np.array([1, 2]), [True, False], Tensor([1, 2]), ["a"], [1j], None]
)
def test_data_of_another_kind_is_refused(given, wanted):
    w = Tensor([1.0, 2.0], requires_grad=wanted)
    real = given is not None and np.asarray(getattr(given, "data", given)).dtype.kind in "fiub"
    if real and not wanted:
        w.data = given
        assert type(w.data) is np.ndarray
        return
    with pytest.raises(TypeError, match="^data: expected"):
        w.data = given
    assert w.data.tolist() == [1, 2]


@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 1), (1, 2), (0,)])
def test_data_has_the_shape_of_grad(shape):
    w = leaf([1.0, 2.0])
    backward(w)
    with pytest.raises(ValueError, match=r"^data: expected shape \(2,\) of grad, got"):
        w.data = np.ones(shape)
    assert w.shape == (2,)
    w.grad = None
    w.data = np.ones(shape)
    assert backward(w).shape == shape


# ---- grad ----------------------------------------------------------------------------------------

SHAPES = [(), (1,), (2,), (2, 1), (1, 2), (2, 2), (0,)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("other", SHAPES)
@pytest.mark.parametrize("kind", [Tensor, np.array, lambda v: np.array(v)[()]])
def test_grad_has_the_tensors_shape(shape, other, kind):
    w = leaf(np.ones(shape))
    if shape != other:
        with pytest.raises(ValueError, match="^grad: expected shape"):
            w.grad = kind(np.zeros(other))
        assert w.grad is None
        return
    w.grad = kind(np.ones(other))
    assert type(w.grad) is Tensor
    np.testing.assert_array_equal(backward(w).data, np.full(shape, 3.0))


@pytest.mark.parametrize("given", [0, 0.0, [0.0, 0.0], (0.0, 0.0), "zero", False])
@pytest.mark.parametrize("value", [2.0, [1.0, 2.0]])
def test_grad_of_another_kind_is_refused(given, value):
    w = leaf(value)
    y = (w**2).sum()
    with pytest.raises(TypeError, match=r"^grad: expected a Tensor of shape .* or None, got"):
        w.grad = given
    y.backward()
    np.testing.assert_array_equal(w.grad.data, 2 * np.array(value))


def test_grad_has_the_tensors_dtype():
    for dtype in ("f4", "f8"):
        w = Tensor(np.ones(2, dtype), requires_grad=True)
        w.grad = np.array([1, 2])
        assert w.grad.dtype == dtype
        w.grad = given = Tensor(np.ones(2, dtype))
        assert w.grad is given


# ---- gradients that would be lost ----------------------------------------------------------------


@pytest.mark.parametrize("requires_grad", [False, True])
@pytest.mark.parametrize("make", [lambda w: w * 3, lambda w: w, lambda w: [w * 3, w]])
def test_a_tensor_of_what_requires_a_gradient_is_refused(make, requires_grad):
    w = leaf([2.0, 1.0])
    with pytest.raises(RuntimeError, match="gradient .*lost|lose the gradient.*detach"):
        Tensor(make(w), requires_grad)
    if not isinstance(given := make(w), list):
        assert Tensor(given.detach(), requires_grad).data is given.data
        with no_grad():
            assert Tensor(make(w)).data.tolist() == given.data.tolist()


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        (name, setting)
        for name, entry in nb._registry.LOSSES.items()
        for setting in ("targets", "sample_weight", *entry.hyperparameters)
    ],
)
def test_a_loss_refuses_what_it_does_not_differentiate(name, setting):
    z, wanted = leaf([[0.5], [-0.5]]), {"targets": [[0.0], [1.0]], "sample_weight": [1.0, 1.0]}
    given = {"targets": [[0.0], [1.0]], setting: leaf(wanted.get(setting, 0.5))}
    call = getattr(ag, name)
    with pytest.raises((TypeError, RuntimeError), match="gradient"):
        call(z, given.pop("targets"), **given)


# ---- messages ------------------------------------------------------------------------------------


def test_the_grad_of_a_result_warns():
    w = leaf([1.0, 2.0])
    for _ in range(2):
        (w * w).sum().backward()
        if not w.is_leaf:
            with pytest.warns(UserWarning, match=r"leaves.*no_grad\(\).*retain_grad") as caught:
                assert w.grad is None
            assert caught[0].filename == __file__
        else:
            w = w - 0.1 * w.grad


def test_no_other_grad_warns():
    w = leaf([1.0, 2.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert w.grad is None
        assert Tensor([1.0]).grad is None
        y = w * 2
        y.retain_grad()
        assert y.grad is None
        y.sum().backward()
        assert y.grad.data.tolist() == [1, 1]
        assert w.detach().grad is None


@pytest.mark.parametrize("call", [lambda t, x: t * x, lambda t, x: x + t, lambda t, x: t @ x])
def test_the_message_beside_a_frame_names_its_method(call):
    pandas = pytest.importorskip("pandas")
    for made in (pandas.Series([1.0, 2.0]), pandas.DataFrame(np.eye(2))):
        with pytest.raises((TypeError, RuntimeError), match=r"to_numpy\(\)"):
            call(leaf([1.0, 2.0]), made)


def test_the_message_of_a_plotted_result():
    figure = pytest.importorskip("matplotlib.figure").Figure()
    for made in (leaf([1.0, 2.0]) * 2, leaf([1.0, 2.0])):
        with pytest.raises(RuntimeError, match=r"as matplotlib's.*detach\(\)|become an array"):
            figure.add_subplot().plot(made)
