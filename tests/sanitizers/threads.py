"""The engine's teams with ThreadSanitizer: a program of C++ (harness.cpp) on the backend of std::threads, and the native
tests of teams (tests/native).

OpenMP's library is not built with the sanitizer, which would report its barriers as races.
"""

import os
import pathlib
import re
import subprocess

import isolated

HERE = pathlib.Path(__file__).parent

# `Pace` leaves steps to one thread where that is cheaper, on a busy machine most of them. With this change it has no
# choice.
ALWAYS = ("cpp/network/pace.hpp", "operations_of_large_step = 5e8", "operations_of_large_step = 0")

# Programs with their arguments, and whether the sources have that change.
PROGRAMS = [
    ("harness", [], True),
    ("harness", [], False),
    *(("claims", [how], False) for how in ("futex", "condition", "alone")),
    ("placement", [], False),
    ("team", [], False),
]

NAMES = [target for target, *_ in PROGRAMS]

# A copy of the sources with one of these changes must give reports: (file, old, new).
BREAKS = [
    (
        "cpp/base/claims.cpp",
        "!claim.compare_exchange_strong(free, round, std::memory_order_acq_rel, std::memory_order_relaxed)",
        "(claim.store(round, std::memory_order_relaxed), false)",
    ),
    ("cpp/base/claims.cpp", "done_.fetch_add(1, std::memory_order_acq_rel)", "done_.fetch_add(1, std::memory_order_relaxed)"),
    ("cpp/base/claims.cpp", "word_.store(word_of(round + 1, threads, each_of(word), !more));", "word_.store(word_of(round + 1, threads, each_of(word), !more), std::memory_order_relaxed);"),
]  # fmt: skip


def build(folder, source, target="harness"):
    options = ["-DCMAKE_CXX_COMPILER=g++", f"-DNABLAS_SOURCE={source}"]
    quiet = {"check": True, "stdout": subprocess.DEVNULL}
    subprocess.run(["cmake", "-G", "Ninja", "-S", HERE, "-B", folder, *options], **quiet)
    subprocess.run(["cmake", "--build", folder, "--target", target], **quiet)
    return folder / target


def run(command, stop_at_first=False, seconds=3600):
    """The number of the sanitizer's reports, whether the program failed, and its output."""
    settings = f"halt_on_error={int(stop_at_first)} second_deadlock_stack=1"
    environment = {**os.environ, "TSAN_OPTIONS": settings}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        return 0, True, f"no answer within {seconds} s"
    text = done.stdout + done.stderr
    return len(re.findall("WARNING: ThreadSanitizer", text)), done.returncode != 0, text


def main(folder, names, broken):
    """Returns the number of reports and failures."""
    if broken:
        return breaks_without_report(folder)
    total = 0
    for target, arguments, always in PROGRAMS:
        if names and target not in names:
            continue
        source = isolated.copy_with(folder / "source", *[ALWAYS] * always)
        count, failed, text = run([build(folder / "build", source, target), *arguments])
        total += count + failed
        told = " ".join([target, *arguments, *["with teams for every step"] * always])
        print(f"{text}{told}: {count} reports, {'failed' if failed else 'passed'}", flush=True)
    return total


def breaks_without_report(folder):
    """The number of them."""
    silent = 0
    for path, old, new in BREAKS:
        source = isolated.copy_with(folder / "source", ALWAYS, (path, old, new))
        count, failed, text = run([build(folder / "build", source)], stop_at_first=True)
        silent += count == 0
        print(f"{path} with {new!r}: {count} reports" + ("" if count else f"\n{text}"))
    return silent
