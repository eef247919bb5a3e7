"""Data frames and their columns as X, y and weights: every mix of numeric dtypes, without importing their libraries."""

import datetime
import decimal
import itertools
import subprocess
import sys

import numpy as np
import pytest

import nablas as nb
from nablas import _frames

pandas = pytest.importorskip("pandas")
polars = pytest.importorskip("polars")

N = 6
BITS = [1, 0, 1, 1, 0, 0]
GAPS = [1, 0, None, 1, 0, 0]
# Dtypes; whether they can miss a value.
PANDAS = {
    "bool": False, "int8": False, "int64": False, "uint8": False, "uint64": False, "float16": False, "float32": True, "float64": True,
    "boolean": True, "Int8": True, "Int64": True, "UInt8": True, "UInt64": True, "Float32": True, "Float64": True, "Sparse[float]": True,
}  # fmt: skip
try:
    import pyarrow
except ImportError:
    pass
else:
    PANDAS |= {
        f"{name}[pyarrow]": True for name in ("bool", "int8", "int64", "uint16", "float", "double")
    }
    PANDAS[pandas.ArrowDtype(pyarrow.decimal128(5, 2))] = True
POLARS = [polars.Boolean, polars.Int8, polars.Int64, polars.UInt8, polars.UInt64, polars.Float32, polars.Float64, polars.Decimal(5, 2)]  # fmt: skip
MISSING = {
    "boolean",
    "Int64",
    "Float64",
    "float64",
    "bool[pyarrow]",
    "int64[pyarrow]",
    "Sparse[float]",
}


def of_pandas(dtypes, columns):
    series = [
        pandas.Series(c, dtype=object if c is GAPS and d == "O" else d)
        for d, c in zip(dtypes, columns, strict=True)
    ]
    return pandas.DataFrame({f"c{i}": s for i, s in enumerate(series)})


def of_polars(dtypes, columns):
    made = {
        f"c{i}": polars.Series(c, strict=False, dtype=None).cast(d)
        for i, (d, c) in enumerate(zip(dtypes, columns, strict=True))
    }
    return polars.DataFrame(made)


CASES = [(of_pandas, pair) for n in (1, 2) for pair in itertools.product(PANDAS, repeat=n)]
CASES += [(of_pandas, ("bool", "float64", "Int64")), (of_pandas, tuple(PANDAS))]
CASES += [(of_polars, pair) for n in (1, 2) for pair in itertools.product(POLARS, repeat=n)]
CASES += [(of_polars, tuple(POLARS))]


def test_every_mix_of_numeric_dtypes():
    for make, dtypes in CASES:
        frame = make(dtypes, [BITS] * len(dtypes))
        plain = np.array([BITS] * len(dtypes), float).T
        net, twin = (nb.MLP([len(dtypes), 3, 1], seed=0, dtype="float64") for _ in range(2))
        for call in (net.forward, net.predict, lambda x, net=net: net.layers(x)[-1][1]):
            np.testing.assert_array_equal(call(frame), call(plain), err_msg=str(dtypes))
        assert net.loss(frame, BITS) == net.loss(plain, BITS)
        net.fit(frame, BITS, epochs=1), twin.fit(plain, BITS, epochs=1)
        np.testing.assert_array_equal(net.parameters, twin.parameters, err_msg=str(dtypes))


def test_a_missing_value_is_one_that_is_not_finite():
    for make, dtypes in CASES:
        for i, dtype in enumerate(dtypes):
            if make is of_pandas and not PANDAS[dtype]:
                continue
            frame = make(dtypes, [GAPS if k == i else BITS for k in range(len(dtypes))])
            net = nb.MLP([len(dtypes), 1], seed=0)
            before = net.parameters.copy()
            for call in (lambda x, net=net: net.fit(x, BITS), net.predict):
                with pytest.raises(
                    ValueError, match=rf"^X: expected finite values, got nan at \(2, {i}\)"
                ):
                    call(frame)
            np.testing.assert_array_equal(net.parameters, before)


def test_dummies():
    frame = pandas.get_dummies(pandas.DataFrame({"age": np.arange(6.0), "town": list("abcabc")}))
    assert np.asarray(frame).dtype == object
    plain = np.column_stack([np.arange(6.0), np.tile(np.eye(3), (2, 1))])
    net = nb.MLP([4, 2], output="softmax", seed=0)
    np.testing.assert_array_equal(net.forward(frame), net.forward(plain))


NOT_NUMBERS = {
    "strings": list("abcdef"),
    "numbers and strings": [1, "a", 2, "b", 3, "c"],
    "dates": [datetime.date(2020, 1, 1)] * N,
    "times": [datetime.datetime(2020, 1, 1)] * N,
    "durations": [datetime.timedelta(1)] * N,
    "lists": [[1.0]] * N,
    "None": [None] * N,
    "complex": [1j] * N,
    "decimals": [decimal.Decimal("1.5")] * N,
    "categories": pandas.Categorical(list("abcabc")),
}


@pytest.mark.parametrize("name", NOT_NUMBERS)
@pytest.mark.parametrize("other", ["float64", "Int64", "boolean", "bool"])
def test_columns_that_are_not_numbers(name, other):
    """The column is named where NumPy has no dtype for the frame."""
    frame = of_pandas([other], [BITS])
    frame["what"] = NOT_NUMBERS[name]
    for x in (frame, frame[["what"]]):
        net = nb.MLP([x.shape[1], 1])
        for call in (net.predict, net.forward, lambda x, net=net: net.fit(x, BITS)):
            with pytest.raises(TypeError, match=r"^X: expected numbers, got dtype \S+") as raised:
                call(x)
            if np.asarray(x).dtype == object:
                assert "in column 'what'" in str(raised.value)


@pytest.mark.parametrize("name", ["strings", "dates", "lists", "times"])
def test_columns_of_polars_that_are_not_numbers(name):
    frame = polars.DataFrame({"c0": BITS, "what": NOT_NUMBERS[name]})
    with pytest.raises(TypeError, match=r"^X: expected numbers, got dtype \S+"):
        nb.MLP([2, 1]).fit(frame, BITS)


@pytest.mark.parametrize("dtype", [d for d in PANDAS if str(d) not in ("float16",)], ids=str)
def test_labels_targets_and_weights(dtype):
    x = np.arange(12.0).reshape(6, 2)
    series, whole = pandas.Series(BITS, dtype=dtype), [*BITS]
    for y in (
        series,
        series.to_frame(),
        polars.Series(whole),
        polars.Series(whole).cast(polars.Boolean),
    ):
        net, twin = (nb.MLP([2, 1], seed=0) for _ in range(2))
        net.fit(x, y, epochs=2), twin.fit(x, np.array(BITS, float), epochs=2)
        np.testing.assert_array_equal(net.parameters, twin.parameters)
        assert net.score(x, y) == twin.score(x, BITS)
    (
        net.fit(x, BITS, sample_weight=series, epochs=1),
        twin.fit(x, BITS, sample_weight=BITS, epochs=1),
    )
    np.testing.assert_array_equal(net.parameters, twin.parameters)
    if np.asarray(series).dtype.kind in "iub":
        net, twin = (nb.MLP([2, 2], output="softmax", seed=0) for _ in range(2))
        net.fit(x, series, epochs=2), twin.fit(x, BITS, epochs=2)
        np.testing.assert_array_equal(net.parameters, twin.parameters)


@pytest.mark.parametrize("dtype", sorted(MISSING & {str(d) for d in PANDAS}))
def test_missing_labels_targets_and_weights(dtype):
    x, series = np.arange(12.0).reshape(6, 2), pandas.Series(GAPS, dtype=dtype)
    with pytest.raises(ValueError, match=r"^y: expected finite values, got nan at \(2, 0\)"):
        nb.MLP([2, 1]).fit(x, series)
    with pytest.raises(TypeError, match=r"^y: expected integer class labels, got dtype float64"):
        nb.MLP([2, 2], output="softmax").fit(x, series)
    with pytest.raises(ValueError, match="^sample_weight: "):
        nb.MLP([2, 1]).fit(x, BITS, sample_weight=series)


def test_labels_as_strings():
    for y in (
        pandas.Series(list("abcabc")),
        pandas.Series(list("abcabc"), dtype="category"),
        polars.Series(list("abcabc")),
    ):
        net = nb.MLP([2, 3], output="softmax", seed=0)
        net.fit(np.zeros((6, 2)), y, epochs=1)
        assert net.classes == ["a", "b", "c"]


def test_large_integers_stay_as_they_are():
    from nablas import _checks

    for frame, dtype in (
        (pandas.DataFrame({"a": pandas.Series([2**62 + 1], dtype="Int64"), "b": [True]}), "int64"),
        (pandas.DataFrame({"a": pandas.Series([2**64 - 1], dtype="UInt64")}), "uint64"),
        (pandas.DataFrame({"a": pandas.Series([True], dtype="boolean"), "b": [False]}), "bool"),
    ):
        found = _checks.array("X", frame)
        assert found.dtype == dtype
        assert int(found[0, 0]) == int(frame.iloc[0, 0])


def test_neither_library_is_imported():
    code = "import sys, numpy, nablas; nablas.MLP([1, 1]).fit([[0.0]], [0.0], epochs=1); print({'pandas', 'polars'} & set(sys.modules))"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip()
        == "set()"
    )


def test_empty_frames_and_rows():
    net = nb.MLP([2, 1], seed=0)
    for frame in (
        of_pandas(["bool", "float64"], [[], []]),
        of_polars([polars.Boolean, polars.Float64], [[], []]),
    ):
        assert net.predict(frame).shape == (0,)
    doubled = pandas.DataFrame([[1.0, True]], columns=["a", "a"])  # one name for two columns
    np.testing.assert_array_equal(net.forward(doubled), net.forward([[1.0, 1.0]]))


class Labelled:
    """An array with a `to_numpy` of another library, such as xarray's, and no columns."""

    def __init__(self, values):
        self.values = np.asarray(values)
        self.shape, self.dtype = self.values.shape, self.values.dtype

    def to_numpy(self):
        return self.values

    def to_series(self):
        raise AssertionError

    def __array__(self, dtype=None, copy=None):
        return self.values


def test_arrays_of_other_libraries():
    net = nb.MLP([2, 1], seed=0)
    for dtype in ("f4", "f8", "i4", "?"):
        np.testing.assert_array_equal(
            net.forward(Labelled(np.ones((3, 2), dtype))), net.forward(np.ones((3, 2)))
        )
    with pytest.raises(TypeError, match="^X: expected numbers, got dtype object"):
        net.forward(Labelled(np.full((3, 2), None)))
    with pytest.raises(TypeError, match="^y: expected numbers or strings, got dtype object"):
        net.fit(np.ones((3, 2)), Labelled([None] * 3))
    wide = pandas.DataFrame(np.ones((1, 3000))).assign(last=True)
    assert nb.MLP([3001, 1], seed=0).forward(wide).shape == (1, 1)


@pytest.mark.parametrize("make", [pandas.DataFrame, polars.DataFrame])
def test_the_dtypes_of_a_wide_frame_are_looked_at_once(make, monkeypatch):
    """Not those of each of many columns: their names take long to write."""
    looked = []
    monkeypatch.setattr(_frames, "_is_wide", looked.append)
    frame = make(np.ones((2, 300), np.float32))
    assert _frames.as_array(frame).shape == (2, 300)
    assert len(looked) == 1
