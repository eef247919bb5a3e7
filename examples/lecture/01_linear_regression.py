"""Linear regression by gradient descent on the mean squared error (MSE).

The gradient (2/n) Σ (ŷ - y) x leads to the closed form's weights, in whole batches and, up to some
noise, in mini-batches. Then the lecture's three questions on the MSE, and the learning rate.
"""

import numpy as np
from _common import main, panels

import nablas as nb

TRUE = np.array([40.0, 2.1, -4.5])  # thousands; thousands per m²; thousands per km
NOISE = 25.0  # thousands: standard deviation of ε
AREA, DISTANCE = (40.0, 250.0), (0.0, 20.0)  # m²; km
ROWS, FRESH = 120, 10_000
RATE, STEPS = 0.1, 200
BATCH, BATCH_RATE, EPOCHS = 12, 0.02, 40
RATES = {"too small": 0.001, "apt": 0.1, "too large": 1.05}
SEEDS, RATE_STEPS = 20, 60
ROUNDING = 1e-12  # relative
DIFFERENCE = 1e-5  # step of the central differences


def houses(n, seed):
    """Covered area (m²) and distance to the centre (km), (n, 2); prices (thousands), (n,)."""
    rng = np.random.default_rng(seed)
    raw = np.column_stack([rng.uniform(*AREA, n), rng.uniform(*DISTANCE, n)])
    return raw, extend(raw) @ TRUE + rng.normal(0, NOISE, n)


def extend(X):
    """X with a column of ones in front, which carries the bias."""
    return np.column_stack([np.ones(len(X)), X])


def standardise(X, like):
    """Columns of mean 0 and variance 1 over the rows of `like`."""
    return (X - like.mean(axis=0)) / like.std(axis=0)


def mse(predicted, y):
    """(a), of any model."""
    return np.mean((predicted - y) ** 2)


def descend(X, y, rate, steps):
    """Gradient descent on all rows."""
    extended = extend(X)

    def cost(w):
        return np.mean((extended @ w - y) ** 2)

    def gradient(w):
        return 2 / len(y) * extended.T @ (extended @ w - y)

    start = np.zeros(extended.shape[1])
    return nb.gradient_descent(cost, gradient, start, rate, max_iterations=steps, keep_path=True)


def train(X, y, keep):
    """The same model as a network of one layer, on mini-batches; `keep` is called every epoch."""
    net = nb.MLP([2, 1], dtype="float64", init="zeros", seed=0)
    settings = {"optimizer": nb.SGD(BATCH_RATE), "batch_size": BATCH, "epochs": EPOCHS}
    net.fit(X, y, loss="mse", callbacks=[keep], **settings)
    return net


def mini_batches(X, y, closed):
    """The weights after each epoch, and how far they are from the closed form's in the end."""
    path = [np.zeros(3)]
    net = train(X, y, lambda state: path.append(state.net.parameters.copy()))
    far = np.linalg.norm(np.array(path) - closed, axis=1) / np.linalg.norm(closed)
    return {
        "path": np.array(path),
        "last": net.parameters.copy(),
        "wander": far[EPOCHS // 2 :].max(),
    }


def models(raw, y):
    """Question 1: the MSE on new houses of models with and without weights, and of f itself."""
    new_raw, new_y = houses(FRESH, seed=1)
    X, new = standardise(raw, raw), standardise(new_raw, raw)
    w = np.linalg.lstsq(extend(X), y, rcond=None)[0]
    nearest = np.argmin([np.square(new - row).sum(axis=1) for row in X], axis=0)
    return {
        "the mean price of the training houses": mse(y.mean(), new_y),
        "linear regression": mse(extend(new) @ w, new_y),
        "the price of the nearest training house": mse(y[nearest], new_y),
        "f itself": mse(extend(new_raw) @ TRUE, new_y),
    }


def formula_elsewhere(X, y):
    """Question 2: formula (b) and the true gradient for ŷ = tanh(w·x′), at one w."""
    net = nb.MLP([2, 1], output="tanh", dtype="float64", seed=0)
    point = np.array([0.2, 0.9, -0.4])
    net.parameters[:] = point
    formula = 2 / len(y) * extend(X).T @ (net.predict(X) - y)
    engine, differences = net.gradient(X, y, loss="mse"), np.zeros(3)
    for i, h in enumerate(np.eye(3) * DIFFERENCE):
        ends = [mse(np.tanh(extend(X) @ (point + sign * h)), y) for sign in (1, -1)]
        differences[i] = (ends[0] - ends[1]) / (2 * h[i])
    return {"formula (b)": formula, "`net.gradient`": engine, "differences": differences}


def convexity(X, y):
    """Question 3: eigenvalues of the Hessian; the cost between two equally good networks."""
    eigenvalues = np.linalg.eigvalsh(2 / len(X) * extend(X).T @ extend(X))
    net = nb.MLP([2, 2, 1], "tanh", dtype="float64", seed=0)
    net.fit(X, y, loss="mse", optimizer=nb.Adam(0.05), batch_size=len(X), epochs=300)
    w = net.parameters.copy()
    net.weights[0][:], net.biases[0][:] = net.weights[0][:, ::-1].copy(), net.biases[0][::-1].copy()
    net.weights[1][:] = net.weights[1][::-1].copy()
    swapped = net.parameters.copy()
    costs = []
    for parameters in (w, swapped, (w + swapped) / 2):
        net.parameters[:] = parameters
        costs.append(net.loss(X, y, loss="mse"))
    return eigenvalues, costs


def rates():
    """Costs over the steps, (seeds, steps + 1), for each learning rate; a table for each seed."""
    costs = {name: [] for name in RATES}
    for seed in range(SEEDS):
        raw, y = houses(ROWS, seed)
        for name, rate in RATES.items():
            costs[name].append(descend(standardise(raw, raw), y, rate, RATE_STEPS).costs)
    return {name: np.array(rows) for name, rows in costs.items()}


def run(pictures):
    raw, y = houses(ROWS, seed=0)
    X = standardise(raw, raw)
    closed = np.linalg.lstsq(extend(X), y, rcond=None)[0]
    batch, small = descend(X, y, RATE, STEPS), mini_batches(X, y, closed)
    first = nb.MLP([2, 1], dtype="float64", init="zeros").gradient(X, y, loss="mse")
    slopes = closed[1:] / raw.std(axis=0)
    z = (y - y.mean()) / y.std()
    eigenvalues, between = convexity(X, z)
    unscaled = np.linalg.eigvalsh(2 / ROWS * extend(raw).T @ extend(raw))
    spread = rates()
    ends = {name: np.percentile(costs[:, -1], [0, 50, 100]) for name, costs in spread.items()}
    draw(pictures, raw, y, closed, batch, small["path"], spread)
    return {
        "rows": ROWS,
        "area": AREA,
        "distance": DISTANCE,
        "noise": NOISE,
        "variance": NOISE**2,
        "truth": TRUE,
        "closed": closed,
        "in_units": np.array([closed[0] - slopes @ raw.mean(axis=0), *slopes]),
        "cost": mse(extend(X) @ closed, y),
        "batch": batch.x,
        "steps": batch.iterations,
        "rate": RATE,
        "most_steps": STEPS,
        "first_gradient": first,
        "first_error": np.abs(first / (-2 / ROWS * extend(X).T @ y) - 1).max(),
        "bound": ROUNDING,
        "mini": small,
        "mini_batch": {"rows": BATCH, "rate": BATCH_RATE, "epochs": EPOCHS},
        "models": models(raw, y),
        "fresh": FRESH,
        "gradients": formula_elsewhere(X, z),
        "difference": DIFFERENCE,
        "eigenvalues": eigenvalues,
        "between": between,
        "limit": 2 / eigenvalues.max(),
        "rates": [(name, RATES[name], final) for name, final in ends.items()],
        "rate_steps": RATE_STEPS,
        "seeds": SEEDS,
        "unscaled": {"limit": 2 / unscaled[-1], "condition": unscaled[-1] / unscaled[0]},
        "condition": eigenvalues[-1] / eigenvalues[0],
    }


def check(got):
    """What the page claims."""
    np.testing.assert_allclose(got["batch"], got["closed"], rtol=1e-6)
    assert got["first_error"] < ROUNDING
    assert got["mini"]["wander"] < 0.02
    new = list(got["models"].values())
    assert min(new) == new[-1]
    assert new[1] < 1.05 * new[-1]
    ways = list(got["gradients"].values())
    np.testing.assert_allclose(ways[1], ways[2], rtol=1e-8)
    assert np.abs(ways[0] - ways[1]).max() > 0.05
    assert got["eigenvalues"].min() > 0
    assert abs(got["between"][0] - got["between"][1]) < ROUNDING
    assert got["between"][2] > 2 * got["between"][0]
    slow, apt, fast = (final for _, _, final in got["rates"])
    assert got["seeds"] >= 20
    assert apt[-1] < 1000
    assert slow[0] > 10 * apt[-1]
    assert fast[0] > 100 * slow[-1]


def draw(pictures, raw, y, closed, batch, path, spread):
    figure, (houses_, costs, paths, rates_) = panels(4, 4.4, 3.5, columns=2)
    dots = houses_.scatter(raw[:, 0], y, s=14, c=raw[:, 1], cmap="viridis_r")
    figure.colorbar(dots, ax=houses_, label="distance (km)")
    ends = np.array(AREA)
    line = closed[0] + closed[1] * (ends - raw[:, 0].mean()) / raw[:, 0].std()
    houses_.plot(ends, line, color="#D55E00", label="at the mean distance")
    houses_.set(xlabel="covered area (m²)", ylabel="price (thousands)", title="Houses")
    X, (b, w1, w2) = extend(standardise(raw, raw)), closed
    least = mse(X @ closed, y)
    costs.plot(batch.costs[:61], label="all rows: a step")
    each = [mse(X @ w, y) for w in path]
    costs.plot(each, "--", label=f"{BATCH} rows: an epoch")
    costs.axhline(least, color="0.5", linewidth=0.8, label="closed form")
    costs.set(yscale="log", xlabel="step or epoch", ylabel="mean squared error", title="Descent")
    grid = np.meshgrid(np.linspace(-20, 180, 60), np.linspace(-70, 30, 60))
    heights = [mse(X @ (b, *at), y) for at in np.column_stack([axis.ravel() for axis in grid])]
    levels = least + 1500 * np.arange(1, 9) ** 2 / 4  # rings at equal distances
    heights = np.reshape(heights, grid[0].shape)
    rings = paths.contour(*grid, heights, levels=levels, colors="0.55", linewidths=0.8)
    paths.clabel(rings, rings.levels[1::2], fmt="%.0f", fontsize=9)
    paths.plot(*np.array(batch.path)[:, 1:].T, "o-", markersize=3, label="all rows")
    paths.plot(*path[:, 1:].T, "s--", markersize=3, label=f"{BATCH} rows")
    paths.plot(w1, w2, "k*", markersize=11, label="closed form")
    paths.set(xlabel="weight of the area", ylabel="weight of the distance", title="Paths and cost")
    for (name, rows), style in zip(spread.items(), ("-.", "-", ":"), strict=True):
        label = f"{RATES[name]:g}: {name}"
        (middle,) = rates_.plot(np.median(rows, axis=0), style, label=label)
        rates_.fill_between(
            range(RATE_STEPS + 1),
            rows.min(axis=0),
            rows.max(axis=0),
            color=middle.get_color(),
            alpha=0.25,
        )
    title = f"Learning rates, {SEEDS} seeds: median and range"
    rates_.set(yscale="log", xlabel="step", ylabel="mean squared error", title=title)
    for ax in (houses_, costs, paths, rates_):
        ax.legend()
    pictures.save("01_linear_regression", figure)


if __name__ == "__main__":
    main(run, __doc__)
