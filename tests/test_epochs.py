"""Several epochs in one call of the core: the same as one call for each, whatever ends them."""

import math
import signal
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
import resuming
from cases import rng

import nablas as nb
from nablas import schedules
from nablas._epochs import Task

CASES = [{**case, "callbacks": 0, "validation": 0} for case in resuming.cases()]


def nothing(state):
    """A callback: with one, each epoch is a call of its own."""


def calls_of(monkeypatch):
    """The number of epochs of each call of the core, in a list that grows."""
    counts, epochs = [], Task.epochs

    def counted(self, rates, on_rows, history, loss_scale):
        before = len(history)
        done = epochs(self, rates, on_rows, history, loss_scale)
        counts.append(len(history) - before)
        return done

    monkeypatch.setattr(Task, "epochs", counted)
    return counts


@pytest.mark.parametrize("case", CASES, ids=map(str, range(len(CASES))))
def test_every_kind_of_fit(case):
    outcomes = []
    for callbacks in ([], [nothing]):
        net, settings = resuming.make(case, epochs=5)
        net.fit(**{**settings, "callbacks": callbacks})
        first = resuming.outcome(net)
        net.fit(**{**settings, "callbacks": callbacks})  # goes on
        outcomes.append(
            [first, resuming.outcome(net), net.engine.epochs, net.engine.optimizer_steps]
        )
    assert outcomes[0] == outcomes[1]


SCHEDULES = resuming.OPTIONS["schedule"] | {
    "WarmUp of ReduceOnPlateau": lambda: schedules.WarmUp(
        schedules.ReduceOnPlateau(0.01, patience=1, min_delta=1.0), steps=900
    ),
    "Schedule": lambda: schedules.Schedule(0.01),
}


def test_every_schedule_is_tried():
    classes = {name for name in schedules.__all__ if isinstance(getattr(schedules, name), type)}
    assert classes - {"Plan"} == {name.split()[0] for name in SCHEDULES}


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule(name, monkeypatch):
    x, y = rng(1).normal(size=(9, 2)), rng(2).normal(size=9)
    outcomes, counts = [], calls_of(monkeypatch)
    for callbacks in ([nothing], []):
        net, optimizer = nb.MLP([2, 3, 1], seed=0), nb.Adam(SCHEDULES[name]())
        for epochs in (1500, 700):
            net.fit(x, y, optimizer=optimizer, epochs=epochs, batch_size=4, callbacks=callbacks)
            outcome = [net.parameters.tobytes(), net.history.loss, net.history.learning_rate]
            outcomes.append([*outcome, len(net.history.seconds), net.engine.optimizer_steps])
    assert outcomes[:2] == outcomes[2:]
    depends = "ReduceOnPlateau" in name or name == "Schedule"
    assert max(counts) == 1 if depends else max(counts) > 100


class Steep(schedules.ExponentialDecay):
    """A user's schedule."""


@pytest.mark.parametrize("schedule", [schedules.ExponentialDecay, Steep])
def test_a_rate_that_becomes_wrong_ends_the_fit_at_its_epoch(schedule):
    """3e38 is in the range of float32, 10 times of it is not; the gradient is 0."""
    net = nb.MLP([1, 1], seed=0)
    net.parameters[:] = 0
    optimizer = nb.SGD(schedule(3e35, factor=10.0))
    with pytest.raises(ValueError, match="learning_rate: expected rates of at least 0"):
        net.fit([[1.0]], [0.0], optimizer=optimizer, epochs=50)
    assert len(net.history) == net.engine.epochs == 4


@pytest.mark.parametrize("penalties", [{}, {"l2": 0.5}])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_divergence_is_told_at_its_epoch(penalties, dtype):
    x, y = rng(1).normal(size=(20, 3)), rng(2).normal(size=20)
    outcomes = []
    for callbacks in ([], [nothing]):
        net = nb.MLP([3, 1], dtype=dtype, seed=0)
        with pytest.raises(FloatingPointError, match=r"at epoch \d+;") as told:
            net.fit(x, y, optimizer=nb.SGD(3.0), epochs=5000, callbacks=callbacks, **penalties)
        outcomes.append(
            [str(told.value), net.history.loss, net.parameters.tobytes(), net.engine.epochs]
        )
        assert all(map(math.isfinite, net.history.loss))
        assert len(net.history) > 10
        assert net.engine.optimizer_steps == (0, 0)
    assert outcomes[0] == outcomes[1]


def tiny():
    net, optimizer = nb.MLP([2, 3, 1], seed=0), nb.Adam()
    x, y = rng(1).normal(size=(8, 2)), rng(2).normal(size=8)
    return net, {"X": x, "y": y, "optimizer": optimizer, "batch_size": 4}


@contextmanager
def interrupted(seconds):
    """The body must be ended by an interrupt after so many seconds."""

    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    start = time.perf_counter()
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        with pytest.raises(KeyboardInterrupt):
            yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert time.perf_counter() - start < 2


needs_timers = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs interval timers")


@needs_timers
@pytest.mark.parametrize("callbacks", [[], [nothing]])
def test_an_interrupt_leaves_the_record_of_all_epochs_that_ended(callbacks):
    """History, epochs, updates and states are those of the weights."""
    for i in range(30):
        net, settings = tiny()
        with interrupted(0.02 + 0.002 * i):
            net.fit(**settings, epochs=100_000_000, callbacks=callbacks)
        epochs = len(net.history)
        assert epochs > 100
        assert net.engine.epochs == epochs == len(net.history.learning_rate)
        assert net.engine.optimizer_steps == (2 * epochs, epochs)
        assert net.engine.updates == 2 * epochs
        twin, settings = tiny()
        twin.fit(**settings, epochs=epochs)
        np.testing.assert_array_equal(net.parameters, twin.parameters)
        assert net.history.loss == twin.history.loss


class Rows:
    """The rows of `tiny` as a source."""

    shape = 8, 2

    def read(self, rows):
        _, settings = tiny()
        return settings["X"][rows], settings["y"][rows]


@needs_timers
@pytest.mark.parametrize("kind", ["loss", "source"])
def test_an_interrupt_leaves_no_part_of_a_record(kind):
    """With a loss in Python or a source an epoch takes several calls; one that is interrupted is not counted."""
    for i in range(30):
        net, settings = tiny()
        if kind == "loss":
            settings["loss"] = resuming.squares
        else:
            settings |= {"X": Rows(), "y": None}
        with interrupted(0.03 + 0.002 * i):
            net.fit(**settings, epochs=100_000_000)
        epochs = len(net.history)
        assert epochs > 3
        assert epochs == len(net.history.learning_rate) == len(net.history.seconds)
        assert net.engine.epochs == epochs
        steps, counted = net.engine.optimizer_steps
        assert counted == epochs
        assert 2 * epochs <= steps <= 2 * epochs + 2


def long_call(net, settings):
    """A call of the core with more epochs than it may run, and the number of them."""
    x, y = settings["X"].astype(np.float32), settings["y"][:, None].astype(np.float32)
    data = net.engine.dataset(x, y, None, nb.Loss("mse"))
    trainer, rates = net.engine.trainer(settings["optimizer"]), np.full((2_000_000, 2), 1e-3)

    def call(history):
        trainer.run_epochs(
            data, rates, 4, True, 0, 0, [0.0, 0.0], 0.0, 0.0, 0.0, None, False, 0.0, True, history
        )

    return call, len(rates)


def test_a_call_of_the_core_ends_soon():
    call, epochs = long_call(*tiny())
    times = []
    for _ in range(3):  # other processes disturb
        start, history = time.perf_counter(), nb.History()
        call(history)
        times.append(time.perf_counter() - start)
        assert 100 < len(history) < epochs
        assert sum(history.seconds) <= times[-1]
    assert min(times) < 0.25  # 50 ms and the record


def test_other_threads_predict_during_a_call():
    """It holds the network's lock for an epoch at a time, and no interpreter lock."""
    net, settings = tiny()
    call, _ = long_call(net, settings)
    counts = []
    for _ in range(3):  # other processes disturb
        history, count = nb.History(), 0
        fitting = threading.Thread(target=call, args=[history])
        fitting.start()
        while not len(history):  # the record is written at the call's end
            net.forward(settings["X"])
            count += 1
        fitting.join()
        counts.append(count)
    assert max(counts) > 20


def test_seconds_are_each_epochs_own():
    net, settings = tiny()
    start = time.perf_counter()
    seconds = net.fit(**settings, epochs=3000).seconds
    assert min(seconds) >= 0
    assert sum(seconds) <= time.perf_counter() - start
