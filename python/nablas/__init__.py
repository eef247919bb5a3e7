"""nablas: trains dense neural networks by backpropagation on CPUs, fast.

``MLP`` is the network; ``nablas.kernels`` holds the C++ kernels it is made of and
``nablas.reference`` says in NumPy what each of them computes.
"""

from typing import TYPE_CHECKING, Any

from . import _core, autograd, kernels, metrics, reference, schedules
from ._core import available_isas, isa, num_threads, set_num_threads
from ._version import __version__
from .callbacks import Callback, Checkpoint, EarlyStopping, FitState
from .descent import DescentResult, gradient_descent
from .explain import Explanation
from .history import History
from .mlp import MLP
from .optimizers import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop

if TYPE_CHECKING:
    from . import plots


def __getattr__(name: str) -> Any:
    if name == "plots":  # loaded when it is wanted: few processes draw
        from importlib import import_module

        return import_module(".plots", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def activations() -> dict[str, str]:
    """Activation names, each with what its slope is a function of: output or preactivation."""
    return _core.activations()


def losses() -> dict[str, str]:
    """Loss names, each with the output activation it is linked to."""
    return _core.losses()


__all__ = [
    "MLP",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Callback",
    "Checkpoint",
    "DescentResult",
    "EarlyStopping",
    "Explanation",
    "FitState",
    "History",
    "Optimizer",
    "RMSprop",
    "__version__",
    "activations",
    "autograd",
    "available_isas",
    "gradient_descent",
    "isa",
    "kernels",
    "losses",
    "metrics",
    "num_threads",
    "plots",
    "reference",
    "schedules",
    "set_num_threads",
]
