"""Fitted linear models as networks of one layer."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import linear_model
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted

from ..mlp import MLP

UNITS = (linear_model.LinearRegression, linear_model.LogisticRegression, linear_model.Perceptron)


def network_of_units(fitted: Any, named: bool = True) -> MLP:
    """A linear model as a network of one layer: identity, sigmoid or softmax, or step."""
    check_is_fitted(fitted)
    coef = fitted.coef_
    coef = np.atleast_2d(coef.toarray() if hasattr(coef, "toarray") else np.asarray(coef))
    (outputs, features), factor = coef.shape, 1
    if isinstance(fitted, linear_model.LinearRegression):
        output = "identity"
    elif isinstance(fitted, linear_model.Perceptron):
        output = "step"
    else:
        output, several = "softmax" if outputs > 1 else "sigmoid", _several(fitted)
        if outputs > 1 and several == "ovr":
            raise ValueError("multi_class: expected a multinomial model, got 'ovr'")
        if outputs == 1 and several == "multinomial":  # a softmax of -z and z
            factor = 2
    net = MLP([features, outputs], output=output, dtype=coef.dtype.name, seed=0, init="zeros")
    net.weights[0] = factor * coef.T
    net.biases[0] = factor * np.broadcast_to(fitted.intercept_, outputs)
    if named and is_classifier(fitted):
        net.classes = _named(fitted.classes_)
        if output == "step" and outputs > 1:
            net.classes = None  # each unit says yes or no
    return net


def _several(fitted: Any) -> str:
    """How a LogisticRegression sees several classes: scikit-learn had a parameter until 1.7."""
    given: str = getattr(fitted, "multi_class", "deprecated")
    if given in ("auto", "deprecated"):
        return "ovr" if fitted.solver == "liblinear" else "auto"
    return given


def _named(classes: Any) -> list[str] | None:
    """A network's `classes` for these labels: names, or None for 0, 1, ..."""
    if classes.dtype.kind in "UO" and all(isinstance(name, str) for name in classes):
        return [str(name) for name in classes]
    if classes.dtype.kind in "iub" and (classes == np.arange(len(classes))).all():
        return None
    raise ValueError(
        f"classes_: expected strings or 0 to {len(classes) - 1}, which a network can name, got "
        f"{classes.tolist()!r:.60}"
    )
