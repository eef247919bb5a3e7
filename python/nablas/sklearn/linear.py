"""Linear models as networks of one layer."""

from __future__ import annotations

import inspect
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions

from ._network import Array
from ._parameters import CONSTRAINTS, keep
from .classifier import MLPClassifier
from .regressor import MLPRegressor

LINEAR = {
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "tol": CONSTRAINTS["tol"],
    "n_iter_no_change": CONSTRAINTS["n_iter_no_change"],
    "random_state": CONSTRAINTS["random_state"],
    "verbose": CONSTRAINTS["verbose"],
    "warm_start": CONSTRAINTS["warm_start"],
    "n_threads": CONSTRAINTS["n_threads"],
}


class _OneLayer:
    """No hidden layer; parameters that a subclass lacks have the default of the MLP classes."""

    coefs_: list[Array]
    intercepts_: list[Array]

    @property
    def coef_(self) -> Array:
        """Weights, (outputs, features): a view."""
        return self.coefs_[0].T

    @property
    def intercept_(self) -> Array:
        """Biases, (outputs,): a view."""
        return self.intercepts_[0]


def _defaults(network: Any) -> dict[str, Any]:
    return {name: p.default for name, p in inspect.signature(network).parameters.items()}


_NO_LAYER = {"hidden_layer_sizes": (), "activation": "identity", "alpha": 0.0}
for _name, _value in (_defaults(MLPClassifier) | _defaults(MLPRegressor) | _NO_LAYER).items():
    setattr(_OneLayer, _name, _value)


class LinearClassifier(_OneLayer, MLPClassifier):
    """A classifier with one label for each row and at least two classes."""

    def _validate_input(
        self, X: Any, y: Any, incremental: bool, reset: bool, held_out: bool = False
    ) -> tuple[Any, Any]:
        X, y = super()._validate_input(X, column_or_1d(y, warn=True), incremental, reset, held_out)
        if len(self.classes_) < 2:
            raise ValueError(
                "This solver needs samples of at least 2 classes in the data, but the data "
                f"contains only one class: {self.classes_[0]!r}"
            )
        return X, y

    def decision_function(self, X: Any) -> Array:
        """z, (n,) for two classes (positive: the second one), (n, classes) for more."""
        z = self._z(X)
        return z.ravel() if z.shape[1] == 1 else z

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = False
        return tags


class LogisticRegression(LinearClassifier):
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

    _parameter_constraints = LINEAR | {
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
    def alpha(self) -> float:
        """The L2 penalty of `MLPClassifier`: 1 / C."""
        return 1 / float(self.C)


class LinearRegression(_OneLayer, MLPRegressor):
    """Least squares, by L-BFGS or by descent.

    Parameters
    ----------
    solver : "lbfgs", "sgd" or "adam"
    alpha : float
        L2 penalty: ``alpha / 2`` times the sum of squared weights, divided by the number of rows.
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

    _parameter_constraints = LINEAR | {
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

    def _validate_input(
        self, X: Any, y: Any, incremental: bool, reset: bool, held_out: bool = False
    ) -> tuple[Any, Any]:
        shape = np.asarray(y).shape
        if reset:
            self._flat = len(shape) < 2
        if len(shape) == 2 and shape[1] == 1:
            y = np.ravel(np.asarray(y))
        return super()._validate_input(X, y, incremental, reset, held_out)

    @property
    def coef_(self) -> Array:
        """Weights, (targets, features), or (features,) if y was 1-D: a view."""
        return self.coefs_[0][:, 0] if self._flat else self.coefs_[0].T

    @property
    def intercept_(self) -> Any:
        """Biases, (targets,): a view; a float if y was 1-D."""
        return float(self.intercepts_[0][0]) if self._flat else self.intercepts_[0]

    def predict(self, X: Any) -> Array:
        """The predicted values.

        Parameters
        ----------
        X : array or CSR/CSC matrix of shape (n, features)

        Returns
        -------
        array
            Of y's shape in `fit`: (n,) or (n, targets).
        """
        outputs = self._forward(X)
        return outputs.ravel() if self._flat else outputs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
