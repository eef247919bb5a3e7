"""Softmax, its regions, multiclass cross-entropy, and cross-entropy against accuracy."""

import numpy as np
from _common import main, panels
from sklearn.datasets import load_iris

import nablas as nb
from nablas import metrics
from nablas.plots import DecisionBoundaryDisplay, confusion_matrix

CLASSES = np.array([3, 2, 1]) - 1
UNSURE = np.array([[0.3, 0.3, 0.4], [0.3, 0.4, 0.3], [0.1, 0.2, 0.7]])
SURE = np.array([[0.1, 0.2, 0.7], [0.1, 0.7, 0.2], [0.3, 0.4, 0.3]])


def run(pictures):
    z = np.array([[2.0, 1.0, -1.0]])
    p = nb.kernels.softmax(z)

    sums, shares = {}, {}
    for name, q in (("unsure", UNSURE), ("sure", SURE)):
        sums[name] = metrics.cross_entropy(CLASSES, q, normalize=False)
        shares[name] = metrics.accuracy(CLASSES, q.argmax(axis=1))

    data = load_iris()
    X, y = data.data[:, 2:], data.target
    linear = nb.MLP([2, 3], output="softmax", dtype="float64", seed=0)
    linear.fit(X, y, optimizer=nb.Adam(0.05), batch_size=30, epochs=300)
    deep = nb.MLP([2, 16, 3], "tanh", "softmax", dtype="float64", seed=0)
    deep.fit(X, y, optimizer=nb.Adam(0.02), batch_size=30, epochs=300)
    # Where two classes are equally likely their z are equal: a straight line for a linear z.
    w, b = linear.weights[0], linear.biases[0]
    normal, offset = w[:, 0] - w[:, 1], b[0] - b[1]
    on_line = -offset * normal / (normal @ normal) + np.outer([-1, 0, 1], [-normal[1], normal[0]])
    ratio = linear.forward(on_line)

    figure, axes = panels(3)
    for ax, net, title in ((axes[0], linear, "linear softmax"), (axes[1], deep, "16 hidden units")):
        names = ("petal length (cm)", "petal width (cm)")
        DecisionBoundaryDisplay.from_estimator(net, X, y, names=names, ax=ax)
        ax.set_title(title)
        for text, name in zip(ax.get_legend().get_texts(), data.target_names, strict=True):
            text.set_text(name)
    confusion_matrix(linear, X, y, ax=axes[2], display_labels=data.target_names)
    pictures.save("14_softmax", figure)
    return {
        "sum": float(p.sum()),
        "shift": np.abs(nb.kernels.softmax(z + 100) - p).max(),
        "sums": sums,
        "accuracies": shares,
        "on_line": np.abs(ratio[:, 0] - ratio[:, 1]).max(),
        "score": linear.score(X, y),
    }


if __name__ == "__main__":
    main(run, __doc__)
