"""The tests of kernels, data and engine, and odd calls of the kernels, with AddressSanitizer and UBSan.

Python itself is not built with them, so their libraries are loaded before it. Leaks are not counted: the interpreter
and NumPy keep memory until they exit.
"""

import re
import subprocess
import tempfile

import isolated

import nablas

# fmt: off
TESTS = [
    "kernels", "kernel_edges", "kernel_arguments", "matmul", "narrow", "dense", "elementwise", "losses", "long_sums", "random", "optimizers",
    "engine", "mlp_data", "witnesses", "math", "sparse_kernels", "sparse", "shards", "penalties",
]
# fmt: on
HOSTILE_CALLS = 2_500
# Other files of tests can be asked for, too.
NAMES = ["hostile", *(p.stem[5:] for p in (isolated.ROOT / "tests").glob("test_*.py"))]

# -s: a report is written as the process ends
PYTEST = ["-m", "pytest", "-q", "-s", "-p", "no:cacheprovider"]
REPORTS = ["ERROR: AddressSanitizer", "runtime error"]

# A copy of the sources with these changes must give reports: (file, old, new, what is reported).
BREAKS = [
    ("cpp/network/random.cpp", "i < count; i += 2)", "i < count + 2; i += 2)", REPORTS[0]),
    (
        "cpp/network/random.cpp",
        "const int64 i = count - 1 - k;",
        # volatile: an overflow in a number that nobody reads is compiled away
        "const int64 i = count - 1 - k;\n[[maybe_unused]] volatile int64 far = INT64_MAX / 2 * count;",
        REPORTS[1],
    ),
]


def library(name):
    """The path of a library of the compiler's."""
    done = subprocess.run(["g++", f"-print-file-name={name}"], capture_output=True, text=True)
    return done.stdout.strip()


def build(folder, *changes):
    """A package with the sanitizers, for the instruction sets that this machine can run.

    Built from a copy of the sources, so that a change in one file builds this file alone again.
    """
    source = isolated.copy_with(folder / "source", *changes)
    sets = ";".join(nablas.available_isas())
    options = [
        "-DCMAKE_BUILD_TYPE=Debug",
        "-DCMAKE_CXX_FLAGS_DEBUG=",
        "-DCMAKE_CXX_COMPILER=g++",
        "-DCMAKE_UNITY_BUILD=OFF",
    ]
    options += ["-DNABLAS_SANITIZE=memory", f"-DNABLAS_ONLY={sets}"]
    extension = isolated.configure_and_build(folder / "build", *options, source=source)
    return isolated.package(folder / "package", extension)


def run(package, arguments):
    """A program with the sanitizers; returns its exit code, the number of reports and what was written to stderr."""
    settings = "print_stacktrace=1:allocator_may_return_null=1"
    with tempfile.TemporaryFile("w+", errors="replace") as stderr:
        code = isolated.run(
            package,
            arguments,
            stderr=stderr,
            # libstdc++ before the program, so that the library finds the functions that throw
            LD_PRELOAD=f"{library('libasan.so')} {library('libstdc++.so.6')}",
            ASAN_OPTIONS=f"{settings}:detect_leaks=0",
            UBSAN_OPTIONS=settings,
            PYTHONMALLOC="malloc",
        )
        stderr.seek(0)
        text = stderr.read()
    return code, len(re.findall("|".join(REPORTS), text)), text


def programs(names):
    for name in names or [*TESTS, "hostile"]:
        if name == "hostile":
            yield name, ["tests/hostile", "kernels", "--attempts", str(HOSTILE_CALLS)]
        else:
            yield name, [*PYTEST, f"tests/test_{name}.py"]


def main(folder, names, broken):
    """Returns the number of reports and failures."""
    if broken:
        return breaks_without_report(folder)
    package = build(folder)
    count = failures = 0
    for name, arguments in programs(names):
        print(f"== {name}", flush=True)
        code, reports, text = run(package, arguments)
        count += reports
        failures += code != 0
        print(text, end="")
    print(f"memory: {count} reports, {failures} programs failed, {nablas.available_isas()}")
    return count + failures


def breaks_without_report(folder):
    """The number of them."""
    silent = 0
    for path, old, new, kind in BREAKS:
        package = build(folder, (path, old, new))
        code, _, text = run(package, [*PYTEST, "tests/test_random.py"])
        found = code != 0 and kind in text
        silent += not found
        print(f"{path} with {new!r}: {'a report of' if found else 'NO report of'} {kind}")
    return silent
