"""Calls of every other public function and class: autograd's functions, schedules, optimizers, files, conversions, plots.

A call has one or two of the arguments in `valid` odd. A test compares their names with the public modules' ``__all__``.
"""

import contextlib
import importlib
import io
import pkgutil
import sys

import numpy as np

import nablas as nb
from nablas import autograd

from .judge import complaint
from .of_library import same_for_layouts
from .valid import FOLDER, cases
from .values import defaults, odd_array, odd_value

# Records that the product makes and hands out: they keep what they are given.
RECORDS = {"DescentResult", "Explanation", "FitState", "History", "Plan", "TorchLayers", "Context"}


def modules():
    """The package and its public modules: those whose names and contents are listed in ``__all__``."""
    names = [m.name for m in pkgutil.iter_modules(nb.__path__) if not m.name.startswith("_")]
    found = {name: importlib.import_module(f"nablas.{name}") for name in names}
    return {"": nb} | {name: module for name, module in found.items() if hasattr(module, "__all__")}


def public():
    """The public callables by module and name."""
    found = {}
    for module, target in modules().items():
        for name in target.__all__:
            value = getattr(target, name)
            if callable(value):
                found[f"{module}.{name}".lstrip(".")] = value
    return found


def resolved(name):
    """The callable of a name within the package."""
    value = nb
    for part in name.split("."):
        value = (
            getattr(value, part)
            if hasattr(value, part)
            else importlib.import_module(f"nablas.{part}")
        )
    return value


def call(choice):
    """One call: its description, and what was wrong or None."""
    names = list(cases())
    name = names[choice.integers(len(names))]
    if name.startswith("plots.") and choice.random() < 0.5:  # drawing takes long
        name = names[choice.integers(len(names))]
    function, told = resolved(name), name
    given = defaults(function) | cases()[name]()
    if not given:  # one argument that it does not take
        given = {"x": None}
    changed = {}
    targets = [k for k in given if k != "self"]
    for target in choice.choice(
        targets, size=min(len(targets), 1 + (choice.random() < 0.2)), replace=False
    ):
        kind, value = odd_argument(choice, name, str(target), given[target])
        changed[str(target)] = kind
        given[target] = value
        told += f" {target}: {kind}"
    if (
        len(changed) == 1
        and name.startswith("autograd.")
        and isinstance(given[str(target)], np.ndarray)
    ):
        act = lambda argument: _result(function, {**given, str(target): argument})  # noqa: E731
        return told, _judged(
            name, same_for_layouts(act, given[str(target)], kind, names_of(name, given))
        )
    try:
        _result(function, given)
    except Exception as error:
        return told, _judged(name, complaint(error, names_of(name, given)))
    return told, None


# First words of messages beside the arguments' names: names of what is in an argument or behind it; a result.
ALSO = {
    "schedules.as_schedule": ["learning_rate"], "schedules.Schedule": ["learning_rate"],
    "optimizers.make_optimizer": ["SGD", "sgd"], "check_loss": ["gradient", "ufunc"], "autograd.gradcheck": ["gradient"],
    "autograd.gradgradcheck": ["gradient", "unsupported", "squares"], "MLP.from_torch": ["model", "sizes"], "sklearn.from_torch": ["sizes"],
    "autograd.grad": ["gradient"],
    "Loss": ["huber", "loss"], "gradient_descent": ["cost", "grad"],
}  # fmt: skip
# Functions of NumPy's names: their messages about shapes and axes are NumPy's.
NUMPYS = {name for name in autograd.__all__ if hasattr(np, name)} | {
    "softmax",
    "log_softmax",
    "logsumexp",
    "norm",
}


def odd_argument(choice, name, target, valid):
    if target == "path":
        options = [
            FOLDER,
            FOLDER / "none" / "x",
            3,
            None,
            bytes(FOLDER) + b"/\xff",
            str(FOLDER / "a\0b"),
            str(FOLDER / "a\ud800b"),
            [],
            "",
            FOLDER / ("n" * 300),
        ]
        value = options[choice.integers(len(options))]
        return repr(value)[-20:], value
    if isinstance(valid, np.ndarray):
        kind, value = odd_array(choice, valid)
        return (
            ("None", None) if kind.startswith("too") else (kind, value)
        )  # NumPy reads all of it, which takes long
    kind, value = odd_value(choice, valid)
    if target in (
        "resolution",
        "grid_resolution",
        "max_iterations",
        "most_units",
        "bins",
        "count",
    ) and isinstance(value, int):
        value = min(value, 5)  # a large one is a long call, not an odd one
    if callable(value) and (
        callable(valid) or target == "callback"
    ):  # errors of a caller's function are his own
        kind, value = "None", None
    return kind, value


def _result(function, given):
    given = dict(given)
    positional = [given.pop(k) for k in ("self", "operands") if k in given]
    if "subscripts" in given:
        positional.insert(0, given.pop("subscripts"))
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            made = function(*positional, **given)
        finally:
            if "matplotlib.pyplot" in sys.modules:
                sys.modules["matplotlib.pyplot"].close("all")
    if isinstance(made, autograd.Tensor):
        return np.array(made.data)
    return made.read(slice(0, 3)) if hasattr(made, "read") else made


def names_of(name, given):
    """First words of a message that a caller can use."""
    found = {*given, *ALSO.get(name, ()), name.split(".")[-1]}
    return found | {"data"} if name.startswith("autograd.") else found  # the argument of a Tensor


def _judged(name, wrong):
    """`wrong`, but for records, and for NumPy's own words about an operand."""
    last = name.split(".")[-1]
    if wrong is None or "binding layer" in wrong:
        return wrong
    if last == "load" and f": {FOLDER}/" in wrong:  # errors of a file begin with its name
        return None
    if (
        last in RECORDS
        or last.endswith("Display")
        or (last in NUMPYS and "names no argument" in wrong)
    ):
        return None
    return wrong
