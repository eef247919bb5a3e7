"""Whole layers and losses as one operation each, on the C++ kernels.

On arrays, forward and backward are the kernels of ``nablas.kernels``; when the way back is itself
recorded, the same derivatives are written out in Tensor operations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import _core, kernels
from ._arrays import product
from .functions import as_tensor, concatenate
from .rules import SLOPES, Operation
from .tensor import Tensor, as_data, record

# ---- dense layer: inputs (x, weights, activation, z or None) -----------------------------------


def _dense_joint(g: Any, y: Any, wanted: Any, x: Any, weights: Any, name: str, z: Any) -> list[Any]:
    if isinstance(g, Tensor):
        if z is not None:
            z = as_tensor(x) @ as_tensor(weights)[1:] + as_tensor(weights)[0]
        delta = g * SLOPES[name](y if z is None else z)
        x, weights = as_tensor(x), as_tensor(weights)
    elif name == "identity":
        delta = g
    else:
        delta = kernels.hadamard_delta(g, y if z is None else z, name)
    by_x: Any = None
    by_weights: Any = None
    if wanted[0]:
        by_x = product(delta, weights[1:], False, True)
    if wanted[1] and isinstance(g, Tensor):
        by_weights = concatenate([delta.sum(0, keepdims=True), product(x, delta, True)])
    elif wanted[1]:
        by_weights = np.empty(weights.shape, weights.dtype)
        np.add.reduce(delta, axis=0, out=by_weights[0])
        kernels.matmul(x, delta, transpose_a=True, out=by_weights[1:])
    return [by_x, by_weights, None, None]


_DENSE = Operation(lambda: None, joint=_dense_joint)
_DENSE.name = "dense"


def dense(x: Any, weights: Any, activation: str = "identity") -> Tensor:
    """A layer, ``g(x W + b)``.

    Parameters
    ----------
    x : Tensor of shape (n, inputs)
    weights : Tensor of shape (inputs + 1, outputs)
        Row 0 is the bias, as in ``nablas.kernels.dense_forward``.
    activation : str
        A registered one; see ``nablas.activations()``.

    Returns
    -------
    Tensor of shape (n, outputs)
    """
    rows, block = as_tensor(x), as_tensor(weights)
    by_z = _core.activations().get(activation) == "preactivation"
    shape = (len(rows.data), block.shape[-1]) if by_z and rows.ndim == block.ndim == 2 else None
    z = np.empty(shape, block.dtype) if shape else None
    y = kernels.dense_forward(rows.data, block.data, activation, preactivation_out=z)
    return record(_DENSE, (rows, block, activation, z), y)


# ---- losses: inputs (z, targets, weight, delta) ------------------------------------------------


def _softmax_delta(z: Any, y: Any) -> Any:
    if y.ndim == 1:
        y = np.eye(z.shape[1], dtype=z.dtype)[y.astype(np.int64)]
    return z.softmax(1) * y.sum(axis=1, keepdims=True) - y


# name: (the derivative of a sample's loss by z, whether it is averaged over the outputs)
_DELTAS: dict[str, tuple[Callable[[Any, Any], Any], bool]] = {
    "mse": (lambda z, y: 2 * (z - y), True),
    "half_mse": (lambda z, y: z - y, False),
    "mae": (lambda z, y: np.sign((z - y).data), True),
    "huber": (lambda z, y: (z - y).clip(-1, 1), True),
    "cross_entropy": (_softmax_delta, False),
    "binary_cross_entropy": (lambda z, y: z.sigmoid() - y, False),
    "poisson": (lambda z, y: z.exp() - y, False),
}


def _loss_operation(name: str) -> Operation:
    slope, averaged = _DELTAS[name]

    def rule(g: Any, _y: Any, z: Any, targets: Any, weight: Any, delta: Any) -> Any:
        if not isinstance(g, Tensor):
            return g * delta
        z = as_tensor(z)
        share = np.ones(len(targets)) if weight is None else weight
        share = share / (share.sum() or 1) / (max(z.shape[1], 1) if averaged else 1)
        return g * (slope(z, targets) * share[:, np.newaxis].astype(z.dtype))

    operation = Operation(lambda: None, rule)
    operation.name = name
    return operation


def _loss(name: str, formula: str, targets_are: str) -> Callable[..., Tensor]:
    operation = _loss_operation(name)
    prefix = {"cross_entropy": "softmax_", "binary_cross_entropy": "sigmoid_"}.get(name, "")
    kernel = getattr(kernels, prefix + name)

    def loss(z: Any, targets: Any, *, sample_weight: ArrayLike | None = None) -> Tensor:
        if isinstance(targets, Tensor) and targets.requires_grad:
            raise TypeError(
                "targets: expected no gradient to be wanted; detach() them, or write the loss out"
            )
        tensor = as_tensor(z)
        if tensor.ndim == 1 and name != "cross_entropy":
            tensor = tensor.reshape(-1, 1)
        y = np.asarray(targets)
        if name != "cross_entropy" or y.ndim > 1:
            y = as_data(y).astype(tensor.dtype, copy=False)
            y = y.reshape(-1, 1) if y.ndim == 1 else y
        weight = None if sample_weight is None else np.asarray(sample_weight, tensor.dtype)
        value, delta = kernel(tensor.data, y, sample_weight=weight)
        result = np.asarray(value, tensor.dtype)
        return record(operation, (tensor, y, weight, delta), result)

    loss.__name__ = loss.__qualname__ = name
    loss.__doc__ = f"""{formula}

    Parameters
    ----------
    z : Tensor of shape (n, outputs){" or (n,)" if name != "cross_entropy" else ""}
    targets : {targets_are}
    sample_weight : array of shape (n,), optional

    Returns
    -------
    Tensor
        A single number: the (weighted) mean over the samples, as in ``nablas.losses()``.
    """
    return loss


_VALUES = "array of z's shape"
mse = _loss("mse", "``(z - y)²``, averaged over outputs.", _VALUES)
half_mse = _loss("half_mse", "``(z - y)² / 2``, summed over outputs.", _VALUES)
mae = _loss("mae", "``|z - y|``, averaged over outputs.", _VALUES)
huber = _loss("huber", "``d²/2`` up to ``d = |z - y| = 1``, then ``d - 1/2``; averaged.", _VALUES)
poisson = _loss("poisson", "Half the Poisson deviance at ``h = exp(z)``; summed.", _VALUES)
binary_cross_entropy = _loss(
    "binary_cross_entropy",
    "``-y log p - (1 - y) log(1 - p)`` at ``p = sigmoid(z)``, summed over outputs.",
    "array of z's shape, from 0 to 1",
)
cross_entropy = _loss(
    "cross_entropy",
    "``-sum(y log softmax(z))``.",
    "class indices of shape (n,), or distributions (n, outputs)",
)
