"""Odd values made from a valid one.

Each mutation has a name and gives the new value. Those in LAYOUTS keep the content and the dtype, so the result must
be the valid value's, bit for bit.
"""

import copy
import inspect
from decimal import Decimal
from fractions import Fraction

import numpy as np


class Subclass(np.ndarray):
    """An array type of somebody else."""


class Evil:
    """Its conversion to an array raises."""

    def __array__(self, dtype=None, copy=None):
        raise EvilError("evil: no array today")


class EvilError(Exception):
    """Raised by Evil; it must reach the caller."""


class Liar:
    """Its conversion to an array gives none."""

    def __array__(self, dtype=None, copy=None):
        return "no array"


class Fickle:
    """Its conversion gives another array every time: other values and another shape."""

    def __init__(self, a):
        self.a, self.looks = a, 0

    def __array__(self, dtype=None, copy=None):
        self.looks += 1
        made = (
            np.array(self.a, dtype)
            if dtype is None or self.a.dtype.kind != "V"
            else np.array(self.a)
        )
        return made if self.looks == 1 else made[:0]


class Interface:
    """An array of somebody else, by the array interface."""

    def __init__(self, a):
        self.a = np.ascontiguousarray(a)
        self.__array_interface__ = self.a.__array_interface__


class Word(str):
    """A str of somebody else."""


class Shrinking:
    """A sequence whose length changes between two looks."""

    def __init__(self, rows):
        self.rows = list(rows)

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        row = self.rows[i]
        if len(self.rows) > 1:
            self.rows.pop()
        return row


def strided(a):
    wide = np.zeros([2 * n + 1 for n in a.shape], a.dtype)
    view = wide[tuple(slice(1, 2 * n + 1, 2) for n in a.shape)]
    view[...] = a
    return view


def misaligned(a):
    raw = np.zeros(a.nbytes + 1, np.uint8)
    view = raw[1:].view(a.dtype).reshape(a.shape)
    view[...] = a
    return view


def read_only(a):
    made = a.copy()
    made.flags.writeable = False
    return made


def reversed_twice(a):
    every = tuple(slice(None, None, -1) for _ in a.shape)
    return np.ascontiguousarray(a[every])[every]


LAYOUTS = {
    "fortran": np.asfortranarray,
    "strided": strided,
    "negative strides": reversed_twice,
    "misaligned": misaligned,
    "byte-swapped": lambda a: a.astype(a.dtype.newbyteorder()),
    "read-only": read_only,
    "subclass": lambda a: a.view(Subclass),
    "matrix": lambda a: np.asmatrix(a) if a.ndim == 2 else a.view(np.recarray),
    "memoryview": lambda a: memoryview(np.ascontiguousarray(a)) if a.size else a,
}


def _with(value):
    def change(a):
        made = np.array(a)
        if made.size and made.dtype.kind == "f":
            made.flat[made.size // 2] = value
        return made

    return change


CONTENTS = {
    "nan": _with(np.nan),
    "inf": _with(np.inf),
    "-inf": _with(-np.inf),
    "huge": lambda a: a * a.dtype.type(1e30) if a.dtype.kind == "f" else a * 10**17,
    "tiny": lambda a: a * a.dtype.type(1e-38) if a.dtype.kind == "f" else a * 0,
    "zeros": np.zeros_like,
    "negative": lambda a: -np.abs(a),
    "one row less": lambda a: a[:-1],
    "no rows": lambda a: a[:0],
    "no columns": lambda a: a[..., :0],
    "transposed": lambda a: a.T.copy(),
    "one axis more": lambda a: a[np.newaxis],
    "one axis less": lambda a: a[0] if a.ndim else a,
    "flat": lambda a: a.ravel(),
    "bool": lambda a: a > 0,
    "int8": lambda a: np.sign(a).astype(np.int8),
    "int64": lambda a: np.sign(a).astype(np.int64),
    "uint64": lambda a: (a > 0).astype(np.uint64),
    "float16": lambda a: a.astype(np.float16),
    "other float": lambda a: a.astype(np.float32 if a.dtype == np.float64 else np.float64),
    "longdouble": lambda a: a.astype(np.longdouble),
    "complex": lambda a: a.astype(complex),
    "object": lambda a: a.astype(object),
    "object of strings": lambda a: np.full(a.shape, "x", object),
    "strings": lambda a: np.full(a.shape, "1.5"),
    "dates": lambda a: np.zeros(a.shape, "datetime64[s]"),
    "structured": lambda a: np.zeros(a.shape, [("x", float), ("y", int)]),
    "masked": lambda a: np.ma.masked_array(a, mask=np.arange(a.size).reshape(a.shape) % 2 == 0),
    "unmasked": lambda a: np.ma.masked_array(a),
    "list": lambda a: a.tolist(),
    "ragged": lambda a: [[1.0], [1.0, 2.0]],
    "nested": lambda a: [[[[a.tolist()]]]],
    "list of rows": list,
    "tuple of lists": lambda a: tuple(np.atleast_1d(a).tolist()),
    "interface": Interface,
    "fickle": Fickle,
    "masked and nan": lambda a: np.ma.masked_invalid(_with(np.nan)(a)),
    "void": lambda a: a.view("V1") if a.ndim and a.flags.c_contiguous else a,
    "times": lambda a: np.zeros(a.shape, "timedelta64[ns]"),
    "too many columns to exist": lambda a: np.broadcast_to(a.dtype.type(1), (1, 2**58)),
    "too large to exist": lambda a: np.broadcast_to(a.dtype.type(1), (2**38, 2**20)),
    "too many rows to exist": lambda a: np.broadcast_to(a.dtype.type(1), (2**58, 1)),
    "scalar": lambda a: 1.5,
    "None": lambda a: None,
    "text": lambda a: "x",
    "bytes": lambda a: b"\0" * 8,
    "dict": lambda a: {"a": 1},
    "set": lambda a: {1.0, 2.0},
    "generator": lambda a: (x for x in (1.0, 2.0)),
    "range": lambda a: range(3),
    "class": lambda a: np.ndarray,
    "function": lambda a: len,
    "evil": lambda a: Evil(),
    "liar": lambda a: Liar(),
    "shrinking": lambda a: Shrinking(np.atleast_1d(a).tolist()),
}

PLAIN = [
    None, True, 0, -1, 1, 2**31, 2**63, 2**70, -(2**63), 0.0, 0.5, -0.5, 1e400, -1e400, float("nan"), 1e-320, "", "x",
    "relu", "\0", "ü" * 300, b"relu", [], [1, 2], (), {}, {"a": 1}, object, len, np.float32(0.5), np.int8(3), np.array(2),
    np.array([1.0, 2.0]), np.nan, 1j, range(2), Evil(), 2**32, 2**53 + 1, np.uint64(2**63), np.bool_(True), np.datetime64("2020-01-01"), np.str_("relu"),
    Word("relu"), Fraction(1, 2), Decimal("0.5"), bytearray(b"relu"), ..., slice(3), np.ma.masked, np.array(["relu"]),
    np.array(0.5, object), "RELU", "ré\ud800lu", [None], [[1], [1, 2]], {1, 2}, iter(()), np.longdouble(0.5),
]  # fmt: skip


def odd_array(choice, a, layouts_only=False):
    """A mutation's name and the value it makes of `a`; `choice` is a numpy Generator."""
    table = LAYOUTS if layouts_only or choice.random() < 0.3 else CONTENTS
    name = list(table)[choice.integers(len(table))]
    with np.errstate(all="ignore"):
        try:
            return name, table[name](a)
        except TypeError:  # there is no such change of booleans
            return "None", None


def odd_value(choice, value):
    """A mutation's name and what it makes of any valid value."""
    if isinstance(value, np.ndarray):
        return odd_array(choice, value)
    made = PLAIN[choice.integers(len(PLAIN))]
    return repr(made)[:40], made


def defaults(function):
    """The optional parameters of a callable and their values."""
    found = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in found if p.default is not p.empty}


def clean(value):
    """A plain copy: a contiguous array of the same content and dtype, native byte order."""
    if isinstance(value, np.ndarray) and value.ndim == 0 and value.dtype == object:
        return value.item()
    if isinstance(value, np.ndarray):
        return np.array(value, dtype=value.dtype.newbyteorder("="), order="C", subok=False)
    if isinstance(value, memoryview):
        return np.array(value)
    if isinstance(value, Interface):
        return np.array(value.a)
    if isinstance(value, (Fraction, Decimal)):
        return float(value)
    if isinstance(value, list):  # its items may be views of an output
        return copy.deepcopy(value)
    return value
