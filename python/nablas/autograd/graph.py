"""The nodes and edges of a computational graph, with values, gradients and local derivatives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .._registry import ACTIVATIONS
from .engine import check_untouched, flow, pull, reachable, revived
from .recording import edits, no_grad
from .tensor import Tensor

MOST_NODES = 400
_ORDERED = {"subtract", "divide", "matmul", "power"}  # the operands are marked in drawings
_ENTRYWISE = {*ACTIVATIONS, "erf", "erfc", "astype", "where", "clip"}  # besides NumPy's ufuncs
MOVES = {
    "sum",
    "reshape",
    "transpose",
    "getitem",
    "concatenate",
    "stack",
    "broadcast_to",
    "scatter",
    "moved",
    "moved_back",
}
MATMUL = ("@ bᵀ", "aᵀ @")  # what the gradient by the product is multiplied by


@dataclass
class GraphNode:
    """An operation, a leaf or a constant.

    Attributes
    ----------
    label : str
        A name given to `draw`; else the operation's symbol, or "leaf" or "const".
    value : array or number
    gradient : array, or None if there is none
    inputs : list of int
        Indices in `GraphDrawing.nodes`.
    computed : bool
        Whether it is the result of an operation.
    symbol : str
        The operation's symbol; "" for leaves and constants.
    operation : str
        The operation's name in ``nablas.autograd.rules``.
    named : bool
        Whether the label is a name given to `draw`.
    exponent : float or None
        The constant exponent of a power; it is part of the symbol.
    """

    label: str
    value: Any
    gradient: Any = None
    inputs: list[int] = field(default_factory=list)
    computed: bool = False
    symbol: str = ""
    operation: str = ""
    named: bool = False
    exponent: float | None = None


@dataclass
class GraphEdge:
    """An operand of an operation.

    Attributes
    ----------
    source, target : int
        Indices in `GraphDrawing.nodes`.
    operand : int
        Which operand of the target it is, from 0.
    mark : str
        "a" or "b" where the order of two operands matters.
    derivative : array or number, or None
        The local derivative of the target by the source: of each entry where the operation is
        entry by entry, and the whole derivative where the target is a single number. None where
        the source has no gradient, and for other operations.
    rule : str
        For products of matrices, what multiplies the target's gradient.
    """

    source: int
    target: int
    operand: int
    mark: str = ""
    derivative: Any = None
    rule: str = ""


def build(tensor: Tensor, names: Mapping[str, Any]) -> tuple[list[GraphNode], list[GraphEdge]]:
    """The graph that computed a Tensor; see `draw`."""
    root = revived(tensor)
    computed = list(reversed(reachable([root])))
    if len(computed) > MOST_NODES:
        raise ValueError(f"tensor: expected at most {MOST_NODES} operations, got {len(computed)}")
    for y in computed:
        _check_shown(y)
    leaves = [x for y in computed for x in y._node[1] if isinstance(x, Tensor)]  # type: ignore[index]
    gradients: dict[Tensor, Any] = {}
    if root.size == 1 and computed:
        gradients = flow({root: np.ones_like(root.data)}, wanted={*computed, *leaves})
    graph = _Graph(_Names(names, computed), gradients)
    if not computed:
        graph.leaf(root)
    for y in computed:
        graph.operation(y)
    return graph.nodes, graph.edges


def _check_shown(y: Tensor) -> None:
    """RuntimeError if an operand or the result was edited after the operation."""
    operation, inputs, number = y._node  # type: ignore[misc]
    if edits.last <= number:
        return
    for x in (y, *inputs):
        array = x.data if isinstance(x, Tensor) else x
        if isinstance(array, np.ndarray) and edits.touched(array, number):
            raise RuntimeError(
                f"tensor: expected a graph whose arrays are as they were, but one of shape "
                f"{array.shape} was edited in place after {operation.name!r} used it; draw before "
                "an optimizer's step, and after it compute the result anew"
            )


_UNCOPIED = {"add", "subtract"}  # the graph has the constant operands of these, never copies


class _Names:
    """The names given to Tensors, arrays and numbers.

    The graph may have a copy of a constant array: it is found by its entries. Only where nothing
    else has a name, this may be in another shape or dtype, as losses keep their targets.
    """

    def __init__(self, names: Mapping[str, Any], computed: list[Tensor]) -> None:
        self._by_id = {id(x): name for name, x in names.items()}
        self._by_id |= {id(x.data): name for name, x in names.items() if isinstance(x, Tensor)}
        constants: list[tuple[Any, bool]] = []
        for y in computed:
            operation, inputs, _ = y._node  # type: ignore[misc]
            copied = operation.name not in _UNCOPIED
            constants += [(x, copied) for x in inputs if isinstance(x, np.ndarray)]
        for name, given in names.items():
            if isinstance(given, Tensor) and given.requires_grad:
                continue
            array = given.data if isinstance(given, Tensor) else given
            if isinstance(array, (np.ndarray, np.generic)):
                for x in _those_of(np.asarray(array), constants):
                    self._by_id.setdefault(id(x), name)

    def find(self, x: Any) -> str | None:
        """The name of a Tensor, an array or a number of the graph."""
        name = self._by_id.get(id(x))
        return self._by_id.get(id(x.data)) if name is None and isinstance(x, Tensor) else name


def _those_of(array: Any, constants: list[tuple[Any, bool]]) -> list[Any]:
    """Those that are the array, its views or copies, of constants that may be copies or may not."""
    equal = [
        (x, copied)
        for x, copied in constants
        if x.size == array.size and np.array_equal(x.ravel(), array.ravel())
    ]
    found = [
        x
        for x, copied in equal
        if np.may_share_memory(x, array)
        or (copied and x.base is None and (x.shape, x.dtype) == (array.shape, array.dtype))
    ]
    return found or [x for x, copied in equal if copied]


class _Graph:
    """Nodes and edges, each Tensor and array once."""

    def __init__(self, names: _Names, gradients: dict[Tensor, Any]) -> None:
        self.nodes: list[GraphNode] = []
        self.edges: list[GraphEdge] = []
        self._names, self._gradients = names, gradients
        self._place: dict[Any, int] = {}

    def leaf(self, x: Any) -> int:
        """The place of a Tensor, an array or a number that no operation computed."""
        name = self._names.find(x)
        shared = isinstance(x, (Tensor, np.ndarray))
        key = id(x) if shared and not (name and isinstance(x, np.ndarray)) else name
        if key in self._place:
            return self._place[key]
        is_tensor = isinstance(x, Tensor)
        label = name or ("leaf" if is_tensor else "const" if shared else f"{x:g}")
        gradient = self._gradients.get(x) if is_tensor else None
        self.nodes.append(
            GraphNode(label, x.data if is_tensor else x, gradient, named=name is not None)
        )
        if key is not None:
            self._place[key] = len(self.nodes) - 1
        return len(self.nodes) - 1

    def operation(self, y: Tensor) -> None:
        """A computed Tensor and the edges from its operands."""
        operation, inputs, _ = y._node  # type: ignore[misc]
        node = GraphNode(
            "", y.data, self._gradients.get(y), computed=True, operation=operation.name
        )
        node.symbol = _symbol(y)
        if operation.name == "power" and isinstance(inputs[1], (int, float)):
            node.exponent = float(inputs[1])
        places = {i: self.leaf(x) for i, x in enumerate(inputs) if self._is_drawn(y, i)}
        derivatives = local_derivatives(y)
        at = len(self.nodes)
        for operand, (i, place) in enumerate(places.items()):
            mark = "ab"[operand] if operation.name in _ORDERED and len(places) == 2 else ""
            rule = MATMUL[i] if operation.name == "matmul" and inputs_are_matrices(y) else ""
            needed = isinstance(inputs[i], Tensor)
            edge = GraphEdge(place, at, operand, mark, derivatives.get(i), rule if needed else "")
            self.edges.append(edge)
        name = self._names.find(y)
        node.label, node.named, node.inputs = (
            name or node.symbol,
            name is not None,
            [*places.values()],
        )
        self.nodes.append(node)
        self._place[id(y)] = at

    def _is_drawn(self, y: Tensor, i: int) -> bool:
        """Whether input i is an operand, not a setting such as an axis or the exponent."""
        operation, inputs, _ = y._node  # type: ignore[misc]
        x = inputs[i]
        is_array = isinstance(x, (Tensor, np.ndarray))
        if operation.name == "dense":  # it has its preactivation among its inputs
            return i < 2
        if operation.joint is not None:
            return is_array
        if i < len(operation.rules):
            exponent = operation.name == "power" and i == 1
            return is_array or (isinstance(x, (float, int)) and not exponent)
        return isinstance(x, np.ndarray) and self._names.find(x) is not None


def is_number(node: GraphNode) -> bool:
    """Whether a node is a number without a name, whose label is its value."""
    return not (node.computed or node.named or node.label in ("leaf", "const"))


def inputs_are_matrices(y: Tensor) -> bool:
    """Whether an operation has two operands of two dimensions."""
    return [np.ndim(x.data if isinstance(x, Tensor) else x) for x in y._node[1]] == [2, 2]  # type: ignore[index]


def _symbol(y: Tensor) -> str:
    operation, inputs, _ = y._node  # type: ignore[misc]
    if operation.name == "power" and isinstance(inputs[1], (int, float)):
        return f"^{inputs[1]:g}"
    if operation.name == "getitem":
        return f"[{_index(inputs[1])}]"
    return operation.symbol or operation.name


def _index(index: Any) -> str:
    """The text of an index, as it is written between brackets."""
    if isinstance(index, tuple):
        return ", ".join(map(_index, index))
    if isinstance(index, slice):
        ends = [index.start, index.stop, *([] if index.step is None else [index.step])]
        return ":".join("" if end is None else str(end) for end in ends)
    if isinstance(index, (int, np.integer)):
        return str(index)
    return "…" if index is Ellipsis or np.ndim(index) else " "


def local_derivatives(y: Tensor) -> dict[int, Any]:
    """The local derivatives of an operation's result by its inputs, by the inputs' place.

    See `GraphEdge.derivative`; inputs without one are left out.
    """
    operation, inputs, _ = y._node  # type: ignore[misc]
    wanted = {i: x for i, x in enumerate(inputs) if isinstance(x, Tensor)}
    ones = np.ones_like(y.data)
    found: dict[int, Any] = {}
    check_untouched(y, False)
    with no_grad(), np.errstate(all="ignore"):
        if y.size == 1:
            for x in set(wanted.values()):
                parts = [part for _, part in pull(y, ones, False, {x})]
                found |= dict(zip([i for i in wanted if wanted[i] is x], parts, strict=False))
        elif isinstance(operation.forward, np.ufunc) or operation.name in _ENTRYWISE:
            arguments = [x.data if isinstance(x, Tensor) else x for x in inputs]
            for i in wanted:
                found[i] = operation.rules[i](ones, y.data, *arguments)
        elif operation.name in MOVES:
            found = dict.fromkeys(wanted, 1.0)
        elif operation.name == "mean":
            found = {i: y.size / max(x.size, 1) for i, x in wanted.items()}
    return found
