"""NumPy's functions of Tensors mean what NumPy means: value, shape, dtype, error and gradient, on generated arguments."""

import warnings

import numpy as np
import pytest

from nablas import autograd as ag
from nablas.autograd import Tensor
from nablas.autograd.numpy_protocol import (
    _ACCUMULATED,
    _PIECEWISE,
    _RECORDED,
    _REDUCED,
    _TESTS,
    _UNCHANGED,
)
from nablas.autograd.numpy_table import CHECKED, DIRECT, LIKE, LOSING, MOVING, PLAIN


def numbers(*shape, seed=0):
    count = int(np.prod(shape))
    values = np.linspace(0.3, 1.7, count) * np.random.default_rng(seed).choice([-1, 1], count)
    return np.random.default_rng(seed + 1).permutation(values).reshape(shape)


ARRAYS = [numbers(), numbers(0), numbers(3), numbers(2, 3), numbers(2, 0), numbers(2, 2, 2)]
ARRAYS += [numbers(2, 3).astype(np.float32)]
AXES = [
    None,
    0,
    1,
    -1,
    2,
    -3,
    5,
    (0,),
    (0, 1),
    (1, -1),
    (),
    (0, 0),
    np.int64(0),
    np.int64(-1),
    1.5,
    "x",
]
ONE_AXIS = [a for a in AXES if not isinstance(a, tuple)]
A, B, C = numbers(2, 3), numbers(3, 2, seed=5), numbers(2, 2, 2)
V, W = numbers(3), numbers(3, seed=7)
S = numbers(3, 3) * 0.2 + 2 * np.eye(3)
P = S @ S.T


def with_axes(axes, **more):
    for a in ARRAYS:
        yield (a,), more
        for axis in axes:
            yield (a,), {"axis": axis, **more}


def reductions(*names):
    yield from with_axes(AXES)
    yield from with_axes([None, 0, -1, (0, 1)], keepdims=True)
    for name in names:
        yield from {
            "dtype": [((A,), {"dtype": np.float32}), ((A.astype(np.float32),), {"dtype": float})],
            "ddof": [((A,), {"ddof": d, "axis": x}) for d in (0, 1, 2, 3, 7) for x in (None, 0)],
        }[name]


def nan(a):
    a = a.copy()
    a.flat[:1] = np.nan
    return a


def without_nan():
    for (a, *rest), settings in reductions():
        yield (nan(a), *rest), settings


def calls(*arguments, **settings):
    return [(one if isinstance(one, tuple) else (one,), settings) for one in arguments]


def pairs():
    shapes = [(), (3,), (2, 3), (3, 2), (2, 2, 2), (0,), (1, 3), (3, 1)]
    return [((numbers(*a), numbers(*b, seed=3)), {}) for a in shapes for b in shapes]


CASES = {
    np.sum: reductions("dtype"), np.mean: reductions("dtype"), np.max: reductions(),
    np.min: reductions(), np.prod: reductions("dtype"), np.var: reductions("ddof"),
    np.std: reductions("ddof"), np.ptp: reductions(), np.median: reductions(),
    np.nansum: without_nan(), np.nanprod: without_nan(), np.nanmax: without_nan(),
    np.nanmin: without_nan(), np.nanmean: without_nan(),
    np.cumsum: with_axes(ONE_AXIS), np.cumprod: with_axes(ONE_AXIS),
    np.average: [
        *reductions(),
        *[((A,), {"axis": x, "weights": w, "keepdims": k})
          for x in [None, 0, 1, (0,), (0, 1), (1, 0), np.int64(0), 2] for k in (False, True)
          for w in ([1.0, 3.0], [1.0, 2.0, 3.0], A * A, (A * A).T, [[1.0], [2.0]], [1.0, -1.0], 2.0)],
    ],
    np.linalg.norm: [*with_axes(ONE_AXIS), *with_axes([(0, 1), (0, 2)]), *calls(A, A, ord=None),
                     *[((V,), {"ord": o}) for o in (0, 1, 2, 3, np.inf, -np.inf, 0.5)],
                     *[((A,), {"ord": o, "axis": 1, "keepdims": True}) for o in (1, 2, 3)],
                     ((A, "fro"), {}), ((A, "nuc"), {}), ((A, 2), {})],
    np.where: [((A > 0, A, 0.0), {}), ((A > 0, 1.0, A), {}), ((A[0] > 0, A, A), {}), ((A > 0, A, B), {}),
               ((True, A, 0.0), {}), (([True, False, True], A, V), {}), ((A > 0, A), {}), ((A,), {})],
    np.concatenate: [(([A, A],), {"axis": x}) for x in [*ONE_AXIS, (0,)]]
    + [(([A, V],), {}), (([V, W],), {}), (((V, [1.0, 2.0]),), {}), (([A, A.astype(np.float32)],), {}), (([],), {})],
    np.stack: [(([A, A],), {"axis": x}) for x in (0, 1, 2, -1, 3, -4)] + [(([A, V],), {}), (([V, W],), {})],
    np.reshape: [((A, s), {}) for s in [6, (3, 2), -1, (2, -1), (4, 2), (), (6, 1), np.int64(6), (-1, -1)]],
    np.transpose: [((a, x), {}) for a in (A, C, V) for x in
                   (None, (1, 0), (0, 1), (0, -1), (0, -3), (0, 0), (2, 0, 1), (0, 1, 2, 3), [1, 0], 0)],
    np.broadcast_to: [((A, s), {}) for s in [(2, 3), (4, 2, 3), (3, 2), (2,), 3]] + [((V, (2, 3)), {})],
    np.clip: [((A, -0.5, 0.5), {}), ((A, None, 0.5), {}), ((A,), {"a_min": -0.5, "a_max": 1.0}),
              ((A, -0.5 * np.ones(3), 0.5), {}), ((A,), {"min": 0.0}), ((A, 0.5, -0.5), {}), ((A, None, None), {}),
              ((A.astype(np.float32), -0.5, 0.5), {}), ((A,), {}), ((A, A * 0.5, 1.0), {})],
    np.nan_to_num: [((np.array([1.0, np.nan, np.inf, -np.inf]),), s) for s in ({}, {"nan": 2.0}, {"posinf": 1.0, "neginf": 0.0})],
    np.select: [(([A > 0, A < -1], [A, A * 2]), {}), (([A > 0], [A]), {"default": 3.0}), (([A > 0], [A, A]), {})],
    np.sinc: calls(A, V, numbers(), np.array([0.0, 1e-9, 1e-4, 0.5])),
    np.real: calls(A, V), np.copy: calls(A, V), np.fix: calls(A, B),
    np.round: [((A,), {}), ((A, 1), {}), ((A,), {"decimals": -1})],
    np.ravel: calls(*ARRAYS), np.squeeze: [*with_axes(AXES), *[((A[None],), {"axis": x}) for x in (0, 1, (0,), -3, None)]],
    np.expand_dims: [((a, x), {}) for a in (A, V) for x in (0, 1, -1, (0, 1), 5, -4)],
    np.swapaxes: [((a, i, j), {}) for a in (A, C, V) for i in (0, 1, -1, 5) for j in (0, -2, 2)]
    + [((A,), {"axis1": 0, "axis2": 1})],
    np.moveaxis: [((a, i, j), {}) for a in (A, C) for i in (0, -1, (0, 1), 4) for j in (0, 1, (1, 0), -3)],
    np.rollaxis: [((C, i, j), {}) for i in (0, 1, -1, 3) for j in (0, 2, 3, 5)],
    np.pad: [((A, w), {"mode": m}) for w in (1, (1, 2), ((0, 1), (2, 0)), -1) for m in ("constant", "edge", "wrap", "mean")]
    + [((A, 1), {"constant_values": c}) for c in (2.0, (1.0, 2.0), ((1.0, 2.0), (3.0, 4.0)))],
    np.sort: with_axes(ONE_AXIS),
    np.diff: [((a, n), {"axis": x}) for a in (A, V, C) for n in (-1, 0, 1, 2, 5) for x in (0, -1, 1, 5)]
    + [((A,), {"prepend": 0.0}), ((A,), {"append": np.ones((2, 1)), "axis": 1}), ((V,), {"prepend": [1.0], "append": 2.0}), ((numbers(),), {})],
    np.gradient: [((V,), {}), ((A,), {}), ((A, 2.0), {}), ((A, 2.0, 3.0), {}), ((A,), {"axis": 0}), ((A,), {"axis": (1, 0)}),
                  ((A,), {"axis": 4}), ((V[:1],), {}), ((V,), {"edge_order": 2}), ((V, [0.0, 1.0, 3.0]), {}), ((A, 1.0, 2.0, 3.0), {})],
    np.vstack: [(([A, V],), {}), (([V, W],), {}), (([A, B],), {}), (([np.array(1.0), np.array(2.0)],), {})],
    np.hstack: [(([A, A],), {}), (([V, W],), {}), (([A, V],), {}), (([np.array(1.0), np.array(2.0)],), {}), (([C, C],), {})],
    np.dstack: [(([A, A],), {}), (([V, W],), {}), (([A, B],), {}), (([C, C],), {})],
    np.column_stack: [(([V, W],), {}), (([B, V],), {}), (([A, V],), {}), (([A, A],), {})],
    np.append: [((A, A), {}), ((A, A), {"axis": 0}), ((A, V), {"axis": 0}), ((V, 2.0), {}), ((V, [1.0, 2.0]), {}), ((A, A), {"axis": 3})],
    np.meshgrid: [((V, W), {}), ((V, W), {"indexing": "ij"}), ((V, W), {"sparse": True}), ((V,), {}), ((V, W, V), {}),
                  ((V, W), {"indexing": "zz"})],
    np.atleast_1d: [((a,), {}) for a in ARRAYS] + [((A, V), {})], np.atleast_2d: [((a,), {}) for a in ARRAYS] + [((A, V), {})],
    np.atleast_3d: [((a,), {}) for a in ARRAYS],
    np.dot: pairs(), np.inner: pairs(), np.vdot: pairs(), np.outer: pairs(), np.kron: pairs(),
    np.tensordot: [((a, b, x), {}) for a, b in ((A, B), (A, A), (C, C), (V, W)) for x in
                   (0, 1, 2, ([1], [0]), ((0, 1), (1, 0)), (1, 1), ([0, 1], [0, 1]), (-1, 0), 3, ((5,), (0,)))],
    np.cross: [((V, W), {}), ((numbers(2, 3), numbers(2, 3, seed=4)), {}), ((numbers(2, 3), V), {}), ((B, numbers(3, 2)), {"axis": 0}), ((A, V[:2]), {})],
    np.einsum: [(("ij,jk->ik", A, B), {}), (("ij->j", A), {}), (("ij", A), {}), (("ji", A), {}), (("ii->i", S), {}), (("ii", S), {}),
                (("...j,j", C, V[:2]), {}), ((A, (0, 1), (1, 0)), {}), ((A, [0, 1], B, [1, 2]), {}), ((A, [0, 1], B, [1, 2], [2, 0]), {}),
                ((C, [..., 0], [0, ...]), {}), (("ij,jk->ik", A, A), {}), (("iij->j", C), {}), (("ij,kj", A, A), {"optimize": True})],
    np.trace: [((a,), {}) for a in (A, C, V)] + [((C, 1), {}), ((C,), {"axis1": 1, "axis2": 2}), ((A, 0, 0, 5), {})],
    np.linalg.inv: calls(S, np.stack([S, P]), A, np.zeros((2, 2)), np.zeros((0, 0)), S.astype(np.float32)),
    np.linalg.det: calls(S, np.stack([S, P]), A), np.linalg.slogdet: calls(S, np.stack([S, -P]), A),
    np.linalg.cholesky: calls(P, np.stack([P, P]), A, -P),
    np.linalg.solve: [((S, b), {}) for b in (V, numbers(3, 2), A, numbers(2, 3, 1))] + [((np.stack([S, P]), numbers(2, 3, 1)), {})],
    np.take: [((a, i), {"axis": x}) for a in (A, V) for i in (0, [0, 1], [[0], [1]], 5, -1, np.array([], int)) for x in (None, 0, 1, -1, 2, -3)]
    + [((V, [0, 7]), {"mode": "wrap"}), ((V, [0, 7]), {"mode": "clip"})],
    np.flip: with_axes(AXES), np.repeat: [((a, n), {"axis": x}) for a in (A, V) for n in (2, 0, [1, 2, 0], -1) for x in (None, 0, 1, 5)],
    np.tile: [((A, n), {}) for n in (2, (2, 1), (1, 2, 3), 0, ())], np.roll: [((A, n), {"axis": x}) for n in (1, -2, (1, 2)) for x in (None, 0, (0, 1), 7)],
    np.rot90: [((A, k), {}) for k in (0, 1, 2, -1)] + [((V,), {}), ((C,), {"axes": (1, 2)}), ((C,), {"axes": (0, 0)})],
    np.fliplr: calls(A, V), np.flipud: calls(A, numbers()), np.diag: [((a, k), {}) for a in (A, V, C) for k in (0, 1, -1)],
    np.diagflat: [((a, k), {}) for a in (A, V) for k in (0, 1)], np.tril: [((a, k), {}) for a in (A, C, V) for k in (0, 1)],
    np.diagonal: [((A,), {}), ((C, 1), {}), ((C,), {"axis1": 0, "axis2": 2}), ((V,), {}), ((A, 0, 0, 0), {})],
    np.triu: [((a, k), {}) for a in (A, C) for k in (0, -1)], np.resize: [((A, s), {}) for s in (4, (3, 3), (0,))],
    np.split: [((A, 3), {"axis": 1}), ((A, 2), {}), ((A, 4), {}), ((A, [1]), {"axis": 1})], np.array_split: [((A, 2), {"axis": 1}), ((A, 0), {})],
    np.hsplit: [((A, 3), {}), ((V, [1]), {})], np.vsplit: [((A, 2), {}), ((V, 1), {})], np.dsplit: [((C, 2), {}), ((A, 1), {})],
    np.take_along_axis: [((A, np.argsort(A, 1), 1), {}), ((A, np.argsort(A, 0)), {"axis": 0}), ((A, np.array([0]), 1), {})],
    np.delete: [((A, 1, 1), {}), ((A, [0, 4], None), {}), ((A, 7, 0), {}), ((V, slice(1)), {})],
}  # fmt: skip
SAME = {np.amax: np.max, np.amin: np.min, np.around: np.round}
NEWER = {
    "trapezoid": [((V,), {}), ((A,), {"axis": 0}), ((A,), {"dx": 0.5}), ((V, [0.0, 1.0, 3.0]), {}), ((A,), {"axis": 4})],
    "trapz": [((V,), {})], "astype": [((A, np.float32), {})], "matrix_transpose": [((A,), {}), ((C,), {}), ((V,), {})],
    "permute_dims": [((A, (1, 0)), {})], "concat": [(([A, A],), {})], "row_stack": [(([A, V],), {})],
    "unstack": [((A,), {}), ((A,), {"axis": 1}), ((A,), {"axis": 4})],
}  # fmt: skip
CASES |= {getattr(np, n): list(v) for n, v in NEWER.items() if getattr(np, n, None) in CHECKED}
if hasattr(np.linalg, "vector_norm"):
    CASES[np.linalg.vector_norm] = [
        ((a,), {"axis": x, "ord": o})
        for a in (A, V)
        for x in (None, 0, (0, 1), 3)
        for o in (2, 1, 3)
    ]
CASES = {function: list(found) for function, found in CASES.items()}


def outcome(call, inputs, settings):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return call(*inputs, **settings), None
        except Exception as error:
            return None, error


def recorded(x):
    """Arrays as leaves, also within lists; other things as they are."""
    if isinstance(x, np.ndarray) and x.dtype.kind == "f":
        return Tensor(x, requires_grad=True)
    if isinstance(x, (list, tuple)) and any(isinstance(part, np.ndarray) for part in x):
        return type(x)(recorded(part) for part in x)
    return x


def leaves(x):
    if isinstance(x, Tensor):
        return [x]
    return [leaf for part in x for leaf in leaves(part)] if isinstance(x, (list, tuple)) else []


def parts(x):
    return list(x) if isinstance(x, (list, tuple)) else [x]


@pytest.mark.parametrize("function", [*CASES, *SAME], ids=lambda f: f"{f.__module__}.{f.__name__}")
def test_as_numpy(function):
    refused = 0
    for inputs, settings in CASES[SAME.get(function, function)]:
        case = (inputs, settings)
        want, error = outcome(function, inputs, settings)
        given = tuple(recorded(x) for x in inputs)
        named = {k: recorded(x) for k, x in settings.items()}
        found, raised = outcome(function, given, named)
        if error is None and isinstance(raised, TypeError) and "of a Tensor" in str(raised):
            refused += 1
            continue
        if error is not None:
            explained = "of a Tensor" in str(raised)
            assert explained or isinstance(raised, type(error)), (case, error, raised)
            continue
        assert raised is None, (case, want, raised)
        assert len(parts(want)) == len(parts(found)), case
        for one, two in zip(parts(want), parts(found), strict=True):
            one, got = np.asarray(one), np.asarray(getattr(two, "data", two))
            assert got.shape == one.shape, (case, one, got)
            assert got.dtype == one.dtype, (case, one.dtype, got.dtype)
            exact = 1e-5 if one.dtype == np.float32 else 1e-12
            np.testing.assert_allclose(got, one, rtol=exact, atol=exact, err_msg=str(case))
        check_gradient(function, given, named, case)
    assert refused <= min(8, len(CASES[SAME.get(function, function)]) // 3), "too many are refused"


def check_gradient(function, given, settings, case):
    every = leaves(given)
    if function is np.linalg.cholesky:  # its gradient is by a symmetric matrix: test_autograd_rules
        return
    if not every or any(x.dtype != np.float64 or not np.isfinite(x.data).all() for x in every):
        return

    def flat(*tensors):
        waiting = list(tensors)

        def put(x):
            if isinstance(x, Tensor):
                return waiting.pop(0)
            return type(x)(put(p) for p in x) if leaves(x) else x

        found = parts(function(*[put(x) for x in given], **settings))
        found = [x for x in found if isinstance(x, Tensor) and x.dtype == np.float64]
        return (
            ag.concatenate([x.reshape(-1) for x in found]) if found else ag.as_tensor(np.zeros(1))
        )

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        result = flat(*every)
        if not result.requires_grad or not np.isfinite(result.data).all() or result.size == 0:
            return
        assert ag.gradcheck(flat, every), case


def test_every_function_with_a_rule_has_cases():
    assert {*CASES, *SAME} == {*DIRECT, *CHECKED, *MOVING}
    assert {f.__name__ for f, cases in CASES.items() if not cases} == set()


@pytest.mark.parametrize(
    "function", sorted(PLAIN - LOSING, key=lambda f: f.__name__), ids=lambda f: f.__name__
)
def test_functions_without_a_gradient_are_numpys(function):
    second = {np.allclose, np.isclose, np.array_equal, np.array_equiv, np.isin, np.searchsorted, np.digitize,
              np.may_share_memory, np.shares_memory}  # fmt: skip
    inputs = (V,) * (2 if function in second else 1)
    inputs += (float,) if function is np.can_cast else ()
    if function is np.digitize:
        inputs = (V, np.sort(V))
    want, error = outcome(function, inputs, {})
    found, raised = outcome(function, tuple(recorded(x) for x in inputs), {})
    assert type(error) is type(raised), (error, raised)
    np.testing.assert_equal(found, want)


@pytest.mark.parametrize("function", LIKE, ids=lambda f: f.__name__)
def test_arrays_like_a_tensor(function):
    more = (2.0,) if function is np.full_like else ()
    found = function(Tensor(A, requires_grad=True), *more, dtype=np.float32)
    assert isinstance(found, Tensor)
    assert not found.requires_grad
    assert (found.shape, found.dtype) == (A.shape, np.float32)


UFUNCS = sorted(
    {*_RECORDED, *_TESTS, *_PIECEWISE, *_UNCHANGED} - {np.matmul}, key=lambda f: f.__name__
)
SPECIAL = np.array([0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 0.5])


@pytest.mark.parametrize("ufunc", UFUNCS, ids=lambda f: f.__name__)
def test_ufuncs_as_numpy(ufunc):
    operands = [
        V,
        A,
        numbers(),
        SPECIAL,
        V.astype(np.float32),
        2.0,
        2,
        [1.0, 2.0, 3.0],
        np.float32(2),
        np.arange(3),
    ]
    cases = (
        [(x,) for x in operands] if ufunc.nin == 1 else [(x, y) for x in operands for y in operands]
    )
    for inputs in cases:
        if not any(isinstance(x, np.ndarray) and x.dtype.kind == "f" for x in inputs):
            continue
        want, error = outcome(ufunc, inputs, {})
        found, raised = outcome(ufunc, tuple(recorded(x) for x in inputs), {})
        assert (error is None) == (raised is None), (inputs, error, raised)
        if error is None:
            got = np.asarray(getattr(found, "data", found))
            assert (got.shape, got.dtype) == (want.shape, want.dtype), (
                inputs,
                want.dtype,
                got.dtype,
            )
            np.testing.assert_allclose(got, want, rtol=1e-6, equal_nan=True, err_msg=str(inputs))
    for dtype in (np.float32, float):
        if ufunc in _RECORDED and ufunc.nin == 1 and ufunc is not np.float_power:
            x = np.abs(V) / 2 + (1 if ufunc is np.arccosh else 0)
            assert ufunc(recorded(x), dtype=dtype).dtype == dtype
            np.testing.assert_allclose(
                ufunc(recorded(x), dtype=dtype).data, ufunc(x, dtype=dtype), rtol=1e-6
            )


def test_methods_of_ufuncs():
    x = recorded(A)
    for ufunc in _REDUCED:
        for axis in (0, 1, -1, None):
            np.testing.assert_allclose(ufunc.reduce(x, axis=axis).data, ufunc.reduce(A, axis=axis))
    for ufunc in _ACCUMULATED:
        for axis in (0, 1, -1):
            np.testing.assert_allclose(
                ufunc.accumulate(x, axis=axis).data, ufunc.accumulate(A, axis=axis)
            )
    for ufunc in (np.add, np.multiply, np.maximum, np.less):
        np.testing.assert_allclose(
            getattr(ufunc.outer(x, V), "data", ufunc.outer(x, V)), ufunc.outer(A, V)
        )
    assert ag.gradcheck(lambda a: np.multiply.outer(a, V), x)
    assert ag.gradcheck(np.multiply.accumulate, x)


def test_operators_and_methods_as_numpy():
    calls = [
        lambda x: x % 0.7, lambda x: 5.0 % x, lambda x: x // 0.7, lambda x: 5.0 // x, lambda x: x.ravel(),
        lambda x: x.dot(V), lambda x: x.take([0, 1], 1), lambda x: x.repeat(2, 0), lambda x: x.diagonal(),
        lambda x: x.trace(), lambda x: x.round(1), lambda x: x[[]], lambda x: x[:, []], lambda x: x[[], 0],
        lambda x: x.var(ddof=7), lambda x: x.std(0, ddof=2), lambda x: x.swapaxes(-1, 0),
    ]  # fmt: skip
    for i, call in enumerate(calls):
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            want, found = call(A), call(recorded(A))
            assert isinstance(found, Tensor), i
            np.testing.assert_allclose(found.data, want, rtol=1e-14, err_msg=str(i))
            assert found.dtype == want.dtype
            if np.isfinite(want).all() and want.size:
                assert ag.gradcheck(call, recorded(A)), i
    x = recorded(A)
    assert (x.all(), x.any(), x.argsort(0).tolist()) == (A.all(), A.any(), A.argsort(0).tolist())
    assert round(recorded(np.array(1.6))).item() == 2
    for call in (
        lambda x: x.transpose(0, -3),
        lambda x: x.swapaxes(0, 5),
        lambda x: x.take([0], 2),
    ):
        with pytest.raises(np.exceptions.AxisError):
            call(x)
