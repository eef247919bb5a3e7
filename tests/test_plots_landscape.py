"""Lines and planes through networks: they contain their points, distances are true, the lowest is lowest."""

import itertools

import matplotlib as mpl
import numpy as np
import pytest

import nablas as nb
from nablas.plots import LossLandscapeDisplay

mpl.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")
rng = np.random.default_rng(0)
X = rng.normal(size=(60, 2))
Y = (X[:, 0] + X[:, 1] > 0).astype(int)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def bowl(centre):
    """Half the squared distance from `centre`: the loss at a point tells where it is."""
    return lambda p: 0.5 * float(np.sum((p - centre) ** 2))


@pytest.fixture(scope="module")
def three():
    nets = [nb.MLP([2, 4, 2], "tanh", "softmax", dtype="float64", seed=seed) for seed in range(3)]
    for net in nets[1:]:
        net.fit(X, Y, epochs=20, optimizer=nb.Adam(0.02))
    return nets


def inside(display):
    """Whether every point lies within the picture, at least a tenth of the points' range inside."""
    axes = (display.alphas, display.betas)[: display.values.ndim]
    places = np.array([place for place, _ in display.points.values()])
    for axis, along in zip(axes, places.T, strict=True):
        margin = 0.1 * np.ptp(along)
        if along.min() < axis.min() + margin or along.max() > axis.max() - margin:
            return False
    return True


@pytest.mark.parametrize("kind", ["contour", "surface"])
def test_the_plane_through_three_networks(three, kind):
    before = [net.parameters.copy() for net in three]
    names = ["start", "end", "other"]
    display = LossLandscapeDisplay.from_networks(
        three, X, Y, names=names, resolution=9, kind=kind, log=kind == "surface", l2=0.01
    )
    assert all((net.parameters == old).all() for net, old in zip(three, before, strict=True))
    assert list(display.points) == names
    assert inside(display)
    for net, (_, loss) in zip(three, display.points.values(), strict=True):
        assert loss == pytest.approx(net.loss(X, Y, l2=0.01), rel=1e-12)
    places = [np.array(place) for place, _ in display.points.values()]
    for i, j in itertools.combinations(range(3), 2):
        true = np.linalg.norm(three[i].parameters - three[j].parameters)
        assert np.linalg.norm(places[i] - places[j]) == pytest.approx(true, rel=1e-12)
    assert places[0].tolist() == [0, 0]
    assert places[1][1] == pytest.approx(0, abs=1e-12)
    if kind == "contour":
        assert display.ax_.get_aspect() == 1
        for name, mark in zip(names, display.marks_, strict=False):
            assert mark.get_xydata()[0] == pytest.approx(display.points[name][0])


def test_the_values_are_those_of_the_plane(three):
    display = LossLandscapeDisplay.from_networks(three, X, Y, resolution=4)
    first, second, third = (net.parameters for net in three)
    e1 = (second - first) / np.linalg.norm(second - first)
    rest = third - first - ((third - first) @ e1) * e1
    e2 = rest / np.linalg.norm(rest)
    twin = nb.MLP([2, 4, 2], "tanh", "softmax", dtype="float64")
    twin.parameters = first + display.alphas[3] * e1 + display.betas[1] * e2
    assert display.values[1, 3] == pytest.approx(twin.loss(X, Y), rel=1e-10)


def test_the_straight_way_between_two_networks(three):
    display = LossLandscapeDisplay.from_networks(three[:2], X, Y, names=["a", "b"], resolution=21)
    (a,), loss_a = display.points["a"]
    (b,), loss_b = display.points["b"]
    assert (a, loss_a) == (0, pytest.approx(three[0].loss(X, Y)))
    assert b == pytest.approx(np.linalg.norm(three[1].parameters - three[0].parameters))
    assert loss_b == pytest.approx(three[1].loss(X, Y))
    assert inside(display)
    assert display.ax_.get_xlabel() == "distance from a towards b"
    on_line = np.interp([a, b], display.alphas, display.values)
    assert on_line == pytest.approx([loss_a, loss_b], rel=0.2)


@pytest.mark.parametrize("cosine", [-0.65, 0.0, 0.9])
@pytest.mark.parametrize("length", [0.2, 1.0, 7.0])
def test_directions_become_orthogonal_and_equally_long(cosine, length):
    first = np.array([3.0, 0, 0])
    second = length * np.array([cosine, np.sqrt(1 - cosine**2), 0])
    centre = np.array([1.0, 2, 5])
    display = LossLandscapeDisplay.from_function(
        bowl(centre), centre, [first, second], resolution=5, span=2
    )
    a, b = np.meshgrid(display.alphas, display.betas)
    np.testing.assert_allclose(display.values, 0.5 * 9 * (a**2 + b**2), atol=1e-12)


def test_the_span_grows_around_marked_points():
    centre, first, second = np.zeros(3), np.array([1.0, 0, 0]), np.array([1.0, 1, 0])
    points = {"far": [4.0, 0, 0], "low": [0, -2.0, 0], "in": [0.5, 0.5, 0]}
    display = LossLandscapeDisplay.from_function(
        bowl(np.array([0, -2.0, 0])), centre, [first, second], points=points, resolution=6
    )
    assert inside(display)
    assert display.alphas[0] == display.points["far"][0][1] - 1 == -1
    assert display.lowest == ((0, -2), 0)
    same = LossLandscapeDisplay.from_function(bowl(centre), centre, [first, second], resolution=3)
    assert same.alphas.tolist() == same.betas.tolist() == [-1, 0, 1]
    assert list(same.points) == ["centre"]


@pytest.mark.parametrize("minimum", [(0.0, 0.0), (0.52, -0.97), (-9.0, 3.0)])
def test_the_lowest_marked_is_the_lowest_evaluated(minimum):
    seen = []

    def cost(p):
        seen.append((bowl(np.array(minimum))(p), tuple(p)))
        return seen[-1][0]

    display = LossLandscapeDisplay.from_function(cost, np.zeros(2), np.eye(2), resolution=8)
    least, where = min(seen)
    assert display.lowest == (pytest.approx(where), least)
    mark = display.marks_[-1]
    assert mark.get_xydata()[0] == pytest.approx(where)
    assert mark.get_label() == f"lowest: {least:.3g}"


def test_losses_that_are_zero_or_not_a_number():
    def cost(p):
        return np.nan if p[0] > 0.5 else max(0.0, p[0])

    display = LossLandscapeDisplay.from_function(cost, [0.0], [[1.0]], resolution=9, log=True)
    assert display.lowest[1] == 0
    heights = display.artist_.get_ydata()
    assert np.isfinite(heights[:6]).all()
    assert heights.min(initial=0, where=np.isfinite(heights)) == pytest.approx(np.log10(0.25))


def test_wrong_points_and_networks(three):
    plane = [np.array([1.0, 0, 0]), np.array([0.0, 1, 0])]
    for directions, points, message in [
        (plane, {"up": [0, 0, 1.0]}, "'up', which is 1 away"),
        (plane, {"short": [0.0]}, r"points: expected shape \(3,\)"),
        ([plane[0], -2 * plane[0]], None, "not parallel"),
        ([plane[0], 0 * plane[0]], None, "zeros at 1"),
    ]:
        with pytest.raises(ValueError, match=message):
            LossLandscapeDisplay.from_function(bowl(0), np.zeros(3), directions, points=points)
    other = nb.MLP([2, 3, 2], "tanh", "softmax")
    for nets, settings, message in [
        (three[:1], {}, "two or three, got 1"),
        ([three[0], other], {}, "equal layers, got MLP.* at 1"),
        ([three[0], three[0]], {}, "zeros at 0"),
        (three[:2], {"names": ["a", "a"]}, "2 different ones"),
        (three[:2], {"resolution": 1}, "resolution"),
        (three[:2], {"kind": "bars"}, "one of contour, surface"),
    ]:
        with pytest.raises(ValueError, match=message):
            LossLandscapeDisplay.from_networks(nets, X, Y, **settings)
