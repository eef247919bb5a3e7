"""Reverse-mode automatic differentiation on a graph that is recorded as NumPy-like code runs.

`Tensor` holds an array. Operations on Tensors that require a gradient are recorded;
``y.backward()`` or ``grad(y, x)`` applies their gradient rules in reverse order. The rules are one
table, ``nablas.autograd.rules``; `Function` adds a user-defined operation.

Examples
--------
>>> from nablas.autograd import Tensor
>>> w = Tensor([1.0, 2.0], requires_grad=True)
>>> (w**2).sum().backward()
>>> w.grad
Tensor([2., 4.])
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from . import numpy_protocol as _numpy_protocol  # noqa: F401, registers NumPy's functions
from .check import gradcheck, gradgradcheck
from .custom import Context, Function
from .derivatives import hessian, jacobian, jvp, vjp
from .drawing import draw
from .elementwise import (
    ACTIVATION_FUNCTIONS,
    absolute,
    arccos,
    arccosh,
    arcsin,
    arcsinh,
    arctan,
    arctan2,
    arctanh,
    cbrt,
    cos,
    cosh,
    erf,
    erfc,
    exp,
    exp2,
    expm1,
    hypot,
    log,
    log1p,
    log2,
    log10,
    logaddexp,
    maximum,
    minimum,
    power,
    reciprocal,
    sin,
    sinh,
    sqrt,
    square,
    tan,
)
from .engine import grad
from .functions import (
    activate,
    as_tensor,
    broadcast_to,
    clip,
    concatenate,
    cumsum,
    einsum,
    log_softmax,
    logsumexp,
    matmul,
    mean,
    norm,
    prod,
    reshape,
    softmax,
    stack,
    transpose,
    where,
)
from .functions import (
    max as max,
)
from .functions import (
    min as min,
)
from .functions import (
    sum as sum,
)
from .fused import LOSS_FUNCTIONS, dense
from .losses import as_loss
from .recording import enable_grad, no_grad
from .tensor import Tensor

# Without max, min and sum, so that `import *` does not shadow the builtins.
__all__ = [
    "Context",
    "Function",
    "Tensor",
    "absolute",
    "activate",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "as_loss",
    "as_tensor",
    "broadcast_to",
    "cbrt",
    "clip",
    "concatenate",
    "cos",
    "cosh",
    "cumsum",
    "dense",
    "draw",
    "einsum",
    "enable_grad",
    "erf",
    "erfc",
    "exp",
    "exp2",
    "expm1",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "hessian",
    "hypot",
    "jacobian",
    "jvp",
    "log",
    "log1p",
    "log2",
    "log10",
    "log_softmax",
    "logaddexp",
    "logsumexp",
    "matmul",
    "maximum",
    "mean",
    "minimum",
    "no_grad",
    "norm",
    "power",
    "prod",
    "reciprocal",
    "reshape",
    "sin",
    "sinh",
    "softmax",
    "sqrt",
    "square",
    "stack",
    "tan",
    "transpose",
    "vjp",
    "where",
]

_generated = {
    name: function
    for name, function in {**ACTIVATION_FUNCTIONS, **LOSS_FUNCTIONS}.items()
    if name not in __all__  # exp is NumPy's
}
__all__ += sorted(_generated)
globals().update(_generated)
for _function in _generated.values():
    _function.__module__ = __name__  # where pickle finds it

if TYPE_CHECKING:

    def __getattr__(name: str) -> Callable[..., Tensor]: ...


def __dir__() -> list[str]:
    return __all__
