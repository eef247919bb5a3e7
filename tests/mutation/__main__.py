"""Command line: ``python tests/mutation {cpp,python} --count N --seed S --out FILE``.

Each mutant is one change of the code as it is, made in a copy of the project in a temporary folder. Results go to a file, and a
stopped run goes on from it. The exit code is 1 if a mutant survived that is not in equivalent.json.
"""

import argparse
import functools
import json
import math
import re
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from mutation.changes import changes
from mutation.project import ROOT, Project, known, speed_only

# Code whose errors would be wrong numbers. Left out: pictures, pages, the oracle (it is what the tests compare with),
# measurement, and detection of the processor.
PLACES = {
    "cpp": "cpp/kernels cpp/network cpp/base cpp/bindings",
    "python": "python/nablas/autograd python/nablas/optimizers.py python/nablas/schedules.py python/nablas/descent.py "
    "python/nablas/_data.py python/nablas/_checks.py python/nablas/_losses.py python/nablas/_epochs.py "
    "python/nablas/_training.py python/nablas/metrics.py python/nablas/callbacks.py python/nablas/cli/preprocessing.py "
    "python/nablas/cli/columns.py python/nablas/cli/targets.py python/nablas/cli/tables.py python/nablas/sklearn",
}  # fmt: skip
LEFT_OUT = (
    "autograd/pictures", "autograd/drawing", "autograd/graph", "sklearn/convert", "kernels/peak", "base/instruction_set",
)  # fmt: skip

SMALL = 30  # changes of a file that gets no more than one mutant of each round over the files


def files(kind):
    suffix = ".py" if kind == "python" else "pp"
    for place in PLACES[kind].split():
        at = ROOT / place
        for path in [at] if at.is_file() else sorted(at.rglob("*")):
            name = path.relative_to(ROOT).as_posix()
            if name.endswith(suffix) and not any(part in name for part in LEFT_OUT):
                yield name


@functools.cache
def chosen(kind, seed):
    """Every change of a kind of code, in a seed's order: one of each file first, then a second one, and so on. After k of
    a file's n changes its next one comes as if they were k * sqrt(n / SMALL), so that large files give more than small ones."""
    found = []
    for path in files(kind):
        every = sorted(changes(ROOT, path), key=lambda change: change.order(seed))
        weight = max(1.0, math.sqrt(len(every) / SMALL))
        found += [(k / weight, change.order(seed), change) for k, change in enumerate(every)]
    return [change for *_, change in sorted(found, key=lambda entry: entry[:2])]


def cost(change):
    """Sorts changes so that little is compiled anew between one and the next: kernels first, then the callers of kernels,
    last the headers that most files include."""
    floor = ("cpp/kernels/", "cpp/network/", "cpp/base/", "cpp/bindings/", "python/")
    place = next(i for i, start in enumerate(floor) if change.path.startswith(start))
    return place > 0 and change.path.endswith("hpp"), place, change.path


def to_do(options, results):
    """Changes to try: the first of a seed's order that compile."""
    reasons, speed = known(), speed_only()
    waiting = [
        change
        for change in chosen(options.kind, options.seed)
        if re.search(options.only, change.key) and not speed(change)
    ]
    if options.again:
        survived = [change for change in waiting if results.get(change.key, [""])[0] == "survived"]
        yield from sorted((c for c in survived if c.key not in reasons), key=cost)
    while True:
        made = sum(
            results.get(c.key, ["does not compile"])[0] != "does not compile" for c in waiting
        )
        new = [change for change in waiting if change.key not in results]
        batch = new[: max(0, options.count - made)]
        if not batch:
            return
        yield from sorted(batch, key=cost)


def report(kind, results):
    """Prints the figures of the results that are of the code as it is now; returns the survivors without a reason."""
    reasons, speed = known(), speed_only()
    now = {change.key for change in chosen(kind, 0) if not speed(change)}
    results = {key: fate for key, fate in results.items() if key in now}
    survived = [key for key, (fate, _) in results.items() if fate == "survived"]
    kinds = {
        kind: [k for k in survived if reasons.get(k, ("",))[0] == kind]
        for kind in ("equivalent", "speed")
    }
    killed = sum(fate == "killed" for fate, _ in results.values())
    lacking = [key for key in survived if key not in reasons]
    for key in lacking:
        print(f"survived: {key}")
    named = ", ".join(f"{kind}: {len(keys)}" for kind, keys in kinds.items())
    total = killed + len(lacking)
    print(
        f"mutants: {killed + len(survived)}; {named}; of the other {total}, {killed} killed", end=""
    )
    print(f" ({killed / total:.1%})" if total else "")
    return lacking


def main():
    parser = argparse.ArgumentParser(
        description="Mutants, and whether the quick tests notice them."
    )
    parser.add_argument("kind", choices=list(PLACES))
    parser.add_argument("--count", type=int, default=120, help="mutants that compile (120)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="mutants.json", help="results so far; read at the start")
    parser.add_argument(
        "--folder", help="where the copy is kept for the next time; else a temporary folder"
    )
    parser.add_argument(
        "--again", action="store_true", help="try again what survived and is not in equivalent.json"
    )
    parser.add_argument(
        "--only", default="", help='regular expression for "path: before  ->  after", as printed'
    )
    options = parser.parse_args()
    if not any(re.search(options.only, c.key) for c in chosen(options.kind, options.seed)):
        parser.error(f"--only: expected an expression that finds a change, got {options.only}")
    out = Path(options.out)
    results = json.loads(out.read_text()) if out.exists() else {}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # the mutant's process ends, too
    with tempfile.TemporaryDirectory() as scratch:
        project = Project(options.kind, options.folder or scratch)
        for change in to_do(options, results):
            began = time.monotonic()
            listed = change.key in known()
            results[change.key] = fate, by = (
                ("survived", "listed") if listed else project.fate(change)
            )
            out.write_text(json.dumps(results, indent=1, ensure_ascii=False))
            took = time.monotonic() - began
            print(f"{fate} ({took:.0f} s): {change.line + 1}: {change.key}; {by}", flush=True)
    return 1 if report(options.kind, results) else 0


if __name__ == "__main__":
    sys.exit(main())
