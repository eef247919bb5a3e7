"""Mini-batch descent of an estimator, by the loop of `MLP.fit`."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import check_scoring
from sklearn.model_selection import train_test_split

from .. import optimizers, schedules
from .._training import Fit, dropout_rates, make_fit
from ..mlp import MLP
from ._callbacks import Bridge
from ._parameters import hyperparameters
from ._sparse import SparseFit, SparseRows
from ._stopping import Stopping

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
    """``initial / (t_ + 1)^power``, constant within an epoch."""

    def __init__(self, estimator: Any) -> None:
        super().__init__(estimator.learning_rate_init)
        self._estimator = estimator

    def rates(self, steps: Any, plan: schedules.Plan) -> Any:
        """As `Schedule.rates`."""
        rate = self.initial / (self._estimator.t_ + 1.0) ** self._estimator.power_t
        return np.full(len(steps), rate)


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
        warnings.warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped",
            stacklevel=6,
        )
    return min(int(estimator.batch_size), rows)


def _possible(strata: Any, count: int) -> Any:
    """The strata, or None where a class is too rare to be on both sides."""
    if strata is None:
        return None
    members = np.unique(strata, return_counts=True)[1]
    fits = members.min() >= 2 and len(members) <= min(count, len(strata) - count)
    return strata if fits else None


def _hold_out(estimator: Any, X: Any, y: Any, weight: Any, rng: Any) -> tuple[Any, Any, Any, Any]:
    """Training rows, their weights, and the validation share."""
    count = int(np.ceil(estimator.validation_fraction * X.shape[0]))
    if count < 2:
        raise ValueError(
            "The validation set is too small. Increase 'validation_fraction' or the size of your "
            "dataset."
        )
    arrays = [X, y] if weight is None else [X, y, weight]
    parts = train_test_split(
        *arrays,
        random_state=rng,
        test_size=estimator.validation_fraction,
        stratify=_possible(estimator._strata(y), count),
    )
    X, X_val, y, y_val = parts[:4]
    weight, weight_val = parts[4:] or (None, None)
    return X, y, weight, (X_val, y_val, weight_val)


def _validation_score(estimator: Any, net: MLP, held_out: Any) -> Callable[[], float]:
    """A function that scores the held-out rows."""
    X, y, weight = held_out
    if estimator.scoring is None:
        return lambda: float(estimator._score(X, y, weight))
    if estimator.scoring == "loss":
        if callable(estimator._loss()) or hasattr(X, "tocsr"):
            raise ValueError("scoring: expected a scorer with such a loss or X, got 'loss'")
        data = net._dataset(net._core, X, y, weight, estimator._loss())
        return lambda: -net._core.evaluate(data, 0.0)
    scorer, truth = check_scoring(estimator, estimator.scoring), estimator._decoded(y)
    return lambda: float(scorer(estimator, X, truth))


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
    rows = X.shape[0]
    batch = _batch_size(estimator, rows)
    if not incremental or getattr(estimator, "_optimizer", None) is None:
        estimator._optimizer = Rule(
            estimator.solver, _schedule(estimator), hyperparameters(estimator)
        )
    estimator.n_iter_ = 0
    score = _validation_score(estimator, net, held_out) if estimator.early_stopping else None
    adjust = estimator._reported_loss(net, rows, batch)
    stopping = Stopping(estimator, estimator._optimizer, score, rows, adjust)
    epochs = 1 if incremental else estimator.max_iter
    callbacks = [stopping, *(estimator.callbacks or [])]
    if not incremental and hasattr(estimator, "_skl_callbacks"):
        callbacks.append(Bridge(estimator, epochs, X, y))
    settings: dict[str, Any] = {
        "batch_size": batch,
        "epochs": epochs,
        "shuffle": bool(estimator.shuffle),
        "seed": int(rng.randint(2**31 - 1)),
        "l2": 0.5 * float(estimator.alpha),
        "callbacks": callbacks,
        "progress": bool(estimator.progress),
        "l2_shared": True,
    }
    fit = (_sparse_fit if hasattr(X, "tocsr") else _dense_fit)(
        estimator, net, X, y, weight, held_out, settings
    )
    try:
        history = fit.run()
    except KeyboardInterrupt:
        warnings.warn("Training interrupted by user.", stacklevel=5)
    except FloatingPointError as error:
        if stopping.best_parameters is None:
            raise
        estimator.validation_scores_.append(float("nan"))
        message = f"{error}; the weights of the best validation score are restored"
        warnings.warn(message, ConvergenceWarning, stacklevel=5)
    else:
        if not incremental and len(history) == estimator.max_iter and not stopping.ended:
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({estimator.max_iter}) reached and the "
                "optimization hasn't converged yet.",
                ConvergenceWarning,
                stacklevel=5,
            )
    if estimator.early_stopping:
        stopping.restore_best(net.parameters)


def _dense_fit(
    estimator: Any, net: MLP, X: Any, y: Any, weight: Any, held_out: Any, settings: dict[str, Any]
) -> Fit:
    seen = None if held_out is None or hasattr(held_out[0], "tocsr") else held_out[:2]
    if getattr(estimator, "_heads", None) is not None:
        seen = None  # the network alone has no score for them
    loss = estimator._loss()
    if callable(loss) and weight is not None:
        loss, y, seen, weight = _weighted(loss), np.column_stack([y, weight]), None, None
    fit = make_fit(
        net,
        X,
        y,
        optimizer=estimator._optimizer,
        loss=loss,
        validation_data=seen,
        sample_weight=weight,
        dropout=estimator.dropout,
        **settings,
    )
    if estimator.l1 or estimator.clip_norm is not None:
        if callable(fit.loss):
            raise ValueError(
                "l1, clip_norm: expected a loss of the core's with them, got a function"
            )
        fit.adjust = _adjuster(estimator, net)
    return fit


def _weighted(loss: Callable[..., Any]) -> Callable[..., Any]:
    """A function that finds the weights in the last column of the targets."""
    return lambda outputs, targets: loss(outputs, targets[:, :-1], sample_weight=targets[:, -1])


def _adjuster(estimator: Any, net: MLP) -> Callable[[Any, float], None]:
    """Adds the gradient of the l1 penalty, then limits the gradient's norm."""

    def adjust(gradient: Any, weight: float) -> None:
        if estimator.l1:
            for (dw, _), w in zip(net._views(gradient), net.weights, strict=True):
                dw += estimator.l1 / (weight or 1.0) * np.sign(w)
        if estimator.clip_norm is not None:
            norm = float(np.linalg.norm(gradient))
            if norm > estimator.clip_norm:
                gradient *= estimator.clip_norm / norm

    return adjust


def _sparse_fit(
    estimator: Any, net: MLP, X: Any, y: Any, weight: Any, held_out: Any, settings: dict[str, Any]
) -> Fit:
    loss = estimator._loss()
    if callable(loss):
        raise ValueError("loss: expected one of the core's with sparse X, got a function")
    if estimator.l1 or estimator.clip_norm is not None:
        raise ValueError("l1, clip_norm: expected a dense X with them, got a sparse one")
    trained = net._trained_with
    if trained is None or trained[0] is not estimator._optimizer:
        trainer = net._trainer(net._core, estimator.solver, hyperparameters(estimator))
        net._trained_with = trained = (estimator._optimizer, trainer)
    rows: Any = SparseRows(X, y, weight)
    return SparseFit(
        net=net,
        optimizer=estimator._optimizer,
        trainer=trained[1],
        data=rows,
        targets=y,
        loss=loss,
        dropout=dropout_rates(estimator.dropout, len(net.sizes) - 2),
        validation=None,
        metric=net._metric,
        **settings,
    )
