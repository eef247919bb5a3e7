"""Decision boundaries of two features."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from .. import _checks
from .._data import label_codes
from ._display import COLOURS, MARKERS, Array, Display, pyplot

_POINT: dict[str, Any] = {"s": 26, "edgecolor": "black", "linewidth": 0.5}


def _responses(estimator: Any, points: Array) -> tuple[Array, bool]:
    """Probabilities (n, classes) and True for a classifier, else values (n, outputs) and False."""
    if hasattr(estimator, "predict_proba"):
        return np.asarray(estimator.predict_proba(points)), True
    if hasattr(estimator, "classes_"):  # no probabilities: 1 for the predicted class
        predicted = np.asarray(estimator.predict(points))
        return (predicted.reshape(-1, 1) == np.asarray(estimator.classes_)).astype(float), True
    if not hasattr(estimator, "forward"):
        values = np.asarray(estimator.predict(points))
        return values.reshape(len(points), -1), False
    outputs = estimator.forward(points)
    if estimator.output in ("sigmoid", "step") and outputs.shape[1] == 1:
        return np.hstack([1 - outputs, outputs]), True
    return outputs, estimator.output == "softmax"


def _by_class(response: Array, classes: int) -> Array:
    """Probabilities (n, classes), or ValueError; a class alone has all of it, at every point."""
    if classes == 1:
        return np.ones((len(response), 1))
    if response.shape[1:] != (classes,):
        raise ValueError(
            f"estimator: expected probabilities of shape (n, {classes}), one for each class, got "
            f"{response.shape}"
        )
    return response


def _check_single(estimator: Any, points: Array) -> None:
    """ValueError for an estimator that predicts several labels, targets or values a row."""
    shape = np.shape(estimator.predict(points))
    if (count := math.prod(shape[1:])) != 1:
        raise ValueError(
            "estimator: expected one that tells one class a row or has one output, got "
            f"{count} outputs a row"
        )


def _values_of(y: Any) -> Array:
    """Values (n,) of a regression, or an error."""
    values: Array = _checks.plain_array("y", y, float)
    if values.shape[1:] not in ((), (1,)):
        raise ValueError(f"y: expected one value a row, got shape {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError("y: expected finite values, got others")
    return values.reshape(-1).copy()


def _points(X: Any, y: Any) -> Array:
    """X as (n, 2) finite numbers with as many rows as y, or ValueError."""
    points: Array = _checks.plain_array("X", X, float)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"X: expected shape (n, 2), got {points.shape}")
    if len(points) == 0 or not np.isfinite(points).all():
        raise ValueError("X: expected at least one row, all finite")
    if y is not None:
        shape = _checks.plain_array("y", y).shape
        if shape[:1] != (len(points),):
            raise ValueError(f"y: expected {len(points)} rows like X, got shape {shape}")
    return points


def _grid(points: Array, grid_resolution: int, eps: float) -> list[Array]:
    """Coordinates of a grid over the points, with a margin of a share `eps` of their range."""
    grid_resolution = _checks.integer("grid_resolution", grid_resolution, 2)
    eps = _checks.number("eps", eps, least=0)
    low, high = points.min(axis=0), points.max(axis=0)
    margin = np.where(high > low, high - low, 1) * eps
    ends = zip(low - margin, high + margin, strict=True)
    return list(np.meshgrid(*(np.linspace(a, b, grid_resolution) for a, b in ends)))


class DecisionBoundaryDisplay(Display):
    """Regions of the predicted classes, shaded by probability, or a regression's values.

    Parameters
    ----------
    xx0, xx1 : arrays of shape (resolution, resolution)
        The grid.
    response : array of shape (resolution, resolution, classes)
        Probabilities; one value each for a regression.
    classes : list
        Names of the classes; empty for a regression.
    points, codes : arrays of shape (n, 2) and (n,), optional
        Drawn on top; `codes` are class indices or values.
    names : (str, str)
        Of the axes.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
    surface_ : matplotlib image or contour set
    boundary_ : matplotlib contour sets
    points_ : list of matplotlib collections

    Examples
    --------
    >>> net = nb.MLP([2, 3], output="softmax", seed=0)
    >>> X = np.random.default_rng(0).normal(size=(50, 2))
    >>> display = nb.plots.DecisionBoundaryDisplay.from_estimator(net, X, net.predict(X))
    >>> display.response.shape
    (200, 200, 3)
    """

    def __init__(
        self,
        xx0: Array,
        xx1: Array,
        response: Array,
        *,
        classes: list[Any],
        points: Array | None = None,
        codes: Array | None = None,
        names: tuple[str, str] = ("feature 0", "feature 1"),
    ) -> None:
        self.xx0, self.xx1, self.response, self.classes = xx0, xx1, response, classes
        self.points, self.codes, self.names = points, codes, names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        grid_resolution: int = 200,
        eps: float = 0.1,
        names: tuple[str, str] = ("feature 0", "feature 1"),
        ax: Any = None,
    ) -> Self:
        """Compute on a grid around the data, and draw.

        Parameters
        ----------
        estimator : MLP, or anything with predict_proba or predict
            One that tells one class a row, or one value: the regions of several labels overlap.
        X : array of shape (n, 2)
        y : array of shape (n,), optional
            The points' classes or values; without y no points are drawn.
        grid_resolution : int
            Points along each axis.
        eps : float
            Margin around the data, as a fraction of each feature's range.
        names : (str, str)
            Of the features.
        ax : matplotlib Axes, optional

        Returns
        -------
        DecisionBoundaryDisplay

        Raises
        ------
        ValueError
            For an estimator of several labels, targets or outputs, and for labels it does not know.
        """
        _checks.having("estimator", estimator, "predict", "an MLP or an estimator")
        first, second = _checks.texts("names", names, 2)
        points = _points(X, y)
        xx0, xx1 = _grid(points, grid_resolution, eps)
        _check_single(estimator, points[:1])
        grid = np.column_stack([xx0.ravel(), xx1.ravel()])
        response, classifies = _responses(estimator, grid)
        if not np.isfinite(response).all():
            raise ValueError("estimator: expected finite outputs around the points, got others")
        classes: list[Any] = []
        if classifies:
            names_of = getattr(estimator, "classes_", getattr(estimator, "classes", None))
            classes = list(range(response.shape[1])) if names_of is None else list(names_of)
            response = _by_class(response, len(classes))
        codes = None
        if y is not None:
            codes = label_codes(y, classes) if classifies else _values_of(y)
        display = cls(
            xx0,
            xx1,
            response.reshape(*xx0.shape, -1),
            classes=classes,
            points=None if y is None else points.copy(),
            codes=codes,
            names=(first, second),
        )
        return display.plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw on a matplotlib Axes, a new one by default."""
        ax = self._start(ax)
        if self.classes:
            self._regions(ax)
        else:
            self._values(ax)
        ax.set(
            xlabel=self.names[0],
            ylabel=self.names[1],
            xlim=(self.xx0.min(), self.xx0.max()),
            ylim=(self.xx1.min(), self.xx1.max()),
            title="Decision boundary" if self.classes else "Prediction",
        )
        return self

    def _regions(self, ax: Any) -> None:
        colours = np.array([_rgb(COLOURS[i % len(COLOURS)]) for i in range(len(self.classes))])
        best = self.response.argmax(axis=2)
        chance = 1 / len(self.classes)
        sure = (self.response.max(axis=2) - chance) / max(1 - chance, 1e-9)
        sure = np.clip(sure, 0, 1)[..., np.newaxis]
        image = 1 - (0.12 + 0.5 * sure) * (1 - colours[best])
        half = [np.ptp(axis) / (len(axis) - 1) / 2 for axis in (self.xx0[0], self.xx1[:, 0])]
        extent = (
            self.xx0.min() - half[0],
            self.xx0.max() + half[0],
            self.xx1.min() - half[1],
            self.xx1.max() + half[1],
        )  # pixels are centred on the grid points
        self.surface_ = ax.imshow(image, extent=extent, origin="lower", aspect="auto")
        self.boundary_ = []
        for i in np.unique(best) if len(np.unique(best)) > 1 else []:
            # class i minus the largest other response: its zero contour is the region's edge
            margin = self.response[..., i] - np.delete(self.response, i, axis=2).max(axis=2)
            self.boundary_.append(
                ax.contour(self.xx0, self.xx1, margin, levels=[0], colors="black", linewidths=1.2)
            )
        self.points_ = []
        if self.points is None or self.codes is None:
            return
        for i, label in enumerate(self.classes):
            chosen = self.points[self.codes == i]
            look = {
                "color": COLOURS[i % len(COLOURS)],
                "marker": MARKERS[(i + i // len(COLOURS)) % len(MARKERS)],
            }
            self.points_.append(ax.scatter(*chosen.T, label=label, **look, **_POINT))
        ax.legend(title="class (shade: its probability)", framealpha=0.9)

    def _values(self, ax: Any) -> None:
        values = self.response[..., 0]
        seen = values if self.codes is None else np.append(values, self.codes)
        levels = np.linspace(seen.min(), seen.max() + 1e-9 * max(1.0, np.abs(seen).max()), 21)
        self.surface_ = ax.contourf(self.xx0, self.xx1, values, levels=levels, cmap="viridis")
        self.boundary_, self.points_ = [], []
        if self.points is not None and self.codes is not None:
            look = {"c": np.ravel(self.codes), "cmap": "viridis", "norm": self.surface_.norm}
            self.points_.append(ax.scatter(*self.points.T, **look, **_POINT))
        self.figure_.colorbar(self.surface_, ax=ax, label="predicted value")


def _rgb(colour: str) -> Array:
    from matplotlib.colors import to_rgb

    pyplot()
    return np.array(to_rgb(colour))
