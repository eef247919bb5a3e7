"""The short forms of the attacking programs; each runs longer by its own command (docs/reliability.md)."""

import io
import json
import re
import shutil
import subprocess
import sys
import tokenize
from pathlib import Path

import attack
import pytest
from mutation.__main__ import PLACES, chosen
from mutation.changes import CPP_TEXT
from mutation.project import REASONS, ROOT, known

TESTS = Path(__file__).parent


@pytest.mark.parametrize(
    ("program", "name", "attempts"),
    [
        ("hostile", "kernels", 2_500),
        ("hostile", "library", 2_000),
        ("hostile", "public", 1_000),
        ("fuzz", "model", 4_000),
        ("fuzz", "csv", 1_000),
        ("fuzz", "parquet", 800),
        ("fuzz", "npz", 1_000),
        ("fuzz", "command", 150),
        ("faults", "model", 6),
        ("faults", "table", 2),
        ("faults", "graph", 2),
        ("faults", "size", 4),
        ("faults", "killed", 6),
        ("faults", "resume", 4),
        ("faults", "threads", 3),
    ],
)
def test_short_form(program, name, attempts):
    if program == "faults" and not shutil.which("strace"):
        pytest.skip("needs strace")
    if program == "fuzz" and name != "model":
        pytest.importorskip("polars")
    again = "guarded" if name == "parquet" else None
    path = TESTS / program / "__main__.py"
    found = attack.run(path, name, attempts, seed=0, chunk=attempts, again=again)
    assert not found, "\n".join(f"{number}: {told}: {wrong}" for number, told, wrong in found)


def in_text_of_lines(path):
    """Numbers of the lines of a C++ file that are all text: within a string of several lines."""
    found, text = set(), (ROOT / path).read_text()
    for match in re.finditer(r'R"\((.*?)\)"', text, re.DOTALL):
        first = text.count("\n", 0, match.start())
        found |= set(range(first + 1, first + match[0].count("\n")))
    return found


def texts(path, line):
    """The strings and comments of a line."""
    if not path.endswith(".py"):
        return CPP_TEXT.findall(line)
    kinds, found = (tokenize.STRING, tokenize.COMMENT), []
    try:
        for token in tokenize.generate_tokens(io.StringIO(line.strip()).readline):
            found += [token.string] if token.type in kinds else []
    except (tokenize.TokenError, IndentationError):
        pass  # a line of a longer expression
    return found


@pytest.mark.parametrize("kind", PLACES)
def test_mutants_change_no_text(kind):
    every = chosen(kind, 0)
    assert len(every) > 2000
    inside = {change.path: in_text_of_lines(change.path) for change in every if kind == "cpp"}
    assert all(c.line not in inside.get(c.path, ()) for c in every)
    for change in every[:1000]:
        if change.after.strip() not in ("", "pass"):
            assert texts(change.path, change.before) == texts(change.path, change.after), change


def test_reasons_of_surviving_mutants_are_of_the_code():
    """A changed line takes its reason with it."""
    every = [change for kind in PLACES for change in chosen(kind, 0)]
    assert set(known()) <= {change.key for change in every}
    for entry in json.loads(REASONS.read_text())["speed"]:
        assert any(
            c.path == entry["path"] and re.search(entry["lines"], c.before) for c in every
        ), entry


@pytest.mark.parametrize(
    "words",
    [
        "faults nosuch",
        "fuzz nosuch",
        "hostile nosuch",
        "lecture_mutations.py --sections 99",
        "mutation nosuch",
        "mutation cpp --only nosuch",
        "processors nosuch",
        "processors haswell --only nosuch",
        "sanitizers nosuch",
        "sanitizers threads --only nosuch",
        "sanitizers memory --only nosuch",
        "sanitizers threads --only random",  # a name of the other kind
    ],
)
def test_checks_of_unknown_names_are_not_passed(words, tmp_path):
    program, *arguments = words.split()
    command = [sys.executable, str(TESTS / program), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode != 0
    assert arguments[-1] in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_mutants_of_descent_are_killed(tmp_path):
    command = [
        sys.executable,
        str(TESTS / "mutation"),
        "python",
        "--count",
        "2",
        "--only",
        "nablas/descent.py",
    ]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "out.json")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "of the other 2, 2 killed" in done.stdout
