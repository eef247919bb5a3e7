"""Fits that are refused, and callbacks that raise: who is told, and what is put back."""

import copy
import gc
import pickle
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from cases import iris, small

import nablas as nb


class Told(nb.Callback):
    """Writes down what it is told; raises at some of it."""

    def __init__(self, name, told, fails=()):
        self.name, self.told, self.fails = name, told, fails

    def _tell(self, event):
        self.told.append(f"{event} {self.name}")
        if event in self.fails:
            raise OSError(f"{event} {self.name}")

    def on_fit_begin(self, net):
        self._tell("begin")

    def on_epoch_end(self, state):
        self._tell("epoch")

    def on_fit_end(self, net):
        self._tell("end")


@pytest.mark.parametrize("fails", ["begin", "epoch", "end"])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_every_callback_that_began_is_told_the_end(fails, which):
    told = []
    callbacks = [Told(i, told, (fails,) if i == which else ()) for i in range(3)]
    x, y = iris()
    with pytest.raises(OSError, match=f"{fails} {which}"):
        small().fit(x, y, epochs=1, callbacks=callbacks)
    begun = which if fails == "begin" else 3
    assert [line for line in told if line.startswith("end")] == [f"end {i}" for i in range(begun)]


def test_the_best_weights_are_restored_after_a_callback_that_fails_at_the_end():
    x, y = iris()
    net, stop, weights = small(), nb.EarlyStopping(monitor="loss"), []

    def keep(state):
        weights.append(net.parameters.copy())

    with pytest.raises(OSError, match="end 0"):
        net.fit(
            x, y, epochs=5, optimizer=nb.SGD(30.0), callbacks=[Told(0, [], ("end",)), keep, stop]
        )
    assert stop.best_epoch < 5
    assert (net.parameters == weights[stop.best_epoch - 1]).all()


class Negative(nb.schedules.Schedule):
    def rates(self, steps, plan):
        return -np.ones(len(steps))


class TooFew(nb.schedules.Schedule):
    def rates(self, steps, plan):
        return np.ones(1)


REFUSED = {
    "a callback": {"callbacks": [Told(0, [], ("begin",))]},
    "a folder that is not there": {"callbacks": [nb.Checkpoint("/nowhere/at/all/x.st")]},
    "rates that are negative": {"optimizer": nb.SGD(Negative(0.1))},
    "rates of another shape": {"optimizer": nb.SGD(TooFew(0.1))},
    "epochs": {"epochs": 2**40},
    "validation data": {"validation_data": (np.ones((3, 9)), np.ones(3))},
    "classes": {"y": np.array(["x"] * 150)},
}


@pytest.mark.parametrize("how", REFUSED)
def test_a_refused_fit_changes_nothing(how):
    """The network, its classes and history, and the optimizer that it goes on with."""
    x, y = iris()
    labels, others = np.array(["a", "b", "c"])[y], np.array(["u", "v", "w"])[y]

    def fitted(refused):
        net, optimizer = small(), nb.Adam()
        history = net.fit(x, labels, epochs=3, optimizer=optimizer)
        if refused:
            given = {"y": others, "epochs": 2, "optimizer": nb.SGD(0.1)} | REFUSED[how]
            with pytest.raises((OSError, ValueError, TypeError, NotImplementedError)):
                net.fit(x, **given)
            assert net.history is history
            assert len(history) == 3
            assert list(net.classes) == ["a", "b", "c"]
        net.fit(x, labels, epochs=2, optimizer=optimizer)
        return net.parameters.tobytes()

    assert fitted(True) == fitted(False)


@pytest.mark.parametrize(
    "schedule", [nb.schedules.Constant(0.1), nb.schedules.StepDecay(0.1, every=99)]
)
def test_a_rate_that_a_callback_edits(schedule):
    x, y = iris()

    def edit(state):
        schedule.initial = 0.5

    history = small().fit(x, y, epochs=3, optimizer=nb.SGD(schedule), callbacks=[edit])
    assert history.learning_rate == [0.1, 0.5, 0.5]


def test_a_refused_fit_leaves_what_a_schedule_observed():
    x, y = iris()
    optimizer = nb.SGD(nb.schedules.ReduceOnPlateau(0.5, patience=1))
    net = small()
    net.fit(x, y, epochs=8, optimizer=optimizer)
    before = optimizer.schedule.get_state()
    with pytest.raises(OSError, match="begin 0"):
        small().fit(x, y, epochs=2, optimizer=optimizer, callbacks=[Told(0, [], ("begin",))])
    assert optimizer.schedule.get_state() == before


@pytest.mark.parametrize("fails", ["begin", "epoch", "end"])
def test_an_error_of_a_callback_does_not_keep_the_network(fails):
    x, y = iris()
    net = small()
    seen = weakref.ref(net)
    gc.disable()
    try:
        with pytest.raises(OSError, match=f"{fails} 0"):
            net.fit(x, y, epochs=2, callbacks=[Told(0, [], (fails,))])
        del net
        assert seen() is None
    finally:
        gc.enable()


KEEPERS = {
    "EarlyStopping": lambda folder: nb.EarlyStopping(monitor="loss", patience=2),
    "Checkpoint": lambda folder: nb.Checkpoint(folder / "{epoch}.safetensors"),
}


def in_a_thread(call):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result(60)


@pytest.mark.parametrize("where", [lambda call: call(), in_a_thread], ids=["around", "thread"])
@pytest.mark.parametrize("name", KEEPERS)
def test_a_callback_is_in_one_fit_at_a_time(name, where, tmp_path):
    """A second one would mix two networks' best weights, or files."""
    x, y = iris()
    keeper, refused = KEEPERS[name](tmp_path), []

    def train(*more):
        net = small()
        net.fit(x, y, epochs=4, optimizer=nb.SGD(3.0), callbacks=[keeper, *more, keeper])
        return net.parameters.tolist()

    def second(state):
        with pytest.raises(RuntimeError, match=f"^callbacks: this {name} is in use by another"):
            where(train)
        refused.append(state.epoch)
        for twin in (copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))):
            where(lambda twin=twin: small().fit(x, y, epochs=1, callbacks=[twin(keeper)]))

    def fails(state):
        raise OSError

    want = train()
    assert train(second) == want
    assert refused == list(range(1, len(refused) + 1))
    assert len(refused) > 1
    with pytest.raises(OSError):  # noqa: PT011
        train(fails)
    assert train() == want  # it is free again
