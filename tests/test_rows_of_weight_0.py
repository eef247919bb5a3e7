"""Rows of weight 0 change nothing, also where their activations, slopes or losses are no numbers."""

import numpy as np
import pytest
from cases import rng
from scipy.sparse import csr_array

import nablas as nb

ROWS, IGNORED = 200, [7, 8, 130]


def fitted(activation, ignored_row, *, sparse=False, hidden=(8, 6), **settings):
    """Parameters, losses and gradient of a network; the ignored rows of X are of this value."""
    x = rng(0).normal(size=(ROWS, 3)).astype(np.float32)
    y = x[:, :2] ** 2
    x[IGNORED] = ignored_row
    weight = np.ones(ROWS)
    weight[IGNORED] = 0
    x = csr_array(x) if sparse else x
    net = nb.MLP([3, *hidden, 2], activation, seed=0)
    settings = {"batch_size": 32, "epochs": 3, "optimizer": nb.Adam(0.01)} | settings
    history = net.fit(x, y, sample_weight=weight, seed=0, **settings)
    return net.parameters.copy(), history.loss, net.gradient(x, y, sample_weight=weight)


@pytest.mark.parametrize("activation", nb.activations())
@pytest.mark.parametrize("form", ["dense", "sparse", "in order", "dropout", "wide"])
def test_their_activations_are_not_read(activation, form):
    settings = {
        "dense": {},
        "sparse": {"sparse": True},
        "in order": {"shuffle": False, "batch_size": ROWS},
        "dropout": {"dropout": 0.3},
        "wide": {"hidden": (300, 200), "batch_size": ROWS},
    }[form]
    plain, huge = (fitted(activation, value, **settings) for value in (1.0, 3e38))
    for one, other in zip(plain, huge, strict=True):
        np.testing.assert_array_equal(one, other)
    assert np.isfinite(huge[2]).all()
