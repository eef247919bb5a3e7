"""Encoding of a classifier's labels for the core, and decoding of its outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight
from sklearn.utils.multiclass import type_of_target, unique_labels

from .._data import class_weights, dense, label_codes
from ._heads import Heads, is_multioutput, lacks_zero, numeric_table, sorting
from ._network import Array, HasNetwork

SINGLE = ("binary", "multiclass")  # types of targets with one label a row


class Labels(HasNetwork):
    """Binary, multiclass, multilabel and multiclass-multioutput labels."""

    _heads: Heads | None = None
    _checked: Any  # of BaseMLP

    def _unique(self, y: Any) -> Any:
        """The classes among labels (n,), in the type that scikit-learn gives them: words as short
        as they can be, numbers in the machine's byte order.
        """
        classes = np.unique(y)
        classes = classes.astype(classes.dtype.newbyteorder("="), copy=False)
        return np.array(classes.tolist()) if classes.dtype.kind in "OU" else classes

    def _binarizer(self, y: Any) -> LabelBinarizer:
        """A fitted `LabelBinarizer`.

        Of one label a row its attributes are set here: its `fit` looks at every label twice more.
        """
        kind = type_of_target(y, input_name="y") if y.ndim == 1 else ""
        made = LabelBinarizer()
        if kind not in SINGLE:
            return made.fit(y)
        made.y_type_, made.sparse_input_, made.classes_ = kind, False, self._unique(y)
        return made

    def _validate_input(
        self, X: Any, y: Any, incremental: bool, reset: bool, held_out: bool = False
    ) -> tuple[Any, Any]:
        X, y = self._checked(X, y, reset)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        fresh = not hasattr(self, "classes_") or (not self.warm_start and not incremental)
        if fresh:
            self._heads = Heads.of(y) if y.ndim == 2 and is_multioutput(y) else None
        if self._heads is not None:
            return X, self._codes_of_heads(self._heads, y)
        y = numeric_table(y)
        if fresh:
            with sorting("y", y):
                self._label_binarizer = self._binarizer(y)
            self.classes_ = self._label_binarizer.classes_
        else:
            with sorting("y", y):
                seen = unique_labels(y)
            self._check_classes(seen, all_of_them=self.warm_start and not held_out)
        single = self._label_binarizer.y_type_ in SINGLE
        if single and y.ndim == 2:
            raise ValueError("The object was not fitted with multilabel input.")
        if single and len(self.classes_) > 2:
            codes = np.searchsorted(self.classes_, y)
            if not callable(self.loss):
                return X, codes
            targets = np.eye(len(self.classes_))[codes]
        elif single:
            targets = np.searchsorted(self.classes_, y)[:, None].astype(float)
        else:
            targets = self._marked(y).astype(float)
        if not callable(self.loss):
            return X, targets.astype(X.dtype)
        k = targets.shape[1]
        share = 1 / k if single and k > 1 else 0.5
        smoothed = (1 - self.label_smoothing) * targets + self.label_smoothing * share
        return X, smoothed.astype(X.dtype)

    def _marked(self, y: Any) -> Array:
        """Which labels the rows have, (n, labels): what is not 0, as in scikit-learn."""
        marked: Array = np.asarray(self._label_binarizer.transform(y), dtype=bool)
        if lacks_zero(y):
            raise ValueError(
                f"y: expected 0 or 1 for each of {len(self.classes_)} labels, got {np.min(y)} and "
                f"{np.max(y)}"
            )
        return marked

    def _codes_of_heads(self, heads: Heads, y: Any) -> Any:
        """Class indices (n, targets); ValueError for options that need a single target."""
        if callable(self.loss):
            raise ValueError("loss: expected 'log_loss' with several targets of several classes")
        if isinstance(self.class_weight, dict):
            raise ValueError(
                "class_weight: expected 'balanced', None or a list of a dict for each target, got "
                "one dict"
            )
        self.classes_ = heads.classes
        return heads.encode(y)

    def _known(self, y: Any) -> Any:
        if self._heads is not None:
            return y  # `Heads.encode` says which label it does not know
        if self._label_binarizer.y_type_ in SINGLE:
            return self.classes_[label_codes(y, self.classes_)]
        labels, wanted = numeric_table(np.asarray(dense(y))), (len(self.classes_),)
        marks = labels.shape[1:] == wanted and type_of_target(labels) == "multilabel-indicator"
        if not marks or lacks_zero(labels):
            raise ValueError(f"y: expected 0 or 1 for each of {wanted[0]} labels, got others")
        return labels

    def _check_classes(self, seen: Any, all_of_them: bool) -> None:
        if all_of_them:
            if set(seen) != set(self.classes_):
                raise ValueError(
                    "warm_start can only be used where `y` has the same classes as in the previous "
                    f"call to fit. Previously got {self.classes_}, `y` has {seen}"
                )
        elif len(np.setdiff1d(seen, self.classes_, assume_unique=True)):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. "
                f"'y' has {seen}."
            )

    def _codes(self, y: Any) -> Any:
        """Class indices, or 0 and 1 of each label, of encoded targets."""
        if y.ndim == 1 or self._heads is not None:
            return y
        return y.argmax(axis=1) if self.out_activation_ == "softmax" else y > 0.5

    def _decoded(self, y: Any) -> Any:
        return self._labels(self._codes(y))

    def _strata(self, y: Any, held_out: int) -> Any:
        """Classes to stratify by; None where a stratified split is not possible."""
        codes = self._codes(y)
        if self.n_outputs_ == 1:
            return codes
        if codes.ndim == 2:
            return None  # multilabel or multioutput
        members = np.unique(codes, return_counts=True)[1]
        enough = members.min() >= 2 and len(members) <= min(held_out, len(codes) - held_out)
        return codes if enough else None

    def _row_codes(self, y: Any) -> Any:
        """Class indices (n,) of encoded targets; None where a row has several labels."""
        codes = self._codes(y)
        if codes.ndim == 2:
            return codes[:, 0].astype(np.int64) if codes.shape[1] == 1 else None
        return codes

    def _class_weights(self, y: Any, weight: Any) -> Any:
        codes = None if self.class_weight is None else self._row_codes(y)
        if codes is None:
            return None
        if self.class_weight == "balanced":
            return class_weights("balanced", codes, self.classes_, weight)
        each = compute_class_weight(self.class_weight, classes=self.classes_, y=self._decoded(y))
        return np.asarray(each, dtype=np.float64)

    def _class_weights_of_rows(self, y: Any, each: Any) -> Any:
        if self.class_weight is None:
            return None
        if each is None:
            return compute_sample_weight(self.class_weight, self._decoded(y))
        return each[self._row_codes(y)]

    def _softmax_columns(self) -> list[slice]:
        return super()._softmax_columns() if self._heads is None else self._heads.columns

    def _best(self, outputs: Array) -> Array:
        """Class indices, or 0 and 1 of each label, of outputs."""
        if self._heads is not None:
            return self._heads.best(outputs)
        if self.out_activation_ == "softmax":
            return np.asarray(outputs.argmax(axis=1))
        best: Array = outputs > 0.5
        return (
            best if len(self.classes_) > 1 else np.zeros_like(best)
        )  # a class alone is the answer

    def _labels(self, codes: Any) -> Any:
        """Labels of class indices, or of 0 and 1."""
        if self._heads is not None:
            return self._heads.decode(codes)
        if codes.ndim == 1:
            return self.classes_[codes]
        if codes.shape[1] == 1:
            return self.classes_[codes[:, 0].astype(int)]
        labels = codes.astype(int)
        return csr_matrix(labels) if self._label_binarizer.sparse_input_ else labels
