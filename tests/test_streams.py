"""A fit of a source: the bits of arrays in memory, where the orders are equal."""

import itertools

import numpy as np
import pytest
import resuming
from resuming import PLAIN, ROWS, cases, make, outcome, squares
from streaming import READER, Rows, as_source, division, order, readers

import nablas as nb

CASES = list(cases())
BLOCK = 100
ids = lambda case: "-".join(map(str, case.values()))  # noqa: E731


def fitted(case, change=lambda settings: settings, **more):
    net, settings = make(case, epochs=3)
    net.fit(**change(settings), **more)
    return net


def score_apart(net):
    """The outcome, and the scores on validation data, whose last bit may differ for R²."""
    sha, epochs, curves = outcome(net)
    curves = dict(curves)
    return [sha, epochs, curves], curves.pop("val_score")


def check_same(one, other):
    (one, scores), (other, others) = score_apart(one), score_apart(other)
    assert one == other
    np.testing.assert_allclose(scores, others, rtol=1e-12)


# ---- the same bits -------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_rows_that_fit_into_one_block(case):
    check_same(fitted(case), fitted(case, as_source))
    check_same(fitted(case), fitted(case, as_source, block_rows=ROWS))


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_rows_in_their_order(case):
    case = {**case, "shuffle": 1}
    check_same(fitted(case), fitted(case, as_source, block_rows=BLOCK))


@pytest.mark.parametrize("case", [c for c in CASES if c["validation"] == 0], ids=ids)
def test_rows_shuffled_in_blocks(case):
    """One epoch, the first, second and sixth of a network, is one in memory of the reordered rows."""
    now = resuming.chosen(case)
    for epoch in (0, 1, 5):
        net, settings = make({**case, "shuffle": 0}, epochs=1)
        twin, others = make({**case, "shuffle": 1}, epochs=1)
        net.engine.epochs = twin.engine.epochs = epoch
        net.fit(**as_source(settings), block_rows=BLOCK)
        places = order(ROWS, *division(ROWS, now["batch_size"], BLOCK), settings["seed"], epoch)
        assert sorted(places) == list(range(ROWS))
        for name in {"X", "y", "sample_weight"} & set(others):
            others[name] = others[name][places]
        twin.fit(**others)
        assert outcome(net) == outcome(twin)


def test_every_division_visits_every_row_once():
    """Blocks of whole batches, whatever the sizes; the order is the documented one."""
    x = np.arange(97.0)[:, np.newaxis]
    for batch, wanted, hint in itertools.product(
        (1, 7, 30, 97), (1, 20, 64, 96, 97, 500), (None, 10, 31)
    ):
        block, chunk = division(97, batch, wanted, hint)
        for shuffle in (True, False):
            source = Rows(x, np.zeros(97), **({} if hint is None else {"chunk_rows": hint}))
            seen = []

            def remember(outputs, targets, seen=seen):
                seen.append(outputs.copy())
                return 0.0, np.zeros_like(outputs)

            net = nb.MLP([1, 1], seed=0, init="zeros", dtype="float64")
            net.weights[0] = [[1.0]]
            net.fit(
                source, loss=remember, batch_size=batch, epochs=1, shuffle=shuffle, seed=9,
                block_rows=wanted,
            )  # fmt: skip
            want = order(97, block, chunk, 9, 0) if shuffle else np.arange(97)
            assert np.concatenate(seen).ravel().tolist() == want.tolist()
            assert [len(rows) for rows in seen] == [min(batch, 97 - i) for i in range(0, 97, batch)]


def test_any_number_of_threads():
    before = nb.num_threads()
    try:
        found = set()
        for threads in (1, 2, 3, 7):
            nb.set_num_threads(threads)
            found.add(outcome(fitted(PLAIN, as_source, block_rows=BLOCK))[0])
    finally:
        nb.set_num_threads(before)
    assert len(found) == 1


def test_many_blocks_of_long_sums():
    """Sums of more than 4,096 terms go on from block to block: of batches, and of rows scored."""
    x, y = resuming.data(9000)
    both = []
    for source in (False, True):
        net = nb.MLP([3, 5], output="softmax", seed=0)
        given = {"X": x[:, :3], "y": y, "validation_data": (x[:8500, :3], y[:8500])}
        if source:
            given = {**as_source(given), "block_rows": 1000}
        net.fit(**given, batch_size=1, epochs=2, shuffle=False)
        both.append(outcome(net))
    assert both[0] == both[1]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("class_weight", [None, "balanced", {"a": 2.0, "d": 0.5}], ids=str)
def test_classes_that_are_strings(class_weight, weighted):
    x, y = resuming.data()
    settings = {"X": x, "y": np.array(list("abcde"))[y], "class_weight": class_weight}
    if weighted:
        settings["sample_weight"] = np.random.default_rng(0).random(ROWS)
    both = []
    for given in (settings, {**as_source(settings), "block_rows": 64}):
        net = nb.MLP(resuming.SIZES, output="softmax", seed=0)
        net.fit(**given, batch_size=32, shuffle=False, epochs=2)
        assert net.classes == list("abcde")
        both.append(outcome(net))
    assert both[0] == both[1]


def test_sparse_rows():
    sparse = pytest.importorskip("scipy.sparse")
    x, y = resuming.data()
    settings = {"X": sparse.csr_array(np.where(x > 1, x, 0)), "y": y}
    for shuffle, block in ((True, None), (False, 64)):
        both = []
        for given in (settings, {**as_source(settings), "block_rows": block}):
            net = nb.MLP(resuming.SIZES, output="softmax", seed=0)
            net.fit(**given, batch_size=32, shuffle=shuffle, epochs=2)
            both.append(outcome(net))
        assert both[0] == both[1]


@pytest.mark.parametrize("dtype", ["float64", ">f4", "float16", "uint8", "bool", "int64"])
def test_every_dtype(dtype):
    x, y = resuming.data()
    settings = {"X": np.abs(x).astype(dtype), "y": y}
    both = []
    for given in (settings, {**as_source(settings), "block_rows": 64}):
        net = nb.MLP(resuming.SIZES, output="softmax", seed=0)
        net.fit(**given, batch_size=32, shuffle=False, epochs=2)
        both.append(outcome(net))
    assert both[0] == both[1]


# ---- reading -------------------------------------------------------------------------------------


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("block", [64, 500])
def test_what_is_read(shuffle, block):
    """On another thread, one read at a time, every row once an epoch; rows in one block once."""
    x, y = resuming.data()
    source, held_out = Rows(x, y), Rows(x[:90], y[:90])
    net = nb.MLP(resuming.SIZES, output="softmax", seed=0)
    net.fit(
        source, batch_size=16, epochs=3, shuffle=shuffle, block_rows=block, validation_data=held_out
    )
    assert source.most == held_out.most == 1
    assert source.threads == {"MainThread", READER}
    first, *reads = source.reads
    assert first == (0, 1)
    rows = np.bincount(np.concatenate([np.arange(*r) for r in reads]), minlength=ROWS)
    assert set(rows) == {1 if block > ROWS else 3}
    assert not readers()


def test_without_more_threads(monkeypatch):
    def start(self):
        raise RuntimeError("can't start new thread")

    want = outcome(fitted(PLAIN, as_source, block_rows=BLOCK))
    monkeypatch.setattr("threading.Thread.start", start)
    assert outcome(fitted(PLAIN, as_source, block_rows=BLOCK)) == want


def test_an_interrupt_without_more_threads(monkeypatch):
    """It ends the fit at whichever read it comes, also one ahead of what is never trained."""

    class Interrupted(Rows):
        at = None

        def read(self, rows):
            if len(self.reads) == self.at:
                raise KeyboardInterrupt
            return super().read(rows)

    def start(self):
        raise RuntimeError("can't start new thread")

    def fit(at):
        source = Interrupted(*resuming.data(), at=at)
        net = nb.MLP(resuming.SIZES, output="softmax", seed=0)
        stop = [lambda state: True]
        net.fit(source, batch_size=16, block_rows=BLOCK, epochs=3, callbacks=stop)
        return len(source.reads)

    monkeypatch.setattr("threading.Thread.start", start)
    reads = fit(None)
    assert reads > ROWS // BLOCK + 2  # the first row, an epoch, and what was read ahead
    for at in range(reads):
        with pytest.raises(KeyboardInterrupt):
            fit(at)


def test_a_source_among_other_data():
    """Arrays to train on with a source to validate on, and the other way round."""
    x, y = resuming.data()
    found = []
    for train, held_out in itertools.product((False, True), repeat=2):
        net = nb.MLP(resuming.SIZES, output="softmax", seed=0)
        given = (Rows(x, y),) if train else (x, y)
        other = Rows(x[:50], y[:50]) if held_out else (x[:50], y[:50])
        net.fit(*given, epochs=2, validation_data=other)
        found.append(outcome(net))
    assert all(one == found[0] for one in found)


def test_scores_of_validation_data_in_blocks():
    """For each output and loss, with distributions and with a loss in Python."""
    x, y = resuming.data()
    for output, loss, target in (
        ("softmax", None, y),
        ("softmax", None, np.eye(5)[y]),
        ("sigmoid", None, np.eye(5)[y]),
        ("identity", None, np.eye(5)[y]),
        ("identity", squares, np.eye(5)[y]),
        ("identity", None, np.column_stack([x[:, :4], np.ones(ROWS)])),
    ):
        found = []
        for source in (False, True):
            net = nb.MLP(resuming.SIZES, output=output, seed=0)
            held_out = Rows(x, target) if source else (x, target)
            more = {"block_rows": 64} if source else {}
            given = (Rows(x, target),) if source else (x, target)
            net.fit(*given, **more, loss=loss, epochs=2, validation_data=held_out, shuffle=False)
            found.append((outcome(net)[0], net.history.val_loss, net.history.val_score))
        assert found[0][0] == found[1][0]
        np.testing.assert_allclose(
            found[0][1:], found[1][1:], rtol=0 if loss is None and output != "identity" else 1e-12
        )


@pytest.mark.parametrize("small", [1e-30, 1e-50])
@pytest.mark.parametrize("rows", [slice(0, 1), slice(0, 64), slice(70, 90)])
def test_small_weights_of_some_rows(small, rows):
    """Only the sum of all weights is bounded, not that of a block."""
    x, y = resuming.data()
    weight = np.ones(ROWS)
    weight[rows] = small
    found = []
    for data in ((x, y, weight), (nb.data.ArraySource(x, y, weight),)):
        net, more = nb.MLP(resuming.SIZES, output="softmax", seed=0), {}
        if len(data) == 1:
            more = {"validation_data": data[0], "block_rows": 64}
        net.fit(*data[:2], sample_weight=weight if len(data) == 3 else None, batch_size=16,
                epochs=2, shuffle=False, **more)  # fmt: skip
        found.append(net.parameters.tobytes())
    assert found[0] == found[1]
