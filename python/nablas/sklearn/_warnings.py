"""Warnings attributed to the user's line of code."""

from __future__ import annotations

import os
import sys
import warnings

import sklearn

_INNER = tuple(
    os.path.join(os.path.dirname(os.path.abspath(file)), "")
    for file in (sklearn.__file__, os.path.dirname(__file__))
)


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the first caller outside scikit-learn and nablas.

    Filters see a module of scikit-learn's, so that those written for its estimators hold here.
    """
    frame = sys._getframe(1)
    while frame.f_code.co_filename.startswith(_INNER) and frame.f_back is not None:
        frame = frame.f_back
    warnings.warn_explicit(
        message,
        category,
        frame.f_code.co_filename,
        frame.f_lineno,
        module="sklearn.neural_network",
        registry=frame.f_globals.setdefault("__warningregistry__", {}),
    )
