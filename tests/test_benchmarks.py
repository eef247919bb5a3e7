"""The benchmark runs, checks its answers and writes its files; no time is asserted."""

import json
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


def run(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments], cwd=ROOT, capture_output=True, text=True
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
        len(seen) == 13
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


def test_fits_beside_busy_processes(threads):
    sys.path.insert(0, str(ROOT))
    try:
        from benchmarks import busy
    finally:
        sys.path.remove(str(ROOT))
    threads(2)
    net = ((4, 8, 3), 32, 320)
    rows = busy.busy([net], loads=(0, 2), nice=(0, 10), pairs=2)
    assert [(row["neighbours"], row["nice"]) for row in rows] == [(0, 0), (2, 0), (2, 10)]
    assert all(row["same_bits"] and 0 < row["ratio"] <= row["worst"] for row in rows)
    assert busy.recovery([net], load=1, rounds=1, longest=0.1)[0]["milliseconds"] > 0
    assert busy.stuck(net, fits=3)["slowest"] >= 1
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
        product = cases.Product(3, 4, 5, "dX")
        a, b, _, _ = product.operands()
        assert worker.check("multiply", product, a @ b.T) is None
        assert "off by" in worker.check("multiply", product, a[:, :-1] @ b.T[:-1])
    finally:
        sys.path.remove(str(ROOT))


def test_unknown_words_are_refused():
    for arguments in (["steeps"], ["--only", "nobody"]):
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
