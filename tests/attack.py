"""Runs of numbered attempts in child processes, so that a crash or a hang is one attempt's result and not the end.

A program has attacks by name, functions of a random generator that return a description and what was wrong, or None.
``python PROGRAM [NAME ...] --attempts N --seed S --first I``; attempt I of a seed is always the same.
"""

import argparse
import collections
import json
import subprocess
import sys
import warnings

import numpy as np

SECONDS = 120  # without an answer, for a chunk of attempts


def _child(attack, first, count, seed):
    """Prints each attempt's number before it and, if something was wrong, [number, description, what]."""
    warnings.simplefilter("ignore")
    for number in range(first, first + count):
        print(number, flush=True)
        told, wrong = attack(np.random.default_rng([seed, number]))
        if wrong:
            print(json.dumps([number, told, wrong]), flush=True)


def run(program, name, attempts, seed, first=0, chunk=500):
    """The attempts at which something was wrong: (number, description, what)."""
    found, end = [], first + attempts
    while first < end:
        count = min(chunk, end - first)
        command = [sys.executable, str(program), name, "--seed", str(seed)]
        command += ["--child", str(first), str(count)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
            code, out, err = done.returncode, done.stdout, done.stderr
        except subprocess.TimeoutExpired as error:
            code, out, err = "no answer", (error.stdout or b"").decode(), ""
        lines = out.splitlines()
        found += [tuple(json.loads(line)) for line in lines if line.startswith("[")]
        if code == 0 and len(lines) >= count:
            first += count
            continue
        begun = [int(line) for line in lines if line.isdigit()]
        number = begun[-1] if begun else first
        found.append((number, "", f"the process ended with {code}: {err[-300:]}"))
        first = number + 1
    return found


def main(program, attacks, attempts, about, chunk=500):
    """The command line of a program; returns 1 if something was wrong."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument(
        "attacks", nargs="*", default=list(attacks), help=f"of {', '.join(attacks)}"
    )
    parser.add_argument(
        "--attempts", type=int, default=attempts, help=f"of each attack ({attempts})"
    )
    parser.add_argument("--first", type=int, default=0, help="to go on after a stop")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child", type=int, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        _child(attacks[options.attacks[0]], *options.child, options.seed)
        return 0
    status = 0
    for name in options.attacks:
        kinds = collections.Counter()
        for first in range(options.first, options.first + options.attempts, chunk):
            count = min(chunk, options.first + options.attempts - first)
            for number, told, wrong in run(program, name, count, options.seed, first, chunk):
                kinds[wrong.split(":")[0]] += 1
                print(f"{name} {number}: {told}: {wrong}", flush=True)
        print(f"{name}: {options.attempts} attempts, {sum(kinds.values())} wrong {dict(kinds)}")
        status |= bool(kinds)
    return status
