"""The steps of computing and differentiating a graph, for the page that shows them one by one."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._registry import ACTIVATIONS
from .._stepper import formulas
from .._stepper.layout import depths
from .._stepper.page import MOST_ENTRIES, Edge, Node, Scene, Slot, Step, Terms, shape_text
from .graph import MOVES, GraphEdge, GraphNode, is_number

_KINDS = {
    "value": "Forward: value of an operation",
    "local": "Backward: local derivative on an edge",
    "gradient": "Backward: gradient, upstream × local, summed over the edges",
}
_SLOTS = {
    "value": Slot("value", "first number of a box: value"),
    "gradient": Slot("gradient", "∂: gradient of the result by it", "∂ "),
    "local": Slot("slope", "on an edge: local derivative"),
    "operand": Slot("slope", "a, b: first and second operand"),
}

# Fields: the operands a and b, the result y. Operations that are not here are called by name.
_VALUES = {
    "add": "{a} + {b}", "subtract": "{a} − {b}", "multiply": "{a} × {b}", "divide": "{a} ÷ {b}",
    "power": "{a}^{b}", "negative": "−{a}", "reciprocal": "1 ÷ {a}", "square": "{a}^2",
    "matmul": "{a} @ {b}", "absolute": "abs({a})",
    "maximum": "max({a}, {b})", "minimum": "min({a}, {b})",
}  # fmt: skip
_LOCAL: dict[str, tuple[str, ...]] = {
    "add": ("1", "1"), "subtract": ("1", "−1"), "multiply": ("{b}", "{a}"),
    "divide": ("1 ÷ {b}", "−{y} ÷ {b}"), "power": ("{b} × {a}^({b} − 1)", "{y} × log({a})"),
    "negative": ("−1",), "reciprocal": ("−{y}^2",), "square": ("2 × {a}",),
    "sqrt": ("1 ÷ (2 × {y})",), "absolute": ("sign({a})",), "fabs": ("sign({a})",),
    "exp": ("{y}",), "exp2": ("{y} × log(2)",), "expm1": ("{y} + 1",),
    "log": ("1 ÷ {a}",), "log2": ("1 ÷ ({a} × log(2))",), "log10": ("1 ÷ ({a} × log(10))",),
    "log1p": ("1 ÷ (1 + {a})",), "sin": ("cos({a})",), "cos": ("−sin({a})",), "tan": ("1 + {y}^2",),
    "arctan": ("1 ÷ (1 + {a}^2)",), "arcsin": ("1 ÷ sqrt(1 − {a}^2)",), "sinh": ("cosh({a})",),
    "cosh": ("sinh({a})",), "hypot": ("{a} ÷ {y}", "{b} ÷ {y}"),
}  # fmt: skip


def scene(nodes: list[GraphNode], edges: list[GraphEdge]) -> Scene:
    """Steps and picture of a graph.

    Parameters
    ----------
    nodes : list of GraphNode
    edges : list of GraphEdge

    Returns
    -------
    Scene
    """
    steps = _Steps(nodes, edges)
    for i, node in enumerate(nodes):
        if node.computed:
            steps.value(i)
    for i in reversed(range(len(nodes))):
        if nodes[i].gradient is not None:
            steps.gradient(i)
    return Scene(
        title="Automatic differentiation, step by step",
        about=[
            f"v₁, v₂, … are operations without a name. {steps.names[-1]} is the result, and x.grad "
            "its gradient by x; ∂y/∂x is the local derivative of one operation. Of arrays with "
            f"more than {MOST_ENTRIES} entries only the shape and the range are shown."
        ],
        start="Variables and constants are known. Go on with Next, or with the right arrow key.",
        kinds=_KINDS,
        slots=_SLOTS,
        nodes=_boxes(steps),
        edges=_arrows(steps),
        given=[
            *(
                (f"n{i}", "value", drawn(node.value))
                for i, node in enumerate(nodes)
                if not (node.computed or is_number(node))
            ),
            *((f"e{k}", "operand", edge.mark) for k, edge in enumerate(edges) if edge.mark),
        ],
        steps=steps.found,
    )


def _boxes(steps: _Steps) -> list[Node]:
    depth, boxes = depths([node.inputs for node in steps.nodes]), []
    for i, node in enumerate(steps.nodes):
        title = steps.names[i] + (f" = {node.symbol}" if node.symbol else "")
        lines = [] if is_number(node) else [["value"]]
        lines += [["gradient"]] if node.gradient is not None else []
        boxes.append(Node(f"n{i}", title, depth[i], lines, round=node.computed))
    return boxes


def _arrows(steps: _Steps) -> list[Edge]:
    local = {step.target for step in steps.found if step.slot == "local"}
    return [
        Edge(
            f"e{k}",
            edge.source,
            edge.target,
            ["local"] if f"e{k}" in local else [],
            ["operand"] if edge.mark else [],
        )
        for k, edge in enumerate(steps.edges)
    ]


def told(value: Any) -> Any:
    """A number, the entries of a small array, or the shape and range of a large one."""
    array = np.asarray(value)
    if array.size == 1:
        return float(array.item())
    if array.size <= MOST_ENTRIES:
        return array.tolist()
    return f"{shape_text(array)}, from {array.min():.5g} to {array.max():.5g}".replace("-", "−")


def drawn(value: Any) -> Any:
    """What a box shows: a number, or an array's shape."""
    return told(value) if np.size(value) == 1 else shape_text(value)


class _Steps:
    """Makes the steps; `names` are the symbols of the nodes."""

    def __init__(self, nodes: list[GraphNode], edges: list[GraphEdge]) -> None:
        self.nodes, self.edges = nodes, edges
        self.found: list[Step] = []
        self.names = _symbols(nodes)
        self.into: list[list[int]] = [[] for _ in nodes]
        self.out_of: list[list[int]] = [[] for _ in nodes]
        for k, edge in enumerate(edges):
            self.into[edge.target].append(k)
            self.out_of[edge.source].append(k)

    def known(self, i: int) -> dict[str, tuple[str, Any]]:
        """The fields of a node's formulas: symbol and value of its operands and of itself."""
        operands = [self.edges[k].source for k in self.into[i]]
        fields = {"ab"[n]: (self.names[j], self.nodes[j].value) for n, j in enumerate(operands[:2])}
        if self.nodes[i].exponent is not None:
            fields["b"] = f"{self.nodes[i].exponent:g}", self.nodes[i].exponent
        return fields | {"y": (self.names[i], self.nodes[i].value)}

    def add(
        self, kind: str, target: str, symbol: str, made: _Made, value: Any, **more: Any
    ) -> None:
        """Append a step; `symbol` is of the quantity, `kind` is also its slot."""
        if np.size(value) != 1 or not made.scalar:
            made.terms.numbers.clear()
        terms = made.terms
        self.found.append(
            Step(
                kind,
                target,
                kind,
                symbol,
                made.formula,
                tuple(terms.symbols),
                tuple(terms.numbers),
                told(value),
                drawn=None if np.size(value) == 1 else drawn(value),
                **more,
            )
        )

    def value(self, i: int) -> None:
        """The step of an operation's value."""
        node, made, note = self.nodes[i], _Made(), ""
        known = self.known(i)
        operands = [self.edges[k].source for k in self.into[i]]
        if node.operation in ACTIVATIONS and node.operation != "exp":
            z = known["a"]
            if np.size(z[1]) == 1:
                number = float(np.asarray(z[1]).item())
                made.formula, note = formulas.value(made.terms, node.operation, (z[0], number))
            else:
                made.fill(f"{node.operation}({{a}})", known)
        elif node.operation in _VALUES and "a" in known:
            made.fill(_VALUES[node.operation], known)
        else:
            places = [made.term(self.names[j], self.nodes[j].value) for j in operands]
            name = _safe(node.symbol if node.operation == "getitem" else node.operation)
            made.formula = f"{name}({', '.join(places)})"
            if node.operation == "getitem":
                made.formula, made.scalar = f"{places[0]}{name}", False
        reads = tuple(f"n{j}" for j in operands)
        self.add("value", f"n{i}", self.names[i], made, node.value, note=note, reads=reads)

    def local(self, k: int) -> None:
        """The step of an edge's local derivative."""
        edge = self.edges[k]
        node, made, note = self.nodes[edge.target], _Made(), ""
        known = self.known(edge.target)
        rules = _LOCAL.get(node.operation, ())
        if node.operation in ACTIVATIONS and node.operation != "exp":
            if np.size(node.value) == 1:
                z, a = ((known[f][0], float(np.asarray(known[f][1]).item())) for f in ("a", "y"))
                made.formula, note = formulas.slope(made.terms, node.operation, z, a)
        elif edge.operand < len(rules):
            made.fill(rules[edge.operand], known)
        symbol = f"∂{self.names[edge.target]}/∂{self.names[edge.source]}"
        twins = [k for k in self.into[edge.target] if self.edges[k].source == edge.source]
        if len(twins) > 1:
            note = f"by operand {'ab'[edge.operand] if edge.operand < 2 else edge.operand + 1}"
        read = (f"n{edge.source}", f"n{edge.target}")
        entries = np.unique(edge.derivative)
        value = entries[0] if entries.size == 1 else edge.derivative
        if np.size(value) != np.size(edge.derivative):
            made = _Made()
        self.add("local", f"e{k}", symbol, made, value, note=note, reads=read)

    def gradient(self, i: int) -> None:
        """The steps of the local derivatives out of a node, then that of its gradient."""
        node, made, parts, notes = self.nodes[i], _Made(), [], []
        used = [k for k in self.out_of[i] if self.nodes[self.edges[k].target].gradient is not None]
        for k in used:
            edge = self.edges[k]
            if edge.derivative is not None:
                self.local(k)
            target = self.nodes[edge.target]
            upstream = made.term(f"{self.names[edge.target]}.grad", target.gradient)
            local = f"∂{self.names[edge.target]}/∂{self.names[i]}"
            if edge.derivative is not None:
                parts.append(f"{upstream} × {made.term(local, edge.derivative)}")
            elif edge.rule:
                other = self.names[self.edges[self.into[edge.target][1 - edge.operand]].source]
                factor = made.term(f"{other}ᵀ", self.nodes[i].value)
                parts.append(
                    f"{upstream} @ {factor}" if edge.operand == 0 else f"{factor} @ {upstream}"
                )
            else:
                parts.append(f"{_safe(target.operation)}′({upstream})")
                notes.append(f"{target.operation}′: the operation's gradient rule")
            if target.operation in MOVES and np.size(target.value) > 1:
                notes.append(f"{target.symbol}: each entry goes back to its place")
            elif edge.derivative is not None and np.size(target.value) > np.size(node.value):
                notes.append("summed over the axes that were stretched")
        made.formula = " + ".join(parts) if used else "1"
        reads = tuple(f"e{k}" for k in used)
        symbol, note = f"{self.names[i]}.grad", "; ".join(dict.fromkeys(notes))
        self.add("gradient", f"n{i}", symbol, made, node.gradient, note=note, reads=reads)


class _Made:
    """A formula in the making; `scalar` while all its terms are single numbers."""

    def __init__(self) -> None:
        self.terms, self.formula, self.scalar = Terms(), "", True

    def term(self, symbol: str, value: Any) -> str:
        """The placeholder of a term."""
        self.scalar = self.scalar and np.size(value) == 1
        return self.terms(symbol, np.asarray(value).item() if np.size(value) == 1 else np.nan)

    def fill(self, template: str, known: dict[str, tuple[str, Any]]) -> None:
        """The formula of a template."""
        for name, term in known.items():
            if f"{{{name}}}" in template:
                template = template.replace(f"{{{name}}}", self.term(*term))
        self.formula = template


def _safe(name: str) -> str:
    """A name that cannot be mistaken for a placeholder."""
    return name.replace("{", "").replace("}", "")


def _symbols(nodes: list[GraphNode]) -> list[str]:
    """Names, numbers, and v₁, v₂, … for operations without a name; the result's is f."""
    digits, names, count = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"), [], {"v": 0, "c": 0}
    for node in nodes:
        if node.named or is_number(node):
            names.append(node.label)
            continue
        letter = "v" if node.computed else "c"
        count[letter] += 1
        names.append(f"{letter}{count[letter]}".translate(digits))
    if nodes[-1].computed and not nodes[-1].named and "f" not in names:
        names[-1] = "f"
    return names
