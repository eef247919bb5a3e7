"""The state of a fit as a checkpoint holds it, and epochs that stop for one.

A checkpoint's "training" holds

========== ========================================================================================
version    nablas' version, and "isa" the instruction set
fit        what may not differ in the call that resumes: settings, shapes and fingerprints of data
stopped    whether a callback has ended the fit
rows       rows done in the epoch in progress, "sums" the engine's of these, "seconds" its time
history    one array for each list of the `History`, and "metric"
optimizer  "steps" and "epochs" with it, its "scalar" state, "states" like the parameters
schedule   `Schedule.get_state`
callbacks  the states of all but `Checkpoint` objects, which are in "checkpoints"
========== ========================================================================================

The specification beside it holds the network: sizes, activations, dtype, seed, classes, and the
counters of shuffling ("epochs") and dropout ("updates").
"""

from __future__ import annotations

import hashlib
import json
import math
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import _data, io
from ._epochs import Epoch, OnRows, Rates, Sums, Task
from ._losses import Loss, LossFunction
from ._sources import some_rows
from ._streams import Stream, prepare_rows
from ._threads import isa
from ._version import __version__
from .callbacks import AnyCallback, Checkpoint
from .history import History
from .network import Network
from .optimizers import Optimizer

Tree = dict[str, Any]
FINGERPRINT_ROWS = 1000
CURVES = [f.name for f in fields(History) if f.name != "metric"]


class Position(NamedTuple):
    """Where an epoch stands between two batches; `seconds` is its time so far."""

    rows: int
    sums: NDArray[np.float64]
    seconds: float


@dataclass
class State:
    """What changes during a fit, beside network, optimizer and callbacks."""

    history: History
    stopped: bool = False
    position: Position | None = None
    schedule: Tree = field(default_factory=dict)  # at the beginning of the epoch in progress


# ---- what may not differ -------------------------------------------------------------------------


def fingerprint(name: str, array: Any, part: Any, rows: int) -> Tree:
    """Shape, dtype and SHA-256 of an array's or a CSR matrix's `part`; the whole has `rows`."""
    if array is None:
        return {}
    digest = hashlib.sha256()
    sparse = _data.is_sparse(array)
    if array.dtype.kind in "OT":  # labels for a loss in Python
        part = np.array([repr(value) for value in part.flat])
    for values in (part.indptr, part.indices, part.data) if sparse else (part,):
        kind = np.int64 if values.dtype.kind in "iu" and sparse else values.dtype.newbyteorder("=")
        digest.update(np.ascontiguousarray(values, kind).view(np.uint8).data)
    dtype = f"{'sparse ' if sparse else ''}{array.dtype.name}"
    return {
        f"{name}.shape": [rows, *array.shape[1:]],
        f"{name}.dtype": dtype,
        f"{name}.values": digest.hexdigest(),
    }


def checksum(*arrays: NDArray[Any]) -> int:
    """CRC-32 of all values: it detects accidental differences, not deliberate ones."""
    value = 0
    for array in arrays:
        value = zlib.crc32(np.ascontiguousarray(array).view(np.uint8).data, value)
    return value


def data_of(prepared: Any, prefix: str = "") -> Tree:
    """Fingerprints of X, y and weights of 1,000 rows, or of all of fewer, and the classes.

    `prepared` is what `prepare` returned, or a `Stream`, whose blocks decide the order.
    """
    rows = prepared.rows if isinstance(prepared, Stream) else prepared.x.shape[0]
    taken, found = some_rows(rows, FINGERPRINT_ROWS), Tree()
    if isinstance(prepared, Stream):
        found |= {f"{prefix}{k}": v for k, v in vars(prepared.blocks).items() if k != "rows"}
        sample = prepared.source.sample(taken)
        prepared = prepare_rows(prepared.net, sample, prepared.content)
        taken = np.arange(len(taken))
    if prepared.classes:
        found[f"{prefix}y.classes"] = prepared.classes
    arrays = {"X": prepared.x, "y": prepared.targets, "sample_weight": prepared.weight}
    for name, array in arrays.items():
        part = None if array is None else array[taken]
        found |= fingerprint(prefix + name, array, part, rows)
    if prepared.each is not None:
        found[f"{prefix}class_weight"] = prepared.each.tolist()
    return found


def _by_name(thing: Any) -> str:
    """A function's name, or an object's class."""
    return getattr(thing, "__qualname__", type(thing).__qualname__)


def flat(name: str, tree: Tree) -> Tree:
    """The public entries of a schedule's state, each with its path."""
    found = {name: tree["class"]}
    for key, value in tree.items():
        if isinstance(value, dict) and "class" in value:
            found |= flat(f"{name}.{key}", value)
        elif key != "class" and not key.startswith("_"):
            found[f"{name}.{key}"] = value
    return found


def settings_of(
    net: Network, task: Task, optimizer: Optimizer, callbacks: Sequence[AnyCallback], epochs: int
) -> Tree:
    """Everything in a fit's call that decides its bits, as JSON gives it back."""
    loss: Loss | LossFunction = task.loss
    found = {
        "sizes": list(net.sizes),
        "activations": list(net.activations),
        "dtype": net.dtype,
        "loss": loss.name if isinstance(loss, Loss) else f"function {_by_name(loss)}",
    }
    if isinstance(loss, Loss):
        found |= {f"loss.{name}": value for name, value in loss.hyperparameters.items()}
        found["loss.groups"] = list(loss.groups)
    found["optimizer"] = optimizer.name
    found |= {f"optimizer.{name}": value for name, value in optimizer.hyperparameters.items()}
    found |= flat("learning_rate", optimizer.schedule.get_state())
    for setting in fields(task):
        value = getattr(task, setting.name)
        if isinstance(value, (bool, int, float, str)):
            found[setting.name] = value
    found["dropout"] = list(task.dropout)
    found["callbacks"] = [_by_name(c) for c in callbacks if not isinstance(c, Checkpoint)]
    if optimizer.schedule.spans_fit():
        found["epochs"] = epochs
    plain: Tree = json.loads(json.dumps(found, default=_plain))
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    raise TypeError(f"learning_rate: expected settings that JSON can hold, got {value!r:.60}")


def differences(theirs: Tree, mine: Tree, whose: str = "the checkpoint's") -> list[str]:
    """What is different in two descriptions, in words."""
    found = []
    for name in [*theirs, *(name for name in mine if name not in theirs)]:
        old, new = theirs.get(name), mine.get(name)
        if old == new:
            continue
        if old is not None and new is not None and name.endswith(".values"):
            old, new = whose, "others"
        found.append(f"{name}: expected {old!s:.100}, got {new!s:.100}")
    return found


# ---- within an epoch -----------------------------------------------------------------------------


def run_epoch(
    task: Task,
    rates: Rates,
    on_rows: OnRows | None,
    state: State,
    timed: Sequence[Checkpoint],
    save: Callable[[str], None],
) -> Epoch:
    """Train for what is left of an epoch, and write the checkpoints that are due meanwhile."""
    position, state.position = state.position, None
    before = 0.0 if position is None else position.seconds
    start, written, epoch = time.perf_counter(), 0.0, len(state.history) + 1

    def on_batch(rows: int, sums: Sums) -> None:
        nonlocal written
        now = time.perf_counter()
        state.position = Position(rows, sums, before + now - start - written)
        for checkpoint in timed:
            if checkpoint.is_due():
                checkpoint.write(save, epoch)
        state.position = None
        written += time.perf_counter() - now

    loss, penalty, finite, seconds = task.epoch(
        rates,
        on_rows,
        None if position is None else (position.rows, position.sums),
        on_batch if timed else None,
        min((checkpoint.every_seconds or math.inf for checkpoint in timed), default=math.inf),
    )
    return loss, penalty, finite, before + seconds - written


# ---- to a file -----------------------------------------------------------------------------------


def _state_of(callback: AnyCallback) -> Tree:
    get = getattr(callback, "get_state", None)
    state = {} if get is None else get()
    name = _by_name(callback)
    if not isinstance(state, dict):
        raise TypeError(f"callbacks: expected a dict from get_state of {name}, got {state!r:.60}")
    try:
        io.packed(state, {}, name)
    except TypeError as error:
        raise TypeError(f"callbacks, get_state of {error}") from None
    return state


def training(
    net: Network,
    optimizer: Optimizer,
    callbacks: Sequence[AnyCallback],
    identity: Tree,
    state: State,
) -> Tree:
    """A checkpoint's "training"."""
    kept, (steps, epochs) = net.engine.training_state(), net.engine.optimizer_steps
    within = state.position is not None
    rows, sums, seconds = state.position or Position(0, np.empty(0), 0.0)
    curves = {name: np.array(state.history[name], np.float64) for name in CURVES}
    return {
        "version": __version__,
        "isa": isa(),
        "fit": identity,
        "stopped": state.stopped,
        "rows": rows,
        "sums": sums,
        "seconds": seconds,
        "history": {"metric": state.history.metric, **curves},
        "optimizer": {
            "steps": steps,
            "epochs": epochs,
            "scalar": kept["scalar"],
            "states": kept["states"],
        },
        "schedule": state.schedule if within else optimizer.schedule.get_state(),
        "callbacks": [_state_of(c) for c in callbacks if not isinstance(c, Checkpoint)],
        "checkpoints": [_state_of(c) for c in callbacks if isinstance(c, Checkpoint)],
    }
