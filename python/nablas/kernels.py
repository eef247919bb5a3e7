"""The C++ kernels: checked at the boundary, threaded, without the interpreter lock while they run.

Every function takes float32 or float64 arrays of any strides and byte order and leaves its inputs
as they are; `out` may be any writeable array of the right shape and dtype, overlaps included.
``nablas.reference`` has the same names with the same signatures in plain NumPy. The names are those
that the extension binds as kernels.
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
