"""Parameters: scikit-learn's names and bounds, and the core's names for them."""

from __future__ import annotations

import inspect
from contextlib import suppress
from functools import cache
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import (
    Interval,
    InvalidParameterError,
    Options,
    StrOptions,
    validate_parameter_constraints,
)

from .. import schedules
from .._checks import integer
from .._registry import ACTIVATIONS as CORE_ACTIVATIONS
from .._registry import OPTIMIZERS

ALIASES = {"logistic": "sigmoid"}
ACTIVATIONS = {*CORE_ACTIVATIONS, "logistic"}
SOLVERS = set(OPTIMIZERS)  # besides "lbfgs"

CONSTRAINTS: dict[str, list[Any]] = {
    "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
    "activation": [StrOptions(ACTIVATIONS), list, tuple],
    "solver": [StrOptions({"lbfgs", *SOLVERS})],
    "alpha": [Interval(Real, 0, None, closed="left")],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "learning_rate": [
        StrOptions({"constant", "invscaling", "adaptive", "cosine", "one_cycle", "plateau"}),
        schedules.Schedule,
    ],
    "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
    "power_t": [Interval(Real, 0, None, closed="left")],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [Interval(Real, 0, None, closed="left")],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [Interval(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="left")],
    "beta_1": [Interval(Real, 0, 1, closed="left")],
    "beta_2": [Interval(Real, 0, 1, closed="left")],
    "epsilon": [Interval(Real, 0, None, closed="neither")],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
    "max_fun": [Interval(Integral, 1, None, closed="left")],
    "dropout": [Interval(Real, 0, 1, closed="left"), list, tuple],
    "l1": [Interval(Real, 0, None, closed="left")],
    "clip_norm": [Interval(Real, 0, None, closed="neither"), None],
    "weight_decay": [Interval(Real, 0, None, closed="left")],
    "scoring": [str, callable, None],
    "callbacks": [list, tuple, None],
    "progress": ["boolean"],
    "n_threads": [Interval(Integral, 1, 4096, closed="both"), Options(Integral, {-1}), None],
}


def keep(estimator: Any, parameters: dict[str, Any]) -> None:
    """Store the arguments of `__init__` as attributes, as scikit-learn requires."""
    vars(estimator).update(parameters)
    for name in ("self", "__class__"):
        vars(estimator).pop(name, None)


class Parameters:
    """scikit-learn's handling of parameters, with less work for each fit."""

    @classmethod
    @cache
    def _get_param_names(cls) -> list[str]:
        """scikit-learn's, kept: it inspects the signature of `__init__` for every fit."""
        return list(super()._get_param_names())  # type: ignore[misc]

    @classmethod
    @cache
    def _valid_defaults(cls) -> dict[str, Any]:
        """The defaults of the parameters that have constraints, where they fulfil them."""
        constraints: dict[str, Any] = cls._parameter_constraints  # type: ignore[attr-defined]
        taken = inspect.signature(cls.__init__).parameters
        valid = {}
        for name in cls._get_param_names():
            default = taken[name].default
            if name in constraints:
                with suppress(InvalidParameterError):
                    _validate(constraints, {name: default}, cls)
                    valid[name] = default
        return valid

    def _validate_params(self) -> None:
        """ValueError for a value that its constraints exclude.

        A subclass may have parameters without constraints.
        """
        constraints: dict[str, Any] = self._parameter_constraints  # type: ignore[attr-defined]
        valid, given = self._valid_defaults(), {}
        for name in self._get_param_names():
            value = getattr(self, name)
            if name in constraints and (name not in valid or value is not valid[name]):
                given[name] = value
        _validate(constraints, given, type(self))


def _validate(constraints: dict[str, Any], given: dict[str, Any], cls: type) -> None:
    known = {name: constraints[name] for name in given}
    validate_parameter_constraints(known, given, caller_name=cls.__name__)


def below_one(value: float, dtype: str) -> float:
    """`value`, in [0, 1], or the dtype's largest number below 1 where that is less."""
    one = np.ones((), dtype)
    return min(float(value), float(np.nextafter(one, 0 * one)))


def held(name: str, value: float, dtype: str, given: Any = None, what: str = "a number") -> float:
    """`value`, or ValueError for one that the dtype cannot hold.

    `given` is the parameter `name` where the value, `what`, was computed from it.
    """
    if not abs(float(value)) <= float(np.finfo(dtype).max):
        got = value if given is None else given
        raise ValueError(f"{name}: expected {what} within the range of {dtype}, got {got}")
    return float(value)


def core_activation(name: str) -> str:
    """The core's name of an activation."""
    return ALIASES.get(name, name)


def hidden_activations(activation: Any, layers: int) -> list[str]:
    """The core's names, one for each hidden layer."""
    names = [activation] * layers if isinstance(activation, str) else list(activation)
    if len(names) != layers:
        raise ValueError(f"activation: expected {layers} names, got {len(names)}")
    for name in names:
        if name not in ACTIVATIONS:
            raise ValueError(
                f"activation: expected some of {', '.join(sorted(ACTIVATIONS))}, got {name!r}"
            )
    return [core_activation(name) for name in names]


def hidden_sizes(given: Any) -> tuple[int, ...]:
    """Units of each hidden layer, from an int or a sequence of them."""
    sizes = list(given) if hasattr(given, "__iter__") else [given]
    for size in sizes:
        flag = isinstance(size, bool) and size is not given  # alone True is 1
        if not isinstance(size, Integral) or flag:
            raise TypeError(f"hidden_layer_sizes: expected integers, got {size!r}")
    if any(size <= 0 for size in sizes):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
    for size in sizes:
        integer("hidden_layer_sizes", int(size), 1)
    return tuple(int(size) for size in sizes)


def refuse_balanced(class_weight: Any) -> None:
    """ValueError in a `partial_fit` for weights that depend on all the data."""
    if class_weight == "balanced":
        raise ValueError(
            "class_weight: expected a dict or None with partial_fit, which does not see all "
            "data, got 'balanced'"
        )
