"""Optional dependencies."""

from __future__ import annotations

import importlib
from typing import Any


def require(module: str, extra: str = "") -> Any:
    """The imported module, or an ImportError that says what to install.

    Without an extra of this package that is the module's own package. A package that is installed
    but does not find its libraries raises what it likes: mpi4py without MPI a RuntimeError.
    """
    try:
        return importlib.import_module(module)
    except Exception as error:
        package = module.split(".")[0]
        what = f'"nablas[{extra}]"' if extra else package
        why = " ".join(str(error).split())
        why = why if isinstance(error, ImportError) else f"{type(error).__name__}: {why}"
        raise ImportError(
            f"{package} is needed for this: pip install {what} ({why}); "
            "see docs/installation.md#extras"
        ) from error
