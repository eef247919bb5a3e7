"""Every display: letters of 9 points at least, labelled axes, a key, no text over another."""

import itertools

import matplotlib as mpl
import numpy as np
import pytest

import nablas as nb
from nablas import plots

mpl.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")
rng = np.random.default_rng(0)
X = rng.normal(size=(60, 2))
Y = (X[:, 0] + X[:, 1] > 0).astype(int)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def nets():
    made = [nb.MLP([2, 4, 3, 2], "tanh", "softmax", dtype="float64", seed=s) for s in range(3)]
    for net in made:
        net.fit(X, Y, epochs=9, validation_data=(X, Y))
    return made


MAKERS = {
    "activations": lambda nets: plots.ActivationDisplay.from_names(),
    "boundary": lambda nets: plots.DecisionBoundaryDisplay.from_estimator(nets[0], X, Y),
    "boundary, values": lambda nets: plots.DecisionBoundaryDisplay.from_estimator(
        nb.MLP([2, 1], seed=0), X, X[:, 0]
    ),
    "confusion": lambda nets: plots.confusion_matrix(nets[0], X, Y),
    "gradients": lambda nets: plots.GradientNormDisplay.from_estimator(nets[0], X, Y),
    "losses": lambda nets: plots.LossCurveDisplay.from_history(nets[0].history),
    "losses, log": lambda nets: plots.LossCurveDisplay.from_history(nets[0].history, log=True),
    "line": lambda nets: plots.LossLandscapeDisplay.from_networks(nets[:2], X, Y, resolution=5),
    "plane": lambda nets: plots.LossLandscapeDisplay.from_networks(nets, X, Y, resolution=5),
    "landscape": lambda nets: plots.LossLandscapeDisplay.from_estimator(nets[0], X, Y, resolution=5),
    "surface": lambda nets: plots.LossLandscapeDisplay.from_networks(
        nets, X, Y, resolution=5, kind="surface", log=True
    ),
    "network": lambda nets: plots.NetworkDisplay.from_estimator(nets[0]),
    "pass": lambda nets: plots.NetworkDisplay.from_explanation(nets[0].explain(X[0], 1)),
    "weights": lambda nets: plots.WeightHistogramDisplay.from_estimator(nets[0]),
}  # fmt: skip


def corners(text, renderer):
    """The corners (4, 2) of the rectangle around a text, turned as the text is, in pixels."""
    box = text.get_window_extent(renderer)
    angle = text.get_rotation()
    text.set_rotation(0)
    level = text.get_window_extent(renderer)
    text.set_rotation(angle)
    half = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * (level.width / 2, level.height / 2)
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    return half @ np.array([[c, s], [-s, c]]) + ((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2)


def overlap(a, b, slack=1):
    """Whether two rectangles share more than `slack` pixels along each of their sides."""
    for side in (a[0] - a[1], a[1] - a[2], b[0] - b[1], b[1] - b[2]):
        along = side / np.linalg.norm(side)
        one, other = a @ along, b @ along
        if min(one.max(), other.max()) - max(one.min(), other.min()) <= slack:
            return False
    return True


def drawn_texts(figure, monkeypatch):
    """Each text that a rendering of the figure really draws, and its corners in pixels."""
    found = {}
    original = mpl.text.Text.draw

    def draw(self, renderer):
        original(self, renderer)
        if self.get_visible() and self.get_text().strip():
            found[self] = corners(self, renderer)

    figure.canvas.draw()  # may still move what the layout places
    with monkeypatch.context() as patched:
        patched.setattr(mpl.text.Text, "draw", draw)
        figure.canvas.draw()
    return found


def series(ax):
    """Lines, markers and bars with data; a grey reference line through zero is none."""
    lines = [line for line in ax.lines if line.get_label()[0] != "_"]
    return len(lines) + len(ax.containers) + len(ax.collections) + len(ax.images)


def faults(figure, monkeypatch):
    """Everything that is not readable in a figure."""
    texts = drawn_texts(figure, monkeypatch)
    found = [f"{t.get_text()!r} has {t.get_fontsize()} pt" for t in texts if t.get_fontsize() < 9]
    for (one, a), (other, b) in itertools.combinations(texts.items(), 2):
        if overlap(a, b):
            found.append(f"{one.get_text()!r} and {other.get_text()!r} overlap")
    size = figure.bbox.width, figure.bbox.height
    for text, places in texts.items():
        if (places < -1).any() or (places > np.add(size, 1)).any():
            found.append(f"{text.get_text()!r} leaves the figure")
    for ax in figure.axes:
        names = [name for name in "xyz" if hasattr(ax, f"get_{name}label")]
        labels = {name: getattr(ax, f"get_{name}label")() for name in names}
        bar = ax.get_label() == "<colorbar>"
        if ax.get_visible() and ax.axison:
            missing = [name for name, label in labels.items() if not label]
            found += [f"{ax.get_title()}: no label of {name}" for name in missing if not bar]
            if bar and not any(labels.values()):
                found.append("a colour bar without a label")
    keyed = any(ax.get_legend() or ax.get_label() == "<colorbar>" for ax in figure.axes)
    if not keyed and max(map(series, figure.axes)) > 1:
        found.append("several series and no key")
    return found


def test_every_display_is_tried(nets):
    names = {name for name in plots.__all__ if name[0].isupper()}
    assert {type(MAKERS[key](nets)).__name__ for key in MAKERS} - {
        "ConfusionMatrixDisplay"
    } == names


@pytest.mark.parametrize("name", MAKERS)
def test_readable(nets, name, monkeypatch):
    figure = MAKERS[name](nets).figure_
    figure.set_dpi(120)
    assert faults(figure, monkeypatch) == []


def test_the_check_sees_each_fault(nets, monkeypatch):
    display = MAKERS["losses"](nets)
    ax, figure = display.ax_, display.figure_
    assert faults(figure, monkeypatch) == []
    note = ax.text(0.5, 0.5, "note", fontsize=8, transform=ax.transAxes)
    assert "'note' has 8.0 pt" in faults(figure, monkeypatch)
    other = ax.text(0.5, 0.5, "other", fontsize=10, transform=ax.transAxes)
    assert "'note' and 'other' overlap" in faults(figure, monkeypatch)
    note.remove()
    other.set(position=(2, 0), in_layout=False)
    assert "'other' leaves the figure" in faults(figure, monkeypatch)
    other.remove()
    ax.set_ylabel("")
    ax.get_legend().remove()
    assert faults(figure, monkeypatch) == [
        "Loss by epoch: no label of y", "several series and no key",
    ]  # fmt: skip


def lightness(colour):
    """CIE L* of a colour, 0 black to 100 white."""
    linear = np.array(mpl.colors.to_rgb(colour))
    linear = np.where(linear <= 0.04045, linear / 12.92, ((linear + 0.055) / 1.055) ** 2.4)
    y = linear @ [0.2126, 0.7152, 0.0722]
    return 116 * np.cbrt(y) - 16 if y > 216 / 24389 else y * 24389 / 27


def test_no_colour_map_begins_at_white(nets):
    """At its ends a map differs from white paper: L* of at most 92."""
    for name in MAKERS:
        for ax in MAKERS[name](nets).figure_.axes:
            for artist in [*ax.collections, *ax.images]:
                values = artist.get_array()
                ends = [artist.get_cmap()(end) for end in (0.0, 1.0)]
                if values is not None and np.ndim(values) < 3 and ends[0] != ends[1]:
                    assert max(map(lightness, ends)) < 92, name


def test_lines_of_a_picture_differ_in_more_than_colour(nets):
    looks = [(line.get_linestyle(), line.get_marker()) for line in MAKERS["losses"](nets).lines_]
    assert len(set(looks)) == len(looks)
    pair = MAKERS["activations"](nets).lines_["tanh"]
    assert pair[0].get_linestyle() != pair[1].get_linestyle()
    bars = MAKERS["gradients"](nets).bars_
    assert len({bar[0].get_hatch() for bar in bars}) == 2
