"""Losses by name or as a Python function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _core

Array = NDArray[Any]
LossFunction = Callable[..., tuple[float, Array]]


def default_loss(output: str) -> str:
    """The loss linked to an output activation; mse where there is none."""
    for name, link in _core.losses().items():
        if link == output and link != "identity":
            return name
    return "mse"


def resolve(loss: str | LossFunction | None, output: str) -> str | LossFunction:
    """A loss that fits the output activation, or ValueError."""
    if loss is None:
        return default_loss(output)
    if callable(loss):
        return loss
    links = _core.losses()
    if loss not in links:
        raise ValueError(f"loss: expected one of {', '.join(links)} or a function, got {loss!r}")
    if links[loss] not in ("identity", output):
        raise ValueError(
            f"loss: expected one that fits output {output!r}, got {loss!r}, which needs "
            f"output {links[loss]!r}"
        )
    return loss


def call(
    loss: LossFunction, outputs: Array, targets: Array, weight: Array | None = None
) -> tuple[float, Array]:
    """Value and gradient of a user's loss, checked; weights go to its `sample_weight`."""
    settings = {} if weight is None else {"sample_weight": weight}
    result = loss(outputs, targets, **settings)
    if not (isinstance(result, tuple) and len(result) == 2):
        raise TypeError(f"loss: expected (value, gradient) from the function, got {result!r:.60}")
    value, gradient = float(result[0]), np.asarray(result[1], dtype=outputs.dtype)
    if gradient.shape != outputs.shape:
        raise ValueError(
            f"loss: expected a gradient of shape {outputs.shape}, got {gradient.shape}"
        )
    return value, gradient
