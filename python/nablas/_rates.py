"""Learning rates of a schedule, checked."""

from __future__ import annotations

import numpy as np

from . import _checks
from .schedules import (
    Constant,
    Cosine,
    ExponentialDecay,
    OneCycle,
    Plan,
    Rates,
    Schedule,
    StepDecay,
    Steps,
    WarmUp,
)

_LARGEST = {name: float(np.finfo(name).max) for name in ("float32", "float64")}


def known_ahead(schedule: Schedule) -> bool:
    """Whether later epochs' rates do not depend on what happens before them."""
    if type(schedule) is WarmUp:
        return known_ahead(schedule.schedule)
    return type(schedule) in (Constant, StepDecay, ExponentialDecay, Cosine, OneCycle)


def checked_rates(
    schedule: Schedule, steps: Steps, plan: Plan, dtype: str, least: int = 1
) -> Rates:
    """The rates of the updates numbered `steps`; only those before a wrong one.

    Raises
    ------
    ValueError
        If one of the first `least` is negative or infinite in the dtype.
    TypeError
        For anything but numbers.
    """
    with np.errstate(over="ignore", under="ignore"):  # what is infinite is refused below
        given = _checks.numbers("rates", schedule.rates(steps, plan))
    rates: Rates = np.ascontiguousarray(given, dtype=np.float64)
    if rates.shape != steps.shape:
        raise ValueError(f"rates: expected shape {steps.shape}, got {given.shape}")
    wrong = ~((rates >= 0) & (rates <= _LARGEST[dtype]))
    count = int(wrong.argmax()) if wrong.any() else len(rates)
    if count < least:
        raise ValueError(
            f"learning_rate: expected rates of at least 0 within the range of {dtype}, got "
            f"{rates[count]}"
        )
    return rates[:count]


def next_rate(schedule: Schedule, step: int, plan: Plan, dtype: str) -> float:
    """The rate of the update numbered `step`, checked as by `checked_rates`."""
    if type(schedule) is Constant and 0 < schedule.initial <= _LARGEST[dtype]:
        return schedule.initial
    return float(checked_rates(schedule, np.array([step]), plan, dtype)[0])


def epochs_rates(
    schedule: Schedule, first: int, shape: tuple[int, int], plan: Plan, dtype: str
) -> Rates:
    """The rates of some epochs' updates from the one numbered `first`; (epochs, batches).

    `shape` is that of all. The first epoch with a wrong rate and later ones are left out.
    """
    epochs, batches = shape
    steps = np.arange(first, first + epochs * batches)
    rates = checked_rates(schedule, steps, plan, dtype, batches)
    return rates[: len(rates) // batches * batches].reshape(-1, batches)
