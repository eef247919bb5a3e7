"""Root mean squares of the gradients, layer by layer."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from ._display import COLOURS, Array, Display, hidden_names, objective


class GradientNormDisplay(Display):
    """Root mean square of the gradient with respect to each layer's weights and biases.

    It does not depend on the layer's size. Where gradients vanish or explode, it falls or rises
    by a factor from each layer to the one below.

    Parameters
    ----------
    by_weights, by_biases : arrays of shape (layers,)
    names : list of str
        Of the layers.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
    bars_ : matplotlib bar containers of weights and biases

    Examples
    --------
    >>> net = nb.MLP([2, 3, 1], seed=0)
    >>> display = nb.plots.GradientNormDisplay.from_estimator(net, [[1.0, 2.0]], [3.0])
    >>> display.by_weights.shape
    (2,)
    """

    def __init__(self, by_weights: Array, by_biases: Array, names: list[str]) -> None:
        self.by_weights, self.by_biases, self.names = by_weights, by_biases, names

    @classmethod
    def from_estimator(
        cls, net: Any, X: ArrayLike, y: ArrayLike, *, ax: Any = None, **settings: Any
    ) -> Self:
        """Compute the gradient on some data, and draw.

        Parameters
        ----------
        net : MLP or estimator
        X, y : arrays
            As for `MLP.gradient`, or as for the estimator's `fit`.
        ax : matplotlib Axes, optional
        **settings
            `loss`, `sample_weight`, `l2` of `MLP.loss`. Default: no penalty, and the loss linked to
            the output, or the one an estimator trains with, its `class_weight` included.

        Returns
        -------
        GradientNormDisplay

        Raises
        ------
        ValueError
            For labels that an estimator does not know.
        """
        own = objective(net, X, y, settings)
        net = own.net
        pairs = net.gradients(own.X, own.y, l2=own.l2, **own.settings)
        by_weights, by_biases = (
            np.array([np.sqrt(np.mean(np.square(pair[i], dtype=float))) for pair in pairs])
            for i in (0, 1)
        )
        return cls(by_weights, by_biases, hidden_names(net)).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw on a matplotlib Axes, a new one by default."""
        ax = self._start(ax)
        places = np.arange(len(self.names))
        looks = [
            (-0.2, self.by_weights, {"color": COLOURS[0], "label": "weights"}),
            (0.2, self.by_biases, {"color": COLOURS[4], "label": "biases", "hatch": "//"}),
        ]
        self.bars_ = [
            ax.bar(places + shift, norms, 0.38, edgecolor="white", **look)
            for shift, norms, look in looks
        ]
        tilted = len(self.names) > 8
        ax.set_xticks(
            places, self.names, rotation=60 if tilted else 0, ha="right" if tilted else "center"
        )
        if np.any(self.by_weights > 0):
            ax.set_yscale("log")
            least = min(v[v > 0].min(initial=np.inf) for v in (self.by_weights, self.by_biases))
            ax.set_ylim(bottom=10.0 ** (np.floor(np.log10(least)) - 1))
        ax.set(xlabel="layer", ylabel="root mean square of ∂J/∂w, ∂J/∂b", title="Gradient by layer")
        ax.legend()
        ax.grid(axis="y", alpha=0.3)
        return self
