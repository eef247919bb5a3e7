"""`MLPRegressor`."""

from __future__ import annotations

from numbers import Real
from typing import Any, Self

import numpy as np
from scipy.sparse import issparse
from sklearn.base import RegressorMixin
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions

from .. import metrics
from .._checks import integer
from .._losses import Loss, Quantile
from .._registry import LOSSES
from ._base import BaseMLP
from ._network import Array
from ._parameters import CONSTRAINTS, below_one, keep

# scikit-learn's names, and the core's own that take any values
_LOSSES = {"squared_error": "half_mse", "poisson": "poisson", "absolute_error": "mae"} | {
    name: name
    for name, entry in LOSSES.items()
    if entry.link == "identity" and name not in ("mse", "half_mse", "quantile")
}


class MLPRegressor(RegressorMixin, BaseMLP):
    """scikit-learn's `MLPRegressor` on the nablas engine, with additional parameters.

    All parameters up to `max_fun` and all attributes are scikit-learn's and mean the same.

    Parameters
    ----------
    loss : str, Loss or function
        "squared_error" (half of it, summed over outputs), "poisson" (half the deviance, exponential
        output); also "absolute_error" or "mae", "huber", "log_cosh", "quantile", an object such as
        ``nablas.Huber(delta=2.0)``, or a function ``(outputs, targets) -> (value, gradient)``, with
        a keyword `sample_weight` if weights are used.
    hidden_layer_sizes : int or sequence of int
    activation : str or list of str
        "identity", "logistic", "tanh", "relu" or any of ``nablas.activations()``; one for each
        hidden layer if a list.
    solver : str
        "lbfgs", "sgd", "adam"; also "adamw", "nadam", "rmsprop", "adagrad".
    alpha : float
        L2 penalty: ``alpha / 2`` times the sum of squared weights, divided by the batch's weight.
    batch_size : int or "auto"
    learning_rate : str or Schedule
        "constant", "invscaling", "adaptive" (the last two with sgd); also "cosine", "one_cycle",
        "plateau", or a schedule of ``nablas.schedules``, which replaces `learning_rate_init`.
    learning_rate_init, power_t : float
    max_iter : int
    shuffle : bool
    random_state : int, RandomState or None
    tol : float
    verbose, warm_start : bool
    momentum : float
    nesterovs_momentum, early_stopping : bool
    validation_fraction, beta_1, beta_2, epsilon : float
    n_iter_no_change, max_fun : int
    quantile : float
        Of loss "quantile".
    dropout : float or list of float
        Probability of dropping a hidden unit's output; one for each hidden layer if a list.
    l1 : float
        L1 penalty: `l1` times the sum of absolute weights, divided by the batch's weight.
    clip_norm : float, optional
        The gradient of a batch is scaled down to at most this Euclidean norm.
    weight_decay : float
        Of solver "adamw".
    scoring : str, function or None
        What early stopping monitors: a scikit-learn scorer, "loss", or None for R².
    callbacks : list of functions, optional
        Called after every epoch with a ``nablas.FitState``.
    progress : bool
        Show the progress on standard error, as `nablas.MLP.fit` does.
    n_threads : int, optional
        Threads used by `fit` and by the prediction methods; -1 for one on each processor.

    Attributes
    ----------
    coefs_, intercepts_ : lists of arrays
        Views of the network's parameters.
    loss_, best_loss_ : float
    loss_curve_, validation_scores_, validation_loss_curve_ : lists of float
    best_validation_score_ : float or None
    n_features_in_, n_iter_, n_layers_, n_outputs_, t_ : int
    out_activation_ : str

    Examples
    --------
    >>> from nablas.sklearn import MLPRegressor
    >>> X = np.linspace(-2, 2, 100).reshape(-1, 1)
    >>> model = MLPRegressor("huber", (32,), "tanh", solver="lbfgs", max_iter=1000, random_state=0)
    >>> model.fit(X, np.sin(X.ravel())).score(X, np.sin(X.ravel())) > 0.99
    True
    """

    _parameter_constraints = CONSTRAINTS | {
        "loss": [StrOptions({*_LOSSES, "quantile"}), callable, Loss],
        "quantile": [Interval(Real, 0, 1, closed="neither")],
    }
    _warns_of_columns = True  # about y of shape (n, 1); the linear model does not

    def __init__(
        self,
        loss: Any = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: Any = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: Any = 10,
        max_fun: int = 15000,
        quantile: float = 0.5,
        dropout: Any = 0.0,
        l1: float = 0.0,
        clip_norm: float | None = None,
        weight_decay: float = 0.01,
        scoring: Any = None,
        callbacks: Any = None,
        progress: bool = False,
        n_threads: int | None = None,
    ) -> None:
        keep(self, locals())

    def _validate_input(
        self, X: Any, y: Any, incremental: bool, reset: bool, held_out: bool = False
    ) -> tuple[Any, Any]:
        X, y = self._checked(X, y, reset, y_numeric=True)
        if issparse(y):
            raise TypeError(f"y: expected a dense array, got {type(y).__name__}")
        if y.dtype.kind in "USOM":
            raise ValueError(f"y: expected numbers, got dtype {y.dtype}")
        y = y.astype(X.dtype, copy=False)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=self._warns_of_columns)
        return X, y.reshape(len(y), -1)

    def _outputs(self, y: Any) -> tuple[int, str]:
        name = self.loss.name if isinstance(self.loss, Loss) else self.loss
        return y.shape[1], "exp" if name == "poisson" else "identity"

    def initialize(self, n_features: int, n_outputs: int = 1, dtype: str = "float64") -> Self:
        """Give the estimator its initial weights without any data.

        Parameters
        ----------
        n_features, n_outputs : int
        dtype : "float32" or "float64"

        Returns
        -------
        self
        """
        targets = np.zeros((2, integer("n_outputs", n_outputs, 1)))
        return self._initialize(n_features, targets[:, 0] if n_outputs == 1 else targets, dtype)

    def _loss(self) -> Any:
        if not isinstance(self.loss, str):
            return self.loss
        if self.loss != "quantile":
            return _LOSSES[self.loss]
        dtype = self._network().dtype
        return Quantile(max(below_one(self.quantile, dtype), float(np.finfo(dtype).tiny)))

    def _loss_scale(self) -> float:
        """scikit-learn records the squares' mean over outputs; the gradient is of their sum."""
        loss = self._loss()
        summed = (loss.name if isinstance(loss, Loss) else loss) == "half_mse"
        return 1 / self.n_outputs_ if summed else 1.0

    def _score(self, outputs: Any, y: Any, sample_weight: Any) -> float:
        if not np.isfinite(outputs).all():
            return np.nan
        return metrics.r2(y, outputs, sample_weight=sample_weight)

    def predict(self, X: Any) -> Array:
        """The predicted values.

        Parameters
        ----------
        X : array or CSR/CSC matrix of shape (n, features)

        Returns
        -------
        array of shape (n,) or (n, outputs)
        """
        outputs = self._forward(X)
        return outputs.ravel() if outputs.shape[1] == 1 else outputs
