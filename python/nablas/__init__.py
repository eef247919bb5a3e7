"""nablas: trains dense neural networks by backpropagation on CPUs, fast.

``MLP`` is the network; ``nablas.kernels`` holds the C++ kernels it is made of and
``nablas.reference`` says in NumPy what each of them computes.

Examples
--------
>>> net = nb.MLP([2, 8, 2], activation="tanh", output="softmax", seed=0)
>>> history = net.fit(
...     [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0], optimizer=nb.Adam(0.05), epochs=200
... )
>>> net.predict([[0, 1], [1, 1]])
array([1, 0])
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import (
    autograd,
    callbacks,
    convert,
    data,
    io,
    kernels,
    metrics,
    optimizers,
    reference,
    schedules,
)
from ._config import show_config
from ._losses import BinaryCrossEntropy, CrossEntropy, Huber, Loss, Quantile, check_loss
from ._registry import activations, losses
from ._threads import available_isas, isa, num_threads, set_num_threads
from ._version import __version__
from .callbacks import Callback, Checkpoint, EarlyStopping, FitState
from .descent import DescentResult, gradient_descent
from .explain import Explanation
from .history import History
from .mlp import MLP
from .optimizers import SGD, Adagrad, Adam, AdamW, NAdam, Optimizer, RMSprop

if TYPE_CHECKING:
    from . import plots


def __getattr__(name: str) -> Any:
    if name == "plots":  # loaded on first use
        return import_module(".plots", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__


__all__ = [
    "MLP",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "BinaryCrossEntropy",
    "Callback",
    "Checkpoint",
    "CrossEntropy",
    "DescentResult",
    "EarlyStopping",
    "Explanation",
    "FitState",
    "History",
    "Huber",
    "Loss",
    "NAdam",
    "Optimizer",
    "Quantile",
    "RMSprop",
    "__version__",
    "activations",
    "autograd",
    "available_isas",
    "callbacks",
    "check_loss",
    "convert",
    "data",
    "gradient_descent",
    "io",
    "isa",
    "kernels",
    "losses",
    "metrics",
    "num_threads",
    "optimizers",
    "plots",
    "reference",
    "schedules",
    "set_num_threads",
    "show_config",
]

for _name in __all__:
    _thing = None if _name == "plots" else globals()[_name]
    if "._" in getattr(_thing, "__module__", ""):  # defined in a private module
        _thing.__module__ = __name__
