"""Linear models: scikit-learn's own, with the engine's solvers beside its solvers."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Set
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any, Self

import numpy as np
from sklearn import linear_model
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets

from ._base import NO_VALIDATION
from ._heads import unique_classes
from ._linear import OPTIONS, OnEngine, of_the_engine, on_engine, solvers, with_parameters
from ._parameters import CONSTRAINTS, SOLVERS, refuse_balanced
from ._unit import UnitClassifier, UnitRegressor
from ._warnings import warn

_REGRESSION = {  # what LinearRegression has for the engine, and LogisticRegression for its solvers
    "solver": "lstsq",
    "max_iter": 1000,
    "tol": 1e-6,
    "random_state": None,
    "verbose": False,
    "warm_start": False,
}
_TRAINING = {name: CONSTRAINTS[name] for name in OPTIONS}


def _warn_as_theirs(estimator: Any) -> None:
    """Whatever the installed scikit-learn says about deprecated parameters: a fit of two rows."""
    taken = inspect.signature(linear_model.LogisticRegression).parameters
    names = [name for name in ("penalty", "n_jobs", "l1_ratio") if name in taken]
    given = {n: v for n in names if (v := getattr(estimator, n)) is not taken[n].default}
    if not given or (given.keys() == {"l1_ratio"} and estimator.l1_ratio is not None):
        return
    given |= {"C": estimator.C, "solver": "saga", "max_iter": 1}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        linear_model.LogisticRegression(**given).fit([[0.0], [1.0]], [0, 1])
    for one in caught:
        if not issubclass(one.category, ConvergenceWarning):
            warn(str(one.message), one.category)


class LogisticRegression(OnEngine, linear_model.LogisticRegression):
    """scikit-learn's `LogisticRegression`, which can also be trained on the engine.

    With scikit-learn's solvers everything is scikit-learn's. A solver of the engine minimises the
    same objective by mini-batch descent: the mean over all rows, by their weights, of the
    cross-entropy, plus ``((1 - l1_ratio)/2 Σw² + l1_ratio Σ|w|) / (C n)``, n being the sum of the
    weights of the rows of the call. All other parameters of scikit-learn are honoured, except for
    `dual`, which is refused, and those of other solvers: `intercept_scaling`, `n_jobs`.

    Parameters
    ----------
    penalty, C, l1_ratio, dual, tol, fit_intercept, intercept_scaling, class_weight, random_state, \
max_iter, verbose, warm_start, n_jobs
        As in scikit-learn; `max_iter` counts epochs, and `tol` is the fall of the loss below which
        an epoch is no improvement. `C` counts the rows of the call: see `partial_fit`.
    solver : str
        scikit-learn's, or "sgd", "adam", "adamw", "nadam", "rmsprop", "adagrad".
    batch_size, learning_rate, learning_rate_init, power_t, shuffle, momentum, nesterovs_momentum, \
beta_1, beta_2, epsilon, clip_norm, early_stopping, validation_fraction, scoring, \
n_iter_no_change, callbacks, progress, n_threads
        Of the engine's solvers, as for `MLPClassifier`.
    weight_decay : float
        Of solver "adamw", in place of or beside the penalty.

    Attributes
    ----------
    classes_, coef_, intercept_, n_iter_, n_features_in_, feature_names_in_
        As in scikit-learn.
    loss_, best_loss_ : float
        These and the following of the engine's solvers, as for `MLPClassifier`.
    loss_curve_, validation_scores_, validation_loss_curve_ : lists of float
    best_validation_score_ : float or None
    t_ : int

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from nablas.sklearn import LogisticRegression
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(solver="adam", learning_rate_init=0.1, max_iter=500)
    >>> model.set_params(random_state=0).fit(X, y).score(X, y) > 0.9
    True
    """

    _parameter_constraints = (
        _TRAINING
        | linear_model.LogisticRegression._parameter_constraints
        | {"solver": solvers(linear_model.LogisticRegression)}
    )
    _unit = UnitClassifier
    __init__ = with_parameters(linear_model.LogisticRegression, OPTIONS)

    @of_the_engine
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Train for one more epoch, with a solver of the engine.

        The penalty is that of a fit on the rows of the call alone, whose n is smaller: data given
        in k equal chunks need k times the `C` of a fit on all of them.

        Parameters
        ----------
        X, y, sample_weight : arrays
            As for `fit`.
        classes : array of shape (n_classes,), or a set, optional
            All classes of all calls; required in the first call.

        Returns
        -------
        self
        """
        classes = list(classes) if isinstance(classes, Set) else classes
        self._trained(X, y, sample_weight, True, NO_VALIDATION, classes)
        return self

    def _penalties(self) -> tuple[float, float]:
        penalty = getattr(self, "penalty", "deprecated")
        ratio = {"l1": 1.0, "l2": 0.0}.get(penalty, self.l1_ratio or 0.0)
        strength = 0.0 if penalty is None else 1 / float(self.C)
        return strength * (1 - ratio), strength * ratio

    def _refuse(self) -> None:
        if self.dual:
            raise ValueError(f"dual: expected False with solver={self.solver!r}, got True")
        several = getattr(self, "multi_class", "auto")  # until scikit-learn 1.7
        if several not in ("auto", "deprecated", "multinomial"):
            raise ValueError(f"multi_class: expected 'multinomial' with it, got {several!r}")
        _warn_as_theirs(self)

    def _check_targets(self, y: Any, incremental: bool, classes: Any) -> Any:
        if incremental:
            refuse_balanced(self.class_weight)
        check_classification_targets(y)
        known = getattr(self, "classes_", classes) if incremental else None
        found = np.unique(y) if known is None else unique_classes("classes", np.asarray(known))
        if len(found) == 2 and getattr(self, "multi_class", "auto") == "multinomial":
            raise ValueError(
                f"multi_class: expected 'auto' with two classes and solver={self.solver!r}, as "
                "scikit-learn's are a softmax of -z and z then, got 'multinomial'"
            )
        if incremental and known is not None and len(found) < 2:
            raise ValueError("The number of classes has to be greater than one; got 1 class")
        if not incremental and len(found) < 2:
            raise ValueError(
                "This solver needs samples of at least 2 classes in the data, but the data "
                f"contains only one class: {found[0]!r}"
            )
        return y

    def _unit_settings(self) -> dict[str, Any]:
        return {"class_weight": self.class_weight}

    def _take_over(self, unit: Any, intercept: Any) -> None:
        unit.take_over(self.classes_, self.coef_, intercept)

    def _publish(self, unit: Any, y: Any) -> None:
        self.classes_ = unit.classes_
        self.coef_, self.intercept_ = unit.coefs_[0].T.copy(), unit.intercepts_[0].copy()
        self.n_iter_ = np.array([unit.n_iter_], np.int32)

    @available_if(lambda _: hasattr(linear_model.LogisticRegression, "set_callbacks"))
    def set_callbacks(self, *callbacks: Any) -> Self:
        """Set scikit-learn's callbacks; with the engine's solvers each epoch is a task."""
        warning_only_of = linear_model.LogisticRegression  # skipped where every solver has tasks
        parent: Any = super(warning_only_of, self) if on_engine(self) else super()
        parent.set_callbacks(*callbacks)
        return self


class LinearRegression(OnEngine, linear_model.LinearRegression):
    """scikit-learn's `LinearRegression`, which can also be trained on the engine.

    With ``solver="lstsq"`` everything is scikit-learn's: the least squares of minimum norm, for
    sparse X by `lsqr`, with ``positive=True`` by `nnls`. A solver of the engine goes down the same
    sum of squares by mini-batches, from weights of zero.

    Parameters
    ----------
    fit_intercept, copy_X, tol, n_jobs, positive
        As in scikit-learn; with the engine's solvers `tol` is the fall of the loss below which an
        epoch is no improvement, and `positive` is refused.
    solver : str
        "lstsq", or "sgd", "adam", "adamw", "nadam", "rmsprop", "adagrad".
    max_iter : int
        Of the engine's solvers, as all that follow: epochs.
    random_state : int, RandomState or None
    verbose, warm_start : bool
    batch_size, learning_rate, learning_rate_init, power_t, shuffle, momentum, nesterovs_momentum, \
beta_1, beta_2, epsilon, clip_norm, early_stopping, validation_fraction, scoring, \
n_iter_no_change, callbacks, progress, n_threads
        As for `MLPRegressor`.
    weight_decay : float
        Of solver "adamw".

    Attributes
    ----------
    coef_, intercept_, rank_, singular_, n_features_in_, feature_names_in_
        As in scikit-learn; `rank_` and `singular_` with ``solver="lstsq"`` and dense X.
    n_iter_ : int
        Epochs; 1 with ``solver="lstsq"``.
    loss_, best_loss_ : float
        These and the following of the engine's solvers, as for `MLPRegressor`.
    loss_curve_, validation_scores_, validation_loss_curve_ : lists of float
    best_validation_score_ : float or None
    t_ : int

    Examples
    --------
    >>> from nablas.sklearn import LinearRegression
    >>> X = np.array([[0.0], [1.0], [2.0]])
    >>> model = LinearRegression().fit(X, [1.0, 3.0, 5.0])  # scikit-learn's least squares
    >>> model.coef_.round(4), round(float(model.intercept_), 4)
    (array([2.]), 1.0)
    """

    _parameter_constraints = (
        _TRAINING
        | linear_model.LinearRegression._parameter_constraints
        | {
            "solver": [StrOptions({"lstsq", *SOLVERS})],
            "max_iter": [Interval(Integral, 1, None, closed="left")],
            "tol": [Interval(Real, 0, None, closed="left")],
            "random_state": ["random_state"],
            "verbose": ["verbose"],
            "warm_start": ["boolean"],
        }
    )
    _unit = UnitRegressor
    __init__ = with_parameters(linear_model.LinearRegression, _REGRESSION | OPTIONS)
    _validation = MappingProxyType({"y_numeric": True, "multi_output": True})
    _takes_text = False

    @of_the_engine
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one more epoch, with a solver of the engine; arguments as for `fit`."""
        self._trained(X, y, sample_weight, True, NO_VALIDATION)
        return self

    def _penalties(self) -> tuple[float, float]:
        return 0.0, 0.0

    def _refuse(self) -> None:
        if self.positive:
            raise ValueError(f"positive: expected False with solver={self.solver!r}, got True")

    def _after_own(self) -> None:
        self.n_iter_ = 1

    def _take_over(self, unit: Any, intercept: Any) -> None:
        unit.take_over(self.coef_, intercept)

    def _publish(self, unit: Any, y: Any) -> None:
        weights, biases = unit.coefs_[0], unit.intercepts_[0]
        if y.ndim == 1:
            self.coef_, self.intercept_ = weights[:, 0].copy(), biases[0]
        else:
            self.coef_, self.intercept_ = weights.T.copy(), biases.copy()
        if not self.fit_intercept:
            self.intercept_ = 0.0
        self.n_iter_ = unit.n_iter_
        for name in ("rank_", "singular_"):
            self.__dict__.pop(name, None)
