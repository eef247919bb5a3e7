"""Conversion of X, y and sample_weight to arrays that the core reads.

The core checks shapes, ranges and that targets are finite. This module encodes string labels,
reshapes (n, 1) columns, converts data frames and checks that X is finite.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _checks
from ._registry import LOSSES, MOST_WEIGHT

Array = NDArray[Any]

_CHECKED = 2**20  # entries that a search for one that is not finite takes at a time
_ENCODED = 2**16  # labels that are encoded between two looks at signals


def as_matrix(x: Any, dtype: str, name: str = "X") -> Array:
    """`x` as a 2-D array of a dtype the core reads; copied only if it has to be converted."""
    if type(x) is np.ndarray and x.dtype.char in "fd" and x.ndim == 2:
        usual: Array = x
        return usual
    if is_sparse(x):
        rows: Array = as_csr(x, dtype, name)
        return rows
    array: Array = _checks.numbers(name, x)
    if array.ndim != 2:
        hint = " (one sample is X[np.newaxis])" if array.ndim == 1 else ""
        raise ValueError(f"{name}: expected 2 dimensions, got shape {array.shape}{hint}")
    if array.dtype.kind == "f" and array.dtype.itemsize not in (4, 8):
        return array.astype(dtype)
    return array


def as_rows(x: Any, dtype: str, name: str = "X") -> Array:
    """As `as_matrix`, for a call that only hands the rows to the core.

    CSR rows are returned as they are: the engine converts their values, the core checks and sorts
    their structure itself.
    """
    if type(x) is np.ndarray:
        return as_matrix(x, dtype, name)
    if getattr(x, "format", None) == "csr" and x.dtype.kind in "fiub" and x.ndim == 2:
        rows: Array = x
        return rows
    return as_matrix(x, dtype, name)


def is_sparse(x: Any) -> bool:
    """Whether `x` is one of SciPy's sparse arrays or matrices."""
    return hasattr(x, "tocsr")


def as_csr(x: Any, dtype: str, name: str = "X") -> Any:
    """`x` in compressed rows (CSR) of `dtype`, sorted by columns; copied only if it has to be."""
    if x.ndim != 2:
        raise ValueError(f"{name}: expected 2 dimensions, got shape {x.shape}")
    if x.dtype.kind not in "fiub":
        raise TypeError(f"{name}: expected numbers, got dtype {x.dtype}")
    if hasattr(
        x, "check_format"
    ):  # SciPy's own functions read beyond the arrays of a damaged matrix
        try:
            x.check_format(full_check=True)
        except ValueError as error:
            raise ValueError(f"{name}: expected a valid sparse matrix, got: {error}") from error
    with np.errstate(over="ignore"):  # overflows become infinities, which are found later
        rows = x.tocsr().astype(dtype, copy=False)
    return rows if rows.has_sorted_indices else rows.sorted_indices()


def dense(x: Any) -> Array:
    """`x` itself, or the dense array of a sparse matrix."""
    array: Array = x.toarray() if is_sparse(x) else x
    return array


def stacked(parts: Sequence[Any]) -> Any:
    """Arrays one below the other, all dense or all CSR."""
    if not is_sparse(parts[0]):
        return np.concatenate(parts)
    from scipy.sparse import vstack

    return vstack(parts, format="csr")


def as_batch(x: Any, y: Any, name: str = "X") -> tuple[Any, Any]:
    """`x` and `y` as given, or as a batch of one row if `x` has one dimension."""
    rows = x if hasattr(x, "ndim") else _checks.array(name, x)
    if rows.ndim != 1:
        return x, y
    return _checks.array(name, x)[np.newaxis], _checks.array("y", y)[np.newaxis]


def as_weights(weights: Any, dtype: str) -> Array:
    """Sample weights in the network's dtype, or TypeError; the core checks their values."""
    array: Array = np.asarray(_checks.numbers("sample_weight", weights))
    with np.errstate(over="ignore", under="ignore"):  # the core refuses infinities
        return array.astype(dtype, copy=False)


def weights_of_rows(of_rows: Array, weight: Array | None, dtype: str) -> Array:
    """The rows' class weights times their sample weights, if given, in the network's dtype.

    ValueError for a product or a sum that is too large for the core, if the sample weights alone
    are not.
    """
    with np.errstate(over="ignore", under="ignore"):
        found: Array = (of_rows if weight is None else weight * of_rows).astype(dtype)
    most = MOST_WEIGHT[dtype]
    total = found.sum(dtype=float)
    alone = weight is None or ((weight >= 0).all() and weight.sum(dtype=float) <= most)
    if alone and not total <= most:
        raise ValueError(
            f"class_weight: expected weights whose sum over the rows is at most {most:g} in "
            f"{dtype}, got {total:g}"
        )
    return found


def check_total_weight(weight: Array | None, sample_weight: Any, of_rows: Array | None) -> None:
    """ValueError if the sum of all weights is below the core's bound, but not 0.

    Parameters
    ----------
    weight : array of shape (n,), optional
        The product of the other two in the network's dtype, where small ones are 0.
    sample_weight, of_rows : array of shape (n,), optional
        The weights given to a fit, and those of the rows' classes.
    """
    if weight is None:
        return
    least = 1 / MOST_WEIGHT[weight.dtype.name]
    if weight.sum(dtype=float) >= least:
        return
    name = "class_weight" if sample_weight is None else "sample_weight"
    factors = [_checks.numbers(name, one) for one in (sample_weight, of_rows) if one is not None]
    if math.prod(one > 0 for one in factors).any():
        with np.errstate(under="ignore"):
            total = math.prod(factors, start=np.ones(len(weight))).sum()
        got = f"a sum of {total:g}" if total > 0 else "products that no float64 holds"
        raise ValueError(
            f"{name}: expected weights whose sum is 0 or from {least:g} in {weight.dtype}, "
            f"got {got}"
        )


def check_finite(x: Array, dtype: str) -> None:
    """ValueError for the first NaN, infinity or number that `dtype` cannot hold.

    `x` may be a CSR matrix. A memory-mapped array is read once more; a piece at a time, as any.
    """
    if is_sparse(x):
        _check_finite_csr(x, dtype)
        return
    if x.dtype.kind != "f" or x.size == 0:
        return
    largest = np.finfo(dtype).max
    with np.errstate(all="ignore"):
        if x.dtype == dtype and np.isfinite(x.sum()):  # one pass; if it overflows, see below
            return
        if x.min() >= -largest and x.max() <= largest:
            return
    rows = max(1, _CHECKED // max(1, x[0].size))
    for begin in range(0, len(x), rows):
        part = x[begin : begin + rows]
        with np.errstate(invalid="ignore"):
            bad = np.argwhere(~(np.abs(part) <= largest))
        if len(bad):
            row, column = (int(i) for i in bad[0])
            at = begin + row, column
            raise ValueError(f"X: expected finite values, got {x[at]} at {at}")


def _check_finite_csr(x: Any, dtype: str) -> None:
    bad = np.flatnonzero(~(np.abs(x.data) <= np.finfo(dtype).max))
    if len(bad):
        k = int(bad[0])
        row = int(np.searchsorted(x.indptr, k, side="right")) - 1
        at = row, int(x.indices[k])
        raise ValueError(f"X: expected finite values, got {x.data[k]} at {at}")


def check_outputs(outputs: Array, x: Any, dtype: str) -> None:
    """An error if outputs that tell classes hold NaN: of X if it is not finite, else theirs."""
    wrong = np.isnan(outputs)
    if not wrong.any():
        return
    check_finite(x, dtype)
    row = int(wrong.reshape(len(outputs), -1).any(axis=1).argmax())
    raise FloatingPointError(
        f"outputs: expected numbers, got nan in row {row}: X or the weights are too large"
    )


def as_targets(
    y: Any, loss: str, outputs: int, dtype: str, classes: list[str] | None
) -> tuple[Array, list[str] | None]:
    """`y` as class indices (n,) or targets (n, outputs), and the classes if y holds strings.

    `classes`: strings must be among them; []: no strings are taken; None: all are.
    """
    entry = LOSSES[loss]
    array: Array = _checks.without_bytes("y", _checks.plain_array("y", y))
    array = plain_strings(array)
    if array.dtype.kind == "U":
        if classes == []:
            raise TypeError("y: expected numbers as in training, got strings")
        limit = outputs if entry.takes_labels else 2 if entry.highest == 1 else None
        if limit is None:
            raise TypeError(f"y: expected numbers for loss {loss!r}, got strings")
        if array.shape[1:] not in ((), (1,)):
            raise ValueError(f"y: expected one string a row, got shape {array.shape}")
        array, classes = _encode(array.reshape(-1), classes)
        if len(classes) != limit:
            raise ValueError(f"y: expected {limit} classes, got {len(classes)}")
    elif array.dtype.kind not in "fiub":
        raise TypeError(f"y: expected numbers or strings, got dtype {array.dtype}")
    elif classes:
        raise TypeError(f"y: expected strings like the classes, got dtype {array.dtype}")
    integral = array.dtype.kind in "iub"
    if entry.takes_labels and (array.ndim == 1 or (array.shape[1:] == (1,) and outputs > 1)):
        if not integral:
            raise TypeError(f"y: expected integer class labels, got dtype {array.dtype}")
        return array.reshape(-1), classes
    if array.ndim == 1 and outputs == 1:
        array = array.reshape(-1, 1)
    if array.ndim == 1:
        hint = "; class labels need output='softmax'" if integral else ""
        raise ValueError(
            f"y: expected shape ({len(array)}, {outputs}) for loss {loss!r}, "
            f"got {array.shape}{hint}"
        )
    with np.errstate(over="ignore"):  # overflows become infinities, which the core rejects
        return np.ascontiguousarray(array, dtype=dtype), classes


def plain_strings(array: Array) -> Array:
    """Strings of any of NumPy's dtypes, or objects, as `str_`; other arrays unchanged."""
    if array.dtype.kind == "U" or _checks.kinds(array) != {"strings"}:
        return array
    if not all(isinstance(value, str) for value in array.flat):  # some are missing
        return array
    return array.astype(object).astype(str)  # a StringDType has no width to convert to


def _encode(labels: Array, classes: list[str] | None) -> tuple[Array, list[str]]:
    """Class indices of `labels`, and the classes: `classes`, or the sorted distinct labels."""
    parts = [labels[i : i + _ENCODED] for i in range(0, len(labels), _ENCODED)]
    if classes is None:
        found = np.unique(np.concatenate([labels[:0], *map(np.unique, parts)]))
        classes = [str(label) for label in found]
    known = np.array(classes, dtype=str)
    codes = np.empty(len(labels), np.int64)
    for k, part in enumerate(parts):
        begin = k * _ENCODED
        own = np.searchsorted(known, part).clip(max=len(known) - 1)
        codes[begin : begin + len(part)] = own
        wrong = np.flatnonzero(known[own] != part)
        if len(wrong):
            i = int(wrong[0])
            raise ValueError(
                f"y: expected labels among {', '.join(classes)}, got {str(part[i])!r} at index "
                f"{begin + i}"
            )
    return codes, classes


def label_codes(y: Any, classes: Sequence[Any] | Array) -> Array:
    """Positions in `classes` of labels (n,), (n, 1) or one-hot (n, classes); or an error."""
    labels, names = _checks.plain_array("y", y), np.asarray(classes).tolist()
    _checks.without_bytes("y", labels)
    if labels.ndim == 2 and labels.shape[1] == len(names) > 1:
        number = labels.dtype.kind in "fiub"
        if not number or (labels < 0).any() or not np.allclose(labels.sum(axis=1, dtype=float), 1):
            raise ValueError("y: expected one label a row, or one-hot rows")
        best: Array = labels.argmax(axis=1)
        return best
    if labels.shape[1:] not in ((), (1,)) or labels.ndim == 0:
        raise ValueError(f"y: expected one label a row, got shape {labels.shape}")
    known, flat = {name: i for i, name in enumerate(names)}, labels.reshape(-1).tolist()
    codes = np.array([known.get(label, -1) for label in flat], np.int64)
    if (codes < 0).any():
        i = int((codes < 0).argmax())
        raise ValueError(
            f"y: expected labels among {names}, got {_checks.shown(flat[i], repr)} at {i}"
        )
    return codes


def class_codes(targets: Array, count: int) -> Array:
    """Class indices (n,), below `count`, of encoded targets with one class a row; or ValueError."""
    codes = targets[:, 0] if targets.shape[1:] == (1,) else targets
    if codes.ndim != 1 or not (codes.dtype.kind in "iub" or np.isin(codes, (0, 1)).all()):
        raise ValueError("class_weight: expected None for targets other than one class a row")
    wrong = (codes < 0) | (codes >= count)
    if wrong.any():
        i = int(wrong.argmax())
        raise ValueError(f"y: expected class indices below {count}, got {codes[i]} at index {i}")
    return codes.astype(np.int64)


def check_class_weight(given: Any) -> None:
    """Raise unless `given` is a dict, "balanced" or None."""
    if (
        given is None
        or isinstance(given, Mapping)
        or (isinstance(given, str) and given == "balanced")
    ):
        return
    got = repr(given) if isinstance(given, str) else type(given).__name__
    kind = ValueError if isinstance(given, str) else TypeError
    raise kind(f"class_weight: expected a dict, 'balanced' or None, got {got}")


def class_weights(given: Any, codes: Array, classes: Sequence[Any], weight: Array | None) -> Array:
    """The weight of each class, as `MLP.fit` documents it; an array is them already.

    Parameters
    ----------
    codes : int array of shape (n,)
    classes : sequence
        The label of each class index.
    weight : array of shape (n,), optional
    """
    if isinstance(given, np.ndarray):
        return given
    count = len(classes)
    if isinstance(given, str) and given == "balanced":
        return balanced_weights(np.bincount(codes, weight, minlength=count))
    each = np.ones(count)
    for label, value in given.items():
        name = _checks.shown(label, repr)
        if label not in classes:
            names = ", ".join(map(repr, classes))
            raise ValueError(f"class_weight: expected classes among {names}, got {name}")
        each[classes.index(label)] = _checks.number(f"class_weight[{name}]", value, least=0)
    return each


def balanced_weights(mass: Array) -> Array:
    """In inverse proportion to the classes' weights `mass`; 1 for classes without any."""
    mass = mass.astype(np.float64)
    present = mass > 0
    found: Array = np.divide(
        mass.sum() / max(present.sum(), 1), mass, np.ones(len(mass)), where=present
    )
    return found


def check_rows(x: Array, y: Array, sample_weight: Array | None) -> None:
    """ValueError when y has another length than X, or sample_weight another shape than (n,)."""
    for name, other in (("y", y), ("sample_weight", sample_weight)):
        if other is not None and (other.ndim == 0 or len(other) != x.shape[0]):
            got = "a scalar" if other.ndim == 0 else str(len(other))
            raise ValueError(f"{name}: expected {x.shape[0]} rows like X, got {got}")
    if sample_weight is not None and sample_weight.ndim > 1:
        raise ValueError(
            f"sample_weight: expected shape ({x.shape[0]},), got {sample_weight.shape}"
        )
