"""Why the step function does not train, the sigmoid, and logistic regression.

The step's slope is 0 everywhere, so no gradient comes back. With the sigmoid, cross-entropy has the
gradient (1/n) Xᵀ(p - y) and is convex; the squared error of a sigmoid is not.
"""

import numpy as np
from _common import main, panels
from sklearn.datasets import make_blobs

import nablas as nb
from nablas.plots import ActivationDisplay, DecisionBoundaryDisplay

STEPS, RATE = 2000, 0.01


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def run(pictures):
    X, y = make_blobs(100, centers=[[-1.5, -1], [1.5, 1]], cluster_std=1.3, random_state=3)
    n = len(X)
    extended = np.column_stack([np.ones(n), X])

    stepped = nb.MLP([2, 1], output="step", dtype="float64", seed=0)
    no_gradient = stepped.gradient(X, y, loss="mse")

    def cost(w):
        p = sigmoid(extended @ w)
        return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))

    def gradient(w):
        return extended.T @ (sigmoid(extended @ w) - y) / n

    result = nb.gradient_descent(
        cost, gradient, np.zeros(3), learning_rate=RATE, max_iterations=STEPS
    )
    net = nb.MLP([2, 1], output="sigmoid", dtype="float64", init="zeros")
    net.fit(X, y, optimizer=nb.SGD(RATE), batch_size=n, epochs=STEPS, shuffle=False)

    w = np.linspace(-12, 12, 481)
    x1, y1 = np.array([1.0, -0.6, 1.5, -1.0]), np.array([1.0, 0.0, 0.0, 0.0])
    p = sigmoid(np.outer(w, x1))
    squared = np.mean((p - y1) ** 2, axis=1)
    entropy = -np.mean(y1 * np.log(p) + (1 - y1) * np.log1p(-p), axis=1)

    figure, axes = panels(4, 3.6)
    ActivationDisplay.from_names(["step", "sigmoid"], ax=axes[:2])
    axes[2].plot(w, squared / squared.max(), label="squared error")
    axes[2].plot(w, entropy / entropy.max(), "--", label="cross-entropy")
    axes[2].set(xlabel="weight", ylabel="cost / its maximum", title="Cost of one weight")
    axes[2].legend()
    DecisionBoundaryDisplay.from_estimator(net, X, y, names=("x₁", "x₂"), ax=axes[3])
    pictures.save("02_logistic_regression", figure)
    return {
        "step_gradient": no_gradient,
        "descent": result.x,
        "network": net.parameters.copy(),
        "mse_curvature": np.diff(squared, 2).min(),
        "cross_entropy_curvature": np.diff(entropy, 2).min(),
    }


if __name__ == "__main__":
    main(run, __doc__)
