"""Pictures of a computational graph: as SVG, with matplotlib, and in Graphviz's DOT language."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Any

import numpy as np

from .._optional import require
from .._stepper.layout import Link, Point, arrow, depths, path, place, text_width
from .graph import GraphEdge, GraphNode, is_number

VALUE, GRADIENT, LOCAL, INK, FACE = "#1b7837", "#b2182b", "#1f5fa8", "#333333", "#eef3fa"
SIZE, LABEL, LINE, PAD, MARGIN = 12.0, 11.0, 15.0, 12.0, 10.0  # pixels
PIXELS_PER_INCH = 80.0  # of a figure of matplotlib's: 12 pixels are 10.8 points

Show = Callable[[Any], str]


@dataclass
class Text:
    """A text at (x, y), the middle of its line: centred there, or beginning there."""

    x: float
    y: float
    text: str
    colour: str = INK
    size: float = SIZE
    bold: bool = False
    centred: bool = True


@dataclass
class Shape:
    """A node's rectangle with its texts, or a line from `points` with an arrow and its texts."""

    name: str
    texts: list[Text]
    box: tuple[float, float, float, float] | None = None  # left, top, width, height
    computed: bool = False
    points: list[Point] | None = None


@dataclass
class Picture:
    """Shapes and a key within (0, 0) and (width, height); y goes down."""

    width: float
    height: float
    shapes: list[Shape]
    key: list[Text]


def edge_text(edge: GraphEdge, show: Show, derivatives: bool) -> str:
    """An edge's label: the operand's mark and the local derivative."""
    text = ""
    if derivatives and edge.derivative is not None:
        entries = np.unique(edge.derivative)
        text = show(entries[0] if entries.size == 1 else edge.derivative)
    elif derivatives:
        text = edge.rule
    return f"{edge.mark}: {text}" if edge.mark and text else edge.mark or text


def title(node: GraphNode) -> str:
    """A node's label, with the operation if the label is a name."""
    return f"{node.label} ({node.symbol})" if node.named and node.symbol else node.label


def picture(
    nodes: list[GraphNode], edges: list[GraphEdge], show: Show, *, derivatives: bool
) -> Picture:
    """Place a graph's nodes, its edges with their labels, and the key."""
    contents = [
        ("" if is_number(node) else show(node.value), title(node), show(node.gradient))
        for node in nodes
    ]
    sizes = []
    for value, label, gradient in contents:
        wide = max(text_width(value, SIZE), text_width(gradient, SIZE))
        wide = max(wide, text_width(label, SIZE, bold=True))
        sizes.append((wide + PAD, LINE * (1 + bool(value) + bool(gradient)) + PAD))
    labels = [edge_text(edge, show, derivatives) for edge in edges]
    links = [
        Link(edge.source, edge.target, text_width(text, LABEL), LINE if text else 0.0)
        for edge, text in zip(edges, labels, strict=True)
    ]
    layout = place(sizes, links, depths([node.inputs for node in nodes]))
    shapes = []
    for text, route in zip(labels, layout.routes, strict=True):
        points = [(x + MARGIN, y + MARGIN) for x, y in route.points]
        at = route.label.x + MARGIN, route.label.y + MARGIN - 1
        shapes.append(Shape("edge", [Text(*at, text, LOCAL, LABEL)] if text else [], points=points))
    for node, (value, label, gradient), box in zip(nodes, contents, layout.boxes, strict=True):
        x, y = box.x + MARGIN, box.y + MARGIN
        lines = [
            Text(x, y, value, VALUE),
            Text(x, y, label, bold=True),
            Text(x, y, gradient, GRADIENT),
        ]
        lines = [line for line in lines if line.text]
        for k, line in enumerate(lines):
            line.y += LINE * (k - (len(lines) - 1) / 2)
        corner = (x - box.width / 2, y - box.height / 2, box.width, box.height)
        shapes.append(Shape("node", lines, corner, node.computed))
    width = max(layout.width, 420.0)
    key = _key(nodes, edges, labels, derivatives, width, layout.height + MARGIN + 1.5 * LINE)
    height = key[-1].y + LINE / 2 + MARGIN
    return Picture(width + 2 * MARGIN, height, shapes, key)


def _key(
    nodes: list[GraphNode],
    edges: list[GraphEdge],
    labels: list[str],
    derivatives: bool,
    width: float,
    top: float,
) -> list[Text]:
    """What colours, boxes and marks mean, in lines of the given width."""
    entries = [("Key:", INK), ("value", VALUE)]
    if any(node.gradient is not None for node in nodes):
        entries.append(("gradient of the result by it", GRADIENT))
    if derivatives and any(edge.derivative is not None or edge.rule for edge in edges):
        entries.append(("on an edge: local derivative", LOCAL))
    if any(edge.rule for edge in edges) and derivatives:
        entries.append(("@ bᵀ, aᵀ @: what the gradient is multiplied by", LOCAL))
    if any(edge.mark for edge in edges):
        entries.append(("a, b: first and second operand", LOCAL))
    entries += [("white box: variable or constant", INK), ("blue box: operation", INK)]
    found: list[Text] = []
    left, y = MARGIN, top
    for text, colour in entries:
        wide = text_width(text, LABEL) * 0.9
        if found and left + wide > width + MARGIN:
            left, y = MARGIN, y + LINE
        found.append(Text(left, y, text, colour, LABEL, centred=False))
        left += wide + 12
    return found


def printable(text: str) -> str:
    """The text with "�" for what cannot be shown, such as a control character."""
    return "".join(c if c.isprintable() else "�" for c in text)


# ---- SVG -----------------------------------------------------------------------------------------


def svg(drawn: Picture) -> str:
    """The picture as SVG. Nodes, edges and the key are groups of these classes."""
    size = f'width="{drawn.width:.0f}" height="{drawn.height:.0f}"'
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} '
        f'viewBox="0 0 {drawn.width:.0f} {drawn.height:.0f}" '
        'font-family="DejaVu Sans, Arial, sans-serif" text-anchor="middle">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for shape in drawn.shapes:
        lines.append(f'<g class="{shape.name}">')
        if shape.points:
            corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in arrow(shape.points[-1]))
            lines.append(f'<path d="{path(shape.points)}" fill="none" stroke="{INK}"/>')
            lines.append(f'<polygon points="{corners}" fill="{INK}"/>')
        if shape.box:
            left, top, width, height = shape.box
            face, corner = (FACE, 10) if shape.computed else ("white", 0)
            lines.append(
                f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" '
                f'rx="{corner}" fill="{face}" stroke="{INK}"/>'
            )
        lines += [*map(_svg_text, shape.texts), "</g>"]
    return "\n".join([*lines, '<g class="key">', *map(_svg_text, drawn.key), "</g>", "</svg>"])


def _svg_text(text: Text) -> str:
    weight = ' font-weight="bold"' if text.bold else ""
    weight += "" if text.centred else ' text-anchor="start"'
    return (
        f'<text x="{text.x:.1f}" y="{text.y + 0.36 * text.size:.1f}" font-size="{text.size:g}" '
        f'fill="{text.colour}"{weight}>{escape(printable(text.text))}</text>'
    )


# ---- matplotlib ----------------------------------------------------------------------------------


def plot(drawn: Picture, ax: Any) -> None:
    """Draw on matplotlib Axes; fonts and lines shrink and grow with their size."""
    patches = require("matplotlib.patches", "plot")
    curve = require("matplotlib.path", "plot").Path
    ax.set(xlim=(0, drawn.width), ylim=(drawn.height, 0))
    ax.set_aspect("equal")
    ax.axis("off")
    if len(ax.figure.axes) == 1:
        ax.set_position([0, 0, 1, 1])
    frame = ax.get_window_extent()
    pixel = min(frame.width / drawn.width, frame.height / drawn.height) * 72 / ax.figure.dpi
    for shape in drawn.shapes:
        if shape.points:
            line = curve(*_bezier(shape.points, curve))
            ax.add_patch(patches.PathPatch(line, fill=False, edgecolor=INK, linewidth=pixel))
            ax.add_patch(patches.Polygon(arrow(shape.points[-1]), facecolor=INK, linewidth=0))
        if shape.box:
            left, top, width, height = shape.box
            face = FACE if shape.computed else "white"
            style = "round,pad=0,rounding_size=10" if shape.computed else "square,pad=0"
            box = {"boxstyle": style, "facecolor": face, "edgecolor": INK, "linewidth": pixel}
            ax.add_patch(patches.FancyBboxPatch((left, top), width, height, **box))
    for text in [*(text for shape in drawn.shapes for text in shape.texts), *drawn.key]:
        weight = "bold" if text.bold else "normal"
        look = {"color": text.colour, "fontsize": text.size * pixel, "weight": weight}
        look |= {"ha": "center" if text.centred else "left", "va": "center_baseline"}
        ax.text(text.x, text.y, printable(text.text), parse_math=False, **look)


def _bezier(points: list[Point], curve: Any) -> tuple[list[Point], list[int]]:
    """The vertices and codes of a matplotlib path."""
    vertices, codes = [points[0]], [curve.MOVETO]
    for (x0, y0), (x1, y1) in pairwise(points):
        if y0 == y1:
            vertices.append((x1, y1))
            codes.append(curve.LINETO)
        else:
            middle = (x0 + x1) / 2
            vertices += [(middle, y0), (middle, y1), (x1, y1)]
            codes += [curve.CURVE4] * 3
    return vertices, codes


# ---- Graphviz ------------------------------------------------------------------------------------


def dot(nodes: list[GraphNode], edges: list[GraphEdge], show: Show, *, derivatives: bool) -> str:
    """The graph in Graphviz's DOT language."""
    lines = ["digraph {", "  rankdir=LR; node [shape=ellipse, fontname=Helvetica];"]
    for i, node in enumerate(nodes):
        shape = "" if node.computed else ", shape=box"
        lines.append(
            f'  n{i} [label=<<font color="{VALUE}">{escape(show(node.value))}</font>'
            f"<br/><b>{escape(printable(title(node)))}</b><br/>"
            f'<font color="{GRADIENT}">{escape(show(node.gradient)) or " "}</font>>'
            f"{shape}];"
        )
    for edge in edges:
        text = escape(edge_text(edge, show, derivatives))
        mark = f' [label=<<font color="{LOCAL}" point-size="10">{text}</font>>]' if text else ""
        lines.append(f"  n{edge.source} -> n{edge.target}{mark};")
    return "\n".join([*lines, "}"])
