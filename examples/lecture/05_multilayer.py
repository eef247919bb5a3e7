"""The multilayer perceptron: a pass by hand, the shape of every matrix, the output for each
problem, and why there is something not linear between the layers.
"""

import numpy as np
from _common import main, panels
from sklearn.datasets import make_moons

import nablas as nb
from nablas.plots import DecisionBoundaryDisplay, NetworkDisplay

PROBLEMS = {  # activation of the output and loss: z of one row, and its target
    ("identity", "half_mse"): ([0.7], [2.0]),
    ("identity", "mse"): ([0.7], [2.0]),
    ("sigmoid", "binary_cross_entropy"): ([0.7], [1.0]),
    ("softmax", "cross_entropy"): ([0.7, -0.4, 1.1], 2),
    ("exp", "poisson"): ([0.7], [3.0]),
}
ROWS, NOISE = 200, 0.15
HIDDEN, RATE, EPOCHS, BATCH, SEEDS = 8, 0.02, 60, 20, 20
ROUNDING = 1e-12


def forward_exercise():
    """Four inputs, hidden units A and B, output C, identity activation; all other weights are 0."""
    net = nb.MLP([4, 2, 1], "identity", dtype="float64", init="zeros")
    net.biases[0][0] = -3  # w₀A
    net.weights[0][3, 1] = 0.5  # w₄B
    net.biases[1][0] = 1  # w₀C
    net.weights[1][:, 0] = 2, 4  # w₁C, w₂C
    return net.explain([0.0, 0.0, 0.0, 1.0], [0.0])  # x₄ = 1


def shapes(rows, sizes):
    """The shape of every matrix, all extended by the bias, of a pass of `rows` rows."""
    passed = nb.MLP(sizes, dtype="float64").explain(np.ones((rows, sizes[0])), np.ones(rows))
    found = {"X′": (rows, sizes[0] + 1)}
    for i, layer in enumerate(passed.layers, 1):
        inputs, units = layer.weights.shape
        found[f"W[{i}]"] = (inputs + 1, units)
        found[f"A′[{i}]"] = (rows, units + 1)  # with a column of ones, which the next layer reads
    found["Y"] = (rows, found.popitem()[1][1] - 1)  # the last layer's has none
    return found


def output_deltas():
    """δ of the output, ∂L/∂z, for each pair of activation and loss, beside ŷ and y."""
    rows = []
    for (output, loss), (z, y) in PROBLEMS.items():
        net = nb.MLP([1, len(z)], output=output, dtype="float64", init="zeros")
        net.biases[0][:] = z
        layer = net.explain([0.0], y, loss=loss).layers[-1]
        target = np.eye(len(z))[y] if output == "softmax" else np.array(y)
        rows.append((output, loss, layer.z[0], layer.a[0], target, layer.delta[0]))
    return rows


def as_one_layer(net):
    """The single layer that a network without activations is."""
    (w1, w2, w3), (b1, b2, b3) = net.weights, net.biases
    one = nb.MLP([net.sizes[0], net.sizes[-1]], output=net.output, dtype="float64")
    one.weights[0][:] = w1 @ w2 @ w3
    one.biases[0][:] = (b1 @ w2 + b2) @ w3 + b3
    return one


def composed(net, x):
    """The layers one after the other."""
    for w, b, activation in zip(net.weights, net.biases, net.activations, strict=True):
        x = nb.kernels.activate(x @ w + b, activation)
    return x


def classify(X, y, activation, seed):
    net = nb.MLP([2, HIDDEN, HIDDEN, 1], activation, "sigmoid", dtype="float64", seed=seed)
    net.fit(X, y, optimizer=nb.Adam(RATE), batch_size=BATCH, epochs=EPOCHS)
    return net


def run(pictures):
    passed = forward_exercise()
    diagram = nb.MLP([7, 6, 5, 1], dtype="float64", seed=0)
    X, y = make_moons(ROWS, noise=NOISE, random_state=0)
    nets = {g: [classify(X, y, g, seed) for seed in range(SEEDS)] for g in ("identity", "tanh")}
    scores = {g: np.array([net.score(X, y) for net in found]) for g, found in nets.items()}
    linear, bent = nets["identity"][0], nets["tanh"][0]
    pictures.save("05_exercise", NetworkDisplay.from_explanation(passed, show="forward"))
    pictures.save("05_diagram", NetworkDisplay.from_estimator(diagram, show_values=False))
    draw(pictures, X, y, linear, bent, scores)
    return {
        "pass": passed.layers,
        "diagram": [w.size + b.size for w, b in zip(diagram.weights, diagram.biases, strict=True)],
        "lecture_shapes": shapes(3, [4, 2, 1]),
        "more_rows": shapes(300, [4, 2, 1]),
        "exercise_shapes": shapes(4, [2, 2, 1, 1]),
        "problems": output_deltas(),
        "one_layer": as_one_layer(linear).parameters,
        "one_layer_error": np.abs(as_one_layer(linear).forward(X) - linear.forward(X)).max(),
        "composed_error": np.abs(composed(bent, X) - bent.forward(X)).max(),
        "bound": ROUNDING,
        "rows": ROWS,
        "hidden": HIDDEN,
        "parameters": linear.parameters.size,
        "seeds": SEEDS,
        "scores": {g: np.percentile(found, [0, 50, 100]) for g, found in scores.items()},
    }


def check(got):
    """What the page claims."""
    assert got["pass"][1].a.item() == -3
    weights = [name for name in got["lecture_shapes"] if name.startswith("W")]
    assert all(got["lecture_shapes"][name] == got["more_rows"][name] for name in weights)
    for _, loss, _, output, target, delta in got["problems"]:
        factor = 2 if loss == "mse" else 1
        np.testing.assert_allclose(delta, factor * (output - target), rtol=ROUNDING)
    assert got["one_layer_error"] < ROUNDING
    assert got["composed_error"] < ROUNDING
    assert got["seeds"] >= 20
    assert got["scores"]["tanh"].min() > got["scores"]["identity"].max() + 0.05


def draw(pictures, X, y, linear, bent, scores):
    figure, axes = panels(3, 3.6, 3.4)
    titles = ("Two linear hidden layers", "The same with tanh")
    for ax, net, title in zip(axes, (linear, bent), titles, strict=False):
        DecisionBoundaryDisplay.from_estimator(net, X, y, names=("x₁", "x₂"), ax=ax)
        ax.set_title(title)
        ax.legend(title="class", loc="lower left", ncols=2)
    jitter = np.random.default_rng(0).uniform(-0.2, 0.2, SEEDS)
    for i, (found, look) in enumerate(zip(scores.values(), "o^", strict=True)):
        axes[2].plot(i + jitter, found, look, markersize=5, alpha=0.7)
    axes[2].set_xticks([0, 1], ["linear", "tanh"])
    axes[2].set(xlim=(-0.6, 1.6), ylabel="share of right rows", title=f"{SEEDS} seeds each")
    pictures.save("05_multilayer", figure)


if __name__ == "__main__":
    main(run, __doc__)
