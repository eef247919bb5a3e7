"""One layer of units, which the engine trains for a linear model."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.preprocessing import LabelBinarizer

from ._options import Options, Record
from .classifier import MLPClassifier
from .regressor import MLPRegressor


class Unit:
    """No hidden layer, weights from zero; the linear model validates X and y.

    The penalties are divided by the weight of all rows, and batches count by their weight, so that
    every batch size has the same objective.
    """

    _by_batch = False
    # While the linear model is trained: it, and the function that gives it the unit's attributes.
    owner: Any = None
    publish: Any = None

    def _face(self) -> Any:
        return self.owner

    def _published(self) -> None:
        self.publish(self)

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()  # type: ignore[assignment]
        return {name: value for name, value in state.items() if name not in ("owner", "publish")}

    def _checked(self, X: Any, y: Any, reset: bool, **settings: Any) -> tuple[Any, Any]:
        return X, y

    def _build(self, *arguments: Any) -> None:
        super()._build(*arguments)  # type: ignore[misc]
        self._network().parameters[:] = 0  # type: ignore[attr-defined]

    def adopt(self, coef: Any, intercept: Any, **fitted: Any) -> None:
        """Take these weights; with `fitted` attributes, as after a fit."""
        vars(self).update(fitted)
        coef = coef.toarray() if hasattr(coef, "toarray") else np.asarray(coef)
        coef = np.atleast_2d(coef)
        intercept = np.array(np.broadcast_to(intercept, coef.shape[0]), dtype=coef.dtype)
        self.coefs_, self.intercepts_ = [coef.T.copy()], [intercept]
        self._network()  # type: ignore[attr-defined]


class UnitClassifier(Unit, MLPClassifier):
    """Sigmoid for two classes, softmax for more."""

    def _unique(self, y: Any) -> Any:
        return np.unique(y)

    def take_over(self, classes: Any, coef: Any, intercept: Any) -> None:
        """Go on from a linear classifier that was fitted by another solver."""
        several = len(classes) > 2
        Record.of(self, Options.of(self), True).publish(self)
        self.adopt(
            coef,
            intercept,
            classes_=classes,
            _label_binarizer=LabelBinarizer().fit(classes),
            n_outputs_=len(classes) if several else 1,
            out_activation_="softmax" if several else "logistic",
            n_layers_=2,
        )


class UnitRegressor(Unit, MLPRegressor):
    """Identity for each target."""

    _warns_of_columns = False

    def take_over(self, coef: Any, intercept: Any) -> None:
        """Go on from a linear regression that was fitted by another solver."""
        Record.of(self, Options.of(self), True).publish(self)
        outputs = np.atleast_2d(coef).shape[0]
        self.adopt(coef, intercept, n_outputs_=outputs, out_activation_="identity", n_layers_=2)
