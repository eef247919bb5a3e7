"""L-BFGS by SciPy on the engine's flat gradient."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import scipy.optimize
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from .._data import check_finite
from ._sparse import block_rows, blocks


def minimise(estimator: Any, net: Any, X: Any, y: Any, weight: Any, loss: str) -> None:
    """Train a network on all rows at once; sets the estimator's `loss_` and `n_iter_`."""
    total = float(len(y) if weight is None else weight.sum())
    l2 = 0.5 * estimator.alpha / total if total > 0 else 0.0
    if hasattr(X, "toarray"):
        size = block_rows(X)
        parts = [(part, float(_weight(weight, part))) for part, _ in blocks(X, size)]
    else:
        check_finite(X, net.dtype)
        data = net._dataset(net._core, X, y, weight, loss)

    def value_and_gradient(parameters: Any) -> tuple[float, Any]:
        net.parameters[:] = parameters
        if not hasattr(X, "toarray"):
            value, gradient = net._core.gradient(data, l2)
            return value, gradient.astype(np.float64)
        value, gradient = net._penalty(l2), np.zeros(parameters.size)
        for dw, w in zip(net._views(gradient), net.weights, strict=True):
            dw[0][:] = 2 * l2 * w
        for part, share in parts:
            chosen = None if weight is None else weight[part]
            block = net._dataset(net._core, X[part].toarray(), y[part], chosen, loss)
            one, slope = net._core.gradient(block, 0.0)
            value += one * share / total
            gradient += slope * (share / total)
        return value, gradient

    options: dict[str, Any] = {
        "maxfun": estimator.max_fun,
        "maxiter": estimator.max_iter,
        "gtol": estimator.tol,
    }
    # Idle threads of SciPy's BLAS spin for a while and would keep the engine's off their cores.
    with threadpool_limits(1, user_api="blas"):
        result = scipy.optimize.minimize(
            value_and_gradient,
            net.parameters.astype(np.float64),
            method="L-BFGS-B",
            jac=True,
            options=options,
        )
    net.parameters[:] = result.x
    estimator.loss_ = float(result.fun)
    estimator.n_iter_ = min(int(result.nit), estimator.max_iter)
    if estimator.verbose:
        print(f"L-BFGS: {estimator.n_iter_} iterations, loss = {estimator.loss_:.8f}")
    if result.status != 0:
        message = result.message if isinstance(result.message, str) else result.message.decode()
        warnings.warn(
            f"lbfgs failed to converge after {estimator.n_iter_} iteration(s) (status="
            f"{result.status}):\n{message}\n\nYou might also want to scale the data as shown in:\n"
            "    https://scikit-learn.org/stable/modules/preprocessing.html",
            ConvergenceWarning,
            stacklevel=4,
        )


def _weight(weight: Any, part: slice) -> float:
    return part.stop - part.start if weight is None else float(weight[part].sum())
