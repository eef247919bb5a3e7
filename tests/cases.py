"""Shapes, arrays and bounds that the tests share.

Shapes come from the kernels' own tile sizes: 0, 1, one less, equal, one more, and ragged multiples, so a
new tile size is tested at its edges without anyone writing a test. `assert_product` holds a matrix product to
the bound of Higham's Accuracy and Stability of Numerical Algorithms, (3.13).
"""

import itertools

import numpy as np
from sklearn.datasets import load_iris

import nablas as nb
from nablas import _core

UNIT_ROUNDOFF = {"float32": 2.0**-24, "float64": 2.0**-53}
BLOCK_DEPTH = 256  # of the kernels; depths around it join two blocks


def rng(seed=0):
    return np.random.default_rng(seed)


def edge_sizes(tile):
    return [0, 1, tile - 1, tile, tile + 1, 2 * tile + 3]


def product_shapes(dtype):
    """(n, k, m) around the tile of the instruction set in use."""
    rows, columns = _core.tile_shape(dtype == "float64")
    shapes = list(itertools.product(edge_sizes(rows), [0, 1, 7], edge_sizes(columns)))
    shapes += [
        (rows + 1, k, columns + 1) for k in (BLOCK_DEPTH - 1, BLOCK_DEPTH, BLOCK_DEPTH + 1, 700)
    ]
    shapes += [(1, 64, 10), (17 * rows + 5, 33, 9 * columns + 5), (300, 20, 600)]
    return shapes


def wide(array):
    """For a reference with more digits than the array's dtype."""
    return array.astype(np.longdouble if array.dtype == np.float64 else np.float64)


def gamma(k, dtype):
    u = UNIT_ROUNDOFF[dtype]
    return k * u / (1 - k * u)


def product_error(c, a, b):
    """The largest |C - AB| as a multiple of its bound; at most 1 for a right product."""
    k, dtype = a.shape[1], c.dtype.name
    exact = wide(a) @ wide(b)
    bound = gamma(k + 2, dtype) * (np.abs(wide(a)) @ np.abs(wide(b)))
    excess = np.abs(c - exact)
    assert np.isfinite(c).all()
    return float(
        np.max(np.where(excess == 0, 0, excess / np.where(bound > 0, bound, 1e-300)), initial=0)
    )


def assert_product(c, a, b):
    error = product_error(c, a, b)
    assert error <= 1, f"error is {error:.3g} times the bound for {a.shape} @ {b.shape} {c.dtype}"


def strange_layouts(array):
    """Copies of `array` that hold the same values in every layout a caller may have."""
    wider = np.zeros(tuple(2 * n for n in array.shape), array.dtype)
    skipping = wider[tuple(slice(None, None, 2) for _ in array.shape)]
    skipping[...] = array
    yield "skipping", skipping
    yield "fortran", np.asfortranarray(array)
    reverse = tuple(slice(None, None, -1) for _ in array.shape)
    yield "reversed", np.ascontiguousarray(array[reverse])[reverse]
    yield "byte-swapped", array.astype(array.dtype.newbyteorder(">"))
    read_only = array.copy()
    read_only.setflags(write=False)
    yield "read-only", read_only
    raw = np.zeros(array.nbytes + 1, np.uint8)[1:]
    misaligned = raw[: array.nbytes].view(array.dtype).reshape(array.shape)
    misaligned[...] = array
    yield "misaligned", misaligned


# Networks with one loss each: sizes, hidden activations, output, loss, target maker.
def _one_hot(n, m):
    return np.eye(m)[rng(1).integers(0, m, n)]


NETWORKS = {
    "cross_entropy": (
        [7, 16, 16, 5],
        ["relu", "tanh"],
        "softmax",
        lambda n: rng(1).integers(0, 5, n),
    ),
    "binary_cross_entropy": (
        [7, 12, 3],
        ["sigmoid"],
        "sigmoid",
        lambda n: rng(1).integers(0, 2, (n, 3)).astype(float),
    ),
    "mse": ([7, 9, 8, 2], ["elu", "gelu"], "identity", lambda n: rng(1).normal(size=(n, 2))),
    "half_mse": ([7, 11, 2], ["softplus"], "tanh", lambda n: rng(1).normal(size=(n, 2))),
    "mae": ([7, 10, 2], ["silu"], "identity", lambda n: rng(1).normal(size=(n, 2))),
    "huber": ([7, 10, 4], ["selu"], "softmax", lambda n: _one_hot(n, 4)),
    "poisson": (
        [7, 8, 1],
        ["softsign"],
        "exp",
        lambda n: rng(1).poisson(2.0, (n, 1)).astype(float),
    ),
}


def relative_error(got, want):
    scale = np.max(np.abs(want), initial=0)
    return float(np.max(np.abs(got - want), initial=0) / (scale if scale > 0 else 1))


def small(**settings):
    return nb.MLP([4, 8, 3], output="softmax", seed=1, **settings)


def iris():
    x, y = load_iris(return_X_y=True)
    return (x - x.mean(axis=0)) / x.std(axis=0), y
