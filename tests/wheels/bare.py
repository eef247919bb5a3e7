"""A wheel in an environment of its own, with no compiler on the path: installed, used, tested."""

import os
import pathlib
import resource
import subprocess
import time
import venv

ROOT = pathlib.Path(__file__).resolve().parents[2]
TESTS = ["kernels", "kernel_edges", "matmul", "engine", "losses", "mlp", "io", "many_threads", "sklearn"]  # fmt: skip
EXPORT = """
import nablas as nb
net = nb.MLP.load("m.safetensors")
net.save("again.safetensors")
net.to_onnx("m.onnx")
"""


def timed(what, command, environment):
    """Runs a command and prints its seconds: on the clock, and of processors."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(command, env=environment, check=True, cwd=environment["HOME"])
    seconds, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{what}: {seconds:.1f} s, {used:.1f} s of processors", flush=True)


def try_out(wheel, folder, tests):
    """Installs the wheel with what `nablas train digits` needs, trains, and runs files of tests.

    `tests`: names such as "kernels"; none: the default ones; "all": the whole suite.
    """
    folder = folder.resolve()
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    bin_folder = folder / "venv/bin"
    kept = {k: v for k, v in os.environ.items() if k.startswith("PIP_") or k == "LANG"}
    environment = {**kept, "PATH": str(bin_folder), "HOME": str(home), "CXX": "none", "CC": "none"}
    pip = [bin_folder / "python", "-m", "pip", "install", "--quiet", "--only-binary=:all:"]
    start = time.monotonic()
    venv.create(folder / "venv", with_pip=True, clear=True)
    print(f"empty environment: {time.monotonic() - start:.1f} s")
    timed("install", [*pip, f"nablas[cli,sklearn] @ {wheel.resolve().as_uri()}"], environment)
    timed("nablas train digits", [bin_folder / "nablas", "train", "digits", "--out", "m.safetensors"], environment)  # fmt: skip
    timed("nablas predict", [bin_folder / "nablas", "predict", "m.safetensors", "digits", "--out", "p.csv"], environment)  # fmt: skip
    timed("install for export", [*pip, f"nablas[io] @ {wheel.resolve().as_uri()}"], environment)
    timed("load, save and export", [bin_folder / "python", "-c", EXPORT], environment)
    timed("install for tests", [*pip, f"nablas[test] @ {wheel.resolve().as_uri()}"], environment)
    python = str(bin_folder / "python")
    subprocess.run([python, ROOT / "tests/wheels", "--installed"], env=environment, check=True)
    whole = tests == ["all"]
    files = [] if whole else [f"{ROOT}/tests/test_{name}.py" for name in tests or TESTS]
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ROOT]
    done = subprocess.run([*command, *files], env=environment, cwd=ROOT)
    return done.returncode
