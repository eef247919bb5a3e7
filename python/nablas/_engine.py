"""A network in the core: only this module uses the extension's networks, datasets and trainers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _core
from ._checks import reworded
from ._losses import Loss
from ._threads import Claim, claimed
from .optimizers import Optimizer

if TYPE_CHECKING:
    Dataset = _core._Dataset
    Trainer = _core._Trainer

Array = NDArray[Any]

ONE_TRAINING = "see docs/guide/threads.md#several-python-threads-processes-forks"


class Use(NamedTuple):
    """An optimizer with its trainer on this network."""

    optimizer: Optimizer
    trainer: Trainer


class Engine:
    """Layers and parameters in the core, and what trains them.

    Parameters
    ----------
    sizes : sequence of int
        Features, units of each hidden layer, outputs.
    activations : sequence of str
        One for each layer.
    dtype : "float32" or "float64"

    Attributes
    ----------
    infer : callable
        ``infer(X, out)`` is `forward` of an array; the core checks it, no Python runs in between.
    """

    def __init__(self, sizes: Sequence[int], activations: Sequence[str], dtype: str) -> None:
        single = dtype == "float32"
        self.sizes, self.activations = tuple(sizes), tuple(activations)
        self.dtype = dtype
        self._Dataset = _core.Dataset_float32 if single else _core.Dataset_float64
        self._Trainer = _core.Trainer_float32 if single else _core.Trainer_float64
        self._Sparse = _core.Sparse_float32 if single else _core.Sparse_float64
        network = _core.Network_float32 if single else _core.Network_float64
        self._network = network(sizes, activations)
        self.infer = self._network.forward
        self.last: Use | None = None  # optimizer and trainer of the last training
        self._claim = Claim()

    # ---- parameters ----------------------------------------------------------------------------

    def initialize(self, init: str, seed: int) -> None:
        """New initial weights; counters and optimizer states are discarded."""
        with self.training():
            self._network.initialize(init, seed)  # counters, too
            self.forget_optimizer()

    @property
    def parameters(self) -> Array:
        """The flat parameters: a view."""
        return self._network.parameters

    @property
    def updates(self) -> int:
        """Updates of the parameters so far, by any optimizer; each numbers its dropout mask."""
        return self._network.updates

    @updates.setter
    def updates(self, count: int) -> None:
        self._network.updates = count

    @property
    def epochs(self) -> int:
        """Epochs of training since the weights were initialized; part of the shuffling's seed."""
        return self._network.epochs

    @epochs.setter
    def epochs(self, count: int) -> None:
        self._network.epochs = count

    def blocks(self, flat: Array) -> list[Array]:
        """Each layer's bias above its weights, (inputs + 1, outputs), in a flat array: views."""
        return [
            flat[offset : offset + (inputs + 1) * outputs].reshape(inputs + 1, outputs)
            for offset, (inputs, outputs) in zip(
                self._network.offsets, pairwise(self.sizes), strict=True
            )
        ]

    def views(self, flat: Array) -> list[tuple[Array, Array]]:
        """Each layer's weights (inputs, outputs) and bias (outputs,) in a flat array."""
        return [(block[1:], block[0]) for block in self.blocks(flat)]

    def penalty(self, l1: float, l2: float) -> float:
        """``l1 Σ|W| + l2 ΣW²`` over the weights, biases excluded."""
        return self._network.penalty(l1, l2)

    # ---- computation ---------------------------------------------------------------------------

    def forward(self, X: Array, out: Array | None = None) -> Array:
        """The output layer's activations, (n, outputs), of an array or a CSR matrix."""
        return self._network.forward(X if type(X) is np.ndarray else self._rows(X), out)

    def _rows(self, X: Any) -> Any:
        """X as the core reads it; the structure of a CSR matrix is copied and checked."""
        if not hasattr(X, "indptr"):
            return X
        values = X.data
        if values.dtype != self.dtype:
            with np.errstate(over="ignore"):  # overflows become infinities, which are found later
                values = values.astype(self.dtype)
        with reworded(lambda text: f"X, {text}"):
            return self._Sparse(values, X.indices, X.indptr, X.shape[1])

    def dataset(
        self, X: Array, targets: ArrayLike | None, weight: Array | None, loss: Loss
    ) -> Dataset:
        """Rows as the core reads them, checked: the arrays are kept, not copied."""
        settings = dict(loss.hyperparameters)
        rows = self._rows(X)
        return self._Dataset(self._network, rows, targets, weight, loss.name, settings, loss.groups)

    def evaluate(self, data: Dataset, l2: float = 0.0) -> float:
        """The mean loss, and the L2 penalty."""
        return self._network.evaluate(data, l2)

    def evaluate_part(
        self, data: Dataset, before: int, sums: Array | None
    ) -> tuple[float, float, Array | None]:
        """The sums of losses and of weights up to the end of these rows, and how they go on.

        `before` rows, a multiple of 16, came before these, and `sums` with them.
        """
        return self._network.evaluate_part(data, before, sums)

    def gradient(self, data: Dataset, l2: float) -> tuple[float, Array]:
        """The mean loss with the L2 penalty, and its flat gradient."""
        return self.gradient_trainer().gradient(data, l2)

    def gradient_trainer(self) -> Trainer:
        """A trainer for repeated gradients; it keeps its memory between calls."""
        return self._Trainer(self._network, "sgd", {})

    # ---- training ------------------------------------------------------------------------------

    @contextmanager
    def training(self, optimizer: Optimizer | None = None) -> Iterator[None]:
        """Claim the network, and the optimizer if given, for one training.

        Raises
        ------
        RuntimeError
            At once, if another call is training with either: in another thread, or around this one
            in a callback or a signal handler.
        """
        with (
            claimed(self._claim, f"this network is being trained by another call; {ONE_TRAINING}"),
            contextlib.nullcontext()
            if optimizer is None
            else claimed(
                optimizer.claim,
                f"optimizer: this one is in use by another training; {ONE_TRAINING}",
            ),
        ):
            yield

    def trainer(self, optimizer: Optimizer) -> Trainer:
        """The trainer of the last fit if `optimizer` is the same object, else a new one.

        A new trainer's states are zero, and the optimizer's schedule begins anew.
        """
        if self.last is None or self.last.optimizer is not optimizer:
            trainer = self._Trainer(self._network, optimizer.name, {**optimizer.hyperparameters})
            optimizer.schedule.begin()
            self.last = Use(optimizer, trainer)
        return self.last.trainer

    @property
    def optimizer_steps(self) -> tuple[int, int]:
        """Updates and epochs of the last optimizer on this network."""
        return (0, 0) if self.last is None else (self.last.trainer.steps, self.last.trainer.epochs)

    def forget_optimizer(self) -> None:
        """Discard the optimizer's states, after divergence for example."""
        self.last = None

    def scale_states(self, factor: float) -> None:
        """Multiply the last optimizer's states."""
        if self.last is not None:
            trainer = self.last.trainer
            trainer.states = [float(factor) * values for values in trainer.states]

    def training_state(self) -> dict[str, Any]:
        """All that training goes on from beside the parameters: a copy, which can be pickled."""
        state: dict[str, Any] = {"epochs": self.epochs, "updates": self.updates}
        if (last := self.last) is not None:  # which another thread may replace
            optimizer, trainer = last.optimizer, last.trainer
            state["optimizer"], state["schedule"] = optimizer, deepcopy(optimizer.schedule)
            state["states"], state["steps"], state["scalar"] = trainer.state
            state["optimizer_epochs"] = trainer.epochs
        return state

    def restore_training(self, state: dict[str, Any]) -> None:
        """Go on from where `training_state` was called, in this network or in its copy."""
        self.epochs, self.updates = state["epochs"], state["updates"]
        self.forget_optimizer()
        if "optimizer" in state:
            optimizer = state["optimizer"]
            trainer = self.trainer(optimizer)
            optimizer.schedule = deepcopy(state["schedule"])
            trainer.states = state["states"]
            trainer.resume(state["steps"], state["scalar"])
            trainer.epochs = state["optimizer_epochs"]
