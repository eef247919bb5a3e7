"""The pages for those who change over: both programs of each run and reach the same accuracy."""

from pathlib import Path

import doctests
import pytest

DOCS = Path(__file__).parents[1] / "docs"
if not DOCS.exists():
    pytest.skip("not in this tree", allow_module_level=True)
PAGES = {"from-pytorch": "torch", "from-keras": "keras"}
ENOUGH, APART = 0.95, 0.03  # of 450 test rows; one run's standard error is 0.008


@pytest.mark.filterwarnings("ignore")  # the other library's own
@pytest.mark.parametrize("page", PAGES)
def test_both_programs_reach_the_same(page, tmp_path, monkeypatch):
    pytest.importorskip(PAGES[page])
    monkeypatch.chdir(tmp_path)
    path = DOCS / f"{page}.md"
    accuracies = []
    for blocks in doctests.programs(path).values():
        failure, _, names = doctests.run_program(path, blocks)
        assert not failure, failure
        accuracies.append(float(names["accuracy"]))
    assert len(accuracies) == 2
    assert min(accuracies) > ENOUGH
    assert abs(accuracies[0] - accuracies[1]) < APART


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_two_programs(page):
    programs = doctests.programs(DOCS / f"{page}.md")
    assert programs.keys() == {"", PAGES[page]}
    theirs, ours = ("".join(code for _, code, _ in programs[n]) for n in (PAGES[page], ""))
    assert f"import {PAGES[page]}" in theirs
    assert "import nablas as nb" in ours
    assert PAGES[page] not in ours
