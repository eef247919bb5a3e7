"""Learning-rate schedules: give one to an optimizer in place of a number.

A schedule maps the number of updates made so far to the learning rate of the next one. `MLP.fit`
calls `rates` for all updates of an epoch at once. In the next fit of a network with the same
optimizer a schedule goes on; one that is defined over a whole fit (`spans_fit`) begins again. What
a schedule has observed (`ReduceOnPlateau`) begins anew when the optimizer comes to a network that
it did not train last.

Examples
--------
>>> optimizer = nb.Adam(nb.schedules.WarmUp(nb.schedules.Cosine(0.1), steps=3))
>>> net = nb.MLP([1, 1], seed=0)
>>> history = net.fit([[0.0]], [1.0], optimizer=optimizer, epochs=6)  # one update an epoch
>>> np.round(history.learning_rate, 3).tolist()
[0.033, 0.062, 0.075, 0.05, 0.025, 0.007]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._attributes import attributes
from ._checks import integer, number, to_float

Rates = NDArray[np.float64]
Steps = NDArray[np.int64]


@dataclass(frozen=True)
class Plan:
    """Length of a fit: updates per epoch, and in total (None if unknown).

    Attributes
    ----------
    first_step, first_epoch : int
        Updates and epochs that the optimizer had made before this fit, which it goes on from; 0 for
        a schedule that spans the fit.

    Examples
    --------
    >>> nb.schedules.Plan(steps_per_epoch=10, total_steps=50).epochs(np.array([0, 9, 10]))
    array([0., 0., 1.])
    """

    steps_per_epoch: int
    total_steps: int | None
    first_step: int = 0
    first_epoch: int = 0

    def epochs(self, steps: Steps) -> NDArray[np.float64]:
        """Epochs finished before the updates numbered `steps`."""
        since = (steps - self.first_step) // self.steps_per_epoch
        return (self.first_epoch + since).astype(np.float64)

    @property
    def total(self) -> int:
        """`total_steps`; ValueError if it is unknown."""
        if self.total_steps is None:
            raise ValueError("total_steps: expected a number with this schedule, got None")
        return self.total_steps


class Schedule:
    """Base of all schedules: a constant learning rate.

    Parameters
    ----------
    initial : float
        The learning rate of the first update.

    Examples
    --------
    >>> nb.schedules.Schedule(0.1).rates(np.arange(2), nb.schedules.Plan(1, None))
    array([0.1, 0.1])
    """

    def __init__(self, initial: float) -> None:
        self.initial = number("learning_rate", initial, above=0)

    def rates(self, steps: Steps, plan: Plan) -> Rates:
        """Learning rates of the updates numbered `steps`.

        0 is the optimizer's first update of this network, or the first of the fit for a schedule
        that spans it.
        """
        return np.full(len(steps), self.initial)

    def observe(self, value: float) -> None:
        """Called with every epoch's loss (the validation loss if there is one)."""

    def begin(self) -> None:
        """Reset what was observed; called when its optimizer did not train the network last."""

    def spans_fit(self) -> bool:
        """Whether the schedule is defined over the whole fit."""
        return False

    def get_state(self) -> dict[str, Any]:
        """What a checkpoint holds: all attributes, of `__slots__` too, JSON values or arrays."""
        own = attributes(self).items()
        inner = {k: v.get_state() if isinstance(v, Schedule) else v for k, v in own}
        return {"class": type(self).__qualname__, **inner}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what `get_state` of a schedule of this class returned; else ValueError.

        After an error the schedule is as it was.
        """
        mine = self.get_state()
        if not isinstance(state, dict) or mine.keys() != state.keys():
            raise ValueError(
                f"schedule: expected the state of {type(self).__name__}, got {state!r:.60}"
            )
        for name, value in state.items():
            if name == "class" and value != mine["class"]:
                raise ValueError(f"schedule: expected {value!r:.60}, got {mine['class']!r}")
            kinds = [isinstance(v, (int, float)) + isinstance(v, bool) for v in (mine[name], value)]
            if kinds[0] and kinds[0] != kinds[1]:
                raise TypeError(f"schedule, {name}: expected a number, got {value!r:.60}")
        try:
            self._assign(state)
        except BaseException:
            self._assign(mine)
            raise

    def _assign(self, state: dict[str, Any]) -> None:
        for name in state.keys() - {"class"}:
            held = getattr(self, name)
            if isinstance(held, Schedule):
                held.set_state(state[name])
            else:
                setattr(self, name, state[name])

    def __repr__(self) -> str:
        inner = ", ".join(f"{k}={v!r}" for k, v in vars(self).items() if not k.startswith("_"))
        return f"{type(self).__name__}({inner})"


class Constant(Schedule):
    """The same learning rate throughout.

    Examples
    --------
    >>> nb.SGD(nb.schedules.Constant(0.1)).learning_rate
    0.1
    """


class StepDecay(Schedule):
    """Multiply the rate by `factor` after every `every` epochs.

    Examples
    --------
    >>> plan = nb.schedules.Plan(steps_per_epoch=1, total_steps=None)
    >>> nb.schedules.StepDecay(0.1, every=2, factor=0.5).rates(np.arange(4), plan)
    array([0.1 , 0.1 , 0.05, 0.05])
    """

    def __init__(self, initial: float, *, every: int, factor: float = 0.1) -> None:
        super().__init__(initial)
        self.every, self.factor = integer("every", every, 1), number("factor", factor, above=0)

    def rates(self, steps: Steps, plan: Plan) -> Rates:
        """As `Schedule.rates`."""
        return self.initial * np.power(self.factor, plan.epochs(steps) // self.every)


class ExponentialDecay(Schedule):
    """Multiply the rate by `factor` after every epoch.

    Examples
    --------
    >>> plan = nb.schedules.Plan(steps_per_epoch=1, total_steps=None)
    >>> nb.schedules.ExponentialDecay(0.1, factor=0.5).rates(np.arange(3), plan)
    array([0.1  , 0.05 , 0.025])
    """

    def __init__(self, initial: float, *, factor: float) -> None:
        super().__init__(initial)
        self.factor = number("factor", factor, above=0)

    def rates(self, steps: Steps, plan: Plan) -> Rates:
        """As `Schedule.rates`."""
        return self.initial * np.power(self.factor, plan.epochs(steps))


class Cosine(Schedule):
    """Half a cosine from `initial` down to `final` over the fit (Loshchilov and Hutter 2017).

    Examples
    --------
    >>> plan = nb.schedules.Plan(steps_per_epoch=1, total_steps=4)
    >>> nb.schedules.Cosine(0.1).rates(np.arange(5), plan).round(4)
    array([0.1   , 0.0854, 0.05  , 0.0146, 0.    ])
    """

    def __init__(self, initial: float, *, final: float = 0.0) -> None:
        super().__init__(initial)
        self.final = number("final", final, least=0)
        if self.final > self.initial:
            raise ValueError(f"final: expected a rate from 0 to {initial}, got {final}")

    def spans_fit(self) -> bool:
        """As `Schedule.spans_fit`."""
        return True

    def rates(self, steps: Steps, plan: Plan) -> Rates:
        """As `Schedule.rates`."""
        done = np.minimum(steps / plan.total, 1.0)
        return self.final + (self.initial - self.final) * (1 + np.cos(np.pi * done)) / 2


class OneCycle(Schedule):
    """Up to `peak` along a cosine, then down (Smith and Topin 2018).

    As in PyTorch, if `rising` is at least one update; else the first rate is `peak`.

    Parameters
    ----------
    peak : float
    rising : float
        Fraction of the updates in which the rate rises.
    start_factor, end_factor : float
        The first and the last rate, divided by `peak`.

    Examples
    --------
    >>> plan = nb.schedules.Plan(steps_per_epoch=1, total_steps=10)
    >>> nb.schedules.OneCycle(0.1).rates(np.arange(10), plan).round(3)
    array([0.004, 0.052, 0.1  , 0.095, 0.081, 0.061, 0.039, 0.019, 0.005,
           0.   ])
    """

    def __init__(
        self,
        peak: float,
        *,
        rising: float = 0.3,
        start_factor: float = 1 / 25,
        end_factor: float = 1 / 250_000,
    ) -> None:
        self.peak = number("learning_rate", peak, above=0)
        self.rising = number("rising", rising, above=0, below=1)
        super().__init__(self.peak * number("start_factor", start_factor, above=0))
        self.final = self.peak * number("end_factor", end_factor, least=0)

    def spans_fit(self) -> bool:
        """As `Schedule.spans_fit`."""
        return True

    def rates(self, steps: Steps, plan: Plan) -> Rates:
        """As `Schedule.rates`."""
        last = max(plan.total - 1, 1)
        top = max(self.rising * plan.total - 1, 0.0)
        up = steps / top if top > 0 else np.ones(len(steps))
        down = np.minimum((steps - top) / max(last - top, 1e-9), 1.0)
        rising = self.peak + (self.initial - self.peak) * (1 + np.cos(np.pi * up)) / 2
        falling = self.final + (self.peak - self.final) * (1 + np.cos(np.pi * down)) / 2
        return np.where(steps <= top, rising, falling)


class WarmUp(Schedule):
    """Rise linearly to another schedule's rate during the first `steps` updates.

    Examples
    --------
    >>> plan = nb.schedules.Plan(steps_per_epoch=1, total_steps=None)
    >>> nb.schedules.WarmUp(0.1, steps=4).rates(np.arange(5), plan)
    array([0.025, 0.05 , 0.075, 0.1  , 0.1  ])
    """

    def __init__(self, schedule: float | Schedule, *, steps: int) -> None:
        self.schedule = as_schedule(schedule)
        super().__init__(self.schedule.initial)
        self.steps = integer("steps", steps, 1)

    def rates(self, steps: Steps, plan: Plan) -> Rates:
        """As `Schedule.rates`."""
        return self.schedule.rates(steps, plan) * np.minimum((steps + 1) / self.steps, 1.0)

    def observe(self, value: float) -> None:
        """As `Schedule.observe`."""
        self.schedule.observe(value)

    def spans_fit(self) -> bool:
        """As `Schedule.spans_fit`."""
        return self.schedule.spans_fit()

    def begin(self) -> None:
        """As `Schedule.begin`."""
        self.schedule.begin()


class ReduceOnPlateau(Schedule):
    """Multiply the rate by `factor` after every `patience` epochs without improvement, as Keras.

    Parameters
    ----------
    initial : float
    factor : float
        Less than 1.
    patience : int
        Epochs in a row without improvement: the rate is reduced after this many, which is one epoch
        earlier than with the same number in PyTorch.
    min_delta : float
        An improvement must be larger than this; an absolute number.
    lowest : float
        Lower bound of the reduced rate.

    Notes
    -----
    PyTorch's ``ReduceLROnPlateau(patience=p, threshold_mode="abs", threshold=d)`` is
    ``ReduceOnPlateau(patience=p + 1, min_delta=d)``; its default is a relative threshold.

    Examples
    --------
    >>> schedule = nb.schedules.ReduceOnPlateau(0.1, factor=0.5, patience=2)
    >>> for loss in (1.0, 0.9, 0.9, 0.9):
    ...     schedule.observe(loss)
    >>> schedule.rates(np.arange(1), nb.schedules.Plan(1, None))
    array([0.05])
    """

    def __init__(
        self,
        initial: float,
        *,
        factor: float = 0.1,
        patience: int = 5,
        min_delta: float = 1e-4,
        lowest: float = 0.0,
    ) -> None:
        super().__init__(initial)
        self.factor = number("factor", factor, above=0, below=1)
        self.patience = integer("patience", patience, 1)
        self.min_delta = number("min_delta", min_delta, least=0)
        self.lowest = number("lowest", lowest, least=0)
        self.begin()

    def begin(self) -> None:
        """As `Schedule.begin`."""
        self._rate, self._best, self._waited = self.initial, np.inf, 0

    def rates(self, steps: Steps, plan: Plan) -> Rates:
        """As `Schedule.rates`."""
        return np.full(len(steps), self._rate)

    def observe(self, value: float) -> None:
        """As `Schedule.observe`."""
        if value < self._best - self.min_delta:
            self._best, self._waited = value, 0
            return
        self._waited += 1
        if self._waited >= self.patience:
            reduced = max(self._rate * self.factor, self.lowest)
            self._rate, self._waited = min(self._rate, reduced), 0

    def _assign(self, state: dict[str, Any]) -> None:
        super()._assign(state)
        number("rate", self._rate, least=0), integer("waited", self._waited, 0)
        if np.isnan(self._best):
            raise ValueError("best: expected a number, got nan")


def as_schedule(rate: Any) -> Schedule:
    """`rate` if it is a schedule, else a constant one.

    Examples
    --------
    >>> nb.schedules.as_schedule(0.1)
    Constant(initial=0.1)
    """
    if isinstance(rate, Schedule):
        return rate
    if isinstance(rate, (int, float, np.integer, np.floating)) and not isinstance(rate, bool):
        return Constant(to_float("learning_rate", rate))
    raise TypeError(f"learning_rate: expected a number or a schedule, got {type(rate).__name__}")


__all__ = [
    "Constant",
    "Cosine",
    "ExponentialDecay",
    "OneCycle",
    "Plan",
    "ReduceOnPlateau",
    "Schedule",
    "StepDecay",
    "WarmUp",
    "as_schedule",
]


def __dir__() -> list[str]:
    return __all__
