"""Texts of a fit: its progress, and the message of a divergence."""

from __future__ import annotations

import math
import time

import numpy as np

from ._epochs import OnRows, Task
from ._progress import Report
from .history import History
from .network import Network

SECONDS_BETWEEN_REPORTS = 0.04


def row_report(report: Report, history: History, epoch: int, rows: int) -> OnRows:
    """A function of the rows done in an epoch that moves the progress bar now and then."""
    texts, next_time = summary(history), 0.0

    def on_rows(done: int) -> None:
        nonlocal next_time
        if done == rows or time.monotonic() >= next_time:  # with `comm`, called after every batch
            report(epoch + done / rows, texts)
            next_time = time.monotonic() + SECONDS_BETWEEN_REPORTS

    return on_rows


def divergence(net: Network, task: Task, loss: float, penalty: float, epoch: int) -> str:
    """What a FloatingPointError says: the value, and the likely cause."""
    name, value = ("loss", loss) if not math.isfinite(loss) else ("penalty", penalty)
    text = f"{name} became {'nan' if math.isnan(value) else value} at epoch {epoch}; "
    targets = np.asarray(task.targets)
    if targets.dtype.kind == "f" and targets.size:
        largest = float(np.abs(targets).max())
        if largest > math.sqrt(np.finfo(net.dtype).max) / 2**16:
            return text + (
                f"scale y: its values go up to {largest:.3g}, their squares overflow; "
                "see docs/guide/data.md#scaling"
            )
    return text + (
        f"lower {'learning_rate' if name == 'loss' else 'l1, l2 or learning_rate'} (the weights "
        "are finite but may be far off: initialize() gives new ones); "
        "see docs/guide/training.md#when-it-does-not-learn"
    )


def summary(history: History) -> list[str]:
    """The last epoch's losses and score."""
    parts = [f"loss {history.loss[-1]:.4g}"] if history.loss else []
    if history.val_loss:
        parts += [
            f"val loss {history.val_loss[-1]:.4g}",
            f"val {history.metric} {history.val_score[-1]:.4g}",
        ]
    return parts
