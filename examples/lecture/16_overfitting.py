"""Overfitting, early stopping, and double descent.

300 digits, a fifth of them with a random label. A network that can just fit them all is worst on
new digits; much larger ones are better again, though they fit the noise as well.
"""

import numpy as np
from _common import main, panels
from sklearn.datasets import load_digits

import nablas as nb
from nablas.plots import LossCurveDisplay

WIDTHS = (4, 16, 64, 96, 256, 512)
SEEDS, ROWS, NOISE = 2, 300, 0.2


def data():
    """Training rows with noisy labels, test rows with true ones; targets are one-hot."""
    X, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(X))
    X, y = X[order] / 16, y[order]
    noisy = y[:ROWS].copy()
    wrong = rng.random(ROWS) < NOISE
    noisy[wrong] = rng.integers(0, 10, wrong.sum())
    return (X[:ROWS], np.eye(10)[noisy]), (X[ROWS:], np.eye(10)[y[ROWS:]])


def double_descent(train, test):
    """Training and test error by width, the mean over seeds."""
    rows = {}
    for width in WIDTHS:
        errors = []
        for seed in range(SEEDS):
            net = nb.MLP([64, width, 10], "relu", dtype="float64", seed=seed)
            rate = nb.schedules.Cosine(3e-3)
            net.fit(*train, loss="mse", optimizer=nb.Adam(rate), batch_size=50, epochs=300)
            errors.append((net.loss(*train, loss="mse"), net.loss(*test, loss="mse")))
        rows[width] = tuple(float(e) for e in np.mean(errors, axis=0))
    return rows


def run(pictures):
    train, test = data()
    settings = {"loss": "mse", "batch_size": 50, "validation_data": test}
    long = nb.MLP([64, 96, 10], "relu", dtype="float64", seed=0)
    history = long.fit(*train, optimizer=nb.Adam(3e-3), epochs=300, **settings)
    stopped = nb.MLP([64, 96, 10], "relu", dtype="float64", seed=0)
    stop = nb.EarlyStopping(patience=15)
    stopped.fit(*train, optimizer=nb.Adam(3e-3), epochs=300, callbacks=[stop], **settings)
    ends = {"long": long.loss(*test, loss="mse"), "stopped": stopped.loss(*test, loss="mse")}
    rows = double_descent(train, test)

    figure, (left, right) = panels(2, 5)
    LossCurveDisplay.from_history(history, log=True, ax=left)
    left.axvline(stop.best_epoch, color="0.5", linestyle=":", label="early stopping goes back here")
    left.set_title("Overfitting: 96 units")
    left.legend()
    right.plot(WIDTHS, [rows[w][1] for w in WIDTHS], "o-", color="#D55E00", label="test")
    right.plot(WIDTHS, [rows[w][0] for w in WIDTHS], "s--", color="#0072B2", label="training")
    fits = next(w for w in WIDTHS if rows[w][0] < 1e-3)
    right.axvline(fits, color="0.5", linestyle=":", label="all training labels fitted")
    right.set(
        xscale="log", xlabel="hidden units", ylabel="mean squared error", title="Double descent"
    )
    right.legend(loc=(0.47, 0.2), fontsize=8)
    pictures.save("16_overfitting", figure)
    return {"ends": ends, "best_epoch": stop.best_epoch, "rows": rows, "fits": fits}


if __name__ == "__main__":
    main(run, __doc__)
