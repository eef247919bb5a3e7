"""Progress of a fit: one line in a terminal or a notebook, a line now and then in a log."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TextIO

# Called with the epochs done and texts to show, the most important first.
Report = Callable[[float, Sequence[str]], None]

_BAR_LEAST, _BAR_MOST = 8, 30  # its width
_LOG_WIDTH = 100


def clock(seconds: float) -> str:
    """``m:ss``, or ``h:mm:ss`` from an hour on."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def line(width: int, done: float, epochs: int, seconds: float, texts: Sequence[str]) -> str:
    """What a terminal of `width` columns shows, in fewer columns than these.

    The epoch, the time and the first text are whole, whatever the width. What else there is room
    for follows in this order: the other texts, the estimated time left, a bar.
    """
    first, *others = texts or [""]
    parts = {"epoch": f"epoch {int(done)}/{epochs}", "time": clock(seconds), "0": first}
    if len("  ".join(parts.values())) >= width:
        parts["epoch"] = f"{int(done)}/{epochs}"
    wanted = {str(i): text for i, text in enumerate(others, 1)}
    if 0 < done < epochs:
        wanted["left"] = f"eta {clock(seconds / done * (epochs - done))}"
    for name, text in wanted.items():
        if len("  ".join([*parts.values(), text])) >= width:
            break
        parts[name] = text
    room = width - 1 - len("  ".join([*filter(None, parts.values()), ""]))
    if room >= _BAR_LEAST:
        parts["bar"] = _bar(min(room, _BAR_MOST), done / max(epochs, 1))
    texts = [str(i) for i in range(1 + len(others))]
    order = ["epoch", "bar", "time", "left", *texts]
    return "  ".join(parts[name] for name in order if parts.get(name))


def _bar(width: int, share: float) -> str:
    filled = int(share * (width - 2))
    return f"[{'#' * filled}{'.' * (width - 2 - filled)}]"


class _Place(Protocol):
    """Where a fit's progress is shown."""

    def width(self) -> int: ...
    def pause(self, seconds: float) -> float:
        """Seconds until the next line is due, `seconds` after the beginning."""

    def show(self, text: str) -> None: ...
    def end(self) -> None: ...


class _Terminal:
    """One line, written over and over."""

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.drawn = stream, 0

    def width(self) -> int:
        try:
            return int(os.environ.get("COLUMNS", "")) or 80
        except ValueError:
            pass
        try:
            return os.get_terminal_size(self.stream.fileno()).columns or 80
        except (OSError, ValueError):
            return 80

    def pause(self, seconds: float) -> float:
        return 0.1

    def show(self, text: str) -> None:
        self.stream.write("\r" + text.ljust(min(self.drawn, self.width() - 1)))
        self.stream.flush()
        self.drawn = len(text)

    def end(self) -> None:
        if self.drawn:
            self.stream.write("\n")
            self.stream.flush()


class _Log:
    """A line now and then: after one second, then ever more seldom, at least once in a minute."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def width(self) -> int:
        return _LOG_WIDTH

    def pause(self, seconds: float) -> float:
        return min(1.0 + seconds, 60.0)

    def show(self, text: str) -> None:
        self.stream.write(text + "\n")
        self.stream.flush()

    def end(self) -> None:
        pass


class _Notebook:
    """A text below the cell, replaced in place; needs neither widgets nor JavaScript."""

    def __init__(self, display: Callable[..., Any]) -> None:
        self.display, self.handle = display, None

    def width(self) -> int:
        return _LOG_WIDTH

    def pause(self, seconds: float) -> float:
        return 0.2

    def show(self, text: str) -> None:
        content = {"text/plain": text}
        if self.handle is None:
            self.handle = self.display(content, raw=True, display_id=True)
        else:
            self.handle.update(content, raw=True)

    def end(self) -> None:
        pass


def _notebook() -> _Notebook | None:
    """The notebook this runs in: an IPython with a kernel; IPython is never loaded for it."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if getattr(shell, "kernel", None) is None:
        return None
    from IPython.display import display

    return _Notebook(display)


def _place(stream: TextIO) -> _Place:
    try:
        terminal = stream.isatty()
    except (AttributeError, ValueError):  # a stand-in without it; closed
        terminal = False
    if terminal and os.environ.get("TERM") != "dumb":
        return _Terminal(stream)
    return _Log(stream)


@contextlib.contextmanager
def progress_bar(epochs: int) -> Iterator[Report]:
    """Yields report(epochs done, texts) and shows what it is told, on standard error.

    A standard error that is missing or cannot be written to ends the showing, not the fit.
    """
    if sys.stderr is None:  # a program without a console
        yield lambda done, texts: None
        return
    place, start = _notebook() or _place(sys.stderr), time.monotonic()
    due = place.pause(0.0) if isinstance(place, _Log) else 0.0
    waiting: tuple[float, Sequence[str]] | None = None

    def draw(done: float, texts: Sequence[str], seconds: float) -> None:
        with contextlib.suppress(OSError, ValueError):  # a closed pipe or stream, a full disk
            place.show(line(place.width(), done, epochs, seconds, texts))

    def report(done: float, texts: Sequence[str]) -> None:
        nonlocal due, waiting
        seconds = time.monotonic() - start
        waiting = (done, texts) if seconds < due else None
        if waiting is None:
            due = seconds + place.pause(seconds)
            draw(done, texts, seconds)

    try:
        yield report
    finally:
        if waiting is not None:  # where the fit ended
            draw(*waiting, time.monotonic() - start)
        with contextlib.suppress(OSError, ValueError):
            place.end()
