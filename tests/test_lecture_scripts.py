"""Every script of the lecture from its command line: what it prints, whatever its `run` returns."""

import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[1] / "examples" / "lecture"
SCRIPTS = sorted(FOLDER.glob("[0-9]*.py"))
if not SCRIPTS:
    pytest.skip("not in this tree", allow_module_level=True)
pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")
sys.path.insert(0, str(FOLDER))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_prints_its_results(script, capsys, monkeypatch, tmp_path, threads):
    """Exactly what ``python NN_name.py --out FOLDER`` does, with a line for each result."""
    import _common
    from _pages import _load

    threads(1)
    module, returned = _load(script), {}

    def run(pictures):
        returned.update(module.run(pictures))
        return returned

    monkeypatch.setattr(sys, "argv", [script.name, "--out", str(tmp_path)])
    _common.main(run, module.__doc__)
    out = capsys.readouterr().out
    assert returned
    lines = out.splitlines()
    for name in returned:
        assert any(line.startswith(f"{name}:") for line in lines), name
    assert all(path.name.startswith(script.stem[:2]) for path in tmp_path.iterdir())


PARTS = [
    1.5,
    "text",
    None,
    True,
    np.float32(0.25),
    np.arange(3),
    np.eye(2),
    [1, 2, 3],
    ["a", "b"],
    (1.0, "b", None),
    {"x": 1, "y": [1, 2]},
    [],
    "two\nlines",
]


@pytest.mark.parametrize("first", range(len(PARTS)))
def test_any_pair_of_parts_is_printed(first, capsys):
    """As a value, in a list, in a row of a table, and in a dict."""
    from _common import show

    a = PARTS[first]
    for b in PARTS:
        values = ([a, b], (a, b), [[a, b], [b]], [[a], [b, a]], {"in": a, "and": [b, a]})
        for value in (a, *values):
            show({"name": value})
            assert capsys.readouterr().out.startswith("name:")


def test_a_table_is_printed_by_rows(capsys):
    from _common import show

    show({"table": [["relu", 0.5, [1.0, 2.0]], ["tanh", 0.25, []]], "vector": [1.0, 2.0]})
    assert capsys.readouterr().out.splitlines() == [
        "table:", "  relu, 0.5, [1. 2.]", "  tanh, 0.25, []", "vector: [1. 2.]",
    ]  # fmt: skip
