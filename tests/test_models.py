"""The protocols of threads as models, checked by spin (where there is one); broken models must fail."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODELS = {path.stem: path.read_text() for path in sorted((ROOT / "tests/models").glob("*.pml"))}
spin = pytest.mark.skipif(
    not (shutil.which("spin") and shutil.which("gcc")), reason="needs spin and gcc"
)

BREAKS = {
    "a claim of an old round": ("team", "got = (claim[q] == r - 1)", "got = (claim[q] != r)"),
    "no claim": ("team", "got = (claim[q] == r - 1)", "got = true"),
    "the count of parts goes on": ("team", "        done = 0;\n", ""),
    "nobody is woken by the last part": ("team", "        wake_all(0)\n", "        skip\n"),
    "nobody is woken at the end": ("team", "  n = THREADS;\n  wake_all(1)\n", ""),
    "the mark after the look": (
        "team",
        ":: asleep[me] = true;\n     if\n     :: round == r && !closed -> !asleep[me]",
        ":: round == r && !closed -> asleep[me] = true;\n     if\n     :: true -> !asleep[me]",
    ),
    "the leader does not wait": ("team", "     :: e -> break\n", "     :: true -> break\n"),
    "a run before its phases": ("team", "  alive = true;\n", ""),
    "a thread that is left out": ("team", "(e || me >= n) -> wait", "e -> wait"),
    "two trainings": ("claim", "got = !claimed; claimed = true", "got = true; claimed = true"),
}


def check(tmp_path, text, level="-O0"):
    """The number of errors, and the output; `level` of the compiler: what ends early compiles longer than it runs."""
    (tmp_path / "model.pml").write_text(text)
    out = ""
    for command in (["spin", "-a", "model.pml"], ["gcc", level, "-w", "-o", "pan", "pan.c"]):
        out += subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stdout
    if (tmp_path / "pan").exists():
        command = [tmp_path / "pan", "-m200000"]
        out += subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stdout
    return re.search(r"errors: (\d+)", out), out


@spin
@pytest.mark.parametrize(("name", "least_states"), [("team", 1_000_000), ("claim", 10)])
def test_the_protocols(tmp_path, name, least_states):
    found, out = check(tmp_path, MODELS[name], "-O2")
    assert found, out
    assert found[1] == "0", out
    assert float(re.search(r"([\d.e+]+) states, stored", out)[1]) > least_states


@spin
@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_protocol_is_found(tmp_path, name):
    model, old, new = BREAKS[name]
    assert MODELS[model].count(old) == 1
    found, out = check(tmp_path, MODELS[model].replace(old, new))
    assert found, out
    assert int(found[1]) > 0


@pytest.mark.parametrize("name", MODELS)
def test_the_models_name_code_that_exists(name):
    head = MODELS[name].split("*/")[0]
    files = re.findall(r"cpp/[\w/]+\.[ch]pp", head)
    assert files
    code = "".join((ROOT / file).read_text() for file in files)
    named = re.findall(r"Claims::([a-z, ]+?) of| (wake) and|(sleep_while_set)|\(([a-z, ]+)\)", head)
    words = [word for groups in named for text in groups for word in re.findall(r"[a-z_]+", text)]
    assert len(words) >= 2
    for word in set(words) - {"and"}:
        assert re.search(rf"\b{word}\(", code), word
