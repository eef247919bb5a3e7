"""Optimizers: hyperparameters and a learning rate; the update rules are C++ kernels.

All follow PyTorch's conventions. An optimizer given to `MLP.fit` a second time continues with its
states (momentum, moments) and its schedule, unless another optimizer trained that network in
between; a new object starts with zero states. States and the count of updates are each network's
own; what a schedule has observed is not: it begins anew when its optimizer comes to a network that
it did not train last, and holds for all networks of that optimizer.

Examples
--------
>>> net = nb.MLP([1, 1], seed=0)
>>> history = net.fit([[0.0]], [1.0], optimizer=nb.optimizers.SGD(0.1), epochs=2)
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from . import _binding, _rates
from ._checks import choice, flag, integer, plain_array
from ._registry import OPTIMIZERS, checked
from ._threads import Claim
from .schedules import Constant, Plan, Schedule, as_schedule

_CLASSES: dict[str, Callable[..., Optimizer]] = {}  # by the name of the rule
_EXAMPLE = """{doc}

Examples
--------
>>> w = np.array([1.0, -2.0])
>>> nb.{name}(learning_rate=0.01).bind(w)(2 * w)  # one step on w²
>>> bool((w**2 < [1.0, 4.0]).all())
True
"""


class Optimizer:
    """Base of all optimizers.

    Parameters
    ----------
    learning_rate : float or Schedule
    **hyperparameters : float
        Of the update rule `name`.

    Examples
    --------
    >>> nb.SGD(nb.schedules.StepDecay(0.1, every=10), momentum=0.9).hyperparameters["momentum"]
    0.9
    """

    name: ClassVar[str]

    def __init_subclass__(cls, **settings: Any) -> None:
        super().__init_subclass__(**settings)
        if "name" in vars(cls):
            _CLASSES[cls.name] = cls
        if "name" in vars(cls) and cls.__module__ == __name__:
            cls.__doc__ = _EXAMPLE.format(doc=inspect.getdoc(cls), name=cls.__name__)

    def __init__(self, learning_rate: float | Schedule, **hyperparameters: float) -> None:
        if not hasattr(self, "name"):
            raise TypeError("Optimizer: expected a class such as SGD, got the base class")
        self.learning_rate = learning_rate
        self.claim = Claim()  # held by the training that uses it
        known = OPTIMIZERS[self.name].hyperparameters
        self.hyperparameters = MappingProxyType(checked(self.name, known, hyperparameters))

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "lr" or name in OPTIMIZERS[self.name].hyperparameters:
            raise AttributeError(
                f"{name}: cannot be changed; learning_rate can, anything else needs a new optimizer"
            )
        super().__setattr__(name, value)

    @property
    def learning_rate(self) -> float | Schedule:
        """A number or a schedule; may be set between epochs, by a callback for example."""
        return self.schedule.initial if type(self.schedule) is Constant else self.schedule

    @learning_rate.setter
    def learning_rate(self, value: float | Schedule) -> None:
        self.schedule = as_schedule(value)

    def bind(self, parameters: Any, *, total_steps: int | None = None) -> Callable[..., None]:
        """A function that updates `parameters` in place.

        Parameters
        ----------
        parameters : array, Tensor, or sequence of Tensors
            Contiguous, of float32 or float64.
        total_steps : int, optional
            Planned updates; `Cosine` and `OneCycle` need it. One update counts as one epoch.

        Returns
        -------
        function
            Keeps the optimizer's states between calls. For an array it takes the gradient, of its
            shape. For Tensors it takes no argument: it reads each `grad` and sets it to None; a
            Tensor whose `grad` is None is not updated. A call that fails updates nothing: with a
            rate, for example, that is negative or infinite in the parameters' dtype.

        Examples
        --------
        >>> from nablas.autograd import Tensor
        >>> w = Tensor([1.0, 2.0], requires_grad=True)
        >>> step = nb.SGD(0.1).bind(w)
        >>> (w * w).sum().backward()
        >>> step()
        >>> w
        Tensor([0.8, 1.6], requires_grad=True)
        """
        if total_steps is not None:
            total_steps = integer("total_steps", total_steps, 1)
        if isinstance(parameters, np.ndarray):
            update = _binding.update_of_array(parameters, self._rule(parameters))
            dtype = parameters.dtype.name
        else:
            tensors = _binding.leaves(parameters)
            rules = [self._rule(tensor.data) for tensor in tensors]
            update = _binding.update_of_tensors(tensors, rules)
            dtype = min((tensor.data.dtype.name for tensor in tensors), default="float64")
        step, plan = 0, Plan(1, total_steps)
        self.schedule.begin()

        def scheduled(*gradient: Any) -> None:
            nonlocal step
            if len(gradient) != (count := int(isinstance(parameters, np.ndarray))):
                kind = "one array" if count else "none, for Tensors hold theirs"
                raise TypeError(f"gradient: expected {kind}, got {len(gradient)}")
            rate = _rates.next_rate(self.schedule, step, plan, dtype)
            update(rate, step + 1, *gradient)
            step += 1

        return scheduled

    def _rule(self, parameters: NDArray[Any]) -> _binding.Rule:
        flat = _binding.flat(parameters)
        states = initial_states(self.name, flat)
        return _binding.rule(self.name, self.hyperparameters, flat, states)

    def __getstate__(self) -> dict[str, Any]:
        state = {**vars(self), "hyperparameters": dict(self.hyperparameters)}
        del state["claim"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.hyperparameters = MappingProxyType(state["hyperparameters"])
        self.claim = Claim()

    def __repr__(self) -> str:
        rate = type(self.schedule).__name__ != "Constant"
        inner = [repr(self.schedule) if rate else f"{self.schedule.initial:g}"]
        known = OPTIMIZERS[self.name].hyperparameters
        inner += [f"{k}={known[k].shown(v)}" for k, v in self.hyperparameters.items()]
        return f"{type(self).__name__}({', '.join(inner)})"


def names() -> list[str]:
    """Names of the optimizers that `MLP.fit` takes, and ``kernels.optimizer_update``.

    Examples
    --------
    >>> "adam" in nb.optimizers.names()
    True
    """
    return list(_CLASSES)


def initial_states(name: str, parameters: NDArray[Any]) -> list[NDArray[Any]]:
    """The states of ``kernels.optimizer_update`` before the first update.

    Parameters
    ----------
    name : str
        Of the optimizer.
    parameters : array of shape (n,)

    Returns
    -------
    list of arrays
        Zeros like the parameters, and an array of one 1.0 for a scalar state.

    Examples
    --------
    >>> nb.optimizers.initial_states("adam", np.ones(2))
    [array([0., 0.]), array([0., 0.])]
    """
    rule = OPTIMIZERS[choice("name", name, OPTIMIZERS)]
    parameters = plain_array("parameters", parameters)
    scalar = [] if rule.scalar is None else [np.ones(1)]
    return [*(np.zeros_like(parameters) for _ in rule.states), *scalar]


class SGD(Optimizer):
    """Stochastic gradient descent, optionally with momentum.

    ``v = momentum v + g``; ``w -= learning_rate v``, or with `nesterov`
    ``w -= learning_rate (g + momentum v)``.

    Parameters
    ----------
    learning_rate : float or Schedule
    momentum : float
        From 0 to less than 1.
    nesterov : bool
    """

    name = "sgd"

    def __init__(
        self, learning_rate: float | Schedule = 0.01, momentum: float = 0.0, nesterov: bool = False
    ) -> None:
        nesterov = flag("nesterov", nesterov)
        super().__init__(learning_rate, momentum=momentum, nesterov=float(nesterov))
        if nesterov and momentum == 0:
            raise ValueError("nesterov: expected a momentum above 0 with it, got momentum 0")


class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015).

    ``m = beta1 m + (1 - beta1) g``; ``v = beta2 v + (1 - beta2) g²``; in step n
    ``w -= learning_rate m / (1 - beta1^n) / (sqrt(v / (1 - beta2^n)) + eps)``.

    Parameters
    ----------
    learning_rate : float or Schedule
    beta1, beta2 : float
        Decay of the first and second moment, from 0 to less than 1.
    eps : float
        Added to the root of the second moment.
    eps_hat : bool
        True: `eps` is the paper's epsilon hat, added before the root's correction, as in
        scikit-learn and Keras. In step n it counts ``1 / sqrt(1 - beta2^n)`` times as much.
    """

    name = "adam"

    def __init__(
        self,
        learning_rate: float | Schedule = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        eps_hat: bool = False,
    ) -> None:
        hat = float(flag("eps_hat", eps_hat))
        super().__init__(learning_rate, beta1=beta1, beta2=beta2, eps=eps, eps_hat=hat)


class AdamW(Optimizer):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019).

    Parameters
    ----------
    learning_rate : float or Schedule
    beta1, beta2, eps : float
        As for `Adam`.
    weight_decay : float
        Every update first multiplies all parameters, biases included as in PyTorch, by
        ``1 - learning_rate * weight_decay``.
    """

    name = "adamw"

    def __init__(
        self,
        learning_rate: float | Schedule = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(
            learning_rate, beta1=beta1, beta2=beta2, eps=eps, weight_decay=weight_decay
        )


class NAdam(Optimizer):
    """Adam with Nesterov momentum (Dozat, 2016), as PyTorch's.

    Parameters
    ----------
    learning_rate : float or Schedule
    beta1, beta2, eps : float
        As for `Adam`.
    momentum_decay : float
        The momentum of step n is ``beta1 (1 - 0.96^(n momentum_decay) / 2)``. The product of all
        momenta so far is part of the optimizer's states.
    """

    name = "nadam"

    def __init__(
        self,
        learning_rate: float | Schedule = 0.002,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        momentum_decay: float = 0.004,
    ) -> None:
        super().__init__(
            learning_rate, beta1=beta1, beta2=beta2, eps=eps, momentum_decay=momentum_decay
        )


class RMSprop(Optimizer):
    """RMSprop (Hinton, 2012): the gradient divided by its running root mean square.

    ``s = rho s + (1 - rho) g²``; ``v = momentum v + g / (sqrt(s) + eps)``;
    ``w -= learning_rate v``.

    Parameters
    ----------
    learning_rate : float or Schedule
    rho : float
        Decay of the running mean (PyTorch's alpha), from 0 to less than 1.
    eps : float
        Added to the root.
    momentum : float
        From 0 to less than 1.
    """

    name = "rmsprop"

    def __init__(
        self,
        learning_rate: float | Schedule = 0.01,
        rho: float = 0.99,
        eps: float = 1e-8,
        momentum: float = 0.0,
    ) -> None:
        super().__init__(learning_rate, rho=rho, eps=eps, momentum=momentum)


class Adagrad(Optimizer):
    """Adagrad (Duchi, Hazan and Singer, 2011).

    ``s += g²``; ``w -= learning_rate g / (sqrt(s) + eps)``.

    Parameters
    ----------
    learning_rate : float or Schedule
    eps : float
        Added to the root.
    """

    name = "adagrad"

    def __init__(self, learning_rate: float | Schedule = 0.01, eps: float = 1e-10) -> None:
        super().__init__(learning_rate, eps=eps)


def make_optimizer(name: str, learning_rate: float | Schedule, **settings: Any) -> Optimizer:
    """A new optimizer by its registered name.

    Examples
    --------
    >>> nb.optimizers.make_optimizer("sgd", 0.1, momentum=0.9)
    SGD(0.1, momentum=0.9, nesterov=False)
    """
    return _CLASSES[choice("name", name, _CLASSES)](learning_rate, **settings)


def as_optimizer(optimizer: Optimizer | str | None) -> Optimizer:
    """An optimizer object from an object, a registered name, or None for Adam.

    Examples
    --------
    >>> nb.optimizers.as_optimizer("adam")
    Adam(0.001, beta1=0.9, beta2=0.999, eps=1e-08, eps_hat=False)
    """
    if isinstance(optimizer, Optimizer):
        return optimizer
    if optimizer is None or isinstance(optimizer, str):
        name = "adam" if optimizer is None else optimizer.lower()
        return _CLASSES[name if name in _CLASSES else choice("optimizer", optimizer, _CLASSES)]()
    raise TypeError(f"optimizer: expected an optimizer or its name, got {type(optimizer).__name__}")


__all__ = ["Optimizer", "as_optimizer", "initial_states", "make_optimizer", "names"]
__all__ += [cls.__name__ for cls in _CLASSES.values()]


def __dir__() -> list[str]:
    return __all__
