"""What a fit leaves behind: nothing refers in a circle to the network, the data, or what was read of them.

Rows may take gigabytes and few objects, for which Python's collector of circles is not started.
"""

import contextlib
import gc
import weakref

import numpy as np
import pytest
from cases import iris
from streaming import Rows, readers

import nablas as nb


class OwnError(Exception):
    """An error that no library has."""


def fail(*_):
    raise OwnError


class Failing(Rows):
    """A source that raises an error of some class at one of its reads."""

    def __init__(self, kind, at):
        super().__init__(*iris())
        self.kind, self.at = kind, at

    def read(self, rows):
        if len(self.reads) == self.at:
            raise self.kind("odd")
        return super().read(rows)


BLOCKS = {"batch_size": 10, "block_rows": 40}
CALLBACKS = {
    "early stopping": lambda: [nb.EarlyStopping()],
    "checkpoint": lambda: [nb.Checkpoint("c.safetensors")],
    "timed checkpoint": lambda: [nb.Checkpoint("c.safetensors", every_seconds=1e-9)],
    "best checkpoint": lambda: [nb.Checkpoint("c.safetensors", monitor="val_loss")],
    "several": lambda: [nb.EarlyStopping(), nb.Checkpoint("c.safetensors"), nb.Checkpoint("d{epoch}")],
    "function": lambda: [lambda state: state.epoch == 2],
    "error": lambda: [fail],
    "checkpoint before an error": lambda: [nb.Checkpoint("c.safetensors"), fail],
    "reads ahead": lambda: [lambda state: True],
}  # fmt: skip
SETTINGS = {
    "plain": dict,
    "progress": lambda: {"progress": True},
    "diverges": lambda: {"optimizer": nb.SGD(1e30)},
    "a loss in Python": lambda: {"loss": lambda out, y: (0.0, 0 * out)},
    "a loss that fails": lambda: {"loss": fail},
    "a name that is unknown": lambda: {"loss": "odd"},
    "classes with weights": lambda: {"class_weight": "balanced"},
    "no checkpoint": lambda: {"resume": "missing"},
} | {
    name: lambda make=make: {"callbacks": make()} for name, make in CALLBACKS.items()
}  # fmt: skip
SOURCES = {
    f"{place}, {kind.__name__} at {at}": (place, kind, at)
    for place in ("train", "validation")
    for kind in (OwnError, ValueError, StopIteration)
    for at in (0, 1, 5)
}


def check_nothing_refers(make):
    """`make()` returns a fit, and objects that nothing refers to after it."""
    gc.collect()
    gc.disable()
    try:
        fit, *objects = make()
        seen = [weakref.ref(thing) for thing in objects]
        with contextlib.suppress(OwnError, ValueError, TypeError, FloatingPointError, OSError):
            fit()
        for thread in readers():
            thread.join()
        del fit, objects
        assert [ref() for ref in seen] == [None] * len(seen)
    finally:
        gc.enable()


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("kind", ["arrays", "source"])
def test_fits(name, kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def make():
        net, (x, y) = nb.MLP([4, 5, 3], output="softmax", seed=0), iris()
        x, y = x.copy(), y.copy()
        rows = {"X": x, "y": y, "validation_data": (x, y)}
        if kind == "source":
            rows = {"X": Rows(x, y), "validation_data": Rows(x, y), **BLOCKS}
        settings = SETTINGS[name]()
        return lambda: net.fit(**rows, epochs=3, **settings), net, x, y

    check_nothing_refers(make)


@pytest.mark.parametrize("name", SOURCES)
def test_sources_that_fail(name):
    place, kind, at = SOURCES[name]

    def make():
        net, source, other = nb.MLP([4, 5, 3], output="softmax"), Failing(kind, at), Rows(*iris())
        rows = (source, other) if place == "train" else (other, source)
        given = dict(zip(("X", "validation_data"), rows, strict=True))
        return lambda: net.fit(**given, epochs=3, **BLOCKS), net, source, other

    check_nothing_refers(make)


@pytest.mark.parametrize("at", [0, 1, 2])
def test_caches_of_sources_that_fail(at):
    def make():
        source = Failing(OwnError, at)
        return lambda: nb.data.CachedSource(source), source

    check_nothing_refers(make)


def test_a_read_ahead_that_fails_after_the_last_epoch():
    """Its error is of no use to anybody."""

    def make():
        net, source = nb.MLP([4, 5, 3], output="softmax"), Failing(OwnError, 17)
        stop = {"callbacks": [lambda state: True], "shuffle": False}
        return lambda: net.fit(source, epochs=3, **BLOCKS, **stop), net, source

    check_nothing_refers(make)


def test_a_state_that_a_callback_keeps_does_not_keep_the_data():
    x, y = (array.copy() for array in iris())
    seen, states = [weakref.ref(x), weakref.ref(y)], []
    nb.MLP([4, 5, 3], output="softmax").fit(x, y, callbacks=[states.append], epochs=2)
    del x, y
    assert [ref() for ref in seen] == [None, None]
    assert [state.epoch for state in states] == [1, 2]
    assert np.isfinite(states[0].net.parameters).all()
