"""The operators and named methods of `Tensor`, from the operations of the table in `rules`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from .recording import kept, next_number, recording
from .rules import RULES

Axis = int | tuple[int, ...] | None
Result: Any = None  # `Tensor`, set by its module: the class of all results, also of subclasses'
_numpy: Any = np  # its functions of Tensors, untyped


def _binary(name: str, reflected: bool = False) -> Any:
    operation = RULES[name]
    compute = operation.forward
    read = (0 if reflected else 1) in operation.copied  # whether a rule reads a constant

    def method(self: Any, other: Any) -> Any:
        # `tensor.record` inlined for two inputs: its overhead dominates small expressions
        if isinstance(other, Operators):
            if reflected:
                self, other = other, self
            result = compute(self._data, other._data)
            tracked = self._requires_grad or other._requires_grad
            inputs = (
                self if self._requires_grad else self._data,
                other if other._requires_grad else other._data,
            )
        else:
            if not isinstance(other, (float, int)):
                if not isinstance(other, (np.ndarray, np.generic, list, tuple)):
                    return NotImplemented
                other = Result(other)._data
                if read and self._requires_grad:
                    other = kept(other)
            tracked = self._requires_grad
            if reflected:
                result, inputs = compute(other, self._data), (other, self)
            else:
                result, inputs = compute(self._data, other), (self, other)
        tensor = object.__new__(Result)
        tensor._data = result if type(result) is np.ndarray else np.asarray(result)
        tensor._grad = None
        if tracked and recording():
            tensor._requires_grad, tensor._node = True, (operation, inputs, next_number())
        else:
            tensor._requires_grad, tensor._node = False, None
        return tensor

    return method


def of_one(name: str) -> Callable[..., Any]:
    """A method that applies an operation to one Tensor and constants."""
    operation = RULES[name]
    compute = operation.forward

    def method(self: Any, *constants: Any) -> Any:
        result = compute(self._data, *constants)
        tensor = object.__new__(Result)
        tensor._data = result if type(result) is np.ndarray else np.asarray(result)
        tensor._grad = None
        if self._requires_grad and recording():
            tensor._requires_grad = True
            tensor._node = operation, (self, *constants), next_number()
        else:
            tensor._requires_grad, tensor._node = False, None
        return tensor

    return method


def _entrywise(name: str, doc: str) -> Any:
    method = of_one(name)
    method.__doc__ = doc
    return method


def _reduction(name: str, doc: str) -> Any:
    operation = RULES[name]
    compute = operation.forward

    def method(self: Any, axis: Axis = None, keepdims: bool = False) -> Any:
        result = compute(self._data, axis, keepdims)
        tensor = object.__new__(Result)
        tensor._data = result if type(result) is np.ndarray else np.asarray(result)
        tensor._grad = None
        if self._requires_grad and recording():
            tensor._requires_grad = True
            tensor._node = operation, (self, axis, keepdims), next_number()
        else:
            tensor._requires_grad, tensor._node = False, None
        return tensor

    method.__doc__ = f"{doc} over the given axes, all of them by default."
    return method


_getitem, _reshape, _transpose = of_one("getitem"), of_one("reshape"), of_one("transpose")
_softmax = of_one("softmax")


def _compare(function: Callable[..., Any]) -> Any:
    def method(self: Any, other: Any) -> Any:
        return function(self._data, other._data if isinstance(other, Operators) else other)

    return method


def _in_place(function: Callable[..., Any], otherwise: str) -> Any:
    def method(self: Any, other: Any) -> Any:
        theirs = isinstance(other, Operators) and other._requires_grad
        if recording() and (theirs or self._node is not None):
            return getattr(self, otherwise)(other)
        with self._editing():
            value = other._data if isinstance(other, Operators) else other
            function(self._data, value, out=self._data, casting="same_kind")
        return self

    return method


def _matmul_into(a: Any, b: Any, out: Any, casting: str) -> None:
    """``a @= b``: unlike ``np.matmul(a, b, out=a)`` NumPy refuses a vector b."""
    out @= b


def _bounds(dtype: np.dtype[Any]) -> tuple[Any, Any]:
    """Limits that every number of the dtype keeps, of a type that does not change the dtype."""
    if dtype.kind == "f":
        return -np.inf, np.inf
    if dtype.kind == "b":
        return False, True
    return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)


def _as_index(index: Any) -> Any:
    """A copy as an array; of integers if it is empty, as NumPy takes ``x[[]]``."""
    made = np.array(index)
    return made if made.size or isinstance(index, np.ndarray) else made.astype(np.intp)


def _levelling(rows: Any) -> Any:
    """Powers of 2 whose product in each row is 1, and that divide its entries to about one size.

    Products of some entries can then overflow or underflow only if the whole product does. None
    where they cannot anyway.
    """
    count, most = rows.shape[1], -int(np.finfo(rows.dtype).minexp)
    # An entry is from 2^(power - 1) to 2^power.
    powers = np.where(np.isfinite(rows), np.frexp(rows)[1], 0)
    if np.abs(powers).sum(1).max() + count < most:
        return None
    steps = np.arange(count + 1) * powers.sum(1, keepdims=True) // count
    powers = powers - np.diff(steps)
    powers[np.abs(powers).max(1) >= most] = 0  # these would be infinite themselves
    return np.ldexp(np.ones_like(rows), powers)


class Operators:
    """The operators and named methods of `Tensor`."""

    __slots__ = ()

    __add__, __radd__ = _binary("add"), _binary("add", True)
    __sub__, __rsub__ = _binary("subtract"), _binary("subtract", True)
    __mul__, __rmul__ = _binary("multiply"), _binary("multiply", True)
    __truediv__, __rtruediv__ = _binary("divide"), _binary("divide", True)
    __pow__, __rpow__ = _binary("power"), _binary("power", True)
    __mod__, __rmod__ = _binary("remainder"), _binary("remainder", True)
    __matmul__, __rmatmul__ = _binary("matmul"), _binary("matmul", True)
    __iadd__ = _in_place(np.add, "__add__")
    __isub__ = _in_place(np.subtract, "__sub__")
    __imul__ = _in_place(np.multiply, "__mul__")
    __itruediv__ = _in_place(np.divide, "__truediv__")
    __ipow__ = _in_place(np.power, "__pow__")
    __imod__ = _in_place(np.remainder, "__mod__")
    __ifloordiv__ = _in_place(np.floor_divide, "__floordiv__")
    __imatmul__ = _in_place(_matmul_into, "__matmul__")
    __lt__, __le__ = _compare(np.less), _compare(np.less_equal)
    __gt__, __ge__ = _compare(np.greater), _compare(np.greater_equal)
    __eq__, __ne__ = _compare(np.equal), _compare(np.not_equal)
    __hash__ = object.__hash__
    __neg__, __abs__ = of_one("negative"), of_one("absolute")

    exp = _entrywise("exp", "E to the power of every entry.")
    log = _entrywise("log", "Natural logarithm of every entry.")
    erfc = _entrywise("erfc", "Complementary error function of every entry.")
    sqrt = _entrywise("sqrt", "Square root of every entry.")
    square = _entrywise("square", "Square of every entry.")
    sin = _entrywise("sin", "Sine of every entry.")
    cos = _entrywise("cos", "Cosine of every entry.")
    tanh = _entrywise("tanh", "Hyperbolic tangent of every entry.")
    sigmoid = _entrywise("sigmoid", "1 / (1 + e^-x) of every entry.")
    relu = _entrywise("relu", "The larger of 0 and every entry.")
    abs = _entrywise("absolute", "Absolute value of every entry.")

    sum = _reduction("sum", "Sum")
    mean = _reduction("mean", "Mean")
    max = _reduction("max", "Maximum (gradient shared equally among ties)")
    min = _reduction("min", "Minimum (gradient shared equally among ties)")
    norm = _reduction("norm", "Euclidean norm")
    logsumexp = _reduction("logsumexp", "Logarithm of the sum of exponentials")

    if TYPE_CHECKING:
        _apply: Callable[..., Any]
        _outside: Callable[[Any], Any]
        _editing: Callable[[], AbstractContextManager[None]]
        _data: np.ndarray[Any, Any]
        size: Any
        _requires_grad: bool

    def __pos__(self) -> Self:
        return self

    def var(self, axis: Axis = None, keepdims: bool = False, *, ddof: int = 0) -> Self:
        """Variance over the given axes; the divisor is the count minus `ddof`."""
        away: Any = self - self.mean(axis, True)
        total: Self = (away * away).sum(axis, keepdims)
        count: Any = np.maximum(self._data.size / max(total.size, 1) - ddof, 0)
        return total / count.astype(total._data.dtype)

    def std(self, axis: Axis = None, keepdims: bool = False, *, ddof: int = 0) -> Self:
        """Standard deviation over the given axes; see `var`."""
        away: Any = self - self.mean(axis, True)
        size: Self = away.norm(axis, keepdims)
        count: Any = np.maximum(self._data.size / max(size.size, 1) - ddof, 0)
        return size / np.sqrt(count).astype(size._data.dtype)

    def prod(self, axis: Axis = None, keepdims: bool = False) -> Self:
        """Product over the given axes, all of them by default."""
        made: Any = np.prod(self._data, axis=axis, keepdims=keepdims)
        if self._data.dtype.kind != "f":
            return self._outside(made)
        if self._data.size == 0:
            return self.sum(axis, keepdims) + 1
        ndim = self._data.ndim
        axes = range(ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        last = [a % ndim for a in axes if ndim]
        order = [a for a in range(ndim) if a not in last] + last
        y: Any = self.transpose(order).reshape(made.size, -1)
        scale = _levelling(y._data) if y.shape[1] > 2 else None
        y = y if scale is None else y / scale
        odd: Any = 1.0
        while (count := y.shape[1]) > 1:  # halves multiplied; an odd last column goes into `odd`
            odd = odd * y[:, -1:] if count % 2 else odd
            y = y[:, : count // 2] * y[:, count // 2 : count // 2 * 2]
        result: Any = (y * odd).reshape(made.shape)
        result._data = np.asarray(made)
        return result

    def cumsum(self, axis: int | None = None) -> Self:
        """Cumulative sum along an axis, or of the flattened entries for None."""
        return self.reshape(-1).cumsum(0) if axis is None else self._apply("cumsum", self, axis)

    def softmax(self, axis: int = -1) -> Self:
        """Exponentials that sum to 1 along an axis."""
        return _softmax(self, axis)

    def log_softmax(self, axis: int = -1) -> Self:
        """Logarithm of `softmax` along an axis."""
        return self._apply("log_softmax", self, axis)

    def clip(self, min: Any = None, max: Any = None) -> Self:
        """Entries limited to an interval; gradient 1 inside and at ends."""
        lowest, highest = _bounds(self._data.dtype)
        low, high = lowest if min is None else min, highest if max is None else max
        if np.iscomplexobj(low) or np.iscomplexobj(high):
            raise TypeError("min, max: expected real numbers, got complex ones")
        return self._apply("clip", self, low, high)

    def reshape(self, *shape: Any) -> Self:
        """The entries in another shape, given as integers or one tuple."""
        target = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        return _reshape(self, target)

    def flatten(self) -> Self:
        """The entries in one axis."""
        return self.reshape(-1)

    ravel = flatten

    def squeeze(self, axis: Axis = None) -> Self:
        """The Tensor without axes of length 1."""
        return self.reshape(self._data.squeeze(axis).shape)

    def transpose(self, *axes: Any) -> Self:
        """The axes in another order, reversed by default and for None."""
        one = len(axes) == 1 and not isinstance(axes[0], (int, np.integer))
        order = axes[0] if one else axes or None
        ndim = self._data.ndim
        order = range(ndim)[::-1] if order is None else tuple(order)
        self._data.transpose(order)  # raises NumPy's error for axes out of range or repeated
        return _transpose(self, tuple(int(a) % ndim for a in order))

    def swapaxes(self, first: int, second: int) -> Self:
        """Two axes exchanged."""
        self._data.swapaxes(first, second)  # raises NumPy's error for an axis out of range
        order = list(range(self._data.ndim))
        order[first], order[second] = order[second], order[first]
        return self.transpose(order)

    def copy(self) -> Self:
        """A copy of the values; the operation is recorded."""
        return self._apply("astype", self, self._data.dtype)

    def astype(self, dtype: Any) -> Self:
        """The values in another dtype; outside the graph if that dtype is not floating."""
        if (kind := np.dtype(dtype).kind) not in "fiub":
            raise TypeError(f"dtype: expected real numbers, got {dtype}")
        if kind != "f":
            return self._outside(self._data.astype(dtype))
        return self._apply("astype", self, np.dtype(dtype))

    def __floordiv__(self, other: Any) -> Self:
        return _numpy.floor_divide(self, other)

    def __rfloordiv__(self, other: Any) -> Self:
        return _numpy.floor_divide(other, self)

    def __round__(self, decimals: int = 0) -> Self:
        return self.round(decimals)

    def round(self, decimals: int = 0) -> Self:
        """The entries rounded; the gradient is 0."""
        return _numpy.round(self, decimals)

    def dot(self, other: Any) -> Self:
        """``numpy.dot``."""
        return _numpy.dot(self, other)

    def take(self, indices: Any, axis: int | None = None) -> Self:
        """``numpy.take``."""
        return _numpy.take(self, indices, axis)

    def repeat(self, repeats: Any, axis: int | None = None) -> Self:
        """``numpy.repeat``."""
        return _numpy.repeat(self, repeats, axis)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Self:
        """``numpy.diagonal``."""
        return _numpy.diagonal(self, offset, axis1, axis2)

    def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Self:
        """``numpy.trace``."""
        return _numpy.trace(self, offset, axis1, axis2)

    def all(self, axis: Axis = None, keepdims: bool = False) -> Any:
        """Whether all entries are true, as NumPy gives it."""
        return self._data.all(axis=axis, keepdims=keepdims)

    def any(self, axis: Axis = None, keepdims: bool = False) -> Any:
        """Whether any entry is true, as NumPy gives it."""
        return self._data.any(axis=axis, keepdims=keepdims)

    def argsort(self, axis: int | None = -1) -> Any:
        """The order of the entries, as NumPy gives it."""
        return self._data.argsort(axis)

    def argmax(self, axis: int | None = None) -> Any:
        """Index of the largest entry, as NumPy gives it."""
        return self._data.argmax(axis)

    def argmin(self, axis: int | None = None) -> Any:
        """Index of the smallest entry, as NumPy gives it."""
        return self._data.argmin(axis)

    def __getitem__(self, index: Any) -> Self:
        # Index arrays are copied: backward reads them, and the caller may edit them before.
        if isinstance(index, tuple):
            index = tuple(_as_index(i) if isinstance(i, _INDICES) else i for i in index)
        elif isinstance(index, _INDICES):
            index = _as_index(index)
        return _getitem(self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        if recording() and isinstance(value, Operators) and value._requires_grad:
            raise RuntimeError(
                "assigning a Tensor that requires a gradient would lose the gradient; compute "
                "the whole with where, concatenate or stack"
            )
        with self._editing():
            self._data[index] = value._data if isinstance(value, Operators) else value

    def __iter__(self) -> Iterator[Self]:
        return (self[i] for i in range(len(self._data)))


_INDICES = (np.ndarray, list, tuple, range, Operators)  # what may be several indices

for _name, _method in vars(Operators).items():  # the functions made above have no names yet
    if getattr(_method, "__name__", "") == "method":
        _method.__name__, _method.__qualname__ = _name, f"Tensor.{_name}"
