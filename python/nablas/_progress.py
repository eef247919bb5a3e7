"""Progress of a fit, drawn by rich."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ._optional import require

Report = Callable[[float, str], None]


@contextmanager
def progress_bar(epochs: int) -> Iterator[Report]:
    """A bar with the estimated time left; yields report(epochs done, text)."""
    rich_progress = require("rich.progress", "cli")
    columns = [
        rich_progress.TextColumn("epoch {task.completed:.0f}/{task.total:.0f}"),
        rich_progress.BarColumn(),
        rich_progress.TimeElapsedColumn(),
        rich_progress.TextColumn("eta"),
        rich_progress.TimeRemainingColumn(),
        rich_progress.TextColumn("{task.description}"),
    ]
    console = require("rich.console", "cli").Console(stderr=True)
    with rich_progress.Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=epochs)

        def report(done: float, text: str) -> None:
            bar.update(task, completed=done, description=text)

        yield report
