"""Model files: safetensors with the network's specification as JSON in the header.

Loading runs no code. Tensors are ``layers.<l>.weight`` (inputs, outputs) and ``layers.<l>.bias``.
The metadata's "nablas" is the specification, "sha256" the checksum of it and of all tensors. Files
of format 1 may lack the checksum. A checkpoint is of format 3: its specification's "training" holds
the state of a training, and its arrays are tensors ``training.<i>``.

Examples
--------
>>> net = nb.MLP([2, 3, 1], seed=0)
>>> net.save("model.safetensors")
>>> specification, parameters = nb.io.load("model.safetensors")
>>> np.array_equal(parameters, net.parameters)
True
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _checks, _files
from ._optional import require
from ._registry import ACTIVATIONS

FORMAT, CHECKPOINT_FORMAT = 2, 3
MOST_BITS = 14_000  # of an integer: Python reads no more than 4,300 digits
LONGEST_HEADER = 100_000_000  # bytes that safetensors reads
LONGEST_REASON = 300  # letters of an error, which may quote what is in the file
KEY, CHECKSUM = "nablas", "sha256"
TENSOR = "tensor"  # the only key of an object that stands for an array
KINDS = {"bool": "BOOL", "float16": "F16", "float32": "F32", "float64": "F64"} | {
    f"{sign}int{bits}": f"{sign or 'i'}{bits}".upper()
    for sign in ("", "u")
    for bits in (8, 16, 32, 64)
}
__all__ = ["load", "save"]


def save(
    path: str | os.PathLike[str],
    specification: dict[str, Any],
    layers: Sequence[tuple[NDArray[Any], NDArray[Any]]],
    training: dict[str, Any] | None = None,
) -> None:
    """Write a model file.

    Parameters
    ----------
    path : str or path
        Replaced atomically if it exists.
    specification : dict
        Anything JSON can hold, with "sizes", "activations", "dtype", "seed", "classes" (or None) of
        the network, and the numbers of "epochs" and "updates" that it was trained for. A "format",
        as in what `load` returns, is replaced by the present one.
    layers : sequence of (weights, bias)
        Arrays of shapes (inputs, outputs) and (outputs,).
    training : dict, optional
        The state of a training: nested dicts and lists of JSON values and of arrays of numbers.

    Raises
    ------
    ValueError, TypeError
        For what `load` would refuse.
    OSError
        When the file cannot be written.

    Examples
    --------
    >>> layers = [(np.ones((2, 1), np.float32), np.zeros(1, np.float32))]
    >>> specification = {"sizes": [2, 1], "activations": ["identity"], "dtype": "float32"}
    >>> specification |= {"seed": 0, "classes": None, "epochs": 0, "updates": 0}
    >>> nb.io.save("model.safetensors", specification, layers)
    """
    path = _checks.path("path", path)
    text, tensors = encoded(specification, layers, training)
    beginning = _header({KEY: text, CHECKSUM: _checksum(text, tensors)}, tensors)

    def write_to(temporary: str) -> None:
        with open(temporary, "wb") as file:
            file.write(beginning)
            for tensor in tensors.values():
                file.write(tensor.reshape(-1).view(np.uint8).data)

    _files.write(path, write_to)


def encoded(
    specification: dict[str, Any],
    layers: Sequence[tuple[NDArray[Any], NDArray[Any]]],
    training: dict[str, Any] | None = None,
) -> tuple[str, dict[str, NDArray[Any]]]:
    """The specification's text and the tensors of a file, or an error for what `save` refuses."""
    if not isinstance(specification, dict):
        raise TypeError(f"specification: expected a dict, got {type(specification).__name__}")
    specification = packed(specification, None, "specification")
    with _checks.reworded(lambda text: f"specification: {text}"):
        check_specification(specification)
    if "training" in specification:
        raise ValueError("specification: expected no training, which is an argument of its own")
    dtype = specification["dtype"]
    require("safetensors.numpy", "io")  # no file that could not be read again
    tensors = {}
    for i, pair in enumerate(_checks.items("layers", layers, "pairs of weights and bias")):
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TypeError(f"layers: expected pairs of weights and bias, got {pair!r:.60} at {i}")
        for kind, array in zip(("weight", "bias"), pair, strict=True):
            found = _checks.plain_array("layers", array)
            if found.dtype.name != dtype:
                raise TypeError(f"layers: expected {dtype}, got {found.dtype} at {i}")
            tensors[f"layers.{i}.{kind}"] = np.ascontiguousarray(found, dtype)
    if len(tensors) != 2 * len(specification["activations"]):
        raise ValueError(
            f"layers: expected {len(specification['activations'])}, got {len(tensors) // 2}"
        )
    _checked_layers(tensors.__getitem__, specification)
    version = FORMAT
    if training is not None:
        if not isinstance(training, dict):
            raise TypeError(f"training: expected a dict, got {type(training).__name__}")
        state = packed(training, tensors, "training")
        version, specification = CHECKPOINT_FORMAT, {**specification, "training": state}
    text = json.dumps({"format": version, **specification} | {"format": version})
    length = len(_header({KEY: text, CHECKSUM: "0" * 64}, tensors))
    if length > LONGEST_HEADER:
        lengths = {name: len(json.dumps(value)) for name, value in specification.items()}
        raise ValueError(
            f"{max(lengths, key=lengths.__getitem__)}: expected a header of at most "
            f"{LONGEST_HEADER} bytes as JSON, got {length}"
        )
    return text, tensors


def packed(value: Any, tensors: dict[str, NDArray[Any]] | None, name: str) -> Any:
    """`value` as JSON can hold it; its arrays go to `tensors`, if given; an error for all else."""
    try:
        return _packed(value, tensors, name)
    except RecursionError:
        raise ValueError(f"{name}: expected values that are nested less deeply") from None


def _packed(value: Any, tensors: dict[str, NDArray[Any]] | None, name: str) -> Any:
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (np.bool_, np.integer, int)):
        if isinstance(value, int) and value.bit_length() > MOST_BITS:
            raise ValueError(f"{name}: expected integers of at most {MOST_BITS} bits, got more")
        return bool(value) if isinstance(value, np.bool_) else int(value)
    if isinstance(value, (float, np.floating)):
        return float(value)
    arrays = tensors is not None
    if tensors is not None and isinstance(value, np.ndarray) and value.dtype.name in KINDS:
        tensor = f"training.{sum(key.startswith('training.') for key in tensors)}"
        tensors[tensor] = np.asarray(value, value.dtype.newbyteorder("="), order="C")
        return {TENSOR: tensor}
    taken = isinstance(value, dict) and all(isinstance(k, str) for k in value)
    if taken and not (arrays and TENSOR in value):
        return {k: _packed(inner, tensors, f"{name}.{k}") for k, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_packed(inner, tensors, f"{name}[{i}]") for i, inner in enumerate(value)]
    expected = "JSON values and arrays of numbers" if arrays else "JSON values"
    raise TypeError(f"{name}: expected {expected}, got {value!r:.60}")


def _unpacked(value: Any, tensors: dict[str, NDArray[Any]], file: Any) -> Any:
    """The inverse of `packed`; `tensors` gets the arrays read."""
    if isinstance(value, list):
        return [_unpacked(inner, tensors, file) for inner in value]
    if not isinstance(value, dict):
        return value
    if TENSOR not in value:
        return {k: _unpacked(inner, tensors, file) for k, inner in value.items()}
    name = value[TENSOR]
    if len(value) > 1 or not (isinstance(name, str) and name.startswith("training.")):
        raise ValueError(f"training: expected the name of a tensor, got {value!r:.60}")
    tensors[name] = found = file.get_tensor(name)
    return found


def _header(metadata: dict[str, str], tensors: dict[str, NDArray[Any]]) -> bytes:
    """The length of the header in 8 bytes, and the header: JSON, with spaces up to a multiple of 8.

    safetensors' own writer makes a temporary file of its own, which a killed process leaves beside
    ours, and ends the process where there is no memory.
    """
    header: dict[str, Any] = {"__metadata__": metadata}
    end = 0
    for name, tensor in tensors.items():
        begin, end = end, end + tensor.nbytes
        kind = KINDS[tensor.dtype.name]
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [begin, end]}
    written = json.dumps(header).encode()
    written += b" " * (-len(written) % 8)
    return len(written).to_bytes(8, "little") + written


def _checksum(header: str, tensors: dict[str, NDArray[Any]]) -> str:
    """SHA-256 of the specification's text and of every tensor, in the order of their names."""
    digest = hashlib.sha256(header.encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensors[name]).view(np.uint8).data)
    return digest.hexdigest()


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

    Examples
    --------
    >>> nb.MLP([2, 1], seed=0).save("model.safetensors")
    >>> specification, parameters = nb.io.load("model.safetensors")
    >>> specification["sizes"], parameters.shape
    ([2, 1], (3,))
    """
    return read(path)[:2]


def read(
    path: str | os.PathLike[str],
) -> tuple[dict[str, Any], NDArray[Any], dict[str, Any] | None]:
    """As `load`, and the state of a training, or None in a file that is no checkpoint."""
    safetensors = require("safetensors", "io")
    path = _checks.path("path", path)
    _files.check_regular(path)
    if not header_of(path):
        raise ValueError(f"{path}: expected a nablas model, but it is a file of another kind")
    with damaged(path), safetensors.safe_open(path, framework="numpy") as file:
        metadata = file.metadata() or {}
        if KEY not in metadata:
            raise ValueError("it has no nablas header")
        specification = json.loads(metadata[KEY])
        version = _whole(specification, "format", 1)
        if version > CHECKPOINT_FORMAT:
            raise ValueError(
                f"its format {version} is newer than this nablas; "
                "see docs/guide/deployment.md#versions"
            )
        check_specification(specification)
        tensors: dict[str, NDArray[Any]] = {}
        training = specification.pop("training", None)
        if isinstance(training, dict) != (version == CHECKPOINT_FORMAT):
            raise TypeError(f"training: expected an object, got {training!r:.60}")
        layers = _checked_layers(file.get_tensor, specification)
        training = _unpacked(training, tensors, file)
        tensors |= layers
        if len(tensors) != len(file.keys()):
            raise ValueError(f"it has {len(file.keys())} tensors, expected {len(tensors)}")
        if CHECKSUM not in metadata and version > 1:
            raise ValueError("it has no checksum")
        if metadata.get(CHECKSUM, found := _checksum(metadata[KEY], tensors)) != found:
            raise ValueError("its content does not match its checksum")
        return specification, _flat(layers), training


def header_of(path: str) -> bytes:
    """The header of a file of safetensors, which may be damaged; of a file of another kind none.

    Files begin with the header's length in 8 bytes; then it is an object of JSON.
    """
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        first = file.read(1)
        return first + file.read(max(min(length, LONGEST_HEADER) - 1, 0)) if first == b"{" else b""


def is_model(path: str) -> bool:
    """Whether a file has the header of a nablas model, be it damaged or not."""
    return f'"{KEY}"'.encode() in header_of(path)


@contextmanager
def damaged(path: str | os.PathLike[str]) -> Iterator[None]:
    """Errors of a damaged file as a ValueError that names it."""
    safetensors = require("safetensors", "io")
    try:
        yield
    except (
        safetensors.SafetensorError,
        ValueError,
        KeyError,
        TypeError,
        OverflowError,
        RecursionError,
    ) as error:
        reason = f"{type(error).__name__}: {error}" if isinstance(error, KeyError) else error
        text = f"{reason!s:.{LONGEST_REASON}}"
        raise ValueError(f"{os.fspath(path)}: expected a nablas model, but {text}") from error


def check_specification(specification: Any) -> None:
    """ValueError or TypeError for a specification that `Network` did not make."""
    if not isinstance(specification, dict):
        raise TypeError(f"its header is {type(specification).__name__}, not an object")
    missing = {"sizes", "activations", "dtype", "seed", "classes", "epochs", "updates"}
    missing -= set(specification)
    if missing:
        raise ValueError(f"it has no {', '.join(sorted(missing))}")
    for name in ("sizes", "activations"):
        if not isinstance(specification[name], list):
            raise TypeError(f"{name}: expected a list, got {specification[name]!r:.60}")
    sizes, activations = specification["sizes"], specification["activations"]
    for size in sizes:
        _checks.integer("sizes", size, 1)
    if len(sizes) < 2 or len(activations) != len(sizes) - 1:
        raise ValueError(
            f"sizes, activations: expected sizes for {len(activations)} layers, got {sizes}"
        )
    for name in activations[:-1]:
        _checks.choice("activations", name, ACTIVATIONS)
    _checks.choice("activations", activations[-1], [*ACTIVATIONS, "softmax"])
    _checks.choice("dtype", specification["dtype"], ("float32", "float64"))
    _whole(specification, "seed", 0)
    _whole(specification, "epochs", 0, _checks.MOST_EPOCHS)
    _whole(specification, "updates", 0, _checks.MOST_UPDATES)
    counts = {"softmax": sizes[-1], "sigmoid": 2, "step": 2}  # of the outputs that tell classes
    _check_classes(specification["classes"], counts.get(activations[-1], 0))
    if not isinstance(specification.get("extra"), (dict, type(None))):
        raise TypeError(f"extra: expected an object, got {specification['extra']!r:.60}")


def _whole(specification: dict[str, Any], name: str, least: int, most: int = 2**63 - 1) -> int:
    return _checks.integer(name, specification[name], least, most)


def _check_classes(classes: Any, count: int) -> None:
    """None, or `count` different strings in order, as `fit` stores them; 0: only None."""
    if classes is None:
        return
    if count == 0:
        raise ValueError(f"classes: expected none with this output, got {classes!r:.60}")
    strings = isinstance(classes, list) and all(isinstance(name, str) for name in classes)
    if not strings or len(classes) != count or sorted(set(classes)) != classes:
        raise ValueError(f"classes: expected {count} strings in order, got {classes!r:.60}")


def _check_finite(name: str, tensor: NDArray[Any]) -> None:
    if not np.isfinite(tensor).all():
        raise ValueError(f"{name}: expected finite values")


def _checked_layers(
    tensor_of: Callable[[str], NDArray[Any]], spec: dict[str, Any]
) -> dict[str, NDArray[Any]]:
    """The tensors by their names, bias before weights, checked against the specification."""
    found = {}
    for i, (inputs, outputs) in enumerate(zip(spec["sizes"], spec["sizes"][1:], strict=False)):
        for kind, shape in (("bias", (outputs,)), ("weight", (inputs, outputs))):
            name = f"layers.{i}.{kind}"
            found[name] = tensor = tensor_of(name)
            if tensor.shape != shape or tensor.dtype != spec["dtype"]:
                raise ValueError(
                    f"{name}: expected {spec['dtype']} {shape}, got {tensor.dtype} {tensor.shape}"
                )
            _check_finite(name, tensor)
    return found


def _flat(tensors: dict[str, NDArray[Any]]) -> NDArray[Any]:
    """The parameters in their flat order."""
    return np.concatenate([tensor.reshape(-1) for tensor in tensors.values()])


def __dir__() -> list[str]:
    return __all__
