"""From a price to cheap or dear; why the step function does not train; logistic regression.

With a sigmoid at the end the cross-entropy has the gradient (1/n) X'ᵀ(p - y) and is convex; the
squared error is neither convex nor steep where the model is sure and wrong.
"""

import numpy as np
from _common import main, panels
from sklearn.datasets import make_blobs

import nablas as nb
from nablas.plots import DecisionBoundaryDisplay

HOUSES, AREA = 40, (40.0, 250.0)  # m²
THRESHOLD = 300.0  # thousands
PLACES = (-10.0, -4.0, -1.0, 0.0, 1.0, 4.0, 10.0)
SHIFTS = (0.1, 0.01, 0.001)
SHORT_RATE, SHORT_STEPS = 0.01, 2000
LONG_RATE, LONG_STEPS = 1.0, 20_000
NEWTON_STEPS = 10
SEEDS, START_SPREAD, START_STEPS = 30, 8.0, 500
MANY = 0.2  # share of wrong rows
ROUNDING = 1e-12


def extend(X):
    """X with a column of ones in front, which carries the bias."""
    return np.column_stack([np.ones(len(X)), X])


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def some_houses():
    """Covered areas (m²) and prices (thousands), each (n,)."""
    rng = np.random.default_rng(0)
    area = rng.uniform(*AREA, HOUSES)
    return area, 40 + 2.1 * area + rng.normal(0, 40, HOUSES)


def centred_line(area, price):
    """The least-squares line, moved so that it is 0 where the price is the threshold."""
    w = np.linalg.lstsq(extend(area), price, rcond=None)[0]
    w[0] -= THRESHOLD
    return w


def small_changes(X, w):
    """How many predictions of the step, and how far those of the sigmoid, follow a change of w."""
    rows = []
    for shift in SHIFTS:
        before, after = extend(X) @ w, extend(X) @ (w + shift)
        moved = np.abs(sigmoid(after) - sigmoid(before)).mean()
        rows.append((shift, np.count_nonzero((after >= 0) != (before >= 0)), moved))
    return rows


def fit(X, y, rate, steps):
    """Logistic regression by gradient descent from zeros."""
    extended = np.hstack([np.ones((len(X), 1)), X])

    def cost(w):
        p = sigmoid(extended @ w)  # of each row, P(Y = 1 | x)
        return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))

    def gradient(w):
        return extended.T @ (sigmoid(extended @ w) - y) / len(y)

    zeros = np.zeros(extended.shape[1])
    return nb.gradient_descent(cost, gradient, zeros, rate, max_iterations=steps)


def newton(X, y):
    """The minimum by Newton's method: w := w - H⁻¹ ∇J."""
    extended, w = extend(X), np.zeros(X.shape[1] + 1)
    for _ in range(NEWTON_STEPS):
        p = sigmoid(extended @ w)
        hessian = extended.T @ (extended * (p * (1 - p))[:, None]) / len(y)
        w -= np.linalg.solve(hessian, extended.T @ (p - y) / len(y))
    return w, hessian


def as_network(X, y):
    """The same descent by the engine: all rows in each step."""
    net = nb.MLP([2, 1], output="sigmoid", dtype="float64", init="zeros")
    settings = {"optimizer": nb.SGD(SHORT_RATE), "batch_size": len(X), "epochs": SHORT_STEPS}
    net.fit(X, y, loss="binary_cross_entropy", **settings)
    return net


def with_weights(w, output="sigmoid"):
    net = nb.MLP([len(w) - 1, 1], output=output, dtype="float64", init="zeros")
    net.parameters[:] = w
    return net


def sure_and_wrong():
    """For y = 1: z, p, both costs and their derivatives with respect to z."""
    rows = []
    for z in PLACES:
        p = sigmoid(z)
        rows.append((z, p, (p - 1) ** 2, 2 * (p - 1) * p * (1 - p), -np.log(p), p - 1))
    return rows


def one_weight():
    """Both costs of four examples with one attribute, over its weight; their second derivatives."""
    w = np.linspace(-12, 12, 481)
    x, y = np.array([1.0, -0.6, 1.5, -1.0]), np.array([1.0, 0.0, 0.0, 0.0])
    p = sigmoid(np.outer(w, x))
    costs = {
        "squared error": np.mean((p - y) ** 2, axis=1),
        "cross-entropy": -np.mean(y * np.log(p) + (1 - y) * np.log1p(-p), axis=1),
    }
    step = w[1] - w[0]
    return w, costs, {name: (np.diff(c, 2) / step**2).min() for name, c in costs.items()}


def from_random_starts(X, y, loss):
    """Share of wrong rows and |∇J| after the same number of steps from random weights."""
    ends = []
    for seed in range(SEEDS):
        net = with_weights(np.random.default_rng(seed).normal(0, START_SPREAD, 3))
        settings = {"optimizer": nb.SGD(LONG_RATE), "batch_size": len(X), "epochs": START_STEPS}
        net.fit(X, y, loss=loss, **settings)
        ends.append((np.mean(net.predict(X) != y), np.linalg.norm(net.gradient(X, y, loss=loss))))
    return np.array(ends)


def stacking_a_flat_column(X):
    """What the slide's hstack of a column of shape (n,) does: the name of the error."""
    try:
        np.hstack((np.ones(len(X)), X))
    except ValueError as error:
        return type(error).__name__
    return "no error"


def run(pictures):
    area, price = some_houses()
    line = centred_line(area, price)
    X, y = make_blobs(100, centers=[[-1.5, -1], [1.5, 1]], cluster_std=1.3, random_state=3)
    point = np.array([0.3, 0.5, -0.2])
    short, long = fit(X, y, SHORT_RATE, SHORT_STEPS), fit(X, y, LONG_RATE, LONG_STEPS)
    best, hessian = newton(X, y)
    net, minimum = as_network(X, y), with_weights(best)
    formula = extend(X).T @ (sigmoid(extend(X) @ point) - y) / len(y)
    starts = {loss: from_random_starts(X, y, loss) for loss in ("mse", "binary_cross_entropy")}
    weight, costs, curvature = one_weight()
    draw_threshold(pictures, area, price, line)
    draw(pictures, X, y, (weight, costs), starts, (short, long), minimum)
    return {
        "threshold": THRESHOLD,
        "line": line,
        "border": -line[0] / line[1],
        "houses": HOUSES,
        "area": AREA,
        "misjudged": np.count_nonzero((extend(area) @ line >= 0) != (price >= THRESHOLD)),
        "rows": len(X),
        "step_gradient": with_weights(point, "step").gradient(X, y, loss="mse"),
        "point": point,
        "changes": small_changes(X, point),
        "sigmoids": [(z, sigmoid(z)) for z in PLACES],
        "costs_at": sure_and_wrong(),
        "curvature": curvature,
        "short": short,
        "short_norm": np.linalg.norm(short.gradient),
        "long": long,
        "rates": (SHORT_RATE, LONG_RATE),
        "most_steps": LONG_STEPS,
        "newton": best,
        "newton_cost": minimum.loss(X, y),
        "newton_norm": np.linalg.norm(minimum.gradient(X, y)),
        "newton_steps": NEWTON_STEPS,
        "eigenvalues": np.linalg.eigvalsh(hessian),
        "bound": ROUNDING,
        "network": net.parameters.copy(),
        "formula_error": np.abs(formula - with_weights(point).gradient(X, y)).max(),
        "accuracy": minimum.score(X, y),
        "wrong": {loss: np.percentile(ends[:, 0], [0, 50, 100]) for loss, ends in starts.items()},
        "stuck": np.count_nonzero(starts["mse"][:, 0] > MANY),
        "many": MANY,
        "seeds": SEEDS,
        "start_spread": START_SPREAD,
        "start_steps": START_STEPS,
        "hstack": stacking_a_flat_column(X),
    }


def check(got):
    """What the page claims."""
    assert (got["step_gradient"] == 0).all()
    assert got["changes"][-1][1] == 0
    assert got["changes"][-1][2] > 0
    assert got["formula_error"] < ROUNDING
    np.testing.assert_allclose(got["network"], got["short"].x, rtol=1e-10)
    assert not got["short"].converged
    assert got["long"].converged
    np.testing.assert_allclose(got["long"].x, got["newton"], atol=1e-3)
    np.testing.assert_allclose(got["newton"], [-0.348, 3.253, 1.140], atol=5e-4)
    assert got["newton_norm"] < ROUNDING
    assert got["eigenvalues"].min() > 0
    assert got["curvature"]["squared error"] < -0.01
    assert got["curvature"]["cross-entropy"] >= 0
    wrong = got["wrong"]
    assert got["seeds"] >= 20
    assert wrong["binary_cross_entropy"].max() < 0.1
    assert got["stuck"] >= 3
    assert got["hstack"] == "ValueError"


def draw_threshold(pictures, area, price, line):
    figure, (prices, classes, steps, functions) = panels(4, 4.4, 3.5, columns=2)
    ends, dear = np.array(AREA), price >= THRESHOLD
    for ax, moved in ((prices, 0.0), (classes, THRESHOLD)):
        for chosen, look, name in ((~dear, "o", "cheap"), (dear, "^", "dear")):
            ax.plot(area[chosen], price[chosen] - moved, look, markersize=5, label=name)
        ax.plot(ends, line[0] + THRESHOLD - moved + line[1] * ends, color="0.3", label="ŷ")
        ax.axhline(THRESHOLD - moved, color="0.3", linestyle=":", label="threshold")
        ax.set(xlabel="covered area (m²)")
    prices.set(ylabel="price (thousands)", title="Price and threshold")
    classes.axvline(-line[0] / line[1], color="0.6", linewidth=0.9)
    classes.set(ylabel="price − threshold", title="Centred: dear where ŷ ≥ 0")
    steps.plot(area[~dear], 0 * area[~dear], "o", markersize=5, label="cheap")
    steps.plot(area[dear], 0 * area[dear] + 1, "^", markersize=5, label="dear")
    places = np.linspace(*ends, 211)
    steps.plot(places, line[0] + line[1] * places >= 0, color="0.3", label="step of ŷ")
    steps.set(xlabel="covered area (m²)", ylabel="class", title="Step of the centred line")
    z = np.linspace(-6, 6, 241)
    functions.plot(z, z >= 0, drawstyle="steps-post", label="step")
    functions.plot(z, sigmoid(z), "--", label="sigmoid")
    functions.plot(z, sigmoid(z) * (1 - sigmoid(z)), ":", label="sigmoid's slope")
    functions.set(xlabel="z", title="Step and sigmoid")
    steps.legend(loc="center right")
    for ax in (prices, functions):
        ax.legend()
    pictures.save("02_threshold", figure)


def draw(pictures, X, y, one, starts, descents, minimum):
    figure, (costs, ends, steps, border) = panels(4, 4.4, 3.5, columns=2)
    weight, by_loss = one
    for (name, values), style in zip(by_loss.items(), ("-", "--"), strict=True):
        costs.plot(weight, values / values.max(), style, label=name)
    costs.set(xlabel="weight", ylabel="cost / its maximum", title="Cost of one weight")
    jitter = np.random.default_rng(0).uniform(-0.2, 0.2, SEEDS)
    for i, (values, look) in enumerate(zip(starts.values(), ("o", "^"), strict=True)):
        ends.plot(i + jitter, values[:, 0], look, markersize=5, alpha=0.7)
    ends.set_xticks([0, 1], ["squared error", "cross-entropy"])
    title = f"{SEEDS} random starts, {START_STEPS} steps"
    ends.set(xlim=(-0.6, 1.6), ylabel="share of wrong rows", title=title)
    for rate, descent, style in zip((SHORT_RATE, LONG_RATE), descents, ("-", "--"), strict=True):
        steps.semilogx(
            np.arange(1, len(descent.costs)), descent.costs[1:], style, label=f"rate {rate}"
        )
    steps.axhline(minimum.loss(X, y), color="0.5", linestyle=":", label="minimum")
    steps.set(xlabel="step", ylabel="cross-entropy", title="Descent")
    DecisionBoundaryDisplay.from_estimator(minimum, X, y, names=("x₁", "x₂"), ax=border)
    for ax in (costs, steps):
        ax.legend()
    pictures.save("02_logistic_regression", figure)


if __name__ == "__main__":
    main(run, __doc__)
