"""`Tensor`: a NumPy array that remembers how it was computed."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .operators import Operators
from .recording import edits, next_number, recording
from .rules import RULES, Operation

Array = NDArray[Any]
Node = tuple[Operation, tuple[Any, ...], int]  # what computed it, from what, and when

retained: weakref.WeakValueDictionary[int, Tensor] = weakref.WeakValueDictionary()


class Tensor(Operators):
    """A NumPy array whose operations are recorded, so that gradients can flow back through them.

    Parameters
    ----------
    data : array of real numbers
        An array is shared, not copied; a list gives the dtype NumPy gives it.
    requires_grad : bool
        Whether gradients by it are wanted; needs a floating dtype.
    dtype : optional

    Attributes
    ----------
    data : array
        The values. Editing them here goes unnoticed by the graph; through the Tensor
        (``x[0] = 1``, ``x += 1`` under `no_grad`, an optimizer's step) it is noticed.
    grad : Tensor or None
        What `backward` has added up, for Tensors made with `requires_grad`.
    requires_grad : bool

    Notes
    -----
    Comparisons give NumPy arrays of bool. NumPy's functions may be called on Tensors.
    """

    __slots__ = ("__weakref__", "_node", "data", "grad", "requires_grad")

    data: Array
    grad: Tensor | None
    requires_grad: bool
    _node: Node | None

    def __init__(
        self, data: ArrayLike | Tensor, requires_grad: bool = False, dtype: DTypeLike | None = None
    ) -> None:
        self.data = as_data(data, dtype)
        self.grad, self._node, self.requires_grad = None, None, False
        self.requires_grad_(requires_grad)

    @staticmethod
    def _apply(name: str, *inputs: Any) -> Tensor:
        return apply(name, *inputs)

    @staticmethod
    def _outside(array: Array) -> Tensor:
        return wrap(array)

    # ---- graph ---------------------------------------------------------------------------------

    def backward(
        self,
        gradient: ArrayLike | Tensor | None = None,
        *,
        retain_graph: bool | None = None,
        create_graph: bool = False,
    ) -> None:
        """Add the gradients of this Tensor to the `grad` of all it was computed from.

        Parameters
        ----------
        gradient : array of this shape, optional
            The gradient by this Tensor; may be left out for a single number, where it is 1.
        retain_graph : bool, optional
            Keep the graph for a further pass. Default: `create_graph`.
        create_graph : bool
            Record the pass itself, so that the gradients can be differentiated again.

        Raises
        ------
        RuntimeError
            When there is no graph, it was freed, or an array it needs was edited in place.
        """
        from .engine import backward

        backward(self, gradient, retain_graph, create_graph)

    def detach(self) -> Tensor:
        """The same values (shared memory) outside the graph."""
        return wrap(self.data)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Set `requires_grad`; returns the Tensor."""
        if requires_grad and self.data.dtype.kind != "f":
            raise TypeError(
                f"data: expected a floating dtype where a gradient is wanted, got "
                f"{self.data.dtype}; pass dtype=float"
            )
        if self._node is not None and not requires_grad:
            raise RuntimeError("requires_grad: expected a leaf; use detach() for computed Tensors")
        self.requires_grad = bool(requires_grad)
        return self

    def retain_grad(self) -> None:
        """Let `backward` fill `grad` although this Tensor was computed."""
        if not self.requires_grad:
            raise RuntimeError("retain_grad: expected a Tensor that requires a gradient")
        retained[id(self)] = self

    @property
    def is_leaf(self) -> bool:
        """Whether it was made by hand and not computed from what requires a gradient."""
        return self._node is None

    @contextmanager
    def _editing(self) -> Iterator[None]:
        if recording() and self.requires_grad:
            raise RuntimeError(
                "editing a Tensor that requires a gradient in place would falsify the graph; do "
                "it under no_grad(), or compute a new one with where or concatenate"
            )
        yield
        self.mark_edited()

    def mark_edited(self) -> None:
        """Say that `data` was edited from outside, so that an older graph that needs it knows."""
        edits.note(self.data)

    # ---- values --------------------------------------------------------------------------------

    shape = property(lambda self: self.data.shape, doc="The lengths of the axes.")
    ndim = property(lambda self: self.data.ndim, doc="The number of axes.")
    size = property(lambda self: self.data.size, doc="The number of entries.")
    dtype = property(lambda self: self.data.dtype, doc="The dtype of the values.")
    mT = property(  # noqa: N815, NumPy's name
        lambda self: self.swapaxes(-1, -2), doc="The last two axes exchanged."
    )
    T = property(lambda self: self.transpose(), doc="All axes reversed.")

    def item(self) -> float:
        """The only entry as a Python number."""
        return self.data.item()  # type: ignore[no-any-return]

    def tolist(self) -> Any:
        """The values as nested lists of Python numbers."""
        return self.data.tolist()

    def numpy(self) -> Array:
        """The values; for a Tensor that requires a gradient call `detach` first."""
        return self.__array__()

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        if self.requires_grad:
            raise RuntimeError(
                "a Tensor that requires a gradient does not become an array by itself, for its "
                "gradient would be lost: use .detach() or .data"
            )
        if copy:
            return np.array(self.data, dtype)
        return np.asarray(self.data, dtype)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
        from .numpy_protocol import call_ufunc

        return call_ufunc(ufunc, method, inputs, settings)

    def __array_function__(self, function: Any, _types: Any, inputs: Any, settings: Any) -> Any:
        from .numpy_protocol import call_function

        return call_function(function, inputs, settings)

    def __len__(self) -> int:
        return len(self.data)

    def __bool__(self) -> bool:
        return bool(self.data)

    def __float__(self) -> float:
        return float(self.data)

    def __int__(self) -> int:
        return int(self.data)

    def __index__(self) -> int:
        return self.data.__index__()

    def __repr__(self) -> str:
        body = np.array2string(self.data, separator=", ", prefix="Tensor(", precision=6)
        kind = f", dtype={self.data.dtype}" if self.data.dtype != np.float64 else ""
        if self._node is not None:
            return f"Tensor({body}{kind}, operation={self._node[0].name!r})"
        return f"Tensor({body}{kind}{', requires_grad=True' if self.requires_grad else ''})"

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else repr(self)

    def __reduce__(self) -> Any:
        if self._node is not None:
            raise RuntimeError("a computed Tensor cannot be copied or pickled; detach() it first")
        return Tensor, (self.data, self.requires_grad)


def as_data(data: Any, dtype: DTypeLike | None = None) -> Array:
    """An array of real numbers, sharing memory with `data` where it can."""
    array = np.asarray(data.data if isinstance(data, Tensor) else data, dtype)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"data: expected real numbers, got dtype {array.dtype}")
    return array


def wrap(array: Any) -> Tensor:
    """A Tensor outside any graph."""
    tensor = object.__new__(Tensor)
    tensor.data = array if type(array) is np.ndarray else np.asarray(array)
    tensor.requires_grad, tensor.grad, tensor._node = False, None, None
    return tensor


def record(operation: Operation, inputs: tuple[Any, ...], result: Any) -> Tensor:
    """The Tensor of a result, in the graph if an input is and recording is on."""
    tensor = object.__new__(Tensor)
    tensor.data = result if type(result) is np.ndarray else np.asarray(result)
    tensor.grad, tensor.requires_grad, tensor._node = None, False, None
    if recording():
        kept = []
        for x in inputs:
            if isinstance(x, Tensor):
                if x.requires_grad:
                    tensor.requires_grad = True
                else:
                    x = x.data
            kept.append(x)
        if tensor.requires_grad:
            tensor._node = operation, tuple(kept), next_number()
    return tensor


def apply(name: str, *inputs: Any) -> Tensor:
    """Compute an operation of the table and record it; all but Tensors are constants."""
    operation = RULES[name]
    values = [x.data if isinstance(x, Tensor) else x for x in inputs]
    return record(operation, inputs, operation.forward(*values))
