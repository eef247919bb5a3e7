"""The changes that make a mutant: (line, columns, new text) of a file."""

import re
from dataclasses import dataclass
from pathlib import Path

SWAPS = {
    " + ": " - ", " - ": " + ", " * ": " + ", " / ": " * ", " < ": " <= ", " <= ": " < ", " > ": " >= ", " >= ": " > ",
    " == ": " != ", " != ": " == ", " && ": " || ", " || ": " && ", " += ": " -= ", " -= ": " += ", " % ": " / ",
    "std::min": "std::max", "std::max": "std::min", "true": "false", "false": "true",
    " and ": " or ", " or ": " and ", " is not None": " is None", "True": "False", "False": "True", "not ": "", "min(": "max(",
    "max(": "min(",
}  # fmt: skip
WORDS = {"true", "false", "True", "False", "not "}
REMOVED = re.compile(
    r"^\s*(team\.barrier\(\)|section\.team\.barrier\(\)|.*\.fill_zero\(\)|release\.check_signals\(\));$"
)
NUMBER = re.compile(r"(?<![\w.\"'])(\d+)(?![\w.\"'])")


@dataclass(frozen=True)
class Change:
    """One change of one line."""

    path: str
    line: int
    before: str
    after: str

    def __str__(self):
        return f"{self.path}:{self.line + 1}: {self.before.strip()}  ->  {self.after.strip() or 'removed'}"


def _code_lines(path, text):
    """(number, line, where its comment begins) of lines that are code."""
    python, inside = path.endswith(".py"), False
    for number, line in enumerate(text.splitlines()):
        if python and line.count('"""') % 2:
            inside = not inside
            continue
        mark = "#" if python else "//"
        bare = line.strip()
        skipped = (
            ("import ", "from ", "raise ", "assert ", "@", '"', 'f"')
            if python
            else ("#", "template", "static_assert")
        )
        if inside or not bare or bare.startswith((mark, *skipped)) or '"""' in line:
            continue
        yield number, line, line.find(mark) if mark in line else len(line)


def changes(root, path):
    """Every change of a file."""
    found = []
    for number, line, end in _code_lines(path, (Path(root) / path).read_text()):

        def add(start, old, new, number=number, line=line):
            found.append(Change(path, number, line, line[:start] + new + line[start + len(old) :]))

        for old, new in SWAPS.items():
            pattern = rf"\b{re.escape(old)}" if old in WORDS or "(" in old else re.escape(old)
            for match in re.finditer(pattern, line[:end]):
                add(match.start(), old, new)
        for match in NUMBER.finditer(line[:end]):
            add(match.start(), match[1], str(int(match[1]) + 1))
        if REMOVED.match(line):
            found.append(Change(path, number, line, ""))
    return [c for c in found if c.before != c.after]


def apply(root, change):
    """Writes the changed file; returns the old text."""
    path = Path(root) / change.path
    text = path.read_text()
    lines = text.splitlines(keepends=True)
    lines[change.line] = change.after + "\n"
    path.write_text("".join(lines))
    return text
