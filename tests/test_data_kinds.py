"""nablas.data: what a fit takes, in every form; missing values of every column in every format."""

import decimal
import json

import numpy as np
import pytest

import nablas as nb
from nablas.data import ArraySource, ArrowSource, CachedSource

N = 40
X = np.random.default_rng(0).integers(-3, 4, (N, 4)).astype("f4")
Y = (X[:, 0] > 0).astype(int)


class Convertible:
    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return np.array(self.array, dtype, copy=copy)


def sparse(name):
    return lambda: getattr(pytest.importorskip("scipy.sparse"), name)(X)


def frame(library, **how):
    module = library.partition(".")[0]
    names = [f"x{i}" for i in range(X.shape[1])]
    made = pytest.importorskip(module).DataFrame(dict(zip(names, X.T, strict=True)))
    return made if not how else made.astype(how["dtype"]).set_index(np.arange(N)[::-1] + 0.5)


def torch_tensor():
    return pytest.importorskip("torch").tensor(X)


def memory_map(tmp_path):
    np.save(tmp_path / "x.npy", X)
    return np.load(tmp_path / "x.npy", mmap_mode="r")


def read_only():
    made = X.copy()
    made.setflags(write=False)
    return made


FORMS = {
    **{dtype: lambda dtype=dtype: X.astype(dtype) for dtype in ("f2", "f4", "f8", "g", "i1", "i8", ">f4", ">i2")},
    "u1": lambda: np.abs(X).astype("u1"),
    "bool": lambda: X > 0,
    "Fortran": lambda: np.asfortranarray(X),
    "reversed": lambda: X[::-1].copy()[::-1],
    "columns of a wider one": lambda: np.repeat(X, 2, axis=1)[:, ::2],
    "broadcast": lambda: np.broadcast_to(X[:1], X.shape),
    "read-only": read_only,
    "list": X.tolist,
    "tuple": lambda: tuple(map(tuple, X.tolist())),
    "list of rows": lambda: list(X),
    "matrix": lambda: np.asmatrix(X),
    "masked array without masked entries": lambda: np.ma.array(X),
    "convertible": lambda: Convertible(X),
    "pandas": lambda: frame("pandas"),
    "pandas, labels that are numbers": lambda: frame("pandas", dtype="float32"),
    "pandas, nullable": lambda: frame("pandas", dtype="Float32"),
    "polars": lambda: frame("polars"),
    "torch": torch_tensor,
    **{f"{form}_{kind}": sparse(f"{form}_{kind}") for form in ("csr", "csc", "coo", "bsr", "lil", "dok", "dia") for kind in ("matrix", "array")},
}  # fmt: skip


def trained(*data, **more):
    net = nb.MLP([4, 5, 2], output="softmax", seed=0)
    net.fit(*data, epochs=2, batch_size=8, **more)
    return net.parameters.tobytes()


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("several", [False, True], ids=["whole", "in parts"])
@pytest.mark.parametrize("form", [*FORMS, "memory map"])
def test_a_source_takes_what_a_fit_takes(form, several, tmp_path):
    """And a fit in blocks has the bits of one of the arrays, also of parts one below the other."""
    x = memory_map(tmp_path) if form == "memory map" else FORMS[form]()
    want = trained(x, Y, shuffle=False)
    if several and not hasattr(x, "shape"):
        pytest.skip("a list of numbers is a whole")
    source = ArraySource([x, x] if several else x, [Y, Y] if several else Y)
    assert source.shape == ((2 * N if several else N), 4)
    rows = nb._data.as_matrix(x, "float32")
    if several:
        want = trained(nb._data.stacked([rows, rows]), [*Y, *Y], shuffle=False)
    assert trained(source, shuffle=False, block_rows=16) == want
    every = np.concatenate([nb._data.dense(rows)] * 2)
    for begin, end in ((3, 9), (0, 1), (N - 2, N + 3 if several else N)):
        got = nb._data.dense(source.read(slice(begin, end))[0])
        np.testing.assert_array_equal(got, every[begin:end])


class Odd:
    """It has what an array has, but NumPy makes a single object of its slices."""

    shape, dtype = (N, 4), np.dtype("f4")

    def __getitem__(self, rows):
        return object()


def damaged():
    made = sparse("csr_matrix")()
    made.indices[0] = 1000
    return made


REFUSED = {
    "an object": lambda: object(),
    "a class": lambda: np.ndarray,
    "slices that are no arrays": Odd,
    "a number": lambda: 3.0,
    "a scalar array": lambda: np.array(1.0),
    "one dimension": lambda: X[:, 0],
    "a column": lambda: frame("pandas")["x0"],
    "text": lambda: X.astype(str),
    "objects": lambda: X.astype(object),
    "complex": lambda: X.astype(complex),
    "times": lambda: X.astype("M8[s]"),
    "ragged": lambda: [[1.0], [1.0, 2.0]],
    "masked": lambda: np.ma.masked_equal(X, X[0, 0]),
    "pandas, text": lambda: frame("pandas").astype(str),
    "polars, text": lambda: frame("polars").cast(pytest.importorskip("polars").String),
    "sparse, complex": lambda: sparse("csr_array")().astype(complex),
    "sparse, one dimension": lambda: pytest.importorskip("scipy.sparse").coo_array(X[:, 0]),
    "sparse, damaged": damaged,
}


@pytest.mark.parametrize("several", [False, True], ids=["whole", "in parts"])
@pytest.mark.parametrize("form", REFUSED)
def test_a_source_refuses_what_a_fit_refuses(form, several):
    """In its constructor, by an error that names the argument."""
    x = REFUSED[form]()
    with pytest.raises((TypeError, ValueError), match="^X"):
        trained(x, Y)
    with pytest.raises((TypeError, ValueError), match=r"^X(\[\d\])?: expected .*"):
        ArraySource([X, x] if several else x, [Y, Y] if several else Y)


@pytest.mark.parametrize("kind", ["y", "sample_weight"])
def test_other_arguments_of_a_source(kind):
    column = sparse("csr_matrix")()[:, :1]
    for given in (column, [column]):
        with pytest.raises(TypeError, match=f"^{kind}: expected a dense array, got csr_matrix"):
            ArraySource(X, **{"y": Y, kind: given})
    with pytest.raises(TypeError, match="^X: expected all parts dense or all sparse, got both"):
        ArraySource([X, sparse("csr_matrix")()], [Y, Y])
    with pytest.raises(TypeError, match="^source: expected dense rows, got sparse ones"):
        CachedSource(ArraySource(sparse("csr_matrix")(), Y))
    with pytest.raises(TypeError, match="^sample_weight: expected numbers, got dtype "):
        ArraySource(X, Y, Y.astype(str))


@pytest.mark.parametrize("name", ["y", "sample_weight"])
def test_columns_of_pandas_go_by_place(name):
    """Whatever their labels are."""
    pandas = pytest.importorskip("pandas")
    column = pandas.Series(Y, index=np.arange(N)[::-1] + 0.5)
    source = ArraySource(X, **{"y": Y, name: column})
    np.testing.assert_array_equal(source.read(slice(3, 9))[-1], Y[3:9])


def test_tensors_with_gradients():
    """PyTorch's own error, which says what to do."""
    for make in (trained, ArraySource):
        with pytest.raises(RuntimeError, match="detach"):
            make(torch_tensor().requires_grad_(), Y)


# ---- missing values of tables --------------------------------------------------------------------

VALUES = {
    "integers": [1, 2, None, 4],
    "floats": [1.5, 2.5, None, 4.5],
    "decimals": [decimal.Decimal("1.5"), decimal.Decimal("2.5"), None, decimal.Decimal("4.5")],
    "truth values": [True, False, None, True],
    "text": ["a", "b", None, "c"],
    "categories": ["a", "b", None, "a"],
    "missing categories": ["a", "b", None, "a"],
    "runs of text": ["a", "a", None, "b"],
    "runs of numbers": [1, 1, None, 2],
    "lists": [[1.0, 2.0], [3.0, 4.0], None, [5.0, 6.0]],
    "lists that lack some": [[1.0, 2.0], [3.0, 4.0], [None, 1.0], [5.0, 6.0]],
    "only missing values": [None] * 4,
}
NUMBERS = {"integers", "floats", "decimals", "truth values"}
FORMATS = (
    "table",
    "parquet",
    "dataset",
    "folder",
    "ipc",
    "feather",
    "csv",
    "csv.gz",
    "orc",
    "json",
)


def array_of(pa, kind):
    values = VALUES[kind]
    if kind.startswith("lists"):
        return pa.array(values, pa.list_(pa.float32(), 2))
    if kind == "categories":
        return pa.array(values).dictionary_encode()
    if kind == "missing categories":  # one of them is none
        return pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 0]), pa.array(["a", "b", None]))
    if kind.startswith("runs"):
        ends = pa.array([2, 3, 4], pa.int32())
        return pa.RunEndEncodedArray.from_arrays(ends, pa.array([values[0], None, values[3]]))
    return pa.array(values)


def in_format(folder, pa, made, form):
    """What `ArrowSource` is given: the table, or where it is written."""
    import pyarrow.dataset as ds
    from pyarrow import csv, feather, orc, parquet

    path = folder / f"t.{form}"
    if form == "table":
        return made
    if form == "folder":
        parquet.write_table(made[:1], folder / "a.parquet")
        parquet.write_table(made[1:], folder / "b.parquet", row_group_size=2)
        return folder
    if form in ("parquet", "dataset"):
        parquet.write_table(made, path)
        return ds.dataset(path) if form == "dataset" else path
    if form in ("ipc", "feather"):
        feather.write_feather(made, path, compression="uncompressed")
    elif form in ("csv", "csv.gz"):
        with pa.output_stream(str(path), "gzip" if form == "csv.gz" else None) as file:
            csv.write_csv(made, file)
    elif form == "orc":
        orc.write_table(made, path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in made.to_pylist()))
    return path


LISTS = {"lists", "lists that lack some"}
ROLES = {"target": set(VALUES), "feature": NUMBERS | LISTS, "sample_weight": NUMBERS}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    ("role", "kind"), [(role, kind) for role in ROLES for kind in VALUES if kind in ROLES[role]]
)
def test_missing_values_are_refused(tmp_path, kind, form, role):
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    made = pa.table({"first": [1.0] * 4, "y": [0, 1, 0, 1], "last": array_of(pa, kind)})
    try:
        given = in_format(tmp_path, pa, made, form)
    except (pa.ArrowException, TypeError) as error:
        pytest.skip(f"the format has no such column: {error}")
    names = {"features": ["first"], "target": "y"}
    names |= {"features": ["last"]} if role == "feature" else {role: "last"}
    more = {"format": form if form in ("ipc", "json", "orc") else None, **names}
    if form in ("json", "orc") and kind in LISTS:  # of any size there
        with pytest.raises(TypeError, match="column 'last': expected numbers"):
            ArrowSource(given, **more)
        return
    source = ArrowSource(given, **more)
    assert source.shape[0] == 4
    if kind == "only missing values":
        with pytest.raises(ValueError, match="column 'last': expected values, got none in row 1"):
            source.read(slice(1, 3))
        return
    values = source.read(slice(0, 2))
    assert all(len(array) == 2 for array in values)
    for rows in (slice(0, 4), slice(2, 3), slice(1, 3)):
        with pytest.raises(ValueError, match=r"column 'last': expected values, got .* in row 2$"):
            source.read(rows)


@pytest.mark.parametrize("field", ["", '""', "NA", "N/A", "null", "NULL", "nan", "NaN", "#N/A"])
@pytest.mark.parametrize("kind", ["numbers", "text"])
@pytest.mark.parametrize("given", ["path", "paths", "format"])
def test_missing_fields_of_csv_files(tmp_path, field, kind, given):
    """Those of text are missing where those of numbers are."""
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    path = tmp_path / ("t.csv" if given != "format" else "t.text")
    values = ["1", "2"] if kind == "numbers" else ["a", "b"]
    path.write_text(f"x,y\n1,{values[0]}\n2,{values[1]}\n3,{field}\n")
    source = ArrowSource(
        [path] if given == "paths" else path,
        target="y",
        format="csv" if given == "format" else None,
    )
    assert source.read(slice(0, 2))[1].astype(str).tolist() == values
    with pytest.raises(ValueError, match="column 'y': expected values, got none in row 2"):
        source.read(slice(0, 3))


def test_lists_as_targets_and_weights():
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    pairs = pa.array(X[:, :2].tolist(), pa.list_(pa.float32(), 2))
    made = pa.table(
        {"x": X[:, 0], "pairs": pairs, "lists": X[:, :2].tolist(), "w": Y, "names": [["a"]] * N}
    )
    source = ArrowSource(made, target="pairs", features=["x"])
    np.testing.assert_array_equal(source.read(slice(3, 9))[1], X[3:9, :2])
    net = nb.MLP([1, 2], seed=0)
    net.fit(source, epochs=1)
    for more, message in (
        ({"target": "lists"}, "column 'lists': expected numbers or text, got list<"),
        ({"target": "names"}, "column 'names': expected numbers or text, got list<"),
        ({"target": "w", "sample_weight": "pairs"}, "column 'pairs': expected numbers, got fixed_"),
    ):
        with pytest.raises(TypeError, match=message):
            ArrowSource(made, features=["x"], **more)


class Blocks:
    """Rows of which at least one must be asked for."""

    shape, dtype = (N, 4), X.dtype

    def __getitem__(self, rows):
        return np.concatenate([X[i : i + 1] for i in range(rows.start, rows.stop)])


def test_an_array_without_empty_slices():
    source = ArraySource(Blocks(), Y)
    assert trained(source, shuffle=False, block_rows=16) == trained(X, Y, shuffle=False)
