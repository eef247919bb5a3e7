"""Tables of the command line: types, separators, missing values, what is reported."""

import gzip
import io
import json
import sys

import numpy as np
import pytest

pl = pytest.importorskip("polars")

from nablas.cli import main  # noqa: E402
from nablas.cli.preprocessing import Preprocessor, Statistics  # noqa: E402
from nablas.cli.tables import Format, read  # noqa: E402


def frame_of(tmp_path, text, name="t.csv", how=None, kinds=None):
    path = tmp_path / name
    path.write_bytes(text.encode())
    return read(str(path), None, how, kinds)[0]


def run(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "2", ""], pl.Int64),
        (["1", "2.5", "NA"], pl.Float64),
        (["1e3", "-2", "?"], pl.Float64),
        (["a", "2", "3"], pl.String),
        (["true", "False", ""], pl.Boolean),
        (["", "", ""], pl.String),
        ([" 1", " 2 ", " ?"], pl.Int64),
    ],
)
def test_types_of_columns(tmp_path, values, kind):
    frame = frame_of(tmp_path, "x,y\n" + "".join(f"{v},1\n" for v in values))
    assert frame["x"].dtype == kind
    assert frame["x"].null_count() == sum(v.strip() in ("", "NA", "?") for v in values)


@pytest.mark.parametrize("extra", ["", "K1A0B1"])
def test_a_column_is_read_as_the_model_was_trained_on(capsys, tmp_path, extra):
    """The other rows of the file do not change a row's prediction."""
    rng = np.random.default_rng(0)
    codes = ["02139", "10001", "1.50", "K1A0B1"]
    chosen = rng.integers(0, 4, 300)
    train = tmp_path / "train.csv"
    labels = np.array(["no", "yes"])[(chosen % 2 == 0).astype(int)]
    train.write_text(
        "code,label\n"
        + "".join(f"{codes[i]},{label}\n" for i, label in zip(chosen, labels, strict=True))
    )
    model = tmp_path / "m.safetensors"
    assert run(capsys, "train", train, "--target", "label", "--out", model, "--json")[0] == 0
    new = tmp_path / "new.csv"
    probabilities = []
    for more in ("", extra):
        new.write_text("code\n02139\n1.50\n" + (f"{more}\n" if more else ""))
        code, out, _ = run(capsys, "predict", model, new)
        assert code == 0
        probabilities.append(pl.read_csv(io.StringIO(out))["p(yes)"][:2].to_list())
    assert probabilities[0] == probabilities[1]
    assert probabilities[0][0] > 0.8


def test_numbers_stay_numbers(capsys, tmp_path):
    train, model = tmp_path / "train.csv", tmp_path / "m.safetensors"
    train.write_text("x,y\n" + "".join(f"{i},{2 * i}.5\n" for i in range(50)))
    assert (
        run(capsys, "train", train, "--target", "y", "--out", model, "--json", "--epochs", 2)[0]
        == 0
    )
    for bad, message in (("abc", "column 'x': expected numbers, as the model was trained on, got 'abc'"),
                         ("1e45", "column 'x': expected numbers near")):  # fmt: skip
        (tmp_path / "new.csv").write_text(f"x\n1\n{bad}\n")
        code, out, err = run(capsys, "predict", model, tmp_path / "new.csv")
        assert (code, out) == (2, "")
        assert message in err


def test_a_column_without_any_value(capsys, tmp_path):
    """It is missing in every row, whatever the model's kind of it is."""
    train, model = tmp_path / "train.csv", tmp_path / "m.safetensors"
    train.write_text("x,c,y\n" + "".join(f"{i},{'ab'[i % 2]},{i % 2}\n" for i in range(60)))
    assert run(capsys, "train", train, "--target", "y", "--epochs", 1, "--out", model)[0] == 0
    (tmp_path / "new.csv").write_text("x,c\n,\nNA,?\n")
    code, out, err = run(capsys, "predict", model, tmp_path / "new.csv")
    assert (code, err) == (0, "")
    assert len(out.splitlines()) == 3
    empty = tmp_path / "empty.csv"
    empty.write_text("x,c,y\n" + "".join(f",{'ab'[i % 2]},{i % 2}\n" for i in range(60)))
    assert run(capsys, "train", empty, "--target", "y", "--epochs", 1, "--json")[0] == 0


ROWS = [("39", "Private", "13.5"), ("?", "State, gov", "2.25"), ("28", "Private", "7")]


def written(separator, decimal=".", quote='"'):
    def field(text):
        text = text.replace(".", decimal)
        return f"{quote}{text}{quote}" if any(c in text for c in ",;\t| ") else text

    lines = [f"age{separator}work{separator}hours"]
    return "\n".join(lines + [separator.join(field(v) for v in row) for row in ROWS]) + "\n"


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("compressed", [False, True])
def test_separators_and_compression(tmp_path, monkeypatch, separator, compressed):
    want = [[39, None, 28], ["Private", "State, gov", "Private"], [13.5, 2.25, 7.0]]
    content = written(separator).encode()
    path = tmp_path / ("t.csv.gz" if compressed else "t.csv")
    path.write_bytes(gzip.compress(content) if compressed else content)
    assert [column.to_list() for column in read(str(path), None)[0]] == want

    class Input:
        buffer = io.BytesIO(path.read_bytes())

    monkeypatch.setattr(sys, "stdin", Input)
    assert [column.to_list() for column in read("-", None)[0]] == want


def test_ways_of_reading(tmp_path):
    assert frame_of(tmp_path, "a, b\n1, x\n2, y\n").to_dict(as_series=False) == {
        "a": [1, 2],
        "b": ["x", "y"],
    }
    assert frame_of(tmp_path, '"last, first";n\n"x, y";1\n').columns == ["last, first", "n"]
    found = frame_of(tmp_path, "a;b\n1.234,5;2,5\n", how=Format(decimal=","))
    assert found.to_dict(as_series=False) == {"a": [1234.5], "b": [2.5]}
    assert frame_of(tmp_path, "# note, x\na,b\n# more\n1,2\n", how=Format(comment="#")).rows() == [
        (1, 2)
    ]
    found = frame_of(tmp_path, "1,2\n3,4\n", how=Format(header=False))
    assert (found.columns, found.height) == (["column_1", "column_2"], 2)
    assert frame_of(tmp_path, "a b\n1 2\n", how=Format(separator=" ")).rows() == [(1, 2)]
    with pytest.raises(ValueError, match=r"expected 2 fields, got 3 on line"):
        frame_of(tmp_path, "a,b\n1,2\n1,2,3\n")
    (tmp_path / "bad.csv.gz").write_bytes(b"\x1f\x8b nothing")
    with pytest.raises(ValueError, match=r"bad\.csv\.gz"):
        read(str(tmp_path / "bad.csv.gz"), None)


@pytest.mark.parametrize("odd", ["-", "5%", "3,14", "n.v."])
def test_columns_that_are_nearly_numeric_are_named(tmp_path, capsys, odd):
    text = "x;y\n" + "".join(f"{i};{i}\n" for i in range(20)) + f"{odd};1\n"
    assert frame_of(tmp_path, text)["x"].dtype == pl.String
    err = capsys.readouterr().err
    assert f"column 'x' is read as text: 1 of 21 values are no numbers, such as '{odd}'" in err
    assert ("--decimal" in err) == ("," in odd)
    frame_of(tmp_path, "x;y\n" + "".join(f"{c};1\n" for c in "abc123"))
    assert capsys.readouterr().err == ""


def test_what_is_reported(tmp_path, capsys):
    path, model = tmp_path / "t.csv", tmp_path / "m.safetensors"
    path.write_text(
        "age,work,y\n" + "".join(f"{i if i % 5 else ''},{'ab'[i % 2]},{i % 2}\n" for i in range(60))
    )
    code, out, _ = run(capsys, "train", path, "--target", "y", "--epochs", 1, "--out", model)
    assert code == 0
    for text in ("age", "work", "distinct", "missing", "example", "48", "12"):
        assert text in out
    code, out, _ = run(capsys, "train", path, "--target", "y", "--epochs", 1, "--json")
    assert json.loads(out)["columns"] == [
        {"name": "age", "kind": "number", "distinct": 48, "missing": 12, "example": "1"},
        {"name": "work", "kind": "text", "distinct": 2, "missing": 0, "example": "a"},
        {"name": "y", "kind": "number", "distinct": 2, "missing": 0, "example": "0"},
    ]
    out = run(capsys, "info", model)[1]
    assert "from age, work" in " ".join(out.split())
    assert "work=a" not in out
    assert json.loads(run(capsys, "info", model, "--json")[1])["features"] == [
        "age",
        "age missing",
        "work=a",
        "work=b",
    ]


def test_a_class_that_only_other_parts_have(tmp_path, capsys):
    path = tmp_path / "t.csv"
    rows = [f"{i},{'rare' if i == 3 else 'ab'[i % 2]}\n" for i in range(60)]
    path.write_text("x,y\n" + "".join(rows))
    for seed in range(4):
        code, out, err = run(
            capsys, "train", path, "--target", "y", "--epochs", 1, "--seed", seed, "--json"
        )
        assert code == 0, err


def test_a_table_without_any_target(tmp_path, capsys):
    (tmp_path / "t.csv").write_text("x,y\n1,\n2, \n")
    code, _, err = run(capsys, "train", tmp_path / "t.csv", "--target", "y")
    assert code == 2
    assert "expected a target in some row, got none in 'y'" in err
    (tmp_path / "t.csv").write_text("x,y\n1,\n2,NA\n")
    code, _, err = run(capsys, "train", tmp_path / "t.csv", "--target", "y")
    assert code == 2
    assert "target 'y': expected at least 2 classes, got 1: NA" in err


def test_damaged_preprocessing_is_refused():
    good = {
        "columns": [{"name": "x", "kind": "number", "mean": 0.0, "scale": 1.0, "indicator": False},
                    {"name": "c", "kind": "text", "categories": ["a"], "indicator": False}],
        "target": {"name": "y", "kind": "classes", "classes": ["a", "b"], "dtype": "text"},
    }  # fmt: skip
    Preprocessor.from_json(good)
    for place in (good["columns"][0], good["columns"][1], good["target"]):
        for name in list(place):
            kept = place.pop(name)
            with pytest.raises(ValueError, match="expected a model made by `nablas train`"):
                Preprocessor.from_json(good)
            for wrong in (None, {"a": 1}, 3j, "no such", [None], -1.5):
                if isinstance(wrong, str) and name == "name":
                    continue
                if isinstance(wrong, float) and name == "mean":
                    continue
                place[name] = wrong
                with pytest.raises(ValueError, match="expected a model made by `nablas train`"):
                    Preprocessor.from_json(good)
            place[name] = kept
    for wrong in (None, [], {}, {"columns": 3, "target": {}}, {"columns": [], "target": []}):
        with pytest.raises(ValueError, match="expected a model made by `nablas train`"):
            Preprocessor.from_json(wrong)


def test_an_interrupted_training_keeps_the_best_weights(tmp_path, capsys, monkeypatch):
    import nablas as nb

    real = nb.MLP.fit

    def fit(self, *data, callbacks, **settings):
        def interrupt(state):
            if state.epoch == 3:
                raise KeyboardInterrupt

        return real(self, *data, callbacks=[*callbacks, interrupt], **settings)

    monkeypatch.setattr(nb.MLP, "fit", fit)
    model = tmp_path / "m.safetensors"
    code, out, err = run(capsys, "train", "iris", "--out", model, "--json")
    assert code == 130
    assert "interrupted" in err
    found = json.loads(out)
    assert found["interrupted"]
    assert found["epochs"] == 3
    assert nb.MLP.load(model).sizes == (4, 128, 64, 3)


@pytest.mark.parametrize("size", [7, 100, 1000])
def test_statistics_block_by_block(size):
    """Blocks of any size teach what the whole table does; integers stay a number only beyond 50 classes."""
    made = np.random.default_rng(0)
    n = 1000
    table = pl.DataFrame(
        {
            "a": made.normal(5, 2, n),
            "b": [None if v < 0.1 else int(100 * v) for v in made.random(n)],
            "c": [None if v < 0.1 else f"k{int(300 * v * v)}" for v in made.random(n)],
            "empty": pl.Series([None] * n, dtype=pl.Float64),
            "few": made.integers(0, 5, n),
            "many": made.integers(0, 200, n),
            "label": [f"l{v}" for v in made.integers(0, 4, n)],
        }
    )
    for target, task, kind in [
        ("few", "auto", "classes"),
        ("many", "auto", "number"),
        ("many", "classification", "classes"),
        ("label", "auto", "classes"),
        ("few", "regression", "number"),
        ("a", "auto", "number"),
    ]:
        whole, blocks = Statistics(target, task), Statistics(target, task)
        whole.update(table)
        for first in range(0, n, size):
            blocks.update(table[first : first + size])
        want, got = whole.finish(), blocks.finish()
        assert want.target["kind"] == kind
        for ours, theirs in zip(
            [*got.columns, got.target], [*want.columns, want.target], strict=True
        ):
            for key, value in theirs.items():
                near = pytest.approx(value, rel=1e-12) if isinstance(value, float) else value
                assert ours[key] == near, (target, size, key)
    np.testing.assert_allclose(
        [whole.finish().columns[0][key] for key in ("mean", "scale")],
        [np.nanmean(table["b"].to_numpy()), np.nanstd(table["b"].to_numpy())],
        rtol=1e-12,
    )


def test_blocks_of_different_kinds_are_refused():
    statistics = Statistics("y", "auto")
    statistics.update(pl.DataFrame({"x": [1.0, 2.0], "y": ["a", "b"]}))
    with pytest.raises(
        ValueError, match=r"column 'x': expected numbers, as in the blocks before, got 'q'"
    ):
        statistics.update(pl.DataFrame({"x": ["q", "r"], "y": ["a", "b"]}))


@pytest.mark.parametrize("cell", ["junk", "", "7"])
def test_predict_does_not_read_the_target_column(capsys, tmp_path, cell):
    model, table = tmp_path / "m.safetensors", tmp_path / "t.csv"
    table.write_text("x,y\n" + "".join(f"{i},{2 * i}.5\n" for i in range(60)))
    assert run(capsys, "train", table, "--target", "y", "--epochs", 2, "--out", model)[0] == 0
    table.write_text("x,y\n" + "".join(f"{i},{cell}\n" for i in range(5)))
    code, out, _ = run(capsys, "predict", model, table)
    assert code == 0
    table.write_text("x\n" + "".join(f"{i}\n" for i in range(5)))
    assert run(capsys, "predict", model, table)[:2] == (0, out)


def test_statistics_of_huge_numbers():
    """Blocks whose means are too far apart to square."""
    statistics = Statistics("y", "regression")
    for value in (1e300, -1e300):
        statistics.update(pl.DataFrame({"x": [value, value], "y": [1.0, 2.0]}))
    with pytest.raises(ValueError, match="column 'x'"):
        statistics.finish().matrix(pl.DataFrame({"x": [1e300, 0.0]}))


def test_rows_are_those_of_the_csv_module(tmp_path):
    """Quotes, comments, blank lines and ends of lines; messages name the file's own line."""
    read_as = lambda text, **how: frame_of(tmp_path, text, how=Format(**how)).rows()  # noqa: E731
    assert read_as("a,b\n1,2\n\n3,4\n\n") == [(1, 2), (3, 4)]
    assert read_as("a\n1\n\n3\n") == [(1,), (None,), (3,)]
    assert read_as("a,b\r1,2\r3,4\r") == [(1, 2), (3, 4)]
    assert read_as('#x\na,b\n1,"x\n#y"\n#z\n2,w\n', comment="#") == [(1, "x\n#y"), (2, "w")]
    assert read_as('a,b\n1, "x, y"\n2, "z"\n') == [(1, "x, y"), (2, "z")]
    assert read_as("a b\n1   2\n3 4\n", separator=" ") == [(1, 2), (3, 4)]
    assert frame_of(tmp_path, 'a,"",c\n1,2,3\n').columns == ["a", "column_2", "c"]
    for text, message in [
        ("#x\n\na,b\n1,2\n3\n", "expected 2 fields, got 1 on line 5"),
        ('a,b\n1,"2\n3,4\n', "expected a closing quote in the row of line 2, got none"),
        ('a,b\n1,2\n"', "expected a closing quote in the row of line 3, got none"),
        ('a,"",column_2\n1,2,3\n', "expected distinct column names"),
    ]:
        with pytest.raises(ValueError, match=message):
            frame_of(tmp_path, text, how=Format(comment="#"))


def test_columns_of_parquet_files(tmp_path):
    """Enumerations are text; times that Python lacks and durations as classes are refused by name."""
    path = tmp_path / "t.parquet"
    enumeration = pl.Series(["u", "v", "u"], dtype=pl.Enum(["u", "v"]))
    pl.DataFrame({"e": enumeration, "y": [1.0, 2.0, 3.0]}).write_parquet(path)
    frame = read(str(path), "y")[0]
    statistics = Statistics("y", "auto")
    statistics.update(frame)
    assert statistics.finish().features == ["e=u", "e=v"]
    for last in (2_932_897, -719_163, 2**31 - 1):
        day = pl.Series([0, last], dtype=pl.Int32).cast(pl.Date)
        pl.DataFrame({"d": day}).write_parquet(path)
        with pytest.raises(ValueError, match="column 'd': expected times of the years 1 to 9999"):
            read(str(path), None)
    took = pl.DataFrame({"x": [1, 2], "y": pl.Series([1, 2]).cast(pl.Duration("us"))})
    with pytest.raises(ValueError, match="target 'y': expected text or numbers, got durations"):
        Statistics("y", "auto").update(took)


def test_numbers_too_far_apart_and_missing_targets():
    statistics = Statistics("y", "auto")
    statistics.update(pl.DataFrame({"x": [1e300, -1e300], "y": ["a", "b"]}))
    with pytest.raises(ValueError, match="column 'x': expected numbers less than 1e150 apart"):
        statistics.finish()
    statistics = Statistics("y", "regression")
    statistics.update(pl.DataFrame({"x": [1.0, 2.0], "y": [1.0, 2.0]}))
    with pytest.raises(ValueError, match="target 'y': expected numbers, got None in row 2"):
        statistics.finish().targets(pl.DataFrame({"x": [1.0, 2.0], "y": [1.0, None]}))
