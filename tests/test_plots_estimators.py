"""Displays of estimators: the loss they train with, the labels they know; the Axes that are taken."""

import matplotlib as mpl
import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, RidgeClassifier
from sklearn.multioutput import MultiOutputClassifier

import nablas as nb
from nablas import plots
from nablas.sklearn import MLPClassifier, MLPRegressor

mpl.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
rng = np.random.default_rng(0)
X = rng.normal(size=(60, 2))
THREE = rng.integers(0, 3, 60)
WORDS = np.array(["a", "b", "c"])[THREE]
MARKS = rng.integers(0, 2, (60, 3))
SEVERAL = np.stack([WORDS, np.array(["x", "y"])[MARKS[:, 0]]], axis=1)
VALUES = 5 * rng.normal(size=60)
WEIGHT = rng.integers(0, 4, 60).astype(float)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def smooth(outputs, targets, sample_weight=None):
    """The mean of (h - y)⁴ over rows and outputs."""
    w = np.ones(len(outputs)) if sample_weight is None else sample_weight
    w = (w / w.sum() / outputs.shape[1])[:, None]
    error = outputs - targets
    return float((w * error**4).sum()), w * 4 * error**3


def regressor(loss, **settings):
    return MLPRegressor(loss, (2,), max_iter=3, random_state=0, **settings)


def classifier(**settings):
    return MLPClassifier((2,), max_iter=3, random_state=0, **settings)


LOSSES = ["squared_error", "absolute_error", "mae", "huber", "log_cosh", "quantile", nb.Huber(delta=3.0), nb.Quantile(0.8), smooth]  # fmt: skip
MODELS = {f"regressor, {loss}": (regressor(loss), VALUES) for loss in LOSSES if loss is not smooth}
MODELS |= {
    "regressor, function": (regressor(smooth), VALUES),
    "regressor, two squares": (regressor("squared_error"), X * 3),
    "regressor, two by a function": (regressor(smooth), X * 3),
    "regressor, poisson": (regressor("poisson"), rng.poisson(3, 60)),
    "regressor, two poisson": (regressor("poisson"), rng.poisson(3, (60, 2))),
    "regressor, quantile 0.9": (regressor("quantile", quantile=0.9), VALUES),
    "classifier, two": (classifier(), np.array(["no", "yes"])[MARKS[:, 0]]),
    "classifier, three": (classifier(), WORDS),
    "classifier, smoothed": (classifier(label_smoothing=0.2), WORDS),
    "classifier, two smoothed": (classifier(label_smoothing=0.2), MARKS[:, 0]),
    "classifier, function": (classifier(loss=smooth), WORDS),
    "classifier, two by a function": (classifier(loss=smooth, label_smoothing=0.1), MARKS[:, 0]),
    "classifier, weighted": (classifier(class_weight={"a": 1, "b": 5, "c": 0.5}), WORDS),
    "classifier, balanced": (classifier(class_weight="balanced"), WORDS),
    "classifier, labels": (classifier(), MARKS),
    "classifier, targets": (classifier(label_smoothing=0.1), SEVERAL),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_the_loss_is_the_estimators_own(name, weighted):
    """The landscape marks what `fit` recorded, and the gradient is that of the training."""
    model, y = MODELS[name]
    own = {"sample_weight": WEIGHT} if weighted else {}
    model.fit(X, y, **own, X_val=X, y_val=y, sample_weight_val=own.get("sample_weight"))
    before = model.network_.parameters.copy()
    display = plots.LossLandscapeDisplay.from_estimator(model, X, y, resolution=3, **own)
    recorded = model.validation_loss_curve_[-1]
    assert display.points["the network"][1] == pytest.approx(recorded, rel=1e-6)
    shown = plots.GradientNormDisplay.from_estimator(model, X, y, l2=0.01, **own)
    scale, spare = model._loss_scale(), plt.subplots()[1]

    def slope(step):
        along = plots.LossLandscapeDisplay.from_estimator(
            model, X, y, directions=[step], resolution=2, points={}, ax=spare, **own
        )
        spare.clear()
        return (along.values[1] - along.values[0]) / 2e-6 / scale

    slopes = np.array([slope(step) for step in 1e-6 * np.eye(before.size)])
    for (by_weights, by_bias), w, *found in zip(
        model.network_.engine.views(slopes), model.network_.weights, shown.by_weights, shown.by_biases,
        strict=True,
    ):  # fmt: skip
        wanted = [np.sqrt(np.mean((by_weights + 0.02 * w) ** 2)), np.sqrt(np.mean(by_bias**2))]
        assert found == pytest.approx(wanted, rel=2e-3, abs=1e-6)
    assert (model.network_.parameters == before).all()


@pytest.mark.parametrize("loss", ["mse", "huber", nb.Quantile(0.3), smooth])
def test_another_loss_may_be_given(loss):
    for model in (regressor("squared_error"), regressor("mae"), regressor(smooth)):
        model.fit(X, X * 3)
        net = model.network_
        display = plots.LossLandscapeDisplay.from_estimator(
            model, X, X * 3, resolution=2, loss=loss, l2=0.1
        )
        wanted = net.loss(X, X * 3, loss=loss, l2=0.1)
        assert display.points["the network"][1] == pytest.approx(wanted)
        of_model, of_net = (
            plots.GradientNormDisplay.from_estimator(one, X, X * 3, loss=loss, l2=0.1)
            for one in (model, net)
        )
        assert of_model.by_weights == pytest.approx(of_net.by_weights)


def test_the_loss_between_estimators_is_that_of_the_first():
    models = [regressor("huber", warm_start=True).fit(X, VALUES) for _ in range(2)]
    models[1].fit(X, VALUES)
    display = plots.LossLandscapeDisplay.from_networks(models, X, VALUES, resolution=3)
    for model, (_, loss) in zip(models, display.points.values(), strict=True):
        assert loss == pytest.approx(model.network_.loss(X, VALUES, loss="huber"))


DISPLAYS = {
    "boundary": lambda model, y: plots.DecisionBoundaryDisplay.from_estimator(model, X, y, grid_resolution=3),
    "landscape": lambda model, y: plots.LossLandscapeDisplay.from_estimator(model, X, y, resolution=2),
    "gradients": lambda model, y: plots.GradientNormDisplay.from_estimator(model, X, y),
}  # fmt: skip
UNKNOWN = {"between": "bb", "before": "", "after": "d"}


@pytest.mark.parametrize("display", DISPLAYS)
@pytest.mark.parametrize("where", UNKNOWN)
def test_unknown_labels_are_refused(display, where):
    odd = WORDS.astype(object)
    odd[7] = UNKNOWN[where]
    model = classifier().fit(X, WORDS)
    with pytest.raises(
        ValueError, match=rf"y: expected labels among \['a', 'b', 'c'\], got '{odd[7]}' at 7"
    ):
        DISPLAYS[display](model, odd)
    for y in (3 * THREE, MARKS[:, 0] + 0.5, np.full(60, None)):
        with pytest.raises(ValueError, match="y: expected labels among"):
            DISPLAYS[display](classifier().fit(X, THREE * 2), y + 1 if y.dtype != object else y)
    two = classifier().fit(X, MARKS[:, 0])
    with pytest.raises(ValueError, match=r"y: expected labels among \[0, 1\], got 2 at"):
        DISPLAYS[display](two, THREE)


@pytest.mark.parametrize("display", ["landscape", "gradients"])
def test_unknown_labels_of_several_are_refused(display):
    odd = SEVERAL.copy()
    odd[5, 1] = "z"
    with pytest.raises(
        ValueError, match=r"y: expected classes \['x', 'y'\] in column 1, got .*'z'"
    ):
        DISPLAYS[display](classifier().fit(X, SEVERAL), odd)
    for y in (MARKS + 1, MARKS[:, :2], MARKS[:, 0], MARKS / 2):
        with pytest.raises(ValueError, match="y: expected 0 or 1 for each of 3 labels"):
            DISPLAYS[display](classifier().fit(X, MARKS), y)


@pytest.mark.parametrize("display", DISPLAYS)
def test_labels_in_every_form(display):
    model = classifier().fit(X, WORDS)
    for y in (WORDS, WORDS.tolist(), WORDS.astype(object), WORDS[:, None], np.eye(3)[THREE]):
        drawn = DISPLAYS[display](model, y)
        if display == "boundary":
            assert (drawn.codes == THREE).all()
        elif display == "landscape":
            wanted = model.network_.loss(X, THREE)
            assert drawn.points["the network"][1] == pytest.approx(wanted)
    for y in (MARKS + 1.0, np.eye(3)[THREE] * 2, -np.eye(3)[THREE], np.eye(3)[THREE].astype(str)):
        with pytest.raises(ValueError, match="y: expected one label a row, or one-hot rows"):
            DISPLAYS[display](model, y)
    with pytest.raises(ValueError, match="y: expected one label a row"):
        DISPLAYS[display](model, SEVERAL)


# ---- what has no decision boundary ---------------------------------------------------------------


def network(output, outputs=3, **settings):
    return nb.MLP([2, 4, outputs], "tanh", output, seed=0, **settings)


OVERLAPPING = {
    "MLP, sigmoid": (lambda: network("sigmoid"), 3),
    "MLP, step": (lambda: network("step"), 3),
    "MLP, identity": (lambda: network("identity", 2), 2),
    "MLPClassifier, labels": (lambda: classifier().fit(X, MARKS), 3),
    "MLPClassifier, one-hot": (lambda: classifier().fit(X, np.eye(3)[THREE]), 3),
    "MLPClassifier, targets": (lambda: classifier().fit(X, SEVERAL), 2),
    "MLPRegressor": (lambda: regressor("huber").fit(X, X), 2),
    "forest, labels": (lambda: RandomForestClassifier(3).fit(X, MARKS), 3),
    "forest, targets": (lambda: RandomForestClassifier(3).fit(X, SEVERAL), 2),
    "ridge, labels": (lambda: RidgeClassifier().fit(X, MARKS), 3),
    "several ridges": (lambda: MultiOutputClassifier(RidgeClassifier()).fit(X, SEVERAL), 2),
    "linear": (lambda: LinearRegression().fit(X, X), 2),
}


@pytest.mark.parametrize("name", OVERLAPPING)
def test_no_boundaries_of_what_is_not_one_class_or_value_a_row(name):
    make, count = OVERLAPPING[name]
    model = make()
    for y in (None, MARKS, THREE):
        with pytest.raises(
            ValueError, match=f"estimator: expected one that tells one class.*got {count} "
        ):
            plots.DecisionBoundaryDisplay.from_estimator(model, X, y)


def test_boundaries_of_what_is():
    for model, y in [
        (network("sigmoid", 1), MARKS[:, 0]), (network("step", 1), MARKS[:, 0]), (network("softmax", 1), 0 * THREE),
        (network("softmax"), THREE), (network("identity", 1), VALUES[:, None]),
        (classifier().fit(X, WORDS), WORDS), (classifier().fit(X, MARKS[:, 0]), MARKS[:, :1]),
        (LinearRegression().fit(X, VALUES[:, None]), VALUES),
    ]:  # fmt: skip
        assert (
            len(
                plots.DecisionBoundaryDisplay.from_estimator(model, X, y, grid_resolution=4).points_
            )
            > 0
        )


@pytest.mark.parametrize("y", [WORDS, np.full(60, np.nan), X, np.full(60, None)])
def test_values_of_a_regression(y):
    with pytest.raises((TypeError, ValueError), match="y: expected"):
        plots.DecisionBoundaryDisplay.from_estimator(network("identity", 1), X, y)


# ---- ax= -----------------------------------------------------------------------------------------

MAKERS = {  # each display, and the number of its Axes
    "activations": (lambda net, ax: plots.ActivationDisplay.from_names(["tanh", "relu"], ax=ax), 2),
    "boundary": (lambda net, ax: plots.DecisionBoundaryDisplay.from_estimator(net, X, grid_resolution=3, ax=ax), 1),
    "confusion": (lambda net, ax: plots.confusion_matrix(net, X, THREE, ax=ax), 1),
    "gradients": (lambda net, ax: plots.GradientNormDisplay.from_estimator(net, X, THREE, ax=ax), 1),
    "losses": (lambda net, ax: plots.LossCurveDisplay([3.0, 2.0]).plot(ax), 1),
    "history": (lambda net, ax: plots.LossCurveDisplay.from_history(net.history, ax=ax), 1),
    "landscape": (lambda net, ax: plots.LossLandscapeDisplay.from_estimator(net, X, THREE, resolution=2, ax=ax), 1),
    "surface": (lambda net, ax: plots.LossLandscapeDisplay.from_estimator(net, X, THREE, resolution=2, kind="surface", ax=ax), 1),
    "network": (lambda net, ax: plots.NetworkDisplay.from_estimator(net, ax=ax), 1),
    "weights": (lambda net, ax: plots.WeightHistogramDisplay.from_estimator(net, ax=ax), 2),
}  # fmt: skip


@pytest.fixture(scope="module")
def net():
    net = network("softmax")
    net.fit(X, THREE, epochs=2)
    return net


def test_every_display_is_tried(net):
    names = {name for name in plots.__all__ if name[0].isupper()}
    drawn = {type(make(net, None)).__name__ for make, _ in MAKERS.values()}
    assert drawn - {"ConfusionMatrixDisplay"} == names


@pytest.mark.parametrize("name", MAKERS)
def test_what_is_no_axes_is_refused(name, net):
    make, count = MAKERS[name]
    figure, axes = plt.subplots(1, 2, figsize=(12, 6))
    wrong = [
        figure,
        figure.subfigures(),
        plt,
        plt.Axes,
        figure.canvas,
        axes[0].xaxis,
        "ax",
        3,
        [],
        np.array([]),
    ]
    wrong += [list(axes), axes, [axes[0]]] if count == 1 else [[axes[0], figure], [axes[0], None]]
    for ax in wrong:
        with pytest.raises(TypeError, match=r"ax: expected .*Axes.*, got"):
            make(net, ax)
    if count == 2:
        for ax in (axes, list(axes), axes[:, None]):
            make(net, ax)
    elif name != "surface":
        make(net, axes[0])


@pytest.mark.parametrize("name", MAKERS)
def test_axes_of_the_wrong_dimension(name, net):
    make, count = MAKERS[name]
    solid = [plt.figure().add_subplot(projection="3d") for _ in range(count)]
    if name == "landscape":  # its contours lie in a plane of them
        assert make(net, solid[0]).ax_ is solid[0]
        return
    wrong = plt.subplots()[1] if name == "surface" else solid[0] if count == 1 else solid
    with pytest.raises(ValueError, match="ax: expected"):
        make(net, wrong)
