"""Command line: ``python tests/hostile --calls 30000 --seed 0``."""

import argparse
import collections
import json
import pathlib
import subprocess
import sys
import warnings

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

CHUNK, SECONDS = 500, 120


def child(first, count, seed):
    """Calls number `first` to `first + count`, a JSON line for each; the number alone before each call."""
    import numpy as np

    from hostile import of_kernels, of_library

    warnings.simplefilter("ignore")
    families = (of_kernels, of_library)
    for number in range(first, first + count):
        choice = np.random.default_rng([seed, number])
        print(number, flush=True)
        told, wrong = families[choice.integers(len(families))].call(choice)
        print(json.dumps([number, told, wrong]), flush=True)


def run(calls, seed, first=0):
    """Yields (number, description, what was wrong or None) of every call."""
    end = first + calls
    while first < end:
        count = min(CHUNK, end - first)
        command = [sys.executable, __file__, "--child", str(first), str(count), "--seed", str(seed)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
            code, out, err = done.returncode, done.stdout, done.stderr
        except subprocess.TimeoutExpired as error:
            code, out, err = "no answer", (error.stdout or b"").decode(), ""
        lines = out.splitlines()
        for line in lines:
            if line.startswith("["):
                yield tuple(json.loads(line))
        if code == 0:
            first += count
            continue
        begun = [int(line) for line in lines if line.isdigit()]
        number = begun[-1] if begun else first
        yield number, f"call {number}", f"the process ended with {code}: {err[-300:]}"
        first = number + 1


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=30_000)
    parser.add_argument(
        "--first", type=int, default=0, help="number of the first call, to go on after a stop"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child", type=int, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(*options.child, options.seed)
        return 0
    total, kinds = 0, collections.Counter()
    for number, told, wrong in run(options.calls, options.seed, options.first):
        total += 1
        if wrong:
            kinds[wrong.split(":")[0]] += 1
            print(f"{number}: {told}: {wrong}", flush=True)
    print(f"{total} calls, {sum(kinds.values())} wrong: {dict(kinds)}")
    return 1 if kinds else 0


if __name__ == "__main__":
    raise SystemExit(main())
