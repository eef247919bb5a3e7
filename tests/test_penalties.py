"""A fit's steps with penalties, a limit of the norm, weights and both kinds of loss, against the formula."""

import itertools

import numpy as np
import pytest
from cases import rng

import nablas as nb

SIZES, ROWS, BATCH, RATE = [3, 5, 2], 10, 4, 0.1  # batches of 4, 4 and 2 rows


def mse(outputs, targets, sample_weight=None):
    w = np.ones(len(outputs)) if sample_weight is None else sample_weight
    d, share = outputs - targets, (w / w.sum())[:, None] / outputs.shape[1]
    return float((share * d * d).sum()), 2 * share * d


def stepped(net, x, y, weight, l1, l2, clip_norm):
    """One epoch by hand: the mean loss with the penalties of the weights after it. The net's parameters are trained."""
    total = count = 0.0
    for begin in range(0, ROWS, BATCH):
        rows = slice(begin, begin + BATCH)
        of_rows = None if weight is None else weight[rows]
        here = len(x[rows]) if weight is None else of_rows.sum()
        total += here * net.loss(x[rows], y[rows], loss="mse", sample_weight=of_rows)
        count += here
        gradient = net.gradient(x[rows], y[rows], loss="mse", sample_weight=of_rows)
        views = nb.MLP(SIZES, "tanh", dtype="float64", seed=0)
        views.parameters[:] = gradient
        for dw, w in zip(views.weights, net.weights, strict=True):  # biases are not penalized
            dw += 2 * l2 * w + l1 * np.sign(w)
        norm = np.sqrt(np.sum(views.parameters**2))
        scale = 1.0 if clip_norm is None or norm <= clip_norm else clip_norm / norm
        net.parameters -= RATE * scale * views.parameters
    return total / count + sum(l1 * np.abs(w).sum() + l2 * (w * w).sum() for w in net.weights)


@pytest.mark.parametrize("weight", [None, rng(5).random(ROWS)])
@pytest.mark.parametrize("loss", ["mse", mse])
@pytest.mark.parametrize(
    ("l1", "l2", "clip_norm"),
    [*itertools.product([0.0, 0.02], [0.0, 0.03], [None, 0.05]), (0.02, 0.03, 1e3)],
)
def test_a_step_is_the_formulas(l1, l2, clip_norm, loss, weight):
    nets = [nb.MLP(SIZES, "tanh", dtype="float64", seed=4) for _ in range(2)]
    x, y = rng(1).normal(size=(ROWS, 3)), rng(2).normal(size=(ROWS, 2))
    for net in nets:
        net.parameters += 0.1  # biases, too
    settings = {"l1": l1, "l2": l2, "clip_norm": clip_norm, "sample_weight": weight}
    history = nets[0].fit(
        x,
        y,
        loss=loss,
        optimizer=nb.SGD(RATE),
        batch_size=BATCH,
        epochs=2,
        shuffle=False,
        **settings,
    )
    want = [stepped(nets[1], x, y, weight, l1, l2, clip_norm) for _ in range(2)]
    np.testing.assert_allclose(nets[0].parameters, nets[1].parameters, rtol=1e-11)
    np.testing.assert_allclose(history.loss, want, rtol=1e-11)
