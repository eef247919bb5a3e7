"""The benchmark runs, checks its answers and writes its files; no time is asserted."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nablas as nb
from nablas import _core

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(not (ROOT / "benchmarks").exists(), reason="not in this tree")


def run(*arguments, **variables):
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, **variables},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_quick_run(tmp_path):
    out = run(
        "--quick", "--rounds", "2", "--only", "nablas,NumPy,scikit-learn", "--out", str(tmp_path)
    )
    assert "not timed" not in out
    result = json.loads((tmp_path / "results.json").read_text())
    seen = {(r["section"], r["contender"]) for r in result["records"]}
    assert (
        len(seen) == 14
    )  # unsupported: scikit-learn products, NumPy epochs and estimators, autograd of both
    assert all(r["microseconds"] > 0 for r in result["records"])
    assert result["machine"]["peak_gflops"]["32"] > result["machine"]["peak_gflops"]["64"] > 0
    assert all(
        r["share"] > 0
        for r in result["records"]
        if r["section"] not in ("epochs of fit", "autograd", "fits of estimators")
    )
    assert result["machine"]["versions"]["nablas"]
    assert (tmp_path / "results.png").stat().st_size > 10_000
    assert "| 4-3 / 32 |" in (tmp_path / "results.md").read_text()


def test_fits_beside_busy_processes(threads, monkeypatch):
    sys.path.insert(0, str(ROOT))
    try:
        from benchmarks import busy
    finally:
        sys.path.remove(str(ROOT))
    threads(2)
    net = ((4, 8, 3), 32, 320)
    rows = busy.busy([net], [((4, 8, 3), 1e-5)], loads=(0, 2), nice=(0, 10), pairs=2, least=0.01)
    assert rows[3]["net"] == "product 4 x 8 x 3, 0.01 ms between"
    assert [(row["neighbours"], row["nice"]) for row in rows] == 2 * [(0, 0), (2, 0), (2, 10)]
    assert all(row["same_bits"] and 0 < row["ratio"] <= row["worst"] for row in rows)
    assert busy.recovery([net], load=1, rounds=1, longest=0.1)[0]["milliseconds"] > 0
    found = busy.stuck(net, fits=3)
    assert found["slowest"] >= 1
    assert 0 <= found["full_speed"] <= 3
    # the second and third fit are beside a halved peak
    peaks = iter([100.0, 100.0, 50.0, 95.0, 100.0])
    steps = iter([1.0, 7.0, 9.0, 2.0])
    monkeypatch.setattr(busy._core, "peak_gflops", lambda: next(peaks))
    monkeypatch.setattr(busy.Case, "step", lambda case, threads, epochs: next(steps))
    found = busy.stuck(net, fits=4)
    assert found["slowest"] == 9 / 4.5
    assert found["full_speed"] == 2
    assert found["slowest_at_full_speed"] == 2 / 4.5
    assert nb.num_threads() == 2


def test_fits_of_tables():
    out = run("tables", "--quick", "--rounds", "2", "--only", "nablas")
    rows = json.loads(out.partition("tables: ")[2])
    assert len(rows) == 3 * 2 * 2 * 2
    assert {row["threads"] for row in rows} == {1, None}
    for row in rows:
        assert all(seconds > 0 for seconds in row["seconds"].values())
        scores = row["score"]
        assert row["same_predictions"] or row["model"].startswith("MLP")
        assert scores["nablas"] == scores["scikit-learn"] or not row["same_predictions"]


def test_a_wrong_answer_is_not_timed():
    sys.path.insert(0, str(ROOT))
    try:
        from benchmarks import cases, worker

        case = cases.Train((4, 3), 32, batches=6)
        right = case.expected()
        assert worker.check("train", case, right) is None
        start = case.network().parameters.astype(float)
        assert "off by" in worker.check("train", case, start + 1.02 * (right - start))
        full = cases.Train((4, 8, 4), 20, "adam", "tanh", "identity", batches=1)
        assert full.checked_steps == cases.CHECKED_STEPS  # by going over the batch again
        assert worker.check("train", full, full.expected()) is None
        product = cases.Product(3, 4, 5, "dX")
        a, b, _, _ = product.operands()
        assert worker.check("multiply", product, a @ b.T) is None
        assert "off by" in worker.check("multiply", product, a[:, :-1] @ b.T[:-1])
    finally:
        sys.path.remove(str(ROOT))


def idx(path, array):
    """Write an array of unsigned bytes as an IDX file."""
    shape = b"".join(n.to_bytes(4, "big") for n in array.shape)
    path.write_bytes(bytes([0, 0, 8, array.ndim]) + shape + array.astype(np.uint8).tobytes())


@pytest.fixture
def digits(tmp_path):
    """A folder of IDX files: images whose brightest line is the digit."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 1200), ("t10k", 300)):
        labels = rng.integers(0, 10, count)
        images = rng.integers(0, 60, (count, 28, 28))
        images[np.arange(count), 2 * labels + 3] += 150
        idx(tmp_path / f"{split}-images-idx3-ubyte", images)
        idx(tmp_path / f"{split}-labels-idx1-ubyte", labels)
    return str(tmp_path)


def test_sections_of_their_own_write_json(tmp_path, digits):
    path = tmp_path / "out.json"
    sections = ["mnist", "held_out", "busy", "recovery", "stuck"]
    peers = "nablas,PyTorch fused,JAX,JAX scan"
    out = run(
        *sections,
        "--quick",
        "--mnist",
        digits,
        "--only",
        peers,
        "--threads",
        "1",
        "--json",
        str(path),
    )
    assert "not timed" not in out  # every library's training has the reference's first steps
    found = json.loads(path.read_text())
    assert found["mnist"]["seeds"] == 2
    missing = sum("not installed" in remark for remark in found["remarks"])
    assert [row["level"] for row in found["mnist"]["levels"]] == [5, 8]
    for row in found["mnist"]["levels"]:
        assert len(row["contenders"]) == 4 - missing
        for result in row["contenders"].values():
            assert result["seconds"] > 0
            assert result["reached"] == (result["accuracy"] >= row["level"])
    assert found["held_out"][0]["seconds"] > 0
    assert len(found["busy"]) == 6
    assert len(found["recovery"]) == 1
    assert found["stuck"]["fits"] == 3
    short = run(
        "stuck", "mnist", "--quick", "--repeats", "5", "--only", "nablas", "--json", str(path)
    )
    found = json.loads(path.read_text())
    assert found["stuck"]["fits"] == 5
    assert "--mnist" in found["mnist"]["skipped"], short


def test_recipes_for_mnist(monkeypatch, digits):
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import mnist, worker

    for recipe in [*mnist.LADDER, *mnist.CANDIDATES]:
        assert 60_000 % recipe.batch == 50_000 % recipe.batch == 0  # peers need whole batches
    recipe = mnist.Recipe((6,), 25, 2, 0.01, folder=digits)
    assert len(recipe.training()[0]) == 1200
    assert len(recipe.rates()) == 96
    assert max(recipe.rates()) == pytest.approx(0.01, rel=1e-3)
    held = mnist.Recipe((6,), 25, 2, 0.01, folder=digits, held_out=True)
    (x, _), (judged, _) = held.training(), held.judging()
    np.testing.assert_array_equal(np.concatenate([x, judged]), recipe.training()[0])
    assert len(judged) == 200
    right = recipe.expected()
    start = recipe.network(0).parameters.astype(float)
    assert worker.check("learn", recipe, right) is None
    assert "off by" in worker.check("learn", recipe, start + 1.02 * (right - start))


class Stub:
    """Contenders whose accuracies are given: `accuracies[name][recipe's epochs]`."""

    pause, threads = 0, 1

    def __init__(self, accuracies):
        self.accuracies, self.seen = accuracies, []

    def prepared(self, kind, case, names=None):
        able = {}
        for name in names or self.accuracies:
            if name in self.accuracies:
                self.seen.append((name, case.epochs))
                able[name] = Stub.Worker(self.accuracies[name][case.epochs])
        return able

    class Worker:
        def __init__(self, accuracy):
            self.accuracy = accuracy

        def ask(self, seed, **_):
            return {"accuracy": self.accuracy + 0.3 * (seed % 2), "seconds": self.accuracy + seed}


def test_the_fastest_recipe_that_reaches_a_level_is_reported(monkeypatch, digits):
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import mnist

    ladder = [mnist.Recipe((6,), 25, epochs, 0.01) for epochs in (4, 1, 3, 2)]
    # Seeds alternate by 0.3, so a mean is 0.15 above what stands here and its standard error 0.087.
    stub = Stub({"nablas": {1: 96.89, 2: 96.95, 3: 98.5, 4: 99}, "JAX": {2: 96.0, 3: 98.5}})
    found = mnist.reach(stub, digits, ladder, (97.0, 97.5, 98.0), seeds=4)
    rows = [(row["level"], row["recipe"].split(", ")[1][:8]) for row in found["levels"]]
    assert rows == [(97.0, "2 epochs"), (97.5, "3 epochs"), (98.0, "3 epochs")]
    assert [row["contenders"]["JAX"]["reached"] for row in found["levels"]] == [False, True, True]
    seconds = found["levels"][0]["contenders"]["nablas"]["seconds"]
    assert seconds == pytest.approx(96.95 + 1.5)  # of seeds 0 to 3
    alone = [("nablas", epochs) for epochs in (4, 1, 3, 2)]
    assert stub.seen == alone + [(name, e) for e in (2, 3) for name in ("nablas", "JAX")]
    assert len(found["ladder"]) == 4
    too_high = mnist.reach(
        Stub({"nablas": {1: 90, 2: 90, 3: 90, 4: 90}}), digits, ladder, (97.0,), 4
    )
    assert too_high["levels"] == []
    assert "nablas" in mnist.reach(Stub({"JAX": {}}), digits, ladder, (97.0,), 4)["skipped"]


# Prints what libxsmm-dnn's program prints, as far as it is read; the fastest blocks are 32 32 28.
FAKE = """#!{python}
import sys
words = sys.argv[1:]
if words == ["-h"]:
    print("Usage: mlp iters MB fuse_type type bn bk bc prec_bf16 {layout}C1 C2 ... CN")
    sys.exit()
steps, batch, fuse, passes, bn, bk, bc, bf16, *rest = words
if {layout!r}:
    assert rest.pop(0) == "1"
assert (passes, bf16) == ("A", "0")
if fuse != {fuse!r}:
    sys.exit("a slope is missing")
if bn == "64":
    sys.exit("JIT failed")
sizes = [int(n) for n in rest]
products = [a * b for a, b in zip(sizes, sizes[1:])]
gflop = {factor} * 2e-9 * int(batch) * (3 * sum(products) - products[0])
seconds = 5e-5 if (bn, bk, bc) == ("32", "32", "28") else 7e-5
print(f"PARAMS: ITERS:{{steps}}  Threads:{threads}")
print(f"GFLOP  = {{gflop:.5g}}")
print(f"fp time = {{seconds:.5g}}")
print(f"GFLOPS  = {{gflop / seconds:.5g}}")
print(f"PERFDUMP,BP,main-1.17,2,{{batch}},{{sizes[0]}},{{seconds:f}},{{gflop / seconds:f}}")
"""


def fake_program(path, layout="layout ", factor=1, threads=2, fuse="5"):
    facts = {"layout": layout, "factor": factor, "threads": threads, "fuse": fuse}
    path.write_text(FAKE.format(python=sys.executable, **facts))
    path.chmod(0o755)
    return str(path)


def steps_beside(program, tmp_path, **variables):
    out = run(
        "steps", "--quick", "--rounds", "2", "--threads", "2", "--only", "nablas,libxsmm-dnn",
        "--json", str(tmp_path / "out.json"), LIBXSMM_DNN=program, **variables,
    )  # fmt: skip
    return out, json.loads((tmp_path / "out.json").read_text())


@pytest.mark.parametrize(("layout", "fuse"), [("layout ", "5"), ("", "5"), ("layout ", "3")])
def test_libxsmm_dnn_is_a_contender(tmp_path, layout, fuse):
    out, found = steps_beside(fake_program(tmp_path / "fake", layout, fuse=fuse), tmp_path)
    theirs = [r for r in found["records"] if r["contender"] == "libxsmm-dnn"]
    # With 4 inputs all blocks of inputs are the same, so only the first, 16, is tried.
    assert [round(r["microseconds"], 9) for r in theirs] == [70, 50]
    assert all(r["gflops"] > 0 for r in theirs)
    assert "GFLOP/s)" in out
    assert found["machine"]["versions"]["libxsmm-dnn"] == "main-1.17"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"factor": 2}, "GFLOP a step"),
        ({"threads": 1}, "expected 2 threads"),
        (None, "in the program"),
    ],
)
def test_another_program_is_not_timed(tmp_path, wrong, message):
    program = tmp_path / "fake"
    if wrong is None:
        program.write_text("#!/bin/sh\necho hello\n")
        program.chmod(0o755)
    else:
        fake_program(program, **wrong)
    out, found = steps_beside(str(program), tmp_path)
    assert "libxsmm-dnn not timed: ValueError" in out
    assert message in out
    assert {r["contender"] for r in found["records"]} == {"nablas"}


def test_without_the_program_there_is_no_column(tmp_path):
    out, found = steps_beside(str(tmp_path / "absent"), tmp_path)
    assert "libxsmm-dnn is not installed and was left out" in out
    assert {r["contender"] for r in found["records"]} == {"nablas"}


def test_the_program_is_found_and_its_blocks_are_chosen(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import cases, programs

    monkeypatch.delenv(programs.VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert programs.find() is None
    for name in reversed(programs.NAMES):
        fake_program(tmp_path / name)
        assert programs.find() == str(tmp_path / name)
    contender = programs.LibxsmmDnn(2)
    timed, _ = contender.train(cases.Train((784, 128, 10), 128))
    assert timed(7) == (7, pytest.approx(7 * 5e-5))
    for other in ({"optimizer": "adam"}, {"activation": "tanh"}, {"dtype": "float64"}):
        assert contender.train(cases.Train((784, 128, 10), 128, **other)) is None


def test_unknown_words_are_refused():
    for arguments in (["steeps"], ["--only", "nobody"], ["steps", "--case", "nosuch"]):
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks", *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 2
        assert "expected" in done.stderr


@pytest.fixture
def not_slower(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import not_slower

    return not_slower


def times(ratio, rounds=24, noise=0.03, seed=0):
    """Times of two builds, the new one `ratio` times the old one's, with noise."""
    rng = np.random.default_rng(seed)
    old = 10 * np.exp(noise * rng.standard_normal(rounds))
    return {
        "new": list(ratio * old * np.exp(noise * rng.standard_normal(rounds))),
        "old": list(old),
    }


def test_not_slower_is_decided_by_interval_and_mean(not_slower):
    def verdict(*ratios, **settings):
        found = {("steps", str(i)): times(r, seed=i, **settings) for i, r in enumerate(ratios)}
        return not_slower.slower(not_slower.rows(found, "new", "old"))

    assert not verdict(1.0, 0.98, 1.01, noise=0.002)
    assert verdict(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.05, noise=0.002)  # one row
    assert verdict(*[1.015] * 8, noise=0.002)  # every row within its limit, their mean is not
    assert not verdict(1.03, 0.95, noise=0.2)  # noise decides nothing
    with pytest.raises(ValueError, match="at least 20 rounds"):
        verdict(1.0, rounds=19)
    with pytest.raises(ValueError, match="both builds"):
        verdict()


def test_the_interval_covers_the_median(not_slower):
    covered = 0
    for seed in range(200):
        low, high = not_slower.interval(np.random.default_rng(seed).normal(1, 0.1, 25), seed)
        covered += low <= 1 <= high
    assert 180 <= covered <= 199  # 95 % of 200, three standard deviations either way


def test_another_build_is_a_contender(tmp_path):
    """A copy of the build in a folder, broken there: the copy is what that contender runs."""
    package = tmp_path / "build/nablas"
    shutil.copytree(Path(nb.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(_core.__file__, package)
    (package / "__init__.py").write_text(
        (package / "__init__.py").read_text() + "\nMLP.fit = None  # breaks the copy alone\n"
    )
    folder = str(tmp_path / "build")
    done = run("steps", "--quick", "--rounds", "2", "--only", f"nablas,nablas@{folder}")
    assert f"nablas@{folder} not timed: TypeError" in done
    assert "nablas not timed" not in done
