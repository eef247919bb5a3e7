"""Tables larger than memory on the command line: the results of tables that are read at once."""

import gzip
import json
import os
import re
import shutil
import sys

import numpy as np
import polars as pl
import pytest

import nablas as nb
from nablas.cli import _size, blocks, main, records, tables
from nablas.cli.preprocessing import Statistics
from nablas.cli.reports import Report, report

pytest.importorskip("pyarrow", reason="pyarrow is not installed")

ROWS = 3000
SMALL = "1K"  # --memory: everything is larger


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(records, "PART", 20_000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One table in every format: numbers, holes, text, quotes; a target with holes."""
    place = tmp_path_factory.mktemp("tables")
    choice = np.random.default_rng(0)
    a, b = choice.normal(size=(2, ROWS))
    text = np.array(["u", "v, w", 'x"y', "line\nbreak"])[choice.integers(0, 4, ROWS)]
    frame = pl.DataFrame({"a": a, "late": b, "text": text, "n": choice.integers(0, 9, ROWS)})
    frame = frame.with_columns(
        pl.when(pl.arange(0, ROWS) < 1500).then(None).otherwise(pl.col("late")).alias("late"),
        pl.when(pl.arange(0, ROWS) % 7 == 3).then(None).otherwise(pl.col("text")).alias("text"),
        pl.Series(
            "label", np.where(np.arange(ROWS) % 50 == 9, None, np.where(a + b > 0, "yes", "no"))
        ),
    )
    frame.write_csv(place / "t.csv")
    frame.write_parquet(place / "t.parquet", row_group_size=700)
    with gzip.open(place / "t.csv.gz", "wb") as file:
        file.write((place / "t.csv").read_bytes())
    (place / "parts").mkdir()
    frame[:1100].write_parquet(place / "parts/a.parquet")
    frame[1100:].write_parquet(place / "parts/b.parquet", row_group_size=300)
    return place


NAMES = ["t.csv", "t.csv.gz", "t.parquet", "parts"]


def run(capsys, *arguments, code=0):
    got = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert got == code, err
    return err if code else out


def train(capsys, source, *arguments):
    return json.loads(run(
        capsys, "train", source, "--target", "label", "--epochs", 3, "--hidden", 8, "--json",
        "--memory", SMALL, *arguments,
    ))  # fmt: skip


def test_the_blocks_of_a_table_are_its_rows(folder):
    how = tables.Format()
    whole, _ = tables.read(str(folder / "t.csv"), None)
    for name in NAMES:
        found = list(blocks.read(str(folder / name), how))
        assert len(found) > 3
        found = [block.cast(dict(whole.schema)) for block in found]  # all of "late" may be missing
        assert pl.concat(found).equals(whole), name


TEXTS = [
    "a,b\n1,x\n2,y\n",
    'a,b\r\n"1","x\r\ny"\r\n2,"z ""q"""\r\n',
    "#c\na;b\n1;\n#d\n\n2;3\n",
    "a\n1\n\n3\n",
    'a,b\n1,"x\n',
]


@pytest.mark.parametrize(
    "text", [t * 1 for t in TEXTS] + [TEXTS[0] + "3,z\n" * 50, TEXTS[1] + '"4","u\n\n,"\n' * 50]
)
@pytest.mark.parametrize("part", [1, 7, 30, 1000])
def test_parts_of_a_text_are_its_rows(text, part, monkeypatch, tmp_path):
    """Wherever they are cut: within quotes, between comments, at blank lines."""
    monkeypatch.setattr(records, "PART", part)
    (path := tmp_path / "t.csv").write_text(text, newline="")
    for comment, header in ((None, True), ("#", True), ("#", False)):
        how = tables.Format(None, ".", comment, header)
        outcomes = []
        for read in (
            lambda how=how: [tables.read(str(path), None, how)[0]],
            lambda how=how: list(blocks.read(str(path), how, {})),
        ):
            try:
                outcomes.append([tuple(map(str, row)) for frame in read() for row in frame.rows()])
            except ValueError as error:
                outcomes.append(re.sub(r"got .*", "", str(error)))
        if isinstance(outcomes[0], str) or isinstance(outcomes[1], str):
            assert all(isinstance(outcome, str) for outcome in outcomes), outcomes
        else:
            assert outcomes[0] == outcomes[1]


def test_every_format_gives_the_same_model(folder, capsys, tmp_path):
    found = []
    whole = pl.read_parquet(folder / "t.parquet").filter(pl.col("label").is_not_null())
    for name in NAMES:
        result = train(capsys, folder / name, "--out", tmp_path / "m")
        assert result["rows_without_target"] == 60
        missing = {column["name"]: column["missing"] for column in result["columns"]}
        assert missing == whole.null_count().row(0, named=True)
        net = nb.MLP.load(tmp_path / "m")
        scores = {part: row["rows"] for part, row in result["scores"].items()}
        assert sum(scores.values()) == ROWS - 60
        assert abs(scores["test"] - 0.2 * ROWS) < 100
        assert abs(scores["validation"] - 0.1 * 0.8 * ROWS) < 80
        found.append(
            (scores, net.parameters.round(4).tolist(), net.extra["preprocessing"]["target"])
        )
    assert all(one[0] == found[0][0] and one[2] == found[0][2] for one in found)
    np.testing.assert_allclose([one[1] for one in found], [found[0][1]] * len(NAMES), atol=2e-4)


def test_the_statistics_are_those_of_the_table(folder):
    whole, _ = tables.read(str(folder / "t.csv"), None)
    whole = whole.filter(whole["label"].is_not_null())
    one = Statistics("label", "auto")
    one.update(whole)
    parts, told = Statistics("label", "auto"), Report()
    for block in blocks.read(str(folder / "t.csv"), tables.Format()):
        block = block.filter(block["label"].is_not_null())
        parts.update(block)
        told.update(block)
    one, parts = one.finish(), parts.finish()
    assert parts.target == one.target
    for mine, theirs in zip(parts.columns, one.columns, strict=True):
        assert mine == theirs | {
            k: pytest.approx(theirs[k], rel=1e-12) for k in ("mean", "scale") if k in theirs
        }
    for mine, theirs in zip(told.rows(), report(whole), strict=True):
        if mine["distinct"] is None:
            assert theirs["distinct"] > 1000
            mine["distinct"] = theirs["distinct"]
        assert mine == theirs


@pytest.mark.parametrize("target", ["label", "a"])
def test_predictions_and_scores_are_those_of_the_whole_table(folder, capsys, tmp_path, target):
    model = tmp_path / "m"
    run(
        capsys,
        "train",
        folder / "t.csv",
        "--target",
        target,
        "--epochs",
        2,
        "--out",
        model,
        "--json",
    )
    want = run(capsys, "predict", model, folder / "t.csv")
    for name in NAMES:
        path = folder / name
        assert run(capsys, "predict", model, path, "--memory", SMALL) == want
        for end in ("csv", "parquet"):
            out = tmp_path / f"p.{end}"
            run(capsys, "predict", model, path, "--memory", SMALL, "--out", out)
            got = pl.read_csv(out) if end == "csv" else pl.read_parquet(out)
            assert got.write_csv() == pl.read_csv(want.encode()).write_csv()
    complete = tmp_path / "complete.csv"
    frame = tables.read(str(folder / "t.csv"), None)[0]
    frame.filter(frame[target].is_not_null()).write_csv(complete)
    whole = json.loads(run(capsys, "evaluate", model, complete, "--json"))
    parts = json.loads(run(capsys, "evaluate", model, complete, "--json", "--memory", SMALL))
    assert parts["scores"]["data"] == pytest.approx(whole["scores"]["data"], rel=1e-12)


def test_a_killed_training_goes_on(folder, capsys, tmp_path):
    """To the model of one that was not killed, with the cache written anew."""
    source, file = folder / "t.parquet", tmp_path / "c"
    train(capsys, source, "--out", tmp_path / "whole")
    train(capsys, source, "--epochs", 1, "--checkpoint", file, "--patience", 2)
    train(
        capsys,
        source,
        "--checkpoint",
        file,
        "--resume",
        "--patience",
        2,
        "--out",
        tmp_path / "resumed",
    )
    one, other = nb.MLP.load(tmp_path / "whole"), nb.MLP.load(tmp_path / "resumed")
    assert (one.parameters == other.parameters).all()


def test_the_cache_is_removed(folder, capsys, tmp_path):
    (cache := tmp_path / "cache").mkdir()
    train(capsys, folder / "t.parquet", "--cache", cache)
    assert os.listdir(cache) == []
    message = run(
        capsys, "train", folder / "t.parquet", "--target", "label", "--memory", SMALL, "--cache",
        tmp_path / "none", code=2,
    )  # fmt: skip
    assert "none" in message


def test_errors_are_one_line(folder, capsys, tmp_path):
    (mixed := tmp_path / "mixed.csv").write_text("a,y\n" + "1,2\n" * 9000 + "x,2\n")
    (short := tmp_path / "short.csv").write_text("a,y\n" + "1,2\n" * 9000 + "1\n")
    (open_ := tmp_path / "open.csv").write_text("a,y\n" + "1,2\n" * 9000 + '1,"2\n')
    (empty := tmp_path / "empty.csv").write_text("a,y" + " " * 2000 + "\n")
    (none := tmp_path / "none.parquet").write_bytes(b"PAR1" * 500)
    shutil.copytree(folder / "parts", holes := tmp_path / "holes")
    (holes / "c.parquet").write_bytes(b"PAR1" * 500)
    for path, message in (
        (mixed, "column 'a': expected numbers, as in the rows before, got 'x'"),
        (short, "expected 2 fields, got 1 on line 9002"),
        (open_, "expected a closing quote in the row of line 9002, got none"),
        (empty, "expected at least one row, got 0"),
        (none, "none.parquet: "),
        (holes, "holes: "),
        (folder / "t.csv", "expected target column 'y' among a, late, text, n, label, got none"),
    ):
        found = run(capsys, "train", path, "--target", "y", "--memory", SMALL, code=2)
        assert message in found, found
        assert found.count("\n") == 1
    found = run(capsys, "train", folder / "t.csv", "--memory", SMALL, code=2)
    assert "expected --target" in found


@pytest.mark.parametrize(
    ("text", "size"),
    [("1", 1), ("2G", 2 * 2**30), ("1.5m", 3 * 2**19), ("7k", 7168), ("1T", 2**40)],
)
def test_sizes(text, size):
    assert _size(text) == size


@pytest.mark.parametrize("text", ["", "G", "-1G", "0", "infG", "nan", "2X"])
def test_no_sizes(text):
    with pytest.raises(ValueError):  # noqa: PT011  argparse tells what is expected
        _size(text)


@pytest.mark.skipif(sys.platform != "linux", reason="limits are Linux's")
def test_what_is_large(folder, monkeypatch):
    path = str(folder / "t.csv")
    assert blocks.is_large(path, 1000)
    assert not blocks.is_large(path, 10**9)
    assert not blocks.is_large(path, None)
    assert 2**20 < blocks.usable_memory() < 2**50
    monkeypatch.setattr(blocks, "usable_memory", lambda: os.path.getsize(path))
    assert blocks.is_large(path, None)
    for other in ("digits", "-", "missing.csv", "t.npz"):
        assert not blocks.is_large(other, 1)
