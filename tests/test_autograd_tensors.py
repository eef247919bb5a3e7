"""Tensors as objects: subclasses, copies, flags, arguments, edits in place, names in drawings."""

import copy
import operator
import pickle
import warnings
from itertools import product

import numpy as np
import pytest
from cases import leaf

import nablas.autograd as ag
from nablas.autograd import Tensor
from nablas.autograd.operators import Operators


class Parameter(Tensor):
    """A subclass with another signature and with attributes in a dict."""

    def __init__(self, values, name="p", requires_grad=False):
        super().__init__(np.array(values, float), requires_grad)
        self.name = name


class Buffer(Tensor):
    """A sibling with a slot."""

    __slots__ = ("extra",)


# ---- subclasses ----------------------------------------------------------------------------------

A, B = np.array([[2.0, 0.5], [1.5, 4.0]]), np.array([[3.0, 2.0], [0.75, 1.25]])
MAKERS = {
    "Tensor": lambda v: leaf(v),
    "constant": lambda v: Tensor(v),
    "Parameter": lambda v: Parameter(v, requires_grad=True),
    "Buffer": lambda v: Buffer(v, requires_grad=True),
}
OTHERS = {**MAKERS, "array": np.array, "list": np.ndarray.tolist}
BINARY = {
    name: getattr(operator, name)
    for name in ("add", "sub", "mul", "truediv", "pow", "mod", "floordiv", "matmul")
}
COMPARISONS = {name: getattr(operator, name) for name in ("lt", "le", "gt", "ge", "eq", "ne")}


@pytest.mark.parametrize("name", BINARY)
def test_operators_of_subclasses(name):
    """Every pair of classes: NumPy's value, a plain Tensor, the gradients of plain Tensors."""
    of = BINARY[name]
    kinds = [*product(MAKERS, OTHERS), *product(OTHERS, MAKERS)]
    for left, right in kinds:
        a, b, plain = OTHERS[left](A), OTHERS[right](B), [leaf(A), leaf(B)]
        y, expected = of(a, b), of(*plain)
        np.testing.assert_array_equal(y.data, expected.data, err_msg=f"{left}, {right}")
        np.testing.assert_allclose(y.data, of(A, B), err_msg=f"{left}, {right}")
        assert type(y) is Tensor
        expected.sum().backward()
        wanted = [isinstance(x, Tensor) and x.requires_grad for x in (a, b)]
        assert y.requires_grad == any(wanted)
        if any(wanted):
            y.sum().backward()
        for x, one, by in zip((a, b), plain, wanted, strict=True):
            if by:
                np.testing.assert_allclose(x.grad.data, one.grad.data)
    for make in MAKERS.values():  # as a subclass that extends it calls it
        reflected = getattr(make(A), f"__r{name}__")(Tensor(B))
        np.testing.assert_allclose(reflected.data, of(B, A))


@pytest.mark.parametrize("name", COMPARISONS)
def test_comparisons_of_subclasses(name):
    for left, right in product(MAKERS, OTHERS):
        found = COMPARISONS[name](MAKERS[left](A), OTHERS[right](B))
        np.testing.assert_array_equal(found, COMPARISONS[name](A, B))
        assert type(found) is np.ndarray


def test_results_and_indices_of_subclasses():
    calls = ["exp", "abs", "sum", "mean", "max", "norm", "var", "std", "prod", "cumsum", "softmax",
             "flatten", "ravel", "squeeze", "transpose", "copy", "round", "trace", "diagonal",
             "detach", "__neg__", "__abs__"]  # fmt: skip
    for x in (Parameter(A, requires_grad=True), Buffer(A)):
        for name in calls:
            y = getattr(x, name)()
            assert type(y) is Tensor
            np.testing.assert_array_equal(y.data, getattr(Tensor(A), name)().data)
        for y in (x[0], x.T, x.mT, x.clip(1, 2), x.reshape(4), next(iter(x)), x.take([0])):
            assert type(y) is Tensor
    rows = Buffer(np.array([1, 0]))
    np.testing.assert_array_equal(Parameter(A)[rows].data, A[[1, 0]])
    np.testing.assert_array_equal(Parameter(A)[rows, rows].data, A[[1, 0], [1, 0]])
    target = Parameter(A)
    target[0] = Buffer(np.array([7.0, 8.0]))
    np.testing.assert_array_equal(target.data[0], [7, 8])
    with pytest.raises(RuntimeError, match="lose the gradient"):
        target[0] = Buffer(np.array([7.0, 8.0]), requires_grad=True)


COPIES = {"copy": copy.copy, "deepcopy": copy.deepcopy} | {
    f"pickle {k}": lambda x, k=k: pickle.loads(pickle.dumps(x, k))
    for k in range(pickle.HIGHEST_PROTOCOL + 1)
}


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("create_graph", [None, False, True])
def test_copies_keep_class_attributes_and_grad(how, create_graph):
    parameter = Parameter(A, "weights", requires_grad=True)
    buffer = Buffer(B, requires_grad=True)
    buffer.extra = [1, 2]
    for x in (leaf(A), parameter, buffer, Parameter(A, "frozen"), Tensor([1, 2])):
        if x.requires_grad and create_graph is not None:
            (x**2).sum().backward(create_graph=create_graph)
        made = COPIES[how](x)
        assert type(made) is type(x)
        assert made.requires_grad == x.requires_grad
        assert made.is_leaf
        np.testing.assert_array_equal(made.data, x.data)
        assert made.dtype == x.dtype
        assert getattr(made, "name", None) == getattr(x, "name", None)
        assert getattr(made, "extra", None) == getattr(x, "extra", None)
        assert (made.grad is None) == (x.grad is None)
        if x.grad is not None:
            np.testing.assert_array_equal(made.grad.data, x.grad.data)
            assert not made.grad.requires_grad
    with pytest.raises(RuntimeError, match="detach"):
        COPIES[how](parameter * 2)


def test_a_copy_of_several_shares_what_they_share():
    x = leaf([1.0])
    first, second = copy.deepcopy([x, x])
    assert first is second is not x


# ---- flags, names and arguments ------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["?", "i1", "u1", "i8", "f2", "f4", "f8"])
def test_requires_grad_is_checked_when_it_is_set(dtype):
    x, floating = Tensor(np.ones(2, dtype)), dtype[0] == "f"
    for wrong in ("yes", 1, None):
        with pytest.raises(TypeError, match="expected True or False"):
            x.requires_grad = wrong
    x.requires_grad = False
    if floating:
        x.requires_grad = np.True_
        assert x.requires_grad is True
        x.requires_grad = True
        y = x * 2
        y.requires_grad = True
        with pytest.raises(RuntimeError, match="detach"):
            y.requires_grad = False
        assert y.requires_grad
    else:
        with pytest.raises(TypeError, match="floating dtype"):
            x.requires_grad = True
        assert not x.requires_grad


def test_methods_have_their_names():
    for name, method in vars(Operators).items():
        if hasattr(method, "__code__"):
            assert vars(Operators)[method.__name__] is method, name  # an alias has the other's name
            assert "<locals>" not in method.__qualname__
    with pytest.raises(TypeError, match=r"Tensor\.__pow__"):
        pow(leaf([1.0]), 2, 3)


@pytest.mark.parametrize("dtype", ["?", "i1", "u1", "i8", "f2", "f4", "f8"])
def test_clip_has_numpys_dtype(dtype):
    x = np.array([0, 1, 3], dtype)
    for low, high in [(0, None), (None, 1), (0, 1), (0.5, None), (None, 2.5), (np.float32(1), None),
                      (None, np.ones(3, "f4")), (np.int8(1), None)]:  # fmt: skip
        made = [bound if bound is None else Tensor(bound) for bound in (low, high)]
        expected = np.clip(x, low, high)
        found = Tensor(x).clip(low, high)
        np.testing.assert_array_equal(found.data, expected)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(Tensor(x).clip(*made).data, expected)
    np.testing.assert_array_equal(Tensor(x).clip().data, x)
    assert Tensor(x).clip().dtype == x.dtype


def test_transpose_takes_numpys_arguments():
    whole = np.arange(24.0).reshape(2, 3, 4)
    given = [(), (None,), ((2, 0, 1),), ([2, 0, 1],), (np.array([2, 0, 1]),), (2, 0, 1),
             tuple(np.array([2, 0, 1])), (-1, 0, 1)]  # fmt: skip
    for arguments in given:
        np.testing.assert_array_equal(
            leaf(whole).transpose(*arguments).data, whole.transpose(*arguments)
        )
    for axes in (0, np.int64(0), [0], np.array([0]), np.array([-1])):
        arguments = [axes] if np.ndim(axes) == 0 else axes
        np.testing.assert_array_equal(leaf([1.0, 2.0]).transpose(axes).data, [1, 2])
        np.testing.assert_array_equal(ag.transpose([1.0, 2.0], arguments).data, [1, 2])
    for wrong in [((),), (0,), (0, 1, 1)]:
        with pytest.raises(ValueError, match="ax"):
            leaf(whole).transpose(*wrong)


def test_as_an_array_without_a_copy():
    x = Tensor(np.ones(3))
    for dtype in (None, float, "f8"):
        assert np.shares_memory(x.__array__(dtype, copy=False), x.data)
    for dtype in ("f4", int, bool):
        with pytest.raises(ValueError, match="copy"):
            x.__array__(dtype, copy=False)
        assert x.__array__(dtype).dtype == dtype
        assert not np.shares_memory(x.__array__(dtype, copy=True), x.data)


# ---- edits in place ------------------------------------------------------------------------------

IN_PLACE = {name: getattr(operator, f"i{name}") for name in BINARY}


@pytest.mark.parametrize("name", IN_PLACE)
def test_edits_in_place(name):
    """Like NumPy's where nothing is recorded; a new Tensor, or an error, where it is."""
    edit, of = IN_PLACE[name], BINARY[name]
    for x, other in product((leaf(A), Tensor(A.copy()), Parameter(A, requires_grad=True)), OTHERS):
        with ag.no_grad():
            before = x.data.copy()
            assert edit(x, OTHERS[other](B)) is x
        np.testing.assert_allclose(x.data, of(before, B))
    with pytest.raises(RuntimeError, match="in place"):
        edit(leaf(A), B)
    y = leaf(A) * 1.0
    made = edit(y, B)
    assert made is not y
    np.testing.assert_array_equal(y.data, A)
    constant = Tensor(A.copy())
    made = edit(constant, leaf(B))
    assert made.requires_grad
    assert not constant.requires_grad
    np.testing.assert_array_equal(constant.data, A)
    edited = Tensor(A.copy())
    w = leaf(B)
    read = (w * edited).sum()
    edit(edited, B)
    with pytest.raises(RuntimeError, match="edited in place"):
        read.backward()


def test_every_operator_has_its_forms():
    names = {
        name[3:-2] for name in vars(Operators) if name.startswith("__r") and name != "__round__"
    }
    assert names == set(BINARY)
    assert all(f"__i{name}__" in vars(Operators) for name in names)


def test_a_product_in_place_keeps_its_shape():
    for wrong in (np.ones(2), np.ones((2, 3)), np.ones((5, 2, 2))):
        x = Tensor(A.copy())
        with pytest.raises(ValueError, match="operand"):
            x @= wrong
        np.testing.assert_array_equal(x.data, A)


# ---- names in drawings ---------------------------------------------------------------------------


def labels(y, names):
    return [node.label for node in ag.draw(y, names).nodes if node.named]


def test_names_are_of_arrays_not_of_equal_ones():
    """Where the graph has the array itself, its view or a Tensor of it; else copies of its entries."""
    x, a, b = leaf([1.0, 2.0, 3.0]), np.zeros(3), np.zeros(3)
    for named in (a, a[:], a.reshape(3, 1)[:, 0], Tensor(a)):
        assert labels((x + a) - b, {"targets": named}) == ["targets"]
        assert labels((x + b) - 1.0, {"targets": named}) == []
        assert labels(x + named, {"other": b, "targets": named}) == ["targets"]
        assert labels((x + named) * named, {"targets": named}).count("targets") >= 1
    assert labels(x * a, {"targets": a}) == ["targets"]  # a copy
    assert labels(x * a.astype("f4"), {"targets": a}) == ["targets"]  # nothing else is named
    assert labels((x * a.astype("f4")) * a, {"targets": a}) == ["targets"]
    assert labels(x * np.array([0.5]), {"c": np.float64(0.5)}) == ["c"]


@pytest.mark.parametrize("wrong", [{1: 0}, {None: 0}, {("a",): 0}, {b"a": 0}, ["a"]])
def test_names_are_strings(wrong):
    x = leaf([1.0])
    names = dict.fromkeys(wrong, x) if isinstance(wrong, dict) else wrong
    with pytest.raises(TypeError, match="names: expected"):
        ag.draw(x * 2, names)


@pytest.mark.parametrize("name", ["\ud800", "a\0b", "\n", "$x$", "<&>", ""])
def test_any_string_is_drawn(name, tmp_path):
    x = leaf([1.0])
    drawing = ag.draw(x * 2, {name: x})
    assert any(node.named and node.label == name for node in drawing.nodes) or not name
    drawing.to_html(tmp_path / "a.html")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # glyphs that the font lacks
        for suffix in (".svg", ".dot", ".png"):
            drawing.save(tmp_path / f"a{suffix}")
            assert (tmp_path / f"a{suffix}").stat().st_size
