"""The geometry of graph drawings: nothing overlaps, and everything is there."""

import functools
import re
import xml.etree.ElementTree as ET
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from nablas import autograd
from nablas._stepper import layout
from nablas.autograd import Tensor, pictures

pytest.importorskip("matplotlib")
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

ROOT = Path(__file__).parents[1]
SVG = "{http://www.w3.org/2000/svg}"


# ---- graphs ----------------------------------------------------------------------------------------


def leaf(value):
    return Tensor(value, requires_grad=True)


def lecture_11():
    values = {"w0": -3.0, "w1": 2.0, "w2": -3.0, "x1": -1.0, "x2": -2.0}
    names = {name: leaf(value) for name, value in values.items()}
    w0, w1, w2, x1, x2 = names.values()
    return 1 / (1 + np.exp(-(w0 + w1 * x1 + w2 * x2))), names


def lecture_12():
    """The lecture's J = CE + λ (ΣW1² + ΣW2²), with the biases as row 0 of extended weights."""
    rng = np.random.default_rng(0)
    w1, w2 = leaf(rng.normal(size=(3, 3))), leaf(rng.normal(size=(4, 2)))
    X, y, lam = rng.normal(size=(80, 2)), rng.integers(0, 2, 80), 0.01
    first, second = w1[1:], w2[1:]
    entropy = autograd.cross_entropy(np.tanh(X @ first + w1[0]) @ second + w2[0], y)
    J = entropy + lam * ((first**2).sum() + (second**2).sum())
    return J, {"W1": w1, "W2": w2, "X": X, "λ": lam, "y": y}


def diamond():
    x = leaf(0.5)
    return x * x + autograd.sin(x) * x - x, {"x": x}


def skips():
    x = leaf(np.ones(3))
    y, seen = x, []
    for k in range(6):
        y = autograd.tanh(y * (k + 1.0))
        seen.append(y)
    for old in seen[:-1]:
        y = y + old
    return (y + x).sum(), {"x": x, "first": seen[0]}


def many_inputs():
    leaves = [leaf(float(k)) for k in range(14)]
    return autograd.stack(leaves).sum(), {
        f"a rather long name {k}": x for k, x in enumerate(leaves)
    }


def hostile():
    a, b = leaf(1e-12), leaf(3.25e9)
    return a / -b - b**a, {"<b>&\"'": a, "WWWWWWWW\n": b}


def random_graph(seed):
    rng = np.random.default_rng(seed)
    values = [leaf(float(v)) for v in rng.normal(size=4)]
    names = {f"p{k}": value for k, value in enumerate(values)}
    for _ in range(30):
        a, b = (values[i] for i in rng.integers(max(0, len(values) - 9), len(values), 2))
        values.append([a + b, a * b, a - b, autograd.sin(a), autograd.tanh(b)][rng.integers(5)])
    total = values[-1]
    for value in values[:4] + values[-8:-1]:
        total = total + value
    return total, names


GRAPHS = {
    "lecture 11": lecture_11, "lecture 12": lecture_12, "diamond": diamond, "skips": skips,
    "many inputs": many_inputs, "hostile": hostile, "leaf": lambda: (leaf(2.0), {}),
    **{f"random {seed}": lambda seed=seed: random_graph(seed) for seed in range(3)},
}  # fmt: skip


# ---- reading a drawing -----------------------------------------------------------------------------


@functools.cache
def extents(text, size, weight):
    font = FontProperties(family="DejaVu Sans", weight=weight)
    return TextPath((0, 0), text, size=size, prop=font, usetex=False).get_extents()


def text_box(element):
    """Left, top, right, bottom of a text in the font of the file."""
    size, weight = float(element.get("font-size")), element.get("font-weight", "normal")
    outline = extents(element.text, size, weight)
    x, y = float(element.get("x")), float(element.get("y"))
    left = x if element.get("text-anchor") == "start" else x - outline.width / 2
    return left, y - outline.y1, left + outline.width, y - outline.y0


def curve(path):
    """Points along a path of M, H and C."""
    points, at = [], (0.0, 0.0)
    for command, numbers in re.findall(r"([MHC])([^MHC]*)", path):
        n = [float(v) for v in numbers.split()]
        t = np.linspace(0, 1, 40)[:, np.newaxis]
        if command == "M":
            at = tuple(n)
        elif command == "H":
            points.append(np.array(at) + t * (np.array([n[0], at[1]]) - at))
            at = (n[0], at[1])
        else:
            p0, p1, p2, p3 = np.array(at), *np.array(n).reshape(3, 2)
            points.append(
                (1 - t) ** 3 * p0 + 3 * t * (1 - t) ** 2 * p1 + 3 * t**2 * (1 - t) * p2 + t**3 * p3
            )
            at = tuple(p3)
    return np.concatenate(points)


@functools.cache
def read(svg):
    """Boxes and texts of the nodes; lines, arrows and labels of the edges; texts of the key; size."""
    root = ET.fromstring(svg)
    nodes, edges = [], []
    for group in root.iter(f"{SVG}g"):
        texts = [(t.text, text_box(t), t.get("fill")) for t in group.iter(f"{SVG}text")]
        if group.get("class") == "node":
            (r,) = group.iter(f"{SVG}rect")
            x, y, width, height = (float(r.get(k)) for k in ("x", "y", "width", "height"))
            nodes.append(((x, y, x + width, y + height), texts))
        elif group.get("class") == "edge":
            (line,), (head,) = group.iter(f"{SVG}path"), group.iter(f"{SVG}polygon")
            corners = np.array([p.split(",") for p in head.get("points").split()], float)
            edges.append((curve(line.get("d")), corners, texts))
        else:
            key = texts
    return nodes, edges, key, (float(root.get("width")), float(root.get("height")))


def overlap(a, b):
    return min(a[2], b[2]) - max(a[0], b[0]) > 0 and min(a[3], b[3]) - max(a[1], b[1]) > 0


def touches(points, box, inside=0.0):
    x, y = points[:, 0], points[:, 1]
    return bool(
        ((x > box[0] + inside) & (x < box[2] - inside) & (y > box[1] + inside) & (y < box[3] - inside)).any()
    )  # fmt: skip


def faults(svg):
    """What is wrong with a drawing, in words."""
    nodes, edges, key, (width, height) = read(svg)
    found = []
    labels = [(text, box) for _, _, texts in edges for text, box, _ in texts]
    for (a, first), (b, second) in combinations(nodes, 2):
        if overlap(a, b):
            found.append(f"boxes {first} {second}")
    for box, texts in nodes:
        for text, inner, _ in texts:
            if inner[0] < box[0] or inner[2] > box[2] or inner[1] < box[1] or inner[3] > box[3]:
                found.append(f"{text} leaves its box")
        found += [f"label {text} on a box" for text, label in labels if overlap(box, label)]
        for points, head, _ in edges:
            if touches(points, box, 0.6) or touches(head, box, 0.6):
                found.append(f"an edge through {texts}")
    for (a, first), (b, second) in combinations(labels, 2):
        if overlap(first, second):
            found.append(f"labels {a} {b}")
    for points, head, _ in edges:
        found += [f"an edge on label {text}" for text, label in labels if touches(points, label)]
        tip = head[0]
        ends = [box for box, _ in nodes if abs(box[0] - tip[0]) < 0.2 and box[1] < tip[1] < box[3]]
        if len(ends) != 1:
            found.append(f"an arrow that ends at {tip}")
    tips = [tuple(head[0]) for _, head, _ in edges]
    if len(set(tips)) < len(tips):
        found.append("two arrows on one another")
    everything = [box for box, _ in nodes] + [box for _, box in labels] + [box for _, box, _ in key]
    found += [
        "outside" for b in everything if b[0] < 0 or b[1] < 0 or b[2] > width or b[3] > height
    ]
    found += ["key" for (_, a, _), (_, b, _) in combinations(key, 2) if overlap(a, b)]
    return found


# ---- tests -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("derivatives", [True, False])
def test_nothing_overlaps(name, derivatives):
    y, names = GRAPHS[name]()
    drawing = autograd.draw(y, names, local_derivatives=derivatives)
    assert faults(drawing.svg()) == []
    nodes, edges, key, _ = read(drawing.svg())
    assert len(nodes) == len(drawing.nodes)
    assert len(edges) == len(drawing.edges)
    shown = {text for _, texts in nodes for text, _, _ in texts}
    for label in names:
        printable = "".join(c if c.isprintable() else "�" for c in label)
        assert any(text == printable or text.startswith(f"{printable} (") for text in shown), label
    colours = {colour for _, _, colour in key}
    drawn = {colour for _, texts in nodes for _, _, colour in texts}
    drawn |= {colour for _, _, texts in edges for _, _, colour in texts}
    assert drawn <= colours


def test_the_checks_find_what_they_are_for(monkeypatch):
    y, names = lecture_12()
    monkeypatch.setattr(layout, "ROW_GAP", -40.0)
    assert any("boxes" in fault for fault in faults(autograd.draw(y, names).svg()))
    monkeypatch.undo()
    svg = autograd.draw(y, names).svg()
    lower = re.sub(
        r'(<text x="[\d.]+" y=")([\d.]+)(" font-size="11" fill="#1f5fa8">)',
        lambda m: f"{m[1]}{float(m[2]) + 6}{m[3]}",
        svg,
    )
    assert any("on label" in fault for fault in faults(lower))
    straight = re.sub(
        r'd="M([\d.]+) ([\d.]+)[^"]*?([\d.]+)(?: ([\d.]+))?"', r'd="M\1 \2H1100"', svg
    )
    assert any("an edge through" in fault for fault in faults(straight))
    assert any(
        "arrow" in fault
        for fault in faults(svg.replace('<polygon points="', '<polygon points="1,1 '))
    )


def test_biases_do_not_pass_the_penalty():
    """In the lecture's J the bias rows lead to sums only, the weights to products and squares."""
    y, names = lecture_12()
    drawing = autograd.draw(y, names)
    users = {
        (drawing.nodes[e.source].label, e.source): [
            drawing.nodes[o.target].label for o in drawing.edges if o.source == e.source
        ]
        for e in drawing.edges
    }
    assert [users[key] for key in users if key[0] == "[0]"] == [["+"], ["+"]]
    assert [sorted(users[key]) for key in users if key[0] == "[1:]"] == [["@", "^2"], ["@", "^2"]]


def test_local_derivatives_are_on_the_edges():
    y, names = lecture_11()
    drawing = autograd.draw(y, names)
    texts = {pictures.edge_text(e, drawing._text, True) for e in drawing.edges}
    assert texts == {"", "1", "−1", "2", "−2", "−3", "0.3679", "a", "b: −0.5344"}
    for edge in drawing.edges:
        if edge.derivative is not None:
            assert drawing.nodes[edge.source].gradient == pytest.approx(
                drawing.nodes[edge.target].gradient * edge.derivative
            )
    assert "0.3679" in drawing.dot
    assert "headlabel" not in drawing.dot
    assert not {
        t
        for _, _, ts in read(autograd.draw(y, names, local_derivatives=False).svg())[1]
        for t, _, _ in ts
    } - {"a", "b"}
    long = names["w0"]
    for _ in range(41):
        long = long + 1.0
    assert all(not texts for _, _, texts in read(autograd.draw(long).svg())[1])


def test_named_constants_are_found():
    """Numbers, copies, other shapes and dtypes; a constant is not taken for a variable of its value."""
    x, t, c = np.arange(6.0).reshape(3, 2), np.array([1, 0, 1]), 0.125
    w = leaf(np.ones((2, 1)))
    loss = autograd.binary_cross_entropy((x @ w) * c, t)
    names = {"x": x, "w": w, "t": t, "c": c, "not there": np.ones(7)}
    drawing = autograd.draw((loss + 2.0) * np.ones((1, 2)), names)
    assert {node.label for node in drawing.nodes if node.named} == {"x", "w", "t", "c"}
    (at,) = (i for i, node in enumerate(drawing.nodes) if node.label == "t")
    assert [edge.target for edge in drawing.edges if edge.source == at]


def test_matplotlib_draws_the_same(tmp_path):
    import matplotlib.pyplot as plt

    y, names = lecture_12()
    drawing = autograd.draw(y, names)
    ax = drawing.plot()
    nodes, edges, key, _ = read(drawing.svg())
    expected = [t for _, texts in nodes for t, _, _ in texts] + [
        t for _, _, texts in edges for t, _, _ in texts
    ]
    assert sorted(t.get_text() for t in ax.texts) == sorted(expected + [t for t, _, _ in key])
    assert min(t.get_fontsize() for t in ax.texts) >= 9
    plt.close(ax.figure)
    figure, axes = plt.subplots(1, 2)
    drawing.plot(axes[1])
    assert max(t.get_fontsize() for t in axes[1].texts) < 9  # it fits into the Axes it was given
    plt.close(figure)
    drawing.save(tmp_path / "graph.png")
    assert (tmp_path / "graph.png").stat().st_size > 20_000


def test_hundreds_of_operations_are_placed():
    x = leaf(1.0)
    y = x
    for _ in range(80):  # x has an edge to every other operation
        y = autograd.sin(y) + x
    assert autograd.draw(y, {"x": x}).svg().count('<g class="node">') == 161
