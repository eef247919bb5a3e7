"""Command line: ``python tests/sanitizers [memory|threads] [--build FOLDER] [--broken]``.

``--broken`` builds copies with a fault each, which must give reports: it proves that the programs can fail.
"""

import argparse
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from choices import one_of

from sanitizers import memory, threads

KINDS = {"memory": memory, "threads": threads}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "kinds", nargs="*", type=one_of(KINDS), help=f"of {', '.join(KINDS)}; all without one"
    )
    parser.add_argument(
        "--build", type=pathlib.Path, help="to build in, instead of a temporary one"
    )
    parser.add_argument("--only", nargs="*", default=[], help="of the programs of a kind")
    parser.add_argument("--broken", action="store_true", help="copies with a fault each")
    options = parser.parse_args()
    kinds = options.kinds or list(KINDS)
    for kind in kinds:
        unknown = sorted(set(options.only).difference(KINDS[kind].NAMES))
        if unknown:
            parser.error(f"--only: {', '.join(unknown)}: no program of {kind}")
    findings = 0
    with tempfile.TemporaryDirectory() as temporary:
        for kind in kinds:
            folder = (options.build or pathlib.Path(temporary)).resolve() / kind
            folder.mkdir(parents=True, exist_ok=True)
            findings += KINDS[kind].main(folder, options.only, options.broken)
    return int(findings > 0)


if __name__ == "__main__":
    raise SystemExit(main())
