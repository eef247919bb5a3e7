import numpy as np
import pytest
from cases import hyperparameter_settings, relative_error, rng

import nablas as nb
from nablas import autograd as ag
from nablas import kernels, reference, schedules
from nablas._registry import OPTIMIZERS as RULES
from nablas.autograd import Tensor

CASES = [
    (name, setting)
    for name, rule in RULES.items()
    for setting in hyperparameter_settings(rule.hyperparameters)
]
CLASSES = [
    getattr(nb, name)
    for name in nb.__all__
    if name != "Optimizer"
    and isinstance(getattr(nb, name), type)
    and issubclass(getattr(nb, name), nb.Optimizer)
]


@pytest.mark.parametrize(("rule", "setting"), CASES)
@pytest.mark.parametrize("l1", [0.0, 1e-3, 0.3, 20.0])
def test_updates_follow_the_reference(isa, dtype, rule, setting, l1):
    for n in (0, 1, 15, 16, 17, 100, 9000):
        ours = rng(n).standard_normal(n).astype(dtype)
        theirs = ours.copy()
        states = nb.optimizers.initial_states(rule, ours)
        their_states = reference.initial_states(rule, ours)
        assert [s.tolist() for s in states] == [s.tolist() for s in their_states]
        for step in range(1, 6):
            gradient = rng(step).standard_normal(n).astype(dtype)
            common = {"step": step, "learning_rate": 0.01, "l1": l1, "l2": 0.05, **setting}
            kernels.optimizer_update(rule, ours, gradient, states, **common)
            reference.optimizer_update(rule, theirs, gradient, their_states, **common)
        assert relative_error(ours, theirs) < (2e-6 if dtype == "float32" else 1e-14)
        for got, want in zip(states, their_states, strict=True):
            assert relative_error(got, want) < (2e-6 if dtype == "float32" else 1e-14)


@pytest.mark.parametrize("rule", RULES)
def test_an_update_that_is_not_finite_is_not_made(isa, dtype, rule):
    w = np.ones(40, dtype)
    gradient = np.ones(40, dtype)
    gradient[7], gradient[30] = np.nan, np.inf
    kernels.optimizer_update(
        rule, w, gradient, nb.optimizers.initial_states(rule, w), step=1, learning_rate=0.1
    )
    assert w[7] == 1
    assert np.isfinite(w).all()
    assert (np.delete(w, [7, 30]) < 1).all()


@pytest.mark.parametrize("rule", RULES)
def test_a_gradient_may_share_memory(isa, dtype, rule):
    """With the parameters or a state, at any distance; it is what it was before the update."""
    n, most = 100, 33
    scalar = [np.ones(1)] if RULES[rule].scalar else []
    common = {"step": 1, "learning_rate": 0.1, "l1": 0.01, "l2": 0.01}

    def updated(change):
        memory = [
            rng(i).random(n + 2 * most).astype(dtype) for i in range(1 + len(RULES[rule].states))
        ]
        arrays = [m[most : most + n] for m in memory]
        gradient = memory[of][most + shift : most + shift + n]
        kernels.optimizer_update(
            rule, arrays[0], change(gradient), [*arrays[1:], *(s.copy() for s in scalar)], **common
        )
        return [a.tobytes() for a in arrays]

    for of in range(1 + len(RULES[rule].states)):
        for shift in (-most, -16, -1, 0, 1, 7, most):
            assert updated(lambda g: g) == updated(np.copy), (of, shift)


@pytest.mark.parametrize("rule", RULES)
def test_states_that_share_memory_are_refused(dtype, rule):
    memory = np.zeros(64, np.float64)
    arrays = [memory[8 * i :][:8].view(dtype)[:8] for i in range(1 + len(RULES[rule].states))]
    arrays += [memory[-1:]] if RULES[rule].scalar else []
    for i in range(len(arrays)):
        for j in range(1, i):
            changed = list(arrays)
            changed[i] = (
                arrays[j][: len(arrays[i])]
                if arrays[i].dtype == dtype
                else arrays[j].view(float)[:1]
            )
            with pytest.raises(ValueError, match="^states: expected memory apart from each other"):
                kernels.optimizer_update(
                    rule, changed[0], np.ones(8, dtype), changed[1:], step=1, learning_rate=0.1
                )
        if i > 0 and arrays[i].size == 8:
            changed = [a if k != i else arrays[0] for k, a in enumerate(arrays)]
            with pytest.raises(ValueError, match="^states: expected memory apart from parameters"):
                kernels.optimizer_update(
                    rule, changed[0], np.ones(8, dtype), changed[1:], step=1, learning_rate=0.1
                )


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"parameters": np.ones(4)[::2]}, ValueError, "parameters: expected a contiguous array"),
        ({"gradient": np.ones(3)}, ValueError, r"gradient: expected shape \(2,\), got \(3,\)"),
        ({"states": []}, ValueError, "states: expected 2 arrays for adam, got 0"),
        ({"states": [np.zeros(2), np.zeros(2, "f")]}, TypeError, "second_moment: expected float64"),
        ({"step": 0}, ValueError, "step: expected an integer of at least 1, got 0"),
        ({"learning_rate": np.nan}, ValueError, "learning_rate: expected a finite number"),
        (
            {"momentum": 0.5},
            TypeError,
            "adam: expected hyperparameters among beta1, beta2, eps, eps_hat, got 'momentum'",
        ),
        ({"optimizer": "adan"}, ValueError, "optimizer: expected one of sgd, adam"),
    ],
)
def test_bad_updates(change, error, message):
    arguments = {
        "optimizer": "adam",
        "parameters": np.ones(2),
        "gradient": np.ones(2),
        "states": [np.zeros(2), np.zeros(2)],
    }
    arguments |= {"step": 1, "learning_rate": 0.1} | change
    positional = [arguments.pop(k) for k in ("optimizer", "parameters", "gradient", "states")]
    with pytest.raises(error, match=message):
        kernels.optimizer_update(*positional, **arguments)


def strided(a):
    return np.repeat(a, 2)[::2]


def misaligned(a):
    raw = np.zeros(a.nbytes + 1, np.uint8)
    view = raw[1:].view(a.dtype)
    view[...] = a
    return view


def read_only(a):
    made = a.copy()
    made.setflags(write=False)
    return made


def longer(a):
    return np.zeros(len(a) + 1, a.dtype)


def integers(a):
    return a.astype(np.int64)


IN_PLACE = [(strided, "a contiguous array"), (misaligned, "an aligned array"), (read_only, "a writeable array"),
            (longer, "shape"), (integers, "float")]  # fmt: skip


@pytest.mark.parametrize(("layout", "message"), IN_PLACE)
@pytest.mark.parametrize("rule", RULES)
def test_what_cannot_be_updated_in_place_is_refused(rule, layout, message, dtype):
    entry = RULES[rule]
    arrays = [np.ones(3, dtype), *(np.zeros(3, dtype) for _ in entry.states)]
    arrays += [np.ones(1)] if entry.scalar else []
    names = [*entry.states, *([entry.scalar] if entry.scalar else [])]
    names = ["parameters", *(f"states, {name}" for name in names)]
    for i, name in enumerate(names):
        if layout is strided and arrays[i].size == 1:
            continue
        if layout is longer and name == "parameters":  # then it is the gradient that does not fit
            continue
        changed = [layout(a) if k == i else a.copy() for k, a in enumerate(arrays)]
        with pytest.raises((TypeError, ValueError), match=f"^{name}: expected {message}"):
            kernels.optimizer_update(
                rule, changed[0], np.ones(3, dtype), changed[1:], step=1, learning_rate=0.1
            )


@pytest.mark.parametrize("optimizer", [nb.SGD(0.1, 0.9, True), *(cls(0.05) for cls in CLASSES)])
def test_bound_optimizers_minimise(optimizer):
    w = np.array([[3.0, -2.0]])
    update = optimizer.bind(w)
    for _ in range(5000):
        update(2 * w)
    assert np.abs(w).max() < 0.1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nb.SGD(-1), "learning_rate: expected a positive number"),
        (
            lambda: nb.SGD(momentum=1.0),
            "momentum: expected a number from 0 to less than 1, got 1.0",
        ),
        (lambda: nb.SGD(nesterov=True), "nesterov: expected a momentum"),
        (lambda: nb.Adam(beta2=1.5), "beta2"),
        (lambda: nb.Adam(eps=np.nan), "eps"),
        (lambda: schedules.StepDecay(0.1, every=0), "every: expected at least 1"),
        (lambda: schedules.OneCycle(0.1, rising=1.0), "rising"),
        (lambda: schedules.WarmUp(0.1, steps=0), "steps"),
        (lambda: schedules.Cosine(0.1, final=0.2), "final: expected a rate from 0"),
        (
            lambda: schedules.ReduceOnPlateau(0.1, factor=3),
            "factor: expected a number between 0 and 1",
        ),
        (lambda: schedules.ReduceOnPlateau(0.1, patience=-1), "patience"),
    ],
)
def test_bad_settings(make, message):
    with pytest.raises(ValueError, match=message):
        make()


SCHEDULES = [
    lambda: schedules.Constant(0.1),
    lambda: schedules.StepDecay(0.1, every=2),
    lambda: schedules.ExponentialDecay(0.1, factor=0.5),
    lambda: schedules.Cosine(0.1),
    lambda: schedules.OneCycle(0.1),
    lambda: schedules.ReduceOnPlateau(0.1),
    lambda: schedules.WarmUp(0.1, steps=3),
]


class OtherConstant(schedules.Constant):
    """With the same attributes, of another meaning."""


@pytest.mark.parametrize("make", [*SCHEDULES, lambda: OtherConstant(0.1)])
def test_a_schedule_takes_the_state_of_its_own_class_alone(make):
    for of in [*SCHEDULES, lambda: OtherConstant(0.1)]:
        state = of().get_state()
        if type(of()) is type(make()):
            made = make()
            made.set_state(state | {"initial": 0.3})
            assert made.get_state() == state | {"initial": 0.3}
        else:
            with pytest.raises(ValueError, match="schedule: expected"):
                make().set_state(state)


def rates(schedule, steps_per_epoch=10, epochs=10):
    plan = schedules.Plan(steps_per_epoch, steps_per_epoch * epochs)
    return schedule.rates(np.arange(plan.total_steps), plan)


def test_schedules():
    assert (rates(schedules.Constant(0.1)) == 0.1).all()
    np.testing.assert_allclose(
        rates(schedules.StepDecay(1.0, every=3))[[0, 29, 30, 59, 60]], [1, 1, 0.1, 0.1, 0.01]
    )
    np.testing.assert_allclose(
        rates(schedules.ExponentialDecay(1.0, factor=0.5))[[9, 10, 99]], [1, 0.5, 0.5**9]
    )
    cosine = rates(schedules.Cosine(2.0, final=1.0))
    np.testing.assert_allclose(cosine[[0, 50]], [2.0, 1.5])
    assert (np.diff(cosine) < 0).all()
    # torch.optim.lr_scheduler.OneCycleLR(max_lr=1.0, total_steps=10), PyTorch 2.13
    pytorch = [
        0.04,
        0.52,
        1.0,
        0.950484635,
        0.811744900,
        0.611260467,
        0.388739533,
        0.188255100,
        0.049515365,
        4e-06,
    ]
    np.testing.assert_allclose(rates(schedules.OneCycle(1.0), 1, 10), pytorch, rtol=1e-4)
    warm = rates(schedules.WarmUp(schedules.Cosine(1.0), steps=20))
    np.testing.assert_allclose(warm[:3], rates(schedules.Cosine(1.0))[:3] * [0.05, 0.1, 0.15])
    np.testing.assert_array_equal(warm[20:], rates(schedules.Cosine(1.0))[20:])


def test_schedules_of_bound_optimizers():
    """Without a network an update counts as an epoch."""
    w = np.zeros(1)
    update, seen = nb.SGD(schedules.Cosine(1.0)).bind(w, total_steps=4), []
    for _ in range(4):
        before = w[0]
        update(np.ones(1))
        seen.append(before - w[0])
    np.testing.assert_allclose(seen, [1, (1 + np.sqrt(0.5)) / 2, 0.5, (1 - np.sqrt(0.5)) / 2])
    with pytest.raises(ValueError, match="total_steps: expected a number with this schedule"):
        nb.SGD(schedules.OneCycle(1.0)).bind(w)(np.ones(1))


def test_the_learning_rate_may_be_set():
    optimizer = nb.SGD(0.5)
    assert optimizer.learning_rate == 0.5
    optimizer.learning_rate = 0.1
    assert optimizer.schedule.initial == 0.1
    with pytest.raises(TypeError):
        optimizer.hyperparameters["momentum"] = 0.9
    with pytest.raises(TypeError, match="learning_rate: expected a number or a schedule"):
        optimizer.learning_rate = "fast"


def test_plateau():
    plateau = schedules.ReduceOnPlateau(1.0, factor=0.5, patience=2, lowest=0.3)
    seen = []
    for loss in (1.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5):
        seen.append(rates(plateau)[0])
        plateau.observe(loss)
    assert seen == [1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.3]
    plateau.begin()
    assert rates(plateau)[0] == 1.0


# ---- on Tensors ------------------------------------------------------------------------------


def leaf(values):
    return Tensor(np.array(values, float), requires_grad=True)


@pytest.mark.parametrize("optimizer", [nb.SGD(0.05, momentum=0.9), *(c(0.02) for c in CLASSES)])
def test_parameters_follow_the_same_rules_as_the_network(optimizer):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 3)), rng.integers(0, 4, 20)
    net = nb.MLP([3, 5, 4], output="softmax", dtype="float64", activation="tanh", seed=0)
    flat = Tensor(net.parameters.copy(), requires_grad=True)
    step = optimizer.bind(flat)
    for _ in range(5):
        hidden = ag.dense(X, flat[:20].reshape(4, 5), "tanh")
        ag.cross_entropy(ag.dense(hidden, flat[20:].reshape(6, 4)), y).backward()
        step()
        assert flat.grad is None
    net.fit(X, y, optimizer=optimizer, batch_size=20, epochs=5, shuffle=False)
    np.testing.assert_allclose(flat.data, net.parameters, rtol=1e-9, atol=1e-12)


def test_optimizers_of_several_tensors():
    a, b, unused = leaf(1.0), leaf([2.0, 3.0]), leaf(5.0)
    step = nb.SGD(nb.schedules.ExponentialDecay(0.1, factor=0.5)).bind([a, b, unused])
    for _ in range(2):
        (a * b.sum()).backward()
        step()
    assert a.item() == pytest.approx(1 - 0.1 * 5 - 0.05 * (5 - 0.1 * 2 * 1))
    assert unused.item() == 5
    with pytest.raises(TypeError, match=r"requires_grad=True.* at 1"):
        nb.SGD(0.1).bind([a, Tensor(1.0)])
    a.data, a.grad = np.array(2.0), Tensor(1.0)
    with pytest.raises(RuntimeError, match="bind again"):
        step()
    with pytest.raises(TypeError, match="expected an array or Tensors"):
        nb.SGD(0.1).bind([1.0])


NAMES = {"rho": "alpha", "beta1": None, "beta2": None}  # PyTorch's names of hyperparameters


@pytest.mark.parametrize(("rule", "setting"), CASES)
def test_updates_are_pytorchs(request, rule, setting):
    torch = pytest.importorskip("torch")
    cls = next(c.__name__ for c in CLASSES if c.name == rule)
    if not hasattr(torch.optim, cls):
        pytest.skip("PyTorch has none of this name")
    # PyTorch keeps NAdam's product of momenta in the default dtype, float32 otherwise.
    torch.set_default_dtype(torch.float64)
    request.addfinalizer(lambda: torch.set_default_dtype(torch.float32))
    known = {name: h.default for name, h in RULES[rule].hyperparameters.items()} | setting
    if known.get("nesterov") and not known["momentum"]:
        pytest.skip("PyTorch refuses it")
    if known.pop("eps_hat", 0):
        pytest.skip("PyTorch adds eps after the correction")
    theirs = {NAMES.get(name, name): value for name, value in known.items()}
    theirs.pop(None, None)
    if "nesterov" in theirs:
        theirs["nesterov"] = bool(theirs["nesterov"])
    if "beta1" in known:
        theirs["betas"] = known["beta1"], known["beta2"]
    ours = rng(0).standard_normal(30)
    parameter = torch.tensor(ours.copy(), requires_grad=True)
    optimizer = getattr(torch.optim, cls)([parameter], lr=0.01, **theirs)
    states = nb.optimizers.initial_states(rule, ours)
    for step in range(1, 20):
        gradient = rng(step).standard_normal(30)
        kernels.optimizer_update(
            rule, ours, gradient, states, step=step, learning_rate=0.01, **setting
        )
        parameter.grad = torch.tensor(gradient)
        optimizer.step()
    np.testing.assert_allclose(ours, parameter.detach().numpy(), rtol=1e-12, atol=1e-14)


def test_default_learning_rates():
    """Part of the interface: a fit without settings is repeated by a later version."""
    found = {name: nb.optimizers.as_optimizer(name).learning_rate for name in nb.optimizers.names()}
    assert found == {  # a new rule's is added here
        "sgd": 0.01, "adam": 0.001, "adamw": 0.001, "nadam": 0.002, "rmsprop": 0.01, "adagrad": 0.01,
    }  # fmt: skip
