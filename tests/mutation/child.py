"""Runs pytest in a forked child that has limits of its own; what the tests import is loaded once, before the first fork."""

import contextlib
import importlib
import os
import resource
import signal
import sys
import time
from pathlib import Path

MEMORY = 4 << 30  # bytes that a mutant's process may have
# Not nablas, which is the copy's; not plugins of pytest, which it loads itself.
LOADED = "numpy pytest scipy.optimize scipy.stats sklearn.datasets sklearn.utils.estimator_checks"

# Wherever nablas is installed for development, the copy's processes and their children import the copy.
SITE = """import sys
sys.meta_path[:] = [f for f in sys.meta_path if "editable" not in type(f).__module__.lower()]
"""


def load():
    for name in LOADED.split():
        importlib.import_module(name)
    assert "nablas" not in sys.modules


def _child(folder, paths, scratch, arguments):
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    out = os.open(scratch / "out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(folder)
    os.environ |= {
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(scratch),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(scratch / "hypothesis"),
    }
    exec(SITE)
    here = str(Path(__file__).parents[1])
    sys.path[:] = [*paths, *(p for p in sys.path if p != here)]
    sys.dont_write_bytecode = True
    import pytest

    return pytest.main(arguments)


def run(folder, paths, scratch, arguments, seconds):
    """(exit code, output) of pytest; the code is minus the signal's number, or "no answer" after so many seconds."""
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            code = int(_child(folder, paths, scratch, arguments))
        finally:
            sys.stdout.flush()
            os._exit(code)
    end, code = time.monotonic() + seconds, "no answer"
    try:
        while time.monotonic() < end:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                code = os.waitstatus_to_exitcode(status)
                break
            time.sleep(0.02)
    finally:  # the child's own session: what it has left running, or itself; also when this process is stopped
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    if code == "no answer":
        os.waitpid(pid, 0)
    out = scratch / "out"
    return code, out.read_text(errors="replace") if out.exists() else ""
