"""The network behind an estimator: `coefs_` and `intercepts_` are views of its parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from .. import _core, kernels
from ..mlp import MLP
from ._callbacks import Support
from ._parameters import core_activation, hidden_activations
from ._sparse import block_rows, blocks
from ._threads import threads

Array = NDArray[Any]
_TRANSIENT = ("_net", "_optimizer")  # rebuilt from the coefficients when wanted


class HasNetwork(Support, BaseEstimator):
    """Outputs, hidden activations and input gradients of a fitted estimator."""

    _accept_sparse: Any = ("csr", "csc")

    def _adopt(self, net: MLP) -> None:
        """Let a network be this estimator's."""
        self._net = net
        self.coefs_ = list(net.weights)
        self.intercepts_ = list(net.biases)
        self._views = [*self.coefs_, *self.intercepts_]

    def _network(self) -> MLP:
        """The network, with whatever was put into `coefs_` and `intercepts_` meanwhile."""
        given = [*self.coefs_, *self.intercepts_]
        if "_net" not in vars(self):
            sizes = [self.coefs_[0].shape[0], *(w.shape[1] for w in self.coefs_)]
            names = hidden_activations(self.activation, len(sizes) - 2)
            dtype = np.result_type(*given, np.float32).name
            net = MLP(
                sizes,
                names,
                core_activation(self.out_activation_),
                dtype=dtype,
                seed=0,
                init="zeros",
            )
        elif all(a is b for a, b in zip(given, self._views, strict=True)):
            return self._net
        else:
            net = self._net
        for view, value in zip([*net.weights, *net.biases], given, strict=True):
            view[...] = value
        self._adopt(net)
        return net

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        for name in (*_TRANSIENT, "_views"):
            state.pop(name, None)
        for name in ("coefs_", "intercepts_"):
            if name in state:
                state[name] = [np.array(a) for a in state[name]]
        return state

    def _forward(self, X: Any, check_input: bool = True) -> Array:
        """The outputs, (n, outputs); sparse rows a block at a time."""
        check_is_fitted(self)
        if check_input:
            X = validate_data(
                self, X, accept_sparse=self._accept_sparse, dtype=_FLOATS, reset=False
            )
        net = self._network()
        with threads(self.n_threads):
            if not hasattr(X, "tocsr"):
                return net.forward(X)
            X = X.tocsr()
            out = np.empty((X.shape[0], net.sizes[-1]), net.dtype)
            for part, rows in blocks(X, block_rows(X)):
                net.forward(rows, out=out[part])
            return out

    def activations(self, X: Any) -> list[Array]:
        """What every layer makes of X: hidden representations, the outputs last.

        Parameters
        ----------
        X : array of shape (n, features)

        Returns
        -------
        list of arrays of shape (n, units)
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=_FLOATS, reset=False)
        return [a for _, a in self._layers(X)]

    def _z(self, X: Any) -> Array:
        """The last layer's preactivations."""
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse=self._accept_sparse, dtype=_FLOATS, reset=False)
        if not hasattr(X, "tocsr"):
            return self._layers(X)[-1][0]
        rows = (rows for _, rows in blocks(X.tocsr(), block_rows(X)))
        return np.concatenate([self._layers(part)[-1][0] for part in rows])

    def _layers(self, X: Array) -> list[tuple[Array, Array]]:
        """Each layer's z and a."""
        net, made = self._network(), []
        a: Array = X.astype(net.dtype, copy=False)
        for w, b, name in zip(net.weights, net.biases, net.activations, strict=True):
            z = kernels.matmul(a, w) + b
            a = kernels.softmax(z) if name == "softmax" else kernels.activate(z, name)
            made.append((z, a))
        return made

    def input_gradients(self, X: Any) -> Array:
        """The derivatives of every output by every feature.

        Parameters
        ----------
        X : array of shape (n, features)

        Returns
        -------
        array of shape (n, outputs, features)
            Of the probabilities or values that come out, at each row.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=_FLOATS, reset=False)
        net, layers = self._network(), self._layers(X)
        kept_of = _core.activations()

        def slope(i: int) -> Array:
            z, a = layers[i]
            name = net.activations[i]
            return kernels.slope(z if kept_of[name] == "preactivation" else a, name)

        gradients = []
        last = len(layers) - 1
        for k in range(net.sizes[-1]):
            if net.output == "softmax":
                p = layers[-1][1]
                delta = -p * p[:, k : k + 1]
                delta[:, k] += p[:, k]
            else:
                delta = np.zeros_like(layers[-1][1])
                delta[:, k] = slope(last)[:, k]
            for i in range(last, 0, -1):
                delta = kernels.matmul(delta, net.weights[i], transpose_b=True) * slope(i - 1)
            gradients.append(kernels.matmul(delta, net.weights[0], transpose_b=True))
        return np.stack(gradients, axis=1)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


_FLOATS = (np.float64, np.float32)
