"""To ONNX."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _checks, _files
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


@dataclass(frozen=True)
class Head:
    """What a classifier's ONNX model gives: "label" and "probabilities", as skl2onnx names them.

    Attributes
    ----------
    classes : array or None
        Labels of the classes: one label a row, of one or two classes with one output or of as many
        classes as outputs. None: each output is a label of its own, 0 or 1.
    """

    classes: Any = None


def to_onnx(
    net: Network,
    path: str | os.PathLike[str],
    *,
    dtype: str | None = None,
    output: str | Head = "Y",
) -> None:
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
    output : str or Head
        Name of the output, or a classifier's labels.

    Raises
    ------
    ValueError
        For an activation or a type of labels that ONNX lacks, or weights beyond `dtype`.
    ImportError
        Without onnx.

    Examples
    --------
    >>> nb.convert.to_onnx(nb.MLP([2, 3, 1], seed=0), "model.onnx", dtype="float64")
    """
    _checks.having("net", net, "activations", "an MLP")
    path = _checks.path("path", path)
    onnx = require("onnx", "io")
    dtype = _checks.choice("dtype", net.dtype if dtype is None else dtype, ("float32", "float64"))
    helper = onnx.helper
    number = onnx.TensorProto.FLOAT if dtype == "float32" else onnx.TensorProto.DOUBLE
    if not isinstance(output, Head):
        _checks.text("output", output)
    nodes, constants, outputs = onnx_parts(net, number, output)
    graph = helper.make_graph(
        nodes,
        "nablas",
        [helper.make_tensor_value_info("X", number, ["n", net.sizes[0]])],
        outputs,
        constants,
    )
    model = helper.make_model(
        graph,
        producer_name="nablas",
        producer_version=__version__,
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=9,
    )
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError:  # all other names are right
        text = f"output: expected a name that the graph does not use, got {output!r:.60}"
        raise ValueError(text) from None
    _files.write(path, model.SerializeToString())


def onnx_parts(net: Network, number: int, output: str | Head) -> tuple[list[Any], ...]:
    """Nodes, constants and outputs of a network's graph, whose input is ``X``.

    Parameters
    ----------
    net : MLP
    number : int
        ONNX's FLOAT or DOUBLE.
    output : str or Head
        As for `to_onnx`.
    """
    onnx = require("onnx", "io")
    helper = onnx.helper
    real = helper.tensor_dtype_to_np_dtype(number)
    nodes, constants, at = [], [], "X"
    for i, (w, b, name) in enumerate(zip(net.weights, net.biases, net.activations, strict=True)):
        constants += [
            onnx.numpy_helper.from_array(_converted(w, real), f"W{i}"),
            onnx.numpy_helper.from_array(_converted(b, real), f"b{i}"),
        ]
        nodes.append(helper.make_node("Gemm", [at, f"W{i}", f"b{i}"], [f"z{i}"]))
        nodes += _activation(helper, name, f"z{i}", f"a{i}", i + 1)
        at = f"a{i}"
    if isinstance(output, Head):
        last, more, outputs = _labels(onnx, output, at, number, net.sizes[-1])
    else:
        last, more = [helper.make_node("Identity", [at], [output])], []
        outputs = [helper.make_tensor_value_info(output, number, ["n", net.sizes[-1]])]
    return nodes + last, constants + more, outputs


def _converted(values: Any, real: Any) -> Any:
    """A copy in another dtype; ValueError for a finite number beyond its range."""
    with np.errstate(over="ignore", under="ignore"):
        found = np.array(values, real)
    beyond = np.isfinite(values) & np.isinf(found)
    if beyond.any():
        text = f"dtype: expected one that holds the weights, got {real} for {values[beyond][0]:g}"
        raise ValueError(text)
    return found


def _labels(
    onnx: Any, head: Head, at: str, number: int, outputs: int
) -> tuple[list[Any], list[Any], list[Any]]:
    """Nodes, constants and outputs of a classifier whose last layer is `at`."""
    helper, node = onnx.helper, onnx.helper.make_node
    real = onnx.helper.tensor_dtype_to_np_dtype(number)

    def constant(name: str, value: Any) -> Any:
        return onnx.numpy_helper.from_array(np.asarray(value), name)

    if head.classes is None:
        nodes = [
            node("Identity", [at], ["probabilities"]),
            node("Greater", [at, "half"], ["above"]),
            node("Cast", ["above"], ["label"], to=onnx.TensorProto.INT64),
        ]
        constants = [constant("half", real.type(0.5))]
        kind, shape = onnx.TensorProto.INT64, ["n", outputs]
    else:
        constants = [constant("classes", _written(np.asarray(head.classes)))]
        kind, shape = constants[0].data_type, ["n"]
        nodes = [node("Identity", [at], ["probabilities"])]
        if outputs == 1:
            constants.append(constant("one", real.type(1)))
            nodes = [
                node("Sub", ["one", at], ["other"]),
                node("Concat", ["other", at], ["probabilities"], axis=1),
            ]
            outputs = 2
        nodes += [
            node("ArgMax", ["probabilities"], ["best"], axis=1, keepdims=0),
            node("Gather", ["classes", "best"], ["label"], axis=0),
        ]
    info = helper.make_tensor_value_info
    return (
        nodes,
        constants,
        [info("label", kind, shape), info("probabilities", number, ["n", outputs])],
    )


def _written(classes: Any) -> Any:
    """Labels in a type that ONNX has, two at least; ValueError for others."""
    if len(classes) == 1:  # the other probability of the one output has the same label
        classes = np.repeat(classes, 2)
    if classes.dtype.kind in "OU":
        return classes.astype(object)
    wide = np.float64 if classes.dtype.kind == "f" else np.int64
    if classes.dtype.kind not in "iubf" or (classes.astype(wide) != classes).any():
        raise ValueError(
            "classes: expected text, integers of 64 bits with a sign or float64, got "
            f"{classes.tolist()!r:.60}"
        )
    return classes if classes.dtype == np.float32 else classes.astype(wide)


def _activation(helper: Any, name: str, z: str, a: str, layer: int) -> list[Any]:
    """The nodes of an activation."""
    if name == "silu":
        return [
            helper.make_node("Sigmoid", [z], [f"{a}_s"]),
            helper.make_node("Mul", [z, f"{a}_s"], [a]),
        ]
    operators = {"identity": "Identity", "softmax": "Softmax", **_OPERATORS}
    if name not in operators:
        raise ValueError(f"net: expected activations that ONNX has, got {name!r} in layer {layer}")
    return [helper.make_node(operators[name], [z], [a], **_SETTINGS.get(name, {}))]
