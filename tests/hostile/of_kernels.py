"""Calls of `nablas.kernels`, judged by `nablas.reference` on clean copies of the arguments."""

import inspect

import numpy as np
from test_kernels import arguments, results

from nablas import kernels, reference

from .judge import close, complaint, snapshot
from .values import LAYOUTS, clean, odd_value

OUTPUTS = {"out", "preactivation_out", "gradient_out", "delta_out"}
EXTRA = {"accumulate", "transpose_a", "transpose_b", "dtype"}


def call(choice):
    """One call: its description, and what was wrong or None."""
    name = kernels.__all__[choice.integers(len(kernels.__all__))]
    dtype = ("float32", "float64")[choice.integers(2)]
    function, oracle = getattr(kernels, name), getattr(reference, name)
    signature = inspect.signature(function).parameters
    given = arguments(name, dtype)
    told = f"{name}({dtype})"
    optional = [p for p in signature if p in OUTPUTS | EXTRA and p not in given]
    mutated = {}
    for target in choice.choice(
        [*given, *optional], size=1 + (choice.random() < 0.3), replace=False
    ):
        target = str(target)
        if target in OUTPUTS:
            kind, value = odd_out(choice, given, name, dtype)
        else:
            kind, value = odd_value(choice, given.get(target, False))
            if target == "count" and isinstance(value, int) and 2**16 < value < 2**40:
                value = 2**16  # more is a long call, not an odd one
        given[target], mutated[target] = value, kind
    told += ", ".join(f" {target}: {kind}" for target, kind in mutated.items())
    return told, judged(function, oracle, given, mutated, dtype, set(signature))


def odd_out(choice, given, name, dtype):
    """An output array: of the right shape, wrong, read-only, or overlapping an input."""
    arrays = [v for v in given.values() if isinstance(v, np.ndarray)]
    try:
        valid = arguments(name, dtype)
        if any(a.size > 2**24 for a in arrays):
            raise MemoryError  # the reference would read all of it
        if any(isinstance(v, (str, bytes, list, tuple)) and k in valid and isinstance(valid[k], (int, float))
               for k, v in given.items()):  # fmt: skip
            raise TypeError  # the reference multiplies numbers, which repeats a text or a list
        result = results(getattr(reference, name), {k: clean(v) for k, v in given.items()})[-1]
    except Exception:  # another argument is odd
        result = np.zeros((6, 4), dtype)
    result = result if result.dtype.kind == "f" else np.zeros((6, 4), dtype)
    kinds = kinds_of_out(choice, given, arrays, result)
    kind = list(kinds)[choice.integers(len(kinds))]
    return f"out {kind}", kinds[kind]()


def kinds_of_out(choice, given, arrays, result):
    """Functions that make an output for a result, by what is odd about it; `arrays`: the inputs."""
    fresh = np.zeros(result.shape, result.dtype)
    arrays = [a for a in arrays if a.ndim] or [np.atleast_1d(fresh)]
    return {
        "right": lambda: fresh,
        "too few rows": lambda: fresh[:-1] if fresh.ndim else fresh,
        "other dtype": lambda: fresh.astype(np.float16),
        "integers": lambda: fresh.astype(int),
        "read-only": lambda: np.broadcast_to(fresh, fresh.shape),
        "an input": lambda: arrays[choice.integers(len(arrays))],
        "an input reversed": lambda: arrays[choice.integers(len(arrays))][::-1],
        "fortran": lambda: np.asfortranarray(fresh),
        "list": fresh.tolist,
        "shifted": lambda: shifted(choice, given, fresh),
        "strided": lambda: np.zeros((*fresh.shape, 2), fresh.dtype)[..., 0],
        "repeating": lambda: np.lib.stride_tricks.as_strided(fresh, fresh.shape, (0,) * fresh.ndim),
        "byte-swapped": lambda: fresh.astype(fresh.dtype.newbyteorder()),
        "subclass": lambda: fresh.view(np.matrix) if fresh.ndim == 2 else fresh,
        "masked": lambda: np.ma.masked_array(fresh),
    }


def shifted(choice, given, fresh):
    """An output that begins some entries after or before an input's first, in the same memory."""
    fitting = [
        k for k, v in given.items()
        if isinstance(v, np.ndarray) and v.dtype == fresh.dtype and v.ndim and 0 < v.size < 2**20 and fresh.size
    ]  # fmt: skip
    if not fitting:
        return fresh
    key = fitting[choice.integers(len(fitting))]
    value, shift = given[key], int(choice.integers(1, 9))
    memory = np.zeros(max(value.size, fresh.size) + shift, fresh.dtype)
    first, second = (0, shift) if choice.random() < 0.5 else (shift, 0)
    given[key] = memory[first : first + value.size].reshape(value.shape)
    given[key][...] = value
    return memory[second : second + fresh.size].reshape(fresh.shape)


def judged(function, oracle, given, mutated, dtype, names):
    outputs = {k: v for k, v in given.items() if k in OUTPUTS}
    inputs = {k: v for k, v in given.items() if k not in outputs}
    written = {"parameters", "states"}
    aliased = [v for v in outputs.values() if isinstance(v, np.ndarray)]
    before = {
        k: snapshot(v)
        for k, v in inputs.items()
        if k not in written
        and isinstance(v, np.ndarray)
        and not any(np.may_share_memory(v, out) for out in aliased)
    }
    try:
        copies = {
            k: [clean(s) for s in v] if k == "states" and isinstance(v, list) else clean(v)
            for k, v in inputs.items()
        }
    except Exception:
        copies = None
    try:
        got = results(function, given)
    except Exception as error:
        layout_only = all(kind in LAYOUTS for kind in mutated.values())
        if layout_only and not written & set(mutated):
            return f"refused a layout: {type(error).__name__}: {error}"
        return complaint(error, names)
    finally:
        for k, content in before.items():
            if snapshot(inputs[k]) != content:
                return f"changed its input {k}"  # noqa: B012
    if copies is None or {"shrinking", "fickle"} & set(
        mutated.values()
    ):  # its content differs from look to look
        return None
    try:
        with np.errstate(all="ignore"):
            want = results(oracle, copies)
    except Exception as error:
        return f"gave a result where the reference raises {type(error).__name__}: {error}"
    coarse = dtype == "float32" or any("float" in kind for kind in mutated.values())
    tolerance = 2e-4 if coarse else 1e-9
    if len(got) != len(want) or not all(
        close(g, w, tolerance, coarse) for g, w in zip(got, want, strict=False)
    ):
        return f"result differs from the reference's: {[g.ravel()[:3] for g in got]}, {[w.ravel()[:3] for w in want]}"
    return None
