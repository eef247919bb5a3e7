"""Several targets of several classes each: one network, a softmax for each target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from .. import _checks, kernels
from .._losses import Loss

Array = NDArray[Any]


def _typed(column: Array) -> Array:
    """A column of objects as an array of their kind."""
    return np.array(column.tolist()) if column.dtype.kind == "O" else column


def numeric_table(y: Any) -> Any:
    """A table of objects that are all numbers as an array of numbers; anything else unchanged."""
    if issparse(y) or not hasattr(y, "__array__"):
        return y
    values = np.asarray(y)
    if values.ndim != 2 or values.dtype != object:
        return y
    columns = [_typed(column) for column in values.T]
    return np.column_stack(columns) if all(c.dtype.kind in "biuf" for c in columns) else y


def lacks_zero(y: Any) -> bool:
    """Whether neither of y's two values is 0, which stands for an absent label; y may be sparse."""
    return not issparse(y) and bool(np.all(y)) and bool(np.min(y) != np.max(y))


def is_multioutput(y: Any) -> bool:
    """Whether y (n, targets) has classes for each target, rather than 0 or a mark for each label.

    ValueError for values that are no labels.
    """
    numbers = numeric_table(y)
    if numbers.dtype.kind in "OU":
        return True
    if issparse(numbers):
        return False
    kind = type_of_target(numbers, input_name="y")
    if kind == "multilabel-indicator":
        return lacks_zero(numbers)
    if kind != "multiclass-multioutput":
        check_classification_targets(numbers)  # raises
    return True


@contextmanager
def sorting(name: str, labels: Any) -> Iterator[None]:
    """ValueError that names the argument in place of Python's TypeError for labels in the body that
    have no order: missing ones, words beside numbers.
    """
    try:
        yield
    except TypeError:
        array = np.asarray(labels)
        _checks.present(name, array, True)
        if array.ndim == 1 and {"numbers", "strings"} <= _checks.kinds(array):
            raise ValueError(f"{name}: expected numbers or strings, got both") from None
        raise


def unique_classes(name: str, labels: Array) -> Array:
    """The labels, sorted; ValueError for ones that have no order, TypeError for bytes."""
    _checks.without_bytes(name, labels)
    with sorting(name, labels):
        return np.unique(labels)


class Heads:
    """Groups of outputs, one for each target.

    Attributes
    ----------
    classes : list of arrays
        Of each target.
    """

    def __init__(self, classes: Sequence[Array]) -> None:
        self.classes = list(classes)
        ends = np.cumsum([0, *(len(c) for c in self.classes)]).tolist()
        self.columns = [slice(a, b) for a, b in zip(ends, ends[1:], strict=False)]

    @classmethod
    def of(cls, y: Array) -> Heads:
        """Heads for the classes found in targets of shape (n, targets)."""
        _checks.without_bytes("y", y)
        columns = [_typed(column) for column in y.T]
        for column in columns:
            if column.dtype.kind == "f":
                check_classification_targets(column)
        with sorting("y", y):
            return cls([np.unique(column) for column in columns])

    def same_classes(self, others: Heads) -> bool:
        """Whether the others have the same classes of as many targets."""
        pairs = zip(self.classes, others.classes, strict=False)
        same_number = len(self.classes) == len(others.classes)
        return same_number and all(np.array_equal(one, other) for one, other in pairs)

    @property
    def outputs(self) -> int:
        """Total number of outputs."""
        return int(self.columns[-1].stop)

    def encode(self, y: Array) -> Array:
        """Class indices (n, targets); ValueError for unknown labels."""
        if y.shape[1:] != (len(self.classes),):
            raise ValueError(f"y: expected shape (n, {len(self.classes)}), got {y.shape}")
        _checks.without_bytes("y", y)
        codes = np.empty(y.shape, np.int64)
        for i, classes in enumerate(self.classes):
            column = _typed(y[:, i])
            same_kind = (column.dtype.kind in "UO") == (classes.dtype.kind in "UO")
            found = np.searchsorted(classes, column) if same_kind else np.zeros(len(column), int)
            found = found.clip(max=len(classes) - 1)
            wrong = classes[found] != column
            if np.any(wrong):
                known, given = set(classes.tolist()), y[:, i].tolist()
                unknown = np.array([label not in known for label in given]) & wrong
                found = given[np.argmax(unknown if unknown.any() else wrong)]
                raise ValueError(
                    f"y: expected classes {classes.tolist()} in column {i}, got {found!r}"
                )
            codes[:, i] = found
        return codes

    def decode(self, codes: Array) -> Array:
        """Labels (n, targets) of class indices."""
        kinds = {c.dtype.kind for c in self.classes}
        columns = [c[codes[:, i]] for i, c in enumerate(self.classes)]
        if "U" in kinds and len(kinds) > 1:  # strings beside numbers stay what they are
            columns = [column.astype(object) for column in columns]
        return np.stack(columns, axis=1)

    def probabilities(self, z: Array) -> list[Array]:
        """An array (n, classes) for each target."""
        return [kernels.softmax(z[:, part]) for part in self.columns]

    def best(self, z: Array) -> Array:
        """Class indices (n, targets)."""
        return np.stack([z[:, part].argmax(axis=1) for part in self.columns], axis=1)

    def loss(self, label_smoothing: float) -> Loss:
        """The sum of the targets' cross-entropies, of the preactivations."""
        made = Loss("cross_entropy", label_smoothing=label_smoothing)
        made.groups = tuple(len(classes) for classes in self.classes)
        return made
