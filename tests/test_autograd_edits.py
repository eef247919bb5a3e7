"""Arrays that are edited between the forward and the backward pass: arguments of a Function, and
what a drawing shows."""

import itertools

import numpy as np
import pytest
from cases import leaf

import nablas as nb
import nablas.autograd as ag
from nablas.autograd import Function, Tensor, draw, no_grad
from nablas.autograd.recording import MOST_COPIED

# ---- arguments of a Function ---------------------------------------------------------------------

KEEP = {  # how `forward` keeps the array b, and how `backward` finds it
    "saved": (lambda ctx, b: ctx.save_for_backward(b), lambda ctx: ctx.saved_tensors[0]),
    "attribute": (lambda ctx, b: setattr(ctx, "b", b), lambda ctx: ctx.b),
    "view": (lambda ctx, b: ctx.save_for_backward(b[:]), lambda ctx: ctx.saved_tensors[0]),
    "reversed": (lambda ctx, b: setattr(ctx, "b", b[::-1]), lambda ctx: ctx.b[::-1]),
    "Tensor": (lambda ctx, b: ctx.save_for_backward(Tensor(b)), lambda ctx: ctx.saved_tensors[0]),
}


def product(keep):
    """A Function that multiplies by an array."""
    save, find = KEEP[keep]

    class Product(Function):
        @staticmethod
        def forward(ctx, a, b):
            save(ctx, b)
            return a * b

        @staticmethod
        def backward(ctx, g):
            return g * find(ctx), None

    return Product.apply


def direct(c):
    c[:] = 7


def by_view(c):
    c[::-1][:] = 7


class Marked(np.ndarray):
    """An array of a subclass."""


@pytest.mark.parametrize("keep", KEEP)
@pytest.mark.parametrize("edit", [direct, by_view])
@pytest.mark.parametrize("kind", [np.array, lambda v: np.array(v).view(Marked)])
@pytest.mark.parametrize("create_graph", [False, True])
def test_an_edit_of_an_argument_changes_no_gradient(keep, edit, kind, create_graph):
    a, c = leaf([1.0, 1.0]), kind([2.0, 3.0])
    y = product(keep)(a, c)
    edit(c)
    y.sum().backward(create_graph=create_graph)
    np.testing.assert_array_equal(a.grad.data, [2, 3])


def test_a_function_gets_the_array_itself_where_nothing_is_recorded():
    seen = []

    class Seen(Function):
        @staticmethod
        def forward(ctx, a, b):
            seen.append(b)
            return a * b

    c, large = np.array([2.0, 3.0]), np.ones(MOST_COPIED + 1)
    Seen.apply(Tensor([1.0, 1.0]), c)
    with no_grad():
        Seen.apply(leaf([1.0, 1.0]), c)
    Seen.apply(leaf([1.0]), large)
    assert [x is y for x, y in zip(seen, (c, c, large), strict=True)] == [True] * 3


@pytest.mark.parametrize("keep", ["saved", "attribute"])
@pytest.mark.parametrize("of", [lambda t: t, lambda t: t.data])
def test_an_edit_of_what_a_function_kept_is_found(keep, of):
    """Of a Tensor, or of its array, in `saved_tensors` or an attribute of the Context."""
    save, find = KEEP[keep]

    class Product(Function):
        @staticmethod
        def forward(ctx, a, b):
            save(ctx, of(b))
            return a * b

        @staticmethod
        def backward(ctx, g):
            return g * find(ctx), None

    a, b = leaf([1.0, 1.0]), Tensor([2.0, 3.0])
    y = Product.apply(a, b).sum()
    b += 1
    with pytest.raises(RuntimeError, match="'Product' needs, was edited in place"):
        y.backward()


# ---- drawings ------------------------------------------------------------------------------------


def step(t):
    t.grad = Tensor(np.ones(t.shape))
    nb.SGD(0.5).bind([t])()


def subtract(t):
    with no_grad():
        t -= 5


def item(t):
    with no_grad():
        t[...] = 1.0


def report(t):
    t.data[...] = 1.0
    t.mark_edited()


EDITS = [step, subtract, item, report]
GRAPHS = {
    "product": lambda w, x: w * x,
    "sum": lambda w, x: w + x,  # no rule reads its operands
    "deep": lambda w, x: ((w + x) * 2.0 - 1.0).sum(),
    "regression": lambda w, x: ((x * w - 1.0) ** 2).mean(),
    "concatenate": lambda w, x: ag.stack([w, x]).sum(),
}


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("freed", [False, True])
@pytest.mark.parametrize("which", ["w", "x"])
def test_no_drawing_of_values_that_do_not_belong_together(edit, graph, freed, which):
    w, x = leaf(np.array([2.0, 1.0])), leaf(np.array([3.0, 0.5]))
    L = GRAPHS[graph](w, x).sum()
    if freed:
        L.backward()
    expected = [np.array(node.value) for node in draw(L, {"w": w, "x": x}).nodes]
    edit({"w": w, "x": x}[which])
    with pytest.raises(RuntimeError, match="edited in place after '.*' used it; draw before"):
        draw(L, {"w": w, "x": x})
    L = GRAPHS[graph](w, x).sum()  # anew, it can be drawn
    assert len(draw(L, {"w": w, "x": x}).nodes) == len(expected)


def test_an_edit_before_the_graph_or_of_another_tensor_is_no_obstacle():
    for edit, graph in itertools.product(EDITS, GRAPHS.values()):
        w, x, other = (leaf(np.array([2.0, 1.0])) for _ in range(3))
        edit(w)
        L = graph(w, x).sum()
        edit(other)
        assert draw(L).nodes[-1].value == L.item()
