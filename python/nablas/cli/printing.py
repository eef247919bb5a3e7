"""What the commands print: tables for people, JSON for programs."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from typing import Any, TextIO

from .._optional import require

MOST_SHOWN = 30  # columns in the report before a training


def text(value: str) -> None:
    """Print, with ? for letters that standard output lacks; nothing if nobody reads it any more."""
    out = sys.stdout
    if out is None:  # closed from the beginning
        return
    encoding = getattr(out, "encoding", None) or "utf-8"
    try:
        out.write(value.encode(encoding, "replace").decode(encoding))
        out.flush()
    except BrokenPipeError:
        discard(out)


def discard(out: TextIO) -> None:
    """Send what is left of a stream that cannot be written, and what follows, to nowhere."""
    with suppress(OSError, ValueError):  # it is no file of the system
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, out.fileno())
        os.close(nowhere)


def json_of(value: dict[str, Any]) -> None:
    """Print as JSON."""
    text(json.dumps(value, indent=2) + "\n")


def line(value: Any, **settings: Any) -> None:
    """Print a text or one of rich's tables as it is: brackets and colons are no markup."""
    console = require("rich.console", "cli").Console(markup=False, emoji=False, highlight=False)
    with console.capture() as captured:
        console.print(value, **settings)
    text(captured.get())


def table(title: str) -> Any:
    """Print a title; an empty table of rich's."""
    line(title, style="bold")
    return require("rich.table", "cli").Table()


def columns(found: list[dict[str, Any]]) -> None:
    """The report of a table's columns."""
    made = table(f"{len(found)} columns")
    for name in found[0]:
        made.add_column(name, justify="right" if name in ("distinct", "missing") else "left")
    for row in found[:MOST_SHOWN]:
        made.add_row(*(f"{v:,}" if isinstance(v, int) else f"{v or '':.30}" for v in row.values()))
    line(made)
    if len(found) > MOST_SHOWN:
        line(f"and {len(found) - MOST_SHOWN} more")


def scores(title: str, found: dict[str, dict[str, Any]]) -> None:
    """A row for each part of the data."""
    made = table(title)
    first = next(iter(found.values()))
    made.add_column("")
    for column in first:
        made.add_column({"r2": "R²"}.get(column, column), justify="right")
    for name, row in found.items():
        made.add_row(name, *(f"{v:,}" if k == "rows" else f"{v:.4f}" for k, v in row.items()))
    line(made)


def dropped(rows: int, target: str) -> None:
    """How many rows have no target."""
    if rows:
        line(
            f"left out {rows} rows without a target: {target} is missing there (empty, null, NaN, "
            "or spelled as --missing says)"
        )


def training(result: dict[str, Any]) -> None:
    """What a training came to."""
    scores(f"{result['source']}: {result['network']}", result["scores"])
    processes = f"{result['processes']} processes of " if result["processes"] > 1 else ""
    line(
        f"{result['epochs']} epochs in {result['seconds']:.2f} s, "
        f"{result['samples_per_second']:,.0f} samples/s "
        f"({processes}{result['threads']} threads, {result['instruction_set']})"
    )
    if result["interrupted"]:
        line("interrupted: the scores are those of the best weights so far")
    if result["model"]:
        line(f"wrote {result['model']}")
