"""A source's blocks of the default size: numbers decide them, not dtypes nor the first row."""

import numpy as np
import pytest
from test_sources_trust import REAL, trained

from nablas import _data, _sources
from nablas.data import ArraySource, ArrowSource, CachedSource

ROWS, COLUMNS = 500, 40
MANY = np.random.default_rng(0).integers(0, 2, (ROWS, COLUMNS)).astype("f4")
CODES = MANY[:, 0].astype(int)
WORDS = np.array(["a", "b"])[CODES]


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(_sources, "BLOCK_BYTES", 20_000)


def blocks(source, dtype="float32"):
    return _sources.divide(_sources.Checked(source, dtype), 16, None)


SAME = {
    **{f"X {kind}": lambda kind=kind: ArraySource(MANY.astype(kind), CODES) for kind in REAL},
    **{f"y {kind}": lambda kind=kind: ArraySource(MANY, CODES.astype(kind)) for kind in REAL},
    "strings": lambda: ArraySource(MANY, WORDS),
    "long strings": lambda: ArraySource(MANY, WORDS.astype("U50")),
    "objects": lambda: ArraySource(MANY, WORDS.astype(object)),
    "a column": lambda: ArraySource(MANY, CODES[:, np.newaxis]),
    "lists": lambda: ArraySource(MANY.tolist(), CODES.tolist()),
    "cache": lambda: CachedSource(ArraySource(MANY, CODES)),
    "cache of strings": lambda: CachedSource(ArraySource(MANY, WORDS)),
    "cache of bytes": lambda: CachedSource(ArraySource(MANY.astype("u1"), CODES.astype("i1"))),
}  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_the_dtypes_of_the_same_numbers_change_no_blocks(name, small_blocks):
    want = blocks(ArraySource(MANY, CODES))
    assert 1 < want.count < 20
    assert want.block_rows == 20_000 // (4 * COLUMNS + 40) // 16 * 16  # in float32, a label's 40
    source = SAME[name]()
    assert blocks(source) == want
    assert blocks(source, "float64") == blocks(ArraySource(MANY, CODES), "float64")
    if name[:3] not in ("y f", "y g", "y >"):
        assert trained(source, batch_size=16) == trained(ArraySource(MANY, CODES), batch_size=16)


@pytest.mark.parametrize("kind", REAL)
def test_the_dtype_of_weights_changes_no_blocks(kind, small_blocks):
    want = blocks(ArraySource(MANY, CODES, np.ones(ROWS)))
    assert blocks(ArraySource(MANY, CODES, np.ones(ROWS, kind))) == want


def test_tables_and_their_caches_have_the_same_blocks(small_blocks):
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    columns = {f"x{i}": MANY[:, i] for i in range(COLUMNS)}
    found = set()
    for y in (CODES, CODES.astype("i1"), WORDS, pa.array(WORDS).dictionary_encode()):
        source = ArrowSource(pa.table({**columns, "y": y}), target="y")
        for given in (source, CachedSource(source)):
            found.add((blocks(given), trained(given)))
    assert len(found) == 1


def sparse_rows(first, index="i4", zeros=False):
    sparse = pytest.importorskip("scipy.sparse")
    x = np.where(np.arange(COLUMNS) < 10, MANY, 0)
    x[0] = first
    made = sparse.csr_array(x)
    if zeros:  # kept explicitly
        made = sparse.csr_array(x + 1)
        made.data -= 1
    made.indices, made.indptr = made.indices.astype(index), made.indptr.astype(index)
    return made, x


def test_the_first_sparse_row_does_not_decide_the_blocks(small_blocks):
    found = {first: blocks(ArraySource(sparse_rows(first)[0], CODES)) for first in (0, 1)}
    mean = np.count_nonzero(sparse_rows(0)[1]) / ROWS
    for one in found.values():
        assert 1 < one.count < 10
        expected = 20_000 / (8 * mean + 40)
        assert 0.8 * expected < one.block_rows < 1.2 * expected


@pytest.mark.parametrize("kind", [kind for kind in REAL if kind not in ("f2", ">f4", ">i2")])
def test_sparse_rows_of_the_same_numbers_have_the_same_blocks(kind, small_blocks):
    same = ArraySource(sparse_rows(1)[0], CODES)
    for index, zeros in (("i4", False), ("i8", False), ("i4", True)):
        source = ArraySource(sparse_rows(1, index, zeros)[0].astype(kind), CODES)
        assert blocks(source) == blocks(same)
    assert trained(source, batch_size=64) == trained(same, batch_size=64)


# ---- half precision ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["f2", "g"])
def test_blocks_of_dtypes_that_the_core_does_not_read(kind, tmp_path, monkeypatch):
    """Never all rows of a memory map at once."""
    x = np.tile(MANY, 5)  # as long as the targets of all rows need less than a block
    np.save(tmp_path / "x.npy", x.astype(kind))
    source = ArraySource(np.load(tmp_path / "x.npy", mmap_mode="r"), CODES)
    rows, convert = [], _data.as_matrix

    def counted(x, *more):
        rows.append(x.shape[0])
        return convert(x, *more)

    monkeypatch.setattr(_data, "as_matrix", counted)
    found = trained(source, block_rows=64, shuffle=False)
    assert 0 < max(rows) <= 64
    assert found == trained(x, CODES, shuffle=False)
