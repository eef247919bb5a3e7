"""Overfitting, early stopping, leakage, and double descent, each over many seeds.

Digits, of which few are for training, some with a wrong label: a network that can just fit them all
is worst on new ones; much larger ones are better again, though they fit the noise as well.
"""

from functools import cache

import numpy as np
from _common import main, panels, spread
from sklearn.datasets import load_digits

import nablas as nb
from nablas.plots import LossCurveDisplay

SEEDS = 30
TRAINING, VALIDATION, TEST = 100, 50, 50  # all others are the fresh rows
NOISE, HIDDEN, EPOCHS, PATIENCE = 0.2, 32, 100, 10
NOISE_ROWS, SEEN, ATTRIBUTES, CHOSEN = 100, 60, 1000, 10
UNITS = (5, 10, 20, 40, 70, 99, 130, 200, 400, 800, 2000)
WIDTHS, WIDTH_SEEDS, WIDTH_NOISE, WIDTH_EPOCHS = (4, 16, 32, 64, 128, 256, 512), 3, 0.4, 200
NEW, RIDGE = 500, 1.0
FITTED = 1e-12  # mean squared error of the training rows
LOWER, MIDDLE, UPPER = 10, 50, 90  # percentiles


@cache
def images():
    """1,797 digits, pixels from 0 to 1."""
    X, y = load_digits(return_X_y=True)
    return X / 16, y


def noisy(y, share, rng):
    """Some of the labels become random ones."""
    wrong = rng.random(len(y)) < share
    return np.where(wrong, rng.integers(0, 10, len(y)), y)


def parts(seed):
    """Training, validation, test and fresh rows; the first two with noisy labels."""
    X, y = images()
    rng = np.random.default_rng(seed)
    order, ends = rng.permutation(len(X)), np.cumsum([TRAINING, VALIDATION, TEST])
    (a, b, c, d), labels = np.split(X[order], ends), np.split(y[order], ends)
    return [
        (a, noisy(labels[0], NOISE, rng)),
        (b, noisy(labels[1], NOISE, rng)),
        (c, labels[2]),
        (d, labels[3]),
    ]


def train(training, watched, seed, stop=None):
    """With some rows watched; ends by them if there is a callback for it. With its history."""
    net = nb.MLP([64, HIDDEN, 10], "relu", "softmax", dtype="float64", seed=seed)
    settings = {"optimizer": nb.Adam(1e-2), "batch_size": 20, "epochs": EPOCHS}
    callbacks = [] if stop is None else [stop]
    history = net.fit(*training, validation_data=watched, callbacks=callbacks, **settings)
    return net, history


def stop_by(monitor):
    return nb.EarlyStopping(patience=PATIENCE, monitor=monitor)


def with_and_without_stopping():
    """A row for each seed: fresh loss stopped and at the end; score reported and fresh, twice.

    And the first seed's history to the end.
    """
    rows, first = [], None
    for seed in range(SEEDS):
        training, validation, test, fresh = parts(seed)
        stopped, _ = train(training, validation, seed, stop_by("val_loss"))
        end, history = train(training, validation, seed)
        leaking, _ = train(training, test, seed, stop_by("val_score"))
        first = history if first is None else first
        rows.append(
            (
                stopped.loss(*fresh),
                end.loss(*fresh),
                stopped.score(*test),
                stopped.score(*fresh),
                leaking.score(*test),
                leaking.score(*fresh),
            )
        )
    return np.array(rows), first


def choose(X, y):
    """The attributes that go most with the label."""
    products = (X - X.mean(axis=0)).T @ (y - y.mean())
    return np.argsort(np.abs(products))[-CHOSEN:]


def score_of_noise(seed, leaking):
    """Test score where labels and attributes have nothing to do with each other."""
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(NOISE_ROWS, ATTRIBUTES)), rng.integers(0, 2, NOISE_ROWS)
    best = choose(X, y) if leaking else choose(X[:SEEN], y[:SEEN])
    net = nb.MLP([CHOSEN, 1], output="sigmoid", dtype="float64", init="zeros")
    settings = {"optimizer": nb.SGD(0.5), "batch_size": SEEN, "epochs": 100}
    net.fit(X[:SEEN, best], y[:SEEN], **settings)
    return net.score(X[SEEN:, best], y[SEEN:])


def digits(share):
    """Training rows with noisy labels and new ones; targets are one-hot."""
    X, y = images()
    rng = np.random.default_rng(0)
    first, new = np.split(rng.permutation(len(X))[: TRAINING + NEW], [TRAINING])
    labels = noisy(y[first], share, rng)
    return (X[first], np.eye(10)[labels]), (X[new], np.eye(10)[y[new]])


def fit_output_layer(units, seed, training, new):
    """Random hidden units that stay; the output layer by least squares, with least ΣW²."""
    hidden = nb.MLP([64, units], output="relu", dtype="float64", seed=seed)
    a, b = (np.column_stack([np.ones(len(X)), hidden.forward(X)]) for X, _ in (training, new))
    W = np.linalg.pinv(a) @ training[1]
    return [np.mean((a @ W - training[1]) ** 2), np.mean((b @ W - new[1]) ** 2), np.sum(W**2)]


def fit_with_penalty(units, seed, training, new):
    """The same with J = ‖aW − Y‖² + RIDGE ΣW²: the error of the new rows."""
    hidden = nb.MLP([64, units], output="relu", dtype="float64", seed=seed)
    a, b = (np.column_stack([np.ones(len(X)), hidden.forward(X)]) for X, _ in (training, new))
    W = np.linalg.solve(a.T @ a + RIDGE * np.eye(units + 1), a.T @ training[1])
    return np.mean((b @ W - new[1]) ** 2)


def fit_all(width, seed, training, new):
    net = nb.MLP([64, width, 10], "relu", dtype="float64", seed=seed)
    settings = {"batch_size": TRAINING // 2, "epochs": WIDTH_EPOCHS, "loss": "mse"}
    net.fit(*training, optimizer=nb.Adam(nb.schedules.Cosine(1e-2)), **settings)
    return [net.loss(*training, loss="mse"), net.loss(*new, loss="mse")]


def by_size(fit, sizes, seeds, data):
    """Of shape (sizes, seeds, …): what `fit` returns."""
    return np.array([[fit(size, seed, *data) for seed in range(seeds)] for size in sizes])


def run(pictures):
    rows, history = with_and_without_stopping()
    leaks = np.array([[score_of_noise(s, leak) for leak in (True, False)] for s in range(SEEDS)])
    frozen = by_size(fit_output_layer, UNITS, SEEDS, digits(NOISE))
    trained = by_size(fit_all, WIDTHS, WIDTH_SEEDS, digits(WIDTH_NOISE))
    ridge = by_size(fit_with_penalty, (TRAINING - 1,), SEEDS, digits(NOISE))
    draw(pictures, history, rows, leaks)
    draw_descents(pictures, frozen, trained)
    percentiles = (LOWER, MIDDLE, UPPER)
    return {
        "seeds": SEEDS,
        "parts": (TRAINING, VALIDATION, TEST, len(images()[0]) - TRAINING - VALIDATION - TEST),
        "noise": NOISE,
        "hidden": HIDDEN,
        "epochs": EPOCHS,
        "patience": PATIENCE,
        "curve": (
            int(np.argmin(history.val_loss)) + 1,
            min(history.val_loss),
            history.val_loss[-1],
        ),
        "curve_training": (history.loss[int(np.argmin(history.val_loss))], history.loss[-1]),
        "stopping": spread(rows),
        "mean": rows.mean(axis=0),
        "better": np.count_nonzero(rows[:, 0] < rows[:, 1]),
        "rows": rows,
        "attributes": (NOISE_ROWS, ATTRIBUTES, CHOSEN, SEEN),
        "leaks": spread(leaks).T,
        "all_leaks": leaks,
        "frozen": dict(
            zip(UNITS, np.percentile(frozen, percentiles, axis=1).swapaxes(0, 1), strict=True)
        ),
        "all_frozen": frozen,
        "percentiles": (LOWER, UPPER),
        "fitted": FITTED,
        "ridge": RIDGE,
        "penalised": (np.median(ridge), ridge.max()),
        "fits": next(
            u for u, errors in zip(UNITS, frozen, strict=True) if errors[:, 0].max() < FITTED
        ),
        "trained": dict(zip(WIDTHS, np.median(trained, axis=1), strict=True)),
        "all_trained": trained,
        "width_seeds": WIDTH_SEEDS,
        "width_noise": WIDTH_NOISE,
        "width_epochs": WIDTH_EPOCHS,
        "new": NEW,
    }


def check(got):
    """What the page claims."""
    assert got["seeds"] >= 20
    assert got["curve"][1] < 0.8 * got["curve"][2]
    assert got["curve_training"][1] < 0.5 * got["curve_training"][0]
    rows = got["rows"]
    assert got["better"] > 0.75 * got["seeds"]
    assert np.median(rows[:, 0]) < 0.85 * np.median(rows[:, 1])
    honest, leaking = (rows[:, 2] - rows[:, 3]).mean(), (rows[:, 4] - rows[:, 5]).mean()
    assert abs(honest) < 0.02 < 0.03 < leaking
    leaks = got["all_leaks"]
    assert (leaks[:, 0] > leaks[:, 1]).sum() >= 0.95 * got["seeds"]
    assert np.median(leaks[:, 0]) > 0.7
    assert abs(np.median(leaks[:, 1]) - 0.5) < 0.05
    errors = np.median(got["all_frozen"], axis=1)[:, 1]
    worst = errors.argmax()
    assert UNITS[worst] + 1 == TRAINING  # as many weights to each output as training rows
    assert errors[-1] < errors[:worst].min() < 0.1 < 1 < errors[worst]
    assert (np.diff(errors[worst:]) < 0).all()
    assert got["penalised"][1] < errors[:worst].min()
    assert (np.diff(np.median(got["all_frozen"], axis=1)[worst:, 2]) < 0).all()
    small, peak, large = (got["all_trained"][WIDTHS.index(w), :, 1] for w in (32, 128, 512))
    assert (small < peak).all()
    assert (large < peak).all()


def draw(pictures, history, rows, leaks):
    figure, (losses, ends, reported, noise) = panels(4, 4.4, 3.6, columns=2)
    LossCurveDisplay.from_history(history, ax=losses)
    losses.set_title("One seed")
    ends.plot(rows[:, 1], rows[:, 0], "o", markersize=6, alpha=0.7)
    limits = [0.5, 2.1]
    ends.plot(limits, limits, ":", color="0.4", label="equal")
    ends.set(xlim=limits, ylim=limits, xlabel=f"after {EPOCHS} epochs", ylabel="stopped early")
    ends.set_title(f"Cross-entropy of fresh rows, {SEEDS} seeds")
    for k, look, name in ((2, "o", "validation rows"), (4, "^", "the test rows themselves")):
        reported.plot(rows[:, k + 1], rows[:, k], look, markersize=6, alpha=0.7, label=name)
    limits = [0.5, 1.0]
    reported.plot(limits, limits, ":", color="0.4", label="equal")
    reported.set(xlim=limits, ylim=limits, xlabel="score of fresh rows")
    reported.set(ylabel="reported score of test rows", title="Stopped by")
    jitter = np.random.default_rng(0).uniform(-0.2, 0.2, SEEDS)
    for k, look in enumerate(("^", "o")):
        noise.plot(k + jitter, leaks[:, k], look, markersize=6, alpha=0.7)
    noise.axhline(0.5, color="0.4", linestyle=":", label="the truth")
    noise.set_xticks(range(2), ["on all rows", "on training rows"])
    noise.set(xlim=(-0.6, 1.6), ylabel="test score", title="Pure noise, attributes chosen")
    for ax, place in ((ends, "upper left"), (reported, "lower right"), (noise, "upper right")):
        ax.legend(loc=place)
    pictures.save("16_overfitting", figure)


def draw_descents(pictures, frozen, trained):
    figure, (left, right) = panels(2, 4.6, 3.8)
    low, middle, high = np.percentile(frozen[..., 1], (LOWER, MIDDLE, UPPER), axis=1)
    label = f"new rows, {SEEDS} seeds: median"
    left.loglog(UNITS, middle, "o-", color="C1", markersize=5, label=label)
    label = f"{LOWER} to {UPPER} % of the seeds"
    left.fill_between(UNITS, low, high, color="C1", alpha=0.25, label=label)
    left.loglog(UNITS, frozen[:, 0, 1], ":", color="black", label="new rows, one seed")
    fit = np.median(frozen[..., 0], axis=1)
    fit[fit < FITTED] = np.nan  # nothing to draw on a logarithmic axis
    left.loglog(UNITS, fit, "s--", color="C0", markersize=5, label="training rows: median")
    left.set(ylim=(None, 2e4), title="Random hidden units, least squares")
    for k, look, name in ((1, "o-", "new rows"), (0, "s--", "training rows")):
        right.plot(WIDTHS, np.median(trained[..., k], axis=1), look, color=f"C{k}", label=name)
        right.plot(WIDTHS, trained[..., k], ".", color=f"C{k}", alpha=0.5)
    right.set(xscale="log", title=f"All layers trained, {WIDTH_SEEDS} seeds")
    for ax in (left, right):
        ax.set(xlabel="hidden units", ylabel="mean squared error")
        ax.legend()
    pictures.save("16_double_descent", figure)


if __name__ == "__main__":
    main(run, __doc__)
