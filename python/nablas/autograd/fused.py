"""Dense layers and losses as one operation each, on the C++ kernels.

Forward and first derivatives use ``nablas.kernels``. With ``create_graph=True`` the same
derivatives are composed of Tensor operations, so that they are recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import _checks, kernels, reference
from .._registry import ACTIVATIONS, LOSSES, LossEntry
from . import _arrays
from .functions import as_tensor, concatenate, operand
from .rules import Operation
from .tensor import Tensor, as_data, record

# ---- dense layer: inputs (x, weights, activation, z or None) -----------------------------------


def _dense_joint(g: Any, y: Any, wanted: Any, x: Any, weights: Any, name: str, z: Any) -> list[Any]:
    if isinstance(g, Tensor):
        x, weights = as_tensor(x), as_tensor(weights)
        delta = _arrays.times_slope(g, x @ weights[1:] + weights[0], name)
    elif name == "identity":
        delta = g
    else:
        delta = _arrays.times_slope(g, y if z is None else z, name)
    by_x: Any = None
    by_weights: Any = None
    if wanted[0]:
        by_x = _arrays.product(delta, weights[1:], False, True)
    if wanted[1] and isinstance(g, Tensor):
        by_weights = concatenate([delta.sum(0, keepdims=True), _arrays.product(x, delta, True)])
    elif wanted[1]:
        by_weights = np.empty(weights.shape, weights.dtype)
        np.add.reduce(delta, axis=0, out=by_weights[0])
        kernels.matmul(x, delta, transpose_a=True, out=by_weights[1:])
    return [by_x, by_weights, None, None]


_DENSE = Operation(
    lambda: None, joint=_dense_joint, needs=("y13", "y03"), needs_on_tensors="01", own="013"
)
_DENSE.name = "dense"


def dense(x: Any, weights: Any, activation: str = "identity") -> Tensor:
    """A dense layer, ``g(x W + b)``.

    Parameters
    ----------
    x : Tensor of shape (n, inputs)
    weights : Tensor of shape (inputs + 1, outputs)
        Row 0 is the bias, as in ``nablas.kernels.dense_forward``.
    activation : str
        A registered activation; see ``nablas.activations()``.

    Returns
    -------
    Tensor of shape (n, outputs)

    Examples
    --------
    >>> from nablas.autograd import Tensor, dense
    >>> x, weights = [[1.0, 2.0]], Tensor([[0.5], [1.0], [2.0]], requires_grad=True)
    >>> dense(x, weights, "relu").sum().backward()
    >>> weights.grad  # row 0 is the bias's
    Tensor([[1.],
            [1.],
            [2.]])
    """
    rows, block = operand(x), operand(weights)  # with copies of small arrays
    entry = ACTIVATIONS.get(activation) if isinstance(activation, str) else None
    z = None
    if entry is not None and entry.kept == "preactivation" and rows.ndim == block.ndim == 2:
        z = np.empty((len(rows._data), block.shape[-1]), block.dtype)
    y = kernels.dense_forward(rows._data, block._data, activation, preactivation_out=z)
    return record(_DENSE, (rows, block, activation, z), y)


# ---- losses: inputs (z, targets, weight, delta) ------------------------------------------------


def _loss_operation(name: str, hyperparameters: dict[str, float]) -> Operation:
    averaged = LOSSES[name].averaged

    def rule(g: Any, y: Any, z: Any, targets: Any, weight: Any, delta: Any) -> Any:
        if not isinstance(g, Tensor):
            return g * delta
        z = as_tensor(z)
        if LOSSES[name].takes_labels and targets.ndim == 1:
            targets = np.eye(z.shape[1], dtype=z.dtype)[targets.astype(np.int64)]
        share = np.ones(len(targets)) if weight is None else weight
        share = share / (share.sum() or 1) / (max(z.shape[1], 1) if averaged else 1)
        slope = reference.LOSSES[name].entries(z, targets, **hyperparameters)[1]
        return g * (slope * share[:, np.newaxis].astype(z.dtype))

    operation = Operation(lambda: None, rule, needs="3", needs_on_tensors="012", own="3")
    operation.name = name
    return operation


def _loss(name: str, entry: LossEntry) -> Callable[..., Tensor]:
    kernel, operation = getattr(kernels, entry.function), _loss_operation(name, {})

    def loss(
        z: Any, targets: Any, *, sample_weight: ArrayLike | None = None, **hyperparameters: float
    ) -> Tensor:
        if hyperparameters or isinstance(targets, Tensor):
            for argument, given in {"targets": targets, **hyperparameters}.items():
                if isinstance(given, Tensor) and given.requires_grad:
                    raise TypeError(
                        f"{argument}: expected no gradient to be wanted; detach() or write the "
                        "loss out"
                    )
        tensor = as_tensor(z)
        if tensor.ndim == 1 and not entry.takes_labels:
            tensor = tensor.reshape(-1, 1)
        y = _checks.plain_array("targets", targets)
        if not entry.takes_labels or y.ndim > 1:
            if y.dtype != tensor._data.dtype:
                y = as_data(y).astype(tensor._data.dtype)
            y = y.reshape(-1, 1) if y.ndim == 1 else y
        weight = sample_weight
        if weight is not None:
            weight = _checks.plain_array("sample_weight", weight, tensor.dtype)
        if weight is None and not hyperparameters:  # keywords cost time
            value, delta = kernel(tensor._data, y)
        else:
            value, delta = kernel(tensor._data, y, sample_weight=weight, **hyperparameters)
        rule = _loss_operation(name, hyperparameters) if hyperparameters else operation
        return record(rule, (tensor, y, weight, delta), np.asarray(value, tensor.dtype))

    settings = "".join(f"    {h} : float\n" for h in entry.hyperparameters)
    over = "averaged" if entry.averaged else "summed"
    labels = "class indices of shape (n,), or distributions (n, outputs)"
    loss.__name__ = loss.__qualname__ = name
    loss.__doc__ = f"""The loss ``{entry.formula}``.

    Parameters
    ----------
    z : Tensor of shape (n, outputs){"" if entry.takes_labels else " or (n,)"}
        The preactivation of output {entry.link!r}.
    targets : {labels if entry.takes_labels else "array of z's shape"}
        From {entry.lowest:.3g} to {entry.highest:.3g}.
    sample_weight : array of shape (n,), optional
{settings}
    Returns
    -------
    Tensor
        A single number: the (weighted) mean over the samples, {over} over the outputs.

    Raises
    ------
    ValueError, TypeError
        For shapes, dtypes or values that do not match.

    Examples
    --------
    >>> from nablas.autograd import Tensor, gradcheck, {name}
    >>> z, targets = Tensor([[0.5, -0.5]], requires_grad=True), [[0.0, 1.0]]
    >>> {name}(z, targets).backward()
    >>> z.grad.shape
    (1, 2)
    >>> gradcheck(lambda z: {name}(z, targets), z)  # against central differences
    True
    """
    return loss


LOSS_FUNCTIONS = {name: _loss(name, entry) for name, entry in LOSSES.items()}
