"""From and to other libraries: scikit-learn, PyTorch, ONNX."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.preprocessing import LabelBinarizer

from .._optional import require
from .._version import __version__
from ._parameters import core_activation
from .classifier import MLPClassifier
from .regressor import MLPRegressor

_COPIED = [
    *("n_features_in_", "feature_names_in_", "n_iter_", "n_layers_", "n_outputs_", "t_"),
    *("out_activation_", "loss_", "best_loss_", "loss_curve_", "validation_scores_"),
    *("best_validation_score_", "classes_", "_label_binarizer"),
]


def _transfer(fitted: Any, target: Any) -> Any:
    """Give an estimator another's parameters and fitted attributes."""
    names = target.get_params()
    target.set_params(**{k: v for k, v in fitted.get_params().items() if k in names})
    for name in _COPIED:
        if hasattr(fitted, name):
            setattr(target, name, getattr(fitted, name))
    target.coefs_ = [np.array(w) for w in fitted.coefs_]
    target.intercepts_ = [np.array(b) for b in fitted.intercepts_]
    return target


def from_sklearn(fitted: Any) -> Any:
    """The nablas estimator that predicts what a fitted one of scikit-learn predicts.

    Parameters
    ----------
    fitted : sklearn.neural_network.MLPClassifier or MLPRegressor

    Returns
    -------
    MLPClassifier or MLPRegressor
    """
    if not hasattr(fitted, "coefs_"):
        raise ValueError("fitted: expected an estimator that was fitted, got one that was not")
    return _transfer(fitted, MLPClassifier() if is_classifier(fitted) else MLPRegressor())


def to_sklearn(estimator: Any) -> Any:
    """The estimator of scikit-learn that predicts what a fitted one of nablas predicts.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        With options that scikit-learn has too.

    Returns
    -------
    sklearn.neural_network.MLPClassifier or MLPRegressor

    Raises
    ------
    ValueError
        For an activation or a solver that scikit-learn does not have.
    """
    from sklearn import neural_network

    _check_fitted(estimator)
    cls = neural_network.MLPClassifier if is_classifier(estimator) else neural_network.MLPRegressor
    theirs = _transfer(estimator, cls())
    try:
        theirs._validate_params()
    except ValueError as error:
        raise ValueError(
            f"estimator: expected options that scikit-learn has, got {error}"
        ) from None
    return theirs


def _check_fitted(estimator: Any) -> None:
    if not hasattr(estimator, "coefs_"):
        raise ValueError("estimator: expected one that was fitted, got one that was not")


# ---- PyTorch -----------------------------------------------------------------------------------

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
    torch = require("torch", "bench")
    _check_fitted(estimator)
    net = estimator._network()
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
        Names of the classes: gives a classifier. Without them a regressor comes out.
    activation : str or list of str
        Of the hidden layers, where a state_dict does not tell.

    Returns
    -------
    MLPClassifier or MLPRegressor
    """
    names: Any = activation
    output = "identity"
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
    outputs = len(arrays[-1][1])
    estimator.out_activation_ = output
    if classes is not None:
        estimator.classes_ = np.asarray(classes)
        if outputs != (1 if len(estimator.classes_) == 2 else len(estimator.classes_)):
            raise ValueError(f"classes: expected as many as outputs (2 for 1), got {len(classes)}")
        estimator._label_binarizer = LabelBinarizer().fit(estimator.classes_)
        estimator.out_activation_ = "logistic" if outputs == 1 else "softmax"
    estimator.coefs_ = [np.ascontiguousarray(w) for w, _ in arrays]
    estimator.intercepts_ = [np.array(b) for _, b in arrays]
    estimator.n_features_in_, estimator.n_outputs_ = arrays[0][0].shape[0], outputs
    estimator.n_layers_, estimator.n_iter_, estimator.t_ = len(arrays) + 1, 0, 0
    estimator.loss_curve_, estimator.validation_loss_curve_ = [], []
    estimator.validation_scores_, estimator.best_validation_score_ = None, None
    estimator.best_loss_ = np.inf
    return estimator


def _of_sequential(model: Any) -> tuple[list[tuple[Any, Any]], list[str], str]:
    """Weights and biases, the hidden activations, and the output's."""
    pairs: list[tuple[Any, Any]] = []
    names: list[str] = []
    known = {torch_name: name for name, torch_name in _TORCH.items()}
    for layer in model:
        kind = type(layer).__name__
        if kind == "Linear":
            if layer.bias is None:
                raise ValueError("model: expected layers with a bias, got one without")
            if len(names) < len(pairs):
                names.append("identity")
            pairs.append((layer.weight, layer.bias))
        elif kind in known and len(names) < len(pairs):
            names.append(known[kind])
        elif kind == "Softmax" and len(names) < len(pairs):
            names.append("softmax")
        elif kind not in ("Dropout", "Flatten"):
            raise ValueError(f"model: expected dense layers and activations, got {kind}")
    last = len(pairs) - 1
    return pairs, names[:last], names[last] if len(names) > last else "identity"


def _array(tensor: Any) -> Any:
    return tensor.detach().cpu().numpy() if hasattr(tensor, "detach") else np.asarray(tensor)


# ---- ONNX --------------------------------------------------------------------------------------

_ONNX = {
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "relu": "Relu",
    "leaky_relu": "LeakyRelu",
    "elu": "Elu",
    "selu": "Selu",
    "softplus": "Softplus",
    "softsign": "Softsign",
    "exp": "Exp",
    "gelu": "Gelu",
}
_OPSET = 20  # the first with Gelu


def to_onnx(estimator: Any, path: str | os.PathLike[str]) -> None:
    """Write the estimator's network as an ONNX model.

    Parameters
    ----------
    estimator : fitted estimator
    path : str or path
        The file; its input is ``X`` (n, features), its output ``Y`` (n, outputs): probabilities,
        counts or values, in the network's dtype.
    """
    onnx = require("onnx", "io")
    _check_fitted(estimator)
    net = estimator._network()
    helper = onnx.helper
    number = onnx.TensorProto.FLOAT if net.dtype == "float32" else onnx.TensorProto.DOUBLE
    nodes, constants, at = [], [], "X"
    for i, (w, b, name) in enumerate(zip(net.weights, net.biases, net.activations, strict=True)):
        constants += [
            onnx.numpy_helper.from_array(np.array(w), f"W{i}"),
            onnx.numpy_helper.from_array(np.array(b), f"b{i}"),
        ]
        nodes.append(helper.make_node("Gemm", [at, f"W{i}", f"b{i}"], [f"z{i}"]))
        nodes += _onnx_activation(helper, name, f"z{i}", f"a{i}")
        at = f"a{i}"
    nodes.append(helper.make_node("Identity", [at], ["Y"]))
    graph = helper.make_graph(
        nodes,
        "nablas",
        [helper.make_tensor_value_info("X", number, ["n", net.sizes[0]])],
        [helper.make_tensor_value_info("Y", number, ["n", net.sizes[-1]])],
        constants,
    )
    model = helper.make_model(
        graph,
        producer_name="nablas",
        producer_version=__version__,
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=9,
    )
    onnx.checker.check_model(model)
    onnx.save(model, os.fspath(path))


def _onnx_activation(helper: Any, name: str, z: str, a: str) -> list[Any]:
    """The nodes of an activation."""
    name = core_activation(name)
    if name == "identity":
        return [helper.make_node("Identity", [z], [a])]
    if name == "softmax":
        return [helper.make_node("Softmax", [z], [a], axis=1)]
    if name == "silu":
        return [
            helper.make_node("Sigmoid", [z], [f"{a}_s"]),
            helper.make_node("Mul", [z, f"{a}_s"], [a]),
        ]
    if name not in _ONNX:
        raise ValueError(f"estimator: expected activations that ONNX has, got {name!r}")
    settings = {"alpha": 0.01} if name == "leaky_relu" else {}
    return [helper.make_node(_ONNX[name], [z], [a], **settings)]
