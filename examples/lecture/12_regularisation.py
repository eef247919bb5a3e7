"""L2 regularisation: J = CE + λ(ΣW₁² + ΣW₂²), its graph and its gradient."""

import numpy as np
from _common import main, panels
from sklearn.datasets import make_moons

import nablas as nb
from nablas import autograd as ag
from nablas.autograd import Tensor
from nablas.plots import DecisionBoundaryDisplay


def objective(w1, w2, X, y, lam):
    """J and its graph; the bias rows are not penalised."""
    inner, outer = w1[1:], w2[1:]
    hidden = (X @ inner + w1[0]).tanh()
    entropy = ag.cross_entropy(hidden @ outer + w2[0], y)
    return entropy + lam * ((inner**2).sum() + (outer**2).sum())


def run(pictures):
    X, y = make_moons(80, noise=0.35, random_state=0)
    net = nb.MLP([2, 3, 2], "tanh", "softmax", dtype="float64", seed=0)
    blocks = [np.vstack([b, w]) for w, b in zip(net.weights, net.biases, strict=True)]
    lam, gradients = 0.01, {}
    for factor in (lam, 0.0):
        w1, w2 = (Tensor(block, requires_grad=True) for block in blocks)
        J = objective(w1, w2, X, y, factor)
        if factor:
            value, drawing = J.item(), ag.draw(J, {"W1": w1, "W2": w2, "X": X, "λ": lam})
        J.backward()
        gradients[factor] = np.concatenate([w1.grad.data.ravel(), w2.grad.data.ravel()])
    engine = net.gradient(X, y, l2=lam)
    penalty = np.concatenate(
        [np.vstack([np.zeros_like(b[0]), 2 * lam * b[1:]]).ravel() for b in blocks]
    )
    pictures.save("12_graph", drawing)

    figure, axes = panels(3)
    norms = {}
    for ax, factor in zip(axes, (0.0, 1e-3, 1e-2), strict=True):
        wide = nb.MLP([2, 32, 2], "tanh", "softmax", dtype="float64", seed=0)
        wide.fit(X, y, optimizer=nb.Adam(0.02), epochs=400, batch_size=16, l2=factor)
        norms[factor] = float(sum(np.square(w).sum() for w in wide.weights))
        DecisionBoundaryDisplay.from_estimator(wide, X, y, names=("x₁", "x₂"), ax=ax)
        ax.set_title(f"λ = {factor:g}: ΣW² = {norms[factor]:.0f}")
    pictures.save("12_regularisation", figure)
    return {
        "value": (value, net.loss(X, y, l2=lam)),
        "engine_error": np.abs(gradients[lam] - engine).max(),
        "penalty_error": np.abs(gradients[lam] - gradients[0.0] - penalty).max(),
        "norms": norms,
    }


if __name__ == "__main__":
    main(run, __doc__)
