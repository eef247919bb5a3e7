"""Tables and commands that are easy to get wrong: nothing is left out, read otherwise or lost unsaid."""

import datetime
import io
import itertools
import json
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import save
from test_cli import run, train_json

import nablas as nb
from nablas.cli import paths, records
from nablas.cli.columns import MISSING

pytest.importorskip("pyarrow", reason="pyarrow is not installed")

ROWS = 120
MEMORY = {"in memory": [], "in blocks": ["--memory", "1K"]}
FAST = ["--target", "t", "--hidden", "none", "--epochs", 1]
EITHER = pytest.mark.parametrize("memory", MEMORY)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(records, "PART", 300)


def csv_file(path, targets, separator=",", x=lambda i: str(i % 7)):
    lines = [f"{x(i)}{separator}{t}\n" for i, t in enumerate(targets)]
    path.write_text(f"x{separator}t\n" + "".join(lines))
    return path


def train(capsys, path, *given):
    """What a training prints for programs, and on standard error."""
    code, out, err = run(capsys, "train", path, *FAST, "--json", *given)
    assert code == 0, err
    return json.loads(out), err


# ---- targets that are spelled like missing values ------------------------------------------------


@EITHER
@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("spelling", MISSING[1:])
def test_a_class_may_be_spelled_like_a_missing_value(capsys, tmp_path, spelling, ordered, memory):
    """The same classes and rows of CSV and Parquet; `evaluate` and `predict` know the class."""
    classes, model = [spelling, "Mild", "Severe"], tmp_path / "m"
    targets = [classes[i * 3 // ROWS if ordered else i % 3] for i in range(ROWS)]
    frame = pl.DataFrame({"x": [i % 7 for i in range(ROWS)], "t": targets})
    frame.write_parquet(tmp_path / "t.parquet")
    csv_file(tmp_path / "t.csv", targets)
    for name in ("t.csv", "t.parquet"):
        path = tmp_path / name
        found, err = train(capsys, path, "--out", model, *MEMORY[memory])
        assert err == ""
        assert (found["rows_without_target"], found["task"]) == (0, "classification")
        assert sum(part["rows"] for part in found["scores"].values()) == ROWS
        assert nb.MLP.load(model).extra["preprocessing"]["target"]["classes"] == sorted(classes)
        code, out, err = run(capsys, "evaluate", model, path, "--json", *MEMORY[memory])
        assert code == 0, err
        assert json.loads(out)["scores"]["data"]["rows"] == ROWS
        header = run(capsys, "predict", model, path, *MEMORY[memory])[1].split("\n", 1)[0]
        assert header == ",".join(["t", *(f"p({name})" for name in sorted(classes))])


TYPED = {
    "integers": (["1", "2"], "classification"),
    "floats": (["0.5", "1.25"], "regression"),
    "truth values": (["True", "False"], "classification"),
}


@EITHER
@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("kind", TYPED)
def test_spellings_are_missing_among_numbers_and_truth_values(
    capsys, tmp_path, kind, ordered, memory
):
    """Also where the first blocks have nothing else; how many rows, and why, is told before."""
    (a, b), task = TYPED[kind]
    targets = [[*MISSING, a, b][i % 10] for i in range(ROWS)]
    targets.sort(key=lambda value: not ordered or value not in MISSING)
    path = csv_file(tmp_path / "t.csv", targets)
    found, err = train(capsys, path, *MEMORY[memory])
    left = sum(value in MISSING for value in targets)
    assert (found["rows_without_target"], found["task"], err) == (left, task, "")
    out = run(capsys, "train", path, *FAST, *MEMORY[memory])[1]
    assert f"left out {left} rows without a target: t is missing there" in out
    assert out.index("left out") < out.index(task) < out.index("epochs in")


@EITHER
def test_regression_on_spellings_alone(capsys, tmp_path, memory):
    path = csv_file(tmp_path / "t.csv", ["NA", "?"] * 60)
    code, _, err = run(capsys, "train", path, *FAST, "--task", "regression", *MEMORY[memory])
    assert (code, err) == (2, "nablas: error: target 't': expected numbers, got '?'\n")


@EITHER
@pytest.mark.parametrize(
    ("option", "left"), [([], 0), (["--missing=-,?"], 40), (["--missing="], 0)]
)
def test_what_is_missing_can_be_said(capsys, tmp_path, option, left, memory):
    """Then for every column, the target too, and of these words alone."""
    path = csv_file(tmp_path / "t.csv", ["a", "None", "-"] * 40, x=lambda i: ["1", "NA"][i % 2])
    found, _ = train(capsys, path, *option, *MEMORY[memory])
    assert found["rows_without_target"] == left
    assert found["columns"][0]["missing"] == (0 if option else 60)


def test_the_spellings_are_documented(capsys):
    page = Path(__file__).parents[1] / "docs" / "guide" / "command-line.md"
    for command in ("train", "predict", "evaluate"):
        assert ",".join(MISSING[1:]) in "".join(run(capsys, command, "--help")[1].split())
    if page.exists():
        assert all(f"`{spelling}`" in page.read_text() for spelling in MISSING[1:])


# ---- columns and targets of another kind ---------------------------------------------------------

DAY = datetime.date(2024, 1, 31)
OTHERS = {
    "integers": pl.Series([2139] * ROWS),
    "floats": pl.Series([2139.0] * ROWS),
    "truth values": pl.Series([True] * ROWS),
    "dates": pl.Series([DAY] * ROWS),
    "times": pl.Series([datetime.datetime(2024, 1, 31, 12)] * ROWS),
    "time of day": pl.Series([datetime.time(12)] * ROWS),
}


@EITHER
@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_a_column_of_text_takes_no_other_values(capsys, tmp_path, kind, command, memory):
    """Text of a CSV file and numbers or dates of a typed file are not the same categories."""
    model, path = tmp_path / "m", tmp_path / "t.parquet"
    texts = ["02139", "2024-01-31", "x"]
    train_json(capsys, csv_file(tmp_path / "t.csv", ["a", "b"] * 60, x=lambda i: texts[i % 3]), *FAST, "--out", model)  # fmt: skip
    target = pl.Series(["a", "b"] * (ROWS // 2))
    for values in (OTHERS[kind], pl.Series([None] * ROWS, dtype=OTHERS[kind].dtype)):
        pl.DataFrame({"x": values, "t": target}).write_parquet(path)
        code, _, err = run(capsys, command, model, path, *MEMORY[memory])
        got = f"got {values[0]!r}\n"
        message = f"{path}: column 'x': expected text, as the model was trained on, {got}"
        missing = values[0] is None
        assert (code, err) == ((0, "") if missing else (2, f"nablas: error: {message}"))


@EITHER
@pytest.mark.parametrize("share", [1.0, 0.95, 0.5])
@pytest.mark.parametrize("decimal", [".", ","])
def test_numbers_by_the_other_decimal_point(capsys, tmp_path, decimal, share, memory):
    """Named where all or nearly all values of a column of text are such numbers."""
    other = {".": ",", ",": "."}[decimal]
    texts = [f"{i % 10}{other}{i}5" if i % 20 < 20 * share else "word" for i in range(ROWS)]
    path = csv_file(tmp_path / "t.csv", ["a", "b"] * 60, ";", x=texts.__getitem__)
    _, err = train(capsys, path, "--decimal", decimal, *MEMORY[memory])
    assert ("column 'x' is read as text" in err) == (share > 0.9)
    assert (f"--decimal {other} reads" in err) == (share > 0.9)
    nearly = "nablas: warning: column 'x' is read as text: 6 of 120 values are no numbers"
    err = train(capsys, path, "--decimal", other)[1]
    assert err.split(", such")[0] == (nearly if share == 0.95 else "")


@EITHER
@pytest.mark.parametrize(("values", "task"), [("w{}", "auto"), ("{}.5", "classification"), ("{}", "classification")])  # fmt: skip
def test_about_as_many_classes_as_rows(capsys, tmp_path, values, task, memory):
    for distinct, warned in ((ROWS, True), (5, False), (2, False)):
        targets = [values.format(i % distinct) for i in range(ROWS)]
        path = csv_file(tmp_path / "t.csv", targets)
        _, err = train(capsys, path, "--task", task, *MEMORY[memory])
        words = f"nablas: warning: target 't' has {distinct} classes in {ROWS} rows"
        assert (words in err) == warned
        assert (err == "") != warned


# ---- the task ------------------------------------------------------------------------------------

NUMBERS = {  # values, whether there are holes; task, classes
    "labels": (["0", "1"], False, "classification", ["0", "1"]),
    "labels with a hole": (["0.0", "1.0"], True, "classification", ["0", "1"]),
    "negative labels with a hole": (["-1.0", "1.0"], True, "classification", ["-1", "1"]),
    "50 labels with a hole": ([f"{i}.0" for i in range(50)], True, "classification", None),
    "51 labels with a hole": ([f"{i}.0" for i in range(51)], True, "regression", None),
    "whole floats": (["0.0", "1.0"], False, "regression", None),
    "floats with a hole": (["0.0", "1.5"], True, "regression", None),
    "numbers beyond integers with a hole": (["1e16", "2.0"], True, "regression", None),
}


@EITHER
@pytest.mark.parametrize("end", ["csv", "parquet"])
@pytest.mark.parametrize("kind", NUMBERS)
def test_holes_do_not_change_the_task(capsys, tmp_path, kind, end, memory):
    """Integers with holes are floats in pandas. The task is printed, and how to choose the other."""
    values, holes, task, classes = NUMBERS[kind]
    path, model = tmp_path / f"t.{end}", tmp_path / "m"
    targets = [values[i % len(values)] for i in range(ROWS)]
    if holes:
        targets[70] = ""
    csv_file(path, targets)
    if end == "parquet":
        frame = pl.read_csv(path, infer_schema_length=None)
        frame.write_parquet(path)
    found, err = train(capsys, path, "--out", model, *MEMORY[memory])
    assert (found["task"], err) == (task, "")
    assert found["rows_without_target"] == holes
    target = nb.MLP.load(model).extra["preprocessing"]["target"]
    assert classes is None or target["classes"] == classes
    other = {"classification": "regression", "regression": "classification"}[task]
    out = " ".join(run(capsys, "train", path, *FAST, *MEMORY[memory])[1].split())
    assert f"{task}: t is " in out
    assert f"--task {other}" in out
    given = [*FAST, "--task", "regression", *MEMORY[memory]]
    out = run(capsys, "train", path, *given)[1]
    assert "regression: t is a number\n" in out
    if classes is not None:  # without the hole, and as integers, the labels are the same
        csv_file(tmp_path / "whole.csv", [classes[i % len(classes)] for i in range(ROWS)])
        code, _, err = run(capsys, "evaluate", model, tmp_path / "whole.csv", *MEMORY[memory])
        assert (code, err) == (0, "")


# ---- files ---------------------------------------------------------------------------------------

TABLES = [".csv", ".CSV", ".csv.gz", ".tsv", ".txt", ".data", ".parquet", ".pq"]
ENDS = [*TABLES, *(end for end in paths.OTHERS if end != ".safetensors")]
KINDS_OF_FILES = {
    "a table": b"x,t\n1,2\n",
    "a script": b"print('hello')\n",
    "a short text": b"abc",
    "bytes": bytes(range(256)),
    "another safetensors file": None,
}


@pytest.mark.parametrize("option", ["--out", "--checkpoint"])
@pytest.mark.parametrize("end", ENDS)
def test_a_model_has_no_name_of_a_table(capsys, tmp_path, option, end):
    """Refused before the table is read, whether the file is there or not."""
    for content in (None, b"precious"):
        path = tmp_path / f"other{end}"
        if content is not None:
            path.write_bytes(content)
        code, out, err = run(capsys, "train", "iris", option, path, "--json")
        message = f"{option}: expected a .safetensors file, got {path}"
        assert (code, out, err) == (2, "", f"nablas: error: {message}\n")
        assert (path.read_bytes() if path.exists() else None) == content


FOREIGN = [(kind, name) for kind in KINDS_OF_FILES for name in ("other", "other.py")]


@pytest.mark.parametrize("more", [[], ["--resume"]])
@pytest.mark.parametrize(
    ("kind", "name"), [*FOREIGN, ("another safetensors file", "m.safetensors")]
)
def test_a_model_replaces_models_alone(capsys, tmp_path, kind, name, more):
    path, content = tmp_path / name, KINDS_OF_FILES[kind] or save({"x": np.zeros(3)})
    path.write_bytes(content)
    for option in ("--out", "--checkpoint"):
        given = [option, path, *(more if option == "--checkpoint" else [])]
        code, out, err = run(capsys, "train", "iris", *given, "--json")
        words = f"{option}: expected a nablas model or a new file, got {path}, a file of another"
        assert (code, out) == (2, "")
        assert words in err
        assert path.read_bytes() == content


@pytest.mark.parametrize("content", [None, b"", b"old"])
def test_a_model_replaces_an_empty_file_and_what_is_called_a_model(capsys, tmp_path, content):
    path = tmp_path / "m.safetensors"
    if content is not None:
        path.write_bytes(content)
    for _ in range(2):  # and then a model
        code, _, err = run(capsys, "train", "iris", "--epochs", 1, "--out", path, "--json")
        assert (code, err) == (0, "")


def test_predictions_replace_no_model(capsys, tmp_path):
    model, other = tmp_path / "m", tmp_path / "other"
    train_json(capsys, "iris", "--epochs", 1, "--out", model)
    nb.MLP([2, 1], seed=0).save(other)
    before = other.read_bytes()
    code, _, err = run(capsys, "predict", model, "iris", "--out", other)
    assert (code, other.read_bytes()) == (2, before)
    assert f"--out: expected a .csv, .tsv or .parquet file, got {other}" in err


@pytest.mark.parametrize("kind", [kind for kind, content in KINDS_OF_FILES.items() if content])
def test_a_file_that_is_no_model(capsys, tmp_path, kind):
    """Plain words instead of those of the library that reads it."""
    path = tmp_path / "file"
    path.write_bytes(KINDS_OF_FILES[kind])
    message = f"{path}: expected a nablas model, but it is a file of another kind"
    with pytest.raises(ValueError, match="^" + message.replace("\\", "\\\\") + "$"):
        nb.MLP.load(path)
    for command in (["predict", path, "iris"], ["evaluate", path, "iris"], ["info", path]):
        code, out, err = run(capsys, *command)
        assert (code, out, err) == (2, "", f"nablas: error: {message}\n")


@EITHER
def test_errors_about_columns_name_the_table(capsys, tmp_path, memory):
    model, path = tmp_path / "m", csv_file(tmp_path / "t.csv", ["a", "b"] * 60)
    train_json(capsys, path, *FAST, "--out", model)
    (other := tmp_path / "o.csv").write_text("u,v\n1,2\n")
    (half := tmp_path / "h.csv").write_text("x,v\n1,2\n")
    target = "expected target column 't' among"
    for command, message in (
        (["predict", model, other], f"{other}: expected column 'x' among u, v, got none"),
        (["evaluate", model, half], f"{half}: {target} x, v, got none"),
        (["train", half, "--target", "t"], f"{half}: {target} x, v, got none"),
        (["train", "iris", "--target", "t"], f"iris: {target} sepal length (cm), "),
        (["predict", model, "iris"], "iris: expected column 'x' among sepal length (cm), "),
    ):
        code, out, err = run(capsys, *command, *MEMORY[memory])
        assert (code, out) == (2, "")
        assert err.startswith(f"nablas: error: {message}")


ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252", "utf-16 cut"]


@EITHER
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_encodings_of_csv_files(capsys, tmp_path, encoding, packed, memory):
    """UTF-16 is known by its first two bytes; others are refused with the line and a way out."""
    import gzip

    good, path = tmp_path / "good.csv", tmp_path / ("t.csv.gz" if packed else "t.csv")
    csv_file(good, ["a", "b"] * 60, x=lambda i: ["né", "u"][i % 100 == 50])
    text = good.read_text().replace("né", "u", 30)  # the first one is on line 32
    content = text.encode(encoding.split()[0])[: -1 if "cut" in encoding else None]
    model = tmp_path / "m"
    train_json(capsys, good, *FAST, "--out", model)
    path.write_bytes(gzip.compress(content) if packed else content)
    for command in (["train", path, *FAST, "--json"], ["predict", model, path]):
        code, _, err = run(capsys, *command, *MEMORY[memory])
        if encoding in ENCODINGS[:3]:
            assert (code, err) == (0, "")
            continue
        said = "UTF-16, as its first bytes say, got other bytes\n"
        if "cut" not in encoding:
            said = "UTF-8, got other bytes on line 32; convert it, for example by iconv -f latin1 -t utf-8\n"  # fmt: skip
        assert (code, err) == (2, f"nablas: error: {path}: expected {said}")


# ---- small ---------------------------------------------------------------------------------------


@EITHER
@pytest.mark.parametrize("mark", ["#", "%", "//"])
def test_a_comment_that_is_no_comment_yet(capsys, tmp_path, mark, memory):
    first, between = tmp_path / "first.csv", tmp_path / "between.csv"
    first.write_text(f"{mark} made today\nx,t\n" + "1,a\n2,b\n" * 60)
    between.write_text(f"x,t\n1,a\n{mark} made today\n" + "1,a\n2,b\n" * 60)
    for path in (first, between):
        code, _, err = run(capsys, "train", path, *FAST, *MEMORY[memory])
        assert code == 2
        assert err.endswith(f"; --comment '{mark}' leaves out lines that begin with it\n")
        assert train(capsys, path, "--comment", mark, *MEMORY[memory])[0]["task"]


def test_a_header_alone_gives_no_predictions(capsys, tmp_path):
    model, path = tmp_path / "m", csv_file(tmp_path / "t.csv", ["a", "b"] * 60)
    train_json(capsys, path, *FAST, "--out", model)
    path.write_text("x\n")
    pl.DataFrame({"x": []}, schema={"x": pl.Float64}).write_parquet(tmp_path / "t.parquet")
    for table, memory in itertools.product([path, tmp_path / "t.parquet"], ["1", "1G"]):
        code, out, err = run(capsys, "predict", model, table, "--memory", memory)
        message = f"{table}: expected at least one row, got 0"
        assert (code, out, err) == (2, "", f"nablas: error: {message}\n")


@EITHER
def test_a_hyphen_is_standard_output(capsys, tmp_path, monkeypatch, memory):
    """As it is standard input; a model cannot be written there."""
    monkeypatch.chdir(tmp_path)
    model, path = tmp_path / "m", csv_file(tmp_path / "t.csv", ["a", "b"] * 60)
    train_json(capsys, path, *FAST, "--out", model)
    want = run(capsys, "predict", model, path, *MEMORY[memory])
    assert run(capsys, "predict", model, path, "--out", "-", *MEMORY[memory]) == want
    monkeypatch.setattr(sys, "stdin", type("Input", (), {"buffer": io.BytesIO(path.read_bytes())}))
    assert run(capsys, "predict", model, "-", "--out", "-") == want
    for option in ("--out", "--checkpoint"):
        code, _, err = run(capsys, "train", path, *FAST, option, "-")
        assert code == 2
        assert f"{option}: expected a nablas model or a new file, got -, no file" in err
    assert not (tmp_path / "-").exists()
