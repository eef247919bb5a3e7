"""`ReduceOnPlateau` beside PyTorch's and Keras's, and in an optimizer that several networks share."""

import numpy as np
import pytest

import nablas as nb
from nablas.schedules import Constant, Plan, ReduceOnPlateau, StepDecay, WarmUp

FALLING = [1.0, 0.5, 0.25, 0.125, 0.0625]
SERIES = {
    "flat": [1.0] * 30,
    "falls, then flat": [*FALLING, *[0.0625] * 20],
    "noise": np.random.default_rng(0).normal(size=60).cumsum().tolist(),
    "within the threshold": (1 - 0.01 * np.arange(40)).tolist(),
    "better every third": [1 - 0.1 * (i // 3) for i in range(40)],
    "nan": [1.0, np.nan, np.nan, np.nan, 0.5, np.nan],
}
SETTINGS = [
    (p, d, f, low)
    for p in (1, 2, 3, 7)
    for d in (0.0, 1e-4, 0.05)
    for f in (0.1, 0.5)
    for low in (0.0, 0.02)
]


def rates(schedule, losses):
    found = []
    for loss in losses:
        schedule.observe(loss)
        found.append(schedule.rates(np.arange(1), Plan(1, None))[0])
    return found


@pytest.mark.parametrize("name", SERIES)
def test_the_rate_is_reduced_as_in_pytorch_with_one_epoch_less_of_patience(name):
    torch = pytest.importorskip("torch")
    for patience, delta, factor, lowest in SETTINGS:
        weight = torch.nn.Parameter(torch.zeros(1))
        optimizer = torch.optim.SGD([weight], lr=1.0)
        theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, patience=patience - 1, threshold=delta, threshold_mode="abs", factor=factor, min_lr=lowest, eps=0,
        )  # fmt: skip
        expected = []
        for loss in SERIES[name]:
            theirs.step(loss)
            expected.append(optimizer.param_groups[0]["lr"])
        ours = ReduceOnPlateau(
            1.0, patience=patience, min_delta=delta, factor=factor, lowest=lowest
        )
        np.testing.assert_allclose(rates(ours, SERIES[name]), expected, rtol=1e-12)


@pytest.mark.parametrize("name", SERIES)
def test_the_rate_is_reduced_as_in_keras(name):
    """By the lines of Keras 3's ``on_epoch_end``, without a cooldown."""
    for patience, delta, factor, lowest in SETTINGS:
        rate, best, wait, expected = 1.0, np.inf, 0, []
        for loss in SERIES[name]:
            if loss < best - delta:
                best, wait = loss, 0
            else:
                wait += 1
                if wait >= patience and rate > lowest:
                    rate, wait = max(rate * factor, lowest), 0
            expected.append(rate)
        ours = ReduceOnPlateau(
            1.0, patience=patience, min_delta=delta, factor=factor, lowest=lowest
        )
        np.testing.assert_allclose(rates(ours, SERIES[name]), expected, rtol=1e-12)


@pytest.mark.parametrize("patience", [1, 2, 5])
def test_what_the_words_say(patience):
    """Reduced once `patience` epochs in a row have brought no improvement."""
    found = rates(ReduceOnPlateau(1.0, factor=0.5, patience=patience), [1.0] * (1 + 2 * patience))
    assert found == [1.0] * patience + [0.5] * patience + [0.25]


def plateau():
    return ReduceOnPlateau(1.0, factor=0.5, patience=1)


@pytest.mark.parametrize(
    ("schedule", "shared"),
    [
        (lambda: Constant(1.0), False),
        (lambda: StepDecay(1.0, every=1, factor=0.5), False),
        (lambda: WarmUp(1.0, steps=9), False),
        (plateau, True),
        (lambda: WarmUp(plateau(), steps=9), True),
    ],
    ids=["Constant", "StepDecay", "WarmUp", "ReduceOnPlateau", "WarmUp of ReduceOnPlateau"],
)
def test_an_optimizer_of_several_networks(schedule, shared):
    """The counts are each network's own; what was observed begins anew with each other network."""

    def fit(net, optimizer):
        return net.fit([[0.0]], [0.0], optimizer=optimizer, epochs=3).learning_rate

    nets = [nb.MLP([1, 1], init="zeros", seed=0) for _ in range(3)]
    common, alone = nb.SGD(schedule()), nb.SGD(schedule())
    first, second, third = (fit(nets[0], alone) for _ in range(3))
    assert fit(nets[1], common) == first
    assert fit(nets[1], common) == second
    assert fit(nets[2], common) == first  # the other network: anew
    after = fit(nets[1], common)
    if not shared:
        assert after == third
    elif type(common.learning_rate) is ReduceOnPlateau:
        assert after == second  # goes on from the other network's three epochs
    else:
        assert after != third
