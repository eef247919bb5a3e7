"""The core at the edges: sizes, shared memory, extreme magnitudes, byte orders, misuse of `_core`."""

import numpy as np
import pytest
import scipy.sparse as sp

import nablas as nb
from nablas import _core, kernels
from nablas._registry import LOSSES, OPTIMIZERS

RNG = np.random.default_rng(0)
HUGE = [2**31, 2**40, 2**60, 2**62, 2**63 - 2, 2**63 - 1]


@pytest.mark.parametrize("sizes", [s for n in HUGE for s in ([n, 1], [1, n], [n, n], [1, n, 1], [n, 2**61])])  # fmt: skip
def test_sizes_whose_products_or_sums_overflow(sizes):
    if (sizes[0] + 1) * sizes[1] < 2**40:
        pytest.skip("may fit in memory")
    with pytest.raises((OverflowError, ValueError, MemoryError)):
        nb.MLP(sizes)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", [[6, 6], [6, 4, 6], [3, 6, 2]])
@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_out_may_overlap_whatever_a_forward_pass_reads(dtype, sizes, kind):
    """X, the values of a sparse X, and the network's parameters."""
    rows = 300
    x = RNG.normal(size=(rows, sizes[0])).astype(dtype)
    net = nb.MLP(sizes, seed=0, dtype=dtype)
    want = net.forward(x)
    size = rows * sizes[-1]
    for shift in (0, 1, 7):
        memory = np.zeros(size + x.size + shift, dtype)
        held = memory[shift : shift + x.size]
        held[:] = x.ravel()
        given = held.reshape(x.shape)
        if kind == "sparse":
            given = sp.csr_array(x)
            given.data = held
            assert np.shares_memory(given.data, memory)
        out = memory[:size].reshape(rows, sizes[-1])
        np.testing.assert_array_equal(net.forward(given, out=out), want)
    given = sp.csr_array(x) if kind == "sparse" else x
    few = net.parameters.size // sizes[-1]
    for begin in (0, net.parameters.size - few * sizes[-1]):
        other = nb.MLP(sizes, seed=0, dtype=dtype)
        out = other.parameters[begin : begin + few * sizes[-1]].reshape(few, sizes[-1])
        np.testing.assert_array_equal(other.forward(given[:few], out=out), want[:few])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("share", [0.3, 0.45, 0.55, 0.7, 0.9])
def test_norms_and_penalties_of_any_size(dtype, share):
    """Squares may be beyond the range of the dtype, and of double; the clipped step is as long as it should be."""
    size = np.dtype(dtype).type(10.0 ** (share * np.finfo(dtype).maxexp * np.log10(2)))
    net = nb.MLP([1, 1], dtype=dtype, init="zeros")
    net.fit(
        np.array([[size]], dtype),
        np.ones((1, 1), dtype),
        loss="mae",
        optimizer=nb.SGD(1e-3),
        clip_norm=1.0,
        epochs=1,
    )
    assert np.hypot(*net.parameters.astype(float)) == pytest.approx(1e-3, rel=1e-5)
    net = nb.MLP([2, 3], dtype=dtype, init="zeros")
    net.parameters[3:] = size
    l2 = float(size) ** -1.5
    if l2 > np.finfo(dtype).tiny:
        found = net.loss(np.zeros((1, 2), dtype), np.zeros((1, 3), dtype), l2=l2)
        assert found == pytest.approx(6 * float(size) ** 0.5, rel=1e-5)


@pytest.mark.parametrize("kind", ["i1", "i2", "i4", "i8", "u2", "u4", "u8", "f4", "f8"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bytes_in_either_order_are_the_same_numbers(kind, dtype):
    """Rounded once: an integer beyond 2**53 to float32 is not rounded to float64 before."""
    one = np.dtype(kind)
    if one.kind == "f":
        values = RNG.normal(size=400)
    else:
        values = RNG.integers(np.iinfo(one).max, size=400, dtype=one, endpoint=True)
        if one.itemsize == 8:  # halfway between two float32 but for the last bit
            values[::5], values[1::5] = 2**62 + 2**38 + 1, 2**62 + 2**38 - 1
    little, big = (values.astype(one.newbyteorder(order)).reshape(100, 4) for order in "<>")
    want = little.astype(dtype)
    net = nb.MLP([4, 3], seed=0, dtype=dtype)
    for given in (little, big, np.asfortranarray(big), big[::2], big[:, ::-1]):
        rows = np.arange(len(given))
        native = given.astype(dtype)
        np.testing.assert_array_equal(kernels.gather_rows(given, rows, dtype=dtype), native)
        np.testing.assert_array_equal(net.forward(given), net.forward(native))
    np.testing.assert_array_equal(kernels.gather_rows(big, np.arange(100), dtype=dtype), want)


@pytest.mark.parametrize("columns", [3, 64, 65, 255, 256, 257, 300, 1000, 4097])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("soft", [False, True])
def test_the_loss_has_the_same_bits_with_and_without_its_gradient(columns, dtype, soft):
    net = nb.MLP([4, columns], output="softmax", seed=0, dtype=dtype)
    for i in range(20):
        x = RNG.normal(size=(1, 4)).astype(dtype)
        y = np.full((1, columns), 1 / columns, dtype) if soft else np.array([i % columns])
        want = net.loss(x, y)
        assert net.fit(x, y, optimizer=nb.SGD(1e-30), epochs=1).loss == [want]


RULES = {
    **{("loss", name): entry.hyperparameters for name, entry in LOSSES.items()},
    **{("optimizer", name): entry.hyperparameters for name, entry in OPTIMIZERS.items()},
}


@pytest.mark.parametrize("rule", [rule for rule, known in RULES.items() if known])
def test_hyperparameters_are_within_their_bounds_in_the_networks_dtype(rule):
    """A number just inside the bounds may be rounded to one outside."""
    kind, owner = rule
    net = _core.Network_float32([2, 2], ["identity"])
    z = np.zeros((2, 2), np.float32)

    def make(**given):
        if kind == "loss":
            return _core.Dataset_float32(net, z, z, None, owner, given, [])
        return _core.Trainer_float32(net, owner, given)

    for name, h in RULES[rule].items():
        for value in (np.nextafter(h.end, 0), np.nextafter(h.lowest, 1), h.lowest, 0.25):
            with np.errstate(over="ignore"):
                rounded = float(np.float32(value))
            within = value in (0, 1) if h.flag else h.lowest <= rounded < h.end
            if np.isfinite(rounded) and within:
                make(**{name: float(value)})
            else:
                with pytest.raises(ValueError, match=f"^{name}: expected"):
                    make(**{name: float(value)})


def trainer(x, rows, outputs=2):
    net = _core.Network_float32([4, outputs], ["identity"])
    net.initialize("zeros", 0)
    targets = np.zeros((rows, outputs), np.float32)
    data = _core.Dataset_float32(net, x, targets, None, "mse", {}, [])
    return _core.Trainer_float32(net, "sgd", {}), data


def run(one, data, rows, batch, **named):
    return one.run_epochs(
        data=data, rates=np.zeros((1, -(-rows // batch))), batch_size=batch, shuffle=False, seed=0, epoch=0,
        dropout=[0.0], l1=0.0, l2=0.0, clip_norm=0.0, on_rows=None, by_batch=False, mean_weight=0.0, bias=True, **named,
    )  # fmt: skip


def test_an_order_longer_than_the_sparse_rows():
    values, columns, starts = np.ones(4, np.float32), np.zeros(4, np.int32), np.arange(5)
    one, data = trainer(_core.Sparse_float32(values, columns, starts, 4), 4)
    run(one, data, 10**6, 4096, part=(np.zeros(10**6, np.int64), 0))


def test_a_part_after_others_needs_their_sums():
    one, data = trainer(np.zeros((8, 4), np.float32), 8)
    with pytest.raises(ValueError, match="^position: expected"):
        run(one, data, 8, 1, part=(None, 4096))


def test_a_batchs_gradient_needs_its_forward_pass():
    one, data = trainer(np.ones((64, 4), np.float32), 64)
    batch = {"data": data, "begin": 0, "end": 8, "order": None, "dropout": [0.0], "seed": 0}
    gradient = np.ones((8, 2), np.float32)
    one.forward_batch(**batch)
    want = one.backward_batch(gradient, [0.0], 0).copy()
    np.testing.assert_array_equal(one.backward_batch(gradient, [0.0], 0), want)
    for replace in (lambda: run(one, data, 64, 64), lambda: one.gradient(data, 0.0)):
        one.forward_batch(**batch)
        replace()
        with pytest.raises(ValueError, match="^gradient: expected a forward_batch before it"):
            one.backward_batch(gradient, [0.0], 0)
