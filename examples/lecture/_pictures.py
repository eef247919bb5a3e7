"""A figure as data, so that a test can compare it without comparing pixels.

Of each Axes: title, labels, scales and limits; of each artist its points as fractions of the Axes
(0 at the lower limit, 1 at the upper one, along the axis' scale), its values as fractions of its
colour limits, its words. Long arrays are thinned to MOST values, beside their extremes and their
mean. What is only looks is left out: colours, widths, sizes, where a legend lies.
"""

import numpy as np
from matplotlib.collections import Collection, PathCollection
from matplotlib.contour import ContourSet
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.spines import Spine
from matplotlib.text import Annotation, Text
from matplotlib.ticker import FixedFormatter

MOST = 16


def picture_data(figure, dpi):
    """Everything a Figure shows; `size` in pixels, `least_text` in points."""
    engine = figure.get_layout_engine()
    figure.set_layout_engine("none")  # layout takes most of the time, and moves no data
    figure.draw_without_rendering()  # sets limits and ticks, projects what is in space
    figure.set_layout_engine(engine)
    texts = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]
    return {
        "size": [int(dpi * inches + 1e-6) for inches in figure.get_size_inches()],
        "least_text": min(t.get_fontsize() for t in texts),
        "texts": [t.get_text() for t in [*figure.texts, figure._suptitle] if t is not None],
        "axes": [_axes(ax) for ax in figure.axes if ax.get_visible()],
    }


def _axes(ax):
    ours = (ax.patch, ax.title, ax._left_title, ax._right_title)
    drawn = [a for a in ax.get_children() if a.get_visible() and a not in ours]
    described = [_artist(a, ax) for a in drawn if not isinstance(a, Spine)]
    legend = ax.get_legend()
    return {
        "title": ax.get_title(),
        "axes": [_axis(axis) for axis in ax._axis_map.values()],
        "legend": [] if legend is None else [t.get_text() for t in legend.get_texts()],
        "artists": [d for d in described if d],
    }


def _axis(axis):
    fixed = isinstance(axis.get_major_formatter(), FixedFormatter)
    return {
        "label": axis.get_label_text(),
        "scale": axis.get_scale(),
        "limits": [_short(v) for v in axis.get_view_interval()],
        "ticks": [t.get_text() for t in axis.get_ticklabels()] if fixed else [],
    }


def _artist(artist, ax):
    """The data of one artist; None for what has none (axes, legends)."""
    if isinstance(artist, Text):
        return _text(artist, ax)
    if isinstance(artist, ContourSet):  # the number of a level's vertices is chance
        levels = [_short(level) for level in artist.levels]
        return {"kind": "contours", "levels": levels, "paths": _paths(artist, ax, thin=False)}
    if isinstance(artist, PathCollection):
        points = _fractions(artist.get_offsets(), artist.get_offset_transform(), ax)
        return {"kind": "points", "points": _thin(points), **_colours(artist)}
    if isinstance(artist, Collection):
        return {"kind": "collection", "paths": _paths(artist, ax, thin=True), **_colours(artist)}
    if isinstance(artist, Line2D):
        points = _fractions(artist.get_path().vertices, artist.get_transform(), ax)
        return {"kind": "line", "points": _thin(points)}
    if isinstance(artist, AxesImage):
        left, right, bottom, top = artist.get_extent()
        corners = _fractions([[left, bottom], [right, top]], ax.transData, ax)
        return {"kind": "image", "corners": _thin(corners), **_colours(artist)}
    if isinstance(artist, Patch):
        points = _fractions(artist.get_path().vertices, artist.get_transform(), ax)
        return {"kind": "patch", "points": _thin(points)}
    return None


def _text(text, ax):
    place = _fractions([text.get_position()], text.get_transform(), ax)
    shown = {"kind": "text", "text": text.get_text(), "points": _thin(place)}
    if isinstance(text, Annotation) and text.arrow_patch is not None:
        shown["arrow"] = _thin(_fractions([text.xy], ax.transData, ax))
    return shown if shown["text"].strip() or "arrow" in shown else None


def _paths(collection, ax, *, thin):
    paths = [p.vertices for p in collection.get_paths() if len(p.vertices)]
    transform = collection.get_transform()
    chosen = [paths[i] for i in _some(len(paths))]
    return [len(paths), *(_thin(_fractions(p, transform, ax), thin) for p in chosen)]


def _some(count):
    """At most MOST indices below `count`, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(MOST, count)).astype(int))


def _colours(artist):
    """Mapped values as fractions of the colour limits; colours of an RGB image as they are."""
    values = artist.get_array()
    if values is None:
        return {}
    values = np.ma.filled(np.ma.asarray(values, dtype=float), np.nan)
    if values.ndim == 3:  # RGB: no limits; one channel mixes enough of the classes' colours
        return {"values": _thin(values.reshape(-1, values.shape[2]))}
    limits = [_short(v) for v in artist.get_clim()]
    return {"values": _thin(np.ma.filled(artist.norm(values.ravel()), np.nan)), "limits": limits}


def _fractions(points, transform, ax):
    points = np.ma.filled(np.ma.asarray(points, dtype=float), np.nan).reshape(-1, 2)
    return ax.transAxes.inverted().transform(transform.transform(points))


def _thin(values, thin=True):
    """Extremes and mean of each column and, if `thin`, the length and up to MOST rows."""
    values = np.asarray(values, dtype=float)
    values = values.reshape(len(values), -1)
    # far outside the Axes, or nowhere (the logarithm of 0): one place is as good as another
    values = np.clip(np.nan_to_num(values, nan=-1, posinf=2, neginf=-1), -1, 2)
    summary = [f(values, axis=0) for f in (np.min, np.mean, np.max)]
    shown = {"extent": _rounded(summary)}
    if thin:
        shown |= {"count": len(values), "rows": _rounded(values[_some(len(values))])}
    return shown


def _rounded(fractions):
    return (np.round(fractions, 3) + 0.0).tolist()  # + 0.0: no -0.0


def _short(value):
    return float(f"{value:.4g}")
