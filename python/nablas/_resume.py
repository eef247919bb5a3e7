"""Going on from a checkpoint: reading, checking, restoring."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _checks, io
from ._attributes import attributes
from ._checkpoints import CURVES, Position, State, Tree, checksum, differences, flat
from ._epochs import Task
from ._losses import Loss
from ._threads import isa, thresholds
from ._version import __version__
from .callbacks import AnyCallback, Checkpoint
from .history import History
from .network import Network
from .optimizers import Optimizer
from .schedules import Constant, Schedule

Array = NDArray[Any]

_PAGE = "see docs/guide/callbacks.md#resuming-a-killed-fit"


def _putting_back(optimizer: Optimizer) -> Callable[[], None]:
    """A function that gives an optimizer the schedule that it has now, as it is now."""
    schedule, restore = optimizer.schedule, _restoring(optimizer.schedule)

    def put_back() -> None:
        optimizer.schedule = schedule
        restore()

    return put_back


def _restoring(schedule: Schedule) -> Callable[[], None]:
    """A function that gives a schedule, and those within it, the attributes that they have now.

    `set_state` is for a checkpoint: it refuses an attribute that is new or of another type.
    """
    every = _within(schedule)
    same: dict[int, Any] = {id(one): one for one in every}
    held = _copies([attributes(one) for one in every], same)

    def restore() -> None:
        for one, values in zip(every, _copies(held, same), strict=True):
            for name in attributes(one).keys() - values.keys():
                object.__delattr__(one, name)  # that of the class may refuse
            for name, value in values.items():
                object.__setattr__(one, name, value)

    return restore


def _within(schedule: Schedule) -> list[Schedule]:
    """A schedule and those among its attributes, in lists, tuples and dicts as well."""
    found: list[Schedule] = []
    seen: set[int] = set()
    left: list[Any] = [schedule]
    while left:
        value = left.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Schedule):
            found.append(value)
            left.extend(attributes(value).values())
        elif isinstance(value, (list, tuple, dict)):
            left.extend(value.values() if isinstance(value, dict) else value)
    return found


def _copies(held: list[Tree], same: dict[int, Any]) -> list[Tree]:
    """Copies of attributes; an object that two of them hold is copied once.

    Objects in `same`, by id, are kept instead of copied. Values that cannot be copied are added to
    it.
    """
    try:
        return deepcopy(held, {**same})
    except Exception:  # of a lock or an open file, for example
        for value in (value for values in held for value in values.values()):
            try:
                deepcopy(value, {**same})
            except Exception:
                same[id(value)] = value
        return deepcopy(held, {**same})


def undoing(net: Network, optimizer: Optimizer) -> Callable[[], None]:
    """A function that undoes what a fit does before its first epoch."""
    last, classes, history = net.engine.last, net.classes, net.history
    put_back = _putting_back(optimizer)

    def undo() -> None:
        net.engine.last, net.classes, net.history = last, classes, history
        put_back()

    return undo


class Kept:
    """A network, the optimizer of its last training and others as they are, to put back."""

    def __init__(self, net: Network, *optimizers: Optimizer) -> None:
        self.net = net
        self.parameters, self.training = net.parameters.copy(), net.engine.training_state()
        self.attributes = (net.seed, net.classes, net.history, net.extra)
        former = [] if net.engine.last is None else [net.engine.last.optimizer]
        self.schedules = [_putting_back(one) for one in (*optimizers, *former)]

    def put_back(self) -> None:
        """Put everything back."""
        net = self.net
        net.parameters = self.parameters
        net.engine.restore_training(self.training)
        net.seed, net.classes, net.history, net.extra = self.attributes
        for put_back in self.schedules:
            put_back()


class Resumed:
    """A checkpoint that was read.

    Parameters
    ----------
    path : str or path
    net : Network
    optimizer : Optimizer

    Raises
    ------
    ValueError
        For a file that is no checkpoint, or is damaged.
    OSError
        When it cannot be read.
    """

    def __init__(self, path: str | os.PathLike[str], net: Network, optimizer: Optimizer) -> None:
        self.path = _checks.path("resume", path)
        self.specification, self.parameters, tree = io.read(self.path)
        if tree is None:
            raise ValueError(
                f"{self.path}: expected a checkpoint, got a model without a training; {_PAGE}"
            )
        self.tree = tree
        with io.damaged(self.path):
            self.state = _checked(self.specification, tree)
        self.kept = Kept(net, optimizer)
        self.seed: int = self.specification["seed"]

    def check(self, identity: Tree, task: Task, optimizer: Optimizer, epochs: int) -> None:
        """ValueError that names what differs in the present call, or what cannot be resumed."""
        theirs = dict(self.tree["fit"])
        if "callbacks" not in identity:  # they are process 0's
            theirs.pop("callbacks", None)
        if found := differences(theirs, identity):
            raise ValueError(f"resume: {self.path} is of another fit: {'; '.join(found)}; {_PAGE}")
        done = len(self.state.history)
        least = done + (self.state.position is not None)
        if epochs < least:
            raise ValueError(f"epochs: expected at least {least} as in {self.path}, got {epochs}")
        total = self.specification["epochs"] + epochs - done
        _checks.integer("epochs", total, 0, _checks.MOST_EPOCHS)
        with io.damaged(self.path):
            _check_position(self.state.position, task)
            _check_counters(self.specification, self.tree["optimizer"], self.state, task)
            _check_states(self.tree["optimizer"]["states"], task.trainer.states)
            resumable(self.tree["schedule"], optimizer.schedule)
        here = {"version": __version__, "isa": isa()}
        if found := differences({name: self.tree[name] for name in here}, here):
            text = f"resume: the bits may be others than without a stop: {'; '.join(found)}"
            warnings.warn(text, RuntimeWarning, stacklevel=4)  # the call of fit

    def summary(self) -> Tree:
        """What tells this checkpoint from another one of the same fit."""
        rows = 0 if self.state.position is None else self.state.position.rows
        values = self.parameters, *self.tree["optimizer"]["states"]
        return {"resume": [len(self.state.history), rows, checksum(*values)]}

    def restore(
        self, net: Network, optimizer: Optimizer, callbacks: Sequence[AnyCallback] | None
    ) -> State:
        """Put network, optimizer and callbacks where they were; the rest is returned.

        `callbacks`: None to leave their states out.
        """
        net.parameters = self.parameters
        net.seed, net.classes = self.seed, self.specification["classes"]
        net.extra = self.specification.get("extra") or {}
        kept, given = self.tree["optimizer"], optimizer.schedule
        net.engine.restore_training(
            {
                "epochs": self.specification["epochs"],
                "updates": self.specification["updates"],
                "optimizer": optimizer,
                "schedule": resumable(self.tree["schedule"], optimizer.schedule),
                "states": kept["states"],
                "steps": kept["steps"],
                "scalar": kept["scalar"],
                "optimizer_epochs": kept["epochs"],
            }
        )
        if type(optimizer.schedule) is type(given):  # the caller may hold it
            given.set_state(optimizer.schedule.get_state())
            optimizer.schedule = given
        try:
            if callbacks is not None:
                self._to_callbacks(callbacks)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"resume: {self.path}: {error}") from error
        return self.state

    def _to_callbacks(self, callbacks: Sequence[AnyCallback]) -> None:
        others = [c for c in callbacks if not isinstance(c, Checkpoint)]
        for callback, held in zip(others, self.tree["callbacks"], strict=True):
            getattr(callback, "set_state", _nothing)(held)
        for callback in callbacks:
            if isinstance(callback, Checkpoint):
                for held in self.tree["checkpoints"]:
                    callback.set_state(held)


def _nothing(_state: Tree) -> None:
    """Of a function in place of a Callback."""


# ---- checks of what is written, and of what was read -------------------------------------------


def check_written(specification: Tree, tree: Tree, task: Task, given: Schedule) -> None:
    """ValueError or TypeError for a training that could not be resumed from a file.

    `given`: the optimizer's schedule as in the call of the fit.
    """
    state = _checked(specification, tree)
    _check_position(state.position, task)
    _check_counters(specification, tree["optimizer"], state, task)
    expected = "learning_rate: expected a number, or the schedule given to fit with its settings"
    with _checks.reworded(lambda text: f"{expected}, beside a Checkpoint: {text}"):
        resumable(tree["schedule"], given)


def resumable(held: Tree, given: Schedule) -> Schedule:
    """A copy of the schedule given to a fit, or a constant that a callback set, as held.

    ValueError for anything else that a callback set.
    """
    found = deepcopy(given)
    if held.get("class") == Constant.__qualname__:
        found = Constant(_checks.number("initial", held.get("initial"), above=0))
    before = flat("schedule", found.get_state())
    found.set_state(deepcopy(held))
    ours = type(found).__module__ == Schedule.__module__  # others may change any attribute
    if ours and (changed := differences(flat("schedule", found.get_state()), before)):
        raise ValueError(
            f"schedule: it cannot be resumed with what a callback set: {'; '.join(changed)}"
        )
    return found


def _exactly(name: str, tree: Any, keys: Sequence[str]) -> Any:
    if not isinstance(tree, dict):
        raise TypeError(f"{name}: expected an object, got {tree!r:.60}")
    if set(tree) != set(keys):
        raise ValueError(f"{name}: expected {', '.join(keys)}, got {', '.join(tree)}")
    return tree


def _vector(name: str, values: Any, length: int | None = None) -> NDArray[np.float64]:
    if not isinstance(values, np.ndarray) or values.dtype != np.float64 or values.ndim != 1:
        raise TypeError(f"{name}: expected a float64 array of one dimension, got {values!r:.60}")
    if length is not None and len(values) != length:
        raise ValueError(f"{name}: expected {length} values, got {len(values)}")
    return values


def _checked(specification: Tree, tree: Tree) -> State:
    """The state that the file holds, every entry checked by itself."""
    keys = "version isa fit stopped rows sums seconds history optimizer schedule callbacks"
    _exactly("training", tree, [*keys.split(), "checkpoints"])
    for name in ("version", "isa"):
        if not isinstance(tree[name], str):
            raise TypeError(f"{name}: expected a text, got {tree[name]!r:.60}")
    for name in ("fit", "schedule"):
        if not isinstance(tree[name], dict):
            raise TypeError(f"{name}: expected an object, got {tree[name]!r:.60}")
    json.dumps(tree["fit"])  # TypeError for an array
    for name in ("callbacks", "checkpoints"):
        for state in _checks.items(name, tree[name], "a list"):
            if not isinstance(state, dict):
                raise TypeError(f"{name}: expected objects, got {state!r:.60}")
    curves = _exactly("history", tree["history"], ["metric", *CURVES])
    metric = _checks.choice("metric", curves["metric"], ("accuracy", "r2"))
    epochs = len(_vector("loss", curves["loss"]))
    lists = {
        name: _vector(name, curves[name], epochs if len(curves[name]) else 0).tolist()
        for name in CURVES
    }
    for name in ("loss", "learning_rate", "seconds"):
        _vector(name, curves[name], epochs)
    kept = _exactly("optimizer", tree["optimizer"], ["steps", "epochs", "scalar", "states"])
    _checks.number("scalar", kept["scalar"])
    _checks.integer("steps", kept["steps"], 0, _checks.MOST_UPDATES)
    _checks.integer("epochs", kept["epochs"], 0, _checks.MOST_EPOCHS)
    rows = _checks.integer("rows", tree["rows"], 0)
    seconds = _checks.number("seconds", tree["seconds"], least=0)
    sums = _vector("sums", tree["sums"], None if rows else 0)
    stopped = _checks.flag("stopped", tree["stopped"])
    if stopped and rows:
        raise ValueError(f"stopped: expected no rows of a next epoch, got {rows}")
    position = Position(rows, sums, seconds) if rows else None
    return State(History(metric, **lists), stopped, position)


def _check_position(position: Position | None, task: Task) -> None:
    if position is None:
        return
    rows, sums, _ = position
    if rows >= task.data.rows or rows % task.batch_size:
        raise ValueError(f"rows: expected whole batches of {task.batch_size}, got {rows}")
    blocks = 0
    if isinstance(task.loss, Loss):
        blocks = rows // task.batch_size // int(thresholds(False)["longest_sum"])
    _vector("sums", sums, 3 + blocks.bit_count())
    if not np.isfinite(sums).all():
        raise ValueError("sums: expected finite values")


def _check_counters(specification: Tree, kept: Tree, state: State, task: Task) -> None:
    """The counters are at least those of this fit."""
    epochs = len(state.history)
    steps = epochs * -(-task.data.rows // task.batch_size)
    steps += state.position.rows // task.batch_size if state.position else 0
    for name, count, least in (
        ("optimizer, steps", kept["steps"], steps),
        ("optimizer, epochs", kept["epochs"], epochs),
        ("updates", specification["updates"], steps),
        ("epochs", specification["epochs"], epochs),
    ):
        _checks.integer(name, count, least)


def _check_states(held: Any, like: Sequence[Array]) -> None:
    if len(_checks.items("states", held, "a list")) != len(like):
        raise ValueError(f"states: expected {len(like)}, got {len(held)}")
    for values, view in zip(held, like, strict=True):
        found = _checks.plain_array("states", values)
        if (found.shape, found.dtype) != (view.shape, view.dtype):
            raise ValueError(
                f"states: expected {view.dtype} {view.shape}, got {found.dtype} {found.shape}"
            )
