"""Compares a lecture's page made anew with the committed one: text, numbers, pictures' data.

Run as a program it compares one section: ``python tests/lecture_pages.py SCRIPT``; its exit code is
1 if something differs.
"""

import difflib
import json
import re
import sys
from decimal import Decimal
from math import isclose
from pathlib import Path

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "examples" / "lecture"
DOCS = ROOT / "docs" / "lecture"
NUMBER = r"[-−]?[\d,]*\d(?:\.\d+)?(?:·10[⁻⁰¹²³⁴-⁹]+)?"
_DIGITS = str.maketrans("−⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "--0123456789")
# Share of an axis (or of the colours' range) by which a point of a picture may move: four pixels
# of an Axes 400 pixels wide, which is what an eye can see. The numbers are held by the page.
MOVE = 0.01
# Axes' limits follow the data's extremes, which are held to MOVE of the axis at either end.
LIMIT = 0.02


def value_and_unit(text):
    """A printed number, and one unit of its last digit."""
    mantissa, _, exponent = text.translate(_DIGITS).replace(",", "").partition("·10")
    scale = Decimal(10) ** int(exponent or 0)
    decimals = len(mantissa.partition(".")[2])
    return Decimal(mantissa) * scale, scale / 10**decimals


def numbers_differ(made, committed):
    """Whether they differ by more than one unit of the last printed digit."""
    (a, unit_a), (b, unit_b) = value_and_unit(made), value_and_unit(committed)
    return abs(a - b) > max(unit_a, unit_b)


def page_differences(made, committed):
    """Differences between a marked page, made anew, and a written one, as lines of text."""
    from _pages import END, REAL, TIME, plain

    pieces = re.split(f"([{REAL}{TIME}][^{END}]*{END})", made)
    pattern, reals = "", []
    for piece in pieces:
        if piece.startswith(REAL):
            pattern += f"({NUMBER})"
            reals.append(piece[1:-1])
        else:
            pattern += r"[^*\n]+" if piece.startswith(TIME) else re.escape(piece)
    match = re.fullmatch(pattern, committed)
    if match is None:
        lines = difflib.unified_diff(committed.splitlines(), plain(made).splitlines(), n=0)
        return [line for line in lines if line[0] in "+-"] or ["the ends of the lines differ"]
    pairs = zip(reals, match.groups(), strict=True)
    return [f"{a}, was {b}" for a, b in pairs if numbers_differ(a, b)]


def texts_differ(made, committed):
    """Whether words differ, or numbers by more than a unit of their last digit."""
    if re.sub(NUMBER, "0", made) != re.sub(NUMBER, "0", committed):
        return True
    pairs = zip(re.findall(NUMBER, made), re.findall(NUMBER, committed), strict=True)
    return any(numbers_differ(a, b) for a, b in pairs)


def limits_differ(made, committed, scale):
    """Whether an axis begins or ends elsewhere, on its scale."""
    from math import log10

    a, b = ([log10(v) for v in ends] if scale == "log" else ends for ends in (made, committed))
    most = LIMIT * max(abs(b[1] - b[0]), 1e-12)
    return any(abs(x - y) > most for x, y in zip(a, b, strict=True))


def picture_differences(made, committed, path=""):
    """Differences between pictures' data, as lines of text."""
    if isinstance(made, str) and isinstance(committed, str):
        return [f"{path}: {made!r}, was {committed!r}"] if texts_differ(made, committed) else []
    if isinstance(made, dict) and isinstance(committed, dict):
        if made.keys() != committed.keys():
            return [f"{path}: {list(made)}, was {list(committed)}"]
        found = []
        for key, value in made.items():
            if key in ("limits", "levels") and len(value) == len(committed[key]) > 1:
                scale = made.get("scale", "linear")
                if limits_differ(value, committed[key], scale):
                    found.append(f"{path}/{key}: {value}, was {committed[key]}")
            else:
                found += picture_differences(value, committed[key], f"{path}/{key}")
        return found
    if isinstance(made, list) and isinstance(committed, list):
        if len(made) != len(committed):
            return [f"{path}: {len(made)} parts, was {len(committed)}"]
        pairs = enumerate(zip(made, committed, strict=True))
        return [line for i, (a, b) in pairs for line in picture_differences(a, b, f"{path}/{i}")]
    most = MOVE if isinstance(made, float) else 0
    return [] if abs(made - committed) <= most else [f"{path}: {made}, was {committed}"]


def html_differences(made, committed):
    """Differences between pages of HTML; real numbers in them may differ by rounding."""
    real = r"-?\d+\.\d+(?:e-?\d+)?"
    if re.sub(real, "0", made) != re.sub(real, "0", committed):
        return ["a page of HTML has other words"]
    pairs = zip(re.findall(real, made), re.findall(real, committed), strict=True)
    return [f"{a}, was {b}" for a, b in pairs if not isclose(float(a), float(b), abs_tol=1e-12)]


def differences(script):
    """Make a section anew; what differs from the committed page and pictures."""
    from _pages import make

    page, pictures, pages = make(script)
    committed = json.loads((DOCS / f"{script.stem}.json").read_text(encoding="utf-8"))
    text = (DOCS / f"{script.stem}.md").read_text(encoding="utf-8")
    found = page_differences(page, text) + picture_differences(pictures, committed)
    files = {path.stem: path for path in DOCS.glob(f"{script.stem[:2]}_*.html")}
    if files.keys() != pages.keys():
        found.append(f"pages {list(pages)}, was {list(files)}")
    for name in files.keys() & pages.keys():
        found += html_differences(pages[name], files[name].read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    chosen = Path(sys.argv[1]).resolve()
    sys.path.insert(0, str(chosen.parent))
    found = differences(chosen)
    print("\n".join(found[:20]))
    sys.exit(bool(found))
