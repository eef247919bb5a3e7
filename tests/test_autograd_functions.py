"""nablas.autograd beyond the graph: user's functions, derivatives of functions, NumPy, optimizers."""

import copy
import pickle

import numpy as np
import pytest

import nablas as nb
from nablas import autograd as ag
from nablas.autograd import Function, Tensor


def leaf(values, **settings):
    return Tensor(np.array(values, float), requires_grad=True, **settings)


# ---- functions of the user's -----------------------------------------------------------------


class Exp(Function):
    @staticmethod
    def forward(ctx, x):
        result = np.exp(x)
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx, gradient):
        (result,) = ctx.saved_tensors
        return gradient * result


class ScaledDifference(Function):
    """Two results, an argument that is no Tensor, an input without gradient."""

    @staticmethod
    def forward(ctx, a, b, factor):
        ctx.save_for_backward(a, b)
        ctx.factor = factor
        return (a - b) * factor, (a * b).sum()

    @staticmethod
    def backward(ctx, by_difference, by_product):
        a, b = ctx.saved_tensors
        by_a = by_difference * ctx.factor + by_product * b
        by_b = -by_difference * ctx.factor + by_product * a if ctx.needs_input_grad[1] else None
        return by_a, by_b, None


def test_functions_with_their_own_rule():
    x = leaf(0.5)
    Exp.apply(x).backward()
    assert round(x.grad.item(), 4) == 1.6487
    assert ag.gradcheck(Exp.apply, leaf([0.3, -1.0]))
    assert ag.gradgradcheck(Exp.apply, leaf([0.3, -1.0]))
    assert not Exp.apply(Tensor(1.0)).requires_grad
    both = lambda a, b: ScaledDifference.apply(a, b, 3.0)  # noqa: E731
    a, b = leaf([[1.0, 2.0]]), leaf([[0.5, -1.0]])
    assert ag.gradcheck(both, [a, b])
    assert ag.gradgradcheck(both, [a, b])
    difference, _ = ScaledDifference.apply(a, Tensor([[0.0, 0.0]]), 2.0)
    difference.sum().backward()
    assert a.grad.data.tolist() == [[2, 2]]


def test_errors_of_functions():
    class Wrong(Function):
        forward = staticmethod(lambda ctx, x, how: x * 1.0)

        @staticmethod
        def backward(ctx, gradient):
            return ctx.answer

    class Count(Wrong):
        @staticmethod
        def backward(ctx, gradient):
            return gradient

    class Shape(Wrong):
        @staticmethod
        def backward(ctx, gradient):
            return gradient.reshape(2, 1), None

    with pytest.raises(RuntimeError, match=r"Count.backward: expected 2 gradients.*got 1"):
        Count.apply(leaf([1.0, 2.0]), 0).sum().backward()
    with pytest.raises(RuntimeError, match=r"expected shape \(2,\) for the gradient of argument 0"):
        Shape.apply(leaf([1.0, 2.0]), 0).sum().backward()
    with pytest.raises(NotImplementedError, match="forward"):
        Function.apply(leaf(1.0))


def test_gradcheck_names_the_worst_entry():
    class Bad(Exp):
        @staticmethod
        def backward(ctx, gradient):
            return gradient * ctx.saved_tensors[0] * np.array([1.0, 1.0, 1.1])

    with pytest.raises(
        RuntimeError, match=r"output 0\[2\] by input 0\[2\]: expected 2\.71828.*got 2\.99.*1 of 9"
    ):
        ag.gradcheck(Bad.apply, leaf([0.0, 0.5, 1.0]))
    assert ag.gradcheck(Bad.apply, leaf([0.0, 0.5, 1.0]), raise_exception=False) is False
    with pytest.raises(ValueError, match="float64"):
        ag.gradcheck(Exp.apply, Tensor(np.ones(2, np.float32), requires_grad=True))
    with pytest.raises(ValueError, match="at least one"):
        ag.gradcheck(Exp.apply, Tensor(1.0))


# ---- derivatives of functions ----------------------------------------------------------------


def test_jacobian_hessian_and_products():
    rng = np.random.default_rng(0)
    A, x, v = rng.normal(size=(3, 4)), rng.normal(size=4), rng.normal(size=4)
    linear = lambda t: A @ t  # noqa: E731
    np.testing.assert_allclose(ag.jacobian(linear, x).data, A)
    curved = lambda t: (np.sin(A @ t) * (A @ t)).sum()  # noqa: E731
    s = A @ x
    exact = A.T @ np.diag(2 * np.cos(s) - s * np.sin(s)) @ A
    np.testing.assert_allclose(ag.hessian(curved, x).data, exact, atol=1e-12)
    value, along = ag.jvp(lambda t: np.exp(A @ t), x, v)
    np.testing.assert_allclose(value.data, np.exp(s))
    np.testing.assert_allclose(along.data, np.exp(s) * (A @ v))
    u = rng.normal(size=3)
    np.testing.assert_allclose(ag.vjp(lambda t: np.exp(A @ t), x, u)[1].data, (u * np.exp(s)) @ A)
    assert ag.jacobian(lambda t: t.reshape(2, 2), x).shape == (2, 2, 4)
    assert ag.jacobian(lambda t: t[:0], x).shape == (0, 4)
    assert ag.hessian(lambda t: t.sum(), x).data.tolist() == np.zeros((4, 4)).tolist()
    with pytest.raises(ValueError, match="single number"):
        ag.hessian(linear, x)
    with pytest.raises(ValueError, match=r"v: expected shape \(4,\)"):
        ag.jvp(linear, x, v[:2])


# ---- NumPy on Tensors ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        np.exp, np.tanh, np.square, np.negative, np.sum, np.mean, np.max, np.var, np.std, np.ravel,
        lambda x: np.sum(x, axis=0), lambda x: np.add.reduce(x), lambda x: np.max(x, axis=1, keepdims=True),
        lambda x: np.where(x > 0, x, 0.0), lambda x: np.clip(x, -0.5, 0.5), lambda x: np.concatenate([x, x]),
        lambda x: np.stack([x, x], axis=1), lambda x: np.reshape(x, (3, 2)), lambda x: np.transpose(x),
        lambda x: np.dot(x, np.ones(3)), lambda x: np.matmul(np.ones((1, 2)), x), lambda x: np.ones((2, 3)) @ x.T,
        lambda x: np.linalg.norm(x, axis=1), lambda x: np.linalg.norm(x), lambda x: np.float64(2) * x,
        lambda x: np.ones(3) - x, lambda x: np.maximum(x, 0), lambda x: np.expand_dims(x, 1), lambda x: np.flip(x, 1),
        lambda x: np.outer(x[0], x[1]), lambda x: np.squeeze(x[:1]), lambda x: np.swapaxes(x, 0, 1),
        lambda x: np.cumsum(x, axis=1), lambda x: np.broadcast_to(x, (2, 2, 3)), lambda x: np.power(2.0, x),
        lambda x: np.divide([1.0, 2.0, 3.0], x), lambda x: np.dot(2.0, x),
    ],
)  # fmt: skip
def test_numpy_functions_of_tensors(call):
    x = leaf([[0.3, -0.7, 1.1], [0.9, -0.2, 0.4]])
    y = call(x)
    assert isinstance(y, Tensor)
    np.testing.assert_allclose(y.data, call(x.data), rtol=1e-14)
    assert ag.gradcheck(call, x)


def test_numpy_functions_that_give_no_tensor_or_none():
    x = leaf([1.5, -2.0])
    assert (np.isfinite(x) & (x > 0)).tolist() == [True, False]
    assert np.argmax(x) == 0
    assert (np.shape(x), np.ndim(x), np.size(x)) == ((2,), 1, 2)
    assert not np.sign(x).requires_grad
    assert np.allclose(x, [1.5, -2.0])
    assert np.zeros_like(x).data.tolist() == [0, 0]
    for call in [np.linalg.inv, np.fft.fft, np.median, np.gcd]:
        with pytest.raises(TypeError, match=r"no gradient rule in nablas.autograd: .*x\.detach"):
            call(x, x) if call is np.gcd else call(x)
    with pytest.raises(TypeError, match="multiply.accumulate has no gradient rule"):
        np.multiply.accumulate(x)
    with pytest.raises(TypeError, match="expected no where"):
        np.add(x, x, where=[True, False])
    with pytest.raises(RuntimeError, match=r"use \.detach\(\) or \.data"):
        np.asarray(x)
    assert np.asarray(x.detach()).tolist() == [1.5, -2]
    out = np.zeros(2)
    with pytest.raises(TypeError, match="out"):
        np.exp(x, out=out)
    np.exp(x.detach(), out=out)
    assert out[0] == np.exp(1.5)


def test_a_tensor_behaves_like_an_array():
    x = leaf([[1.0, 2.0], [3.0, 4.0]])
    assert (x.shape, x.ndim, x.size, len(x), x.T.shape) == ((2, 2), 2, 4, 2, (2, 2))
    assert [row.data.tolist() for row in x] == [[1, 2], [3, 4]]
    assert (x == x).all()
    assert float(x[0, 0]) == 1
    assert bool(x[0, 0])
    assert f"{x[1, 1]:.2f}" == "4.00"
    assert x in {x}
    assert repr(Tensor([1.5])) == "Tensor([1.5])"
    assert repr(leaf([1.5])) == "Tensor([1.5], requires_grad=True)"
    assert "operation='exp'" in repr(x.exp())
    for twin in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert (twin == x).all()
        assert twin.requires_grad
        assert twin.data is not x.data
    with pytest.raises(RuntimeError, match="detach"):
        copy.deepcopy(x.exp())
    with pytest.raises(TypeError, match="unsupported operand"):
        x + "a"
    with pytest.raises(TypeError):
        iter(leaf(1.0)).__next__()
    with pytest.raises(ValueError, match="activation: expected one of"):
        ag.activate(x, "swish7")
    with pytest.raises(ValueError, match="ord: expected"):
        ag.norm(x, 3)
    with pytest.raises(TypeError, match="targets: expected no gradient"):
        ag.mse(x, x)


# ---- optimizers ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "optimizer",
    [nb.SGD(0.05, momentum=0.9), nb.Adam(0.02), nb.AdamW(0.02), nb.RMSprop(0.01), nb.Adagrad(0.1)],
)
def test_parameters_follow_the_same_rules_as_the_network(optimizer):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 3)), rng.integers(0, 4, 20)
    net = nb.MLP([3, 5, 4], output="softmax", dtype="float64", activation="tanh", seed=0)
    flat = Tensor(net.parameters.copy(), requires_grad=True)
    step = optimizer.bind(flat)
    for _ in range(5):
        hidden = ag.dense(X, flat[:20].reshape(4, 5), "tanh")
        ag.cross_entropy(ag.dense(hidden, flat[20:].reshape(6, 4)), y).backward()
        step()
        assert flat.grad is None
    net.fit(X, y, optimizer=optimizer, batch_size=20, epochs=5, shuffle=False)
    np.testing.assert_allclose(flat.data, net.parameters, rtol=1e-9, atol=1e-12)


def test_optimizers_of_several_tensors():
    a, b, unused = leaf(1.0), leaf([2.0, 3.0]), leaf(5.0)
    step = nb.SGD(nb.schedules.ExponentialDecay(0.1, factor=0.5)).bind([a, b, unused])
    for _ in range(2):
        (a * b.sum()).backward()
        step()
    assert a.item() == pytest.approx(1 - 0.1 * 5 - 0.05 * (5 - 0.1 * 2 * 1))
    assert unused.item() == 5
    with pytest.raises(TypeError, match=r"requires_grad=True.* at 1"):
        nb.SGD(0.1).bind([a, Tensor(1.0)])
    with pytest.raises(TypeError, match="expected an array or Tensors"):
        nb.SGD(0.1).bind([1.0])
