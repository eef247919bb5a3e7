"""Mini-batch descent of an estimator, by the loop of `MLP.fit`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import check_scoring
from sklearn.model_selection import train_test_split

from .. import optimizers, schedules
from .._losses import call, default_loss
from .._training import Fit, assemble
from ..mlp import MLP
from ._callbacks import Bridge
from ._parameters import hyperparameters
from ._sparse import DataBlocks, SparseFit, SparseRows
from ._stopping import Stopping
from ._warnings import warn

_NAMED = {
    "cosine": schedules.Cosine,
    "one_cycle": schedules.OneCycle,
    "plateau": schedules.ReduceOnPlateau,
}


class Rule(optimizers.Optimizer):
    """An optimizer of the core by name; bounds were checked with the estimator's parameters."""

    def __init__(self, name: str, rate: Any, settings: dict[str, float]) -> None:
        self.name = name  # type: ignore[misc]
        super().__init__(rate, **settings)


class InverseScaling(schedules.Schedule):
    """`initial`, and from the second epoch on ``initial / (t_ + 1)^power``."""

    def __init__(self, estimator: Any) -> None:
        super().__init__(estimator.learning_rate_init)
        self._estimator, self._begun = estimator, False

    def rates(self, steps: Any, plan: schedules.Plan) -> Any:
        """As `Schedule.rates`."""
        passed = self._estimator.t_ if self._begun else 0
        self._begun = True
        return np.full(len(steps), self.initial / (passed + 1.0) ** self._estimator.power_t)


def _schedule(estimator: Any) -> Any:
    kind, rate = estimator.learning_rate, estimator.learning_rate_init
    if isinstance(kind, schedules.Schedule):
        return kind
    if kind == "invscaling" and estimator.solver == "sgd":
        return InverseScaling(estimator)
    return _NAMED[kind](rate) if kind in _NAMED else rate


def _batch_size(estimator: Any, rows: int) -> int:
    if estimator.batch_size == "auto":
        return min(200, rows)
    if estimator.batch_size > rows:
        warn("Got `batch_size` less than 1 or larger than sample size. It is going to be clipped")
    return min(int(estimator.batch_size), rows)


def _hold_out(estimator: Any, X: Any, y: Any, weight: Any, rng: Any) -> tuple[Any, Any, Any, Any]:
    """Training rows, their weights, and the validation share."""
    arrays = [X, y] if weight is None else [X, y, weight]
    parts = train_test_split(
        *arrays,
        random_state=rng,
        test_size=estimator.validation_fraction,
        stratify=estimator._strata(y, int(np.ceil(estimator.validation_fraction * X.shape[0]))),
    )
    X, X_val, y, y_val = parts[:4]
    weight, weight_val = parts[4:] or (None, None)
    if X_val.shape[0] < 2:
        raise ValueError(
            "The validation set is too small. Increase 'validation_fraction' or the size of your "
            "dataset."
        )
    return X, y, weight, (X_val, y_val, weight_val)


def _validation(
    estimator: Any, net: MLP, X: Any, y: Any, weight: Any
) -> Callable[[], tuple[float, float]]:
    """A function that gives the loss and the score of held-out rows."""
    loss = estimator._loss()
    data = None if callable(loss) else DataBlocks(net, X, y, weight, loss)

    def value() -> float:
        if data is None:
            return call(loss, estimator._forward(X, check_input=False), y, weight)[0]
        return sum(share * net._core.evaluate(block, 0.0) for block, share in data)

    own_scorer = estimator.early_stopping and estimator.scoring not in (None, "loss")
    scorer: Any = check_scoring(estimator, estimator.scoring) if own_scorer else None
    truth = estimator._decoded(y) if own_scorer else None

    def score() -> float:
        if scorer is None:
            return float(estimator._score(X, y, weight))
        return _without_names(estimator, lambda: float(scorer(estimator, X, truth)))

    scale = estimator._loss_scale()
    return lambda: (scale * value(), score())


def _without_names(estimator: Any, scored: Callable[[], float]) -> float:
    """A scorer gets plain arrays, whose columns have no names to compare."""
    names = estimator.__dict__.pop("feature_names_in_", None)
    try:
        return scored()
    finally:
        if names is not None:
            estimator.feature_names_in_ = names


def descend(
    estimator: Any,
    net: MLP,
    X: Any,
    y: Any,
    weight: Any,
    rng: Any,
    incremental: bool,
    held_out: Any,
) -> None:
    """Train until the estimator's rules say stop.

    Parameters
    ----------
    X, y, weight : arrays as the core takes them; X may be a CSR matrix
    rng : RandomState
    incremental : bool
        One epoch, with the optimizer's states of the one before.
    held_out : (X, y), optional
        Validation data the user gave.
    """
    if held_out is not None:
        held_out = (*held_out, None)
    elif estimator.early_stopping:
        X, y, weight, held_out = _hold_out(estimator, X, y, weight, rng)
    if not incremental or getattr(estimator, "_optimizer", None) is None:
        estimator._optimizer = Rule(
            estimator.solver, _schedule(estimator), hyperparameters(estimator)
        )
    estimator.n_iter_ = 0
    _curves_for(estimator)
    stopping = Stopping(estimator, estimator._optimizer, net, X.shape[0])
    epochs = 1 if incremental else estimator.max_iter
    callbacks = [stopping, *(estimator.callbacks or [])]
    if not incremental and hasattr(estimator, "_skl_callbacks"):
        callbacks.append(Bridge(estimator, epochs, X, y))
    random = bool(estimator.shuffle) or np.any(np.asarray(estimator.dropout) > 0)
    loss = estimator._loss()
    fit = assemble(
        SparseFit if hasattr(X, "tocsr") else Fit,
        net,
        _data(estimator, net, X, y, weight, loss),
        y,
        loss,
        None if held_out is None else _validation(estimator, net, *held_out),
        optimizer=estimator._optimizer,
        batch_size=_batch_size(estimator, X.shape[0]),
        epochs=epochs,
        shuffle=bool(estimator.shuffle),
        seed=int(rng.randint(2**31 - 1)) if random else 0,
        l2=0.5 * float(estimator.alpha),
        dropout=estimator.dropout,
        callbacks=callbacks,
        progress=bool(estimator.progress),
        by_batch=True,
        weight=weight,
        l1=float(estimator.l1),
        clip_norm=estimator.clip_norm,
        loss_scale=estimator._loss_scale(),
    )
    try:
        history = fit.run()
    except KeyboardInterrupt:
        warn("Training interrupted by user.")
    except FloatingPointError as error:
        if stopping.best_parameters is None:
            raise
        estimator.validation_scores_.append(float("nan"))
        warn(f"{error}; the weights of the best validation score are restored", ConvergenceWarning)
    else:
        planned = incremental or estimator._optimizer.schedule.spans_fit()
        if not planned and len(history) == estimator.max_iter and not stopping.ended:
            warn(
                f"Stochastic Optimizer: Maximum iterations ({estimator.max_iter}) reached and the "
                "optimization hasn't converged yet.",
                ConvergenceWarning,
            )
    if estimator.early_stopping:
        stopping.restore_best(net.parameters)


def _curves_for(estimator: Any) -> None:
    """Curves where an earlier fit by other rules left none."""
    if not hasattr(estimator, "loss_curve_"):
        estimator._begin_curves()
    if estimator.early_stopping and estimator.best_validation_score_ is None:
        estimator.validation_scores_, estimator.best_validation_score_ = [], -np.inf
    if not estimator.early_stopping and estimator.best_loss_ is None:
        estimator.best_loss_ = np.inf


def _data(estimator: Any, net: MLP, X: Any, y: Any, weight: Any, loss: Any) -> Any:
    """What a `Fit` reads, or ValueError where an option cannot be had with it."""
    sparse, own = hasattr(X, "tocsr"), callable(loss)
    if sparse and own:
        raise ValueError("loss: expected one of the core's with sparse X, got a function")
    if (sparse or own) and (estimator.l1 or estimator.clip_norm is not None):
        what = "a dense X" if sparse else "a loss of the core's"
        raise ValueError(f"l1, clip_norm: expected {what} with them")
    if sparse:
        return SparseRows(X, y, weight)
    if own:
        return net._dataset(net._core, X, None, None, default_loss(net.output))
    return net._dataset(net._core, X, y, weight, loss)
