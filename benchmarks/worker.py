"""One contender in its own process: reads a line of JSON, answers with one.

{"do": "prepare", "kind": "train", "case": hex of a pickled case} -> {"able": true, "wrong": null}
{"do": "run", "count": 100}                                       -> {"units": 100, "seconds": 0.01}
{"do": "learn", "seed": 3}                                        -> {"accuracy": 98.1, "seconds": 0.9}

"prepare" also checks the contender's answer; "wrong" is null or says why it is not timed.
"""

import importlib
import json
import pickle
import sys
import time
import traceback

import numpy as np

TOLERANCE = (
    2e-3  # relative error of float32 results against the float64 reference; float64 is far below
)


def worst(x):
    return np.abs(x).max()


def root_mean_square(x):
    """For Adam: the first step is the gradient's sign, which rounding decides near 0."""
    return np.sqrt(np.mean(x * x))


def check(kind, case, got):
    """None if the answer is right, otherwise the error as text."""
    if got is None or kind in ("fit", "estimate"):
        return None
    size = worst
    if kind in ("train", "learn"):
        net = case.network() if kind == "train" else case.network(0)
        before, want = net.parameters.astype(np.float64), case.expected()
        if case.optimizer == "adam":
            size = root_mean_square
        scale = size(want - before)  # of the change that training made
    elif kind == "multiply":
        a, b, ta, tb = case.operands()
        a, b = a.astype(np.float64), b.astype(np.float64)
        want = (a.T if ta else a) @ (b.T if tb else b)
        scale = np.abs(want).max()
    elif kind == "differentiate":
        want = case.expected()
        scale = np.abs(want).max()
    else:
        want = case.expected()
        scale = 1.0
    error = size(got - want) / scale
    return None if error < TOLERANCE else f"the answer is off by {error:.2g}"


def prepare(contender, kind, case):
    method = getattr(contender, kind, None)
    made = method(case) if method else None
    if made is None:
        return None, {"able": False}
    run, answer = made
    wrong = check(kind, case, answer()) if answer else None
    return run, {"able": wrong is None, "wrong": wrong}


def timed(run, count):
    """A run's units and seconds, which a contender that is a program measures itself."""
    start = time.perf_counter()
    units = run(count)
    seconds = time.perf_counter() - start
    units, seconds = units if isinstance(units, tuple) else (units, seconds)
    return {"units": units, "seconds": seconds}


def use_build(folder):
    """Import nablas from a folder, ahead of an installed or editable one."""
    sys.meta_path[:] = [f for f in sys.meta_path if "ScikitBuild" not in type(f).__name__]
    sys.path.insert(0, folder)
    import nablas

    if not nablas.__file__.startswith(folder):
        raise ImportError(f"{folder}: expected nablas in it, got {nablas.__file__}")


def main():
    module, name = sys.argv[1].split(":")
    if len(sys.argv) > 3:
        use_build(sys.argv[3])
    contender = getattr(importlib.import_module(module), name)(int(sys.argv[2]))
    out, sys.stdout = sys.stdout, sys.stderr
    run = case = None
    for line in sys.stdin:
        order = json.loads(line)
        try:
            if order["do"] == "prepare":
                case = pickle.loads(bytes.fromhex(order["case"]))
                run, reply = prepare(contender, order["kind"], case)
            elif order["do"] == "learn":
                parameters, seconds = run(order["seed"])
                reply = {"accuracy": case.accuracy(parameters), "seconds": seconds}
            else:
                reply = timed(run, order["count"])
        except Exception as error:  # becomes a remark in the report
            reply = {"able": False, "wrong": f"{type(error).__name__}: {error}"[:200]}
            traceback.print_exc()
        print(json.dumps(reply), file=out, flush=True)


if __name__ == "__main__":
    main()
