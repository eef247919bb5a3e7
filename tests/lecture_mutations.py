"""Changes constants of the lecture's scripts and counts the changes that the comparison sees.

``python tests/lecture_mutations.py --count 30 --seed 0`` picks numbers of the scripts at random,
changes one at a time in a copy (whole numbers by 1, others by a tenth), makes the section, and
compares it with the committed page. Layout is left alone, and so are bounds in `assert`.
"""

import argparse
import ast
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from lecture_pages import SCRIPTS

LAYOUT = {
    "alpha", "aspect", "bbox_to_anchor", "c", "color", "colors", "columns", "edgecolor", "figsize",
    "fontsize", "framealpha", "grid_resolution", "height", "labelpad", "levels", "linewidth",
    "linewidths", "loc", "lw", "markersize", "ncol", "ncols", "pad", "s", "set_box_aspect", "shrink",
    "width", "zoom", "zorder",
}  # fmt: skip
LAYOUT_NAMES = {"jitter"}  # assigned to: points are moved apart to be seen
LAYOUT_CALLS = {"panels", "main", "set_box_aspect", "view_init", "set_size_inches", "meshgrid"}
SECONDS = 120  # a change that makes a section so slow is seen


def constants(source):
    """(line, column, end column, value) of every number of a script that is not layout."""
    found = []

    def visit(node):
        if isinstance(node, ast.Assert) or (isinstance(node, ast.keyword) and node.arg in LAYOUT):
            return
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in LAYOUT_NAMES:
            return
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in LAYOUT_CALLS or name.startswith("assert_"):
                return
        number = isinstance(node, ast.Constant) and type(node.value) in (int, float)
        if number and node.lineno == node.end_lineno:
            found.append((node.lineno, node.col_offset, node.end_col_offset, node.value))
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(source))
    return found


def mutated(value):
    if isinstance(value, int):
        return value + 1
    return value * 1.1 if value else 0.1


def mutant(script, place):
    """The script's text with one constant changed."""
    line, start, end, value = place
    lines = script.read_text(encoding="utf-8").splitlines(keepends=True)
    row = lines[line - 1].encode()  # columns of the syntax tree count bytes
    lines[line - 1] = (row[:start] + repr(mutated(value)).encode() + row[end:]).decode()
    return "".join(lines)


def survives(script, text):
    """Whether the section with this text for its script is taken for the committed one."""
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(SCRIPTS, Path(folder) / "lecture")
        (copy / script.name).write_text(text, encoding="utf-8")
        program = [sys.executable, str(Path(__file__).with_name("lecture_pages.py"))]
        try:
            done = subprocess.run(
                [*program, str(copy / script.name)], capture_output=True, timeout=SECONDS
            )
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sections", type=int, nargs="*", help="numbers; all by default")
    chosen = parser.parse_args()
    scripts = sorted(SCRIPTS.glob("[0-9]*.py"))
    if chosen.sections:
        unknown = set(chosen.sections).difference(int(s.name[:2]) for s in scripts)
        if unknown:
            parser.error(f"--sections: {', '.join(map(str, unknown))}: no such section")
        scripts = [s for s in scripts if int(s.name[:2]) in chosen.sections]
    places = [(s, place) for s in scripts for place in constants(s.read_text(encoding="utf-8"))]
    picked = random.Random(chosen.seed).sample(places, min(chosen.count, len(places)))
    for script in {script for script, _ in picked}:
        if not survives(script, script.read_text(encoding="utf-8")):
            sys.exit(f"{script.name}: differs from its page before any change")
    survivors = 0
    for script, place in picked:
        alive = survives(script, mutant(script, place))
        survivors += alive
        line, column, _, value = place
        change = f"{script.name}:{line}:{column} {value} → {mutated(value):g}"
        print(f"{'SURVIVED' if alive else 'seen'}  {change}", flush=True)
    print(f"{len(picked) - survivors} of {len(picked)} changes seen")
    return survivors > 0


if __name__ == "__main__":
    sys.exit(main())
