"""Each rule of autograd declares the arrays whose values it reads: NaN in place of any other changes nothing."""

import numpy as np
import pytest
from cases import loss_targets
from test_autograd_rules import CASES, leaf_of

import nablas as nb
from nablas import autograd as ag
from nablas._registry import LOSSES
from nablas.autograd import Tensor
from nablas.autograd.engine import reachable
from nablas.autograd.rules import RULES


def nodes(y):
    """The operations behind a Tensor: (operation, its inputs, its result)."""
    for tensor in reachable([y]):
        operation, inputs, _ = tensor._node
        yield operation, inputs, tensor


def fused(name):
    """The fused layer and losses, which are not in the table."""
    if name == "dense":
        return [
            ag.dense(leaf_of((3, 2), 1), leaf_of((3, 4), 2), a)
            for a in ("tanh", "gelu", "identity")
        ]
    y = loss_targets(name, 3, 2)
    return [getattr(ag, name)(leaf_of((3, 2), 1), y, sample_weight=w) for w in (None, np.ones(3))]


def pulled(operation, g, y, inputs):
    """All gradients by the rules, as arrays; None where there is none."""
    wanted = [isinstance(x, (Tensor, np.ndarray)) for x in inputs]
    with np.errstate(all="ignore"):
        if operation.joint is not None:
            parts = operation.joint(g, y, wanted, *inputs)
        else:
            parts = [rule(g, y, *inputs) for rule in operation.rules]
    return [None if p is None else np.asarray(getattr(p, "data", p), float) for p in parts]


def spoiled(x):
    """NaN in place of floating-point values; other things as they are."""
    data = getattr(x, "data", x) if isinstance(x, Tensor) else x
    if not (isinstance(data, np.ndarray) and data.dtype.kind == "f"):
        return x
    nan = np.full_like(data, np.nan)
    return Tensor(nan, requires_grad=x.requires_grad) if isinstance(x, Tensor) else nan


def reads(operation, inputs, y, needs, recorded):
    """Places among those in `needs` whose values the rules read, and those they read besides."""
    as_given = (lambda x: x) if recorded else (lambda x: x.data if isinstance(x, Tensor) else x)
    g = np.linspace(0.5, 1.5, y.size).reshape(y.shape)
    g = Tensor(g, requires_grad=True) if recorded else g
    values = {"y": as_given(y)} | {str(i): as_given(x) for i, x in enumerate(inputs)}

    def run(place):
        changed = values | {place: spoiled(values[place])} if place else values
        return pulled(operation, g, changed["y"], [changed[str(i)] for i in range(len(inputs))])

    def same(one, other):
        return all(
            (a is None and b is None) or np.array_equal(a, b, equal_nan=True)
            for a, b in zip(one, other, strict=True)
        )

    want = run(None)
    read = {place for place in values if not same(run(place), want)}
    declared = set(values) - {"y"} if needs == "*" else set(needs)
    return read & declared, read - declared


@pytest.mark.parametrize("recorded", [False, True], ids=["arrays", "tensors"])
@pytest.mark.parametrize("name", [*CASES, "dense", *LOSSES])
def test_a_rule_declares_what_it_reads(name, recorded):
    """Nothing else changes its gradients, and everything it declares does, in some case."""
    found, confirmed = 0, set()
    if name in CASES:
        results = [
            function(*[leaf_of(shape, k + 1, name) for k, shape in enumerate(shapes)])
            for function, shapes in CASES[name]
        ]
    else:
        results = fused(name)
    for result in results:
        for operation, inputs, y in nodes(result) if isinstance(result, Tensor) else ():
            if operation.name != name or y.size == 0:
                continue
            found += 1
            needs = operation.needs_on_tensors if recorded else operation.needs
            read, undeclared = reads(operation, inputs, y, needs, recorded)
            assert not undeclared, f"{name} reads {undeclared} and declares {needs!r}"
            confirmed |= read
    assert found
    if (
        name not in nb.activations()
    ):  # their declarations are generated; a constant slope reads nothing
        declared = set(needs.replace("*", ""))
        assert declared - not_floating(name) <= confirmed, f"{name} declares more than it reads"


def not_floating(name):
    """Declared places that hold conditions, bounds or targets, which NaN cannot stand for."""
    return {"where": {"0"}, "clip": {"1", "2"}}.get(name, {"1", "2"} if name in LOSSES else set())


@pytest.mark.parametrize("name", [name for name in CASES if RULES[name].needs])
def test_every_wrong_declaration_is_found(name, monkeypatch):
    needs = RULES[name].needs
    for place in (
        set(needs) - not_floating(name) - ({"y", "0"} if name in ("identity", "step") else set())
    ):
        monkeypatch.setattr(RULES[name], "needs", needs.replace(place, ""))
        with pytest.raises(AssertionError, match=f"{name} reads"):
            test_a_rule_declares_what_it_reads(name, False)
    if name not in nb.activations() and needs != "*" and "y" not in needs:
        monkeypatch.setattr(RULES[name], "needs", needs + "y")
        with pytest.raises(AssertionError, match=f"{name} declares"):
            test_a_rule_declares_what_it_reads(name, False)
