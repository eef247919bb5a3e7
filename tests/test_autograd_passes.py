"""What a backward pass frees, reads and records; the record of edits; `no_grad` and `enable_grad`."""

import asyncio
import inspect
import time

import numpy as np
import pytest
from cases import leaf
from test_autograd_needs import fused, nodes, pulled, spoiled
from test_autograd_numpy import V
from test_autograd_rules import CASES as RULE_CASES
from test_autograd_rules import leaf_of

from nablas import autograd as ag
from nablas.autograd import Tensor, enable_grad, grad, no_grad
from nablas.autograd.recording import Edits, recording

# ---- backward and grad ---------------------------------------------------------------------------


def test_grad_frees_only_what_it_went_through():
    x = leaf(V)
    h = np.tanh(x)
    (by_h,) = grad((h * h).sum(), h)
    h.backward(by_h)
    np.testing.assert_allclose(x.grad.data, 2 * np.tanh(V) * (1 - np.tanh(V) ** 2))
    y = x * 2
    a, b = (y * y).sum(), (y * 3).sum()
    grad(a, y)
    np.testing.assert_allclose(grad(b, x)[0].data, 6)
    with pytest.raises(RuntimeError, match="freed"):
        grad(a, y)
    with pytest.raises(RuntimeError, match="freed"):
        y.sum().backward()


def test_a_recorded_pass_inside_no_grad():
    x, v = leaf([2.0, 3.0]), leaf([1.0, 2.0])
    y, total = x**3, (x**3).sum()
    with no_grad():
        (g,) = grad([y, y], x, [v, v], create_graph=True)
        total.backward(create_graph=True)
        total.backward(create_graph=True)
        assert not (x * 2).requires_grad
    np.testing.assert_allclose(grad(g.sum(), v, retain_graph=True)[0].data, [24, 54])
    np.testing.assert_allclose(grad(g.sum(), x)[0].data, [24, 72])
    np.testing.assert_allclose(grad(x.grad.sum(), x)[0].data, [24, 36])


@pytest.mark.parametrize("name", ["retain_graph", "create_graph"])
@pytest.mark.parametrize("value", ["no", 1, 0, [True]])
def test_flags_of_a_pass(name, value):
    x = leaf([1.0])
    for call in ((x * x).backward, lambda **flags: grad(x * x, x, **flags)):
        with pytest.raises(TypeError, match=f"{name}: expected True or False"):
            call(**{name: value})
    (x * x).backward(**{name: np.True_})


@pytest.mark.parametrize("recorded_pass", [False, True], ids=["arrays", "tensors"])
@pytest.mark.parametrize("name", [*RULE_CASES, "dense"])
def test_each_rule_declares_what_it_reads(name, recorded_pass):
    """The gradient by one input changes only with what `Operation.reads` says."""
    if name == "dense":
        results = fused(name)
    else:
        results = [
            function(*[leaf_of(shape, k + 1, name) for k, shape in enumerate(shapes)])
            for function, shapes in RULE_CASES[name]
        ]
    for result in results:
        for operation, inputs, y in nodes(result) if isinstance(result, Tensor) else ():
            if operation.name == name and y.size:
                check_reads(operation, inputs, y, recorded_pass)


def check_reads(operation, inputs, y, recorded_pass):
    def as_given(x):
        return x if recorded_pass or not isinstance(x, Tensor) else x.data

    g = np.linspace(0.5, 1.5, y.size).reshape(y.shape)
    g = Tensor(g, requires_grad=True) if recorded_pass else g
    values = [as_given(x) for x in inputs]
    want = pulled(operation, g, as_given(y), values)
    for place in ["y", *map(str, range(len(inputs)))]:
        changed = [spoiled(x) if str(i) == place else x for i, x in enumerate(values)]
        result = spoiled(as_given(y)) if place == "y" else as_given(y)
        found = pulled(operation, g, result, changed)
        for by, (one, other) in enumerate(zip(want, found, strict=True)):
            if one is not None and not np.array_equal(one, other, equal_nan=True):
                assert operation.reads(place, by, recorded_pass), (place, by)


EDITED = {
    "multiply": (lambda w, v: w * v, True), "matmul": (lambda w, v: w @ v, True),
    "divide": (lambda w, v: w / v, True), "remainder": (lambda w, v: w % v, True),
    "einsum": (lambda w, v: np.einsum("i,i->i", w, v), True),
    "dense": (lambda w, v: ag.dense(v.reshape(2, 1), w.reshape(2, 1)), True),
    "square": (lambda w, v: w * w, False), "power": (lambda w, v: w**v, False),
    "divisor": (lambda w, v: v / w, False),
    "layer": (lambda w, v: ag.dense(v.reshape(2, 1), w.reshape(2, 1), "gelu"), None),
}  # fmt: skip


@pytest.mark.parametrize("name", EDITED)
def test_an_edit_of_what_no_called_rule_reads(name):
    """`v` is a constant, or a leaf whose gradient is not asked for."""
    function, allowed = EDITED[name]
    for v in (np.array([0.7, 1.3]), leaf([0.7, 1.3])):
        w = leaf([3.0, 4.0])
        y = function(w, v).sum()
        (want,) = grad(y, w, retain_graph=True)
        with no_grad():
            w += 1
        if allowed is False:
            with pytest.raises(RuntimeError, match="edited in place"):
                grad(y, w)
        else:
            assert grad(y, w)[0].data.tolist() == want.data.tolist()
    if allowed:
        y = function(w, v).sum()
        with no_grad():
            w += 1
        if name != "divide":  # by v it reads y and v
            with pytest.raises(RuntimeError, match="edited in place"):
                y.backward()


# ---- edits and modes -----------------------------------------------------------------------------


def test_notes_of_many_edits_are_quick():
    """A note takes the same time with many edited arrays as with few."""
    arrays, noted = [np.zeros(1) for _ in range(5000)], Edits()
    times = []
    for part in np.array_split(np.arange(5000), 10):
        start = time.perf_counter()
        for i in part:
            noted.note(arrays[i])
        times.append(time.perf_counter() - start)
    assert min(times[5:]) < 20 * min(times[:2])
    before = noted.last
    noted.note(arrays[7])
    assert noted.touched(arrays[7], before)
    assert noted.touched(arrays[7][:], before)
    assert not noted.touched(arrays[8], before)
    assert not noted.touched(arrays[7], noted.last)


def test_edits_through_a_shared_buffer():
    buffer = bytearray(32)
    one, other = np.frombuffer(buffer), np.frombuffer(memoryview(buffer)[8:])
    noted, array = Edits(), np.zeros(4)
    view = np.frombuffer(memoryview(array))  # does not own the memory of `array`
    noted.note(one[2:])
    assert noted.touched(other, 0)
    assert not noted.touched(array, 0)
    last = noted.last
    noted.note(view)
    assert noted.touched(array, last)
    assert not noted.touched(other, last)
    last = noted.last
    noted.note(array[1:])
    assert noted.touched(view, last)


def test_one_mode_object_used_again_and_nested():
    off, on = no_grad(), enable_grad()
    for _ in range(2):
        with off:
            with off, on:
                assert recording()
                with off:
                    assert not recording()
                assert recording()
            assert not recording()
        assert recording()

    def inside(mode):
        with mode:
            yield

    for first, second in ((off, on), (on, off), (off, no_grad()), (off, off)):
        generator = inside(first)
        next(generator)
        with second:
            generator.close()  # leaves before what entered after it
            assert bool(recording()) == (second is on)
        assert recording()

    async def task(delay):
        for _ in range(3):
            with off:
                await asyncio.sleep(delay)
                assert not recording()
            assert recording()
            await asyncio.sleep(delay)

    async def both():
        await asyncio.gather(task(0.001), task(0.0015))

    asyncio.run(both())


def test_decorated_generators_and_coroutines():
    seen = []

    def steps(first):
        try:
            while True:
                first = yield recording(), first
        except ValueError:
            yield recording(), "thrown"
        finally:
            seen.append(bool(recording()))
        return 5

    generator = no_grad(steps)(1)
    assert recording()
    assert [bool(x) for x in next(generator)] == [False, True]
    assert recording()
    assert generator.send(3)[1] == 3
    assert generator.throw(ValueError())[1] == "thrown"
    with pytest.raises(StopIteration) as end:
        next(generator)
    assert end.value.value == 5
    generator = no_grad()(steps)(1)
    next(generator)
    generator.close()
    assert seen == [False, False]
    assert recording()
    assert inspect.isgeneratorfunction(no_grad(steps))

    @no_grad
    async def awaited():
        await asyncio.sleep(0)
        return bool(recording())

    @no_grad
    async def several():
        for i in range(2):
            await asyncio.sleep(0)
            given = yield bool(recording()), i
            seen.append(given)

    async def run():
        assert not await awaited()
        async for off, _ in several():
            assert not off
            assert recording()
        again = several()
        await again.asend(None)
        await again.asend("sent")
        await again.aclose()

    asyncio.run(run())
    assert seen[-1] == "sent"
    with pytest.raises(TypeError, match="function: expected a function"):
        no_grad(3)
