"""Runs of numbered attempts in child processes, so that a crash or a hang is one attempt's result and not the end.

A program has attacks by name, functions of a random generator that return a description and what was wrong, or None; those
with an attribute `numbered` get the attempt's number, too.
``python PROGRAM [NAME ...] --attempts N --seed S --first I``; attempt I of a seed is always the same.
"""

import argparse
import collections
import faulthandler
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import warnings

import numpy as np
from choices import one_of

SECONDS = 60  # for one attempt; then SIGALRM ends its process


def _child(attack, first, count, seed, seconds):
    """Prints each attempt's number before it and, if something was wrong, [number, description, what]."""
    warnings.simplefilter("ignore")
    if hasattr(signal, "SIGALRM"):  # says where it hung before the process ends
        faulthandler.register(signal.SIGALRM, chain=True)
    for number in range(first, first + count):
        print(number, flush=True)
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, seconds)
        more = (number,) if getattr(attack, "numbered", False) else ()
        told, wrong = attack(np.random.default_rng([seed, number]), *more)
        if wrong:
            print(json.dumps([number, told, wrong]), flush=True)
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0)


def _started(program, name, first, count, seed):
    """Exit code, standard output and error of a child process that makes some attempts."""
    command = [sys.executable, str(program), name, "--seed", str(seed)]
    command += ["--child", str(first), str(count)]
    limit = SECONDS * (count + 1)
    with tempfile.TemporaryDirectory(prefix="nablas-") as folder:
        environment = {**os.environ, "TMPDIR": folder}
        try:
            done = subprocess.run(command, capture_output=True, timeout=limit, env=environment)
            code, out, err = done.returncode, done.stdout, done.stderr
        except subprocess.TimeoutExpired as error:
            code, out, err = "no answer", error.stdout or b"", b""
    return code, out.decode(), err.decode(errors="replace")


def _most_telling(err, length=600):
    """The beginning of a sanitizer's report, or the end of what was written."""
    report = re.search(r"\S+: runtime error|ERROR: \w+Sanitizer", err)
    return err[report.start() :][:length] if report else err[-length:]


def run(program, name, attempts, seed, first=0, chunk=500, again=None):
    """The attempts at which something was wrong: (number, description, what).

    An attempt that ended the process is made once more by the attack `again`, if given, and counts as wrong if that is.
    """
    found, end = [], first + attempts
    while first < end:
        count = min(chunk, end - first)
        code, out, err = _started(program, name, first, count, seed)
        lines = out.splitlines()
        found += [tuple(json.loads(line)) for line in lines if line.startswith("[")]
        begun = [int(line) for line in lines if line.isdigit()]
        if code == 0 and len(begun) >= count:
            first += count
            continue
        number = begun[-1] if begun else first
        first = number + 1
        hang = code == -getattr(signal, "SIGALRM", 0)
        if begun and attempts > 1 and (hang or again is not None):  # a hang may be a busy machine
            if hang:
                print(f"{name} {number}: made again, since there was no answer: {err[-600:]}")
            found += run(program, name if hang else again, 1, seed, number)
            continue
        how = "a hang" if hang else f"the process ended with {code}"
        found.append((number, "", f"{how}: {_most_telling(err)}"))
    return found


def main(program, attacks, attempts, about, chunk=500, seconds=SECONDS, again=None):
    """The command line of a program; returns 1 if something was wrong.

    `again` has the attacks that `run` makes once more, by name.
    """
    again = again or {}
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument(
        "attacks",
        nargs="*",
        type=one_of(attacks),
        default=[n for n in attacks if n not in again.values()],
        help=f"of {', '.join(attacks)}",
    )
    parser.add_argument(
        "--attempts", type=int, default=attempts, help=f"of each attack ({attempts})"
    )
    parser.add_argument("--first", type=int, default=0, help="to go on after a stop")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child", type=int, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        _child(attacks[options.attacks[0]], *options.child, options.seed, seconds)
        return 0
    status, end = 0, options.first + options.attempts
    for name in options.attacks:
        kinds = collections.Counter()
        for first in range(options.first, end, chunk):
            count = min(chunk, end - first)
            try:
                found = run(program, name, count, options.seed, first, chunk, again.get(name))
            except KeyboardInterrupt:
                print(f"{name}: stopped, {sum(kinds.values())} wrong; go on with --first {first}")
                return 1
            for number, told, wrong in found:
                kinds[wrong.split(":")[0]] += 1
                print(f"{name} {number}: {told}: {wrong}", flush=True)
            if count == chunk and chunk > 1_000:
                print(f"{name}: all up to {first + count} done", file=sys.stderr, flush=True)
        print(
            f"{name}: {options.attempts} attempts, {sum(kinds.values())} wrong {dict(kinds)}",
            flush=True,
        )
        status |= bool(kinds)
    return status
