"""Batches in shards: the documented order of the sums, and what does not change it."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import resuming
from cases import rng

import nablas as nb
from nablas import kernels
from nablas._exchange import additions, own_shards, subtrees
from nablas._processes import Processes

SIZES = [6, 9, 3]


def network(dtype="float32", **settings):
    return nb.MLP(SIZES, "tanh", "softmax", dtype=dtype, seed=2, **settings)


def tree(values):
    """The sum of a power of two of arrays, by halves."""
    half = len(values) // 2
    return values[0] if half == 0 else tree(values[:half]) + tree(values[half:])


# ---- the rule ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shards", [1, 2, 4, 8, 32])
def test_one_update_is_the_tree_over_the_shards(shards, dtype):
    """To the bit: dividing a shard's mean by a power of two is exact."""
    rows = 24 * shards
    x, y = rng(1).normal(size=(rows, 6)).astype(dtype), rng(2).integers(0, 3, rows)
    net = network(dtype)
    parts = [slice(i * 24, (i + 1) * 24) for i in range(shards)]
    scale = np.dtype(dtype).type(1 / shards)
    gradient = tree([net.gradient(x[part], y[part]) * scale for part in parts])
    loss = tree([net.loss(x[part], y[part]) * 24 for part in parts]) / rows
    want = net.parameters.copy()
    kernels.optimizer_update(
        "sgd", want, gradient, [np.zeros_like(want)], step=1, learning_rate=0.5
    )
    history = net.fit(
        x, y, optimizer=nb.SGD(0.5), batch_size=rows, epochs=1, shuffle=False, shards=shards
    )
    assert net.parameters.tobytes() == want.tobytes()
    assert history.loss[0] == pytest.approx(loss, rel=1e-15)


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 7, 8, 9, 31])
def test_shards_of_unequal_size(rows):
    """Shard i of n rows begins at ⌊i n / S⌋; those without rows add nothing."""
    x, y = rng(1).normal(size=(rows, 6)), rng(2).integers(0, 3, rows)
    weight = rng(3).uniform(0.5, 2, rows)
    net = network("float64")
    bounds = [i * rows // 8 for i in range(9)]
    parts = [slice(*bounds[i : i + 2]) for i in range(8)]
    each = [
        net.gradient(x[part], y[part], sample_weight=weight[part]) * weight[part].sum()
        if part.stop > part.start
        else np.zeros(net.parameters.size)
        for part in parts
    ]
    want = net.parameters - 0.5 * tree(each) / weight.sum()
    net.fit(
        x, y, optimizer=nb.SGD(0.5), batch_size=rows, epochs=1, shuffle=False, shards=8,
        sample_weight=weight,
    )  # fmt: skip
    np.testing.assert_allclose(net.parameters, want, rtol=1e-13, atol=1e-15)


def test_dropout_masks_do_not_depend_on_shards():
    """They are numbered by the row within the batch."""
    x, y = resuming.data(400)
    found = []
    for shards in (1, 8):
        net = nb.MLP(resuming.SIZES, "tanh", "softmax", dtype="float64", seed=1)
        net.fit(x, y, batch_size=100, epochs=2, dropout=0.5, seed=0, shards=shards)
        found.append(net.parameters.copy())
    np.testing.assert_allclose(found[1], found[0], rtol=1e-9, atol=1e-12)
    assert found[0].tobytes() != found[1].tobytes()


@pytest.mark.parametrize("shards", [2, 8, 64])
@pytest.mark.parametrize("batch", [50, 9000])
def test_any_number_of_threads(shards, batch):
    x, y = resuming.data(9000 if batch > 1000 else 500)
    before, found = nb.num_threads(), set()
    try:
        for threads in (1, 2, 3):
            nb.set_num_threads(threads)
            net = nb.MLP(resuming.SIZES, "tanh", "softmax", seed=1)
            settings = {"batch_size": batch, "epochs": 2, "seed": 0, "clip_norm": 0.1, "l2": 1e-3}
            net.fit(x, y, **settings, shards=shards)
            found.add(net.parameters.tobytes())
    finally:
        nb.set_num_threads(before)
    assert len(found) == 1


@pytest.mark.parametrize("rows", [3, 7])
def test_shards_without_rows_on_any_number_of_threads(rows):
    """Layers so large that a step of few rows is worth a team, whose threads divide the parameters."""
    x, y = rng(1).normal(size=(rows, 2000)), np.arange(rows) % 2
    before, found = nb.num_threads(), set()
    try:
        for threads in (1, 2, 3):
            nb.set_num_threads(threads)
            net = nb.MLP([2000, 1500, 2], "tanh", "softmax", seed=1)
            net.fit(x, y, batch_size=rows, epochs=2, seed=0, shards=8, optimizer=nb.SGD(0.1))
            found.add(net.parameters.tobytes())
    finally:
        nb.set_num_threads(before)
    assert len(found) == 1


def test_a_loss_that_is_not_finite_ends_the_epoch():
    x, y = rng(1).normal(size=(40, 6)), np.full((40, 3), 1e200)
    net = nb.MLP(SIZES, dtype="float64", seed=0)
    before = net.parameters.tobytes()
    with pytest.raises(FloatingPointError):
        net.fit(x, y, shards=4)
    assert net.parameters.tobytes() == before


@pytest.mark.parametrize(
    ("shards", "error", "text"),
    [
        (3, ValueError, "shards: expected a power of two, got 3"),
        (0, ValueError, "shards: expected at least 1, got 0"),
        (2**21, ValueError, "shards: expected at most 1048576"),
        (2.0, TypeError, "shards: expected an integer"),
    ],
)
def test_arguments(shards, error, text):
    with pytest.raises(error, match=text):
        network().fit(np.ones((4, 6)), [0, 1, 2, 0], shards=shards)


def test_a_loss_in_python_is_refused():
    net = nb.MLP([2, 3])
    with pytest.raises(ValueError, match="loss: expected a name or a Loss with shards"):
        net.fit(np.ones((4, 2)), np.ones((4, 3)), loss=resuming.squares, shards=2)


# ---- the sum over processes ----------------------------------------------------------------------


@pytest.mark.parametrize("levels", range(7))
def test_the_subtrees_of_any_number_of_processes_make_the_tree(levels):
    shards = 2**levels
    scale = 10.0 ** rng(7).integers(-4, 4, (shards, 1))
    values = (rng(levels).normal(size=(shards, 50)) * scale).astype(np.float32)
    want = tree(list(values))
    for size in range(1, shards + 1):
        leaves = []
        for rank in range(size):
            begin, end = own_shards(shards, rank, size)
            assert end > begin
            own = subtrees(begin, end)
            assert [t.begin for t in own] + [end] == [begin] + [t.begin + t.size for t in own]
            leaves += own
        sums = [tree(list(values[t.begin : t.begin + t.size])) for t in leaves]
        for to, of in additions(leaves):
            sums[to] = sums[to] + sums[of]
        assert sums[0].tobytes() == want.tobytes()
    if levels >= 3:  # another order has other bits, so the comparison can fail
        assert sum(list(values[1:]), values[0]).tobytes() != want.tobytes()


class Threads:
    """Trainings of threads in place of processes: each computes its own shards, and all add their sums by the tree."""

    def __init__(self, monkeypatch, size):
        self.size, self.rank = size, threading.local()
        self.sums, self.meeting = [None] * size, threading.Barrier(size, timeout=60)
        monkeypatch.setattr(Processes, "own_shards", lambda _, shards: self.own(shards))
        monkeypatch.setattr(Processes, "exchange", lambda _, net, shards: self.exchange(shards))

    def own(self, shards):
        return own_shards(shards, self.rank.number, self.size)

    def exchange(self, shards):
        rank = self.rank.number
        ranges = [own_shards(shards, number, self.size) for number in range(self.size)]
        steps = additions([leaf for of in ranges for leaf in subtrees(*of)])

        def add(sums, losses):
            assert len(sums) == len(losses) == len(subtrees(*ranges[rank]))
            self.sums[rank] = [(s.copy(), loss) for s, loss in zip(sums, losses, strict=True)]
            self.meeting.wait()
            added = [[s.copy(), loss] for own in self.sums for s, loss in own]
            self.meeting.wait()
            for to, of in steps:
                added[to][0] += added[of][0]
                added[to][1] += added[of][1]
            sums[-1][...] = added[0][0]
            return added[0][1]

        return add

    def fit(self, train):
        """What train() returns in every thread."""

        def run(number):
            self.rank.number = number
            return train()

        with ThreadPoolExecutor(self.size) as pool:
            return list(pool.map(run, range(self.size)))


SETTINGS = [
    {"optimizer": "sgd", "batch_size": 50},
    {"optimizer": "adam", "batch_size": 64, "l2": 1e-3, "dropout": 0.3},
    {"optimizer": "adam", "batch_size": 5, "shuffle": False, "l1": 1e-3, "clip_norm": 0.1},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: str(settings["batch_size"]))
@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
def test_trainers_that_share_the_shards(size, settings, dtype, monkeypatch):
    """The engine's part of a training of many processes; the last batches leave some shards empty."""
    x, y = rng(1).normal(size=(153, 6)), rng(2).integers(0, 3, 153)
    weight = rng(3).uniform(0.5, 2, 153)

    def train():
        net = network(dtype)
        history = net.fit(x, y, sample_weight=weight, epochs=3, seed=0, shards=8, **settings)
        return net.parameters.tobytes(), history.loss

    want = train()
    assert len(want[1]) == 3
    assert Threads(monkeypatch, size).fit(train) == [want] * size


def test_a_loss_that_is_not_finite_in_one_trainer_ends_all(monkeypatch):
    x, y = rng(1).normal(size=(40, 6)), np.zeros((40, 3))
    y[33] = 1e200

    def train():
        net = nb.MLP(SIZES, dtype="float64", seed=0)
        before = net.parameters.tobytes()
        with pytest.raises(FloatingPointError):
            net.fit(x, y, batch_size=40, shuffle=False, shards=4)
        return net.parameters.tobytes() == before

    assert Threads(monkeypatch, 3).fit(train) == [True] * 3
