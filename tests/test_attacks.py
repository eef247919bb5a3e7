"""The short forms of the attacking programs; each runs longer by its own command (docs/reliability.md)."""

import shutil
from pathlib import Path

import attack
import pytest

TESTS = Path(__file__).parent


@pytest.mark.parametrize(
    ("program", "name", "attempts"),
    [
        ("hostile", "kernels", 2_500),
        ("hostile", "library", 2_000),
        ("hostile", "public", 1_000),
        ("fuzz", "model", 4_000),
        ("fuzz", "csv", 1_500),
        ("fuzz", "parquet", 800),
        ("fuzz", "npz", 1_500),
        ("fuzz", "command", 150),
        ("faults", "model", 6),
        ("faults", "table", 2),
        ("faults", "graph", 2),
        ("faults", "size", 4),
        ("faults", "killed", 6),
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
