"""The benchmark runs, checks its answers and writes its files; no time is asserted."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

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
    assert len(seen) == 11  # unsupported: scikit-learn products, NumPy epochs, autograd of both
    assert all(r["microseconds"] > 0 for r in result["records"])
    assert result["machine"]["peak_gflops"]["32"] > result["machine"]["peak_gflops"]["64"] > 0
    assert all(
        r["share"] > 0
        for r in result["records"]
        if r["section"] not in ("epochs of fit", "autograd")
    )
    assert result["machine"]["versions"]["nablas"]
    assert (tmp_path / "results.png").stat().st_size > 10_000
    assert "| 4-3 / 32 |" in (tmp_path / "results.md").read_text()


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
