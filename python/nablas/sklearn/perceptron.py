"""Rosenblatt's perceptron as a network of one layer."""

from __future__ import annotations

from numbers import Real
from typing import Any, Self

import numpy as np
from sklearn.utils._param_validation import Interval

from ._network import Array
from ._parameters import keep
from .linear import LINEAR, LinearClassifier


def _rosenblatt(z: Array, targets: Array) -> tuple[float, Array]:
    """The fraction of wrong outputs, and the gradient that makes an SGD step Rosenblatt's rule."""
    wrong = (z > 0).astype(z.dtype) - targets
    return float(np.abs(wrong).mean()), wrong / len(z)


class Perceptron(LinearClassifier):
    """Rosenblatt's perceptron: after each sample, ``w += eta0 (y - ŷ) x``.

    More than two classes have one unit each; the class with the largest z is predicted.

    Parameters
    ----------
    eta0 : float
    max_iter : int
    tol : float
        An improvement is a fall of the fraction of wrong outputs by at least this.
    shuffle : bool
    n_iter_no_change : int
        Epochs of descent without improvement before the end.
    random_state : int, RandomState or None
    verbose, warm_start : bool
    n_threads : int, optional

    Attributes
    ----------
    classes_ : array
    coef_ : array of shape (1, features) or (classes, features)
    intercept_ : array of shape (1,) or (classes,)
    n_features_in_, n_iter_ : int
    """

    _parameter_constraints = LINEAR | {
        "eta0": [Interval(Real, 0, None, closed="neither")],
        "shuffle": ["boolean"],
    }
    solver, batch_size, momentum, nesterovs_momentum = "sgd", 1, 0.0, False
    loss = staticmethod(_rosenblatt)
    _accept_sparse = False

    def __init__(
        self,
        *,
        eta0: float = 1.0,
        max_iter: int = 1000,
        tol: float = 1e-3,
        shuffle: bool = True,
        n_iter_no_change: Any = 5,
        random_state: Any = None,
        verbose: bool = False,
        warm_start: bool = False,
        n_threads: int | None = None,
    ) -> None:
        keep(self, locals())

    @property
    def learning_rate_init(self) -> float:
        """`eta0` under the name of the MLP classes."""
        return float(self.eta0)

    def fit(self, X: Any, y: Any) -> Self:
        """Train on X and y; sample weights are not supported.

        Parameters
        ----------
        X : array of shape (n, features)
        y : array of shape (n,)

        Returns
        -------
        self
        """
        super().fit(X, y)
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Self:
        """Train for one more epoch; the first call needs all `classes` of all calls."""
        super().partial_fit(X, y, classes=classes)
        return self

    def _outputs(self, y: Any) -> tuple[int, str]:
        return y.shape[1], "identity"

    def _loss(self) -> Any:
        return _rosenblatt

    def _best(self, outputs: Array) -> Array:
        best: Array = outputs > 0 if outputs.shape[1] == 1 else outputs.argmax(axis=1)
        return best

    def _codes(self, y: Any) -> Any:
        return (y[:, 0] > 0.5).astype(int) if y.shape[1] == 1 else y.argmax(axis=1)

    # No probabilities: property() raises AttributeError, so hasattr is False.
    predict_proba = property()
    predict_log_proba = property()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        return tags
