"""Command line: ``python tests/hostile [kernels library] --attempts 15000 --seed 0``."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import attack

from hostile import of_kernels, of_library, of_public

ATTACKS = {"kernels": of_kernels.call, "library": of_library.call, "public": of_public.call}

if __name__ == "__main__":
    raise SystemExit(attack.main(__file__, ATTACKS, 15_000, __doc__))
