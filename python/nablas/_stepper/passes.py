"""The arrays of a forward and a backward pass through a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass
class LayerPass:
    """The arrays of one layer in a forward and a backward pass.

    Attributes
    ----------
    input : array of shape (n, inputs)
    weights, bias : arrays of shape (inputs, outputs) and (outputs,)
    z, a : arrays of shape (n, outputs)
        Preactivation and activation.
    delta : array of shape (n, outputs)
        The loss's derivative with respect to z.
    dW, db : arrays of the shapes of weights and bias
        The loss's derivatives with respect to them.
    activation : str
    """

    input: Array
    weights: Array
    bias: Array
    z: Array
    a: Array
    delta: Array
    dW: Array
    db: Array
    activation: str


@dataclass
class Pass:
    """A forward and a backward pass; see ``nablas.Explanation``."""

    loss: float
    loss_name: str
    target: Array
    layers: list[LayerPass]
    hyperparameters: Mapping[str, float] = field(default_factory=dict)
