"""Cross-entropy: the binary table, distributions over classes, the Kullback-Leibler divergence."""

import numpy as np
from _common import main, panels

from nablas import metrics

TABLE = [(0.775, 1), (0.116, 0), (0.884, 1), (0.744, 0), (0.320, 0)]


def run(pictures):
    p, y = np.array(TABLE).T
    terms = -y * np.log(p) - (1 - y) * np.log(1 - p)
    mean = metrics.binary_cross_entropy(y, p)

    truth, guess = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.5, 0.3])
    entropy = -(truth * np.log(truth)).sum()
    divergence = (truth * np.log(truth / guess)).sum()
    cross = metrics.cross_entropy([truth], [guess])
    one_hot = metrics.cross_entropy([[0, 1, 0]], [guess])

    figure, (left, right) = panels(2)
    grid = np.linspace(0.005, 0.995, 400)
    left.plot(grid, -np.log(grid), label="y = 1: −log p")
    left.plot(grid, -np.log(1 - grid), "--", label="y = 0: −log(1 − p)")
    left.plot(p, terms, "ko", markersize=5, label="the table")
    left.set(
        xlabel="predicted probability p", ylabel="cost", ylim=(0, 4), title="Binary cross-entropy"
    )
    left.legend()
    mixes = np.linspace(0, 1, 200)
    costs = [metrics.cross_entropy([truth], [(1 - t) * guess + t * truth]) for t in mixes]
    right.plot(mixes, costs, label="H(t, q)")
    right.axhline(entropy, color="0.4", linestyle="--", label="H(t)")
    right.fill_between(mixes, entropy, costs, alpha=0.2, label="KL(t ‖ q)")
    right.set(
        xlabel="q from the guess (0) to the truth t (1)",
        ylabel="nats",
        title="Cross-entropy and divergence",
    )
    right.legend()
    pictures.save("03_cross_entropy", figure)
    return {
        "terms": terms,
        "mean": mean,
        "cross": cross,
        "entropy": entropy,
        "divergence": divergence,
        "one_hot": one_hot,
    }


if __name__ == "__main__":
    main(run, __doc__)
