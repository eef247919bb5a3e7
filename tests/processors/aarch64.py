"""What a run on an emulated aarch64 needs, all of it in one folder: Debian's Python, wheels, the extension or a wheel of the package.

The packages are fetched with a state of apt's own; nothing is installed into the system.
"""

import shutil
import subprocess
import sys

import isolated

TOOLS = ["qemu-aarch64", "apt-get", "dpkg-deb"]
COMPILER = ["aarch64-linux-gnu-g++", "cmake", "ninja"]
PACKAGES = ["python3", "libpython3-dev", "libstdc++6", "libgomp1"]
WHEELS = ["numpy", "pytest", "hypothesis", "mpmath"]
# the C libraries (glibc's versions) that the wheels may need; each older one is in Debian's too
PLATFORMS = [
    "manylinux_2_28",
    "manylinux_2_27",
    "manylinux_2_24",
    "manylinux_2_17",
    "manylinux2014",
]


def run(command, **settings):
    done = subprocess.run(command, capture_output=True, text=True, **settings)
    if done.returncode != 0:
        last = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {' '.join(last)}")


def unpack_debian(folder):
    """Debian's Python for arm64, in folder/root."""
    root, apt = folder / "root", folder / "apt"
    if root.exists():
        return root
    for place in ("lists/partial", "cache/archives/partial"):
        (apt / place).mkdir(parents=True, exist_ok=True)
    (apt / "status").write_text("")
    settings = {
        "APT::Architecture": "arm64",
        "APT::Architectures": "arm64",
        "Dir::State::Lists": apt / "lists",
        "Dir::State::Status": apt / "status",
        "Dir::Cache": apt / "cache",
    }
    command = ["apt-get", *(f"-o{name}={value}" for name, value in settings.items())]
    run([*command, "update"])
    run([*command, "install", "--download-only", "-y", "--no-install-recommends", *PACKAGES])
    unfinished = folder / "root.unfinished"
    for package in sorted((apt / "cache/archives").glob("*.deb")):
        run(["dpkg-deb", "-x", package, unfinished])
    return unfinished.rename(root)


def install_wheels(folder, version, *wheels):
    """Wheels by name or path, in the folder; `version` is as 3.11. What is there already stays."""
    if folder.exists():
        return folder
    options = [f"--platform={platform}_aarch64" for platform in PLATFORMS]
    options += ["--only-binary=:all:", f"--python-version={version}", "--no-compile"]
    unfinished = folder.with_suffix(".unfinished")
    run([sys.executable, "-m", "pip", "install", "--target", unfinished, *options, *wheels])
    return unfinished.rename(folder)


def build(folder, root, version):
    include = root / "usr/include"
    return isolated.configure_and_build(
        folder / "build",
        "-DCMAKE_BUILD_TYPE=Release",
        "-DCMAKE_SYSTEM_NAME=Linux",
        "-DCMAKE_SYSTEM_PROCESSOR=aarch64",
        "-DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++",
        f"-DCMAKE_CXX_FLAGS=-idirafter {include}",  # for Debian's pyconfig.h, behind the compiler's own headers
        f"-DPython_INCLUDE_DIR={include}/python{version}",
    )


def prepare(folder, wheel=None):
    """The package to import, the command of Python and its environment. Raises RuntimeError with the reason.

    wheel: one of the package; else the extension is built here
    """
    if missing := [tool for tool in TOOLS + COMPILER * (not wheel) if not shutil.which(tool)]:
        raise RuntimeError(f"needs {', '.join(missing)}")
    root = unpack_debian(folder)
    python = sorted((root / "usr/bin").glob("python3.[0-9]*[0-9]"))[-1]  # python3.11 in Debian 12
    version = python.name.removeprefix("python")
    site = install_wheels(folder / "site", version, *WHEELS)
    command = ["qemu-aarch64", "-L", str(root), str(python)], {"PYTHONPATH": str(site)}
    if wheel:
        shutil.rmtree(folder / "wheel", ignore_errors=True)
        return install_wheels(folder / "wheel", version, "--no-deps", wheel.resolve()), *command
    # pybind11 names it for this machine's Python; any Python takes a name without one
    package = isolated.package(folder / "package", build(folder, root, version), "_core.so")
    return package, *command
