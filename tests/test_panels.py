"""Weights in panels during an epoch (network/panels.hpp): the same bits as in the network's order.

Several threads use panels, one thread with AVX2. A fit with a bound of the gradient's norm never does.
"""

import itertools
import threading

import numpy as np
import pytest
import resuming
from cases import rng, thresholds

import nablas as nb
from nablas.optimizers import as_optimizer

ROWS = 600  # of an epoch that repays packing
CASES = list(resuming.cases())
IN_ORDER = {"clip_norm": 1e30}  # no gradient is as long
WAYS = [(1, {}), (2, {}), (3, {}), (1, IN_ORDER)]  # threads, settings of a fit


def data(inputs, outputs, dtype="float32"):
    return rng(1).normal(size=(ROWS, inputs)).astype(dtype), rng(2).integers(0, outputs, ROWS)


def state_of(net):
    state = net.engine.training_state()
    return [net.parameters.copy(), *state["states"], np.array([state["scalar"], state["steps"]])]


def assert_same(found, expected):
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("case", CASES, ids=map(str, range(len(CASES))))
def test_every_kind_of_fit(case, threads):
    outcomes = []
    for count, more in WAYS:
        threads(count)
        net, settings = resuming.make(case, rows=ROWS, epochs=2)
        net.fit(**{**more, **settings})
        outcomes.append([*resuming.outcome(net), *(s.tobytes() for s in state_of(net))])
    assert all(outcome == outcomes[-1] for outcome in outcomes)


def edge_widths(dtype):
    """Outputs of a layer: a panel, several, and the last one of every kind."""
    width = thresholds(dtype)["tile_columns"]
    lanes = thresholds(dtype)["lanes"]
    return [width + 1, 2 * width, 2 * width + lanes, 3 * width - 1, 5 * width + lanes + 1]


@pytest.mark.parametrize("inputs", [1, 5, 33, 300])
def test_every_edge_of_a_panel(isa, dtype, inputs, threads):
    for first, second in itertools.pairwise([*edge_widths(dtype), 40, 9]):
        x, y = data(inputs, 3, dtype)
        batch = max(8, 500_000 // (3 * (inputs * first + first * second)))  # enough for two threads
        outcomes = []
        for count, more in WAYS:
            threads(count)
            net = nb.MLP([inputs, first, second, 3], "relu", "softmax", dtype=dtype, seed=1)
            net.fit(x, y, optimizer=nb.Adam(1e-3), batch_size=batch, epochs=2, seed=1, **more)
            outcomes.append(state_of(net))
        for outcome in outcomes:
            assert_same(outcome, outcomes[-1])


def test_sizes_beyond_a_block_of_the_depth_a_copy_of_the_inputs_and_a_sum(isa, threads):
    limits = thresholds("float32")
    depth, longest = int(limits["block_depth"]), int(limits["longest_sum"])
    for sizes in ([depth + 5, 40, 2 * depth + 7, 70, 3], [10, longest + 4, 40, 3]):
        x, y = data(sizes[0], 3)
        for batch in (100, ROWS - 1):  # the last one of one row
            outcomes = []
            for count, more in WAYS:
                threads(count)
                net = nb.MLP(sizes, "relu", "softmax", seed=1)
                net.fit(x, y, optimizer=nb.SGD(1e-3), batch_size=batch, epochs=1, seed=1, **more)
                outcomes.append(state_of(net))
            for outcome in outcomes:
                assert_same(outcome, outcomes[-1])


def test_deltas_whose_rows_share_few_sets_of_a_cache(isa, dtype, threads):
    """A gradient then packs delta, whose columns are summed for the bias in the same tiles."""
    rows = int(thresholds(dtype)["rows_to_pack_uncached_b"]) + 5
    for sizes in ([rows, 128, 100, 3], [rows, 256, rows, 64, 3]):
        x, y = data(rows, 3, dtype)
        for batch in (100, ROWS):
            outcomes = []
            for count, more in WAYS:
                threads(count)
                net = nb.MLP(sizes, "relu", "softmax", dtype=dtype, seed=1)
                net.fit(x, y, optimizer=nb.SGD(1e-2), batch_size=batch, epochs=1, seed=1, **more)
                outcomes.append(state_of(net))
            for outcome in outcomes:
                assert_same(outcome, outcomes[-1])


@pytest.mark.parametrize("clip_norm", [None, 1e-3])
def test_a_batch_of_several_blocks(dtype, clip_norm, threads):
    """About 64 MB of activations are a block, of 3,900 or 1,900 rows here: two blocks and three within the first sum."""
    x, y = rng(1).normal(size=(5000, 20)).astype(dtype), rng(2).integers(0, 3, 5000)
    outcomes = []
    for count in (1, 2, 3):
        threads(count)
        net = nb.MLP([20, 4000, 3], "relu", "softmax", dtype=dtype, seed=1)
        net.fit(x, y, optimizer=nb.SGD(1e-2), batch_size=5000, epochs=2, clip_norm=clip_norm)
        outcomes.append(state_of(net))
    assert_same(outcomes[1], outcomes[0])
    assert_same(outcomes[2], outcomes[0])


@pytest.mark.parametrize("name", nb.optimizers.names())
def test_states_of_every_optimizer_between_fits_of_every_kind(name, threads):
    """Fits in panels, fits that are not, and what others read and write between them and within."""
    x, y = data(40, 5)

    def half(state):
        state.net.parameters *= np.float32(0.5)
        state.net.engine.scale_states(0.5)

    def fail(state):
        raise LookupError

    def train(more):
        net, optimizer = nb.MLP([40, 100, 40, 5], "tanh", "softmax", seed=1), as_optimizer(name)
        settings = {"optimizer": optimizer, "batch_size": 50, "seed": 1, "epochs": 2, **more}
        net.fit(x, y, **settings)
        net.fit(x, y, **{**settings, "clip_norm": 0.5})
        net.fit(x, y, **settings, callbacks=[half])
        with pytest.raises(LookupError):
            net.fit(x, y, **settings, callbacks=[fail])
        net.fit(
            x, y, **settings, loss=lambda p, t: (0.0, (p - np.eye(5, dtype=p.dtype)[t]) / len(p))
        )
        net.fit(x, y, **settings, shards=4)
        net.fit(x[:50], y[:50], **settings)
        net.fit(x, y, **settings, l1=1e-4)
        # the norm is that of the gradient with l2's, which is rounded before the update, not within it
        net.fit(x, y, **{**settings, "clip_norm": None}, l1=1e-4, l2=1e-3)
        return state_of(net)

    outcomes = []
    for count, more in WAYS:
        threads(count)
        outcomes.append(train(more))
    for outcome in outcomes:
        assert_same(outcome, outcomes[-1])


def test_weights_written_within_an_epoch(threads, tmp_path):
    x, y = data(40, 5)

    class Halving(nb.Checkpoint):
        def write(self, save, epoch):
            net.parameters *= np.float32(0.5)

    outcomes = []
    for count, more in WAYS:
        threads(count)
        net = nb.MLP([40, 100, 40, 5], "tanh", "softmax", seed=1)
        halving = Halving(tmp_path / "x", every_seconds=resuming.ALWAYS)
        net.fit(x, y, batch_size=50, epochs=1, seed=1, callbacks=[halving], **more)
        outcomes.append(state_of(net))
    for outcome in outcomes:
        assert_same(outcome, outcomes[-1])


def test_others_read_states_and_weights_during_an_epoch(threads):
    x, y = data(40, 5)
    x, y = np.tile(x, (100, 1)), np.tile(y, 100)

    def fitted(watched):
        threads(2 if watched else 1)
        more = {} if watched else IN_ORDER
        net = nb.MLP([40, 100, 40, 5], "tanh", "softmax", seed=1)
        optimizer, done, seen = nb.Adam(1e-3), threading.Event(), []
        net.fit(x[:ROWS], y[:ROWS], optimizer=optimizer, batch_size=50, epochs=1, seed=1)

        def watch():
            while not done.is_set():
                seen.append(state_of(net))

        watcher = threading.Thread(target=watch)
        if watched:
            watcher.start()
        try:
            net.fit(x, y, optimizer=optimizer, batch_size=50, epochs=2, seed=1, **more)
        finally:
            done.set()
        if watched:
            watcher.join()
            assert len(seen) > 1
        return state_of(net)

    assert_same(fitted(True), fitted(False))
