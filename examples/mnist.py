"""Reads MNIST's IDX files, plain or compressed.

An IDX file begins with two zero bytes, the type of its numbers (8 is unsigned bytes) and the number
of dimensions; then come the dimensions as big-endian 32-bit integers, then the numbers.
"""

from __future__ import annotations

import gzip
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNSIGNED_BYTES = 8


def read_idx(path: Path) -> NDArray[np.uint8]:
    """The array in an IDX file of unsigned bytes; a name that ends in .gz is decompressed.

    Raises
    ------
    ValueError
        For a file of another format, or of another length than its dimensions say.
    """
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    start = 4 + 4 * data[3] if len(data) > 3 else 4
    if data[:3] != bytes([0, 0, UNSIGNED_BYTES]) or len(data) < start:
        raise ValueError(f"{path}: expected an IDX file of unsigned bytes, got {data[:4].hex(' ')}")
    shape = [int.from_bytes(data[i : i + 4], "big") for i in range(4, start, 4)]
    if len(data) - start != math.prod(shape):
        raise ValueError(f"{path}: expected {shape} numbers, got {len(data) - start}")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def read_split(folder: str | Path, split: str) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Images (n, pixels) from 0 to 1, and labels (n,), of "train" or "t10k".

    Raises
    ------
    FileNotFoundError
        If `folder` has no file of images or of labels; names are as in
        ``train-images-idx3-ubyte.gz``.
    """
    found = {}
    for kind in ("images", "labels"):
        paths = sorted(Path(folder).glob(f"{split}-{kind}*"))
        if not paths:
            raise FileNotFoundError(f"{folder}: expected a file {split}-{kind}-…, got none")
        found[kind] = read_idx(paths[0])
    images = found["images"].reshape(len(found["images"]), -1).astype(np.float32) / np.float32(255)
    return images, found["labels"].astype(np.int64)
