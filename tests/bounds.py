"""Calls every kernel, and trains, with arrays that begin or end where this process may access no more.

Run as a program, since what it looks for ends the process: python tests/bounds.py ISA DTYPE. Prints what it is about to do,
and at the end "done".
"""

import ctypes
import inspect
import mmap
import sys

import numpy as np
from test_kernels import arguments, results

import nablas as nb
from nablas import _core, kernels

PAGE = mmap.PAGESIZE
WIDTHS = range(5, 37)  # up to two vectors of AVX-512, and more
kept = []  # maps whose arrays are in use


def at_the_edge(array, end):
    """A copy that ends, or begins, at a page without access."""
    array = np.asarray(array)
    pages = -(-max(array.nbytes, 1) // PAGE)
    kept.append(mmap.mmap(-1, (pages + 2) * PAGE))
    whole = np.frombuffer(kept[-1], np.uint8)
    protect = ctypes.CDLL(None, use_errno=True).mprotect
    for page in (0, pages + 1):
        address = ctypes.c_void_p(whole.ctypes.data + page * PAGE)
        if protect(address, ctypes.c_size_t(PAGE), 0) != 0:
            raise OSError(ctypes.get_errno(), "mprotect")
    begin = (pages + 1) * PAGE - array.nbytes if end else PAGE
    placed = whole[begin : begin + array.nbytes].view(array.dtype).reshape(array.shape)
    placed[...] = array
    return placed


def placed(value, end):
    if isinstance(value, np.ndarray):
        return at_the_edge(value, end)
    if isinstance(value, list) and all(isinstance(entry, np.ndarray) for entry in value):
        return [at_the_edge(entry, end) for entry in value]
    return value


def call(name, dtype, width, end):
    function = getattr(kernels, name)
    given = arguments(name, dtype, p=width, q=width - 4)
    want = results(
        function, {key: np.copy(v) if isinstance(v, np.ndarray) else v for key, v in given.items()}
    )
    given = arguments(name, dtype, p=width, q=width - 4)
    given = {key: placed(value, end) for key, value in given.items()}
    if "out" in inspect.signature(function).parameters:
        given["out"] = at_the_edge(np.zeros_like(want[-1]), end)
    for mine, expected in zip(results(function, given), want, strict=True):
        np.testing.assert_array_equal(mine, expected)


def train(dtype, width, end):
    rng = np.random.default_rng(0)
    x, classes = rng.standard_normal((37, width)).astype(dtype), width - 4
    y = rng.integers(0, classes, 37)
    fits = []
    for place in (np.asarray, lambda array: at_the_edge(array, end)):
        net = nb.MLP([width, 7, classes], output="softmax", dtype=dtype, seed=0)
        net.fit(place(x), place(y), epochs=2, batch_size=8, sample_weight=place(np.ones(37, dtype)))
        fits.append(net.predict_proba(place(x)))
    np.testing.assert_array_equal(*fits)


def main(isa, dtype):
    _core.use_isa(isa)
    for width in WIDTHS:
        for end in (True, False):
            for name in kernels.__all__:
                print(name, width, "end" if end else "begin", flush=True)
                call(name, dtype, width, end)
            print("fit", width, "end" if end else "begin", flush=True)
            train(dtype, width, end)
            kept.clear()
    print("done")


if __name__ == "__main__":
    main(*sys.argv[1:])
