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
    """Warn at the first caller outside scikit-learn and nablas."""
    frame, level = sys._getframe(1), 2
    while frame.f_code.co_filename.startswith(_INNER) and frame.f_back is not None:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
