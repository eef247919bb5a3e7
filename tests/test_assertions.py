"""No test asserts what cannot be false, as far as a machine can see it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def always_true(test):
    """Why an asserted expression cannot be false, or None where a machine cannot tell."""
    if isinstance(test, ast.Constant) and test.value:
        return "a constant"
    if isinstance(test, (ast.Tuple, ast.List)) and test.elts:
        return "a non-empty sequence"
    if isinstance(test, (ast.JoinedStr, ast.Lambda, ast.GeneratorExp)):
        return "an object that is always true"
    if isinstance(test, ast.BoolOp):
        reasons = [always_true(value) for value in test.values]
        if isinstance(test.op, ast.Or) and any(reasons):
            return next(filter(None, reasons))
        return reasons[0] if isinstance(test.op, ast.And) and all(reasons) else None
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        empty = isinstance(test.operand, ast.Constant) and not test.operand.value
        return "the negation of a constant" if empty else None
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        left, op, right = test.left, test.ops[0], test.comparators[0]
        is_none = isinstance(right, ast.Constant) and right.value is None
        if is_none and isinstance(op, ast.IsNot) and gives_a_value(left):
            return "a result that is never None"
        if isinstance(op, (ast.Eq, ast.LtE, ast.GtE)) and ast.dump(left) == ast.dump(right):
            # Calls may differ from one time to the next, and NaN from itself.
            return None if any(isinstance(n, ast.Call) for n in ast.walk(left)) else "x == x"
        zero = isinstance(right, ast.Constant) and right.value == 0
        if zero and isinstance(op, ast.GtE) and is_call(left, ("len", "abs", "size")):
            return "a size of at least 0"
    if is_call(test, ("isinstance",)) and ast.unparse(test.args[1]) == "object":
        return "isinstance(x, object)"
    return None


def is_call(node, names):
    return isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in names


def gives_a_value(node):
    """Whether an expression is a call of something that never returns None."""
    return is_call(
        node, ("sum", "mean", "max", "min", "len", "copy", "repr", "str", "list", "tolist")
    )


def text_alternatives(test):
    """``"a" in x or "b" in x``: whichever is easier makes the assertion true."""
    return (
        isinstance(test, ast.BoolOp)
        and isinstance(test.op, ast.Or)
        and any(
            isinstance(v, ast.Compare)
            and isinstance(v.ops[0], ast.In)
            and isinstance(v.left, ast.Constant)
            for v in test.values
        )
    )


@pytest.mark.parametrize("path", sorted((ROOT / "tests").glob("test_*.py")), ids=lambda p: p.stem)
def test_assertions_can_fail(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Assert):
            reason = always_true(node.test)
            assert not reason, f"{path.name}:{node.lineno} asserts {reason}"
            assert not text_alternatives(node.test), f"{path.name}:{node.lineno} has alternatives"


@pytest.mark.parametrize(
    ("text", "caught"),
    [
        ("True", True), ("(x == 1, 'message')", True), ("x or True", True), ("f'{x}'", True),
        ("kept.sum() is not None", True), ("x == x", True), ("len(x) >= 0", True),
        ("not None", True), ("x == y", False), ("x is not None", False), ("f() == f()", False),
        ("len(x) > 0", False), ("x and True", False), ("isinstance(x, int)", False),
    ],
)  # fmt: skip
def test_always_true_assertions_are_seen(text, caught):
    assert bool(always_true(ast.parse(text, mode="eval").body)) == caught
