"""To and from PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import _checks
from .._optional import require
from ..network import Network

Array = NDArray[Any]

_MODULES = {
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
    "mish": "Mish",
}
ACTIVATIONS = {"softmax", *_MODULES}  # that PyTorch has a module for
_SETTINGS: dict[str, dict[str, Any]] = {
    "LeakyReLU": {"negative_slope": 0.01},
    "ELU": {"alpha": 1.0},
    "Softplus": {"beta": 1},
    "GELU": {"approximate": "none"},
}


class TorchLayers(NamedTuple):
    """Dense layers read from a PyTorch model.

    Attributes
    ----------
    arrays : list of (weights, bias)
        Of shapes (inputs, outputs) and (outputs,).
    activations : list of str
        Of the hidden layers.
    output : str or None
        The last activation, "softmax" and "log_softmax" included; None without one.
    """

    arrays: list[tuple[Array, Array]]
    activations: list[str]
    output: str | None

    @property
    def sizes(self) -> list[int]:
        """Features, units of each hidden layer, outputs."""
        return [self.arrays[0][0].shape[0], *(len(bias) for _, bias in self.arrays)]

    @property
    def dtype(self) -> str:
        """float64 if an array has it, else float32."""
        return np.result_type(*(w for w, _ in self.arrays), np.float32).name


def to_torch(net: Network) -> Any:
    """A ``torch.nn.Sequential`` with a network's weights.

    Parameters
    ----------
    net : MLP

    Returns
    -------
    torch.nn.Sequential
        Ends in the output activation.

    Raises
    ------
    ValueError
        For an activation that PyTorch has no module for.
    ImportError
        Without torch.
    """
    _checks.having("net", net, "activations", "an MLP")
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
        elif name in _MODULES:
            layers.append(getattr(torch.nn, _MODULES[name])())
        else:
            raise ValueError(f"net: expected activations that PyTorch has, got {name!r}")
    return torch.nn.Sequential(*layers)


def torch_layers(model: Any, activation: str | Sequence[str] = "relu") -> TorchLayers:
    """The dense layers of a PyTorch model.

    Parameters
    ----------
    model : torch.nn.Sequential, or a state_dict
        ``Linear`` layers, with activations between them in a Sequential.
    activation : str or sequence of str
        Of the hidden layers, where a state_dict does not tell.

    Returns
    -------
    TorchLayers

    Raises
    ------
    ValueError
        For layers or settings of layers that have no counterpart.
    """
    output = None
    if isinstance(model, Mapping):
        tensors = list(model.values())
        if len(tensors) % 2:
            raise ValueError("model: expected dense layers, each with a weight and a bias")
        pairs = list(zip(tensors[::2], tensors[1::2], strict=True))
        hidden = len(pairs) - 1
        several = "a name or one for each hidden layer"
        names = (
            [activation] * hidden
            if isinstance(activation, str)
            else (_checks.items("activation", activation, several))
        )
    else:
        layers = _checks.items("model", model, "a torch.nn.Sequential or a state_dict")
        pairs, names, output = _of_sequential(layers)
    arrays = [(_array(w).T, _array(b)) for w, b in pairs]
    if not arrays or any(w.ndim != 2 or b.shape != (w.shape[1],) for w, b in arrays):
        raise ValueError("model: expected dense layers, each with a weight and a bias")
    return TorchLayers(arrays, names, output)


def _of_sequential(model: Any) -> tuple[list[tuple[Any, Any]], list[str], str | None]:
    """Weights and biases, the hidden activations, and the output's if there is one."""
    pairs: list[tuple[Any, Any]] = []
    names: list[str] = []
    known = {torch_name: name for name, torch_name in _MODULES.items()}
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
    if not pairs:
        raise ValueError("model: expected dense layers, got none")
    last = len(pairs) - 1
    return pairs, names[:last], names[last] if len(names) > last else None


def _array(tensor: Any) -> Array:
    if hasattr(tensor, "detach"):
        tensor = tensor.detach().cpu().numpy()
    return _checks.plain_array("model", tensor)  # type: ignore[no-any-return]
