"""To ONNX."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from .._optional import require
from .._version import __version__
from .convert import fitted_network

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


def to_onnx(estimator: Any, path: str | os.PathLike[str], *, dtype: str | None = None) -> None:
    """Write the estimator's network as an ONNX model.

    Parameters
    ----------
    estimator : fitted estimator
    path : str or path
        The file; its input is ``X`` (n, features), its output ``Y`` (n, outputs): probabilities,
        counts or values.
    dtype : "float32" or "float64", optional
        Of X, Y and the weights; by default the network's. onnxruntime computes relu, tanh, sigmoid,
        exp and softmax in float64, the other activations in float32 alone.
    """
    net = fitted_network(estimator)
    onnx = require("onnx", "io")
    dtype = dtype or net.dtype
    if dtype not in ("float32", "float64"):
        raise ValueError(f"dtype: expected 'float32' or 'float64', got {dtype!r}")
    helper = onnx.helper
    number = onnx.TensorProto.FLOAT if dtype == "float32" else onnx.TensorProto.DOUBLE
    nodes, constants, at = [], [], "X"
    for i, (w, b, name) in enumerate(zip(net.weights, net.biases, net.activations, strict=True)):
        constants += [
            onnx.numpy_helper.from_array(np.array(w, dtype), f"W{i}"),
            onnx.numpy_helper.from_array(np.array(b, dtype), f"b{i}"),
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
