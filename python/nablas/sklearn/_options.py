"""An estimator's parameters, read once; what a fit works on; and what it leaves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from .. import _checks, schedules
from .._checks import MOST_EPOCHS
from .._losses import Loss, LossFunction
from .._registry import OPTIMIZERS
from .._resume import Kept
from .._threads import Claim, claimed
from ..optimizers import Optimizer, make_optimizer
from ._parameters import SOLVERS, below_one, held, hidden_activations, hidden_sizes


@dataclass(frozen=True)
class Options:
    """The parameters that training reads, as they are when `fit` is called."""

    hidden: tuple[int, ...]
    activations: tuple[str, ...]
    solver: str
    alpha: float
    batch_size: Any
    learning_rate: Any
    learning_rate_init: float
    power_t: float
    max_iter: int
    shuffle: bool
    tol: float
    verbose: Any
    momentum: float
    nesterovs_momentum: bool
    early_stopping: bool
    validation_fraction: float
    beta_1: float
    beta_2: float
    epsilon: float
    n_iter_no_change: Any
    max_fun: int
    dropout: tuple[float, ...]
    l1: float
    clip_norm: float | None
    weight_decay: float
    scoring: Any
    callbacks: tuple[Any, ...]
    progress: bool
    by_batch: bool  # penalties are divided by each batch's weight, else by that of all rows
    bias: bool  # False: the biases stay as they are

    @classmethod
    def of(cls, estimator: Any) -> Options:
        """Read from an estimator; ValueError or TypeError for layers that do not fit."""
        hidden = hidden_sizes(estimator.hidden_layer_sizes)
        read: dict[str, Any] = {
            "hidden": hidden,
            "activations": tuple(hidden_activations(estimator.activation, len(hidden))),
            "dropout": tuple(_checks.dropout_rates(estimator.dropout, len(hidden))[1:]),
            "max_iter": min(int(estimator.max_iter), MOST_EPOCHS),
            "learning_rate_init": float(estimator.learning_rate_init),
            "callbacks": tuple(estimator.callbacks or ()),
            "by_batch": estimator._by_batch,
            "bias": estimator._bias,
        }
        return cls(**read, **{name: getattr(estimator, name) for name in _SAME_NAME})

    def optimizer(self, dtype: str) -> Optimizer:
        """A new optimizer of the core, with its schedule, for a network of this dtype."""
        taken = OPTIMIZERS[self.solver].hyperparameters
        named: dict[str, Any] = {
            "beta1": below_one(self.beta_1, dtype),
            "beta2": below_one(self.beta_2, dtype),
            "eps_hat": True,
        }
        for name, ours in (("eps", "epsilon"), ("weight_decay", "weight_decay")):
            if name in taken:
                named[name] = held(ours, getattr(self, ours), dtype)
        if self.solver == "sgd":  # scikit-learn allows a momentum of 1; the core wants less
            momentum = below_one(self.momentum, dtype)
            named |= {"momentum": momentum, "nesterov": self.nesterovs_momentum and momentum > 0}
        if not isinstance(self.learning_rate, schedules.Schedule):
            held("learning_rate_init", self.learning_rate_init, dtype)
        settings = {name: value for name, value in named.items() if name in taken}
        return make_optimizer(self.solver, self._schedule(), **settings)

    @property
    def rule(self) -> tuple[Any, ...]:
        """What the optimizer is made of."""
        hyperparameters = (self.momentum, self.nesterovs_momentum, self.beta_1, self.beta_2)
        rate = (self.learning_rate, self.learning_rate_init, self.power_t)
        return (self.solver, *rate, *hyperparameters, self.epsilon, self.weight_decay)

    @property
    def goes_on(self) -> bool:
        """Whether a warm fit goes on with the optimizer; scikit-learn's begin anew."""
        theirs = self.learning_rate in ("constant", "invscaling", "adaptive")
        return self.solver not in ("sgd", "adam") or not theirs

    def _schedule(self) -> Any:
        kind, rate = self.learning_rate, self.learning_rate_init
        if isinstance(kind, schedules.Schedule):
            return deepcopy(kind)  # what it observes is not the parameter's
        if kind == "invscaling" and self.solver == "sgd":
            return InverseScaling(rate, self.power_t)
        named = {
            "cosine": schedules.Cosine,
            "one_cycle": schedules.OneCycle,
            "plateau": schedules.ReduceOnPlateau,
        }
        return named[kind](rate) if kind in named else rate

    @property
    def adaptive(self) -> bool:
        """Whether the rate falls where the training would end."""
        return bool(self.solver == "sgd" and self.learning_rate == "adaptive")


_READ = (  # by `Options.of` itself
    *("hidden", "activations", "dropout", "max_iter", "learning_rate_init"),
    *("callbacks", "by_batch", "bias"),
)
_SAME_NAME = [field.name for field in fields(Options) if field.name not in _READ]


class InverseScaling(schedules.Schedule):
    """`initial`, and from the second epoch on ``initial / (rows + 1)^power``.

    Attributes
    ----------
    rows : int
        The estimator's `t_`: rows seen so far, set by the training loop.
    """

    def __init__(self, initial: float, power: float) -> None:
        super().__init__(initial)
        self.power, self.rows, self._begun = power, 0, False

    def go_on(self) -> None:
        """The first epoch is over."""
        self._begun = True

    def rates(self, steps: Any, plan: schedules.Plan) -> Any:
        """As `Schedule.rates`."""
        rate = self.rate if self._begun else self.initial
        self._begun = True
        return np.full(len(steps), rate)

    @property
    def rate(self) -> float:
        """That of the next epoch, if it is not the first."""
        return float(self.initial / (self.rows + 1.0) ** self.power)


@dataclass
class Problem:
    """Rows, encoded targets and weights, with the loss to minimise.

    Attributes
    ----------
    X : array or CSR matrix of shape (n, features)
    y : array of shape (n,) or (n, outputs)
        As the core takes it: class indices or targets.
    held_out : (X, y, weight), optional
        Validation data.
    loss_scale : float
        scikit-learn's loss over the engine's.
    given : array of shape (n,), optional
        The weights as the user gave them, without those of the classes.
    """

    X: Any
    y: Any
    weight: Any
    held_out: tuple[Any, Any, Any] | None
    loss: Loss | LossFunction
    loss_scale: float
    given: Any = None


@dataclass
class Record:
    """The fitted attributes that training makes, under scikit-learn's names."""

    n_iter_: int = 0
    t_: int = 0
    loss_: float | None = None

    @classmethod
    def of(cls, estimator: Any, options: Options, anew: bool) -> Record:
        """Begin a fit: from nothing, or from the attributes of an earlier fit."""
        t = 0 if anew else estimator.t_
        if options.solver not in SOLVERS:
            return cls(t_=t)
        record = Curves(t_=t, early_stopping=options.early_stopping)
        if not anew:
            record.continue_from(vars(estimator), options)
        return record

    def publish(self, estimator: Any) -> None:
        """Write the attributes to the estimator."""
        vars(estimator).update(vars(self))


CURVES = ("loss_curve_", "validation_loss_curve_", "validation_scores_")


class Curves(Record):
    """The record of a stochastic solver."""

    def __init__(self, *, t_: int, early_stopping: bool) -> None:
        super().__init__(t_=t_)
        self._no_improvement_count = 0
        self.loss_curve_: list[float] = []
        self.validation_loss_curve_: list[float] = []
        self.validation_scores_: list[float] | None = [] if early_stopping else None
        self.best_validation_score_: Any = -np.inf if early_stopping else None
        self.best_loss_: Any = None if early_stopping else np.inf
        self._optimizer: Optimizer | None = None
        self._rule: tuple[Any, ...] | None = None  # of the optimizer
        self._seed: int | None = None  # of the order of the rows and of dropout

    def continue_from(self, before: dict[str, Any], options: Options) -> None:
        """Take over the curves of an earlier fit; where it left none they stay empty."""
        for name in vars(self):
            if name not in ("n_iter_", "t_") and before.get(name) is not None:
                value = before[name]
                setattr(self, name, list(value) if isinstance(value, list) else value)


@contextmanager
def unchanged_on_error(estimator: Any) -> Iterator[None]:
    """If the body raises, the estimator has the attributes and the weights it had before.

    RuntimeError at once if another call is fitting the same estimator.
    """
    claim = vars(estimator).setdefault("_claim", Claim())
    with claimed(claim, "this estimator is being fitted by another call"):
        yield from _restoring(estimator)


def _restoring(estimator: Any) -> Iterator[None]:
    before = dict(vars(estimator))
    net, random = before.get("_net"), before.get("random_state")
    kept = None if net is None else Kept(net)
    stream = random if isinstance(random, np.random.RandomState) else None
    drawn = None if stream is None else stream.get_state()
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        if kept is not None:
            kept.put_back()
        if stream is not None and drawn is not None:
            stream.set_state(drawn)
        raise
