import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from cases import rng

import nablas as nb
from nablas.cli import main


def run(capsys, *arguments):
    """Exit code, standard output and standard error of one command."""
    try:
        code = main([str(a) for a in arguments])
    except SystemExit as end:
        code = end.code
    out, err = capsys.readouterr()
    return code, out, err


def train_json(capsys, *arguments):
    code, out, err = run(capsys, "train", *arguments, "--json")
    assert code == 0, err
    return json.loads(out)


SCORES = [
    ("digits", 0.96),
    ("iris", 0.85),
    ("wine", 0.9),
    ("breast_cancer", 0.93),
    ("moons", 0.98),
    ("spiral", 0.97),
]


@pytest.mark.parametrize(("source", "least"), SCORES)
def test_bundled_classification(capsys, source, least):
    result = train_json(capsys, source)
    assert result["scores"]["test"]["accuracy"] >= least


def test_bundled_regression(capsys):
    assert train_json(capsys, "diabetes")["scores"]["test"]["r2"] > 0.3


def test_the_table_for_people(capsys):
    code, out, err = run(capsys, "train", "iris", "--epochs", 3)
    assert code == 0
    for piece in (
        "accuracy",
        "test",
        "train",
        "samples/s",
        "MLP(4-128-64-3, relu, relu, softmax, float32)",
    ):
        assert piece in out
    assert "3/3" in err


@pytest.fixture
def mixed(tmp_path):
    """A table with numbers and text, some missing; the target is a function of both columns."""
    r, n = rng(), 600
    size, colour = r.normal(50, 10, n), r.choice(["red", "green", "blue"], n)
    known = r.random(n) > 0.2
    label = np.where((size > 50) ^ (colour == "red"), "yes", "no")
    frame = pl.DataFrame(
        {
            "size": [float(v) if k else None for v, k in zip(size, known, strict=True)],
            "colour": [c if i % 17 else None for i, c in enumerate(colour)],
            "flag": r.random(n) > 0.5,
            "constant": [7] * n,
            "label": label,
        }
    )
    path = tmp_path / "mixed.csv"
    frame.write_csv(path)
    return frame, path


def test_a_csv_from_training_to_prediction(capsys, tmp_path, mixed):
    frame, path = mixed
    model = tmp_path / "m.safetensors"
    result = train_json(capsys, path, "--target", "label", "--out", model, "--hidden", "32,16")
    assert result["scores"]["test"]["accuracy"] > 0.75
    code, out, _ = run(capsys, "info", model, "--json")
    info = json.loads(out)
    assert code == 0
    assert info["features"] == [
        "size", "size missing", "colour=blue", "colour=green", "colour=red", "colour missing", "flag", "constant",
    ]  # fmt: skip
    assert info["target"]["classes"] == ["no", "yes"]
    code, out, _ = run(capsys, "evaluate", model, path, "--json")
    assert code == 0
    assert json.loads(out)["scores"]["data"]["accuracy"] > 0.75
    new = tmp_path / "new.csv"
    frame.drop("label").with_columns(colour=pl.lit("purple")).write_csv(new)
    for out_path in (tmp_path / "p.csv", tmp_path / "p.parquet"):
        assert run(capsys, "predict", model, new, "--out", out_path)[0] == 0
        table = pl.read_csv(out_path) if out_path.suffix == ".csv" else pl.read_parquet(out_path)
        assert table.columns == ["label", "p(no)", "p(yes)"]
        assert table.height == frame.height
        np.testing.assert_allclose(table["p(no)"] + table["p(yes)"], 1, rtol=1e-5)
    assert run(capsys, "predict", model, path)[1].startswith("label,p(no),p(yes)\n")
    assert run(capsys, "info", model)[1].count("\n") > 5


def test_regression_predicts_in_the_targets_units(capsys, tmp_path):
    x = rng().uniform(0, 100, 400)
    path, model = tmp_path / "line.csv", tmp_path / "m.safetensors"
    pl.DataFrame({"x": x, "price": 1000 + 20 * x}).write_csv(path)
    result = train_json(capsys, path, "--target", "price", "--out", model)
    assert result["scores"]["test"]["r2"] > 0.99
    out = run(capsys, "predict", model, path)[1]
    predicted = np.array([float(v) for v in out.split()[1:]])
    assert np.abs(predicted - (1000 + 20 * x)).max() < 150


def test_parquet_npz_and_semicolons(capsys, tmp_path):
    x, y = rng().normal(size=(300, 3)), rng(1).integers(0, 2, 300)
    x[:, 0] += 3 * y
    frame = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": y})
    frame.write_parquet(tmp_path / "t.parquet")
    frame.write_csv(tmp_path / "t.csv", separator=";")
    np.savez(tmp_path / "t.npz", X=x.reshape(300, 3, 1), y=y)
    for name, options in [
        ("t.parquet", ["--target", "y"]),
        ("t.csv", ["--target", "y"]),
        ("t.npz", []),
    ]:
        result = train_json(capsys, tmp_path / name, *options, "--epochs", 40, "--seed", 3)
        assert result["scores"]["test"]["accuracy"] > 0.85, name


def test_options_reach_the_training(capsys, tmp_path):
    model = tmp_path / "m.safetensors"
    options = [
        "--hidden",
        "7,5",
        "--activation",
        "tanh",
        "--optimizer",
        "sgd",
        "--learning-rate",
        0.1,
    ]
    options += [
        "--epochs",
        4,
        "--patience",
        0,
        "--seed",
        5,
        "--threads",
        1,
        "--validation",
        0,
        "--out",
        model,
    ]
    before = nb.num_threads()
    result = train_json(capsys, "iris", *options)
    nb.set_num_threads(before)
    assert result["epochs"] == 4
    assert result["threads"] == 1
    assert set(result["scores"]) == {"train", "test"}
    net = nb.MLP.load(model)
    assert net.sizes == (4, 7, 5, 3)
    assert net.activations == ("tanh", "tanh", "softmax")
    assert net.seed == 5
    same = train_json(capsys, "iris", *options)
    nb.set_num_threads(before)
    assert same["scores"] == result["scores"]
    assert train_json(
        capsys,
        "iris",
        "--task",
        "classification",
        "--epochs",
        1,
        "--hidden",
        "none",
        "--dropout",
        0.1,
    )
    other = train_json(capsys, "iris", "--epochs", 4, "--l2", 0.1, "--batch-size", 10)
    assert (
        other["scores"] != train_json(capsys, "iris", "--epochs", 4, "--batch-size", 10)["scores"]
    )


def test_rows_without_a_target_are_left_out(capsys, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,y\n" + "".join(f"{i},{i % 2 if i % 10 else ''}\n" for i in range(100)))
    assert train_json(capsys, path, "--target", "y", "--epochs", 1)["rows_without_target"] == 10


def damaged(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("r.csv", "a,b,y\n1,2,0\n1,2\n", ["--target", "y"], "expected 3 fields, got 2 on line 3"),
        ("r.csv", "a,b,y\n1,2,0\n1,2,3,4\n", ["--target", "y"], "expected 3 fields, got 4 on line 3"),
        ("t.csv", "a,y\n1,0\n2,1\n", ["--target", "z"], "expected target column 'z' among a, y, got none"),
        ("t.csv", "a,y\n1,0\n2,1\n", [], "expected --target with the column to predict"),
        ("e.csv", "", ["--target", "y"], "expected a header line, got an empty file"),
        ("h.csv", "a,y\n", ["--target", "y"], "expected at least one row, got 0"),
        ("d.csv", "a,a\n1,2\n", ["--target", "a"], "expected distinct column names"),
        ("b.csv", b"a,y\n\xff\xfe,1\n", ["--target", "y"], "b.csv: expected UTF-8, got other bytes on line 2; convert it, for example by iconv"),
        ("o.csv", "a,y\n1,same\n2,same\n", ["--target", "y"], "target 'y': expected at least 2 classes, got 1"),
        ("n.csv", "y\n1\n2\n", ["--target", "y"], "expected columns beside the target 'y', got none"),
        ("t.csv", "a,y\n1,u\n2,v\n", ["--target", "y", "--task", "regression"], "expected numbers, got 'u'"),
        ("x.txt", "a b\n", ["--target", "y"], "expected target column 'y'"),
        ("x.xlsx", "a", ["--target", "y"], "expected a .csv, .tsv, .parquet or .npz file"),
        ("x.parquet", "not parquet", ["--target", "y"], "x.parquet:"),
        ("x.npz", "not a zip", [], "x.npz:"),
        ("t.csv", "a,y\n1,0\n2,1\n3,0\n4,1\n", ["--target", "y", "--learning-rate", "-1"], "argument --learning-rate: invalid positive number"),
        ("t.csv", "a,y\n1,0\n2,1\n3,0\n4,1\n", ["--target", "y", "--hidden", "a,b"], "invalid sizes"),
        ("t.csv", "a,y\n1,0\n2,1\n3,0\n4,1\n", ["--target", "y", "--test", "1"], "invalid share"),
        ("t.csv", "a,y\n1,0\n2,1\n3,0\n4,1\n", ["--target", "y", "--seed", "-1"], "argument --seed: invalid integer from 0"),
        ("t.csv", "a,y\n1,0.5\n2,1.5\n3,0\n4,1\n", ["--target", "y", "--optimizer", "sgd", "--learning-rate", "1e30"], "loss became"),
    ],
)  # fmt: skip
def test_errors_are_one_line_and_exit_code_2(capsys, tmp_path, name, content, options, message):
    code, out, err = run(capsys, "train", damaged(tmp_path, name, content), *options, "--json")
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("nablas: error: ")
    assert message in err


def test_errors_of_other_commands(capsys, tmp_path, mixed):
    model, plain = tmp_path / "m.safetensors", tmp_path / "plain.safetensors"
    train_json(capsys, mixed[1], "--target", "label", "--out", model, "--epochs", 1)
    nb.MLP([2, 1], seed=0).save(plain)
    other = damaged(tmp_path, "other.csv", "size,flag\n1,true\n")
    wrong = damaged(tmp_path, "wrong.csv", "size,colour,flag,constant,label\n1,red,true,7,maybe\n")
    for command, message in [
        (["predict", tmp_path / "none", other], "No such file"),
        (["predict", other, other], "expected a nablas model"),
        (["predict", plain, other], "expected a model made by `nablas train`"),
        (
            ["predict", model, other],
            "other.csv: expected column 'colour' among size, flag, got none",
        ),
        (["predict", model, "nowhere.csv"], "expected a file or one of digits"),
        (["predict", model, mixed[1], "--out", tmp_path / "no" / "p.csv"], "a folder that exists"),
        (["evaluate", model, wrong], "expected one of no, yes, got 'maybe' in row 1"),
        (["info", other], "expected a nablas model"),
        (["train"], "the following arguments are required: SOURCE"),
        (["trian", "digits"], "invalid choice: 'trian'"),
        ([], "required: COMMAND"),
    ]:
        code, out, err = run(capsys, *command)
        assert (code, out) == (2, ""), command
        assert err.startswith("nablas: error: "), err
        assert err.count("\n") == 1, err
        assert message in err, err


def test_bench(capsys, monkeypatch):
    from nablas.cli import bench

    monkeypatch.setattr(bench, "SECONDS_A_CASE", 0.0)
    monkeypatch.setattr(bench, "NETS", bench.NETS[:2])
    code, out, _ = run(capsys, "bench", "--json")
    assert code == 0
    result = json.loads(out)
    assert [len(result[k]) for k in ("training steps", "products")] == [2, 3]
    assert all(row["microseconds"] > 0 for row in result["training steps"] + result["products"])
    assert "GFLOP/s" in run(capsys, "bench")[1]


def test_the_installed_command_and_the_module():
    for command in (
        [str(Path(sys.executable).parent / "nablas")],
        [sys.executable, "-m", "nablas"],
    ):
        done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
        assert done.stdout == f"nablas {nb.__version__}\n"
