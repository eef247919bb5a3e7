"""The page of a forward and a backward pass through a network."""

from __future__ import annotations

import numpy as np

from .. import _checks
from .network import Walk, edge_id
from .page import Edge, Node, Scene, Slot
from .passes import Pass

_KINDS = {
    "z": "Forward: preactivation z",
    "a": "Forward: activation a = g(z)",
    "loss": "Loss",
    "output": "Backward: derivative of the loss by an output",
    "back": "Backward: local slope × upstream δ on an edge",
    "slope": "Backward: local slope g′(z) of the activation",
    "delta": "Backward: δ = ∂J/∂z",
    "gradient": "Gradient: ∂J/∂w = input × δ",
    "update": "Update: one step of gradient descent",
}
_SLOTS = {
    "input": Slot("value"),
    "z": Slot("value", "z: preactivation", "z "),
    "a": Slot("value", "a: activation", "a "),
    "slope": Slot("slope", "g′: local slope of the activation", "g′ "),
    "delta": Slot("gradient", "δ: derivative of J by z", "δ "),
    "weight": Slot("slope", "above an edge: its weight, which is the local slope ∂z/∂a"),
    "update": Slot("slope", "→: the weight after the update", "→ "),
    "back": Slot("gradient", "←: local slope × upstream", "← "),
    "gradient": Slot("gradient", "∂: derivative of J by the weight", "∂ "),
    "target": Slot("value", "y: target", "y "),
    "row": Slot("value", "L: loss of the row", "L "),
    "loss": Slot("value", "J: loss", "J "),
}


def scene(seen: Pass, row: int, learning_rate: float, most_units: int) -> Scene:
    """Steps and picture of one row.

    Parameters
    ----------
    seen : Pass
    row : int
    learning_rate : float
        Of the update.
    most_units : int
        Layers with more show their most active units.

    Returns
    -------
    Scene
    """
    rows = len(seen.layers[0].input)
    if rows == 0:
        raise ValueError("row: expected an explanation of at least one row, got 0")
    row = _checks.integer("row", row, 0, rows - 1)
    rate = _checks.number("learning_rate", learning_rate)
    walk = Walk(seen, row, rate, _checks.integer("most_units", most_units, 2))
    with np.errstate(all="ignore"):  # numbers that are not finite are shown as such
        walk.forward()
        walk.loss()
        walk.backward()
        walk.gradients()
        walk.update()
    nodes = _nodes(walk)
    return Scene(
        title="Backpropagation, step by step: " + "‑".join(map(str, _sizes(seen))),  # do not wrap
        about=_about(walk),
        start="Inputs and weights are known. Go on with Next, or with the right arrow key.",
        kinds=_KINDS,
        slots=_SLOTS if rows > 1 else {k: s for k, s in _SLOTS.items() if k != "row"},
        nodes=nodes,
        edges=_edges(walk, {node.id: i for i, node in enumerate(nodes)}),
        given=_given(walk),
        steps=walk.steps,
        keep_order=True,
    )


def _sizes(seen: Pass) -> list[int]:
    return [seen.layers[0].input.shape[1], *(len(layer.bias) for layer in seen.layers)]


def _about(walk: Walk) -> list[str]:
    seen, names = walk.seen, ", ".join(layer.activation for layer in walk.layers)
    lines = [
        f"Activations: {names}. Loss: {seen.loss_name}. Learning rate η = {walk.rate:g}.",
        "Superscripts are layers. w₁₂ leads from unit 1 of the layer below to unit 2; b is the "
        "weight of a unit that is always 1.",
    ]
    if walk.rows > 1:
        lines.append(
            f"This is row {walk.row} of {walk.rows}, counted from 0. J is the mean over the rows, "
            f"so δ has the factor 1 ÷ {walk.rows}; of a gradient the other rows are one number."
        )
    for number, (units, size) in enumerate(zip(walk.shown, _sizes(seen), strict=True)):
        if len(units) < size:
            what = f"layer {number}" if number else "the inputs"
            by = "|δ|" if number else "|x|"
            lines.append(
                f"Of {what} {len(units)} of {size} are shown, those with the largest {by}; sums "
                f"have the {size - len(units)} others in one term."
            )
    return lines


def _nodes(walk: Walk) -> list[Node]:
    nodes, sizes, last = [], _sizes(walk.seen), len(walk.layers)
    for number, units in enumerate(walk.shown):
        if number < last:
            nodes.append(Node(f"b{number + 1}", "1", number))
        for j in units:
            if number == 0:
                nodes.append(Node(f"u0.{j}", walk.unit("a", 0, j)[0], 0, [["input"]], round=False))
                continue
            slots = {step.slot for step in walk.steps if step.target == f"u{number}.{j}"}
            lines = [[slot] for slot in ("z", "a", "slope", "delta") if slot in slots]
            title = f"{j + 1}: {walk.layer(number).activation}"
            nodes.append(Node(f"u{number}.{j}", title, number, lines))
        if left := sizes[number] - len(units):
            nodes.append(Node(f"more{number}", f"{left} more", number, more=True))
    read = [["row"], ["loss"]] if walk.rows > 1 else [["loss"]]
    nodes.append(Node("loss", walk.seen.loss_name, last + 1, read))
    return nodes


def _edges(walk: Walk, places: dict[str, int]) -> list[Edge]:
    edges = []
    slots: dict[str, set[str]] = {}
    for step in walk.steps:
        slots.setdefault(step.target, set()).add(step.slot)
    for number, i, j in reversed(walk.edges()):
        name = edge_id(number, i, j)
        source = places[f"b{number}" if i is None else f"u{number - 1}.{i}"]
        below = [slot for slot in ("back", "gradient") if slot in slots[name]]
        edges.append(Edge(name, source, places[f"u{number}.{j}"], ["weight", "update"], below))
    last = len(walk.layers)
    for j in walk.shown[last]:
        below = ["back"] if f"h.{j}" in slots else []
        edges.append(Edge(f"h.{j}", places[f"u{last}.{j}"], places["loss"], ["target"], below))
    return edges


def _given(walk: Walk) -> list[tuple[str, str, float]]:
    return [
        *((f"u0.{i}", "input", walk.unit("a", 0, i)[1]) for i in walk.shown[0]),
        *((f"h.{j}", "target", walk.target[j]) for j in walk.shown[-1]),
        *((edge_id(n, i, j), "weight", walk.weight(n, i, j)[1]) for n, i, j in walk.edges()),
    ]
