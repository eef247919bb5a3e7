"""Estimators from and to PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.preprocessing import LabelBinarizer

from .. import _checks, convert
from ._heads import sorting
from ._options import Options, Record
from .classifier import MLPClassifier
from .convert import fitted_network
from .regressor import MLPRegressor


def to_torch(estimator: Any) -> Any:
    """A ``torch.nn.Sequential`` with the weights of a network or an estimator.

    Parameters
    ----------
    estimator : MLP or fitted estimator

    Returns
    -------
    torch.nn.Sequential
        Ends in the output activation.

    Examples
    --------
    >>> from nablas.sklearn import MLPRegressor, to_torch
    >>> to_torch(MLPRegressor(hidden_layer_sizes=(3,)).initialize(2))
    Sequential(
      (0): Linear(in_features=2, out_features=3, bias=True)
      (1): ReLU()
      (2): Linear(in_features=3, out_features=1, bias=True)
      (3): Identity()
    )
    """
    return convert.to_torch(fitted_network(estimator, named=False))


def from_torch(model: Any, *, classes: Any = None, activation: Any = "relu") -> Any:
    """An estimator with the weights of a PyTorch model of dense layers.

    Parameters
    ----------
    model : torch.nn.Sequential, or a state_dict
        ``Linear`` layers; a Sequential has activations between them, and optionally an output
        activation.
    classes : sequence, optional
        Names of the classes in the order of the outputs; the result is then a classifier, else a
        regressor. Two classes have two outputs, or one for the probability of the second.
    activation : str or list of str
        Of the hidden layers of a state_dict; ignored for a Sequential.

    Returns
    -------
    MLPClassifier or MLPRegressor
        `classes_` is sorted, as in scikit-learn, and the outputs are in the same order.

    Raises
    ------
    ValueError
        For layers, settings of layers or output activations that have no counterpart.

    Examples
    --------
    >>> import torch
    >>> from nablas.sklearn import from_torch
    >>> module = torch.nn.Sequential(torch.nn.Linear(4, 3))
    >>> from_torch(module, classes=["owl", "cat", "dog"]).classes_.tolist()
    ['cat', 'dog', 'owl']
    """
    arrays, names, output = convert.torch_layers(model, activation)
    estimator: Any = MLPRegressor() if classes is None else MLPClassifier()
    estimator.set_params(hidden_layer_sizes=tuple(len(b) for _, b in arrays[:-1]), activation=names)
    if classes is None:
        if output in ("softmax", "log_softmax"):
            raise ValueError("classes: expected names for a model that ends in a softmax, got None")
        estimator.out_activation_ = output or "identity"
    else:
        estimator.classes_, *last, estimator.out_activation_ = _for_classes(
            _checks.plain_array("classes", classes), *arrays[-1], output
        )
        estimator._label_binarizer = LabelBinarizer().fit(estimator.classes_)
        arrays[-1] = (last[0], last[1])
    estimator.coefs_ = [w for w, _ in arrays]
    estimator.intercepts_ = [b for _, b in arrays]
    estimator.n_features_in_, estimator.n_outputs_ = arrays[0][0].shape[0], len(arrays[-1][1])
    estimator.n_layers_ = len(arrays) + 1
    Record.of(estimator, Options.of(estimator), True).publish(estimator)
    estimator._network()
    return estimator


def _for_classes(classes: Any, w: Any, b: Any, output: str | None) -> tuple[Any, Any, Any, str]:
    """Sorted classes, the last layer for them, and its activation."""
    with sorting("classes", classes):
        sorted_classes, order = np.unique(classes, return_index=True)
    outputs, count = len(b), classes.size
    if classes.ndim != 1 or len(sorted_classes) != count:
        raise ValueError(f"classes: expected distinct names, got {classes.tolist()}")
    if count < 2 or outputs not in ((1, 2) if count == 2 else (count,)):
        raise ValueError(f"classes: expected as many as outputs (2 for 1), got {count}")
    fitting = ("sigmoid",) if outputs == 1 else ("softmax", "log_softmax")
    if output not in (None, *fitting):
        raise ValueError(f"model: expected the ending {fitting[0]} or none, got {output}")
    if count > 2:
        return sorted_classes, w[:, order], b[order], "softmax"
    if outputs == 2:  # the softmax of two is the sigmoid of their difference
        w, b = w[:, [1]] - w[:, [0]], b[[1]] - b[[0]]
    sign = 1 if order[0] == 0 else -1
    return sorted_classes, sign * w, sign * b, "logistic"
