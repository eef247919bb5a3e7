"""Arguments of NumPy's functions of Tensors: each has its gradient or is refused; `dtype` and `out` are taken as NumPy takes them."""

import inspect
import warnings

import numpy as np
import pytest
from cases import leaf
from test_autograd_numpy import CASES, UFUNCS, A, V, outcome, parts, recorded

from nablas import autograd as ag
from nablas.autograd import Tensor, grad, no_grad
from nablas.autograd.numpy_table import PLAIN
from nablas.autograd.recording import edits

# ---- every argument ------------------------------------------------------------------------------

I = np.array([0, 1, 1])  # noqa: E741
MORE = [
    (np.bincount, (I, V), {}), (np.bincount, (I,), {"weights": V}), (np.unique, (V,), {}),
    (np.histogram, (V, 3), {"weights": V**2}),
    (np.histogram, (V,), {}), (np.full_like, (A, 2.0), {}), (np.full_like, (A,), {"fill_value": 2.0}),
    (np.heaviside, (np.array([0.0, 1.0, -1.0]), 0.5), {}), (np.heaviside, (np.array([0.0, 1.0, -1.0]), V), {}),
    (np.pad, (A, 1), {"constant_values": ((1.0, 2.0), (3.0, 4.0))}), (np.gradient, (A, 2.0, 3.0), {}),
    (np.trapezoid if hasattr(np, "trapezoid") else np.trapz, (V,), {"dx": 0.5}), (np.linalg.norm, (V, 3.0), {}),
    (np.nan_to_num, (np.array([1.0, np.nan]), True, 2.0), {}), (np.isclose, (V, V, 0.1), {}),
]  # fmt: skip


def places(x, path=()):
    """The places of floating-point numbers and arrays within an argument."""
    if isinstance(x, float) or (isinstance(x, np.ndarray) and x.dtype.kind == "f" and x.size):
        yield path
    elif isinstance(x, (list, tuple)):
        for i, part in enumerate(x):
            yield from places(part, (*path, i))


def put(x, path, new):
    if not path:
        return new
    return type(x)(put(p, path[1:], new) if i == path[0] else p for i, p in enumerate(x))


def at(x, path):
    return at(x[path[0]], path[1:]) if path else x


def outside(x):
    """Arrays as Tensors that require no gradient."""
    if isinstance(x, np.ndarray) and x.dtype.kind == "f":
        return Tensor(x)
    return type(x)(outside(p) for p in x) if isinstance(x, (list, tuple)) else x


def total(result):
    """A number that depends on all entries of a result."""
    found = [x for x in parts(result) if np.ndim(getattr(x, "data", x)) or hasattr(x, "dtype")]
    return sum(
        (x * np.cos(np.arange(x.size) + k).reshape(x.shape)).sum() for k, x in enumerate(found)
    )


def check_argument(function, inputs, settings, key, path):
    """A leaf as this argument is refused, or has the gradient of central differences."""
    every = dict(enumerate(inputs)) | settings

    def call(new, kind):
        given = {k: put(kind(x), path, new) if k == key else kind(x) for k, x in every.items()}
        return function(
            *[given.pop(i) for i in range(len(inputs))], **{k: x for k, x in given.items()}
        )

    value, h = np.asarray(at(every[key], path), float), 1e-6
    _, error = outcome(call, (Tensor(value, requires_grad=True), outside), {})
    if error is not None:
        assert isinstance(error, (TypeError, ValueError, RuntimeError)), error
        return
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        unit = np.cos(3 * np.arange(value.size) + 1).reshape(value.shape)
        ends = [outcome(call, (value + s * unit, lambda x: x), {}) for s in (-h, h)]
        if any(e is not None for _, e in ends):
            return
        slope = (total(ends[1][0]) - total(ends[0][0])) / (2 * h)
        t = Tensor(value, requires_grad=True)
        y = total(call(t, outside))
        by_t = 0.0
        if isinstance(y, Tensor) and y.requires_grad:
            (g,) = grad(y, t, allow_unused=True)
            by_t = 0.0 if g is None else (g.data * unit).sum()
    case = (function, inputs, settings, key, path)
    if np.isfinite(slope) and abs(slope) < 1e5:  # not at a jump
        np.testing.assert_allclose(by_t, slope, rtol=1e-4, atol=1e-5, err_msg=str(case))


@pytest.mark.parametrize(
    "function", [*CASES, *{f for f, *_ in MORE} - {*CASES}], ids=lambda f: f.__name__
)
def test_every_argument_has_its_gradient_or_is_refused(function):
    cases = [(inputs, settings) for f, inputs, settings in MORE if f is function]
    for inputs, settings in [*CASES.get(function, [])[:150], *cases]:
        if outcome(function, inputs, settings)[1] is not None:
            continue
        for key, x in [*list(enumerate(inputs))[function in CASES :], *settings.items()]:
            for path in places(x):  # of functions with a rule the first is in test_autograd_numpy
                check_argument(function, inputs, settings, key, path)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.where(V > 0, x, 1j),
        lambda x: np.clip(x, 0, 1j),
        lambda x: ag.where(V > 0, 1j, x),
        lambda x: np.add(x, 1.0, dtype=complex),
        lambda x: np.sum(x, dtype=complex),
    ],
)
def test_complex_results_are_refused(call):
    for x in (recorded(V), Tensor(V)):
        with pytest.raises(TypeError):
            call(x)


def test_a_leaf_may_be_any_argument_where_nothing_is_recorded():
    t = leaf(2.0)
    with no_grad():
        assert np.pad(Tensor(V), 1, constant_values=t).data[0] == 2
        assert np.full_like(Tensor(V), t).data.tolist() == [2, 2, 2]
        assert np.unique(t).tolist() == [2]


# ---- dtype and out -------------------------------------------------------------------------------

OPERANDS = [np.array([1.7, -2.5, 0.4]), np.float32([1.7, -2.5, 0.4]), np.array([2, 3, -1]),
            np.array([True, False, True]), np.array([np.inf, np.nan, 1.0])]  # fmt: skip
SECOND = [0.9, 2, np.array([2.5, 1.0, 0.5]), np.array([1, 2, 3])]
DTYPES = (bool, np.int64, np.int8, np.float32, float)


def same_as_numpy(call, inputs, **settings):
    """The value and dtype, or the kind of error, are those of NumPy; `out` is a fresh copy."""

    def run(kind):
        given = {k: x.copy() if k == "out" else x for k, x in settings.items()}
        made, error = outcome(call, [kind(x) for x in inputs], given)
        return getattr(made, "data", made), error, given.get("out")

    want, error, written = run(lambda x: x)
    found, raised, got = run(lambda x: Tensor(x) if isinstance(x, np.ndarray) else x)
    case = (call, inputs, settings)
    assert (error is None) == (raised is None), (case, error, raised)
    if written is not None:
        np.testing.assert_array_equal(got, written, str(case))
    if error is not None:
        assert isinstance(raised, TypeError) or type(raised) is type(error), (case, error, raised)
        return
    assert np.asarray(found).dtype == np.asarray(want).dtype, (case, found, want)
    np.testing.assert_allclose(found, want, rtol=1e-6, equal_nan=True, err_msg=str(case))


@pytest.mark.parametrize("ufunc", UFUNCS, ids=lambda f: f.__name__)
def test_dtype_and_out_of_ufuncs_as_numpy(ufunc):
    for x in OPERANDS:
        for inputs in [(x,)] if ufunc.nin == 1 else [(x, y) for y in SECOND]:
            for dtype in DTYPES:
                same_as_numpy(ufunc, inputs, dtype=dtype)
                same_as_numpy(ufunc, inputs, out=np.zeros(3, dtype))
            same_as_numpy(ufunc, inputs, out=np.zeros(2))


@pytest.mark.parametrize("method", ["reduce", "accumulate", "outer"])
def test_dtype_and_out_of_methods_as_numpy(method):
    for ufunc in (np.add, np.multiply):
        for x in OPERANDS:
            inputs = (x, np.array([1.5, 2.0])) if method == "outer" else (x,)
            shape = {"reduce": (), "accumulate": (3,), "outer": (3, 2)}[method]
            for dtype in (np.int64, np.float32, float):
                same_as_numpy(getattr(ufunc, method), inputs, dtype=dtype)
                if method == "outer" or dtype is float:
                    same_as_numpy(getattr(ufunc, method), inputs, out=np.zeros(shape, dtype))
    same_as_numpy(np.less.outer, (V, V), dtype=bool)


WITH_OUT = [
    f for f in {*CASES, *PLAIN}
    if "out" in getattr(outcome(inspect.signature, (f,), {})[0], "parameters", ())
]  # fmt: skip


@pytest.mark.parametrize("function", WITH_OUT, ids=lambda f: f.__name__)
def test_out_of_functions(function):
    """It is refused before anything is written, or written as by NumPy."""
    cases = [
        (i, outcome(function, i, s)[0])
        for i, s in [*CASES.get(function, [((V,), {})]), ((V, 1), {})]
        if not s
    ]
    inputs, want = next(pair for pair in cases if pair[1] is not None)
    for kind in (recorded, outside):
        out = np.full(np.shape(want), 7, np.asarray(want).dtype)
        _, error = outcome(function, [kind(x) for x in inputs], {"out": out})
        if function in PLAIN:
            assert error is None
            np.testing.assert_array_equal(out, want)
        else:
            assert isinstance(error, TypeError)
            assert "expected no out" in str(error)
            assert (out == np.full_like(out, 7)).all()


def test_a_tensor_as_out_is_edited():
    x, places = leaf(V), Tensor(np.zeros(3))
    y = (x * places).sum()
    np.add(V, 1.0, out=places)
    with pytest.raises(RuntimeError, match="edited in place"):
        y.backward()
    found, number = Tensor(np.array(0)), edits.last
    assert np.argmax(Tensor(V), out=found) is found
    assert found.item() == V.argmax()
    assert edits.last > number
    with pytest.raises(TypeError, match="[Cc]annot cast"):
        np.add(Tensor([1.7]), 1.0, out=Tensor([1]))


def test_sort_of_any_kind_and_output_functions(tmp_path):
    x = leaf([2.0, 1.0, 2.0])
    for settings in ({"kind": "stable"}, {"kind": "heapsort"}, {"axis": 0, "kind": None}):
        (g,) = grad((np.sort(x, **settings) * np.arange(3.0)).sum(), x)
        assert g.data.tolist() == [1, 0, 2]
    with pytest.raises(ValueError, match="kind"):
        np.sort(x, kind="x")
    assert np.array2string(x) == np.array2string(x.data)
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "x.npz", a=x, b=V)
    np.savetxt(tmp_path / "x.txt", x)
    assert np.load(tmp_path / "x.npy").tolist() == [2, 1, 2]
    assert np.load(tmp_path / "x.npz")["a"].tolist() == [2, 1, 2]
    assert np.loadtxt(tmp_path / "x.txt").tolist() == [2, 1, 2]


def test_methods_refuse_what_is_not_real():
    x = Tensor([1.0, 2.0], requires_grad=True)
    for call in (
        lambda: x.clip(0, 1j),
        lambda: x.clip(np.array([1j, 0])),
        lambda: x.astype(complex),
        lambda: x.astype("U3"),
    ):
        with pytest.raises(TypeError, match="expected real numbers, got"):
            call()
