"""The simple perceptron: one unit, one δ = ŷ - y, three activations; XOR without and with a
hidden layer.
"""

import numpy as np
from _common import main, panels
from sklearn.datasets import make_blobs

import nablas as nb
from nablas.plots import DecisionBoundaryDisplay

UNITS = {"step": "perceptron", "identity": "half_mse", "sigmoid": "binary_cross_entropy"}
RATES = {"step": 1.0, "identity": 0.01, "sigmoid": 0.1}
SQUARE = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
GATES = {"AND": [0, 0, 0, 1], "OR": [0, 1, 1, 1], "XOR": [0, 1, 1, 0]}
MOST_EPOCHS, UNIT_EPOCHS = 60, 300
HIDDEN, SEEDS, XOR_EPOCHS = (0, 2, 4), 24, 300
ROUNDING = 1e-12


def points():
    """Two classes that a line separates: (n, 2) and (n,)."""
    return make_blobs(60, centers=[[3, 1], [6, 3]], cluster_std=0.7, random_state=0)


def rosenblatt(X, y):
    """Weights (bias first) and the number of corrections in each epoch, until there are none."""
    extended = np.column_stack([np.ones(len(X)), X])
    w, corrections = np.zeros(extended.shape[1]), []
    while corrections[-1:] != [0] and len(corrections) < MOST_EPOCHS:
        corrections.append(0)
        for x, target in zip(extended, y, strict=True):
            delta = (x @ w >= 0) - target  # ŷ - y: -1, 0 or 1
            w -= delta * x
            corrections[-1] += int(delta != 0)
    return w, corrections


def unit(X, y, output, epochs):
    """The same rule by the library, for each of the three activations."""
    net = nb.MLP([X.shape[1], 1], output=output, dtype="float64", init="zeros")
    settings = {"optimizer": nb.SGD(RATES[output]), "batch_size": 1, "shuffle": False}
    net.fit(X, y, loss=UNITS[output], epochs=epochs, **settings)
    return net


def deltas(x, y, w):
    """For one row: z, ŷ and δ of each unit."""
    rows = []
    for output, loss in UNITS.items():
        net = nb.MLP([len(x), 1], output=output, dtype="float64", init="zeros")
        net.parameters[:] = w
        layer = net.explain(x, y, loss=loss).layers[-1]
        rows.append((output, loss, layer.z.item(), layer.a.item(), layer.delta.item()))
    return rows


def xor_by_hand():
    """Step units: hidden OR and AND; the output is on where OR is and AND is not."""
    net = nb.MLP([2, 2, 1], "step", output="step", dtype="float64", init="zeros")
    net.weights[0][:], net.biases[0][:] = 1, (-0.5, -1.5)
    net.weights[1][:, 0], net.biases[1][:] = (1, -1), -0.5
    return net


def learn_xor(hidden, seed):
    """A network with so many tanh units, or none; its losses by epoch."""
    sizes = [2, hidden, 1] if hidden else [2, 1]
    net = nb.MLP(sizes, "tanh", output="sigmoid", dtype="float64", seed=seed)
    y = np.array(GATES["XOR"])
    return net, net.fit(SQUARE, y, optimizer=nb.Adam(0.1), batch_size=4, epochs=XOR_EPOCHS).loss


def shuffled_perceptron(seed):
    """Step unit on XOR from random weights, rows in random order: the fewest wrong rows."""
    rng, fewest = np.random.default_rng(seed), 4
    X, y, w = np.column_stack([np.ones(4), SQUARE]), np.array(GATES["XOR"]), rng.normal(size=3)
    for _ in range(MOST_EPOCHS):
        for i in rng.permutation(4):
            w -= ((X[i] @ w >= 0) - y[i]) * X[i]
        fewest = min(fewest, np.count_nonzero((X @ w >= 0) != y))
    return fewest


def run(pictures):
    X, y = points()
    w, corrections = rosenblatt(X, y)
    nets = {output: unit(X, y, output, UNIT_EPOCHS) for output in UNITS}
    gates = {name: rosenblatt(SQUARE, table)[1] for name, table in GATES.items()}
    learned = {h: [learn_xor(h, seed) for seed in range(SEEDS)] for h in HIDDEN}
    losses = {h: np.array([found for _, found in pairs]) for h, pairs in learned.items()}
    right = {
        h: sum(bool((net.predict(SQUARE) == GATES["XOR"]).all()) for net, _ in pairs)
        for h, pairs in learned.items()
    }
    at = (X[y == 0][0], 0.0, np.array([0.3, -0.2, 0.5]))
    draw(
        pictures,
        (X, y),
        nets,
        {"two classes": corrections, **gates},
        losses,
        learned[HIDDEN[-1]][0][0],
    )
    return {
        "weights": w,
        "corrections": corrections,
        "library": nets["step"].parameters.copy(),
        "row": at[0],
        "target": 0,
        "at": at[2],
        "deltas": deltas(*at),
        "wrong": {name: np.count_nonzero(_classes(net, X) != y) for name, net in nets.items()},
        "rates": RATES,
        "unit_epochs": UNIT_EPOCHS,
        "gates": gates,
        "most_epochs": MOST_EPOCHS,
        "by_hand": xor_by_hand().predict(SQUARE),
        "fewest": [shuffled_perceptron(seed) for seed in range(SEEDS)],
        "seeds": SEEDS,
        "xor_epochs": XOR_EPOCHS,
        "right": right,
        "losses": {h: np.percentile(rows[:, -1], [0, 50, 100]) for h, rows in losses.items()},
        "half": np.log(2),
    }


def check(got):
    """What the page claims."""
    assert got["corrections"][-1] == 0
    np.testing.assert_allclose(got["library"], got["weights"], rtol=ROUNDING)
    for _, _, _, output, delta in got["deltas"]:
        assert abs(delta - (output - got["target"])) < ROUNDING
    assert max(got["wrong"].values()) == 0
    assert {name: wrong[-1] == 0 for name, wrong in got["gates"].items()} == {
        "AND": True,
        "OR": True,
        "XOR": False,
    }
    assert got["by_hand"].ravel().tolist() == GATES["XOR"]
    assert len(got["fewest"]) == SEEDS >= 20
    assert min(got["fewest"]) >= 1
    assert got["right"][0] == 0
    assert got["right"][2] < got["right"][4] == SEEDS
    assert np.abs(got["losses"][0] - got["half"]).max() < 0.01
    assert got["losses"][4].max() < 0.01


def _classes(net, X):
    """0 or 1: the output above one half."""
    return (net.forward(X)[:, 0] > 0.5).astype(int)


def draw(pictures, data, nets, corrections, losses, net):
    figure, (borders, wrong, curves, border) = panels(4, 4.4, 3.5, columns=2)
    X, y = data
    for label, look in ((0, "o"), (1, "^")):
        borders.plot(*X[y == label].T, look, markersize=5, label=f"class {label}")
    ends = np.array([X[:, 0].min(), X[:, 0].max()])
    for (output, one), style in zip(nets.items(), ("-", "--", ":"), strict=True):
        b, w1, w2 = one.parameters - ((0.5, 0, 0) if output == "identity" else 0)
        borders.plot(ends, -(b + w1 * ends) / w2, style, color="0.2", label=output)
    borders.set(xlabel="x₁", ylabel="x₂", ylim=(X[:, 1].min() - 1, X[:, 1].max() + 3))
    borders.set_title("Where ŷ changes class")
    for (name, counts), style in zip(corrections.items(), ("-", "--", "-.", ":"), strict=True):
        wrong.plot(np.arange(1, len(counts) + 1), counts, style, label=name)
    wrong.set(xlabel="epoch", ylabel="corrections", title="Rosenblatt's rule", xscale="log")
    for (hidden, rows), style in zip(losses.items(), (":", "--", "-"), strict=True):
        label = f"{hidden} hidden units" if hidden else "no hidden layer"
        (line,) = curves.plot(np.median(rows, axis=0), style, label=label)
        low, high = rows.min(axis=0), rows.max(axis=0)
        curves.fill_between(range(XOR_EPOCHS), low, high, color=line.get_color(), alpha=0.2)
    title = f"XOR, {SEEDS} seeds: median and range"
    curves.set(yscale="log", xlabel="epoch", ylabel="cross-entropy", title=title)
    table = np.array(GATES["XOR"])
    DecisionBoundaryDisplay.from_estimator(
        net, SQUARE, table, names=("x₁", "x₂"), eps=0.3, ax=border
    )
    border.set_title(f"XOR learned with {HIDDEN[-1]} hidden units")
    border.get_legend().set_loc("center")
    borders.legend(loc="upper left", ncols=2)
    wrong.legend()
    curves.legend()
    pictures.save("04_perceptron", figure)


if __name__ == "__main__":
    main(run, __doc__)
