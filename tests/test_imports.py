"""The order of the Python modules: every import goes down the list of docs/architecture.md, and there is no cycle."""

import ast
import functools
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "python/nablas"
FILES = sorted(PACKAGE.rglob("*.py"))
CORE_USERS = {"kernels", "_threads", "_registry", "_engine"}


def name_of(path):
    """The dotted name within the package: "" for nablas itself, "autograd" for its __init__."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in FILES} | {"_core": None}


def resolve(target, name):
    """The module that ``from target import name`` reads: a submodule where there is one."""
    inner = f"{target}.{name}".lstrip(".")
    return inner if inner in MODULES else target


def imports(path):
    """(module, line) of every import from the package: relative, absolute, nested, by a string."""
    here = name_of(path).split(".") if name_of(path) else []
    package = here if path.name == "__init__.py" else here[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            if node.level:
                base = package[: len(package) - node.level + 1]
                target = ".".join([*base, *(node.module.split(".") if node.module else [])])
            elif node.module and node.module.split(".")[0] == "nablas":
                target = node.module.partition(".")[2]
            else:
                continue
            for alias in node.names:
                yield resolve(target, alias.name), node.lineno
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "nablas":
                    yield alias.name.partition(".")[2], node.lineno
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = ast.unparse(node.func)
            text = node.args[0].value
            if called.endswith(("import_module", "__import__")) and isinstance(text, str):
                if text.startswith("."):
                    yield ".".join([*package, text.lstrip(".")]), node.lineno
                elif text.split(".")[0] == "nablas":
                    yield text.partition(".")[2], node.lineno


GRAPH = {name_of(path): list(imports(path)) for path in FILES}


def declared_order():
    """Places of the top-level names in the list of docs/architecture.md, 0 the highest."""
    page = (ROOT / "docs/architecture.md").read_text()
    block = next(b for b in re.findall(r"```\n(.*?)```", page, re.DOTALL) if "__main__" in b)
    order = {}
    for place, line in enumerate(block.strip().splitlines()):
        for name in re.split(r" {3,}", line)[0].split():
            assert name not in order, f"{name} stands twice in the list of docs/architecture.md"
            order[name] = place
    return order


@pytest.mark.skipif(not (ROOT / "docs").exists(), reason="not in this tree")
def test_imports_go_down_the_declared_order():
    order = declared_order()
    top = lambda module: module.split(".")[0] or "__init__"  # noqa: E731
    assert {top(module) for module in MODULES} == set(order)
    for module, found in GRAPH.items():
        for target, line in found:
            assert target in MODULES, f"{module}:{line} imports {target}"
            if top(target) != top(module):
                assert order[top(module)] < order[top(target)], (
                    f"{module}:{line} imports {target}, which docs/architecture.md places above it"
                )


def test_there_is_no_cycle():
    """A package's __init__ counts as the package: importing it is importing all it imports."""
    state, stack = {}, []

    def visit(module):
        state[module] = "open"
        stack.append(module)
        for target, _ in GRAPH.get(module, []):
            if state.get(target) == "open":
                raise AssertionError(" -> ".join([*stack[stack.index(target) :], target]))
            if target not in state:
                visit(target)
        stack.pop()
        state[module] = "done"

    for module in GRAPH:
        if module not in state:
            visit(module)


def test_the_reference_imports_nothing_of_the_package():
    for module, found in GRAPH.items():
        if module.split(".")[0] == "reference":
            assert all(target.split(".")[0] == "reference" for target, _ in found), module


def test_only_four_modules_use_the_extension():
    users = {module for module, found in GRAPH.items() if "_core" in [t for t, _ in found]}
    assert users == CORE_USERS
    for path in FILES:
        if path.name != "_engine.py":
            assert not re.search(r"\b(Network|Dataset|Trainer)_float|_core\._", path.read_text()), (
                path
            )


@functools.cache
def private_names(path):
    """Names with one leading underscore that a file defines: functions, attributes, variables."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.attr)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__slots__":
            names |= {c.value for c in ast.walk(node.value) if isinstance(c, ast.Constant)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return {name for name in names if re.fullmatch(r"_[a-z]\w*", name)}


def test_private_attributes_stay_at_home():
    """``x._name`` is used where it is defined: in the same file, or in the same folder below the top."""
    ours = set().union(*map(private_names, FILES))
    for path in FILES:
        folder = path.parent
        neighbours = [path] if folder == PACKAGE else [p for p in FILES if folder in p.parents]
        home = set().union(*map(private_names, neighbours))
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in ours - home:
                raise AssertionError(f"{path.name}:{node.lineno} uses {ast.unparse(node)}")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from ..mlp import MLP", "mlp"),
        ("from .. import mlp", "mlp"),
        ("from nablas import mlp", "mlp"),
        ("from nablas.mlp import MLP", "mlp"),
        ("import nablas.mlp", "mlp"),
        ("def f():\n    from ..mlp import MLP", "mlp"),
        ("if TYPE_CHECKING:\n    from ..mlp import MLP", "mlp"),
        ("import_module('..mlp'.lstrip('x'))", None),
        ("importlib.import_module('nablas.mlp')", "mlp"),
        ("from .tensor import Tensor", "autograd.tensor"),
        ("from . import tensor", "autograd.tensor"),
        ("from .. import MLP", ""),
    ],
)
def test_every_form_of_import_is_seen(tmp_path, monkeypatch, text, found):
    monkeypatch.setattr("test_imports.PACKAGE", tmp_path)
    (tmp_path / "autograd").mkdir()
    path = tmp_path / "autograd/probe.py"
    path.write_text(text)
    assert [target for target, _ in imports(path)] == ([] if found is None else [found])


# ---- imports while a program runs ----------------------------------------------------------------

CALLS = """
import copy, pickle, sys
import numpy as np
import nablas as nb
from nablas import autograd as ag
from nablas._registry import LOSSES, OPTIMIZERS
known = set(sys.modules)
x = np.sin(np.arange(192.0)).reshape(64, 3).astype(np.float32)
y = np.arange(64) % 2
rows = type("Rows", (), {"shape": x.shape, "read": lambda self, at: (x[at], y[at])})()
tensor = ag.Tensor(x[:3].astype(float), requires_grad=True)
np.save("x.npy", x)

def make(loss="cross_entropy", **settings):
    output = {"cross_entropy": "softmax", "perceptron": "step", "binary_cross_entropy": "sigmoid"}.get(loss, "exp")
    return nb.MLP([3, 4, 2], output=output, **settings)

def fit(*data, loss="cross_entropy", **settings):
    net = make(loss)
    net.fit(*data, loss=loss, epochs=2, **settings)
    return net

def refused(function, *arguments):
    try:
        function(*arguments)
    except (TypeError, ValueError):
        return
    raise AssertionError(function)

net = make(seed=0)
for call in [
    lambda: fit(x, y),
    lambda: fit(x.tolist(), y.tolist(), sample_weight=[1.0] * 64),
    lambda: fit(x, np.array(["a", "b"])[y], validation_data=(x, np.array(["b", "a"])[y])),
    lambda: fit(x, np.array(["a", "b"], object)[y], class_weight={"a": 1, "b": 2}),
    lambda: fit(x, y, class_weight="balanced", l1=0.1, l2=0.1, clip_norm=1, dropout=0.1, shards=4),
    lambda: fit(x, y, callbacks=[nb.EarlyStopping(monitor="loss")], progress=True),
    lambda: fit(np.load("x.npy", mmap_mode="r"), y),
    lambda: fit(rows, block_rows=32, validation_data=rows),
    lambda: fit(nb.data.ArraySource(x, y), block_rows=32),
    lambda: fit(nb.data.CachedSource(rows), block_rows=32),
    lambda: fit(x, np.eye(2)[y], loss=lambda out, y: (0.0, 0 * out)),
    lambda: fit(x, np.eye(2)[y], loss=ag.as_loss(lambda out, y: ((out - y) ** 2).mean())),
    *(lambda loss=loss: fit(x, np.eye(2)[y], loss=loss) for loss in LOSSES),
    *(lambda name=name: fit(x, y, optimizer=name) for name in OPTIMIZERS),
    lambda: net.predict(x), lambda: net.predict_proba(x), lambda: net.score(x, y), lambda: net.loss(x, y),
    lambda: net.gradient(x, y), lambda: net.gradients(x, y), lambda: str(net.explain(x[0], y[0])), lambda: repr(net),
    lambda: pickle.loads(pickle.dumps(fit(x, y))), lambda: copy.deepcopy(net), lambda: net.initialize(),
    *(lambda f=f: getattr(nb.metrics, f)(np.eye(2)[y], np.eye(2)[y], **({"k": 1} if f.endswith("_k") else {})) for f in nb.metrics.__all__),
    lambda: nb.gradient_descent(lambda x: float(x @ x), lambda x: 2 * x, np.ones(3)),
    lambda: (np.exp(tensor) @ tensor).sum().backward(), lambda: np.median(tensor), lambda: ag.jacobian(lambda t: t**2, tensor),
    lambda: ag.gradcheck(lambda t: (t**3).sum(), tensor), lambda: ag.hessian(lambda t: (t**3).sum(), tensor),
    lambda: nb.kernels.matmul(x, x.T), lambda: nb.kernels.softmax(x), lambda: nb.reference.softmax(x), lambda: nb.isa(),
    lambda: refused(net.predict, "words"), lambda: refused(net.fit, x[:, :1], y), lambda: refused(net.fit, x, y + 9),
]:
    call()
    for name in sorted(set(sys.modules) - known):
        print(name)
    known |= set(sys.modules)
"""


def test_no_call_imports(tmp_path):
    """A child forked while another thread imports waits for ever when it imports the same."""
    done = subprocess.run(
        [sys.executable, "-c", CALLS], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
