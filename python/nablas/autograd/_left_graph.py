"""Second derivatives of a `Function` whose `backward` reads values outside of the graph.

``g * np.exp(x.data)`` and ``g * 2`` look alike in a recorded backward pass: neither leads to x. The
first would silently have the derivative 0. So a part of the gradient without a way to an input gets
one (`guarded`), and where a later pass takes it, `Probe` asks whether the part changes with that
input: it calls `forward` and `backward` again, at inputs moved a little. A part that stays is
linear in the input, and its derivative is 0. One that changes in proportion is an error. Steps, as
of relu's slope at 0, are none; nor are changes of a `forward` that draws random numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .engine import reachable
from .recording import no_grad
from .rules import Operation
from .tensor import Tensor, record, wrap

Array = NDArray[Any]
Run = Callable[[Sequence[Any]], list[Any]]  # from inputs to the parts of the gradient, or None

_PLAIN = (type(None), bool, int, str, bytes, slice, range, type, np.dtype, np.integer, np.bool_)
_STEPS = (1.0, -1.0, 0.5, -0.5)
_NOISE = 1e3  # times eps: what rounding may change


def is_plain(value: Any) -> bool:
    """Whether `value` cannot hold what changes smoothly with an input: no floating numbers."""
    if isinstance(value, (Tensor, np.ndarray)):
        return value.dtype.kind in "biuSUmM"
    if isinstance(value, dict):
        return all(map(is_plain, value.values()))
    if isinstance(value, (tuple, list, set, frozenset)):
        return all(map(is_plain, value))
    return isinstance(value, _PLAIN)


class Probe:
    """Which parts of a gradient change with which input, found by moving the input.

    Parameters
    ----------
    run : function
        The parts of the gradient at any inputs, computed anew.
    inputs : sequence
        Of the Function.
    parts : list of arrays or None
        The gradient at `inputs`.
    """

    def __init__(self, run: Run, inputs: Sequence[Any], parts: list[Any]) -> None:
        self.run, self.inputs, self.parts = run, inputs, parts
        self.found: dict[int, list[Any]] = {}

    def changes(self, part: int, place: int) -> Any:
        """For each entry of a part, whether it changes with the input at `place`."""
        if place not in self.found:
            self.found[place] = self._moved(place)
        return self.found[place][part]

    def _moved(self, place: int) -> list[Any]:
        x = self.inputs[place].data
        random = np.random.default_rng(0)
        way = random.uniform(0.5, 1, x.shape) * random.choice([-1, 1], x.shape)
        way *= np.cbrt(np.finfo(x.dtype).eps)
        unmoved = self._at(place, x)
        if unmoved is None or not all(map(_equal, unmoved, self.parts)):
            return [False] * len(self.parts)  # random, or edited since
        found: list[Any] = [False] * len(self.parts)
        for scale in (1 + np.abs(x), np.abs(x)):  # the second one stays on its side of 0
            runs = [self._at(place, (x + t * scale * way).astype(x.dtype)) for t in _STEPS]
            if all(run is not None for run in runs):
                found = [
                    before | _proportional(*(run[i] for run in runs if run is not None))
                    for i, before in enumerate(found)
                ]
        return found

    def _at(self, place: int, values: Array) -> list[Any] | None:
        """The parts with another input at `place`; None if they are not finite, or on errors."""
        moved = Tensor(values, requires_grad=True)
        try:
            with no_grad(), np.errstate(all="ignore"):
                parts = self.run([*self.inputs[:place], moved, *self.inputs[place + 1 :]])
        except Exception:  # a check of the user's, for example
            return None
        finite = all(part is None or np.isfinite(part).all() for part in parts)
        return parts if finite or not all(map(_finite, self.parts)) else None


def _finite(part: Any) -> bool:
    return part is None or bool(np.isfinite(part).all())


def _equal(a: Any, b: Any) -> bool:
    return a is b is None or bool(np.array_equal(a, b, equal_nan=True))


def _proportional(up: Any, down: Any, half_up: Any, half_down: Any) -> Any:
    """Where a difference is more than rounding, and twice that over half the way."""
    if up is None or down is None or half_up is None or half_down is None:
        return False
    with np.errstate(all="ignore"):
        whole, half = up - down, half_up - half_down
        size = np.nanmax(np.abs([up, down]), initial=0.0)
        least = _NOISE * np.finfo(whole.dtype).eps * size
        return (np.abs(whole) > least) & (np.abs(whole - 2 * half) <= 0.25 * np.abs(whole))


def guarded(name: str, parts: list[Any], g: Tensor, probe: Probe) -> list[Any]:
    """The parts, with a way to every input that has none; it ends in an error where it must."""
    inputs = {j: x for j, x in enumerate(probe.inputs) if isinstance(x, Tensor) and x.requires_grad}
    found = list(parts)
    for i, part in enumerate(parts):
        if part is None or i not in inputs:
            continue
        ends = {part}.union(*_inputs_of(reachable([part], {g, *inputs.values()})))
        lacking = [j for j, x in inputs.items() if x not in ends]
        if lacking:
            operation = _guard(name, i, lacking, probe)
            found[i] = record(operation, (part, *(inputs[j] for j in lacking)), part.data)
    return found


def _inputs_of(computed: list[Tensor]) -> list[set[Any]]:
    return [{x for x in y._node[1] if isinstance(x, Tensor)} for y in computed]  # type: ignore[index]


def _guard(name: str, part: int, places: list[int], probe: Probe) -> Operation:
    def joint(g: Any, _y: Any, wanted: Sequence[bool], _part: Any, *xs: Any) -> list[Any]:
        recorded = isinstance(g, Tensor)
        by_inputs: list[Any] = []
        for j, x, asked in zip(places, xs, wanted[1:], strict=True):
            counts = (g.data if recorded else g) != 0
            if asked and counts.any() and (counts & probe.changes(part, j)).any():
                raise RuntimeError(
                    f"{name}.backward left the graph, so it cannot be differentiated again: its "
                    f"gradient by argument {part} changes with argument {j}, which it read outside "
                    "of the graph; compute with Tensors and what save_for_backward kept"
                )
            zeros = np.zeros_like(x.data if isinstance(x, Tensor) else x)
            by_inputs.append(wrap(zeros) if recorded else zeros)
        return [g, *by_inputs]

    operation = Operation(lambda: None, needs="", joint=joint)
    operation.name = f"{name}.backward"
    return operation
