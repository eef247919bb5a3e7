"""Loss landscapes: true minima, the ways and planes between them, and where many seeds end.

Most local minima of large networks are alike (Choromanska et al., 2015).
"""

from copy import deepcopy
from math import factorial

import numpy as np
from _common import main, panels, plt, spread
from scipy.optimize import minimize
from sklearn.datasets import make_moons

import nablas as nb
from nablas.plots import LossLandscapeDisplay

SEEDS, WIDTHS = 20, (2, 4, 8, 16)
L2, SLOPE, MOST = 1e-3, 1e-7, 2000
SHOWN = {"A": 4, "B": 5, "C": 0}  # seeds; C is a bad minimum
SHOWN_WIDTH = 8
BAD = 0.02  # a minimum that is so much above the best of its width
SMALLEST, FIT, FACTOR = 1e-6, 0.05, 10
FREE_ITERATIONS = 100


def points():
    """Training and new rows."""
    new = make_moons(2000, noise=0.2, random_state=1)
    return make_moons(200, noise=0.2, random_state=0), new


def network(width, seed):
    return nb.MLP([2, width, 2], "tanh", "softmax", dtype="float64", seed=seed)


def descend(net, X, y, l2, iterations):
    """L-BFGS from the network's weights until no derivative is above SLOPE; returns J."""

    def cost(parameters):
        net.parameters[:] = parameters
        return net.loss(X, y, l2=l2), net.gradient(X, y, l2=l2)

    stop = {"maxiter": iterations, "ftol": 0, "gtol": SLOPE}
    found = minimize(cost, net.parameters.copy(), jac=True, method="L-BFGS-B", options=stop)
    net.parameters[:] = found.x
    return found.fun


def curvature(net, X, y):
    """Eigenvalues of J's Hessian, by central differences of the gradient."""
    at, columns = net.parameters.copy(), []
    for step in 1e-5 * np.eye(at.size):
        ends = []
        for moved in (at + step, at - step):
            net.parameters[:] = moved
            ends.append(net.gradient(X, y, l2=L2))
        columns.append((ends[0] - ends[1]) / 2e-5)
    net.parameters[:] = at
    return np.linalg.eigvalsh((np.array(columns) + np.transpose(columns)) / 2)


def many_seeds(X, y, new):
    """By width, a row for each seed: J, |∇J|, and the cross-entropy and score of new rows."""
    found, nets = {}, {}
    for width in WIDTHS:
        rows = []
        for seed in range(SEEDS):
            net = nets[width, seed] = network(width, seed)
            J = descend(net, X, y, L2, MOST)
            norm = np.linalg.norm(net.gradient(X, y, l2=L2))
            rows.append((J, norm, net.loss(*new), net.score(*new)))
        found[width] = np.array(rows)
    return found, nets


def without_penalty(X, y, new):
    """Cross-entropy of training and new rows near the training rows' global minimum, by seed."""
    rows = []
    for seed in range(SEEDS):
        net = network(WIDTHS[-1], seed)
        descend(net, X, y, 0.0, FREE_ITERATIONS)
        rows.append((net.loss(X, y), net.loss(*new)))
    return np.array(rows)


def mirrored(net):
    """The same function: hidden units in reverse order."""
    twin = deepcopy(net)
    twin.weights[0][:], twin.biases[0][:] = net.weights[0][:, ::-1], net.biases[0][::-1]
    twin.weights[1][:], twin.biases[1][:] = net.weights[1][::-1], net.biases[1]
    return twin


def way_between(first, second, X, y):
    """J at the ends of the straight way and its highest value on it."""
    twin, start, end = deepcopy(first), first.parameters, second.parameters
    costs = []
    for t in np.linspace(0, 1, 101):
        twin.parameters[:] = (1 - t) * start + t * end
        costs.append(twin.loss(X, y, l2=L2))
    return costs


def run(pictures):
    (X, y), new = points()
    found, nets = many_seeds(X, y, new)
    shown = {name: nets[SHOWN_WIDTH, seed] for name, seed in SHOWN.items()}
    A, B, C = shown.values()
    ways = {
        "A to B": way_between(A, B, X, y),
        "A to C": way_between(A, C, X, y),
        "A to A with its units reversed": way_between(A, mirrored(A), X, y),
    }
    free = without_penalty(X, y, new)
    display = draw(pictures, (X, y), shown, ways, found)
    draw_surface(pictures, X, y, A, B)
    J = {width: rows[:, 0] for width, rows in found.items()}
    return {
        "rows": len(X),
        "seeds": SEEDS,
        "l2": L2,
        "width": SHOWN_WIDTH,
        "shown": {name: found[SHOWN_WIDTH][seed] for name, seed in SHOWN.items()},
        "curvature": {name: np.sort(curvature(net, X, y))[:2] for name, net in shown.items()},
        "ways": {name: (way[0], max(way), way[-1]) for name, way in ways.items()},
        "copies": factorial(SHOWN_WIDTH) * 2**SHOWN_WIDTH,
        "lowest": display.lowest[1],
        "largest_norm": max(rows[:, 1].max() for rows in found.values()),
        "smallest": SMALLEST,
        "minima": {width: spread(costs) for width, costs in J.items()},
        "mean": {width: costs.mean() for width, costs in J.items()},
        "bad": {w: np.count_nonzero(costs > costs.min() + BAD) for w, costs in J.items()},
        "new": {width: spread(rows[:, 2]) for width, rows in found.items()},
        "margin": BAD,
        "free": free,
        "fit": FIT,
        "factor": FACTOR,
        "iterations": FREE_ITERATIONS,
        "slope": SLOPE,
        "most": MOST,
        "widest": WIDTHS[-1],
        "penalised": found[WIDTHS[-1]][:, 2],
    }


def check(got):
    """What the page claims."""
    assert got["seeds"] >= 20
    assert got["largest_norm"] <= SMALLEST
    for smallest, next_one in got["curvature"].values():
        assert abs(smallest) < 1e-8 < 1e-5 < next_one
    A, B, C = (row[0] for row in got["shown"].values())
    assert abs(A - B) < 1e-3 < BAD < C - A
    np.testing.assert_allclose([A, B], [0.1482, 0.1480], atol=5e-5)
    for start, highest, end in got["ways"].values():
        assert highest > max(start, end) + 0.01
    assert got["lowest"] == min(A, B, C)
    first, *later = got["bad"].values()
    assert first > 0.8 * got["seeds"]
    assert max(later) <= 0.1 * got["seeds"]
    assert later[-1] == 0
    for width in WIDTHS[1:]:
        assert got["minima"][width][1] - got["minima"][width][0] < 2e-3
    assert (got["free"][:, 0] < FIT).all()
    assert (got["free"][:, 1] > FACTOR * got["penalised"]).all()


def draw(pictures, data, shown, ways, found):
    figure, (plane, along, costs, fresh) = panels(4, 4.6, 4.1, columns=2)
    display = LossLandscapeDisplay.from_networks(
        list(shown.values()), *data, names=list(shown), log=True, ax=plane, l2=L2
    )
    plane.set_title("The plane through three minima")
    for (name, way), style in zip(ways.items(), ("-", "--", ":"), strict=True):
        along.plot(np.linspace(0, 1, len(way)), way, style, label=name)
    along.set(xlabel="share of the straight way", ylabel="J", title="Between minima")
    along.set_ylim(top=1.25 * max(max(way) for way in ways.values()))
    along.legend()
    jitter = np.random.default_rng(0).uniform(-0.2, 0.2, SEEDS)
    for ax, column, label in ((costs, 0, "J"), (fresh, 2, "cross-entropy of new rows")):
        for i, rows in enumerate(found.values()):
            ax.plot(i + jitter, rows[:, column], "o", markersize=5, alpha=0.6)
        ax.set_xticks(range(len(WIDTHS)), [str(width) for width in WIDTHS])
        ax.set(xlabel="hidden units", ylabel=label, title=f"Minima of {SEEDS} seeds")
    pictures.save("13_loss_landscapes", figure)
    return display


def draw_surface(pictures, X, y, A, B):
    figure = plt.figure(figsize=(6.4, 5.6), layout="constrained")
    surface = figure.add_subplot(projection="3d")
    nets = [network(SHOWN_WIDTH, SHOWN["A"]), A, B]
    names = ["start of A", "A", "B"]
    LossLandscapeDisplay.from_networks(
        nets, X, y, names=names, kind="surface", log=True, ax=surface, l2=L2
    )
    surface.set_title("The plane through a start and two minima")
    pictures.save("13_surface", figure)


if __name__ == "__main__":
    main(run, __doc__)
