"""nablas.data: every kind of source gives the rows of the arrays in memory, and the bits of a fit."""

import os

import numpy as np
import pytest
import resuming
from streaming import Rows

import nablas as nb
from nablas.data import ArraySource, ArrowSource, CachedSource

X, CODES = resuming.data(1003)
X = X[:, :7]
WEIGHT = np.random.default_rng(0).random(len(X))
TEXT = np.array(list("abcde"))[CODES]


def table(pa, y=CODES):
    columns = {f"x{i}": X[:, i] for i in range(X.shape[1])}
    return pa.table({**columns, "y": y, "w": WEIGHT})


def arrow(made, **more):
    return ArrowSource(made, target="y", sample_weight="w", **more)


def saved(name, array, folder):
    np.save(folder / name, array)
    return np.load(folder / f"{name}.npy", mmap_mode="r")


def in_hdf5(folder):
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    file = h5py.File(folder / "a.h5", "w")
    return file.create_dataset("x", data=X, chunks=(100, 7)), file.create_dataset("y", data=CODES)


def in_zarr(folder):
    zarr = pytest.importorskip("zarr", reason="zarr is not installed")
    made = zarr.create_array(folder / "a.zarr", shape=X.shape, dtype="f4", chunks=(100, 7))
    made[:] = X
    return made


def written(folder, kind):
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    import pyarrow.parquet as pq
    from pyarrow import csv, feather

    whole, path = table(pa), str(folder / f"t.{kind}")
    if kind == "parquet":
        pq.write_table(whole, path, row_group_size=130)
    elif kind == "csv":
        csv.write_csv(whole, path)
    elif kind == "arrow":
        feather.write_feather(whole, path, chunksize=99)
    elif kind == "folder":
        (folder / "parts").mkdir()
        pq.write_table(whole[:400], folder / "parts/a.parquet", row_group_size=90)
        pq.write_table(whole[400:], folder / "parts/b.parquet")
        return arrow(folder / "parts")
    elif kind == "paths":
        pq.write_table(whole[:400], folder / "b.parquet")
        pq.write_table(whole[400:], folder / "a.parquet")
        return arrow([folder / "b.parquet", folder / "a.parquet"])
    elif kind == "table":
        return arrow(whole)
    elif kind == "lists":
        lists = pa.FixedSizeListArray.from_arrays(pa.array(X.ravel()), 7)
        return arrow(pa.table({"all": lists, "y": CODES, "w": WEIGHT}))
    return arrow(path)


KINDS = {
    "memory": lambda folder: ArraySource(X, CODES, WEIGHT),
    "lists": lambda folder: ArraySource(X.tolist(), CODES.tolist(), WEIGHT.tolist()),
    "memory map": lambda folder: ArraySource(saved("x", X, folder), saved("y", CODES, folder), WEIGHT),
    "several": lambda folder: ArraySource(
        [X[:10], saved("x", X[10:700], folder), X[700:]], [CODES[:5], CODES[5:]], [WEIGHT[:1000], WEIGHT[1000:]]
    ),
    "images": lambda folder: ArraySource(X[:, :6].reshape(-1, 2, 3), CODES),
    "hdf5": lambda folder: ArraySource(*in_hdf5(folder), WEIGHT),
    "zarr": lambda folder: ArraySource(in_zarr(folder), CODES, WEIGHT),
    **{
        f"arrow {kind}": lambda folder, kind=kind: written(folder, kind)
        for kind in ("parquet", "csv", "arrow", "folder", "paths", "table", "lists")
    },
    "cached": lambda folder: CachedSource(ArraySource(X, CODES, WEIGHT), folder),
    "cached text": lambda folder: CachedSource(Rows(X, TEXT, WEIGHT)),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_those_in_memory(kind, tmp_path):
    source = KINDS[kind](tmp_path)
    x = X[:, :6] if kind == "images" else X
    y = TEXT if kind == "cached text" else CODES
    assert source.shape == x.shape
    assert f"{source.shape}" in repr(source)
    places = np.sort(np.random.default_rng(0).integers(0, 1004, (30, 2)), axis=1)
    for begin, end in [
        (0, 1003),
        (1002, 1003),
        (0, 1),
        (129, 131),
        *places[places[:, 0] < places[:, 1]],
    ]:
        got, targets, *weight = source.read(slice(int(begin), int(end)))
        np.testing.assert_array_equal(got, x[begin:end], strict=kind != "lists")
        np.testing.assert_array_equal(targets, y[begin:end])
        for values in weight:
            np.testing.assert_array_equal(values, WEIGHT[begin:end])


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_are_no_range_of_the_source(kind, tmp_path):
    source = KINDS[kind](tmp_path)
    for wrong in (None, 3, [0, 1], np.arange(3), (0, 1), "x"):
        with pytest.raises(TypeError, match="^rows: expected a slice, got "):
            source.read(wrong)
    for wrong in ((0, 0), (5, 3), (-3, None), (0, 1004), (1003, 2000), (0, 10, 2), (0, 10, -1)):
        with pytest.raises(ValueError, match="^rows: expected "):
            source.read(slice(*wrong))
    with pytest.raises(TypeError, match="^rows: expected an integer, got float"):
        source.read(slice(0.0, 3))
    np.testing.assert_array_equal(source.read(slice(None))[1], source.read(slice(0, 1003))[1])


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "images"])
def test_a_fit_has_the_bits_of_one_in_memory(kind, tmp_path):
    def parameters(*given, **more):
        net = nb.MLP(
            [7, 6, 5], output="softmax", seed=0, dtype="float64" if kind == "lists" else "float32"
        )
        net.fit(*given, epochs=2, **more)
        return net.parameters.tobytes()

    y = TEXT if kind == "cached text" else CODES
    source = KINDS[kind](tmp_path)
    if kind == "lists":
        assert parameters(source) == parameters(X.astype("f8"), y, sample_weight=WEIGHT)
    assert parameters(source) == parameters(X, y, sample_weight=WEIGHT) if kind != "hdf5" else True
    assert parameters(source, shuffle=False, block_rows=300) == parameters(
        X, y, sample_weight=WEIGHT, shuffle=False
    )


def test_a_cache_changes_no_bits(tmp_path):
    """The blocks are those of the source that it was made of."""
    source = KINDS["arrow parquet"](tmp_path)
    found = []
    for given in (source, CachedSource(source, tmp_path)):
        net = nb.MLP([7, 6, 5], output="softmax", seed=0)
        net.fit(given, epochs=2, block_rows=300)
        found.append(net.parameters.tobytes())
    assert found[0] == found[1]
    assert source.chunk_rows == 125


def test_a_cache_is_removed(tmp_path):
    (folder := tmp_path / "cache").mkdir()
    with CachedSource(ArraySource(X, CODES), folder) as source:
        assert not [name for name in os.listdir(folder) if os.name == "posix"]
    with pytest.raises(ValueError, match="cache: expected an open one"):
        source.read(slice(0, 1))

    class Fails(Rows):
        def read(self, rows):
            if rows.start > 0:
                raise OSError("no rows")
            return super().read(rows)

    with pytest.raises(OSError, match="no rows"):
        CachedSource(Fails(X, CODES), folder)
    assert os.listdir(folder) == []
    with pytest.raises(FileNotFoundError):
        CachedSource(ArraySource(X, CODES), tmp_path / "none")
    with pytest.raises(TypeError, match="source: expected an object with shape and read, got list"):
        CachedSource([1])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((X, CODES[1:]), "y: expected 1003 rows like X, got 1002"),
        ((X, CODES, WEIGHT[1:]), "sample_weight: expected 1003 rows like X, got 1002"),
        ((X, 3), "y: expected 1003 rows like X, got a scalar"),
        ((CODES, CODES), "X: expected at least 2 dimensions"),
        (([X, X[:, 1:]], CODES), r"X\[1\]: expected shape \(n, ...\) like \(1003, 7\)"),
        (([np.ma.masked_equal(X, X[0, 0])], CODES), "X: expected an array without masked"),
        ((np.ma.masked_equal(X, X[0, 0]), CODES), "X: expected an array without masked"),
    ],
)
def test_arrays_that_do_not_fit(given, message):
    with pytest.raises((ValueError, TypeError), match=message):
        ArraySource(*given)


def test_columns_that_are_no_numbers():
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    made = pa.table({"a": [1.0, None], "t": ["u", "v"], "y": [0, 1], "l": [[1.0], [2.0]]})
    for more, message in (
        ({"target": "z"}, "target: expected a column among a, t, y, l, got 'z'"),
        ({"target": "y", "features": ["b"]}, "features: expected a column among .*, got 'b'"),
        (
            {"target": "y", "sample_weight": "w"},
            "sample_weight: expected a column among .*, got 'w'",
        ),
        ({"target": "y"}, "column 't': expected numbers, got string"),
        ({"target": "y", "features": ["l"]}, "column 'l': expected numbers, got list"),
        (
            {"target": "y", "features": "a"},
            "features: expected a sequence of column names, got str",
        ),
        ({"target": "y", "dtype": "int8"}, "dtype: expected float32 or float64"),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            ArrowSource(made, **more)
    for more, message in (
        ({"target": "y", "features": ["a"]}, "column 'a': expected values, got none in row 1"),
        ({"target": "a", "features": ["y"]}, "column 'a': expected values, got none in row 1"),
    ):
        with pytest.raises(ValueError, match=message):
            ArrowSource(made, **more).read(slice(0, 2))


def test_columns_of_other_types(tmp_path):
    """Truth values, decimals, dictionaries; text as target; partitions' columns."""
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    import pyarrow.dataset as ds

    made = pa.table(
        {
            "b": pa.array([True, False, True, True]),
            "d": pa.array(["1.5", "2.5", "3.5", "4.5"]).cast(pa.decimal128(5, 2)),
            "i": pa.array([1, 2, 3, 4], pa.int8()),
            "p": [7, 7, 9, 9],
            "y": pa.array(["u", "v", "u", "w"]).dictionary_encode(),
        }
    )
    want = [[1, 1.5, 1, 7], [0, 2.5, 2, 7], [1, 3.5, 3, 9], [1, 4.5, 4, 9]]
    ds.write_dataset(
        made, tmp_path, format="parquet", partitioning=["p"], partitioning_flavor="hive"
    )
    for given in (made, tmp_path):
        source = ArrowSource(given, target="y", features=["b", "d", "i", "p"], dtype="float64")
        x, y = source.read(slice(0, 4))
        assert x.tolist() == want
        assert x.dtype == np.float64
        assert y.tolist() == ["u", "v", "u", "w"]


def test_datasets_that_change(tmp_path):
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    import pyarrow.dataset as ds
    from pyarrow import csv

    path = tmp_path / "t.csv"
    csv.write_csv(table(pa), path)
    source = arrow(path)
    csv.write_csv(table(pa)[:5], path)
    with pytest.raises(ValueError, match="expected as many rows as at first, got fewer"):
        source.read(slice(0, 1003))
    filtered = ds.dataset(table(pa)).filter(ds.field("y") > 2)
    with pytest.raises(ValueError, match="filter"):
        arrow(filtered)
