"""The multilayer perceptron: a forward pass by hand, and the dimensions of every matrix."""

import numpy as np
from _common import main, panels

import nablas as nb
from nablas.plots import NetworkDisplay


def forward_exercise():
    """Four inputs, hidden units A and B, output C, identity activation; all other weights are 0."""
    net = nb.MLP([4, 2, 1], "identity", dtype="float64", init="zeros")
    (w_hidden, w_output), (b_hidden, b_output) = net.weights, net.biases
    a, b = 0, 1
    b_hidden[a] = -3  # w₀A
    w_hidden[3, b] = 0.5  # w₄B
    b_output[0] = 1  # w₀C
    w_output[a, 0], w_output[b, 0] = 2, 4  # w₁C, w₂C
    return net, np.array([0.0, 0.0, 0.0, 1.0])  # x₄ = 1


def dimension_exercise():
    """Four rows of two attributes through layers of 2, 1 and 1 units."""
    net = nb.MLP([2, 2, 1, 1], "sigmoid", "sigmoid", dtype="float64", seed=0)
    X = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    return net, X, np.array([0.0, 1, 1, 0])


def run(pictures):
    net, x = forward_exercise()
    explanation = net.explain(x, 0.0)

    deep, X, y = dimension_exercise()
    passed = deep.explain(X, y)
    shapes = {"X'": (4, 3)}
    for i, layer in enumerate(passed.layers, 1):
        shapes[f"W{i}"] = (layer.weights.shape[0] + 1, layer.weights.shape[1])
        rows, units = layer.a.shape
        last = i == len(passed.layers)
        shapes["Y" if last else f"A{i}"] = (rows, units if last else units + 1)

    figure, axes = panels(2, 5.4, 3.6)
    NetworkDisplay.from_estimator(net, ax=axes[0])
    axes[0].set_title("forward exercise: ŷ = −3")
    NetworkDisplay.from_estimator(deep, ax=axes[1])
    axes[1].set_title("dimension exercise: 2-2-1-1")
    pictures.save("05_multilayer", figure)
    return {
        "output_value": explanation.output.item(),
        "shapes": shapes,
        "text": str(passed),
        "hidden": explanation.layers[0].a[0],
    }


if __name__ == "__main__":
    main(run, __doc__)
