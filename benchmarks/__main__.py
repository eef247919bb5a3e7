"""Command line of the benchmarks."""

import argparse
import json

import nablas as nb

from . import alone, busy, cases, estimators, expressions, not_slower, report
from .harness import BUILD, CONTENDERS, Bench, contender, installed

SECTIONS = {
    "steps": ("training steps", "train", cases.STEPS + cases.MORE_STEPS),
    "kernels": ("products", "multiply", cases.PRODUCTS),
    "inference": ("inference", "infer", cases.INFERENCE),
    "epochs": ("epochs of fit", "fit", cases.FITS),
    "autograd": ("autograd", "differentiate", expressions.CASES),
    "estimators": ("fits of estimators", "estimate", cases.ESTIMATES),
}
ALONE = {
    "import": lambda options: {
        name: alone.import_time(name) for name in ("numpy", "nablas", "sklearn", "torch", "jax")
    },
    "memory": lambda options: alone.memory(),
    "growth": lambda options: alone.growth(),
    "threads": lambda options: alone.threads(),
    "scores": lambda options: estimators.fits(options.mnist),
    "tables": lambda options: estimators.tables(options.quick),
    "search": lambda options: estimators.search(),
    "busy": lambda options: busy.busy(),
    "recovery": lambda options: busy.recovery(),
    "stuck": lambda options: busy.stuck(),
}
QUICK = {
    "steps": [cases.Train((4, 3), 32), cases.Train((64, 64, 10), 32, batches=20)],
    "kernels": cases.PRODUCTS[:3],
    "inference": cases.INFERENCE[:1],
    "epochs": [cases.Fit((64, 64, 10), 200, name="200 rows")],
    "autograd": expressions.CASES[:2],
    "estimators": cases.ESTIMATES[:1],
}


def parse(arguments):
    """Options and the sections to run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "sections", nargs="*", help=f"of {', '.join([*SECTIONS, *ALONE])} (default: the first six)"
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
    parser.add_argument("--mnist", metavar="FOLDER", help="its IDX files, for the section scores")
    parser.add_argument(
        "--quick", action="store_true", help="a few small cases, to see that everything runs"
    )
    options = parser.parse_args(arguments)
    options.sections = options.sections or list(SECTIONS)
    unknown = set(options.sections) - set(SECTIONS) - set(ALONE)
    if unknown:
        known = ", ".join([*SECTIONS, *ALONE])
        parser.error(f"expected sections among {known}, got {', '.join(sorted(unknown))}")
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
    title, kind, chosen = SECTIONS[section]
    print(
        f"--- {title}, microseconds, median of {options.rounds} turns ± half the interquartile range"
    )
    for case in QUICK[section] if options.quick else chosen:
        if options.case in case.name:
            records = bench.compare(title, kind, case)
            if records:
                print(report.line(records), flush=True)


def main(arguments=None):
    options = parse(arguments)
    facts, extra = report.machine(), {}
    print(f"{facts['processor']}, {facts['instruction_set']}, {options.threads} threads")
    bench = Bench(options.names, options.threads, options.rounds)
    facts["peak_gflops"] = bench.peak
    print(f"peak: {bench.peak[32]:.0f} GFLOP/s in float32, {bench.peak[64]:.0f} in float64")
    try:
        for section in options.sections:
            if section in SECTIONS:
                run_section(bench, section, options)
            else:
                extra[section] = ALONE[section](options)
                print(f"{section}: {json.dumps(extra[section], indent=1)}")
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
        report.write(options.out, bench.records, facts, bench.remarks, extra)
    return int(slower)


if __name__ == "__main__":
    raise SystemExit(main())
