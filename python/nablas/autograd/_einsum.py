"""The subscripts of einsum, and its gradients."""

from __future__ import annotations

import string
from typing import Any

import numpy as np

_numpy: Any = np  # its functions of Tensors, untyped


def check_subscripts(subscripts: str, shapes: list[tuple[int, ...]]) -> None:
    """NumPy's errors; a further axis of length 0 leaves it nothing to compute."""
    letter = next((c for c in string.ascii_letters if c not in subscripts), None)
    if letter is not None:
        first, *rest = shapes
        np.einsum(letter + subscripts, *(np.broadcast_to(0.0, s) for s in ((0, *first), *rest)))


def without_repeats(subscripts: str, tensors: list[Any]) -> tuple[str, list[Any]]:
    """Diagonals of the operands that have a letter twice, and the terms without it."""
    inputs, arrow, out = subscripts.partition("->")
    terms = inputs.split(",")
    if len(terms) != len(tensors):
        return subscripts, tensors
    joined = inputs.replace(",", "").replace("...", "")
    if not arrow and len(set(joined)) < len(joined):  # letters that occur once, in NumPy's order
        out = "".join(c for c in sorted(set(joined)) if joined.count(c) == 1)
        arrow, out = "->", "..." * ("..." in inputs) + out
    for i, term in enumerate(terms):
        for letter in sorted(set(term) - {"."}):
            while term.count(letter) > 1 and "..." not in term:
                first = term.index(letter)
                second = term.index(letter, first + 1)
                tensors[i] = _numpy.diagonal(tensors[i], axis1=first, axis2=second)
                term = term[:first] + term[first + 1 : second] + term[second + 1 :] + letter
        terms[i] = term
    return ",".join(terms) + arrow + out, tensors


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
