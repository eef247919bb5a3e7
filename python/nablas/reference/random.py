"""Philox4x32-10 and the numbers derived from it, vectorised over counters."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .elementwise import deliver

Array = NDArray[Any]
MASK = np.uint64(0xFFFFFFFF)
INITIALISATION, SHUFFLE, DROPOUT, USER = 0x01000000, 0x02000000, 0x03000000, 0x04000000


def philox(seed: int, index: ArrayLike, step: int, stream: int) -> Array:
    """Blocks of four 32-bit words, shape (len(index), 4), as uint64."""
    counter = np.asarray(index, dtype=np.uint64)
    shift = np.uint64(32)
    c = [
        counter & MASK,
        counter >> shift,
        np.full(counter.shape, step & 0xFFFFFFFF, np.uint64),
        np.full(counter.shape, stream, np.uint64),
    ]
    k0, k1 = int(seed) & 0xFFFFFFFF, int(seed) >> 32
    for _ in range(10):
        first, second = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [
            (second >> shift) ^ c[1] ^ np.uint64(k0),
            second & MASK,
            (first >> shift) ^ c[3] ^ np.uint64(k1),
            first & MASK,
        ]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack(c, axis=-1)


def words64(seed: int, count: int, step: int, stream: int) -> Array:
    """64-bit words, two from each block."""
    blocks = philox(seed, np.arange((count + 1) // 2), step, stream)
    pairs = blocks.reshape(-1, 2)
    return ((pairs[:, 0] << np.uint64(32)) | pairs[:, 1])[:count]


def _unit(seed: int, count: int, stream: int) -> Array:
    return (words64(seed, count, 0, stream) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def uniform(low: float, high: float, seed: int, stream: int, count: int) -> Array:
    """Uniform numbers in [low, high) of a numbered stream."""
    return low + (high - low) * _unit(seed, count, stream)


def normal(deviation: float, seed: int, stream: int, count: int) -> Array:
    """Normal numbers of a numbered stream (Box-Muller)."""
    u = _unit(seed, count + count % 2, stream).reshape(-1, 2)
    radius = deviation * np.sqrt(-2 * np.log(1 - u[:, 0]))
    angle = 2 * np.pi * u[:, 1]
    both = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
    return both.reshape(-1)[:count]


def random_uniform(count: int, *, seed: int, stream: int = 0) -> Array:
    """Numbers in [0, 1).

    Examples
    --------
    >>> nb.reference.random_uniform(3, seed=0).round(4)
    array([0.7193, 0.3915, 0.0646])
    """
    return uniform(0, 1, seed, USER + stream, count)


def random_normal(count: int, *, seed: int, stream: int = 0) -> Array:
    """Standard normal numbers.

    Examples
    --------
    >>> nb.reference.random_normal(3, seed=0).round(4)
    array([-1.2376,  1.0044, -0.2565])
    """
    return normal(1, seed, USER + stream, count)


def permutation(count: int, *, seed: int, epoch: int = 0) -> Array:
    """Fisher-Yates from the last index down.

    Examples
    --------
    >>> nb.reference.permutation(5, seed=0)
    array([3, 4, 0, 1, 2])
    """
    order = np.arange(count)
    words = words64(seed, max(count - 1, 0), epoch, SHUFFLE)
    for i, word in zip(range(count - 1, 0, -1), words, strict=True):
        j = (int(word) * (i + 1)) >> 64
        order[i], order[j] = order[j], order[i]
    return order


def dropout(
    x: ArrayLike,
    rate: float,
    *,
    seed: int,
    step: int = 0,
    layer: int = 0,
    first_row: int = 0,
    out: Array | None = None,
) -> Array:
    """Each entry is zero with probability `rate`, else divided by ``1 - rate``.

    Examples
    --------
    >>> nb.reference.dropout(np.ones((2, 4)), 0.5, seed=1)
    array([[2., 2., 0., 0.],
           [2., 0., 0., 2.]])
    """
    x = np.asarray(x)
    rows, columns = x.shape
    index = (first_row + np.arange(rows)[:, None]) * columns + np.arange(columns)
    blocks = philox(seed, (index // 4).reshape(-1), step, DROPOUT + layer)
    words = np.take_along_axis(blocks, (index % 4).reshape(-1, 1), axis=1).reshape(x.shape)
    kept = words >= np.uint64(int(rate * 2**32))
    return deliver(np.where(kept, x * x.dtype.type(1 / (1 - rate)), 0).astype(x.dtype), out)
