"""Multi-label classification: one sigmoid for each label, binary cross-entropy, precision@k."""

import numpy as np
from _common import main, panels
from sklearn.datasets import make_multilabel_classification
from sklearn.preprocessing import StandardScaler

import nablas as nb
from nablas import metrics
from nablas.plots import LossCurveDisplay


def run(pictures):
    X, Y = make_multilabel_classification(
        2000, n_features=30, n_classes=8, n_labels=3, allow_unlabeled=False, random_state=0
    )
    X = StandardScaler().fit_transform(X)
    train, test = slice(0, 1500), slice(1500, None)
    net = nb.MLP([30, 32, 8], "relu", "sigmoid", dtype="float64", seed=0)
    history = net.fit(
        X[train],
        Y[train].astype(float),
        optimizer=nb.Adam(5e-3),
        batch_size=50,
        epochs=40,
        validation_data=(X[test], Y[test].astype(float)),
        l2=1e-4,
        callbacks=[nb.EarlyStopping(patience=8)],
    )
    scores = net.forward(X[test])
    frequency = np.broadcast_to(Y[train].mean(axis=0), scores.shape)
    ks = range(1, 9)
    found = {k: metrics.precision_at_k(Y[test], scores, k) for k in ks}
    recall = {k: metrics.recall_at_k(Y[test], scores, k) for k in ks}
    guess = {k: metrics.precision_at_k(Y[test], frequency, k) for k in ks}
    subset = metrics.subset_accuracy(Y[test], net.predict(X[test]))
    ties = metrics.precision_at_k([[1, 0, 0]], [[0.5, 0.5, 0.1]], 1)

    figure, (left, right) = panels(2)
    LossCurveDisplay.from_history(history, ax=left)
    right.plot(list(ks), list(found.values()), "o-", label="precision@k")
    right.plot(list(ks), list(recall.values()), "s--", label="recall@k")
    right.plot(list(ks), list(guess.values()), ":", color="0.4", label="commonest labels")
    right.set(xlabel="k", title="Eight labels, test rows", ylim=(0, 1.02))
    right.legend()
    pictures.save("15_multilabel", figure)
    return {"precision": found, "recall": recall, "guess": guess, "subset": subset, "ties": ties}


if __name__ == "__main__":
    main(run, __doc__)
