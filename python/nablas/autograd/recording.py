"""The recording mode, the numbering of operations, and the record of edits in place."""

from __future__ import annotations

import itertools
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
F = TypeVar("F", bound=Callable[..., Any])


class _Off:
    """False in its own thread, true in others.

    A thread of a free-threaded Python begins with a copy of the context in which it was started.
    """

    def __bool__(self) -> bool:
        return _here.off is not self


class _Here(threading.local):
    def __init__(self) -> None:
        self.off = _Off()


_here = _Here()
_mode: ContextVar[bool | _Off] = ContextVar("recording", default=True)
recording, reset_recording = (
    _mode.get,
    _mode.reset,
)  # recording(): what is true if operations are recorded
next_number = itertools.count(1).__next__  # one sequence for operations and edits


def set_recording(on: bool) -> Token[bool | _Off]:
    """Record operations of this thread, or of this task of asyncio, or do not."""
    return _mode.set(on or _here.off)


@contextmanager
def _set_recording(on: bool) -> Iterator[None]:
    token = set_recording(on)
    try:
        yield
    finally:
        reset_recording(token)


def no_grad(function: F | None = None) -> Any:
    """Do not record operations of this thread: ``with no_grad():`` or ``@no_grad``.

    Examples
    --------
    >>> from nablas.autograd import Tensor, no_grad
    >>> x = Tensor(2.0, requires_grad=True)
    >>> with no_grad():
    ...     y = x * x
    >>> y.requires_grad
    False
    """
    return _set_recording(False) if function is None else _set_recording(False)(function)


def enable_grad(function: F | None = None) -> Any:
    """Record operations also inside `no_grad`: ``with enable_grad():`` or ``@enable_grad``.

    Examples
    --------
    >>> from nablas.autograd import Tensor, enable_grad, no_grad
    >>> x = Tensor(2.0, requires_grad=True)
    >>> with no_grad(), enable_grad():
    ...     y = x * x
    >>> y.requires_grad
    True
    """
    return _set_recording(True) if function is None else _set_recording(True)(function)


def always_recorded(function: F) -> F:
    """`enable_grad` around a function that differentiates, so that it works inside `no_grad`."""
    return cast(F, enable_grad(function))


MOST_COPIED = 4096  # entries of an array that is copied into the graph


def kept(constant: Any) -> Any:
    """What the graph keeps of a constant that a rule will read: a copy of a small array.

    A later edit of a small array changes no gradient; a larger array must not be edited before
    `backward`.
    """
    if type(constant) is np.ndarray and constant.size <= MOST_COPIED and constant.flags.writeable:
        return constant.copy()
    return constant


class Edits:
    """Which memory was edited in place, and when.

    Operations are not checked unless an edit is newer than the operation: `last` is the latest.

    Attributes
    ----------
    lock : RLock
        Held while threads change what they share: this record, or a Tensor's `grad`. A signal
        handler of the thread that has it may take it again; a forked child finds it free.
    """

    def __init__(self) -> None:
        self.last, self.lock = 0, threading.RLock()
        self._places: dict[int, tuple[int, weakref.ref[Array]]] = {}

    def note(self, array: Array) -> None:
        """Record that the array was edited."""
        while isinstance(array.base, np.ndarray):
            array = array.base
        with self.lock:
            self.last = next_number()
            self._places[id(array)] = self.last, weakref.ref(array)
            if len(self._places) > 1000:
                places = self._places.copy()
                self._places = {i: p for i, p in places.items() if p[1]() is not None}

    def touched(self, array: Array, since: int) -> bool:
        """Whether an edit later than `since` may have changed the array."""
        with self.lock:
            places = list(self._places.values())
        for number, place in places:
            edited = place() if number > since else None
            if edited is not None and np.may_share_memory(edited, array):
                return True
        return False


edits = Edits()


def _after_fork() -> None:
    edits.lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
