"""The engine of nablas.autograd: graphs, gradients, recording, edits in place."""

import contextvars
import gc
import threading
import weakref

import numpy as np
import pytest

import nablas as nb
from nablas import autograd as ag
from nablas.autograd import Function, Tensor, grad, no_grad
from nablas.autograd.recording import edits


def leaf(values, **settings):
    return Tensor(np.array(values, float), requires_grad=True, **settings)


# ---- backward and grad -----------------------------------------------------------------------


def test_gradients_add_up_over_uses_and_passes():
    x = leaf([1.0, 2.0])
    y = x * x + 3 * x
    y.sum().backward()
    assert x.grad.data.tolist() == [5, 7]
    (x * 2).sum().backward()
    assert x.grad.data.tolist() == [7, 9]
    x.grad = None
    (x * 2).backward(np.array([1.0, 10.0]))
    assert x.grad.data.tolist() == [2, 20]


def test_a_shared_gradient_is_not_shared_memory():
    a, b = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    seed = np.ones(2)
    (a + b).backward(seed)
    a.grad.data[0] = 7
    assert b.grad.data.tolist() == [1, 1]
    assert seed.tolist() == [1, 1]


def test_grad_touches_nothing_and_takes_computed_tensors():
    x = leaf(2.0)
    y = x * x
    z = y.exp()
    by_y, by_x = grad(z, [y, x])
    assert by_y.item() == np.exp(4)
    assert by_x.item() == pytest.approx(4 * np.exp(4))
    assert x.grad is None
    (gradient,) = grad([x * 2, x * 3], x, [1.0, 10.0])
    assert gradient.item() == 32


def test_higher_derivatives():
    x = leaf(2.0)
    y, derivatives = x**4, []
    for _ in range(5):
        (y,) = grad(y, x, create_graph=True)
        derivatives.append(y.item())
    assert derivatives == [32, 48, 48, 24, 0]
    (x**3).backward(create_graph=True)
    assert x.grad.requires_grad
    assert grad(x.grad, x)[0].item() == 12


def test_errors_of_backward():
    x = leaf([1.0, 2.0])
    with pytest.raises(RuntimeError, match=r"gradient: expected one of shape \(2,\)"):
        (x * 2).backward()
    with pytest.raises(ValueError, match=r"gradient: expected shape \(2,\), got \(3,\)"):
        (x * 2).backward(np.ones(3))
    with pytest.raises(RuntimeError, match="no gradient flows from here"):
        Tensor(1.0).backward()
    y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        y.backward()
    with pytest.raises(RuntimeError, match="do not depend on the one at 1"):
        grad(x.sum(), [x, leaf(1.0)])
    assert grad(x.sum(), [leaf(1.0)], allow_unused=True) == (None,)
    with pytest.raises(RuntimeError, match="got none at 0"):
        grad(x.sum(), Tensor(1.0))
    with pytest.raises(ValueError, match="grad_outputs: expected 2"):
        grad([x.sum(), x.sum()], x, [1.0])


def test_retain_graph_and_retain_grad():
    x = leaf(3.0)
    y = x * x
    y.retain_grad()
    z = y * 2
    z.backward(retain_graph=True)
    z.backward()
    assert (x.grad.item(), y.grad.item()) == (24, 4)
    with pytest.raises(RuntimeError, match="retain_grad"):
        Tensor(1.0).retain_grad()


def test_backward_of_a_leaf():
    x = leaf(3.0)
    x.backward()
    x.backward()
    assert x.grad.item() == 2


def test_dtypes_are_kept():
    x = Tensor(np.ones(3, np.float32), requires_grad=True)
    y = (x * 2.0 + 1).sum() / 3
    assert y.dtype == np.float32
    (x * np.ones(3)).sum().backward()
    assert x.grad.dtype == np.float32
    for bad in [[1, 2], [True]]:
        with pytest.raises(TypeError, match="floating dtype"):
            Tensor(bad, requires_grad=True)
    for bad in [[1j], ["a"], [object()]]:
        with pytest.raises(TypeError, match="expected real numbers"):
            Tensor(bad)


def test_a_million_operations_deep():
    x = leaf([0.5, 1.0])
    y = x
    for _ in range(1_000_000):
        y = y + 1.0
    y.sum().backward()
    assert x.grad.data.tolist() == [1, 1]
    last = weakref.ref(y)
    del y
    assert last() is None
    y = x
    for _ in range(1_000_000):
        y = -y
    middle = weakref.ref(y)
    del y  # frees the whole chain, which was never differentiated
    assert middle() is None


def test_graphs_need_no_garbage_collector():
    class Twice(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(y := x * 2)
            return y

        @staticmethod
        def backward(ctx, gradient):
            return gradient * (ctx.saved_tensors[0] / ctx.saved_tensors[0]) * 2

    gc.disable()
    try:
        x = leaf(1.0)
        y = Twice.apply(ag.dense(x.reshape(1, 1), leaf([[1.0], [2.0]]), "gelu").exp())
        seen = weakref.ref(y)
        y.backward(retain_graph=True)
        del y
        assert seen() is None
    finally:
        gc.enable()


def test_freed_graphs_are_never_passed_over():
    x = leaf([2.0])
    h = x * x
    h.sum().backward()
    with pytest.raises(RuntimeError, match="freed"):
        grad((h * x).sum(), x)
    with pytest.raises(RuntimeError, match="freed"):
        grad(h.sum(), x, allow_unused=True)
    assert grad((h * 2).sum(), h)[0].item() == 2  # reads no node before h


def test_grad_leaves_retained_gradients_alone():
    x = leaf([1.0, 2.0])
    y = x * x
    y.retain_grad()
    grad(y.sum(), x, retain_graph=True)
    assert y.grad is None
    assert grad(y.sum(), x, [Tensor(1.0)])[0].data.tolist() == [2, 4]


def test_recorded_gradients_have_memory_of_their_own():
    a, b, seed = leaf([1.0, 2.0]), leaf([3.0, 4.0]), Tensor([1.0, 1.0])
    (a + b).backward(seed, create_graph=True)
    with no_grad():
        a.grad *= 0
    assert b.grad.data.tolist() == seed.data.tolist() == [1, 1]
    first, second = grad((a + b).sum(), [a, b], create_graph=True)
    with no_grad():
        first *= 0
    assert second.data.tolist() == [1, 1]


@pytest.mark.parametrize(
    "index",
    [
        (slice(None), (0, 0, 1)),
        (slice(None), range(-3, 0)),
        ([0, 0],),
        (np.array([1, 1]), slice(0, 2)),
    ],
)
def test_entries_met_twice_count_twice(index):
    x = leaf(np.ones((2, 3)))
    x[index].sum().backward()
    expected = np.zeros((2, 3))
    np.add.at(expected, tuple(list(i) if isinstance(i, (range, tuple)) else i for i in index), 1)
    assert (x.grad.data == expected).all()


def test_an_index_may_be_edited_meanwhile():
    x, order = leaf([1.0, 2.0, 3.0]), np.array([0, 1])
    y = x[order].sum()
    order[:] = 2
    y.backward()
    assert x.grad.data.tolist() == [1, 1, 0]


# ---- modes -----------------------------------------------------------------------------------


def test_no_grad_detach_and_threads():
    x = leaf(2.0)
    with no_grad():
        assert not (x * 2).requires_grad
        with ag.enable_grad():
            assert (x * 2).requires_grad
        seen = []

        def see(next_one=None):
            seen.append((x * 2).requires_grad)
            with no_grad():
                assert not (x * 2).requires_grad
            if next_one is not None:
                in_thread(next_one)

        def in_thread(function):
            # a free-threaded Python begins a thread with a copy of the context, others with an empty one
            thread = threading.Thread(target=contextvars.copy_context().run, args=(function,))
            thread.start()
            thread.join()

        in_thread(lambda: see(see))
    assert seen == [True, True]
    assert (x * 2).requires_grad

    @no_grad()
    def double(t):
        return t * 2

    assert not double(x).requires_grad
    assert not double(x).requires_grad
    assert not no_grad(lambda t: t * 2)(x).requires_grad
    with no_grad():
        assert ag.jacobian(lambda t: t * t, [1.0, 2.0]).data.tolist() == [[2, 0], [0, 4]]
        assert ag.gradcheck(lambda t: t * t, x)
    y = x * 3
    assert not y.detach().requires_grad
    (y.detach() * x).backward()
    assert x.grad.item() == 6
    with pytest.raises(RuntimeError, match="detach"):
        y.requires_grad_(False)
    with pytest.raises(ValueError, match="boom"), no_grad():
        raise ValueError("boom")
    assert (x * 2).requires_grad


# ---- edits in place --------------------------------------------------------------------------


def edit_item(t):
    t[0] = 9.0


def edit_add(t):
    t += 1.0


def edit_ufunc(t):
    np.multiply(t, 2.0, out=t)


def edit_view(t):
    t.reshape(-1)[0] = 9.0


def edit_optimizer(t):
    t.grad = Tensor([1.0, 1.0])
    nb.SGD(0.1).bind(t)()


@pytest.mark.parametrize("edit", [edit_item, edit_add, edit_ufunc, edit_view, edit_optimizer])
@pytest.mark.parametrize(
    ("function", "needed"),
    [
        (lambda x: x * x, True),
        (lambda x: x.sin(), True),
        (lambda x: ag.concatenate([x, x]), False),
        (lambda x: x + 1, False),
        (lambda x: x.exp(), False),
        (lambda x: x.sum(), False),
        (lambda x: ag.dense(x.reshape(1, 2), leaf(np.ones((3, 1)))), True),
        (lambda x: ag.dense(x.reshape(1, 2), np.ones((3, 1))), False),
    ],
)
def test_edits_of_what_the_graph_needs_are_found(edit, function, needed):
    x = leaf([1.0, 2.0])
    y = function(x).sum()
    with no_grad():
        edit(x)
    if needed:
        with pytest.raises(RuntimeError, match="edited in place after the forward pass"):
            y.backward()
    else:
        y.backward()
        assert x.grad is not None
    x.grad = None
    function(x).sum().backward()


def test_edits_of_results_and_constants():
    x, c = leaf([1.0, 2.0]), Tensor([3.0, 4.0])
    y, product = x.exp(), x * c
    with no_grad():
        y[0] = 0.0
    with pytest.raises(RuntimeError, match="its result of shape"):
        y.sum().backward()
    c += 1.0
    with pytest.raises(RuntimeError, match="its input 1 of shape"):
        product.sum().backward()


def test_an_edit_is_found_after_thousands_of_others():
    """Edits of arrays that no longer exist are forgotten, the others are not."""
    x = leaf([1.0, 2.0])
    y = (x * x).sum()
    with no_grad():
        x[0] = 3.0
        others = [Tensor([1.0, 2.0]) for _ in range(2500)]
        for other in others:
            other[0] = 3.0
        del other, others
        others = [Tensor([1.0, 2.0]) for _ in range(2500)]
        for other in others:
            other[0] = 3.0
    assert len(edits._owning.noted) <= 5002  # twice as many as there ever were at once
    with pytest.raises(RuntimeError, match="edited in place after the forward pass"):
        y.backward()


def test_edits_that_would_falsify_the_graph_are_refused():
    x = leaf([1.0, 2.0])
    with pytest.raises(RuntimeError, match="under no_grad"):
        x[0] = 1.0
    with pytest.raises(RuntimeError, match="under no_grad"):
        x += 1.0
    with pytest.raises(RuntimeError, match="lose the gradient"):
        Tensor([1.0, 2.0])[0] = x[0]
    y = x * 1
    same = y
    y += 1  # a new Tensor under the same name: the graph still has the old values
    assert y.data.tolist() == [2, 3]
    assert same.data.tolist() == [1, 2]
    with no_grad():
        x -= 0.5
    assert x.data.tolist() == [0.5, 1.5]
    assert x.requires_grad
    integers = Tensor([1, 2])
    with pytest.raises(TypeError, match=r"[Cc]annot cast"):
        integers += 0.5


def test_every_function_is_listed():
    """All but those that would hide Python's own from whoever imports all."""
    functions = {
        name
        for name, value in vars(ag).items()
        if callable(value)
        and not name.startswith("_")
        and str(getattr(value, "__module__", "")).startswith("nablas.autograd")
    }
    assert set(ag.__all__) == functions - {"max", "min", "sum"}
