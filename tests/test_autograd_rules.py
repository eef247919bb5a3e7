"""Every rule of the table against central differences, first and second derivatives.

A new operation needs cases in `cases()`; `test_every_operation_has_a_case_in_twenty_shapes` checks
it. Shapes are from the lists below; inputs avoid kinks unless the test is about them.
"""

import numpy as np
import pytest
from cases import loss_targets

import nablas as nb
from nablas import autograd as ag
from nablas import reference
from nablas._registry import LOSSES
from nablas.autograd import Tensor, gradcheck, gradgradcheck
from nablas.autograd.rules import RULES
from nablas.reference import ACTIVATIONS

ONE = [
    (), (1,), (3,), (0,), (2, 3), (1, 3), (3, 1), (0, 3), (3, 0), (2, 0, 3), (1, 1), (2, 2, 2),
    (2, 1, 2), (5,), (4, 2), (1, 2, 1, 2), (6,), (2, 2), (1, 1, 1), (3, 2), (0, 0),
]  # fmt: skip
TWO = [
    ((), ()), ((1,), ()), ((), (3,)), ((3,), (3,)), ((3,), (1,)), ((1,), (3,)), ((0,), (0,)),
    ((0,), (1,)), ((2, 3), (2, 3)), ((2, 3), (3,)), ((3,), (2, 3)), ((2, 3), (1, 3)),
    ((2, 1), (1, 3)), ((2, 3), ()), ((0, 3), (3,)), ((2, 0), (1, 0)), ((2, 1, 2), (3, 1)),
    ((1, 1), (2, 2, 1)), ((4,), (4,)), ((1, 0), (3, 1)), ((2, 2, 2), (2, 2, 2)), ((1,), (1,)),
]  # fmt: skip
AXES = [
    ((), None), ((3,), None), ((3,), 0), ((3,), -1), ((1,), 0), ((2, 3), None), ((2, 3), 0),
    ((2, 3), 1), ((2, 3), (0, 1)), ((2, 3), -1), ((1, 3), 0), ((3, 1), 1), ((2, 3, 2), None),
    ((2, 3, 2), 0), ((2, 3, 2), 1), ((2, 3, 2), (0, 2)), ((2, 1, 2), (1, 2)), ((4,), (0,)),
    ((2, 2), -2), ((1, 1), None), ((3, 0), None), ((0, 3), 1), ((0,), 0), ((2, 0), 1),
]  # fmt: skip
FILLED = [(shape, axis) for shape, axis in AXES if 0 not in shape] + [
    ((5,), 0),
    ((1, 2), 1),
    ((2, 2, 1), 2),
    ((0, 3), 1),
]
LINED = [(shape, axis if isinstance(axis, int) else -1) for shape, axis in FILLED if shape]
PRODUCTS = [
    ((2, 3), (3, 4)), ((1, 3), (3, 1)), ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)),
    ((2, 2, 3), (3, 2)), ((2, 3), (2, 3, 2)), ((2, 2, 3), (2, 3, 1)), ((1, 2, 3), (2, 3, 2)),
    ((2, 1, 2, 2), (2, 2, 1)), ((0, 3), (3, 2)), ((2, 0), (0, 3)), ((2, 3), (3, 0)), ((0,), (0,)),
    ((3,), (2, 3, 2)), ((2, 2, 3), (3,)), ((1,), (1,)), ((1, 1), (1, 1)), ((4, 2), (2, 2)),
    ((0, 2, 3), (3, 2)), ((5, 1), (1, 5)),
]  # fmt: skip
CONTRACTIONS = [
    ("ij,jk->ik", (2, 3), (3, 4)), ("ij,jk", (2, 3), (3, 2)), ("ij->ji", (2, 3)), ("ij->", (2, 3)),
    ("ij->i", (2, 3)), ("i,i", (3,), (3,)), ("i,j->ij", (2,), (3,)), ("bi,bi->b", (2, 3), (2, 3)),
    ("bij,bjk->bik", (2, 2, 3), (2, 3, 2)), ("ij,jk,kl->il", (2, 3), (3, 2), (2, 2)), ("...i,...i", (2, 3), (2, 3)),
    ("...i,i->...", (2, 2, 3), (3,)), ("...ij,jk->...ik", (2, 3), (3, 2)), ("i...,...j->ij...", (2, 3), (3, 2)),
    (",i->i", (), (3,)), ("ij,ij->", (2, 3), (2, 3)), ("ij,k->j", (2, 3), (2,)), ("ij,jk->ik", (0, 3), (3, 2)),
    ("ij,jk->ik", (2, 0), (0, 2)), ("ij,jk->ik", (2, 1), (3, 2)), ("i,i->i", (1,), (3,)), ("ba", (2, 3)),
    ("...", (2, 2)), ("a...,b...->ab...", (2, 3), (2, 3)),
]  # fmt: skip
INDICES = [
    ((4,), 1), ((4,), -1), ((4,), slice(1, 3)), ((4,), slice(None, None, -1)), ((4,), slice(0, 0)),
    ((4,), ...), ((4,), None), ((4,), [0, 0, 2]), ((4,), np.array([3, 1])), ((4,), np.array([True, False, True, True])),
    ((3, 4), 1), ((3, 4), (1, 2)), ((3, 4), (slice(None), 2)), ((3, 4), (..., slice(1, None, 2))),
    ((3, 4), ([0, 1, 0], [1, 1, 1])), ((3, 4), (slice(None), [2, 2])), ((3, 4), np.zeros((3, 4), bool)),
    ((3, 4), (None, 0)), ((3, 4), np.array([[0, 1], [1, 1]])), ((2, 2, 2), (0, ..., 1)),
    ((0, 3), (slice(None), 1)), ((), ()), ((3, 4), (np.array([[0], [2]]), np.array([0, 3]))),
]  # fmt: skip
RESHAPES = [
    ((6,), (2, 3)), ((2, 3), (6,)), ((2, 3), -1), ((2, 3), (3, -1)), ((), (1,)), ((1,), ()), ((), (1, 1)),
    ((0,), (0, 3)), ((0, 3), (0,)), ((4,), (2, 2)), ((2, 2), (4, 1)), ((8,), (2, 2, 2)), ((2, 2, 2), (4, 2)),
    ((1, 3), (3,)), ((3, 1), (1, 3)), ((2, 3), (2, 3)), ((5,), (5,)), ((2, 2, 2), (8,)), ((12,), (3, 4)),
    ((3, 4), (2, 6)), ((0, 0), (0,)),
]  # fmt: skip
ORDERS = [
    ((), ()), ((3,), (0,)), ((2, 3), (1, 0)), ((2, 3), (0, 1)), ((2, 3), (-1, 0)), ((1, 3), (1, 0)),
    ((0, 3), (1, 0)), ((2, 3, 2), (0, 2, 1)), ((2, 3, 2), (2, 0, 1)), ((2, 3, 2), (1, 2, 0)),
    ((2, 3, 2), (2, 1, 0)), ((2, 3, 2), (1, 0, 2)), ((1, 1), (1, 0)), ((2, 2), (1, 0)), ((4, 1), (1, 0)),
    ((2, 0, 1), (2, 0, 1)), ((1, 2, 1, 2), (3, 2, 1, 0)), ((1, 2, 1, 2), (0, 2, 1, 3)), ((5,), (-1,)),
    ((3, 3), (1, 0)), ((2, 1, 2), (1, 2, 0)),
]  # fmt: skip
WIDER = [(a, np.broadcast_shapes(a, b)) for a, b in TWO]
JOINED = [
    ([(2,), (3,)], 0), ([(2,)], 0), ([(0,), (3,)], 0), ([(2, 3), (1, 3)], 0), ([(2, 3), (2, 1)], 1),
    ([(2, 3), (2, 2)], -1), ([(1, 1)] * 3, 0), ([(1, 1)] * 3, 1), ([(2, 0), (2, 1)], 1), ([(0,), (0,)], 0),
    ([(2, 2, 1), (2, 2, 2)], 2), ([(1, 2, 2), (2, 2, 2)], 0), ([(2, 1, 2), (2, 2, 2)], 1), ([(4,), (1,), (2,)], 0),
    ([(3, 2), (3, 2)], 1), ([(3, 2), (3, 2)], 0), ([(5,), (5,)], -1), ([(1,), (1,), (1,), (1,)], 0),
    ([(2, 3), (0, 3)], 0), ([(3, 1), (3, 4)], 1), ([(2, 2)], 1),
]  # fmt: skip
STACKED = [
    ([()] * 3, 0), ([(2,)] * 2, 0), ([(2,)] * 2, 1), ([(2,)] * 2, -1), ([(2, 3)], 0), ([(2, 3)] * 2, 1),
    ([(2, 3)] * 2, 2), ([(0,)] * 2, 0), ([(0,)] * 2, 1), ([(1,)], 0), ([(1, 1)] * 2, 1), ([(3,)] * 4, 0),
    ([(2, 0)] * 2, 0), ([(2, 2, 1)] * 2, 3), ([(2, 2, 1)] * 2, 0), ([()], 0), ([(4,)] * 2, -2), ([(2, 1)] * 3, 1),
    ([(3, 2)] * 2, -1), ([(5,)], 1), ([(1, 2)] * 2, -3),
]  # fmt: skip

SQUARE = [(n, n) for n in (1, 2, 3, 4, 5)] + [(b, n, n) for b in (0, 1, 2, 3) for n in (1, 2, 3)]
SQUARE += [(2, 1, n, n) for n in (1, 2, 3)]


def regular(x):
    """Square matrices that are far from singular."""
    return 0.2 * x + 2 * np.eye(x.shape[-1])


POSITIVE = {"log", "log2", "log10", "log1p", "sqrt", "power", "cbrt"}
INSIDE = {"arcsin", "arccos", "arctanh"}
ABOVE_ONE = {"arccosh"}


def numbers(shape, seed, name=""):
    """Distinct numbers from -2 to 2, away from 0; where the operation needs it, positive, within
    ±0.9, or above 1.
    """
    rng = np.random.default_rng(seed)
    count = int(np.prod(shape))
    values = np.linspace(0.3, 1.9, count) * rng.choice([-1, 1], count) + rng.uniform(
        -0.02, 0.02, count
    )
    if name in POSITIVE:
        values = np.abs(values)
    if name in INSIDE:
        values = values / 2.2
    if name in ABOVE_ONE:
        values = np.abs(values) + 1.2
    return rng.permutation(values).reshape(shape)


def leaf_of(shape, seed, name=""):
    return Tensor(numbers(shape, seed, name), requires_grad=True)


def cases():
    """(operation, function, shapes of its inputs) of every case."""
    for name, operation in RULES.items():
        if not isinstance(operation.forward, np.ufunc):
            continue
        if operation.forward.nin == 2 and name != "matmul":
            for a, b in TWO:
                yield name, lambda x, y, f=operation.forward: f(x, y), (a, b)
        else:
            for shape in ONE:
                yield name, lambda x, f=operation.forward: f(x), (shape,)
    for shape in ONE:
        yield "sinc", np.sinc, (shape,)
        yield "constant", np.floor, (shape,)
        yield "linked", lambda x, y: x._apply("linked", x, y), (shape, shape)
    for shape in SQUARE:
        yield "inv", lambda x: np.linalg.inv(regular(x)), (shape,)
        yield "det", lambda x: np.linalg.det(regular(x)), (shape,)
        yield "logabsdet", lambda x: np.linalg.slogdet(regular(x))[1], (shape,)
        yield "cholesky", lambda x: np.linalg.cholesky(regular(x @ x.mT)), (shape,)
        for more in ((), (1,), (3,)):
            b = (*shape[:-1], *more) if len(shape) == 2 or more else (*shape[:-1], 2)
            yield "solve", lambda a, b: np.linalg.solve(regular(a), b), (shape, b)
    for name in ["erf", "erfc", *nb.activations()]:
        for shape in ONE:
            yield name, getattr(ag, name), (shape,)
    for name in ["sum", "mean", "norm", "cumsum"]:
        for i, (shape, axis) in enumerate(AXES):
            if name == "cumsum":
                axis = axis if isinstance(axis, int) else None
                yield name, lambda x, a=axis: ag.cumsum(x, a), (shape,)
            elif name == "sum" or 0 not in shape:
                yield name, lambda x, n=name, a=axis, k=bool(i % 2): getattr(x, n)(a, k), (shape,)
    for name in ["max", "min", "logsumexp", "mean", "norm"]:
        for i, (shape, axis) in enumerate(FILLED):
            yield name, lambda x, n=name, a=axis, k=bool(i % 2): getattr(x, n)(a, k), (shape,)
    for name in ["softmax", "log_softmax"]:
        for shape, axis in LINED:
            yield name, lambda x, n=name, a=axis: getattr(x, n)(a), (shape,)
    for a, b in PRODUCTS:
        yield "matmul", lambda x, y: x @ y, (a, b)
    for subscripts, *shapes in CONTRACTIONS:
        yield "einsum", lambda *x, s=subscripts: ag.einsum(s, *x), shapes
    for a, b in TWO:
        test = np.random.default_rng(3).random(np.broadcast_shapes(a, b)) < 0.5
        yield "where", lambda x, y, c=test: ag.where(c, x, y), (a, b)
    for shape in ONE:
        yield "clip", lambda x: x.clip(-0.7, 1.1), (shape,)
        yield "astype", lambda x: x.astype(float), (shape,)
    for shape, index in INDICES:
        yield "getitem", lambda x, i=index: x[i], (shape,)
        part = np.zeros(shape)[index].shape
        twice = [part, part]
        yield "scatter", lambda *x, i=index, s=shape: x[0]._apply("scatter", s, (i, i), *x), twice
    for shape, axis in LINED:
        yield "cumprod", lambda x, a=axis: np.cumprod(x, a), (shape,)
        numbers = np.random.default_rng(4).integers(0, np.prod(shape) + 1, (2, 3))
        yield "moved", lambda x, n=numbers: x._apply("moved", x, n), (shape,)
        yield "moved_back", lambda x, n=numbers, s=shape: x._apply("moved_back", x, n, s), ((2, 3),)
    for name, lists in [("reshape", RESHAPES), ("transpose", ORDERS), ("broadcast_to", WIDER)]:
        for shape, setting in lists:
            yield name, lambda x, n=name, s=setting: getattr(ag, n)(x, s), (shape,)
    for shapes, axis in JOINED:
        yield "concatenate", lambda *x, a=axis: ag.concatenate(x, a), shapes
    for shapes, axis in STACKED:
        yield "stack", lambda *x, a=axis: ag.stack(x, a), shapes


CASES = {}
for _name, _function, _shapes in cases():
    CASES.setdefault(_name, []).append((_function, _shapes))


def test_every_operation_has_a_case_in_twenty_shapes():
    assert CASES.keys() == RULES.keys()
    assert {name: len(found) for name, found in CASES.items() if len(found) < 20} == {}


def check_both_ways(function, inputs):
    """First and second derivatives; the first with a graph of their own are those without.

    A rule may compute them of Tensors in other steps than of arrays, and `gradgradcheck` compares
    the Tensors' with themselves.
    """
    assert gradcheck(function, inputs)
    assert gradgradcheck(function, inputs)
    given = inputs if isinstance(inputs, list) else [inputs]
    wanted = [x for x in given if isinstance(x, Tensor) and x.requires_grad]
    found = function(*given)
    outputs = [
        y for y in (found if isinstance(found, tuple | list) else [found]) if y.requires_grad
    ]
    if not outputs:
        return
    seeds = [Tensor(np.random.default_rng(i).normal(size=y.shape)) for i, y in enumerate(outputs)]
    settings = {"allow_unused": True, "retain_graph": True}
    plain = ag.grad(outputs, wanted, seeds, **settings)
    graph = ag.grad(outputs, wanted, seeds, create_graph=True, **settings)
    for one, other in zip(plain, graph, strict=True):
        zero = np.zeros(())
        a, b = (zero if g is None else g.data for g in (one, other))
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_gradients_and_second_gradients(name):
    for i, (function, shapes) in enumerate(CASES[name]):
        inputs = [leaf_of(shape, 10 * i + k, name) for k, shape in enumerate(shapes)]
        check_both_ways(function, inputs)


@pytest.mark.parametrize("name", [n for n in CASES if n not in ("step", "constant")])
def test_a_wrong_rule_is_found(name, monkeypatch):
    operation = RULES[name]
    function, shapes = next(c for c in CASES[name] if np.prod(c[1][0]) > 1)
    inputs = [leaf_of(shape, k, name) for k, shape in enumerate(shapes)]
    if operation.joint is None:
        wrong = tuple(
            lambda *a, rule=rule: None if (g := rule(*a)) is None else 1.01 * g
            for rule in operation.rules
        )
        monkeypatch.setattr(operation, "rules", wrong)
    else:
        monkeypatch.setattr(
            operation,
            "joint",
            lambda *a, rule=operation.joint: [None if g is None else 1.01 * g for g in rule(*a)],
        )
    with pytest.raises(RuntimeError, match=r"expected .* by central differences, got"):
        gradcheck(function, inputs)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_slopes_for_higher_derivatives(name):
    """Autograd differentiates the reference's formulas, so these must be smooth wherever g' is."""
    z = np.linspace(-4, 4, 81)
    assert 0 in z
    kept = z if nb.activations()[name] == "preactivation" else nb.kernels.activate(z, name)
    slope = ACTIVATIONS[name].slope
    np.testing.assert_allclose(slope(z), nb.kernels.slope(kept, name), rtol=1e-12, atol=1e-15)
    x = Tensor(z, requires_grad=True)
    result = slope(x)
    second = np.zeros(81)
    if isinstance(result, Tensor) and result.requires_grad:
        second = ag.grad(result.sum(), x, allow_unused=True)[0].data
    h = 1e-5
    right, left = (slope(z + h) - slope(z)) / h, (slope(z) - slope(z - h)) / h
    smooth = np.abs(right - left) < 1e-3  # elsewhere the slope has no derivative
    assert smooth.sum() >= 75
    np.testing.assert_allclose(second[smooth], ((right + left) / 2)[smooth], rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", LOSSES)
def test_losses(name, weighted):
    for i in range(20):
        n, outputs = 1 + i % 4, 1 + i // 4
        rng = np.random.default_rng(i)
        z = leaf_of((n, outputs), i)
        y = loss_targets(name, n, outputs, seed=i, labels=bool(n % 2))
        weight = rng.random(n) + 0.1 if weighted else None
        loss = lambda z, y=y, w=weight: getattr(ag, name)(z, y, sample_weight=w)  # noqa: E731
        value = reference.LOSSES[name](z.data, y, sample_weight=weight)[0]
        np.testing.assert_allclose(loss(z).item(), value, rtol=1e-12)
        check_both_ways(loss, z)


@pytest.mark.parametrize("name", nb.activations())
def test_dense(name):
    for i in range(20):
        n, inputs, outputs = i % 4, 1 + i % 3, 1 + i // 5
        x, w = leaf_of((n, inputs), i), leaf_of((inputs + 1, outputs), i + 1)
        layer = lambda x, w: ag.dense(x, w, name)  # noqa: E731
        written_out = ag.activate(x @ w[1:] + w[0], name)
        np.testing.assert_allclose(layer(x, w).data, written_out.data, rtol=1e-12, atol=1e-14)
        check_both_ways(layer, [x, w])
        assert gradcheck(lambda w, x=x: ag.dense(x.detach(), w, name), w)
        assert gradcheck(lambda x, w=w: ag.dense(x, w.detach(), name), x)


def test_gradients_at_kinks_and_ties():
    def slope(function, at):
        x = Tensor(np.array(at, float), requires_grad=True)
        function(x).sum().backward()
        return x.grad.data.tolist()

    assert slope(abs, [0, -1, 1]) == [0, -1, 1]
    assert slope(ag.relu, [0, -1, 1]) == [0, 0, 1]
    assert slope(lambda x: x.max(), [1, 3, 3]) == [0, 0.5, 0.5]
    assert slope(lambda x: x.min(0), [[1, 3], [1, 2]]) == [[0.5, 0], [0.5, 1]]
    assert slope(lambda x: ag.maximum(x, 1.0), [0, 1, 2]) == [0, 0.5, 1]
    assert slope(lambda x: x.clip(0, 1), [-1, 0, 1, 2]) == [0, 1, 1, 0]
    assert slope(lambda x: x.norm(), [0, 0]) == [0, 0]
    assert slope(lambda x: x**0, [0, 2]) == [0, 0]
    assert slope(lambda x: x**2, [0, 2]) == [0, 4]
    assert slope(lambda x: x**1, [0, -2]) == [1, 1]
    assert slope(lambda x: 0.0**x, [2.0, 3.0]) == [0, 0]
    assert slope(lambda x: ag.where(x > 0, x, 0).sqrt() * 0 + x, [1.0, 4.0]) == [1, 1]
