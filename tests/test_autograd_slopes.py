"""Gradients where a slope is exactly 0, at large offsets, at zero vectors, and of powers with exponent 0."""

import itertools

import numpy as np
import pytest
from cases import leaf

from nablas import autograd as ag
from nablas import reference
from nablas.autograd import Tensor

inf, nan = np.inf, np.nan
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def pulled(call, upstream, *inputs, create_graph=False):
    """The gradients by the inputs where that by the result is `upstream`, a number or an array."""
    y = call(*inputs)
    g = np.full(y.shape, upstream, y.dtype)
    return [part.data for part in ag.grad(y, list(inputs), g, create_graph=create_graph)]


def by_differences(call, x, h=1e-5):
    """The gradient of a function of one array that gives a number."""
    found = np.zeros(x.shape)
    for i in np.ndindex(*x.shape):
        step = np.zeros(x.shape)
        step[i] = h
        found[i] = (call(x + step) - call(x - step)) / (2 * h)
    return found


# ---- slopes that a mask makes 0 ------------------------------------------------------------------

X = [-2.5, -1.0, 0.5, 1.0, 3.0]
T = [-1.0, -1.0, 2.0, 0.5, nan]
MASKED = {  # a function, its inputs, and where the slopes by each are exactly 0
    "maximum": (np.maximum, [X, np.zeros(5)], [[1, 1, 0, 0, 0], [0, 0, 1, 1, 1]]),
    "minimum": (np.minimum, [X, np.zeros(5)], [[0, 0, 1, 1, 1], [1, 1, 0, 0, 0]]),
    "fmax": (np.fmax, [X, T], [[1, 0, 1, 0, 0], [0, 0, 0, 1, 1]]),
    "fmax of nan": (np.fmax, [T, X], [[0, 0, 0, 1, 1], [1, 0, 1, 0, 0]]),
    "fmin": (np.fmin, [X, T], [[0, 0, 0, 1, 0], [1, 0, 1, 0, 1]]),
    "fmin of nan": (np.fmin, [T, X], [[1, 0, 1, 0, 1], [0, 0, 0, 1, 0]]),
    "where": (lambda a, b: np.where([1, 1, 0, 0, 0], a, b), [X, X], [[0, 0, 1, 1, 1], [1, 1, 0, 0, 0]]),
    "clip": (lambda x: np.clip(x, -2, 2), [X], [[1, 0, 0, 0, 1]]),
    "clip by its ends": (np.clip, [X, np.full(5, -2.0), np.full(5, 2.0)],
                         [[1, 0, 0, 0, 1], [0, 1, 1, 1, 1], [1, 1, 1, 1, 0]]),
    "relu": (ag.relu, [X], [[1, 1, 0, 0, 0]]),
    "step": (ag.step, [X], [[1] * 5]),
    "leaky_relu": (ag.leaky_relu, [X], [[0] * 5]),
    "max": (lambda x: x.max(), [X], [[1, 1, 1, 1, 0]]),
    "min along": (lambda x: x.min(0, True), [X], [[0, 1, 1, 1, 1]]),
    "nanmax": (np.nanmax, [T], [[1, 1, 0, 1, 1]]),
    "median": (np.median, [X], [[1, 1, 0, 1, 1]]),
    "nan_to_num": (np.nan_to_num, [T], [[0, 0, 0, 0, 1]]),
    "power 0": (lambda x: x**0, [X], [[1] * 5]),
    "power 0.0": (lambda x: x**0.0, [X], [[1] * 5]),
    "power array": (lambda x: x ** np.array([0, 1, 0, 2, 0]), [X], [[1, 0, 1, 0, 1]]),
    "power tensors": (np.power, [[0.0, 2.0, nan, 0.0], [0.0, 0.0, 0.0, 3.0]], [[1, 1, 1, 0], [1, 0, 0, 1]]),
    "exponent": (lambda x: 0.0**x, [[0.0, 2.0]], [[1, 1]]),
    "norm": (np.linalg.norm, [[0.0, 0.0]], [[1, 1]]),
    "norm 0": (lambda x: np.linalg.norm(x, 0), [[0.0, 2.0]], [[1, 1]]),
    "norm 3": (lambda x: np.linalg.norm(x, 3), [[0.0, 0.0]], [[1, 1]]),
    "std": (np.std, [[1.0, 1.0]], [[1, 1]]),
    "arctan2": (np.arctan2, [[0.0], [0.0]], [[1], [1]]),
    "tril": (lambda x: np.tril(x.reshape(2, 2)), [[1.0, 2.0, 3.0, 4.0]], [[0, 1, 0, 0]]),
    "sort": (lambda x: np.sort(x)[:2], [X], [[0, 0, 1, 1, 1]]),
    **{f.__name__: (f, [X], [[1] * 5]) for f in (np.sign, np.floor, np.ceil, np.trunc, np.rint, np.round, np.fix)},
    "floor_divide": (np.floor_divide, [X, X], [[1] * 5] * 2),
}  # fmt: skip


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("upstream", [inf, -inf, nan])
@pytest.mark.parametrize("name", MASKED)
def test_no_gradient_passes_where_a_mask_makes_the_slope_zero(name, upstream, create_graph):
    call, inputs, zeros = MASKED[name]
    for dtype in (np.float64, np.float32, np.float16):
        leaves = [leaf(x, dtype) for x in inputs]
        for found, zero in zip(
            pulled(call, upstream, *leaves, create_graph=create_graph), zeros, strict=True
        ):
            zero = np.array(zero, bool)
            np.testing.assert_array_equal(found[zero], 0)
            if "power" not in name:
                assert not np.isfinite(found[~zero]).any()


def test_the_slopes_of_masks_are_those_of_finite_gradients():
    """With g = 1 the entries above that are not masked have slopes, so the lists are complete."""
    for name, (call, inputs, zeros) in MASKED.items():
        for found, zero in zip(pulled(call, 1.0, *map(leaf, inputs)), zeros, strict=True):
            expected = np.array(zero, bool) | (name in ("leaky_relu", "power tensors"))
            assert ((found == 0) <= expected).all(), name


INNER = {
    "maximum": lambda x: np.maximum(x, 0), "clip": lambda x: np.clip(x, 0, None), "relu": ag.relu, "step": ag.step,
    "trunc": np.trunc, "round": np.round, "fmax": lambda x: np.fmax(x, 0), "power": lambda x: x**0 - 1,
    "where": lambda x: np.where(x > 0, x, 0), "minimum": lambda x: -np.minimum(-x, 0), "tril": lambda x: np.tril([[0, 1]] * x)[0, 1:],
}  # fmt: skip


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("outer", [np.sqrt, np.log, np.cbrt, np.reciprocal, np.log2, np.log10])
def test_compositions_with_an_infinite_slope(outer, inner):
    for create_graph in (False, True):
        (found,) = pulled(
            lambda x: outer(INNER[inner](x)), 1.0, leaf([-0.4, -0.3]), create_graph=create_graph
        )
        assert found.tolist() == [0, 0]


def test_a_dense_layer_of_relu_passes_no_infinite_gradient_of_its_zeros():
    for create_graph, name in itertools.product((False, True), ("relu", "step")):
        x, w = leaf([[1.0]]), leaf([[-2.0], [1.0]])
        for found in pulled(
            lambda x, w, n=name: ag.dense(x, w, n), inf, x, w, create_graph=create_graph
        ):
            np.testing.assert_array_equal(found, 0)


def test_activations_with_a_flat_part_are_known():
    flat = {
        n for n, a in reference.ACTIVATIONS.items() if not np.any(a.slope(np.linspace(-3, -1, 9)))
    }
    assert flat == {"relu", "step"}
    for name in flat:
        z = leaf(X)
        for g in (1.0, inf, nan):
            slope = np.asarray(reference.ACTIVATIONS[name].slope(np.array(X)))
            (found,) = pulled(getattr(ag, name), g, z)
            np.testing.assert_array_equal(found, np.where(slope == 0, 0, g * slope))


def test_cholesky_ignores_the_gradient_of_its_zeros():
    a = leaf([[4.0, 1.0], [1.0, 3.0]])
    g = np.array([[1.0, 0.0], [2.0, 3.0]])
    h = np.array([[1.0, inf], [2.0, 3.0]])
    one, two = (ag.grad(np.linalg.cholesky(a), a, up)[0].data for up in (g, h))
    np.testing.assert_array_equal(one, two)


def test_cross_multiplies_no_zeros():
    a, b = np.array([inf, 1.0, 1.0]), np.array([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(np.cross(Tensor(a), b).data, np.cross(a, b))
    found = pulled(np.cross, np.array([inf, 0, 0]), leaf([1.0, 2.0, 3.0]), leaf([4.0, 5.0, 6.0]))
    np.testing.assert_array_equal(np.isnan(found), [[False] * 3] * 2)


# ---- large offsets -------------------------------------------------------------------------------

OFFSETS = [
    (d, o)
    for d, top in ((np.float64, 308), (np.float32, 38))
    for o in [0.0, *10.0 ** np.arange(1, top, 5)]
]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("create_graph", [False, True])
def test_softmax_and_sums_of_exponentials_at_large_offsets(sign, create_graph):
    for dtype, offset in OFFSETS:
        x = np.array([0.3, 1.0, -2.0], dtype) + dtype(sign * offset)
        away = x.astype(np.longdouble) - x.max()  # what is left of the differences
        away = away.astype(float)
        share = np.exp(away) / np.exp(away).sum()
        tolerance = {"rtol": 20 * np.finfo(dtype).eps}
        given = leaf(x, dtype)
        for call in (np.logaddexp.reduce, ag.logsumexp):
            (found,) = pulled(call, 1.0, given, create_graph=create_graph)
            np.testing.assert_allclose(found, share, **tolerance)
        y = given.log_softmax()
        np.testing.assert_allclose(
            y.data, np.log(share), atol=1e-6 if dtype == np.float32 else 1e-14, **tolerance
        )
        (found,) = pulled(lambda x: x.log_softmax()[0], 1.0, given, create_graph=create_graph)
        np.testing.assert_allclose(
            found, [1, 0, 0] - share, atol=2 * np.finfo(dtype).eps, **tolerance
        )
        pair = np.exp(away[:2]) / np.exp(away[:2]).sum()
        found = pulled(
            np.logaddexp, 1.0, *(leaf(v, dtype) for v in x[:2]), create_graph=create_graph
        )
        np.testing.assert_allclose(found, pair, **tolerance)
        two = 2.0 ** away[:2] / (2.0 ** away[:2]).sum()
        found = pulled(
            np.logaddexp2, 1.0, *(leaf(v, dtype) for v in x[:2]), create_graph=create_graph
        )
        np.testing.assert_allclose(found, two, **tolerance)


def test_second_derivatives_at_a_large_offset():
    expected = [[0.25, -0.25], [-0.25, 0.25]]
    for offset in (0.0, 1e4, 1e16):
        x = leaf([offset, offset])
        np.testing.assert_allclose(ag.hessian(ag.logsumexp, x).data, expected, rtol=1e-14)
        np.testing.assert_allclose(
            ag.hessian(lambda x: np.logaddexp(x[0], x[1]), x).data, expected, rtol=1e-14
        )
        np.testing.assert_allclose(
            ag.hessian(lambda x: -x.log_softmax()[0], x).data, expected, rtol=1e-14
        )


def test_infinite_terms_of_sums_of_exponentials():
    values = [inf, -inf, 1.0, -800.0, 800.0]
    for a, b in itertools.product(values, values):
        expected = (
            0.5
            if a == b
            else float(a > b)
            if inf in (abs(a), abs(b)) or abs(a - b) > 1500
            else None
        )
        for call in (np.logaddexp, np.logaddexp2):
            one, two = pulled(call, 1.0, leaf(a), leaf(b))
            assert one + two == pytest.approx(1)
            assert expected is None or one == expected
    assert pulled(ag.logsumexp, 1.0, leaf([-inf, 0.0, 0.0]))[0].tolist() == [0, 0.5, 0.5]
    assert leaf([-inf, 0.0]).log_softmax().tolist() == [-inf, 0]


# ---- derivatives at 0 ----------------------------------------------------------------------------

ZERO = {
    "norm": (lambda x: x.norm(), [0.0, 0.0, 0.0]), "std": (np.std, [1.0, 1.0, 1.0]),
    "norm along": (lambda x: np.linalg.norm(x.reshape(3, 1), axis=1).sum(), [0.0, 1.0, -2.0]),
    "std along": (lambda x: np.std(x.reshape(3, 1), axis=1).sum(), [0.0, 1.0, 2.0]),
    "arctan2": (lambda x: np.arctan2(x, x[::-1])[1], [1.0, 0.0, 1.0]),
    "vector_norm": (lambda x: np.linalg.norm(x, 3), [0.0, 0.0, 0.0]),
    "power": (lambda x: x[0] ** x[1], [0.0, 0.0, 1.0]),
}  # fmt: skip


@pytest.mark.parametrize("name", ZERO)
def test_second_derivatives_where_the_first_is_0_by_definition(name):
    call, at = ZERO[name]
    x = leaf(at)
    (first,) = ag.grad(call(x), x, create_graph=True)
    (second,) = ag.grad((first * [1.0, 2.0, 5.0]).sum(), x)
    assert second.data.tolist() == [0, 0, 0]


def test_the_gradient_of_the_norm_of_small_vectors():
    for size in (1e-320, 1e-310, 1e-300, 1e-200, 1.0, 1e200, 1e307):
        for create_graph in (False, True):
            x = leaf([[3 * size, 4 * size], [0.0, 0.0], [-5 * size, 0.0]])
            (found,) = pulled(
                lambda x: np.linalg.norm(x, axis=1), 1.0, x, create_graph=create_graph
            )
            np.testing.assert_allclose(
                found, [[0.6, 0.8], [0, 0], [-1, 0]], rtol=1e-3 if size < 1e-308 else 1e-12
            )


def test_arctan2_of_small_and_large_numbers():
    for size in 10.0 ** np.arange(-300, 301, 50):
        for found in (
            pulled(np.arctan2, 1.0, leaf(size), leaf(size), create_graph=c) for c in (False, True)
        ):
            np.testing.assert_allclose(found, [0.5 / size, -0.5 / size], rtol=1e-14)


ORDERS = [3, 1.5, 0.5, 4, 2.5, 10, 1, 2, inf, 0, -1, -0.5, -2, -3, -inf]


@pytest.mark.parametrize("order", ORDERS)
def test_norms_of_every_order_at_zero_vectors_and_zero_entries(order):
    rows = np.array([[0.0, 0.0, 0.0], [0.0, 1.0, -2.0], [1.0, -3.0, 2.0]])
    for create_graph in (False, True):
        x = leaf(rows)
        y = np.linalg.norm(x, order, axis=-1)
        with np.errstate(all="ignore"):
            np.testing.assert_allclose(y.data, np.linalg.norm(rows, order, axis=-1), rtol=1e-15)
        (g,) = ag.grad(y.sum(), x, create_graph=create_graph)
        assert g.data[0].tolist() == [0, 0, 0]
        assert np.isfinite(g.data).all()
        assert g.data[1, 0] == 0
        expected = by_differences(lambda v: np.linalg.norm(v, order), rows[2])
        np.testing.assert_allclose(g.data[2], expected, rtol=1e-7, atol=1e-9)
        if order > 0:
            held = by_differences(lambda v: np.linalg.norm([0, *v], order), rows[1, 1:])
            np.testing.assert_allclose(g.data[1, 1:], held, rtol=1e-7, atol=1e-9)
    for shape in ((3,), (), (1, 3)):
        if shape:
            g = pulled(lambda x: np.linalg.norm(x, order, axis=-1), 1.0, leaf(np.zeros(shape)))
            assert not g[0].any()


# ---- powers --------------------------------------------------------------------------------------

BASES = [0.0, 1e-320, -1e-320, 1e-300, 0.5, -2.0, 1e300, inf, -inf, nan]


@pytest.mark.parametrize(
    "dtype", [np.float64, np.float32, np.int8, np.uint8, np.int64, np.uint64, bool]
)
def test_powers_with_an_array_of_exponents(dtype):
    exponents = np.array([0, 1] if dtype is bool else [0, 1, 2, 3], dtype)
    for base, exponent in itertools.product(BASES, exponents):
        n = float(exponent)
        expected = 0.0 if n == 0 else n * base ** (n - 1) if abs(base) < 1e200 or n < 2 else None
        for b in (np.array([exponent]), float(exponent), int(exponent)):
            for create_graph in (False, True):
                (found,) = pulled(lambda x, b=b: x**b, 1.0, leaf([base]), create_graph=create_graph)
                if expected is not None:
                    np.testing.assert_allclose(
                        found, [expected], rtol=1e-15, err_msg=f"{base} {b!r}"
                    )


def test_negative_integer_exponents_do_not_wrap():
    (found,) = pulled(lambda x: x ** np.array([-128], np.int8), 1.0, leaf([1.01]))
    np.testing.assert_allclose(found, -128 * 1.01**-129.0)


def test_the_mixed_derivative_of_a_power_at_exponent_0():
    a, b = leaf([2.0, -1e-320, 0.0]), leaf([0.0, 0.0, 0.0])
    (by_a,) = ag.grad((a**b).sum(), a, create_graph=True)
    assert by_a.data.tolist() == [0, 0, 0]
    assert ag.grad(by_a.sum(), b)[0].data.tolist() == [0.5, 0, 0]


# ---- sinc ----------------------------------------------------------------------------------------


def test_higher_derivatives_of_sinc():
    """The series of sinc, differentiated term by term."""
    terms = range(24)
    coefficient = [
        (-1.0) ** k * np.pi ** (2 * k) / np.prod(np.arange(1.0, 2 * k + 2)) for k in terms
    ]
    at = np.array([0.0, 1e-4, 9.99e-4, 1.01e-3, 0.1, 0.3, 0.499, 0.501, 0.9])
    x = leaf(at)
    y = np.sinc(x).sum()
    for order in range(1, 5):
        (y,) = ag.grad(y if y.ndim == 0 else y.sum(), x, create_graph=True)
        expected = sum(
            c * np.prod(np.arange(2 * k - order + 1.0, 2 * k + 1)) * at ** (2 * k - order)
            for k, c in enumerate(coefficient)
            if 2 * k >= order
        )
        np.testing.assert_allclose(y.data, expected, rtol=1e-9, atol=1e-9)
