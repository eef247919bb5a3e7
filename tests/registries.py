"""What each entry of the core's registries still lacks: generators of messages that name a file and a line.

`conftest` runs only `test_recipes` while something is missing, since every enumerating test would fail with it.
"""

import ast
import inspect
import re
from pathlib import Path

import nablas as nb
from nablas import kernels, reference
from nablas._registry import ACTIVATIONS, LOSSES, OPTIMIZERS

PYTHON = Path(nb.__file__).parent


def line_of(path, pattern):
    """``path:line`` of the last line that matches; paths are relative to the repository or the package."""
    at = Path(__file__).parents[1] / path
    lines = (
        (at if at.exists() else PYTHON / path.removeprefix("python/nablas/"))
        .read_text()
        .splitlines()
    )
    return f"{path}:{max(i for i, text in enumerate(lines, 1) if re.search(pattern, text))}"


def defaults(function, keyword_only=False):
    """The defaults of a function's parameters, by name."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if not keyword_only or p.kind is p.KEYWORD_ONLY}


def defaults_of(entry):
    """The defaults of a registered entry's hyperparameters, by name."""
    return {name: h.default for name, h in entry.hyperparameters.items()}


def activations():
    path = "python/nablas/reference/activations.py"
    for name, entry in ACTIVATIONS.items():
        if name not in reference.ACTIVATIONS:
            yield f"{line_of(path, '^def ')}: after it add a function {name}"
        elif (reference.ACTIVATIONS[name].inverse is None) == (entry.kept == "output"):
            yield (
                f"{line_of(path, f'^def {name}')}: @activation needs an inverse if and only if the C++ "
                "struct takes the slope from the output"
            )
    for name in set(reference.ACTIVATIONS) - set(ACTIVATIONS):
        yield f"{line_of(path, f'^def {name}')}: {name} is not registered in cpp/kernels/activations.hpp"


def losses():
    path = "python/nablas/reference/losses.py"
    for name, entry in LOSSES.items():
        if name not in reference.LOSSES:
            yield f"{line_of(path, r'^def .*z: Any')}: after it add a function {name}"
            continue
        theirs, at = reference.LOSSES[name], line_of(path, f"^def {name}")
        for field in ("link", "function", "averaged"):
            if getattr(theirs, field) != getattr(entry, field):
                yield f"{at}: @loss says {field} {getattr(theirs, field)!r}, the C++ struct {getattr(entry, field)!r}"
        if defaults(theirs.entries, keyword_only=True) != defaults_of(entry):
            yield f"{at}: expected the hyperparameters {dict(entry.hyperparameters)}"
    for name in set(reference.LOSSES) - set(LOSSES):
        yield f"{line_of(path, f'^def {name}')}: {name} is not registered in cpp/kernels/losses.hpp"


def loss_classes():
    classes = {cls().name: cls for cls in nb.Loss.__subclasses__()}
    for name, entry in LOSSES.items():
        if not entry.hyperparameters:
            continue
        if name not in classes:
            yield f"{line_of('python/nablas/_losses.py', '^class .*Loss')}: after it add a class for {name}"
            continue
        if defaults(classes[name]) != defaults_of(entry):
            yield f"{line_of('python/nablas/_losses.py', f'class {classes[name].__name__}')}: parameters differ"
        if classes[name].__name__ not in nb.__all__:
            yield f"{line_of('python/nablas/__init__.py', 'Huber')}: export {classes[name].__name__}"


def optimizers():
    path = "python/nablas/reference/optimizers.py"
    for name, rule in OPTIMIZERS.items():
        if name not in reference.RULES:
            yield f"{line_of(path, ': Rule')}: after it add {name!r}, and a function _{name} above"
            continue
        theirs = reference.RULES[name]
        if (theirs.arrays, theirs.scalar) != (len(rule.states), rule.scalar is not None):
            yield f"{line_of(path, f': Rule._{name}')}: expected states {rule.states}, {rule.scalar}"
    for name in set(reference.RULES) - set(OPTIMIZERS):
        yield f"{path}: {name} is not registered in cpp/kernels/optimizers.hpp"


def optimizer_classes():
    classes = {
        c.name: c for c in vars(nb.optimizers).values() if hasattr(c, "bind") and hasattr(c, "name")
    }
    path = "python/nablas/optimizers.py"
    for name, rule in OPTIMIZERS.items():
        if name not in classes:
            yield f"{line_of(path, '^class .*Optimizer')}: after it add a class with name = {name!r}"
            continue
        own = defaults(classes[name])
        del own["learning_rate"]
        if own != defaults_of(rule):
            yield f"{line_of(path, f'^class {classes[name].__name__}')}: defaults differ from the C++ struct's"
        if classes[name].__name__ not in nb.__all__:
            yield f"{line_of('python/nablas/__init__.py', 'Adam')}: export {classes[name].__name__}"


def stub_signatures():
    """Parameters of every function of the stub; ``x = y`` gives x those of y."""
    found = {}
    for node in ast.parse((PYTHON / "_core.pyi").read_text()).body:
        if isinstance(node, ast.FunctionDef):
            a = node.args
            names = [p.arg for p in [*a.posonlyargs, *a.args, *a.kwonlyargs]]
            found[node.name] = names + ([a.kwarg.arg] if a.kwarg else [])
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Name):
            found[node.targets[0].id] = found.get(node.value.id)
    return found


def kernels_and_stub():
    stub = stub_signatures()
    at = line_of("python/nablas/_core.pyi", "= mse$")
    functions = {entry.function for entry in LOSSES.values()}
    for name in kernels.__all__:
        got = inspect.signature(getattr(kernels, name))
        if name not in stub:
            yield f"{at}: after it add {name}{got}"
        elif stub[name] != list(got.parameters):
            yield f"{line_of('python/nablas/_core.pyi', rf'^(def )?{name}[ (]')}: expected {name}{got}"
        if name in functions:
            continue  # generated from the loss, which `losses` compares
        if not hasattr(reference, name):
            place = line_of("python/nablas/reference/__init__.py", "^from")
            yield f"{place}: import a function {name}{got} of the reference, and export it"
            continue
        want = inspect.signature(getattr(reference, name))
        if [(p.name, p.kind) for p in got.parameters.values()] != [
            (p.name, p.kind) for p in want.parameters.values()
        ]:
            yield f"python/nablas/reference: {name} has the signature {want}, the kernel {got}"


STEPS = [activations, losses, loss_classes, optimizers, optimizer_classes, kernels_and_stub]


def missing():
    """All messages."""
    return [message for step in STEPS for message in step()]
