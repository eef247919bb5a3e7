"""Step by step: the steps of a network's pass and of an autograd graph, and their formulas."""

import gc
import re
import weakref

import numpy as np
import pytest
from cases import hyperparameter_settings, loss_targets
from stepping import RATE, formula_value, lecture_net, page_data, steps_of, wide_explanation

import nablas as nb
from nablas import autograd
from nablas._registry import ACTIVATIONS, LOSSES, fits
from nablas._stepper.scene import scene
from nablas.autograd import Tensor, graph_steps
from nablas.autograd.rules import RULES

# ---- the steps of a network ------------------------------------------------------------------------

COMBINATIONS = [
    (hidden, output, loss, sizes)
    for output in [*ACTIVATIONS, "softmax"]
    for loss in LOSSES
    if fits(loss, output) or (output == "softmax" and LOSSES[loss].link == "identity")
    for hidden, sizes in [
        (list(ACTIVATIONS)[len(output + loss) % len(ACTIVATIONS)], [3, 4, 2]),
        (list(ACTIVATIONS)[len(2 * output + loss + "x") % len(ACTIVATIONS)], [2, 3, 3, 3]),
    ]
] + [(hidden, "identity", "mse", [2, 2, 1]) for hidden in ACTIVATIONS] + [
    (None, "softmax", "cross_entropy", [4, 3]), (None, "sigmoid", "binary_cross_entropy", [1, 1]),
]  # fmt: skip


def explained(hidden, output, loss, sizes, dtype="float64", rows=1, seed=3):
    activation = [hidden] * (len(sizes) - 2) if hidden else "relu"
    net = nb.MLP(sizes, activation, output, dtype=dtype, seed=seed)
    rng = np.random.default_rng(seed)
    net.parameters = rng.normal(size=net.parameters.size)
    targets = loss_targets(loss, rows, sizes[-1])
    return net, net.explain(rng.normal(size=(rows, sizes[0])), targets, loss=loss)


def check_formulas(steps, relative, absolute=1e-300):
    for step in steps:
        assert formula_value(step) == pytest.approx(step.value, rel=relative, abs=absolute), step


def check_against(seen, steps, row, units=None):
    """Every number of an explanation has its step, and the step has it exactly."""
    found = {(step.target, step.slot): step.value for step in steps}
    for number, layer in enumerate(seen.layers, 1):
        for j in range(len(layer.bias)):
            for slot in ("z", "a", "delta"):
                assert found[f"u{number}.{j}", slot] == getattr(layer, slot)[row, j]
            for i, (w, g) in enumerate(
                zip([layer.bias, *layer.weights], [layer.db, *layer.dW], strict=True)
            ):
                edge = f"w{number}.{'b' if i == 0 else i - 1}.{j}"
                assert found[edge, "gradient"] == g[j]
                assert found[edge, "update"] == pytest.approx(w[j] - RATE * g[j], rel=1e-14)
    assert found["loss", "loss"] == seen.loss


@pytest.mark.parametrize(("hidden", "output", "loss", "sizes"), COMBINATIONS)
def test_steps_are_the_explanation_and_their_formulas_give_their_numbers(
    hidden, output, loss, sizes
):
    net, seen = explained(hidden, output, loss, sizes)
    steps = steps_of(seen)
    check_against(seen, steps, 0)
    check_formulas(
        steps, 1e-9, 1e-13
    )  # tanh and sigmoid: kernels within a few units of the last place
    for (dW, db), layer in zip(
        net.gradients(seen.layers[0].input, seen.target, loss=loss), seen.layers, strict=True
    ):
        np.testing.assert_allclose(dW, layer.dW, rtol=1e-10, atol=1e-14)
        np.testing.assert_allclose(db, layer.db, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(("hidden", "output", "loss", "sizes"), COMBINATIONS[::5])
def test_single_precision_and_several_rows(hidden, output, loss, sizes):
    _, seen = explained(hidden, output, loss, sizes, "float32", rows=3)
    for row in range(3):
        steps = steps_of(seen, row)
        check_against(seen, steps, row)
        check_formulas(steps, 2e-5, 2e-6)  # sums of a few float32 terms of size 1
    if len(sizes) > 2:
        assert "the other rows" in " ".join(s for step in steps for s in step.symbols)


@pytest.mark.parametrize("loss", LOSSES)
def test_hyperparameters_labels_and_summaries(loss):
    net = nb.MLP([6, 7, 6], "tanh", LOSSES[loss].link, dtype="float64", seed=1)
    x = np.random.default_rng(1).normal(size=(2, 6))
    targets = loss_targets(loss, 2, 6, labels=True)
    for settings in hyperparameter_settings(LOSSES[loss].hyperparameters):
        seen = net.explain(x, targets, loss=nb.Loss(loss, **settings))
        steps = steps_of(seen, 1, most_units=3)
        check_formulas(steps, 1e-9, 1e-13)
        assert len([step for step in steps if step.kind == "z"]) == 4
    single = nb.MLP([6, 5], output="softmax", dtype="float64", seed=1)
    for name in [n for n in LOSSES if LOSSES[n].link == "identity"]:  # through the softmax's slope
        check_formulas(steps_of(single.explain(x, np.eye(5)[:2], loss=name), 0, 3), 1e-9, 1e-13)


def test_order_and_formulas_of_the_lectures_network():
    seen = lecture_net().explain([1.0, 2.0], 1.0, loss="half_mse")
    steps = steps_of(seen)
    assert [step.kind for step in steps] == (
        ["z", "a"] * 3 + ["loss", "output", "slope", "delta"] + ["back", "slope", "delta"] * 2
        + ["gradient"] * 9 + ["update"] * 9
    )  # fmt: skip
    assert steps[0].symbol == "z₁⁽¹⁾"
    assert steps[0].symbols == ("b₁⁽¹⁾", "w₁₁⁽¹⁾", "x₁", "w₂₁⁽¹⁾", "x₂")
    assert steps[0].numbers == (0.1, 0.3, 1.0, -0.4, 2.0)
    assert steps[9].formula == "{0} × {1}"
    assert steps[9].symbols == ("∂J/∂a₁⁽²⁾", "g′(z₁⁽²⁾)")
    assert len({(step.target, step.slot) for step in steps}) == len(steps)


@pytest.mark.parametrize("size", [40.0, 800.0])
def test_saturated_units_have_formulas_that_do_not_overflow(size):
    for output, loss in [("sigmoid", "binary_cross_entropy"), ("softmax", "cross_entropy")]:
        for hidden in ACTIVATIONS:
            if hidden == "exp":
                continue
            net = nb.MLP([2, 2, 2], hidden, output, dtype="float64")
            net.parameters = size * np.array([0, 0, 1, -1, 0.5, 0.25, 0, 0, 1, -1, 0.5, -0.3])
            target = [[0, 1]] if output == "sigmoid" else [0]
            seen = net.explain(np.array([[1.0, -1.0]]), np.array(target), loss=loss)
            check_formulas(steps_of(seen), 1e-9, 1e-12)


def test_large_layers_are_summarised():
    seen = wide_explanation()
    made = scene(seen, 0, RATE, 4)
    check_formulas(made.steps, 2e-5, 1e-6)
    assert [node.title for node in made.nodes if node.more] == ["61 more", "61 more", "7 more"]
    assert len(made.steps) < 100
    assert sum("61 others in one term" in line for line in made.about) == 2
    assert {"u2.3"} <= {node.id for node in made.nodes}  # the output of the target's class
    assert len(scene(seen, 0, RATE, 64).nodes) == 64 + 64 + 10 + 3
    deltas = np.abs(seen.layers[0].delta[0])
    units = {int(node.id[3:]) for node in made.nodes if node.id.startswith("u1.")}
    assert units == set(np.argsort(-deltas, kind="stable")[:3])


def test_arguments_are_checked(tmp_path):
    seen = lecture_net().explain([[1.0, 2.0], [0.0, 1.0]], [1.0, 0.0])
    assert seen.to_html(row=1) != seen.to_html(row=0)
    for settings, error in [
        ({"row": 2}, ValueError), ({"row": -1}, ValueError), ({"row": "a"}, TypeError),
        ({"learning_rate": np.nan}, ValueError), ({"most_units": 1}, ValueError),
    ]:  # fmt: skip
        with pytest.raises(error, match=next(iter(settings))):
            seen.to_html(**settings)
    page = seen.to_html(tmp_path / "pass.html")
    assert (tmp_path / "pass.html").read_text(encoding="utf-8") == page
    assert repr(seen) == str(seen)
    empty = lecture_net().explain(np.empty((0, 2)), np.empty((0, 1)))
    assert empty._repr_html_() is None
    with pytest.raises(ValueError, match="at least one row"):
        empty.to_html()
    net = lecture_net()
    net.weights[0] = np.full((2, 2), np.nan)
    assert "NaN" in net.explain([1.0, 2.0], [1.0]).to_html()


def test_one_row_is_taken_where_explain_takes_it():
    net = lecture_net()
    x, y = np.array([[1.0, 2.0]]), np.array([[1.0]])
    assert net.loss([1.0, 2.0], 1.0, loss="half_mse") == net.loss(x, y, loss="half_mse")
    assert (net.gradient([1.0, 2.0], [1.0]) == net.gradient(x, y)).all()
    assert (net.gradients((1.0, 2.0), 1.0)[0][0] == net.gradients(x, y)[0][0]).all()
    classes = nb.MLP([2, 3], output="softmax", seed=0)
    assert classes.loss([1.0, 2.0], 2) == classes.loss([[1.0, 2.0]], [2])
    assert net.loss([1.0, 2.0], 1.0, loss=lambda h, t: (float(t[0, 0]), 0 * h)) == 1
    with pytest.raises(ValueError, match="got .1, 3"):
        net.loss([1.0, 2.0, 3.0], 1.0)


# ---- the steps of a graph --------------------------------------------------------------------------

TWO = [
    "add",
    "subtract",
    "multiply",
    "divide",
    "power",
    "maximum",
    "minimum",
    "hypot",
    "arctan2",
    "logaddexp",
]
ONE = [
    "negative", "reciprocal", "square", "sqrt", "cbrt", "absolute", "exp", "exp2", "expm1", "log", "log2", "log10",
    "log1p", "sin", "cos", "tan", "arcsin", "arctan", "sinh", "cosh", *(n for n in ACTIVATIONS if n != "exp"),
]  # fmt: skip


def graph_steps_of(y, names):
    drawing = autograd.draw(y, names)
    return drawing, graph_steps.scene(drawing.nodes, drawing.edges).steps


def check_graph_formulas(steps):
    checked = 0
    for step in steps:
        if step.numbers and not re.search(
            r"\b(cbrt|arctan2|logaddexp|exp2|expm1|log2|log10|log1p|arcsin|arctan|hypot)\(",
            step.formula,
        ):
            assert formula_value(step) == pytest.approx(step.value, rel=1e-12), step
            checked += 1
    return checked


@pytest.mark.parametrize("name", [*ONE, *TWO])
@pytest.mark.parametrize("at", [(0.3, 0.7), (0.9, 0.2)])
def test_local_derivatives_are_central_differences(name, at):
    count = 2 if name in TWO else 1
    x = [Tensor(v, requires_grad=True) for v in at[:count]]
    y = autograd.tensor.apply(name, *x) * 2.0
    y.backward()
    _, steps = graph_steps_of(y, {"p": x[0], "q": x[-1]} if count == 2 else {"p": x[0]})
    local = {step.symbol: step.value for step in steps if step.kind == "local"}
    check_graph_formulas(steps)
    for i in range(count):
        ends = []
        for sign in (1, -1):
            moved = [np.array(v + sign * 1e-6 * (k == i)) for k, v in enumerate(at[:count])]
            ends.append(float(RULES[name].forward(*moved)))
        slope = (ends[0] - ends[1]) / 2e-6
        assert local[f"∂v₁/∂{'pq'[i]}"] == pytest.approx(slope, rel=1e-7, abs=1e-9)
        (gradient,) = (s for s in steps if s.kind == "gradient" and s.symbol == f"{'pq'[i]}.grad")
        assert gradient.value == pytest.approx(x[i].grad.item(), rel=1e-14)


def test_gradients_that_meet_and_powers():
    x, w = Tensor(-1.5, requires_grad=True), Tensor(0.25, requires_grad=True)
    y = x**3 + x * x * w - 2 / x
    y.backward()
    _, steps = graph_steps_of(y, {"x": x, "w": w})
    assert check_graph_formulas(steps) > 15
    (last,) = (step for step in steps if step.symbol == "x.grad")
    assert len(last.numbers) == 8  # upstream and local of four edges
    assert last.value == pytest.approx(x.grad.item())
    assert {step.note for step in steps} >= {"by operand a", "by operand b"}


class Cube(autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, gradient):
        return 3 * gradient * ctx.saved_tensors[0] ** 2


ANY = {
    "einsum": lambda x: np.einsum("ij,kj->ik", x, np.ones((2, 3))).sum(),
    "concatenate": lambda x: autograd.concatenate([x, x * 2.0], axis=1).mean(),
    "where": lambda x: autograd.where(np.eye(3) > 0, x, 2.0).sum(),
    "clip": lambda x: x.clip(0.0, 1.0).sum(axis=0).max(),
    "dense": lambda x: autograd.dense(x, np.ones((4, 2), x.dtype), "gelu").norm(),
    "softmax": lambda x: (x.softmax(1) * np.arange(3.0)).sum(),
    "function": lambda x: Cube.apply(x).sum(),
    "scalar function": lambda x: Cube.apply(x[0, 0]) * x[2, 1],
    "loss": lambda x: autograd.cross_entropy(x, np.array([0, 1, 2])),
    "solve": lambda x: np.linalg.solve(x + 9 * np.eye(3), np.ones(3)).sum(),
    "index": lambda x: x[:, [0, 0]].sum() + x.T[..., 1].sum() * True + x[0, :1][0],
    "no number": lambda x: x.T @ x,
    "no operation": lambda x: x,
}


@pytest.mark.parametrize("name", ANY)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_graph_has_a_page(name, dtype):
    x = Tensor(np.random.default_rng(0).normal(size=(3, 3)).astype(dtype), requires_grad=True)
    y = ANY[name](x)
    if y.size == 1:
        y.backward()
    drawing, steps = graph_steps_of(y, {"x": x})
    for step in steps:
        assert step.formula or step.kind == "local"
        assert not re.search(r"\{[a-z]\}", step.formula)
        if step.numbers and "(" not in step.formula:
            relative = 1e-6 if dtype == "float32" else 1e-13
            assert formula_value(step) == pytest.approx(step.value, rel=relative), step
    assert page_data(drawing.to_html())["steps"] or name == "no operation"
    if y.size == 1:
        (last,) = (step for step in steps if step.symbol == "x.grad")
        assert last.value == x.grad.tolist()


def test_arrays_are_shown_by_their_entries_or_by_shape_and_range():
    rng = np.random.default_rng(0)
    X, w = rng.normal(size=(50, 2)), Tensor(rng.normal(size=(2, 3)), requires_grad=True)
    y = ((X @ w).tanh() ** 2).mean()
    y.backward()
    _, steps = graph_steps_of(y, {"X": X, "W": w})
    found = {step.symbol: step for step in steps if step.kind != "local"}
    assert found["v₁"].formula == "{0} @ {1}"
    assert found["v₁"].symbols == ("X", "W")
    assert found["v₁"].value.startswith("(50,3), from −")
    assert found["W.grad"].value == w.grad.tolist()
    assert found["W.grad"].formula == "{1} @ {0}"
    assert found["W.grad"].symbols == ("v₁.grad", "Xᵀ")
    assert not any(step.numbers for step in steps if not isinstance(step.value, float))


# ---- a graph that backward has freed ---------------------------------------------------------------


def as_text(drawing):
    return drawing.dot


def test_a_graph_is_drawn_after_backward_as_before():
    def build():
        x, w = Tensor([1.0, 2.0], requires_grad=True), Tensor([3.0, -1.0], requires_grad=True)
        h = autograd.sin(x * w)
        return (h * h).sum(), {"x": x, "w": w, "h": h}

    y, names = build()
    before = as_text(autograd.draw(y, names))
    y.backward()
    gradients = [names[n].grad.data.copy() for n in "xw"]
    assert as_text(autograd.draw(y, names)) == before
    assert "h (sin)" in before
    assert len(autograd.draw(names["h"]).nodes) == 4  # a part of it
    assert len(autograd.draw(y * 2).nodes) == len(autograd.draw(y).nodes) + 2  # more than it
    assert [names[n].grad.data.tolist() for n in "xw"] == [g.tolist() for g in gradients]
    with pytest.raises(RuntimeError, match="freed"):
        y.backward()
    names["x"].data[:] = 0
    names["x"].mark_edited()
    with pytest.raises(RuntimeError, match="edited in place"):
        autograd.draw(y)


def test_large_graphs_are_not_kept():
    class Halve(autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(Tensor(np.ones(5000)))
            return x / 2

        @staticmethod
        def backward(ctx, gradient):
            return gradient / 2

    x = Tensor(1.5, requires_grad=True)
    wide = Tensor(np.ones(5000), requires_grad=True)
    many = x
    for _ in range(401):
        many = many + 1.0
    for y in [(x * np.ones(5000)).sum(), autograd.mean(wide), many, Halve.apply(x)]:
        y.backward()
        assert not hasattr(y, "_freed")
        with pytest.raises(RuntimeError, match="freed"):
            autograd.draw(y)
    y = (x * x).exp()
    autograd.grad(y, x)
    with pytest.raises(RuntimeError, match="freed"):  # only `backward` keeps what a drawing needs
        autograd.draw(y)
    small = x * 2.0
    seen = weakref.ref(small)
    y = small * small
    y.backward()
    del small, y
    gc.collect()
    assert seen() is None  # the graph goes with its result
