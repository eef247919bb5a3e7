"""Attributes of an object, those in `__slots__` included."""

from __future__ import annotations

from typing import Any


def attributes(of: object) -> dict[str, Any]:
    """All attributes of an object, those in `__slots__` too."""
    held = object.__getstate__(of)  # with __slots__ a pair of dicts; each may be None
    parts = held if isinstance(held, tuple) else (held,)
    return {name: value for part in parts for name, value in (part or {}).items()}
