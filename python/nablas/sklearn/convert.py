"""Conversion from and to scikit-learn's own estimators."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from sklearn import linear_model, neural_network
from sklearn.base import is_classifier
from sklearn.neural_network._base import ACTIVATIONS
from sklearn.utils.validation import check_is_fitted

from ..network import Network
from ._base import BaseMLP
from ._linear import on_engine
from ._one_layer import UNITS, network_of_units
from ._options import Options, Record
from ._parameters import ALIASES
from .classifier import MLPClassifier
from .convert_states import states_from_sklearn, states_to_sklearn
from .linear import LinearRegression, LogisticRegression
from .regressor import MLPRegressor

_COPIED = [
    *("n_features_in_", "feature_names_in_", "n_iter_", "n_layers_", "n_outputs_", "t_"),
    *("out_activation_", "loss_", "best_loss_", "loss_curve_", "validation_scores_"),
    *("best_validation_score_", "classes_", "_label_binarizer", "_no_improvement_count"),
]
_LINEAR_FITTED = ("coef_", "intercept_", "n_iter_", "rank_", "singular_")
# Own parameters that train nothing, or nothing beside a value that scikit-learn refuses.
_UNTRAINED = ("progress", "n_threads", "weight_decay", "quantile")


def fitted_network(estimator: Any, named: bool = True) -> Any:
    """A network, or that of an estimator, if that is all there is to it.

    `named`: a linear classifier's network has its labels, or ValueError.
    """
    if isinstance(estimator, Network):
        return estimator
    if isinstance(estimator, UNITS):
        return network_of_units(estimator, named)
    if not isinstance(estimator, BaseMLP):
        raise TypeError(
            f"estimator: expected an MLP or one of nablas.sklearn, got {type(estimator).__name__}"
        )
    check_is_fitted(estimator)
    if getattr(estimator, "_heads", None) is not None:
        raise ValueError("estimator: expected one target, got several of several classes")
    return estimator._network()


def _transfer(fitted: Any, target: Any) -> None:
    """Copy parameters and fitted attributes from `fitted` to `target`."""
    own = target.get_params()
    target.set_params(**{name: getattr(fitted, name) for name in own if hasattr(fitted, name)})
    for name in _COPIED:
        if hasattr(fitted, name):
            value = getattr(fitted, name)
            setattr(target, name, list(value) if isinstance(value, list) else value)
    target.coefs_ = [np.array(w) for w in fitted.coefs_]
    target.intercepts_ = [np.array(b) for b in fitted.intercepts_]


def from_sklearn(fitted: Any) -> Any:
    """A nablas estimator or network with the weights of a fitted scikit-learn estimator.

    Parameters
    ----------
    fitted : MLPClassifier, MLPRegressor, LinearRegression, LogisticRegression or Perceptron
        The last three of ``sklearn.linear_model``, or of ``nablas.sklearn``.

    Returns
    -------
    nablas.sklearn.MLPClassifier or MLPRegressor
        Of one of scikit-learn's networks, with its parameters.
    nablas.MLP
        Of a linear model, a network of one layer. Its output is "identity" for LinearRegression,
        "sigmoid" or, for several classes, "softmax" for LogisticRegression, and "step" for
        Perceptron. A perceptron of several classes has a unit for each; scikit-learn predicts the
        one of largest z, which is ``net.layers(X)[-1][0]``. At z = 0 a step is 1, where
        scikit-learn predicts the first class.

    Raises
    ------
    TypeError
        For another estimator.
    ValueError
        For labels of a linear classifier that are neither strings nor 0, 1, ...

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> from nablas.sklearn import from_sklearn
    >>> from_sklearn(LinearRegression().fit([[0.0], [1.0]], [1.0, 3.0]))
    MLP(1-1, identity, float64)
    """
    if isinstance(fitted, UNITS):
        return network_of_units(fitted)
    if not isinstance(fitted, (neural_network.MLPClassifier, neural_network.MLPRegressor)):
        raise TypeError(
            "fitted: expected scikit-learn's MLPClassifier, MLPRegressor, LinearRegression, "
            f"LogisticRegression or Perceptron, got {type(fitted).__name__}"
        )
    check_is_fitted(fitted)
    target: Any = MLPClassifier() if is_classifier(fitted) else MLPRegressor()
    Record.of(target, Options.of(target), True).publish(target)
    _transfer(fitted, target)
    target._network()  # with the activation that it was fitted with
    states_from_sklearn(fitted, target)
    return target


def to_sklearn(estimator: Any) -> Any:
    """A scikit-learn estimator with the weights and parameters of a fitted nablas one.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor, LogisticRegression or LinearRegression
        With options that scikit-learn has too.

    Returns
    -------
    scikit-learn's estimator of the same name

    Raises
    ------
    TypeError
        For anything but one of these estimators.
    ValueError
        For an option that scikit-learn does not have, be it a solver or a `dropout`, unless it is
        at its default: `set_params` puts it there for a conversion all the same.

    Examples
    --------
    >>> from nablas.sklearn import MLPClassifier, to_sklearn
    >>> model = MLPClassifier((4,), random_state=0).initialize(2, 3)
    >>> type(to_sklearn(model)).__module__.split(".")[0]
    'sklearn'
    """
    if isinstance(estimator, (LinearRegression, LogisticRegression)):
        return _linear_to_sklearn(estimator)
    if not isinstance(estimator, BaseMLP):
        raise TypeError(
            f"estimator: expected one of nablas.sklearn, got {type(estimator).__name__}"
        )
    net = fitted_network(estimator)
    cls = neural_network.MLPClassifier if is_classifier(estimator) else neural_network.MLPRegressor
    theirs = cls()
    _refuse_own(estimator, theirs)
    if (output := {"sigmoid": "logistic"}.get(net.output, net.output)) not in ACTIVATIONS:
        raise ValueError(
            "estimator: expected an output layer that scikit-learn has, got "
            f"{net.output!r} in layer {len(net.weights)}"
        )
    _transfer(estimator, theirs)
    theirs.out_activation_ = output
    hidden = set(net.activations[:-1])
    if len(hidden) == 1:  # scikit-learn has one name for all hidden layers
        (name,) = hidden
        theirs.activation = {core: alias for alias, core in ALIASES.items()}.get(name, name)
    elif not hidden:
        theirs.activation = "identity"
    if getattr(estimator, "best_validation_score_", None) is not None:
        theirs._best_coefs = [w.copy() for w in theirs.coefs_]
        theirs._best_intercepts = [b.copy() for b in theirs.intercepts_]
    _valid(theirs)
    states_to_sklearn(estimator, theirs)
    return theirs


def _linear_to_sklearn(estimator: Any) -> Any:
    check_is_fitted(estimator)
    logistic = isinstance(estimator, LogisticRegression)
    theirs = linear_model.LogisticRegression() if logistic else linear_model.LinearRegression()
    if on_engine(estimator):
        raise ValueError(
            f"solver: expected one that scikit-learn has, got {estimator.solver!r}; "
            "set_params(solver=...) before the conversion"
        )
    theirs.set_params(**{name: getattr(estimator, name) for name in theirs.get_params()})
    for name in ("n_features_in_", "feature_names_in_", "classes_", *_LINEAR_FITTED):
        if hasattr(estimator, name):
            setattr(theirs, name, copy.copy(getattr(estimator, name)))
    return _valid(theirs)


def _refuse_own(estimator: Any, theirs: Any) -> None:
    """ValueError for a parameter of nablas alone that changes how the estimator is trained."""
    own: Any = MLPClassifier if is_classifier(estimator) else MLPRegressor  # not a subclass
    defaults = own._valid_defaults()
    unused = {*_UNTRAINED} if estimator.early_stopping else {*_UNTRAINED, "scoring"}
    for name in sorted(defaults.keys() - theirs.get_params().keys() - unused):
        value = getattr(estimator, name)
        if isinstance(value, (list, tuple)) and not any(value):
            continue  # dropout=[0.0, 0.0], callbacks=[]
        if value != defaults[name]:
            raise ValueError(
                f"{name}: expected {defaults[name]!r}, as scikit-learn does not have it, got "
                f"{value!r}; set_params({name}={defaults[name]!r}) before the conversion"
            )


def _valid(theirs: Any) -> Any:
    """The estimator, or ValueError for a value of a parameter that scikit-learn does not have."""
    try:
        theirs._validate_params()
    except ValueError as error:
        raise ValueError(
            f"estimator: expected options that scikit-learn has, got {error}"
        ) from None
    return theirs
