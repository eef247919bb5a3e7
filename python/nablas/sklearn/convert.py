"""Conversion from and to scikit-learn's own estimators."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import neural_network
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted

from ..network import Network
from ._base import BaseMLP
from ._options import Options, Record
from ._parameters import ALIASES
from .classifier import MLPClassifier
from .perceptron import Perceptron
from .regressor import MLPRegressor

_COPIED = [
    *("n_features_in_", "feature_names_in_", "n_iter_", "n_layers_", "n_outputs_", "t_"),
    *("out_activation_", "loss_", "best_loss_", "loss_curve_", "validation_scores_"),
    *("best_validation_score_", "classes_", "_label_binarizer", "_no_improvement_count"),
]


def fitted_network(estimator: Any) -> Any:
    """A network, or that of an estimator, if that is all there is to it."""
    if isinstance(estimator, Network):
        return estimator
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
    """A nablas estimator with the weights and parameters of a fitted scikit-learn one.

    Parameters
    ----------
    fitted : sklearn.neural_network.MLPClassifier or MLPRegressor

    Returns
    -------
    MLPClassifier or MLPRegressor
    """
    if not isinstance(fitted, (neural_network.MLPClassifier, neural_network.MLPRegressor)):
        raise TypeError(
            "fitted: expected scikit-learn's MLPClassifier or MLPRegressor, got "
            f"{type(fitted).__name__}"
        )
    check_is_fitted(fitted)
    target: Any = MLPClassifier() if is_classifier(fitted) else MLPRegressor()
    Record.of(target, Options.of(target), True).publish(target)
    _transfer(fitted, target)
    target._network()
    return target


def to_sklearn(estimator: Any) -> Any:
    """A scikit-learn estimator with the weights and parameters of a fitted nablas one.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor, LogisticRegression or LinearRegression
        With options that scikit-learn has too.

    Returns
    -------
    sklearn.neural_network.MLPClassifier or MLPRegressor

    Raises
    ------
    ValueError
        For an option that scikit-learn does not have, and for a Perceptron.
    """
    net = fitted_network(estimator)
    if isinstance(estimator, Perceptron):
        raise ValueError("estimator: expected one with probabilities or values, got a Perceptron")
    cls = neural_network.MLPClassifier if is_classifier(estimator) else neural_network.MLPRegressor
    theirs = cls()
    _transfer(estimator, theirs)
    hidden = set(net.activations[:-1])
    if len(hidden) == 1:  # scikit-learn has one name for all hidden layers
        (name,) = hidden
        theirs.activation = {core: alias for alias, core in ALIASES.items()}.get(name, name)
    elif not hidden:
        theirs.activation = "identity"
    if getattr(estimator, "best_validation_score_", None) is not None:
        theirs._best_coefs = [w.copy() for w in theirs.coefs_]
        theirs._best_intercepts = [b.copy() for b in theirs.intercepts_]
    try:
        theirs._validate_params()
    except ValueError as error:
        raise ValueError(
            f"estimator: expected options that scikit-learn has, got {error}"
        ) from None
    return theirs
