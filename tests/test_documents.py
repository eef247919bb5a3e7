"""The documents: every public name has an example and a place in the API reference; examples that fail are seen."""

import inspect
import re
import sys
from pathlib import Path

import doctests
import pytest

import nablas as nb

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs/api"
if not REFERENCE.exists():
    pytest.skip("not in this tree", allow_module_level=True)
sys.path.insert(0, str(ROOT / "docs"))
import check_links  # noqa: E402
import public_names  # noqa: E402

MODULES = public_names.public_modules()
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in REFERENCE.glob("nablas*.md")}


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_has_an_example(module):
    """In a section of its docstring; data have theirs on the module's page."""
    for name in ["", *public_names.public_names(MODULES[module])]:
        thing = getattr(MODULES[module], name) if name else MODULES[module]
        if name and not public_names.has_docstring(thing):
            blocks = doctests.programs(REFERENCE / f"{module}.md")[""]
            assert any(re.search(rf"\b{name}\b", code) for _, code, _ in blocks), name
            continue
        section = inspect.getdoc(thing).partition("Examples\n--------\n")[2]
        assert section.startswith(">>> "), f"{module}.{name}"


def test_every_public_name_is_in_the_reference_once():
    assert PAGES.keys() == MODULES.keys()
    for module, page in PAGES.items():
        listed = [(found, name) for found, names in public_names.lists(page) for name in names]
        names = public_names.public_names(MODULES[module])
        assert sorted(listed) == sorted((module, name) for name in names), module
        assert f"]({module}.md)" in (REFERENCE / "index.md").read_text(encoding="utf-8")


def test_a_missing_name_of_a_page_is_seen():
    page = "```{public-names} nablas.io\nsave\n```\n"
    assert public_names.lists(page) == [("nablas.io", ["save"])]
    rest = page + "```{public-names} nablas.io\n```\n"
    assert public_names.lists(rest)[1] == ("nablas.io", ["load"])


def test_one_version():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"(?m)^version: (.*)$", citation)[1] == nb.__version__
    assert f"{nb.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_broken_links_are_seen(tmp_path):
    (tmp_path / "a.html").write_text('<p id="here"><a href="b.html#there"></a><img src="c.png">')
    (tmp_path / "b.html").write_text(
        '<a href="a.html#here"></a><a href="https://example.org/"></a>'
    )
    assert list(check_links.broken(tmp_path)) == [("a.html", "b.html#there"), ("a.html", "c.png")]


def test_wrong_examples_are_seen(tmp_path, monkeypatch):
    def wrong():
        """Examples
        --------
        >>> 1 + 1
        3
        """

    assert "Expected:\n    3\nGot:\n    2" in doctests.run_docstring(
        doctests.docstring_examples("wrong", wrong)
    )
    monkeypatch.setattr(doctests, "ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text(
        "```python\nx = 1\n```\n```python\nprint(x)\n```\n\n```text\n2\n```\n```py\nfragment\n```\n"
        "```python torch\nraise ValueError\n```\n"
    )
    found = doctests.programs(page)
    assert [code for _, code, _ in found[""]] == ["x = 1\n", "print(x)\n"]
    assert "page.md:5\nexpected:\n2\ngot:\n1" in doctests.run_program(page, found[""])[0]
    assert "page.md:15" in doctests.run_program(page, found["torch"])[0]
