"""
Digits
======

A network learns scikit-learn's 8 × 8 digits and stops when the held-out rows no longer gain.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import nablas as nb

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0)
X_fit, X_val, y_fit, y_val = train_test_split(X_train, y_train, random_state=0)

net = nb.MLP([64, 64, 10], output="softmax", seed=0)
stop = nb.EarlyStopping(patience=10)
history = net.fit(
    X_fit, y_fit, epochs=200, validation_data=(X_val, y_val), l2=1e-4, callbacks=[stop]
)
print(f"best epoch {stop.best_epoch} of {len(history)}, accuracy {net.score(X_test, y_test):.3f}")

# %%
# The losses by epoch. The mark is the epoch whose weights are kept.
nb.plots.LossCurveDisplay.from_history(history, log=True)

# %%
# Which digits are taken for which.
nb.plots.confusion_matrix(net, X_test, y_test)

# %%
# The images of the test rows that are predicted wrongly, with what was predicted.
wrong = (net.predict(X_test) != y_test).nonzero()[0][:8]
fig, axes = plt.subplots(1, 8, figsize=(9, 1.6))
for ax in axes:
    ax.axis("off")
for ax, i in zip(axes, wrong, strict=False):
    ax.imshow(X_test[i].reshape(8, 8), cmap="Greys")
    ax.set_title(f"{y_test[i]}, not {net.predict(X_test[[i]])[0]}", fontsize=9)
