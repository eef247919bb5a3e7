"""docs/lecture-map.md: every concept once, and all that it names exists."""

import functools
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAP = ROOT / "docs/lecture-map.md"
pytestmark = pytest.mark.skipif(not MAP.exists(), reason="not in this tree")
CONCEPTS = 67


def rows():
    lines = [
        line for line in MAP.read_text(encoding="utf-8").splitlines() if re.match(r"\| \d", line)
    ]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def anchors(page):
    """The anchors of a page's headings, as GitHub makes them."""
    found = set()
    for line in page.read_text(encoding="utf-8").splitlines():
        if heading := re.match(r"#+ (.*)", line):
            text = re.sub(r"[*`]", "", heading[1]).lower()
            found.add(re.sub(r"[^\w\- ]", "", text).replace(" ", "-"))
    return found


def resolve(name):
    """The object of a dotted public name."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            start = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        return functools.reduce(getattr, parts[cut:], start)
    raise AssertionError(name)


def test_every_concept_has_its_place():
    found = rows()
    assert [row[0] for row in found] == [str(i) for i in range(1, CONCEPTS + 1)]
    for _, concept, api, script, text in found:
        assert concept
        assert resolve(api.strip("`")) is not None
        assert (ROOT / script.strip("`")).is_file()
        page, anchor = re.fullmatch(r"\[§\d+\]\((.+)#(.+)\)", text).groups()
        assert anchor in anchors(ROOT / "docs" / page), text
        assert Path(page).stem == Path(script.strip("`")).stem
