"""Linear regression by gradient descent on the mean squared error.

The gradient (2/n) Σ (ŷ - y) x leads to the same weights as the closed form, in whole batches and,
up to some noise, in mini-batches.
"""

import numpy as np
from _common import main, panels

import nablas as nb


def houses(n=120, seed=0):
    """Covered area (m²), distance to the centre (km) and price (thousands) of made-up houses."""
    rng = np.random.default_rng(seed)
    area, distance = rng.uniform(40, 250, n), rng.uniform(0, 20, n)
    price = 40 + 2.1 * area - 4.5 * distance + rng.normal(0, 25, n)
    return np.column_stack([area, distance]), price


def run(pictures):
    raw, y = houses()
    X = (raw - raw.mean(axis=0)) / raw.std(axis=0)
    n = len(X)
    extended = np.column_stack([np.ones(n), X])  # a column of ones carries the bias

    def cost(w):
        return np.mean((extended @ w - y) ** 2)

    def gradient(w):
        return 2 / n * extended.T @ (extended @ w - y)

    closed = np.linalg.lstsq(extended, y, rcond=None)[0]
    batch = nb.gradient_descent(
        cost, gradient, np.zeros(3), learning_rate=0.1, max_iterations=200, keep_path=True
    )

    net = nb.MLP([2, 1], dtype="float64", init="zeros", seed=0)
    at_zero = net.gradient(X, y, loss="mse")  # bias first: the engine's order is ours
    path = [net.parameters.copy()]
    history = net.fit(
        X,
        y,
        loss="mse",
        optimizer=nb.SGD(0.02),
        batch_size=12,
        epochs=40,
        callbacks=[lambda state: path.append(net.parameters.copy()) and None],
    )

    figure, (left, middle, right) = panels(3)
    order = np.argsort(raw[:, 0])
    dots = left.scatter(raw[:, 0], y, s=14, c=raw[:, 1], cmap="viridis_r")
    figure.colorbar(dots, ax=left, label="distance (km)")
    typical = np.column_stack([np.ones(n), X[:, 0], np.zeros(n)])[order]
    left.plot(raw[order, 0], typical @ batch.x, color="#D55E00", label="at the mean distance")
    left.set(xlabel="covered area (m²)", ylabel="price (thousands)", title="Houses")
    left.legend()
    middle.plot(batch.costs[:60], label="batch: a step")
    middle.plot(np.arange(1, 41), history.loss, "--", label="mini-batches: an epoch")
    middle.axhline(cost(closed), color="0.5", linewidth=0.8, label="closed form")
    middle.set(yscale="log", xlabel="step or epoch", ylabel="mean squared error", title="Descent")
    middle.legend()
    w1, w2 = np.meshgrid(np.linspace(-20, 160, 60), np.linspace(-80, 40, 60))
    heights = [
        cost(np.array([closed[0], a, b])) for a, b in zip(w1.ravel(), w2.ravel(), strict=True)
    ]
    right.contour(w1, w2, np.reshape(heights, w1.shape), levels=20, cmap="Greys")
    right.plot(*np.array(batch.path)[:, 1:].T, "o-", markersize=3, label="batch")
    right.plot(*np.array(path)[:, 1:].T, "s--", markersize=3, label="mini-batches")
    right.plot(*closed[1:], "k*", markersize=11, label="closed form")
    right.set(xlabel="weight of the area", ylabel="weight of the distance", title="Paths")
    right.legend()
    pictures.save("01_linear_regression", figure)
    return {
        "closed": closed,
        "batch": batch.x,
        "steps": batch.iterations,
        "mini_batch": net.parameters.copy(),
        "gradient_error": np.abs(at_zero - gradient(np.zeros(3))).max(),
    }


if __name__ == "__main__":
    main(run, __doc__)
