"""Rows of arrays and memory maps are trained on where they lie: the bits of rows that are copied."""

import mmap
import re

import numpy as np
import pytest
from resuming import PLAIN, cases, make, outcome, resumed, written
from streaming import as_source
from test_streams_stopped import streamed

import nablas as nb
from nablas import _streams
from nablas.data import _arrays

BLOCK = 100
CASES = list(cases())
ids = lambda case: "-".join(map(str, case.values()))  # noqa: E731


def mapped(array, folder):
    """A memory map of an array, behind other bytes of its file."""
    path = folder / f"{len(list(folder.iterdir()))}"
    path.write_bytes(bytes(8) + np.ascontiguousarray(array).tobytes())
    return np.memmap(path, array.dtype, "r", 8, array.shape)


def part_of_a_map(array, folder):
    """Rows of a memory map that begins before them."""
    return mapped(np.concatenate([array[:5], array]), folder)[5:]


KINDS = {
    "arrays": lambda arrays, folder: nb.data.ArraySource(*arrays),
    "Fortran": lambda arrays, folder: nb.data.ArraySource(*map(np.asfortranarray, arrays)),
    "maps": lambda arrays, folder: nb.data.ArraySource(*(mapped(a, folder) for a in arrays)),
    "part": lambda arrays, folder: nb.data.ArraySource(part_of_a_map(arrays[0], folder), *arrays[1:]),
    "cache": lambda arrays, folder: nb.data.CachedSource(nb.data.ArraySource(*arrays)),
}  # fmt: skip


def fitted(case, change=lambda rows: rows, **more):
    net, settings = make(case, epochs=3)
    given = as_source(settings)
    for name in ("X", "validation_data"):
        if given.get(name) is not None:
            given[name] = change(given[name])
    net.fit(**given, **{"block_rows": BLOCK, **more})
    return outcome(net)


@pytest.fixture
def copies(monkeypatch):
    """The blocks that are copied, but for those of rows that fit into one."""
    made, gather = [], _streams.gather

    def counted(source, ranges, *given):
        if sum(end - begin for begin, end in ranges) < source.rows:
            made.append(ranges)
        return gather(source, ranges, *given)

    monkeypatch.setattr(_streams, "gather", counted)
    return made


@pytest.fixture
def room(monkeypatch):
    """Memory for targets, which these tests' few columns would not leave."""
    in_place = _streams.rows_in_place
    monkeypatch.setattr(_streams, "rows_in_place", lambda source, most: in_place(source, 2**30))


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_the_bits_of_copied_rows(case, tmp_path, copies, room):
    want = fitted(case)
    del copies[:]
    kind = list(KINDS)[CASES.index(case) % len(KINDS)]
    assert fitted(case, lambda rows: KINDS[kind](rows.arrays, tmp_path)) == want
    _, settings = make(case, epochs=0)
    in_python = callable(settings.get("loss")) and settings.get("shuffle", True)
    assert in_python or not copies


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("shards", [1, 4])
def test_every_kind_of_array(kind, shuffle, shards, tmp_path, copies, room):
    case = {**PLAIN, "shuffle": int(not shuffle)}
    want = fitted(case, shards=shards)
    del copies[:]
    assert fitted(case, lambda rows: KINDS[kind](rows.arrays, tmp_path), shards=shards) == want
    assert not copies


@pytest.mark.parametrize(
    "dtype", ["float32", "float64", ">f4", "uint8", "int16", "bool", "float16"]
)
def test_every_dtype(dtype, tmp_path, copies, room):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 2, (300, 4)).astype(dtype), rng.integers(0, 3, 300)
    found = []
    for source in (
        nb.data.ArraySource([x[:1], x[1:]], y),
        nb.data.ArraySource(mapped(x, tmp_path), y),
    ):
        del copies[:]
        net = nb.MLP([4, 5, 3], output="softmax", seed=0)
        net.fit(source, epochs=2, block_rows=BLOCK)
        found.append(net.parameters.tobytes())
    assert found[0] == found[1]
    assert (dtype == "float16") == bool(copies)  # the core reads no float16: blocks are converted


def test_targets_that_need_more_memory_than_a_block(copies):
    """They are read block by block like copied rows."""
    x = np.zeros((300, 1), np.float32)
    nb.MLP([1, 40], seed=0).fit(nb.data.ArraySource(x, np.zeros((300, 40))), block_rows=20)
    assert copies


class Doubled(nb.data.ArraySource):
    """A class with a `read` of its own."""

    def read(self, rows):
        x, y = super().read(rows)
        return 2 * x, y


def test_a_read_of_ones_own_is_called():
    x, y = np.random.default_rng(0).normal(size=(300, 4)), np.arange(300) % 3
    found = []
    for source in (Doubled(x, y), nb.data.ArraySource(2 * x, y)):
        net = nb.MLP([4, 3], output="softmax", seed=0)
        net.fit(source, epochs=2, block_rows=BLOCK)
        found.append(net.parameters.tobytes())
    assert found[0] == found[1]


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e39])
@pytest.mark.parametrize("row", [0, 150, 299])
@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_are_not_finite(kind, row, bad, tmp_path, room):
    x, y = np.ones((300, 2)), np.zeros(300)
    x[row, 1] = bad
    net = nb.MLP([2, 1], seed=0)
    with pytest.raises(ValueError, match="X: expected finite values"):
        net.fit(KINDS[kind]((x, y), tmp_path), epochs=1, block_rows=BLOCK)


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_names_the_rows_that_were_looked_at(kind, tmp_path, room):
    """Of X those of a chunk or of several neighbours, of labels all."""
    places = []
    for wrong in ("X", "y"):
        x, y = np.ones((300, 2)), np.arange(300) % 2
        if wrong == "X":
            x[150] = np.nan
        else:
            y[150] = 7
        net = nb.MLP([2, 2], output="softmax", seed=0)
        with pytest.raises(ValueError, match=f"^{wrong}: .*, of the source's rows") as error:
            net.fit(KINDS[kind]((x, y), tmp_path), epochs=1, block_rows=BLOCK)
        places.append(
            tuple(map(int, re.search(r"rows (\d+) to (\d+)$", str(error.value)).groups()))
        )
    (begin, end), labels = places
    assert begin <= 150 < end <= begin + BLOCK
    assert labels == (0, 300)


@pytest.mark.parametrize("kind", KINDS)
def test_resumed_after_every_batch(kind, tmp_path, room, copies):
    given = streamed(PLAIN)
    (tmp_path / "files").mkdir()
    given["X"] = KINDS[kind](given["X"].arrays, tmp_path)
    net, settings = make(PLAIN, epochs=4, **given)
    net.fit(**settings)
    got, files = written(PLAIN, tmp_path / "files", **given)
    assert got == outcome(net)
    del copies[:]
    for path in files:
        assert resumed(PLAIN, path, **given) == got, path.name
    assert not [ranges for ranges in copies if len(ranges) > 1]  # but the fingerprint's rows


@pytest.mark.parametrize("first", [0, 5])
def test_the_bytes_of_rows(first, tmp_path):
    x = mapped(np.zeros((4096, 100), np.float32), tmp_path)[first:]
    ranges = [(0, 1), (10, 500), (4000, 4096 - first)]
    found = _arrays.spans(x, np.frombuffer(x._mmap, np.uint8), ranges)
    for (low, high), (begin, end) in zip(found, ranges, strict=True):
        start = 8 + 400 * (first + begin)
        assert low % mmap.PAGESIZE == 0
        assert low <= start < low + mmap.PAGESIZE
        assert high == 8 + 400 * (first + end) <= len(x._mmap)
    nb.data.ArraySource(x, np.zeros(len(x))).prefetch(ranges)
