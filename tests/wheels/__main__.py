"""Command line: ``python tests/wheels [WHEEL ...] [--installed] [--same A B] [--zig PLATFORM] [--bare WHEEL]``.

WHEEL        its size, its contents, no trace of the folder that it was built in
--installed  the package that is imported is an installed one, not the sources, and has its files
--same       two wheels are the same, byte for byte
--zig        builds a wheel for a platform such as manylinux_2_28_x86_64, in --folder
--bare       installs a wheel where there is no compiler, trains and runs the files --tests (names, or all)
"""

import argparse
import hashlib
import pathlib
import re
import sys
import sysconfig
import tempfile
import zipfile

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from wheels import bare, zig

MOST_BYTES = 5_000_000
ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = ROOT / "python/nablas"


def installed():
    """What is wrong with the package that Python imports here."""
    import nablas
    from nablas import _core

    place = pathlib.Path(nablas.__file__).resolve()
    if SOURCES in place.parents:
        yield f"{place} is the source tree"
    if pathlib.Path(sysconfig.get_path("platlib")).resolve() not in place.parents:
        yield f"{place} is not in {sysconfig.get_path('platlib')}"
    if pathlib.Path(_core.__file__).parent.resolve() != place.parent:
        yield f"{_core.__file__} is of another package"
    for source in SOURCES.rglob("*"):
        if source.suffix in (".py", ".pyi", ".typed", ".html") and source.is_file():
            copy = place.parent / source.relative_to(SOURCES)
            if not copy.exists() or copy.read_bytes() != source.read_bytes():
                yield f"{copy} is not the file of this checkout"


def contents(path):
    """What is wrong with a wheel."""
    if path.stat().st_size > MOST_BYTES:
        yield f"{path.stat().st_size:,} bytes, expected at most {MOST_BYTES:,}"
    with zipfile.ZipFile(path) as wheel:
        names = wheel.namelist()
        extensions = [name for name in names if re.search(r"/_core[^/]*\.(so|pyd)$", name)]
        if len(extensions) != 1:
            yield f"expected one extension, got {extensions}"
        for name in ("nablas/py.typed", "nablas/_core.pyi", "nablas/__init__.py"):
            if name not in names:
                yield f"{name} is missing"
        for name in names:
            if not re.match(r"nablas/|nablas\.libs/|nablas-[\w.+]+\.dist-info/", name):
                yield f"{name} does not belong there"
            if re.search(r"__pycache__|\.(o|a|hpp|cpp|cmake)$", name):
                yield f"{name} is not for users"
        for name in extensions:
            for trace in (str(ROOT), "pip-build-env", "pybind11/include"):
                if trace.encode() in wheel.read(name):
                    yield f"{name} names a folder of the build: {trace}"


def differences(first, second):
    """Where two wheels differ."""
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (first, second)]
    if hashes[0] == hashes[1]:
        print(f"sha256 {hashes[0]} twice")
        return
    yield f"{first} has {hashes[0]}, {second} has {hashes[1]}"
    with zipfile.ZipFile(first) as a, zipfile.ZipFile(second) as b:
        for name in sorted({*a.namelist()} ^ {*b.namelist()}):
            yield f"{name} is in one only"
        for name in {*a.namelist()} & {*b.namelist()}:
            if a.read(name) != b.read(name):
                yield f"{name} differs"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheels", nargs="*", type=pathlib.Path)
    parser.add_argument("--installed", action="store_true")
    parser.add_argument("--same", nargs=2, type=pathlib.Path, metavar=("A", "B"))
    parser.add_argument("--zig", choices=zig.TARGETS, metavar="PLATFORM")
    parser.add_argument("--bare", type=pathlib.Path, metavar="WHEEL")
    parser.add_argument("--tests", nargs="*", default=[])
    parser.add_argument("--folder", type=pathlib.Path, help="for what is built (a temporary one)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or pathlib.Path(temporary)
        if options.zig:
            options.wheels.append(zig.build(options.zig, folder))
        if options.bare and bare.try_out(options.bare, folder / "bare", options.tests) != 0:
            return 1
        return report(options)


def report(options):
    """Prints what is wrong; 1 if anything is."""
    found = list(installed()) if options.installed else []
    for path in options.wheels:
        wrong = list(contents(path))
        found += [f"{path.name}: {text}" for text in wrong]
        print(f"{path.name}: {path.stat().st_size:,} bytes{'' if wrong else ', good'}")
    if options.same:
        found += list(differences(*options.same))
    for text in found:
        print(text, file=sys.stderr)
    return int(bool(found))


if __name__ == "__main__":
    raise SystemExit(main())
