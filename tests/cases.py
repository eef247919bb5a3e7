"""Shapes, arrays and bounds that the tests share.

Shapes come from the kernels' own tile sizes: 0, 1, one less, equal, one more, and ragged
multiples, so a new tile size is tested at its edges without a new test. `assert_product` checks a
matrix product against the bound of Higham's Accuracy and Stability of Numerical Algorithms, (3.13).
"""

import itertools

import numpy as np

import nablas as nb
from nablas import _core, kernels, reference
from nablas._registry import LOSSES

UNIT_ROUNDOFF = {"float32": 2.0**-24, "float64": 2.0**-53}


def thresholds(dtype):
    """Sizes at which the kernels in use change their method."""
    return _core.thresholds(dtype == "float64")


def rng(seed=0):
    return np.random.default_rng(seed)


def edge_sizes(tile):
    return [0, 1, tile - 1, tile, tile + 1, 2 * tile + 3]


def product_shapes(dtype):
    """(n, k, m) around the tile of the instruction set in use."""
    limits = thresholds(dtype)
    rows, columns, depth = limits["tile_rows"], limits["tile_columns"], limits["block_depth"]
    shapes = list(itertools.product(edge_sizes(rows), [0, 1, 7], edge_sizes(columns)))
    # one, two and three blocks of the depth, each at both ends
    depths = {blocks * depth + more for blocks in (1, 2) for more in (-1, 0, 1)}
    shapes += [(rows + 1, k, columns + 1) for k in sorted({*depths, depth // 2, 3 * depth - 5})]
    shapes += [(1, 64, 10), (17 * rows + 5, 33, 9 * columns + 5), (300, 20, 600)]
    shapes += streamed_shapes(limits)
    shapes += packed_shapes(limits)
    return shapes


def streamed_shapes(limits):
    """Shapes on both sides of each threshold of the kernels that stream instead of tiling."""
    few, width = limits["few_rows"], limits["stream_columns"]
    long = limits["streamed_elements"] // width + 1  # depth times columns enough for streaming
    little, least = limits["little_depth"], limits["least_depth"]
    tall = limits["streamed_elements"] // 64 + 1
    return [
        *((n, long, width + more) for n in (1, few, few + 1) for more in (-1, 0, 1)),
        (few, 2 * limits["streamed_elements"] // 40, 20),
        *((tall, k, 64) for k in (least - 1, least, least + 1)),
        (limits["uncached_elements"] // 900 + 1, little, 900),
    ]


def packed_shapes(limits):
    """Shapes on both sides of what decides whether B is packed."""
    width = limits["tile_columns"]
    large, uncached = limits["rows_to_pack_b"], limits["rows_to_pack_uncached_b"]
    # rows of 512 bytes share few sets of a cache, which hold 64 of them; a B of more than 256 KB is large
    return [
        *((uncached + more, depth, 8 * width) for more in (-1, 0, 1) for depth in (63, 64, 65)),
        *((large + more, 700, 6 * width + 3) for more in (0, 1)),
    ]


def wide(array):
    """The array in a wider dtype, for references."""
    return array.astype(np.longdouble if array.dtype == np.float64 else np.float64)


def gamma(k, dtype):
    u = UNIT_ROUNDOFF[dtype]
    return k * u / (1 - k * u)


def product_error(c, a, b):
    """The largest |C - AB| as a multiple of its bound; at most 1 for a correct product."""
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


# Networks with one loss each: sizes, hidden activations, output, target maker. A loss that is not named here gets
# two hidden layers and its linked output, so a new one is tested before anyone writes it in.
_NAMED = {
    "cross_entropy": ([7, 16, 16, 5], ["relu", "tanh"], "softmax"),
    "binary_cross_entropy": ([7, 12, 3], ["sigmoid"], "sigmoid"),
    "mse": ([7, 9, 8, 2], ["elu", "gelu"], "identity"),
    "half_mse": ([7, 11, 2], ["softplus"], "tanh"),
    "mae": ([7, 10, 2], ["silu"], "identity"),
    "huber": ([7, 10, 4], ["selu"], "softmax"),
    "poisson": ([7, 8, 1], ["softsign"], "exp"),
}


def _network(loss):
    link = LOSSES[loss].link
    sizes, hidden, output = _NAMED.get(loss, ([7, 9, 6, 3], ["tanh", "sigmoid"], link))
    return sizes, hidden, output, lambda n: loss_targets(loss, n, sizes[-1], labels=True)


def loss_targets(loss, n, outputs, seed=1, labels=False):
    """Targets within a loss's bounds; class indices for cross-entropy if `labels`, else distributions."""
    entry, r = LOSSES[loss], rng(seed)
    if entry.takes_labels and labels:
        return r.integers(0, outputs, n)
    if entry.takes_labels:
        y = r.random((n, outputs))
        return y / y.sum(axis=1, keepdims=True) if y.size else y
    if entry.highest <= 1:
        return r.integers(0, 2, (n, outputs)).astype(float)
    if entry.lowest == 0:
        return r.poisson(2.0, (n, outputs)).astype(float)
    return r.normal(size=(n, outputs))


def hyperparameter_settings(known):
    """Every hyperparameter at its default, each alone at another value, and all at another."""
    other = {}
    for name, h in known.items():
        if h.end <= 1 or h.flag:  # a share, or a flag
            other[name] = 1.0 if h.flag else 0.3 if h.default != 0.3 else 0.6
        else:
            other[name] = 2.5 * h.default if h.default else 0.5
    return [
        {},
        *({name: value} for name, value in other.items()),
        *([other] if len(other) > 1 else []),
    ]


NETWORKS = {loss: _network(loss) for loss in LOSSES}


def relative_error(got, want):
    scale = np.max(np.abs(want), initial=0)
    return float(np.max(np.abs(got - want), initial=0) / (scale if scale > 0 else 1))


def small(**settings):
    return nb.MLP([4, 8, 3], output="softmax", seed=1, **settings)


def leaf(values, dtype=float):
    """A Tensor of the graph."""
    return nb.autograd.Tensor(np.array(values, dtype), requires_grad=True)


def iris():
    from sklearn.datasets import load_iris  # here: an emulated processor has no scikit-learn

    x, y = load_iris(return_X_y=True)
    return (x - x.mean(axis=0)) / x.std(axis=0), y


LOSS_SETTINGS = [
    (loss, setting)
    for loss, entry in LOSSES.items()
    for setting in hyperparameter_settings(entry.hyperparameters)
]


def kernel_and_reference(loss):
    """The kernel of a loss and its function in the reference."""
    name = LOSSES[loss].function
    return getattr(kernels, name), getattr(reference, name)
