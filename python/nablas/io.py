"""Model files: safetensors with the network's specification as JSON in the header.

Loading runs no code. Tensors are ``layers.<l>.weight`` (inputs, outputs) and ``layers.<l>.bias``.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._optional import require

FORMAT = 1
KEY = "nablas"
__all__ = ["load", "save", "write_atomically"]


def write_atomically(path: str | os.PathLike[str], content: bytes) -> None:
    """Replace the file at `path` by `content`; on failure the old file stays unchanged."""
    path = os.fspath(path)
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path) or ".", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def save(
    path: str | os.PathLike[str],
    specification: dict[str, Any],
    layers: Sequence[tuple[NDArray[Any], NDArray[Any]]],
) -> None:
    """Write a model file.

    Parameters
    ----------
    path : str or path
        Replaced atomically if it exists.
    specification : dict
        Anything JSON can hold; with "sizes" and "dtype" of the layers.
    layers : sequence of (weights, bias)
        Arrays of shapes (inputs, outputs) and (outputs,).
    """
    safetensors = require("safetensors.numpy", "io")
    tensors = {}
    for i, (weight, bias) in enumerate(layers):
        tensors[f"layers.{i}.weight"] = np.ascontiguousarray(weight)
        tensors[f"layers.{i}.bias"] = np.ascontiguousarray(bias)
    header = json.dumps({"format": FORMAT, **specification})
    write_atomically(path, safetensors.save(tensors, metadata={KEY: header}))


def load(path: str | os.PathLike[str]) -> tuple[dict[str, Any], NDArray[Any]]:
    """Read a model file.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    specification : dict
    parameters : array of shape (n,)
        Layer by layer, bias before weights.

    Raises
    ------
    ValueError
        When the file is not a nablas model or is damaged.
    OSError
        When it cannot be read.
    """
    safetensors = require("safetensors", "io")
    path = os.fspath(path)
    with open(path, "rb"):
        pass  # so that a missing or unreadable file is an OSError
    with damaged(path), safetensors.safe_open(path, framework="numpy") as file:
        header = (file.metadata() or {}).get(KEY)
        if header is None:
            raise ValueError("it has no nablas header")
        specification = json.loads(header)
        if specification["format"] > FORMAT:
            raise ValueError(f"its format {specification['format']} is newer than this nablas")
        return specification, _flat(file, specification)


@contextmanager
def damaged(path: str | os.PathLike[str]) -> Iterator[None]:
    """Errors of a damaged file as a ValueError that names it."""
    safetensors = require("safetensors", "io")
    try:
        yield
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError, OverflowError) as error:
        reason = f"{type(error).__name__}: {error}" if isinstance(error, KeyError) else error
        raise ValueError(f"{os.fspath(path)}: expected a nablas model, but {reason}") from error


def _flat(file: Any, spec: dict[str, Any]) -> NDArray[Any]:
    """The parameters in their flat order, checked against the specification."""
    pieces = []
    for i, (inputs, outputs) in enumerate(zip(spec["sizes"], spec["sizes"][1:], strict=False)):
        for name, shape in (("bias", (outputs,)), ("weight", (inputs, outputs))):
            tensor = file.get_tensor(f"layers.{i}.{name}")
            if tensor.shape != shape or tensor.dtype != spec["dtype"]:
                raise ValueError(
                    f"layers.{i}.{name}: expected {spec['dtype']} {shape}, "
                    f"got {tensor.dtype} {tensor.shape}"
                )
            if not np.isfinite(tensor).all():
                raise ValueError(f"layers.{i}.{name}: expected finite values")
            pieces.append(tensor.reshape(-1))
    return np.concatenate(pieces)


def __dir__() -> list[str]:
    return __all__
