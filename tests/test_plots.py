"""The numbers and plots of the displays, and the drawings of computational graphs."""

import shutil
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest

import nablas as nb
from nablas import autograd, plots
from nablas.autograd import Tensor

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
def net():
    net = nb.MLP([2, 8, 2], "tanh", "softmax", seed=0)
    net.fit(X, Y, epochs=60, optimizer=nb.Adam(0.02))
    return net


def test_decision_boundary(net):
    display = plots.DecisionBoundaryDisplay.from_estimator(
        net, X, Y, grid_resolution=30, names=("a", "b")
    )
    assert display.response.shape == (30, 30, 2)
    np.testing.assert_allclose(display.response.sum(axis=2), 1, rtol=1e-5)
    probability = net.forward(np.array([[display.xx0[4, 7], display.xx1[4, 7]]]))
    np.testing.assert_allclose(display.response[4, 7], probability[0], rtol=1e-4)
    assert [len(p.get_offsets()) for p in display.points_] == [(Y == 0).sum(), (Y == 1).sum()]
    assert display.ax_.get_xlabel() == "a"
    line = np.concatenate([p for c in display.boundary_ for p in c.get_paths()[0].vertices[None]])
    assert abs(net.forward(line)[:, 0] - 0.5).max() < 0.1
    other = plt.subplots()[1]
    assert display.plot(other).ax_ is other


def test_decision_boundary_of_other_models(net):
    sigmoid = nb.MLP([2, 1], output="sigmoid", seed=0)
    sigmoid.fit(X, Y, epochs=5)
    assert plots.DecisionBoundaryDisplay.from_estimator(
        sigmoid, X, Y, grid_resolution=5
    ).response.shape == (5, 5, 2)
    words = nb.MLP([2, 3], output="softmax", seed=0)
    named = np.array(["no", "yes", "so"])[rng.integers(0, 3, 60)]
    words.fit(X, named, epochs=1)
    display = plots.DecisionBoundaryDisplay.from_estimator(words, X, named)
    assert [t.get_text() for t in display.ax_.get_legend().get_texts()] == ["no", "so", "yes"]
    regression = plots.DecisionBoundaryDisplay.from_estimator(nb.MLP([2, 1], seed=0), X, X[:, 0])
    assert regression.classes == []
    from sklearn.linear_model import LogisticRegression

    assert plots.DecisionBoundaryDisplay.from_estimator(
        LogisticRegression().fit(X, Y), X, Y
    ).classes == [0, 1]
    with pytest.raises(ValueError, match=r"X: expected shape \(n, 2\)"):
        plots.DecisionBoundaryDisplay.from_estimator(net, X[:, :1])
    with pytest.raises(ValueError, match="one output, got 3"):
        plots.DecisionBoundaryDisplay.from_estimator(nb.MLP([2, 3]), X)


def test_decision_boundaries_that_are_easily_got_wrong(net):
    from sklearn.linear_model import RidgeClassifier

    display = plots.DecisionBoundaryDisplay
    words = np.array(["no", "yes"])[Y]
    ridge = display.from_estimator(RidgeClassifier().fit(X, words), X, words)
    assert ridge.classes == ["no", "yes"]
    assert set(np.unique(ridge.response)) == {0, 1}
    for y in (Y[:, None], np.eye(2)[Y]):
        assert (display.from_estimator(net, X, y, grid_resolution=3).codes == Y).all()
    ten = nb.MLP([2, 10], output="softmax", seed=0)
    looks = {
        (p.get_facecolor().tobytes(), p.get_paths()[0].vertices.tobytes())
        for p in display.from_estimator(ten, X, np.arange(60) % 10).points_
    }
    assert len(looks) == 10
    constant = nb.MLP([2, 1], init="zeros")
    assert display.from_estimator(constant, X, X[:, 0]).surface_.norm.vmax > 1
    for settings, message in [
        ({"X": X[:0]}, "at least one row"), ({"X": X * np.nan}, "finite"), ({"eps": -1}, "eps"), ({"grid_resolution": 1}, "grid_resolution"),
        ({"y": Y[:5]}, "y: expected 60 rows"), ({"y": Y + 5}, r"y: expected labels among \[0, 1\], got .*5.* at 0"),
        ({"ax": plt.figure().add_subplot(projection="3d")}, "plane Axes"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=message):
            display.from_estimator(net, **{"X": X, "y": Y} | settings)


def test_loss_curves():
    nan = plots.LossCurveDisplay(np.ones(4), np.array([1, np.nan, 0.3, 0.4]))
    assert nan.plot().lines_[2].get_xdata()[0] == 3
    history = nb.MLP([2, 2], output="softmax", seed=0).fit(X, Y, epochs=4, validation_data=(X, Y))
    display = plots.LossCurveDisplay.from_history(history, log=True)
    assert display.lines_[0].get_ydata().tolist() == history.loss
    assert display.lines_[2].get_xdata()[0] == np.argmin(history.val_loss) + 1
    assert history.plot().get_ylabel() == "loss"
    for name in ("loss", "val_loss"):
        for wrong in ("abc", ["a"], [None], [1j], None if name == "loss" else 3j):
            with pytest.raises(TypeError, match=f"^{name}: expected numbers, got dtype"):
                plots.LossCurveDisplay(**{"loss": [1.0], name: wrong})
        for wrong in (1.0, [[1.0]]):
            with pytest.raises(ValueError, match=f"^{name}: expected one number an epoch, got"):
                plots.LossCurveDisplay(**{"loss": [1.0], name: wrong})
    for epochs in range(3):
        with pytest.raises(ValueError, match=f"^val_loss: expected at most {epochs} epochs, as in"):
            plots.LossCurveDisplay([1.0] * epochs, [1.0] * (epochs + 1))


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_the_curves_of_a_fit_that_was_interrupted(epochs, monkeypatch):
    """Between an epoch's training and its validation: there is a loss more than val_loss."""
    net, calls = nb.MLP([2, 2], output="softmax", seed=0), []

    def interrupted(*given):
        calls.append(given)
        if len(calls) == epochs:
            raise KeyboardInterrupt
        return 0.5

    monkeypatch.setattr(net, "score", interrupted)
    with pytest.raises(KeyboardInterrupt):
        net.fit(X, Y, epochs=4, validation_data=(X, Y))
    assert (len(net.history.loss), len(net.history.val_loss)) == (epochs, epochs - 1)
    display = plots.LossCurveDisplay.from_history(net.history)
    seen = [list(line.get_xdata()) for line in display.lines_[:2]]
    assert seen == [list(range(1, n + 1)) for n in (epochs, epochs - 1) if n]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -3e38])
@pytest.mark.parametrize("all_of_them", [True, False])
def test_networks_that_have_diverged(value, all_of_them):
    """Numbers that are not finite are drawn as such, or refused where they have no place."""
    net = nb.MLP([2, 3, 1], "tanh", seed=0)
    net.parameters[slice(None) if all_of_them else 3] = value
    with np.errstate(all="ignore"):
        drawn = [plots.NetworkDisplay.from_estimator(net)]
        passed = net.explain([1.0, 2.0], 1.0)
        drawn += [
            plots.NetworkDisplay.from_explanation(passed, show=s) for s in ("forward", "both")
        ]
        for display in drawn:
            display.figure_.canvas.draw()
            assert np.isfinite(display.lines_.get_linewidths()).all()
    labels = [text.get_text() for text in drawn[0].legend_.get_texts()]
    assert ("weight nan" in labels) == np.isnan(value)
    if not np.isfinite(value):
        with pytest.raises(ValueError, match="^net: expected finite weights, got others"):
            plots.WeightHistogramDisplay.from_estimator(net)
    if not np.isfinite(net.forward(X)).all():
        with pytest.raises(ValueError, match="^estimator: expected finite outputs around"):
            plots.DecisionBoundaryDisplay.from_estimator(net, X, grid_resolution=3)
    plt.close("all")


def test_loss_landscape(net):
    before = net.parameters.copy()
    display = plots.LossLandscapeDisplay.from_estimator(net, X, Y, resolution=5, l2=0.01)
    assert display.values[2, 2] == pytest.approx(net.loss(X, Y, l2=0.01), rel=1e-5)
    first, second = (plots.filter_normalised_direction(net, seed) for seed in (0, 1))
    twin = nb.MLP([2, 8, 2], "tanh", "softmax")
    rest = second - (second @ first) / (first @ first) * first
    rest *= np.linalg.norm(first) / np.linalg.norm(rest)
    twin.parameters[:] = before + 0.5 * first - 1.0 * rest
    assert display.values[0, 3] == pytest.approx(twin.loss(X, Y, l2=0.01), rel=1e-4)
    assert (net.parameters == before).all()
    for (dw, db), w, b in zip(net.engine.views(first), net.weights, net.biases, strict=True):
        np.testing.assert_allclose((dw**2).sum(0) + db**2, (w**2).sum(0) + b**2, rtol=1e-5)
    surface = plots.LossLandscapeDisplay.from_estimator(
        net, X, Y, resolution=5, kind="surface", log=True
    )
    assert surface.ax_.name == "3d"
    line = plots.LossLandscapeDisplay.from_function(
        lambda p: (p**2).sum(), [1.0, 0.0], [[1.0, 0.0]], resolution=3
    )
    assert line.values.tolist() == [0, 1, 4]
    for settings, message in [
        ({"directions": [first[:3]]}, "directions: expected shape"),
        ({"directions": [first] * 3}, "one or two, got 3"),
        ({"kind": "bars"}, "one of contour, surface"),
        ({"resolution": 1}, "resolution: expected at least 2"),
        ({"kind": "surface", "ax": plt.subplots()[1]}, "3d"),
    ]:
        with pytest.raises(ValueError, match=message):
            plots.LossLandscapeDisplay.from_estimator(net, X, Y, **{"resolution": 3} | settings)


def test_activations():
    display = plots.ActivationDisplay.from_names()
    assert display.values.keys() == nb.activations().keys() == display.lines_.keys()
    z = display.z
    np.testing.assert_allclose(display.slopes["tanh"], 1 - np.tanh(z) ** 2, atol=1e-12)
    np.testing.assert_allclose(
        display.slopes["silu"], np.gradient(display.values["silu"], z), atol=1e-3
    )
    assert plots.ActivationDisplay.from_names("relu").ax_.size == 1
    wide = plots.ActivationDisplay.from_names(["tanh", "exp", "step"], limits=(-100, 100))
    assert np.isfinite(wide.lines_["tanh"][1].get_ydata()).all()
    assert np.isfinite(display.lines_["exp"][1].get_ydata()).all()
    assert np.isnan(wide.lines_["step"][0].get_ydata()).sum() == 1
    with pytest.raises(ValueError, match="'swish'"):
        plots.ActivationDisplay.from_names("swish")
    with pytest.raises(ValueError, match="expected 2 Axes, got 1"):
        plots.ActivationDisplay.from_names(["relu", "elu"], ax=plt.subplots()[1])


def test_network_diagram(net):
    display = plots.NetworkDisplay.from_estimator(net)
    np.testing.assert_array_equal(display.lines_.get_array(), net.parameters)
    large = plots.NetworkDisplay.from_estimator(nb.MLP([40, 3, 1], seed=0))
    assert len(large.lines_.get_segments()) == 11 * 3 + 4
    assert "⋮\n30 more" in [t.get_text() for t in large.ax_.texts]


def test_weights_and_gradients(net):
    display = plots.WeightHistogramDisplay.from_estimator(net)
    heights = [sum(patch.get_height() for patch in ax.patches) for ax in np.ravel(display.ax_)]
    assert heights == [16, 16]
    gradients = plots.GradientNormDisplay.from_estimator(net, X, Y)
    expected = [np.sqrt(np.mean(dw.astype(float) ** 2)) for dw, _ in net.gradients(X, Y)]
    np.testing.assert_allclose(gradients.by_weights, expected)
    assert [bar.get_height() for bar in gradients.bars_[0]] == gradients.by_weights.tolist()
    with pytest.raises(ValueError, match="expected 2 Axes"):
        plots.WeightHistogramDisplay.from_estimator(net, ax=plt.subplots()[1])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_displays_of_estimators():
    from nablas.sklearn import MLPClassifier

    for y in (Y, np.array(["no", "yes"])[Y], np.array(["a", "b", "c"])[rng.integers(0, 3, 60)]):
        model = MLPClassifier((5,), max_iter=3, random_state=0).fit(X, y, X_val=X, y_val=y)
        assert plots.DecisionBoundaryDisplay.from_estimator(
            model, X, y, grid_resolution=5
        ).classes == list(model.classes_)
        assert len(plots.NetworkDisplay.from_estimator(model).weights) == 2
        assert len(plots.WeightHistogramDisplay.from_estimator(model).weights) == 2
        assert (plots.GradientNormDisplay.from_estimator(model, X, y).by_weights > 0).all()
        landscape = plots.LossLandscapeDisplay.from_estimator(model, X, y, resolution=3)
        assert landscape.values[1, 1] == pytest.approx(model.validation_loss_curve_[-1], rel=1e-5)
        curves = plots.LossCurveDisplay.from_estimator(model)
        assert (curves.loss, curves.val_loss) == (model.loss_curve_, model.validation_loss_curve_)


def test_confusion_matrix(net):
    display = plots.confusion_matrix(net, X, Y)
    assert display.confusion_matrix.sum() == 60
    assert np.trace(display.confusion_matrix) / 60 == pytest.approx(net.score(X, Y))


# ---- graphs ----------------------------------------------------------------------------------


def lecture_graph():
    w = [Tensor(v, requires_grad=True) for v in (-3.0, 2.0, -3.0)]
    x = [Tensor(v, requires_grad=True) for v in (-1.0, -2.0)]
    f = 1 / (1 + np.exp(-(w[0] + w[1] * x[0] + w[2] * x[1])))
    return f, {"w0": w[0], "w1": w[1], "w2": w[2], "x1": x[0], "x2": x[1]}


def test_a_drawing_has_values_and_gradients():
    f, names = lecture_graph()
    drawing = autograd.draw(f, names)
    found = {
        node.label: round(float(node.gradient), 4) for node in drawing.nodes if node.label in names
    }
    assert found == {"w0": 0.1966, "w1": -0.1966, "w2": -0.3932, "x1": 0.3932, "x2": -0.5898}
    labels = [node.label for node in drawing.nodes if node.computed]
    assert labels == ["×", "+", "×", "+", "−", "exp", "+", "÷"]
    assert [float(node.value) for node in drawing.nodes if node.computed][3] == 1
    assert all(tensor.grad is None for tensor in names.values())
    f.backward()
    assert names["w0"].grad.item() == pytest.approx(0.1966, abs=1e-4)


def test_drawings_in_every_form(tmp_path):
    f, names = lecture_graph()
    drawing = autograd.draw(f, names)
    for ending in ("svg", "png", "dot", "pdf"):
        drawing.save(tmp_path / f"graph.{ending}")
        assert (tmp_path / f"graph.{ending}").stat().st_size > 500
    assert "0.1966" in drawing.dot
    assert drawing.dot.count("->") == 14
    assert "<b>exp</b>" in drawing.dot
    assert drawing._repr_svg_().lstrip().startswith("<?xml")
    with pytest.raises(ValueError, match="backend"):
        drawing.svg("paint")
    x = Tensor(np.ones((3, 4)), requires_grad=True)
    y = autograd.dense(x, np.ones((5, 2)), "tanh")[0].sum(0) ** 2
    shapes = autograd.draw(y, {"x": x}).dot
    assert "(3,4)" in shapes
    assert "^2" in shapes
    assert len(autograd.draw(x).nodes) == 1
    for _ in range(500):
        y = y + 1
    with pytest.raises(ValueError, match="at most 400 operations"):
        autograd.draw(y)


@pytest.mark.skipif(not shutil.which("dot"), reason="needs Graphviz")
def test_the_dot_text_is_valid():
    f, names = lecture_graph()
    done = subprocess.run(
        ["dot", "-Tsvg"],
        input=autograd.draw(f, names).dot,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "0.1966" in done.stdout
    assert not done.stderr


def test_no_picture_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r'pip install "nablas\[plot\]"'):
        plots.LossCurveDisplay([1.0]).plot()
