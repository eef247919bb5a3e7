"""Reverse-mode automatic differentiation on a computational graph.

d/dp e^{sin p} = e^{sin p} cos p; the graph of 1 / (1 + e^{-(w₀ + w₁x₁ + w₂x₂)}); an operation of
one's own.
"""

import math

import numpy as np
from _common import main

from nablas import autograd as ag
from nablas.autograd import Function, Tensor


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


def run(pictures):
    p = Tensor(0.7, requires_grad=True)
    y = np.exp(np.sin(p))
    y.backward()
    exact = math.exp(math.sin(0.7)) * math.cos(0.7)

    names = dict(zip(["w0", "w1", "w2", "x1", "x2"], [-3.0, 2.0, -3.0, -1.0, -2.0], strict=True))
    leaves = {name: Tensor(value, requires_grad=True) for name, value in names.items()}
    w0, w1, w2, x1, x2 = leaves.values()
    f = 1 / (1 + np.exp(-(w0 + w1 * x1 + w2 * x2)))
    drawing = ag.draw(f, leaves)
    pictures.save("11_automatic_differentiation", drawing)
    f.backward()
    gradients = {name: leaf.grad.item() for name, leaf in leaves.items()}

    x = Tensor(0.5, requires_grad=True)
    Exp.apply(x).backward()
    return {
        "exp_sin": (p.grad.item(), exact),
        "value": f.item(),
        "gradients": gradients,
        "Exp": x.grad.item(),
        "dot": drawing.dot,
    }


if __name__ == "__main__":
    main(run, __doc__)
