"""A copy of the project in a temporary folder: built, changed, and tried on the quick tests of a floor."""

import collections
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from mutation import child
from mutation.changes import apply

ROOT = Path(__file__).parents[2]
# A mutant gets so many times the seconds of the unchanged code, and at least so many seconds.
PATIENCE, LEAST = 3, 20
JOBS = os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL", "2")

# Left out: what is slow, and what needs an installed package.
SLOW = "not batches_larger_than_a_block and not the_installed_command"

SAME_BITS = (
    "process::test_the_same_bits_for_any_number_of_threads process::test_kernels_give_the_same_bits_for_any_number_of_threads "
    "process::test_an_epoch_run_in_slices_is_the_same_epoch"
)
PROCESS = (
    "process::test_threadpool_limits_are_obeyed process::test_omp_num_threads_is_obeyed process::test_bad_thread_counts "
    "process::test_a_forked_child_can_train process::test_an_absent_team_is_an_error_at_the_first_large_call "
    "process::test_a_team_is_at_most_twice_the_allowed_processors "
    "process::test_the_same_bits_however_threads_sleep process::test_any_stack_size_of_openmp "
    "process::test_threads_that_cannot_be_started_are_done_without concurrency::test_the_team_for_every_stack_size"
)
# The quick tests of a folder's or a file's code, the fastest first; the first entry that fits.
TESTS = [
    ("cpp/kernels/gemm cpp/kernels/micro_kernel cpp/kernels/narrow cpp/kernels/packing cpp/kernels/streaming cpp/kernels/tiles cpp/kernels/transpose cpp/kernels/column_sums",
     "kernel_edges narrow dense matmul long_sums panels"),
    ("cpp/kernels/losses cpp/kernels/softmax cpp/kernels/columns", "narrow kernels losses dense kernel_edges trust engine"),
    ("cpp/kernels/optimizers", "kernels kernel_edges optimizers engine"),
    ("cpp/kernels/math cpp/kernels/activations cpp/kernels/elementwise cpp/kernels/simd cpp/kernels/vector cpp/kernels/partial",
     "kernels math elementwise random kernel_edges bounds"),
    ("cpp/kernels/sparse", "sparse_kernels sparse"),
    ("cpp/kernels", "kernels elementwise kernel_edges random math dense losses"),
    ("cpp/network/random", "random"),
    ("cpp/network", f"random mlp_data mlp engine {SAME_BITS} long_sums sparse shards stepper panels penalties losses_python resume"),
    ("cpp/base/philox", "random"),
    ("cpp/base/long_sum cpp/base/types", "random mlp_data long_sums engine resume::test_batches_of_many_blocks"),
    ("cpp/base/buffer", "kernels dense random mlp_data engine"),
    ("cpp/base/lock", "mlp_data concurrency"),
    ("cpp/base", f"mlp_data {SAME_BITS} native {PROCESS}"),
    ("cpp/bindings/gil", "mlp_data concurrency signals"),
    ("cpp/bindings/epochs", "epochs streams mlp_data sparse shards mlp mlp_errors stepper penalties callbacks engine resume process::test_an_epoch_run_in_slices_is_the_same_epoch"),
    ("cpp/bindings/trainer cpp/bindings/network cpp/bindings/dataset cpp/bindings/slices cpp/bindings/sparse",
     "mlp_data sparse shards sparse_kernels mlp mlp_errors stepper penalties callbacks engine resume"),
    ("cpp/bindings/system", f"kernels kernel_arguments random config {PROCESS}"),
    ("cpp/bindings", "kernels kernel_arguments sparse_kernels elementwise random dense losses optimizers mlp_data sparse mlp"),
    ("python/nablas/autograd/rules python/nablas/autograd/derivatives", "autograd_rules autograd_functions autograd_needs"),
    ("python/nablas/autograd/numpy_", "autograd_dtypes autograd_numpy autograd_functions autograd autograd_special"),
    ("python/nablas/autograd", "autograd_functions autograd autograd_numpy autograd_needs autograd_special autograd_rules"),
    ("python/nablas/schedules", "optimizers"),
    ("python/nablas/optimizers", "optimizers callbacks mlp"),
    ("python/nablas/cli", "cli_tables cli_values cli"),
    ("python/nablas/sklearn/linear python/nablas/sklearn/_linear python/nablas/sklearn/_unit python/nablas/sklearn/_one_layer", "sklearn_linear sklearn_failures"),
    ("python/nablas/sklearn/clusters", "clusters"),
    ("python/nablas/sklearn", "sklearn sklearn_details sklearn_failures sklearn_superset sklearn_limits"),
    ("python/nablas/metrics", "metrics"),
    ("python/nablas/descent", "descent"),
    ("python/nablas/_training", "epochs mlp callbacks mlp_errors mlp_data penalties losses_python mpi::test_process_0_calls_the_callbacks_and_decides"),
    ("python/nablas/_data", "penalties mlp_data sparse mlp_errors arguments mlp callbacks losses_python trust"),
    ("python/nablas/_checks", "arguments data mlp_data mlp_errors mlp callbacks losses_python optimizers trust penalties"),
    ("python/nablas/_epochs", "epochs penalties mlp_data mlp_errors mlp callbacks losses_python streams"),
    ("python/nablas", "penalties mlp_data mlp_errors arguments mlp callbacks losses_python optimizers trust"),
]  # fmt: skip

# Folders of the sources of each scalar type's kernels, and the tests that need not be run for them.
SCALARS = {"float": "float64", "double": "float32"}


def tests_of(path):
    for places, names in TESTS:
        if any(path.startswith(place) for place in places.split()):
            return names
    raise ValueError(path)


def _asked(expression):
    """What an installed nablas answers; not imported here, since the tests of the copy are run in forks of this process."""
    program = f"import nablas, nablas._core; print({expression})"
    command = [sys.executable, "-c", program]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _follow(source, target):
    """Makes `target` a copy of a file or folder; writes only what differs, so that no more is compiled anew."""
    for path in sorted(source.rglob("*")) if source.is_dir() else [source]:
        to = target / path.relative_to(source) if source.is_dir() else target
        if path.is_dir() or "__pycache__" in path.parts or path.suffix == ".so":
            continue
        if not to.exists() or to.read_bytes() != path.read_bytes():
            to.parent.mkdir(parents=True, exist_ok=True)
            to.write_bytes(path.read_bytes())


class Project:
    """The copy; `kind` is "cpp" or "python". For C++ the sources of each scalar type's kernels are a copy of their own,
    so that a change in them compiles one type's."""

    def __init__(self, kind, folder):
        self.kind, self.folder = kind, Path(folder) / "project"
        self.site, self.scratch = Path(folder) / "site", Path(folder) / "tmp"
        self._seconds = {}  # of the unchanged code, by tests and types
        self._kills = collections.Counter()  # by tests and the file among them that killed
        for made in (self.folder, self.site, self.scratch):
            made.mkdir(parents=True, exist_ok=True)
        (self.site / "sitecustomize.py").write_text(child.SITE)
        child.load()
        for name in [
            "cpp",
            "python",
            "tests",
            "docs",
            "examples",
            "CMakeLists.txt",
            "pyproject.toml",
            "README.md",
        ]:
            _follow(ROOT / name, self.folder / name)
        if kind == "cpp":
            for scalar in SCALARS:
                _follow(ROOT / "cpp", self.folder / scalar)
            self._configure()
        else:
            shutil.copy(_asked("nablas._core.__file__"), self.folder / "python/nablas")

    def _configure(self):
        """One instruction set, the kernels at -O1 and the rest at -O0: what compiles fastest."""
        import pybind11

        text = (ROOT / "cpp/CMakeLists.txt").read_text()
        for old, new in {
            "kernel_flags -O3": "kernel_flags -O1",
            "OBJECT kernels": "OBJECT ${CMAKE_SOURCE_DIR}/${scalar}/kernels",
            "(${target} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})": "(${target} PRIVATE ${CMAKE_SOURCE_DIR}/${scalar})",
        }.items():
            assert old in text, old
            text = text.replace(old, new)
        (self.folder / "cpp/CMakeLists.txt").write_text(text)
        options = {
            "pybind11_DIR": pybind11.get_cmake_dir(), "NABLAS_ONLY": _asked("nablas.available_isas()[-1]"), "CMAKE_BUILD_TYPE": "Release",
            "CMAKE_CXX_FLAGS_RELEASE": "-O0", "CMAKE_UNITY_BUILD": "OFF", "Python_EXECUTABLE": sys.executable,
        }  # fmt: skip
        given = [f"-D{name}={value}" for name, value in options.items()]
        command = ["cmake", "-G", "Ninja", "-S", self.folder, "-B", self.folder / "build", *given]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        if not self.build():
            raise SystemExit("the unchanged code does not compile")

    def build(self):
        done = subprocess.run(
            ["ninja", f"-j{JOBS}", "-C", self.folder / "build"], stdout=subprocess.DEVNULL
        )
        if done.returncode:
            return False
        (made,) = (self.folder / "build").glob("_core*.so")
        # A new file: the old one may still be mapped by a process that has not ended.
        target = self.folder / "python/nablas" / made.name
        target.unlink(missing_ok=True)
        shutil.copy(made, target)
        return True

    def run(self, tests, seconds, only=""):
        """(exit code or "no answer", what failed first) of pytest on these files, `only` these of their tests."""
        shutil.rmtree(self.scratch)
        self.scratch.mkdir()
        paths = [str(self.folder / "python"), str(self.site)]
        arguments = ["-x", "-q", "-rfE", "--tb=no", "-p", "no:cacheprovider", "-k", only]
        arguments += ["--basetemp", str(self.scratch / "pytest")]
        for name in tests.split():
            module, *test = name.split("::")
            arguments.append("::".join([f"tests/test_{module}.py", *test]))
        code, out = child.run(self.folder, paths, self.scratch, arguments, seconds)
        failed = re.search(r"^(?:FAILED|ERROR) (?:tests/)?(\S+)", out, re.M)
        if failed or code == 0:
            return code, failed[1] if failed else ""
        return code, f"exit code {code}: {out.strip()[:80]}"

    def seconds(self, tests, only):
        """How long the unchanged code takes. It must pass: otherwise a mutant's failure means nothing."""
        if (tests, only) not in self._seconds:
            if self.kind == "cpp" and not self.build():  # what was built last may be a mutant
                raise SystemExit("the unchanged code does not compile")
            began = time.monotonic()
            code, failed = self.run(tests, 1800, only)
            if code != 0:
                raise SystemExit(f"the unchanged code fails: {tests}: {code}: {failed}")
            self._seconds[tests, only] = time.monotonic() - began
            print(f"unchanged: {self._seconds[tests, only]:.0f} s: {tests}; {only}", flush=True)
        return self._seconds[tests, only]

    def places(self, path):
        """The copies of a file that are changed, and which tests are run, until a mutant is killed. A kernel is changed
        for one scalar type at a time; what the callers of the kernels share with them, for all at once."""
        if self.kind == "python":
            return [([self.folder / path], SLOW)]
        inner = path.removeprefix("cpp/")
        if inner.startswith("kernels/") and inner not in (
            "kernels/table.hpp",
            "kernels/registry.hpp",
        ):
            return [
                ([self.folder / s / inner], f"{SLOW} and not {other}")
                for s, other in SCALARS.items()
            ]
        return [([self.folder / s / inner for s in ("cpp", *SCALARS)], SLOW)]

    def fate(self, change, tests=None):
        """What became of a mutant: ("does not compile" | "killed" | "survived", by what)."""
        tests = tests or tests_of(change.path)
        for paths, only in self.places(change.path):
            patience = max(LEAST, PATIENCE * self.seconds(tests, only))
            try:
                for path in paths:
                    apply(path, change)
                if self.kind == "cpp" and not self.build():
                    return "does not compile", ""
                # what has killed most comes first
                files = sorted(
                    tests.split(), key=lambda name: -self._kills[tests, name.split("::")[0]]
                )
                code, failed = self.run(" ".join(files), patience, only)
                if code != 0:
                    self._kills[tests, failed.removeprefix("test_").split(".py")[0]] += 1
                    return "killed", failed or str(code)
            finally:
                text = (ROOT / change.path).read_text()
                for path in paths:
                    path.write_text(text)
        return "survived", ""


REASONS = Path(__file__).with_name("equivalent.json")


def known():
    """{key of a change: (kind, reason)} of changes that no test can notice ("equivalent") or only a clock ("speed")."""
    found = {}
    for entry in json.loads(REASONS.read_text())["changes"]:
        for before, after in entry["changes"]:
            found[f"{entry['path']}: {before}  ->  {after}"] = (entry["kind"], entry["reason"])
    return found


def speed_only():
    """A function of a change: whether its line holds a name that decides about speed alone."""
    names = [(e["path"], re.compile(e["lines"])) for e in json.loads(REASONS.read_text())["speed"]]
    return lambda change: any(
        change.path == path and lines.search(change.before) for path, lines in names
    )
