"""Command line: ``python tests/mutation {cpp,python} --count N --seed S --out FILE``."""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from mutation.changes import apply, changes

ROOT = pathlib.Path(__file__).parents[2]
# The quick tests of a folder's or a file's code; the first entry that fits.
TESTS = [
    ("cpp/kernels/gemm cpp/kernels/packing cpp/kernels/streaming cpp/kernels/tiles", "matmul dense long_sums kernel_edges"),
    ("cpp/kernels/losses cpp/kernels/softmax", "kernels losses engine trust"),
    ("cpp/kernels/optimizers", "kernels optimizers engine"),
    ("cpp/kernels/math cpp/kernels/activations cpp/kernels/elementwise cpp/kernels/simd", "math kernels elementwise kernel_edges"),
    ("cpp/kernels", "kernels elementwise kernel_edges random math"),
    ("cpp/network", "engine witnesses mlp mlp_data long_sums random process"),
    ("cpp/base", "process concurrency random engine long_sums signals"),
    ("cpp/bindings", "kernel_arguments kernel_edges engine mlp_errors elementwise dense"),
    ("python/nablas/autograd/rules", "autograd_rules autograd_functions autograd_needs"),
    ("python/nablas/autograd", "autograd autograd_functions autograd_rules autograd_numpy autograd_special autograd_needs"),
    ("python/nablas/optimizers python/nablas/schedules", "optimizers callbacks mlp"),
    ("python/nablas/cli", "cli cli_tables"),
    ("python/nablas/sklearn", "sklearn sklearn_details sklearn_failures sklearn_superset"),
    ("python/nablas", "mlp mlp_data mlp_errors callbacks metrics losses_python io files trust descent engine"),
]  # fmt: skip
PLACES = {
    "cpp": ("cpp/kernels", "cpp/network", "cpp/base"),
    "python": ("python/nablas",),
}
LEFT_OUT = ("plots", "_stepper", "reference", "sklearn/convert", "autograd/pictures", "autograd/drawing", "_version", "cpp/tools",
            "kernels/peak", "base/instruction_set")  # fmt: skip


def files(kind):
    found = []
    for place in PLACES[kind]:
        for path in sorted((ROOT / place).rglob("*.py" if kind == "python" else "*.[ch]pp")):
            name = path.relative_to(ROOT).as_posix()
            if not any(part in name for part in LEFT_OUT):
                found.append(name)
    return found


def tests_of(path):
    for places, names in TESTS:
        if any(path.startswith(place) for place in places.split()):
            return [f"tests/test_{name}.py" for name in names.split()]
    raise ValueError(path)


def copy(kind, folder):
    """The project in a folder; for C++ also built there, for the best instruction set alone."""
    for name in (
        "cpp",
        "python",
        "tests",
        "CMakeLists.txt",
        "pyproject.toml",
        "README.md",
        "docs",
        "examples",
    ):
        source = ROOT / name
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, folder / name, ignore=ignore) if source.is_dir() else shutil.copy(
            source, folder
        )
    if kind == "cpp":
        import pybind11

        from nablas import available_isas

        options = [
            f"-Dpybind11_DIR={pybind11.get_cmake_dir()}",
            f"-DNABLAS_ONLY={available_isas()[-1]}",
        ]
        options += ["-DCMAKE_BUILD_TYPE=Release", f"-DPython_EXECUTABLE={sys.executable}"]
        subprocess.run(
            ["cmake", "-G", "Ninja", "-S", folder, "-B", folder / "build", *options],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        assert build(folder) == 0
    else:
        for extension in pathlib.Path(nablas_core()).parent.glob("_core*.so"):
            shutil.copy(extension, folder / "python/nablas")


def nablas_core():
    import nablas._core

    return nablas._core.__file__


def build(folder):
    done = subprocess.run(["ninja", "-C", folder / "build"], capture_output=True, text=True)
    for extension in (folder / "build").glob("_core*.so"):
        shutil.copy(extension, folder / "python/nablas")
    return done.returncode


def fate(kind, folder, change, seconds):
    """What became of a mutant: "does not compile", "killed", "killed (no answer)" or "survived"."""
    old = apply(folder, change)
    try:
        if kind == "cpp" and build(folder) != 0:
            return "does not compile"
        environment = {**os.environ, "PYTHONPATH": str(folder / "python")}
        command = [sys.executable, "-c", _isolated(folder), "-x", "-q", "-p", "no:cacheprovider"]
        done = subprocess.run(
            [*command, *tests_of(change.path)],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=seconds,
        )
        return "survived" if done.returncode == 0 else "killed"
    except subprocess.TimeoutExpired:
        return "killed (no answer)"
    finally:
        (folder / change.path).write_text(old)


def _isolated(folder):
    """A program that runs pytest on the copy, whatever nablas is installed."""
    return (
        "import sys; sys.meta_path[:] = [f for f in sys.meta_path if 'editable' not in type(f).__module__.lower() and "
        "'editable' not in type(f).__name__.lower()]; "
        f"sys.path.insert(0, {str(folder / 'python')!r}); import nablas; assert nablas.__file__.startswith({str(folder)!r}), nablas.__file__; "
        "import pytest; sys.exit(pytest.main(sys.argv[1:]))"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=list(PLACES))
    parser.add_argument("--count", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=600, help="for the tests of one mutant")
    parser.add_argument("--out", default="mutants.json", help="results so far; read at the start")
    options = parser.parse_args()
    every = [change for path in files(options.kind) for change in changes(ROOT, path)]
    chosen = np.random.default_rng(options.seed).permutation(len(every))[: options.count]
    out = pathlib.Path(options.out)
    results = json.loads(out.read_text()) if out.exists() else {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch) / "project"
        folder.mkdir()
        copy(options.kind, folder)
        for i in chosen:
            change = every[i]
            if str(change) in results:
                continue
            results[str(change)] = fate(options.kind, folder, change, options.seconds)
            out.write_text(json.dumps(results, indent=1, ensure_ascii=False))
            print(f"{results[str(change)]}: {change}", flush=True)
    fates = list(results.values())
    made = len(fates) - fates.count("does not compile")
    print(f"{len(every)} possible changes; {made} mutants, {made - fates.count('survived')} killed")


if __name__ == "__main__":
    main()
