"""The engine's teams with ThreadSanitizer, in a program of C++ (harness.cpp) on the backend of std::threads.

OpenMP's library is not built with the sanitizer, which would report its barriers as races.
"""

import os
import pathlib
import re
import subprocess

import isolated

HERE = pathlib.Path(__file__).parent

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


def build(folder, source=isolated.ROOT):
    options = ["-DCMAKE_CXX_COMPILER=g++", f"-DNABLAS_SOURCE={source}"]
    quiet = {"check": True, "stdout": subprocess.DEVNULL}
    subprocess.run(["cmake", "-G", "Ninja", "-S", HERE, "-B", folder, *options], **quiet)
    subprocess.run(["cmake", "--build", folder], **quiet)
    return folder / "harness"


def run(harness, stop_at_first=False, seconds=3600):
    """The number of the sanitizer's reports, whether the harness failed, and its output."""
    settings = f"halt_on_error={int(stop_at_first)} second_deadlock_stack=1"
    environment = {**os.environ, "TSAN_OPTIONS": settings}
    try:
        done = subprocess.run(
            [harness], env=environment, capture_output=True, text=True, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        return 0, True, f"no answer within {seconds} s"
    text = done.stdout + done.stderr
    return len(re.findall("WARNING: ThreadSanitizer", text)), done.returncode != 0, text


def main(folder, names, broken):
    """Returns the number of reports and failures."""
    if not broken:
        count, failed, text = run(build(folder / "build"))
        print(text, end="")
        print(f"threads: {count} reports, the harness {'failed' if failed else 'passed'}")
        return count + failed
    silent = 0
    for path, old, new in BREAKS:
        source = isolated.copy_with(folder / "source", path, old, new)
        count, failed, text = run(build(folder / "broken", source), stop_at_first=True)
        silent += count == 0
        print(f"{path} with {new!r}: {count} reports" + ("" if count else f"\n{text}"))
    return silent
