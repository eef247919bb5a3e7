"""The tests of kernels, data and engine, and odd calls of the kernels, with AddressSanitizer and UBSan.

Python itself is not built with them, so their libraries are loaded before it. Leaks are not counted: the interpreter
and NumPy keep memory until they exit.
"""

import shutil
import subprocess

import isolated

import nablas

# fmt: off
TESTS = [
    "kernels", "kernel_edges", "kernel_arguments", "matmul", "dense", "elementwise", "losses", "long_sums", "random", "optimizers",
    "engine", "mlp_data", "witnesses", "math",
]
# fmt: on
HOSTILE_CALLS = 2_500

# A copy of the sources with these changes must give reports: (file, old, new, what is reported).
BREAKS = [
    ("cpp/network/random.cpp", "i < count; i += 2)", "i < count + 2; i += 2)", "AddressSanitizer"),
    (
        "cpp/network/random.cpp",
        "const int64 i = count - 1 - k;",
        "const int64 i = count - 1 - k;\n[[maybe_unused]] const int64 far = INT64_MAX / 2 * count;",
        "runtime error",
    ),
]


def library(name):
    """The path of a library of the compiler's."""
    done = subprocess.run(["g++", f"-print-file-name={name}"], capture_output=True, text=True)
    return done.stdout.strip()


def build(folder, *change):
    """A package with the sanitizers, for the instruction sets that this machine can run.

    Built from a copy of the sources, so that a change in one file builds this file alone again.
    """
    source = isolated.copy_with(folder / "source", *change)
    sets = ";".join(nablas.available_isas())
    options = ["-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_CXX_FLAGS_DEBUG=", "-DCMAKE_CXX_COMPILER=g++"]
    options += ["-DNABLAS_SANITIZE=memory", f"-DNABLAS_ONLY={sets}"]
    extension = isolated.configure_and_build(folder / "build", *options, source=source)
    return isolated.package(folder / "package", extension)


def run(package, reports, arguments):
    """A program with the sanitizers; returns its exit code and the texts of new reports."""
    shutil.rmtree(reports, ignore_errors=True)
    reports.mkdir()
    settings = f"log_path={reports}/report:print_stacktrace=1:allocator_may_return_null=1"
    code = isolated.run(
        package,
        arguments,
        # libstdc++ before the program, so that the library finds the functions that throw
        LD_PRELOAD=f"{library('libasan.so')} {library('libstdc++.so.6')}",
        ASAN_OPTIONS=f"{settings}:detect_leaks=0",
        UBSAN_OPTIONS=settings,
        PYTHONMALLOC="malloc",
    )
    return code, [path.read_text(errors="replace") for path in sorted(reports.iterdir())]


def programs(names):
    pytest = ["-m", "pytest", "-q", "-p", "no:cacheprovider"]
    for name in names or [*TESTS, "hostile"]:
        if name == "hostile":
            yield name, ["tests/hostile", "kernels", "--attempts", str(HOSTILE_CALLS)]
        else:
            yield name, [*pytest, f"tests/test_{name}.py"]


def main(folder, names, broken):
    """Returns the number of reports and failures."""
    if broken:
        return breaks_without_report(folder)
    package = build(folder)
    count = failures = 0
    for name, arguments in programs(names):
        print(f"== {name}", flush=True)
        code, texts = run(package, folder / "reports", arguments)
        count += len(texts)
        failures += code != 0
        print(*texts, sep="\n", end="")
    print(f"memory: {count} reports, {failures} programs failed, {nablas.available_isas()}")
    return count + failures


def breaks_without_report(folder):
    """The number of them."""
    silent = 0
    for path, old, new, kind in BREAKS:
        package = build(folder, path, old, new)
        arguments = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_random.py"]
        code, texts = run(package, folder / "reports", arguments)
        found = code != 0 and any(kind in text for text in texts)
        silent += not found
        print(f"{path} with {new!r}: {'a report of' if found else 'NO report of'} {kind}")
    return silent
