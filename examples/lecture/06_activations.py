"""The activation functions with their slopes, and what slopes do: saturation, ten layers of
sigmoids beside ReLU, the step's slope of zero; and why weights do not begin at zero.
"""

import math

import numpy as np
from _common import main, panels
from sklearn.datasets import load_digits, make_moons

import nablas as nb
from nablas.plots import ActivationDisplay

FORMULAS = {  # evaluated by `check`, with the names of NumPy and erf
    "identity": "z",
    "sigmoid": "1 / (1 + exp(-z))",
    "tanh": "(exp(z) - exp(-z)) / (exp(z) + exp(-z))",
    "relu": "maximum(0, z)",
    "leaky_relu": "where(z > 0, z, 0.01 * z)",
    "elu": "where(z > 0, z, exp(z) - 1)",
    "selu": "1.0507 * where(z > 0, z, 1.6733 * (exp(z) - 1))",
    "softplus": "log(1 + exp(z))",
    "softsign": "z / (1 + abs(z))",
    "silu": "z / (1 + exp(-z))",
    "gelu": "z * (1 + erf(z / sqrt(2))) / 2",
    "mish": "z * tanh(log(1 + exp(z)))",
    "step": "where(z >= 0, 1, 0)",
    "exp": "exp(z)",
}
PLACES, FAR = (-5.0, 0.0, 5.0), (0.0, 2.0, 5.0, 10.0)
STARTS, UNIT_RATE, UNIT_STEPS = (0.5, 3.0, 6.0), 1.0, 300
LAYERS, WIDTH, ROWS = 10, 24, 400
DEEP = {
    "sigmoid, Glorot": ("sigmoid", "glorot"),
    "relu, deviation 0.01": ("relu", "normal"),
    "relu, He": ("relu", "he"),
}
SEEDS, RATE, BATCH, EPOCHS = 20, 0.03, 20, 15
HIDDEN, MOONS, MOON_RATE, MOON_EPOCHS = 8, 200, 0.2, 60
ROUNDING = 1e-12


def formula(name, z):
    return eval(FORMULAS[name], vars(np) | {"erf": np.vectorize(math.erf), "z": z})


def table(places):
    """Each function's values and slopes at some z."""
    rows, z = [], np.array(places)
    for name, kept in nb.activations().items():
        values = nb.kernels.activate(z, name)
        rows.append((name, values, nb.kernels.slope(values if kept == "output" else z, name)))
    return rows


def one_unit(start):
    """A sigmoid unit with the target 0 that begins at z = start: δ at first, loss by step."""
    net = nb.MLP([1, 1], output="sigmoid", dtype="float64", init="zeros")
    net.biases[0][:] = start
    first = net.explain([0.0], [0.0], loss="half_mse").layers[0].delta.item()
    settings = {"optimizer": nb.SGD(UNIT_RATE), "epochs": UNIT_STEPS, "batch_size": 1}
    return first, net.fit([[0.0]], [0.0], loss="half_mse", **settings).loss


def deep(activation, init, seed):
    """Ten hidden layers for the digits."""
    return nb.MLP(
        [64, *[WIDTH] * LAYERS, 10], activation, "softmax", dtype="float64", init=init, seed=seed
    )


def gradient_norms(net, X, y):
    """Of each layer's weights, the gradient's norm before any training."""
    return [np.linalg.norm(dW) for dW, _ in net.gradients(X, y)]


def train_deep(net, X, y, seed):
    settings = {"optimizer": nb.SGD(RATE), "batch_size": BATCH, "epochs": EPOCHS}
    return net.fit(X, y, seed=seed, **settings).loss


def step_gradients():
    """Norms of both layers' gradients where the hidden units are steps."""
    X, y = make_moons(MOONS, noise=0.15, random_state=0)
    net = nb.MLP([2, HIDDEN, 1], "step", "sigmoid", dtype="float64", seed=0)
    return gradient_norms(net, X, y)


def train_moons(init, activation, seed):
    """The share of right rows, and how far the hidden units are apart."""
    X, y = make_moons(MOONS, noise=0.15, random_state=seed)
    net = nb.MLP([2, HIDDEN, 1], activation, "sigmoid", dtype="float64", init=init, seed=seed)
    net.fit(X, y, optimizer=nb.Adam(MOON_RATE), batch_size=20, epochs=MOON_EPOCHS)
    return net.score(X, y), np.ptp(net.weights[0], axis=1).max(), np.abs(net.weights[0]).max()


def run(pictures):
    X, y = load_digits(return_X_y=True)
    X, y = X[:ROWS] / 16, y[:ROWS]
    norms, losses = {}, {}
    for name, (activation, init) in DEEP.items():
        nets = [deep(activation, init, seed) for seed in range(SEEDS)]
        norms[name] = np.array([gradient_norms(net, X, y) for net in nets])
        losses[name] = np.array([train_deep(net, X, y, i) for i, net in enumerate(nets)])
    units = {start: one_unit(start) for start in STARTS}
    moons = {
        (init, g): np.array([train_moons(init, g, seed) for seed in range(SEEDS)])
        for init in ("zeros", "glorot")
        for g in ("sigmoid", "tanh")
    }
    axes = panels(14, 2.4, 2.0, columns=5)[1]
    pictures.save("06_activations", ActivationDisplay.from_names(ax=axes))
    draw(pictures, units, norms, losses, moons)
    return {
        "formulas": FORMULAS,
        "table": table(PLACES),
        "places": PLACES,
        "far": FAR,
        "flat": {n: slopes for n, _, slopes in table(FAR) if n in ("sigmoid", "tanh", "relu")},
        "units": {z: (first, values[-1]) for z, (first, values) in units.items()},
        "unit_rate": UNIT_RATE,
        "unit_steps": UNIT_STEPS,
        "layers": LAYERS,
        "width": WIDTH,
        "rows": ROWS,
        "quarter": 0.25**LAYERS,
        "seeds": SEEDS,
        "ratios": {k: np.percentile(v[:, 0] / v[:, -1], [0, 50, 100]) for k, v in norms.items()},
        "first": {k: np.median(v[:, 0]) for k, v in norms.items()},
        "losses": {k: np.percentile(v[:, -1], [0, 50, 100]) for k, v in losses.items()},
        "deep": {"rate": RATE, "batch": BATCH, "epochs": EPOCHS, "guess": np.log(10)},
        "step": step_gradients(),
        "hidden": HIDDEN,
        "moons": moons,
        "apart": {key: found[:, 1].max() for key, found in moons.items()},
        "scores": {key: np.percentile(v[:, 0], [0, 50, 100]) for key, v in moons.items()},
        "moon_rows": MOONS,
        "moon_rate": MOON_RATE,
        "moon_epochs": MOON_EPOCHS,
        "bound": ROUNDING,
    }


def check(got):
    """What the page claims."""
    z = np.array(PLACES + FAR)
    assert FORMULAS.keys() == nb.activations().keys()
    for name in FORMULAS:
        made = nb.kernels.activate(z, name)
        np.testing.assert_allclose(made, formula(name, z), rtol=5e-5, atol=ROUNDING, err_msg=name)
    sigmoid, _, he = got["ratios"].values()
    assert got["seeds"] >= 20
    assert sigmoid[-1] < 1e-4
    assert 0.1 < he[0] <= he[-1] < 10
    flat, flat_too, learned = got["losses"].values()
    assert min(flat[0], flat_too[0]) > 2.2
    assert learned[-1] < 1.6
    assert got["step"][0] == 0 < got["step"][1]
    for (init, activation), rows in got["moons"].items():
        apart, largest = rows[:, 1], rows[:, 2]
        assert (apart.max() < ROUNDING) == (init == "zeros")
        assert (largest.max() == 0) == (init == "zeros" and activation == "tanh")
    for activation in ("sigmoid", "tanh"):
        assert got["scores"]["zeros", activation].max() < got["scores"]["glorot", activation].min()


def draw(pictures, units, norms, losses, moons):
    figure, (saturated, by_layer, by_epoch, zeros) = panels(4, 4.4, 3.5, columns=2)
    for (start, (_, values)), style in zip(units.items(), ("-", "--", ":"), strict=True):
        saturated.plot(values, style, label=f"from z = {start:g}")
    saturated.set(xlabel="step", ylabel="½(a − 0)²", title="One sigmoid unit, target 0")
    for (name, rows), style in zip(norms.items(), ("o-", "s--", "^:"), strict=True):
        layers = np.arange(1, LAYERS + 2)
        (line,) = by_layer.plot(layers, np.median(rows, axis=0), style, markersize=4, label=name)
        low, high = rows.min(axis=0), rows.max(axis=0)
        by_layer.fill_between(layers, low, high, color=line.get_color(), alpha=0.25)
        epochs, rows = np.arange(1, EPOCHS + 1), losses[name]
        by_epoch.plot(epochs, np.median(rows, axis=0), style, markersize=4, label=name)
        low, high = rows.min(axis=0), rows.max(axis=0)
        by_epoch.fill_between(epochs, low, high, color=line.get_color(), alpha=0.25)
    title = f"Gradients at the start, {SEEDS} seeds"
    by_layer.set(yscale="log", xlabel="layer", ylabel="norm of ∂J/∂W", title=title)
    title = f"{LAYERS} hidden layers, {SEEDS} seeds"
    by_epoch.set(xlabel="epoch", ylabel="cross-entropy", title=title)
    jitter = np.random.default_rng(0).uniform(-0.2, 0.2, SEEDS)
    for i, (rows, look) in enumerate(zip(moons.values(), "oo^^", strict=True)):
        zeros.plot(i + jitter, rows[:, 0], look, markersize=5, alpha=0.7)
    names = [f"{init}\n{activation}" for init, activation in moons]
    zeros.set_xticks(range(len(moons)), names)
    title = f"First weights, {SEEDS} samples"
    zeros.set(xlim=(-0.6, 3.6), ylabel="share of right rows", title=title)
    for ax in (saturated, by_layer, by_epoch):
        ax.legend()
    pictures.save("06_depth", figure)


if __name__ == "__main__":
    main(run, __doc__)
