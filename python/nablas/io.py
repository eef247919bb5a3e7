"""Model files: safetensors with the network's specification as JSON in the header.

Loading runs no code. Tensors are ``layers.<l>.weight`` (inputs, outputs) and ``layers.<l>.bias``.
"""

from __future__ import annotations

import json
import os
import tempfile
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ._optional import require

if TYPE_CHECKING:
    from .network import Network

FORMAT = 1
KEY = "nablas"
N = TypeVar("N", bound="Network")


def specification(net: Network) -> dict[str, Any]:
    """What it takes to build the network again, without its parameters."""
    return {
        "format": FORMAT,
        "sizes": list(net.sizes),
        "activations": list(net.activations),
        "dtype": net.dtype,
        "seed": net.seed,
        "classes": net.classes,
        "epochs": net._epochs_done,
        "updates": net._core.updates,
    }


def restore(net: Network, spec: dict[str, Any], parameters: NDArray[Any]) -> None:
    """Make `net`, built or not, the network that `spec` and `parameters` describe."""
    *hidden, output = spec["activations"]
    type(net).__init__(
        net, spec["sizes"], hidden, output, dtype=spec["dtype"], seed=spec["seed"], init="zeros"
    )
    net.parameters[:] = parameters
    net.classes, net._epochs_done = spec["classes"], spec["epochs"]
    net._core.updates = spec["updates"]


def write_atomically(path: str | os.PathLike[str], content: bytes) -> None:
    """Replace the file at `path` by `content`: all of it or, if anything fails, nothing."""
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


def save(net: Network, path: str | os.PathLike[str], extra: dict[str, Any] | None = None) -> None:
    """Write a network, and anything JSON can hold beside it.

    Parameters
    ----------
    net : MLP
    path : str or path
        Replaced atomically if it exists.
    extra : dict, optional
        Returned by `load`.
    """
    safetensors = require("safetensors.numpy", "io")
    tensors = {}
    for i, (weight, bias) in enumerate(zip(net.weights, net.biases, strict=True)):
        tensors[f"layers.{i}.weight"] = np.ascontiguousarray(weight)
        tensors[f"layers.{i}.bias"] = np.ascontiguousarray(bias)
    header = json.dumps({**specification(net), "extra": extra})
    write_atomically(path, safetensors.save(tensors, metadata={KEY: header}))


def load(path: str | os.PathLike[str], kind: type[N]) -> tuple[N, dict[str, Any]]:
    """Read what `save` wrote.

    Parameters
    ----------
    path : str or path
    kind : Network or a class derived from it, such as MLP

    Returns
    -------
    net : of that kind
    extra : dict
        What was saved beside it.

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
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            header = (file.metadata() or {}).get(KEY)
            if header is None:
                raise ValueError("it has no nablas header")
            spec = json.loads(header)
            if spec["format"] > FORMAT:
                raise ValueError(f"its format {spec['format']} is newer than this nablas")
            net = kind.__new__(kind)
            restore(net, spec, _flat(file, spec))
            return net, spec.get("extra") or {}
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError, OverflowError) as error:
        reason = f"{type(error).__name__}: {error}" if isinstance(error, KeyError) else error
        raise ValueError(f"{path}: expected a nablas model, but {reason}") from error


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
