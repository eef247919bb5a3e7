"""The C++ kernels: checked at the boundary; large calls use threads, without the interpreter lock.

Arrays are float32 or float64, of any strides and byte order. Inputs are left as they are, but for
the parameters and states of `optimizer_update`. Random numbers and dropout are made by one thread.
`out` may be any writeable array of the right shape and dtype, overlaps included.
``nablas.reference`` has the same names with the same signatures in plain NumPy. The names are those
that the extension binds as kernels.

Examples
--------
>>> x, weights = np.array([[1.0, 2.0]]), np.array([[0.5], [1.0], [2.0]])  # row 0 is the bias
>>> out = np.empty((1, 1))
>>> nb.kernels.dense_forward(x, weights, "relu", out=out) is out
True
>>> out
array([[5.5]])
"""

from typing import TYPE_CHECKING

from . import _core

if TYPE_CHECKING:
    from ._core import *  # noqa: F403

__all__ = sorted(_core.kernels)

for _name in __all__:
    _function = getattr(_core, _name)
    _function.__module__ = __name__
    globals()[_name] = _function


def __dir__() -> list[str]:
    return __all__
