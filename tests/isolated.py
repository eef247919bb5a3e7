"""Builds of the extension apart from the installed one, and processes that import nablas with such a build."""

import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[1]

# Runs at the start of every Python with `package` first on its path, also in the processes it starts: an editable
# install has a finder that would come before the path.
SITECUSTOMIZE = """
import sys
sys.meta_path[:] = [f for f in sys.meta_path if "editable" not in f"{type(f)} {type(f).__module__}".lower()]
"""


def configure_and_build(build, *options, source=ROOT):
    """The extension of `source`, built in the folder `build` by CMake with these options."""
    import pybind11

    options = [f"-Dpybind11_DIR={pybind11.get_cmake_dir()}", *options]
    options += [f"-DPython_EXECUTABLE={sys.executable}"]
    quiet = {"check": True, "stdout": subprocess.DEVNULL}
    subprocess.run(["cmake", "-G", "Ninja", "-S", source, "-B", build, *options], **quiet)
    subprocess.run(["cmake", "--build", build], **quiet)
    return next(pathlib.Path(build).glob("_core*.so"))


def package(folder, extension, name=""):
    """A folder for PYTHONPATH with the package's Python files and this extension, by `name` or its own."""
    shutil.rmtree(folder, ignore_errors=True)
    ignore = shutil.ignore_patterns("__pycache__", "_core*.so")
    shutil.copytree(ROOT / "python/nablas", folder / "nablas", ignore=ignore)
    shutil.copy(extension, folder / "nablas" / (name or pathlib.Path(extension).name))
    (folder / "sitecustomize.py").write_text(SITECUSTOMIZE)
    return folder


def run(package, arguments, command=(sys.executable,), stderr=None, **environment):
    """A Python program that imports nablas from `package`; returns its exit code. The output goes on to ours, or what is
    for standard error to a file."""
    path = os.pathsep.join([str(package), *filter(None, [environment.pop("PYTHONPATH", None)])])
    environment = {**os.environ, **environment, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    check = [
        "-c",
        f"import nablas; assert nablas.__file__.startswith({str(package)!r}), nablas.__file__",
    ]
    subprocess.run([*command, *check], env=environment, check=True)
    return subprocess.run(
        [*command, *arguments], env=environment, cwd=ROOT, stderr=stderr
    ).returncode


def copy_with(folder, *changes):
    """A copy of the sources with changes: (file, old, new)."""
    for file in folder.rglob("*pp"):
        if not (ROOT / file.relative_to(folder)).exists():
            file.unlink()
    for name in ("cpp", "CMakeLists.txt"):
        source, target = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True, copy_function=copy_changed)
        else:
            copy_changed(source, target)
    for path, old, new in changes:
        text = (folder / path).read_text()
        assert old in text, f"{path} has no {old!r}"
        (folder / path).write_text(text.replace(old, new))
    return folder


def copy_changed(source, target):
    """Only where the content differs, so that what did not change is not built again."""
    source, target = pathlib.Path(source), pathlib.Path(target)
    if not target.exists() or source.read_bytes() != target.read_bytes():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
