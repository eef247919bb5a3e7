"""Non-convexity: the loss around trained weights, and where many seeds end.

Different initial weights end in different minima, but of similar loss, the more alike the larger
the network (Choromanska et al., 2015).
"""

import numpy as np
from _common import main, panels, plt
from sklearn.datasets import make_moons

import nablas as nb
from nablas.plots import LossLandscapeDisplay

SEEDS, WIDTHS = 30, (2, 4, 8, 16, 32, 64)


def run(pictures):
    X, y = make_moons(200, noise=0.2, random_state=0)
    X_test, y_test = make_moons(2000, noise=0.2, random_state=1)
    finals = {}
    for width in WIDTHS:
        losses = []
        for seed in range(SEEDS):
            net = nb.MLP([2, width, 2], "tanh", "softmax", dtype="float64", seed=seed)
            rate = nb.schedules.Cosine(0.02)
            net.fit(X, y, optimizer=nb.Adam(rate), batch_size=20, epochs=100, l2=1e-4)
            losses.append(net.loss(X_test, y_test))
        finals[width] = np.array(losses)

    net = nb.MLP([2, 8, 2], "tanh", "softmax", dtype="float64", seed=0)
    start = net.parameters.astype(float)
    net.fit(X, y, optimizer=nb.Adam(0.02), epochs=100)
    end = net.parameters.astype(float)
    twin = nb.MLP([2, 8, 2], "tanh", "softmax", dtype="float64", seed=5)
    twin.fit(X, y, optimizer=nb.Adam(0.02), epochs=100)
    other = twin.parameters.astype(float)

    def loss_at(parameters):
        twin.parameters[:] = parameters
        return twin.loss(X, y)

    way = [loss_at(end + t * (other - end)) for t in np.linspace(0, 1, 51)]

    figure, axes = panels(3)
    display = LossLandscapeDisplay.from_estimator(net, X, y, span=1.5, log=True, ax=axes[0])
    axes[1].plot(np.linspace(0, 1, 51), way)
    axes[1].set(
        xlabel="from one minimum (0) to another (1)", ylabel="loss", title="Between two minima"
    )
    for i, losses in enumerate(finals.values()):
        spread = np.random.default_rng(0).uniform(-0.15, 0.15, SEEDS)
        axes[2].plot(i + spread, losses, "o", markersize=3, alpha=0.7)
    axes[2].set_xticks(range(len(WIDTHS)), WIDTHS)
    axes[2].set(
        xlabel="hidden units", ylabel="test loss", title=f"{SEEDS} seeds each", yscale="log"
    )
    pictures.save("13_loss_landscapes", figure)

    figure = plt.figure(figsize=(5.4, 4.2), layout="constrained")
    surface = figure.add_subplot(projection="3d")
    LossLandscapeDisplay.from_estimator(
        net,
        X,
        y,
        directions=[end - start, other - end],
        span=0.8,
        kind="surface",
        log=True,
        ax=surface,
    )
    surface.set_title("From the start, and to another minimum")
    surface.set_box_aspect(None, zoom=0.85)
    pictures.save("13_surface", figure)
    return {
        "deviation": {width: float(losses.std()) for width, losses in finals.items()},
        "mean": {width: float(losses.mean()) for width, losses in finals.items()},
        "between": (way[0], max(way), way[-1]),
        "centre": float(display.values[20, 20]),
        "loss": net.loss(X, y),
    }


if __name__ == "__main__":
    main(run, __doc__)
