"""docs/performance.md and README's table follow from the runs in benchmarks/results."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(not (ROOT / "benchmarks").exists(), reason="not in this tree")


@pytest.fixture
def page(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import page

    return page


def record(section, case, contender, microseconds, ratio=1.0, gflops=0.0):
    return {"section": section, "case": case, "contender": contender, "threads": 2,
            "microseconds": microseconds, "spread": 0.1, "ratio": ratio, "gflops": gflops,
            "share": gflops / 100}  # fmt: skip


def a_run(**changes):
    """A run of every section."""
    machine = {"processor": "Abacus 3", "processors": 2, "threads": 2, "instruction_set": "beads", "date": "2026-01-02",
               "load_before": 0.0, "versions": {"nablas": "0.1.0"}, "peak_gflops": {"32": 100.0}}  # fmt: skip
    sections = [
        "training steps",
        "full batch",
        "inference",
        "epochs of fit",
        "fits of estimators",
        "products",
    ]
    records = [
        record(section, "4-3 / 32", *peer)
        for section in sections
        for peer in (
            ("nablas", 2.0, 1.0, 50.0),
            ("NumPy", 3.0, 1.5),
            ("libxsmm-dnn", 1.0, 0.5, 99.0),
        )
    ]
    records += [
        record("autograd", f"exp, {word} backward", "nablas", 1.25) for word in ("no", "with")
    ]
    timed = {"nablas": 1.0, "scikit-learn": 2.0}
    beside = {
        "seconds": timed,
        "ratio": 2.0,
        "score": timed,
        "standard_error": dict.fromkeys(timed),
    }
    fit = {"seconds": 0.5, "seconds_deviation": 0.1, "accuracy": 97.5, "accuracy_deviation": 0.2}
    contenders = {"nablas": {**fit, "reached": True}, "JAX": {**fit, "reached": False}}
    return {
        "machine": {**machine, **changes},
        "records": records,
        "threads": [{"width": 4, "batch": 8, "speed_up": 1.5}],
        "mnist": {"seeds": 3, "levels": [{"level": 97.5, "recipe": "a net", "contenders": contenders}]},
        "busy": [{"net": "a", "neighbours": 2, "nice": 10, "ratio": 1.5, "worst": 2.5, "same_bits": False}],
        "recovery": [{"net": "a", "milliseconds": 12.3}],
        "stuck": {"net": "a", "fits": 4, "microseconds": 8.5, "slowest": 1.125, "full_speed": 3,
                  "slowest_at_full_speed": 1.0625},
        "memory": [{"optimizer": "nb.SGD(1e-4)", "multiple": 0.75}],
        "growth": {"width": {"at": [1, 2], "slope": 1.75}},
        "import": {"numpy": {"seconds": 0.5, "megabytes": 3}, "jax": None},
        "scores": [{"case": "iris", **beside, "standard_error": timed}],
        "tables": [{"table": "iris", "scaled": True, "model": "MLP", "threads": None, **beside}],
        "scale": {
            "constants": {"add": 1e-10, "update": 2e-10, "message": 1e-6},
            "exchange, milliseconds": {"100": 0.0111, "100000": 0.422, "200000": 0.832},
            "steps": [
                {"sizes": [999, 100], "batch": 100, "milliseconds": {"1 process, 1 thread": [1.02, 1.5]}}
            ],
        },
    }  # fmt: skip


def test_the_pages_are_up_to_date(page):
    for path, text in page.pages().items():
        name = path.relative_to(ROOT)
        assert path.read_text() == text, f"{name}: run python -m benchmarks.page"


def test_every_table_has_its_place_and_is_filled(page):
    places = [
        name for path in page.PAGES for name in re.findall(r"<!-- (\w+) -->", path.read_text())
    ]
    assert sorted(places) == sorted(page.TABLES)
    run = a_run()
    for name, (make, _) in page.TABLES.items():
        lines = [line for line in make(run).splitlines() if line.startswith("|")]
        assert len(lines) > 2, name
        assert len({line.replace("\\|", "").count("|") for line in lines}) == 1, name
        assert make({"machine": run["machine"], "records": []}) == "", name
        made = page.block(name, [run])
        assert made.endswith(
            "Abacus 3; 2 processors, 2 threads; beads (peak 100 GFLOP/s in float32); 2026-01-02; nablas 0.1.0."
        )


def test_what_the_tables_say(page):
    def block(name):
        return page.block(name, [a_run()])

    assert "| 4-3 / 32 | 2.00 | 3.00 (1.50) | 1.00 (0.50) | 50 | 99 | 50% |" in block("steps")
    assert "| 97.5 % | a net | JAX | 0.50 ± 0.10 | 97.50 ± 0.20, not reached |" in block("mnist")
    assert "| a | 2 | 10 | 1.50 | 2.50 | NO |" in block("busy")
    assert "| a | 4 | 8.50 | 1.12 | 3 | 1.06 |" in block("stuck")
    assert "| iris | 1,000 | 2,000 | 2.00 | 1.000 ± 1.000 | 2.000 ± 2.000 |" in block("scores")
    assert "| iris | scaled | MLP | all | 1,000 | 2,000 | 2.00 | 1.000 | 2.000 |" in block("tables")
    assert "| exp | 1.25 | - | 1.25 | - |" in block("autograd")


def test_the_cost_model(page):
    """Constants from times that were made of them: w = 1 GB/s, and without rounding l and c by hand."""
    from benchmarks import scale_model

    run = a_run()
    exchange = run["scale"]["exchange, milliseconds"]
    for parameters in (100_000, 200_000):
        exchange[str(parameters)] = 1e3 * (2e-6 + 9e-6 + 4e-9 * parameters + 1e-10 * parameters)
    exchange["100"] = 1e3 * (1e-6 + 9e-6 + 4e-9 * 100 + 1e-10 * 100)
    run["scale"]["steps"][0]["milliseconds"]["1 process, 1 thread"] = [0.52, 0.5]
    known = scale_model.machines(run)
    here = known["here"]
    assert here.bandwidth == pytest.approx(1e9)
    assert here.latency == pytest.approx(9e-6)
    assert here.compute == pytest.approx((5e-4 - 2e-10 * 100_000) / 100_000 / 100)
    made = scale_model.constants_table(run)
    assert "| c | computing, for a row and a parameter, one thread | 48 ps |" in made
    assert (
        "| w | bytes a second, both ways at once | 1 GB/s | 1.25 GB/s, assumed | 12.5 GB/s, assumed |"
        in made
    )
    assert "**140 with 10 Gbit/s, 20 with 100 Gbit/s**" in made
    alone = scale_model.step_seconds(here, 100_000, 100, 1)
    assert sum(alone) == pytest.approx(5e-4)
    assert scale_model.exchange_seconds(here, 100_000, 2) == pytest.approx(421e-6)
    lines = scale_model.speed_up_table(run).splitlines()
    assert lines[2] == "| 1 | 1 | 1 | 1 | 1 |"
    assert len(lines) == 13
    assert "| model: 2 processes, 1 thread | 0.681 |" in scale_model.checked_table(run)


def test_the_newest_run_of_a_machine_and_number_of_threads_counts(page, tmp_path):
    runs = [
        a_run(date="2026-01-02"),
        a_run(date="2026-03-04"),
        a_run(threads=1),
        a_run(processor="B"),
    ]
    for i, run in enumerate(runs):
        (tmp_path / f"{i}.json").write_text(json.dumps(run))
    made = page.block("steps", page.load(tmp_path))
    assert [made.count(word) for word in ("| 4-3 ", "2026-03-04", "2026-01-02", "1 thread;")] == [
        3,
        1,
        2,
        1,
    ]
    assert page.block("short", page.load(tmp_path)).count("| 4-3") == 1
    assert "busy: a load of 7.0" in page.about(a_run(load_before=7.0))


def test_a_place_without_a_table_is_an_error(page):
    with pytest.raises(ValueError, match="expected a name among"):
        page.fill("<!-- stepps -->\n<!-- end stepps -->", [])
    with pytest.raises(ValueError, match="expected one <!-- end steps -->"):
        page.fill("<!-- steps -->\n", [])


def test_no_figure_is_typed_by_hand(page):
    """Outside its tables the page of performance states no measured number."""
    text = (ROOT / "docs/performance.md").read_text()
    text = re.sub(r"<!-- (\w+) -->\n.*?<!-- end \1 -->", "", text, flags=re.DOTALL)
    measured = r"\d\s?(µs|ms|s|seconds|MB|GFLOP/s|GB/s|cycles|times)\b|\d\s?%(?! of the 10,000 test images)"
    assert [line for line in text.splitlines() if re.search(measured, line)] == []
    assert re.search(measured, "takes 7 µs")
