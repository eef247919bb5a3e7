"""Linear models as networks of one layer."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from ._network import Array
from ._parameters import CONSTRAINTS, keep
from .classifier import MLPClassifier
from .regressor import MLPRegressor

_LINEAR = {
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "tol": CONSTRAINTS["tol"],
    "n_iter_no_change": CONSTRAINTS["n_iter_no_change"],
    "random_state": CONSTRAINTS["random_state"],
    "verbose": CONSTRAINTS["verbose"],
    "warm_start": CONSTRAINTS["warm_start"],
    "n_threads": CONSTRAINTS["n_threads"],
}


class _OneLayer:
    """No hidden layer; everything the subclasses do not ask for at its default."""

    hidden_layer_sizes: Any = ()
    activation: Any = "identity"
    batch_size: Any = "auto"
    learning_rate: Any = "constant"
    learning_rate_init: float = 0.001
    alpha: float = 0.0
    power_t, momentum, beta_1, beta_2, epsilon = 0.5, 0.9, 0.9, 0.999, 1e-8
    validation_fraction, max_fun = 0.1, 15000
    shuffle = nesterovs_momentum = True
    early_stopping = progress = False
    dropout, l1, weight_decay, label_smoothing, quantile = 0.0, 0.0, 0.0, 0.0, 0.5
    clip_norm = scoring = callbacks = class_weight = None
    coefs_: list[Array]
    intercepts_: list[Array]

    @property
    def coef_(self) -> Array:
        """Weights, (outputs, features): a view; (features,) for a regression with one target."""
        return self.coefs_[0].T

    @property
    def intercept_(self) -> Array:
        """Biases, (outputs,): a view."""
        return self.intercepts_[0]


class LogisticRegression(_OneLayer, MLPClassifier):
    """Logistic regression, multinomial for more than two classes, as scikit-learn's.

    Minimises ``C`` times the summed cross-entropy plus half the sum of squared weights.

    Parameters
    ----------
    C : float
        Inverse strength of the L2 penalty; ``np.inf`` for none.
    solver : "lbfgs", "sgd" or "adam"
    learning_rate_init : float
        Of "sgd" and "adam".
    max_iter : int
    tol : float
    class_weight : dict, "balanced" or None
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

    _parameter_constraints = _LINEAR | {
        "C": [Interval(Real, 0, None, closed="right")],
        "solver": [StrOptions({"lbfgs", "sgd", "adam"})],
        "learning_rate_init": CONSTRAINTS["learning_rate_init"],
        "class_weight": [StrOptions({"balanced"}), dict, None],
    }
    loss = "log_loss"

    def __init__(
        self,
        C: float = 1.0,
        *,
        solver: str = "lbfgs",
        learning_rate_init: float = 0.01,
        max_iter: int = 100,
        tol: float = 1e-4,
        class_weight: Any = None,
        n_iter_no_change: Any = 5,
        random_state: Any = None,
        verbose: bool = False,
        warm_start: bool = False,
        n_threads: int | None = None,
    ) -> None:
        keep(self, locals())

    @property
    def alpha(self) -> float:  # type: ignore[override]
        """The penalty as the networks call it."""
        return 1 / float(self.C)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = False
        return tags

    def decision_function(self, X: Any) -> Array:
        """z: logits of the classes, (n,) for two of them."""
        z = self._z(X)
        return z.ravel() if z.shape[1] == 1 else z


class LinearRegression(_OneLayer, MLPRegressor):
    """Least squares, by L-BFGS or by descent.

    Parameters
    ----------
    solver : "lbfgs", "sgd" or "adam"
    alpha : float
        L2 penalty, half of it times the sum of squared weights over the number of rows.
    learning_rate_init : float
        Of "sgd" and "adam".
    max_iter : int
    tol : float
    n_iter_no_change : int
        Epochs of descent without improvement before the end.
    random_state : int, RandomState or None
    verbose, warm_start : bool
    n_threads : int, optional

    Attributes
    ----------
    coef_ : array of shape (features,) or (targets, features)
    intercept_ : float or array of shape (targets,)
    n_features_in_, n_iter_ : int
    """

    _parameter_constraints = _LINEAR | {
        "solver": [StrOptions({"lbfgs", "sgd", "adam"})],
        "alpha": CONSTRAINTS["alpha"],
        "learning_rate_init": CONSTRAINTS["learning_rate_init"],
    }
    loss = "squared_error"

    def __init__(
        self,
        *,
        solver: str = "lbfgs",
        alpha: float = 0.0,
        learning_rate_init: float = 0.01,
        max_iter: int = 1000,
        tol: float = 1e-6,
        n_iter_no_change: Any = 5,
        random_state: Any = None,
        verbose: bool = False,
        warm_start: bool = False,
        n_threads: int | None = None,
    ) -> None:
        keep(self, locals())

    @property
    def coef_(self) -> Array:
        """Weights: a view."""
        return self.coefs_[0][:, 0] if self.n_outputs_ == 1 else self.coefs_[0].T

    @property
    def intercept_(self) -> Any:
        """Bias, or one for each target."""
        return float(self.intercepts_[0][0]) if self.n_outputs_ == 1 else self.intercepts_[0]


def _rosenblatt(z: Array, targets: Array) -> tuple[float, Array]:
    """The share of mistakes, and the "gradient" that makes a step the perceptron's correction."""
    wrong = (z > 0).astype(z.dtype) - targets
    return float(np.abs(wrong).mean()), wrong / len(z)


class Perceptron(_OneLayer, MLPClassifier):
    """Rosenblatt's perceptron: after each sample, ``w += eta0 (y - ŷ) x``.

    More than two classes get a unit each, and the largest z decides.

    Parameters
    ----------
    eta0 : float
    max_iter : int
    tol : float
        End when the share of mistakes has not fallen by so much for `n_iter_no_change` epochs.
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

    _parameter_constraints = _LINEAR | {
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
    def learning_rate_init(self) -> float:  # type: ignore[override]
        """The rate as the networks call it."""
        return float(self.eta0)

    def fit(self, X: Any, y: Any) -> Self:
        """Train on X and y; the rule knows no weights of samples.

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
        """One epoch more; the first call needs all classes there will be."""
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

    def decision_function(self, X: Any) -> Array:
        """z: how far on which side, (n,) for two classes."""
        z = self._forward(X)
        return z.ravel() if z.shape[1] == 1 else z

    # A perceptron has no probabilities.
    predict_proba = property()
    predict_log_proba = property()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        tags.classifier_tags.multi_label = False
        return tags
