"""Functions that take an array apart or move its entries: NumPy's values, gradients, and their cost;
and arguments that NumPy refuses."""

import itertools

import numpy as np
import pytest
from cases import leaf

import nablas.autograd as ag
from nablas.autograd import Tensor, grad, gradcheck, gradgradcheck

# ---- cost ----------------------------------------------------------------------------------------


def rows_of(x):
    return np.stack([x[i] * (i + 1.0) for i in range(len(x))])


APART = {
    "iter": lambda x: np.stack(list(x)),
    "index": rows_of,
    "running sum": lambda x: sum(x[i] for i in range(len(x))),
    "entries": lambda x: np.stack([x[i, i] for i in range(len(x))]),
    "windows": lambda x: np.stack([x[:, i : i + 1] for i in range(len(x))]),
    "indices": lambda x: np.stack([x[[i, i]] for i in range(len(x))]),
    "split": lambda x: np.concatenate([p * p for p in np.split(x, len(x))]),
    "array_split": lambda x: np.concatenate(np.array_split(x, len(x), axis=1), 1),
    "hsplit": lambda x: np.concatenate(np.hsplit(x, len(x)), 1),
    "vsplit": lambda x: np.concatenate(np.vsplit(x, len(x))),
    "dsplit": lambda x: np.concatenate(np.dsplit(x.reshape(1, 8, 8), len(x)), 2),
    "cumprod": lambda x: np.cumprod(x, axis=0),
    "cumprod of all": lambda x: np.cumprod(x),
}
if hasattr(np, "unstack"):
    APART["unstack"] = lambda x: np.stack(np.unstack(x))
    APART["unstack, axis 1"] = lambda x: np.stack(np.unstack(x, axis=1))


def zeros_made(call, monkeypatch):
    """Entries of the arrays of zeros that a call makes."""
    entries, make = [], np.zeros

    def zeros(*given, **settings):
        made = make(*given, **settings)
        entries.append(made.size)
        return made

    with monkeypatch.context() as patch:
        patch.setattr(np, "zeros", zeros)
        call()
    return sum(entries)


@pytest.mark.parametrize("name", APART)
@pytest.mark.parametrize("order", [1, 2])
def test_a_gradient_takes_one_array_however_many_the_parts(name, order, monkeypatch):
    x = leaf(np.random.default_rng(0).normal(size=(8, 8)))
    y = (APART[name](x) ** 2).sum()
    if order == 1:
        call = y.backward
    else:
        (g,) = grad(y, x, create_graph=True)
        call = (g**2).sum().backward
    # A gradient by each of 8 or more parts, each an array of x's shape, would be 8 or more.
    assert zeros_made(call, monkeypatch) <= 5 * x.size


@pytest.mark.parametrize("name", APART)
def test_gradients_of_parts(name):
    x = leaf(np.random.default_rng(1).normal(size=(8, 8)) + 0.1)
    assert gradcheck(APART[name], x)
    if name != "cumprod of all":
        assert gradgradcheck(lambda x: (APART[name](x) ** 2)[..., :2], x)


def test_parts_beside_other_uses():
    """The gradients add up, whatever comes first, also of computed arrays and for `grad`."""

    def used(x, order):
        y, found = x * x, []
        for kind in order:
            if isinstance(kind, str) and kind == "whole":
                found.append((y * 2).sum())
            elif isinstance(kind, str):
                found.append((y.reshape(-1) * np.arange(6.0)).sum())
            else:
                found.append((y[kind] ** 2).sum())
        return sum(found), y

    indices = (0, (slice(None), 1), (1, 2), [0, 0], np.array([True, False]))
    kinds = ("whole", "view", *indices)
    for order in itertools.chain(*(itertools.permutations(kinds, r) for r in (1, 2, 3))):
        x = leaf(np.arange(1.0, 7).reshape(2, 3))
        result, y = used(x, order)
        by_y, by_x = grad(result, [y, x], retain_graph=True)
        result.backward()
        expected = np.zeros((2, 3))
        for kind in order:
            if isinstance(kind, str) and kind == "whole":
                expected += 2
            elif isinstance(kind, str):
                expected += np.arange(6.0).reshape(2, 3)
            else:
                np.add.at(expected, kind, 2 * y.data[kind])
        np.testing.assert_allclose(by_y.data, expected)
        np.testing.assert_allclose(by_x.data, expected * 2 * x.data)
        np.testing.assert_array_equal(x.grad.data, by_x.data)


# ---- values and gradients ------------------------------------------------------------------------

MOVES = {
    np.flip: [{}, {"axis": 0}, {"axis": (0, -1)}, {"axis": ()}],
    np.flipud: [{}], np.fliplr: [{}],
    np.tril: [{"k": k} for k in range(-4, 5)], np.triu: [{"k": k} for k in range(-4, 5)],
    np.take: [
        {"indices": i, "axis": a, "mode": m}
        for i in (0, [1, -1], [[0, 0], [1, 0]], np.array([1, 0], np.uint8), 5)
        for a in (None, 0, -1) for m in ("raise", "wrap", "clip")
    ],
    np.delete: [
        {"obj": o, "axis": a}
        for o in (0, -1, [0, 1], [], slice(None, None, 2), np.array([1, 1])) for a in (None, 0, -1)
    ],
    np.repeat: [
        {"repeats": r, "axis": a} for r in (0, 1, 2, [2], np.int8(3), [1, 2], [2, 0, 1])
        for a in (None, 0, -1)
    ],
    np.split: [{"indices_or_sections": s, "axis": a} for s in (1, 2, [1], [1, 2], [2, 1], [0, 5], [])
               for a in (0, -1)],
    np.array_split: [{"indices_or_sections": s, "axis": a} for s in (1, 2, 3, 5, [1]) for a in (0, 1)],
    np.hsplit: [{"indices_or_sections": s} for s in (1, 2, [1])],
    np.vsplit: [{"indices_or_sections": s} for s in (1, 2, [1])],
    np.dsplit: [{"indices_or_sections": s} for s in (1, 2, [1])],
    np.pad: [
        {"pad_width": w, "mode": m} for w in (0, 1, (1, 2), ((1, 0),), 3)
        for m in ("constant", "edge", "wrap", "reflect")
    ] + [{"pad_width": (2, 1), "constant_values": (1.5, -1)}],
    np.roll: [{"shift": s, "axis": a} for s in (0, 1, -7) for a in (None, 0, -1)],
    np.rot90: [{"k": k} for k in range(4)],
    np.diagonal: [{"offset": k} for k in (-1, 0, 1, 9)],
    np.resize: [{"new_shape": s} for s in ((3, 3), 0, 7)],
    np.tile: [{"reps": r} for r in (0, 2, (2, 1, 2))],
    np.diff: [{"n": n, "axis": a} for n in range(4) for a in (0, -1)]
    + [{"n": n, "prepend": 0.5, "append": 1.0} for n in range(3)],
    np.cumprod: [{"axis": a} for a in (None, 0, -1)],
}  # fmt: skip
SHAPES = [(2, 3), (3, 3), (4,), (1,), (2, 2, 2), (0,), (2, 0), (3, 0, 2), ()]


@pytest.mark.parametrize("function", MOVES, ids=lambda function: function.__name__)
@pytest.mark.parametrize("shape", SHAPES)
def test_values_and_gradients_of_every_move(function, shape):
    """As NumPy's, whose errors are raised; linear functions have the gradient of their unit vectors."""
    for settings, dtype in itertools.product(MOVES[function], ("f4", "f8")):
        x = np.array(np.arange(1, np.prod(shape, dtype=int) + 1).reshape(shape) / 2, dtype)
        try:
            expected = function(x, **settings)
        except Exception as error:
            with pytest.raises(type(error)):
                function(Tensor(x, requires_grad=True), **settings)
            continue
        several = isinstance(expected, (list, tuple))
        leaf_x = Tensor(x, requires_grad=True)
        found = function(leaf_x, **settings)
        assert type(found) is (type(expected) if several else Tensor)
        total = 0.0
        for one, two in zip(*(y if several else [y] for y in (found, expected)), strict=True):
            np.testing.assert_array_equal(one.data, two, err_msg=f"{settings}")
            assert (one.shape, one.dtype) == (two.shape, two.dtype)
            total = total + (one * np.arange(1.0, one.size + 1).reshape(one.shape)).sum()
        total.backward()
        assert leaf_x.grad.dtype == dtype

        def weighted(x, settings=settings):
            made = function(x, **settings)
            parts = made if isinstance(made, (list, tuple)) else [made]
            return sum((np.arange(1.0, p.size + 1) * np.ravel(p)).sum() for p in parts)

        exact, start = x.astype(float), x.astype(float)
        numerical = np.zeros(x.shape)
        for i in np.ndindex(*x.shape):
            up, down = exact.copy(), exact.copy()
            up[i], down[i] = start[i] + 1e-4, start[i] - 1e-4
            numerical[i] = (weighted(up) - weighted(down)) / 2e-4
        np.testing.assert_allclose(leaf_x.grad.data, numerical, 1e-4, 1e-6, err_msg=f"{settings}")


@pytest.mark.parametrize("zeros", [(), (0,), (1,), (3,), (0, 1), (0, 3), (1, 2), (0, 1, 2, 3)])
def test_cumulative_products_with_entries_of_0(zeros):
    x = np.array([[2.0, -1.0, 0.5, 3.0], [1.0, 2.0, 3.0, 4.0]])
    x[:, list(zeros)] = 0
    for axis in (0, 1):
        assert gradcheck(lambda x, a=axis: np.cumprod(x, axis=a), leaf(x))
        assert gradgradcheck(lambda x, a=axis: np.cumprod(x, axis=a), leaf(x))


def test_a_rule_whose_shape_is_not_numpys_is_refused(monkeypatch):
    from nablas.autograd import numpy_table

    monkeypatch.setitem(numpy_table.CHECKED, np.diff, lambda a, n=1, axis=-1: ag.as_tensor(a))
    with pytest.raises(TypeError, match=r"numpy.diff .* shape \(2,\), got \(3,\)"):
        np.diff(leaf([1.0, 2.0, 4.0]))


# ---- subscripts of einsum ------------------------------------------------------------------------

TERMS = ["", "i", "ii", "ij", "...", "...i", "i...", "iij"]
OUT = ["", "->", "->i", "->ij", "->ji", "->...", "->...i", "->i...", "->k", "->ii", "->z"]
ONE_SHAPES = [(), (1,), (2,), (3, 2), (2, 2), (3, 1), (1, 1), (2, 2, 3), (2, 3, 2)]


def same_as_numpy(subscripts, *arrays):
    """Whether both give the same or both refuse; a message where not."""
    try:
        expected = np.einsum(subscripts, *arrays)
    except ValueError:
        expected = None
    try:
        found = ag.einsum(subscripts, *[Tensor(a, requires_grad=True) for a in arrays]).data
    except ValueError:
        found = None
    shapes = [a.shape for a in arrays]
    assert (found is None) == (expected is None), (subscripts, shapes)
    if found is not None:
        np.testing.assert_allclose(found, expected, err_msg=f"{subscripts} {shapes}")


@pytest.mark.parametrize("term", TERMS)
def test_subscripts_of_one_operand_as_in_numpy(term):
    for out, shape in itertools.product(OUT, ONE_SHAPES):
        same_as_numpy(term + out, np.random.default_rng(0).normal(size=shape))


@pytest.mark.parametrize("first", TERMS)
def test_subscripts_of_two_operands_as_in_numpy(first):
    rng = np.random.default_rng(0)
    for second, out in itertools.product(["i", "ij", "kk", "...i", "j..."], OUT):
        for a, b in itertools.product(ONE_SHAPES, [(1,), (2,), (3, 2), (2, 2), (1, 2)]):
            same_as_numpy(f"{first},{second}{out}", rng.normal(size=a), rng.normal(size=b))
