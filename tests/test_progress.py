"""The progress of a fit: terminals of any width, logs, notebooks, and a standard error that is not there."""

import io
import itertools
import os
import re
import subprocess
import sys
import types

import pytest
from cases import iris, small

import nablas as nb
from nablas import _progress

TEXTS = ["loss 1.234e-05", "val loss 0.2345", "val accuracy 0.9667"]


@pytest.mark.parametrize("epochs", [1, 100, 10_000])
@pytest.mark.parametrize("seconds", [0.0, 59.9, 36_000.0])
def test_epoch_loss_and_time_are_whole(epochs, seconds):
    for width, share, count in itertools.product(range(40, 200), [0, 0.5, 1], range(4)):
        text = _progress.line(width, share * epochs, epochs, seconds, TEXTS[:count])
        assert len(text) < width
        words = text.split("  ")
        assert words[0].removeprefix("epoch ") == f"{int(share * epochs)}/{epochs}"
        assert _progress.clock(seconds) in words
        assert count == 0 or TEXTS[0] in words
        assert all(w in TEXTS for w in words if w.startswith(("loss", "val")))


def test_eighty_columns_have_more():
    assert _progress.line(80, 12.5, 100, 83.0, TEXTS[:1]) == (
        "epoch 12/100  [###.........................]  1:23  eta 9:41  loss 1.234e-05"
    )
    assert _progress.line(80, 12.5, 100, 83.0, TEXTS) == (
        "epoch 12/100  1:23  loss 1.234e-05  val loss 0.2345  val accuracy 0.9667"
    )
    assert _progress.line(40, 12.5, 100, 83.0, TEXTS) == "epoch 12/100  1:23  loss 1.234e-05"


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0:00"), (59.99, "0:59"), (3599, "59:59"), (3600, "1:00:00"), (90_061, "25:01:01")])  # fmt: skip
def test_the_clock(seconds, shown):
    assert _progress.clock(seconds) == shown


@pytest.fixture
def time(monkeypatch):
    """A clock that stands still unless it is moved."""
    clock = types.SimpleNamespace(now=100.0)
    monkeypatch.setattr(_progress.time, "monotonic", lambda: clock.now)
    return clock


def followed(time, steps, seconds_each, ends=None):
    """Reports of `steps` epochs, each some seconds long, and what an end at `ends` leaves."""
    with _progress.progress_bar(steps) as report:
        for i in range(ends or steps):
            time.now += seconds_each
            report(i + 1, [f"loss {i}"])


@pytest.mark.parametrize("seconds_each", [0.001, 1.0, 100.0])
def test_a_log_has_a_line_now_and_then(monkeypatch, time, seconds_each):
    monkeypatch.setattr(sys, "stderr", stream := io.StringIO())
    followed(time, 1000, seconds_each)
    lines = stream.getvalue().splitlines()
    assert not re.search(r"[\r\x1b]", stream.getvalue())
    assert lines[-1].startswith("epoch 1000/1000")
    assert len(lines) <= 10 + 1000 * seconds_each / 60 or seconds_each > 60
    assert len(lines) >= min(1000, 1000 * seconds_each / 61)


class Terminal(io.StringIO):
    """A terminal: what each of its rows shows; a text that reaches the last column would wrap."""

    def isatty(self):
        return True

    def rows(self, width):
        row, done = [], []
        for char in self.getvalue():
            if char == "\r":
                column = 0
            elif char == "\n":
                done.append("".join(row).rstrip())
                row, column = [], 0
            else:
                row[column : column + 1] = char
                column += 1
                assert len(row) < width
        return done, "".join(row)


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("ends", [None, 7])
def test_a_terminal_has_one_line(monkeypatch, time, width, ends):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", stream := Terminal())
    followed(time, 12, 0.06, ends)
    (shown,), left = stream.rows(width)
    assert left == ""
    assert shown.startswith(f"epoch {ends or 12}/12")
    assert shown.endswith(f"loss {(ends or 12) - 1}")


def test_a_real_terminal_of_forty_columns():
    pty = pytest.importorskip("pty")
    import fcntl
    import struct
    import termios

    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    code = "import numpy as np, nablas as nb; nb.MLP([1, 1]).fit(np.ones((9, 1)), np.ones(9), epochs=30, progress=True)"
    environment = {k: v for k, v in os.environ.items() if k != "COLUMNS"} | {"TERM": "xterm"}
    done = subprocess.run([sys.executable, "-c", code], stderr=side, stdout=subprocess.DEVNULL, env=environment)  # fmt: skip
    os.close(side)
    text = os.read(main, 100_000).decode()
    os.close(main)
    assert done.returncode == 0
    last = text.rstrip("\r\n").split("\r")[-1].rstrip()
    assert re.fullmatch(r"epoch 30/30  (\[#+\]  )?\d:\d\d  loss \S+", last)
    assert all(len(part) < 40 for part in text.split("\r"))


def notebook(monkeypatch, widgets):
    """Stands in for IPython in a kernel; returns what the cell shows: texts, each with its updates."""
    shown = []

    class Handle:
        def __init__(self, content):
            self.texts = [content["text/plain"]]
            shown.append(self.texts)

        def update(self, content, raw):
            assert raw
            self.texts.append(content["text/plain"])

    def display(content, raw, display_id):
        assert raw
        assert display_id
        return Handle(content)

    shell = types.SimpleNamespace(kernel=object())
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: shell
    ipython.display = types.ModuleType("IPython.display")
    ipython.display.display = display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", ipython.display)
    monkeypatch.setitem(sys.modules, "ipywidgets", types.ModuleType("ipywidgets") if widgets else None)  # fmt: skip
    return shown, shell


@pytest.mark.parametrize("widgets", [True, False])
def test_a_notebook_has_one_text(monkeypatch, capsys, time, widgets):
    shown, _ = notebook(monkeypatch, widgets)
    followed(time, 30, 0.1)
    (texts,) = shown
    assert len(texts) > 3
    assert texts[-1].startswith("epoch 30/30")
    assert capsys.readouterr() == ("", "")


def test_ipython_without_a_kernel_is_a_terminal(monkeypatch, capsys, time):
    shown, shell = notebook(monkeypatch, False)
    shell.kernel = None
    followed(time, 3, 1.0)
    assert shown == []
    assert "epoch 3/3" in capsys.readouterr().err


def test_a_notebook_for_real():
    """Where Jupyter is installed: a cell that fits shows the last epoch, in an output of its own."""
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    code = "import numpy as np, nablas as nb\nnet = nb.MLP([1, 1])\nnet.fit(np.ones((9, 1)), np.ones(9), epochs=5, progress=True);"
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    nbclient.NotebookClient(book, timeout=120, kernel_name="python3").execute()
    (output,) = book.cells[0].outputs
    assert output["output_type"] == "display_data"
    assert output["data"]["text/plain"].startswith("epoch 5/5")


class Broken(io.StringIO):
    """Writing fails: a closed pipe, a full disk."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def write(self, text):
        raise self.error


class Bare:
    """All that is needed of a stream to write to it."""

    def write(self, text):
        pass

    def flush(self):
        pass


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("stream", [None, Broken(BrokenPipeError()), Broken(OSError(28, "no space")), Broken(ValueError("closed")), closed(), Bare()])  # fmt: skip
def test_a_missing_or_broken_stream_ends_no_fit(monkeypatch, stream):
    monkeypatch.setattr(sys, "stderr", stream)
    x, y = iris()
    assert len(small().fit(x, y, epochs=3, progress=True)) == 3


def test_early_stopping_shows_the_last_epoch(capsys):
    x, y = iris()
    small().fit(x, y, epochs=50, progress=True, callbacks=[lambda state: state.epoch == 4])
    assert capsys.readouterr().err.splitlines()[-1].startswith("epoch 4/50")


def test_an_interrupt_ends_the_line(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", stream := Terminal())

    def stop(state):
        raise KeyboardInterrupt

    x, y = iris()
    with pytest.raises(KeyboardInterrupt):
        small().fit(x, y, epochs=5, progress=True, callbacks=[stop])
    assert stream.getvalue() == "" or stream.getvalue().endswith("\n")


def test_progress_needs_no_package():
    code = "import sys; sys.modules['rich'] = None; import nablas as nb; nb.MLP([1, 1]).fit([[0.0]], [1.0], epochs=2, progress=True)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("epoch 2/2")
    assert nb.MLP is not None
