"""To ONNX."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from .. import _files
from .._checks import choice, having
from .._checks import path as checked_path
from .._optional import require
from .._version import __version__
from ..network import Network

_OPERATORS = {
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
    "mish": "Mish",
}
ACTIVATIONS = {"identity", "softmax", "silu", *_OPERATORS}  # that ONNX has
_SETTINGS: dict[str, dict[str, Any]] = {"leaky_relu": {"alpha": 0.01}, "softmax": {"axis": 1}}
_OPSET = 20  # the first with Gelu


def to_onnx(net: Network, path: str | os.PathLike[str], *, dtype: str | None = None) -> None:
    """Write a network as an ONNX model.

    Parameters
    ----------
    net : MLP
    path : str or path
        The file; its input is ``X`` (n, features), its output ``Y`` (n, outputs): the output
        layer's activations.
    dtype : "float32" or "float64", optional
        Of X, Y and the weights; by default the network's. onnxruntime computes relu, tanh, sigmoid,
        exp and softmax in float64, the other activations in float32 only.

    Raises
    ------
    ValueError
        For an activation that ONNX lacks.
    ImportError
        Without onnx.
    """
    having("net", net, "activations", "an MLP")
    path = checked_path("path", path)
    onnx = require("onnx", "io")
    dtype = choice("dtype", net.dtype if dtype is None else dtype, ("float32", "float64"))
    helper = onnx.helper
    number = onnx.TensorProto.FLOAT if dtype == "float32" else onnx.TensorProto.DOUBLE
    nodes, constants, at = [], [], "X"
    for i, (w, b, name) in enumerate(zip(net.weights, net.biases, net.activations, strict=True)):
        constants += [
            onnx.numpy_helper.from_array(np.array(w, dtype), f"W{i}"),
            onnx.numpy_helper.from_array(np.array(b, dtype), f"b{i}"),
        ]
        nodes.append(helper.make_node("Gemm", [at, f"W{i}", f"b{i}"], [f"z{i}"]))
        nodes += _activation(helper, name, f"z{i}", f"a{i}")
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
    _files.write(path, model.SerializeToString())


def _activation(helper: Any, name: str, z: str, a: str) -> list[Any]:
    """The nodes of an activation."""
    if name == "silu":
        return [
            helper.make_node("Sigmoid", [z], [f"{a}_s"]),
            helper.make_node("Mul", [z, f"{a}_s"], [a]),
        ]
    operators = {"identity": "Identity", "softmax": "Softmax", **_OPERATORS}
    if name not in operators:
        raise ValueError(f"net: expected activations that ONNX has, got {name!r}")
    return [helper.make_node(operators[name], [z], [a], **_SETTINGS.get(name, {}))]
