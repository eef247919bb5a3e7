"""`MLPClassifier`."""

from __future__ import annotations

from numbers import Real
from typing import Any, Self

import numpy as np
from scipy.sparse import issparse
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target

from .. import metrics
from .._checks import integer
from .._losses import BinaryCrossEntropy, CrossEntropy
from ..network import scored
from ._base import NO_VALIDATION, BaseMLP, _stochastic
from ._heads import Heads, numeric_table, unique_classes
from ._labels import Labels
from ._network import Array
from ._options import unchanged_on_error
from ._parameters import CONSTRAINTS, below_one, keep, refuse_balanced
from ._threads import threads


def _one_for_each_target(y: Any, classes: Any) -> bool:
    """Whether `classes` is a sequence of classes, one for each of several targets."""
    shape = getattr(y, "shape", None) or np.shape(y)
    if len(shape) != 2 or shape[1] < 2:
        return False
    listed = isinstance(classes, (list, tuple)) and len(classes) > 0
    return np.ndim(classes[0]) == 1 if listed else getattr(classes, "ndim", 0) == 2


class MLPClassifier(ClassifierMixin, Labels, BaseMLP):
    """scikit-learn's `MLPClassifier` on the nablas engine, with additional parameters.

    All parameters up to `max_fun` and all attributes are scikit-learn's and mean the same.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int
    activation : str or list of str
        "identity", "logistic", "tanh", "relu" or any of ``nablas.activations()``; one for each
        hidden layer if a list.
    solver : str
        "lbfgs", "sgd", "adam"; also "adamw", "nadam", "rmsprop", "adagrad".
    alpha : float
        L2 penalty: ``alpha / 2`` times the sum of squared weights, divided by the batch's weight.
    batch_size : int or "auto"
    learning_rate : str or Schedule
        "constant", "invscaling", "adaptive" (the last two with sgd); also "cosine", "one_cycle",
        "plateau", or a schedule of ``nablas.schedules``, which replaces `learning_rate_init`.
    learning_rate_init, power_t : float
    max_iter : int
    shuffle : bool
    random_state : int, RandomState or None
    tol : float
    verbose, warm_start : bool
    momentum : float
    nesterovs_momentum, early_stopping : bool
    validation_fraction, beta_1, beta_2, epsilon : float
    n_iter_no_change, max_fun : int
    loss : "log_loss" or function
        A function ``(probabilities, targets) -> (value, gradient)``, with a keyword
        `sample_weight` if weights are used.
    label_smoothing : float
        Fraction of each target that is spread evenly over all classes.
    class_weight : dict, "balanced", list of dicts or None
        A list has one for each target of several classes; a row's weight is their product.
        Counts in the loss and the score of validation data, too.
    dropout : float or list of float
        Probability of dropping a hidden unit's output; one for each hidden layer if a list.
    l1 : float
        L1 penalty: `l1` times the sum of absolute weights, divided by the batch's weight.
    clip_norm : float, optional
        The gradient of a batch is scaled down to at most this Euclidean norm.
    weight_decay : float
        Of solver "adamw".
    scoring : str, function or None
        What early stopping monitors: a scikit-learn scorer, "loss", or None for accuracy.
    callbacks : list of functions, optional
        Called after every epoch with a ``nablas.FitState``.
    progress : bool
        Show the progress on standard error, as `nablas.MLP.fit` does.
    n_threads : int, optional
        Threads used by `fit` and by the prediction methods; -1 for one on each processor.

    Attributes
    ----------
    classes_ : array or list of arrays
    coefs_, intercepts_ : lists of arrays
        Views of the network's parameters.
    loss_, best_loss_ : float
    loss_curve_, validation_scores_, validation_loss_curve_ : lists of float
    best_validation_score_ : float or None
    n_features_in_, n_iter_, n_layers_, n_outputs_, t_ : int
    out_activation_ : str

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from nablas.sklearn import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier((16,), learning_rate_init=0.01, max_iter=500, random_state=0)
    >>> model.fit(X, y).score(X, y) > 0.9
    True
    >>> model.predict_proba(X[:2]).shape
    (2, 3)
    """

    _parameter_constraints = CONSTRAINTS | {
        "loss": [StrOptions({"log_loss"}), callable],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "class_weight": [StrOptions({"balanced"}), dict, list, None],
    }

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: Any = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: Any = 10,
        max_fun: int = 15000,
        loss: Any = "log_loss",
        label_smoothing: float = 0.0,
        class_weight: Any = None,
        dropout: Any = 0.0,
        l1: float = 0.0,
        clip_norm: float | None = None,
        weight_decay: float = 0.01,
        scoring: Any = None,
        callbacks: Any = None,
        progress: bool = False,
        n_threads: int | None = None,
    ) -> None:
        keep(self, locals())

    @available_if(_stochastic)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Train for one more epoch.

        Parameters
        ----------
        X, y, sample_weight : arrays
            As for `fit`.
        classes : array of shape (n_classes,), or a list of arrays for several targets, optional
            All classes of all calls; required in the first call.

        Returns
        -------
        self
        """
        refuse_balanced(self.class_weight)
        with threads(self.n_threads), unchanged_on_error(self):
            self._learn_classes(y, classes)
            return self._fit(X, y, sample_weight, True, NO_VALIDATION)

    def _learn_classes(self, y: Any, classes: Any) -> None:
        first, listed = not hasattr(self, "classes_"), _one_for_each_target(y, classes)
        if listed:
            heads = Heads([unique_classes("classes", np.asarray(one)) for one in classes])
            if first:
                self._heads, self.classes_ = heads, heads.classes
            elif self._heads is None or not self._heads.same_classes(heads):
                raise ValueError(
                    f"`classes={classes!r}` is not the same as on last call to partial_fit, was: "
                    f"{self.classes_!r}"
                )
            return
        if classes is not None:
            unique_classes("classes", np.asarray(classes))
        if _check_partial_fit_first_call(self, classes):
            self._heads = None
            y = numeric_table(y)
            known = y if type_of_target(y).startswith("multilabel") else classes
            self._label_binarizer = LabelBinarizer().fit(known)

    def initialize(
        self, n_features: int, n_outputs: int = 1, dtype: str = "float64", *, classes: Any = None
    ) -> Self:
        """Give the estimator its initial weights without any data.

        Parameters
        ----------
        n_features, n_outputs : int
            `n_outputs` is the number of classes; 1 counts as 2, and two classes share one output.
        dtype : "float32" or "float64"
        classes : array of shape (n_classes,), optional
            Class labels instead of ``0, 1, ...``; `n_outputs` is then ignored.

        Returns
        -------
        self
        """
        if classes is None:
            classes = np.arange(max(integer("n_outputs", n_outputs, 1), 2))
        classes = np.asarray(classes)
        unique_classes("classes", classes)
        return self._initialize(n_features, classes, dtype)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Fraction of rows predicted correctly, in all their labels or targets.

        Parameters
        ----------
        X : array or CSR/CSC matrix of shape (n, features)
        y : array of shape (n,), (n, labels) or (n, targets)
        sample_weight : array of shape (n,), optional

        Returns
        -------
        float
        """
        if self._heads is None:
            return float(super().score(X, numeric_table(y), sample_weight))
        y = y.toarray() if issparse(y) else y
        predicted = self.predict(X)
        return scored(metrics.accuracy, np.asarray(y), predicted, sample_weight=sample_weight)

    def _outputs(self, y: Any) -> tuple[int, str]:
        if self._heads is not None:
            return self._heads.outputs, "identity"
        if self._label_binarizer.y_type_ == "multiclass" and len(self.classes_) > 2:
            return len(self.classes_), "softmax"
        return y.shape[1], "logistic"

    def _loss(self) -> Any:
        smoothing = below_one(self.label_smoothing, self._network().dtype)
        if self._heads is not None:
            return self._heads.loss(smoothing)
        if callable(self.loss):
            return self.loss
        kind = CrossEntropy if self.out_activation_ == "softmax" else BinaryCrossEntropy
        return kind(smoothing)

    def _score(self, outputs: Any, y: Any, sample_weight: Any) -> float:
        if not np.isfinite(outputs).all():
            return np.nan
        return metrics.accuracy(self._codes(y), self._best(outputs), sample_weight=sample_weight)

    def predict(self, X: Any) -> Array:
        """The most probable class, or every label with a probability above 0.5.

        Parameters
        ----------
        X : array or CSR/CSC matrix of shape (n, features)

        Returns
        -------
        array of shape (n,), (n, labels) or (n, targets)
        """
        outputs = self._forward(X)
        if np.isnan(outputs).any():
            raise FloatingPointError(
                "outputs: expected numbers, got nan: X or the weights are too large"
            )
        labels: Array = self._labels(self._best(outputs))
        return labels

    def predict_proba(self, X: Any) -> Any:
        """Probabilities of the classes, or of each label.

        Parameters
        ----------
        X : array or CSR/CSC matrix of shape (n, features)

        Returns
        -------
        array of shape (n, classes) or (n, labels)
            A list of arrays, one for each target, for several targets of several classes.
        """
        outputs = self._forward(X)
        if self._heads is not None:
            return self._heads.probabilities(outputs)
        return np.hstack([1 - outputs, outputs]) if self.n_outputs_ == 1 else outputs

    def predict_log_proba(self, X: Any) -> Any:
        """Logarithms of `predict_proba`."""
        with np.errstate(divide="ignore"):
            made = self.predict_proba(X)
            return [np.log(p) for p in made] if isinstance(made, list) else np.log(made)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
