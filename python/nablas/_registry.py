"""What the core's registries hold: activations, losses, optimizers, initializations, by name.

The lists are those of ``cpp/kernels/``: an entry added there appears here, in ``nablas.kernels``,
in autograd, in error messages and in the tests.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any, NamedTuple

from . import _checks, _core


class Hyperparameter(NamedTuple):
    """A number that a loss or an optimizer takes by name: ``lowest <= value < end``, or a flag."""

    default: float
    lowest: float
    end: float
    flag: bool

    def checked(self, name: str, value: Any) -> float:
        """`value` as a float, or TypeError, or ValueError when it is out of bounds."""
        if not isinstance(value, Real):
            raise TypeError(f"{name}: expected a number, got {type(value).__name__}")
        number = _checks.to_float(name, value)
        if self.flag and number not in (0, 1):
            raise ValueError(f"{name}: expected True or False, got {value}")
        if not (self.lowest <= number < self.end):
            if math.isinf(self.end):
                expected = f"a finite number {'above' if self.lowest > 0 else 'of at least'} 0"
            else:
                low = "above 0 and" if self.lowest > 0 else "from 0 to"
                expected = f"a number {low} less than {self.end:g}"
            raise ValueError(f"{name}: expected {expected}, got {value}")
        return number

    def shown(self, value: float) -> str:
        """The value as in Python code."""
        return str(bool(value)) if self.flag else f"{value:g}"


def checked(
    owner: str, known: Mapping[str, Hyperparameter], given: Mapping[str, Any]
) -> dict[str, float]:
    """Hyperparameters with their defaults filled in, or TypeError for an unknown name."""
    for name in given:
        if name not in known:
            choices = f"hyperparameters among {', '.join(known)}" if known else "no hyperparameters"
            raise TypeError(f"{owner}: expected {choices}, got {name!r}")
    return {name: h.checked(name, given.get(name, h.default)) for name, h in known.items()}


class Activation(NamedTuple):
    """An activation of the core.

    Attributes
    ----------
    kept : str
        What the slope is a function of: "output" or "preactivation".
    formula : str
    initialization : str
        Of the weights of a network whose first activation it is, where none is named.
    """

    kept: str
    formula: str
    initialization: str


class LossEntry(NamedTuple):
    """A loss of the core.

    Attributes
    ----------
    link : str
        Output activation whose preactivation the loss takes.
    function : str
        Its name in ``nablas.kernels``.
    formula : str
        Of one sample.
    averaged : bool
        Over the outputs; summed otherwise.
    takes_labels : bool
        Targets may be class indices.
    lowest, highest : float
        Bounds of a target.
    hyperparameters : dict of str to Hyperparameter
    """

    link: str
    function: str
    formula: str
    averaged: bool
    takes_labels: bool
    lowest: float
    highest: float
    hyperparameters: dict[str, Hyperparameter]


class Rule(NamedTuple):
    """An optimizer of the core.

    Attributes
    ----------
    formula : str
    hyperparameters : dict of str to Hyperparameter
    states : tuple of str
        Arrays like the parameters, zero before the first update.
    scalar : str or None
        A state that is one number, 1 before the first update.
    """

    formula: str
    hyperparameters: dict[str, Hyperparameter]
    states: tuple[str, ...]
    scalar: str | None


def _hyperparameters(
    given: Mapping[str, tuple[float, float, float, bool]],
) -> dict[str, Hyperparameter]:
    return {name: Hyperparameter(*bounds) for name, bounds in given.items()}


MOST_WEIGHT: dict[str, float] = _core.most_weight  # the largest sum of sample weights, by dtype
_found = _core.registry()
ACTIVATIONS: dict[str, Activation] = {
    name: Activation(*entry) for name, entry in _found["activations"].items()
}
LOSSES: dict[str, LossEntry] = {
    name: LossEntry._make([*entry[:-1], _hyperparameters(entry[-1])])
    for name, entry in _found["losses"].items()
}
OPTIMIZERS: dict[str, Rule] = {
    name: Rule(formula, _hyperparameters(hyperparameters), states, scalar)
    for name, (formula, hyperparameters, states, scalar) in _found["optimizers"].items()
}
INITIALIZATIONS: list[str] = _found["initializations"]


def default_loss(output: str) -> str:
    """The loss linked to an output activation; mse where there is none."""
    for name, loss in LOSSES.items():
        if loss.link == output and output != "identity":
            return name
    return "mse"


def fits(loss: str, output: str) -> bool:
    """Whether a loss can train a network with this output activation.

    A loss linked to "identity" takes any output's activations; any other wants its own link.
    """
    return LOSSES[loss].link in ("identity", output)


def activations() -> dict[str, str]:
    """Activation names, each with what its slope is a function of: "output" or "preactivation".

    Examples
    --------
    >>> nb.activations()["relu"], nb.activations()["silu"]
    ('output', 'preactivation')
    """
    return {name: entry.kept for name, entry in ACTIVATIONS.items()}


def losses() -> dict[str, str]:
    """Loss names, each with the output activation it is linked to.

    Examples
    --------
    >>> nb.losses()["cross_entropy"], nb.losses()["huber"]
    ('softmax', 'identity')
    """
    return {name: entry.link for name, entry in LOSSES.items()}
