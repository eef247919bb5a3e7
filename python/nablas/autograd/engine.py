"""Backward passes: gradients of results by the Tensors they were computed from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import _checks
from ._arrays import scatter, unbroadcast
from .functions import operand
from .recording import edits, enable_grad, recording, reset_recording, set_recording
from .rules import RULES, Operation
from .tensor import Node, Tensor, as_data, later, record, retained, wrap

_FREED = Operation(lambda: None, needs="")
_FREED.name = "freed"
_NOTHING: Node = (_FREED, (), 0)
_GETITEM = RULES["getitem"]
MOST_KEPT_OPERATIONS, MOST_KEPT_ENTRIES = 400, 4096  # of a freed graph that can still be drawn


def reachable(roots: Iterable[Tensor], but: Set[Tensor] = frozenset()) -> list[Tensor]:
    """The computed Tensors the roots depend on, latest first; the search excludes `but`."""
    found: dict[Tensor, int] = {}
    waiting = [root for root in roots if root._node is not None]
    while waiting:
        y = waiting.pop()
        if y not in found and y not in but:
            _, inputs, found[y] = y._node  # type: ignore[misc]
            for x in inputs:
                if isinstance(x, Tensor) and x._node is not None:
                    waiting.append(x)
    return sorted(found, key=found.__getitem__, reverse=True)


def flow(
    seeds: dict[Tensor, Any],
    *,
    wanted: Set[Tensor] | None = None,
    create_graph: bool = False,
    free: bool = False,
) -> dict[Tensor, Any]:
    """Gradients by the leaves, or by `wanted`: arrays, or Tensors with `create_graph`.

    Each Tensor is visited once, after all Tensors computed from it: its gradient is complete then.
    There is no recursion, so the depth is not limited. `free` drops the inputs of the nodes whose
    rules were called. The gradients by entries that were taken from one Tensor are gathered, and
    made one of its shape when they are complete: each by itself would take as long as all.
    """
    order = reachable(seeds)
    gradients, result = dict(seeds), {}
    taken: dict[Tensor, list[tuple[Any, Any]]] = {}  # indices, and gradients by the entries there
    unused: list[Tensor] = []  # whose rules are not called
    ways = None
    if wanted is not None:
        if any(y._node[0] is _FREED for y in order):  # type: ignore[index]
            for y in reachable(seeds, wanted):
                check_not_freed(y)
        ways = _ways(order, wanted)
        order = [y for y in order if y in ways or y in wanted]
    goals = None if wanted is None else ways | wanted  # type: ignore[operator]
    token = set_recording(create_graph)
    try:
        for y in order:
            g = gradients.pop(y, None)
            if taken and y in taken:
                g = _gathered(y, g, taken.pop(y))
            if g is None:
                unused.append(y)
                continue
            if wanted is not None and y in wanted:
                result[y] = g
                if y not in ways:  # type: ignore[operator]
                    unused.append(y)
                    continue
            if y._node[0] is _GETITEM:  # type: ignore[index]
                x, index = y._node[1]  # type: ignore[index]
                if goals is None or x in goals:
                    taken.setdefault(x, []).append((index, g))
            else:
                for x, part in pull(y, g, create_graph, goals):
                    before = gradients.get(x)
                    gradients[x] = part if before is None else before + part
            if wanted is None and retained and id(y) in retained:
                _accumulate(y, g)
        for x, parts in taken.items():
            gradients[x] = _gathered(x, gradients.get(x), parts)
    finally:
        reset_recording(token)
    if free:
        kept = wanted is None and _is_small(order, gradients.values())
        for y in set(order).difference(unused) if unused else order:
            if kept:
                y._freed = y._node  # type: ignore[assignment]
            y._node = _NOTHING
    for x, g in gradients.items():
        if wanted is None or x in wanted:
            result[x] = g
    return result


def _gathered(x: Tensor, before: Any, taken: list[tuple[Any, Any]]) -> Any:
    """The gradient by x: `before`, if any, and those by the entries taken from it."""
    if len(taken) == 1:
        index, part = taken[0]
        total = _GETITEM.rules[0](part, None, x, index)
    else:
        indices, parts = zip(*taken, strict=True)
        total = scatter(x.shape, indices, *parts)
    return total if before is None else before + total


def _is_small(order: list[Tensor], by_leaves: Iterable[Any]) -> bool:
    """Whether a graph has few operations, and few entries in all arrays that it refers to."""
    if len(order) > MOST_KEPT_OPERATIONS:
        return False
    entries, array = 0, np.ndarray
    for y in order:
        operation, inputs, _ = y._node  # type: ignore[misc]
        entries += y._data.size
        for x in inputs if operation.saved is None else (*inputs, *operation.saved()):
            if type(x) is array:
                entries += x.size
        if entries > MOST_KEPT_ENTRIES or operation is _FREED:
            return False
    for g in by_leaves:
        entries += g.size
    return entries <= MOST_KEPT_ENTRIES


def revived(root: Tensor) -> Tensor:
    """The root, or, if its graph was freed and put aside, a copy of it with a copy of that graph.

    RuntimeError if the graph was not put aside.
    """
    nodes: dict[Tensor, Any] = {}
    waiting = [root] if root._node is not None else []
    while waiting:
        y = waiting.pop()
        if y in nodes:
            continue
        node: Any = y._node
        if node[0] is _FREED:
            node = getattr(y, "_freed", None)
            if node is None:
                check_not_freed(y)
        nodes[y] = node
        waiting += [x for x in node[1] if isinstance(x, Tensor) and x._node is not None]
    if all(node is y._node for y, node in nodes.items()):
        return root
    copies: dict[Tensor, Tensor] = {}
    for y, (operation, inputs, number) in sorted(nodes.items(), key=lambda pair: pair[1][2]):
        held = tuple(copies.get(x, x) if isinstance(x, Tensor) else x for x in inputs)
        copies[y] = wrap(y._data)
        copies[y].requires_grad, copies[y]._node = True, (operation, held, number)
    return copies[root]


def _ways(order: list[Tensor], wanted: Set[Tensor]) -> set[Tensor]:
    """The Tensors in `order` that were computed from one in `wanted`."""
    ways: set[Tensor] = set()
    for y in reversed(order):
        for x in y._node[1]:  # type: ignore[index]
            if isinstance(x, Tensor) and (x in wanted or x in ways):
                ways.add(y)
                break
    return ways


def check_not_freed(y: Tensor) -> None:
    """RuntimeError if an earlier pass freed the inputs of this node."""
    if y._node[0] is _FREED:  # type: ignore[index]
        raise RuntimeError(
            "the graph was freed by an earlier backward; pass retain_graph=True to that one"
        )


def pull(
    y: Tensor, g: Any, create_graph: bool, goals: Set[Tensor] | None
) -> list[tuple[Tensor, Any]]:
    """Pairs of an input of the operation that computed `y` and its gradient through `y`."""
    operation, inputs, number = y._node  # type: ignore[misc]
    if operation is _FREED:
        check_not_freed(y)
    if edits.last > number:
        check_untouched(y, create_graph, goals)
    arguments: Sequence[Any] = inputs
    out: Any = y
    if not (create_graph or operation.on_tensors):
        arrays = []
        for x in inputs:  # not a comprehension, which before Python 3.12 is a call
            arrays.append(x._data if isinstance(x, Tensor) else x)
        arguments, out = arrays, y._data
    parts = None
    if operation.joint is not None:
        flags = [isinstance(x, Tensor) and (goals is None or x in goals) for x in inputs]
        parts = operation.joint(g, out, flags, *arguments)
    pulled, rules = [], operation.rules
    for i, x in enumerate(inputs):
        if isinstance(x, Tensor) and (goals is None or x in goals):
            part = rules[i](g, out, *arguments) if parts is None else parts[i]
            if part is not None:
                data = x._data
                if part.shape != data.shape:
                    part = unbroadcast(part, data.shape)
                if part.dtype is not data.dtype and part.dtype != data.dtype:
                    part = part.astype(data.dtype)
                pulled.append((x, part))
    return pulled


def check_untouched(y: Tensor, on_tensors: bool, goals: Set[Tensor] | None = None) -> None:
    """RuntimeError if an array that a rule reads was edited since.

    Only the rules of inputs that require a gradient, and are among the goals if these are given,
    are called.
    """
    operation, inputs, number = y._node  # type: ignore[misc]
    called = [
        i for i, x in enumerate(inputs) if isinstance(x, Tensor) and (goals is None or x in goals)
    ]
    read: dict[str, Any] = {}
    for i, x in enumerate(inputs):
        if any(operation.reads(str(i), by, on_tensors) for by in called):
            read[f"its input {i}"] = x
    if any(operation.reads("y", by, on_tensors) for by in called):
        read["its result"] = y
    for what, x in read.items():
        array = x._data if isinstance(x, Tensor) else x
        if isinstance(array, np.ndarray) and edits.touched(array, number):
            raise RuntimeError(
                f"{what} of shape {array.shape}, which the gradient of {operation.name!r} needs, "
                "was edited in place after the forward pass"
            )


def _accumulate(x: Tensor, g: Any) -> None:
    """Add `g` to ``x.grad``, which shares no memory with another gradient."""
    with edits.lock:  # other threads may add to the same gradient
        if x._grad is None:
            x._grad = _own(g)
        else:
            x._grad = x._grad + g if isinstance(g, Tensor) else wrap(x._grad._data + g)


def _linked(g: Any, x: Tensor) -> Any:
    """A recorded gradient by x; one that does not depend on x gets the derivative 0."""
    return g if g.requires_grad else record(RULES["linked"], (g, x), g._data)


def _own(g: Any) -> Tensor:
    """A copy of a gradient, as a Tensor."""
    return g.copy() if isinstance(g, Tensor) else wrap(np.array(g))


def _seed(output: Tensor, gradient: ArrayLike | Tensor | None, create_graph: bool) -> Any:
    if not output.requires_grad:
        raise RuntimeError(
            "no gradient flows from here: neither this Tensor nor what it was computed from "
            "requires one"
        )
    if gradient is None:
        if output._data.size != 1:
            raise RuntimeError(
                f"gradient: expected one of shape {output.shape}, since only a single number has "
                "one by default"
            )
        one = np.ones(output._data.shape, output._data.dtype)
        return wrap(one) if create_graph else one
    given = operand(gradient) if create_graph else wrap(as_data(gradient))
    if given.shape != output.shape:
        raise ValueError(f"gradient: expected shape {output.shape}, got {given.shape}")
    given = given if given.dtype == output.dtype else given.astype(output.dtype)
    return given if create_graph else given._data


def backward(
    output: Tensor,
    gradient: ArrayLike | Tensor | None,
    retain_graph: bool | None,
    create_graph: bool,
) -> None:
    """See `Tensor.backward`."""
    free = _frees(retain_graph, create_graph)
    if create_graph and not recording():
        with enable_grad():
            return backward(output, gradient, retain_graph, create_graph)
    seeds = {output: _seed(output, gradient, create_graph)}
    for x, g in flow(seeds, create_graph=create_graph, free=free).items():
        _accumulate(x, _linked(g, x) if create_graph else g)


later.backward = backward


def _frees(retain_graph: Any, create_graph: Any) -> bool:
    """Whether a pass frees the graph; TypeError if one of them is no flag."""
    if type(create_graph) is not bool:
        _checks.flag("create_graph", create_graph)
    if retain_graph is None:
        return not create_graph
    if type(retain_graph) is not bool:
        _checks.flag("retain_graph", retain_graph)
    return not retain_graph


def _tensors(name: str, given: Any) -> list[Tensor]:
    """A list of one Tensor or several, or TypeError."""
    found = [given] if isinstance(given, Tensor) else _checks.items(name, given, "Tensors")
    for i, tensor in enumerate(found):
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name}: expected Tensors, got {type(tensor).__name__} at {i}")
    return found


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    *,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:
    """Gradients of the sum of the outputs by the inputs; changes no `grad`.

    Parameters
    ----------
    outputs, inputs : Tensor or sequence of Tensors
        Inputs may be leaves or computed.
    grad_outputs : array or sequence of arrays, optional
        The gradients by the outputs, of their shapes. Default: 1, for single numbers only.
    retain_graph : bool, optional
        Keep the graph for a further pass. Default: `create_graph`.
    create_graph : bool
        Record the pass, so that the gradients can be differentiated again.
    allow_unused : bool
        Give None for an input the outputs do not depend on, instead of an error.

    Returns
    -------
    tuple of Tensors
        One for each input, of its shape; None for an unused one.

    Raises
    ------
    RuntimeError
        As `Tensor.backward`, and for an unused input.
    ValueError
        When `grad_outputs` has the wrong length or shapes.

    Examples
    --------
    >>> from nablas.autograd import Tensor, grad
    >>> x = Tensor(2.0, requires_grad=True)
    >>> (first,) = grad(x**3, x, create_graph=True)
    >>> (second,) = grad(first, x)
    >>> first.item(), second.item()
    (12.0, 12.0)
    """
    roots, wanted = _tensors("outputs", outputs), _tensors("inputs", inputs)
    allow_unused = _checks.flag("allow_unused", allow_unused)
    free = _frees(retain_graph, create_graph)
    if create_graph and not recording():
        with enable_grad():
            return grad(
                outputs, inputs, grad_outputs, retain_graph=retain_graph,
                create_graph=create_graph, allow_unused=allow_unused,
            )  # fmt: skip
    given = grad_outputs
    if isinstance(outputs, Tensor) and not (
        isinstance(given, (tuple, list)) and len(given) == 1 and isinstance(given[0], Tensor)
    ):
        given = [given]
    given = [None] * len(roots) if given is None else given
    given = _checks.items("grad_outputs", given, "arrays")
    if len(given) != len(roots):
        raise ValueError(f"grad_outputs: expected {len(roots)} like outputs, got {len(given)}")
    for i, x in enumerate(wanted):
        if not x.requires_grad:
            raise RuntimeError(f"inputs: expected Tensors that require a gradient, got none at {i}")
    seeds: dict[Tensor, Any] = {}
    for root, gradient in zip(roots, given, strict=True):
        seed = _seed(root, gradient, create_graph)
        seeds[root] = seeds[root] + seed if root in seeds else seed
    found = flow(seeds, wanted=set(wanted), create_graph=create_graph, free=free)
    if not allow_unused:
        for i, x in enumerate(wanted):
            if x not in found:
                raise RuntimeError(
                    f"inputs: the outputs do not depend on the one at {i}; pass allow_unused=True "
                    "to get None for it"
                )
    if create_graph:
        found = {x: _linked(g, x) for x, g in found.items()}
    return tuple(None if x not in found else _own(found[x]) for x in wanted)
