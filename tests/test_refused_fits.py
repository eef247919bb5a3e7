"""A refused fit leaves the schedules of its optimizer, and of the one before, as they were."""

import threading
from dataclasses import dataclass

import pytest
from resuming import OPTIONS
from test_files_written import Slots, X, Y, model

import nablas as nb
from nablas import schedules
from nablas._attributes import attributes


class Restless(schedules.Schedule):
    """Attributes that appear, go and change their type; a list."""

    __slots__ = ("_slot",)

    def __init__(self, inner=None):
        super().__init__(0.1)
        self.inner, self.best, self.seen = inner, None, []

    def begin(self):
        self.best, self.seen, self.begun = "none", [], True
        vars(self).pop("last", None)
        self._slot = 0

    def observe(self, value):
        self.best, self.last, self._slot = value, value, [value]
        self.seen.append(value)
        vars(self).pop("begun", None)

    def get_state(self):
        return {"class": "Restless"}

    def set_state(self, state):
        raise ValueError("not of this")


class Composed(schedules.Schedule):
    """Schedules within lists, tuples and dicts; a list with a lock, twice."""

    def __init__(self):
        super().__init__(0.1)
        self.parts = [Restless(), ({"a": Restless()},)]
        self.kept = [1.0, threading.Lock()]
        self.alias = self.kept

    def begin(self):
        for one in (self.parts[0], self.parts[1][0]["a"]):
            one.begin()


@dataclass(frozen=True)
class Frozen(schedules.Schedule):
    initial: float = 0.1


class Refusing(nb.Callback):
    def on_fit_begin(self, net):
        raise ValueError("not today")


def inside(value, seen=()):
    """What an object is and holds; schedules by their ids, too."""
    if isinstance(value, schedules.Schedule):
        held = {} if id(value) in seen else attributes(value)
        return id(value), inside(held, (*seen, id(value)))
    if isinstance(value, dict):
        return [(name, inside(one, seen)) for name, one in sorted(value.items())]
    return [inside(one, seen) for one in value] if isinstance(value, (list, tuple)) else repr(value)


def cyclic():
    outer = Restless(Restless())
    outer.inner.inner = outer
    return outer


SCHEDULES = {
    **{name: make for name, make in OPTIONS["schedule"].items() if name != "Constant"},
    "Constant": lambda: schedules.Constant(0.1),
    "plateau within": lambda: schedules.WarmUp(schedules.ReduceOnPlateau(0.1, patience=1), steps=2),
    "restless": Restless,
    "restless within": lambda: schedules.WarmUp(Restless(), steps=2),
    "restless twice": lambda: Restless(Restless()),
    "slots": lambda: Slots(0.1),
    "frozen": Frozen,
}


@pytest.mark.parametrize("trained", [0, 2])
@pytest.mark.parametrize("refused", ["settings", "callback", "resume"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_a_refused_fit_leaves_the_schedules(name, refused, trained, tmp_path):
    """Those of the optimizer given and of the one before, with all that they held."""
    net, optimizer, former = model(), *(nb.SGD(SCHEDULES[name]()) for _ in range(2))
    for one in (optimizer, former):
        net.fit(X, Y, epochs=trained, optimizer=one)
    before = [inside(one.schedule) for one in (optimizer, former)]
    more = {"callbacks": [nb.Checkpoint(tmp_path / "none" / "c")]}
    if refused == "settings":
        more = {"dropout": 2.0}
    if refused == "resume":
        model().fit(X, Y, epochs=1, optimizer="adam", callbacks=[nb.Checkpoint(tmp_path / "c")])
        more = {"resume": tmp_path / "c"}
    for _ in range(2):
        with pytest.raises((OSError, ValueError), match=r"dropout|none|resume"):
            net.fit(X, Y, epochs=3, optimizer=optimizer, **more)
        assert [inside(one.schedule) for one in (optimizer, former)] == before


UNCOPIED = {"lock": lambda: Restless(threading.Lock()), "composed": Composed, "cyclic": cyclic}


@pytest.mark.parametrize("refused", ["settings", "callback"])
@pytest.mark.parametrize("name", UNCOPIED)
def test_a_refused_fit_with_schedules_that_no_checkpoint_holds(name, refused, tmp_path):
    """Locks, which cannot be copied, schedules in lists, and two schedules that hold each other."""
    optimizer = nb.SGD(UNCOPIED[name]())
    before = inside(optimizer.schedule)
    more = {"callbacks": [Refusing()]} if refused == "callback" else {"dropout": 2.0}
    for _ in range(2):
        with pytest.raises(ValueError, match="dropout|not today"):
            model().fit(X, Y, epochs=1, optimizer=optimizer, **more)
        assert inside(optimizer.schedule) == before
