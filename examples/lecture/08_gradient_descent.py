"""Gradient descent for networks: the algorithm, epochs and mini-batches, learning rates.

An epoch goes through every row once; with batches of b rows it makes ceil(n / b) steps. Batch sizes
are compared at one learning rate, and each at the best of a few.
"""

import math

import numpy as np
from _common import main, panels
from sklearn.datasets import load_digits

import nablas as nb

ROWS, HIDDEN, EPOCHS, SEEDS = 500, 16, 16, 20
SIZES = (ROWS, 128, 32, 8)
RATES, COMMON = (0.1, 0.3, 1.0, 3.0), 0.1
BATCH, PAIR = 32, {"too small": 0.001, "apt": 0.1, "too large": 5.0}
ROUNDING = 1e-12


def digits():
    X, y = load_digits(return_X_y=True)
    return X[:ROWS] / 16, y[:ROWS]


def network(seed):
    return nb.MLP([64, HIDDEN, 10], "relu", "softmax", dtype="float64", seed=seed)


def descend(net, X, y, rate, batch, epochs):
    """The algorithm, with each epoch's batches in the order of the rows."""
    for _ in range(epochs):
        for start in range(0, len(X), batch):
            rows = slice(start, start + batch)
            gradient = net.gradient(X[rows], y[rows])  # forward pass, loss, backward pass
            net.parameters -= rate * gradient


def fit(net, X, y, rate, batch):
    """The same by the library, in random order; the losses by epoch."""
    optimizer = nb.SGD(rate)
    return net.fit(X, y, optimizer=optimizer, batch_size=batch, epochs=EPOCHS).loss


def ends(X, y, rate, batch):
    """Over the seeds: the loss of all rows at the end, the losses by epoch; without a live unit."""
    final, curves, dead = [], [], 0
    for seed in range(SEEDS):
        net = network(seed)
        curves.append(fit(net, X, y, rate, batch))
        final.append(net.loss(X, y))
        dead += not (X @ net.weights[0] + net.biases[0] > 0).any()
    return np.array(final), np.array(curves), dead


def spread(values):
    """Least, median, greatest."""
    return np.percentile(values, [0, 50, 100])


def both_ways(X, y):
    """The largest difference of weights between the loop above and `fit` without shuffling."""
    loop, library = network(0), network(0)
    descend(loop, X, y, COMMON, BATCH, EPOCHS)
    settings = {"batch_size": BATCH, "epochs": EPOCHS, "shuffle": False}
    library.fit(X, y, optimizer=nb.SGD(COMMON), **settings)
    return np.abs(loop.parameters - library.parameters).max()


def run(pictures):
    X, y = digits()
    found = {(b, rate): ends(X, y, rate, b) for b in SIZES for rate in RATES}
    medians = {key: np.median(final) for key, (final, _, _) in found.items()}
    best = {b: min(RATES, key=lambda rate: medians[b, rate]) for b in SIZES}
    gains = {b: medians[b, COMMON] / medians[b, best[b]] for b in SIZES}
    pair = {name: ends(X, y, rate, BATCH) for name, rate in PAIR.items()}
    draw(pictures, found, best, pair)
    return {
        "rows": ROWS,
        "hidden": HIDDEN,
        "epochs": EPOCHS,
        "seeds": SEEDS,
        "sizes": SIZES,
        "steps": {b: math.ceil(ROWS / b) for b in SIZES},
        "rates": RATES,
        "common": COMMON,
        "found": {key: spread(final) for key, (final, _, _) in found.items()},
        "best": best,
        "gains": gains,
        "batch": BATCH,
        "pair": [
            (name, PAIR[name], spread(final), dead) for name, (final, _, dead) in pair.items()
        ],
        "both_ways": both_ways(X, y),
        "guess": math.log(10),
        "bound": ROUNDING,
    }


def check(got):
    """What the page claims."""
    assert got["both_ways"] < ROUNDING
    assert got["seeds"] >= 20
    found, sizes, rates = got["found"], got["sizes"], got["rates"]
    for larger, smaller in zip(sizes, sizes[1:], strict=False):
        assert found[smaller, COMMON][-1] < found[larger, COMMON][0]
        assert got["best"][smaller] <= got["best"][larger]
        assert found[smaller, got["best"][smaller]][1] < found[larger, got["best"][larger]][1]
    for size in sizes:
        assert rates[0] < got["best"][size] < rates[-1]  # neither end of the list
    assert found[ROWS, got["best"][ROWS]][-1] < found[ROWS, COMMON][0]
    gains = sorted(sizes, key=lambda size: got["gains"][size])
    assert (gains[0], gains[-1]) == (ROWS, sizes[1])
    slow, apt, fast = (row[2] for row in got["pair"])
    assert apt[-1] < min(slow[0], fast[0]) / 2
    assert [row[3] for row in got["pair"]] == [0, 0, SEEDS]


def draw(pictures, found, best, pair):
    figure, (one, own, steps, rates) = panels(4, 4.4, 3.5, columns=2)
    epochs = np.arange(1, EPOCHS + 1)
    styles = ("-", "--", "-.", ":")
    for b, style in zip(SIZES, styles, strict=True):
        name = "all rows" if b == ROWS else f"{b} rows"
        band(one, epochs, found[b, COMMON][1], style, name)
        band(own, epochs, found[b, best[b]][1], style, f"{name}, rate {best[b]:g}")
        band(steps, epochs * math.ceil(ROWS / b), found[b, best[b]][1], style, name)
    for (name, (_, curves, _)), style in zip(pair.items(), styles, strict=False):
        band(rates, epochs, curves, style, f"{PAIR[name]:g}: {name}")
    one.set(xlabel="epoch", title=f"Batch sizes, all at rate {COMMON:g}")
    own.set(xlabel="epoch", title="Batch sizes, each at its best rate")
    steps.set(xlabel="step", xscale="log", title="The same by steps")
    rates.set(xlabel="epoch", title=f"Rates, batches of {BATCH}")
    for ax in (one, own, steps, rates):
        ax.set(yscale="log", ylabel="cross-entropy")
        ax.legend()
    pictures.save("08_gradient_descent", figure)


def band(ax, x, curves, style, name):
    """Median and range over the seeds."""
    (line,) = ax.plot(x, np.median(curves, axis=0), style, label=name)
    low, high = curves.min(axis=0), curves.max(axis=0)
    ax.fill_between(x, low, high, color=line.get_color(), alpha=0.2)


if __name__ == "__main__":
    main(run, __doc__)
