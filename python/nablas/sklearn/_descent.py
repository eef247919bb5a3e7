"""Mini-batch descent: (options, problem) to a record, by the loop of `MLP.fit`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import check_scoring
from sklearn.model_selection import train_test_split

from .._losses import Loss, LossFunction, call
from .._registry import default_loss
from .._training import Fit, assemble
from ..callbacks import Callback, FitState
from ..network import Network
from ._callbacks import Bridge, data_of
from ._options import Curves, Options, Problem
from ._parameters import held
from ._stopping import Stopping
from ._warnings import warn


def _batch_size(options: Options, rows: int) -> int:
    if options.batch_size == "auto":
        return min(200, rows)
    if options.batch_size > rows:
        warn("Got `batch_size` less than 1 or larger than sample size. It is going to be clipped")
    return min(int(options.batch_size), rows)


def _hold_out(estimator: Any, options: Options, problem: Problem, rng: Any) -> Problem:
    """The problem without its validation share, which becomes `held_out`."""
    X, y, weight, given = problem.X, problem.y, problem.weight, problem.given
    arrays = [array for array in (X, y, weight, given) if array is not None]
    parts = train_test_split(
        *arrays,
        random_state=rng,
        test_size=options.validation_fraction,
        stratify=estimator._strata(y, int(np.ceil(options.validation_fraction * len(y)))),
    )
    X, X_val, y, y_val = parts[:4]
    weight, weight_val = parts[4:6] or (None, None)
    given = None if given is None else parts[6]
    if X_val.shape[0] < 2:
        raise ValueError(
            "The validation set is too small. Increase 'validation_fraction' or the size of your "
            "dataset."
        )
    held_out = X_val, y_val, weight_val
    return Problem(X, y, weight, held_out, problem.loss, problem.loss_scale, given)


def _validation(
    estimator: Any, options: Options, record: Curves, net: Network, problem: Problem
) -> Callable[[], tuple[float, float]] | None:
    """A function that returns the loss and the score of the held-out rows."""
    if problem.held_out is None:
        return None
    (X, y, weight), loss = problem.held_out, problem.loss
    if isinstance(loss, Loss):
        value = partial(net.engine.evaluate, net.engine.dataset(X, y, weight, loss))
    else:
        value = partial(_value, loss, net, X, y, weight)

    own_scorer = options.early_stopping and options.scoring not in (None, "loss")
    face, publisher = estimator._face(), _Publisher(record, estimator)
    scorer: Any = check_scoring(face, options.scoring) if own_scorer else None
    weights = {} if weight is None else {"sample_weight": weight}
    if own_scorer and weights and not _takes_weights(scorer):
        raise ValueError(
            "scoring: expected a scorer that takes sample_weight, as rows have weights"
        )
    truth = estimator._decoded(y) if own_scorer else None

    def score() -> float:
        outputs = net.forward(X)
        if scorer is None:
            return float(estimator._score(outputs, y, weight))
        if not np.isfinite(outputs).all():
            return float("nan")
        publisher.publish()
        return _without_names(face, lambda: float(scorer(face, X, truth, **weights)))

    return lambda: (problem.loss_scale * value(), score())


def _value(loss: LossFunction, net: Network, X: Any, y: Any, weight: Any) -> float:
    return call(loss, net.forward(X), y, weight)[0]


def _takes_weights(scorer: Any) -> bool:
    """Whether a scorer's metric, or a function in its place, has a parameter for weights."""
    taken = inspect.signature(getattr(scorer, "_score_func", scorer)).parameters
    kinds = {one.kind for one in taken.values()}
    return "sample_weight" in taken or inspect.Parameter.VAR_KEYWORD in kinds


def _without_names(estimator: Any, scored: Callable[[], float]) -> float:
    """Score plain arrays, whose columns have no names to compare."""
    names = estimator.__dict__.pop("feature_names_in_", None)
    try:
        return scored()
    finally:
        if names is not None:
            estimator.feature_names_in_ = names


class _Publisher(Callback):
    """Writes the record to the estimator for those who read it: callbacks, at the begin and after
    every epoch, and scorers.
    """

    def __init__(self, record: Curves, estimator: Any) -> None:
        self.record, self.estimator = record, estimator

    def publish(self) -> None:
        """Write the attributes now."""
        self.record.publish(self.estimator)
        self.estimator._published()

    def on_fit_begin(self, _net: Any) -> None:
        self.publish()

    def on_epoch_end(self, state: FitState) -> None:
        self.publish()


def descend(
    estimator: Any,
    options: Options,
    problem: Problem,
    record: Curves,
    net: Network,
    rng: Any,
    incremental: bool,
) -> Curves:
    """Train until scikit-learn's rules say stop; returns the filled record.

    Parameters
    ----------
    estimator : BaseMLP
        For its scores; its fitted attributes are written only if there are callbacks or a scorer to
        read them.
    rng : RandomState
    incremental : bool
        One epoch, continuing with the optimizer's states.
    """
    whole = problem
    if problem.held_out is None and options.early_stopping:
        problem = _hold_out(estimator, options, problem, rng)
    same = incremental or (options.goes_on and record._rule == options.rule)
    if record._optimizer is None or not same:
        record._optimizer, record._rule = options.optimizer(net.dtype), options.rule
    optimizer, rows = record._optimizer, len(problem.y)
    stopping = Stopping(options, record, optimizer, net, rows)
    epochs = 1 if incremental else options.max_iter
    random = bool(options.shuffle) or np.any(np.asarray(options.dropout) > 0)
    if random and record._seed is None:
        record._seed = int(rng.randint(2**31 - 1))
    with net.engine.training(optimizer):
        fit = assemble(
            net,
            _data(net, problem),
            _validation(estimator, options, record, net, problem),
            optimizer=optimizer,
            batch_size=_batch_size(options, rows),
            epochs=epochs,
            shuffle=bool(options.shuffle),
            seed=(record._seed or 0) if random else 0,
            clip_norm=options.clip_norm,
            dropout=options.dropout,
            callbacks=_callbacks(estimator, (whole, problem), stopping, incremental),
            progress=bool(options.progress),
            loss_scale=problem.loss_scale,
            **_penalties(estimator._face(), options, problem, net.dtype),
        )
        _run(fit, options, record, stopping, incremental)
    stopping.restore_best(net.parameters)
    return record


def _callbacks(
    estimator: Any, problems: tuple[Problem, Problem], stopping: Stopping, incremental: bool
) -> list[Any]:
    """scikit-learn's rules, the user's callbacks and scikit-learn's, in this order.

    The problems are that of all rows and that of the rows trained on.
    """
    options, parameters = stopping.options, stopping.net.parameters
    face, publisher = estimator._face(), _Publisher(stopping.record, estimator)
    bridged = not incremental and hasattr(face, "_skl_callbacks")
    if not options.callbacks and not bridged:
        return [stopping]
    made = [stopping, publisher, *options.callbacks]
    if not bridged:
        return made

    def finish() -> None:
        stopping.restore_best(parameters)
        publisher.publish()

    whole, trained = (data_of(problem, estimator._decoded) for problem in problems)
    return [*made, Bridge(face, options.max_iter, whole, trained, finish)]


def _run(fit: Fit, options: Options, record: Curves, stopping: Stopping, incremental: bool) -> None:
    """All epochs; an interrupt keeps the weights, divergence those of the best score."""
    try:
        history = fit.run()
    except KeyboardInterrupt:
        warn("Training interrupted by user.")
    except FloatingPointError as error:
        if stopping.best_parameters is None or record.validation_scores_ is None:
            raise
        record.validation_scores_.append(float("nan"))
        record.loss_ = float("nan") if record.loss_ is None else record.loss_
        cause = str(error).partition(" (the weights")[0]
        warn(f"{cause}; the weights of the best validation score are restored", ConvergenceWarning)
    else:
        planned = incremental or fit.optimizer.schedule.spans_fit()
        if not planned and len(history) == options.max_iter and not stopping.ended:
            warn(
                f"Stochastic Optimizer: Maximum iterations ({options.max_iter}) reached and the "
                "optimization hasn't converged yet.",
                ConvergenceWarning,
            )


def _data(net: Network, problem: Problem) -> dict[str, Any]:
    """A task's data."""
    X, y, weight, loss = problem.X, problem.y, problem.weight, problem.loss
    if isinstance(loss, Loss):
        data = net.engine.dataset(X, y, weight, loss)
    else:
        data = net.engine.dataset(X, None, None, Loss(default_loss(net.output)))
    return {"data": data, "targets": y, "weight": weight, "loss": loss}


def _penalties(face: Any, options: Options, problem: Problem, dtype: str) -> dict[str, Any]:
    """A task's penalties: divided by each batch's weight as in scikit-learn's networks, or by the
    weight of all rows.
    """
    l1, l2 = float(options.l1), 0.5 * float(options.alpha)
    if options.by_batch:
        held("alpha", options.alpha, dtype)
        return {"l1": held("l1", l1, dtype), "l2": l2, "by_batch": True}
    n, weight = len(problem.y), problem.weight
    total = float(n if weight is None else weight.sum(dtype=np.float64))
    mean = None if weight is None or (weight == weight[0]).all() else total / n
    l1, l2 = (value / total if total > 0 else 0.0 for value in (l1, l2))
    for value in (l1, 2 * l2):  # both are 0 without a C
        held("C", value, dtype, getattr(face, "C", None), "1 / (C n)")
    return {"l1": l1, "l2": l2, "mean_weight": mean, "bias": options.bias}
