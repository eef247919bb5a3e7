"""Gradients of functions of square matrices, or of stacks of them; they take arrays and Tensors."""

from __future__ import annotations

from typing import Any

import numpy as np


def turned(a: Any) -> Any:
    """The last two axes exchanged."""
    return a.swapaxes(-1, -2)


def solve_slopes(g: Any, y: Any, wanted: Any, a: Any, b: Any) -> list[Any]:
    """The gradients of ``y = solve(a, b)``, for vectors or matrices y."""
    vectors = y.ndim < a.ndim
    if vectors:
        g, y = g[..., None], y[..., None]
    by_b = np.linalg.solve(turned(a), g)
    by_a = -np.matmul(by_b, turned(y)) if wanted[0] else None
    return [by_a, by_b[..., 0] if vectors else by_b]


def det_slope(g: Any, y: Any, a: Any) -> Any:
    """The gradient by a of ``y = det(a)``: the cofactors, which singular matrices have, too."""
    try:
        return (g * y)[..., None, None] * turned(np.linalg.inv(a))
    except np.linalg.LinAlgError:  # one of the matrices is singular
        if not isinstance(a, np.ndarray):
            return g[..., None, None] * _minors(a)
    regular, singular = y != 0, y == 0
    cofactors = np.empty_like(a)
    cofactors[regular] = y[regular][..., None, None] * turned(np.linalg.inv(a[regular]))
    u, s, v = np.linalg.svd(a[singular])
    n = a.shape[-1]
    others = np.where(np.eye(n, dtype=bool), 1, s[..., None, :]).prod(-1)
    signs = (np.linalg.det(u) * np.linalg.det(v))[..., None, None]
    cofactors[singular] = signs * np.matmul(u * others[..., None, :], v)
    return g[..., None, None] * cofactors


def log_det_slope(g: Any, y: Any, a: Any) -> Any:
    """The gradient by a of ``y = log |det(a)|``; NaN for singular matrices."""
    try:
        inverse = np.linalg.inv(a)
    except np.linalg.LinAlgError:
        singular = np.linalg.slogdet(a)[0] == 0
        inverse = np.linalg.inv(a + np.where(singular, np.nan, 0)[..., None, None].astype(a.dtype))
    return g[..., None, None] * turned(inverse)


def _minors(a: Any) -> Any:
    """The cofactors as determinants: n² of n - 1 rows, which can be differentiated again.

    They take n⁴ numbers, so they are for singular matrices only.
    """
    n = a.shape[-1]
    rest = np.array([[k for k in range(n) if k != i] for i in range(n)], np.intp).reshape(n, n - 1)
    signs = (-1.0) ** np.add.outer(np.arange(n), np.arange(n))
    return signs * np.linalg.det(a[..., rest[:, None, :, None], rest[None, :, None, :]])


def cholesky_slope(g: Any, y: Any) -> Any:
    """The gradient by a symmetric a of ``y = cholesky(a)``, symmetric (Murray 2016)."""
    half = np.tril(np.ones(y.shape[-2:], y.dtype)) - 0.5 * np.eye(y.shape[-1], dtype=y.dtype)
    inner = np.matmul(turned(y), np.tril(g)) * half
    inverse = np.linalg.inv(y)
    outer = np.matmul(np.matmul(turned(inverse), inner), inverse)
    return 0.5 * (outer + turned(outer))
