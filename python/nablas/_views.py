"""Views of parameters that may be assigned to, with checks."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike, NDArray

from . import _checks

Array = NDArray[Any]


class Views(tuple[Array, ...]):
    """Arrays that share memory with a network's parameters; assigning an item copies into it."""

    def __setitem__(self, index: int | slice, value: Any) -> None:
        if not isinstance(index, slice):
            return copy_into(self[index], value, f"[{index}]")
        views, values = self[index], _checks.items("value", value, "arrays")
        if len(values) != len(views):
            raise ValueError(f"value: expected {len(views)} arrays, got {len(values)}")
        copies = [  # of all before the first is written, which may be one of them
            None if one is view else _checks.numbers(f"value[{i}]", one).astype(view.dtype)
            for i, (view, one) in enumerate(zip(views, values, strict=True))
        ]
        for i, (view, copy) in enumerate(zip(views, copies, strict=True)):
            if copy is not None:
                _check_shape(view, copy, f"value[{i}]")
        for view, copy in zip(views, copies, strict=True):
            if copy is not None:
                view[...] = copy


def _check_shape(view: Array, value: Array, name: str) -> None:
    if value.shape != view.shape:
        raise ValueError(f"{name}: expected shape {view.shape}, got {value.shape}")


def copy_into(view: Array, value: ArrayLike, name: str) -> None:
    """Write `value` to the view; TypeError or ValueError for no numbers or another shape."""
    if value is view:  # after an operation in place, such as ``net.weights[0] -= step``
        return
    found = _checks.numbers(name, value)
    _check_shape(view, found, name)
    view[...] = found
