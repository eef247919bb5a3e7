"""What the command line prints, and what becomes of it: markup, encodings, streams that are closed or full."""

import errno
import io
import json
import os
import sys

import numpy as np
import polars as pl
import pytest
from test_cli import run, train_json

import nablas as nb
from nablas.cli import main, paths, tables

FAST = ["--hidden", "2", "--epochs", 1]
NAMES = ["[a]", "[/b]", "[bold]x", "a[/]", ":smile:", "[link=http://x]", "[red]é[/red]", "\\[a]"]


@pytest.fixture(autouse=True)
def one_process(monkeypatch):
    monkeypatch.setattr(tables, "check_parquet", lambda path: None)  # in a process of its own


def table(path, column="x", target="t", values=("a", "b"), rows=40):
    frame = pl.DataFrame(
        {column: np.arange(rows) % 7, target: [values[i % 2] for i in range(rows)]}
    )
    frame.write_parquet(path) if path.suffix == ".parquet" else frame.write_csv(path)
    return path


@pytest.mark.skipif(os.name != "posix", reason="files with such names are POSIX's")
@pytest.mark.parametrize("name", NAMES)
def test_names_are_printed_as_they_are(capsys, tmp_path, name, monkeypatch):
    """Of columns, of the target, of classes, of files: rich takes brackets for markup."""
    monkeypatch.setenv("COLUMNS", "200")
    file = name.replace("/", "")
    path = table(tmp_path / f"{file}.parquet", name, f"{name} t", (f"{name} 1", f"{name} 2"))
    model = tmp_path / file
    code, out, err = run(capsys, "train", path, "--target", f"{name} t", *FAST, "--out", model)
    assert code == 0, err
    cells = [cell.strip() for line in out.splitlines() for cell in line.split("│")]
    assert {name, f"{name} t", f"{name} 1"} <= {*cells}, out
    said = "".join(out.split("\n"))
    assert f"{path}: MLP" in said
    assert f"wrote {model}" in said
    code, out, err = run(capsys, "info", model)
    assert code == 0, err
    said = "".join(out.split("\n"))
    assert f"{model}: " in said
    assert f"predicts {name} t: {name} 1, {name} 2from {name}" in said
    code, out, err = run(capsys, "evaluate", model, path)
    assert code == 0, err
    assert f"{model} on {path}" in "".join(out.split("\n"))


# ---- standard output -----------------------------------------------------------------------------

COMMANDS = {
    "help": ["--help"],
    "version": ["--version"],
    "train": ["train", "t.csv", "--target", "t", *FAST, "--out", "made"],
    "train, JSON": ["train", "t.csv", "--target", "t", *FAST, "--out", "made", "--json"],
    "predict": ["predict", "m", "t.csv"],
    "predict in blocks": ["predict", "m", "t.csv", "--memory", "1"],
    "evaluate": ["evaluate", "m", "t.csv"],
    "evaluate, JSON": ["evaluate", "m", "t.csv", "--json"],
    "info": ["info"],
    "info of a model": ["info", "m"],
    "info, JSON": ["info", "m", "--json"],
}


@pytest.fixture
def place(capsys, tmp_path, monkeypatch):
    """The working directory, with a table and a model."""
    monkeypatch.chdir(tmp_path)
    table(tmp_path / "t.csv")
    train_json(capsys, "t.csv", "--target", "t", *FAST, "--out", "m")
    return tmp_path


def code_of(arguments):
    try:
        return main([str(a) for a in arguments])
    except SystemExit as end:
        return end.code


class Full(io.FileIO):
    """A file on a full disk, until its descriptor is that of another file."""

    def __init__(self, path):
        super().__init__(path, "w")
        self.own = os.fstat(self.fileno())

    def write(self, data):
        if os.path.samestat(os.fstat(self.fileno()), self.own):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(data)


def opened(how, buffering):
    """A standard output that nobody reads, or of a full disk."""
    if how == "full":
        buffer = io.BufferedWriter(Full("standard output"))
        return io.TextIOWrapper(buffer, encoding="utf-8", line_buffering=buffering == 1)
    read, written = os.pipe()
    os.close(read)
    return open(written, "w", buffering=buffering)


@pytest.mark.skipif(os.name != "posix", reason="the message of a closed pipe is another one")
@pytest.mark.parametrize("buffering", [1, 2**16], ids=["lines", "blocks"])
@pytest.mark.parametrize("how", ["full", "closed pipe"])
@pytest.mark.parametrize("command", COMMANDS)
def test_standard_output_that_cannot_be_written(
    capsys, monkeypatch, place, command, how, buffering
):
    """One line and code 2, or silence and code 0 where the reader had enough; the model is kept."""
    if command.startswith("predict"):
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    out = opened(how, buffering)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        code = code_of(COMMANDS[command])
    out.close()  # as the interpreter does at its end: nothing is left that cannot be written
    err = capsys.readouterr().err
    if how == "full":
        assert code == 2
        assert err.splitlines()[-1] == "nablas: error: [Errno 28] No space left on device"
    else:
        assert code == 0
        assert "error" not in err
    early = command == "train" and how == "full"  # at the report before the training
    assert (place / "made").exists() == (command.startswith("train") and not early)


def test_predictions_need_standard_output(capsys, monkeypatch, place):
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", None)
        assert code_of(COMMANDS["predict"]) == 2
        assert code_of(COMMANDS["train"]) == 0
    message = "nablas: error: standard output: expected it to be open, got it closed\n"
    assert capsys.readouterr().err.startswith(message)
    assert (place / "made").exists()


def test_standard_input_that_is_closed(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    code, _, err = run(capsys, "train", "-", "--target", "t")
    message = "-: expected standard input to be open, got it closed"
    assert (code, err) == (2, f"nablas: error: {message}\n")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8", "utf-16"])
def test_encodings_of_standard_output(capsys, monkeypatch, tmp_path, encoding):
    """Predictions are UTF-8, as the files that are read; what it lacks does not end a training."""
    path = table(tmp_path / "t.csv", "größe", "färbung", ("rot", "grün 緑"))
    model = tmp_path / "m"
    outs = []
    for command in (
        ["train", path, "--target", "färbung", *FAST, "--out", model],
        ["train", path, "--target", "größe", "--task", "regression", *FAST],
        ["info", model],
        ["evaluate", model, path],
        ["predict", model, path],
    ):
        raw = io.BytesIO()
        out = io.TextIOWrapper(raw, encoding=encoding)
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", out)
            code = code_of(command)
        assert code == 0, capsys.readouterr().err
        out.flush()
        outs.append(raw.getvalue())
    assert outs[-1].decode().startswith("färbung,p(grün 緑),p(rot)\n")
    for out in outs[:-1]:
        out.decode(encoding)


# ---- a model that is trained is written ----------------------------------------------------------


def test_ctrl_c_while_the_model_is_written(capsys, monkeypatch, place):
    real, calls = nb.MLP.save, []

    def save(self, path):
        calls.append(path)
        if len(calls) == 1:
            raise KeyboardInterrupt
        real(self, path)

    monkeypatch.setattr(nb.MLP, "save", save)
    code, out, err = run(capsys, *COMMANDS["train, JSON"])
    assert (code, err) == (130, "nablas: interrupted\n")
    assert json.loads(out)["interrupted"]
    assert nb.MLP.load(place / "made").sizes == (1, 2, 2)


# ---- names of written tables ---------------------------------------------------------------------

READ_BACK = {"p.tsv": "\t", "P.TSV": "\t"}
READ_BACK |= dict.fromkeys(
    ["p", "p.csv", "P.CSV", "p.txt", "p.data", "p.out", "p.2024-11-30", "p_v1.2", ".p", "p.tsv.old"], ","
)  # fmt: skip


@pytest.mark.parametrize("memory", [[], ["--memory", "1"]])
def test_a_table_is_what_its_name_says(capsys, place, memory):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    want = pl.read_csv(io.StringIO(run(capsys, "predict", "m", "t.csv")[1]))
    for name, separator in READ_BACK.items():
        assert run(capsys, "predict", "m", "t.csv", "--out", name, *memory)[0] == 0
        assert pl.read_csv(name, separator=separator).equals(want), name
    for end in tables.PARQUET:
        for name in (f"p{end}", f"P{end.upper()}"):
            assert run(capsys, "predict", "m", "t.csv", "--out", name, *memory)[0] == 0
            assert pl.read_parquet(name).equals(want), name
    for name in (*(f"p{end}" for end in paths.OTHERS), "p.csv.gz", "P.XLSX"):
        code, out, err = run(capsys, "predict", "m", "t.csv", "--out", name, *memory)
        message = f"--out: expected a .csv, .tsv or .parquet file, got {name}"
        assert (code, out, err) == (2, "", f"nablas: error: {message}\n")
        assert not (place / name).exists()


@pytest.mark.parametrize(
    "name", ["parts", "v1.0", "a.parquet", "a.csv", "a.csv.gz", "a.txt", "a.npz", "iris.d"]
)
@pytest.mark.parametrize("end", ["", "/", "/."])
def test_a_folder_of_parquet_files_by_any_name(capsys, place, name, end):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    (folder := place / name).mkdir()
    table(folder / "a.parquet")
    found = train_json(capsys, f"{name}{end}", "--target", "t", *FAST)
    assert sum(part["rows"] for part in found["scores"].values()) == 40
    assert run(capsys, "evaluate", "m", f"{name}{end}")[0] == 0
    assert run(capsys, "predict", "m", f"{name}{end}")[0] == 0


@pytest.mark.parametrize("name", ["b.csv", "b.CSV", "b.tsv", "b.csv.gz", "b.txt", "b.data"])
@pytest.mark.parametrize("also", [[], ["a.parquet"]])
def test_a_folder_of_csv_files_is_refused(capsys, place, name, also):
    """Pyarrow would read them by other rules than `nablas` does a file."""
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    (folder := place / "parts").mkdir()
    for file in also:
        table(folder / file)
    (folder / name).write_bytes((place / "t.csv").read_bytes())
    for command in (["train", "parts", "--target", "t"], ["predict", "m", "parts"]):
        code, out, err = run(capsys, *command)
        message = f"parts: expected a folder of Parquet files, got {name}"
        assert (code, out, err) == (2, "", f"nablas: error: {message}\n")


@pytest.mark.skipif(os.name != "posix", reason="files with such names are POSIX's")
@pytest.mark.parametrize("memory", [[], ["--memory", "1"]])
@pytest.mark.parametrize(
    "name",
    [
        "*.parquet",
        "?.parquet",
        "[ab].parquet",
        "[a].parquet",
        "**.parquet",
        "{a,b}.parquet",
        "a[.parquet",
    ],
)
def test_a_files_name_is_no_pattern(capsys, monkeypatch, place, name, memory):
    """That file is read, and no others, also by the process that tries it."""
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    monkeypatch.undo()
    monkeypatch.chdir(place)
    for other in ("a.parquet", "b.parquet"):
        table(place / other, rows=10)
    table(place / name, rows=44)
    found = train_json(capsys, name, "--target", "t", *FAST, *memory)
    assert sum(part["rows"] for part in found["scores"].values()) == 44


@pytest.mark.parametrize("folder", ["year=2024", "x=3", "t=1", "a=1/b=2"])
def test_a_files_columns_are_its_own(capsys, place, folder):
    """The names of the folders that it is in say nothing, however it is read."""
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    (place / folder).mkdir(parents=True)
    path = table(place / folder / "a.parquet")
    for memory in ([], ["--memory", "1"]):
        found = train_json(capsys, path, "--target", "t", *FAST, *memory)
        assert [column["name"] for column in found["columns"]] == ["x", "t"]


@pytest.mark.parametrize("separator", ["é", "→", "\x1f", "~", "a", "0", "."])
@pytest.mark.parametrize("quote", ["", '"'])
def test_separators_of_any_letter(capsys, tmp_path, separator, quote):
    text = f"{quote}x{quote}{separator}y\n{quote}5{quote}{separator}b\n"
    path = tmp_path / "t.csv"
    path.write_text(text)
    frame = tables.read(str(path), None, tables.Format(separator))[0]
    assert frame.to_dict(as_series=False) == {"x": [5], "y": ["b"]}
