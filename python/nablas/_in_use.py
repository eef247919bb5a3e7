"""Callbacks that keep the state of one fit are in one fit at a time.

They hold no `Claim` as networks do: a user's subclass would have to leave it out of its copies.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from ._engine import ONE_TRAINING
from .callbacks import AnyCallback, Checkpoint, EarlyStopping

_in_use: dict[tuple[int, int], object] = {}  # by process and id of a callback: its fit


@contextmanager
def held(callbacks: Iterable[AnyCallback], fit: object) -> Iterator[None]:
    """RuntimeError if a callback of nablas, which keeps the state of one fit, is in another."""
    keys = []
    try:
        for callback in callbacks:
            if not isinstance(callback, (EarlyStopping, Checkpoint)):
                continue
            keys.append(key := (os.getpid(), id(callback)))
            if _in_use.setdefault(key, fit) is not fit:
                name = type(callback).__name__
                raise RuntimeError(
                    f"callbacks: this {name} is in use by another training; {ONE_TRAINING}"
                )
        yield
    finally:
        for key in keys:
            if _in_use.get(key) is fit:
                del _in_use[key]
