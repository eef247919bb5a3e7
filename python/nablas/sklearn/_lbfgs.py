"""L-BFGS by SciPy: (options, problem) to a record, on the engine's flat gradient."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import scipy.optimize
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import ThreadpoolController

from .._losses import Loss
from ..network import Network
from ._options import Options, Problem, Record
from ._parameters import held
from ._warnings import warn


@cache  # finding the libraries takes some milliseconds
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()


def check(options: Options, problem: Problem) -> Loss:
    """The loss, or ValueError for what belongs to descent and L-BFGS would ignore."""
    if problem.held_out is not None:
        raise ValueError("X_val: expected None with solver='lbfgs'")
    for name in ("dropout", "l1", "clip_norm", "callbacks", "progress"):
        if np.any(getattr(options, name)):
            raise ValueError(f"{name}: expected none with solver='lbfgs'")
    if not isinstance(problem.loss, Loss):
        raise ValueError(
            "solver: expected descent such as 'adam' with a loss in Python, got 'lbfgs'"
        )
    return problem.loss


def minimise(options: Options, problem: Problem, record: Record, net: Network) -> Record:
    """Train a network on all rows at once; returns the filled record."""
    loss = check(options, problem)
    engine = net.engine
    data = engine.dataset(problem.X, problem.y, problem.weight, loss)
    trainer = engine.gradient_trainer()
    weights = len(problem.y) if problem.weight is None else problem.weight.sum()
    l2 = 0.5 * options.alpha / float(weights) if weights > 0 else 0.0
    held("alpha", 2 * l2, net.dtype, options.alpha)

    def value_and_gradient(parameters: Any) -> tuple[float, Any]:
        net.parameters[:] = parameters
        value, gradient = trainer.gradient(data, l2)
        return value, gradient.astype(np.float64)

    settings: dict[str, Any] = {
        "maxfun": options.max_fun,
        "maxiter": options.max_iter,
        "gtol": options.tol,
    }
    # Idle threads of SciPy's BLAS busy-wait and would take cores from the engine's threads.
    with engine.training(), _libraries().limit(limits=1, user_api="blas"):
        result = scipy.optimize.minimize(
            value_and_gradient,
            net.parameters.astype(np.float64),
            method="L-BFGS-B",
            jac=True,
            options=settings,
        )
    net.parameters[:] = result.x
    penalty = engine.penalty(0.0, l2)
    record.loss_ = (float(result.fun) - penalty) * problem.loss_scale + penalty
    record.n_iter_ = min(int(result.nit), options.max_iter)
    if options.verbose:
        print(f"L-BFGS: {record.n_iter_} iterations, loss = {record.loss_:.8f}")
    if result.status != 0:
        message = result.message if isinstance(result.message, str) else result.message.decode()
        more = "\nIncrease the number of iterations to improve the convergence (max_iter={})."
        more = more.format(options.max_iter) if record.n_iter_ == options.max_iter else ""
        warn(
            f"lbfgs failed to converge after {record.n_iter_} iteration(s) (status="
            f"{result.status}):\n{message}\n{more}\nYou might also want to scale the data as shown "
            "in:\n    https://scikit-learn.org/stable/modules/preprocessing.html",
            ConvergenceWarning,
        )
    return record
