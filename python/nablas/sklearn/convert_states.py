"""Conversion of an optimizer's states from and to scikit-learn's `sgd` and `adam`.

scikit-learn's momentum carries steps, rates times gradients; the engine's carries gradients.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

from ._options import InverseScaling, Options

Arrays = list[NDArray[Any]]


def states_from_sklearn(fitted: Any, target: Any) -> None:
    """Give `target`, which has the weights of `fitted`, the states of its optimizer, too."""
    theirs, options = getattr(fitted, "_optimizer", None), Options.of(target)
    kinds = {"sgd": SGDOptimizer, "adam": AdamOptimizer}
    if theirs is None or not isinstance(theirs, kinds.get(options.solver, ())):
        return
    net = target._network()
    optimizer, engine = options.optimizer(net.dtype), net.engine
    target._optimizer, target._rule = optimizer, options.rule
    trainer = engine.trainer(optimizer)
    adam = options.solver == "adam"
    if isinstance(optimizer.schedule, InverseScaling):
        optimizer.schedule.go_on()
    else:
        optimizer.learning_rate = theirs.learning_rate_init if adam else theirs.learning_rate
    if adam:
        moments, steps = [theirs.ms, theirs.vs], theirs.t
    else:
        moments, steps = [[-v / theirs.learning_rate for v in theirs.velocities]], 1
    states = trainer.states  # none without momentum
    for flat, given in zip(states, moments, strict=False):
        for view, value in zip(_of_layers(engine, flat), given, strict=True):
            view[...] = value
    trainer.states = states
    trainer.resume(steps, 1.0)


def states_to_sklearn(estimator: Any, theirs: Any) -> None:
    """Give `theirs`, which has the weights of `estimator`, the states of its optimizer, too."""
    engine = estimator._network().engine
    optimizer: Any = getattr(estimator, "_optimizer", None)
    kept, options = engine.training_state(), Options.of(estimator)
    same = optimizer is not None and kept.get("optimizer") is optimizer
    if not same or estimator._rule != options.rule:  # nothing to go on with, or other parameters
        return
    parameters = [*theirs.coefs_, *theirs.intercepts_]
    moments = [[np.array(view) for view in _of_layers(engine, flat)] for flat in kept["states"]]
    if options.solver == "adam":
        rates = options.learning_rate_init, options.beta_1, options.beta_2, options.epsilon
        made: Any = AdamOptimizer(parameters, *rates)
        (made.ms, made.vs), made.t = moments, kept["steps"]
    else:
        made = SGDOptimizer(
            parameters,
            options.learning_rate_init,
            options.learning_rate,
            options.momentum,
            options.nesterovs_momentum,
            options.power_t,
        )
        schedule = optimizer.schedule
        scaled = isinstance(schedule, InverseScaling)
        made.learning_rate = float(schedule.rate if scaled else schedule.initial)  # the next step's
        for velocities in moments:
            made.velocities = [-made.learning_rate * values for values in velocities]
    theirs._optimizer = made


def _of_layers(engine: Any, flat: NDArray[Any]) -> Arrays:
    """Views of a flat state in scikit-learn's order: of all weights, then of all biases."""
    layers = engine.views(flat)
    return [weights for weights, _ in layers] + [bias for _, bias in layers]
