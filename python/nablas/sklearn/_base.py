"""What `MLPClassifier` and `MLPRegressor` share: parameters, fitting, the network behind them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from numbers import Integral
from typing import Any, Self

import numpy as np
from sklearn.base import _fit_context
from sklearn.metrics import check_scoring
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _check_sample_weight

from .._data import check_finite, whole
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


def _floats(array: Any, net: MLP) -> Any:
    """Targets or weights in the network's dtype; classes and None as they are."""
    floating = array is not None and array.dtype.kind == "f"
    return array.astype(net.dtype, copy=False) if floating else array


class BaseMLP(HasNetwork, ABC):
    """Base of the estimators; see there."""

    _parameter_constraints = CONSTRAINTS

    # ---- what the subclasses say ---------------------------------------------------------------

    @abstractmethod
    def _validate_input(
        self, X: Any, y: Any, incremental: bool, reset: bool, held_out: bool = False
    ) -> tuple[Any, Any]:
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

    def _initialize(self, n_features: int, y: Any, dtype: str) -> Self:
        """Initial weights for data of so many features and targets like y."""
        self._validate_params()
        if dtype not in ("float32", "float64"):
            raise ValueError(f"dtype: expected 'float32' or 'float64', got {dtype!r}")
        for name in ("coefs_", "classes_"):  # nothing of an earlier fit
            self.__dict__.pop(name, None)
        X = np.zeros((len(y), whole("n_features", n_features, 1)), dtype)
        X, y = self._validate_input(X, y, False, True)
        self._build(X, y, check_random_state(self.random_state))
        return self

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
            self._begin_curves()
        self._optimizer: Rule | None = None  # made by the first descent

    def _begin_curves(self) -> None:
        """Empty curves, nothing reached yet."""
        self._no_improvement_count = 0
        self.loss_curve_: list[float] = []
        self.validation_loss_curve_: list[float] = []
        self.validation_scores_: list[float] | None = [] if self.early_stopping else None
        self.best_validation_score_ = -np.inf if self.early_stopping else None
        self.best_loss_ = None if self.early_stopping else np.inf

    def _hidden(self) -> list[int]:
        given = self.hidden_layer_sizes
        sizes = list(given) if hasattr(given, "__iter__") else [given]
        for size in sizes:
            if not isinstance(size, Integral):
                raise TypeError(f"hidden_layer_sizes: expected integers, got {size!r}")
        if any(size <= 0 for size in sizes):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
        return [int(size) for size in sizes]

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, incremental: bool, validation: tuple[Any, Any]
    ) -> Self:
        hidden = self._hidden()
        if self.scoring not in (None, "loss"):
            check_scoring(self, self.scoring)
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
        if (before := tuple(net.sizes[1:-1])) != tuple(hidden):
            raise ValueError(
                f"hidden_layer_sizes: expected {before} as in the fit before, got {tuple(hidden)}"
            )
        if not hasattr(X, "tocsr"):
            check_finite(X, net.dtype)
        y, weight = _floats(y, net), _floats(weight, net)
        held_out = None
        for name, one, other in (("X_val", *validation), ("y_val", *validation[::-1])):
            if one is None and other is not None:
                raise ValueError(f"{name}: expected an array beside the other, got None")
        if validation[0] is not None:
            X_val, y_val = self._validate_input(*validation, True, reset=False, held_out=True)
            held_out = X_val.tocsr() if hasattr(X_val, "tocsr") else X_val, _floats(y_val, net)
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
        for name in ("dropout", "l1", "clip_norm", "callbacks", "progress"):
            if np.any(getattr(self, name)):
                raise ValueError(f"{name}: expected none with solver='lbfgs'")
        if callable(self._loss()):
            raise ValueError("loss: expected one of the core's with solver='lbfgs', got a function")

    def _with_class_weight(self, y: Any, weight: Any) -> Any:
        return weight

    # ---- what descent asks ---------------------------------------------------------------------

    def _strata(self, y: Any, held_out: int) -> Any:
        """What the validation share keeps the proportions of."""
        return None

    def _decoded(self, y: Any) -> Any:
        """Encoded targets as the user gave them."""
        return y

    def _loss_scale(self) -> float:
        """scikit-learn's loss over the engine's."""
        return 1.0
