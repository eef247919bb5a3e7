"""The loss around a point of parameter space, along lines and planes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from ._display import COLOURS, Array, Display, network_of, targets_of


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
    """
    direction: Array = np.random.default_rng(seed).normal(size=net.parameters.size)
    for (dw, db), w, b in zip(net.engine.views(direction), net.weights, net.biases, strict=True):
        ours = np.sqrt(np.square(dw).sum(axis=0) + db**2)
        theirs = np.sqrt(np.square(w, dtype=float).sum(axis=0) + np.square(b, dtype=float))
        dw *= theirs / ours
        db *= theirs / ours
    return direction


class LossLandscapeDisplay(Display):
    """The loss along one direction or over the plane of two.

    Parameters
    ----------
    alphas : array of shape (resolution,)
        Steps along each direction; 0 is the centre.
    values : array of shape (resolution,) or (resolution, resolution)
        The loss; rows follow the second direction.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
    artist_ : matplotlib line, contour set or surface
    """

    def __init__(self, alphas: Array, values: Array) -> None:
        self.alphas, self.values = alphas, values

    @classmethod
    def from_estimator(
        cls,
        net: Any,
        X: ArrayLike,
        y: ArrayLike,
        *,
        directions: Sequence[ArrayLike] | None = None,
        span: float = 1.0,
        resolution: int = 41,
        seed: int = 0,
        kind: str = "contour",
        log: bool = False,
        ax: Any = None,
        **settings: Any,
    ) -> Self:
        """Compute the loss on some data around the weights a network has, and draw.

        Parameters
        ----------
        net : MLP or estimator
            It is not changed.
        X, y : arrays
            As for `MLP.loss`.
        directions : one or two arrays of shape (n,), optional
            In the order of ``net.parameters``. Default: two random, filter-normalised ones.
        span : float
            Steps go from -span to span times each direction.
        resolution : int
            Points along each direction.
        seed : int
            Of the random directions.
        kind : "contour" or "surface"
        log : bool
            Draw log10 of the loss.
        ax : matplotlib Axes, optional
            For "surface" one with ``projection="3d"``.
        **settings
            `loss`, `sample_weight`, `l2` of `MLP.loss`.

        Returns
        -------
        LossLandscapeDisplay
        """
        net, y = network_of(net), targets_of(net, y)
        if directions is None:
            directions = [filter_normalised_direction(net, seed + i) for i in (0, 1)]
        twin = copy.deepcopy(net)

        def cost(parameters: Array) -> float:
            twin.parameters[:] = parameters
            return twin.loss(X, y, **settings)  # type: ignore[no-any-return]

        centre = net.parameters.astype(float)
        return cls.from_function(
            cost, centre, directions, span=span, resolution=resolution, kind=kind, log=log, ax=ax
        )

    @classmethod
    def from_function(
        cls,
        cost: Callable[[Array], float],
        centre: ArrayLike,
        directions: Sequence[ArrayLike],
        *,
        span: float = 1.0,
        resolution: int = 41,
        kind: str = "contour",
        log: bool = False,
        ax: Any = None,
    ) -> Self:
        """Compute any function around a point, and draw.

        Parameters
        ----------
        cost : function of an array like `centre`
        centre : array
        directions : one or two arrays like `centre`
        span, resolution, kind, log, ax
            As for `from_estimator`.

        Returns
        -------
        LossLandscapeDisplay
        """
        start = np.asarray(centre, dtype=float)
        single = isinstance(directions, np.ndarray) and directions.shape == start.shape
        ways = [np.asarray(d, dtype=float) for d in ([directions] if single else directions)]
        if len(ways) not in (1, 2):
            raise ValueError(f"directions: expected one or two, got {len(ways)}")
        for i, way in enumerate(ways):
            if way.shape != start.shape:
                raise ValueError(
                    f"directions: expected shape {start.shape}, got {way.shape} at {i}"
                )
        if resolution < 2:
            raise ValueError(f"resolution: expected at least 2, got {resolution}")
        if kind not in ("contour", "surface"):
            raise ValueError(f"kind: expected contour or surface, got {kind!r}")
        alphas = np.linspace(-span, span, resolution)
        if len(ways) == 1:
            values = np.array([float(cost(start + a * ways[0])) for a in alphas])
        else:
            values = np.array(
                [[float(cost(start + a * ways[0] + b * ways[1])) for a in alphas] for b in alphas]
            )
        return cls(alphas, values).plot(ax, kind=kind, log=log)

    def plot(self, ax: Any = None, *, kind: str = "contour", log: bool = False) -> Self:
        """Draw on a matplotlib Axes, a new one by default."""
        heights = np.log10(self.values) if log else self.values
        label = "log10 of the loss" if log else "loss"
        if self.values.ndim == 1:
            ax = self._start(ax)
            (self.artist_,) = ax.plot(self.alphas, heights, color=COLOURS[0])
            ax.axvline(0, color="0.6", linewidth=0.8)
            ax.set(xlabel="step along the direction", ylabel=label, title="Loss along a direction")
            return self
        if kind == "surface":
            ax = self._start(ax, subplot_kw={"projection": "3d"})
            if not hasattr(ax, "plot_surface"):
                raise ValueError('ax: expected Axes with projection="3d" for kind="surface"')
            grid = np.meshgrid(self.alphas, self.alphas)
            self.artist_ = ax.plot_surface(*grid, heights, cmap="viridis", linewidth=0)
            ax.set_zlabel(label, labelpad=8)
            ax.locator_params(nbins=5)
            ax.view_init(elev=38, azim=-60)
        else:
            ax = self._start(ax)
            self.artist_ = ax.contourf(self.alphas, self.alphas, heights, levels=24, cmap="viridis")
            ax.contour(self.alphas, self.alphas, heights, levels=12, colors="white", linewidths=0.4)
            self.figure_.colorbar(self.artist_, ax=ax, label=label)
            ax.plot(0, 0, "+", color="white", markersize=12, markeredgewidth=2)
            ax.set_aspect("equal")
        ax.set(xlabel="first direction", ylabel="second direction", title="Loss landscape")
        return self
