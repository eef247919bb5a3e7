"""
A loss of one's own
===================

Too little stock costs four times what too much does. A loss written with Tensors says so, and its
gradient comes from the graph.
"""

import matplotlib.pyplot as plt
import numpy as np

import nablas as nb
from nablas.autograd import as_loss, where

rng = np.random.default_rng(0)
day = rng.uniform(0, 1, (600, 1))
demand = 5 + 3 * np.sin(2 * np.pi * day) + rng.gamma(2.0, 0.6, (600, 1))


def cost(outputs, targets):
    """Four for each unit that is missing, one for each that is left."""
    missing = targets - outputs
    return where(missing > 0, 4 * missing, -missing).mean()


grid = np.linspace(0, 1, 200).reshape(-1, 1)
fig, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
ax.plot(day, demand, ".", color="0.7", markersize=3)
for name, loss in (("squares", "mse"), ("the cost", as_loss(cost))):
    net = nb.MLP([1, 32, 32, 1], activation="tanh", seed=0)
    net.fit(day, demand, loss=loss, optimizer=nb.Adam(nb.schedules.Cosine(0.02)), epochs=150)
    value = cost(net.forward(day).astype(float), demand)
    ax.plot(grid, net.predict(grid), label=f"trained with {name}: cost {float(value):.2f}")
ax.set(xlabel="time of day", ylabel="demand")
ax.legend()
