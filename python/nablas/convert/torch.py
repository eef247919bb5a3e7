"""To and from PyTorch."""

from __future__ import annotations

import re
import sys
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
    "Softplus": {"beta": 1, "threshold": 20},
    "GELU": {"approximate": "none"},
    "Softmax": {"dim": (1, -1, None)},  # None: by the rows' dimensions, which are two here
    "LogSoftmax": {"dim": (1, -1, None)},
    "Flatten": {"start_dim": 1},
}
_NEUTRAL = {"Dropout", "Flatten", "Identity"}  # which leave rows as they are at inference
_MADE_ANEW = re.compile(r"(weight|bias)_(orig|g)$|parametrizations\.")  # of parts of weights


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

    Examples
    --------
    >>> layers = nb.convert.torch_layers({"0.weight": np.ones((1, 2)), "0.bias": np.zeros(1)})
    >>> layers.sizes, layers.dtype, layers.output
    ([2, 1], 'float64', None)
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

    Examples
    --------
    >>> nb.convert.to_torch(nb.MLP([2, 3, 1], "tanh", seed=0))
    Sequential(
      (0): Linear(in_features=2, out_features=3, bias=True)
      (1): Tanh()
      (2): Linear(in_features=3, out_features=1, bias=True)
      (3): Identity()
    )
    """
    _checks.having("net", net, "activations", "an MLP")
    torch = require("torch", "bench")
    layers = []
    for i, (w, b, name) in enumerate(zip(net.weights, net.biases, net.activations, strict=True), 1):
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
            raise ValueError(
                f"net: expected activations that PyTorch has, got {name!r} in layer {i}"
            )
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
        For layers or settings of layers that have no counterpart, and for modules that compute
        something else than PyTorch's class of their name: with another ``forward``, or with hooks
        before or after it.

    Examples
    --------
    >>> state = {"0.weight": np.ones((3, 2)), "0.bias": np.zeros(3)}
    >>> state |= {"2.weight": np.ones((1, 3)), "2.bias": np.zeros(1)}
    >>> layers = nb.convert.torch_layers(state, activation="tanh")
    >>> layers.sizes, layers.activations
    ([2, 3, 1], ['tanh'])
    """
    output = None
    if isinstance(model, Mapping):
        if made := [name for name in model if _MADE_ANEW.search(str(name))]:
            raise ValueError(
                f"model: expected weights and biases, got {made[0]!r}, of which `forward` makes "
                "one: remove weight_norm, spectral_norm, prune or the parametrization first"
            )
        tensors = [_array(name, value) for name, value in model.items()]
        if not tensors:
            raise ValueError("model: expected dense layers, got none")
        pairs = list(zip(tensors[::2], tensors[1::2], strict=False))
        hidden = len(pairs) - 1
        several = "a name or one for each hidden layer"
        names = (
            [activation] * hidden
            if isinstance(activation, str)
            else _checks.items("activation", activation, several)
        )
        if len(tensors) % 2 or any(w.ndim != 2 or b.ndim != 1 for w, b in pairs):
            raise ValueError(
                "model: expected dense layers, each with a weight and a bias, got arrays of shapes "
                f"{[tensor.shape for tensor in tensors]}"
            )
        if len(names) != hidden:
            raise ValueError(f"activation: expected {hidden} names, got {len(names)}")
    else:
        pairs, names, output = _of_sequential(model)
    arrays = [(w.T, b) for w, b in pairs]
    if not arrays:
        raise ValueError("model: expected dense layers, got none")
    for i, (w, b) in enumerate(arrays, 1):
        before = arrays[max(i - 2, 0)][0].shape[1] if i > 1 else w.shape[0]
        if b.shape != (w.shape[1],) or w.shape[0] != before:
            raise ValueError(
                f"model: expected layers that fit, got weights {w.T.shape} and biases {b.shape} in "
                f"layer {i}"
            )
    return TorchLayers(arrays, names, output)


def _of_sequential(model: Any) -> tuple[list[tuple[Any, Any]], list[str], str | None]:
    """Weights and biases, the hidden activations, and the output's if there is one."""
    pairs: list[tuple[Any, Any]] = []
    names: list[str] = []
    known = {torch_name: name for name, torch_name in _MODULES.items()}
    known |= {"Softmax": "softmax", "LogSoftmax": "log_softmax"}
    try:
        layers = list(model)
    except (TypeError, NotImplementedError):  # the latter of a module that `torch.jit.load` made
        raise TypeError(
            "model: expected a torch.nn.Sequential or a state_dict, got "
            f"{type(model).__name__}; a model of dense layers has one: model.state_dict()"
        ) from None
    _check_forward(model, "Sequential")
    for layer in layers:
        kind = type(layer).__name__
        if kind not in {"Linear", *known, *_NEUTRAL}:
            raise ValueError(f"model: expected dense layers and activations, got {kind}")
        _check_forward(layer, kind)
        for setting, value in _SETTINGS.get(kind, {}).items():
            wanted = value if isinstance(value, tuple) else (value,)
            if (got := getattr(layer, setting, wanted[0])) not in wanted:
                raise ValueError(
                    f"model: expected {kind} with {setting} {wanted[0]!r}, got {got!r}"
                )
        if kind == "Linear":
            if layer.bias is None:
                raise ValueError("model: expected layers with a bias, got one without")
            if len(names) < len(pairs):
                names.append("identity")
            pairs.append((_array("weight", layer.weight), _array("bias", layer.bias)))
        elif kind in known and len(names) < len(pairs):
            names.append(known[kind])
        elif kind not in _NEUTRAL:
            raise ValueError(f"model: expected dense layers and activations, got {kind}")
    if not pairs:
        raise ValueError("model: expected dense layers, got none")
    last = len(pairs) - 1
    return pairs, names[:last], names[last] if len(names) > last else None


def _check_forward(module: Any, name: str) -> None:
    """ValueError for a module that computes something else than PyTorch's class of a name.

    Hooks may do so, and may make the weights anew: what they are is then known in `forward` only.
    """
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(module, torch.nn.Module):
        return
    kind, own, base = type(module), getattr(torch.nn, name), torch.nn.Module
    if isinstance(module, torch.jit.ScriptModule):  # whose `forward` tells where it was written
        same = module.forward.__module__ == own.__module__
    else:  # the `forward` of `Module`, which a ModuleList has, only raises an error
        same = "forward" not in vars(module) and kind.forward in (own.forward, base.forward)
        same &= kind.__call__ is base.__call__
    if not same:
        raise ValueError(
            f"model: expected torch.nn.{name}, got {kind.__module__}.{kind.__name__} with another "
            "forward; model.state_dict() has the weights alone"
        )
    hooks = (
        getattr(place, f"{prefix}_forward_{when}hooks", None)
        for place, prefix in ((module, ""), (torch.nn.modules.module, "_global"))
        for when in ("", "pre_")
    )
    if any(hooks):
        raise ValueError(
            f"model: expected modules without forward hooks, got {kind.__name__} with one: remove "
            "it (torch.nn.utils has functions for those of weight_norm, spectral_norm and prune), "
            "or give model.state_dict()"
        )


def _array(name: str, tensor: Any) -> Array:
    """A tensor or array as floats; narrower ones as float32, which holds them exactly."""
    if hasattr(tensor, "detach"):
        found = tensor.detach()
        try:
            narrow = found.is_floating_point() and found.element_size() < 4
            tensor = (found.float() if narrow else found).cpu().numpy()
        except (TypeError, RuntimeError) as error:  # sparse, quantized, or without data
            raise ValueError(
                f"model: expected dense floating weights, got {found.dtype}, {found.layout} on "
                f"{found.device} in {name!r}: {error}"
            ) from None
    array = _checks.plain_array("model", tensor)
    if array.dtype.kind != "f":
        raise ValueError(f"model: expected floating weights, got {array.dtype} in {name!r}")
    floats: Array = array.astype(np.float32 if array.dtype.itemsize < 4 else array.dtype)
    return floats
