"""Values of tables that the command line reads as numbers: times of any unit, constants, decimal commas, holes."""

import datetime
import itertools
import json

import numpy as np
import polars as pl
import pytest
from test_cli import run, train_json

import nablas as nb
from nablas.cli import tables
from nablas.cli.columns import Numbers, numbers
from nablas.cli.preprocessing import Statistics
from nablas.cli.tables import Format, read

pytest.importorskip("pyarrow", reason="pyarrow is not installed")

MEMORY = {"in memory": [], "in blocks": ["--memory", "1"]}
TRAIN = ["--target", "t", "--hidden", "3", "--epochs", 2, "--json"]
ROWS = 60


@pytest.fixture(autouse=True)
def one_process(monkeypatch):
    monkeypatch.setattr(tables, "check_parquet", lambda path: None)  # in a process of its own


def write(path, column, target=None):
    """A Parquet file of a column x and a target t."""
    target = [f"{i}.5" for i in range(len(column))] if target is None else target
    pl.DataFrame({"x": column, "t": target}).write_parquet(path, row_group_size=25)
    return path


# ---- times ---------------------------------------------------------------------------------------

UNITS = ["ms", "us", "ns"]
MOMENTS = [pl.Datetime(unit, zone) for unit in UNITS for zone in (None, "UTC", "Asia/Tokyo")]
DAYS = [datetime.date(1969, 12, 30) + datetime.timedelta(days=37 * i) for i in range(ROWS)]
SECONDS = [(day - datetime.date(1970, 1, 1)).total_seconds() for day in DAYS]


def in_type(values, dtype):
    """Moments as a column: of a zone, the same moments."""
    series = pl.Series("x", values)
    if dtype == pl.Date:
        return series.cast(dtype)
    made = series.cast(pl.Datetime(dtype.time_unit))
    zone = dtype.time_zone
    return made if zone is None else made.dt.replace_time_zone("UTC").dt.convert_time_zone(zone)


@pytest.mark.parametrize("dtype", [pl.Date, *MOMENTS], ids=str)
def test_a_moment_is_the_same_number_in_every_unit(dtype):
    assert numbers(in_type(DAYS, dtype)).tolist() == SECONDS


@pytest.mark.parametrize("unit", UNITS)
def test_parts_of_a_second(unit):
    """Also before 1970, of durations, and of a time of day."""
    steps = [0, 1, 999, -1, -1001, 1_700_000_000_123, None]
    want = [np.nan if v is None else v // 1000 + v % 1000 / 1000 for v in steps]
    series = pl.Series(steps, dtype=pl.Int64)
    for kind in (pl.Datetime, pl.Duration):
        np.testing.assert_array_equal(numbers(series.cast(kind("ms")).cast(kind(unit))), want)
    day = pl.Series([0, 1_500_000_000, None], dtype=pl.Int64).cast(pl.Time)
    np.testing.assert_array_equal(numbers(day), [0, 1.5, np.nan])


@pytest.mark.parametrize("memory", MEMORY)
@pytest.mark.parametrize("trained", [pl.Date, pl.Datetime("us")], ids=str)
def test_predictions_from_times_of_another_unit(capsys, tmp_path, trained, memory):
    path, model = tmp_path / "t.parquet", tmp_path / "m"
    found = train_json(
        capsys, write(path, in_type(DAYS, trained), range(ROWS)), *TRAIN, "--out", model
    )
    assert [column["kind"] for column in found["columns"]] == ["time", "number"]
    want = run(capsys, "predict", model, path)
    for dtype in (pl.Date, *MOMENTS):
        write(path, in_type(DAYS, dtype))
        assert run(capsys, "predict", model, path, *MEMORY[memory]) == want


KINDS = {
    "numbers": pl.Series(range(ROWS)),
    "dates or times": pl.Series(DAYS),
    "text": pl.Series([f"w{i % 3}" for i in range(ROWS)]),
}


@pytest.mark.parametrize("memory", MEMORY)
@pytest.mark.parametrize(("trained", "given"), list(itertools.permutations(KINDS, 2)))
def test_columns_of_another_kind(capsys, tmp_path, trained, given, memory):
    """Numbers are no times and no text, also where text is written with the same digits."""
    path, model = tmp_path / "t.parquet", tmp_path / "m"
    train_json(capsys, write(path, KINDS[trained]), *TRAIN, "--out", model)
    write(path, KINDS[given])
    code, out, err = run(capsys, "predict", model, path, *MEMORY[memory])
    assert (code, out) == (2, "")
    words = f"column 'x': expected {trained}, as the model was trained on, got "
    assert f"{words}{KINDS[given][0]!r}\n" in err
    empty = write(path, pl.Series([None] * ROWS, dtype=KINDS[given].dtype))
    assert run(capsys, "predict", model, empty, *MEMORY[memory])[0] == 0


TARGETS = {
    "numbers": [pl.Series(range(ROWS), dtype=dtype) for dtype in (pl.Float64, pl.Int8)],
    "dates or times": [in_type(DAYS, dtype) for dtype in (pl.Date, *MOMENTS)],
}


@pytest.mark.parametrize("memory", MEMORY)
@pytest.mark.parametrize(("trained", "other"), list(itertools.permutations(TARGETS, 2)))
def test_targets_of_another_kind(capsys, tmp_path, trained, other, memory):
    """As columns: a time in another unit is the same number, and no number is a time."""
    path, model, more = tmp_path / "t.parquet", tmp_path / "m", MEMORY[memory]
    write(path, range(ROWS), TARGETS[trained][0])
    train_json(capsys, path, *TRAIN, "--task", "regression", "--out", model)
    want = run(capsys, "evaluate", model, path, "--json", *more)
    assert want[0] == 0
    for target in TARGETS[trained]:
        write(path, range(ROWS), target)
        assert run(capsys, "evaluate", model, path, "--json", *more) == want
    for target in TARGETS[other]:
        write(path, range(ROWS), target)
        code, out, err = run(capsys, "evaluate", model, path, "--json", *more)
        assert (code, out) == (2, "")
        words = f"column 't': expected {trained}, as the model was trained on, got "
        assert f"{words}{target[0]!r}\n" in err
    (text := tmp_path / "t.csv").write_text("x,t\n1,2024-01-31\n")
    code, _, err = run(capsys, "evaluate", model, text, *more)
    assert code == 2
    assert f"column 't': expected {trained}, as the model was trained on, got " in err
    assert run(capsys, "predict", model, text, *more)[0] == 0


NPZ_UNITS = ["D", "W", "h", "m", "s", "ms", "us", "ns", "7D", "25s", "10ms", "250us", "5ns"]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("unit", NPZ_UNITS)
@pytest.mark.parametrize("letter", "Mm")
def test_times_of_an_npz_file(tmp_path, letter, unit, order):
    """Of every unit that NumPy has, in seconds."""
    steps = np.array([[0, 3], [-2, 1000]]).astype(f"{order}{letter}8[{unit}]")
    steps[0, 1] = "NaT"
    np.savez(tmp_path / "t.npz", X=steps)
    found = read(str(tmp_path / "t.npz"), None)[0]
    made = np.stack([numbers(found[name]) for name in found.columns], axis=1)
    since = steps - np.zeros((), steps.dtype)
    np.testing.assert_allclose(made, since / np.timedelta64(1, "s"), rtol=1e-7)


@pytest.mark.parametrize(
    ("dtype", "value"),
    [("m8", 1), ("M8[ps]", 1), ("m8[as]", 10**9), ("M8[s]", 2**62), ("M8[Y]", 2**40), ("m8[W]", 2**50)],
)  # fmt: skip
def test_times_of_an_npz_file_that_are_refused(tmp_path, dtype, value):
    np.savez(tmp_path / "t.npz", X=np.array([[value]]).view(dtype))
    words = rf"X: expected times that 64 bits hold in ms, us or ns, got dtype .*{dtype[2:4]}"
    with pytest.raises(ValueError, match=words.replace("[", r"\[")):
        read(str(tmp_path / "t.npz"), None)


@pytest.mark.parametrize("memory", MEMORY)
def test_a_csv_file_has_no_times(capsys, tmp_path, memory):
    path, model = tmp_path / "t.parquet", tmp_path / "m"
    train_json(capsys, write(path, KINDS["dates or times"]), *TRAIN, "--out", model)
    (text := tmp_path / "t.csv").write_text("x\n2024-01-31\n")
    code, _, err = run(capsys, "predict", model, text, *MEMORY[memory])
    assert code == 2
    assert "column 'x': expected dates or times, as the model was trained on, got text" in err


# ---- constants -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [5, 1000])
@pytest.mark.parametrize(
    "value", [0.0, 0.1, -1 / 3, 1e-300, 5e-324, 123456.789, 1.7e9 + 0.1, 1e140]
)
def test_constants_have_the_scale_1(value, size):
    """Whatever rounding makes of their mean; numbers that differ have their standard deviation."""
    for rows in (1, 2, 3, 7, 60, 1000, 4097):
        found = Numbers()
        column = pl.Series([value] * rows)
        for first in range(0, rows, size):
            found.update(column[first : first + size])
        assert found.finish("x")["scale"] == 1
    spread = value * (1 + 1e-10 * np.arange(rows)) if value > 1e-290 else np.arange(rows) * 1.0
    found = Numbers()
    for first in range(0, rows, size):
        found.update(pl.Series(spread[first : first + size]))
    # 1e-10 apart: the values themselves have 6 of their 16 digits left to differ in.
    assert found.finish("x")["scale"] == pytest.approx(np.std(spread), rel=1e-4)


def test_a_constant_column_that_changes_later():
    """By its difference: 0.2 is 0.1 from 0.1, not 1e16 standard deviations."""
    statistics = Statistics("t", "auto")
    statistics.update(pl.DataFrame({"x": [0.1] * 60, "t": ["a", "b"] * 30}))
    made = statistics.finish().matrix(pl.DataFrame({"x": [0.1, 0.2, -0.4]}))
    np.testing.assert_allclose(made[:, 0], [0, 0.1, -0.5], atol=1e-7)


def test_a_constant_target_is_not_divided_by_rounding(capsys, tmp_path):
    found = train_json(
        capsys,
        write(tmp_path / "t.parquet", range(ROWS), [0.1] * ROWS),
        *TRAIN,
        "--out",
        tmp_path / "m",
    )
    assert nb.MLP.load(tmp_path / "m").extra["preprocessing"]["target"]["scale"] == 1
    assert found["scores"]["train"]["loss"] > 1e-12


# ---- decimal commas ------------------------------------------------------------------------------

COMMA = Format(separator=";", decimal=",")


def column_of(tmp_path, values, kinds=None):
    path = tmp_path / "t.csv"
    path.write_text("x;y\n" + "".join(f"{v};1\n" for v in values))
    return read(str(path), None, COMMA, kinds)[0]["x"]


def test_numbers_written_with_a_decimal_comma(tmp_path):
    """With and without points between thousands."""
    r = np.random.default_rng(0)
    values = [*(r.normal(size=200) * 10.0 ** r.integers(-3, 12, 200)), 0.0, 1e3, -1e6, 999.5, 1e-7]
    swap = str.maketrans(",.", ".,")
    for form in ("{:,.4f}", "{:.4f}", "{:+,.0f}", "{:.6e}"):
        shown = [form.format(v) for v in values]
        want = [float(text.replace(",", "")) for text in shown]
        assert column_of(tmp_path, [text.translate(swap) for text in shown]).to_list() == want


WHOLE = ["1.234", "12.345", "1.234.567", "01.234", "0.000", "001.234.567", "0", "1234"]
EXPONENTS = ["", "e3", "E+03", "e-2"]


@pytest.mark.parametrize("whole", WHOLE)
def test_beside_a_comma_points_divide_thousands(tmp_path, whole):
    """With an exponent and zeros before, too: a number has one decimal sign."""
    found = list(itertools.product(["", "+", "-"], ["", "5", "000"], EXPONENTS))
    want = [float(f"{sign}{whole.replace('.', '')}.{part}{end}") for sign, part, end in found]
    shown = [f"{sign}{whole},{part}{end}" for sign, part, end in found]
    assert column_of(tmp_path, shown).to_list() == want


@pytest.mark.parametrize("value", ["1.5", "0.123", "31.12.2024", "192.168.0.1", "12.34,5", "1,234.5", "1.2.3", ".5", "1.23e5", "1..5", "1.2345", "1234.567", "1,5.000", "v1.000", "1.000e3", "0.000", "012.345"])  # fmt: skip
def test_points_that_divide_no_thousands(tmp_path, value):
    """They are no numbers, for a model that was trained on numbers, too."""
    assert column_of(tmp_path, [value, value]).dtype == pl.String
    words = f"column 'x': expected numbers, as the model was trained on, got '{value}'"
    with pytest.raises(ValueError, match=words.replace(".", r"\.")):
        column_of(tmp_path, ["1,5", value], {"x": "number"})


def test_a_point_among_decimal_commas_is_named(capsys, tmp_path):
    assert column_of(tmp_path, [*["1,5"] * 20, "1.5"]).dtype == pl.String
    assert capsys.readouterr().err.endswith(
        "column 'x' is read as text: 1 of 21 values are no numbers, such as '1.5'\n"
    )


# ---- holes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("memory", MEMORY)
@pytest.mark.parametrize("hole", [None, np.nan, np.inf, -np.inf])
def test_every_hole_is_reported(capsys, tmp_path, hole, memory):
    """What is imputed and has an indicator is what the report counts."""
    values = [hole if i % 6 == 5 else i % 4 * 1.0 for i in range(ROWS)]
    path = write(tmp_path / "t.parquet", pl.Series(values, dtype=pl.Float64, strict=False))
    out = run(capsys, "train", path, *TRAIN, "--out", tmp_path / "m", *MEMORY[memory])[1]
    column = json.loads(out)["columns"][0]
    assert (column["missing"], column["distinct"], column["example"]) == (ROWS // 6, 4, "0.0")
    (encoding,) = nb.MLP.load(tmp_path / "m").extra["preprocessing"]["columns"]
    assert encoding["indicator"]
