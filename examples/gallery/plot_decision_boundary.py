"""
Decision boundaries
===================

More hidden units make a boundary that bends more often. Two half moons, three networks.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import make_moons

import nablas as nb

X, y = make_moons(300, noise=0.2, random_state=0)

fig, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
for ax, hidden in zip(axes, ([], [4], [32, 32]), strict=True):
    net = nb.MLP([2, *hidden, 2], activation="tanh", output="softmax", seed=0)
    net.fit(X, y, optimizer=nb.Adam(0.02), epochs=200)
    nb.plots.DecisionBoundaryDisplay.from_estimator(net, X, y, ax=ax)
    ax.set_title(f"hidden layers {hidden}, accuracy {net.score(X, y):.2f}")
