"""The kernels and the training loop in plain NumPy: what every C++ kernel must compute.

Same names and signatures as ``nablas.kernels``; formulas written independently of the C++ ones and
for clarity, not speed. ``out=`` is honoured by copying. Imports nothing else of the package.

Examples
--------
>>> x, weights = np.array([[1.0, 2.0]]), np.array([[0.5], [1.0], [2.0]])
>>> nb.reference.dense_forward(x, weights, "relu")
array([[5.5]])
>>> nb.kernels.dense_forward(x, weights, "relu")
array([[5.5]])
"""

from collections.abc import Callable
from typing import Any

from .activations import ACTIVATIONS
from .dense import dense_backward, dense_forward, gather_rows, matmul, softmax
from .elementwise import activate, erf, exp, hadamard_delta, log, sigmoid, slope, tanh
from .losses import FUNCTIONS, LOSSES
from .network import ReferenceNetwork, fit, initial_parameters
from .optimizers import RULES, initial_states, optimizer_update
from .random import dropout, permutation, random_normal, random_uniform
from .sparse import sparse_forward, sparse_gradient

__all__ = [
    "ACTIVATIONS",
    "LOSSES",
    "RULES",
    "ReferenceNetwork",
    "activate",
    "dense_backward",
    "dense_forward",
    "dropout",
    "erf",
    "exp",
    "fit",
    "gather_rows",
    "hadamard_delta",
    "initial_parameters",
    "initial_states",
    "log",
    "matmul",
    "optimizer_update",
    "permutation",
    "random_normal",
    "random_uniform",
    "sigmoid",
    "slope",
    "softmax",
    "sparse_forward",
    "sparse_gradient",
    "tanh",
]
__all__ += list(FUNCTIONS)
for _function in FUNCTIONS.values():
    _function.__module__ = __name__  # where pickle finds it


def __getattr__(name: str) -> Callable[..., tuple[float, Any]]:
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
