"""The C++ kernels: checked at the boundary, threaded, without the interpreter lock while they run.

Every function takes float32 or float64 arrays of any strides and byte order and leaves its inputs
as they are; `out` may be any writeable array of the right shape and dtype, overlaps included.
``nablas.reference`` has the same names with the same signatures in plain NumPy.
"""

from ._core import (
    activate,
    dense_backward,
    dense_forward,
    dropout,
    erf,
    exp,
    gather_rows,
    hadamard_delta,
    half_mse,
    huber,
    log,
    mae,
    matmul,
    mse,
    optimizer_update,
    permutation,
    poisson,
    random_normal,
    random_uniform,
    sigmoid,
    sigmoid_binary_cross_entropy,
    slope,
    softmax,
    softmax_cross_entropy,
    tanh,
)

__all__ = [
    "activate",
    "dense_backward",
    "dense_forward",
    "dropout",
    "erf",
    "exp",
    "gather_rows",
    "hadamard_delta",
    "half_mse",
    "huber",
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
