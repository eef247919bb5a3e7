"""Autograd at special points, second derivatives of piecewise linear functions, edited constants, messages."""

import numpy as np
import pytest
from test_autograd_numpy import A, V, recorded

from nablas import autograd as ag
from nablas.autograd import Tensor
from nablas.autograd.numpy_table import CHECKED, DIRECT, HINTS, MOVING, PLAIN


def gradient(call, *values):
    leaves = [Tensor(np.array(v, float), requires_grad=True) for v in values]
    with np.errstate(all="ignore"):
        return [g.data.tolist() for g in ag.grad(call(*leaves).sum(), leaves)]


def test_special_points_as_in_pytorch():
    inf, nan = np.inf, np.nan
    assert gradient(np.logaddexp, inf, 1.0) == [1, 0]
    assert gradient(np.logaddexp, 1.0, 1.0) == pytest.approx([0.5, 0.5])
    assert gradient(np.logaddexp2, -inf, 1.0) == [0, 1]
    assert gradient(np.arctan2, 0.0, 0.0) == [0, 0]
    assert gradient(np.maximum, 1.0, nan) == [1, 1]
    assert gradient(np.minimum, 2.0, 2.0) == [0.5, 0.5]
    assert gradient(np.fmax, 1.0, nan) == [1, 0]
    assert gradient(np.fmin, nan, 1.0) == [0, 1]
    assert gradient(np.sinc, [0.0, 1.0]) == [[0, -1]]
    low = Tensor(1.0)
    assert gradient(lambda x: np.clip(x, low, 3.0), [1.0, 2.0, 3.0]) == [[1, 1, 1]]
    assert gradient(lambda x, a, b: np.clip(x, a, b), [0.0, 2.0, 9.0], 1.0, 3.0) == [
        [0, 1, 0],
        1,
        1,
    ]
    assert gradient(np.cumprod, [2.0, 0.0, 3.0]) == [[1, 8, 0]]


def test_second_derivatives_where_operands_are_equal():
    x, y = (recorded(np.array([0.6, -1.0])) for _ in range(2))
    for function in (np.logaddexp, np.logaddexp2, np.hypot, np.arctan2, np.multiply, np.divide):
        assert ag.gradgradcheck(function, [x, y]), function


PIECEWISE_LINEAR = {
    "absolute": np.absolute, "maximum": lambda x: np.maximum(x, 0.0), "max": np.max, "clip": lambda x: np.clip(x, -1, 1),
    "relu": ag.relu, "leaky_relu": ag.leaky_relu, "sort": np.sort, "sum": np.sum, "scaled": lambda x: 2 * x,
    "sign": np.sign, "floor": np.floor, "fmin": lambda x: np.fmin(x, 0.5), "where": lambda x: np.where(x > 0, x, -x),
    "remainder": lambda x: x % 0.7, "l1": lambda x: np.linalg.norm(x, 1),
}  # fmt: skip


@pytest.mark.parametrize("name", PIECEWISE_LINEAR)
def test_second_derivatives_of_piecewise_linear_functions_are_zero(name):
    x = recorded(V)
    (first,) = ag.grad(PIECEWISE_LINEAR[name](x).sum(), x, create_graph=True)
    (second,) = ag.grad(first.sum(), x)
    assert second.data.tolist() == [0, 0, 0]
    PIECEWISE_LINEAR[name](x).sum().backward(create_graph=True)
    assert x.grad.requires_grad


def test_edited_constants_change_no_gradient():
    x = recorded(np.array([1.0, 2.0]))
    operations = [
        lambda c: x * c, lambda c: c * x, lambda c: x / c, lambda c: c / x, lambda c: x**c, lambda c: c**x,
        lambda c: np.where(c > 0, x, 0.0), lambda c: np.maximum(x, c), lambda c: np.arctan2(c, x),
        lambda c: x @ c, lambda c: c @ x, lambda c: np.einsum("i,i->i", x, c), lambda c: x % c,
        lambda c: np.clip(x, c, 9.0), lambda c: np.hypot(c, x), lambda c: np.logaddexp(x, c),
    ]  # fmt: skip
    for i, operation in enumerate(operations):
        c = np.array([0.7, 1.3])
        (want,) = ag.grad(operation(c).sum(), x)
        y = operation(c).sum()
        c[:] = 7
        np.testing.assert_array_equal(ag.grad(y, x)[0].data, want.data, str(i))
    test = np.array([True, False])
    y = np.where(test, x, 0.0).sum()
    test[:] = False
    assert ag.grad(y, x)[0].data.tolist() == [1, 0]


def test_messages():
    x = recorded(A)
    for call in (lambda: np.array([x, x]), lambda: np.mean([x, x]), lambda: np.asarray(x)):
        with pytest.raises(RuntimeError, match=r"numpy\.stack"):
            call()
    with pytest.raises(TypeError, match=r"numpy\.linalg\.svd has no gradient rule"):
        np.linalg.svd(x)
    for function, hint in HINTS.items():
        assert function not in {*DIRECT, *CHECKED, *MOVING, *PLAIN}
        assert hint
    with pytest.raises(TypeError, match=r"write it with numpy\.concatenate"):
        np.insert(x, 0, 1.0)
    with pytest.raises(TypeError, match=r"numpy\.sum of a Tensor: expected no where"):
        np.sum(x, where=A > 0)
