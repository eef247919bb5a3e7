"""User-defined operations."""

from __future__ import annotations

from typing import Any

import numpy as np

from .functions import as_tensor
from .recording import edits, kept, no_grad, recording
from .rules import Operation
from .tensor import Tensor, apply, record, wrap

_RESULT = object()  # replaces a saved result, which would make a reference cycle


class Context:
    """Values that `Function.forward` keeps for `Function.backward`.

    Attributes
    ----------
    saved_tensors : tuple of Tensors
        The arguments of `save_for_backward`.
    needs_input_grad : tuple of bool
        For each argument of `apply`, whether it is a Tensor that requires a gradient.

    Examples
    --------
    >>> from nablas.autograd import Function, Tensor
    >>> class Product(Function):
    ...     @staticmethod
    ...     def forward(ctx, a, b):
    ...         ctx.save_for_backward(a, b)
    ...         return a * b
    ...
    ...     @staticmethod
    ...     def backward(ctx, gradient):
    ...         a, b = ctx.saved_tensors
    ...         return gradient * b, gradient * a if ctx.needs_input_grad[1] else None
    >>> a = Tensor(2.0, requires_grad=True)
    >>> Product.apply(a, Tensor(3.0)).backward()
    >>> a.grad
    Tensor(3.)
    """

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad
        self._saved: tuple[Any, ...] = ()
        self._results: list[Any] = []

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep inputs, results or other Tensors for `backward`."""
        self._saved = tensors

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """The arguments of `save_for_backward`, in order."""
        return tuple(
            self._results[x[1]] if isinstance(x, tuple) and x[0] is _RESULT else x
            for x in self._saved
        )


class Function:
    """A user-defined operation with its own gradient rule.

    Write `forward` and `backward` as static methods and call `apply`. `forward` gets the arguments
    of `apply` and is not recorded; `backward` gets Tensors. Both may use NumPy's functions and
    Tensor methods. A result of no floating dtype, such as indices, has no gradient: it is outside
    the graph, and `backward` gets zeros for it. The gradients that `backward` gets are read-only.

    Array arguments are constants: of those of up to 4096 entries `forward` gets copies where a
    gradient is wanted, so that what it saves stays as it is; larger ones must not be edited before
    the backward pass.

    With ``create_graph=True`` the operations inside `backward` are recorded, and higher derivatives
    come from them. For these `backward` must compute from what `save_for_backward` kept: an array
    that `forward` computed, ``x.data`` or an attribute of `ctx` counts as a constant, without an
    error. `gradgradcheck` finds where it is none.

    Examples
    --------
    >>> from nablas.autograd import Function, Tensor
    >>> class Exp(Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         result = x.exp()
    ...         ctx.save_for_backward(result)
    ...         return result
    ...
    ...     @staticmethod
    ...     def backward(ctx, gradient):
    ...         (result,) = ctx.saved_tensors
    ...         return gradient * result
    >>> x = Tensor(0.5, requires_grad=True)
    >>> Exp.apply(x).backward()
    >>> round(x.grad.item(), 4)
    1.6487
    """

    @staticmethod
    def forward(ctx: Context, *inputs: Any) -> Any:
        """The result, or a tuple of them, from the arguments of `apply`."""
        raise NotImplementedError("forward: expected a Function to define it")

    @staticmethod
    def backward(ctx: Context, *gradients: Any) -> Any:
        """One gradient, of its shape, for each argument of `apply`; None where there is none.

        Arguments that are neither Tensors nor arrays have none.
        """
        raise NotImplementedError("backward: expected a Function to define it")

    @classmethod
    def apply(cls, *inputs: Any) -> Any:
        """Compute the function of Tensors, arrays and any other arguments, and record it."""
        ctx = Context(tuple(isinstance(x, Tensor) and x.requires_grad for x in inputs))
        if any(ctx.needs_input_grad) and recording():  # `forward` may save an argument, or a view
            inputs = tuple(kept(x) if isinstance(x, np.ndarray) else x for x in inputs)
        with no_grad():
            results = cls.forward(ctx, *inputs)
        several = isinstance(results, (tuple, list))
        tensors = [_result(cls, x) for x in results] if several else [_result(cls, results)]
        floating = [x for x in tensors if x.data.dtype.kind == "f"]
        if not (floating and any(ctx.needs_input_grad)):
            ctx._results = tensors
            return tuple(tensors) if several else tensors[0]
        ctx._saved = tuple(_marked(x, tensors, inputs) for x in ctx._saved)
        operation = Operation(_no_forward, needs="")
        operation.name, operation.on_tensors = cls.__name__, True
        operation.saved = lambda: (*map(_data, ctx._saved), *vars(ctx).values())
        if not several:
            operation.joint = _rule(cls, ctx, None)
            return record(operation, inputs, tensors[0].data)
        pack = _Pack(tensors)
        operation.joint = _rule(cls, ctx, pack)
        return tuple(pack.split(record(operation, inputs, pack.flat)))


def _no_forward() -> None:
    """Never called: `Function.apply` computes the result before it is recorded."""


def _result(cls: type[Function], x: Any) -> Tensor:
    if x is None:
        raise TypeError(
            f"{cls.__name__}.forward: expected Tensors, arrays or numbers to be returned, got None"
        )
    return as_tensor(x)


class _Pack:
    """Several results as one flat Tensor of the graph; without those of no floating dtype."""

    def __init__(self, tensors: list[Tensor]) -> None:
        self.tensors = tensors
        floating = [x.data for x in tensors if x.dtype.kind == "f"]
        self.flat = np.concatenate([x.ravel() for x in floating] or [np.zeros(0)])

    def split(self, flat: Tensor, of_gradient: bool = False) -> list[Tensor]:
        """The part of `flat` for each result, or, of a gradient, for the gradient by each.

        For a result of no floating dtype the result itself, or zeros.
        """
        parts, at = [], 0
        for x in self.tensors:
            if x.dtype.kind != "f":
                zeros = np.broadcast_to(np.zeros((), x.dtype), x.shape)
                parts.append(wrap(zeros) if of_gradient else x)
                continue
            part = flat[at : at + x.size].reshape(x.shape)
            parts.append(part if part.dtype == x.dtype else part.astype(x.dtype))
            at += x.size
        return parts


def _marked(x: Any, results: list[Tensor], inputs: tuple[Any, ...]) -> Any:
    for i, result in enumerate(results):
        if x is result and not any(x is given for given in inputs):
            return _RESULT, i
    return x


def _rule(cls: type[Function], ctx: Context, pack: _Pack | None) -> Any:
    def joint(g: Any, y: Tensor, _wanted: Any, *_inputs: Any) -> list[Any]:
        recorded = isinstance(g, Tensor)
        if recorded and g.requires_grad:
            gradient = apply("reshape", g, g.shape)
        else:
            gradient = wrap(_data(g).view())
        gradient.data.flags.writeable = False  # other gradients may share the memory
        ctx._results = [y] if pack is None else pack.split(y)
        try:
            _check_saved(cls, ctx, y)
            by_results = [gradient] if pack is None else pack.split(gradient, True)
            given = cls.backward(ctx, *by_results)
        finally:
            ctx._results = []
        parts = list(given) if isinstance(given, (tuple, list)) else [given]
        _check_parts(cls, parts, _inputs)
        if not recorded:
            return [None if part is None else np.asarray(_data(part)) for part in parts]
        tensors = [None if part is None else as_tensor(part) for part in parts]
        if gradient.requires_grad:
            for part in tensors:
                if part is not None and not part.requires_grad and part.data.any():
                    raise RuntimeError(
                        f"{cls.__name__}.backward left the graph, so it cannot be differentiated "
                        "again: compute with Tensors and what save_for_backward kept"
                    )
        return tensors

    return joint


def _check_saved(cls: type[Function], ctx: Context, y: Tensor) -> None:
    number = y._node[2]  # type: ignore[index]
    if edits.last > number:
        saved = {f"saved tensor {i}": x for i, x in enumerate(ctx.saved_tensors)}
        for name, x in (saved | {f"ctx.{name}": x for name, x in vars(ctx).items()}).items():
            array = _data(x)
            if isinstance(array, np.ndarray) and edits.touched(array, number):
                raise RuntimeError(
                    f"{name} of shape {array.shape}, which the gradient of {cls.__name__!r} "
                    "needs, was edited in place after the forward pass"
                )


def _check_parts(cls: type[Function], parts: list[Any], inputs: tuple[Any, ...]) -> None:
    if len(parts) != len(inputs):
        raise RuntimeError(
            f"{cls.__name__}.backward: expected {len(inputs)} gradients, one for each argument "
            f"of apply, got {len(parts)}"
        )
    for i, (part, x) in enumerate(zip(parts, inputs, strict=True)):
        if part is not None and not isinstance(x, (Tensor, np.ndarray)):
            raise RuntimeError(
                f"{cls.__name__}.backward: expected None as the gradient of argument {i}, which is "
                f"no Tensor but {type(x).__name__}, got {type(part).__name__}"
            )
        if part is not None and isinstance(x, Tensor) and np.shape(_data(part)) != x.shape:
            raise RuntimeError(
                f"{cls.__name__}.backward: expected shape {x.shape} for the gradient of "
                f"argument {i}, got {np.shape(_data(part))}"
            )


def _data(x: Any) -> Any:
    return x._data if isinstance(x, Tensor) else x
