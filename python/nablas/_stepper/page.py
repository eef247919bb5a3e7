"""Steps of a computation, and the page that shows them one after another on a picture."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

import numpy as np

from .layout import Layout, Link, Point, arrow, path, place, text_width

LINE, PADDING, MARGIN = 15.0, 14.0, 10.0  # pixels
NUMBER_SIZE, TITLE_SIZE, LABEL_SIZE = 12, 13, 11  # of the page's fonts
MOST_ENTRIES = 16  # of an array whose entries are shown


@dataclass(frozen=True)
class Step:
    """One number (or array) of a computation.

    Attributes
    ----------
    kind : str
        What is computed, such as "z" or "delta": a phase of the page.
    target, slot : str
        The node or edge that gets the number, and which of its numbers it is.
    symbol : str
    formula : str
        An expression in which ``{k}`` stands for the k-th of `symbols` or of `numbers`. Operators
        are + − × ÷ ^, functions are called by name.
    symbols : tuple of str
    numbers : tuple of float
        Empty where the symbols stand for arrays.
    value : number, nested list of numbers, or str
        A str describes an array with more than 16 entries.
    note : str
    reads : tuple of str
        Nodes and edges that the formula reads.
    drawn : str or None
        What the picture shows instead of `value`.
    """

    kind: str
    target: str
    slot: str
    symbol: str
    formula: str
    symbols: tuple[str, ...]
    numbers: tuple[float, ...]
    value: Any
    note: str = ""
    reads: tuple[str, ...] = ()
    drawn: str | None = None


class Terms:
    """Collects the symbols and numbers of a formula: a call gives the placeholder of a term."""

    def __init__(self) -> None:
        self.symbols: list[str] = []
        self.numbers: list[float] = []

    def __call__(self, symbol: str, number: Any) -> str:
        self.symbols.append(symbol)
        self.numbers.append(float(number))
        return f"{{{len(self.symbols) - 1}}}"

    def step(
        self, kind: str, target: str, slot: str, symbol: str, formula: str, value: Any, **more: Any
    ) -> Step:
        """The step of a formula that was made of these terms."""
        told = tuple(self.symbols), tuple(self.numbers)
        return Step(kind, target, slot, symbol, formula, *told, float(value), **more)


@dataclass
class Slot:
    """A number of a node or edge: its colour ("value", "slope" or "gradient") and its key."""

    colour: str
    says: str = ""
    prefix: str = ""


@dataclass
class Node:
    """A box of the picture; each entry of `lines` lists the slots that share a line."""

    id: str
    title: str
    depth: int
    lines: Sequence[Sequence[str]] = ()
    round: bool = True
    more: bool = False


@dataclass
class Edge:
    """An arrow between two nodes, given by their indices, with slots above and below it."""

    id: str
    source: int
    target: int
    above: Sequence[str] = ()
    below: Sequence[str] = ()


@dataclass
class Scene:
    """What a page shows.

    Attributes
    ----------
    title : str
    about : list of str
    start : str
        Shown before the first step.
    kinds : dict of str to str
        Headings of the kinds of steps.
    slots : dict of str to Slot
    nodes, edges : lists of Node and Edge
    given : list of (target, slot, value)
        Numbers that are known before the first step.
    steps : list of Step
    keep_order : bool
        Keep the order of the nodes of one depth.
    """

    title: str
    about: list[str]
    start: str
    kinds: dict[str, str]
    slots: dict[str, Slot]
    nodes: list[Node]
    edges: list[Edge]
    given: list[tuple[str, str, Any]]
    steps: list[Step]
    keep_order: bool = False

    def html(self) -> str:
        """The page: one file that reads nothing else."""
        layout = self._layout()
        data = {
            "title": self.title,
            "about": self.about,
            "start": self.start,
            "kinds": self.kinds,
            "slots": {
                name: {"class": s.colour, "prefix": s.prefix, "says": s.says}
                for name, s in self.slots.items()
            },
            "width": math.ceil(layout.width + 2 * MARGIN),
            "height": math.ceil(layout.height + 2 * MARGIN),
            "nodes": self._nodes(layout),
            "edges": self._edges(layout),
            "given": [[target, slot, plain(value)] for target, slot, value in self.given],
            "steps": [_json(step) for step in self.steps],
        }
        return _template().replace("DATA", _inside_script(data))

    def frame(self) -> str:
        """The page within an element of another page, such as a notebook's output."""
        height = min(900, 420 + int(self._layout().height))
        return (
            f'<iframe srcdoc="{escape(self.html())}" sandbox="allow-scripts" '
            f'style="width: 100%; height: {height}px; border: 0"></iframe>'
        )

    def _layout(self) -> Layout:
        sizes = [self._size(node) for node in self.nodes]
        links = []
        for edge in self.edges:
            slots = [*edge.above, *edge.below]
            wide = max((self._width(slot, edge.id, LABEL_SIZE) for slot in slots), default=0)
            above, below = LINE if edge.above else 0.0, LINE if edge.below else 0.0
            links.append(Link(edge.source, edge.target, wide, above, below))
        depth = [node.depth for node in self.nodes]
        return place(sizes, links, depth, keep_order=self.keep_order)

    def _size(self, node: Node) -> tuple[float, float]:
        wide = [self._width(slot, node.id, NUMBER_SIZE) for line in node.lines for slot in line]
        wide.append(text_width(node.title, TITLE_SIZE, bold=True))
        return max(wide) + PADDING, LINE * (1 + len(node.lines)) + PADDING

    def _width(self, slot: str, target: str, size: float) -> float:
        """The width of the longest text that a slot of a target will show."""
        values = [v for t, s, v in self.given if (t, s) == (target, slot)]
        values += [s.drawn or s.value for s in self.steps if (s.target, s.slot) == (target, slot)]
        prefix = self.slots[slot].prefix
        return max((text_width(prefix + _short(plain(v)), size) for v in values), default=0)

    def _nodes(self, layout: Layout) -> list[dict[str, Any]]:
        found = []
        for node, box in zip(self.nodes, layout.boxes, strict=True):
            x, y = _moved(box.x, box.y)
            first = y - LINE * len(node.lines) / 2 + 4.5
            found.append(
                {
                    "id": node.id,
                    "title": node.title,
                    "x": x,
                    "y": y,
                    "width": box.width,
                    "height": box.height,
                    "round": 12 if node.round else 2,
                    "more": node.more,
                    "titleY": first,
                    "lines": [
                        [slot, x, first + LINE * (k + 1)]
                        for k, line in enumerate(node.lines)
                        for slot in line
                    ],
                }
            )
        return found

    def _edges(self, layout: Layout) -> list[dict[str, Any]]:
        found = []
        for edge, route in zip(self.edges, layout.routes, strict=True):
            points = [_moved(*point) for point in route.points]
            x, top = _moved(route.label.x, route.label.y - route.label.height / 2)
            line = top + (LINE if edge.above else 0.0)
            found.append(
                {
                    "id": edge.id,
                    "x": x,
                    "y": line,
                    "path": path(points),
                    "arrow": " ".join(f"{a:.1f},{b:.1f}" for a, b in arrow(points[-1])),
                    "lines": [
                        *([slot, x, line - 4] for slot in edge.above),
                        *([slot, x, line + 12] for slot in edge.below),
                    ],
                }
            )
        return found


def plain(value: Any) -> Any:
    """A value as JSON can hold it: a number, nested lists of up to 16 numbers, or a description."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return [plain(entry) for entry in value]
    array = np.asarray(value)
    if array.size == 1:
        number = float(array.item())
        if math.isfinite(number):
            return number
        return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "−Infinity"
    if array.size <= MOST_ENTRIES:
        return plain(array.tolist())
    return shape_text(array)


def shape_text(array: Any) -> str:
    """The shape of an array, such as "(3,4)"."""
    return str(np.shape(array)).replace(" ", "")


def _short(value: Any) -> str:
    """A text at least as long as what the page makes of a value, in most cases."""
    if isinstance(value, list):
        return "[" + ", ".join(_short(entry) for entry in value) + "]"
    return value if isinstance(value, str) else f"{value:.5g}"


def _json(step: Step) -> dict[str, Any]:
    return {
        "kind": step.kind,
        "target": step.target,
        "slot": step.slot,
        "symbol": step.symbol,
        "formula": step.formula,
        "symbols": step.symbols,
        "numbers": [plain(number) for number in step.numbers],
        "value": plain(step.value),
        "note": step.note,
        "reads": step.reads,
        "drawn": step.drawn,
    }


def _inside_script(data: dict[str, Any]) -> str:
    """JSON that cannot end the element it stands in; halves of surrogate pairs become "?"."""
    text = json.dumps(data, allow_nan=False, ensure_ascii=False).encode("utf-8", "replace").decode()
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _moved(x: float, y: float) -> Point:
    return round(x + MARGIN, 1), round(y + MARGIN, 1)


@cache
def _template() -> str:
    return files(__package__).joinpath("page.html").read_text("utf-8")
