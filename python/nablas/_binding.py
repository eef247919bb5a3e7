"""Updates of arrays and Tensors outside a network, for `Optimizer.bind`.

All that a step reads is checked before it updates anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _checks, kernels

Array = NDArray[Any]
Rule = Callable[[float, int, Array], None]  # of a learning rate, a step from 1, a flat gradient


def flat(parameters: Array) -> Array:
    """A flat view of an array that an update can write to, or TypeError, or ValueError."""
    _checks.unmasked("parameters", parameters)
    if parameters.dtype.char not in "fd" or not parameters.dtype.isnative:
        got = parameters.dtype if parameters.dtype.isnative else "one with its bytes swapped"
        raise TypeError(f"parameters: expected float32 or float64, got {got}")
    for flag, expected, got in (
        (parameters.flags.c_contiguous, "a contiguous", "strided"),
        (parameters.flags.aligned, "an aligned", "misaligned"),
        (parameters.flags.writeable, "a writeable", "read-only"),
    ):
        if not flag:
            raise ValueError(f"parameters: expected {expected} array, got a {got} one")
    return parameters.reshape(-1)


def leaves(parameters: Any) -> list[Any]:
    """The Tensors of `parameters`, one or several, or TypeError."""
    one = hasattr(parameters, "backward")
    found = [parameters] if one else _checks.items("parameters", parameters, "an array or Tensors")
    for i, tensor in enumerate(found):
        if not (hasattr(tensor, "backward") and tensor.requires_grad and tensor.is_leaf):
            raise TypeError(
                f"parameters: expected an array or Tensors made with requires_grad=True, got "
                f"{tensor!r:.60} at {i}"
            )
    return found


def checked_gradient(name: str, gradient: Any, parameters: Array) -> Array:
    """A gradient as a flat array of the parameters' dtype, or TypeError, or ValueError."""
    array = _checks.plain_array(name, gradient)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name}: expected numbers, got dtype {array.dtype}")
    if array.shape != parameters.shape:
        raise ValueError(f"{name}: expected shape {parameters.shape}, got {array.shape}")
    with np.errstate(over="ignore"):  # overflows become infinities
        return np.ascontiguousarray(array, dtype=parameters.dtype).reshape(-1)


def rule(name: str, hyperparameters: Any, parameters: Array, states: list[Array]) -> Rule:
    """The update of flat parameters by the optimizer `name`, which changes them and the states."""

    def update(rate: float, step: int, gradient: Array) -> None:
        kernels.optimizer_update(
            name, parameters, gradient, states, step=step, learning_rate=rate, **hyperparameters
        )

    return update


def update_of_array(parameters: Array, rule: Rule) -> Callable[..., None]:
    """A function of a rate, a step and the gradient that updates an array."""

    def update(rate: float, step: int, gradient: Any) -> None:
        rule(rate, step, checked_gradient("gradient", gradient, parameters))

    return update


def update_of_tensors(tensors: list[Any], rules: list[Rule]) -> Callable[..., None]:
    """A function of a rate and a step that updates all Tensors whose `grad` is set."""
    arrays = [tensor.data for tensor in tensors]

    def update(rate: float, step: int) -> None:
        due = []
        for i, (tensor, array, rule) in enumerate(zip(tensors, arrays, rules, strict=True)):
            if tensor.data is not array:
                raise RuntimeError(
                    "parameters: expected their arrays to stay, got a new one in `data`; edit "
                    "it in place, or bind again"
                )
            if (grad := tensor.grad) is not None:
                name = "gradient" if len(tensors) == 1 else f"gradient of parameter {i}"
                grad = grad.data if hasattr(grad, "backward") else grad
                due.append((tensor, rule, checked_gradient(name, grad, array)))
        for tensor, rule, gradient in due:
            if tensor.grad is not None:  # which is so for the first of two equal Tensors
                rule(rate, step, gradient)
                tensor.mark_edited()
                tensor.grad = None

    return update
