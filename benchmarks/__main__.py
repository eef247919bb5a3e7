"""Command line of the benchmarks."""

import argparse
import json

import nablas as nb

from . import alone, cases, estimators, expressions, report
from .harness import CONTENDERS, Bench

SECTIONS = {
    "steps": ("training steps", "train", cases.STEPS + cases.MORE_STEPS),
    "kernels": ("products", "multiply", cases.PRODUCTS),
    "inference": ("inference", "infer", cases.INFERENCE),
    "epochs": ("epochs of fit", "fit", cases.FITS),
    "autograd": ("autograd", "differentiate", expressions.CASES),
}
ALONE = {
    "import": lambda: {
        name: alone.import_time(name) for name in ("numpy", "nablas", "sklearn", "torch", "jax")
    },
    "memory": alone.memory,
    "growth": alone.growth,
    "threads": alone.threads,
    "estimators": estimators.fits,
    "search": estimators.search,
}
QUICK = {
    "steps": [cases.Train((4, 3), 32), cases.Train((64, 64, 10), 32, batches=20)],
    "kernels": cases.PRODUCTS[:3],
    "inference": cases.INFERENCE[:1],
    "epochs": [cases.Fit((64, 64, 10), 200, name="200 rows")],
    "autograd": expressions.CASES[:2],
}


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "sections", nargs="*", help=f"of {', '.join([*SECTIONS, *ALONE])} (default: the first five)"
    )
    parser.add_argument("--threads", type=int, default=nb.num_threads())
    parser.add_argument("--rounds", type=int, default=9, help="turns of each contender")
    parser.add_argument(
        "--only", help=f"contenders, of {', '.join(CONTENDERS)}; separated by commas"
    )
    parser.add_argument("--case", default="", help="only cases whose name holds this")
    parser.add_argument("--out", help="folder for results.json, results.md and results.png")
    parser.add_argument(
        "--quick", action="store_true", help="a few small cases, to see that everything runs"
    )
    options = parser.parse_args(arguments)
    sections = options.sections or list(SECTIONS)
    unknown = set(sections) - set(SECTIONS) - set(ALONE)
    if unknown:
        parser.error(
            f"expected sections among {', '.join([*SECTIONS, *ALONE])}, got {', '.join(sorted(unknown))}"
        )
    names = options.only.split(",") if options.only else list(CONTENDERS)
    if set(names) - set(CONTENDERS):
        parser.error(f"expected contenders among {', '.join(CONTENDERS)}, got {options.only}")
    facts, extra = report.machine(), {}
    print(f"{facts['processor']}, {facts['instruction_set']}, {options.threads} threads")
    bench = Bench(names, options.threads, options.rounds)
    facts["peak_gflops"] = bench.peak
    print(f"peak: {bench.peak[32]:.0f} GFLOP/s in float32, {bench.peak[64]:.0f} in float64")
    try:
        for section in sections:
            if section in ALONE:
                extra[section] = ALONE[section]()
                print(f"{section}: {json.dumps(extra[section], indent=1)}")
                continue
            title, kind, chosen = SECTIONS[section]
            print(
                f"--- {title}, microseconds, median of {options.rounds} turns ± half the interquartile range"
            )
            for case in QUICK[section] if options.quick else chosen:
                if options.case in case.name:
                    records = bench.compare(title, kind, case)
                    if records:
                        print(report.line(records), flush=True)
    finally:
        bench.close()
    for remark in bench.remarks:
        print(remark)
    if options.out:
        report.write(options.out, bench.records, facts, bench.remarks, extra)


if __name__ == "__main__":
    main()
