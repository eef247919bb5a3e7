"""The kernels and the training loop in plain NumPy: what every C++ kernel must compute.

Same names and signatures as ``nablas.kernels``; formulas written independently of the C++ ones and
for clarity, not speed. ``out=`` is honoured by copying.
"""

from .activations import SLOPES, activate, erf, exp, hadamard_delta, log, sigmoid, slope, tanh
from .dense import dense_backward, dense_forward, gather_rows, matmul, softmax
from .losses import (
    half_mse,
    huber,
    mae,
    mse,
    poisson,
    sigmoid_binary_cross_entropy,
    softmax_cross_entropy,
)
from .network import ReferenceNetwork, fit, initial_parameters
from .optimizers import optimizer_update
from .random import dropout, permutation, random_normal, random_uniform

__all__ = [
    "SLOPES",
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
    "half_mse",
    "huber",
    "initial_parameters",
    "log",
    "mae",
    "matmul",
    "mse",
    "optimizer_update",
    "permutation",
    "poisson",
    "random_normal",
    "random_uniform",
    "sigmoid",
    "sigmoid_binary_cross_entropy",
    "slope",
    "softmax",
    "softmax_cross_entropy",
    "tanh",
]
