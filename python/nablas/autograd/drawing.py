"""Drawings of computational graphs: values above each node, gradients below."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from io import BytesIO, StringIO
from typing import Any

import numpy as np

from .. import _checks, _files
from .._optional import require
from .engine import check_not_freed, flow, reachable
from .tensor import Tensor

MOST_NODES = 400
_ORDERED = ("−", "÷", "@", "^")  # not commutative: the operands are numbered in drawings
_VALUE, _GRADIENT, _LINE = "#1b7837", "#b2182b", "#555555"


@dataclass
class GraphNode:
    """An operation, a leaf or a constant.

    Attributes
    ----------
    label : str
        The operation's symbol, or a leaf's name.
    value : array or number
    gradient : array, or None if there is none
    inputs : list of int
        Indices in `GraphDrawing.nodes`.
    computed : bool
        Whether it is the result of an operation.
    """

    label: str
    value: Any
    gradient: Any = None
    inputs: list[int] = field(default_factory=list)
    computed: bool = False


class GraphDrawing:
    """A drawing of a graph: notebooks show it as SVG, `save` writes a file, `dot` is its DOT text.

    Attributes
    ----------
    nodes : list of GraphNode
        Inputs before what is computed from them; the result is last.
    """

    def __init__(self, nodes: list[GraphNode], precision: int) -> None:
        self.nodes = nodes
        self._precision = precision

    def _text(self, array: Any) -> str:
        """A number, or an array's shape."""
        if array is None:
            return ""
        a = np.asarray(array)
        if a.size != 1:
            return str(a.shape).replace(" ", "")
        value = a.item()
        if value and not 10.0**-self._precision <= abs(value) < 1e6:
            return f"{value:.{max(self._precision - 1, 0)}e}"
        number = f"{value:.{self._precision}f}"
        return number.rstrip("0").rstrip(".") if "." in number else number

    @property
    def dot(self) -> str:
        """The graph in Graphviz's DOT language."""
        lines = ["digraph {", "  rankdir=LR; node [shape=ellipse, fontname=Helvetica];"]
        for i, node in enumerate(self.nodes):
            shape = "" if node.computed else ", shape=box"
            lines.append(
                f'  n{i} [label=<<font color="{_VALUE}">{escape(self._text(node.value))}</font>'
                f"<br/><b>{escape(node.label)}</b><br/>"
                f'<font color="{_GRADIENT}">{escape(self._text(node.gradient)) or " "}</font>>'
                f"{shape}];"
            )
        for i, node in enumerate(self.nodes):
            told = node.label in _ORDERED and len(node.inputs) == 2
            for k, j in enumerate(node.inputs):
                mark = f' [headlabel="{"12"[k]}", fontsize=9]' if told else ""
                lines.append(f"  n{j} -> n{i}{mark};")
        return "\n".join([*lines, "}"])

    def svg(self, backend: str | None = None) -> str:
        """The picture as SVG.

        Parameters
        ----------
        backend : "graphviz" or "matplotlib", optional
            Default: graphviz if the package and its program ``dot`` are installed.

        Returns
        -------
        str
        """
        if backend not in (None, "graphviz", "matplotlib"):
            raise ValueError(f"backend: expected graphviz or matplotlib, got {backend!r}")
        if backend == "graphviz" or (backend is None and _has_graphviz()):
            graphviz = require("graphviz", "lecture")
            return graphviz.Source(self.dot).pipe(format="svg").decode()  # type: ignore[no-any-return]
        buffer = StringIO()
        figure = require("matplotlib.figure", "plot").Figure(layout="constrained")
        self.plot(figure.add_subplot())
        figure.savefig(buffer, format="svg", bbox_inches="tight")
        return buffer.getvalue()

    _repr_svg_ = svg

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture in the format of the suffix: .svg, .dot, others by matplotlib."""
        suffix = os.path.splitext(_checks.path("path", path))[1].lower()
        if suffix in (".dot", ".svg"):
            _files.write(path, (self.dot if suffix == ".dot" else self.svg()).encode())
            return
        figure = require("matplotlib.figure", "plot").Figure(layout="constrained")
        content = BytesIO()
        self.plot(figure.add_subplot())
        figure.savefig(content, format=suffix[1:] or "png", bbox_inches="tight", dpi=150)
        _files.write(path, content.getvalue())

    def plot(self, ax: Any = None) -> Any:
        """Draw with matplotlib, left to right.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Default: those of a new figure.

        Returns
        -------
        matplotlib Axes
        """
        own = ax is None or len(ax.figure.axes) == 1
        if ax is None:
            ax = require("matplotlib.pyplot", "plot").subplots()[1]
        places = self._layout()
        x_step, y_step = 1.7, 1.3
        points = [(x * x_step, y * y_step) for x, y in places]
        if own:  # a figure with other Axes keeps its size
            ax.figure.set_size_inches(
                1.0 + 0.75 * (max(x for x, _ in points) + x_step),
                1.0 + 0.75 * (max(y for _, y in points) - min(y for _, y in points) + y_step),
            )
        arrow = {"arrowstyle": "-|>", "color": _LINE, "lw": 0.9, "shrinkA": 17, "shrinkB": 17}
        for i, node in enumerate(self.nodes):
            for k, j in enumerate(node.inputs):
                if node.label in _ORDERED and len(node.inputs) == 2:
                    (x0, y0), (x1, y1) = points[j], points[i]
                    place = (x1 - 0.32 * (x1 - x0), y1 - 0.32 * (y1 - y0))
                    ax.text(*place, "12"[k], color=_LINE, fontsize=7, style="italic", zorder=2)
                bent = places[i][0] - places[j][0] > 1  # around the nodes in between
                curve = {"connectionstyle": f"arc3,rad={0.12 if bent else 0}"}
                ax.annotate("", points[i], points[j], arrowprops=arrow | curve, zorder=1)
        for node, (x, y) in zip(self.nodes, points, strict=True):
            round_ = "circle,pad=0.3" if len(node.label) < 5 else "round,pad=0.4,rounding_size=0.9"
            box = {"boxstyle": round_ if node.computed else "round,pad=0.35"}
            face = "#eef3fa" if node.computed else "white"
            box |= {"facecolor": face, "edgecolor": _LINE}
            middle = {"ha": "center", "va": "center", "fontsize": 10, "zorder": 3}
            ax.text(x, y, node.label, parse_math=False, bbox=box, **middle)
            plain = {"ha": "center", "fontsize": 8, "zorder": 4}
            ax.text(x, y + 0.32, self._text(node.value), color=_VALUE, va="bottom", **plain)
            ax.text(x, y - 0.32, self._text(node.gradient), color=_GRADIENT, va="top", **plain)
        xs, ys = zip(*points, strict=True)
        ax.set(xlim=(min(xs) - 0.9, max(xs) + 0.9), ylim=(min(ys) - 0.9, max(ys) + 0.9))
        ax.set_aspect("equal")
        ax.axis("off")
        return ax

    def _layout(self) -> list[tuple[int, float]]:
        """Column and row of each node: columns by depth, rows near those of the neighbours."""
        depth = [0] * len(self.nodes)
        for i, node in enumerate(self.nodes):
            depth[i] = 1 + max((depth[j] for j in node.inputs), default=-1)
        users: list[list[int]] = [[] for _ in self.nodes]
        for i, node in enumerate(self.nodes):
            for j in node.inputs:
                users[j].append(i)
        for i, node in enumerate(self.nodes):
            if not node.computed and users[i]:
                depth[i] = min(depth[j] for j in users[i]) - 1
        columns = [[i for i, d in enumerate(depth) if d == c] for c in range(max(depth) + 1)]
        row = {i: float(k) for column in columns for k, i in enumerate(column)}
        for turn in range(6):
            near = users if turn % 2 == 0 else [node.inputs for node in self.nodes]
            for column in reversed(columns) if turn % 2 == 0 else columns:
                wish = {i: np.mean([row[j] for j in near[i]] or [row[i]]) for i in column}
                for k, i in enumerate(sorted(column, key=lambda i: (wish[i], row[i]))):
                    row[i] = k - (len(column) - 1) / 2
        return [(depth[i], -row[i]) for i in range(len(self.nodes))]


def _has_graphviz() -> bool:
    try:
        require("graphviz", "lecture")
    except ImportError:
        return False
    return shutil.which("dot") is not None


def _label(tensor: Tensor) -> str:
    operation, inputs, _ = tensor._node  # type: ignore[misc]
    label = operation.symbol or operation.name
    if operation.name == "power" and isinstance(inputs[1], (int, float)):
        return f"^{inputs[1]:g}"
    return label


def draw(
    tensor: Tensor, names: Mapping[str, Any] | None = None, *, precision: int = 4
) -> GraphDrawing:
    """The graph that computed a Tensor, with each node's value and gradient.

    Draw before `backward` or after one with ``retain_graph=True`` (RuntimeError otherwise); no
    `grad` is changed. More than 400 operations are a ValueError.

    Parameters
    ----------
    tensor : Tensor
        Gradients are of this Tensor, and shown only if it is a single number.
    names : mapping of str to Tensor or array, optional
        Labels of leaves, constants and computed Tensors.
    precision : int
        Decimals shown.

    Returns
    -------
    GraphDrawing

    Examples
    --------
    >>> w, x = Tensor(2.0, requires_grad=True), Tensor(3.0, requires_grad=True)
    >>> drawing = draw(w * x + 1, {"w": w, "x": x})
    >>> [node.label for node in drawing.nodes]
    ['x', 'w', '×', '1', '+']
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(f"tensor: expected a Tensor, got {type(tensor).__name__}")
    if precision < 0:
        raise ValueError(f"precision: expected at least 0, got {precision}")
    computed = list(reversed(reachable([tensor])))
    if len(computed) > MOST_NODES:
        raise ValueError(f"tensor: expected at most {MOST_NODES} operations, got {len(computed)}")
    for y in computed:
        check_not_freed(y)
    leaves = [x for y in computed for x in y._node[1] if isinstance(x, Tensor)]  # type: ignore[index]
    gradients: dict[Tensor, Any] = {}
    if tensor.size == 1 and computed:
        gradients = flow({tensor: np.ones_like(tensor.data)}, wanted={*computed, *leaves})
    nodes = _Nodes(names or {}, gradients)
    if not computed:
        nodes.leaf(tensor)
    for y in computed:
        nodes.operation(y)
    return GraphDrawing(nodes.found, precision)


class _Nodes:
    """The nodes of a drawing, each Tensor and array once.

    Parameters
    ----------
    names : mapping of str to Tensor or array
    gradients : dict of Tensor to array
    """

    def __init__(self, names: Mapping[str, Any], gradients: dict[Tensor, Any]) -> None:
        self.gradients = gradients
        self.found: list[GraphNode] = []
        self._names = {id(x): name for name, x in names.items()}
        self._names |= {id(x.data): name for name, x in names.items() if isinstance(x, Tensor)}
        self._place: dict[int, int] = {}

    def leaf(self, x: Any) -> int:
        """The place of a Tensor, an array or a number that no operation computed."""
        shared = isinstance(x, (Tensor, np.ndarray))
        if shared and id(x) in self._place:
            return self._place[id(x)]
        is_tensor = isinstance(x, Tensor)
        value = x.data if is_tensor else x
        name = self._names.get(id(x)) or (self._names.get(id(value)) if shared else None)
        if name is None:
            name = "leaf" if is_tensor else "const" if shared else f"{x:g}"
        gradient = self.gradients.get(x) if is_tensor else None
        self.found.append(GraphNode(name, value, gradient))
        if shared:
            self._place[id(x)] = len(self.found) - 1
        return len(self.found) - 1

    def operation(self, y: Tensor) -> None:
        """A computed Tensor with its inputs."""
        operation, inputs, _ = y._node  # type: ignore[misc]
        counted = len(operation.rules) if operation.joint is None else len(inputs)
        if operation.name == "power" and not isinstance(inputs[1], Tensor):
            counted = 1  # a number as exponent is in the label
        places = [
            self.leaf(x)
            for x in inputs[:counted]
            if isinstance(x, (Tensor, np.ndarray, float, int)) and not isinstance(x, bool)
        ]
        label = self._names.get(id(y), _label(y))
        self.found.append(GraphNode(label, y.data, self.gradients.get(y), places, True))
        self._place[id(y)] = len(self.found) - 1
