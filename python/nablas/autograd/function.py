"""User-defined operations."""

from __future__ import annotations

from typing import Any

import numpy as np

from .functions import as_tensor, concatenate
from .recording import no_grad
from .rules import Operation
from .tensor import Tensor, record, wrap

_RESULT = object()  # stands for the result among what is saved, which would else hold itself


class Context:
    """What `Function.forward` leaves for `Function.backward`.

    Attributes
    ----------
    saved_tensors : tuple of Tensors
        Those of `save_for_backward`.
    needs_input_grad : tuple of bool
        Which inputs require a gradient.
    """

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad
        self._saved: tuple[Any, ...] = ()
        self._results: list[Any] = []

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep inputs or results (or other Tensors) for the way back."""
        self._saved = tensors

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What was saved, in order."""
        return tuple(
            self._results[x[1]] if isinstance(x, tuple) and x[0] is _RESULT else x
            for x in self._saved
        )


class Function:
    """An operation with a gradient rule of your own.

    Write `forward` and `backward` as static methods and call `apply`. Inside both the arguments
    are Tensors, so NumPy's functions and Tensor methods may be used; when `backward` is itself to
    be differentiated (``create_graph=True``), what it does is recorded.

    Examples
    --------
    >>> class Exp(Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         result = x.exp()
    ...         ctx.save_for_backward(result)
    ...         return result
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
        """One gradient for each argument of `apply` (None for what has none)."""
        raise NotImplementedError("backward: expected a Function to define it")

    @classmethod
    def apply(cls, *inputs: Any) -> Any:
        """Compute the function of Tensors, arrays and any other arguments, and record it."""
        ctx = Context(tuple(isinstance(x, Tensor) and x.requires_grad for x in inputs))
        with no_grad():
            results = cls.forward(ctx, *inputs)
        several = isinstance(results, tuple)
        tensors = [as_tensor(x) for x in (results if several else (results,))]
        if not any(ctx.needs_input_grad):
            ctx._results = tensors
            return tuple(tensors) if several else tensors[0]
        ctx._saved = tuple(_marked(x, tensors, inputs) for x in ctx._saved)
        shapes = [x.shape for x in tensors]
        flat = (
            tensors[0]
            if not several
            else wrap(concatenate([x.detach().flatten() for x in tensors]).data)
        )
        operation = Operation(lambda: None, joint=_rule(cls, ctx, shapes if several else None))
        operation.name, operation.on_tensors = cls.__name__, True
        node = record(operation, inputs, flat.data)
        return tuple(_parts(node, shapes)) if several else node


def _marked(x: Any, results: list[Tensor], inputs: tuple[Any, ...]) -> Any:
    for i, result in enumerate(results):
        if x is result and not any(x is given for given in inputs):
            return _RESULT, i
    return x


def _parts(flat: Any, shapes: list[tuple[int, ...]]) -> list[Any]:
    """Several results are one flat Tensor to the graph; each is a piece of it."""
    ends = np.cumsum([0, *(int(np.prod(shape)) for shape in shapes)])
    return [flat[a:b].reshape(s) for a, b, s in zip(ends, ends[1:], shapes, strict=False)]


def _rule(cls: type[Function], ctx: Context, shapes: list[tuple[int, ...]] | None) -> Any:
    def joint(g: Any, y: Tensor, _wanted: Any, *inputs: Any) -> list[Any]:
        recorded = isinstance(g, Tensor)
        gradient = g if recorded else wrap(g)
        ctx._results = [y] if shapes is None else _parts(y, shapes)
        try:
            given = cls.backward(ctx, *([gradient] if shapes is None else _parts(gradient, shapes)))
        finally:
            ctx._results = []
        parts = list(given) if isinstance(given, (tuple, list)) else [given]
        if len(parts) != len(inputs):
            raise RuntimeError(
                f"{cls.__name__}.backward: expected {len(inputs)} gradients, one for each argument "
                f"of apply, got {len(parts)}"
            )
        for i, (part, x) in enumerate(zip(parts, inputs, strict=True)):
            if part is not None and isinstance(x, Tensor) and np.shape(_data(part)) != x.shape:
                raise RuntimeError(
                    f"{cls.__name__}.backward: expected shape {x.shape} for the gradient of "
                    f"argument {i}, got {np.shape(_data(part))}"
                )
        if recorded:
            return [None if part is None else as_tensor(part) for part in parts]
        return [None if part is None else np.asarray(_data(part)) for part in parts]

    return joint


def _data(x: Any) -> Any:
    return x.data if isinstance(x, Tensor) else x
