"""The multilayer perceptron: training and prediction on top of `Network`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _data, _losses, metrics
from ._training import make_fit, prepare
from .callbacks import Callback
from .explain import Explanation, explain
from .history import History
from .network import Network
from .optimizers import Optimizer

Array = NDArray[Any]


class MLP(Network):
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
        "normal" (deviation 0.01), "zeros", or "auto", by the first hidden activation: he for
        the relu family, lecun for selu, glorot otherwise. Biases start at zero.

    Attributes
    ----------
    parameters : array of shape (n,)
        All weights and biases: a view, writeable.
    weights, biases : list of arrays
        Views of `parameters`, (inputs, outputs) and (outputs,) for each layer.
    classes : list of str or None
        What the class indices stand for, when y held strings.
    """

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
        validation_data: Sequence[Any] | None = None,
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
            gradient by the outputs; it has a keyword `sample_weight` if weights are given.
        batch_size, epochs : int
        shuffle : bool
            Visit the rows in a new random order every epoch.
        seed : int, optional
            Of the order and of dropout. Default: the network's.
        validation_data : (X, y) or (X, y, sample_weight), optional
            Loss and score on them are recorded after every epoch.
        sample_weight : array of shape (n,), optional
            Not negative. A batch's loss is the weighted mean over its rows, as in scikit-learn:
            weights count within a batch, and with ``batch_size=1`` they cancel.
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
            When the loss is not finite. The last finite weights are kept; they may be far off.
        """
        return make_fit(
            self,
            X,
            y,
            optimizer=optimizer,
            loss=loss,
            batch_size=batch_size,
            epochs=epochs,
            shuffle=shuffle,
            seed=seed,
            validation_data=validation_data,
            sample_weight=sample_weight,
            l2=l2,
            dropout=dropout,
            callbacks=callbacks,
            progress=progress,
        ).run()

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
        if not np.isfinite(outputs).all():
            _data.check_finite(_data.as_matrix(X, self.dtype), self.dtype)
        codes: Array
        if self.output == "softmax":
            codes = outputs.argmax(axis=1)
        elif self.output == "sigmoid":
            codes = (outputs > 0.5).astype(np.int64)
        else:
            return outputs[:, 0] if outputs.shape[1] == 1 else outputs
        if codes.ndim == 2 and codes.shape[1] == 1:
            codes = codes[:, 0]
        if self.classes is not None:
            codes = np.array(self.classes)[codes]
        return codes

    @property
    def _metric(self) -> str:
        return "accuracy" if self.output in ("softmax", "sigmoid") else "r2"

    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """`metrics.accuracy` for softmax and sigmoid outputs, `metrics.r2` for others."""
        if self.classes is not None and np.asarray(y).dtype.kind in "fiub":
            raise TypeError(
                f"y: expected strings like the classes, got dtype {np.asarray(y).dtype}"
            )
        function = metrics.accuracy if self._metric == "accuracy" else metrics.r2
        return function(y, self.predict(X))

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
        _, targets, data, _, weight = prepare(self, X, y, sample_weight, loss, self.classes)
        if callable(loss):
            value = _losses.call(loss, self.forward(X), targets, weight)[0]
            return value + self._penalty(_data.penalty(l2))
        return self._core.evaluate(data, _data.penalty(l2))

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
        if callable(loss):
            raise TypeError("loss: expected a name, got a function")
        data = prepare(self, X, y, sample_weight, loss, self.classes).data
        return self._trainer(self._core, "sgd", {}).gradient(data, _data.penalty(l2))[1]

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
