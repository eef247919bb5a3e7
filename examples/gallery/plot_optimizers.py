"""
Optimizers on a narrow valley
=============================

Rosenbrock's function, whose minimum (1, 1) lies in a curved valley. Momentum and moments
help where the gradient points across the valley and not along it.
"""

import matplotlib.pyplot as plt
import numpy as np

import nablas as nb


def cost(x):
    """Rosenbrock's function with a valley of 20 : 1."""
    return (1 - x[0]) ** 2 + 20 * (x[1] - x[0] ** 2) ** 2


def gradient(x):
    """Its gradient."""
    across = x[1] - x[0] ** 2
    return np.array([-2 * (1 - x[0]) - 80 * x[0] * across, 40 * across])


fig, ax = plt.subplots(figsize=(8, 5), layout="constrained")
a, b = np.meshgrid(np.linspace(-1.6, 1.6, 200), np.linspace(-0.6, 1.8, 200))
ax.contour(a, b, np.log10(cost(np.array([a, b])) + 1e-3), levels=20, cmap="Greys_r", linewidths=0.7)
for optimizer in (nb.SGD(0.004), nb.SGD(0.004, momentum=0.9), nb.RMSprop(0.01), nb.Adam(0.05)):
    descent = nb.gradient_descent(
        cost, gradient, [-1.2, 1.0], optimizer=optimizer, max_iterations=300, keep_path=True
    )
    path = np.array(descent.path)
    name = f"{type(optimizer).__name__}, cost {descent.cost:.1e}"
    ax.plot(*path.T, label=name, linewidth=1.5)
ax.plot(1, 1, "k*", markersize=12)
ax.legend()
ax.set_title("300 steps")
