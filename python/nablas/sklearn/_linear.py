"""Training of scikit-learn's linear models by the engine's solvers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial, update_wrapper, wraps
from types import MappingProxyType, MethodType
from typing import Any, ClassVar, Self

from sklearn.base import _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import validate_data

from ..mlp import MLP
from ._base import Validation
from ._network import FLOATS, refuse_text
from ._one_layer import network_of_units
from ._options import Problem, unchanged_on_error
from ._parameters import SOLVERS, Parameters, keep
from ._threads import threads

OPTIONS: dict[str, Any] = {  # of the engine's solvers, with their defaults
    "batch_size": "auto",
    "learning_rate": "constant",
    "learning_rate_init": 0.01,
    "power_t": 0.5,
    "shuffle": True,
    "momentum": 0.9,
    "nesterovs_momentum": True,
    "beta_1": 0.9,
    "beta_2": 0.999,
    "epsilon": 1e-8,
    "weight_decay": 0.0,
    "clip_norm": None,
    "early_stopping": False,
    "validation_fraction": 0.1,
    "scoring": None,
    "n_iter_no_change": 5,
    "callbacks": None,
    "progress": False,
    "n_threads": None,
}
_READ = ("tol", "max_iter", "random_state", "verbose", "warm_start", "solver")
_CURVES = (
    *("t_", "loss_", "best_loss_", "loss_curve_", "validation_scores_"),
    *("validation_loss_curve_", "best_validation_score_"),
)


def with_parameters(theirs: type, own: dict[str, Any]) -> Callable[..., None]:
    """An `__init__` with the parameters of scikit-learn's class, of any version, and `own`."""
    known = inspect.signature(theirs.__init__).parameters  # type: ignore[misc]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=value)
        for name, value in own.items()
        if name not in known
    ]
    signature = inspect.Signature([*known.values(), *added])

    defaults = {name: p.default for name, p in signature.parameters.items() if name != "self"}

    def initialise(self: Any, *arguments: Any, **named: Any) -> None:
        given = named
        if arguments or not named.keys() <= defaults.keys():  # slower: checks them as a call does
            shared = {name: value for name, value in named.items() if name in known}
            theirs(*arguments, **shared)  # TypeError in Python's words for too many
            try:
                given = signature.bind(self, *arguments, **named).arguments
            except TypeError as error:
                raise TypeError(f"{type(self).__name__}.__init__() {error}") from None
        keep(self, defaults | given)

    initialise.__signature__ = signature  # type: ignore[attr-defined]
    return initialise


def solvers(theirs: Any) -> list[StrOptions]:
    """The constraint of `solver`: scikit-learn's solvers and the engine's."""
    (known,) = theirs._parameter_constraints["solver"]
    return [StrOptions({*known.options, *SOLVERS})]


def on_engine(estimator: Any) -> bool:
    """Whether the solver is one of the engine's."""
    return isinstance(estimator.solver, str) and estimator.solver in SOLVERS


class of_the_engine:  # noqa: N801  a decorator
    """A method that a model has with the engine's solvers alone.

    With other solvers it is as absent as in scikit-learn's class: AttributeError with the same
    message, caused by one that names the solvers.
    """

    def __init__(self, method: Callable[..., Any]) -> None:
        self.method = method
        update_wrapper(self, method)  # type: ignore[arg-type]

    def _check(self, estimator: Any) -> None:
        if not on_engine(estimator):
            kind, name = type(estimator).__name__, self.method.__name__
            raise AttributeError(f"{kind!r} object has no attribute {name!r}") from AttributeError(
                f"{name}: expected a solver of {', '.join(sorted(SOLVERS))}, got "
                f"{estimator.solver!r}"
            )

    def __get__(self, estimator: Any, owner: type) -> Callable[..., Any]:
        if estimator is not None:
            self._check(estimator)
            return MethodType(self.method, estimator)

        @wraps(self.method)
        def unbound(estimator: Any, *arguments: Any, **named: Any) -> Any:
            self._check(estimator)
            return self.method(estimator, *arguments, **named)

        return unbound


class OnEngine(Parameters):
    """A linear model's `fit`: scikit-learn's, or by a network of one layer."""

    _unit: ClassVar[Any]
    _validation: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {}
    )  # settings of scikit-learn's validation
    _takes_text: ClassVar[bool] = True  # whether scikit-learn's `fit` reads text in X as numbers
    solver: str
    n_threads: int | None
    warm_start: bool

    # ---- implemented by subclasses -------------------------------------------------------------

    def _penalties(self) -> tuple[float, float]:
        """The factors of half the squares and of the absolute values of the weights."""
        raise NotImplementedError

    def _refuse(self) -> None:
        """ValueError for a parameter that the engine's solvers do not have."""
        raise NotImplementedError

    def _after_own(self) -> None:
        """What a fit by scikit-learn's solver leaves undone."""

    def _check_targets(self, y: Any, incremental: bool, classes: Any) -> Any:
        """Targets of this kind, or ValueError; `classes` as `partial_fit` was given them."""
        return y

    def _unit_settings(self) -> dict[str, Any]:
        """More parameters of the unit."""
        return {}

    def _take_over(self, unit: Any, intercept: Any) -> None:
        """Give a new unit the weights of an earlier fit by another solver."""
        raise NotImplementedError

    def _publish(self, unit: Any, y: Any) -> None:
        """Fitted attributes of this kind of model."""
        raise NotImplementedError

    # ---- fitting -------------------------------------------------------------------------------

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
        X : array or sparse matrix of shape (n, features)
        y : array of shape (n,), or (n, targets) where the model has several
        sample_weight : array of shape (n,), optional
        X_val, y_val, sample_weight_val : arrays, optional
            With the engine's solvers: validation data, whose loss is recorded after every epoch and
            which `early_stopping` uses instead of a share of the training data.

        Returns
        -------
        self
        """
        if on_engine(self):
            self._trained(X, y, sample_weight, False, (X_val, y_val, sample_weight_val))
            return self
        with unchanged_on_error(self):
            self._refuse_engines_own(X_val, y_val, sample_weight_val)
            super().fit(X, y, sample_weight)  # type: ignore[misc]
            self._after_own()
            for name in ("_kept", *_CURVES):
                vars(self).pop(name, None)
        return self

    def _refuse_engines_own(self, X_val: Any, y_val: Any, weight: Any) -> None:
        """ValueError for what scikit-learn's solvers would ignore."""
        named = {"X_val": X_val, "y_val": y_val, "sample_weight_val": weight}
        names = ("callbacks", "progress", "clip_norm", "early_stopping")
        named |= {name: getattr(self, name) for name in names}
        for name, value in named.items():
            if value is not None and value is not False:
                self._validate_params()  # a value of no valid type is told so first
                raise ValueError(f"{name}: expected none with solver={self.solver!r}")

    @_fit_context(prefer_skip_nested_validation=True)
    def _trained(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        incremental: bool,
        validation: Validation,
        classes: Any = None,
    ) -> None:
        """Fitted by the engine: a unit's fit, and its attributes under the model's names."""
        with threads(self.n_threads), unchanged_on_error(self):
            self._refuse()
            going_on = hasattr(self, "coef_") and (incremental or self.warm_start)
            unit = vars(self).get("_kept") if going_on else None
            with nullcontext() if unit is None else unchanged_on_error(unit):
                self._train(unit, going_on, X, y, sample_weight, incremental, validation, classes)

    def _train(
        self,
        unit: Any,
        going_on: bool,
        X: Any,
        y: Any,
        sample_weight: Any,
        incremental: bool,
        validation: Validation,
        classes: Any,
    ) -> None:
        X, y = self._validated(X, y, not going_on)
        y = self._check_targets(y, incremental, classes)
        settings = self._settings()
        if unit is None:
            vars(self).pop("_kept", None)
            unit = self._unit(**settings)
        else:
            unit.set_params(**settings)
        unit._bias = bool(self.fit_intercept)  # type: ignore[attr-defined]
        if going_on:
            intercept = self.intercept_ if unit._bias else 0.0  # type: ignore[attr-defined]
            if hasattr(unit, "coefs_"):
                unit.adopt(self.coef_, intercept)  # type: ignore[attr-defined]
            else:
                self._take_over(unit, intercept)
        unit.owner, unit.publish = self, partial(self._show, y)
        try:
            held_out = self._held_out(*validation)
            if incremental and hasattr(unit, "_learn_classes"):
                unit._learn_classes(y, classes)
            unit._fit(X, y, sample_weight, incremental, held_out)
        finally:
            del unit.owner, unit.publish
        self._kept = unit
        self._show(y, unit)

    def _show(self, y: Any, unit: Any) -> None:
        """Give the model the unit's attributes: at the end, and before callbacks."""
        for name in _CURVES:
            vars(self).pop(name, None)
            if hasattr(unit, name):
                setattr(self, name, getattr(unit, name))
        self._publish(unit, y)

    def _settings(self) -> dict[str, Any]:
        """The parameters of the unit."""
        alpha, l1 = self._penalties()
        named = {name: getattr(self, name) for name in (*OPTIONS, *_READ)}
        layers = {"hidden_layer_sizes": (), "activation": "identity"}
        return layers | named | {"alpha": alpha, "l1": l1} | self._unit_settings()

    def _validated(self, X: Any, y: Any, reset: bool) -> tuple[Any, Any]:
        accepted: Any = ("csr", "csc")
        checked: tuple[Any, Any] = validate_data(
            self, X, y, accept_sparse=accepted, dtype=FLOATS, reset=reset, **self._validation
        )
        if not self._takes_text:
            refuse_text(X)
        return checked

    def _held_out(self, X: Any, y: Any, weight: Any) -> Validation:
        """Validation data, checked; a missing array is left for the unit's message."""
        X, y = (X, y) if X is None or y is None else self._validated(X, y, False)
        return X, y, weight

    # ---- used by the plots ----------------------------------------------------------------------

    def __nablas_network__(self) -> MLP:
        """A network of one layer with a copy of the weights."""
        return network_of_units(self, named=False)

    def __nablas_problem__(self, X: Any, y: Any, sample_weight: Any) -> Problem:
        """These data with the loss as the engine's `fit` would give them to the network."""
        unit = self._unit(**self._settings())
        self._take_over(unit, self.intercept_)  # type: ignore[attr-defined]
        problem: Problem = unit.__nablas_problem__(*self._validated(X, y, False), sample_weight)
        return problem

    # ---- of every estimator ---------------------------------------------------------------------

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "coef_")

    def __getstate__(self) -> dict[str, Any]:
        state: Any = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_claim"}
