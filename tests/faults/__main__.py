"""Command line: ``python tests/faults [model checkpoint ...] --attempts 200``; needs strace on Linux.

The attacks by what is written ("model", "table", ...) let one system call fail with each error, or kill there, in the
order of the numbers; "size" lets a file grow to a limit only, so that a write is short; "killed" kills at a random moment;
"resume" kills a training at random moments and resumes it, with other numbers of threads, until it ends; "threads" lets the start of threads fail; "memory" limits the address space.
"""

import functools
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import attack
import resuming

import nablas as nb
from faults import limits
from faults.saver import networks
from faults.writer import MARK, NAMES, prepare

EPOCHS = 12  # of a training that is killed
HERE = pathlib.Path(__file__).parent
CALLS = ("openat", "write", "writev", "pwrite64", "fsync", "fdatasync", "rename", "renameat2", "unlink", "unlinkat", "chmod",
         "fchmod", "newfstatat", "fstat", "lstat", "statx", "access", "faccessat2", "ftruncate", "close", "readlink",
         "lseek", "copy_file_range", "ioctl", "mmap")  # fmt: skip
WAYS = ("error=ENOSPC", "error=EIO", "error=EINTR", "error=EACCES", "signal=SIGKILL")
IN_THREADS = {"table", "parquet"}  # polars writes in threads of its own
COMMANDS = {"trained", *IN_THREADS}  # which read before they write
# strace lets these fail everywhere, also where no kernel does and nobody could go on
NEVER = (
    {("mmap", way) for way in WAYS[:4]}
    | {("lseek", way) for way in WAYS[:4]}
    | {("ioctl", way) for way in WAYS[:4]}
)


def traced(kind, folder, *options):
    """Runs a writer under strace; its status, its output and the lines of the trace."""
    log = folder / "trace"
    command = ["strace", "-qq", "-y", "-o", str(log), "-e", f"trace={','.join(CALLS)}", *options]
    command += ["-f"] if kind in IN_THREADS else []
    command += [sys.executable, "-B", str(HERE / "writer.py"), kind, str(folder / NAMES[kind])]
    environment = {**os.environ, "POLARS_MAX_THREADS": "1", "MPLBACKEND": "agg"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, env=environment)
    return done.returncode, done.stdout + done.stderr, log.read_text().splitlines()


@functools.cache
def places(kind):
    """(system call, its number in its thread) of all that the writing makes."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        old(kind, folder)
        lines = traced(kind, folder)[2]
    seen, found, begun = {}, [], False
    created = [i for i, line in enumerate(lines) if "O_EXCL" in line and NAMES[kind] in line]
    for i, line in enumerate(lines):
        thread, name = re.match(r"(\d*)\s*(?:<\.\.\. )?(\w*)", line).groups()
        if name not in CALLS or "resumed" in line:
            continue
        seen[thread, name] = seen.get((thread, name), 0) + 1
        begun = begun or MARK in line
        of_write = kind not in COMMANDS or (i >= created[-1] and scratch in line)
        if begun and of_write and MARK not in line:
            found.append((name, seen[thread, name]))
        if begun and re.match(r"\d*\s*rename", line) and NAMES[kind] in line:
            break
    return list(dict.fromkeys(found))


def old(kind, folder):
    """Writes the old content; returns it as `content` does."""
    path = folder / NAMES[kind]
    if path.suffix == ".safetensors":
        nb.MLP([3, 4, 2], output="softmax", seed=1).save(path)
    else:
        path.write_text("old")
    return content(kind, folder)


def content(kind, folder):
    """What is in the file; the order of a model file's metadata is safetensors' own."""
    path = folder / NAMES[kind]
    return (
        nb.MLP.load(path).parameters.tobytes()
        if path.suffix == ".safetensors"
        else path.read_bytes()
    )


@functools.cache
def new(kind):
    """The content that a writer makes."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        prepare(kind)(folder / NAMES[kind])
        return content(kind, folder)


def wrong_after(kind, folder, before, status, said, killed=False):
    """None, or what is wrong with the file, what else is left, or how the process ended."""
    try:
        found = content(kind, folder)
    except ValueError as error:
        return f"damaged file: {error}"
    if found not in (before, new(kind)):
        return "neither the old content nor the new one"
    left = [
        p.name for p in folder.iterdir() if p.name.startswith(NAMES[kind]) and p.name != NAMES[kind]
    ]
    if killed:
        return f"left {left}" if len(left) > 1 else None
    if status == 0 and found != new(kind):
        return "no error, and the old file"
    if status not in (0, 3):
        return f"ended with {status}: {said[-200:]}"
    return f"left {left}" if left else None


def fault(kind):
    """One place and one way after the other; when all were tried, from the beginning."""

    def attempt(choice, number):
        every = [
            (place, way) for place in places(kind) for way in WAYS if (place[0], way) not in NEVER
        ]
        (name, which), way = every[number % len(every)]
        told = f"{name} number {which}: {way} ({number % len(every) + 1} of {len(every)})"
        with tempfile.TemporaryDirectory() as scratch:
            folder = pathlib.Path(scratch)
            before = old(kind, folder)
            status, said, _ = traced(kind, folder, "-e", f"inject={name}:{way}:when={which}")
            if "begun" not in said:  # of another thread, before
                return told, None
            wrong = wrong_after(kind, folder, before, status, said, "KILL" in way)
            if wrong is None and "EINTR" in way and status:
                wrong = f"an interruption is an error: {said[-200:]}"
            if wrong and wrong.startswith("left") and name.startswith("unlink"):
                wrong = None  # it could not be removed
        return told, wrong

    attempt.numbered = True
    return attempt


def size(choice):
    """A file may grow to a limit only."""
    kind = list(NAMES)[choice.integers(len(NAMES))]
    limit = int(choice.integers(0, (900, 30_000)[kind in ("picture", "graph", "steps")]))
    told = f"{kind} limited to {limit} bytes"
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        before = old(kind, folder)
        command = [
            sys.executable,
            "-B",
            str(HERE / "writer.py"),
            kind,
            str(folder / NAMES[kind]),
            str(limit),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=200)
        return told, wrong_after(kind, folder, before, done.returncode, done.stdout + done.stderr)


@functools.cache
def _saved():
    return [net.parameters.tobytes() for net in networks()]


def killed(choice):
    """SIGKILL while networks are saved in turn."""
    with tempfile.TemporaryDirectory() as scratch:
        path = pathlib.Path(scratch) / "m.safetensors"
        command = [sys.executable, "-B", str(HERE / "saver.py"), str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            seconds = float(choice.uniform(0, 0.05))
            time.sleep(seconds)
            process.kill()
        told = f"after {1000 * seconds:.1f} ms"
        found = nb.MLP.load(path)
        if found.parameters.tobytes() not in _saved():
            return told, "neither the one network nor the other"
        left = [p for p in path.parent.iterdir() if p != path]
        if len(left) > 1:
            return told, f"left {left}"
        found.save(path)
        if nb.MLP.load(path).parameters.tobytes() != found.parameters.tobytes():
            return told, "a later save did not work"
        if [p for p in path.parent.iterdir() if p != path] != left:
            return told, "a later save left a file"
    return told, None


@functools.cache
def _undisturbed(case):
    """The outcome of a training that nobody stops."""
    net, settings = resuming.make(json.loads(case), rows=resuming.CHILD_ROWS, epochs=EPOCHS)
    net.fit(**settings)
    return resuming.outcome(net)


def resume(choice):
    """SIGKILL in the middle of a training, several times; then it ends as if it had never been stopped."""
    case = json.dumps(resuming.random_case(choice))
    kills = int(choice.integers(1, 4))
    with tempfile.TemporaryDirectory() as scratch:
        path = pathlib.Path(scratch) / "c.safetensors"
        for left in range(kills, -1, -1):
            seconds = str(10 ** choice.uniform(-3, -1.5))
            command = [sys.executable, "-B", resuming.__file__, case, str(path), str(EPOCHS)]
            command += [str(choice.integers(1, 4)), seconds]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
                process.stdout.readline()
                if left:
                    time.sleep(float(choice.uniform(0, 0.8)))
                    process.kill()
                said = process.stdout.read()
            if said:  # it ended before
                break
        told = f"{case}, {kills - left} kills"
        if process.returncode not in (0, -signal.SIGKILL) or not said:
            return told, f"ended with {process.returncode}: {said[-300:]}"
        found = json.loads(said)
        wrong = None if found == _undisturbed(case) else f"another end: {found!s:.200}"
        extra = [p.name for p in path.parent.iterdir() if p.name != path.name]
        return told, wrong or (f"left {extra}" if len(extra) > kills else None)


def threads(choice):
    """The starts of threads fail from a random one on, or one of them does."""
    team = ("openmp", "threads")[choice.integers(2)]
    first = int(choice.integers(1, 12))
    when = f"{first}{'+' if choice.random() < 0.7 else ''}"
    with tempfile.TemporaryDirectory() as scratch:
        log = pathlib.Path(scratch) / "trace"
        command = ["strace", "-f", "-qq", "-o", str(log), "-e", "trace=clone,clone3"]
        command += ["-e", f"inject=clone,clone3:error=EAGAIN:when={when}"]
        command += [sys.executable, "-B", str(HERE / "starting.py")]
        environment = {**os.environ, "NABLAS_TEAM": team, "OPENBLAS_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, timeout=200, env=environment)
    wrong = None if done.returncode == 0 else f"ended with {done.returncode}: {done.stderr[-300:]}"
    return f"{team} {when}", wrong


def memory(choice):
    """A call under a limit of the address space, from none to 32 MiB above what is in use."""
    extra = int(2 ** choice.uniform(8, 25)) * bool(choice.integers(20))
    name = limits.NAMES[choice.integers(len(limits.NAMES))]
    status, said = limits.outcome(name, extra)
    told = f"{name} with {extra} bytes"
    return told, None if status in (0, 1) else f"ended with {status}: {said[-300:]}"


ATTACKS = {
    **{kind: fault(kind) for kind in NAMES},
    "size": size,
    "killed": killed,
    "resume": resume,
    "threads": threads,
    "memory": memory,
}

if __name__ == "__main__":
    if not shutil.which("strace"):
        raise SystemExit("tests/faults: expected strace on the path, got none")
    raise SystemExit(attack.main(__file__, ATTACKS, 200, __doc__, chunk=20, seconds=250))
