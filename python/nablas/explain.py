"""One pass through a network, every array of it visible."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _core, _data, _losses, kernels

if TYPE_CHECKING:
    from .network import Network

Array = NDArray[Any]


@dataclass
class LayerPass:
    """What one layer saw and made.

    Attributes
    ----------
    input : array of shape (n, inputs)
    weights, bias : arrays of shape (inputs, outputs) and (outputs,)
    z, a : arrays of shape (n, outputs)
        Preactivation and activation.
    delta : array of shape (n, outputs)
        The loss's derivative by z.
    dW, db : arrays of the shapes of weights and bias
        The loss's derivatives by them.
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
class Explanation:
    """A forward and a backward pass.

    Attributes
    ----------
    loss : float
    loss_name : str
    target : array
    layers : list of LayerPass
    """

    loss: float
    loss_name: str
    target: Array
    layers: list[LayerPass]

    @property
    def output(self) -> Array:
        """The last layer's activation."""
        return self.layers[-1].a

    def __str__(self) -> str:
        lines = []
        for i, layer in enumerate(self.layers, 1):
            inputs, outputs = layer.weights.shape
            lines.append(f"layer {i}: {inputs} -> {outputs}, {layer.activation}")
            lines += _show("X'" if i == 1 else "A'", _extended(layer.input), "input, ones first")
            extended = np.vstack([layer.bias, layer.weights])
            lines += _show("W", extended, "row 0 is the bias")
            lines += _show("z", layer.z, f"= {'X' if i == 1 else 'A'}' W")
            lines += _show("a", layer.a, "= g(z)")
        lines.append(f"target y {self.target.tolist()}, {self.loss_name} = {self.loss:.6g}")
        for i, layer in reversed(list(enumerate(self.layers, 1))):
            lines.append(f"layer {i}, backward:")
            lines += _show("delta", layer.delta, "= dJ/dz")
            lines += _show("dW", np.vstack([layer.db, layer.dW]), "= dJ/dW, row 0 is the bias")
        return "\n".join(lines)


def _extended(x: Array) -> Array:
    return np.column_stack([np.ones(len(x), dtype=x.dtype), x])


def _show(name: str, array: Array, note: str) -> list[str]:
    rows, columns = array.shape
    body = np.array2string(array, precision=4, suppress_small=True, threshold=60, edgeitems=3)
    return [f"  {name} {rows}x{columns}  {note}", *("    " + line for line in body.split("\n"))]


def explain(net: Network, x: ArrayLike, y: ArrayLike, loss: str | None) -> Explanation:
    """Compute an `Explanation` from the public kernels; see `MLP.explain`."""
    rows = np.asarray(x)
    if rows.ndim == 1:
        rows, y = rows[np.newaxis], np.asarray(y)[np.newaxis]
    a = _data.as_matrix(rows, net.dtype, "x").astype(net.dtype)
    if a.shape[1] != net.sizes[0]:
        raise ValueError(f"x: expected {net.sizes[0]} features, got {a.shape[1]}")
    resolved = _losses.resolve(loss, net.output)
    if callable(resolved):
        raise TypeError("loss: expected a name, got a function")
    targets, _ = _data.as_targets(y, resolved, net.sizes[-1], net.dtype, net.classes)
    inputs, zs, activations = [], [], []
    blocks = [np.vstack([b, w]) for w, b in zip(net.weights, net.biases, strict=True)]
    for block, name in zip(blocks, net.activations, strict=True):
        inputs.append(a)
        zs.append(kernels.dense_forward(a, block))
        a = kernels.softmax(zs[-1]) if name == "softmax" else kernels.activate(zs[-1], name)
        activations.append(a)
    value, delta = _output_delta(resolved, net.output, zs[-1], a, targets)
    layers: list[LayerPass] = []
    for i in reversed(range(len(blocks))):
        below = net.activations[i - 1] if i else "identity"
        gradient, delta_below = kernels.dense_backward(
            inputs[i], blocks[i], delta, below, preactivation=zs[i - 1] if i else None
        )
        layers.insert(
            0,
            LayerPass(
                input=inputs[i],
                weights=blocks[i][1:],
                bias=blocks[i][0],
                z=zs[i],
                a=activations[i],
                delta=delta,
                dW=gradient[1:],
                db=gradient[0],
                activation=net.activations[i],
            ),
        )
        delta = delta_below
    return Explanation(value, resolved, targets, layers)


def _output_delta(
    loss: str, output: str, z: Array, a: Array, targets: Array
) -> tuple[float, Array]:
    function = getattr(kernels, _KERNEL_OF.get(loss, loss))
    if _core.losses()[loss] == output:
        return function(z, targets)  # type: ignore[no-any-return]
    value, by_output = function(a, targets)
    if output == "softmax":
        return value, a * (by_output - (a * by_output).sum(axis=1, keepdims=True))
    kept = z if _core.activations()[output] == "preactivation" else a
    return value, kernels.hadamard_delta(by_output, kept, output)


_KERNEL_OF = {
    "cross_entropy": "softmax_cross_entropy",
    "binary_cross_entropy": "sigmoid_binary_cross_entropy",
}
