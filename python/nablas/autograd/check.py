"""Checks of gradients against central differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import _checks
from .derivatives import differentiated
from .engine import grad
from .recording import always_recorded, enable_grad, no_grad
from .tensor import Tensor, wrap


def _outputs(function: Callable[..., Any], inputs: Sequence[Any]) -> dict[int, Tensor]:
    """The outputs of a floating dtype, which may have a gradient, by their places."""
    result = differentiated(function, *inputs)
    several = result if isinstance(result, (tuple, list)) else (result,)
    for y in several:
        if not isinstance(y, Tensor):
            raise TypeError(
                f"function: expected a Tensor or a tuple of them from it, got {type(y).__name__}"
            )
    floating = {k: y for k, y in enumerate(several) if y.dtype.kind == "f"}
    if not floating:
        got = ", ".join(str(y.dtype) for y in several) or "none"
        raise TypeError(f"function: expected a Tensor of a floating dtype from it, got {got}")
    return floating


def _given(inputs: Any, name: str = "inputs") -> list[Any]:
    """A list of the inputs, which are one Tensor or several."""
    if isinstance(inputs, Tensor):
        return [inputs]
    return _checks.items(name, inputs, "a Tensor or several of them")


def _to_check(inputs: Any) -> tuple[list[Any], list[int]]:
    """A list of the inputs, and the places of those that require a gradient."""
    given = _given(inputs)
    checked = [i for i, x in enumerate(given) if isinstance(x, Tensor) and x.requires_grad]
    if not checked:
        raise ValueError("inputs: expected at least one Tensor that requires a gradient, got none")
    for i in checked:
        if given[i].dtype != np.float64:
            raise ValueError(f"inputs: expected float64 to check, got {given[i].dtype} at {i}")
    return given, checked


def _numerical(
    function: Callable[..., Any], inputs: Sequence[Any], place: int, eps: float
) -> list[np.ndarray[Any, Any]]:
    """For each output its Jacobian (output size, input size) by central differences.

    An input that is given at several places is moved at all of them.
    """
    x = inputs[place]
    columns: list[list[Any]] = []
    with no_grad():
        for i in range(x.size):
            values = []
            for sign in (1, -1):
                moved = x.data.copy()
                moved.reshape(-1)[i] += sign * eps
                tensor = wrap(moved)
                given = [tensor if y is x else y for y in inputs]
                values.append([y.data.copy() for y in _outputs(function, given).values()])
            columns.append([(a - b).reshape(-1) / (2 * eps) for a, b in zip(*values, strict=True)])
        sizes = [y.size for y in _outputs(function, inputs).values()]
    return [
        np.stack([column[k] for column in columns], axis=1) if columns else np.zeros((size, 0))
        for k, size in enumerate(sizes)
    ]


def _analytical(y: Tensor, x: Tensor) -> np.ndarray[Any, Any]:
    rows = np.zeros((y.size, x.size))
    if y.requires_grad:
        for j in range(y.size):
            unit = np.zeros(y.size, y.dtype)
            unit[j] = 1
            (row,) = grad(y, x, unit.reshape(y.shape), retain_graph=True, allow_unused=True)
            if row is not None:
                rows[j] = row.data.reshape(-1)
    return rows


@always_recorded
def gradcheck(
    function: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
) -> bool:
    """Compare gradients with central differences, entry by entry.

    Parameters
    ----------
    function : function of the inputs, returning a Tensor or a tuple of Tensors
        Those of no floating dtype, such as indices, are not checked.
    inputs : Tensor or sequence
        Those that require a gradient (float64) are checked.
    eps : float
        The step of the differences.
    atol, rtol : float
        Entries must satisfy ``|analytical - numerical| <= atol + rtol |numerical|``.
    raise_exception : bool
        Raise where they differ, instead of returning False.

    Returns
    -------
    bool
        Whether all entries agree.

    Raises
    ------
    RuntimeError
        When they differ: names the entry with the largest excess over the tolerance.
    TypeError
        When the function returns something other than Tensors, or none of a floating dtype.
    ValueError
        When no input requires a gradient or one is not float64.

    Examples
    --------
    >>> from nablas.autograd import Tensor, gradcheck
    >>> gradcheck(lambda x: (x**3).sum(), Tensor([1.0, 2.0], requires_grad=True))
    True
    """
    given, checked = _to_check(inputs)
    eps = _checks.number("eps", eps, above=0)
    atol, rtol = (_checks.number(n, v, least=0) for n, v in (("atol", atol), ("rtol", rtol)))
    outputs = _outputs(function, given)
    for i in checked:
        found = _numerical(function, given, i, eps)
        for (k, y), numerical in zip(outputs.items(), found, strict=True):
            analytical = _analytical(y, given[i])
            excess = np.abs(analytical - numerical) - atol - rtol * np.abs(numerical)
            bad = ~(excess <= 0) & ~(analytical == numerical)
            if not bad.any():
                continue
            if not raise_exception:
                return False
            worst = np.where(bad, np.nan_to_num(excess, nan=np.inf, posinf=np.inf), -np.inf)
            row, column = np.unravel_index(worst.argmax(), worst.shape)
            raise RuntimeError(
                f"gradient of output {k}{_entry(row, y)} by input {i}"
                f"{_entry(column, given[i])}: expected {numerical[row, column]:.10g} by central "
                f"differences, got {analytical[row, column]:.10g}; {int(bad.sum())} of "
                f"{bad.size} entries differ"
            )
    return True


def _entry(flat: Any, tensor: Tensor) -> str:
    return str([int(i) for i in np.unravel_index(flat, tensor.shape)]) if tensor.ndim else ""


@always_recorded
def gradgradcheck(
    function: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
) -> bool:
    """`gradcheck` of the gradients: checks second derivatives.

    Parameters
    ----------
    function, inputs, eps, atol, rtol, raise_exception
        As for `gradcheck`.
    grad_outputs : Tensor or sequence of Tensors, optional
        Gradients by the outputs of a floating dtype, also checked; random ones by default.

    Returns
    -------
    bool
        As for `gradcheck`, with the same errors.

    Examples
    --------
    >>> from nablas.autograd import Tensor, gradgradcheck
    >>> gradgradcheck(lambda x: (x**3).sum(), Tensor([1.0, 2.0], requires_grad=True))
    True
    """
    given, checked = _to_check(inputs)
    outputs = _outputs(function, given)
    if grad_outputs is None:
        rng = np.random.default_rng(0)
        seeds = [Tensor(rng.normal(size=y.shape), requires_grad=True) for y in outputs.values()]
    else:
        seeds = _given(grad_outputs, "grad_outputs")
        if len(seeds) != len(outputs):
            raise ValueError(f"grad_outputs: expected {len(outputs)}, got {len(seeds)}")

    def gradients(*arguments: Any) -> tuple[Tensor, ...]:
        values, weights = arguments[: len(given)], arguments[len(given) :]
        made: dict[int, Tensor] = {}  # one leaf for one Tensor, at however many places it is
        leaves = [
            x
            if not wanted or x.requires_grad
            else made.setdefault(id(x), Tensor(x.data, requires_grad=True))
            for x, wanted in zip(values, needed, strict=True)
        ]
        with enable_grad():
            results = _outputs(function, leaves).values()
            rooted = [(y, w) for y, w in zip(results, weights, strict=True) if y.requires_grad]
            wrt = [x for x, wanted in zip(leaves, needed, strict=True) if wanted]
            if not rooted:
                return tuple(wrap(np.zeros_like(x.data)) for x in wrt)
            found = grad(
                [y for y, _ in rooted],
                wrt,
                [w for _, w in rooted],
                create_graph=True,
                allow_unused=True,
            )
        return tuple(
            wrap(np.zeros_like(x.data)) if g is None else g for x, g in zip(wrt, found, strict=True)
        )

    needed = [i in checked for i in range(len(given))]
    return gradcheck(
        gradients, [*given, *seeds], eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception
    )
