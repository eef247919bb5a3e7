"""
Choosing a penalty
==================

Scikit-learn's ``validation_curve`` with an estimator of nablas in its pipeline: 70 fits.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import validation_curve
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nablas.sklearn import MLPClassifier

X, y = load_breast_cancer(return_X_y=True)
net = MLPClassifier((32,), max_iter=200, tol=1e-3, random_state=0)
alphas = np.logspace(-3, 3, 7)
train, test = validation_curve(
    make_pipeline(StandardScaler(), net),
    X,
    y,
    param_name="mlpclassifier__alpha",
    param_range=alphas,
    cv=10,
)

fig, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
for scores, name in ((train, "training rows"), (test, "held-out rows")):
    mean, error = scores.mean(axis=1), scores.std(axis=1) / np.sqrt(10)
    ax.errorbar(alphas, mean, error, marker="o", label=name)
ax.set(xscale="log", xlabel="alpha", ylabel="accuracy")
ax.legend()
