"""L2 regularisation: J = CE + λ(ΣW₁² + ΣW₂²) as a graph, its gradient, and what λ does."""

import numpy as np
from _common import main, panels
from sklearn.datasets import make_moons

import nablas as nb
from nablas import autograd as ag
from nablas.autograd import Tensor
from nablas.plots import DecisionBoundaryDisplay

ROWS, NEW, NOISE = 80, 1000, 0.35
LAMBDA, RATE, STEPS = 0.01, 0.5, 50
LAMBDAS, SEEDS, HIDDEN = (0.0, 1e-3, 1e-2), 20, 32
ADAM, BATCH, EPOCHS = 0.02, 20, 250
ROUNDING = 1e-12


def points(rows, seed):
    return make_moons(rows, noise=NOISE, random_state=seed)


def objective(W1, b1, W2, b2, X, Y, lam):
    """J of a network with one hidden layer; Y is one-hot."""
    hidden = np.tanh(X @ W1 + b1)
    entropy = ag.cross_entropy(hidden @ W2 + b2, Y)
    return entropy + lam * ((W1**2).sum() + (W2**2).sum())


def small_network():
    return nb.MLP([2, 3, 2], "tanh", "softmax", dtype="float64", seed=0)


def leaves_of(net):
    """W1, b1, W2, b2 as Tensors."""
    blocks = [block for pair in zip(net.weights, net.biases, strict=True) for block in pair]
    return [Tensor(block.copy(), requires_grad=True) for block in blocks]


def descend(leaves, X, Y):
    """Gradient descent on the graph: forward, backward, step."""
    for _ in range(STEPS):
        J = objective(*leaves, X, Y, LAMBDA)
        J.backward()
        for leaf in leaves:
            leaf.data -= RATE * leaf.grad.data
            leaf.grad = None


def by_engine(X, y):
    net = small_network()
    for _ in range(STEPS):
        net.parameters -= RATE * net.gradient(X, y, l2=LAMBDA)
    return net


def one_pass(X, y, Y):
    """J and its parts; gradients by graph and engine, whole and of the cross-entropy alone."""
    net, graph = small_network(), []
    for lam in (LAMBDA, 0.0):
        leaves = leaves_of(net)
        J = objective(*leaves, X, Y, lam)
        J.backward()
        graph.append([J.item(), *(leaf.grad.data for leaf in leaves)])
    engine = [block for pair in net.gradients(X, y, l2=LAMBDA) for block in pair]
    apart = [np.abs(a - b).max() for a, b in zip(graph[0][1:], engine, strict=True)]
    return net, graph, (net.loss(X, y, l2=LAMBDA), engine), max(apart)


def first_entries(net, graph, engine):
    """Of each block's first entry: weight, ∂CE, 2λ times it or 0, ∂J by graph and engine."""
    rows = []
    blocks = [block for pair in zip(net.weights, net.biases, strict=True) for block in pair]
    for k, name in enumerate(("W₁", "b₁", "W₂", "b₂")):
        weight = blocks[k].flat[0]
        penalty = 2 * LAMBDA * weight * (name[0] == "W")
        entropy, whole = graph[1][k + 1].flat[0], graph[0][k + 1].flat[0]
        rows.append((name, weight, entropy, penalty, whole, engine[k].flat[0]))
    return rows


def train(X, y, lam, seed):
    net = nb.MLP([2, HIDDEN, 2], "tanh", "softmax", dtype="float64", seed=seed)
    net.fit(X, y, optimizer=nb.Adam(ADAM), epochs=EPOCHS, batch_size=BATCH, l2=lam)
    return net


def slopes(net, X):
    """|∂P(class 1)/∂x| at each row, by a graph of the same network."""
    x = Tensor(X, requires_grad=True)
    W1, b1, W2, b2 = leaves_of(net)
    ag.softmax(np.tanh(x @ W1 + b1) @ W2 + b2)[:, 1].sum().backward()
    return np.linalg.norm(x.grad.data, axis=1)


def measures(net, training, new):
    """ΣW², cross-entropy of training and new rows, greatest slope at a new row."""
    squares = sum(np.square(w).sum() for w in net.weights)
    return squares, net.loss(*training), net.loss(*new), slopes(net, new[0]).max()


def run(pictures):
    X, y = points(ROWS, 0)
    new = points(NEW, 1)
    Y = np.eye(2)[y]
    leaves = leaves_of(small_network())
    given = Tensor(X), Tensor(Y), Tensor(LAMBDA)
    names = dict(zip(("W₁", "b₁", "W₂", "b₂", "X", "Y", "λ"), (*leaves, *given), strict=True))
    pictures.save("12_graph", ag.draw(objective(*leaves, *given), names))
    net, graph, (loss, engine), apart = one_pass(X, y, Y)
    descend(leaves, X, Y)
    descended = by_engine(X, y)
    blocks = [
        b.ravel() for pair in zip(descended.weights, descended.biases, strict=True) for b in pair
    ]
    steps_apart = max(np.abs(a.data.ravel() - b).max() for a, b in zip(leaves, blocks, strict=True))
    found, shown = {}, {}
    for lam in LAMBDAS:
        nets = [train(X, y, lam, seed) for seed in range(SEEDS)]
        found[lam] = np.array([measures(net, (X, y), new) for net in nets])
        shown[lam] = nets[0]
    draw(pictures, X, y, shown, found)
    return {
        "rows": ROWS,
        "new_rows": NEW,
        "lam": LAMBDA,
        "value": graph[0][0],
        "entropy": graph[1][0],
        "penalty": LAMBDA * sum(np.square(w).sum() for w in net.weights),
        "engine": loss,
        "entries": first_entries(net, graph, engine),
        "apart": apart,
        "steps_apart": steps_apart,
        "rate": RATE,
        "steps": STEPS,
        "after": descended.loss(X, y, l2=LAMBDA),
        "hidden": HIDDEN,
        "seeds": SEEDS,
        "epochs": EPOCHS,
        "found": {lam: np.median(rows, axis=0) for lam, rows in found.items()},
        "pairs": [found[lam] for lam in LAMBDAS],
        "bound": ROUNDING,
    }


def check(got):
    """What the page claims."""
    assert abs(got["value"] - got["engine"]) < ROUNDING
    assert abs(got["entropy"] + got["penalty"] - got["value"]) < ROUNDING
    assert got["apart"] < ROUNDING
    assert got["steps_apart"] < ROUNDING
    for _, _, entropy, penalty, whole, engine in got["entries"]:
        assert abs(entropy + penalty - whole) < ROUNDING
        assert abs(whole - engine) < ROUNDING
    assert got["after"] < got["value"]
    assert got["seeds"] >= 20
    for less, more in zip(got["pairs"], got["pairs"][1:], strict=False):
        assert (more[:, 0] < less[:, 0]).all()  # smaller weights
        assert (more[:, 1] > less[:, 1]).all()  # a worse fit of the training rows
        assert (more[:, 3] < less[:, 3]).all()  # less steep
    none, some, much = (rows[:, 2] for rows in got["pairs"])
    assert (some < none).all()
    assert (some < much).all()


def draw(pictures, X, y, shown, found):
    figure, axes = panels(4, 4.4, 3.6, columns=2)
    for ax, (lam, net) in zip(axes, shown.items(), strict=False):
        DecisionBoundaryDisplay.from_estimator(net, X, y, names=("x₁", "x₂"), ax=ax)
        ax.get_legend().set(loc="lower left", title="class")
        ax.set_title(f"λ = {lam:g}: ΣW² = {found[lam][0, 0]:.0f}")
    last = axes[-1]
    for (lam, rows), look in zip(found.items(), ("o", "^", "s"), strict=True):
        last.semilogx(rows[:, 0], rows[:, 2], look, markersize=6, alpha=0.7, label=f"λ = {lam:g}")
    ticks = (5, 10, 20, 50, 100)
    last.set_xticks(ticks, [str(tick) for tick in ticks])
    last.set(xlabel="ΣW²", ylabel="cross-entropy of new rows", title=f"{SEEDS} seeds for each λ")
    last.legend()
    pictures.save("12_regularisation", figure)


if __name__ == "__main__":
    main(run, __doc__)
