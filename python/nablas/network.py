"""A network: its layers, its parameters, its outputs, its file."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _core, _data, io
from ._data import whole

if TYPE_CHECKING:
    from .optimizers import Optimizer

Array = NDArray[Any]

_INIT_FOR = {"relu": "he", "leaky_relu": "he", "elu": "he", "silu": "he", "gelu": "he"}


class Network:
    """What `MLP` is built on; its parameters and attributes are described there."""

    def __init__(
        self,
        sizes: Sequence[int],
        activation: str | Sequence[str] = "relu",
        output: str = "identity",
        *,
        dtype: str = "float32",
        seed: int | None = None,
        init: str = "auto",
    ) -> None:
        self.sizes = tuple(whole("sizes", size, 1) for size in sizes)
        if len(self.sizes) < 2:
            raise ValueError(f"sizes: expected at least inputs and outputs, got {list(sizes)}")
        hidden = len(self.sizes) - 2
        names = [activation] * hidden if isinstance(activation, str) else list(activation)
        if len(names) != hidden:
            raise ValueError(f"activation: expected {hidden} names, got {len(names)}")
        self.activations = (*names, output)
        self.dtype = np.dtype(dtype).name
        if self.dtype not in ("float32", "float64"):
            raise TypeError(f"dtype: expected float32 or float64, got {self.dtype}")
        self.seed = secrets.randbits(63) if seed is None else whole("seed", seed, 0)
        self.classes: list[str] | None = None
        self._epochs_done = 0
        self._trained_with: tuple[Optimizer, _core.Trainer_float32] | None = None
        single = self.dtype == "float32"
        network = _core.Network_float32 if single else _core.Network_float64
        self._dataset = _core.Dataset_float32 if single else _core.Dataset_float64
        self._trainer = _core.Trainer_float32 if single else _core.Trainer_float64
        self._core = network(self.sizes, self.activations)
        self.initialise(init)

    def initialise(self, init: str = "auto", seed: int | None = None) -> None:
        """Give the weights new initial values; as `init` and `seed` of the class."""
        if seed is not None:
            self.seed = whole("seed", seed, 0)
        if init == "auto":
            first = self.activations[0]
            init = "lecun" if first == "selu" else _INIT_FOR.get(first, "glorot")
        self._core.initialise(init, self.seed)
        self._epochs_done, self._trained_with = 0, None
        self._core.updates, self.classes = 0, None

    # ---- parameters ------------------------------------------------------------------------

    @property
    def output(self) -> str:
        """The output layer's activation."""
        return self.activations[-1]

    @property
    def parameters(self) -> Array:
        """All parameters as one flat view; layer by layer, bias row first."""
        return self._core.parameters

    @property
    def weights(self) -> tuple[Array, ...]:
        """Views of each layer's weights, (inputs, outputs)."""
        return tuple(w for w, _ in self._views(self.parameters))

    @property
    def biases(self) -> tuple[Array, ...]:
        """Views of each layer's bias, (outputs,)."""
        return tuple(b for _, b in self._views(self.parameters))

    def _views(self, flat: Array) -> list[tuple[Array, Array]]:
        views = []
        for offset, inputs, outputs in zip(
            self._core.offsets, self.sizes, self.sizes[1:], strict=False
        ):
            block = flat[offset : offset + (inputs + 1) * outputs].reshape(inputs + 1, outputs)
            views.append((block[1:], block[0]))
        return views

    def _penalty(self, l2: float) -> float:
        if l2 == 0:
            return 0.0
        return l2 * sum(float(np.sum(np.square(w, dtype=np.float64))) for w in self.weights)

    def forward(self, X: ArrayLike, out: Array | None = None) -> Array:
        """The output layer's activations, shape (n, outputs)."""
        return self._core.forward(_data.as_matrix(X, self.dtype), out)

    # ---- saving ----------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to a safetensors file, atomically."""
        io.save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a network that `save` wrote; ValueError for any other file."""
        return io.load(path, cls)[0]

    def __getstate__(self) -> dict[str, Any]:
        return {"specification": io.specification(self), "parameters": self.parameters.copy()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        io.restore(self, state["specification"], state["parameters"])

    def __repr__(self) -> str:
        shape = "-".join(str(size) for size in self.sizes)
        return f"{type(self).__name__}({shape}, {', '.join(self.activations)}, {self.dtype})"
