"""Confusion matrices, by scikit-learn."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

from .. import _checks
from .._optional import require
from ._display import checked_axes


def confusion_matrix(
    net: Any, X: ArrayLike, y: ArrayLike, *, ax: Any = None, **settings: Any
) -> Any:
    """True classes against predicted ones.

    Parameters
    ----------
    net : MLP or any classifier
    X, y : arrays of shape (n, features) and (n,)
    ax : matplotlib Axes, optional
    **settings
        Of scikit-learn's ``ConfusionMatrixDisplay.from_predictions``: normalize, cmap, ...

    Returns
    -------
    sklearn.metrics.ConfusionMatrixDisplay

    Examples
    --------
    >>> net = nb.MLP([2, 2], output="softmax", seed=0)
    >>> X = np.random.default_rng(0).normal(size=(50, 2))
    >>> nb.plots.confusion_matrix(net, X, net.predict(X)).confusion_matrix.shape
    (2, 2)
    """
    metrics = require("sklearn.metrics", "sklearn")
    settings = {"cmap": "cividis", "colorbar": False, **settings}
    _checks.having("net", net, "predict", "a classifier")
    if ax is not None:
        checked_axes(ax)
    truth = _checks.plain_array("y", y)
    found = _checks.plain_array("the predictions", net.predict(X))
    if truth.shape != found.shape:
        raise ValueError(f"y: expected shape {found.shape}, got {truth.shape}")
    _checks.without_bytes("y", truth)
    one, other = _checks.kinds(truth), _checks.kinds(found)
    if one and other and not one & other:
        raise TypeError(
            f"y: expected values like the predictions' {found.dtype}, got {truth.dtype}"
        )
    display = metrics.ConfusionMatrixDisplay.from_predictions(truth, found, ax=ax, **settings)
    display.ax_.set_title("Confusion matrix")
    return display
