"""Targets of every kind on the command line: what `train` learns, `evaluate` and `predict` find again."""

import csv
import datetime
import itertools
import json
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from test_cli import run

import nablas as nb
from nablas.cli import records, tables
from nablas.cli.preprocessing import Preprocessor, Statistics

pytest.importorskip("pyarrow", reason="pyarrow is not installed")

ROWS = 200
MEMORY = {"in memory": [], "in blocks": ["--memory", "1K"]}
TRAIN = ["--target", "t", "--hidden", "none", "--learning-rate", 0.1, "--epochs", 20, "--json"]
COMMA = ["--separator", ";", "--decimal", ","]

# The two classes as a file has them and as predictions show them; options of the commands.
WRITTEN = {
    "integers": (["1", "2"], ["1", "2"], []),
    "negative integers": (["-1", "+1"], ["-1", "1"], []),
    "digits with leading zeros": (["007", "010"], ["7", "10"], []),
    "text beside digits with leading zeros": (["007", "x10"], ["007", "x10"], []),
    "floats with trailing zeros": (["1.50", "2.00"], ["1.5", "2.0"], []),
    "integers and floats": (["1", "2.5"], ["1.0", "2.5"], []),
    "floats that are whole": (["1.0", "2"], ["1", "2"], []),
    "a negative zero": (["-0.0", "1.5"], ["0.0", "1.5"], []),
    "exponents": (["1e3", "2.5E3"], ["1000", "2500"], []),
    "decimal comma": (["1,5", "2,50"], ["1.5", "2.5"], COMMA),
    "integers with decimal comma": (["1", "2,5"], ["1.0", "2.5"], COMMA),
    "thousands with decimal comma": (["1.000", "2.500"], ["1000", "2500"], COMMA),
    "text with decimal comma": (["a,5", "b.5"], ["a,5", "b.5"], COMMA),
    "True and False": (["False", "True"], ["false", "true"], []),
    "true and false": (["false", "true"], ["false", "true"], []),
    "TRUE and FALSE": (["FALSE", "TRUE"], ["false", "true"], []),
    "True and false": (["false", "True"], ["false", "true"], []),
    "quoted truth values": (['"False"', '"True"'], ["false", "true"], []),
    "text": (["no", "yes"], ["no", "yes"], []),
    "text of two cases": (["a", "A"], ["a", "A"], []),
    "text with spaces around": ([" no ", "yes "], ["no", "yes"], []),
    "quoted text": (['"a, b"', '"c ""d"""'], ["a, b", 'c "d"'], []),
    "quoted integers": (['"1"', '"2"'], ["1", "2"], []),
    "dates": (["2024-01-31", "2024-02-01"], ["2024-01-31", "2024-02-01"], []),
    "times": (["12:00", "13:30"], ["12:00", "13:30"], []),
    "truth value and text": (["True", "maybe"], ["True", "maybe"], []),
}  # fmt: skip
# Documented: what a CSV file's column has where its values begin is what it has in all blocks.
FIRST_BLOCK_TELLS = {"text beside digits with leading zeros", "truth value and text", "text with decimal comma"}  # fmt: skip


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(records, "PART", 300)


def codes_of(ordered):
    """The classes of the rows, in blocks of one class or mixed; -1 where there is no target."""
    made = np.arange(ROWS) * 2 // ROWS if ordered else np.arange(ROWS) % 2
    made[:40] = -1 if ordered else made[:40]  # a block without any
    made[[60, 99, 120, ROWS - 1]] = -1
    return made


def features_of(codes):
    return np.where(codes == 1, 1.0, -1.0) + 0.01 * np.random.default_rng(0).normal(size=ROWS)


def csv_file(path, codes, written, separator=",", decimal="."):
    rows = [
        f"{x:.3f}".replace(".", decimal) + separator + (written[c] if c >= 0 else "")
        for x, c in zip(features_of(codes), codes, strict=True)
    ]
    path.write_text("\n".join([f"x{separator}t", *rows]) + "\n")


def result_of(capsys, *arguments):
    code, out, err = run(capsys, *arguments)
    assert code == 0, err
    return out


def round_trip(capsys, tmp_path, path, codes, shown, more):
    """Every way of training, evaluation and prediction of one file finds the same classes."""
    left, model, given = int((codes < 0).sum()), tmp_path / "m", codes >= 0
    for memory in MEMORY.values():
        shares = ["--test", 0, "--validation", 0, "--task", "classification"]
        out = result_of(capsys, "train", path, *TRAIN, *shares, "--out", model, *more, *memory)
        trained = json.loads(out)
        accuracy = trained["scores"]["train"]["accuracy"]
        assert accuracy == 1
        assert trained["scores"]["train"]["rows"] == ROWS - left
        assert trained["rows_without_target"] == left
        assert set(nb.MLP.load(model).extra["preprocessing"]["target"]["classes"]) == set(shown)
        for other in MEMORY.values():
            found = json.loads(result_of(capsys, "evaluate", model, path, "--json", *more, *other))
            assert found["scores"]["data"]["accuracy"] == accuracy
            assert found["scores"]["data"]["rows"] == ROWS - left
            assert found["rows_without_target"] == left
            lines = result_of(capsys, "predict", model, path, *more, *other).splitlines()
            predicted = np.array([row[0] for row in csv.reader(lines[1:])])
            assert (predicted[given] == np.array(shown)[codes[given]]).mean() == accuracy


@pytest.mark.parametrize(
    ("kind", "ordered"),
    [(k, o) for k in WRITTEN for o in (False, True) if not (o and k in FIRST_BLOCK_TELLS)],
)
def test_every_kind_of_a_csv_files_target(capsys, tmp_path, kind, ordered):
    written, shown, more = WRITTEN[kind]
    codes, path = codes_of(ordered), tmp_path / "t.csv"
    csv_file(path, codes, written, *(more[1::2] or ",."))
    round_trip(capsys, tmp_path, path, codes, shown, more)


DAYS = [datetime.date(2024, 1, 31), datetime.date(2024, 2, 1)]
TYPED = {
    "Int8": ([1, 2], pl.Int8, None),
    "UInt64": ([1, 2**64 - 1], pl.UInt64, None),
    "Float32": ([0.1, 2], pl.Float32, ["0.1", "2.0"]),
    "Float64": ([0.1, 2], pl.Float64, ["0.1", "2.0"]),
    "Decimal": ([Decimal("1.50"), Decimal("2.00")], pl.Decimal(5, 2), ["1.5", "2.0"]),
    "Boolean": ([False, True], pl.Boolean, ["false", "true"]),
    "String": (["no", "yes"], pl.String, None),
    "text of truth values": (["False", "True"], pl.String, None),
    "text of small truth values": (["false", "true"], pl.String, None),
    "text of floats": (["1.5", "2.0"], pl.String, None),
    "text of digits": (["007", "010"], pl.String, None),
    "Enum": (["b", "a"], pl.Enum(["b", "a"]), None),
    "Categorical": (["b", "a"], pl.Categorical, None),
    "Date": (DAYS, pl.Date, None),
    "Datetime": ([datetime.datetime(2024, 1, d) for d in (1, 2)], pl.Datetime("us"), ["2024-01-01 00:00:00.000000", "2024-01-02 00:00:00.000000"]),
}  # fmt: skip


@pytest.mark.parametrize("kind", TYPED)
def test_every_kind_of_a_parquet_files_target(capsys, tmp_path, monkeypatch, kind):
    monkeypatch.setattr(tables, "check_parquet", lambda path: None)  # in a process of its own
    values, dtype, shown = TYPED[kind]
    codes, path = codes_of(ordered=False), tmp_path / "t.parquet"
    target = pl.Series([values[c] if c >= 0 else None for c in codes], dtype=dtype)
    pl.DataFrame({"x": features_of(codes), "t": target}).write_parquet(path, row_group_size=30)
    round_trip(capsys, tmp_path, path, codes, shown or [str(v) for v in values], [])


@pytest.mark.parametrize("dtype", ["?", "i1", "f2", "f4", "f8", "g", "U3", "M8[D]"])
def test_every_kind_of_an_npz_files_target(capsys, tmp_path, dtype):
    codes, path = np.arange(ROWS) % 2, tmp_path / "t.npz"
    features = features_of(codes)[:, np.newaxis]
    features = features.astype(dtype) if np.dtype(dtype).kind == "f" else features
    np.savez(path, X=features, t=codes.astype(dtype))
    kept = pl.DataFrame({"t": codes.astype("f8" if dtype == "g" else dtype)})["t"]
    shown = [kept.cast(pl.String)[i] for i in (0, 1)]
    round_trip(capsys, tmp_path, path, codes, shown, [])


@pytest.mark.parametrize("memory", MEMORY)
@pytest.mark.parametrize("nan", [True, False])
def test_a_target_that_is_nan_is_none(capsys, tmp_path, memory, nan):
    codes, path, model = codes_of(ordered=True), tmp_path / "t.parquet", tmp_path / "m"
    values = np.where(codes < 0, np.nan, codes + 0.5)
    frame = pl.DataFrame({"x": features_of(codes), "t": values}, nan_to_null=not nan)
    frame.write_parquet(path, row_group_size=30)
    found = json.loads(result_of(capsys, "train", path, *TRAIN, "--out", model, *MEMORY[memory]))
    assert found["rows_without_target"] == (codes < 0).sum()
    found = json.loads(result_of(capsys, "evaluate", model, path, "--json", *MEMORY[memory]))
    assert found["scores"]["data"]["rows"] == (codes >= 0).sum()
    assert found["scores"]["data"]["r2"] > 0.9


@pytest.mark.parametrize("memory", MEMORY)
@pytest.mark.parametrize("kind", ["True and False", "floats with trailing zeros", "decimal comma"])
def test_models_that_call_every_class_text(capsys, tmp_path, kind, memory):
    """As older files do: where all names are of truth values or floats, they are read as such."""
    written, shown, more = WRITTEN[kind]
    codes, path, model = codes_of(ordered=False), tmp_path / "t.csv", tmp_path / "m"
    csv_file(path, codes, written, *(more[1::2] or ",."))
    result_of(capsys, "train", path, *TRAIN, "--task", "classification", "--out", model, *more)
    net = nb.MLP.load(model)
    assert net.extra["preprocessing"]["target"]["dtype"] in ("boolean", "number")
    net.extra["preprocessing"]["target"]["dtype"] = "text"
    net.save(model)
    found = result_of(capsys, "evaluate", model, path, "--json", *more, *MEMORY[memory])
    assert json.loads(found)["scores"]["data"]["accuracy"] == 1
    assert result_of(capsys, "predict", model, path, *more).startswith(
        f"t,p({shown[0]}),p({shown[1]})\n"
    )


@pytest.mark.parametrize("memory", MEMORY)
def test_a_part_of_the_rows_is_read_as_all(capsys, tmp_path, memory):
    """A file where all classes are whole numbers, or all are quoted, has the same classes."""
    path, model = tmp_path / "t.csv", tmp_path / "m"
    for trained, written in (
        (["1.0", "2.5"], ["1", "2.5"]),
        (["1.0", "2.5"], ["1", "1"]),
        (["1", "2"], ["1.0", "2.00"]),
        (["true", "false"], ["TRUE", "True"]),
    ):
        csv_file(path, np.arange(ROWS) % 2, trained)
        result_of(capsys, "train", path, *TRAIN, "--task", "classification", "--out", model)
        csv_file(path, np.zeros(ROWS, int), written)
        found = result_of(capsys, "evaluate", model, path, "--json", *MEMORY[memory])
        assert json.loads(found)["scores"]["data"]["accuracy"] == 1, written


@pytest.mark.parametrize("memory", MEMORY)
@pytest.mark.parametrize(
    ("trained", "bad", "message"),
    [
        (["1", "2"], "3", "t': expected one of 1, 2, got 3 in row 150"),
        (["1", "2"], "1.5", "t': expected one of 1, 2, got 1.5 in row 150"),
        (["1.5", "2.5"], "7", "t': expected one of 1.5, 2.5, got 7.0 in row 150"),
        (["no", "yes"], "maybe", "t': expected one of no, yes, got 'maybe' in row 150"),
        (["true", "false"], "maybe", "t': expected true or false, as the model was trained on, got 'maybe'"),
        (["true", "false"], "1", "t': expected true or false, as the model was trained on, got '1'"),
        (["1", "2"], "b", "t': expected numbers, as the model was trained on, got 'b'"),
    ],
)  # fmt: skip
def test_classes_that_are_not_known(capsys, tmp_path, trained, bad, message, memory):
    """Errors tell the row of the file, also after rows that are left out."""
    path, model, codes = tmp_path / "t.csv", tmp_path / "m", np.arange(ROWS) % 2
    csv_file(path, codes, trained)
    result_of(capsys, "train", path, *TRAIN, "--task", "classification", "--out", model)
    codes[[3, 90, 100]], codes[149] = -1, 2
    csv_file(path, codes, [*trained, bad])
    code, out, err = run(capsys, "evaluate", model, path, *MEMORY[memory])
    assert (code, out) == (2, "")
    assert message in err, err


@pytest.mark.parametrize("command", ["train", "evaluate"])
@pytest.mark.parametrize("memory", MEMORY)
def test_rows_without_any_target(capsys, tmp_path, memory, command):
    path, model, codes = tmp_path / "t.csv", tmp_path / "m", np.arange(ROWS) % 2
    csv_file(path, codes, ["a", "b"])
    result_of(capsys, "train", path, *TRAIN, "--out", model)
    csv_file(path, codes - 2, [])
    given = [path, "--target", "t"] if command == "train" else [model, path]
    code, out, err = run(capsys, command, *given, *MEMORY[memory])
    assert (code, out) == (2, "")
    assert err == f"nablas: error: {path}: expected a target in some row, got none in 't'\n"


def test_left_out_rows_are_told(capsys, tmp_path):
    path, model = tmp_path / "t.csv", tmp_path / "m"
    csv_file(path, codes_of(ordered=True), ["a", "b"])
    result_of(capsys, "train", path, *TRAIN, "--out", model)
    for memory in MEMORY.values():
        out = result_of(capsys, "evaluate", model, path, *memory)
        assert "left out 44 rows without a target" in out


def test_blocks_of_another_kind_are_refused(capsys, tmp_path):
    path = tmp_path / "t.csv"
    for written, message in (
        (["true", "1"], "column 't': expected true or false, as in the rows before, got '1'"),
        (["1", "true"], "column 't': expected numbers, as in the rows before, got 'true'"),
        (["1.5", "yes"], "column 't': expected numbers, as in the rows before, got 'yes'"),
    ):
        csv_file(path, np.arange(ROWS) * 2 // ROWS, written)
        code, out, err = run(capsys, "train", path, *TRAIN, *MEMORY["in blocks"])
        assert (code, out) == (2, "")
        assert message in err
    for first, later, message in (
        ("true", "0", "column 'x': expected true or false, as in the rows before, got '0'"),
        ("1", "true", "column 'x': expected numbers, as in the rows before, got 'true'"),
        ("1", "b", "column 'x': expected numbers, as in the rows before, got 'b'"),
    ):
        path.write_text("x,t\n" + f"{first},1\n{first},2\n" * ROWS + f"{later},1\n" * 500)
        code, out, err = run(capsys, "train", path, *TRAIN, *MEMORY["in blocks"])
        assert (code, out) == (2, "")
        assert message in err
    values = {"numbers": [1, 2], "true or false": [True, False], "text": ["a", "b"]}
    for first, kind in itertools.permutations(values, 2):
        statistics = Statistics("t", "classification")
        statistics.update(pl.DataFrame({"x": [1, 2], "t": values[first]}))
        with pytest.raises(ValueError, match=f"target 't': expected {first}, as in the rows bef"):
            statistics.update(pl.DataFrame({"x": [1, 2], "t": values[kind]}))


# ---- the rows that errors tell -------------------------------------------------------------------


@pytest.mark.parametrize("memory", MEMORY)
@pytest.mark.parametrize(
    ("target", "column", "bad", "message"),
    [
        ("number", "t", "inf", "target 't': expected numbers, got inf in row {}"),
        ("number", "x", "1e45", "column 'x': expected numbers near"),
        ("text", "x", "-1e45", "column 'x': expected numbers near"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("row", [6, 72, ROWS - 1])
def test_errors_tell_the_row_of_the_file(
    capsys, tmp_path, target, column, bad, message, memory, row
):
    """Wherever the parts of a training put it, and however many rows are left out before it."""
    path, model = tmp_path / "t.csv", tmp_path / "m"
    targets = [f"{i}.5" if target == "number" else "ab"[i % 2] for i in range(ROWS)]
    table = {"x": [f"{i % 7}.25" for i in range(ROWS)], "t": targets}
    for i in (0, 2, 50):
        table["t"][i] = ""

    def write():
        lines = [f"{x},{t}\n" for x, t in zip(table["x"], table["t"], strict=True)]
        path.write_text("x,t\n" + "".join(lines))

    write()
    result_of(capsys, "train", path, *TRAIN, "--out", model)
    table[column][row - 1] = bad
    write()
    calls = [["evaluate", model, path], ["predict", model, path]]
    if column == "t":
        calls[1:] = [["train", path, "--target", "t", "--seed", i, "--json"] for i in range(3)]
    for call in calls:
        code, out, err = run(capsys, *call, *MEMORY[memory])
        assert code == 2, call
        assert out == "" or call[0] == "predict"  # the blocks before
        assert message.format(row) in err, err
        assert err.endswith(f" in row {row}\n"), err


@pytest.mark.parametrize("memory", MEMORY)
def test_a_column_that_float32_cannot_hold_in_a_part(capsys, tmp_path, memory):
    """A row that is not trained on, whose number is far from those that are."""
    path = tmp_path / "t.csv"
    for row in (6, 72, 150):
        lines = [f"{'1e60' if i == row - 1 else i % 7},{'ab'[i % 2]}\n" for i in range(ROWS)]
        path.write_text("x,t\n" + "".join(lines))
        refused = 0
        for seed in range(6):
            given = ["--target", "t", "--test", 0.6, "--epochs", 1, "--seed", seed, "--json"]
            code, _, err = run(capsys, "train", path, *given, *MEMORY[memory])
            assert code == 0 or err.endswith(f"in row {row}\n"), err
            refused += code == 2
        assert refused


def test_the_first_wrong_row_is_told():
    preprocessor = Preprocessor(
        [{"name": "x", "kind": "number", "mean": 0.0, "scale": 1.0, "indicator": False}],
        {"name": "t", "kind": "classes", "classes": ["a", "b"], "dtype": "text"},
    )
    frame = pl.DataFrame({"x": [1.0, 1e45, -1e45], "t": ["c", "a", "d"]})
    with pytest.raises(ValueError, match=r"got -1e\+45 in row 3$"):
        preprocessor.matrix(frame, np.array([8, 5, 2]))
    with pytest.raises(ValueError, match="got 'd' in row 3$"):
        preprocessor.targets(frame, np.array([8, 5, 2]))
