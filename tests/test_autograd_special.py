"""Autograd at special points, second derivatives of piecewise linear functions, edited constants, messages."""

import numpy as np
import pytest
from cases import loss_targets
from test_autograd_numpy import A, V, recorded

from nablas import autograd as ag
from nablas._registry import LOSSES
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


def read_only(c):
    view = c[...]
    view.setflags(write=False)
    return view


SAME_MEMORY = {
    "itself": lambda c: c, "broadcast": lambda c: np.broadcast_to(c, c.shape), "read-only": read_only,
    "buffer": lambda c: np.frombuffer(memoryview(c).toreadonly(), c.dtype).reshape(c.shape),
}  # fmt: skip
OF_A_CONSTANT = [
    lambda x, c: x * c, lambda x, c: c * x, lambda x, c: x / c, lambda x, c: c / x, lambda x, c: x**c, lambda x, c: c**x,
    lambda x, c: np.where(c > 1, x, 0.0), lambda x, c: np.maximum(x, c), lambda x, c: np.arctan2(c, x),
    lambda x, c: x @ c, lambda x, c: c @ x, lambda x, c: np.einsum("i,i->i", x, c), lambda x, c: x % c,
    lambda x, c: np.clip(x, c, 9.0), lambda x, c: np.hypot(c, x), lambda x, c: np.logaddexp(x, c),
    lambda x, c: np.multiply.outer(c, x), lambda x, c: np.multiply.outer(x, c), lambda x, c: np.divide.outer(c, x),
    lambda x, c: np.multiply(x, c, dtype=float), lambda x, c: np.linalg.solve(np.diag(x), c), lambda x, c: np.average(x, weights=c),
    lambda x, c: ag.dense(c.reshape(2, 1), x.reshape(2, 1), "tanh"), lambda x, c: ag.dense(x.reshape(2, 1), c.reshape(2, 1), "gelu"),
    lambda x, c: ag.grad(x.sin(), x, c, create_graph=True)[0],
]  # fmt: skip


def check_an_edit(function, leaf, constants, edited, note):
    """The gradients of `leaf`, and their gradients, are those before an edit of the constants."""
    results = []
    for edit in (False, True):
        given = {name: c.copy() for name, c in constants.items()}
        shared = {name: SAME_MEMORY[edited](c) for name, c in given.items()}
        y, z = (function(leaf, **shared).sum() for _ in range(2))
        for c in given.values() if edit else ():
            c[...] = 1
        found = [*ag.grad(y, leaf), *ag.grad(z, leaf, create_graph=True)]
        results.append([*found, *ag.grad((found[1] ** 2).sum(), leaf)])
    for want, found in zip(*results, strict=True):
        np.testing.assert_array_equal(found.data, want.data, note)


@pytest.mark.parametrize("shared", SAME_MEMORY)
def test_edited_constants_change_no_gradient(shared):
    x = recorded(np.array([1.0, 2.0]))
    for i, operation in enumerate(OF_A_CONSTANT):
        check_an_edit(operation, x, {"c": np.array([0.7, 1.3])}, shared, str(i))
    test = np.array([True, False])
    y = np.where(test, x, 0.0).sum()
    test[:] = False
    assert ag.grad(y, x)[0].data.tolist() == [1, 0]


@pytest.mark.parametrize("shared", SAME_MEMORY)
@pytest.mark.parametrize("name", LOSSES)
def test_edited_targets_and_weights_change_no_gradient(name, shared):
    z = recorded(np.linspace(-1.0, 0.5, 6).reshape(3, 2))
    for targets in [loss_targets(name, 3, 2, labels=labels) for labels in (False, True)]:
        constants = {"targets": targets, "sample_weight": np.array([0.5, 2.0, 3.0])}
        check_an_edit(getattr(ag, name), z, constants, shared, name)


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
