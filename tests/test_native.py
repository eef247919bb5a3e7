"""Parts of the C++ core that Python cannot reach alone, as programs that are compiled here."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sanitizers import memory, threads

from nablas import _core

ROOT = Path(__file__).parents[1]
NAMES = [os.environ.get("CXX", ""), "c++", "clang++"]
COMPILER = next(filter(None, map(shutil.which, NAMES)), None)
pytestmark = pytest.mark.skipif(not COMPILER, reason="needs a C++ compiler")

PROGRAMS = {  # tests/native: what they link
    "call_pace": [],
    "claims": [f"cpp/base/{name}.cpp" for name in ["claims", "placement", "sleep"]],
    "pace": [],
    "placement": [f"cpp/base/{name}.cpp" for name in ["claims", "placement", "sleep"]],
    "team": [
        f"cpp/base/{name}.cpp"
        for name in ["claims", "placement", "sleep", "parallel", "team_threads", "team_openmp"]
    ],
}


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    built = {}

    def build(name):
        if name not in built:
            built[name] = tmp_path_factory.mktemp("native") / name
            sources = [ROOT / f"tests/native/{name}.cpp", *(ROOT / s for s in PROGRAMS[name])]
            flags = ["-std=c++17", "-O1", "-Wall", "-Wextra", "-pthread", f"-I{ROOT / 'cpp'}"]
            flags += ["-fopenmp"] if name == "team" and _core.has_openmp else []
            subprocess.run([COMPILER, *flags, *sources, "-o", built[name]], check=True)
        return built[name]

    return build


def run(path, *arguments):
    done = subprocess.run([path, *arguments], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


@pytest.mark.parametrize("how", ["futex", "condition", "alone"])
def test_every_part_is_done_once_on_threads_that_delay(program, how):
    run(program("claims"), how)


def test_the_choice_between_a_team_and_one_thread(program):
    run(program("pace"))


def test_single_calls_beside_busy_processes(program):
    run(program("call_pace"))


@pytest.mark.skipif(_core.num_threads() < 2, reason="needs two processors")
@pytest.mark.skipif(sys.platform != "linux", reason="threads choose their processors on Linux only")
def test_a_helper_leaves_the_leaders_processor(program):
    run(program("placement"))


def test_the_parts_of_a_phase_run_side_by_side(program):
    run(program("team"))


def test_every_program_is_run():
    assert sorted(PROGRAMS) == sorted(path.stem for path in (ROOT / "tests/native").glob("*.cpp"))


def test_the_sanitizers_program_compiles():
    """It takes too long to be run here; its interfaces must not fall behind the core's."""
    command = [COMPILER, "-std=c++17", "-fsyntax-only", f"-I{ROOT / 'cpp'}"]
    subprocess.run([*command, ROOT / "tests/sanitizers/harness.cpp"], check=True)


@pytest.mark.parametrize("module", [threads, memory])
def test_the_sanitizers_faults_are_changes_of_the_code(module):
    for path, old, new, *_ in [*module.BREAKS, *([threads.ALWAYS] if module is threads else [])]:
        assert (ROOT / path).read_text().count(old) == 1, (path, old)
        assert old != new
