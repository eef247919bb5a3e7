"""scikit-learn's neural networks on the nablas engine: change one import.

``from nablas.sklearn import MLPClassifier`` in place of ``from sklearn.neural_network import
MLPClassifier``; `docs/from-scikit-learn.md` lists the additions.

Examples
--------
>>> from sklearn.datasets import load_iris
>>> from sklearn.pipeline import make_pipeline
>>> from sklearn.preprocessing import StandardScaler
>>> from nablas.sklearn import MLPClassifier
>>> X, y = load_iris(return_X_y=True)
>>> model = make_pipeline(StandardScaler(), MLPClassifier(max_iter=500, random_state=0))
>>> model.fit(X, y).score(X, y) > 0.9
True
"""

from .._optional import require

require("sklearn", "sklearn")  # before modules that import it, and what comes with it

from .classifier import MLPClassifier
from .clusters import ray_put
from .convert import from_sklearn, to_sklearn
from .convert_onnx import register_skl2onnx, to_onnx
from .convert_torch import from_torch, to_torch
from .linear import LinearRegression, LogisticRegression
from .regressor import MLPRegressor

__all__ = [
    "LinearRegression",
    "LogisticRegression",
    "MLPClassifier",
    "MLPRegressor",
    "from_sklearn",
    "from_torch",
    "ray_put",
    "register_skl2onnx",
    "to_onnx",
    "to_sklearn",
    "to_torch",
]


def __dir__() -> list[str]:
    return __all__
