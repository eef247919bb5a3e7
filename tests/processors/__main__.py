"""Command line: ``python tests/processors [nehalem] [haswell] [aarch64] [--wheel WHEEL] [--folder FOLDER]``: tests on emulated ones.

qemu's user emulation runs Python, NumPy and the extension; for nehalem and haswell these are the installed ones.
"""

import argparse
import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import isolated
from choices import one_of

from processors import aarch64

# The files of tests, and one of how many cases of each test function is run.
TESTS = {"kernels": 1, "losses": 4, "matmul": 1, "narrow": 2, "engine": 8, "elementwise": 6, "random": 1, "kernel_edges": 6, "long_sums": 1}  # fmt: skip
SLOW = "not batches_larger_than_a_block"  # minutes for one case
ISA = {"nehalem": "x86_64", "haswell": "x86_64_v3", "aarch64": "arm64"}


def x86_64(model, folder, wheel):
    """The installed extension on qemu's model of a processor."""
    if wheel:
        raise RuntimeError("takes the installed package, no wheel")
    if not shutil.which("qemu-x86_64"):
        raise RuntimeError("needs qemu-x86_64")
    import nablas._core

    package = isolated.package(folder / "package", nablas._core.__file__)
    return package, ["qemu-x86_64", "-cpu", model, sys.executable], {}


PREPARE = {
    "nehalem": lambda *given: x86_64("Nehalem", *given),
    "haswell": lambda *given: x86_64("Haswell", *given),
    "aarch64": aarch64.prepare,
}


def attempt(name, folder, options):
    """Runs the tests on one processor; returns the number of files with failures, at least 1 if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()
    try:
        package, command, environment = PREPARE[name](folder, options.wheel)
    except RuntimeError as error:
        print(f"{name}: not available: {error}")
        return 1
    check = f"import nablas; assert nablas.isa() == {ISA[name]!r}, nablas.isa()"
    if isolated.run(package, ["-c", check], command, **environment) != 0:
        print(f"{name}: not the kernels for {ISA[name]}")
        return 1
    plugin = str(pathlib.Path(__file__).parent)
    paths = ":".join(filter(None, [plugin, environment.get("PYTHONPATH")]))
    failed = []
    for test, cases in TESTS.items():
        if options.only and test not in options.only:
            continue
        every = options.every or cases
        print(f"== {name} {test}, one case of {every}", flush=True)
        arguments = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "sampling"]
        arguments += [f"--every={every}", "-k", SLOW, f"tests/test_{test}.py"]
        if isolated.run(package, arguments, command, **{**environment, "PYTHONPATH": paths}) != 0:
            failed.append(test)
    print(f"{name}: {'failed: ' + ', '.join(failed) if failed else 'all passed'}")
    return len(failed)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "processors",
        nargs="*",
        type=one_of(PREPARE),
        help=f"of {', '.join(PREPARE)}; all without one",
    )
    parser.add_argument("--folder", type=pathlib.Path, help="for what is fetched and built")
    parser.add_argument("--wheel", type=pathlib.Path, help="for aarch64: test it, build nothing")
    parser.add_argument(
        "--only", nargs="*", type=one_of(TESTS), default=[], help=f"of {', '.join(TESTS)}"
    )
    parser.add_argument("--every", type=int, help="one case of so many of each test")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.folder or pathlib.Path(temporary)).resolve()
        names = options.processors or list(PREPARE)
        return min(1, sum(attempt(n, folder / n, options) for n in names))


if __name__ == "__main__":
    raise SystemExit(main())
