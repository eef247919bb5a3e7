"""
Weights that become zero
========================

The l1 penalty makes weights exactly zero, l2 makes them small. Of 30 features only five matter.
"""

import matplotlib.pyplot as plt
import numpy as np

import nablas as nb

rng = np.random.default_rng(0)
X = rng.normal(size=(400, 30))
y = X[:, :5] @ [2.0, -1.5, 1.0, -0.7, 0.5] + rng.normal(size=400) / 2

fig, axes = plt.subplots(1, 3, figsize=(11, 3.2), sharey=True, layout="constrained")
for ax, settings in zip(axes, ({}, {"l2": 0.1}, {"l1": 0.1}), strict=True):
    net = nb.MLP([30, 1], seed=0)
    net.fit(X, y, optimizer=nb.SGD(nb.schedules.Cosine(0.02)), epochs=100, **settings)
    weights = net.weights[0].ravel()
    ax.stem(weights)
    penalty = ", ".join(f"{k} = {v}" for k, v in settings.items()) or "no penalty"
    ax.set(xlabel="feature", title=f"{penalty}: {np.count_nonzero(weights)} not zero")
