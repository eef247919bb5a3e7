"""
Quantiles
=========

The quantile loss makes a network predict a quantile of the targets. Two networks give a band
within which four of five targets lie, wide where the noise is large.
"""

import matplotlib.pyplot as plt
import numpy as np

from nablas.sklearn import MLPRegressor

rng = np.random.default_rng(0)
x = rng.uniform(-3, 3, (800, 1))
y = np.sin(x.ravel()) + rng.normal(size=800) * (0.1 + 0.15 * np.abs(x.ravel()))

grid = np.linspace(-3, 3, 200).reshape(-1, 1)
fig, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
ax.plot(x, y, ".", color="0.7", markersize=3)
for q, style in ((0.1, "C0"), (0.5, "C1"), (0.9, "C0")):
    model = MLPRegressor(
        "quantile",
        (32, 32),
        "tanh",
        quantile=q,
        learning_rate="one_cycle",
        learning_rate_init=0.01,
        n_iter_no_change=200,
        random_state=0,
    )
    model.fit(x, y)
    below = (y < model.predict(x)).mean()
    ax.plot(grid, model.predict(grid), style, label=f"quantile {q}: {below:.2f} lie below")
ax.legend()
