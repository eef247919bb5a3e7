"""The thread that reads, and locks of what is read; both also serve in a forked child."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

Loaded = TypeVar("Loaded")

WAKE_UP = 0.2  # seconds: a signal that comes just before a wait begins does not end it


class ReadLock:
    """`held` while a source is read and what it returned is copied; free in a forked child."""

    def __init__(self) -> None:
        self.held = threading.RLock()


_LOCKS: WeakValueDictionary[int, ReadLock] = WeakValueDictionary()  # by the source's id
_one_at_a_time = [threading.Lock()]  # guards _LOCKS; in a list, as a forked child gets a new one


def lock_of(source: Any) -> ReadLock:
    """A source's lock, the same for all that keep it and, beside it, the source."""
    with _one_at_a_time[0]:
        return _LOCKS.setdefault(id(source), ReadLock())


def _renew() -> None:
    _one_at_a_time[0] = threading.Lock()
    for lock in list(_LOCKS.values()):
        lock.held = threading.RLock()


if hasattr(os, "register_at_fork"):  # a thread that holds a lock may not be in the child
    os.register_at_fork(after_in_child=_renew)


class Loading(Generic[Loaded]):
    """A call on a thread of its own; it begins at once, and on this thread if none can be started.

    A forked child has no such thread: there the function is called again if it had not returned.

    Parameters
    ----------
    function : function without arguments
    """

    def __init__(self, function: Callable[[], Loaded]) -> None:
        self._function = function
        self._result: list[Loaded] = []
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = threading.Thread(
            target=self._run, name="nablas reader", daemon=True
        )
        try:
            self._thread.start()
        except RuntimeError:  # no more threads can be started
            self._thread = None
        if self._thread is None:
            self._run()
            if self._error is not None and not isinstance(self._error, Exception):
                self.result()  # an interrupt is for this thread, now

    def _run(self) -> None:
        try:
            self._result.append(self._function())
        except BaseException as error:
            self._error = error

    def wait(self) -> None:
        """Wait for the function's end."""
        while self._thread is not None and self._thread.is_alive():
            self._thread.join(WAKE_UP)

    def result(self) -> Loaded:
        """What the function returned, when it has; or what it raised. To be called once."""
        self.wait()
        if not self._result and self._error is None:  # the thread is another process's
            self._run()
        error, self._error = self._error, None
        if error is None:
            return self._result.pop()
        try:
            raise error
        finally:
            del error  # else its frames would keep it, and all that they refer to, alive

    def drop(self) -> None:
        """Wait for the function's end; what it returned or raised is forgotten."""
        self.wait()
        self._error = None
        self._result.clear()
