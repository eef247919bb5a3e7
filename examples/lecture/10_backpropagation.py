"""Backpropagation through a 2-2-1 network with sigmoid units and the loss ½(h - y)²,
four times: by hand formulas, `net.explain`, automatic differentiation, finite differences.

In column vectors, W as (outputs, inputs) without biases: δ⁽²⁾ = (h - y) g′(z⁽²⁾),
δ⁽¹⁾ = (W⁽²⁾)ᵀ δ⁽²⁾ ⊙ g′(z⁽¹⁾), ∂L/∂W⁽ˡ⁾ = δ⁽ˡ⁾ a⁽ˡ⁻¹⁾ᵀ. nablas keeps W as (inputs, outputs).
"""

import math

import numpy as np
from _common import main, panels

import nablas as nb
from nablas import autograd as ag
from nablas.plots import NetworkDisplay

# Extended weights, row 0 the bias: first layer (3, 2), second layer (3, 1).
W1 = np.array([[0.1, -0.2], [0.3, 0.5], [-0.4, 0.2]])
W2 = np.array([[0.2], [0.7], [-0.6]])
X, Y = (1.0, 2.0), 1.0


def by_hand():
    """Every number with its own formula."""
    (b1, b2), (w11, w12), (w21, w22) = W1
    (b3,), (v1,), (v2,) = W2
    x1, x2 = X

    def g(z):
        return 1 / (1 + math.exp(-z))

    z1, z2 = b1 + w11 * x1 + w21 * x2, b2 + w12 * x1 + w22 * x2
    a1, a2 = g(z1), g(z2)
    z3 = b3 + v1 * a1 + v2 * a2
    h = g(z3)
    d3 = (h - Y) * h * (1 - h)
    d1, d2 = d3 * v1 * a1 * (1 - a1), d3 * v2 * a2 * (1 - a2)
    return {
        "z": ([z1, z2], [z3]),
        "a": ([a1, a2], [h]),
        "delta": ([d1, d2], [d3]),
        "dW": ([[d1, d2], [d1 * x1, d2 * x1], [d1 * x2, d2 * x2]], [[d3], [d3 * a1], [d3 * a2]]),
        "loss": 0.5 * (h - Y) ** 2,
    }


def network():
    net = nb.MLP([2, 2, 1], "sigmoid", "sigmoid", dtype="float64")
    net.parameters[:] = np.concatenate([W1.ravel(), W2.ravel()])
    return net


def by_explain(net):
    passed = net.explain(np.array(X), np.array([Y]), loss="half_mse")
    both = passed.layers
    return {
        "z": tuple(layer.z[0] for layer in both),
        "a": tuple(layer.a[0] for layer in both),
        "delta": tuple(layer.delta[0] for layer in both),
        "dW": tuple(np.vstack([layer.db, layer.dW]) for layer in both),
        "loss": passed.loss,
    }


def by_autograd():
    w1, w2 = (ag.Tensor(w, requires_grad=True) for w in (W1, W2))
    z1 = np.array([X]) @ w1[1:] + w1[0]
    a1 = z1.sigmoid()
    z2 = a1 @ w2[1:] + w2[0]
    a2 = z2.sigmoid()
    loss = 0.5 * ((a2 - Y) ** 2).sum()
    for z in (z1, z2):
        z.retain_grad()
    loss.backward()
    return {
        "z": (z1.data[0], z2.data[0]),
        "a": (a1.data[0], a2.data[0]),
        "delta": (z1.grad.data[0], z2.grad.data[0]),
        "dW": (w1.grad.data, w2.grad.data),
        "loss": loss.item(),
    }


def by_differences(net, h=1e-6):
    """Only ∂L/∂W: the network is a black box here."""
    twin, flat = network(), []
    for i in range(net.parameters.size):
        ends = []
        for sign in (1, -1):
            twin.parameters[:] = net.parameters
            twin.parameters[i] += sign * h
            ends.append(twin.loss(np.array([X]), np.array([Y]), loss="half_mse"))
        flat.append((ends[0] - ends[1]) / (2 * h))
    return {"dW": (np.reshape(flat[:6], (3, 2)), np.reshape(flat[6:], (3, 1)))}


def vector_form(numbers):
    """δ⁽¹⁾ from δ⁽²⁾ in one line; W2[1:] is (W⁽²⁾)ᵀ already."""
    a1, delta2 = np.array(numbers["a"][0]), np.array(numbers["delta"][1])
    return W2[1:] @ delta2 * (a1 * (1 - a1))


def run(pictures):
    net = network()
    ways = {
        "by hand": by_hand(),
        "explain": by_explain(net),
        "autograd": by_autograd(),
        "differences": by_differences(net),
    }

    figure, axes = panels(2, 5.4, 3.8)
    NetworkDisplay.from_estimator(net, ax=axes[0])
    gradient = network()
    gradient.parameters[:] = net.gradient(np.array([X]), np.array([Y]), loss="half_mse")
    NetworkDisplay.from_estimator(gradient, ax=axes[1])
    axes[0].set_title("the weights")
    axes[1].set_title("the gradient by each")
    pictures.save("10_backpropagation", figure)
    return {"ways": ways, "vector_form": vector_form(ways["by hand"])}


if __name__ == "__main__":
    main(run, __doc__)
