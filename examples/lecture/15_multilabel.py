"""Several labels in one row: one sigmoid for each, binary cross-entropy, precision at k."""

import numpy as np
from _common import main, panels, spread
from sklearn.datasets import make_multilabel_classification
from sklearn.preprocessing import StandardScaler

import nablas as nb
from nablas import metrics
from nablas.plots import LossCurveDisplay

LABELS, ROWS, TRAINING, VALIDATION = 8, 1500, 800, 300  # the other rows are for the test
HIDDEN, PATIENCE, SEEDS = 32, 8, 20
TOP = 3
EXAMPLE_TRUE, EXAMPLE_SCORES = [1, 0, 1, 0], [0.9, 0.6, 0.4, 0.2]
ROUNDING = 1e-12


def parts():
    """Training, validation and test rows; standardised by what the training rows say."""
    X, Y = make_multilabel_classification(
        ROWS, n_features=30, n_classes=LABELS, n_labels=3, allow_unlabeled=False, random_state=0
    )
    ends = [TRAINING, TRAINING + VALIDATION]
    training, validation, test = np.split(X, ends)
    scaler = StandardScaler().fit(training)
    rows = [scaler.transform(part) for part in (training, validation, test)]
    return list(zip(rows, np.split(Y.astype(float), ends), strict=True))


def train(training, validation, seed):
    """Stops on the validation rows; the test rows are not seen."""
    net = nb.MLP([30, HIDDEN, LABELS], "relu", "sigmoid", dtype="float64", seed=seed)
    stop = nb.EarlyStopping(patience=PATIENCE)
    settings = {"optimizer": nb.Adam(5e-3), "batch_size": 50, "epochs": 60, "l2": 1e-4}
    history = net.fit(*training, validation_data=validation, callbacks=[stop], **settings)
    return net, history, stop.best_epoch


def with_softmax(training, epochs, seed):
    """For comparison: the labels of a row have equal shares, which sum to 1."""
    X, Y = training
    net = nb.MLP([30, HIDDEN, LABELS], "relu", "softmax", dtype="float64", seed=seed)
    settings = {"optimizer": nb.Adam(5e-3), "batch_size": 50, "epochs": epochs, "l2": 1e-4}
    net.fit(X, Y / Y.sum(axis=1, keepdims=True), **settings)
    return net


def precision_at_k(true, scores, k):
    """For one row without ties: the share of true labels among the k with the highest scores."""
    best = np.argsort(scores)[::-1][:k]
    return np.mean(np.asarray(true)[best])


def measures(net, X, Y):
    """Precision at 1 and TOP; right labels; rows with all labels right; chosen labels in a row."""
    scores = net.forward(X)
    chosen = scores > 0.5
    return (
        metrics.precision_at_k(Y, scores, 1),
        metrics.precision_at_k(Y, scores, TOP),
        np.mean(chosen == Y),
        metrics.subset_accuracy(Y, chosen),
        chosen.sum(axis=1).mean(),
    )


def by_k(score, nets, X, Y):
    """A row for each net, a column for each k."""
    return np.array([[score(Y, net.forward(X), k) for k in range(1, LABELS + 1)] for net in nets])


def run(pictures):
    training, validation, test = parts()
    X, Y = test
    fits = [train(training, validation, seed) for seed in range(SEEDS)]
    nets = {
        "sigmoid": [net for net, _, _ in fits],
        "softmax": [with_softmax(training, best, seed) for seed, (_, _, best) in enumerate(fits)],
    }
    rows = {name: np.array([measures(net, X, Y) for net in found]) for name, found in nets.items()}
    scores = {
        "precision at k": by_k(metrics.precision_at_k, nets["sigmoid"], X, Y),
        "recall at k": by_k(metrics.recall_at_k, nets["sigmoid"], X, Y),
    }
    commonest = np.broadcast_to(training[1].mean(axis=0), Y.shape)
    guess = [metrics.precision_at_k(Y, commonest, k) for k in range(1, LABELS + 1)]
    net = nets["sigmoid"][0]
    h = net.forward(X)
    draw(pictures, fits[0][1], scores, guess)
    draw_row(pictures, {name: found[0].forward(X[:1])[0] for name, found in nets.items()}, Y[0])
    return {
        "labels": LABELS,
        "parts": [len(part) for part, _ in (training, validation, test)],
        "mean_labels": Y.sum(axis=1).mean(),
        "single": np.mean(Y.sum(axis=1) == 1),
        "loss": net.loss(X, Y),
        "by_hand": -np.mean(np.sum(Y * np.log(h) + (1 - Y) * np.log(1 - h), axis=1)),
        "example": [(k, precision_at_k(EXAMPLE_TRUE, EXAMPLE_SCORES, k)) for k in range(1, 4)],
        "example_library": [
            metrics.precision_at_k([EXAMPLE_TRUE], [EXAMPLE_SCORES], k) for k in range(1, 4)
        ],
        "example_true": EXAMPLE_TRUE,
        "scores": EXAMPLE_SCORES,
        "best": [best for _, _, best in fits],
        "patience": PATIENCE,
        "seeds": SEEDS,
        "top": TOP,
        "rows": rows,
        "found": {name: spread(r) for name, r in rows.items()},
        "guess": (guess[0], guess[TOP - 1]),
        "bound": ROUNDING,
    }


def check(got):
    """What the page claims."""
    assert abs(got["loss"] - got["by_hand"]) < ROUNDING
    np.testing.assert_allclose(
        [share for _, share in got["example"]], got["example_library"], rtol=ROUNDING
    )
    sigmoid, softmax = got["rows"]["sigmoid"], got["rows"]["softmax"]
    assert len(sigmoid) == got["seeds"] >= 20
    assert sigmoid[:, 0].min() > got["guess"][0]
    assert sigmoid[:, 1].min() > got["guess"][1]
    assert np.abs(np.median(sigmoid, axis=0) - np.median(softmax, axis=0))[:2].max() < 0.02
    assert (sigmoid[:, 2] > softmax[:, 2] + 0.05).all()
    assert softmax[:, 4].max() < 0.5 < 2 < sigmoid[:, 4].min()


def draw(pictures, history, scores, guess):
    figure, (losses, curves) = panels(2, 4.6, 3.6)
    LossCurveDisplay.from_history(history, ax=losses)
    losses.set_title("One seed: loss by epoch")
    losses.locator_params(axis="x", integer=True)
    ks = np.arange(1, LABELS + 1)
    for (name, values), look in zip(scores.items(), ("o-", "s--"), strict=True):
        (line,) = curves.plot(ks, np.median(values, axis=0), look, label=name)
        low, high = values.min(axis=0), values.max(axis=0)
        curves.fill_between(ks, low, high, color=line.get_color(), alpha=0.2)
    curves.plot(ks, guess, ":", color="0.4", label="precision of the commonest")
    curves.set(xlabel="k", ylim=(0, 1.02), title=f"Test rows, {SEEDS} seeds: median and range")
    curves.legend()
    pictures.save("15_multilabel", figure)


def draw_row(pictures, outputs, true):
    figure, axes = panels(2, 4.6, 3.2)
    places = np.arange(1, LABELS + 1)
    for ax, (name, values) in zip(axes, outputs.items(), strict=True):
        ax.bar(places[true == 1], values[true == 1], label="true label")
        ax.bar(places[true == 0], values[true == 0], color="0.75", label="other")
        ax.axhline(0.5, color="black", linestyle=":", label="½")
        title = f"{name}: outputs of a test row, sum {values.sum():.2f}"
        ax.set(xlabel="output", ylim=(0, 1.45), title=title)
        ax.set_xticks(places, [str(place) for place in places])
        ax.legend(loc="upper left", ncols=3)
    pictures.save("15_outputs", figure)


if __name__ == "__main__":
    main(run, __doc__)
