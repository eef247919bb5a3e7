"""From and to PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.preprocessing import LabelBinarizer

from .._optional import require
from .classifier import MLPClassifier
from .convert import fitted_network
from .regressor import MLPRegressor

_TORCH = {
    "identity": "Identity",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "relu": "ReLU",
    "leaky_relu": "LeakyReLU",
    "elu": "ELU",
    "selu": "SELU",
    "softplus": "Softplus",
    "softsign": "Softsign",
    "silu": "SiLU",
    "gelu": "GELU",
}


def to_torch(estimator: Any) -> Any:
    """A ``torch.nn.Sequential`` with the estimator's weights.

    Parameters
    ----------
    estimator : fitted estimator

    Returns
    -------
    torch.nn.Sequential
        Ends in the output activation: probabilities, counts or values come out.
    """
    net = fitted_network(estimator)
    torch = require("torch", "bench")
    layers = []
    for w, b, name in zip(net.weights, net.biases, net.activations, strict=True):
        layer = torch.nn.Linear(*w.shape, dtype=getattr(torch, net.dtype))
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(np.array(w.T)))
            layer.bias.copy_(torch.from_numpy(np.array(b)))
        layers.append(layer)
        if name == "softmax":
            layers.append(torch.nn.Softmax(dim=1))
        elif name in _TORCH:
            layers.append(getattr(torch.nn, _TORCH[name])())
        else:
            raise ValueError(f"estimator: expected activations that PyTorch has, got {name!r}")
    return torch.nn.Sequential(*layers)


def from_torch(model: Any, *, classes: Any = None, activation: Any = "relu") -> Any:
    """An estimator with the weights of a PyTorch model of dense layers.

    Parameters
    ----------
    model : torch.nn.Sequential, or a state_dict
        ``Linear`` layers, with activations between them in a Sequential; a softmax or sigmoid at
        its end may be there or not.
    classes : sequence, optional
        Names of the classes by the order of the outputs: gives a classifier. Two classes have two
        outputs, or one for the probability of the second. Without names a regressor comes out.
    activation : str or list of str
        Of the hidden layers, where a state_dict does not tell.

    Returns
    -------
    MLPClassifier or MLPRegressor
        `classes_` are sorted as everywhere in scikit-learn, and the outputs with them.

    Raises
    ------
    ValueError
        For layers, settings of layers or endings that have no counterpart.
    """
    names: Any = activation
    output = None
    if isinstance(model, Mapping):
        tensors = list(model.values())
        pairs = list(zip(tensors[::2], tensors[1::2], strict=True))
    else:
        pairs, names, output = _of_sequential(model)
    arrays = [(_array(w).T, _array(b)) for w, b in pairs]
    if not arrays or any(w.ndim != 2 or b.shape != (w.shape[1],) for w, b in arrays):
        raise ValueError("model: expected dense layers, each with a weight and a bias")
    estimator: Any = MLPRegressor() if classes is None else MLPClassifier()
    estimator.set_params(hidden_layer_sizes=tuple(len(b) for _, b in arrays[:-1]), activation=names)
    if classes is None:
        if output in ("softmax", "log_softmax"):
            raise ValueError("classes: expected names for a model that ends in a softmax, got None")
        estimator.out_activation_ = output or "identity"
    else:
        estimator.classes_, *last, estimator.out_activation_ = _for_classes(
            np.asarray(classes), *arrays[-1], output
        )
        estimator._label_binarizer = LabelBinarizer().fit(estimator.classes_)
        arrays[-1] = (last[0], last[1])
    estimator.coefs_ = [w for w, _ in arrays]
    estimator.intercepts_ = [b for _, b in arrays]
    estimator.n_features_in_, estimator.n_outputs_ = arrays[0][0].shape[0], len(arrays[-1][1])
    estimator.n_layers_, estimator.n_iter_, estimator.t_ = len(arrays) + 1, 0, 0
    estimator._begin_curves()
    estimator._network()
    return estimator


def _for_classes(classes: Any, w: Any, b: Any, output: str | None) -> tuple[Any, Any, Any, str]:
    """Sorted classes, the last layer for them, and its activation."""
    sorted_classes, order = np.unique(classes, return_index=True)
    outputs, count = len(b), len(classes)
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


_SETTINGS: dict[str, dict[str, Any]] = {
    "LeakyReLU": {"negative_slope": 0.01},
    "ELU": {"alpha": 1.0},
    "Softplus": {"beta": 1},
    "GELU": {"approximate": "none"},
}


def _of_sequential(model: Any) -> tuple[list[tuple[Any, Any]], list[str], str | None]:
    """Weights and biases, the hidden activations, and the output's if there is one."""
    pairs: list[tuple[Any, Any]] = []
    names: list[str] = []
    known = {torch_name: name for name, torch_name in _TORCH.items()}
    known |= {"Softmax": "softmax", "LogSoftmax": "log_softmax"}
    for layer in model:
        kind = type(layer).__name__
        for setting, value in _SETTINGS.get(kind, {}).items():
            if (got := getattr(layer, setting)) != value:
                raise ValueError(f"model: expected {kind} with {setting} {value!r}, got {got!r}")
        if kind == "Linear":
            if layer.bias is None:
                raise ValueError("model: expected layers with a bias, got one without")
            if len(names) < len(pairs):
                names.append("identity")
            pairs.append((layer.weight, layer.bias))
        elif kind in known and len(names) < len(pairs):
            names.append(known[kind])
        elif kind not in ("Dropout", "Flatten", "Identity"):
            raise ValueError(f"model: expected dense layers and activations, got {kind}")
    last = len(pairs) - 1
    return pairs, names[:last], names[last] if len(names) > last else None


def _array(tensor: Any) -> Any:
    return tensor.detach().cpu().numpy() if hasattr(tensor, "detach") else np.asarray(tensor)
