"""Backpropagation through a 2-2-1 network with sigmoid units and the loss ½(h - y)², number by
number; then in vectors, by `net.explain`, by automatic differentiation, by differences; an update;
any number of layers and rows.

The matrices are extended: row 0 holds the biases. W[i, j] leads from unit i to unit j.
"""

import numpy as np
from _common import main

import nablas as nb
from nablas import autograd as ag
from nablas.plots import NetworkDisplay

W1 = np.array([[0.1, -0.2], [0.3, 0.5], [-0.4, 0.2]])  # (3, 2)
W2 = np.array([[0.2], [0.7], [-0.6]])  # (3, 1)
X, Y = np.array([1.0, 2.0]), 1.0
RATE, STEP = 0.5, 1e-5
DEEP, ROWS = [3, 5, 4, 2], 6
ROUNDING, APART = 1e-12, 1e-9


def g(z):
    return 1 / (1 + np.exp(-z))


def forward():
    """Weights are named as in the lecture: w12 of layer 1 leads from x₁ to unit 2; v of layer 2."""
    (w01, w02), (w11, w12), (w21, w22) = W1
    (v0,), (v1,), (v2,) = W2
    z1 = w01 * 1 + w11 * X[0] + w21 * X[1]
    z2 = w02 * 1 + w12 * X[0] + w22 * X[1]
    a1, a2 = g(z1), g(z2)
    z = v0 * 1 + v1 * a1 + v2 * a2
    h = g(z)
    return z1, z2, a1, a2, z, h, (h - Y) ** 2 / 2


def last_layer(a1, a2, h):
    """δ⁽²⁾ and the derivatives by w⁽²⁾₀, w⁽²⁾₁, w⁽²⁾₂."""
    delta = (h - Y) * h * (1 - h)
    return delta, [[delta * 1], [delta * a1], [delta * a2]]


def hidden_layer(delta, a1, a2):
    """δ⁽¹⁾ of both units and the derivatives by W⁽¹⁾."""
    d1 = delta * W2[1, 0] * a1 * (1 - a1)
    d2 = delta * W2[2, 0] * a2 * (1 - a2)
    return (d1, d2), [[d1 * 1, d2 * 1], [d1 * X[0], d2 * X[0]], [d1 * X[1], d2 * X[1]]]


def five_factors(a2, h):
    """Of ∂L/∂w⁽¹⁾₁₂, from the loss down to the weight."""
    return {
        "∂L/∂h": h - Y,
        "∂h/∂z⁽²⁾": h * (1 - h),
        "∂z⁽²⁾/∂a⁽¹⁾₂": W2[2, 0],
        "∂a⁽¹⁾₂/∂z⁽¹⁾₂": a2 * (1 - a2),
        "∂z⁽¹⁾₂/∂w⁽¹⁾₁₂": X[0],
    }


def vector_form(a1, h):
    """a1 and h are columns, W without biases is (outputs, inputs)."""
    x, w2 = np.reshape(X, (2, 1)), W2[1:].T
    delta2 = (h - Y) * h * (1 - h)
    delta1 = w2.T @ delta2 * (a1 * (1 - a1))
    return delta1 @ x.T, delta2 @ a1.T


def network():
    net = nb.MLP([2, 2, 1], "sigmoid", "sigmoid", dtype="float64")
    net.parameters[:] = np.concatenate([W1.ravel(), W2.ravel()])
    return net


def by_explain(net):
    passed = net.explain(X, [Y], loss="half_mse")
    return [np.vstack([layer.db, layer.dW]) for layer in passed.layers]


def by_autograd():
    w1, w2 = (ag.Tensor(w, requires_grad=True) for w in (W1, W2))
    a1 = (X @ w1[1:] + w1[0]).sigmoid()
    h = (a1 @ w2[1:] + w2[0]).sigmoid()
    loss = 0.5 * ((h - Y) ** 2).sum()
    loss.backward()
    return [w1.grad.data, w2.grad.data]


def by_differences():
    """The network is a black box here."""
    net, flat = network(), []
    for i in range(net.parameters.size):
        ends = []
        for step in (STEP, -2 * STEP):
            net.parameters[i] += step
            ends.append(net.loss(X[np.newaxis], [[Y]], loss="half_mse"))
        net.parameters[i] += STEP
        flat.append((ends[0] - ends[1]) / (2 * STEP))
    return [np.reshape(flat[: W1.size], W1.shape), np.reshape(flat[W1.size :], W2.shape)]


def update(net):
    """One step of descent on this one row: w := w - η ∇L."""
    net.parameters -= RATE * net.gradient(X[np.newaxis], [[Y]], loss="half_mse")
    return net


def gradients(net, rows, targets):
    """Of J, the mean of L over the rows, in a network of any number of sigmoid layers."""
    a = [rows]
    for w, b in zip(net.weights, net.biases, strict=True):
        a.append(g(a[-1] @ w + b))
    delta, found = (a[-1] - targets) * a[-1] * (1 - a[-1]) / len(rows), []
    for w, below in zip(net.weights[::-1], a[-2::-1], strict=True):
        found.insert(0, (below.T @ delta, delta.sum(axis=0)))
        delta = delta @ w.T * below * (1 - below)
    return found


def any_layers():
    """Derivatives of the last biases; the largest difference of all from the library's."""
    rng = np.random.default_rng(0)
    rows, targets = rng.normal(size=(ROWS, DEEP[0])), rng.uniform(size=(ROWS, DEEP[-1]))
    net = nb.MLP(DEEP, "sigmoid", "sigmoid", dtype="float64", seed=0)
    pairs = zip(
        gradients(net, rows, targets), net.gradients(rows, targets, loss="half_mse"), strict=True
    )
    differences = [largest(ours, its) for ours, its in pairs]
    return gradients(net, rows, targets)[-1][1], max(differences)


def largest(found, expected):
    return max(np.abs(np.subtract(a, b)).max() for a, b in zip(found, expected, strict=True))


def run(pictures):
    z1, z2, a1, a2, z, h, loss = forward()
    delta2, dW2 = last_layer(a1, a2, h)
    delta1, dW1 = hidden_layer(delta2, a1, a2)
    net, by_hand = network(), [dW1, dW2]
    in_vectors = vector_form(np.array([[a1], [a2]]), np.array([[h]]))
    passed = net.explain(X, [Y], loss="half_mse")
    new = update(network())
    pictures.save("10_forward", NetworkDisplay.from_explanation(passed, show="forward"))
    pictures.save("10_backward", NetworkDisplay.from_explanation(passed, show="backward"))
    pictures.page("10_step_through", passed.to_html(learning_rate=RATE))
    return {
        "W1": W1,
        "W2": W2,
        "x": X,
        "y": Y,
        "z": (z1, z2, z),
        "a": (a1, a2),
        "h": h,
        "loss": loss,
        "slip_z": W1[0, 1] + W1[1, 1] * a1 + W1[2, 1] * a2,
        "delta": (*delta1, delta2),
        "dW1": dW1,
        "dW2": dW2,
        "factors": five_factors(a2, h),
        "slip_weight": delta2 * W2[1, 0] * a2 * (1 - a2) * X[0],
        "slip_delta": W2[1:, 0] * delta1[1] * np.array([a1 * (1 - a1), a2 * (1 - a2)]),
        "in_vectors": in_vectors,
        "vector_error": largest(in_vectors, [np.transpose(dW1[1:]), np.transpose(dW2[1:])]),
        "explain_error": largest(by_explain(net), by_hand),
        "autograd_error": largest(by_autograd(), by_hand),
        "difference_error": largest(by_differences(), by_hand),
        "bound": ROUNDING,
        "apart": APART,
        "step": STEP,
        "rate": RATE,
        "new": [np.vstack([b, w]) for w, b in zip(new.weights, new.biases, strict=True)],
        "new_loss": new.loss(X[np.newaxis], [[Y]], loss="half_mse"),
        "sizes": DEEP,
        "rows": ROWS,
        "deep_biases": any_layers()[0],
        "deep_error": any_layers()[1],
        "other": network().explain(X, [0.0], loss="half_mse").layers,
    }


def check(got):
    """What the page claims."""
    for error in ("vector_error", "explain_error", "autograd_error", "deep_error"):
        assert got[error] < ROUNDING, error
    assert got["difference_error"] < APART
    assert abs(np.prod(list(got["factors"].values())) - got["dW1"][1][1]) < ROUNDING
    first, second, *_ = got["factors"].values()
    assert abs(first * second - got["delta"][2]) < ROUNDING
    for new, old, gradient in zip(got["new"], (W1, W2), (got["dW1"], got["dW2"]), strict=True):
        np.testing.assert_allclose(new, old - RATE * np.array(gradient), rtol=ROUNDING)
    assert got["new_loss"] < got["loss"]
    assert abs(got["slip_weight"] - got["dW1"][1][1]) > 1e-3
    assert got["other"][1].delta.item() > 0 > got["delta"][2]


if __name__ == "__main__":
    main(run, __doc__)
