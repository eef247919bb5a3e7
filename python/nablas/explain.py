"""A forward and a backward pass through a network, with every array kept."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _data, _files, _losses, kernels
from ._registry import ACTIVATIONS, LOSSES
from ._stepper.passes import LayerPass, Pass
from ._stepper.scene import scene
from .network import Network

Array = NDArray[Any]


class Explanation(Pass):
    """A forward and a backward pass.

    Printed it is a table of each layer's arrays; in a notebook it is a page that shows one number
    after another.

    Attributes
    ----------
    loss : float
    loss_name : str
    target : array
    layers : list of LayerPass
        With the arrays `input`, `weights`, `bias`, `z`, `a`, `delta`, `dW` and `db`, and the name
        `activation`.
    hyperparameters : dict
        Of the loss.

    Examples
    --------
    >>> net = nb.MLP([2, 1], seed=0, init="zeros")
    >>> net.explain([1.0, 2.0], 1.0)
    layer 1: 2 -> 1, identity
      X' 1x3  input, ones first
        [[1. 1. 2.]]
      W 3x1  row 0 is the bias
        [[0.]
         [0.]
         [0.]]
      z 1x1  = X' W
        [[0.]]
      a 1x1  = g(z)
        [[0.]]
    target y [[1.0]], mse = 1
    layer 1, backward:
      delta 1x1  = dJ/dz
        [[-2.]]
      dW 3x1  = dJ/dW, row 0 is the bias
        [[-2.]
         [-2.]
         [-4.]]
    """

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

    __repr__ = __str__

    def to_html(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        row: int = 0,
        learning_rate: float = 0.1,
        most_units: int = 4,
    ) -> str:
        """One page on which the pass is gone through number by number, with each one's formula.

        In this order: z and a of every unit, the loss, δ of every unit with local slope × upstream
        on each edge, the gradient by each weight, the weights after one step of gradient descent.
        The page is one file that reads nothing else; buttons and arrow keys move, and the address
        may end in ``#step=12``.

        Parameters
        ----------
        path : str or path, optional
            Also write the page to this file.
        row : int
            The row of the batch. Gradients are those of the whole batch: the other rows' part is
            one number.
        learning_rate : float
            Of the update.
        most_units : int
            At least 2. A layer with more units shows only those with the largest ``|δ|`` (inputs:
            ``|x|``), one less than `most_units`; sums have the others in one term.

        Returns
        -------
        str
            The page.

        Raises
        ------
        ValueError, TypeError
            For a row that is not there, or settings that do not fit.

        Examples
        --------
        >>> page = nb.MLP([2, 3, 1], seed=0).explain([1.0, 2.0], 1.0).to_html("pass.html")
        >>> page.startswith("<!DOCTYPE html>")
        True
        """
        page = scene(self, row, learning_rate, most_units).html()
        if path is not None:
            _files.write(path, page.encode())
        return page

    def _repr_html_(self) -> str | None:
        if not len(self.target):
            return None  # the notebook shows the text
        return scene(self, 0, 0.1, 4).frame()


def _extended(x: Array) -> Array:
    return np.column_stack([np.ones(len(x), dtype=x.dtype), x])


def _show(name: str, array: Array, note: str) -> list[str]:
    rows, columns = array.shape
    body = np.array2string(array, precision=4, suppress_small=True, threshold=60, edgeitems=3)
    return [f"  {name} {rows}x{columns}  {note}", *("    " + line for line in body.split("\n"))]


def explain(
    net: Network, x: ArrayLike, y: ArrayLike, loss: str | _losses.Loss | None
) -> Explanation:
    """Compute an `Explanation` from the public kernels; see `MLP.explain`."""
    x, y = _data.as_batch(x, y, "x")
    a = _data.dense(_data.as_matrix(x, net.dtype, "x")).astype(net.dtype)
    if a.shape[1] != net.sizes[0]:
        raise ValueError(f"x: expected {net.sizes[0]} features, got {a.shape[1]}")
    resolved = _losses.resolve(loss, net.output)
    if not isinstance(resolved, _losses.Loss):
        raise TypeError("loss: expected a name, got a function")
    targets, _ = _data.as_targets(y, resolved.name, net.sizes[-1], net.dtype, net.classes)
    targets = targets.copy()  # else of y's memory
    net.engine.dataset(a, targets, None, resolved)  # for its checks of y
    made = net.layers(a)
    value, delta = _output_delta(resolved, net.output, *made[-1], targets)
    layers: list[LayerPass] = []
    blocks = net.engine.blocks(net.parameters)
    for i in reversed(range(len(made))):
        read = made[i - 1][1] if i else a
        below = net.activations[i - 1] if i else "identity"
        block = blocks[i].copy()
        gradient, delta_below = kernels.dense_backward(
            read, block, delta, below, preactivation=made[i - 1][0] if i else None
        )
        layers.append(
            LayerPass(
                input=read,
                weights=block[1:],
                bias=block[0],
                z=made[i][0],
                a=made[i][1],
                delta=delta,
                dW=gradient[1:],
                db=gradient[0],
                activation=net.activations[i],
            )
        )
        delta = delta_below
    return Explanation(value, resolved.name, targets, layers[::-1], dict(resolved.hyperparameters))


def _output_delta(
    loss: _losses.Loss, output: str, z: Array, a: Array, targets: Array
) -> tuple[float, Array]:
    """The loss, and δ of the output layer."""
    entry = LOSSES[loss.name]
    function = getattr(kernels, entry.function)
    linked = entry.link == output
    value, by = function(z if linked else a, targets, **loss.hyperparameters)
    return value, by if linked else through_output(output, z, a, by)


def through_output(name: str, z: Array, a: Array, by_activation: Array) -> Array:
    """δ of a layer, ∂J/∂z, from ∂J/∂a; all (n, units). Softmax needs the whole row."""
    if name == "softmax":
        delta: Array = a * (by_activation - (a * by_activation).sum(axis=1, keepdims=True))
        return delta
    kept = z if ACTIVATIONS[name].kept == "preactivation" else a
    return kernels.hadamard_delta(by_activation, kept, name)
