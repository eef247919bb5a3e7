"""Helpers of the rules; those used in gradients take arrays and Tensors."""

from __future__ import annotations

import itertools
import string
from typing import Any

import numpy as np

from .. import kernels

ndarray = np.ndarray


def fitted(x: Any) -> Any:
    """An array of a dtype the kernels take: float32 and float64 unchanged, others as float64."""
    return x if x.dtype.char in "fd" else x.astype(np.float64)


def floating(x: Any) -> Any:
    """Floating dtypes unchanged, integers as float64."""
    return x if x.dtype.kind == "f" else x.astype(np.float64)


def by_kernel(kernel: Any, x: Any, *settings: Any) -> Any:
    """A kernel's result, in the dtype of `x` if that is floating, otherwise in float64."""
    if x.dtype.char in "fd":
        return kernel(x, *settings)
    return kernel(fitted(x), *settings).astype(floating(x).dtype)


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum over the axes that broadcasting added or stretched."""
    if g.shape == shape:
        return g
    added = g.ndim - len(shape)
    if added < 0:
        return g + np.zeros(shape, g.dtype)
    stretched = [i + added for i, n in enumerate(shape) if n == 1 and g.shape[i + added] != 1]
    if added or stretched:
        g = g.sum(axis=(*range(added), *stretched), keepdims=False)
    return g.reshape(shape)


def expand(g: Any, shape: tuple[int, ...], axis: Any, keepdims: bool) -> Any:
    """A reduction's result with the reduced axes kept at length 1, as with keepdims."""
    if keepdims or axis is None or not shape:
        return g
    axes = {a % len(shape) for a in (axis if isinstance(axis, tuple) else (axis,))}
    return g.reshape(tuple(1 if i in axes else n for i, n in enumerate(shape)))


def spread(g: Any, shape: tuple[int, ...], axis: Any, keepdims: bool) -> Any:
    """`expand`, broadcast to the input's shape."""
    g = expand(g, shape, axis, keepdims)
    if isinstance(g, (ndarray, np.generic)):
        full = np.empty(shape, g.dtype)
        full[...] = g
        return full
    return np.broadcast_to(g, shape)


def norm(x: Any, axis: Any, keepdims: bool) -> Any:
    """Euclidean norm, scaled by the largest entry where squares would overflow or underflow."""
    x = floating(x)
    size = np.sqrt((x * x).sum(axis=axis, keepdims=keepdims))
    if x.size and not np.all((size > 1e-15) & (size < 1e15)):
        top = np.maximum.reduce(np.absolute(x), axis=axis, keepdims=True)
        top = np.where((top > 0) & np.isfinite(top), top, 1).astype(x.dtype, copy=False)
        scaled = np.sqrt(np.add.reduce(np.square(x / top), axis=axis, keepdims=True)) * top
        size = scaled.reshape(np.shape(size))
    return size


def power_slope(a: Any, b: Any) -> Any:
    """The derivative of ``a ** b`` by a; 0 where b is 0."""
    if isinstance(b, (int, float)):
        return b * a ** (b - 1) if b else 0.0
    return b * np.where((a == 0) & (b == 0), 1, a) ** (b - 1)


def share_of_sum(exponential: Any, y: Any, a: Any, b: Any) -> Any:
    """The derivative by a of ``y = log(e^a + e^b)``; 1/2 where both are the same infinity."""
    same, top = (a == b) & np.isinf(a), a == np.inf
    share = exponential(np.where(same | top, 0, a - y))
    return np.where(same, 0.5, share)


def squares_or_one(a: Any, b: Any) -> Any:
    """``a² + b²``, and 1 where both are 0."""
    total = a * a + b * b
    return np.where(total == 0, 1, total)


def sinc_slope(y: Any, x: Any) -> Any:
    """The derivative of ``sin(πx) / (πx)``; near 0 by its series."""
    near = np.absolute(x) < 1e-3
    slope = (np.cos(np.pi * x) - y) / np.where(near, 1, x)
    series = x * (-(np.pi**2) / 3 + x * x * (np.pi**4 / 30))
    return np.where(near, series, slope)


def scatter(g: Any, index: Any, shape: tuple[int, ...]) -> Any:
    """Zeros of `shape` with `g` added at `index`."""
    if not isinstance(g, (ndarray, np.generic)):
        return g._apply("scatter", g, index, shape)
    full = np.zeros(shape, g.dtype)
    if all(_once(part) for part in (index if isinstance(index, tuple) else (index,))):
        full[index] = g
    else:
        np.add.at(full, index, g)
    return full


def _once(part: Any) -> bool:
    """Whether this part of an index selects no entry twice."""
    if isinstance(part, ndarray):
        return bool(part.dtype == bool)
    return part is None or part is ... or isinstance(part, (slice, int, np.integer))


def split(g: Any, sizes: list[int], axis: int) -> list[Any]:
    """Consecutive parts of `g` along an axis."""
    before, ends = (slice(None),) * (axis % g.ndim), [0, *itertools.accumulate(sizes)]
    return [g[(*before, slice(a, b))] for a, b in itertools.pairwise(ends)]


def unstack(g: Any, count: int, axis: int) -> list[Any]:
    """The slices of `g` along an axis."""
    before = (slice(None),) * (axis % g.ndim)
    return [g[(*before, i)] for i in range(count)]


def softmax(x: Any, axis: int) -> Any:
    """Exponentials that sum to 1 along an axis."""
    if x.ndim == 2 and axis in (-1, 1) and x.dtype.char in "fd":
        return kernels.softmax(x)
    x = floating(x)
    e = np.exp(x - x.max(axis=axis, keepdims=True, initial=-np.inf))
    return e / e.sum(axis=axis, keepdims=True)


def log_sum_exp(x: Any, axis: Any, keepdims: bool) -> Any:
    """Logarithm of the sum of exponentials over the given axes."""
    x = floating(x)
    top = x.max(axis=axis, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0).astype(x.dtype, copy=False)
    with np.errstate(divide="ignore"):
        result = np.log(np.exp(x - top).sum(axis=axis, keepdims=True)) + top
    return result if keepdims else result.reshape(np.add.reduce(x, axis=axis).shape)


# ---- matrix products -------------------------------------------------------------------------


def product(a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False) -> Any:
    """``a @ b``, the last two axes optionally exchanged; float matrices use the C++ kernel."""
    if (
        type(a) is ndarray
        and type(b) is ndarray
        and a.ndim == b.ndim == 2
        and a.dtype == b.dtype
        and a.dtype.char in "fd"
        and a.shape[not transpose_a] == b.shape[transpose_b]
    ):
        return kernels.matmul(a, b, transpose_a=transpose_a, transpose_b=transpose_b)
    return np.matmul(
        a.swapaxes(-1, -2) if transpose_a else a, b.swapaxes(-1, -2) if transpose_b else b
    )


def matmul_left(g: Any, a: Any, b: Any) -> Any:
    """The gradient by a of ``a @ b``: g bᵀ."""
    if a.ndim == 1 and b.ndim == 1:
        return g * b
    if b.ndim == 1:
        return g.reshape((*g.shape, 1)) * b
    if a.ndim == 1:
        return product(g.reshape((*g.shape[:-1], 1, g.shape[-1])), b, False, True).reshape(
            (*b.shape[:-2], a.shape[0])
        )
    return product(g, b, False, True)


def matmul_right(g: Any, a: Any, b: Any) -> Any:
    """The gradient by b of ``a @ b``: aᵀ g."""
    if a.ndim == 1 and b.ndim == 1:
        return g * a
    if a.ndim == 1:
        return a.reshape((-1, 1)) * g.reshape((*g.shape[:-1], 1, g.shape[-1]))
    if b.ndim == 1:
        return product(a, g.reshape((*g.shape, 1)), True, False).reshape(
            (*a.shape[:-2], b.shape[0])
        )
    return product(a, g, True, False)


def turned(a: Any) -> Any:
    """The last two axes exchanged."""
    return a.swapaxes(-1, -2)


def solve_slope(g: Any, y: Any, a: Any) -> Any:
    """The gradient by a of ``y = solve(a, b)``, for a vector or a matrix y."""
    by_b = np.linalg.solve(turned(a), g)
    if y.ndim == 1:
        by_b, y = by_b[:, None], y[:, None]
    return -np.matmul(by_b, turned(y))


def cholesky_slope(g: Any, y: Any) -> Any:
    """The gradient by a symmetric a of ``y = cholesky(a)``, symmetric (Murray 2016)."""
    half = np.tril(np.ones(y.shape[-2:], y.dtype)) - 0.5 * np.eye(y.shape[-1], dtype=y.dtype)
    inner = np.matmul(turned(y), g) * half
    inverse = np.linalg.inv(y)
    outer = np.matmul(np.matmul(turned(inverse), inner), inverse)
    return 0.5 * (outer + turned(outer))


def explicit_subscripts(subscripts: str, ndims: list[int]) -> str:
    """The subscripts of einsum with an explicit "->" and with letters in place of "..."."""
    if not isinstance(subscripts, str):
        raise TypeError(f"subscripts: expected a str, got {type(subscripts).__name__}")
    inputs, arrow, out = subscripts.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if len(terms) != len(ndims):
        raise ValueError(
            f"subscripts: expected one term for each of {len(ndims)} operands, got {subscripts!r}"
        )
    letters = [term.replace("...", "") for term in terms]
    for i, (term, n) in enumerate(zip(letters, ndims, strict=True)):
        if len(term) > n or (len(term) < n and "..." not in terms[i]):
            raise ValueError(f"subscripts: expected {n} letters for operand {i}, got {terms[i]!r}")
        if len(set(term)) < len(term):
            raise ValueError(
                f"subscripts: expected no letter twice in one operand, got {term!r}; take its "
                "numpy.diagonal first"
            )
    if not arrow:
        joined = "".join(letters)
        out = "..." * ("..." in inputs) + "".join(c for c in sorted(joined) if joined.count(c) == 1)
    free = [c for c in string.ascii_letters if c not in inputs]
    added = [n - len(term) for n, term in zip(ndims, letters, strict=True)]
    rest = "".join(free[: max(0, *added)])
    terms = [t.replace("...", rest[len(rest) - n :]) for t, n in zip(terms, added, strict=True)]
    return ",".join(terms) + "->" + out.replace("...", rest)


def einsum_gradients(g: Any, wanted: Any, subscripts: str, arrays: Any) -> list[Any]:
    """The gradients by the operands of an explicit einsum: g contracted with the other operands."""
    inputs, _, out = subscripts.partition("->")
    terms = inputs.split(",")

    def gradient(i: int) -> Any:
        others = [
            (out, g),
            *((t, a) for k, (t, a) in enumerate(zip(terms, arrays, strict=True)) if k != i),
        ]
        full = {pair for term, array in others for pair in zip(term, array.shape, strict=True)}
        # Axes that only this operand has at this length: the gradient is constant along them.
        alone = [pair for pair in zip(terms[i], arrays[i].shape, strict=True) if pair not in full]
        if alone:
            letters, lengths = zip(*alone, strict=True)
            others.append(("".join(letters), np.ones(lengths, g.dtype)))
        call = ",".join(term for term, _ in others) + "->" + terms[i]
        return np.einsum(call, *(array for _, array in others), optimize=True)

    return [gradient(i) if needed else None for i, needed in enumerate(wanted)]
