"""Estimators to ONNX."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from sklearn.base import is_classifier

from .. import convert
from .._optional import require
from ..convert.onnx import Head, onnx_parts
from ..network import Network
from .classifier import MLPClassifier
from .convert import fitted_network
from .linear import LinearRegression, LogisticRegression
from .regressor import MLPRegressor


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

    Examples
    --------
    >>> from nablas.sklearn import MLPClassifier, to_onnx
    >>> model = MLPClassifier((4,), random_state=0).initialize(2, classes=["cat", "owl"])
    >>> to_onnx(model, "owls.onnx", dtype="float32")
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


def register_skl2onnx() -> None:
    """Tell skl2onnx about the estimators of ``nablas.sklearn``, so that it converts pipelines.

    Raises
    ------
    ImportError
        Without skl2onnx.

    Examples
    --------
    >>> import skl2onnx
    >>> from nablas.sklearn import MLPClassifier, register_skl2onnx
    >>> register_skl2onnx()
    >>> model = MLPClassifier((4,), random_state=0).initialize(2)
    >>> example, options = np.zeros((1, 2), np.float32), {"zipmap": False}
    >>> made = skl2onnx.to_onnx(model, example, options=options)
    >>> [output.name for output in made.graph.output]
    ['label', 'probabilities']
    """
    skl2onnx = require("skl2onnx", "skl2onnx")
    zipmap = {"zipmap": [True, False, "columns"], "nocl": [True, False]}  # as its classifiers'
    for kind, shapes, write, options in (
        (MLPClassifier, _shapes_of_classifier, _write_classifier, zipmap),
        (LogisticRegression, _shapes_of_classifier, _write_classifier, zipmap),
        (MLPRegressor, _shapes_of_regressor, _write_regressor, {}),
        (LinearRegression, _shapes_of_regressor, _write_regressor, {}),
    ):
        alias = f"Nablas{kind.__name__}"
        skl2onnx.update_registered_converter(kind, alias, shapes, write, options=options)


def _floats(operator: Any) -> tuple[Any, Any]:
    """skl2onnx's type of the operator's numbers, and its number of rows."""
    types = require("skl2onnx.common.data_types", "skl2onnx")
    given = operator.inputs[0]
    double = isinstance(given.type, types.DoubleTensorType)
    return types.DoubleTensorType if double else types.FloatTensorType, given.get_first_dimension()


def _head_of(operator: Any) -> Head:
    """Its classes, floats as integers: skl2onnx takes no others."""
    fitted_network(operator.raw_operator, named=False)  # ValueError for several targets
    head = _head(operator.raw_operator)
    floats = head.classes is not None and head.classes.dtype.kind == "f"
    return Head(head.classes.astype(np.int64)) if floats else head


def _shapes_of_classifier(operator: Any) -> None:
    types = require("skl2onnx.common.data_types", "skl2onnx")
    (number, rows), head = _floats(operator), _head_of(operator)
    outputs = fitted_network(operator.raw_operator, named=False).sizes[-1]
    words = head.classes is not None and head.classes.dtype.kind in "OU"
    label = types.StringTensorType if words else types.Int64TensorType
    several = head.classes is None
    operator.outputs[0].type = label([rows, outputs] if several else [rows])
    operator.outputs[1].type = number([rows, outputs if several else max(len(head.classes), 2)])


def _shapes_of_regressor(operator: Any) -> None:
    number, rows = _floats(operator)
    outputs = fitted_network(operator.raw_operator, named=False).sizes[-1]
    operator.outputs[0].type = number([rows, outputs])


def _write_classifier(scope: Any, operator: Any, container: Any) -> None:
    asked = scope.get_options(operator.raw_operator, {"nocl": False, "zipmap": True})
    if asked["nocl"]:
        raise ValueError("options: expected nocl=False, as the labels are written, got nocl=True")
    head, zipmap = _head_of(operator), asked["zipmap"]
    if zipmap is not False and head.classes is not None and len(head.classes) == 1:
        raise ValueError(
            "options: expected zipmap=False with a class alone, which has the two probabilities of "
            f"`predict_proba`, got zipmap={zipmap!r}"
        )
    _write(scope, operator, container, head, ["label", "probabilities"])


def _write_regressor(scope: Any, operator: Any, container: Any) -> None:
    _write(scope, operator, container, "variable", ["variable"])


def _write(scope: Any, operator: Any, container: Any, output: Any, names: list[str]) -> None:
    """Add the network's nodes to skl2onnx's graph, under unique names."""
    onnx = require("onnx", "io")
    given, types = operator.inputs[0], onnx.TensorProto
    double = _floats(operator)[0].__name__.startswith("Double")
    number = types.DOUBLE if double else types.FLOAT
    net = fitted_network(operator.raw_operator, named=False)
    nodes, constants, _ = onnx_parts(net, number, output)
    named: dict[str, str] = dict(
        zip(names, (one.full_name for one in operator.outputs), strict=True)
    )
    named["X"] = scope.get_unique_variable_name("x")
    container.add_node("Cast", [given.full_name], [named["X"]], to=number)

    def unique(name: str) -> str:
        if name not in named:
            named[name] = scope.get_unique_variable_name(name)
        return named[name]

    for tensor in constants:
        kept = types()  # a copy under another name
        kept.CopyFrom(tensor)
        kept.name = unique(tensor.name)
        container.initializers.append(kept)
    for node in nodes:
        container.add_node(
            node.op_type,
            [unique(name) for name in node.input],
            [unique(name) for name in node.output],
            name=scope.get_unique_operator_name(node.op_type),
            **{one.name: onnx.helper.get_attribute_value(one) for one in node.attribute},
        )
