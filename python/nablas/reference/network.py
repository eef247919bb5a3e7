"""A network and its training loop in NumPy; the engine is tested against it step by step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import random
from .activations import ACTIVATIONS
from .dense import softmax
from .losses import LOSSES
from .optimizers import initial_states, optimizer_update

Array = NDArray[Any]


def initial_parameters(sizes: Sequence[int], init: str, seed: int) -> Array:
    """Flat initial parameters in float64; biases are zero.

    Examples
    --------
    >>> nb.reference.initial_parameters([2, 1], "glorot", seed=0).round(4)
    array([ 0.    ,  0.1879, -0.3303])
    >>> nb.MLP([2, 1], seed=0, init="glorot").parameters.round(4)
    array([ 0.    ,  0.1879, -0.3303], dtype=float32)
    """
    blocks = []
    for layer, (inputs, outputs) in enumerate(zip(sizes, sizes[1:], strict=False)):
        stream, count = random.INITIALISATION + layer, inputs * outputs
        limits = {"glorot": np.sqrt(6 / (inputs + outputs)), "uniform": 1 / np.sqrt(inputs)}
        deviations = {
            "glorot_normal": np.sqrt(2 / (inputs + outputs)),
            "he": np.sqrt(2 / inputs),
            "lecun": np.sqrt(1 / inputs),
            "normal": 0.01,
        }
        weights = np.zeros(count)
        if init in limits:
            weights = random.uniform(-limits[init], limits[init], seed, stream, count)
        elif init in deviations:
            weights = random.normal(deviations[init], seed, stream, count)
        blocks += [np.zeros(outputs), weights]
    return np.concatenate(blocks)


class ReferenceNetwork:
    """Forward and backward pass over extended weight matrices, in the parameters' dtype.

    Examples
    --------
    >>> net = nb.MLP([2, 3, 1], "tanh", dtype="float64", seed=0)
    >>> reference = nb.reference.ReferenceNetwork([2, 3, 1], ["tanh", "identity"], net.parameters)
    >>> x, y = np.array([[1.0, 2.0]]), np.array([[0.5]])
    >>> value, gradient = reference.loss_and_gradient(x, y, "mse")
    >>> np.allclose(gradient, net.gradient(x, y))
    True
    """

    def __init__(self, sizes: Sequence[int], activations: Sequence[str], parameters: Array) -> None:
        self.sizes, self.activations = list(sizes), list(activations)
        self.parameters = parameters

    @property
    def weights(self) -> list[Array]:
        """Extended weights of each layer, row 0 the bias: views of the parameters."""
        out, at = [], 0
        for inputs, outputs in zip(self.sizes, self.sizes[1:], strict=False):
            size = (inputs + 1) * outputs
            out.append(self.parameters[at : at + size].reshape(inputs + 1, outputs))
            at += size
        return out

    def _layers(self, x: Array, masks: Sequence[Array]) -> Iterator[tuple[Array, Array, Array]]:
        """Each layer's extended input, z and a."""
        a = x
        for i, (weights, name) in enumerate(zip(self.weights, self.activations, strict=True)):
            if masks:
                a = a * masks[i]
            extended = np.column_stack([np.ones(len(a), dtype=a.dtype), a])
            z = extended @ weights
            a = softmax(z) if name == "softmax" else ACTIVATIONS[name].value(z)
            yield extended, z, a

    def forward(self, x: Array) -> Array:
        """The outputs."""
        return list(self._layers(x, ()))[-1][2]

    def loss_and_gradient(
        self,
        x: Array,
        y: Array,
        loss: str,
        *,
        sample_weight: Array | None = None,
        l2: float = 0.0,
        masks: Sequence[Array] = (),
        **hyperparameters: float,
    ) -> tuple[float, Array]:
        """The objective and its flat gradient; hyperparameters are the loss's."""
        layers = list(self._layers(x, masks))
        output = self.activations[-1]
        _, z, a = layers[-1]
        entry = LOSSES[loss]
        settings: dict[str, Any] = {"sample_weight": sample_weight, **hyperparameters}
        if entry.link == output:
            value, delta = entry(z, y, **settings)
        else:
            value, by_output = entry(a, y, **settings)
            if output == "softmax":
                jacobian = a[:, :, None] * (np.eye(a.shape[1]) - a[:, None, :])
                delta = np.einsum("ni,nij->nj", by_output, jacobian)
            else:
                delta = by_output * ACTIVATIONS[output].slope(z)
        weights = self.weights
        gradients: list[Array] = []
        for i in reversed(range(len(layers))):
            gradient = layers[i][0].T @ delta
            gradient[1:] += 2 * l2 * weights[i][1:]
            gradients.insert(0, gradient.reshape(-1))
            if i:
                by_input = delta @ weights[i][1:].T
                if masks:
                    by_input = by_input * masks[i]
                below = ACTIVATIONS[self.activations[i - 1]]
                delta = by_input * below.slope(layers[i - 1][1])
        penalty = l2 * sum(float((w[1:] ** 2).sum()) for w in weights)
        return value + penalty, np.concatenate(gradients)


def fit(
    network: ReferenceNetwork,
    x: Array,
    y: Array,
    *,
    optimizer: str,
    learning_rate: float,
    loss: str,
    batch_size: int,
    epochs: int,
    seed: int,
    shuffle: bool = True,
    sample_weight: Array | None = None,
    l1: float = 0.0,
    l2: float = 0.0,
    clip_norm: float | None = None,
    dropout: Sequence[float] | None = None,
    **hyperparameters: float,
) -> Iterator[tuple[float, Array]]:
    """Train as `MLP.fit` does; yields each step's loss and `network.parameters` (no copy).

    The loss is with the L2 penalty, without the L1 penalty.

    Examples
    --------
    >>> x, y = np.array([[0.0], [1.0]]), np.array([[1.0], [2.0]])
    >>> net = nb.MLP([1, 1], dtype="float64", seed=0)
    >>> reference = nb.reference.ReferenceNetwork([1, 1], ["identity"], net.parameters.copy())
    >>> settings = {"loss": "mse", "batch_size": 1, "epochs": 5, "seed": 0}
    >>> for _ in nb.reference.fit(reference, x, y, optimizer="sgd", learning_rate=0.1, **settings):
    ...     pass
    >>> history = net.fit(x, y, optimizer=nb.SGD(0.1), **settings)
    >>> np.allclose(net.parameters, reference.parameters)
    True
    """
    ones = [np.full_like(w, l1) for w in network.weights]
    for one in ones:
        one[0] = 0  # biases are not penalised
    penalised = np.concatenate([one.reshape(-1) for one in ones])
    states = initial_states(optimizer, network.parameters)
    step = 0
    for epoch in range(epochs):
        order = random.permutation(len(x), seed=seed, epoch=epoch) if shuffle else np.arange(len(x))
        for begin in range(0, len(x), batch_size):
            rows = order[begin : begin + batch_size]
            masks = [
                random.dropout(
                    np.ones((len(rows), size), x.dtype), rate, seed=seed, step=step, layer=layer
                )
                for layer, (size, rate) in enumerate(
                    zip(network.sizes, dropout or (), strict=False)
                )
            ]
            value, gradient = network.loss_and_gradient(
                x[rows],
                y[rows],
                loss,
                sample_weight=None if sample_weight is None else sample_weight[rows],
                l2=l2,
                masks=masks,
            )
            step += 1
            norm = np.sqrt(np.sum(gradient.astype(np.float64) ** 2))
            if clip_norm is not None and norm > clip_norm:
                gradient = (gradient * (clip_norm / norm)).astype(gradient.dtype)
            optimizer_update(
                optimizer,
                network.parameters,
                gradient,
                states,
                step=step,
                learning_rate=learning_rate,
                l1=penalised,
                **hyperparameters,
            )
            yield value, network.parameters
