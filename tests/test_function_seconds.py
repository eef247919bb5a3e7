"""Second derivatives through a `Function`: right, or an error that names it; never zeros in silence."""

import numpy as np
import pytest

from nablas.autograd import Function, Tensor, grad, gradcheck, gradgradcheck, hessian, jacobian, jvp

A = np.array([[1.0, 2.0, -1.0], [0.5, -0.3, 2.0], [1.0, 1.0, 1.0]])
POINTS = ([0.5, 1.0, -0.7], [0.0, 2.0, -1e-3], [1e-9, 30.0, -4.0])


def make(name, forward, backward, **attributes):
    rules = {"forward": staticmethod(forward), "backward": staticmethod(backward), **attributes}
    return type(name, (Function,), rules)


def keep(ctx, x, **values):
    ctx.save_for_backward(x)
    vars(ctx).update(values)


def exp_by_result(ctx, x):
    result = x.exp()
    ctx.save_for_backward(result)
    return result


def saved(ctx):
    return ctx.saved_tensors[0]


# One argument: forward, the true slope of each entry (None: a matrix), backward.
RIGHT = {
    "cube of saved Tensor": (lambda ctx, x: keep(ctx, x) or x**3, lambda ctx, g: 3 * g * saved(ctx) ** 2),
    "sine of saved Tensor": (lambda ctx, x: keep(ctx, x) or x.sin(), lambda ctx, g: g * np.cos(saved(ctx))),
    "saved result": (exp_by_result, lambda ctx, g: g * saved(ctx)),
    "Tensors and a constant on ctx": (lambda ctx, x: keep(ctx, x, c=2.0) or 2 * x**2, lambda ctx, g: g * 2 * ctx.c * saved(ctx)),
    "argument kept as attribute": (lambda ctx, x: setattr(ctx, "x", x) or x**2, lambda ctx, g: 2 * g * ctx.x),
}  # fmt: skip
LINEAR = {
    "twice": (lambda ctx, x: 2 * x, lambda ctx, g: 2 * g),
    "identity": (lambda ctx, x: x * 1, lambda ctx, g: g),
    "negative of arrays": (lambda ctx, x: -x.data, lambda ctx, g: -g),
    "matrix": (lambda ctx, x: A @ x.data, lambda ctx, g: A.T @ g),
    "matrix on ctx": (lambda ctx, x: setattr(ctx, "a", A * 1.5) or ctx.a @ x.data, lambda ctx, g: ctx.a.T @ g),
    "float on ctx": (lambda ctx, x: setattr(ctx, "c", 0.3) or x * 0.3, lambda ctx, g: ctx.c * g),
    "saves what it does not need": (lambda ctx, x: keep(ctx, x, data=x.data) or 3 * x, lambda ctx, g: 3 * g),
    "shape of the argument": (lambda ctx, x: keep(ctx, x) or x.sum(), lambda ctx, g: g * np.ones(saved(ctx).shape)),
    "like the argument": (lambda ctx, x: keep(ctx, x) or x.sum(), lambda ctx, g: g * np.full_like(saved(ctx).data, 1.0)),
    "rounding": (lambda ctx, x: setattr(ctx, "c", 3 * (1 + x.data**2) / (1 + x.data**2)) or 3 * x.data, lambda ctx, g: g * ctx.c),
    "permuted": (lambda ctx, x: setattr(ctx, "order", np.array([2, 0, 1])) or x.data[[2, 0, 1]], lambda ctx, g: g[np.argsort(ctx.order)]),
    "cumulative": (lambda ctx, x: np.cumsum(x.data), lambda ctx, g: np.flip(np.cumsum(np.flip(g)))),
    "affine": (lambda ctx, x: x * 2 + 1, lambda ctx, g: (g * 2,)),
    "nothing": (lambda ctx, x: keep(ctx, x) or x.data * 0, lambda ctx, g: g * 0),
    "constant": (lambda ctx, x: np.ones(3), lambda ctx, g: None),
    "array from g alone": (lambda ctx, x: 2 * x.data, lambda ctx, g: 2 * g),
}  # fmt: skip
PIECEWISE = {  # the second derivative is 0 where there is one; also asked at the kink
    "relu, mask": (lambda ctx, x: setattr(ctx, "m", x.data > 0) or x.data * ctx.m, lambda ctx, g: g * ctx.m),
    "relu, floats": (lambda ctx, x: setattr(ctx, "m", (x.data > 0) * 1.0) or x.data * ctx.m, lambda ctx, g: g * ctx.m),
    "relu of saved data": (lambda ctx, x: keep(ctx, x) or x.data * (x.data > 0), lambda ctx, g: g * (saved(ctx).data > 0)),
    "relu, where": (lambda ctx, x: keep(ctx, x) or np.maximum(x.data, 0), lambda ctx, g: np.where(saved(ctx).data > 0, g, 0)),
    "abs": (lambda ctx, x: keep(ctx, x) or np.abs(x.data), lambda ctx, g: g * np.sign(saved(ctx).data)),
    "leaky": (lambda ctx, x: keep(ctx, x) or np.where(x.data > 0, 1, 0.1) * x.data, lambda ctx, g: g * np.where(saved(ctx).data > 0, 1, 0.1)),
    "clip": (lambda ctx, x: keep(ctx, x) or np.clip(x.data, -1, 1), lambda ctx, g: g * (np.abs(saved(ctx).data) <= 1)),
    "round, straight through": (lambda ctx, x: np.round(x.data), lambda ctx, g: g),
    "sign, clipped straight through": (lambda ctx, x: keep(ctx, x) or np.sign(x.data), lambda ctx, g: g * (np.abs(saved(ctx).data) < 1)),
    "maximum": (lambda ctx, x: setattr(ctx, "at", int(x.data.argmax())) or x.data.max(), lambda ctx, g: g * np.eye(3)[ctx.at]),
    "sorted": (lambda ctx, x: setattr(ctx, "at", np.argsort(x.data)) or np.sort(x.data), lambda ctx, g: g[np.argsort(ctx.at)]),
    "gradient reversed": (lambda ctx, x: x.data * 1, lambda ctx, g: -g),
}  # fmt: skip
WRONG = {  # the gradient is right and changes with x, but not in the graph
    "array on ctx": (lambda ctx, x: setattr(ctx, "x", x.data) or x.exp(), lambda ctx, g: g * np.exp(ctx.x)),
    "slope computed in forward": (lambda ctx, x: setattr(ctx, "slope", np.exp(x.data)) or x.exp(), lambda ctx, g: g * ctx.slope),
    "data of a saved Tensor": (lambda ctx, x: keep(ctx, x) or x.exp(), lambda ctx, g: g * np.exp(saved(ctx).data)),
    "detached": (lambda ctx, x: keep(ctx, x) or x.exp(), lambda ctx, g: g * saved(ctx).detach().exp()),
    "a Tensor of forward saved": (lambda ctx, x: ctx.save_for_backward(2 * x) or x**2, lambda ctx, g: g * saved(ctx)),
    "a copy": (lambda ctx, x: setattr(ctx, "x", Tensor(x.data.copy())) or x**2, lambda ctx, g: 2 * g * ctx.x),
    "a list": (lambda ctx, x: setattr(ctx, "x", [float(v) for v in x.data]) or x**2, lambda ctx, g: 2 * g * np.array(ctx.x)),
    "a dict": (lambda ctx, x: setattr(ctx, "c", {"x": [x.data]}) or x**2, lambda ctx, g: 2 * g * ctx.c["x"][0]),
    "an object": (lambda ctx, x: setattr(ctx, "c", type("Box", (), {"x": x.data})()) or x**2, lambda ctx, g: 2 * g * ctx.c.x),
    "a function": (lambda ctx, x: setattr(ctx, "f", lambda: x.data) or x**2, lambda ctx, g: 2 * g * ctx.f()),
    "sigmoid": (lambda ctx, x: setattr(ctx, "y", 1 / (1 + np.exp(-x.data))) or ctx.y, lambda ctx, g: g * ctx.y * (1 - ctx.y)),
    "norm": (lambda ctx, x: keep(ctx, x) or np.sum(x.data**2), lambda ctx, g: g * 2 * saved(ctx).data),
    "mixes entries": (lambda ctx, x: keep(ctx, x) or x.data @ A @ x.data, lambda ctx, g: g * ((A + A.T) @ saved(ctx).data)),
    "leaves g, too": (lambda ctx, x: keep(ctx, x) or x.exp(), lambda ctx, g: g.data * np.exp(saved(ctx).data)),
    "small": (lambda ctx, x: keep(ctx, x) or 1e-8 * x.exp(), lambda ctx, g: 1e-8 * g * np.exp(saved(ctx).data)),
}  # fmt: skip


def second(function):
    return lambda z: function.apply(z).sum()


def leaf(values, dtype=float):
    return Tensor(np.array(values, dtype), requires_grad=True)


@pytest.mark.parametrize("name", RIGHT)
def test_tensors_and_what_was_saved(name):
    function = make("Right", *RIGHT[name])
    assert gradcheck(second(function), leaf(POINTS[0]))
    assert gradgradcheck(second(function), leaf(POINTS[0]))
    for point in POINTS:
        assert np.diag(hessian(second(function), point).data).any()


@pytest.mark.parametrize("name", [*LINEAR, *PIECEWISE])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_no_false_alarm(name, dtype):
    function = make("Linear", *(LINEAR | PIECEWISE)[name])
    for point in POINTS:
        for f in (second(function), lambda z: (function.apply(z) * [1.0, -2.0, 0.5]).sum()):
            np.testing.assert_array_equal(hessian(f, np.array(point, dtype)).data, 0)
    if name in LINEAR and name != "constant":
        assert gradgradcheck(second(function), leaf(POINTS[0]))


@pytest.mark.parametrize("name", LINEAR)
def test_linear_functions_within_others(name):
    """Their second derivatives come from what is around them."""
    function = make("Linear", *LINEAR[name])
    f = lambda z: (function.apply(z.sin()) ** 2).sum() + (z**3).sum()  # noqa: E731
    assert gradcheck(f, leaf(POINTS[0]))
    assert gradgradcheck(f, leaf(POINTS[0]))


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_a_backward_that_leaves_the_graph(name, dtype):
    """First derivatives, `jvp` and `jacobian` are right; second ones are an error that names the class."""
    function = make("Outside", *WRONG[name])
    assert gradcheck(second(function), leaf(POINTS[0]))
    message = r"^Outside\.backward left the graph"
    for point in POINTS[:2]:
        x = leaf(point, dtype)
        jacobian(function.apply, point)
        with pytest.raises(RuntimeError, match=message):
            hessian(second(function), np.array(point, dtype))
        with pytest.raises(RuntimeError, match=message):
            gradgradcheck(second(function), leaf(point))
        second(function)(x).backward(create_graph=True)  # as penalties of gradients do
        with pytest.raises(RuntimeError, match=message):
            (x.grad**2).sum().backward()
        with pytest.raises(RuntimeError, match=message):
            hessian(
                lambda z: (function.apply(z * 2) ** 2).sum() + (z**4).sum(), np.array(point, dtype)
            )
    if name != "leaves g, too":
        _, along = jvp(function.apply, POINTS[0], [1.0, 1.0, 1.0])
        np.testing.assert_allclose(
            along.data, jacobian(function.apply, POINTS[0]).data.sum(axis=-1)
        )


@pytest.mark.parametrize("name", WRONG)
def test_slopes_that_are_declared_constant(name):
    if name == "leaves g, too":
        return
    function = make("Declared", *WRONG[name], constant_slopes=True)
    np.testing.assert_array_equal(hessian(second(function), POINTS[0]).data, 0)


def product(left, right):
    """a * b, whose gradients read b and a through `left` and `right`."""

    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a * b

    def backward(ctx, g):
        a, b = ctx.saved_tensors
        return g * left(b), g * right(a)

    return make("Product", forward, backward)


INSIDE, OUTSIDE = (lambda x: x), (lambda x: x.data)


@pytest.mark.parametrize("left", [INSIDE, OUTSIDE], ids=["Tensor", "array"])
@pytest.mark.parametrize("right", [INSIDE, OUTSIDE], ids=["Tensor", "array"])
def test_one_of_two_gradients_leaves_the_graph(left, right):
    """Each pair of a gradient and an argument counts by itself: only what is asked for is refused."""
    a, b = leaf([1.0, 2.0]), leaf([3.0, -1.0])
    by_a, by_b = grad(product(left, right).apply(a, b).sum(), [a, b], create_graph=True)
    for first, x, good in ((by_a, b, left is INSIDE), (by_b, a, right is INSIDE)):
        if good:
            np.testing.assert_array_equal(grad(first.sum(), x, retain_graph=True)[0].data, 1)
        else:
            with pytest.raises(
                RuntimeError,
                match=r"Product\.backward left the graph.* by argument . changes with argument .",
            ):
                grad(first.sum(), x, retain_graph=True)
    for first, x in ((by_a, a), (by_b, b)):  # a product is linear in each factor
        np.testing.assert_array_equal(
            grad(first.sum(), x, retain_graph=True, allow_unused=True)[0].data, 0
        )


def test_one_tensor_for_both_arguments():
    assert hessian(lambda z: product(INSIDE, INSIDE).apply(z, z).sum(), [3.0]).item() == 2
    with pytest.raises(RuntimeError, match="Product.backward left the graph"):
        hessian(lambda z: product(OUTSIDE, OUTSIDE).apply(z, z).sum(), [3.0])


def test_other_arguments_and_several_results():
    def forward(ctx, x, power, tensor, flag):
        ctx.x, ctx.power, ctx.flag = x.data, power, flag
        return x**power, 2 * x, np.argsort(x.data)

    def backward(ctx, g, h, _):
        return (
            (g * ctx.power * ctx.x ** (ctx.power - 1) if ctx.flag else 0 * g) + 2 * h,
            None,
            None,
            None,
        )

    several = make("Several", forward, backward)
    apply = lambda z, power, flag=True: several.apply(z, power, Tensor([1.0]), flag)  # noqa: E731
    np.testing.assert_array_equal(hessian(lambda z: apply(z, 1)[0].sum(), POINTS[0]).data, 0)
    np.testing.assert_array_equal(hessian(lambda z: apply(z, 2)[1].sum(), POINTS[0]).data, 0)
    np.testing.assert_array_equal(hessian(lambda z: apply(z, 2, False)[0].sum(), POINTS[0]).data, 0)
    with pytest.raises(RuntimeError, match="Several.backward left the graph"):
        hessian(lambda z: apply(z, 2)[0].sum(), POINTS[0])


def test_random_functions_and_those_with_conditions():
    """No false alarm where `forward` draws a mask, or refuses an argument nearby."""
    random = np.random.default_rng(0)
    dropout = make(
        "Dropout",
        lambda ctx, x: setattr(ctx, "mask", random.random(x.shape) * 1.0) or x.data * ctx.mask,
        lambda ctx, g: g * ctx.mask,
    )
    np.testing.assert_array_equal(hessian(second(dropout), POINTS[0]).data, 0)

    def forward(ctx, x):
        if (x.data != np.round(x.data)).any():
            raise ValueError("whole numbers")
        ctx.x = x.data
        return x * 2

    whole = make("Whole", forward, lambda ctx, g: 2 * g)
    np.testing.assert_array_equal(hessian(second(whole), [1.0, 2.0]).data, 0)


@pytest.mark.parametrize("scale", [1e-9, 1e-3, 1e3, 1e6])
def test_arguments_of_any_size(scale):
    """Also where a step in proportion to 1 + |x| would leave the domain."""
    logarithm = make(
        "Log", lambda ctx, x: keep(ctx, x) or np.log(x.data), lambda ctx, g: g / saved(ctx).data
    )

    def checked(ctx, x):
        if (x.data <= 0).any():
            raise ValueError("positive numbers")
        keep(ctx, x)
        return np.log(x.data)

    strict = make("Log", checked, lambda ctx, g: g / saved(ctx).data)
    for function in (logarithm, strict):
        with pytest.raises(RuntimeError, match="Log.backward left the graph"):
            hessian(second(function), scale * np.array([1.0, 2.0]))


def test_how_often_forward_is_called():
    """Once; again only where a second derivative asks, and never for a linear one that keeps no numbers."""
    calls = []

    def forward(ctx, x):
        calls.append(1)
        ctx.shape, ctx.mask, ctx.names = x.shape, x.data > 0, ("a", None, {"b": [1]})
        return 2 * x

    plain = make("Plain", forward, lambda ctx, g: 2 * g)
    hessian(second(plain), POINTS[0])
    assert len(calls) == 1
    held = make(
        "Held",
        lambda ctx, x: calls.append(1) or keep(ctx, x) or x**3,
        lambda ctx, g: 3 * g * saved(ctx) ** 2,
    )
    x = leaf(POINTS[0])
    for create_graph in (False, True):
        calls.clear()
        second(held)(x).backward(create_graph=create_graph)
        assert len(calls) == 1
    hessian(second(held), POINTS[0])
    assert len(calls) == 2  # it has a way to its only argument
