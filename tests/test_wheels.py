"""The check of wheels finds what is wrong with one, and what is declared for packages holds together."""

import re
import runpy
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CHECK = runpy.run_path(str(ROOT / "tests/wheels/__main__.py"))
ZIG = runpy.run_path(str(ROOT / "tests/wheels/zig.py"))
GOOD = {
    "nablas/__init__.py": b"",
    "nablas/_core.pyi": b"",
    "nablas/py.typed": b"",
    "nablas/_core.cpython-311-x86_64-linux-gnu.so": b"\x7fELF",
    "nablas-0.1.0.dist-info/RECORD": b"",
}
WRONG = {
    "expected one extension": {"nablas/_core.cpython-312-x86_64-linux-gnu.so": b""},
    "does not belong there": {"tests/test_engine.py": b""},
    "is not for users": {"nablas/table.cpp": b""},
    "names a folder of the build": {
        "nablas/_core.cpython-311-x86_64-linux-gnu.so": str(ROOT).encode()
    },
    "bytes, expected at most": {"nablas/data.py": bytes(5_000_001)},
}


def wheel(path, files):
    with zipfile.ZipFile(path, "w") as made:
        for name, content in files.items():
            made.writestr(name, content)
    return path


def test_a_good_wheel_passes(tmp_path):
    assert list(CHECK["contents"](wheel(tmp_path / "a.whl", GOOD))) == []


@pytest.mark.parametrize("wrong", WRONG)
def test_a_bad_wheel_is_found(tmp_path, wrong):
    found = list(CHECK["contents"](wheel(tmp_path / "a.whl", {**GOOD, **WRONG[wrong]})))
    assert len(found) == 1
    assert wrong in found[0]


@pytest.mark.parametrize("name", ["nablas/py.typed", "nablas/_core.pyi", "nablas/__init__.py"])
def test_a_missing_file_is_found(tmp_path, name):
    rest = {k: v for k, v in GOOD.items() if k != name}
    assert list(CHECK["contents"](wheel(tmp_path / "a.whl", rest))) == [f"{name} is missing"]


def test_wheels_that_differ(tmp_path, capsys):
    a = wheel(tmp_path / "a.whl", GOOD)
    b = wheel(tmp_path / "b.whl", {**GOOD, "nablas/py.typed": b" ", "nablas/more.py": b""})
    assert list(CHECK["differences"](a, a)) == []
    found = "\n".join(CHECK["differences"](a, b))
    assert "nablas/py.typed differs" in found
    assert "nablas/more.py is in one only" in found


@pytest.mark.parametrize(
    ("tags", "fits"),
    [
        ("manylinux_2_28_aarch64", True),
        ("manylinux_2_24_aarch64", True),
        ("manylinux_2_31_aarch64", False),
        ("manylinux_2_24_x86_64", False),
        ("musllinux_1_2_aarch64", False),
        ("linux_aarch64", False),
        ("manylinux_2_31_aarch64.manylinux_2_28_aarch64", True),
        ("manylinux2014_aarch64.manylinux_2_17_aarch64", True),
    ],
)
def test_the_platform_of_a_wheel(tags, fits):
    assert ZIG["fits"](f"nablas-0.1.0-cp311-cp311-{tags}.whl", "manylinux_2_28_aarch64") == fits


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
only_in_a_checkout = pytest.mark.skipif(not (ROOT / ".ci").exists(), reason="not in this tree")


@only_in_a_checkout
def test_every_dependency_has_a_least_version():
    """`.ci/minimums` refuses a requirement without one, and two that differ."""
    done = subprocess.run(
        [sys.executable, ROOT / ".ci/minimums"], capture_output=True, text=True, check=True
    )
    assert all(re.fullmatch(r"[\w-]+==[\w.]+", line) for line in done.stdout.splitlines())
    assert f"numpy=={PROJECT['project']['dependencies'][0].partition('>=')[2]}" in done.stdout


@only_in_a_checkout
def test_pythons_are_those_of_the_classifiers():
    """Wheels are built, and tests run, for every Python that the package says it is for."""
    classifiers = PROJECT["project"]["classifiers"]
    said = {c.rpartition(" ")[2] for c in classifiers if re.search(r":: 3\.\d+$", c)}
    built = {f"3.{b[3:5]}" for b in PROJECT["tool"]["cibuildwheel"]["build"]}
    tested = set(re.findall(r'"(3\.\d+)"', (ROOT / ".github/workflows/ci.yml").read_text()))
    assert said == built == tested
    assert "cp314t-*" in PROJECT["tool"]["cibuildwheel"]["build"]


def test_what_git_ignores_is_in_no_archive():
    """A list of what to include would take extensions and caches that lie in the tree, with it."""
    settings = PROJECT["tool"]["scikit-build"]
    assert "include" not in settings["sdist"]
    ignored = (ROOT / ".gitignore").read_text().split()
    assert {"*.so", "*.pyd", "__pycache__/", "build/"} <= {*ignored}


@only_in_a_checkout
def test_actions_are_pinned():
    for path in (ROOT / ".github/workflows").iterdir():
        for action in re.findall(r"uses: (\S+)", path.read_text()):
            assert re.search(r"@v\d+(\.\d+)*$", action), f"{path.name}: {action}"


@only_in_a_checkout
def test_a_release_is_attested_and_needs_no_password():
    text = (ROOT / ".github/workflows/release.yml").read_text()
    assert "id-token: write" in text
    assert "attest-build-provenance" in text
    assert not re.search(r"password|secrets\.", text.replace("no password", ""))
