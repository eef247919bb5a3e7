"""Writes the tables of docs/performance.md, docs/scale.md and README.md: ``python -m benchmarks.page``.

They are made from the runs in benchmarks/results, each written by ``python -m benchmarks … --json
FILE`` or ``python -m benchmarks.scale --json FILE``. A page has a pair of comments,
``<!-- NAME -->`` and ``<!-- end NAME -->``, for each of `TABLES`; what stands between them is
replaced. Of runs of a section with one number of threads on one processor the newest counts.
"""

import json
import re
from pathlib import Path

from .tables import TABLES, about

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks/results"
PAGES = [ROOT / "docs/performance.md", ROOT / "docs/scale.md", ROOT / "README.md"]


def load(folder=RESULTS):
    """The runs of a folder, newest first."""
    runs = [json.loads(path.read_text()) for path in sorted(Path(folder).glob("*.json"))]
    return sorted(runs, key=lambda run: run["machine"]["date"], reverse=True)


def block(name, runs):
    """Everything between the comments of a name."""
    make, most = TABLES[name]
    texts = {}
    for run in runs:
        text = make(run)
        key = tuple(run["machine"][fact] for fact in ("processor", "instruction_set", "threads"))
        if text and key not in texts:
            texts[key] = f"{text}\n\n{about(run)}"
    return "\n\n".join(list(texts.values())[:most]) or "Not measured yet."


def fill(text, runs):
    """A page's text with its tables made anew; ValueError for a name without a table."""
    for name in re.findall(r"<!-- (?!end )(\w+) -->", text):
        if name not in TABLES:
            raise ValueError(f"<!-- {name} -->: expected a name among {', '.join(TABLES)}")
        pattern = rf"(<!-- {name} -->\n).*?(<!-- end {name} -->)"
        made = f"\n{block(name, runs)}\n\n"
        text, count = re.subn(
            pattern, lambda found, made=made: found[1] + made + found[2], text, flags=re.DOTALL
        )
        if count != 1:
            raise ValueError(f"<!-- {name} -->: expected one <!-- end {name} -->, got {count}")
    return text


def pages():
    """Each page's path and text."""
    runs = load()
    return {path: fill(path.read_text(), runs) for path in PAGES}


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text)
