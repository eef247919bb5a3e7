"""The common base of `MLPClassifier` and `MLPRegressor`: initialisation and fitting."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
from sklearn.base import _fit_context
from sklearn.metrics import check_scoring
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _check_sample_weight, validate_data

from .._checks import choice, integer
from .._data import check_total_weight, weights_of_rows
from .._losses import resolve
from ..mlp import MLP
from ._descent import descend
from ._lbfgs import minimise
from ._network import FLOATS, HasNetwork, rows_of
from ._options import Curves, Options, Problem, Record, unchanged_on_error
from ._parameters import CONSTRAINTS, SOLVERS, core_activation
from ._threads import threads

Validation = tuple[Any, Any, Any]  # X, y and weights, or None
NO_VALIDATION: Validation = (None, None, None)
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
    """Floating targets or weights in the network's dtype; class indices and None unchanged."""
    floating = array is not None and array.dtype.kind == "f"
    return array.astype(net.dtype, copy=False) if floating else array


def _checked_weight(sample_weight: Any, X: Any) -> Any:
    """Sample weights (n,) in X's dtype, or None."""
    if sample_weight is None:
        return None
    return _check_sample_weight(sample_weight, X, dtype=X.dtype)


class BaseMLP(HasNetwork, ABC):
    """Base of the estimators, which document the parameters."""

    _parameter_constraints = CONSTRAINTS
    _by_batch, _bias = True, True  # of `Options`; the linear models have others

    # ---- implemented by subclasses -------------------------------------------------------------

    @abstractmethod
    def _validate_input(
        self, X: Any, y: Any, incremental: bool, reset: bool, held_out: bool = False
    ) -> tuple[Any, Any]:
        """Validated X, and y as the core takes it: classes (n,) or targets (n, outputs)."""

    def _checked(self, X: Any, y: Any, reset: bool, **settings: Any) -> tuple[Any, Any]:
        """X and y by scikit-learn's validation."""
        accepted = self._accept_sparse
        checked: tuple[Any, Any] = validate_data(
            self,
            X,
            y,
            accept_sparse=accepted,
            multi_output=True,
            dtype=FLOATS,
            reset=reset,
            **settings,
        )
        return checked

    @abstractmethod
    def _outputs(self, y: Any) -> tuple[int, str]:
        """Number of outputs and `out_activation_`."""

    @abstractmethod
    def _loss(self) -> Any:
        """The name of a loss of the core, or a function."""

    @abstractmethod
    def _score(self, outputs: Any, y: Any, sample_weight: Any) -> float:
        """Of the outputs for some rows; y as `_validate_input` returned it."""

    # ---- fitting -------------------------------------------------------------------------------

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Train on X and y.

        Parameters
        ----------
        X : array or CSR/CSC matrix of shape (n, features)
        y : array of shape (n,) or (n, outputs)
        sample_weight : array of shape (n,), optional
        X_val, y_val, sample_weight_val : arrays, optional
            Validation data: the loss on it is recorded after every epoch, and `early_stopping` uses
            it instead of a share of the training data.

        Returns
        -------
        self
        """
        with threads(self.n_threads), unchanged_on_error(self):
            return self._fit(X, y, sample_weight, False, (X_val, y_val, sample_weight_val))

    @available_if(_stochastic)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one more epoch; X, y and sample_weight as for `fit`."""
        with threads(self.n_threads), unchanged_on_error(self):
            return self._fit(X, y, sample_weight, True, NO_VALIDATION)

    def _initialize(self, n_features: int, y: Any, dtype: str) -> Self:
        """Initialise the weights for `n_features` features and targets like y."""
        self._validate_params()
        choice("dtype", dtype, ("float32", "float64"))
        options = Options.of(self)
        with unchanged_on_error(self):
            for name in ("coefs_", "classes_"):  # of an earlier fit
                self.__dict__.pop(name, None)
            X = np.zeros((len(y), integer("n_features", n_features, 1)), dtype)
            X, y = self._validate_input(X, y, False, True)
            self._build(options, X.shape[1], dtype, y, check_random_state(self.random_state))
            Record.of(self, options, True).publish(self)
        return self

    def _build(self, options: Options, features: int, dtype: str, y: Any, rng: Any) -> None:
        """A network with scikit-learn's initial weights."""
        self.n_outputs_, self.out_activation_ = self._outputs(y)
        names = options.activations
        sizes = [features, *options.hidden, self.n_outputs_]
        output = core_activation(self.out_activation_)
        net = MLP(sizes, names, output, dtype=dtype, seed=0, init="zeros")
        self._adopt(net)
        # Without hidden layers scikit-learn, too, goes by the parameter.
        alone = self.activation if isinstance(self.activation, str) else "identity"
        rules = names or (core_activation(alone),)
        for i, (weights, bias) in enumerate(zip(self.coefs_, self.intercepts_, strict=True)):
            factor = 2.0 if rules[min(i, len(rules) - 1)] == "sigmoid" else 6.0
            bound = np.sqrt(factor / sum(weights.shape))
            weights[:] = rng.uniform(-bound, bound, weights.shape)
            bias[:] = rng.uniform(-bound, bound, bias.shape)
        self.n_layers_ = len(sizes)

    def _follow(self, options: Options) -> None:
        """Give the network of an earlier fit the hidden activations of `options`.

        Weights, output activation and the optimizer's states stay, as in scikit-learn. ValueError
        for other layers.
        """
        net = self._network()
        if (before := net.sizes[1:-1]) != options.hidden:
            raise ValueError(
                f"hidden_layer_sizes: expected {before} as in the fit before, got {options.hidden}"
            )
        if tuple(net.activations[:-1]) != options.activations:
            training = net.engine.training_state()
            self._rebuild([*options.activations, net.output])
            self._net.engine.restore_training(training)

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, incremental: bool, validation: Validation
    ) -> Self:
        """Parameters to options, data to a problem, both to a record; it is written at the end."""
        options = Options.of(self)
        if options.scoring not in (None, "loss"):
            check_scoring(self._face(), options.scoring)
        if incremental and options.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        anew = not hasattr(self, "coefs_") or (not self.warm_start and not incremental)
        rng = check_random_state(self.random_state)
        problem = self._problem(X, y, sample_weight, incremental, anew, options, validation, rng)
        net, record = self._network(), Record.of(self, options, anew)
        try:
            if isinstance(record, Curves):
                descend(self, options, problem, record, net, rng, incremental)
            else:
                minimise(options, problem, record, net)
        except FloatingPointError as error:
            raise ValueError(NOT_FINITE) from error
        if not np.isfinite(net.parameters).all():
            raise ValueError(NOT_FINITE)
        record.publish(self)
        return self

    def _problem(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        incremental: bool,
        anew: bool,
        options: Options,
        validation: Validation,
        rng: Any,
    ) -> Problem:
        """Checked data with their loss; the network is built if `anew`."""
        X, y = self._validate_input(X, y, incremental, anew)
        given = _checked_weight(sample_weight, X)
        if anew:
            self._build(options, X.shape[1], X.dtype.name, y, rng)
        else:
            self._follow(options)
        each = self._class_weights(y, given)
        net = self._network()
        weight = self._row_weights(y, given, sample_weight, each, net)
        X = rows_of(X, net)
        held_out = self._held_out(*validation, each, net)
        loss = resolve(self._loss(), net.output)
        return Problem(X, _floats(y, net), weight, held_out, loss, self._loss_scale(), given)

    def _held_out(
        self, X: Any, y: Any, sample_weight: Any, each: Any, net: MLP
    ) -> tuple[Any, Any, Any] | None:
        """Checked validation data; `each` as `_class_weights` returned it."""
        for name, one, others in (("X_val", X, (y, sample_weight)), ("y_val", y, (X,))):
            if one is None and any(other is not None for other in others):
                raise ValueError(f"{name}: expected an array beside the other, got None")
        if X is None:
            return None
        X, y = self._validate_input(X, y, True, reset=False, held_out=True)
        given = _checked_weight(sample_weight, X)
        weight = self._row_weights(y, given, sample_weight, each, net)
        return rows_of(X, net), _floats(y, net), weight

    def _row_weights(self, y: Any, given: Any, sample_weight: Any, each: Any, net: MLP) -> Any:
        """Weights of the rows, times their classes' weights `each`; None: all 1.

        `given` is `sample_weight` as `_checked_weight` returned it.
        """
        of_classes = self._class_weights_of_rows(y, each)
        if of_classes is None:
            weight = _floats(given, net)
        else:
            weight = weights_of_rows(of_classes, given, net.dtype)
        check_total_weight(weight, sample_weight, of_classes)
        return weight

    def _class_weights(self, y: Any, weight: Any) -> Any:
        """The weight of each class in these training data, (classes,), or None."""
        return None

    def _class_weights_of_rows(self, y: Any, each: Any) -> Any:
        """The weights of the rows' classes, (n,), or None."""
        return None

    # ---- used by the plots ----------------------------------------------------------------------

    def __nablas_problem__(self, X: Any, y: Any, sample_weight: Any) -> Problem:
        """These data with the loss as `fit` would give them to the network."""
        X, y = self._validate_input(X, self._known(y), True, reset=False, held_out=True)
        given = _checked_weight(sample_weight, X)
        each = self._class_weights(y, given)
        net = self._network()
        weight = self._row_weights(y, given, sample_weight, each, net)
        X, y = rows_of(X, net), _floats(y, net)
        return Problem(X, y, weight, None, resolve(self._loss(), net.output), self._loss_scale())

    def _known(self, y: Any) -> Any:
        """Targets as `_validate_input` takes them; ValueError for labels that `fit` did not see."""
        return y

    # ---- used by `descend` ---------------------------------------------------------------------

    def _face(self) -> Any:
        """The estimator that scikit-learn's callbacks and scorers see."""
        return self

    def _strata(self, y: Any, held_out: int) -> Any:
        """Classes for a stratified split with `held_out` validation rows; None: not stratified."""
        return None

    def _decoded(self, y: Any) -> Any:
        """Encoded targets as the user gave them; one value a row is of shape (n,)."""
        return y[:, 0] if y.shape[1] == 1 else y

    def _published(self) -> None:
        """Called after the record was written to the attributes while training goes on."""

    def _loss_scale(self) -> float:
        """scikit-learn's recorded loss divided by the engine's."""
        return 1.0
