"""Estimators to ONNX."""

from __future__ import annotations

import os
from typing import Any

from .. import convert
from .convert import fitted_network


def to_onnx(estimator: Any, path: str | os.PathLike[str], *, dtype: str | None = None) -> None:
    """Write a network's or an estimator's outputs as an ONNX model.

    Parameters
    ----------
    estimator : MLP or fitted estimator
    path, dtype
        As for ``nablas.convert.to_onnx``.
    """
    convert.to_onnx(fitted_network(estimator), path, dtype=dtype)
