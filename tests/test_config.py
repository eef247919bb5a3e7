"""nb.show_config and `nablas info`: what decides the threads, and that the numbers are those in use."""

import json
import os
import subprocess
import sys

import pytest
from threadpoolctl import threadpool_limits

import nablas as nb
from nablas import _core


def test_the_numbers_are_those_in_use(isa, team, threads):
    threads(2)
    tables = nb.show_config("dicts")
    assert tables["versions"]["nablas"] == nb.__version__
    assert tables["instruction set"]["in use"] == isa
    assert tables["threads"] == {
        "number": nb.num_threads(),
        "decided by": "set_num_threads",
        "single calls": team,
        "networks": team,
    }
    sizes = tables["tiles and blocks"]
    for dtype in ("float32", "float64"):
        known = _core.thresholds(dtype == "float64")
        assert sizes[f"tile_rows {dtype}"] == known["tile_rows"]
        assert sizes[f"block_columns {dtype}"] == known["block_columns"]
    assert tables["build"]["compiler"].startswith(("GCC ", "Clang "))


def test_every_table_is_printed(capsys):
    assert nb.show_config() is None
    lines = capsys.readouterr().out.splitlines()
    for title, table in nb.show_config("dicts").items():
        at = lines.index(f"{title}:")
        assert lines[at + 1 : at + 1 + len(table)] == [f"  {k}: {v}" for k, v in table.items()]


def test_another_mode_is_refused():
    with pytest.raises(ValueError, match="^mode: expected"):
        nb.show_config("yaml")


linux = pytest.mark.skipif(sys.platform != "linux", reason="forks")
FORK = "import nablas, os; os.fork() and (os.wait(), os._exit(0)); "
ALLOWED = "processors allowed (affinity, cgroup quota)"
IGNORED = ["", " ", "0", "-1", "x", "1x", "1.5", "1,", ",1", "1,0", "1,x", "9" * 30]  # by OpenMP
SOURCE = "import nablas as nb; print(nb.show_config('dicts')['threads']['decided by'])"


@pytest.mark.parametrize(
    ("before", "environment", "want"),
    [
        ("", {}, ALLOWED),
        *(
            ("", {"OMP_NUM_THREADS": text}, "OMP_NUM_THREADS")
            for text in ("1", " 1 ", "1,2", "1 , 4")
        ),
        *(("", {"OMP_NUM_THREADS": text}, ALLOWED) for text in IGNORED),
        ("import nablas; nablas.set_num_threads(1); ", {}, "set_num_threads"),
        ("import nablas; nablas._core.set_own_threads(1); ", {}, "n_threads of the call"),
        pytest.param(FORK, {}, "a forked process", marks=linux),
    ],
)
def test_what_decides_the_threads(before, environment, want):
    clean = {k: v for k, v in os.environ.items() if k not in ("OMP_NUM_THREADS", "NABLAS_TEAM")}
    done = subprocess.run(
        [sys.executable, "-c", before + SOURCE],
        env={**clean, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == want


@pytest.mark.skipif(sys.platform == "win32", reason="its environment is text")
@pytest.mark.parametrize("name", ["NABLAS_ISA", "NABLAS_TEAM"])
@pytest.mark.parametrize("value", [b"\xff", b"caf\xc3\xa9", b"a\nb", b"~"])
def test_a_value_of_the_environment_is_shown_in_an_error(name, value):
    code = "import numpy as np, nablas as nb; a = np.ones((500, 500)); nb.set_num_threads(2); nb.kernels.matmul(a, a)"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environb, name.encode(): value}, capture_output=True
    )
    shown = value.decode("latin-1").encode("unicode_escape").decode().replace("\\n", "\\x0a")
    assert f"RuntimeError: {name}: expected one of" in done.stderr.decode()
    assert f"got '{shown}'" in done.stderr.decode()


@pytest.mark.skipif(not _core.has_openmp, reason="this build has no OpenMP")
def test_a_limit_of_openmp_is_named(threads):
    threads(2)
    with threadpool_limits(1):
        assert _core.thread_source() == "OpenMP's limit"
    assert _core.thread_source() == "set_num_threads"


def test_info_without_a_model():
    command = [sys.executable, "-m", "nablas", "info"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert text.startswith("versions:\n  nablas: ")
    tables = json.loads(
        subprocess.run([*command, "--json"], capture_output=True, check=True).stdout
    )
    assert tables["instruction set"]["in use"] in nb.available_isas()
