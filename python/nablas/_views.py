"""Views of parameters that may be assigned to, with checks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]


class Views(tuple[Array, ...]):
    """Arrays that share memory with a network's parameters; assigning an item copies into it."""

    def __setitem__(self, index: int | slice, value: Any) -> None:
        if not isinstance(index, slice):
            return copy_into(self[index], value, f"[{index}]")
        views, values = self[index], list(value)
        if len(values) != len(views):
            raise ValueError(f"value: expected {len(views)} arrays, got {len(values)}")
        copies = [  # of all before the first is written, which may be one of them
            None if one is view else np.array(one, view.dtype)
            for view, one in zip(views, values, strict=True)
        ]
        for i, (view, copy) in enumerate(zip(views, copies, strict=True)):
            if copy is not None:
                _check_shape(view, copy, f"value[{i}]")
        for view, copy in zip(views, copies, strict=True):
            if copy is not None:
                view[...] = copy


def _check_shape(view: Array, value: ArrayLike, name: str) -> None:
    if np.shape(value) != view.shape:
        raise ValueError(f"{name}: expected shape {view.shape}, got {np.shape(value)}")


def copy_into(view: Array, value: ArrayLike, name: str) -> None:
    """Write `value` to the view, or ValueError for another shape."""
    if value is view:  # after an operation in place, such as ``net.weights[0] -= step``
        return
    _check_shape(view, value, name)
    view[...] = value
