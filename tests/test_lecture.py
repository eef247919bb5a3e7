"""The scripts of the lecture run, save their pictures, and give the expected numbers."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "examples" / "lecture"
SCRIPTS = sorted(FOLDER.glob("[0-9]*.py"))
pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="not in this tree")
pytest.importorskip("matplotlib")


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs a script by its number; checks its output and pictures; returns what it returns."""
    monkeypatch.syspath_prepend(str(FOLDER))

    def runner(number):
        (path,) = FOLDER.glob(f"{number:02}_*.py")
        spec = importlib.util.spec_from_file_location(f"lecture_{number}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        result = module.run(tmp_path)
        assert len(capsys.readouterr().out) > 100
        pictures = list(tmp_path.glob(f"{number:02}_*.png"))
        assert pictures
        assert all(picture.stat().st_size > 8000 for picture in pictures)
        return result

    return runner


def test_every_script_is_tested_and_told_of():
    text = Path(__file__).read_text()
    lecture = (ROOT / "docs" / "lecture.md").read_text()
    assert len(SCRIPTS) == 16
    for path in SCRIPTS:
        assert f"run({int(path.name[:2])})" in text
        assert f"examples/lecture/{path.name}" in lecture
    for picture in (ROOT / "docs" / "lecture").glob("*.png"):
        assert f"lecture/{picture.name}" in lecture


def test_a_script_from_the_command_line(tmp_path):
    command = [sys.executable, str(FOLDER / "03_cross_entropy.py"), "--out", str(tmp_path / "new")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "mean     0.4499" in done.stdout
    assert (tmp_path / "new" / "03_cross_entropy.png").exists()


def test_linear_regression(run):
    got = run(1)
    np.testing.assert_allclose(got["batch"], got["closed"], rtol=1e-6)
    np.testing.assert_allclose(got["mini_batch"], got["closed"], rtol=0.01)
    assert got["gradient_error"] < 1e-10


def test_logistic_regression(run):
    got = run(2)
    assert (got["step_gradient"] == 0).all()
    np.testing.assert_allclose(got["network"], got["descent"], rtol=1e-10)
    assert got["mse_curvature"] < -1e-5
    assert got["cross_entropy_curvature"] > 0


def test_cross_entropy(run):
    got = run(3)
    np.testing.assert_allclose(got["terms"], [0.2549, 0.1233, 0.1233, 1.3626, 0.3857], atol=5e-5)
    assert got["mean"] == pytest.approx(0.4499, abs=1e-4)
    assert got["mean"] == pytest.approx(got["terms"].mean())
    assert got["cross"] == pytest.approx(got["entropy"] + got["divergence"])
    assert got["one_hot"] == pytest.approx(-np.log(0.5))


def test_perceptron(run):
    got = run(4)
    assert got["corrections"][-1] == 0
    assert len(got["corrections"]) > 5
    assert {gate: wrong[-1] == 0 for gate, wrong in got["gates"].items()} == {
        "AND": True,
        "OR": True,
        "XOR": False,
    }
    assert max(got["errors"].values()) < 1e-14


def test_multilayer(run):
    got = run(5)
    assert got["output"] == -3
    assert got["hidden"].tolist() == [-3, 0.5]
    assert got["shapes"] == {
        "X'": (4, 3), "W1": (3, 2), "A1": (4, 3), "W2": (3, 1), "A2": (4, 2), "W3": (2, 1), "Y": (4, 1),
    }  # fmt: skip
    for shown in ("X' 4x3", "W 3x2", "A' 4x3", "W 3x1", "A' 4x2", "W 2x1", "a 4x1"):
        assert f"  {shown}  " in got["text"]


def test_activations(run):
    slopes = run(6)["slopes"]
    assert slopes["sigmoid"][1] == 0.25
    assert slopes["tanh"][1] == slopes["softsign"][1] == 1
    assert slopes["relu"].tolist() == [0, 0, 1]
    assert slopes["step"].tolist() == [0, 0, 0]


def test_universal_approximation(run):
    got = run(7)
    for errors in got.values():
        values = list(errors.values())
        assert values == sorted(values, reverse=True)
    assert got["hand"][320] < 0.025
    assert got["learned"][32] < 0.03


def test_gradient_descent(run):
    got = run(8)
    assert got["steps"] == {1797: 1, 256: 8, 32: 57, 4: 450}
    final = list(got["final"].values())
    assert final == sorted(final, reverse=True)
    assert got["rates"][0.1] < got["rates"][0.01] < got["rates"][0.001]


def test_differentiation(run):
    got = run(9)
    exact = got["values"]["by hand"]
    for name, value in got["values"].items():
        np.testing.assert_allclose(
            value, exact, rtol=1e-7 if "differences" in name else 1e-12, err_msg=name
        )
    assert got["automatic_error"] < 1e-13
    (h_forward, forward), (h_central, central) = got["best_forward"], got["best_central"]
    assert 1e-10 < h_forward < 1e-6 < forward * 1e3
    assert h_forward < h_central < 1e-3
    assert central < forward / 10
    derivative = [row[2] for row in got["swell"]]
    assert derivative[3] > 3 * derivative[2] > 9 * derivative[1]
    assert derivative[3] > 4 * got["swell"][3][1]


def test_backpropagation(run):
    got = run(10)
    ways = got["ways"]
    for name in ("explain", "autograd"):
        for key in ("z", "a", "delta", "dW"):
            for ours, theirs in zip(ways[name][key], ways["by hand"][key], strict=True):
                np.testing.assert_allclose(ours, theirs, rtol=1e-12, err_msg=f"{name} {key}")
        assert ways[name]["loss"] == pytest.approx(ways["by hand"]["loss"], rel=1e-12)
    for ours, theirs in zip(ways["differences"]["dW"], ways["by hand"]["dW"], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-7)
    np.testing.assert_allclose(got["vector_form"], ways["by hand"]["delta"][0], rtol=1e-12)


def test_automatic_differentiation(run):
    got = run(11)
    assert got["exp_sin"][0] == pytest.approx(got["exp_sin"][1], rel=1e-14)
    assert {k: round(v, 4) for k, v in got["gradients"].items()} == {
        "w0": 0.1966, "w1": -0.1966, "w2": -0.3932, "x1": 0.3932, "x2": -0.5898,
    }  # fmt: skip
    assert round(got["value"], 4) == 0.7311
    assert round(got["Exp"], 4) == 1.6487
    assert "0.1966" in got["dot"]


def test_regularisation(run):
    got = run(12)
    assert got["value"][0] == pytest.approx(got["value"][1], rel=1e-12)
    assert max(got["engine_error"], got["penalty_error"]) < 1e-14
    assert got["norms"][0.0] > 2 * got["norms"][1e-3] > 4 * got["norms"][1e-2]


def test_loss_landscapes(run):
    got = run(13)
    deviation = got["deviation"]
    assert deviation[64] < deviation[4] / 3
    assert deviation[16] < deviation[8] < deviation[4]
    assert got["mean"][64] < got["mean"][8] < got["mean"][2]
    start, top, end = got["between"]
    assert top > 1.5 * max(start, end)
    assert got["centre"] == pytest.approx(got["loss"], rel=1e-5)


def test_softmax(run):
    got = run(14)
    assert got["sum"] == pytest.approx(1)
    assert got["shift"] < 1e-14
    assert {k: round(v, 2) for k, v in got["sums"].items()} == {"unsure": 4.14, "sure": 1.92}
    assert set(got["accuracies"].values()) == {2 / 3}
    assert got["on_line"] < 1e-12
    assert got["score"] > 0.93


def test_multilabel(run):
    got = run(15)
    assert got["precision"][1] > got["guess"][1] + 0.2
    assert got["precision"][8] == pytest.approx(got["guess"][8])
    assert got["recall"][8] == 1
    assert got["ties"] == 0.5
    assert 0.1 < got["subset"] < 1


def test_overfitting_and_double_descent(run):
    got = run(16)
    assert got["ends"]["stopped"] < 0.8 * got["ends"]["long"]
    test = {width: errors[1] for width, errors in got["rows"].items()}
    valley, peak = min(test[w] for w in (8, 12, 16, 24)), max(test[w] for w in (64, 96, 128))
    assert peak > 1.3 * valley
    assert peak > 1.3 * test[1024]
    assert 32 <= got["fits"] <= 256
