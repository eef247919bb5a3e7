"""What `save` and `Checkpoint` write can be read and resumed; what could not is refused before a file is replaced."""

import sys
from copy import deepcopy

import numpy as np
import pytest

import nablas as nb
from nablas import io, schedules

X = np.random.default_rng(0).normal(size=(12, 3))
Y = X @ [1.0, -2.0, 0.5]


def model(**settings):
    return nb.MLP([3, 4, 1], seed=0, **settings)


# ---- what is too large ---------------------------------------------------------------------------


class Held(nb.Callback):
    """A callback with a state."""

    def __init__(self, state):
        self.state = state

    def get_state(self):
        return self.state


def save(path, state):
    model().save(path, extra=state)


def checkpoint(path, state):
    model().fit(X, Y, epochs=1, callbacks=[Held(state), nb.Checkpoint(path)])


def checkpoint_extra(path, state):
    net = model()
    net.extra = state
    net.fit(X, Y, epochs=1, callbacks=[nb.Checkpoint(path)])


@pytest.fixture
def shorter(monkeypatch):
    """A limit that takes no seconds to reach."""
    monkeypatch.setattr(io, "LONGEST_HEADER", 20_000)
    return 20_000


@pytest.mark.parametrize("write", [save, checkpoint, checkpoint_extra])
@pytest.mark.parametrize(
    "state",
    [{"s": "x" * 20_000}, {"n": [0] * 10_000}, {"x" * 20_000: 1}, {"s": "\n" * 7_000}],
    ids=["text", "list", "key", "escapes"],
)
def test_long_headers(write, state, shorter, tmp_path):
    path = tmp_path / "m"
    path.write_bytes(b"before")
    name = "training" if write is checkpoint else "extra"
    with pytest.raises(ValueError, match=f"^{name}: expected a header of at most {shorter} bytes"):
        write(path, state)
    assert path.read_bytes() == b"before"
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_long_names_of_classes(shorter, tmp_path):
    net = nb.MLP([3, 2], output="softmax", seed=0)
    net.classes = ["a" * 10_000, "b" * 10_000]
    with pytest.raises(ValueError, match="^classes: expected a header of at most"):
        net.save(tmp_path / "m")


@pytest.mark.parametrize("more", [0, 8])
def test_the_limit_is_that_of_the_reader(more, tmp_path):
    """safetensors reads a header of that length, and none that is longer."""
    length = io.LONGEST_HEADER + more
    header = b'{"__metadata__":{"a":"b"}}'.ljust(length)
    (tmp_path / "m").write_bytes(length.to_bytes(8, "little") + header)
    with pytest.raises(ValueError, match="header too large" if more else "no nablas header"):
        nb.MLP.load(tmp_path / "m")


@pytest.mark.parametrize("write", [save, checkpoint, checkpoint_extra])
@pytest.mark.parametrize("value", [10**5000, -(10**4299), 2**14_000], ids=["5001", "-4300", "2^"])
def test_long_integers(write, value, tmp_path):
    with pytest.raises(ValueError, match=r"^\w+\.n\[0\]: expected integers of at most"):
        write(tmp_path / "m", {"n": [value]})
    write(tmp_path / "m", {"n": [2**13_999, -(2**13_999)]})
    nb.MLP.load(tmp_path / "m")


def test_long_integers_are_read_at_pythons_own_limit(tmp_path):
    value = 2**14_000 - 1
    save(tmp_path / "m", {"n": value})
    before = sys.get_int_max_str_digits()
    try:
        sys.set_int_max_str_digits(sys.int_info.default_max_str_digits)
        assert nb.MLP.load(tmp_path / "m").extra == {"n": value}
    finally:
        sys.set_int_max_str_digits(before)


@pytest.mark.parametrize("dtype", [*io.KINDS, ">f8", ">i2"])
@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (4,), (2, 3)])
def test_arrays_of_any_kind_come_back(dtype, shape, tmp_path):
    array = np.ones((*shape, 2), dtype)[..., 1]  # strided

    class Kept(Held):
        def set_state(self, state):
            self.state = state

    def fit(callback, epochs, **more):
        callbacks = [callback, nb.Checkpoint(tmp_path / "c")]
        model().fit(X, Y, epochs=epochs, callbacks=callbacks, **more)

    fit(Kept({"a": [array]}), 1)
    fit(callback := Kept({}), 2, resume=tmp_path / "c")
    (found,) = callback.state["a"]
    assert found.dtype == np.dtype(dtype).newbyteorder("=")
    assert np.array_equal(found, array)
    assert found.shape == array.shape


# ---- what a callback sets ------------------------------------------------------------------------


@pytest.mark.parametrize("every_seconds", [None, 1e-9])
@pytest.mark.parametrize("value", [1, 0, np.int64(1), "yes", "", None, np.array(True), [True]])
def test_stop_is_a_flag(value, every_seconds, tmp_path):
    def stop(state):
        state.stop = value

    callbacks = [stop, nb.Checkpoint(tmp_path / "c", every_seconds=every_seconds)]
    for given in (callbacks, [stop]):
        with pytest.raises(TypeError, match="^state.stop: expected True or False, got"):
            model().fit(X, Y, epochs=3, callbacks=given)


@pytest.mark.parametrize("value", [True, np.bool_(True)])
def test_a_fit_that_was_stopped_is_resumed(value, tmp_path):
    def stop(state):
        state.stop = value

    net = model()
    callbacks = [stop, nb.Checkpoint(tmp_path / "c")]
    assert len(net.fit(X, Y, epochs=3, callbacks=callbacks)) == 1
    assert len(net.fit(X, Y, epochs=3, callbacks=callbacks, resume=tmp_path / "c")) == 1


class Own(schedules.Schedule):
    """A user's schedule."""


def changed(optimizer, name):
    """Set one thing of a fit; whether a checkpoint can go on with it."""
    plateau = optimizer.schedule
    sets = {
        "number": lambda state: setattr(optimizer, "learning_rate", 0.05),
        "constant": lambda state: setattr(optimizer, "schedule", schedules.Constant(0.05)),
        "another class": lambda state: setattr(
            optimizer, "schedule", schedules.StepDecay(0.1, every=1)
        ),
        "own": lambda state: setattr(optimizer, "schedule", Own(0.1)),
        "factor": lambda state: setattr(plateau, "factor", 0.5),
        "patience": lambda state: setattr(plateau, "patience", "x"),
        "rate": lambda state: setattr(plateau, "_rate", -1.0),
        "best": lambda state: setattr(plateau, "_best", float("nan")),
        "loss": lambda state: state.history.loss.append(0.0),
        "val_loss": lambda state: state.history.val_loss.append(0.0),
        "metric": lambda state: setattr(state.history, "metric", "f1"),
        "extra": lambda state: setattr(state.net, "extra", {"x": object()}),
        "extra list": lambda state: setattr(state.net, "extra", [1]),
        "classes": lambda state: setattr(state.net, "classes", ["a"]),
        "seed": lambda state: setattr(state.net, "seed", -1),
        "parameters": lambda state: setattr(
            state.net, "parameters", np.full(state.net.parameters.size, np.nan)
        ),
        "epochs": lambda state: setattr(state.net.engine, "epochs", 0),
        "updates": lambda state: setattr(state.net.engine, "updates", 0),
    }
    return sets if name is None else sets[name]


RESUMABLE = ("number", "constant")


@pytest.mark.parametrize("name", changed(nb.SGD(0.1), None))
def test_whatever_a_callback_sets_is_refused_or_resumed(name, tmp_path):
    """Never a file that only the resumed fit refuses."""

    def make():
        optimizer = nb.SGD(schedules.ReduceOnPlateau(0.1, patience=1))
        return optimizer, [changed(optimizer, name), nb.Checkpoint(tmp_path / "c")]

    refused = ""
    optimizer, callbacks = make()
    settings = {"X": X, "y": Y, "batch_size": 5}
    try:
        net = model()
        net.fit(**settings, epochs=2, optimizer=optimizer, callbacks=callbacks)
    except (TypeError, ValueError, FloatingPointError) as raised:
        refused = str(raised)
    if refused:
        assert name not in RESUMABLE
        assert ": expected" in refused
        assert not (tmp_path / "c").exists()
        return
    optimizer, callbacks = make()
    resumed = model()
    history = resumed.fit(
        **settings, epochs=2, optimizer=optimizer, callbacks=callbacks, resume=tmp_path / "c"
    )
    assert len(history) == 2
    assert np.array_equal(resumed.parameters, net.parameters)


def test_a_checkpoint_without_safetensors(tmp_path, monkeypatch):
    """The missing package is named before the training."""
    for name in [name for name in sys.modules if name.split(".")[0] == "safetensors"]:
        monkeypatch.setitem(sys.modules, name, None)
    net = model()
    before = net.parameters.copy()
    with pytest.raises(ImportError, match="safetensors is needed for this"):
        net.fit(X, Y, epochs=3, callbacks=[nb.Checkpoint(tmp_path / "c", every=3)])
    assert np.array_equal(net.parameters, before)
    assert net.epochs == 0


# ---- schedules -----------------------------------------------------------------------------------


class Slots(schedules.Schedule):
    """The rate is halved after each epoch; what it remembers is in a slot."""

    __slots__ = ("__private", "_now")

    def __init__(self, initial):
        super().__init__(initial)
        self.begin()

    def begin(self):
        self._now = self.__private = 1.0

    def observe(self, value):
        self._now /= 2
        self.__private /= 2

    def rates(self, steps, plan):
        return np.full(len(steps), self.initial * self._now * self.__private)


def test_slots_are_in_the_state(tmp_path):
    def fit(epochs, **more):
        net, optimizer = model(), nb.SGD(Slots(0.1))
        callbacks = [nb.Checkpoint(tmp_path / "c")]
        net.fit(X, Y, epochs=epochs, optimizer=optimizer, callbacks=callbacks, **more)
        return net

    whole = fit(4)
    fit(2)
    resumed = fit(4, resume=tmp_path / "c")
    assert resumed.history.learning_rate == whole.history.learning_rate
    assert np.array_equal(resumed.parameters, whole.parameters)


@pytest.mark.parametrize("wrong", ["data", "file", "settings"])
def test_a_refused_resume_leaves_the_former_optimizer(wrong, tmp_path):
    """It keeps its schedule, the object and its values."""
    path = tmp_path / "c"
    model().fit(X, Y, epochs=2, optimizer=nb.SGD(0.1), callbacks=[nb.Checkpoint(path)])
    net, former = model(), nb.Adam(schedules.ReduceOnPlateau(0.1, patience=1, min_delta=10.0))
    net.fit(X, Y, epochs=3, optimizer=former)
    schedule, state = former.schedule, deepcopy(former.schedule.get_state())
    other = nb.SGD(0.1 if wrong != "settings" else 0.2)
    held = other.schedule
    if wrong == "file":
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"resume|expected a nablas model"):
        net.fit(X, Y + (wrong == "data"), epochs=3, optimizer=other, resume=path)
    assert former.schedule is schedule
    assert schedule.get_state() == state
    assert other.schedule is held
    again = model()
    again.fit(X, Y, epochs=3, optimizer=(same := nb.Adam(deepcopy(schedule))))
    again.fit(X, Y, epochs=1, optimizer=same)
    net.fit(X, Y, epochs=1, optimizer=former)
    assert np.array_equal(net.parameters, again.parameters)
