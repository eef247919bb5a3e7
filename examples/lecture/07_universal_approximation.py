"""Universal approximation: a staircase of step units placed by hand; sigmoid units from default
weights, from weights placed by hand, and placed, frozen, with the output layer by least squares.

The theorem says that weights exist. The comparison shows what gradient descent finds.
"""

import numpy as np
from _common import main, panels

import nablas as nb

GRID = np.linspace(0, 1, 2001)
X = np.linspace(0, 1, 101)[:, np.newaxis]
BUMPS = (4, 8, 16, 20, 32, 64, 160)
SIZES, UNITS = (4, 8, 16, 32), 32
STEEP, SHOWN = 30.0, 20
SEEDS, RATE, BATCH, EPOCHS, LONGER = 20, 0.05, 20, 400, 5


def curve(x):
    return 0.2 + 0.4 * x**2 + 0.3 * x * np.sin(15 * x) + 0.05 * np.cos(50 * x)


def staircase(bumps):
    """A 1-2k-1 network of step units: each bump as high as the curve in its middle."""
    net = nb.MLP([1, 2 * bumps, 1], "step", dtype="float64", init="zeros")
    edges = np.linspace(0, 1, bumps + 1)
    heights = curve((edges[:-1] + edges[1:]) / 2)
    net.weights[0][:] = 1  # a unit is 1 where x >= its edge
    net.biases[0][0::2], net.biases[0][1::2] = -edges[:-1], -edges[1:]
    net.weights[1][0::2, 0], net.weights[1][1::2, 0] = heights, -heights
    net.weights[1][-1] = 0  # the last bump stays up at x = 1
    return net


def placed(units, seed):
    """Steep sigmoid units that turn at places spread evenly over the interval."""
    net = nb.MLP([1, units, 1], "sigmoid", dtype="float64", seed=seed)
    net.weights[0][:] = STEEP
    net.biases[0][:] = -STEEP * (np.arange(units) + 0.5) / units
    return net


def learned(net, epochs):
    optimizer = nb.Adam(nb.schedules.Cosine(RATE))
    net.fit(X, curve(X), optimizer=optimizer, batch_size=BATCH, epochs=epochs)
    return net


def least_squares(net):
    """The hidden layer stays as it is; the output layer is the best one for it."""
    hidden = nb.kernels.activate(X @ net.weights[0] + net.biases[0], "sigmoid")
    extended = np.hstack([np.ones_like(X), hidden])
    best = np.linalg.lstsq(extended, curve(X), rcond=None)[0]
    net.biases[1][:], net.weights[1][:] = best[0], best[1:]
    return net


def worst(net):
    """The largest error on the interval."""
    return float(np.abs(net.predict(GRID[:, np.newaxis]) - curve(GRID)).max())


def default(units, seed):
    """Sigmoid units with the library's first weights."""
    return nb.MLP([1, units, 1], "sigmoid", dtype="float64", seed=seed)


def trained(start):
    """Networks of all seeds, best first."""
    return sorted((learned(start(UNITS, seed), EPOCHS) for seed in range(SEEDS)), key=worst)


def slopes(nets):
    """The median, over the networks, of the median |weight| of the hidden units."""
    return np.median([np.median(np.abs(net.weights[0])) for net in nets])


def run(pictures):
    steps = {2 * k: worst(staircase(k)) for k in BUMPS}
    solved = {k: least_squares(placed(k, seed=0)) for k in SIZES}
    squares = {k: worst(net) for k, net in solved.items()}
    nets = {start.__name__: trained(start) for start in (default, placed)}
    errors = {name: [worst(net) for net in found] for name, found in nets.items()}
    shown = (staircase(SHOWN), *(found[SEEDS // 2] for found in nets.values()), solved[UNITS])
    draw(pictures, shown, steps, squares, errors)
    return {
        "steps": steps,
        "squares": squares,
        "errors": {name: np.percentile(found, [0, 50, 100]) for name, found in errors.items()},
        "longer": worst(learned(default(UNITS, seed=0), LONGER * EPOCHS)),
        "shorter": worst(learned(default(UNITS, seed=0), EPOCHS)),
        "times": LONGER,
        "first_slope": slopes([default(UNITS, seed) for seed in range(SEEDS)]),
        "slopes": {name: slopes(found) for name, found in nets.items()},
        "steep": STEEP,
        "units": UNITS,
        "seeds": SEEDS,
        "epochs": EPOCHS,
        "batch": BATCH,
        "rate": RATE,
        "rows": len(X),
        "grid": len(GRID),
    }


def check(got):
    """What the page claims."""
    steps = list(got["steps"].values())
    assert steps == sorted(steps, reverse=True)
    assert 0.4 < got["steps"][128] / got["steps"][64] < 0.6
    default_, placed_ = got["errors"].values()
    assert got["seeds"] >= 20
    assert placed_[-1] < default_[0]
    assert got["squares"][got["units"]] < placed_[0] / 5
    assert got["longer"] < got["shorter"]


def draw(pictures, shown, steps, squares, errors):
    figure, axes = panels(6, 3.6, 3.1)
    titles = (
        f"{2 * SHOWN} step units by hand",
        f"{UNITS} sigmoids, default start, trained",
        f"{UNITS} sigmoids, placed, trained",
        f"{UNITS} sigmoids, placed, least squares",
    )
    for ax, net, title in zip(axes, shown, titles, strict=False):
        ax.plot(GRID, curve(GRID), color="0.6", linewidth=4, label="curve")
        ax.plot(GRID, net.predict(GRID[:, np.newaxis]), color="#D55E00", label="network")
        ax.set(xlabel="x", title=title, ylim=(0, 1))
        ax.legend(loc="upper left")
    sizes, seeds = axes[4:]
    sizes.plot(list(steps), list(steps.values()), "o-", label="steps by hand")
    sizes.plot(list(squares), list(squares.values()), "d:", label="placed, least squares")
    sizes.set(xscale="log", yscale="log", xlabel="hidden units", ylabel="largest error")
    sizes.set(title="Error by size", ylim=(1e-3, 5))
    sizes.legend(loc="upper right")
    jitter = np.random.default_rng(0).uniform(-0.2, 0.2, SEEDS)
    for i, (found, look) in enumerate(zip(errors.values(), "os", strict=True)):
        seeds.plot(i + jitter, found, look, markersize=5, alpha=0.7)
    seeds.plot(2, squares[UNITS], "kd", markersize=6)
    names = ["default,\ntrained", "placed,\ntrained", "placed, least\nsquares"]
    seeds.set_xticks(range(3), names)
    seeds.set(xlim=(-0.6, 2.6), yscale="log", ylabel="largest error")
    seeds.set_title(f"{UNITS} sigmoids, {SEEDS} seeds")
    pictures.save("07_universal_approximation", figure)


if __name__ == "__main__":
    main(run, __doc__)
