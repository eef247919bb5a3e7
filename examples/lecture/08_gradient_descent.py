"""Gradient descent for networks: epochs, mini-batches, learning rates.

An epoch shows every row once; with batches of b rows it makes ceil(n / b) steps. Small batches make
more, noisier steps for the same work.
"""

import math

import numpy as np
from _common import main, panels
from sklearn.datasets import load_digits

import nablas as nb

EPOCHS = 15


def run(pictures):
    X, y = load_digits(return_X_y=True)
    X = X / 16
    n = len(X)
    histories, steps, final = {}, {}, {}
    for batch in (n, 256, 32, 4):
        net = nb.MLP([64, 32, 10], "relu", "softmax", dtype="float64", seed=0)
        histories[batch] = net.fit(X, y, optimizer=nb.SGD(0.1), batch_size=batch, epochs=EPOCHS)
        final[batch] = net.loss(X, y)
        steps[batch] = math.ceil(n / batch)
    rates = {}
    for rate in (0.001, 0.01, 0.1, 1.0):
        net = nb.MLP([64, 32, 10], "relu", "softmax", dtype="float64", seed=0)
        rates[rate] = net.fit(X, y, optimizer=nb.SGD(rate), batch_size=32, epochs=EPOCHS).loss

    figure, (left, middle, right) = panels(3)
    epochs = np.arange(1, EPOCHS + 1)
    for (batch, history), style in zip(histories.items(), ("-", "--", "-.", ":"), strict=True):
        name = "all rows" if batch == n else f"{batch} rows"
        left.plot(epochs, history.loss, style, label=name)
        middle.plot(epochs * steps[batch], history.loss, style, label=name)
    left.set(xlabel="epoch", ylabel="loss", title="By epoch (work)")
    middle.set(xlabel="step", ylabel="loss", xscale="log", title="By step")
    for (rate, losses), style in zip(rates.items(), ("-", "--", "-.", ":"), strict=True):
        right.plot(epochs, losses, style, label=f"rate {rate:g}")
    right.set(xlabel="epoch", ylabel="loss", title="Learning rates, batches of 32")
    for ax in (left, middle, right):
        ax.set_yscale("log")
        ax.legend(fontsize=8, framealpha=0.6)
    pictures.save("08_gradient_descent", figure)
    return {
        "steps": steps,
        "rows": n,
        "epochs": EPOCHS,
        "final": final,
        "rates": {rate: losses[-1] for rate, losses in rates.items()},
    }


if __name__ == "__main__":
    main(run, __doc__)
