"""Command line of the benchmarks."""

import argparse
import json

import nablas as nb

from . import alone, busy, cases, estimators, expressions, mnist, not_slower, report
from .harness import BUILD, CONTENDERS, Bench, contender, installed

SECTIONS = {
    "steps": ("training steps", "train", cases.STEPS + cases.MORE_STEPS),
    "kernels": ("products", "multiply", cases.PRODUCTS),
    "full_batch": ("full batch", "train", cases.FULL_BATCH),
    "inference": ("inference", "infer", cases.INFERENCE),
    "epochs": ("epochs of fit", "fit", cases.FITS),
    "autograd": ("autograd", "differentiate", expressions.CASES),
    "estimators": ("fits of estimators", "estimate", cases.ESTIMATES),
}
ALONE = {
    "mnist": lambda bench, o: mnist.reach(bench, o.mnist, **settings("mnist", o, "seeds")),
    "held_out": lambda bench, o: mnist.held_out(o.mnist, **settings("held_out", o, "seeds")),
    "busy": lambda bench, o: busy.busy(**settings("busy", o, "pairs")),
    "recovery": lambda bench, o: busy.recovery(**settings("recovery", o, "rounds")),
    "stuck": lambda bench, o: busy.stuck(**settings("stuck", o, "fits")),
    "import": lambda bench, o: {
        name: alone.import_time(name) for name in ("numpy", "nablas", "sklearn", "torch", "jax")
    },
    "memory": lambda bench, o: alone.memory(),
    "growth": lambda bench, o: alone.growth(),
    "threads": lambda bench, o: alone.threads(),
    "scores": lambda bench, o: estimators.fits(o.mnist),
    "tables": lambda bench, o: estimators.tables(o.quick),
    "search": lambda bench, o: estimators.search(),
}
QUICK = {
    "steps": [cases.Train((4, 3), 32), cases.Train((64, 64, 10), 32, batches=20)],
    "kernels": cases.PRODUCTS[:3],
    "full_batch": [cases.Train((4, 8, 4), 100, "adam", "tanh", "identity", batches=1)],
    "inference": cases.INFERENCE[:1],
    "epochs": [cases.Fit((64, 64, 10), 200, name="200 rows")],
    "autograd": expressions.CASES[:2],
    "estimators": cases.ESTIMATES[:1],
}


TINY = [mnist.Recipe((8,), 100, epochs, 0.01) for epochs in (1, 2)]
SMALL = ((4, 8, 3), 32, 320)
QUICK_SETTINGS = {
    "mnist": {"ladder": TINY, "levels": (5, 8), "seeds": 2},
    "held_out": {"candidates": TINY[:1], "seeds": 2},
    "busy": {
        "nets": [SMALL],
        "calls": [((4, 8, 3), 1e-5)],
        "loads": (0, 2),
        "pairs": 2,
        "least": 0.01,
    },
    "recovery": {"nets": [SMALL], "load": 1, "rounds": 1, "longest": 0.1},
    "stuck": {"net": SMALL, "fits": 3},
}


def settings(section, options, repeats):
    """What a section of its own is called with; `repeats` is its name for `--repeats`."""
    chosen = QUICK_SETTINGS[section] if options.quick else {}
    return {**chosen, repeats: options.repeats} if options.repeats else chosen


def cases_of(section, options):
    """What is timed in a section; none in one of `ALONE`."""
    chosen = SECTIONS[section][2] if section in SECTIONS else []
    return QUICK[section] if chosen and options.quick else chosen


def parse(arguments):
    """Options and the sections to run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "sections",
        nargs="*",
        help=f"of {', '.join([*SECTIONS, *ALONE])} (default: the first seven)",
    )
    parser.add_argument("--threads", type=int, default=nb.num_threads())
    parser.add_argument("--rounds", type=int, help="turns of each contender (9; 20 with --against)")
    parser.add_argument(
        "--only",
        help=f"contenders, of {', '.join(CONTENDERS)} and {BUILD}FOLDER; separated by commas",
    )
    parser.add_argument(
        "--against",
        metavar="FOLDER",
        help="another build (pip install --target FOLDER .): is this one slower anywhere?",
    )
    parser.add_argument("--case", default="", help="only cases whose name holds this")
    parser.add_argument("--out", help="folder for results.json, results.md and results.png")
    parser.add_argument("--json", metavar="FILE", help="write the results there after each section")
    parser.add_argument(
        "--mnist", metavar="FOLDER", help="its IDX files, for the sections mnist, held_out, scores"
    )
    parser.add_argument(
        "--repeats", type=int, help="pairs, rounds, fits or seeds of mnist, held_out, busy, …"
    )
    parser.add_argument(
        "--quick", action="store_true", help="a few small cases, to see that everything runs"
    )
    options = parser.parse_args(arguments)
    options.sections = options.sections or list(SECTIONS)
    unknown = set(options.sections) - set(SECTIONS) - set(ALONE)
    if unknown:
        known = ", ".join([*SECTIONS, *ALONE])
        parser.error(f"expected sections among {known}, got {', '.join(sorted(unknown))}")
    known = [case.name for section in options.sections for case in cases_of(section, options)]
    if options.case and not any(options.case in name for name in known):
        parser.error(f"--case: expected part of one of {', '.join(known)}, got {options.case}")
    options.rounds = options.rounds or (not_slower.LEAST_ROUNDS if options.against else 9)
    names = options.only.split(",") if options.only else list(CONTENDERS)
    options.names = ["nablas", BUILD + options.against] if options.against else names
    try:
        for name in options.names:
            contender(name)
    except ValueError as error:
        parser.error(str(error))
    if options.against and not installed(options.names[1]):
        parser.error(
            f"--against: expected a folder with an installed nablas, got {options.against}"
        )
    return options


def run_section(bench, section, options):
    """Every case of a section, a printed line each."""
    title, kind, _ = SECTIONS[section]
    print(
        f"--- {title}, microseconds, median of {options.rounds} turns ± half the interquartile range"
    )
    for case in cases_of(section, options):
        if options.case in case.name:
            records = bench.compare(title, kind, case)
            if records:
                print(report.line(records), flush=True)


def main(arguments=None):
    options = parse(arguments)
    facts, extra = report.machine(options.threads), {}
    print(f"{facts['processor']}, {facts['instruction_set']}, {options.threads} threads")
    bench = Bench(options.names, options.threads, options.rounds)
    facts["peak_gflops"] = {str(bits): peak for bits, peak in bench.peak.items()}
    print(f"peak: {bench.peak[32]:.0f} GFLOP/s in float32, {bench.peak[64]:.0f} in float64")
    try:
        for section in options.sections:
            if section in SECTIONS:
                run_section(bench, section, options)
            else:
                extra[section] = ALONE[section](bench, options)
                print(f"{section}: {json.dumps(extra[section], indent=1)}")
            if options.json:
                found = report.content(bench.records, facts, bench.remarks, extra)
                report.write_json(options.json, found)
    finally:
        bench.close()
    for remark in bench.remarks:
        print(remark)
    slower = False
    if options.against:
        rows = not_slower.rows(bench.times, *options.names)
        slower = not_slower.slower(rows)
        extra["not_slower"] = rows
        print(not_slower.text(rows))
    if options.out:
        found = report.content(bench.records, facts, bench.remarks, extra)
        report.write(options.out, bench.records, found)
    return int(slower)


if __name__ == "__main__":
    raise SystemExit(main())
