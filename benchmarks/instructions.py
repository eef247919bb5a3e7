"""Instructions of one case in two builds, counted by callgrind: ``python -m benchmarks.instructions FOLDER SECTION CASE``.

A case is run `count` and 2 `count` times in processes of their own; the difference is divided by `count`, so that start-up
cancels. One thread; valgrind knows no AVX-512, so NABLAS_ISA is x86_64_v3 unless set.
"""

import argparse
import json
import os
import pickle
import re
import subprocess
import sys
import tempfile

from .__main__ import SECTIONS
from .harness import BUILD, contender


def counted(name, kind, case, count):
    """Instructions of a process that prepares a case and runs it."""
    cls, folder = contender(name)
    with tempfile.TemporaryDirectory() as scratch:
        command = [
            "valgrind",
            "--tool=callgrind",
            f"--callgrind-out-file={scratch}/out",
            sys.executable,
        ]
        command += ["-m", "benchmarks.worker", cls, "1", *([folder] if folder else [])]
        orders = [
            {"do": "prepare", "kind": kind, "case": pickle.dumps(case).hex()},
            {"do": "run", "count": count},
        ]
        environment = {"NABLAS_ISA": "x86_64_v3", **os.environ, "PYTHONHASHSEED": "0"}
        done = subprocess.run(
            command,
            input="".join(json.dumps(order) + "\n" for order in orders),
            capture_output=True,
            text=True,
            env=environment,
            check=True,
        )
    units = json.loads(done.stdout.splitlines()[-1])["units"]
    return int(re.search(r"Collected : (\d+)", done.stderr)[1]), units


def per_unit(name, kind, case, count):
    """Instructions of one unit of a case."""
    once, units = counted(name, kind, case, count)
    twice, more = counted(name, kind, case, 2 * count)
    return (twice - once) / (more - units)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "folder", help="the other build, installed by pip install --target FOLDER ."
    )
    parser.add_argument("section", choices=SECTIONS)
    parser.add_argument("case", help="its name, or a part of it")
    parser.add_argument("--count", type=int, default=200, help="units in the shorter run")
    options = parser.parse_args()
    _, kind, chosen = SECTIONS[options.section]
    for case in chosen:
        if options.case in case.name:
            new = per_unit("nablas", kind, case, options.count)
            old = per_unit(BUILD + options.folder, kind, case, options.count)
            print(
                f"{case.name}: {new:,.0f} instructions, the other build {old:,.0f}: {new / old:.4f}"
            )


if __name__ == "__main__":
    main()
