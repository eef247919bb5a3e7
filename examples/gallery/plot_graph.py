"""
The graph of an expression
==========================

Automatic differentiation records a graph. A box has its value (green) and the gradient of the
result by it (red), an edge the local derivative (blue).
"""

import numpy as np

from nablas.autograd import Tensor, draw

a, b = Tensor(2.0, requires_grad=True), Tensor(-0.5, requires_grad=True)
y = np.tanh(a * b + 1) * a
y.backward()
draw(y, {"a": a, "b": b}).plot()
print(a.grad, b.grad)
