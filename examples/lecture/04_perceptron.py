"""The simple perceptron: one unit, one rule, three activations.

Rosenblatt's correction w += η (y - ŷ) x ends on separable data. With the sigmoid the same rule is
gradient descent on cross-entropy (logistic regression), with the identity on ½(ŷ - y)² (linear
regression).
"""

import numpy as np
from _common import main, panels
from sklearn.datasets import make_blobs

import nablas as nb
from nablas.plots import DecisionBoundaryDisplay


def perceptron(X, y, activation, rate=1.0, epochs=100):
    """Weights (bias first) and the number of corrections in each epoch."""
    extended = np.column_stack([np.ones(len(X)), X])
    w, corrections = np.zeros(extended.shape[1]), []
    for _ in range(epochs):
        wrong = 0
        for x, target in zip(extended, y, strict=True):
            guess = nb.kernels.activate(np.array([x @ w]), activation)[0]
            w += rate * (target - guess) * x
            wrong += int((guess > 0.5) != target)
        corrections.append(wrong)
        if wrong == 0 and activation == "step":
            break
    return w, corrections


def correction(X, y, w, activation):
    """The mean of (y - ŷ) x: what one pass over all rows would change, for η = 1."""
    extended = np.column_stack([np.ones(len(X)), X])
    return extended.T @ (y - nb.kernels.activate(extended @ w, activation)) / len(X)


def as_network(w, output):
    net = nb.MLP([len(w) - 1, 1], output=output, dtype="float64")
    net.parameters[:] = w
    return net


def run(pictures):
    X, y = make_blobs(60, centers=[[3, 1], [6, 3]], cluster_std=0.7, random_state=0)
    corrections = perceptron(X, y, "step")[1]
    square = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    gates = {
        name: perceptron(square, np.array(table), "step")[1]
        for name, table in {"AND": [0, 0, 0, 1], "OR": [0, 1, 1, 1], "XOR": [0, 1, 1, 0]}.items()
    }

    point = np.array([0.3, -0.2, 0.5])
    pairs = {"sigmoid": "binary_cross_entropy", "identity": "half_mse"}
    errors = {}
    for activation, loss in pairs.items():
        minus_gradient = -as_network(point, activation).gradient(X, y.astype(float), loss=loss)
        errors[activation] = np.abs(minus_gradient - correction(X, y, point, activation)).max()

    figure, axes = panels(3)
    rates = {"step": 1.0, "sigmoid": 0.1, "identity": 0.01}
    for ax, (activation, rate) in zip(axes, rates.items(), strict=True):
        net = as_network(perceptron(X, y, activation, rate)[0], activation)
        if activation == "identity":
            net = _Classifier(net)
        DecisionBoundaryDisplay.from_estimator(net, X, y, names=("x₁", "x₂"), ax=ax)
        ax.set_title(f"perceptron with {activation}")
    pictures.save("04_perceptron", figure)
    return {"corrections": corrections, "gates": gates, "errors": errors}


class _Classifier:
    """A linear output as a classifier: class 1 above one half."""

    classes_ = (0, 1)

    def __init__(self, net):
        self.net = net

    def predict(self, X):
        return (self.net.predict(X) > 0.5).astype(int)


if __name__ == "__main__":
    main(run, __doc__)
