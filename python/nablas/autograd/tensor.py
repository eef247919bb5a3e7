"""`Tensor`: a NumPy array that records how it was computed."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .._checks import flag, plain_array
from . import operators
from .operators import Operators
from .recording import edits, kept, next_number, recording
from .rules import RULES, Operation

Array = NDArray[Any]
Node = tuple[Operation, tuple[Any, ...], int]  # operation, inputs, number in the order of recording

retained: weakref.WeakValueDictionary[int, Tensor] = weakref.WeakValueDictionary()


class Later:
    """Functions that Tensor's methods call and that build on Tensor: their modules set them."""

    backward: Callable[..., None]  # by engine
    call_ufunc: Callable[..., Any]  # by numpy_protocol
    call_function: Callable[..., Any]  # by numpy_protocol


later = Later()


class Tensor(Operators):
    """A NumPy array whose operations are recorded, so that they can be differentiated.

    Parameters
    ----------
    data : array of real numbers
        An array is shared, not copied, unless `dtype` differs; lists get NumPy's dtype for them.
    requires_grad : bool
        Whether to compute gradients by it; needs a floating dtype.
    dtype : NumPy dtype, optional
        Default: that of `data`.

    Attributes
    ----------
    data : array
        The values. Edits of this array are not detected by the graph (see `mark_edited`); edits
        through the Tensor (``x[0] = 1`` or ``x += 1`` under `no_grad`, an optimizer's step) are.
        NumPy arrays in an expression are constants: of up to 4096 entries the graph keeps a copy,
        larger ones must not be edited before `backward`. What is assigned to `data` is taken as the
        argument is, of a Tensor its array; it must have a floating dtype where a gradient is
        wanted, and the shape of `grad` if that is set.
    grad : Tensor or None
        Sum of the gradients of all `backward` passes, for leaves and after `retain_grad`. None or
        a Tensor or array of this shape may be assigned. Reading that of a computed Tensor which
        has none gives a warning.
    requires_grad : bool
        May be set where `requires_grad_` may be called.

    Raises
    ------
    TypeError
        When `data` are not real numbers, or not floating with `requires_grad`.
    RuntimeError
        When `data` is a Tensor that requires a gradient, which would be lost: `detach` it.

    Notes
    -----
    Comparisons give NumPy arrays of bool. NumPy's functions may be called on Tensors. Results are
    of this class also where an operand is of a subclass; copies and pickles of leaves keep their
    class, their attributes and the values of `grad`.

    Examples
    --------
    >>> from nablas.autograd import Tensor
    >>> x = Tensor([0.5, 1.0], requires_grad=True)
    >>> y = (np.exp(x) * x).sum()
    >>> y.backward()
    >>> x.grad.round(4)
    Tensor([2.4731, 5.4366])
    """

    # `_freed` is set where `backward` freed a small graph: the node it had, for drawings.
    __slots__ = ("__weakref__", "_data", "_freed", "_grad", "_node", "_requires_grad")

    _data: Array  # `data` and `grad` without the properties, which cost time
    _grad: Tensor | None
    _freed: Node
    _node: Node | None
    _requires_grad: bool

    def __init__(
        self, data: ArrayLike | Tensor, requires_grad: bool = False, dtype: DTypeLike | None = None
    ) -> None:
        if isinstance(data, Tensor) and data._requires_grad and recording():
            raise RuntimeError(
                "data: a Tensor made of one that requires a gradient would lose the gradient; use "
                "that one itself, its copy(), or its detach() where no gradient is wanted"
            )
        self._data = as_data(data, dtype)
        self._grad, self._node, self._requires_grad = None, None, False
        self.requires_grad_(requires_grad)

    @staticmethod
    def _apply(name: str, *inputs: Any) -> Tensor:
        return apply(name, *inputs)

    @staticmethod
    def _outside(array: Array) -> Tensor:
        return wrap(array)

    # ---- data and gradient ---------------------------------------------------------------------

    @property
    def data(self) -> Array:
        """The values; see the class."""
        return self._data

    @data.setter
    def data(self, data: ArrayLike | Tensor) -> None:
        array = as_data(data)
        if self._requires_grad:
            _check_floating(array)
        if self._grad is not None and self._grad.shape != array.shape:
            raise ValueError(
                f"data: expected shape {self._grad.shape} of grad, got {array.shape}; set grad to "
                "None before"
            )
        self._data = array

    @property
    def grad(self) -> Tensor | None:
        """The sum of the gradients; see the class."""
        if self._grad is None and self._node is not None and id(self) not in retained:
            warnings.warn(
                "grad of a result is None: backward fills that of leaves. If this was to be a "
                "parameter, update it by an optimizer, or in place under no_grad(); else call "
                "retain_grad() before backward",
                stacklevel=2,
            )
        return self._grad

    @grad.setter
    def grad(self, grad: Tensor | Array | None) -> None:
        if grad is not None:
            if isinstance(grad, (np.ndarray, np.generic)):
                grad = wrap(as_data(grad))
            if not isinstance(grad, Tensor):
                kind = type(grad).__name__
                raise TypeError(
                    f"grad: expected a Tensor of shape {self.shape} or None, got {kind}"
                )
            if grad.shape != self.shape:
                raise ValueError(f"grad: expected shape {self.shape}, got {grad.shape}")
            if grad.dtype != self.dtype:
                grad = grad.astype(self.dtype)
        self._grad = grad

    # ---- graph ---------------------------------------------------------------------------------

    def backward(
        self,
        gradient: ArrayLike | Tensor | None = None,
        *,
        retain_graph: bool | None = None,
        create_graph: bool = False,
    ) -> None:
        """Add the gradients of this Tensor to the `grad` of the leaves it was computed from.

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
            When there is no graph, it was freed, an array it needs was edited in place, or
            `gradient` is missing for more than one number.
        ValueError
            When `gradient` has another shape.
        """
        later.backward(self, gradient, retain_graph, create_graph)

    def detach(self) -> Tensor:
        """The same values (shared memory) outside the graph."""
        return wrap(self._data)

    @property
    def requires_grad(self) -> bool:
        """Whether gradients by it are computed."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, requires_grad: bool) -> None:
        self.requires_grad_(requires_grad)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Set `requires_grad`; returns the Tensor.

        TypeError for integers and bools, RuntimeError for a computed Tensor that shall not require
        one (`detach` gives its values).
        """
        requires_grad = flag("requires_grad", requires_grad)
        if requires_grad:
            _check_floating(self._data)
        if self._node is not None and not requires_grad:
            raise RuntimeError("requires_grad: expected a leaf; use detach() for computed Tensors")
        self._requires_grad = requires_grad
        return self

    def retain_grad(self) -> None:
        """Let `backward` also fill the `grad` of this computed Tensor."""
        if not self._requires_grad:
            raise RuntimeError("retain_grad: expected a Tensor that requires a gradient")
        retained[id(self)] = self

    @property
    def is_leaf(self) -> bool:
        """Whether it was not computed from a Tensor that requires a gradient."""
        return self._node is None

    @contextmanager
    def _editing(self) -> Iterator[None]:
        if recording() and self._requires_grad:
            raise RuntimeError(
                "editing a Tensor that requires a gradient in place would falsify the graph; do "
                "it under no_grad(), or compute a new one with where or concatenate"
            )
        yield
        self.mark_edited()

    def mark_edited(self) -> None:
        """Report a direct edit of `data`: `backward` of an older graph that needs it raises."""
        edits.note(self._data)

    # ---- values --------------------------------------------------------------------------------

    shape = property(lambda self: self._data.shape, doc="The lengths of the axes.")
    ndim = property(lambda self: self._data.ndim, doc="The number of axes.")
    size = property(lambda self: self._data.size, doc="The number of entries.")
    dtype = property(lambda self: self._data.dtype, doc="The dtype of the values.")
    mT = property(  # noqa: N815, NumPy's name
        lambda self: self.swapaxes(-1, -2), doc="The last two axes exchanged."
    )
    T = property(lambda self: self.transpose(), doc="All axes reversed.")

    def item(self) -> float:
        """The only entry as a Python number."""
        return self._data.item()  # type: ignore[no-any-return]

    def tolist(self) -> Any:
        """The values as nested lists of Python numbers."""
        return self._data.tolist()

    def numpy(self) -> Array:
        """The values; for a Tensor that requires a gradient call `detach` first."""
        return self.__array__()

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        if self._requires_grad:
            raise RuntimeError(
                "a Tensor that requires a gradient does not become an array by itself, for its "
                "gradient would be lost: join Tensors with numpy.stack or numpy.concatenate, or "
                "use .detach() or .data; of a pandas object in the expression take .to_numpy()"
            )
        if copy:
            return np.array(self._data, dtype)
        if copy is False and dtype is not None and np.dtype(dtype) != self._data.dtype:
            raise ValueError(
                f"copy: expected True or None where the dtype changes from {self._data.dtype} to "
                f"{np.dtype(dtype)}, got False"
            )
        return np.asarray(self._data, dtype)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
        return later.call_ufunc(ufunc, method, inputs, settings)

    def __array_function__(self, function: Any, _types: Any, inputs: Any, settings: Any) -> Any:
        return later.call_function(function, inputs, settings)

    def __len__(self) -> int:
        return len(self._data)

    def __bool__(self) -> bool:
        return bool(self._data)

    def __float__(self) -> float:
        return float(self._data)

    def __int__(self) -> int:
        return int(self._data)

    def __index__(self) -> int:
        return self._data.__index__()

    def __repr__(self) -> str:
        body = np.array2string(self._data, separator=", ", prefix="Tensor(", precision=6)
        kind = f", dtype={self._data.dtype}" if self._data.dtype != np.float64 else ""
        if self._node is not None:
            return f"Tensor({body}{kind}, operation={self._node[0].name!r})"
        return f"Tensor({body}{kind}{', requires_grad=True' if self._requires_grad else ''})"

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else repr(self)

    def __getstate__(self) -> Any:
        if self._node is not None:
            raise RuntimeError(
                "a computed Tensor belongs to its graph and cannot be copied, as matplotlib's "
                "functions do, or pickled: pass its detach()"
            )
        state: Any = super().__getstate__()
        attributes, slots = state
        grad = slots["_grad"]
        if grad is not None and grad._node is not None:  # of a pass with create_graph
            slots["_grad"] = grad.detach()
        return attributes, slots


operators.Result = Tensor


def as_data(data: Any, dtype: DTypeLike | None = None) -> Array:
    """An array of real numbers, sharing memory with `data` where it can."""
    given = data._data if isinstance(data, Tensor) else data
    array: Array = plain_array("data", given, dtype)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"data: expected real numbers, got dtype {array.dtype}")
    return array


def _check_floating(array: Array) -> None:
    if array.dtype.kind != "f":
        raise TypeError(
            f"data: expected a floating dtype where a gradient is wanted, got {array.dtype}; pass "
            "dtype=float"
        )


def wrap(array: Any) -> Tensor:
    """A Tensor outside any graph."""
    tensor = object.__new__(Tensor)
    tensor._data = array if type(array) is np.ndarray else np.asarray(array)
    tensor._requires_grad, tensor._grad, tensor._node = False, None, None
    return tensor


def record(operation: Operation, inputs: tuple[Any, ...], result: Any) -> Tensor:
    """A Tensor of a result, in the graph if an input requires a gradient and recording is on."""
    tensor = object.__new__(Tensor)
    tensor._data = result if type(result) is np.ndarray else np.asarray(result)
    tensor._grad, tensor._requires_grad, tensor._node = None, False, None
    if recording():
        held = []
        for x in inputs:
            if isinstance(x, Tensor):
                if x._requires_grad:
                    tensor._requires_grad = True
                else:
                    x = x._data
            held.append(x)
        if tensor._requires_grad:
            if operation.copied:
                for i in operation.copied:
                    if type(inputs[i]) is np.ndarray:
                        held[i] = kept(inputs[i])
            tensor._node = operation, tuple(held), next_number()
    return tensor


def apply(name: str, *inputs: Any) -> Tensor:
    """Compute an operation of the table and record it; inputs that are no Tensors are constants."""
    operation = RULES[name]
    values = [x._data if isinstance(x, Tensor) else x for x in inputs]
    return record(operation, inputs, operation.forward(*values))
