"""Universal approximation: bumps of step units built by hand, and sigmoid units that learn.

A pair of step units makes a bump: up at its left end, down at its right end. k bumps are a network
with 2k hidden units, and their staircase meets any continuous curve as closely as wanted.
"""

import numpy as np
from _common import main, panels

import nablas as nb

GRID = np.linspace(0, 1, 2001)


def curve(x):
    return 0.2 + 0.4 * x**2 + 0.3 * x * np.sin(15 * x) + 0.05 * np.cos(50 * x)


def staircase(bumps):
    """A 1-2k-1 network of step units: each bump as high as the curve in its middle."""
    net = nb.MLP([1, 2 * bumps, 1], "step", dtype="float64", init="zeros")
    edges = np.linspace(0, 1, bumps + 1)
    heights = curve((edges[:-1] + edges[1:]) / 2)
    net.weights[0][:] = 1  # a unit fires where x >= its edge
    net.biases[0][0::2], net.biases[0][1::2] = -edges[:-1], -edges[1:]
    net.weights[1][0::2, 0], net.weights[1][1::2, 0] = heights, -heights
    net.weights[1][-1] = 0  # the last bump stays up at x = 1
    return net


def learned(units):
    x = np.linspace(0, 1, 400)
    net = nb.MLP([1, units, 1], "sigmoid", dtype="float64", seed=1)
    net.weights[0][:] = 30  # steep units that turn at places spread over the interval
    net.biases[0][:] = -30 * (np.arange(units) + 0.5) / units
    rate = nb.schedules.Cosine(0.05)
    net.fit(x[:, None], curve(x), optimizer=nb.Adam(rate), batch_size=40, epochs=2000)
    return net


def worst(net):
    return float(np.abs(net.predict(GRID[:, None]) - curve(GRID)).max())


def run(pictures):
    by_hand = {k: staircase(k) for k in (5, 10, 20, 40, 80, 160)}
    by_learning = {h: learned(h) for h in (2, 4, 8, 16, 32)}
    hand_errors = {2 * k: worst(net) for k, net in by_hand.items()}
    learned_errors = {h: worst(net) for h, net in by_learning.items()}

    figure, axes = panels(3)
    for ax, net, title in (
        (axes[0], by_hand[20], "40 step units by hand"),
        (axes[1], by_learning[32], "32 sigmoid units, learned"),
    ):
        ax.plot(GRID, curve(GRID), color="0.5", linewidth=3, label="curve")
        ax.plot(GRID, net.predict(GRID[:, None]), label="network")
        ax.set(xlabel="x", title=title)
        ax.legend()
    axes[2].loglog(list(hand_errors), list(hand_errors.values()), "o-", label="steps by hand")
    axes[2].loglog(list(learned_errors), list(learned_errors.values()), "s--", label="sigmoids")
    axes[2].set(xlabel="hidden units", ylabel="largest error", title="Error by size")
    axes[2].legend()
    pictures.save("07_universal_approximation", figure)
    return {"hand": hand_errors, "learned": learned_errors}


if __name__ == "__main__":
    main(run, __doc__)
