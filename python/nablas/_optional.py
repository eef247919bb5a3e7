"""Optional dependencies."""

from __future__ import annotations

import importlib
from typing import Any


def require(module: str, extra: str = "") -> Any:
    """The imported module, or an ImportError that says what to install.

    Without an extra of this package that is the module's own package.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.split(".")[0]
        what = f'"nablas[{extra}]"' if extra else package
        raise ImportError(
            f"{package} is needed for this: pip install {what} ({error}); "
            "see docs/installation.md#extras"
        ) from error
