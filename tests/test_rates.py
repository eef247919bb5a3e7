"""Rates of any schedule are checked where they are used: in a fit, and in an update of arrays or Tensors."""

import copy

import numpy as np
import pytest

import nablas as nb
from nablas import schedules
from nablas.autograd import Tensor


class Given(schedules.Schedule):
    """Rates that a test chooses."""

    def __init__(self, made):
        super().__init__(0.1)
        self.made = made

    def rates(self, steps, plan):
        return self.made(steps)


def fit(schedule, dtype):
    X = np.linspace(-1, 1, 8).reshape(4, 2)
    net = nb.MLP([2, 1], seed=0, dtype=dtype)
    before = net.parameters.copy()
    return lambda: net.fit(X, X[:, 0], epochs=1, optimizer=nb.SGD(schedule)), net, before


def of_array(schedule, dtype):
    w = np.ones(3, dtype)
    update = nb.SGD(schedule).bind(w)
    return lambda: update(w), w, w.copy()


def of_tensors(schedule, dtype):
    tensors = [Tensor(np.ones(3, d), requires_grad=True) for d in (dtype, "float64")]
    update = nb.SGD(schedule).bind(tensors)
    for tensor in tensors:
        (tensor * tensor).sum().backward()
    return update, tensors[0].data, tensors[0].data.copy()


WRONG = {
    "negative": lambda steps: np.full(len(steps), -1.0),
    "nan": lambda steps: np.full(len(steps), np.nan),
    "infinite": lambda steps: np.full(len(steps), np.inf),
    "too many": lambda steps: np.ones(len(steps) + 1),
    "none": lambda steps: np.ones(0),
    "two dimensions": lambda steps: np.ones((len(steps), 1)),
    "texts": lambda steps: ["0.1"] * len(steps),
    "complex": lambda steps: np.ones(len(steps)) * 1j,
    "missing": lambda steps: [None] * len(steps),
    "nothing": lambda steps: None,
    "large": lambda steps: [10**400] * len(steps),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("use", [fit, of_array, of_tensors])
@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_rates(wrong, use, dtype):
    call, parameters, before = use(Given(WRONG[wrong]), dtype)
    with pytest.raises((TypeError, ValueError), match="^(learning_rate|rates): expected"):
        call()
    assert np.array_equal(getattr(parameters, "parameters", parameters), before)


@pytest.mark.parametrize("use", [fit, of_array, of_tensors])
@pytest.mark.parametrize("made", [lambda steps: 0.1, lambda steps: [0.1], lambda steps: np.ones(1)])
def test_one_rate(use, made):
    """Of one update the rate may be a number."""
    use(Given(made), "float32")[0]()


@pytest.mark.parametrize("use", [fit, of_array, of_tensors])
def test_rates_beyond_the_dtype(use):
    beyond = Given(lambda steps: np.full(len(steps), 1e39))
    with pytest.raises(ValueError, match="^learning_rate: expected .* range of float32"):
        use(beyond, "float32")[0]()


@pytest.mark.parametrize("lowest", [0.0, 0.05, 0.1, 1.0])
@pytest.mark.parametrize("factor", [0.1, 0.9])
def test_a_plateau_never_raises_the_rate(lowest, factor):
    schedule = schedules.ReduceOnPlateau(0.1, factor=factor, patience=1, lowest=lowest)
    rates = []
    for _ in range(60):
        schedule.observe(1.0)
        rates += schedule.rates(np.arange(1), schedules.Plan(1, None)).tolist()
    assert all(np.diff([0.1, *rates]) <= 0)
    assert rates[-1] == pytest.approx(min(lowest, 0.1), abs=1e-3)


@pytest.mark.parametrize("dtype", [">f4", "<f4", ">f8", "<f8", "f2", "i4", "?", ">i8"])
def test_the_dtype_of_a_descent(dtype):
    """float32 in any order of bytes stays float32; all else is float64."""
    seen = set()

    def grad(x):
        seen.add(x.dtype)
        return 2 * x

    result = nb.gradient_descent(
        lambda x: x @ x, grad, np.ones(3, dtype), 0.1, max_iterations=3, keep_path=True
    )
    expected = np.dtype("f4" if dtype[1:] == "f4" else "f8")
    assert seen | {result.x.dtype, *(x.dtype for x in result.path)} == {expected}
    assert result.x.dtype.isnative


@pytest.mark.parametrize("factor", [1e-300, 1e-200, 1e200, 1e300])
@pytest.mark.parametrize("kind", [schedules.StepDecay, schedules.ExponentialDecay])
@pytest.mark.parametrize("use", ["fit", "array"])
def test_rates_that_leave_the_range_of_numbers(use, kind, factor):
    """They become 0, or are refused; NumPy's warning, which may be an error, is none of them."""
    more = {"every": 1} if kind is schedules.StepDecay else {}
    optimizer = nb.SGD(kind(0.1, factor=factor, **more))
    net = nb.MLP([1, 1], dtype="float64", seed=0)
    update = optimizer.bind(np.zeros(1))

    def run():
        if use == "fit":
            net.fit([[0.0]], [0.0], epochs=9, optimizer=optimizer)
        for _ in range(9):
            update([0.0])

    with np.errstate(all="raise"):
        if factor < 1:
            run()
        else:
            with pytest.raises(ValueError, match="^learning_rate: expected rates of at least 0"):
                run()


def leaves(state, path=()):
    for name, value in state.items():
        yield from leaves(value, (*path, name)) if isinstance(value, dict) else [(*path, name)]


def changed(state, path, value):
    """A copy of a state whose numbers are all others, with a value at one place."""
    found = {}
    for name, old in state.items():
        if isinstance(old, dict):
            found[name] = changed(old, path[1:] if path[:1] == (name,) else (), value)
        else:
            found[name] = value if path == (name,) else old if isinstance(old, str) else old + 1
    return found


@pytest.mark.parametrize("make", [
    lambda: schedules.StepDecay(0.1, every=2),
    lambda: schedules.ReduceOnPlateau(0.1),
    lambda: schedules.WarmUp(schedules.ReduceOnPlateau(0.1), steps=3),
    lambda: schedules.WarmUp(schedules.WarmUp(schedules.ReduceOnPlateau(0.1), steps=3), steps=5),
])  # fmt: skip
def test_a_state_that_is_refused_changes_nothing(make):
    refused = 0
    for path in leaves(make().get_state()):
        for odd in (-1.0, np.nan, None, "x", True, 2**70):
            for _ in range(3):  # attributes are set in no order
                schedule = make()
                before = copy.deepcopy(schedule.get_state())
                state = changed(before, path, odd)
                try:
                    schedule.set_state(state)
                except (TypeError, ValueError):
                    refused += 1
                    assert schedule.get_state() == before
                else:
                    assert repr(schedule.get_state()) == repr(state)
    assert refused > 20
