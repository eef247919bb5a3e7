"""nablas.autograd: user-defined functions, derivatives of functions, NumPy on Tensors, dtypes."""

import copy
import pickle

import numpy as np
import pytest

from nablas import autograd as ag
from nablas.autograd import Function, Tensor


def leaf(values, **settings):
    return Tensor(np.array(values, float), requires_grad=True, **settings)


# ---- user-defined functions ------------------------------------------------------------------


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


def test_results_keep_their_dtypes():
    class WithIndex(Function):
        @staticmethod
        def forward(ctx, x):
            return [x * 2, Tensor(np.array([2**53 + 1, 0])), x.astype(float)]

        @staticmethod
        def backward(ctx, by_double, by_index, by_wide):
            assert by_index.dtype == np.int64
            return by_double * 2 + by_wide.astype(np.float32)

    x = Tensor(np.ones(2, np.float32), requires_grad=True)
    double, index, wide = WithIndex.apply(x)
    assert (double.dtype, index.data[0], wide.dtype) == (np.float32, 2**53 + 1, np.float64)
    assert not index.requires_grad
    (double[index[1:]].sum() + wide.sum()).backward()
    assert x.grad.data.tolist() == [3, 1]


def test_a_backward_outside_the_graph_is_not_differentiated_silently():
    class Cube(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.x = x.data
            return x**3

        @staticmethod
        def backward(ctx, gradient):
            return Tensor(gradient.data * 3 * ctx.x**2)

    x = leaf([3.0])
    Cube.apply(x).sum().backward()
    assert x.grad.item() == 27
    with pytest.raises(RuntimeError, match="Cube.backward left the graph"):
        ag.jvp(Cube.apply, [3.0], [1.0])


def test_edits_of_what_a_function_saved():
    saved = {}

    class Square(Function):
        @staticmethod
        def forward(ctx, x, other):
            saved["t"] = t = x * 2
            ctx.save_for_backward(t)
            return x * x

        @staticmethod
        def backward(ctx, gradient):
            return gradient * ctx.saved_tensors[0], None

    x, other = leaf([3.0]), Tensor([1.0])
    y = Square.apply(x, other)
    other += 1  # was not saved
    y.backward(retain_graph=True)
    assert x.grad.item() == 6
    saved["t"] += 100
    with pytest.raises(RuntimeError, match="saved tensor 0 of shape"):
        y.backward()


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


@pytest.mark.parametrize("check", [ag.gradcheck, ag.gradgradcheck])
@pytest.mark.parametrize(
    "inputs",
    [[], [1.0], np.array(["x"]), Tensor([1.0]), [Tensor([1.0]), 2.0], None, "x", 3, leaf([1.0], dtype="float32")],
    ids=repr,
)  # fmt: skip
def test_a_check_of_nothing_is_refused(check, inputs):
    """Before the function is called: with such inputs it would find no fault, whatever the function."""

    def called(*_):
        raise AssertionError("called")

    with pytest.raises((TypeError, ValueError), match="^inputs: expected "):
        check(called, inputs)


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


@pytest.mark.parametrize("create_graph", [False, True])
def test_the_point_of_a_jacobian(create_graph):
    """Any array; the function is given another Tensor, of the graph only where that is wanted."""
    given = []

    def cubes(t):
        given.append(t)
        return t**3

    leaf = ag.Tensor([1.0, 2.0], requires_grad=True)
    for x in ([1.0, 2.0], [1, 2], np.array([1, 2]), ag.Tensor([1.0, 2.0]), leaf, leaf * 1):
        found = ag.jacobian(cubes, x, create_graph=create_graph)
        np.testing.assert_array_equal(found.data, [[3, 0], [0, 12]])
        by_x = create_graph and isinstance(x, ag.Tensor) and x.requires_grad
        assert given[-1] is not x
        assert given[-1].is_leaf == (not by_x)
        assert not (isinstance(x, ag.Tensor) and found.requires_grad and not create_graph)
        if by_x:
            (second,) = ag.grad(found.sum(), x)
            np.testing.assert_array_equal(second.data, [6, 12])
    assert leaf.grad is None


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
        lambda x: np.cumsum(x, axis=1), lambda x: np.moveaxis(x, 0, -1), lambda x: np.vstack([x, x[0]]),
        lambda x: np.hstack([x, x]), lambda x: np.take(x, [0, 0, 2], axis=1), lambda x: np.concatenate([x, x], axis=None),
        lambda x: np.linalg.norm(x, 'fro'), lambda x: np.broadcast_to(x, (2, 2, 3)), lambda x: np.power(2.0, x),
        lambda x: np.divide([1.0, 2.0, 3.0], x), lambda x: np.dot(2.0, x),
        np.prod, lambda x: np.prod(x, axis=1), lambda x: np.prod(x, axis=-2, keepdims=True), lambda x: np.prod(x[:0], axis=0),
        lambda x: np.multiply.reduce(x), lambda x: np.multiply.reduce(x, axis=1),
        lambda x: np.einsum("ij,kj->ik", x, x), lambda x: np.einsum("ij->j", x, optimize=False), lambda x: np.average(x, 1),
        lambda x: np.average(x, axis=1, weights=[1.0, 2.0, 3.0]), lambda x: np.average(x, weights=np.arange(6.0).reshape(2, 3)),
        lambda x: np.average(x, axis=0, weights=x * x), lambda x: np.sort(x), lambda x: np.sort(x, axis=None), lambda x: np.sort(x, axis=0),
        np.diff, lambda x: np.diff(x, axis=0), lambda x: np.diff(x, 2), np.ptp, lambda x: np.ptp(x, axis=0), np.trace, lambda x: np.trace(x, 1),
        lambda x: np.pad(x, 1), lambda x: np.pad(x, ((0, 1), (2, 0)), mode="wrap"), lambda x: np.pad(x, 2, "reflect"),
        lambda x: np.repeat(x, 2), lambda x: np.repeat(x, [1, 0, 2], axis=1), lambda x: np.tile(x, (2, 1, 2)),
        lambda x: np.roll(x, 1), lambda x: np.rot90(x), np.fliplr, np.flipud, np.diagonal, np.diag, lambda x: np.diag(x[0], 1),
        np.tril, lambda x: np.triu(x, 1), lambda x: np.split(x, 3, axis=1)[2], lambda x: np.array_split(x, 2, 1)[0],
        lambda x: np.take_along_axis(x, np.array([[2, 0], [1, 1]]), 1), lambda x: np.delete(x, 1, 1), np.atleast_3d,
        np.matrix_transpose, lambda x: np.hsplit(x, [1])[1], np.arcsinh, lambda x: np.hypot(x, 1.0),
    ],
)  # fmt: skip
def test_numpy_functions_of_tensors(call):
    x = leaf([[0.3, -0.7, 1.1], [0.9, -0.2, 0.4]])
    y = call(x)
    assert isinstance(y, Tensor)
    np.testing.assert_allclose(y.data, call(x.data), rtol=1e-14)
    assert ag.gradcheck(call, x)
    single = x.data.astype(np.float32)
    assert call(Tensor(single, requires_grad=True)).dtype == call(single).dtype
    with ag.no_grad():
        whole = np.arange(1, 7).reshape(2, 3)
        assert call(Tensor(whole)).dtype == call(whole).dtype


def test_numpy_functions_that_give_no_tensor_or_none():
    x = leaf([1.5, -2.0])
    assert (np.isfinite(x) & (x > 0)).tolist() == [True, False]
    assert np.argmax(x) == 0
    assert (np.shape(x), np.ndim(x), np.size(x)) == ((2,), 1, 2)
    assert ag.grad(np.sign(x).sum(), x)[0].data.tolist() == [0, 0]
    assert np.allclose(x, [1.5, -2.0])
    assert np.zeros_like(x).data.tolist() == [0, 0]
    for call in [np.linalg.svd, np.fft.fft, np.linalg.eigh, np.gcd]:
        with pytest.raises(TypeError, match=r"no gradient rule in nablas.autograd: .*x\.detach"):
            call(x, x) if call is np.gcd else call(x)
    with pytest.raises(TypeError, match="subtract.accumulate has no gradient rule"):
        np.subtract.accumulate(x)
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


def test_products_and_contractions_at_their_edges():
    x = leaf([[2.0, 0.0, 5.0], [0.0, 0.0, 3.0]])
    ag.prod(x, 1).backward(np.ones(2))
    assert x.grad.data.tolist() == [[0, 10, 0], [0, 0, 0]]
    assert ag.prod(Tensor(3.0)).item() == 3
    assert Tensor(np.arange(1.0, 8)).prod().item() == 5040
    assert ag.prod(Tensor(np.array([200, 2], np.uint8))).item() == 400
    assert ag.prod(Tensor(np.ones((0, 3)))).item() == 1
    with pytest.raises(ValueError, match="one term for each of 1 operands, got 'ij,jk'"):
        ag.einsum("ij,jk", x)
    with pytest.raises(ValueError, match="output subscript .k."):
        ag.einsum("ij->k", x)
    with pytest.raises(TypeError, match="mode"):
        np.pad(x, 1, "linear_ramp")


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


def test_dtypes_at_the_edges():
    single = Tensor(np.zeros((2, 2), np.float32), requires_grad=True)
    loss = ag.cross_entropy(single, [0, 1], sample_weight=np.array([1.0, 3.0]))
    assert loss.dtype == np.float32
    assert ag.mse(single, [[1, 2], [3, 4]]).item() == 7.5
    half = Tensor(np.ones(2, np.float16), requires_grad=True)
    y = ag.gelu(half)
    assert y.dtype == np.float16
    y.sum().backward()
    assert half.grad.data.tolist() == pytest.approx([1.083] * 2, abs=1e-3)
    assert Tensor(np.full(3000, 30, np.float16)).mean().item() == 30
    assert ag.softmax(Tensor([1, 1])).data.tolist() == [0.5, 0.5]
    assert ag.norm(Tensor(np.array([100, 100], np.int8))).item() == pytest.approx(141.4, abs=0.1)
    assert not leaf([1.5]).astype(int).requires_grad
    for other in (np.array([1j]), np.complex128(1j)):
        for call in (lambda: leaf([1.0]) * other, lambda: np.multiply(other, leaf([1.0]))):  # noqa: B023
            with pytest.raises(TypeError, match="real numbers"):
                call()


def test_second_derivatives_at_the_edges():
    x = leaf([-800.0, 1.0])
    (g,) = ag.grad(ag.silu(x).sum(), x, create_graph=True)
    assert np.isfinite(ag.grad(g.sum(), x)[0].data).all()
    a, b = leaf(3.0), leaf(0.0)
    (g,) = ag.grad(a**b, a, create_graph=True)
    assert ag.grad(g, b)[0].item() == pytest.approx(1 / 3)
    constant = leaf([2.0, 2.0])
    constant.std().backward()
    assert constant.grad.data.tolist() == [0, 0]
    infinite = leaf([np.inf, 1.0])
    (infinite**0).sum().backward()
    assert infinite.grad.data.tolist() == [0, 0]


def test_axes_as_numpy_takes_them():
    x = leaf(np.arange(6.0).reshape(2, 3))
    assert np.transpose(x, np.array([1, 0])).shape == (3, 2)
    assert x.mT.shape == (3, 2)
    assert x.copy().tolist() == x.data.tolist()
    for call in (lambda: x.transpose(3, 2), lambda: np.flip(x, 5)):
        with pytest.raises(np.exceptions.AxisError):
            call()
    with pytest.raises(TypeError, match=r"numpy.sum of a Tensor: expected no initial"):
        np.sum(x, initial=1.0)
    with pytest.raises(TypeError, match="vector norm"):
        np.linalg.norm(x, 2, axis=(0, 1))
