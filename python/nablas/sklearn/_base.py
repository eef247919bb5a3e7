"""What `MLPClassifier` and `MLPRegressor` share: parameters, fitting, the network behind them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Self

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _check_sample_weight

from ..mlp import MLP
from ._descent import Rule, descend
from ._lbfgs import minimise
from ._network import HasNetwork
from ._parameters import CONSTRAINTS, SOLVERS, core_activation, hidden_activations
from ._threads import threads

NOT_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and "
    "need to be preprocessed."
)


def _stochastic(estimator: Any) -> bool:
    if estimator.solver not in SOLVERS:
        raise AttributeError(
            "partial_fit is only available for stochastic optimizers. "
            f"{estimator.solver} is not stochastic."
        )
    return True


class BaseMLP(HasNetwork, ABC):
    """Base of the estimators; see there."""

    _parameter_constraints = CONSTRAINTS

    # ---- what the subclasses say ---------------------------------------------------------------

    @abstractmethod
    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Any]:
        """X, and y as the core takes it: classes (n,) or targets (n, outputs)."""

    @abstractmethod
    def _outputs(self, y: Any) -> tuple[int, str]:
        """Number of outputs and `out_activation_`."""

    @abstractmethod
    def _loss(self) -> Any:
        """The core's loss, or a function."""

    @abstractmethod
    def _score(self, X: Any, y: Any, sample_weight: Any) -> float:
        """Of validation rows; y as `_validate_input` gave it."""

    # ---- fitting -------------------------------------------------------------------------------

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, X_val: Any = None, y_val: Any = None
    ) -> Self:
        """Train on X and y.

        Parameters
        ----------
        X : array or CSR/CSC matrix of shape (n, features)
        y : array of shape (n,) or (n, outputs)
        sample_weight : array of shape (n,), optional
        X_val, y_val : arrays, optional
            Validation data: their loss is recorded after every epoch, and `early_stopping` watches
            them instead of a share of the training data.

        Returns
        -------
        self
        """
        with threads(self.n_threads):
            return self._fit(X, y, sample_weight, False, (X_val, y_val))

    @available_if(_stochastic)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """One epoch more; X, y and sample_weight as for `fit`."""
        with threads(self.n_threads):
            return self._fit(X, y, sample_weight, True, (None, None))

    def initialize(self, n_features: int, n_outputs: int = 1, dtype: str = "float64") -> Self:
        """Give the estimator its initial weights without any data.

        Parameters
        ----------
        n_features, n_outputs : int
            For a classifier of more than two classes `n_outputs` is their number, of two it is 1.
        dtype : "float32" or "float64"

        Returns
        -------
        self
        """
        y = self._example_targets(n_outputs)
        X = np.zeros((len(y), n_features), dtype)
        X, y = self._validate_input(X, y, False, True)
        self._build(X, y, check_random_state(self.random_state))
        return self

    @abstractmethod
    def _example_targets(self, n_outputs: int) -> Any:
        """A y that asks for so many outputs."""

    def _build(self, X: Any, y: Any, rng: Any) -> None:
        """A network with scikit-learn's initial weights, and empty curves."""
        hidden = self._hidden()
        self.n_outputs_, self.out_activation_ = self._outputs(y)
        names = hidden_activations(self.activation, len(hidden))
        sizes = [X.shape[1], *hidden, self.n_outputs_]
        output = core_activation(self.out_activation_)
        net = MLP(sizes, names, output, dtype=X.dtype.name, seed=0, init="zeros")
        for i, (weights, bias) in enumerate(zip(net.weights, net.biases, strict=True)):
            after = names[min(i, len(names) - 1)] if names else "identity"
            factor = 2.0 if after == "sigmoid" else 6.0
            bound = np.sqrt(factor / sum(weights.shape))
            weights[:] = rng.uniform(-bound, bound, weights.shape)
            bias[:] = rng.uniform(-bound, bound, bias.shape)
        self._adopt(net)
        self.n_layers_ = len(sizes)
        self.n_iter_ = self.t_ = 0
        if self.solver in SOLVERS:
            self.loss_curve_: list[float] = []
            self.validation_loss_curve_: list[float] = []
            self.validation_scores_: list[float] | None = [] if self.early_stopping else None
            self.best_validation_score_ = -np.inf if self.early_stopping else None
            self.best_loss_ = None if self.early_stopping else np.inf
        self._optimizer: Rule | None = None  # made by the first descent

    def _hidden(self) -> list[int]:
        given = self.hidden_layer_sizes
        sizes = list(given) if hasattr(given, "__iter__") else [given]
        if any(size <= 0 for size in sizes):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
        return [int(size) for size in sizes]

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, incremental: bool, validation: tuple[Any, Any]
    ) -> Self:
        self._hidden()
        if incremental and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        first = not hasattr(self, "coefs_") or (not self.warm_start and not incremental)
        X, y = self._validate_input(X, y, incremental, first)
        if hasattr(X, "tocsr"):
            X = X.tocsr()
        weight = None
        if sample_weight is not None:
            weight = _check_sample_weight(sample_weight, X, dtype=X.dtype)
        rng = check_random_state(self.random_state)
        if first:
            self._build(X, y, rng)
        weight = self._with_class_weight(y, weight)
        net = self._network()
        held_out = None
        if validation[0] is not None:
            if validation[1] is None:
                raise ValueError("y_val: expected targets beside X_val, got None")
            held_out = self._validate_input(*validation, incremental=True, reset=False)
        try:
            if self.solver == "lbfgs":
                self._check_lbfgs(held_out)
                minimise(self, net, X, y, weight, self._loss())
            else:
                descend(self, net, X, y, weight, rng, incremental, held_out)
        except FloatingPointError as error:
            raise ValueError(NOT_FINITE) from error
        if not np.isfinite(net.parameters).all():
            raise ValueError(NOT_FINITE)
        return self

    def _check_lbfgs(self, held_out: Any) -> None:
        """L-BFGS follows the plain gradient; what belongs to descent would be passed over."""
        if held_out is not None:
            raise ValueError("X_val: expected None with solver='lbfgs'")
        unused = {
            "dropout": 0.0,
            "l1": 0.0,
            "clip_norm": None,
            "callbacks": None,
            "progress": False,
        }
        for name, default in unused.items():
            if getattr(self, name) != default:
                raise ValueError(f"{name}: expected {default} with solver='lbfgs'")
        if callable(self._loss()):
            raise ValueError("loss: expected one of the core's with solver='lbfgs', got a function")

    def _with_class_weight(self, y: Any, weight: Any) -> Any:
        return weight

    # ---- what descent asks ---------------------------------------------------------------------

    def _strata(self, y: Any) -> Any:
        """What the validation share keeps the proportions of."""
        return None

    def _decoded(self, y: Any) -> Any:
        """Encoded targets as the user gave them."""
        return y

    def _reported_loss(self, net: MLP, rows: int, batch: int) -> Callable[[float], float]:
        """scikit-learn's loss from the engine's."""
        return lambda loss: loss
