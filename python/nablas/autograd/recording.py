"""The recording mode, the numbering of operations, and the record of edits in place."""

from __future__ import annotations

import functools
import inspect
import itertools
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextvars import ContextVar, Token
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from .. import _checks

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
# What entered `no_grad` or `enable_grad` last, the mode before it, and the entry before it
_entered: ContextVar[tuple[object, bool | _Off, Any] | None] = ContextVar("entered", default=None)
next_number = itertools.count(1).__next__  # one sequence for operations and edits


def set_recording(on: bool) -> Token[bool | _Off]:
    """Record operations of this thread, or of this task of asyncio, or do not."""
    return _mode.set(on or _here.off)


class _Recording:
    """Records operations inside ``with`` and inside functions that it decorates, or does not.

    One object may be used again, nested in itself, and by several threads.
    """

    def __init__(self, on: bool) -> None:
        self._on = on

    def __enter__(self) -> None:
        _entered.set((self, recording(), _entered.get()))
        set_recording(self._on)

    def __exit__(self, *error: object) -> None:
        later, entry = [], _entered.get()
        while entry is not None and entry[0] is not self:
            later.append(entry)
            entry = entry[2]
        if entry is None:  # a task of asyncio ends what another one began
            return
        _, before, rest = entry
        if not later:
            _mode.set(before)
        # What entered after it and has not left, such as a generator's caller, stays in force.
        for i, (owner, mode, _) in enumerate(reversed(later)):
            rest = owner, (mode if i else before), rest
        _entered.set(rest)

    def __call__(self, function: F) -> F:
        call: Any = _checks.function("function", function)
        if inspect.isgeneratorfunction(call):
            return cast(F, self._of_generators(call))
        if inspect.isasyncgenfunction(call):
            return cast(F, self._of_async_generators(call))
        if inspect.iscoroutinefunction(call):

            @functools.wraps(call)
            async def awaited(*inputs: Any, **settings: Any) -> Any:
                with self:
                    return await call(*inputs, **settings)

            return cast(F, awaited)

        @functools.wraps(call)
        def called(*inputs: Any, **settings: Any) -> Any:
            with self:
                return call(*inputs, **settings)

        return cast(F, called)

    def _of_generators(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The mode holds while the generator runs, not while its caller does."""

        @functools.wraps(function)
        def generator(*inputs: Any, **settings: Any) -> Any:
            inner = function(*inputs, **settings)
            resume, given = inner.send, None
            try:
                while True:
                    with self:
                        value = resume(given)
                    try:
                        resume, given = inner.send, (yield value)
                    except GeneratorExit:
                        with self:
                            inner.close()
                        raise
                    except BaseException as error:
                        resume, given = inner.throw, error
            except StopIteration as done:
                return done.value

        return generator

    def _of_async_generators(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """As `_of_generators`, for ``async def`` with ``yield``."""

        @functools.wraps(function)
        async def generator(*inputs: Any, **settings: Any) -> Any:
            inner = function(*inputs, **settings)
            resume, given = inner.asend, None
            while True:
                try:
                    with self:
                        value = await resume(given)
                except StopAsyncIteration:
                    return
                try:
                    resume, given = inner.asend, (yield value)
                except GeneratorExit:
                    with self:
                        await inner.aclose()
                    raise
                except BaseException as error:
                    resume, given = inner.athrow, error

        return generator


def no_grad(function: F | None = None) -> Any:
    """Do not record operations of this thread: ``with no_grad():`` or ``@no_grad``.

    A decorated generator or ``async def`` does not record while it runs itself.

    Examples
    --------
    >>> from nablas.autograd import Tensor, no_grad
    >>> x = Tensor(2.0, requires_grad=True)
    >>> with no_grad():
    ...     y = x * x
    >>> y.requires_grad
    False
    """
    return _Recording(False) if function is None else _Recording(False)(function)


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
    return _Recording(True) if function is None else _Recording(True)(function)


def always_recorded(function: F) -> F:
    """`enable_grad` around a function that differentiates, so that it works inside `no_grad`."""
    return cast(F, enable_grad(function))


MOST_COPIED = 4096  # entries of an array that is copied into the graph


def kept(constant: Any) -> Any:
    """What the graph keeps of a constant that a rule will read: a copy of a small array.

    A later edit of a small array changes no gradient; a larger array must not be edited before
    `backward`. A read-only array is copied, too: its memory may be edited through another one.
    """
    if isinstance(constant, np.ndarray) and constant.size <= MOST_COPIED:
        return constant.copy()
    return constant


def _owner(array: Array) -> Array:
    """The array whose memory it is a view of."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


class _Places:
    """Arrays that were edited, in the order of their latest edits.

    Arrays that no longer exist are removed when the number of entries has doubled, so that a note
    takes the same time however many arrays there are.
    """

    def __init__(self) -> None:
        self.noted: dict[int, tuple[int, weakref.ref[Array]]] = {}
        self._most = 1000

    def note(self, array: Array, number: int) -> None:
        self.noted.pop(id(array), None)  # so that it is the last
        self.noted[id(array)] = number, weakref.ref(array)
        if len(self.noted) > self._most:
            places = self.noted.copy()
            self.noted = {i: p for i, p in places.items() if p[1]() is not None}
            self._most = max(1000, 2 * len(self.noted))

    def after(self, since: int) -> Iterator[Array]:
        """Those with an edit later than `since`."""
        for number, place in reversed(list(self.noted.values())):
            if number <= since:
                return
            array = place()
            if array is not None:
                yield array


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
        self._owning = _Places()  # arrays that own their memory: no two of these share any
        self._others = _Places()  # arrays of a buffer, which other arrays may be of, too

    def note(self, array: Array) -> None:
        """Record that the array was edited."""
        owner = _owner(array)
        with self.lock:
            self.last = next_number()
            places = self._owning if owner.flags.owndata else self._others
            places.note(owner, self.last)

    def touched(self, array: Array, since: int) -> bool:
        """Whether an edit later than `since` may have changed the array."""
        owner = _owner(array)
        with self.lock:
            if owner.flags.owndata:
                number, place = self._owning.noted.get(id(owner), (0, None))
                if number > since and place is not None and place() is owner:
                    return array.size > 0
                found = self._others.after(since)
            else:
                found = itertools.chain(self._owning.after(since), self._others.after(since))
            return any(np.may_share_memory(edited, array) for edited in found)


edits = Edits()


def _after_fork() -> None:
    edits.lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
