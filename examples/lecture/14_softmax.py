"""Several outputs: why softmax, its Jacobian and boundaries, multiclass cross-entropy, and other
losses beside it.
"""

from copy import deepcopy

import numpy as np
from _common import main, panels, spread
from sklearn.datasets import make_blobs

import nablas as nb
from nablas import autograd as ag
from nablas import metrics
from nablas.autograd import Tensor
from nablas.plots import DecisionBoundaryDisplay

NAMES = ("dog", "cat", "duck")
CENTRES, SPREAD, ROWS = [[0, 2], [-1.7, -1], [1.7, -1]], 0.8, 150
Z = [2.0, 1.0, -1.0]
SHIFTS, TINY = (0.1, 0.01, 0.001), 1e-6
TRUE = np.array([2, 1, 0])
MODELS = {
    "first": np.array([[0.3, 0.3, 0.4], [0.3, 0.4, 0.3], [0.1, 0.2, 0.7]]),
    "second": np.array([[0.1, 0.2, 0.7], [0.1, 0.7, 0.2], [0.3, 0.4, 0.3]]),
}
LOSSES = {"errors": "accuracy", "mse": "squared error", "cross_entropy": "cross-entropy"}
SEEDS, START, STEPS, RATE = 20, 4.0, 500, 1.0
SHAPES = {"no hidden layer": (2, 3), "two hidden layers": (2, 16, 16, 3)}
SPIRAL_ROWS, SPIRAL_EPOCHS = 240, 100
ROUNDING = 1e-12


def animals():
    """Two made-up measurements of three kinds of animals."""
    return make_blobs(ROWS, centers=CENTRES, cluster_std=SPREAD, random_state=0)


def spirals():
    """Three arms, which no straight lines separate."""
    rng = np.random.default_rng(0)
    y = np.arange(SPIRAL_ROWS) % 3
    radius = rng.uniform(0.1, 1, SPIRAL_ROWS)
    angle = 2 * np.pi * y / 3 + 4 * radius + rng.normal(0, 0.15, SPIRAL_ROWS)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]), y


def linear(X, y, output):
    """One layer with an output for each class."""
    net = nb.MLP([2, 3], output=output, dtype="float64", seed=0)
    net.fit(X, np.eye(3)[y], optimizer=nb.Adam(0.05), batch_size=30, epochs=200)
    return net


def small_changes(net, X):
    """By shift of all weights: how many classes change, and how far the probabilities move."""
    rows, before = [], (net.predict(X), net.forward(X))
    for shift in SHIFTS:
        moved = deepcopy(net)
        moved.parameters[:] = net.parameters + shift * np.arange(net.parameters.size)
        changed = np.count_nonzero(moved.predict(X) != before[0])
        rows.append((shift, changed, np.abs(moved.forward(X) - before[1]).mean()))
    return rows


def jacobians():
    """∂aₖ/∂zⱼ of three sigmoids and of softmax."""
    z = Tensor(Z, requires_grad=True)
    return ag.jacobian(ag.sigmoid, z).data, ag.jacobian(ag.softmax, z).data


def error_rate(net, X, y):
    return np.mean(net.predict(X) != y)


def slope_of_errors(net, X, y):
    """The error rate's gradient by central differences."""
    slopes, at = [], net.parameters.copy()
    for step in TINY * np.eye(at.size):
        net.parameters[:] = at + step
        above = error_rate(net, X, y)
        net.parameters[:] = at - step
        slopes.append((above - error_rate(net, X, y)) / (2 * TINY))
    net.parameters[:] = at
    return np.array(slopes)


def descend(net, X, y, loss):
    """The same number of steps on one of the losses, with all rows."""
    if loss == "errors":
        for _ in range(STEPS):
            slope = slope_of_errors(net, X, y)
            if not slope.any():
                break  # the same again and again
            net.parameters -= RATE * slope
        return
    settings = {"optimizer": nb.SGD(RATE), "batch_size": len(X), "epochs": STEPS}
    net.fit(X, np.eye(3)[y], loss=loss, **settings)


def from_random_starts(X, y):
    """Share of wrong rows, a row for each seed: at the start, and after descent on each loss."""
    rows = []
    for seed in range(SEEDS):
        net = nb.MLP([2, 3], output="softmax", dtype="float64")
        start = np.random.default_rng(seed).normal(0, START, net.parameters.size)
        net.parameters[:] = start
        wrong = [error_rate(net, X, y)]
        for loss in LOSSES:
            net.parameters[:] = start
            descend(net, X, y, loss)
            wrong.append(error_rate(net, X, y))
        rows.append(wrong)
    return np.array(rows)


def learn_spirals(sizes, seed, X, y):
    net = nb.MLP(sizes, "tanh", output="softmax", dtype="float64", seed=seed)
    net.fit(X, y, optimizer=nb.Adam(0.02), batch_size=30, epochs=SPIRAL_EPOCHS)
    return net


def on_the_border(net, X):
    """The rows moved to the nearest points of the line where the first two z are equal."""
    w, b = net.weights[0], net.biases[0]
    normal = w[:, 0] - w[:, 1]
    apart = X @ normal + b[0] - b[1]
    return X - np.outer(apart, normal) / (normal @ normal)


def both_models():
    """Of each model its rows (true class, probabilities, predicted class, cost), sums and means."""
    rows, totals = [], []
    for name, q in MODELS.items():
        costs = [metrics.cross_entropy([label], [row]) for label, row in zip(TRUE, q, strict=True)]
        best = q.argmax(axis=1)
        for label, row, guess, cost in zip(TRUE, q, best, costs, strict=True):
            rows.append((name, NAMES[label], *row, NAMES[guess], cost))
        accuracy = metrics.accuracy(TRUE, best)
        whole = metrics.cross_entropy(TRUE, q, normalize=False)
        totals.append((name, accuracy, whole, metrics.cross_entropy(TRUE, q)))
    return rows, totals


def one_hot():
    """For the last row of the second model: class, y, ŷ and the term of the sum; and δ = ŷ − y."""
    y, q = np.eye(3)[TRUE[-1]], MODELS["second"][-1]
    delta = nb.kernels.softmax_cross_entropy(np.log(q)[None], TRUE[-1:])[1][0]
    return list(zip(NAMES, y, q, -y * np.log(q), delta, strict=True))


def run(pictures):
    X, y = animals()
    sigmoids, softmax = linear(X, y, "sigmoid"), linear(X, y, "softmax")
    sums = sigmoids.forward(X).sum(axis=1)
    chosen = [sums.argmin(), sums.argmax(), 0]
    wrong, arms = from_random_starts(X, y), spirals()
    nets = {
        name: [learn_spirals(sizes, seed, *arms) for seed in range(SEEDS)]
        for name, sizes in SHAPES.items()
    }
    scores = {name: [net.score(*arms) for net in found] for name, found in nets.items()}
    z = np.array([Z])
    rows, totals = both_models()
    border = softmax.forward(on_the_border(softmax, X))
    draw(pictures, (X, y), softmax, sigmoids, wrong)
    draw_spirals(pictures, arms, {name: found[0] for name, found in nets.items()}, scores)
    return {
        "names": NAMES,
        "sums": (sums.min(), sums.max()),
        "outputs": [(sigmoids.forward(X[[i]])[0], softmax.forward(X[[i]])[0]) for i in chosen],
        "agree": np.count_nonzero(sigmoids.forward(X).argmax(axis=1) == softmax.predict(X)),
        "rows": ROWS,
        "changes": small_changes(softmax, X),
        "z": Z,
        "jacobians": jacobians(),
        "p": nb.kernels.softmax(z)[0],
        "score": softmax.score(X, y),
        "border": border,
        "one_hot": one_hot(),
        "models": rows,
        "totals": totals,
        "wrong": dict(zip(("start", *LOSSES), spread(wrong).T, strict=True)),
        "all_wrong": wrong,
        "losses": LOSSES,
        "seeds": SEEDS,
        "start": START,
        "steps": STEPS,
        "rate": RATE,
        "tiny": TINY,
        "scores": {name: spread(found) for name, found in scores.items()},
        "epochs": SPIRAL_EPOCHS,
        "bound": ROUNDING,
    }


def check(got):
    """What the page claims."""
    assert got["sums"][0] < 0.5 < 1.5 < got["sums"][1]
    for _, p in got["outputs"]:
        assert abs(p.sum() - 1) < ROUNDING
    assert got["changes"][-1][1] == 0 < got["changes"][-1][2]
    of_sigmoids, of_softmax = got["jacobians"]
    assert (of_sigmoids[~np.eye(3, dtype=bool)] == 0).all()
    p = got["p"]
    np.testing.assert_allclose(of_softmax, np.diag(p) - np.outer(p, p), atol=ROUNDING)
    assert np.abs(nb.kernels.softmax(np.array([Z]) + 100) - p).max() < ROUNDING
    assert np.abs(got["border"][:, 0] - got["border"][:, 1]).max() < ROUNDING
    for _, y, q, term, delta in got["one_hot"]:
        assert abs(delta - (q - y)) < ROUNDING
        assert (term != 0) == (y == 1)
    (_, first, whole, _), (_, second, other, _) = got["totals"]
    assert first == second == 2 / 3
    assert (round(whole, 2), round(other, 2)) == (4.14, 1.92)
    start, errors, squares, entropy = got["all_wrong"].T
    assert len(start) == got["seeds"] >= 20
    assert (errors == start).all()
    assert (entropy < 0.05).all()
    assert np.median(squares) > 0.2
    assert (entropy <= squares).all()
    assert got["scores"]["no hidden layer"][2] < 0.7 < 0.95 < got["scores"]["two hidden layers"][0]


def name_classes(ax, **settings):
    legend = ax.get_legend()
    legend.set(title=None, **settings)
    for text, name in zip(legend.get_texts(), NAMES, strict=True):
        text.set_text(name)


def draw(pictures, data, softmax, sigmoids, wrong):
    figure, (regions, sums, moving, starts) = panels(4, 4.4, 3.7, columns=2)
    X, y = data
    found = DecisionBoundaryDisplay.from_estimator(softmax, X, y, names=("x₁", "x₂"), ax=regions)
    regions.set_title("Linear layer and softmax")
    name_classes(regions, loc="upper left")
    grid = np.column_stack([found.xx0.ravel(), found.xx1.ravel()])
    total = sigmoids.forward(grid).sum(axis=1).reshape(found.xx0.shape)
    levels = np.linspace(0, 3, 13)
    filled = sums.contourf(found.xx0, found.xx1, total, levels=levels, cmap="PuOr")
    sums.contour(found.xx0, found.xx1, total, levels=[1.0], colors="black")
    figure.colorbar(filled, ax=sums)
    sums.set(xlabel="x₁", ylabel="x₂", title="Sum of three sigmoids (line: 1)")
    first = np.linspace(-6, 6, 121)
    z = np.column_stack([first, np.full_like(first, Z[1]), np.full_like(first, Z[2])])
    curves = (("softmax", "-", nb.kernels.softmax(z)), ("sigmoid", ":", 1 / (1 + np.exp(-z))))
    for name, style, values in curves:
        for k, colour in enumerate(("C0", "C1", "C2")):
            moving.plot(first, values[:, k], style, color=colour, label=f"{name} {k + 1}")
    moving.set(
        xlabel="z₁", title=f"Only z₁ moves (z₂ = {Z[1]:g}, z₃ = −{-Z[2]:g})", ylim=(None, 1.55)
    )
    moving.legend(ncols=2, loc="upper left")
    jitter = np.random.default_rng(0).uniform(-0.2, 0.2, SEEDS)
    for k, look in enumerate(("x", "s", "^", "o")):
        starts.plot(k + jitter, wrong[:, k], look, markersize=5, alpha=0.7)
    names = ["start", *(name.replace(" ", "\n").replace("-", "-\n") for name in LOSSES.values())]
    starts.set_xticks(range(len(names)), names)
    starts.set(ylabel="share of wrong rows", title=f"Descent on three losses, {SEEDS} starts")
    pictures.save("14_softmax", figure)


def draw_spirals(pictures, arms, nets, scores):
    figure, axes = panels(2, 4.4, 3.9)
    for ax, (name, net) in zip(axes, nets.items(), strict=True):
        DecisionBoundaryDisplay.from_estimator(net, *arms, names=("x₁", "x₂"), ax=ax)
        ax.get_legend().remove()
        ax.set_title(f"{name}: {scores[name][0]:.0%} right")
    pictures.save("14_spirals", figure)


if __name__ == "__main__":
    main(run, __doc__)
