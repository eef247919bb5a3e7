"""L-BFGS by SciPy on the engine's flat gradient."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import scipy.optimize
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import ThreadpoolController

from .._data import check_finite
from ._sparse import DataBlocks
from ._warnings import warn


@cache  # to look for the libraries takes some milliseconds
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()


def minimise(estimator: Any, net: Any, X: Any, y: Any, weight: Any, loss: str) -> None:
    """Train a network on all rows at once; sets the estimator's `loss_` and `n_iter_`."""
    if not hasattr(X, "tocsr"):
        check_finite(X, net.dtype)
    trainer = net._trainer(net._core, "sgd", {})  # for its gradients alone
    data = DataBlocks(net, X, y, weight, loss)
    l2 = 0.5 * estimator.alpha / data.total if data.total > 0 else 0.0

    def value_and_gradient(parameters: Any) -> tuple[float, Any]:
        net.parameters[:] = parameters
        value, gradient = 0.0, np.zeros(parameters.size)
        for block, share in data:  # each with its share of the penalty
            one, slope = trainer.gradient(block, l2)
            value += one * share
            gradient += slope * share
        return value, gradient

    options: dict[str, Any] = {
        "maxfun": estimator.max_fun,
        "maxiter": estimator.max_iter,
        "gtol": estimator.tol,
    }
    # Idle threads of SciPy's BLAS spin for a while and would keep the engine's off their cores.
    with _libraries().limit(limits=1, user_api="blas"):
        result = scipy.optimize.minimize(
            value_and_gradient,
            net.parameters.astype(np.float64),
            method="L-BFGS-B",
            jac=True,
            options=options,
        )
    net.parameters[:] = result.x
    penalty = net._penalty(l2)
    estimator.loss_ = (float(result.fun) - penalty) * estimator._loss_scale() + penalty
    estimator.n_iter_ = min(int(result.nit), estimator.max_iter)
    if estimator.verbose:
        print(f"L-BFGS: {estimator.n_iter_} iterations, loss = {estimator.loss_:.8f}")
    if result.status != 0:
        message = result.message if isinstance(result.message, str) else result.message.decode()
        warn(
            f"lbfgs failed to converge after {estimator.n_iter_} iteration(s) (status="
            f"{result.status}):\n{message}\n\nYou might also want to scale the data as shown in:\n"
            "    https://scikit-learn.org/stable/modules/preprocessing.html",
            ConvergenceWarning,
        )
