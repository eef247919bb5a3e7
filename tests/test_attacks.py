"""The short forms of the attacking programs; each runs longer by its own command (CONTRIBUTING.md)."""

import shutil
from pathlib import Path

import attack
import pytest

TESTS = Path(__file__).parent


@pytest.mark.parametrize(
    ("program", "name", "attempts"),
    [
        ("hostile", "kernels", 2_500),
        ("hostile", "library", 2_500),
        ("fuzz", "model", 4_000),
        ("fuzz", "csv", 1_000),
        ("fuzz", "parquet", 1_000),
        ("fuzz", "npz", 1_000),
        ("faults", "model", 8),
        ("faults", "checkpoint", 4),
        ("faults", "drawing", 4),
    ],
)
def test_short_form(program, name, attempts):
    if program == "faults" and not shutil.which("strace"):
        pytest.skip("needs strace")
    if program == "fuzz" and name != "model":
        pytest.importorskip("polars")
    found = attack.run(TESTS / program / "__main__.py", name, attempts, seed=0, chunk=attempts)
    assert not found, "\n".join(f"{number}: {told}: {wrong}" for number, told, wrong in found)
