"""Drawings of computational graphs: values, gradients and local derivatives."""

from __future__ import annotations

import os
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np

from .. import _checks, _files
from .._optional import require
from . import graph_steps, pictures
from .graph import GraphEdge, GraphNode, build
from .tensor import Tensor

FEW = 40  # operations of a graph whose local derivatives are shown by default


class GraphDrawing:
    """A drawing of a graph: notebooks show it as SVG, `save` writes a file, `dot` is its DOT text.

    Boxes stand from left to right. White ones are variables and constants, blue ones operations.
    In a box are the value (green), the name or symbol, and the gradient of the result by it (red);
    on an edge is the local derivative (blue).

    Attributes
    ----------
    nodes : list of GraphNode
        Inputs before what is computed from them; the result is last.
    edges : list of GraphEdge
    """

    def __init__(
        self,
        nodes: list[GraphNode],
        edges: list[GraphEdge],
        precision: int,
        local_derivatives: bool,
    ) -> None:
        self.nodes, self.edges = nodes, edges
        self._precision, self._derivatives = precision, local_derivatives

    def _text(self, array: Any) -> str:
        """A number, or an array's shape."""
        if array is None:
            return ""
        a = np.asarray(array)
        if a.size != 1:
            return str(a.shape).replace(" ", "")
        value = a.item()
        if value and not 10.0**-self._precision <= abs(value) < 1e6:
            return f"{value:.{max(self._precision - 1, 0)}e}".replace("-", "−")
        number = f"{value:.{self._precision}f}".replace("-", "−")
        return number.rstrip("0").rstrip(".") if "." in number else number

    @property
    def dot(self) -> str:
        """The graph in Graphviz's DOT language."""
        return pictures.dot(self.nodes, self.edges, self._text, derivatives=self._derivatives)

    def _picture(self) -> pictures.Picture:
        return pictures.picture(self.nodes, self.edges, self._text, derivatives=self._derivatives)

    def svg(self, backend: str | None = None) -> str:
        """The picture as SVG.

        Parameters
        ----------
        backend : "graphviz", optional
            Place the nodes by Graphviz; needs its Python package and its program ``dot``.

        Returns
        -------
        str
        """
        if backend not in (None, "graphviz"):
            raise ValueError(f"backend: expected graphviz or None, got {backend!r}")
        if backend == "graphviz":
            graphviz = require("graphviz", "lecture")
            return graphviz.Source(self.dot).pipe(format="svg").decode()  # type: ignore[no-any-return]
        return pictures.svg(self._picture())

    def _repr_svg_(self) -> str:
        return self.svg()

    def to_html(self, path: str | os.PathLike[str] | None = None) -> str:
        """One page on which the graph is computed and differentiated number by number.

        Values appear in the order of computation, then local derivatives and gradients from the
        result back, each with its formula. The page is one file that reads nothing else; buttons
        and arrow keys move, and the address may end in ``#step=12``.

        Parameters
        ----------
        path : str or path, optional
            Also write the page to this file.

        Returns
        -------
        str
            The page.
        """
        page = graph_steps.scene(self.nodes, self.edges).html()
        if path is not None:
            _files.write(path, page.encode())
        return page

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture in the format of the suffix: .svg, .dot, others by matplotlib."""
        suffix = os.path.splitext(_checks.path("path", path))[1].lower()
        if suffix in (".dot", ".svg"):
            _files.write(path, (self.dot if suffix == ".dot" else self.svg()).encode())
            return
        content, figure = BytesIO(), require("matplotlib.figure", "plot").Figure()
        self.plot(figure.add_subplot())
        figure.savefig(content, format=suffix[1:] or "png", dpi=150)
        _files.write(path, content.getvalue())

    def plot(self, ax: Any = None) -> Any:
        """Draw with matplotlib, left to right.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Default: those of a new figure. The only Axes of a figure give it the drawing's size,
            at which the smallest font has 9.9 points; other Axes keep theirs.

        Returns
        -------
        matplotlib Axes
        """
        if ax is None:
            ax = require("matplotlib.pyplot", "plot").subplots()[1]
        drawn = self._picture()
        if len(ax.figure.axes) == 1:
            inches = pictures.PIXELS_PER_INCH
            ax.figure.set_size_inches(drawn.width / inches, drawn.height / inches)
        pictures.plot(drawn, ax)
        return ax


def draw(
    tensor: Tensor,
    names: Mapping[str, Any] | None = None,
    *,
    precision: int = 4,
    local_derivatives: bool | None = None,
) -> GraphDrawing:
    """The graph that computed a Tensor, with each node's value and gradient.

    No `grad` is changed. After ``tensor.backward()`` a graph can still be drawn if it had at most
    400 operations and 4096 entries in all its arrays; a larger one is drawn before, or keeps its
    graph by ``retain_graph=True`` (RuntimeError otherwise).

    Parameters
    ----------
    tensor : Tensor
        Gradients are of this Tensor, and shown only if it is a single number.
    names : mapping of str to Tensor, array or number, optional
        Labels of leaves, constants and computed Tensors; names of what the graph does not read are
        left out. The graph has copies of some constant arrays, which are found by their entries;
        a small integer names all constants of its value.
    precision : int
        Decimals shown.
    local_derivatives : bool, optional
        Show the derivative of each operation by its operands on the edges. Default: up to 40
        operations.

    Returns
    -------
    GraphDrawing

    Raises
    ------
    ValueError
        For more than 400 operations.
    RuntimeError
        For a graph that was freed, or whose arrays were edited in place.

    Examples
    --------
    >>> from nablas.autograd import Tensor, draw
    >>> w, x = Tensor(2.0, requires_grad=True), Tensor(3.0, requires_grad=True)
    >>> drawing = draw(w * x + 1, {"w": w, "x": x})
    >>> [node.label for node in drawing.nodes]
    ['w', 'x', '×', '1', '+']
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(f"tensor: expected a Tensor, got {type(tensor).__name__}")
    precision = _checks.integer("precision", precision, 0)
    names = {} if names is None else names
    if not isinstance(names, Mapping):
        raise TypeError(f"names: expected a mapping, got {type(names).__name__}")
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"names: expected strings as keys, got {name!r:.60}")
    nodes, edges = build(tensor, names)
    shown = local_derivatives
    if shown is None:
        shown = sum(node.computed for node in nodes) <= FEW
    return GraphDrawing(nodes, edges, precision, _checks.flag("local_derivatives", shown))
