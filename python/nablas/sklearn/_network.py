"""The network behind an estimator: `coefs_` and `intercepts_` are views of its parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from .. import _data, kernels
from ..explain import through_output
from ..mlp import MLP
from ._callbacks import Support
from ._parameters import Parameters, core_activation, hidden_activations
from ._threads import threads

Array = NDArray[Any]
_TRANSIENT = ("_net", "_views", "_claim")  # not pickled; created again when needed
FLOATS = (np.float64, np.float32)


def _fill(views: list[Array], given: list[Array]) -> None:
    """Copy `given` into `views`; they may share memory."""
    wanted = [view.shape for view in views]
    if [np.shape(value) for value in given] != wanted:
        raise ValueError(
            f"coefs_, intercepts_: expected arrays of shapes {wanted}, got "
            f"{[np.shape(value) for value in given]}"
        )
    for view, value in zip(views, [np.array(value) for value in given], strict=True):
        view[...] = value


def rows_of(X: Any, net: MLP) -> Any:
    """Validated X as the network reads it, sparse rows as CSR.

    ValueError for values that the network's dtype cannot hold.
    """
    _check_range(X, net)
    return _data.as_matrix(X, net.dtype)


def refuse_text(X: Any) -> None:
    """ValueError, scikit-learn's, for text in place of numbers; X is valid otherwise."""
    given = np.asarray(X) if isinstance(X, (list, tuple)) else X
    if getattr(getattr(given, "dtype", None), "kind", None) in ("U", "S", "V"):
        check_array(given)


def _check_range(X: Any, net: MLP) -> None:
    """ValueError for values of validated X that the network's dtype cannot hold."""
    if X.dtype == np.float64 and net.dtype == "float32":
        _data.check_finite(X, net.dtype)


class HasNetwork(Parameters, Support, BaseEstimator):
    """Outputs, hidden activations and input gradients of a fitted estimator."""

    _accept_sparse: Any = ("csr", "csc")

    def _adopt(self, net: MLP) -> None:
        """Make `net` this estimator's network."""
        views = net.engine.views(net.parameters)
        self.coefs_ = [weights for weights, _ in views]
        self.intercepts_ = [bias for _, bias in views]
        self._views = [*self.coefs_, *self.intercepts_]
        self._net = net

    def _rebuild(self, activations: list[str]) -> None:
        """Make a network of the given activations from `coefs_` and `intercepts_`."""
        given = [*self.coefs_, *self.intercepts_]
        sizes = [self.coefs_[0].shape[0], *(w.shape[1] for w in self.coefs_)]
        dtype = np.result_type(*given, np.float32).name
        *hidden, output = activations
        net = MLP(sizes, hidden, output, dtype=dtype, seed=0, init="zeros")
        _fill([*net.weights, *net.biases], given)
        self._adopt(net)

    @property
    def network_(self) -> MLP:
        """The fitted network; its parameters are `coefs_` and `intercepts_`.

        Raises
        ------
        NotFittedError
            Before `fit`.
        """
        check_is_fitted(self)
        return self._network()

    def _network(self) -> MLP:
        """The network, after copying arrays assigned to `coefs_` or `intercepts_` into it."""
        if "_net" not in vars(self):  # attributes were set without `fit`
            hidden = hidden_activations(self.activation, len(self.coefs_) - 1)
            self._rebuild([*hidden, core_activation(self.out_activation_)])
        given = [*self.coefs_, *self.intercepts_]
        if len(given) != len(self._views) or any(
            a is not b for a, b in zip(given, self._views, strict=True)
        ):
            _fill([*self._net.weights, *self._net.biases], given)
            self._adopt(self._net)
        return self._net

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "_net" in state:
            net = self._network()
            state["_activations"] = list(net.activations)
            state["_training"] = net.engine.training_state()
        for name in _TRANSIENT:
            state.pop(name, None)
        for name in ("coefs_", "intercepts_"):
            if name in state:
                state[name] = [np.array(a) for a in state[name]]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        activations, training = state.pop("_activations", None), state.pop("_training", None)
        super().__setstate__(state)
        if activations is not None:
            self._rebuild(activations)
        if training is not None:
            self._net.engine.restore_training(training)

    def _rows(self, X: Any) -> Any:
        """X, checked: ValueError for values that the network's dtype cannot hold."""
        check_is_fitted(self)
        accepted = self._accept_sparse
        checked = validate_data(self, X, accept_sparse=accepted, dtype=FLOATS, reset=False)
        refuse_text(X)
        net = self._network()
        _check_range(checked, net)
        return _data.as_rows(checked, net.dtype)

    def _dense(self, X: Any) -> Array:
        """X, checked, without sparse matrices."""
        check_is_fitted(self)
        checked = validate_data(self, X, dtype=FLOATS, reset=False)
        refuse_text(X)
        return np.asarray(rows_of(checked, self._network()))

    def _forward(self, X: Any) -> Array:
        """The outputs, (n, outputs)."""
        rows = self._rows(X)
        with threads(self.n_threads):
            return self._net.engine.forward(rows)

    def activations(self, X: Any) -> list[Array]:
        """The activations of every layer for X, the outputs last.

        Parameters
        ----------
        X : array of shape (n, features)

        Returns
        -------
        list of arrays of shape (n, units)
        """
        X = self._dense(X)
        with threads(self.n_threads):
            return [a for _, a in self._network().layers(X)]

    def input_gradients(self, X: Any) -> Array:
        """The derivative of every output with respect to every feature.

        Parameters
        ----------
        X : array of shape (n, features)

        Returns
        -------
        array of shape (n, outputs, features)
            Of the outputs (probabilities or values), for each row of X.
        """
        X = self._dense(X)
        with threads(self.n_threads):
            layers = self._network().layers(X)
            columns = range(self._network().sizes[-1])
            return np.stack([self._input_gradient(layers, k) for k in columns], axis=1)

    def _softmax_columns(self) -> list[slice]:
        """The groups of outputs that share a softmax."""
        net = self._network()
        return [slice(0, net.sizes[-1])] if net.output == "softmax" else []

    def _input_gradient(self, layers: list[tuple[Array, Array]], k: int) -> Array:
        """The derivative of output k with respect to the features, (n, features)."""
        net, (z, a) = self._network(), layers[-1]
        unit = np.zeros_like(a)
        unit[:, k] = 1
        delta = np.zeros_like(a)
        for group in self._softmax_columns():
            if group.start <= k < group.stop:
                p = kernels.softmax(z[:, group])
                delta[:, group] = through_output("softmax", z[:, group], p, unit[:, group])
                break
        else:
            delta = through_output(net.output, z, a, unit)
        for i in range(len(layers) - 1, 0, -1):
            by_activation = kernels.matmul(delta, net.weights[i], transpose_b=True)
            delta = through_output(net.activations[i - 1], *layers[i - 1], by_activation)
        return kernels.matmul(delta, net.weights[0], transpose_b=True)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
