"""The multilayer perceptron: a thin face of the C++ engine."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _core, _data, _losses, io
from ._training import Fit
from .callbacks import Callback
from .explain import Explanation, explain
from .history import History
from .optimizers import Optimizer, as_optimizer

Array = NDArray[Any]

_INIT_FOR = {"relu": "he", "leaky_relu": "he", "elu": "he", "silu": "he", "gelu": "he"}


def _whole(name: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name}: expected an integer, got {type(value).__name__}")
    if value < least:
        raise ValueError(f"{name}: expected at least {least}, got {value}")
    return int(value)


class MLP:
    """A dense feed-forward network.

    Parameters
    ----------
    sizes : sequence of int
        Features, units of each hidden layer, outputs.
    activation : str or sequence of str
        Of the hidden layers: one for all, or one for each; see ``nablas.activations()``.
    output : str
        The output layer's activation: "identity" (regression), "softmax" (classes), "sigmoid"
        (one class or many labels), "exp" (counts), or any registered one.
    dtype : "float32" or "float64"
    seed : int, optional
        Of the initial weights, and of shuffling and dropout where `fit` gets none. Random if None.
    init : str
        "glorot" (uniform), "glorot_normal", "he", "lecun" (normal), "uniform" (±1/sqrt(inputs)),
        "normal" (deviation 0.01), "zeros", or "auto": he for the relu family, lecun for selu,
        glorot otherwise. Biases start at zero.

    Attributes
    ----------
    parameters : array of shape (n,)
        All weights and biases: a view, writeable.
    weights, biases : list of arrays
        Views of `parameters`, (inputs, outputs) and (outputs,) for each layer.
    classes : list of str or None
        What the class indices stand for, when y held strings.
    """

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
        self.sizes = [_whole("sizes", size, 1) for size in sizes]
        if len(self.sizes) < 2:
            raise ValueError(f"sizes: expected at least inputs and outputs, got {list(sizes)}")
        hidden = len(self.sizes) - 2
        names = [activation] * hidden if isinstance(activation, str) else list(activation)
        if len(names) != hidden:
            raise ValueError(f"activation: expected {hidden} names, got {len(names)}")
        self.activations = [*names, output]
        self.dtype = np.dtype(dtype).name
        if self.dtype not in ("float32", "float64"):
            raise TypeError(f"dtype: expected float32 or float64, got {self.dtype}")
        self.seed = secrets.randbits(63) if seed is None else _whole("seed", seed, 0)
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
            self.seed = _whole("seed", seed, 0)
        if init == "auto":
            first = self.activations[0]
            init = "lecun" if first == "selu" else _INIT_FOR.get(first, "glorot")
        self._core.initialise(init, self.seed)
        self._epochs_done, self._trained_with = 0, None

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
    def weights(self) -> list[Array]:
        """Views of each layer's weights, (inputs, outputs)."""
        return [w for w, _ in self._views(self.parameters)]

    @property
    def biases(self) -> list[Array]:
        """Views of each layer's bias, (outputs,)."""
        return [b for _, b in self._views(self.parameters)]

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

    # ---- training --------------------------------------------------------------------------

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        optimizer: Optimizer | str | None = None,
        loss: str | _losses.LossFunction | None = None,
        batch_size: int = 32,
        epochs: int = 10,
        shuffle: bool = True,
        seed: int | None = None,
        validation_data: tuple[ArrayLike, ArrayLike] | None = None,
        sample_weight: ArrayLike | None = None,
        l2: float = 0.0,
        dropout: float | Sequence[float] = 0.0,
        callbacks: Sequence[Callback] = (),
        progress: bool = False,
    ) -> History:
        """Train by mini-batch gradient descent.

        Parameters
        ----------
        X : array of shape (n, features)
            Any real dtype and strides; memory-mapped arrays are read row by row as needed.
        y : array
            Cross-entropy: class indices or strings (n,), or distributions (n, outputs). Binary
            cross-entropy: 0/1 or strings (n,), or (n, outputs). Otherwise (n,) or (n, outputs).
        optimizer : Optimizer or str, optional
            Default: ``Adam()``. The same object given again continues with its states.
        loss : str or function, optional
            A name of ``nablas.losses()``, by default the one linked to the output activation, or
            ``(outputs, targets) -> (value, gradient)`` with the mean loss of a batch and its
            gradient by the outputs.
        batch_size, epochs : int
        shuffle : bool
            Visit the rows in a new random order every epoch.
        seed : int, optional
            Of the order and of dropout. Default: the network's.
        validation_data : (X, y), optional
            Evaluated after every epoch.
        sample_weight : array of shape (n,), optional
            Losses are weighted means.
        l2 : float
            Adds l2 times the sum of the squared weights (biases excluded) to the loss.
        dropout : float or sequence of float
            Probability of dropping a hidden unit's output; a sequence gives one for each hidden
            layer.
        callbacks : sequence of functions of a FitState
        progress : bool
            Draw a progress bar on stderr (needs rich).

        Returns
        -------
        History

        Raises
        ------
        ValueError, TypeError
            For data or settings that do not fit; the network is unchanged.
        FloatingPointError
            When the loss is not finite; the last finite weights are kept.
        """
        x, targets, data = self._prepare(X, y, sample_weight, loss)
        _data.check_finite(x)
        if len(x) == 0:
            raise ValueError("X: expected at least one row, got 0")
        resolved = _losses.resolve(loss, self.output)
        if callable(resolved) and sample_weight is not None:
            raise ValueError("sample_weight: expected None with a loss function, got weights")
        if not (np.isfinite(l2) and l2 >= 0):
            raise ValueError(f"l2: expected a finite number of at least 0, got {l2}")
        chosen = as_optimizer(optimizer)
        if self._trained_with is None or self._trained_with[0] is not chosen:
            trainer = self._trainer(self._core, chosen.name, chosen.hyperparameters)
            self._trained_with = (chosen, trainer)
        return Fit(
            net=self,
            optimizer=chosen,
            trainer=self._trained_with[1],
            data=data,
            targets=targets,
            loss=resolved,
            batch_size=min(_whole("batch_size", batch_size, 1), len(x)),
            epochs=_whole("epochs", epochs, 0),
            shuffle=shuffle,
            seed=self.seed if seed is None else _whole("seed", seed, 0),
            l2=float(l2),
            dropout=self._dropout_rates(dropout),
            validation=self._validation(validation_data, resolved),
            metric=self._metric,
            callbacks=callbacks,
            progress=progress,
        ).run()

    def _prepare(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None, loss: Any
    ) -> tuple[Array, Array, _core.Dataset_float32]:
        resolved = _losses.resolve(loss, self.output)
        name = _losses.default_loss(self.output) if callable(resolved) else resolved
        x, targets, classes = _data.as_matrix(X, self.dtype), np.asarray(y), self.classes
        weight = None if sample_weight is None else np.asarray(sample_weight, dtype=self.dtype)
        _data.check_rows(x, targets, weight)
        if not callable(resolved):
            targets, classes = _data.as_targets(
                targets, name, self.sizes[-1], self.dtype, classes
            )
        core_targets = None if callable(resolved) else targets
        data = self._dataset(self._core, x, core_targets, weight, name)
        self.classes = classes
        return x, targets, data

    def _dropout_rates(self, dropout: float | Sequence[float]) -> list[float]:
        hidden = len(self.sizes) - 2
        scalar = isinstance(dropout, (int, float))
        rates = [float(dropout)] * hidden if scalar else [float(r) for r in dropout]  # type: ignore[union-attr, arg-type]
        if len(rates) != hidden:
            raise ValueError(f"dropout: expected {hidden} rates, got {len(rates)}")
        for rate in rates:
            if not 0 <= rate < 1:
                raise ValueError(f"dropout: expected rates from 0 to less than 1, got {rate}")
        return [0.0, *rates]

    def _validation(self, pair: tuple[ArrayLike, ArrayLike] | None, loss: Any) -> Any:
        if pair is None:
            return None
        if not (isinstance(pair, tuple) and len(pair) == 2):
            raise TypeError(f"validation_data: expected (X, y), got {type(pair).__name__}")
        X, y = pair
        x, _, data = self._prepare(X, y, None, loss)
        _data.check_finite(x, "validation_data")
        if callable(loss):
            targets = np.asarray(y)
            return lambda: (float(loss(self.forward(x), targets)[0]), self.score(x, y))
        return lambda: (self._core.evaluate(data, 0.0), self.score(x, y))

    # ---- use -------------------------------------------------------------------------------

    def forward(self, X: ArrayLike, out: Array | None = None) -> Array:
        """The output layer's activations, shape (n, outputs)."""
        return self._core.forward(_data.as_matrix(X, self.dtype), out)

    def predict(self, X: ArrayLike) -> Array:
        """Classes or values.

        Parameters
        ----------
        X : array of shape (n, features)

        Returns
        -------
        array
            Softmax output: the most probable class (n,), as a string if y held strings. Sigmoid
            output: 0 or 1 for each output, above one half; (n,) for one output. Otherwise the
            outputs; (n,) for one output.
        """
        outputs = self.forward(X)
        if self.output == "softmax":
            codes = outputs.argmax(axis=1)
        elif self.output == "sigmoid":
            codes = (outputs > 0.5).astype(np.int64)
        else:
            return outputs[:, 0] if outputs.shape[1] == 1 else outputs
        if codes.ndim == 2 and codes.shape[1] == 1:
            codes = codes[:, 0]
        return codes if self.classes is None else np.array(self.classes)[codes]

    @property
    def _metric(self) -> str:
        return "accuracy" if self.output in ("softmax", "sigmoid") else "r2"

    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """Accuracy for softmax and sigmoid outputs (all labels right), else R².

        R² is the mean over the outputs of ``1 - sum((y - h)²) / sum((y - mean(y))²)``; an output
        whose targets are all equal counts 1 if it is met exactly and 0 otherwise.
        """
        predicted, truth = self.predict(X), np.asarray(y)
        if len(predicted) == 0:
            raise ValueError("X: expected at least one row, got 0")
        if self._metric == "accuracy":
            if self.output == "softmax" and truth.ndim == 2 and truth.shape[1] > 1:
                truth = truth.argmax(axis=1)
            right = predicted == truth.reshape(predicted.shape)
            return float(np.mean(right.reshape(len(right), -1).all(axis=1)))
        residual = predicted.reshape(len(truth), -1) - truth.reshape(len(truth), -1).astype(float)
        columns = truth.reshape(len(truth), -1)
        unexplained = np.square(residual).sum(axis=0)
        total = np.square(columns - columns.mean(axis=0)).sum(axis=0)
        exact = (unexplained == 0).astype(float)
        return float(np.where(total > 0, 1 - unexplained / np.where(total > 0, total, 1), exact).mean())

    def loss(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        loss: str | _losses.LossFunction | None = None,
        sample_weight: ArrayLike | None = None,
        l2: float = 0.0,
    ) -> float:
        """The objective on some data: mean loss plus l2 penalty; arguments as for `fit`."""
        _, targets, data = self._prepare(X, y, sample_weight, loss)
        if callable(loss):
            return _losses.call(loss, self.forward(X), targets)[0] + self._penalty(l2)
        return self._core.evaluate(data, l2)

    def gradient(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        loss: str | None = None,
        sample_weight: ArrayLike | None = None,
        l2: float = 0.0,
    ) -> Array:
        """The objective's gradient, flat like `parameters`; arguments as for `fit`."""
        return self._core.gradient(self._prepare(X, y, sample_weight, loss)[2], l2)[1]

    def gradients(self, X: ArrayLike, y: ArrayLike, **settings: Any) -> list[tuple[Array, Array]]:
        """`gradient` layer by layer, as pairs (by weights, by biases)."""
        return self._views(self.gradient(X, y, **settings))

    def explain(self, x: ArrayLike, y: ArrayLike, *, loss: str | None = None) -> Explanation:
        """Every z, a, delta and gradient of one forward and backward pass, by layer.

        Parameters
        ----------
        x : array of shape (features,) or (n, features)
        y : a target, or n of them
        loss : str, optional

        Returns
        -------
        Explanation
            Prints as a table of each layer's arrays.
        """
        return explain(self, x, y, loss)

    # ---- saving ----------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to a safetensors file, atomically."""
        io.save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> MLP:
        """Read a network that `save` wrote; ValueError for any other file."""
        return io.load(path)[0]

    def __getstate__(self) -> dict[str, Any]:
        return {"specification": io.specification(self), "parameters": self.parameters.copy()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        io.restore(self, state["specification"], state["parameters"])

    def __repr__(self) -> str:
        shape = "-".join(str(size) for size in self.sizes)
        return f"MLP({shape}, {', '.join(self.activations)}, {self.dtype})"
