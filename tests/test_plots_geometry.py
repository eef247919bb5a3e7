"""Network diagrams: nothing overlaps, every number drawn is the network's; the planes of landscapes."""

import itertools

import matplotlib as mpl
import numpy as np
import pytest

import nablas as nb
from nablas import plots

mpl.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

NETS = [
    ((2, 2, 1), "sigmoid", "sigmoid", "half_mse"),
    ((4, 2, 1), "identity", "identity", "half_mse"),
    ((7, 6, 5, 1), "relu", "identity", "mse"),
    ((2, 2, 1, 1), "sigmoid", "sigmoid", None),
    ((1, 1), "relu", "identity", None),
    ((3, 3, 3), "tanh", "softmax", None),
    ((2, 6, 1), "leaky_relu", "sigmoid", None),
    ((64, 64, 10), "relu", "softmax", None),
]
VIEWS = ["weights", "forward", "backward", "both"]
rng = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def network(sizes, activation, output):
    net = nb.MLP(sizes, activation, output, dtype="float64", seed=0)
    for bias in net.biases:
        bias[:] = rng.normal(size=bias.shape)
    return net


def explained(net, loss=None):
    x = rng.normal(size=net.sizes[0])
    return net.explain(x, 1 if net.output == "softmax" else np.ones(net.sizes[-1]), loss=loss)


def draw(net, view, loss=None, **settings):
    """The display, and the pass that it shows or None."""
    if view == "weights":
        return plots.NetworkDisplay.from_estimator(net, **settings), None
    passed = explained(net, loss)
    return plots.NetworkDisplay.from_explanation(passed, show=view, **settings), passed


def overlapping(boxes, slack=0.5):
    """Pairs of boxes that share more than `slack` pixels both ways."""
    for (one, a), (other, b) in itertools.combinations(boxes.items(), 2):
        if min(a.x1, b.x1) - max(a.x0, b.x0) > slack and min(a.y1, b.y1) - max(a.y0, b.y0) > slack:
            yield one, other


def text_boxes(display):
    """The extent of every text of the Axes in pixels, after drawing."""
    display.figure_.canvas.draw()
    texts = [*display.ax_.texts, display.ax_.title, *display.legend_.get_texts()]
    texts.append(display.legend_.get_title())
    return {(i, t.get_text()): t.get_window_extent() for i, t in enumerate(texts) if t.get_text()}


def circles(display):
    """The centre and radius of every node in pixels."""
    to_pixels = display.ax_.transData
    for key, node in display.nodes_.items():
        centre = to_pixels.transform(node.center)
        yield key, centre, to_pixels.transform((node.center[0] + node.radius, node.center[1]))[0] - centre[0]  # fmt: skip


def crossed_labels(display):
    """(label, edge) of every edge that runs through the label of another."""
    to_pixels = display.ax_.transData.transform
    share = np.linspace(0, 1, 1001)[:, None]
    ways = {key: to_pixels(ends) for key, ends in segments(display).items()}
    ways = {key: start + share * (end - start) for key, (start, end) in ways.items()}
    for key, text in display.edge_texts_.items():
        box = text.get_window_extent()
        for other, way in ways.items():
            inside = (way > (box.x0, box.y0)) & (way < (box.x1, box.y1))
            if other != key and inside.all(axis=1).any():
                yield key, other


def segments(display):
    """Start and end of each edge by its (layer, source, unit)."""
    shown = [
        sorted(u for c, u in display.nodes_ if c == k) for k in range(len(display.weights) + 1)
    ]
    keys = [
        (k, i, j)
        for k in range(len(display.weights))
        for i in shown[k]
        for j in shown[k + 1]
        if j >= 0
    ]
    return dict(zip(keys, display.lines_.get_segments(), strict=True))


def faults(display):
    """Everything that is not readable in a drawing."""
    boxes = text_boxes(display)
    found = [f"texts {pair} overlap" for pair in overlapping(boxes)]
    nodes = list(circles(display))
    for key, centre, radius in nodes:
        corners = display.node_texts_[key].get_window_extent().corners()
        if np.hypot(*(corners - centre).T).max() > radius:
            found.append(f"the text of node {key} leaves it")
        others = [*display.edge_texts_.values(), *display.target_texts_.values()]
        for text in others:
            box = text.get_window_extent()
            nearest = np.clip(centre, (box.x0, box.y0), (box.x1, box.y1))
            if np.hypot(*(nearest - centre)) < radius:
                found.append(f"{text.get_text()!r} lies over node {key}")
    for (one, a, r), (other, b, s) in itertools.combinations(nodes, 2):
        if np.hypot(*(a - b)) < r + s:
            found.append(f"nodes {one} and {other} overlap")
    found += [f"edge {edge} crosses the label of {key}" for key, edge in crossed_labels(display)]
    whole = display.figure_.bbox
    for name, box in boxes.items():
        if box.x0 < 0 or box.y0 < 0 or box.x1 > whole.width or box.y1 > whole.height:
            found.append(f"{name} leaves the figure")
    return found


def test_labels_of_other_resolutions_and_of_given_axes():
    net = network((2, 2, 1), "sigmoid", "sigmoid")
    display, _ = draw(net, "backward")
    display.figure_.set_dpi(120)
    assert faults(display) == []
    figure, axes = plt.subplots(1, 2, figsize=(16, 6), layout="constrained")
    pair = [draw(net, view, ax=ax)[0] for ax, view in zip(axes, ("weights", "both"), strict=True)]
    axes[0].set_title("the weights")
    for display in pair:
        assert len(display.edge_texts_) == 9
        assert faults(display) == []


def test_the_check_sees_each_fault():
    net = network((2, 2, 1), "sigmoid", "sigmoid")
    display, _ = draw(net, "both")
    edges = display.edge_texts_
    one, other = edges[0, 0, 0], edges[0, 1, 1]
    place = one.get_position()
    for wrong in (other.get_position(), display.nodes_[1, 0].center):
        one.set_position(wrong)
        assert any("overlap" in fault for fault in faults(display))
    one.set_position(place)
    start, end = segments(display)[0, 1, 0]
    one.set_position(start + 0.55 * (end - start))
    assert any("crosses the label of (0, 0, 0)" in fault for fault in faults(display))
    one.set_position(place)
    one.set(position=(place[0], -1000), in_layout=False)
    assert any("leaves the figure" in fault for fault in faults(display))
    one.set_position(place)
    display.node_texts_[1, 0].set_fontsize(20)
    assert any("leaves it" in fault for fault in faults(display))
    display.node_texts_[1, 0].set_fontsize(9)
    assert faults(display) == []


def value(text):
    return float(text.replace("−", "-"))


def rounded(number):
    """Three significant digits."""
    return float(f"{number:.3g}")


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(("sizes", "activation", "output", "loss"), NETS, ids=lambda v: str(v))
def test_nothing_overlaps_and_every_number_is_the_networks(sizes, activation, output, loss, view):
    net = network(sizes, activation, output)
    small = sum(a * b + b for a, b in itertools.pairwise(sizes)) <= 24
    display, passed = draw(net, view, loss)
    assert faults(display) == []
    texts = [*display.ax_.texts, *display.legend_.get_texts(), display.legend_.get_title()]
    assert min(text.get_fontsize() for text in texts) >= 9
    assert len(display.edge_texts_) == (len(display.lines_.get_segments()) if small else 0)
    weights = [np.vstack([b, w]) for w, b in zip(net.weights, net.biases, strict=True)]
    gradients = passed and [np.vstack([layer.db, layer.dW]) for layer in passed.layers]
    colouring = gradients if view in ("backward", "both") else weights
    expected = [colouring[k][i + 1, j] for k, i, j in segments(display)]
    np.testing.assert_array_equal(display.lines_.get_array(), expected)
    kind = "∂J/∂w" if view in ("backward", "both") else "weight"
    assert any(t.get_text() in (f"{kind} < 0", f"{kind} > 0") for t in display.legend_.get_texts())
    for (k, i, j), text in display.edge_texts_.items():
        shown = [value(part) for part in text.get_text().split("\n∂ ")]
        wanted = {"backward": [gradients], "both": [weights, gradients]}.get(view, [weights])
        assert shown == [rounded(block[k][i + 1, j]) for block in wanted]
    for (c, u), text in display.node_texts_.items():
        if u == -1:
            assert text.get_text() == "1"
        elif u == -2:
            left = sizes[c] - sum(column == c and unit >= 0 for column, unit in display.nodes_)
            assert text.get_text() == f"⋮\n{left} more"
        elif passed is None:
            name = "x" if c == 0 else r"\hat{y}" if c == len(sizes) - 1 else "a"
            index = "" if name == r"\hat{y}" and sizes[c] == 1 else f"_{{{u + 1}}}"
            assert text.get_text() == f"${name}{index}$"
        else:
            found = {line[0]: value(line[2:]) for line in text.get_text().split("\n")}
            layer = passed.layers[max(c - 1, 0)]
            arrays = {"x": layer.input} if c == 0 else {"z": layer.z, "a": layer.a}
            if c > 0 and view != "forward":
                arrays["δ"] = layer.delta
            assert found == {name: rounded(array[0, u]) for name, array in arrays.items()}


def test_targets_bias_nodes_captions_and_what_is_left_out():
    net = network((64, 64, 10), "relu", "softmax")
    display, passed = draw(net, "backward")
    shown = [0, 1, 2, 7, 8, 9]
    assert {u: value(t.get_text()[2:]) for u, t in display.target_texts_.items()} == {
        u: float(u == 1) for u in shown
    }
    key = display.legend_.get_title().get_text()
    assert f"cross_entropy = {rounded(passed.loss)}" in key
    assert "class 1" in key
    assert [c for c, u in display.nodes_ if u == -1] == [0, 1]
    texts = [t.get_text() for t in display.ax_.texts]
    assert "layer 1\nrelu\n64 units" in texts
    assert "output\nsoftmax\n10 units" in texts
    assert texts.count("⋮\n58 more") == 2
    assert "⋮\n4 more" in texts
    regression = explained(network((2, 3), "relu", "identity"))
    drawn = plots.NetworkDisplay.from_explanation(regression)
    assert [t.get_text() for t in drawn.target_texts_.values()] == ["y 1"] * 3


def test_colours_tell_sign_and_kind_and_widths_the_size():
    net = nb.MLP([2, 1], dtype="float64")
    net.parameters[:] = -2, 0, 1
    weights = plots.NetworkDisplay.from_estimator(net)
    names = [t.get_text() for t in weights.legend_.get_texts()]
    assert names == ["weight < 0", "weight = 0", "weight > 0", "widest: 2", "bias node: 1"]
    drawn = weights.figure_.canvas.draw() or weights.lines_.get_colors()
    keys = [line.get_color() for line in weights.legend_.get_lines()[:3]]
    assert [mpl.colors.to_hex(c) for c in drawn] == [mpl.colors.to_hex(c) for c in keys]
    widths = weights.lines_.get_linewidths()
    assert widths[0] > widths[2] > widths[1]
    passed = plots.NetworkDisplay.from_explanation(net.explain([1.0, -1.0], 0.0))
    other = [line.get_color() for line in passed.legend_.get_lines()[:2]]
    assert not set(other) & set(keys)
    assert weights.ax_.get_title() != passed.ax_.get_title()


def test_wrong_arguments_of_diagrams():
    net = network((2, 2, 1), "sigmoid", "sigmoid")
    passed = explained(net)
    with pytest.raises(ValueError, match="show: expected one of"):
        plots.NetworkDisplay.from_explanation(passed, show="gradients")
    with pytest.raises(ValueError, match="a pass of one row, got 3 rows"):
        plots.NetworkDisplay.from_explanation(net.explain(np.ones((3, 2)), np.ones(3)))
    with pytest.raises(ValueError, match="most_units"):
        plots.NetworkDisplay.from_estimator(net, most_units=1)
    with pytest.raises(ValueError, match="show_values"):
        plots.NetworkDisplay.from_estimator(network((12, 12, 1), "relu", "identity"), show_values=True)  # fmt: skip
    assert not plots.NetworkDisplay.from_estimator(net, show_values=False).edge_texts_
    small = plt.subplots(figsize=(2, 2))[1]
    with pytest.warns(UserWarning, match=r"ax: expected at least .* inches"):
        plots.NetworkDisplay.from_explanation(passed, ax=small)
