"""Rules for the source tree: include order, exports, file lengths, names, documentation."""

import builtins
import inspect
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import nablas as nb
import nablas.sklearn
from nablas import _core, kernels

ROOT = Path(__file__).parents[1]
FLOORS = ["base", "kernels", "network", "bindings"]
SOURCES = sorted((ROOT / "cpp").rglob("*.[hc]pp"))
PYTHON = sorted((ROOT / "python").rglob("*.py*"))
LONGEST_FILE = 400


def floor(path):
    return FLOORS.index(path.relative_to(ROOT / "cpp").parts[0])


def test_cpp_includes_go_down_only():
    assert len(SOURCES) > 20
    for path in SOURCES:
        for target in re.findall(r'#include "([a-z_]+)/', path.read_text()):
            assert FLOORS.index(target) <= floor(path), f"{path.name} includes {target}/"


@pytest.mark.parametrize(
    ("pattern", "allowed"),
    [
        (r"pybind11|Python\.h", "bindings/"),
        (r"#pragma omp|omp_get|omp_set", "base/parallel.cpp base/team_openmp.cpp"),
        (r"array::c_style(?!>::check_)", "bindings/arrays.hpp"),  # which knows of alignment, too
        (r"immintrin|_mm\w*_|__builtin_ia32", "base/processor.hpp kernels/partial.hpp"),
        (r"#if.*(__AVX|__SSE|VECTOR_BYTES|__x86_64__|__aarch64__)", "kernels/tiles.hpp kernels/partial.hpp base/processor.hpp base/instruction_set.cpp"),
        (r"\bthrow\b|\bnew\b|std::(vector|string|function)", "base/buffer.hpp base/lock.cpp base/parallel base/claims.cpp base/sleep.cpp base/team base/text.hpp network/ bindings/"),
    ],
)  # fmt: skip
def test_what_lives_where(pattern, allowed):
    for path in SOURCES:
        name = path.relative_to(ROOT / "cpp").as_posix()
        code = re.sub(r"//.*", "", path.read_text())
        if not any(name.startswith(place) for place in allowed.split()):
            assert not re.search(pattern, code), f"{name}: {re.search(pattern, code)[0]}"


def test_numpys_error_state_decorates_no_function():
    """Before NumPy 2, all threads in such a function would share the state to go back to."""
    assert len(PYTHON) > 100
    for path in PYTHON:
        assert not re.search(r"@\S*errstate\(", path.read_text()), path.name


def test_file_lengths():
    for path in [
        *SOURCES,
        *PYTHON,
        *(ROOT / "tests").glob("*.py"),
        *(ROOT / "benchmarks").glob("*.py"),
    ]:
        limit = LONGEST_FILE
        assert len(path.read_text().splitlines()) <= limit, path


def kernel_objects():
    return sorted((ROOT / "build").glob("*/cpp/CMakeFiles/nablas_kernels_*.dir/**/*.o"))


@pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("nm"), reason="reads ELF objects with nm"
)
def test_one_exported_symbol_and_no_weak_ones_per_kernel_object():
    objects = kernel_objects()
    if not objects:
        pytest.skip("nablas was not built in this checkout")
    built = {path.relative_to(ROOT / "build").parts[0] for path in objects}
    assert len(objects) >= 2 * len(_core.available_isas()) * len(built) / 2
    for path in objects:
        lines = subprocess.run(
            ["nm", "-C", path], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        kinds = [line.split(maxsplit=2)[1:] for line in lines if len(line.split(maxsplit=2)) == 3]
        exported = [name for kind, name in kinds if kind.isupper() and kind != "U"]
        assert len(exported) == 1, (path, exported)
        assert exported[0].startswith("nablas::kernels_")
        assert not [name for kind, name in kinds if kind in "wWvVu"], path
        undefined = {line.split()[-1] for line in lines if " U " in line}
        assert undefined <= {
            "memcpy",
            "memset",
            "pow",
            "sqrt",
            "sqrtf",
            "_GLOBAL_OFFSET_TABLE_",
            "__stack_chk_fail",
        }, undefined


def test_the_extension_is_small():
    assert Path(_core.__file__).stat().st_size < 5_000_000


def test_importing_needs_only_numpy():
    code = """
import sys
before = set(sys.modules)
import nablas
loaded = {name.split(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)
print(sorted(name for name in loaded if not name.startswith("_")))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['nablas', 'numpy']"


PUBLIC = [
    nb, nb.autograd, nb.callbacks, nb.convert, nb.data, nb.io, nb.kernels, nb.metrics, nb.optimizers, nb.plots,
    nb.reference, nb.schedules, nablas.sklearn,
]  # fmt: skip


@pytest.mark.parametrize("module", PUBLIC, ids=lambda module: module.__name__)
def test_public_modules_say_what_is_public(module):
    assert sorted(set(module.__all__)) == sorted(module.__all__)
    assert dir(module) == sorted(module.__all__)
    for name in module.__all__:
        thing = getattr(module, name)
        if inspect.isclass(thing) or inspect.isroutine(thing):
            home = thing.__module__
            assert home.startswith("nablas"), f"{module.__name__}.{name}"
            assert "._" not in home, f"{module.__name__}.{name} says it is from {home}"
            assert thing.__name__ == name


@pytest.mark.parametrize(
    "module", [m for m in PUBLIC if hasattr(m, "__path__")], ids=lambda module: module.__name__
)
def test_what_a_public_package_has_is_public(module):
    """But for names of Python's own, which `import *` would replace."""
    own = {
        name
        for name, thing in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(thing) or inspect.isroutine(thing))
        and str(thing.__module__).startswith(module.__name__)
    }
    assert own - {*module.__all__} <= {*dir(builtins)}


def test_every_public_module_is_in_the_list():
    named = {module.__name__ for module in PUBLIC}
    for path in (ROOT / "python/nablas").iterdir():
        name = path.stem
        public = not name.startswith("_") and path.suffix in ("", ".py") and name != "cli"
        if public and "__all__" in (path / "__init__.py" if path.is_dir() else path).read_text():
            assert f"nablas.{name}" in named
    for name in nb.__all__:
        if inspect.ismodule(getattr(nb, name)):
            assert f"nablas.{name}" in named


def public_objects():
    for module in PUBLIC:
        for name in module.__all__:
            thing = getattr(module, name)
            if inspect.isclass(thing) or inspect.isroutine(thing):
                yield f"{module.__name__}.{name}", thing


def test_public_names_are_found_by_pickle():
    """So that other processes can be sent them."""
    for name, thing in public_objects():
        assert pickle.loads(pickle.dumps(thing)) is thing, name


def test_public_names_are_documented():
    checked = 0
    for name, thing in public_objects():
        assert inspect.getdoc(thing), name
        checked += 1
        if inspect.isclass(thing):
            for attribute, member in vars(thing).items():
                if not attribute.startswith("_") and callable(member):
                    assert inspect.getdoc(member), f"{name}.{attribute}"
    for function in kernels.__all__:
        doc = getattr(kernels, function).__doc__
        assert "Parameters\n" in doc, function
        if function != "optimizer_update":
            assert "Returns\n" in doc, function
        assert "Raises\n" in doc, function
    assert checked > 40


def test_the_readmes_example_prints_what_it_says(tmp_path):
    """Digits may differ between machines; the rest of the output must be equal."""
    blocks = re.findall(r"```(\w*)\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    example = next(text for kind, text in blocks if kind == "python")
    shown = next(text for kind, text in blocks if kind == "")
    assert example == (ROOT / "examples/digits.py").read_text()
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert re.sub(r"\d+", "0", done.stdout) == re.sub(r"\d+", "0", shown)
    assert float(re.search(r"accuracy ([\d.]+)", done.stdout)[1]) > 0.9
