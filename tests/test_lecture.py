"""The lecture's pages are made again, on every instruction set, and compared with the committed ones."""

import json
import re
import struct
import subprocess
import sys
from pathlib import Path

import lecture_pages
import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "examples" / "lecture"
DOCS = ROOT / "docs" / "lecture"
SCRIPTS = sorted(FOLDER.glob("[0-9]*.py"))
if not SCRIPTS:
    pytest.skip("not in this tree", allow_module_level=True)
pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")
sys.path.insert(0, str(FOLDER))
LEAST_TEXT = 9.0  # points

each_section = pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)


def page_of(script):
    return (DOCS / f"{script.stem}.md").read_text(encoding="utf-8")


@each_section
def test_a_section_is_as_its_page_says(script, isa):
    """Text, numbers and pictures' data of a new run; the script's own `check` holds what it claims."""
    assert lecture_pages.differences(script) == []


@each_section
def test_pictures_are_there(script):
    pictures = json.loads((DOCS / f"{script.stem}.json").read_text(encoding="utf-8"))
    files = {path.stem: path for path in DOCS.glob(f"{script.stem[:2]}_*.png")}
    assert files.keys() == pictures.keys()
    for name, path in files.items():
        header = path.read_bytes()[:24]
        assert header[:8] == b"\x89PNG\r\n\x1a\n"
        assert list(struct.unpack(">II", header[16:])) == pictures[name]["size"]
    least = min(picture["least_text"] for picture in pictures.values())
    assert least >= LEAST_TEXT


@each_section
def test_code_in_every_section(script):
    assert "```py\n" in page_of(script)


@each_section
def test_no_text_is_printed_twice(script):
    """No paragraph, no table and no passage of code of 40 or more characters."""
    code = re.findall(r"{{ code\((.*?)\) }}", script.with_suffix(".md").read_text(encoding="utf-8"))
    assert sorted(code) == sorted(set(code))
    blocks = [b for b in re.split(r"\n\n+", page_of(script)) if len(b) >= 40]
    assert [b for b in set(blocks) if blocks.count(b) > 1] == []


def typed_numbers(template):
    """Numbers typed into a template's text: with a decimal point, or of two or more digits.

    Left out are code, what Jinja fills in, titles, links, powers of ten, references to sections,
    and what the template declares as given: ``{# given: 1987, 0.5 #}``.
    """
    given = {n for found in re.findall(r"{# given: (.*?) #}", template) for n in found.split(", ")}
    for left_out in (
        r"(?s)```.*?```",
        r"(?s){[{%#].*?[}%#]}",
        r"`[^`]*`",
        r"\]\([^)]*\)",
        r"(?m)^#.*$",
    ):
        template = re.sub(left_out, " ", template)
    found = re.findall(r"(?<![§\w.])\d+\.\d+|(?<![§\w.])\d{2,}(?![⁻⁰¹²³⁴-⁹])", template)
    return [number for number in found if number not in given]


@pytest.mark.parametrize("template", sorted(FOLDER.glob("*.md")), ids=lambda path: path.stem)
def test_no_number_is_typed_into_a_template(template):
    assert typed_numbers(template.read_text(encoding="utf-8")) == []


def test_typed_numbers_are_seen():
    assert typed_numbers("a loss of 0.31 after 40 steps") == ["0.31", "40"]
    assert typed_numbers("{{ a | fixed(2) }}, `0.1`, §13, 10⁻⁹, 2-2-1") == []
    assert typed_numbers("{# given: 0.5, 1987 #} 0.5 in 1987, 0.55") == ["0.55"]


def test_the_first_page_is_made_from_the_templates():
    from _pages import contents

    assert (ROOT / "docs" / "lecture.md").read_text(encoding="utf-8") == contents()
    expected = {f"{s.stem}{suffix}" for s in SCRIPTS for suffix in (".md", ".json")}
    assert {
        path.name for path in DOCS.iterdir() if path.suffix not in (".png", ".html")
    } == expected
    for page in [ROOT / "docs" / "lecture.md", *map(lambda s: DOCS / f"{s.stem}.md", SCRIPTS)]:
        for link in re.findall(r"\]\((?!http)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_a_script_from_the_command_line(tmp_path):
    command = [sys.executable, str(FOLDER / "03_cross_entropy.py"), "--out", str(tmp_path / "new")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "mean: 0.4499" in done.stdout
    assert (tmp_path / "new" / "03_cross_entropy.png").exists()


def test_the_comparison_of_pages_can_fail():
    from _pages import fixed, plain, scientific, seconds

    def page(loss, error, time, steps=40):
        return f"Loss {fixed(loss, 3)}, off by {scientific(error)}, after {steps} steps in {seconds(time)}."

    committed = plain(page(-1.2344, 2.31e-5, 0.002))
    assert committed == "Loss −1.234, off by 2.3·10⁻⁵, after 40 steps in *2 ms*."
    compare = lecture_pages.page_differences
    assert compare(page(-1.2352, 2.4e-5, 7.0), committed) == []
    assert compare(page(-1.2366, 2.3e-5, 7.0), committed) == ["−1.237, was −1.234"]
    assert compare(page(-1.234, 2.3e-4, 7.0), committed) == ["2.3·10⁻⁴, was 2.3·10⁻⁵"]
    assert compare(page(-1.234, 2.3e-5, 7.0, steps=41), committed)
    assert compare(page(-1.234, 2.3e-5, 7.0) + "!", committed)
    html = lecture_pages.html_differences
    assert html('{"w": 0.30000000000000004}', '{"w": 0.3}') == []
    assert html('{"w": 0.31}', '{"w": 0.3}') == ["0.31, was 0.3"]
    assert html('{"v": 0.3}', '{"w": 0.3}')


def test_the_comparison_of_pictures_can_fail():
    from _pictures import picture_data
    from matplotlib.figure import Figure

    def data(x=2.0, label="x", top=0.5, count=3):
        ax = Figure().add_subplot()
        ax.plot([1, x, *range(3, count + 1)], [0.1, top, *range(3, count + 1)])
        ax.scatter([1, 2], [0, 1], c=[0.0, 1.0])
        ax.contourf([[0.0, x], [1, 2]], levels=[0, 1, 3])
        ax.set(xlabel=label, xlim=(0, 4), ylim=(0, 1))
        return json.loads(json.dumps(picture_data(ax.figure, 120)))

    compare = lecture_pages.picture_differences
    assert compare(data(), data(x=2.01)) == []
    for other in ({"x": 2.1}, {"label": "y"}, {"top": 0.52}, {"count": 4}):
        assert compare(data(), data(**other)), other
