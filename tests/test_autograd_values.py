"""Products of matrices and vectors along axes, singular matrices, and reductions that NumPy computes without overflow."""

import itertools

import numpy as np
import pytest
from cases import leaf
from test_autograd_slopes import by_differences, inf, nan, pulled

from nablas import autograd as ag
from nablas.autograd import Tensor

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


# ---- linear algebra ------------------------------------------------------------------------------

SHAPES = [(a, b) for a in [(3, 3), (1, 3, 3), (3, 3, 3), (2, 3, 3), (2, 1, 3, 3)] for b in [(3,), (3, 3), (3, 2), (3, 1), (2, 3, 2), (3, 3, 3)]]  # fmt: skip


@pytest.mark.parametrize(("a", "b"), SHAPES)
def test_solve_with_stacks_of_matrices_and_vectors(a, b):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=a) + 3 * np.eye(3), rng.normal(size=b)
    try:
        expected = np.linalg.solve(x, y)
    except ValueError:
        with pytest.raises(ValueError, match="broadcast|mismatch"):
            np.linalg.solve(Tensor(x), Tensor(y))
        return
    np.testing.assert_array_equal(np.linalg.solve(Tensor(x), Tensor(y)).data, expected)
    assert ag.gradcheck(np.linalg.solve, [leaf(x), leaf(y)])
    assert ag.gradgradcheck(np.linalg.solve, [leaf(x), leaf(y)])
    assert ag.gradcheck(lambda y: np.linalg.solve(x, y), leaf(y))
    assert ag.gradcheck(lambda x: np.linalg.solve(x, y), leaf(x))


def singular(n, rank, seed):
    """Integers, so that elimination meets an exact 0."""
    rng = np.random.default_rng(seed)
    a = rng.integers(-2, 3, (n, n)).astype(float)
    a[rank:] = 0
    return a[rng.permutation(n)]


@pytest.mark.parametrize("n", range(1, 6))
def test_the_gradient_of_det_of_singular_matrices(n):
    for rank in range(n):
        a = np.stack([singular(n, rank, 1), np.eye(n) * 2, singular(n, rank, 2)])
        for create_graph in (False, True):
            (g,) = pulled(np.linalg.det, 1.0, leaf(a), create_graph=create_graph)
            for one, found in zip(a, g, strict=True):
                expected = by_differences(np.linalg.det, one, 1.0)  # linear in each entry
                np.testing.assert_allclose(found, expected, atol=1e-10)
                (alone,) = pulled(np.linalg.det, 1.0, leaf(one), create_graph=create_graph)
                np.testing.assert_allclose(alone, expected, atol=1e-10)
        if n < 5:
            assert ag.gradgradcheck(np.linalg.det, leaf(a))


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("n", range(1, 6))
def test_the_gradient_of_slogdet_of_singular_matrices(n, create_graph):
    """NaN, which changes nothing of the other matrices of a stack."""
    regular = np.random.default_rng(n).normal(size=(2, n, n))
    for rank in range(n):
        a = np.stack([regular[0], singular(n, rank, 1), regular[1], singular(n, rank, 2)])
        sign, value = np.linalg.slogdet(leaf(a))
        np.testing.assert_array_equal(sign.data, np.linalg.slogdet(a)[0])
        np.testing.assert_array_equal(value.data, np.linalg.slogdet(a)[1])
        for dtype in (np.float64, np.float32):
            x, alone = leaf(a, dtype), leaf(regular, dtype)
            (g,) = pulled(lambda a: np.linalg.slogdet(a)[1], 2.0, x, create_graph=create_graph)
            (of_regular,) = pulled(lambda a: np.linalg.slogdet(a)[1], 2.0, alone)
            assert g.dtype == dtype
            np.testing.assert_array_equal(g[[0, 2]], of_regular)
            assert np.isnan(g[[1, 3]]).all()
        (g,) = pulled(lambda a: np.linalg.slogdet(a)[1], 2.0, leaf(a[1]), create_graph=create_graph)
        assert np.isnan(g).all()
        slope = lambda a: ag.grad(np.linalg.slogdet(a)[1], a, np.ones(len(a)), create_graph=True)[0]  # noqa: E731
        second = [pulled(slope, 1.0, leaf(of), create_graph=create_graph)[0] for of in (a, regular)]
        np.testing.assert_array_equal(second[0][[0, 2]], second[1])
        assert np.isnan(second[0][[1, 3]]).all()


@pytest.mark.parametrize("axes", [((3, 4), (3, 4, 4), 0), ((3, 4, 2), (3, 2), 0), ((2, 3), (3,), -1), ((4, 3, 2), (4, 3, 2), 1),
                                  ((3,), (5, 3), -1), ((3, 2, 4), (3, 2, 4), 0), ((3, 1), (3, 5), 0)])  # fmt: skip
def test_cross_along_an_axis(axes):
    rng = np.random.default_rng(1)
    a, b, axis = rng.normal(size=axes[0]), rng.normal(size=axes[1]), axes[2]
    np.testing.assert_allclose(
        np.cross(Tensor(a), Tensor(b), axis=axis).data, np.cross(a, b, axis=axis), rtol=1e-14
    )
    assert ag.gradcheck(lambda a, b: np.cross(a, b, axis=axis), [leaf(a), leaf(b)])


ALONG = {
    "trapezoid": getattr(np, "trapezoid", None) or np.trapz, "diff": np.diff, "gradient": np.gradient, "median": np.median, "ptp": np.ptp,
    "sort": np.sort, "cumprod": np.cumprod, "cumsum": np.cumsum, "flip": np.flip, "nanmax": np.nanmax, "std": np.std,
    "prod": np.prod, "norm": np.linalg.norm, "norm 3": lambda x, axis: np.linalg.norm(x, 3, axis), "average": np.average,
    "weighted": lambda x, axis: np.average(x, axis, np.arange(1.0, x.shape[axis] + 1)),
    "differences": lambda x, axis: np.diff(x, 2, axis, prepend=1.0),
    "repeat": lambda x, axis: np.repeat(x, 2, axis), "take": lambda x, axis: np.take(x, [1, 0, 1], axis),
}  # fmt: skip


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
@pytest.mark.parametrize("name", ALONG)
def test_functions_along_each_of_three_axes(name, axis):
    x = np.random.default_rng(2).normal(size=(2, 3, 4))
    expected = ALONG[name](x, axis=axis)
    found = ALONG[name](Tensor(x), axis=axis).data
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_the_trapezoidal_rule_with_coordinates():
    rng = np.random.default_rng(3)
    rule = ALONG["trapezoid"]
    for y, x in itertools.product(
        [(4,), (3, 4), (2, 3, 4), (4, 4, 4)], [(4,), (3,), (3, 4), (2, 3, 4), (4, 4)]
    ):
        for axis in range(-len(y), len(y)):
            heights, at = rng.normal(size=y), rng.normal(size=x)
            try:
                expected = rule(heights, at, axis=axis)
            except (ValueError, IndexError):
                continue
            for given in (at, Tensor(at)):
                found = rule(Tensor(heights), given, axis=axis).data
                assert found.shape == expected.shape
                np.testing.assert_allclose(found, expected, rtol=1e-12)


# ---- values of integers, products, extremes ------------------------------------------------------

INTEGERS = [np.int64, np.int32, np.int16, np.int8, np.uint8, np.uint16, np.uint64, bool]
REDUCTIONS = {
    "mean": np.mean, "var": np.var, "std": np.std, "average": np.average, "median": np.median, "nanmean": np.nanmean,
    "weighted": lambda x: np.average(x, weights=np.full(x.shape, 3)), "sum": np.sum, "ptp": np.ptp, "prod": np.prod,
    "gradient": np.gradient, "norm": np.linalg.norm, "fabs": np.fabs, "sqrt": np.sqrt, "max": np.max,
    **{f"norm {order}": lambda x, o=order: np.linalg.norm(x, o) for order in (1, 3, 0.5, -1, inf, -inf, 0)},
}  # fmt: skip


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("name", REDUCTIONS)
def test_functions_of_integers_as_numpy(name, dtype):
    call = REDUCTIONS[name]
    largest = 1 if dtype is bool else np.iinfo(dtype).max
    for values in ([largest] * 4, [0, 1, largest, largest // 2, 1]):
        x = np.array(values, dtype)
        try:
            expected = call(x)
        except TypeError:
            continue
        found = call(Tensor(x))
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found.data, expected, rtol=1e-14)


def test_the_mean_of_integers_by_its_method():
    assert Tensor(np.array([2**62] * 4)).mean().item() == 2.0**62
    assert Tensor(np.array([[2**62] * 4])).mean(1, True).tolist() == [[2.0**62]]
    assert ag.mean(np.full(300, 255, np.uint8)).item() == 255


def test_products_whose_parts_overflow():
    rows = [[1e200, 1e-200] * 2, [1e-200, 1e200] * 2, [1e300, 1e300, 1e-300, 1e-300], [1e-320, 1e300, 2.0, 3.0],
            [1e200, 1e200, 1e-200, 0.0], [2.0, 3.0, 4.0, 5.0], [1e200, 1e200, 1.0, 1.0]]  # fmt: skip
    for order in itertools.permutations(range(4)):
        x = np.array(rows)[:, order]
        exact = [[np.prod(np.delete(r, i).astype(np.longdouble)) for i in range(4)] for r in x]
        for create_graph in (False, True):
            (found,) = pulled(lambda x: np.prod(x, 1), 1.0, leaf(x), create_graph=create_graph)
            np.testing.assert_allclose(found, np.array(exact, float), rtol=1e-13)
        np.testing.assert_array_equal(np.prod(Tensor(x), 1).data, np.prod(x, 1))
    for count, dtype in itertools.product((1, 2, 3, 7, 1000, 3000), (np.float64, np.float32)):
        x = np.random.default_rng(count).uniform(0.5, 1.6, count).astype(dtype)
        y = leaf(x, dtype)
        assert np.prod(y).item() == np.prod(x)
        np.testing.assert_allclose(
            pulled(np.prod, 1.0, y)[0] * x, np.prod(x), rtol=count * np.finfo(dtype).eps
        )


def test_extremes_that_leave_nan_out():
    for end, call in ((-inf, np.nanmax), (inf, np.nanmin)):
        cases = [([nan, end], [0, 1]), ([end, nan, end], [0.5, 0, 0.5]), ([nan, 1.0, end], [0, 1, 0]),
                 ([1.0, nan, 1.0], [0.5, 0, 0.5]), ([nan, -end], [0, 1])]  # fmt: skip
        for values, expected in cases:
            (found,) = pulled(call, 1.0, leaf(values))
            assert found.tolist() == expected
            assert call(leaf(values)).item() == call(np.array(values))
        rows = leaf([[nan, end, end], [nan, nan, nan], [1.0, 2.0, 2.0]])
        y = call(rows, axis=1, keepdims=True)
        np.testing.assert_array_equal(y.data, call(rows.data, axis=1, keepdims=True))


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_extremes_of_rows_with_nan(dtype, create_graph):
    """NaN is equal to no entry: the gradient of its row is NaN, and of no other row."""
    rows = [[1.0, nan, 2.0], [3.0, 3.0, 1.0], [inf, 1.0, inf], [-inf, -inf, -inf]]
    shares = {np.max: [[0.5, 0.5, 0], [0.5, 0, 0.5], [1 / 3] * 3], np.min: [[0, 0, 1], [0, 1, 0], [1 / 3] * 3]}  # fmt: skip
    for call, expected in shares.items():
        for keepdims in (False, True):
            (found,) = pulled(lambda x, c=call, k=keepdims: c(x, axis=1, keepdims=k), 2.0, leaf(rows, dtype), create_graph=create_graph)  # fmt: skip
            assert found.dtype == dtype
            assert np.isnan(found[0]).all()
            np.testing.assert_allclose(found[1:], 2 * np.array(expected), rtol=1e-3)
        (found,) = pulled(call, 1.0, leaf(rows, dtype), create_graph=create_graph)
        assert np.isnan(found).all()


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_extremes_of_more_equal_entries_than_a_half_holds(dtype, create_graph):
    for call in (np.max, np.min):
        (found,) = pulled(call, 1.0, leaf(np.ones(2**17), dtype), create_graph=create_graph)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, dtype(2.0**-17))
