"""What a network diagram writes: the numbers of its edges and nodes, captions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ._display import Array, number
from ._layout import BIAS, DOTS, shown_units

Edge = tuple[int, int, int]  # layer (from 0), source unit or BIAS, unit


@dataclass
class NetworkText:
    """The parameters of a network, a pass of one row if there is one, and the texts of both.

    `show` is "weights" without a pass, else "forward", "backward" or "both".
    """

    weights: list[Array]
    biases: list[Array]
    activations: list[str]
    most_units: int
    passed: Any
    show: str

    def __post_init__(self) -> None:
        self.sizes = [self.weights[0].shape[0], *(w.shape[1] for w in self.weights)]
        self.units = [shown_units(size, self.most_units) for size in self.sizes]
        self.backward = self.show in ("backward", "both")
        blocks = zip(self.weights, self.biases, strict=True)
        self._weights = [np.vstack([b, w]) for w, b in blocks]
        if self.passed is not None:
            self._gradients = [np.vstack([layer.db, layer.dW]) for layer in self.passed.layers]

    @property
    def edges(self) -> list[list[Edge]]:
        """Those shown, by layer, in the order of the extended weights."""
        return [
            [(k, i, j) for i in (BIAS, *self.units[k]) for j in below if DOTS not in (i, j)]
            for k, below in enumerate(self.units[1:])
        ]

    def colouring(self, edge: Edge) -> float:
        """The number that colours an edge: its gradient, or in a forward pass its weight."""
        layer, source, unit = edge
        blocks = self._gradients if self.backward else self._weights
        return float(blocks[layer][source + 1, unit])  # row 0 is the bias node's

    def edge(self, edge: Edge) -> str:
        """The weight, the gradient, or both."""
        value = number(self.colouring(edge))
        if self.show != "both":
            return value
        layer, source, unit = edge
        return f"{number(self._weights[layer][source + 1, unit])}\n∂ {value}"

    def node(self, column: int, unit: int) -> str:
        """A name, or the numbers of the pass."""
        size = self.sizes[column]
        if unit == BIAS:
            return "1"
        if unit == DOTS:
            return f"⋮\n{size + 1 - len(self.units[column])} more"
        if self.passed is None:
            if column == len(self.sizes) - 1:
                return r"$\hat{y}$" if size == 1 else rf"$\hat{{y}}_{{{unit + 1}}}$"
            return f"${'a' if column else 'x'}_{{{unit + 1}}}$"
        if column == 0:
            return f"x {number(self.passed.layers[0].input[0, unit])}"
        layer = self.passed.layers[column - 1]
        text = f"z {number(layer.z[0, unit])}\na {number(layer.a[0, unit])}"
        return f"{text}\nδ {number(layer.delta[0, unit])}" if self.backward else text

    @property
    def _is_class(self) -> bool:
        """The target is one class index for several outputs."""
        return np.ndim(self.passed.target) == 1 and self.sizes[-1] > 1

    def target(self, unit: int) -> str:
        """The target of an output; for a class index 1 at its class, else 0."""
        target = np.asarray(self.passed.target)
        if self._is_class:
            return f"y {number(float(target[0] == unit))}"
        return f"y {number(float(np.ravel(target)[unit]))}"

    def caption(self, column: int) -> str:
        """What stands below a column."""
        size, last = self.sizes[column], column == len(self.weights)
        if column == 0:
            return f"inputs\n{size}"
        name = "output" if last else f"layer {column}"
        return f"{name}\n{self.activations[column - 1]}\n{size} {'unit' if size == 1 else 'units'}"

    def title(self) -> str:
        """The layers' sizes and what is drawn."""
        what = {
            "weights": "weights",
            "forward": "forward pass",
            "backward": "backward pass",
            "both": "weights and backward pass",
        }[self.show]
        return f"{'-'.join(map(str, self.sizes))}: {what}"

    def key(self) -> str:
        """What the numbers of a pass mean; empty if there are only weights."""
        if not self.backward:
            return ""
        edges = "∂J/∂w" if self.show == "backward" else "weight w, below it ∂ = ∂J/∂w"
        loss = f"J = {self.passed.loss_name} = {number(self.passed.loss)}, target y"
        if self._is_class:
            loss += f": class {self.passed.target[0]}"
        return f"edges: {edges};  units: δ = ∂J/∂z\n{loss}"
