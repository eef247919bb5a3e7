"""Sources: no read changes numbers silently, and forked children go on."""

import itertools
import os
import signal
import threading
import time
import warnings

import numpy as np
import pytest
from streaming import Rows

import nablas as nb
from nablas import _sources
from nablas.data import ArraySource, ArrowSource, CachedSource, _arrow, _cache

N = 48
REAL = ["f2", "f4", "f8", "g", "i1", "i2", "i8", "u1", "u8", "?", ">f4", ">i2"]
X = np.random.default_rng(0).integers(0, 2, (N, 3))
LABELS = X[:, 0] ^ X[:, 1]
TEXT = np.array(["no", "certainly"])[LABELS]
STRINGS = getattr(np.dtypes, "StringDType", lambda: object)()


def trained(*data, dtype="float32", **more):
    net = nb.MLP([data[0].shape[1], 4, 2], output="softmax", seed=0, dtype=dtype)
    net.fit(*data, epochs=2, **{"batch_size": 8, **more})
    return net.parameters.tobytes()


def trained_on_targets(source):
    net = nb.MLP([3, 1], seed=0)
    net.fit(source, epochs=1, batch_size=8, block_rows=16)
    return net.parameters.tobytes()


@pytest.fixture(autouse=True)
def pieces(monkeypatch):
    """A cache reads a source often."""
    monkeypatch.setattr(_cache, "PIECE", 100)


# ---- what a cache keeps --------------------------------------------------------------------------

KEPT = {
    **{f"X {kind}": (X.astype(kind), LABELS, None) for kind in REAL},
    **{f"y {kind}": (X, LABELS.astype(kind), None) for kind in REAL},
    **{f"sample_weight {kind}": (X, LABELS, (1 + X[:, 2]).astype(kind)) for kind in REAL},
    "strings": (X, TEXT, None),
    "objects": (X, TEXT.astype(object), None),
    "NumPy's strings": (X, np.array(TEXT.tolist(), STRINGS), None),
    "a column of strings": (X, TEXT[:, np.newaxis], X[:, 1] + 0.1),
    "a column of objects": (X, TEXT.astype(object)[:, np.newaxis], None),
    "fractions": (X / 3, LABELS, X[:, 2] / 3),
    "two targets": (X, X[:, :2] / 7, None),
    "Fortran": (np.asfortranarray(X), np.asfortranarray(X[:, :2]), X[::-1, 2]),
    "lists": (X, LABELS.tolist(), X[:, 0].tolist()),
}  # fmt: skip


def check_kept(source):
    with CachedSource(source) as kept:
        for begin, end in ((0, 1), (0, N), (7, 33), (N - 1, N)):
            rows = slice(begin, end)
            for got, want in zip(kept.read(rows), source.read(rows), strict=True):
                np.testing.assert_array_equal(got, want)
                if np.asarray(want).dtype.kind in "fiub":
                    assert got.dtype == want.dtype.newbyteorder("=")


@pytest.mark.parametrize("name", KEPT)
def test_a_cache_keeps_every_number(name):
    check_kept(ArraySource(*KEPT[name]))


def test_a_cache_reads_every_row_once():
    source = Rows(X.astype("f4"), LABELS)
    CachedSource(source)
    assert np.concatenate([np.arange(*rows) for rows in source.reads]).tolist() == list(range(N))
    assert len(source.reads) > 3


@pytest.mark.parametrize("name", [n for n in KEPT if n[:3] not in ("y f", "y g", "y >")])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_fit_of_a_cache_has_the_bits_of_its_source(name, dtype):
    source = ArraySource(*KEPT[name])
    with CachedSource(source) as kept:
        for more in ({}, {"block_rows": 16}):
            assert trained(kept, dtype=dtype, **more) == trained(source, dtype=dtype, **more)


@pytest.mark.parametrize("kind", ["object", "string", "category"])
def test_labels_of_pandas(kind):
    pandas = pytest.importorskip("pandas")
    source = ArraySource(X, pandas.Series(TEXT, dtype=kind))
    check_kept(source)
    assert trained(CachedSource(source)) == trained(ArraySource(X, TEXT))


@pytest.mark.parametrize("bad", [None, 1.5, b"no", np.nan])
@pytest.mark.parametrize("place", [0, 20, N - 1])
def test_objects_that_are_no_text(bad, place):
    y = TEXT.astype(object)
    y[place] = bad
    for give in (trained, CachedSource):
        with pytest.raises((TypeError, ValueError), match="^y: expected "):
            give(ArraySource(X, y))


# ---- answers that change -------------------------------------------------------------------------


class Changing(Rows):
    """Gives other arrays from some row on."""

    def __init__(self, change, since):
        super().__init__(X.astype("f4"), LABELS, np.ones(N))
        self.change, self.since = change, since

    def read(self, rows):
        found = super().read(rows)
        return found if rows.start < self.since else self.change(*found)


def longer(array):
    return np.concatenate([array, array[:1]])


CHANGES = {
    **{f"X of {k}": lambda x, y, w, k=k: (x.astype(k), y, w) for k in REAL if k not in ("f4", ">f4")},
    **{f"y of {k}": lambda x, y, w, k=k: (x, y.astype(k), w) for k in REAL if k != "i8"},
    "fractions as y": lambda x, y, w: (x, y + 0.7, w),
    "text as y": lambda x, y, w: (x, y.astype(str), w),
    "objects as y": lambda x, y, w: (x, y.astype(object), w),
    "a column as y": lambda x, y, w: (x, y[:, np.newaxis], w),
    "two columns as y": lambda x, y, w: (x, np.eye(2)[y], w),
    "a row less": lambda x, y, w: (x[1:], y[1:], w[1:]),
    "a row more": lambda x, y, w: (longer(x), longer(y), longer(w)),
    "X shorter": lambda x, y, w: (x[1:], y, w),
    "y shorter": lambda x, y, w: (x, y[1:], w),
    "y longer": lambda x, y, w: (x, longer(y), w),
    "weights shorter": lambda x, y, w: (x, y, w[1:]),
    "weights longer": lambda x, y, w: (x, y, longer(w)),
    "a column less": lambda x, y, w: (x[:, 1:], y, w),
    "a column more": lambda x, y, w: (np.c_[x, x[:, 0]], y, w),
    "X flat": lambda x, y, w: (x.ravel(), y, w),
    "X as images": lambda x, y, w: (x[:, np.newaxis], y, w),
    "X of text": lambda x, y, w: (x.astype(str), y, w),
    "no weights": lambda x, y, w: (x, y),
    "None as weights": lambda x, y, w: (x, y, None),
    "weights of text": lambda x, y, w: (x, y, w.astype(str)),
    "masked X": lambda x, y, w: (np.ma.masked_array(x, x == x), y, w),
    "X alone": lambda x, y, w: x,
}  # fmt: skip


@pytest.mark.parametrize("since", [1, 9])
@pytest.mark.parametrize("name", CHANGES)
def test_answers_that_change_are_refused(name, since):
    """By a cache as by a fit: from the second read on, and later."""
    fit = lambda source: trained(source, block_rows=8, shuffle=False)  # noqa: E731
    for give in (fit, CachedSource)[name in ("X of f2", "X of g") :]:  # a fit converts these
        with pytest.raises((TypeError, ValueError), match="^(X|y|sample_weight|source): expected "):
            give(Changing(CHANGES[name], since))


def test_a_cache_tells_what_differs():
    for before, after in itertools.permutations(REAL[:10], 2):
        for place, name in ((0, "X"), (1, "y"), (2, "sample_weight")):

            def change(*arrays, place=place, after=after):
                return [a.astype(after) if i == place else a for i, a in enumerate(arrays)]

            source = Changing(change, 5)
            arrays = list(source.arrays)
            arrays[place] = arrays[place].astype(before)
            source.arrays = tuple(arrays)
            kinds = [str(np.dtype(kind)) for kind in (before, after)]
            message = (
                f"^{name}: expected dtype {kinds[0]}, .* as in the first row, got dtype {kinds[1]}"
            )
            with pytest.raises(TypeError, match=message):
                CachedSource(source)


def test_weights_that_come_later():
    source = Changing(lambda x, y, w: (x, y, w), 5)
    source.read = lambda rows: Changing.read(source, rows)[: 3 if rows.start >= 5 else 2]
    with pytest.raises(TypeError, match="^sample_weight: expected None as in the first row, got"):
        CachedSource(source)


@pytest.mark.parametrize("sizes", [(N - 1, 3), (N + 1, 3), (N, 4)])
def test_a_shape_that_changes(sizes):
    source = Changing(lambda *arrays: arrays, 0)

    def change(*arrays):
        source.shape = sizes
        return arrays

    source.change, source.since = change, 5
    with pytest.raises(ValueError, match=r"^source: expected shape \(48, 3\) as before, got"):
        CachedSource(source)


# ---- parts of different dtypes -------------------------------------------------------------------


@pytest.mark.parametrize(("one", "other"), list(itertools.permutations(REAL, 2)))
def test_parts_of_different_dtypes(one, other):
    """They are read in the dtype that holds all; those of y have to be of one kind."""
    cut = 20
    x = [(X[:cut] / 3).astype(one), (X[cut:] / 3).astype(other)]
    weight = [1 + part[:, 2] for part in x]
    source, want = ArraySource(x, LABELS, weight), [np.concatenate(x), np.concatenate(weight)]
    for rows in (slice(0, 5), slice(cut, N), slice(10, 30)):
        got = source.read(rows)
        for values, all_of_them in ((got[0], want[0]), (got[2], want[1])):
            np.testing.assert_array_equal(values, all_of_them[rows])
            assert values.dtype.newbyteorder("=") == all_of_them.dtype
    data = want[0], LABELS
    assert trained(source, shuffle=False, block_rows=16) == trained(
        *data, sample_weight=want[1], shuffle=False
    )
    parts = [LABELS[:cut].astype(one), LABELS[cut:].astype(other)]
    kinds = [np.dtype(kind).newbyteorder("=") for kind in (one, other)]
    together = np.concatenate(parts)
    alike = {kind.kind for kind in kinds} <= {"i", "u"} and together.dtype.kind in "iu"
    if alike or {kind.kind for kind in kinds} == {"f"} or kinds[0] == kinds[1]:
        got = ArraySource(X, parts).read(slice(0, N))[1]
        assert got.dtype.newbyteorder("=") == together.dtype
        assert trained_on_targets(ArraySource(X, parts)) == trained_on_targets(
            ArraySource(X, together)
        )
        return
    message = f"^y: expected parts of one dtype, .* got dtype {kinds[0]}, .* dtype {kinds[1]},"
    with pytest.raises(TypeError, match=message):
        ArraySource(X, parts)


def test_parts_that_need_no_conversion():
    for parts in (
        [TEXT[:20], TEXT[20:].astype("U30")],
        [TEXT[:20].astype(object), TEXT[20:]],
        [TEXT, np.empty(0)],
    ):
        assert trained(ArraySource(X, parts)) == trained(X, TEXT)
    with pytest.raises(TypeError, match="^y: expected parts of one dtype, .* got dtype str"):
        ArraySource(X, [TEXT[:20], LABELS[20:]])
    source = ArraySource([X[:0].astype("f8"), X.astype("f4")], LABELS)
    assert source.read(slice(0, 3))[0].dtype == np.float32


def test_sparse_parts_of_different_dtypes():
    sparse = pytest.importorskip("scipy.sparse")
    source = ArraySource(
        [sparse.csr_array(X[:20].astype("f4")), sparse.csr_array(X[20:].astype("f8"))], LABELS
    )
    assert trained(source, block_rows=16, shuffle=False) == trained(X, LABELS, shuffle=False)
    assert source.read(slice(0, 3))[0].dtype == source.read(slice(30, 33))[0].dtype == np.float64


# ---- forked children -----------------------------------------------------------------------------

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def in_a_child(run):
    """Fork; the child ends with what `run` returns, by an alarm if it hangs. Its status."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads
        child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    signal.alarm(30)
    status = 1
    try:
        status = run()
    finally:
        os._exit(status)


def table(folder, form):
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    from pyarrow import csv, parquet

    made = pa.table({f"x{i}": X[:, i] for i in range(3)} | {"y": LABELS})
    if form == "csv":
        csv.write_csv(made, folder / "t.csv")
    elif form == "parquet":
        parquet.write_table(made, folder / "t.parquet", row_group_size=20)
    return ArrowSource(made if form == "table" else folder / f"t.{form}", target="y")


@forks
@pytest.mark.parametrize("form", ["parquet", "csv", "table"])
def test_a_table_in_a_child_forked_while_it_is_read(form, tmp_path, monkeypatch):
    source, plain = table(tmp_path, form), _arrow._plain
    source.read(slice(0, 5))  # a unit is open
    reached, go_on = threading.Event(), threading.Event()

    def slow(*given):
        if threading.current_thread() is reader:
            reached.set()
            go_on.wait(60)
        return plain(*given)

    monkeypatch.setattr(_arrow, "_plain", slow)
    reader = threading.Thread(target=lambda: source.read(slice(3, N)))
    reader.start()
    assert reached.wait(60)

    def read():
        for rows in (slice(0, N), slice(30, 40), slice(5, 8)):
            np.testing.assert_array_equal(source.read(rows)[0], X[rows])
        trained(source)
        return 7

    try:
        assert in_a_child(read) == 7
    finally:
        go_on.set()
        reader.join()
    np.testing.assert_array_equal(source.read(slice(0, N))[0], X)


class Slow(Rows):
    """A read takes a moment, so that a block is being read when a callback is called."""

    def read(self, rows):
        time.sleep(0.01)
        return super().read(rows)


def sources(folder, kind):
    if kind == "slow":
        return Slow(X.astype("f4"), LABELS)
    if kind == "in place":
        return ArraySource(X.astype("f4"), LABELS)
    return table(folder, kind)


@forks
@pytest.mark.parametrize("validated", [False, True])
@pytest.mark.parametrize("kind", ["slow", "in place", "parquet", "csv"])
def test_a_fit_goes_on_in_a_child(kind, validated, tmp_path):
    """Parent and child end with the bits of a fit without a fork."""
    more = {"block_rows": 16, "epochs": 3, "batch_size": 8}
    if validated:
        more["validation_data"] = sources(tmp_path, kind)
    nets = [nb.MLP([3, 4, 2], output="softmax", seed=0) for _ in range(2)]
    nets[0].fit(sources(tmp_path, kind), **more)
    parent, children = os.getpid(), []

    def fork(state):
        if os.getpid() == parent:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                children.append(os.fork())
            if children[-1] == 0:
                signal.alarm(30)

    try:
        nets[1].fit(sources(tmp_path, kind), callbacks=[fork], **more)
    finally:
        if os.getpid() != parent:
            os._exit(7 if nets[1].parameters.tobytes() == nets[0].parameters.tobytes() else 1)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [7] * 3
    assert nets[1].parameters.tobytes() == nets[0].parameters.tobytes()
    assert nets[1].history.val_loss == nets[0].history.val_loss


@forks
def test_a_checked_source_in_a_child_forked_while_it_is_read():
    """The lock that a living object holds is free there."""
    source = Rows(X.astype("f4"), LABELS)
    checked = _sources.Checked(source, "float32")
    reached, go_on = threading.Event(), threading.Event()
    plain = source.read

    def slow(rows):
        reached.set()
        go_on.wait(60)
        return plain(rows)

    source.read = slow
    reader = threading.Thread(target=lambda: checked.read(0, 5))
    reader.start()
    assert reached.wait(60)

    def read():
        source.read = plain
        return 7 if len(checked.read(0, 9).y) == 9 else 1

    try:
        assert in_a_child(read) == 7
    finally:
        go_on.set()
        reader.join()
