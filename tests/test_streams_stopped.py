"""Fits of sources that stop: checkpoints, errors while rows are read, Ctrl-C, limits of memory."""

import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import resuming
from resuming import PLAIN, ROWS, cases, make, outcome, resumed, written
from streaming import Rows, as_source, readers

import nablas as nb
from nablas import io

CASES = list(cases())
BLOCK = 64


def streamed(case, **more):
    """What `resuming` makes of a case, with sources: its arguments of `fit`."""
    _, settings = make(case, **more)
    found = as_source(settings)
    found["block_rows"] = BLOCK
    if "sample_weight" in settings:
        found["sample_weight"] = None
    return {
        name: found[name] for name in ("X", "validation_data", "block_rows") if name in found
    } | {
        "y": None,
        **({"sample_weight": None} if "sample_weight" in settings else {}),
    }


# ---- checkpoints ---------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES[::3], ids=lambda case: "-".join(map(str, case.values())))
def test_resumed_after_every_batch(case, tmp_path):
    net, settings = make(case, epochs=4, **streamed(case))
    net.fit(**settings)
    want = outcome(net)
    got, files = written(case, tmp_path, **streamed(case))
    assert got == want
    before = nb.num_threads()
    try:
        for i, path in enumerate(files):
            nb.set_num_threads(1 + i % 3)
            assert resumed(case, path, **streamed(case)) == want, path.name
    finally:
        nb.set_num_threads(before)


def test_stops_are_within_and_between_blocks(tmp_path):
    for loss in (0, 2):  # of the core, in Python
        (folder := tmp_path / str(loss)).mkdir()
        case = {**PLAIN, "loss": loss, "batch_size": 0}
        _, files = written(case, folder, **streamed(case) | {"block_rows": 100})
        assert {io.read(path)[2]["rows"] for path in files} == {0, 50, 100, 150, 200}


def test_every_difference_of_the_data_is_named(tmp_path):
    case = PLAIN
    x, y = resuming.data()
    _, files = written(case, tmp_path, **streamed(case))
    for name, change in {
        "X.values": {"X": Rows(x + (np.arange(x.size) == 900).reshape(x.shape), y)},
        "y.values": {"X": Rows(x, y[::-1])},
        "X.dtype": {"X": Rows(x.astype(np.float64), y)},
        "X.shape": {"X": Rows(x[:-1], y[:-1])},
        "sample_weight.shape": {"X": Rows(x, y, np.ones(ROWS))},
        "block_rows": {"block_rows": 128},
        "chunk_rows": {"X": Rows(x, y, chunk_rows=128), "block_rows": 128},
        "validation_data, block_rows": {"validation_data": Rows(x, y)},
    }.items():
        net, settings = make(case, epochs=4, **streamed(case) | change)
        parameters = net.parameters.copy()
        with pytest.raises(ValueError, match=f"is of another fit: .*{name}: expected "):
            net.fit(**settings, resume=files[5])
        assert (net.parameters == parameters).all()


# ---- errors --------------------------------------------------------------------------------------


class Wrong(Rows):
    """A source whose answer is another one from some read on."""

    def __init__(self, change, after=0):
        super().__init__(*resuming.data())
        self.change, self.after = change, after

    def read(self, rows):
        found = super().read(rows)
        return found if len(self.reads) <= self.after else self.change(self, *found)


class OwnError(Exception):
    """An error that no library has."""


def fail(*_):
    raise OwnError("no disk")


def reshape(source, x, y):
    source.shape = ROWS + 1, source.shape[1]
    return x, y


def grow(source, x, y):
    reshape(source, x, y)
    return source.arrays[0][:1], y


WRONG = {
    "fewer rows": (lambda s, x, y: (x[:-1], y), ValueError, r"X: expected shape \(\d+, 30\)"),
    "more rows": (lambda s, x, y: (s.arrays[0], y), ValueError, r"X: expected shape \(\d+, 30\)"),
    "fewer columns": (lambda s, x, y: (x[:, 1:], y), ValueError, r"X: expected shape \(\d+, 30\)"),
    "one dimension": (lambda s, x, y: (x.ravel(), y), ValueError, "X: expected 2 dimensions"),
    "fewer targets": (lambda s, x, y: (x, y[:0]), ValueError, r"y: expected \d+ rows like X"),
    "one array": (lambda s, x, y: x, TypeError, "source: expected .X, y. or .* from read, got ndarray"),
    "nothing": (lambda s, x, y: None, TypeError, "source: expected .* from read, got NoneType"),
    "text": (lambda s, x, y: (x.astype(str), y), TypeError, "X: expected numbers"),
    "an error": (fail, OwnError, "no disk"),
}  # fmt: skip
LATER = {
    "another dtype": (lambda s, x, y: (x.astype("f8"), y), TypeError, "X: expected dtype float32, shape .n, 30. as in the first row"),
    "another dtype of y": (lambda s, x, y: (x, y.astype("i1")), TypeError, "y: expected dtype int64"),
    "another shape of y": (lambda s, x, y: (x, np.eye(5)[y]), TypeError, "y: expected dtype int64"),
    "weights": (lambda s, x, y: (x, y, y), TypeError, "sample_weight: expected None as in the first row"),
    "another shape": (reshape, ValueError, r"source: expected shape \(220, 30\) as before, got \(221, 30\)"),
    "another shape at once": (grow, ValueError, r"source: expected shape|X: expected shape"),
    "not finite": (lambda s, x, y: (x / 0, y), ValueError, "X: expected finite values, .*of the source's rows"),
    "another class": (lambda s, x, y: (x, y + 9), ValueError, "y: expected class labels .*of the source's rows"),
}  # fmt: skip


def check_usable(net):
    """It trains, and to the bits of another one with its weights and counters."""
    deadline = time.monotonic() + 5
    while readers() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not readers()
    assert np.isfinite(net.parameters).all()
    net.fit(*resuming.data(), epochs=1)


@pytest.mark.parametrize(
    ("name", "after"),
    [(n, a) for n in [*WRONG, *LATER] for a in (0, 1, 3, 5, 12) if n in WRONG or a],
)
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_a_wrong_answer(name, after):
    """From the first read on, or one of a later block, or of a later epoch."""
    change, kind, message = (WRONG | LATER)[name]
    net = nb.MLP(resuming.SIZES, output="softmax", seed=0)
    parameters = net.parameters.copy()
    source = Wrong(change, after)
    late = name in ("not finite", "another class") and after > 5
    error = (kind, FloatingPointError) if late else kind
    with pytest.raises(error, match=None if late else message):
        net.fit(source, batch_size=16, block_rows=64, epochs=3)
    if after < 2:
        assert (net.parameters == parameters).all()
    check_usable(net)


@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_wrong_answer_of_validation_data(after):
    for name, (change, kind, message) in WRONG.items():
        net = nb.MLP(resuming.SIZES, output="softmax", seed=0)
        message = message if kind is OwnError else f"validation_data, {message}"
        with pytest.raises(kind, match=message):
            (
                net.fit(
                    Rows(*resuming.data()),
                    block_rows=64,
                    epochs=2,
                    validation_data=Wrong(change, after),
                ),
                name,
            )
        check_usable(net)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((ROWS,), r"source: expected shape \(rows, features\)"),
        ("ab", r"source: expected shape \(rows, features\)"),
        ((ROWS, -1), "source, shape: expected at least 0"),
        ((ROWS, 2.0), "source, shape: expected an integer"),
        ((0, 30), "X: expected at least one row, got 0"),
        ((ROWS, 29), "X: expected shape"),
    ],
)
def test_a_wrong_shape(shape, message):
    source = Rows(*resuming.data())
    source.shape = shape
    with pytest.raises((ValueError, TypeError), match=message):
        nb.MLP(resuming.SIZES, output="softmax", seed=0).fit(source)


def test_arguments_beside_a_source():
    x, y = resuming.data()
    net = nb.MLP(resuming.SIZES, output="softmax", seed=0)
    for given, message in (
        ({"X": Rows(x, y), "y": y}, "y: expected None beside a source"),
        ({"X": Rows(x, y), "sample_weight": y}, "sample_weight: expected None beside a source"),
        ({"X": x}, "y: expected an array beside X, got None"),
        ({"X": x, "y": y, "block_rows": 5}, "block_rows: expected None for arrays in memory"),
        ({"X": Rows(x, y), "block_rows": 0}, "block_rows: expected at least 1"),
        ({"X": Rows(x, y), "batch_size": 0}, "batch_size: expected at least 1"),
        (
            {"X": Rows(x, y, chunk_rows=0), "block_rows": 99},
            "source, chunk_rows: expected at least 1",
        ),
        ({"X": Rows, "y": y}, "X: expected"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            net.fit(**given)


def test_the_weights_before_an_error_are_those_of_the_blocks_before():
    source = Wrong(fail, after=1 + 4)  # the first row, and the chunks of the first block
    net = nb.MLP(resuming.SIZES, output="softmax", seed=0)
    with pytest.raises(OwnError):
        net.fit(source, batch_size=16, block_rows=64, shuffle=False, epochs=3)
    twin = nb.MLP(resuming.SIZES, output="softmax", seed=0)
    x, y = resuming.data()
    twin.fit(x[:64], y[:64], batch_size=16, shuffle=False, epochs=1)
    assert (net.parameters == twin.parameters).all()
    assert net.epochs == 0
    assert net.history.loss == []


# ---- Ctrl-C, memory ------------------------------------------------------------------------------


class Slow(Rows):
    """Waits in the middle of reading until it is told to go on."""

    def __init__(self, after):
        super().__init__(*resuming.data())
        self.after, self.reached, self.go_on = after, threading.Event(), threading.Event()

    def read(self, rows):
        if len(self.reads) == self.after:
            self.reached.set()
            self.go_on.wait(60)
        return super().read(rows)


@pytest.mark.parametrize("after", [1, 5, 9])
def test_ctrl_c_while_rows_are_read(after):
    source = Slow(after)

    def interrupt():
        source.reached.wait(60)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    net = nb.MLP(resuming.SIZES, output="softmax", seed=0)
    with pytest.raises(KeyboardInterrupt):
        net.fit(source, batch_size=16, block_rows=64, epochs=10_000)
    assert readers()  # it still reads; nothing waits for it
    source.go_on.set()
    check_usable(net)


LIMITED = """
import resource, sys
import numpy as np
import nablas as nb

class Computed:
    shape = 24 * 2**16, 128  # blocks of 32 MB, 0.8 GB in all
    def read(self, rows):
        return np.full((rows.stop - rows.start, 128), 0.5, np.float32), np.zeros(rows.stop - rows.start)

nb.set_num_threads(1)  # a helper's stack would count
net = nb.MLP([128, 1], seed=0)
net.fit(np.zeros((4096, 128), np.float32), np.zeros(4096), batch_size=2048, epochs=1)
now = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmData"))
limit = now * 1024 + int(float(sys.argv[1]) * 2**25) + 2**25
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
net.fit(Computed(), batch_size=2048, epochs=1, block_rows=2**16)
print("done")
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc/self/status")
def test_two_blocks_in_memory():
    """Two blocks, and as much again as one for a piece, labels and the thread; with one: MemoryError."""
    for blocks, ends in ((2, True), (0.5, False)):
        done = subprocess.run(
            [sys.executable, "-c", LIMITED, str(blocks)],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert (done.stdout == "done\n") == ends, done.stderr
        if not ends:
            assert "MemoryError" in done.stderr


class OneAtATime(Rows):
    """Counts the reads that are under way at one time; its arrays are used again by the next read."""

    def __init__(self):
        super().__init__(*resuming.data())
        self.under_way, self.most, self.lock = 0, 0, threading.Lock()
        self.x, self.y = np.zeros((64, self.shape[1]), np.float32), np.zeros(64, np.int64)

    def read(self, rows):
        with self.lock:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        time.sleep(0.002)
        x, y = super().read(rows)
        self.x[: len(x)], self.y[: len(y)] = x, y
        with self.lock:
            self.under_way -= 1
        return self.x[: len(x)], self.y[: len(y)]


def stopping(net, source):
    net.fit(source, epochs=9, callbacks=[lambda state: state.epoch == 2], **SMALL_BLOCKS)


def failing(net, source):
    def fail(state):
        raise OwnError

    with pytest.raises(OwnError):
        net.fit(source, epochs=9, callbacks=[fail], **SMALL_BLOCKS)


SMALL_BLOCKS = {"batch_size": 16, "block_rows": 64}
SHARED = {
    "its own validation data": lambda net, source: net.fit(
        source, validation_data=source, epochs=3, **SMALL_BLOCKS
    ),
    "stopped by a callback": stopping,
    "ended by an error": failing,
}


@pytest.mark.parametrize("how", SHARED)
def test_a_source_is_read_by_one_thread_at_a_time(how):
    """Within a fit and from one to the next, though a source's arrays are the same at every read."""
    source, rows = OneAtATime(), Rows(*resuming.data())
    nets = [nb.MLP(resuming.SIZES, output="softmax", seed=0) for _ in range(2)]
    for net, given in zip(nets, (source, rows), strict=True):
        for _ in range(2):
            SHARED[how](net, given)
            assert not readers()
    assert source.most == 1
    assert nets[0].parameters.tobytes() == nets[1].parameters.tobytes()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_while_a_source_is_read():
    source = Slow(5)
    net = nb.MLP(resuming.SIZES, output="softmax", seed=0)
    fit = threading.Thread(target=lambda: net.fit(source, epochs=2, **SMALL_BLOCKS))
    fit.start()
    assert source.reached.wait(60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads
        child = os.fork()
    if child == 0:
        source.after = -1
        signal.alarm(30)
        nb.MLP(resuming.SIZES, output="softmax", seed=0).fit(source, epochs=1, **SMALL_BLOCKS)
        os._exit(7)
    source.go_on.set()
    fit.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
