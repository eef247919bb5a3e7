"""Estimators to ONNX."""

from __future__ import annotations

import os
from typing import Any

from sklearn.base import is_classifier

from .. import convert
from ..convert.onnx import Head
from ..network import Network
from .convert import fitted_network


def to_onnx(estimator: Any, path: str | os.PathLike[str], *, dtype: str | None = None) -> None:
    """Write a network's or an estimator's outputs as an ONNX model.

    Parameters
    ----------
    estimator : MLP or fitted estimator
        One of ``nablas.sklearn``, or scikit-learn's LinearRegression or LogisticRegression.
    path, dtype
        As for ``nablas.convert.to_onnx``.

    Notes
    -----
    The input is ``X`` (n, features). Outputs have skl2onnx's names: a classifier's are ``label``,
    as `predict` gives it (booleans as 0 and 1), and ``probabilities``, as `predict_proba` does; a
    regressor's is ``variable`` (n, outputs); a network's ``Y``.
    """
    net = fitted_network(estimator, named=False)
    output: Any = "Y"
    if not isinstance(estimator, Network):
        output = _head(estimator) if is_classifier(estimator) else "variable"
    convert.to_onnx(net, path, dtype=dtype, output=output)


def _head(estimator: Any) -> Head:
    binarizer = getattr(estimator, "_label_binarizer", None)
    several = binarizer is not None and binarizer.y_type_.startswith("multilabel")
    return Head(None if several else estimator.classes_)
