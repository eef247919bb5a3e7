"""Random directions of parameter space, along which a loss is drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _checks
from ._display import Array, network_of


def filter_normalised_direction(net: Any, seed: int = 0) -> Array:
    """A random direction whose part for each unit has the norm of that unit's weights.

    Parameters
    ----------
    net : MLP
    seed : int

    Returns
    -------
    array of shape (n,)
        In the order of ``net.parameters``. A unit's weights include its bias.

    References
    ----------
    Li, Xu, Taylor, Studer, Goldstein: Visualizing the loss landscape of neural nets, 2018.

    Examples
    --------
    >>> net = nb.MLP([2, 3, 1], seed=0)
    >>> direction = nb.plots.filter_normalised_direction(net)
    >>> direction.shape == net.parameters.shape
    True
    """
    net, seed = network_of(net), _checks.integer("seed", seed, 0)
    direction: Array = np.random.default_rng(seed).normal(size=net.parameters.size)
    for (dw, db), w, b in zip(net.engine.views(direction), net.weights, net.biases, strict=True):
        ours = np.sqrt(np.square(dw).sum(axis=0) + db**2)
        theirs = np.sqrt(np.square(w, dtype=float).sum(axis=0) + np.square(b, dtype=float))
        dw *= theirs / ours
        db *= theirs / ours
    return direction
