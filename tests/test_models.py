"""The team's protocol as a model, checked by spin (where there is one); broken models must fail."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODEL = (ROOT / "tests/models/team.pml").read_text()
spin = pytest.mark.skipif(
    not (shutil.which("spin") and shutil.which("gcc")), reason="needs spin and gcc"
)

BREAKS = {
    "the leader does not wait": (":: mine > 1 -> (ended == mine - 1)", ":: mine > 1 -> skip"),
    "no barrier": ("(round == my_round + 1); assert(open)", "skip"),
    "the wrong helpers count": ("(ended == mine - 1)", "(ended == mine)"),
    "nobody is woken": ("atomic { asleep[1] = false; asleep[2] = false }", "skip"),
    "a job before its members": (
        "  open = true;\n  if\n  :: mine > 1 ->\n     ended = 0;",
        "  if\n  :: mine > 1 ->\n     ended = 0;",
    ),
    "two trainings": ("got = !claimed; claimed = true", "got = true; claimed = true"),
}


def check(tmp_path, text):
    (tmp_path / "team.pml").write_text(text)
    done = subprocess.run(
        ["spin", "-run", "-m200000", "team.pml"], cwd=tmp_path, capture_output=True, text=True
    )
    return re.search(r"errors: (\d+)", done.stdout), done.stdout


@spin
def test_the_protocol(tmp_path):
    found, out = check(tmp_path, MODEL)
    assert found, out
    assert found[1] == "0", out
    assert int(re.search(r"(\d+) states, stored", out)[1]) > 10_000


@spin
@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_protocol_is_found(tmp_path, name):
    old, new = BREAKS[name]
    assert old in MODEL
    found, out = check(tmp_path, MODEL.replace(old, new))
    assert found, out
    assert int(found[1]) > 0


def test_the_model_names_code_that_exists():
    head = MODEL.split("*/")[0]
    files = re.findall(r"cpp/[\w/]+\.[ch]pp", head)
    assert len(files) >= 3
    code = "".join((ROOT / name).read_text() for name in files)
    for name in ("Leader", "run", "help", "Barrier::wait", "Claim", "take", "release"):
        assert name in head
        assert re.search(rf"\b{name}\b", code), name
