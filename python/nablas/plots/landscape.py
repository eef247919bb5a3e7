"""The loss along lines and over planes of parameter space."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from .. import _checks
from ._display import COLOURS, MARKERS, Array, Display, network_of, number, objective
from ._plane import coordinates, orthogonal
from .directions import filter_normalised_direction

Point = tuple[tuple[float, ...], float]  # coordinates and loss

_MARGIN = 0.2  # of the points' range, around them
_BELOW = 42  # points from the Axes down to the legend: ticks and label of the axis lie between
KINDS = ("contour", "surface")


class LossLandscapeDisplay(Display):
    """The loss along one direction or over the plane of two.

    The picture's distances are true: the directions drawn are orthogonal and equally long, and one
    step has the same length on both axes. Marked points lie inside, with a margin.

    Parameters
    ----------
    alphas : array of shape (n,)
        Coordinates along the first direction.
    values : array of shape (n,), or (m, n) where there are two directions
        The loss; rows follow the second direction.
    betas : array of shape (m,), optional
        Coordinates along the second direction. Default: `alphas`.
    points : mapping of a name to (coordinates, loss), optional
        To be marked; one coordinate for each direction.
    labels : (str, str)
        Of the axes.

    Attributes
    ----------
    lowest : (coordinates, loss)
        Of the lowest point of `values` and `points`; it is marked.
    ax_, figure_ : matplotlib Axes and Figure
    artist_ : matplotlib line, contour set or surface
    marks_ : list of matplotlib lines
        Of the points in order, and of the lowest.
    legend_ : matplotlib Legend

    Examples
    --------
    >>> net, X = nb.MLP([1, 1], seed=0), [[0.0], [1.0]]
    >>> display = nb.plots.LossLandscapeDisplay.from_estimator(net, X, [1.0, 2.0], resolution=11)
    >>> display.values.shape
    (11, 11)
    """

    def __init__(
        self,
        alphas: Array,
        values: Array,
        betas: Array | None = None,
        *,
        points: Mapping[str, Point] | None = None,
        labels: tuple[str, str] = ("step along the first direction", "step across it"),
    ) -> None:
        self.alphas, self.values = alphas, values
        self.betas = alphas if betas is None else betas
        self.points = dict(points or {})
        self.labels = labels
        self.lowest = self._lowest()

    def _lowest(self) -> Point:
        finite = np.where(np.isnan(self.values), np.inf, self.values)
        place = np.unravel_index(np.argmin(finite), finite.shape)
        axes = (self.betas, self.alphas) if finite.ndim == 2 else (self.alphas,)
        found = tuple(float(axis[i]) for axis, i in zip(axes, place, strict=True))[::-1]
        candidates = [(found, float(finite[place])), *self.points.values()]
        return min(candidates, key=lambda point: np.inf if np.isnan(point[1]) else point[1])

    @classmethod
    def from_estimator(
        cls,
        net: Any,
        X: ArrayLike,
        y: ArrayLike,
        *,
        directions: Sequence[ArrayLike] | None = None,
        points: Mapping[str, ArrayLike] | None = None,
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
            As for `MLP.loss`, or as for the estimator's `fit`.
        directions : one or two arrays of shape (n,), optional
            In the order of ``net.parameters``. Default: two random, filter-normalised ones.
        points : mapping of a name to an array of shape (n,), optional
            Parameters to be marked, on the line or plane. Default: the network's.
        span : float
            Steps go at least from -span to span.
        resolution : int
            Points along each direction.
        seed : int
            Of the random directions.
        kind : "contour" or "surface"
        log : bool
            Draw log10 of the loss; zeros at the least positive one.
        ax : matplotlib Axes, optional
            For "surface" one with ``projection="3d"``.
        **settings
            `loss`, `sample_weight`, `l2` of `MLP.loss`. Default: no penalty, and the loss linked to
            the output, or an estimator's own: the one it trains with and records in `loss_curve_`,
            its `class_weight` included.

        Returns
        -------
        LossLandscapeDisplay

        Raises
        ------
        ValueError
            For labels that an estimator does not know.

        Notes
        -----
        The second direction is made orthogonal to the first (Gram-Schmidt) and as long as it: the
        plane is the same, its distances and angles are drawn as they are. One step is the first
        direction's length.
        """
        network, seed = network_of(net), _checks.integer("seed", seed, 0)
        if directions is None:
            directions = [filter_normalised_direction(network, seed + i) for i in (0, 1)]
        centre = network.parameters.astype(float)
        return cls.from_function(
            _cost(net, X, y, settings),
            centre,
            directions,
            points={"the network": centre} if points is None else points,
            span=span,
            resolution=resolution,
            kind=kind,
            log=log,
            ax=ax,
        )

    @classmethod
    def from_function(
        cls,
        cost: Callable[[Array], float],
        centre: ArrayLike,
        directions: Sequence[ArrayLike],
        *,
        points: Mapping[str, ArrayLike] | None = None,
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
            Of two, the second is made orthogonal to the first and as long; see `from_estimator`.
        points : mapping of a name to an array like `centre`, optional
            To be marked. Default: the centre.
        span, resolution, kind, log, ax
            As for `from_estimator`.

        Returns
        -------
        LossLandscapeDisplay

        Raises
        ------
        ValueError
            For directions that are zero or parallel, or points outside their line or plane.
        """
        _checks.function("cost", cost)
        span = _checks.number("span", span, least=0)
        start = _checks.plain_array("centre", centre, float)
        single = isinstance(directions, np.ndarray) and directions.shape == start.shape
        given = [np.asarray(directions)] if single else directions
        ways = orthogonal(given, start.shape)
        marked = {"centre": start} if points is None else points
        if not isinstance(marked, Mapping):
            raise TypeError(f"points: expected names and points, got {type(marked).__name__}")
        places = {name: coordinates(start, ways, at, name) for name, at in marked.items()}
        ends = []
        for axis in np.transpose(list(places.values())).reshape(len(ways), -1):
            low, high = axis.min(initial=0), axis.max(initial=0)
            margin = _MARGIN * (high - low)
            ends.append((min(-span, low - margin), max(span, high + margin)))
        display = cls._computed(cost, start, ways, ends, marked, resolution, kind)
        return display.plot(ax, kind=kind, log=log)

    @classmethod
    def from_networks(
        cls,
        networks: Sequence[Any],
        X: ArrayLike,
        y: ArrayLike,
        *,
        names: Sequence[str] | None = None,
        resolution: int = 41,
        kind: str = "contour",
        log: bool = False,
        ax: Any = None,
        **settings: Any,
    ) -> Self:
        """Compute the loss on the straight way through two networks or the plane through three.

        Coordinates are Euclidean distances in parameter space; the first network is at 0, the
        second on the first axis.

        Parameters
        ----------
        networks : two or three MLPs or estimators of equal layers
            They are not changed. The loss is by default that of the first.
        X, y : arrays
            As for `from_estimator`.
        names : sequence of str, optional
            Of the networks.
        resolution, kind, log, ax, **settings
            As for `from_estimator`.

        Returns
        -------
        LossLandscapeDisplay

        Raises
        ------
        ValueError
            For networks of other layers, or that are equal or on one line.
        """
        networks = _checks.items("networks", networks, "two or three networks")
        nets = [network_of(net, "networks") for net in networks]
        if len(nets) not in (2, 3):
            raise ValueError(f"networks: expected two or three, got {len(nets)}")
        for i, net in enumerate(nets):
            if (net.sizes, net.activations) != (nets[0].sizes, nets[0].activations):
                raise ValueError(f"networks: expected equal layers, got {net} at {i}")
        if names is None:
            names = [f"network {i + 1}" for i in range(len(nets))]
        names = _checks.texts("names", names, len(nets))
        if len(set(names)) != len(nets):
            raise ValueError(f"names: expected {len(nets)} different ones, got {names}")
        first, *others = [net.parameters.astype(float) for net in nets]
        ways = orthogonal([other - first for other in others], first.shape)
        ways = [way / np.linalg.norm(way) for way in ways]
        points = dict(zip(names, [first, *others], strict=True))
        places = np.array([coordinates(first, ways, at, name) for name, at in points.items()])
        margin = _MARGIN * float(np.ptp(places, axis=0).max())
        ends = [(axis.min() - margin, axis.max() + margin) for axis in places.T]
        labels = (f"distance from {names[0]} towards {names[1]}", "distance across")
        cost = _cost(networks[0], X, y, settings)
        display = cls._computed(cost, first, ways, ends, points, resolution, kind, labels)
        return display.plot(ax, kind=kind, log=log)

    @classmethod
    def _computed(
        cls,
        cost: Callable[[Array], float],
        start: Array,
        ways: list[Array],
        ends: list[tuple[float, float]],
        points: Mapping[str, ArrayLike],
        resolution: int,
        kind: str,
        labels: tuple[str, str] | None = None,
    ) -> Self:
        """Evaluate on a grid between `ends` of each direction, and at the points."""
        resolution = _checks.integer("resolution", resolution, 2)
        _checks.choice("kind", kind, KINDS)
        alphas, *rest = (np.linspace(*pair, resolution) for pair in ends)
        rows = [start] if not rest else [start + b * ways[1] for b in rest[0]]
        values = np.array([[float(cost(row + a * ways[0])) for a in alphas] for row in rows])
        marked = {
            name: (coordinates(start, ways, at, name), float(cost(np.asarray(at, dtype=float))))
            for name, at in points.items()
        }
        given = {} if labels is None else {"labels": labels}
        betas = rest[0] if rest else None
        return cls(alphas, values if rest else values[0], betas, points=marked, **given)

    def plot(self, ax: Any = None, *, kind: str = "contour", log: bool = False) -> Self:
        """Draw on a matplotlib Axes, a new one by default."""
        kind, log = _checks.choice("kind", kind, KINDS), _checks.flag("log", log)
        flat, surface = self.values.ndim == 1, kind == "surface" and self.values.ndim == 2
        ax = self._start(ax, flat=flat, subplot_kw={"projection": "3d"} if surface else {})
        if surface and not hasattr(ax, "plot_surface"):
            raise ValueError('ax: expected Axes with projection="3d" for kind="surface"')
        scale = self._log10 if log else np.asarray
        label = "log10 of the loss" if log else "loss"
        heights = scale(self.values)
        if flat:
            (self.artist_,) = ax.plot(self.alphas, heights, color=COLOURS[0])
            ax.set(xlabel=self.labels[0], ylabel=label, title="Loss along a line")
            self._mark(ax, scale)
            return self
        if surface:
            grid = np.meshgrid(self.alphas, self.betas)
            self.artist_ = ax.plot_surface(*grid, heights, cmap="viridis", linewidth=0)
            ax.set_zlabel(label, labelpad=8)
            ax.set_box_aspect((np.ptp(self.alphas), np.ptp(self.betas), 0.7 * np.ptp(self.alphas)))
            ax.locator_params(nbins=5)
            ax.view_init(elev=38, azim=-60)
        else:
            self.artist_ = ax.contourf(self.alphas, self.betas, heights, levels=24, cmap="viridis")
            lines = {"colors": "white", "linewidths": 0.5, "linestyles": "solid"}
            ax.contour(self.alphas, self.betas, heights, levels=12, **lines)
            self.figure_.colorbar(self.artist_, ax=ax, label=label)
            ax.set_aspect("equal")
        ax.set(xlabel=self.labels[0], ylabel=self.labels[1], title="Loss landscape")
        self._mark(ax, scale)
        return self

    def _log10(self, losses: ArrayLike) -> Array:
        """log10, of zeros that of the least positive loss."""
        seen = np.append(self.values, [loss for _, loss in self.points.values()])
        least = seen[seen > 0].min(initial=np.inf)
        return np.log10(np.maximum(losses, least if np.isfinite(least) else 1.0))

    def _mark(self, ax: Any, scale: Callable[[Any], Any]) -> None:
        """Mark the points and the lowest one, with a key below the Axes."""
        from matplotlib.transforms import ScaledTranslation

        flat = self.values.ndim == 2 and not hasattr(ax, "plot_surface")
        shapes = [(mark, 8, "white") for mark in MARKERS[:-1]]
        entries = [(name, *point) for name, point in self.points.items()]
        looks = [shapes[k % len(shapes)] for k in range(len(entries))] + [("*", 13, COLOURS[6])]
        self.marks_ = []
        for (name, place, loss), (mark, size, face) in zip(
            [*entries, ("lowest", *self.lowest)], looks, strict=True
        ):
            at = place if flat else (*place, float(scale(loss)))
            self.marks_ += ax.plot(
                *([v] for v in at),
                linestyle="none",
                marker=mark,
                markersize=size,
                markerfacecolor=face,
                markeredgecolor="black",
                zorder=100,
                clip_on=hasattr(ax, "plot_surface"),  # a mark at the edge is drawn whole
                label=f"{name}: {number(loss)}",
            )
        below = ScaledTranslation(0, -_BELOW / 72, self.figure_.dpi_scale_trans)
        self.legend_ = ax.legend(
            handles=self.marks_,
            title="loss at the marks",
            ncols=2,
            fontsize=9,
            title_fontsize=9,
            handlelength=1,
            handletextpad=0.4,
            columnspacing=1,
            loc="upper center",
            bbox_to_anchor=(0.5, 0.0),
            bbox_transform=ax.transAxes + below,
            borderaxespad=0,
        )


def _cost(
    estimator: Any, X: ArrayLike, y: ArrayLike, settings: dict[str, Any]
) -> Callable[[Array], float]:
    """The loss on some data as a function of the parameters."""
    own = objective(estimator, X, y, settings)
    twin = copy.deepcopy(own.net)

    def cost(parameters: Array) -> float:
        twin.parameters[:] = parameters
        loss: float = own.scale * twin.loss(own.X, own.y, **own.settings)
        return loss + twin.engine.penalty(0.0, own.l2)  # type: ignore[no-any-return]

    return cost
