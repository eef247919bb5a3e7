"""What a call returned stays as it is when its arguments and the network change afterwards."""

import numpy as np
import pytest
from cases import rng

import nablas as nb

plots = nb.plots


def arrays(thing, path="", seen=()):
    """The path and the array of each array of numbers within a result of nablas."""
    if any(thing is one for one in seen):
        return
    seen = (*seen, thing)
    if isinstance(thing, np.ndarray):
        if thing.dtype != object:
            yield path, thing
    elif isinstance(thing, dict):
        for name, value in thing.items():
            yield from arrays(value, f"{path}.{name}", seen)
    elif isinstance(thing, (list, tuple)):
        for i, value in enumerate(thing):
            yield from arrays(value, f"{path}[{i}]", seen)
    elif type(thing).__module__.startswith("nablas"):
        yield from arrays(vars(thing), path, seen)


def boundary(net, x, y):
    net = nb.MLP([2, 1], dtype=net.dtype, seed=0) if y.dtype.kind == "f" else net
    return plots.DecisionBoundaryDisplay.from_estimator(net, x, y, grid_resolution=5)


def landscape(net, x, y, directions):
    points = {"here": net.parameters, "there": net.parameters + directions[0]}
    given = {"directions": directions, "points": points, "resolution": 5}
    return plots.LossLandscapeDisplay.from_estimator(net, x, y, **given)


def torch_layers(net, x, y):
    """Of tensors in the network's own memory."""
    torch = pytest.importorskip("torch")
    pairs = zip(net.weights, net.biases, strict=True)
    state = [torch.from_numpy(part) for w, b in pairs for part in (w.T, b)]
    return nb.convert.torch_layers(dict(enumerate(state)))


RESULTS = {
    "explain": lambda net, x, y: net.explain(x, y),
    "layers": lambda net, x, y: net.layers(x),
    "forward": lambda net, x, y: net.forward(x),
    "predict": lambda net, x, y: net.predict(x),
    "gradient": lambda net, x, y: net.gradient(x, y),
    "gradients": lambda net, x, y: net.gradients(x, y),
    "torch_layers": torch_layers,
    "drawn network": lambda net, x, y: plots.NetworkDisplay.from_estimator(net),
    "drawn pass": lambda net, x, y: plots.NetworkDisplay.from_explanation(
        net.explain(x[:1], y[:1])
    ),
    "weights": lambda net, x, y: plots.WeightHistogramDisplay.from_estimator(net),
    "norms": plots.GradientNormDisplay.from_estimator,
    "boundary": boundary,
    "direction": lambda net, x, y: plots.filter_normalised_direction(net),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("labels", [True, False])
@pytest.mark.parametrize("name", [*RESULTS, "landscape"])
def test_results_are_their_own(name, labels, dtype):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    x = rng().normal(size=(12, 2)).astype(dtype)
    y = (x[:, 0] > 0).astype(np.int64) if labels else x[:, 1:].copy()
    net = nb.MLP(
        [2, 3, 2 if labels else 1], output="softmax" if labels else "identity", dtype=dtype, seed=0
    )
    directions = [np.ones(net.parameters.size), np.arange(float(net.parameters.size))]
    result = RESULTS.get(name, lambda *given: landscape(*given, directions))(net, x, y)
    before = [(path, array.copy()) for path, array in arrays(result)]
    text = str(result) if name == "explain" else ""
    assert before
    for array in (x, y, net.parameters, *directions):
        array[...] = 1
    for (path, want), (_, found) in zip(before, arrays(result), strict=True):
        np.testing.assert_array_equal(found, want, path)
    if name == "explain":
        assert str(result) == text
    pyplot.close("all")
