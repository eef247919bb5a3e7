"""The parts that `nablas train` divides a table into, what options may say, and files it may not replace."""

import itertools
import json
import os
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from test_cli import run, train_json

from nablas.cli import _FILES, _commands, _parser

pytest.importorskip("pyarrow", reason="pyarrow is not installed")

MEMORY = {"in memory": [], "in blocks": ["--memory", "1K"]}
FAST = ["--target", "t", "--hidden", "none", "--epochs", 1]


def table(path, rows=400, target="t"):
    """A table of one number and a text, in the format that the path says."""
    x, names = np.arange(rows) % 11 + 0.25, ["ab"[i % 2] for i in range(rows)]
    frame = pl.DataFrame({"x": x, target: names})
    if path.suffix == ".npz":
        np.savez(path, X=x[:, np.newaxis], **{target: names})
    elif path.suffix == ".parquet":
        frame.write_parquet(path)
    else:
        frame.write_csv(path)
    return path


# ---- shares --------------------------------------------------------------------------------------


@pytest.mark.parametrize("memory", MEMORY)
@pytest.mark.parametrize("test", [0, 0.2, 0.4, 0.9])
@pytest.mark.parametrize("validation", [0, 0.1, 0.4, 0.9])
def test_shares_have_one_base(capsys, tmp_path, test, validation, memory):
    """`--test` is of all rows, `--validation` of those that it leaves, wherever the table is."""
    rows = 2000
    path = table(tmp_path / "t.csv", rows)
    given = ["--test", test, "--validation", validation, *MEMORY[memory]]
    scores = train_json(capsys, path, *FAST, *given)["scores"]
    got = {name: part["rows"] for name, part in scores.items()}
    want = {"test": round(rows * test)}
    want["validation"] = round((rows - want["test"]) * validation)
    want["train"] = rows - sum(want.values())
    assert sum(got.values()) == rows
    for name, count in want.items():
        share = count / rows
        near = 0 if memory == "in memory" else 5 * np.sqrt(rows * share * (1 - share))
        assert abs(got.get(name, 0) - count) <= near, (got, want)


def test_the_parts_of_400_rows(capsys, tmp_path):
    path = table(tmp_path / "t.csv")
    found = train_json(capsys, path, *FAST, "--test", 0.4, "--validation", 0.4)["scores"]
    assert {name: part["rows"] for name, part in found.items()} == {
        "train": 144, "test": 160, "validation": 96,
    }  # fmt: skip


@pytest.mark.parametrize(("test", "validation"), [(0.9999, 0), (0, 0.9999), (0.9999, 0.9999)])
def test_shares_that_leave_nothing(capsys, tmp_path, test, validation):
    """The same error in memory and in blocks."""
    path = table(tmp_path / "t.csv", 200)
    errors = set()
    for memory in MEMORY.values():
        given = ["--test", test, "--validation", validation, "--json", *memory]
        code, out, err = run(capsys, "train", path, *FAST, *given)
        assert (code, out) == (2, "")
        errors.add(err)
    message = f"{path}: expected rows left to train on, got 200 rows in all"
    assert errors == {f"nablas: error: {message}\n"}


# ---- values of options ---------------------------------------------------------------------------

WRONG = {
    "--hidden": ["-1", "0", "1.5", "x", "3,,4", str(2**63), "9" * 30],
    "--learning-rate": ["-1", "0", "nan", "inf", "x"],
    "--epochs": ["-1", "0", "1.5", "x", str(2**63), "9" * 30],
    "--batch-size": ["-1", "0", "1.5", "x", str(2**63), "9" * 30],
    "--l2": ["-1", "nan", "inf", "x"],
    "--dropout": ["-0.1", "1", "nan", "inf", "x"],
    "--seed": ["-1", str(2**63), "1.5", "x", "9" * 30],
    "--threads": ["-1", "0", "1.5", "x", str(2**63), "9" * 30, "4097"],
    "--shards": ["-1", "0", "3", "1.5", "x", str(2**63), "9" * 30],
    "--validation": ["-0.1", "1", "nan", "inf", "x"],
    "--test": ["-0.1", "1", "nan", "inf", "x"],
    "--patience": ["-1", "1.5", "nan", "x", str(2**63), "9" * 30],
    "--checkpoint-seconds": ["-1", "0", "nan", "inf", "x"],
    "--memory": ["-1", "0", "nan", "inf", "x"],
    "--separator": ["", "ab", '"', "\n", "\r"],
    "--comment": [""],
}


def test_every_option_that_is_converted_is_tested():
    actions = _commands(_parser())["train"]._actions
    assert {a.option_strings[0] for a in actions if a.type is not None} == set(WRONG)


@pytest.mark.parametrize(("option", "value"), [(o, v) for o in WRONG for v in WRONG[o]])
def test_values_that_options_refuse(capsys, option, value):
    """By one line that names the option, before the table is looked for."""
    code, out, err = run(capsys, "train", "nowhere.csv", *FAST, "--json", option, value)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert err.startswith(f"nablas: error: argument {option}: invalid ")
    assert "nowhere" not in err


# ---- files that are read and written -------------------------------------------------------------

READ = ("source", "model", "data")


def pairs():
    """Every option of a command that is written with every argument that is read."""
    for name, command in _commands(_parser()).items():
        files = [a for a in command._actions if a.dest in _FILES]
        read = [a.dest for a in files if a.dest in READ]
        written = [a.option_strings[0] for a in files if a.option_strings]
        assert len(read) + len(written) == len(files)
        yield from ((name, dest, option) for dest, option in itertools.product(read, written))


def other_name(path, how):
    """The same file by another name."""
    folder = path.parent
    if how == "itself":
        return path
    if how == "through its folder":
        (folder / "inner").mkdir()
        return folder / "inner" / ".." / path.name
    made = folder / "other.csv"
    if how == "symbolic link":
        made.symlink_to(path)
    elif how == "hard link":
        os.link(path, made)
    else:
        (folder / "linked").symlink_to(folder)
        made = folder / "linked" / path.name
    return made


NAMES = ["itself", "through its folder", "symbolic link", "hard link", "linked folder"]


def arguments(tmp_path, command, path):
    """Positional arguments of a command; the table is at `path`."""
    return [path] if command == "train" else [tmp_path / "m", path]


@pytest.mark.skipif(os.name != "posix", reason="links are POSIX's")
@pytest.mark.parametrize("how", NAMES)
@pytest.mark.parametrize(("command", "dest", "option"), list(pairs()))
@pytest.mark.parametrize("kind", ["t.csv", "t.parquet", "t.npz", "big.csv"])
def test_no_output_replaces_an_input(capsys, tmp_path, command, dest, option, how, kind):
    (folder := tmp_path / "folder").mkdir()
    path = table(folder / kind)
    given = ["--target", "t", "--epochs", 1] if command == "train" else []
    if command == "predict":
        train_json(capsys, path, *FAST, "--out", tmp_path / "m")
    given += MEMORY["in blocks"] if kind == "big.csv" else []
    replaced = path if dest != "model" else tmp_path / "m"
    before = replaced.read_bytes()
    out = other_name(replaced, how)
    code, said, err = run(capsys, command, *arguments(tmp_path, command, path), *given, option, out)
    assert (code, said) == (2, "")
    assert err == (
        f"nablas: error: {option}: expected another file than {dest.upper()}, which is read, got "
        f"{out}\n"
    )
    assert replaced.read_bytes() == before


@pytest.mark.parametrize("option", ["--out", "--checkpoint"])
def test_no_output_replaces_a_file_of_a_folder(capsys, tmp_path, option):
    (folder := tmp_path / "parts").mkdir()
    path = table(folder / "a.parquet")
    before = path.read_bytes()
    code, _, err = run(capsys, "train", folder, *FAST, option, path)
    assert code == 2
    assert f"{option}: expected another file than SOURCE, which is read, got {path}" in err
    assert path.read_bytes() == before


@pytest.mark.skipif(os.name != "posix", reason="a file's number by its descriptor")
def test_no_output_replaces_standard_input(tmp_path):
    path = table(tmp_path / "t.csv")
    before = path.read_bytes()
    command = [sys.executable, "-m", "nablas", "train", "-", *map(str, FAST), "--out", str(path)]
    with open(path) as file:
        done = subprocess.run(command, stdin=file, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--out: expected another file than SOURCE, which is read" in done.stderr
    assert path.read_bytes() == before


def test_outputs_that_are_one_file(capsys, tmp_path):
    path, out = table(tmp_path / "t.csv"), tmp_path / "m"
    for _ in range(2):  # not yet there, and there
        code, _, err = run(capsys, "train", path, *FAST, "--out", out, "--checkpoint", out)
        assert code == 2
        assert f"--checkpoint: expected another file than --out, got {out}" in err
        out.write_bytes(b"")
    for option in ("--out", "--checkpoint"):
        code, _, err = run(capsys, "train", path, *FAST, option, "")
        assert (code, err.count("\n")) == (2, 1)


def test_a_file_with_the_name_of_a_data_set(capsys, tmp_path, monkeypatch):
    """It is not read, so it may be written."""
    monkeypatch.chdir(tmp_path)
    assert run(capsys, "train", "iris", "--epochs", 1, "--out", "iris", "--json")[0] == 0
    assert run(capsys, "train", "iris", "--epochs", 1, "--out", "iris", "--json")[0] == 0


# ---- names in the predictions --------------------------------------------------------------------


@pytest.mark.parametrize("memory", MEMORY)
@pytest.mark.parametrize("end", ["csv", "parquet"])
@pytest.mark.parametrize("name", ["p(a)", "p(b)", "p(p(a)=a)", "p(c)", "p"])
def test_predictions_keep_every_column(capsys, tmp_path, name, end, memory):
    """Also of a target that is called as a class's probability usually is."""
    path, model, out = table(tmp_path / "t.csv", target=name), tmp_path / "m", tmp_path / f"p.{end}"
    train_json(capsys, path, "--target", name, "--epochs", 1, "--out", model)
    assert run(capsys, "predict", model, path, "--out", out, *MEMORY[memory])[0] == 0
    found = pl.read_csv(out) if end == "csv" else pl.read_parquet(out)
    clash = name in ("p(a)", "p(b)")
    names = [f"p({name}={c})" if clash else f"p({c})" for c in "ab"]
    assert found.columns == [name, *names]
    assert set(found[name]) <= {"a", "b"}
    np.testing.assert_allclose(found[names[0]] + found[names[1]], 1, rtol=1e-5)


def test_a_target_called_like_a_column_of_an_array(capsys, tmp_path):
    path = table(tmp_path / "t.npz", target="x0")
    code, _, err = run(capsys, "train", path, "--target", "x0", "--json")
    assert code == 2
    assert "x0: expected a target of another name than the columns of X" in err


@pytest.mark.parametrize(("kind", "values"), [("boolean", [True, False]), ("number", [0.5, 1.5]), ("integer", [3, 4]), ("text", ["a", "b"])])  # fmt: skip
def test_predictions_have_the_targets_kind(capsys, tmp_path, kind, values):
    path, model, out = tmp_path / "t.parquet", tmp_path / "m", tmp_path / "p.parquet"
    frame = pl.DataFrame({"x": np.arange(40) % 2, "t": values * 20})
    frame.write_parquet(path)
    train_json(capsys, path, *FAST, "--task", "classification", "--out", model)
    assert json.loads(run(capsys, "info", model, "--json")[1])["target"]["dtype"] == kind
    assert run(capsys, "predict", model, path, "--out", out)[0] == 0
    assert pl.read_parquet(out)["t"].dtype == frame["t"].dtype
