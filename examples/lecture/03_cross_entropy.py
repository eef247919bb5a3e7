"""Cross-entropy: the binary table, its minimum, many classes, the Kullback-Leibler divergence."""

import numpy as np
from _common import main, panels

from nablas import metrics

TABLE = [(0.775, 1), (0.116, 0), (0.884, 1), (0.744, 0), (0.320, 0)]
HEADS, TOSSES = 7, 10
TRUTHS = {
    "(0.5, 0.3, 0.2)": (0.5, 0.3, 0.2),
    "(0.8, 0.1, 0.1)": (0.8, 0.1, 0.1),
    "(0, 1, 0)": (0, 1, 0),
}
GUESS = np.array([0.2, 0.5, 0.3])
ROUNDING = 1e-12


def binary_cross_entropy(p, y):
    """Each row's cost."""
    return -(y * np.log(p) + (1 - y) * np.log(1 - p))


def entropy(t):
    """H(t) in nats; 0 log 0 is 0."""
    t = t[t > 0]
    return -(t * np.log(t)).sum()


def divergence(t, q):
    """KL(t ‖ q)."""
    seen = t > 0
    return (t[seen] * np.log(t[seen] / q[seen])).sum()


def coin(p):
    """Three costs of predicting p for every toss of a coin with HEADS in TOSSES."""
    share = HEADS / TOSSES
    with np.errstate(divide="ignore"):  # infinite at p = 0 and 1
        cross_entropy = -(share * np.log(p) + (1 - share) * np.log(1 - p))
    return {
        "cross-entropy": cross_entropy,
        "squared error": share * (1 - p) ** 2 + (1 - share) * p**2,
        "absolute error": share * (1 - p) + (1 - share) * p,
    }


def sums():
    """For each truth t: H(t), KL(t ‖ q) and their sum beside H(t, q)."""
    rows = []
    for name, truth in TRUTHS.items():
        t = np.array(truth, dtype=float)
        cross = metrics.cross_entropy([t], [GUESS])
        rows.append((name, entropy(t), divergence(t, GUESS), cross))
    return rows


def run(pictures):
    p, y = np.array(TABLE).T
    terms = binary_cross_entropy(p, y)
    grid = np.linspace(0, 1, 1001)
    costs = coin(grid)
    as_two_classes = metrics.cross_entropy(y.astype(int), np.column_stack([1 - p, p]))
    draw(pictures, p, terms, grid, costs)
    return {
        "table": list(zip(p, y.astype(int), terms, strict=True)),
        "mean": metrics.binary_cross_entropy(y, p),
        "bits": metrics.binary_cross_entropy(y, p) / np.log(2),
        "two_classes": as_two_classes,
        "right": metrics.binary_cross_entropy(y, y),
        "tosses": TOSSES,
        "heads": HEADS,
        "best": {name: (grid[cost.argmin()], cost.min()) for name, cost in costs.items()},
        "share_entropy": entropy(np.array([HEADS / TOSSES, 1 - HEADS / TOSSES])),
        "guess": GUESS,
        "sums": sums(),
        "bound": ROUNDING,
        "apart": max(abs(a + b - c) for _, a, b, c in sums()),
    }


def check(got):
    """What the page claims."""
    terms = np.array([term for _, _, term in got["table"]])
    np.testing.assert_allclose(terms, [0.2549, 0.1233, 0.1233, 1.3626, 0.3857], atol=5e-5)
    assert abs(got["mean"] - terms.mean()) < ROUNDING
    assert abs(got["mean"] - got["two_classes"]) < ROUNDING
    assert terms[3] > terms.sum() - terms[3]
    assert abs(got["right"]) < ROUNDING
    assert got["apart"] < ROUNDING
    share = got["heads"] / got["tosses"]
    assert abs(got["best"]["cross-entropy"][0] - share) < 1e-9
    assert abs(got["best"]["cross-entropy"][1] - got["share_entropy"]) < ROUNDING
    assert abs(got["best"]["squared error"][0] - share) < 1e-9
    assert got["best"]["absolute error"][0] == 1
    assert got["sums"][-1][1] == 0


def draw(pictures, p, terms, grid, costs):
    figure, (binary, tosses, cross, kl) = panels(4, 4.4, 3.5, columns=2)
    inner = grid[1:-1]
    binary.plot(inner, -np.log(inner), label="y = 1: −log p")
    binary.plot(inner, -np.log(1 - inner), "--", label="y = 0: −log(1 − p)")
    binary.plot(p, terms, "ko", markersize=5, label="the table")
    binary.set(xlabel="predicted probability p", ylabel="cost", ylim=(0, 4))
    binary.set_title("Binary cross-entropy")
    for (name, cost), style in zip(costs.items(), ("-", "--", "-."), strict=True):
        (line,) = tosses.plot(grid, cost, style, label=name)
        tosses.plot(grid[cost.argmin()], cost.min(), "o", color=line.get_color())
    tosses.set(xlabel="p, the same for every toss", ylabel="mean cost", ylim=(0, 2))
    tosses.set_title(f"{HEADS} heads in {TOSSES} tosses")
    mixes = np.linspace(0, 1, 201)
    for (name, truth), style in zip(TRUTHS.items(), ("-", "--", "-."), strict=True):
        t = np.array(truth, dtype=float)
        guesses = [(1 - share) * GUESS + share * t for share in mixes]
        cross.plot(
            mixes, [metrics.cross_entropy([t], [q]) for q in guesses], style, label=f"t = {name}"
        )
        kl.plot(mixes, [divergence(t, q) for q in guesses], style, label=f"t = {name}")
    cross.set(ylabel="H(t, q) in nats", ylim=(0, 1.8), title="Cross-entropy")
    kl.set(ylabel="KL(t ‖ q) in nats", ylim=(0, 1.8), title="Divergence: H(t, q) − H(t)")
    for ax in (cross, kl):
        ax.set_xlabel("q from the guess (0) to the truth t (1)")
    for ax in (binary, tosses, cross, kl):
        ax.legend()
    pictures.save("03_cross_entropy", figure)


if __name__ == "__main__":
    main(run, __doc__)
