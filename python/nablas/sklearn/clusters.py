"""Arrays that go to Ray's workers once."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._optional import require


class RayArray(np.ndarray):
    """An array that pickles as a reference to its copy in Ray's object store; its views do not."""

    _reference: Any = None

    def __reduce_ex__(self, protocol: Any) -> Any:
        if self._reference is None:
            return np.asarray(self).__reduce_ex__(protocol)
        return require("ray", "ray").get, (self._reference,)


def ray_put(array: Any) -> np.ndarray:
    """The array, such that it goes to Ray's workers once, not with every task.

    Give the result to a search or a cross-validation under joblib's backend "ray". Its numbers are
    copied to Ray's object store, from which each machine takes them when they are first needed; the
    worker then sees an ordinary, read-only array. It may be used in any number of searches until
    `ray.shutdown()`.

    Parameters
    ----------
    array : NumPy array
        X, y or weights; Ray must have been initialised. Later changes of it are not sent.

    Returns
    -------
    array of the same shape and dtype
        A read-only view of `array`.

    Raises
    ------
    TypeError
        If `array` is no NumPy array.
    ImportError
        If ray is not installed.
    RuntimeError
        If it was not initialised.

    Examples
    --------
    >>> import ray
    >>> from nablas.sklearn import ray_put
    >>> context = ray.init(num_cpus=1, include_dashboard=False)
    >>> X = ray_put(np.zeros((1000, 100)))
    >>> X.shape, len(ray.cloudpickle.dumps(X)) < 10_000
    ((1000, 100), True)
    >>> ray.shutdown()
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"array: expected a NumPy array, got {type(array).__name__}")
    ray = require("ray", "ray")
    if not ray.is_initialized():  # ray.put would start a cluster of its own
        raise RuntimeError("ray_put: expected ray.init() before, got none")
    sent = array.view(RayArray)
    sent.flags.writeable = False
    sent._reference = ray.put(np.asarray(array))
    return sent
