"""Command line: ``python tests/faults [model checkpoint drawing] --attempts 200``; needs strace."""

import functools
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import attack

import nablas as nb
from faults.writer import MARK, prepare

WRITER = pathlib.Path(__file__).parent / "writer.py"
CALLS = ("openat", "write", "pwrite64", "fsync", "fdatasync", "rename", "unlink", "chmod", "fchmod", "newfstatat", "fstat",
         "access", "ftruncate", "close", "readlink")  # fmt: skip
ERRORS = ("ENOSPC", "EIO", "EINTR", "EACCES")
NAMES = {"model": "m.safetensors", "checkpoint": "c.safetensors", "drawing": "d.dot"}


def traced(kind, folder, *options):
    """Runs a writer under strace; its status, its output and the lines of the trace."""
    log = folder / "trace"
    command = ["strace", "-qq", "-o", str(log), "-e", f"trace={','.join(CALLS)}", *options]
    command += [sys.executable, "-B", str(WRITER), kind, str(folder / NAMES[kind])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    return done.returncode, done.stdout + done.stderr, log.read_text().splitlines()


@functools.cache
def places(kind):
    """(system call, its number in the process) of all that the writing makes."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        old(kind, folder)
        lines = traced(kind, folder)[2]
    seen, found, begun = dict.fromkeys(CALLS, 0), [], False
    for line in lines:
        name = line.split("(")[0]
        if name not in seen:
            continue
        seen[name] += 1
        begun = begun or MARK in line
        if begun and MARK not in line:
            found.append((name, seen[name]))
        if begun and re.match(r"unlink|rename", name) and NAMES[kind] in line and "tmp" not in line:
            break
    return found


def old(kind, folder):
    """Writes the old content; returns it as `content` does."""
    path = folder / NAMES[kind]
    if kind == "drawing":
        path.write_text("old")
    else:
        nb.MLP([3, 4, 2], output="softmax", seed=1).save(path)
    return content(kind, folder)


def content(kind, folder):
    """What is in the file; the order of a model file's metadata is safetensors' own."""
    path = folder / NAMES[kind]
    return path.read_bytes() if kind == "drawing" else nb.MLP.load(path).parameters.tobytes()


@functools.cache
def new(kind):
    """The content that a writer makes."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        prepare(kind)(folder / NAMES[kind])
        return content(kind, folder)


def fault(kind):
    def attempt(choice):
        name, number = places(kind)[choice.integers(len(places(kind)))]
        kill = choice.random() < 0.4
        what = "signal=SIGKILL" if kill else f"error={ERRORS[choice.integers(len(ERRORS))]}"
        told = f"{name} number {number}: {what}"
        with tempfile.TemporaryDirectory() as scratch:
            folder = pathlib.Path(scratch)
            before = old(kind, folder)
            status, said, _ = traced(kind, folder, "-e", f"inject={name}:{what}:when={number}")
            try:
                found = content(kind, folder)
            except ValueError as error:
                return told, f"damaged file: {error}"
            left = [p.name for p in folder.iterdir() if p.name not in (NAMES[kind], "trace")]
        if found not in (before, new(kind)):
            return told, "neither the old content nor the new one"
        if kill:
            return told, None
        if status == 0 and found != new(kind):
            return told, "no error, and the old file"
        if status not in (0, 3):
            return told, f"ended with {status}: {said[-200:]}"
        if left and name != "unlink":
            return told, f"left {left}"
        return told, None

    return attempt


ATTACKS = {kind: fault(kind) for kind in NAMES}

if __name__ == "__main__":
    if not shutil.which("strace"):
        raise SystemExit("tests/faults: expected strace on the path, got none")
    raise SystemExit(attack.main(__file__, ATTACKS, 200, __doc__, chunk=20))
