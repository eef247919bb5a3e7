"""Checks of plain arguments: integers, numbers, flags, names. Messages name the argument."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from numbers import Number, Real
from typing import Any

import numpy as np
import numpy.ma  # not at its first use: a child forked in the middle of an import waits for ever

from . import _frames

MOST_EPOCHS, MOST_UPDATES = 2**32 - 1, 2**62  # that the core counts
LONGEST_SHOWN = 80  # letters of a value in a message


def integer(name: str, value: Any, least: int, most: int = 2**63 - 1) -> int:
    """`value` as an int, or TypeError, or ValueError when it is out of range."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name}: expected an integer, got {type(value).__name__}")
    if value < least:
        raise ValueError(f"{name}: expected at least {least}, got {shown(value)}")
    if value > most:
        raise ValueError(f"{name}: expected at most {most}, got {shown(value)}")
    return int(value)


@contextmanager
def reworded(words: Callable[[str], str]) -> Iterator[None]:
    """Give a TypeError or ValueError another text, `words` of its own.

    Errors of their subclasses, and those with other arguments or with attributes, stay as they are
    and get the text as a note.
    """
    try:
        yield
    except (TypeError, ValueError) as error:
        before = str(error)
        text = words(before)
        plain = type(error) in (TypeError, ValueError)
        if plain and error.args == (before,) and not vars(error):
            raise type(error)(text) from error
        error.add_note(text)
        raise


def shown(value: Any, form: Callable[[Any], str] = str) -> str:
    """`value` for a message, by `form`, str or repr; its kind where Python refuses to write it."""
    try:
        text = form(value)
    except Exception:  # ValueError for integers of more than 4,300 digits
        return f"one of {type(value).__name__} that cannot be shown"
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 3]}..."


def to_float(name: str, value: Any) -> float:
    """A real number as a float, or ValueError for one beyond float64's range."""
    try:
        return float(value)
    except OverflowError:
        raise _beyond(name, value) from None


def _beyond(name: str, value: Any) -> ValueError:
    text = f"{name}: expected a number within the range of float64, got {shown(value)}"
    return ValueError(text)


def number(
    name: str,
    value: Any,
    *,
    least: float = -math.inf,
    above: float = -math.inf,
    below: float = math.inf,
) -> float:
    """`value` as a finite float, or TypeError, or ValueError when it is out of range."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise TypeError(f"{name}: expected a number, got {type(value).__name__}")
    found = to_float(name, value)
    if math.isfinite(found) and found >= least and found > above and found < below:
        return found
    if above > -math.inf and below < math.inf:
        expected = f"a number between {above:g} and {below:g}"
    elif above == 0:
        expected = "a positive number"
    elif least > -math.inf:
        expected = f"a finite number of at least {least:g}"
    else:
        expected = "a finite number"
    raise ValueError(f"{name}: expected {expected}, got {value}")


def penalty(name: str, value: Any, dtype: str = "float64") -> float:
    """A finite number of at least 0, twice of which is finite in the dtype as well."""
    found = number(name, value, least=0)
    if 2 * found > _LARGEST[dtype]:
        raise ValueError(f"{name}: expected a number within the range of {dtype}, got {value}")
    return found


_LARGEST = {name: float(np.finfo(name).max) for name in ("float32", "float64")}


def flag(name: str, value: Any) -> bool:
    """`value` as a bool, or TypeError."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name}: expected True or False, got {type(value).__name__}")
    return bool(value)


def choice(name: str, value: Any, choices: Iterable[str], other: str = "") -> str:
    """`value` if it is one of the names, or ValueError; `other` describes what else is taken."""
    names = list(choices)
    if not (isinstance(value, str) and value in names):
        raise ValueError(
            f"{name}: expected one of {', '.join(names)}{other}, got {shown(value, repr)}"
        )
    return value


def rows(name: str, value: Any, count: int) -> slice:
    """A slice of at least one of so many rows, with its bounds, or TypeError, or ValueError."""
    if not isinstance(value, slice):
        raise TypeError(f"{name}: expected a slice, got {type(value).__name__}")
    begin = 0 if value.start is None else integer(name, value.start, 0)
    end = count if value.stop is None else integer(name, value.stop, 0)
    if value.step not in (None, 1) or not begin < end <= count:
        raise ValueError(f"{name}: expected a range of rows within 0 to {count}, got {value}")
    return slice(begin, end)


def text(name: str, value: Any) -> str:
    """`value` as a str that UTF-8 can encode, or TypeError, or ValueError."""
    if not isinstance(value, str):
        raise TypeError(f"{name}: expected a string, got {type(value).__name__}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name}: expected a string, got {value!r:.60}: {error.reason}") from None
    return str(value)


def texts(name: str, value: Any, count: int) -> list[str]:
    """So many strings, or TypeError, or ValueError for another number of them."""
    found = [text(name, item) for item in items(name, value, f"{count} strings")]
    if len(found) != count:
        raise ValueError(f"{name}: expected {count} strings, got {len(found)}")
    return found


def unmasked(name: str, value: Any) -> Any:
    """`value`, or TypeError for a masked array that hides entries: the core cannot skip them."""
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise TypeError(
            f"{name}: expected an array without masked entries, got {int(value.mask.sum())} of "
            f"{value.size} masked (fill them: {name}.filled(value))"
        )
    return value


def array(name: str, value: Any, dtype: Any = None) -> Any:
    """`value` as an array (subclasses unchanged), or an error that names the argument."""
    if type(value) is np.ndarray and dtype is None:
        return value
    unmasked(name, value)
    try:
        if not isinstance(value, np.ndarray) and _frames.is_frame(value):
            value = _frames.as_array(value)
        kind = getattr(getattr(value, "dtype", None), "kind", None)
        if kind == "c" and dtype is not None and np.dtype(dtype).kind != "c":
            raise TypeError("the imaginary parts would be lost")
        with np.errstate(over="ignore"):  # overflows become infinities, which are found later
            return np.asanyarray(value, dtype)
    except (MemoryError, OSError, Warning):
        raise
    except Exception as error:  # a conversion of its own may raise anything
        text = f"{name}: expected an array, got {type(value).__name__}: {error}"
        if isinstance(error, (ValueError, OverflowError)):
            raise ValueError(text) from None
        raise (RuntimeError if isinstance(error, RuntimeError) else TypeError)(text) from None


def plain_array(name: str, value: Any, dtype: Any = None) -> Any:
    """`value` as an array of NumPy's own type, or an error that names the argument."""
    if hasattr(value, "toarray"):  # NumPy makes a scalar of it
        raise TypeError(
            f"{name}: expected a dense array, got {type(value).__name__} (.toarray() gives one)"
        )
    return np.asarray(array(name, value, dtype))


_KINDS = {"S": "bytes", "U": "strings", "T": "strings"} | dict.fromkeys("biufc", "numbers")
_TYPES: dict[str, tuple[type, ...]] = {
    "bytes": (bytes, bytearray),
    "strings": (str,),
    "numbers": (Number, np.number, np.bool_),
}


def kinds(array: Any) -> set[str]:
    """What an array's entries are, of "bytes", "strings" and "numbers"."""
    if array.dtype.kind != "O":
        return {_KINDS[array.dtype.kind]} if array.dtype.kind in _KINDS else set()
    types = set(map(type, array.flat))
    return {kind for kind, of in _TYPES.items() if any(issubclass(one, of) for one in types)}


def present(name: str, labels: Any, counted: Any) -> Any:
    """`labels`, or ValueError for a missing one in a row that is `counted`; elsewhere it is None.

    Missing are None and what does not equal itself: NaN, pd.NA.
    """
    if labels.dtype.kind == "f":
        lacks = np.isnan(labels)
    elif labels.dtype.kind == "O" or hasattr(labels.dtype, "na_object"):
        each = [value is None or not _is_itself(value) for value in labels.astype(object).flat]
        lacks = np.array(each, bool).reshape(labels.shape)
    else:
        return labels
    rows = np.flatnonzero(lacks.reshape(len(labels), -1).any(axis=1) & counted)
    if len(rows):
        raise ValueError(f"{name}: expected labels, got a missing value in row {rows[0]}")
    return labels if labels.dtype.kind == "f" else np.where(lacks, None, labels)


def _is_itself(value: Any) -> bool:
    same = value == value  # pd.NA == pd.NA is pd.NA, which is neither True nor False
    return isinstance(same, (bool, np.bool_)) and bool(same)


def of_objects(name: str, array: Any) -> Any:
    """Objects as int64 or uint64, if they are integers that it holds, else as float64."""
    if all(issubclass(kind, (int, np.integer)) for kind in set(map(type, array.flat))):
        for dtype in (np.int64, np.uint64):
            with suppress(OverflowError):
                return array.astype(dtype)
    return plain_array(name, array, float)


def without_bytes(name: str, array: Any, expected: str = "numbers or strings") -> Any:
    """`array`, or TypeError if it holds bytes: they equal no string of the same letters."""
    if "bytes" in kinds(array):
        given = name if array.dtype.kind == "S" else f"{name}.astype(bytes)"
        how = f" (decode them: np.char.decode({given}))" if "strings" in expected else ""
        raise TypeError(f"{name}: expected {expected}, got bytes{how}")
    return array


def numbers(name: str, value: Any) -> Any:
    """`value` as an array of numbers or bools, or an error that names the argument."""
    found = array(name, value)
    if found.dtype.kind not in "fiub":
        got = found.dtype
        if found.dtype.kind == "O" and _frames.is_frame(value):
            got = _frames.odd_column(value) or got
        raise TypeError(f"{name}: expected numbers, got dtype {got}")
    return found


def items(name: str, value: Any, of: str) -> list[Any]:
    """The items of a sequence or another iterable that is no string, or TypeError."""
    if isinstance(value, (str, bytes, dict, type)) or not isinstance(value, Iterable):
        raise TypeError(f"{name}: expected {of}, got {type(value).__name__}")
    if isinstance(value, np.ndarray) and value.ndim == 0:  # an Iterable by its class only
        raise TypeError(f"{name}: expected {of}, got a single value")
    return list(value)


def float_dtype(name: str, value: Any) -> str:
    """float32 or float64 by name, from anything NumPy takes as one of them, or TypeError."""
    try:
        found: str = np.dtype(value).name
    except (TypeError, ValueError):
        found = shown(value, repr)
    if found not in ("float32", "float64"):
        raise TypeError(f"{name}: expected float32 or float64, got {found:.60}")
    return found


def path(name: str, value: Any) -> str:
    """A file's path as a str that the system can encode, or TypeError, or ValueError."""
    try:
        found = os.fspath(value)
    except TypeError:
        raise TypeError(f"{name}: expected a path, got {type(value).__name__}") from None
    text = os.fsdecode(found)
    if "\0" in text:
        raise ValueError(f"{name}: expected a path, got one with a null character")
    try:
        os.fsencode(text)
    except UnicodeEncodeError as error:
        raise ValueError(f"{name}: expected a path, got {text!r:.60}: {error.reason}") from None
    return text


def value_of(name: str, value: Any) -> float:
    """What a user's function returned as its value, NaN and infinities included, or an error."""
    kind = getattr(getattr(value, "dtype", None), "kind", "f")
    try:  # float() reads texts, and drops the imaginary part of NumPy's numbers
        if not isinstance(value, (str, bytes, bytearray)) and kind not in ("c", "S", "T", "U"):
            return float(value)
    except OverflowError:
        raise _beyond(name, value) from None
    except Exception:  # a conversion of its own may raise anything
        pass
    shape = getattr(value, "shape", None)
    what = type(value).__name__ if shape is None else f"an array of shape {shape}"
    raise TypeError(f"{name}: expected a number as the function's value, got {what}")


def having(name: str, value: Any, attribute: str, expected: str) -> Any:
    """`value` if it is an object with the attribute, or TypeError."""
    if isinstance(value, type) or not hasattr(value, attribute):
        what = f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
        raise TypeError(f"{name}: expected {expected}, got {what}")
    return value


def function(name: str, value: Any) -> Any:
    """`value` if it can be called, or TypeError."""
    if isinstance(value, type) or not callable(value):
        what = f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
        raise TypeError(f"{name}: expected a function, got {what}")
    return value


def dropout_rates(dropout: float | Sequence[float], hidden: int) -> list[float]:
    """One rate for each layer's inputs; 0 for the data."""
    if isinstance(dropout, Real):
        return [0.0, *[_dropout_rate(dropout)] * hidden]
    rates = items("dropout", dropout, "a rate or one for each hidden layer")
    if len(rates) != hidden:
        raise ValueError(f"dropout: expected {hidden} rates, got {len(rates)}")
    return [0.0, *map(_dropout_rate, rates)]


def _dropout_rate(value: Any) -> float:
    rate = number("dropout", value)
    if not 0 <= rate < 1:
        raise ValueError(f"dropout: expected rates from 0 to less than 1, got {value}")
    return rate
