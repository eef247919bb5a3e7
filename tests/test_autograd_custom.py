"""User-defined operations, derivative functions within each other, and the checks of gradients."""

from typing import ClassVar

import numpy as np
import pytest
from cases import leaf

import nablas.autograd as ag
from nablas.autograd import Tensor

# ---- user-defined operations ---------------------------------------------------------------------

DTYPES = ["?", "i1", "u2", "i8", "f2", "f4", "f8"]


def cast(dtypes, several=True):
    """A Function with one result of each dtype, ``3 x`` of floating ones, and what `backward` got."""

    class Cast(ag.Function):
        got: ClassVar[list] = []

        @staticmethod
        def forward(ctx, x):
            results = [(3 * x.data).astype(dtype) for dtype in dtypes]
            return tuple(results) if several else results[0]

        @staticmethod
        def backward(ctx, *gradients):
            Cast.got[:] = gradients
            return sum(3 * g for g in gradients)

    return Cast


@pytest.mark.parametrize("first", DTYPES)
def test_only_floating_results_have_gradients(first):
    for dtypes in ([first], *([first, second] for second in DTYPES)):
        for several in (True, False) if len(dtypes) == 1 else (True,):
            x, function = leaf([1.0, 2.0]), cast(dtypes, several)
            found = function.apply(x)
            results = found if several else (found,)
            floating = [np.dtype(dtype).kind == "f" for dtype in dtypes]
            assert [y.dtype for y in results] == [np.dtype(dtype) for dtype in dtypes]
            assert [y.requires_grad for y in results] == floating
            total = sum((y * 0.5).sum() for y in results)
            assert total.requires_grad == any(floating)
            if any(floating):
                total.backward()
                np.testing.assert_allclose(x.grad.data, 1.5 * sum(floating))
                for g, y, wanted in zip(function.got, results, floating, strict=True):
                    assert (g.shape, g.dtype) == (y.shape, y.dtype)
                    np.testing.assert_array_equal(g.data, 0.5 if wanted else 0)


def _doubled(g):
    g *= 2


def _set(g):
    g[...] = 0


EDITS = [_doubled, _set, lambda g: np.multiply(g.data, 2, out=g.data), lambda g: g.data.fill(0)]


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("results", [1, 2])
def test_a_backward_cannot_change_other_gradients(edit, create_graph, results):
    class Identity(ag.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1 if results == 1 else (x * 1, x * 2)

        @staticmethod
        def backward(ctx, *gradients):
            with ag.no_grad():
                edit(gradients[0])
            return gradients[0]

    x, by_sum, seed = leaf([1.0, 2.0]), leaf([0.0, 0.0]), leaf([1.0, 1.0])
    found = Identity.apply(x)
    y = (found if results == 1 else found[0]) + by_sum
    with pytest.raises((ValueError, RuntimeError), match=r"read-only|writeable|writable"):
        ag.grad(y, [x, by_sum], seed, create_graph=create_graph)
    np.testing.assert_array_equal(seed.data, 1)


def test_gradients_that_backward_returns_are_the_callers_own():
    class Same(ag.Function):
        forward = staticmethod(lambda ctx, x: x * 1)
        backward = staticmethod(lambda ctx, g: g)

    for create_graph in (False, True):
        x = leaf([[1.0, 2.0]])
        z = ag.dense(Same.apply(np.tanh(Same.apply(x))), leaf(np.ones((3, 2))), "tanh")
        z.sum().backward(create_graph=create_graph)
        assert x.grad.data.flags.writeable


def test_arguments_and_results_of_a_function():
    class Scale(ag.Function):
        @staticmethod
        def forward(ctx, x, factor):
            return None if factor is None else x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2, g

    for other in (Tensor([1.0, 2.0]), np.ones(2), leaf([1.0, 2.0])):
        Scale.apply(leaf([1.0, 2.0]), other).sum().backward()
    for other in (2, 2.0, "up", (1, 2), np.float64(2)):
        y = Scale.apply(leaf([1.0, 2.0]), other).sum()
        with pytest.raises(RuntimeError, match="expected None as the gradient of argument 1"):
            y.backward()
    with pytest.raises(TypeError, match=r"Scale\.forward: expected .* got None"):
        Scale.apply(leaf([1.0]), None)


# ---- derivatives of functions --------------------------------------------------------------------

P, V = np.array([0.5, -1.0, 2.0]), np.array([1.0, 0.25, -0.5])
OUTER = {
    "jacobian": lambda f, x, **k: ag.jacobian(f, x, **k),
    "hessian": lambda f, x, **k: ag.hessian(lambda t: (f(t) ** 2).sum(), x, **k),
    "vjp": lambda f, x, **k: ag.vjp(lambda t: f(t).reshape(-1)[:3], x, V, **k)[1],
    "jvp": lambda f, x, **k: ag.jvp(f, x, V, **k)[1],
}
INNER = {  # of y**3 at x, and its formula
    "jacobian": (lambda x, **k: ag.jacobian(lambda y: y**3, x, **k), lambda x: np.eye(3) * 3 * x**2),
    "hessian": (lambda x, **k: ag.hessian(lambda y: (y**3).sum(), x, **k), lambda x: np.eye(3) * 6 * x),
    "vjp": (lambda x, **k: ag.vjp(lambda y: y**3, x, V, **k)[1], lambda x: 3 * x**2 * V),
    "vjp by v": (lambda x, **k: ag.vjp(lambda y: y**3, P, x, **k)[1], lambda x: 3 * P**2 * x),
    "jvp": (lambda x, **k: ag.jvp(lambda y: y**3, x, V, **k)[1], lambda x: 3 * x**2 * V),
    "jvp by v": (lambda x, **k: ag.jvp(lambda y: y**3, P, x, **k)[1], lambda x: 3 * P**2 * x),
    "value": (lambda x, **k: ag.vjp(lambda y: y**3, x, V, **k)[0], lambda x: x**3),
    "closure": (lambda x, **k: ag.jacobian(lambda y: y**2 * x, P, **k), lambda x: np.eye(3) * 2 * P * x),
    "of its own": (lambda x, **k: ag.jacobian(lambda y: y**2 * x, x, **k), lambda x: np.eye(3) * 2 * x**2),
}  # fmt: skip


@pytest.mark.parametrize("inner", INNER)
def test_nested_derivative_functions(inner):
    """Each within each, and within `gradcheck`: the derivatives of the formula."""
    made, formula = INNER[inner]
    np.testing.assert_allclose(made(P).data, formula(P), atol=1e-12)
    for name, outer in OUTER.items():
        for x in (P, leaf(P), leaf(P) * 1):
            found, expected = outer(made, x), outer(formula, x)
            np.testing.assert_allclose(found.data, expected.data, atol=1e-12, err_msg=name)
            assert not found.requires_grad
        constant = outer(lambda x: ag.no_grad(made)(x).detach() + x, P)
        np.testing.assert_allclose(
            constant.data, outer(lambda x: x + formula(P), P).data, atol=1e-12
        )
    thrice = ag.jacobian(lambda x: ag.jacobian(made, x), P)
    np.testing.assert_allclose(thrice.data, ag.jacobian(lambda x: ag.jacobian(formula, x), P).data)
    assert ag.gradcheck(made, leaf(P))
    assert ag.gradgradcheck(made, leaf(P))


@pytest.mark.parametrize("inner", INNER)
def test_create_graph(inner):
    made, formula = INNER[inner]
    for x in (leaf(P), leaf(P) * 1):
        assert not made(x).requires_grad
        with ag.no_grad():
            assert made(x, create_graph=True).requires_grad
        (found,) = ag.grad(made(x, create_graph=True).sum(), x, retain_graph=True)
        (expected,) = ag.grad(formula(x).sum(), x)
        np.testing.assert_allclose(found.data, expected.data, atol=1e-12)
    with pytest.raises(TypeError, match="create_graph"):
        made(P, create_graph=1)


# ---- checks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("check", [ag.gradcheck, ag.gradgradcheck])
def test_a_tensor_given_twice_is_checked_once(check):
    x, y = leaf([0.5, 2.0]), leaf([1.0, -1.0])
    for given in ([x, x, y], [x, y, x], [x, x, x]):
        assert check(lambda a, b, c: a * b**2 * np.sin(c), given)

    class Wrong(ag.Function):
        forward = staticmethod(lambda ctx, a, b: a * b)
        backward = staticmethod(lambda ctx, g: (g, g))

    with pytest.raises(RuntimeError, match="central differences"):
        ag.gradcheck(Wrong.apply, [x, x])


@pytest.mark.parametrize("check", [ag.gradcheck, ag.gradgradcheck])
def test_outputs_of_no_floating_dtype_are_not_checked(check):
    x = leaf([0.5, 2.0])
    order = lambda a: Tensor(np.argsort(a.data))  # noqa: E731
    above = lambda a: Tensor(a.data > 1)  # noqa: E731
    assert check(lambda a: (above(a), a**2, order(a)), x)
    for wrong, got in [((), "none"), (above(x), "bool"), ((order(x), above(x)), "int64, bool")]:
        with pytest.raises(TypeError, match=f"floating dtype from it, got {got}"):
            check(lambda a, wrong=wrong: wrong, x)
    with pytest.raises(TypeError, match="got ndarray"):
        check(lambda a: a > 1, x)
    with pytest.raises(RuntimeError, match="output 1"):
        ag.gradcheck(lambda a: (above(a), a + a.detach()), x)
