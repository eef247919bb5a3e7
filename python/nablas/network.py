"""A network: its layers, parameters, outputs and file."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Sequence
from copy import copy
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _checks, _data, io, kernels, metrics
from ._attributes import attributes
from ._engine import Engine
from ._html import table
from ._registry import ACTIVATIONS, INITIALIZATIONS
from ._views import Views, copy_into
from .history import History

Array = NDArray[Any]


def _activations(hidden: Any, output: Any, layers: int) -> tuple[str, ...]:
    """One activation for each layer, checked."""
    if isinstance(hidden, str):
        names = [hidden] * layers
        _checks.choice("activation", hidden, ACTIVATIONS)  # also where there is no hidden layer
    else:
        names = _checks.items("activation", hidden, "a name or one for each hidden layer")
    if len(names) != layers:
        raise ValueError(f"activation: expected {layers} names, got {len(names)}")
    for name in names:
        _checks.choice("activation", name, ACTIVATIONS)
    return (*names, _checks.choice("output", output, [*ACTIVATIONS, "softmax"]))


def _preactivation(x: Any, block: Array) -> Array:
    """``x W + b``, b in row 0 of the block; x may be sparse."""
    if not _data.is_sparse(x):
        return kernels.dense_forward(x.astype(block.dtype, copy=False), block)
    with np.errstate(over="ignore"):  # to infinity, as in `Engine.forward`
        values = x.data.astype(block.dtype)
    with _checks.reworded(lambda text: f"X, {text}"):
        return kernels.sparse_forward(values, x.indices, x.indptr, block)


class Network:
    """The base class of `MLP`, which describes the parameters and attributes."""

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
        given = _checks.items("sizes", sizes, "a sequence of integers")
        self.sizes = tuple(_checks.integer("sizes", size, 1) for size in given)
        if len(self.sizes) < 2:
            raise ValueError(f"sizes: expected at least inputs and outputs, got {given}")
        self.activations = _activations(activation, output, len(self.sizes) - 2)
        self.dtype = _checks.float_dtype("dtype", dtype)
        self.seed = secrets.randbits(63) if seed is None else _checks.integer("seed", seed, 0)
        self.classes: list[str] | None = None
        self.history: History | None = None
        self.extra: dict[str, Any] = {}
        self.engine = Engine(self.sizes, self.activations, self.dtype)
        self.initialize(init)

    def initialize(self, init: str = "auto", seed: int | None = None) -> None:
        """Give the weights new initial values.

        Parameters
        ----------
        init : str
            As for the class.
        seed : int, optional
            Default: the network's; if given it becomes the network's.

        Raises
        ------
        ValueError
            For an unknown `init`; the network is unchanged.

        Examples
        --------
        >>> net = nb.MLP([2, 1], seed=0)
        >>> net.initialize("zeros")
        >>> net.parameters
        array([0., 0., 0.], dtype=float32)
        """
        new = self.seed if seed is None else _checks.integer("seed", seed, 0)
        init = _checks.choice("init", init, [*INITIALIZATIONS, "auto"])
        if init == "auto":
            first = ACTIVATIONS.get(self.activations[0])  # None: softmax, without hidden layers
            init = "glorot" if first is None else first.initialization
        self.engine.initialize(init, new)
        self.seed, self.classes, self.history = new, None, None

    initialise = initialize

    # ---- parameters ------------------------------------------------------------------------

    @property
    def output(self) -> str:
        """The output layer's activation."""
        return self.activations[-1]

    @property
    def epochs(self) -> int:
        """Epochs trained since the weights were initialized."""
        return self.engine.epochs

    @property
    def parameters(self) -> Array:
        """All parameters as one flat view, layer by layer, bias row first; may be assigned to."""
        return self.engine.parameters

    @parameters.setter
    def parameters(self, values: ArrayLike) -> None:
        copy_into(self.engine.parameters, values, "parameters")

    @property
    def weights(self) -> Views:
        """Views of each layer's weights, (inputs, outputs); items may be assigned to."""
        return Views([w for w, _ in self.engine.views(self.parameters)])

    @property
    def biases(self) -> Views:
        """Views of each layer's bias, (outputs,); items may be assigned to."""
        return Views([b for _, b in self.engine.views(self.parameters)])

    # ---- outputs ---------------------------------------------------------------------------

    def forward(self, X: ArrayLike, out: Array | None = None) -> Array:
        """The output layer's activations.

        Parameters
        ----------
        X : array or sparse matrix of shape (n, features)
        out : array of shape (n, outputs), optional
            Receives the result.

        Returns
        -------
        array of shape (n, outputs)

        Examples
        --------
        >>> net = nb.MLP([2, 2], output="softmax", seed=0, init="zeros")
        >>> net.forward([[1.0, 2.0]])
        array([[0.5, 0.5]], dtype=float32)
        """
        if type(X) is np.ndarray:
            return self.engine.infer(X, out)
        return self.engine.forward(_data.as_rows(X, self.dtype), out)

    def layers(self, X: ArrayLike) -> list[tuple[Array, Array]]:
        """Every layer's preactivation z and activation a, each (n, units), by the kernels.

        Examples
        --------
        >>> net = nb.MLP([2, 3, 1], seed=0)
        >>> [(z.shape, a.shape) for z, a in net.layers(np.ones((4, 2)))]
        [((4, 3), (4, 3)), ((4, 1), (4, 1))]
        """
        a = _data.as_rows(X, self.dtype)
        made = []
        if a.shape[1] != self.sizes[0]:
            raise ValueError(f"X: expected shape (n, {self.sizes[0]}), got {a.shape}")
        blocks = self.engine.blocks(self.parameters)
        for block, name in zip(blocks, self.activations, strict=True):
            z = _preactivation(a, block)
            a = kernels.softmax(z) if name == "softmax" else kernels.activate(z, name)
            made.append((z, a))
        return made

    def predict(self, X: ArrayLike) -> Array:
        """Classes or values.

        Parameters
        ----------
        X : array or sparse matrix of shape (n, features)

        Returns
        -------
        array
            Softmax output: the most probable class (n,), as a string if y held strings. Sigmoid and
            step outputs: 1 above one half, else 0, for each output; (n,) for one output. Otherwise
            the outputs; (n,) for one output.

        Raises
        ------
        ValueError
            For X with entries that are not finite, where an output is not finite either.
        FloatingPointError
            Where outputs that should tell a class are NaN though X is finite.

        Examples
        --------
        >>> net = nb.MLP([1, 2], output="softmax", seed=0)
        >>> history = net.fit([[-1.0], [1.0]], ["low", "high"], epochs=100, optimizer=nb.Adam(0.1))
        >>> net.predict([[-2.0], [3.0]])
        array(['low', 'high'], dtype='<U4')
        """
        x = _data.as_rows(X, self.dtype)
        outputs = self.engine.forward(x)
        if self.metric != "accuracy":
            if not np.isfinite(outputs).all():
                _data.check_finite(x, self.dtype)
            return outputs[:, 0] if outputs.shape[1] == 1 else outputs
        _data.check_outputs(outputs, x, self.dtype)
        codes: Array
        if self.output == "softmax":
            codes = outputs.argmax(axis=1)
        else:
            codes = (outputs > 0.5).astype(np.int64)
        if codes.ndim == 2 and codes.shape[1] == 1:
            codes = codes[:, 0]
        if self.classes is not None:
            codes = np.array(self.classes)[codes]
        return codes

    @property
    def predict_proba(self) -> Callable[[ArrayLike], Array]:
        """A function of X (n, features) that gives probabilities.

        (n, classes) for a softmax output, (n, 2) for one sigmoid output (the second column is the
        output), (n, outputs) for several. AttributeError for other outputs.
        """
        if self.output not in ("softmax", "sigmoid"):
            raise AttributeError(
                f"predict_proba: expected output 'softmax' or 'sigmoid', got {self.output!r}"
            )
        return self._probabilities

    def _probabilities(self, X: ArrayLike) -> Array:
        outputs = self.forward(X)
        if self.output == "sigmoid" and outputs.shape[1] == 1:
            return np.hstack([1 - outputs, outputs])
        return outputs

    @property
    def metric(self) -> str:
        """What `score` computes: "accuracy" for outputs that predict classes, else "r2"."""
        return "accuracy" if self.output in ("softmax", "sigmoid", "step") else "r2"

    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """`metrics.accuracy` for softmax, sigmoid and step outputs, `metrics.r2` for others."""
        return score_of(self, y, self.predict(X), self.classes)

    # ---- saving ----------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str], *, extra: dict[str, Any] | None = None) -> None:
        """Write the network to a safetensors file, atomically.

        Parameters
        ----------
        path : str or path
        extra : dict, optional
            Anything JSON can hold, saved beside the network; the loaded network's `extra`, of
            which tuples have become lists and NumPy's numbers Python's.

        Raises
        ------
        ValueError
            For weights that are not finite, or an `extra` that is too large to be read again.
        TypeError
            For an `extra` that JSON cannot hold.
        OSError
            When the file cannot be written; `path` must not be a folder, a device or a pipe.

        Notes
        -----
        States of the optimizer, of schedules and of callbacks are not saved: a fit of a loaded
        network begins them anew, and so differs from one fit of as many epochs. A `Checkpoint`
        saves them during a fit.

        Examples
        --------
        >>> net = nb.MLP([2, 3, 1], seed=0)
        >>> net.save("model.safetensors", extra={"units": "EUR"})
        >>> nb.MLP.load("model.safetensors").extra
        {'units': 'EUR'}
        """
        io.save(path, *self._content(self.extra if extra is None else extra))

    def _content(self, extra: Any) -> tuple[dict[str, Any], list[tuple[Array, Array]]]:
        """The specification and the layers, as `io.save` takes them."""
        if not isinstance(extra, dict):
            raise TypeError(f"extra: expected a dict, got {type(extra).__name__}")
        specification = {**self._specification(), "extra": io.packed(extra, None, "extra")}
        return specification, list(zip(self.weights, self.biases, strict=True))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a network that `save` wrote; ValueError for any other file."""
        specification, parameters = io.load(path)
        net = cls.__new__(cls)
        with io.damaged(path):
            net._restore(specification, parameters)
        return net

    def _specification(self) -> dict[str, Any]:
        """What rebuilds the network, without its parameters."""
        return {
            "sizes": list(self.sizes),
            "activations": list(self.activations),
            "dtype": self.dtype,
            "seed": self.seed,
            "classes": self.classes,
            "epochs": self.epochs,
            "updates": self.engine.updates,
        }

    def _restore(self, specification: dict[str, Any], parameters: Array) -> None:
        *hidden, output = specification["activations"]
        kept = {name: specification[name] for name in ("dtype", "seed")}
        Network.__init__(self, specification["sizes"], hidden, output, init="zeros", **kept)
        self.parameters = parameters
        self.classes, self.engine.epochs = specification["classes"], specification["epochs"]
        self.engine.updates = specification["updates"]
        self.extra = specification.get("extra") or {}

    def __getstate__(self) -> dict[str, Any]:
        """All of the network: what rebuilds it and its trainer, and every other attribute."""
        held = attributes(self)
        del held["engine"]
        held["history"] = copy(self.history)  # which may grow while this is written
        return {
            "specification": self._specification(),
            "parameters": self.parameters.copy(),
            "training": self.engine.training_state(),
            "attributes": held,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        io.check_specification(state["specification"])
        self._restore(state["specification"], state["parameters"])
        for name, value in state.get("attributes", {}).items():
            object.__setattr__(self, name, value)
        if "optimizer" in (training := state.get("training", {})):
            self.engine.restore_training(training)

    def __copy__(self) -> Self:
        """A network with the same attributes and optimizer, and parameters of its own."""
        state, net = self.__getstate__(), type(self).__new__(type(self))
        training = state.get("training", {}) if isinstance(state, dict) else {}  # a subclass's own
        if (optimizer := training.get("optimizer")) is not None:
            training["optimizer"] = copy(optimizer)  # restoring begins the schedule anew
            training["optimizer"].schedule = training["schedule"]
        net.__setstate__(state)
        if net.engine.last is not None:
            net.engine.last = net.engine.last._replace(optimizer=optimizer)
        return net

    def __repr__(self) -> str:
        shape = "-".join(str(size) for size in self.sizes)
        return f"{type(self).__name__}({shape}, {', '.join(self.activations)}, {self.dtype})"

    def _repr_html_(self) -> str:
        """Layers, shapes, activations and numbers of parameters, as notebooks show it."""
        layers = list(zip(self.weights, self.biases, self.activations, strict=True))
        rows: list[list[object]] = [
            [i, f"{w.shape[0]} × {w.shape[1]}", b.size, name, f"{w.size + b.size:,}"]
            for i, (w, b, name) in enumerate(layers, 1)
        ]
        rows.append(["all", "", "", "", f"{self.parameters.size:,}"])
        header = ["layer", "weights (inputs × units)", "biases", "activation", "parameters"]
        return table(f"{self!r}, {self.epochs} epochs trained", header, rows)


def score_of(net: Network, y: ArrayLike, predicted: Array, classes: list[str] | None) -> float:
    """`Network.score` of predictions, of a network with these classes."""
    truth = _checks.plain_array("y", y)
    if classes is not None and truth.dtype.kind in "fiub":
        raise TypeError(f"y: expected strings like the classes, got dtype {truth.dtype}")
    return scored(metrics.accuracy if net.metric == "accuracy" else metrics.r2, truth, predicted)


def scored(function: Callable[..., float], y: Array, predicted: Array, **settings: Any) -> float:
    """A metric, whose errors name the arguments of a method `score`."""

    def of_score(text: str) -> str:
        return text.replace("y_true", "y").replace("y_pred", "the predictions")

    with _checks.reworded(of_score):
        return function(y, predicted, **settings)
