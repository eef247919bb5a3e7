"""``nablas train --checkpoint F --resume``: the model of a training that never stopped."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import polars as pl
import pytest
from test_cli import run, train_json

import nablas as nb

TRAIN = ["digits", "--hidden", "20", "--dropout", "0.1", "--patience", "3", "--threads", "1"]


def model(path):
    return nb.MLP.load(path).parameters.tobytes()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The weights, the scores and the number of epochs of a training that is not stopped."""
    out = tmp_path_factory.mktemp("whole") / "m.safetensors"
    command = [sys.executable, "-m", "nablas", "train", *TRAIN, "--epochs", "12", "--json"]
    done = subprocess.run([*command, "--out", str(out)], capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)
    return model(out), result["scores"], result["epochs"]


def test_resumed_with_more_epochs_and_other_threads(capsys, tmp_path, whole):
    path, out = tmp_path / "c", tmp_path / "m"
    options = ["--checkpoint", path, "--resume", "--out", out]
    for i, epochs in enumerate((1, 5, 5, 12, 12)):
        result = train_json(capsys, *TRAIN[:-1], 1 + i % 2, "--epochs", epochs, *options)
        assert result["epochs"] == min(epochs, whole[2])
        assert (model(out) == whole[0]) is (epochs == 12)
    assert result["scores"] == whole[1]


def test_killed_at_random_moments(tmp_path, whole):
    path, out = tmp_path / "c", tmp_path / "m"
    command = [sys.executable, "-m", "nablas", "train", *TRAIN, "--epochs", "12", "--json"]
    command += ["--checkpoint", path, "--checkpoint-seconds", "0.001", "--resume", "--out", out]
    choice, kills = np.random.default_rng(0), 0
    for _ in range(4):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            until = time.monotonic() + 60
            while not path.exists() and process.poll() is None and time.monotonic() < until:
                time.sleep(0.001)
            time.sleep(choice.uniform(0, 0.1))
            process.kill()
        kills += process.returncode == -getattr(signal, "SIGKILL", 9)
    assert kills
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert model(out) == whole[0]


def test_a_checkpoint_is_a_model_for_the_other_commands(capsys, tmp_path):
    path, out = tmp_path / "c.safetensors", tmp_path / "m.safetensors"
    train_json(capsys, *TRAIN, "--epochs", 2, "--patience", 0, "--checkpoint", path, "--out", out)
    assert model(path) == model(out)
    for command in (["info"], ["evaluate", "digits"], ["predict", "digits"]):
        answers = []
        for file in (path, out):
            code, said, error = run(capsys, command[0], file, *command[1:])
            assert code == 0, error
            answers.append(said.replace(str(file), "FILE"))
        assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--seed", 1], "--validation, --memory), got others: column 'pixel_0_"),
        (["--hidden", 21], "sizes: expected"),
        (["--activation", "tanh"], "activations: expected"),
        (["--optimizer", "sgd"], "optimizer: expected adam, got sgd"),
        (["--learning-rate", 0.5], "learning_rate.initial: expected"),
        (["--batch-size", 7], "batch_size: expected 32, got 7"),
        (["--l2", 0.5], "l2: expected"),
        (["--dropout", 0.5], "dropout: expected"),
        (
            ["--validation", 0.3],
            "--validation, --memory), got others: column 'pixel_0_",
        ),
        (["--test", 0.3], "--validation, --memory), got others: column 'pixel_0_"),
        (["--patience", 4], "patience: expected 3, got 4"),
        (["--patience", 0], "callbacks: expected"),
        (["--epochs", 1], "epochs: expected at least 2"),
    ],
)
def test_other_options_are_an_error_that_names_them(capsys, tmp_path, options, words):
    path = tmp_path / "c"
    train_json(capsys, *TRAIN, "--epochs", 2, "--checkpoint", path)
    before = path.read_bytes()
    given = [*TRAIN, "--epochs", 3, *options, "--checkpoint", path, "--resume"]
    code, _, error = run(capsys, "train", *given, "--json")
    assert code == 2
    assert words in error
    assert path.read_bytes() == before


def test_options_of_checkpoints(capsys, tmp_path):
    code, _, error = run(capsys, "train", "iris", "--resume")
    assert code == 2
    assert "--resume: expected --checkpoint" in error
    for seconds in ("0", "-1", "inf", "nan", "x"):
        command = ["train", "iris", "--checkpoint", "c", "--checkpoint-seconds", seconds]
        assert run(capsys, *command)[0] == 2
    path = tmp_path / "c"
    code, out, error = run(capsys, "train", "iris", "--epochs", 1, "--checkpoint", path, "--resume")
    assert code == 0, error
    assert "begin" in out
    path.write_bytes(b"text")
    code, _, error = run(capsys, "train", "iris", "--checkpoint", path, "--resume", "--json")
    assert code == 2
    assert "expected a nablas model" in error
    code, _, error = run(capsys, "train", "iris", "--checkpoint", tmp_path / "no/c", "--json")
    assert code == 2
    assert "expected a folder that exists" in error


def test_without_resume_a_checkpoint_is_written_anew(capsys, tmp_path):
    path = tmp_path / "c"
    train_json(capsys, *TRAIN, "--epochs", 3, "--checkpoint", path)
    train_json(capsys, *TRAIN, "--epochs", 1, "--checkpoint", path)
    assert nb.MLP.load(path).epochs == 1


def changed(part):
    """A table that gives the same numbers to train on as `changed("nothing")`."""
    x, names = np.arange(60) % 11 * 0.5, ["ab"[i % 2] for i in range(60)]
    y = np.arange(60) * 1.5
    frame = {"x": x, "t": names if "class" in part else y}
    if part == "numbers of a column, times 2":
        frame["x"] = 2 * x
    elif part == "numbers of a column, moved":
        frame["x"] = x + 64
    elif part == "numbers of the target, times 2":
        frame["t"] = 2 * y
    elif part == "name of a column":
        frame = {"z": x, "t": frame["t"]}
    elif part == "names of classes":
        frame["t"] = [name * 2 for name in names]
    elif part == "kind of classes":
        frame["t"] = [name == "b" for name in names]
    return pl.DataFrame(frame)


@pytest.mark.parametrize(("part", "words"), [("numbers of a column, times 2", "column 'x': expected"), ("numbers of a column, moved", "column 'x': expected"), ("numbers of the target, times 2", "target 't': expected"), ("name of a column", "columns: expected"), ("names of classes", "target 't': expected"), ("kind of classes", "target 't': expected")])  # fmt: skip
@pytest.mark.parametrize("memory", [[], ["--memory", "1"]])
def test_another_table_that_trains_alike_is_refused(capsys, tmp_path, part, words, memory):
    """Its model would have the other table's names and units."""
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    path, file, out = tmp_path / "t.csv", tmp_path / "c", tmp_path / "m"
    given = [path, "--target", "t", "--hidden", "3", "--checkpoint", file, *memory]
    changed("classes" if "class" in part else "nothing").write_csv(path)
    train_json(capsys, *given, "--epochs", 2)
    before = file.read_bytes()
    changed(part).write_csv(path)
    more = [*given, "--epochs", 4, "--resume", "--out", out]
    code, said, error = run(capsys, "train", *more, "--json")
    assert (code, said) == (2, "")
    assert error.startswith(
        f"nablas: error: --resume: expected the table of {file} and the options"
    )
    assert f"got others: {words}" in error
    assert file.read_bytes() == before
    assert not out.exists()
