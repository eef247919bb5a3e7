"""Reverse-mode automatic differentiation on a computational graph.

The graph of 1 / (1 + e^-(w₀ + w₁x₁ + w₂x₂)) by hand and by `nablas.autograd`; an operation of one's
own; a loss of one's own.
"""

import numpy as np
from _common import main, panels

import nablas as nb
from nablas import autograd as ag
from nablas.autograd import Function, Tensor, as_loss, gradcheck

W, X = (-3.0, 2.0, -3.0), (1.0, -1.0, -2.0)
AT = 0.5
HOUSES, SEEDS, RATE, EPOCHS = 60, 20, 0.1, 200
ROUNDING = 1e-12


def expression(w0, w1, x1, w2, x2):
    """The lecture's f, of numbers, arrays or Tensors."""
    return 1 / (1 + np.exp(-(w0 + w1 * x1 + w2 * x2)))


def forward(w, x):
    """Values of the nodes between z and f."""
    z = np.dot(w, x)
    n = -z
    e = np.exp(n)
    d = 1 + e
    return z, n, e, d, 1 / d


def backward(e, d):
    """From f to z: each edge's operation, local gradient, upstream and their product."""
    edges = (("f = 1/d", -1 / d**2), ("d = 1 + e", 1), ("e = exp(n)", e), ("n = −z", -1))
    upstream, rows = 1.0, []  # ∂f/∂f
    for operation, local in edges:
        rows.append((operation, local, upstream, upstream * local))
        upstream = upstream * local
    return rows


def to_one_decimal(rows):
    """The same products, each rounded to one decimal as on the slide."""
    upstream = 1.0
    for _, local, _, _ in rows:
        upstream = round(upstream * local, 1)
    return upstream


def by_autograd():
    """The lecture's program: only w asks for a gradient."""
    x = Tensor([1.0, -1.0, -2.0])
    w = Tensor([-3.0, 2.0, -3.0], requires_grad=True)
    z = x @ w
    a = 1 / (1 + np.exp(-z))
    a.backward()
    return w.grad, x.grad


class Exp(Function):
    """e^x with its own rule."""

    @staticmethod
    def forward(ctx, x):
        result = np.exp(x)
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx, gradient):
        (result,) = ctx.saved_tensors
        return gradient * result


def use_exp():
    """Value, gradient, and whether central differences agree."""
    x = Tensor(AT, requires_grad=True)
    y = Exp.apply(x)
    y.backward()
    return y.item(), x.grad.item(), gradcheck(Exp.apply, x)


class WithoutItsSlope(Exp):
    """A wrong rule: the local gradient is missing."""

    @staticmethod
    def backward(ctx, gradient):
        return gradient


def refused():
    """What gradcheck says of the wrong rule."""
    try:
        gradcheck(WithoutItsSlope.apply, Tensor(AT, requires_grad=True))
    except RuntimeError as error:
        return str(error)
    return "no error"


def used_twice():
    """The gradient of x eˣ along either edge from x, and what `backward` gives."""
    x = Tensor(AT, requires_grad=True)
    (x * np.exp(x)).backward()
    return np.exp(AT), AT * np.exp(AT), x.grad.item()


def relative_error(outputs, targets):
    return (((outputs - targets) / targets) ** 2).mean()


def some_houses(seed):
    """Standardised areas (n, 1) and prices (n, 1) whose noise grows with the price."""
    rng = np.random.default_rng(seed)
    area = rng.uniform(40, 250, HOUSES)
    price = (40 + 2.1 * area) * np.exp(rng.normal(0, 0.3, HOUSES)) / 100
    return ((area - area.mean()) / area.std())[:, None], price[:, None]


def fit_line(x, price, loss):
    net = nb.MLP([1, 1], output="identity", dtype="float64", init="zeros")
    settings = {"optimizer": nb.Adam(RATE), "batch_size": len(x), "epochs": EPOCHS}
    net.fit(x, price, loss=loss, **settings)
    return net


def by_loss():
    """For each seed, both errors of both lines; the last seed's lines and houses."""
    rows = []
    for seed in range(SEEDS):
        x, price = some_houses(seed)
        lines = [fit_line(x, price, loss) for loss in ("mse", as_loss(relative_error))]
        errors = [(line.loss(x, price), relative_error(line.forward(x), price)) for line in lines]
        rows.append(np.array(errors))
    return np.array(rows), lines, (x, price)


def least_squares(x, price):
    """The minimum of the relative error: least squares of rows divided by their price."""
    rows = np.column_stack([np.ones(len(x)), x]) / price
    return np.linalg.lstsq(rows, np.ones(len(x)), rcond=None)[0]


def run(pictures):
    z, n, e, d, f = forward(W, X)
    rows = backward(e, d)
    at_z = rows[-1][-1]
    names = ("w₀", "w₁", "x₁", "w₂", "x₂")
    values = (W[0], W[1], X[1], W[2], X[2])
    leaves = {k: Tensor(v, requires_grad=True) for k, v in zip(names, values, strict=True)}
    result = expression(*leaves.values())
    pictures.save("11_automatic_differentiation", ag.draw(result, leaves))
    result.backward()
    w_grad, x_grad = by_autograd()
    errors, lines, houses = by_loss()
    draw(pictures, errors, lines, houses)
    return {
        "w": W,
        "x": X,
        "values": (*(W[i] * X[i] for i in range(3)), z, n, e, d, f),
        "edges": rows,
        "at_z": at_z,
        "leaves": [
            (f"∂f/∂{k}", at_z, value, leaf.grad.item())
            for (k, leaf), value in zip(leaves.items(), (X[0], X[1], W[1], X[2], W[2]), strict=True)
        ],
        "rounded": to_one_decimal(rows),
        "w_grad": w_grad.data,
        "x_grad": str(x_grad),
        "at": AT,
        "exp": use_exp(),
        "refused": refused(),
        "twice": used_twice(),
        "seeds": SEEDS,
        "epochs": EPOCHS,
        "medians": np.median(errors, axis=0),
        "rate": RATE,
        "spread": (errors[:, 0] / errors[:, 1]).T,
        "line": lines[1].parameters.copy(),
        "closed": least_squares(*houses),
        "bound": ROUNDING,
    }


def check(got):
    """What the page claims."""
    for _, upstream, local, gradient in got["leaves"]:
        assert abs(upstream * local - gradient) < ROUNDING
    np.testing.assert_allclose(got["w_grad"], got["at_z"] * np.array(X), rtol=ROUNDING)
    np.testing.assert_allclose(got["w_grad"], [0.1966, -0.1966, -0.3932], atol=5e-5)
    assert np.round(got["rounded"] * np.array(X), 1).tolist() == [0.2, -0.2, -0.4]
    assert np.round(got["rounded"] * np.array(W[1:]), 1).tolist() == [0.4, -0.6]
    assert got["x_grad"] == "None"
    value, gradient, agrees = got["exp"]
    assert agrees
    assert value == gradient
    assert abs(value - 1.6487) < 5e-5
    assert "no error" not in got["refused"]
    assert abs(sum(got["twice"][:2]) - got["twice"][2]) < ROUNDING
    assert got["seeds"] >= 20
    assert got["spread"][0].max() < 1 < got["spread"][1].min()
    np.testing.assert_allclose(got["line"], got["closed"], atol=1e-3)


def draw(pictures, errors, lines, houses):
    figure, (left, right) = panels(2, 4.4, 3.5)
    x, price = houses
    left.plot(x, price, "o", color="0.5", markersize=5, label="houses")
    ends = np.array([[x.min()], [x.max()]])
    names = ("squared error", "relative error")
    for line, style, name in zip(lines, ("-", "--"), names, strict=True):
        left.plot(ends, line.forward(ends), style, label=f"by {name}")
    left.set(xlabel="covered area, standardised", ylabel="price (100 thousands)")
    left.set_title("Lines by two losses")
    left.legend()
    for k, (look, name) in enumerate(zip(("o", "^"), names, strict=True)):
        right.plot(*errors[:, k].T, look, markersize=6, alpha=0.7, label=f"by {name}")
    right.set(xlabel="mean squared error", ylabel="mean squared relative error")
    right.set_title(f"{SEEDS} samples of houses")
    right.legend()
    pictures.save("11_own_loss", figure)


if __name__ == "__main__":
    main(run, __doc__)
