"""
A loss landscape
================

The loss over the plane through three trained networks of the same shape. Each sits in a basin of
its own, and the straight way between two of them leads over a ridge.
"""

from sklearn.datasets import make_moons

import nablas as nb

X, y = make_moons(200, noise=0.2, random_state=0)
networks = []
for seed in range(3):
    net = nb.MLP([2, 8, 2], activation="tanh", output="softmax", seed=seed)
    net.fit(X, y, optimizer=nb.Adam(0.02), epochs=150)
    networks.append(net)

nb.plots.LossLandscapeDisplay.from_networks(networks, X, y, log=True, names=["A", "B", "C"])

# %%
# Along random directions around one of them, as a surface.
nb.plots.LossLandscapeDisplay.from_estimator(networks[0], X, y, kind="surface", resolution=31)
