"""Kernels at the places where a formula changes: kinks, zeros, infinities, large step numbers, wide streamed rows.

Every registered activation, loss and optimizer is held against the reference there.
"""

import numpy as np
import pytest
from cases import (
    LOSS_SETTINGS,
    assert_product,
    kernel_and_reference,
    rng,
    thresholds,
)

from nablas import kernels, reference
from nablas._registry import ACTIVATIONS, LOSSES, OPTIMIZERS
from nablas.optimizers import initial_states


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_and_slopes_at_small_integers(isa, dtype, name):
    """0, where slopes jump, and neighbours; the reference says which side counts."""
    z = np.array([-2, -1, -0.5, -0.0, 0.0, 0.5, 1, 2], dtype)
    want = reference.ACTIVATIONS[name].value(z.astype(float))
    np.testing.assert_allclose(kernels.activate(z, name), want, rtol=1e-6, atol=1e-7)
    kept = z if ACTIVATIONS[name].kept == "preactivation" else want.astype(dtype)
    slope = reference.ACTIVATIONS[name].slope(z.astype(float))
    np.testing.assert_allclose(kernels.slope(kept, name), slope, rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_slopes_at_infinity(isa, dtype, name):
    """The limits, which the reference has at numbers far out."""
    z = np.array([np.inf, -np.inf], dtype)
    kept = z if ACTIVATIONS[name].kept == "preactivation" else kernels.activate(z, name)
    with np.errstate(all="ignore"):
        want = reference.ACTIVATIONS[name].slope(np.array([1e4, -1e4]))
    np.testing.assert_allclose(kernels.slope(kept, name), want, rtol=1e-6, atol=2e-8)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_slopes_keep_their_digits(isa, dtype, name):
    """Relative errors of some roundings of the result and of what the slope is a function of."""
    eps = np.finfo(dtype).eps
    z = np.concatenate(
        [np.linspace(-10, 8, 3001), -np.geomspace(1e-6, 1, 200), np.geomspace(1e-6, 1, 200)]
    )
    if ACTIVATIONS[name].kept == "preactivation":
        kept = z.astype(dtype)
    else:
        kept = reference.ACTIVATIONS[name].value(z).astype(dtype)
        kept = kept[np.abs(kept) < 1] if name in ("sigmoid", "tanh", "softsign") else kept
    wide = kept.astype(float)
    with np.errstate(all="ignore"):
        want = reference.slope(wide, name)
        spread = np.abs(
            reference.slope(wide * (1 + eps), name) - reference.slope(wide * (1 - eps), name)
        )
    limit = 16 * eps * np.abs(want) + 4 * np.nan_to_num(spread, nan=np.inf) + 1e-300
    got = kernels.slope(kept, name)
    steps = (
        np.isclose(wide, 0, atol=1e-12)
        if name in ("leaky_relu", "relu", "elu", "selu")
        else np.zeros(len(wide), bool)
    )
    # gelu's tail multiplies the rounding of z² by z²/2, and cancels at its minimum
    limit += 60 * eps * np.exp(-wide * wide / 2) * np.abs(wide) if name == "gelu" else 0
    limit += 16 * eps * np.exp(-np.abs(wide)) * np.abs(wide) if name in ("silu", "mish") else 0
    wrong = (np.abs(got - want) > limit) & ~steps
    assert not wrong.any(), f"at {wide[wrong][:3]}: {got[wrong][:3]}, expected {want[wrong][:3]}"


@pytest.mark.parametrize(("loss", "setting"), LOSS_SETTINGS)
def test_losses_on_a_grid_of_halves(isa, dtype, loss, setting):
    """z and y meet, and their differences meet every kink of the losses (0, ±1/2, ±1, ±5/2)."""
    entry = LOSSES[loss]
    kernel, oracle = kernel_and_reference(loss)
    z, y = np.meshgrid(np.arange(-3, 3.5, 0.5), np.arange(-3, 3.5, 0.5))
    inside = (y >= entry.lowest) & (y <= entry.highest)
    z, y = z[inside][:, None].astype(dtype), y[inside][:, None].astype(dtype)
    if entry.takes_labels:
        z, y = np.hstack([z, -z, 0 * z]), np.hstack([y, 1 - y, 0 * y])
    for i in range(len(z)):
        value, delta = kernel(z[i : i + 1], y[i : i + 1], **setting)
        want, want_delta = oracle(z[i : i + 1], y[i : i + 1], **setting)
        at = f"z {z[i]}, y {y[i]}"
        assert value == pytest.approx(want, rel=2e-6, abs=1e-6 if dtype == "float32" else 1e-14), at
        np.testing.assert_allclose(delta, want_delta, rtol=2e-6, atol=1e-6, err_msg=at)


@pytest.mark.parametrize("columns", [3, 10, 80])
def test_cross_entropy_of_any_mass(isa, dtype, columns):
    """Targets need not sum to 1: delta is the mass times p, less y."""
    z = rng(1).standard_normal((21, columns)).astype(dtype)
    y = (rng(2).random((21, columns)) * rng(3).integers(0, 2, (21, 1))).astype(dtype)
    value, delta = kernels.softmax_cross_entropy(z, y)
    want, want_delta = reference.softmax_cross_entropy(z, y)
    tolerance = 2e-5 if dtype == "float32" else 1e-12
    assert value == pytest.approx(want, rel=tolerance)
    np.testing.assert_allclose(delta, want_delta, rtol=tolerance, atol=tolerance / 10)


@pytest.mark.parametrize("columns", [3, 80])
def test_a_target_of_zero_ignores_an_impossible_class(isa, dtype, columns):
    z = rng(1).standard_normal((4, columns)).astype(dtype)
    z[:, 1] = -np.inf
    y = rng(2).random((4, columns)).astype(dtype)
    y[:, 1] = 0
    value, delta = kernels.softmax_cross_entropy(z, y)
    rest = np.delete(np.arange(columns), 1)
    want, want_delta = kernels.softmax_cross_entropy(z[:, rest], y[:, rest])
    assert value == pytest.approx(want, rel=1e-5)
    np.testing.assert_allclose(delta[:, rest], want_delta, rtol=1e-4, atol=1e-6)
    assert (delta[:, 1] == 0).all()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("columns", [1, 3, 80])
def test_a_row_of_weight_zero_counts_nothing(isa, dtype, loss, columns):
    """Whatever its outputs are: 0 times infinity is 0 here."""
    kernel, _ = kernel_and_reference(loss)
    y = np.full((5, columns), 1 / columns, dtype)
    z = rng(1).standard_normal((5, columns)).astype(dtype)
    weight = np.array([1, 2, 0, 1, 0.5], dtype)
    want, _ = kernel(z, y, sample_weight=weight)
    for odd in (np.inf, -np.inf, np.nan, np.finfo(dtype).max):
        z[2] = odd
        value, delta = kernel(z, y, sample_weight=weight)
        assert value == want
        assert np.isfinite(delta).all()
        assert not delta[2].any()


@pytest.mark.parametrize("rule", OPTIMIZERS)
def test_updates_at_any_step(isa, dtype, rule):
    """Bias corrections go on changing: steps around powers of ten."""
    for step in (1, 2, 9, 10, 11, 99, 101, 999, 1000, 1001, 5000, 100_000):
        ours = rng(step).standard_normal(40).astype(dtype)
        theirs, gradient = ours.copy(), rng(step + 1).standard_normal(40).astype(dtype)
        states = [
            s + np.abs(rng(i).random(s.shape)).astype(s.dtype) * (s.size > 1)
            for i, s in enumerate(initial_states(rule, ours))
        ]
        their_states = [s.copy() for s in states]
        kernels.optimizer_update(rule, ours, gradient, states, step=step, learning_rate=0.1)
        reference.optimizer_update(
            rule, theirs, gradient, their_states, step=step, learning_rate=0.1
        )
        np.testing.assert_allclose(
            ours,
            theirs,
            rtol=2e-5 if dtype == "float32" else 1e-12,
            atol=1e-6 if dtype == "float32" else 1e-13,
        )
        for got, want in zip(states, their_states, strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-5 if dtype == "float32" else 1e-12)


@pytest.mark.parametrize("rule", OPTIMIZERS)
def test_states_apart_from_the_parameters(dtype, rule):
    memory = np.zeros(20, dtype)
    parameters = memory[:10]
    for i, state in enumerate(initial_states(rule, parameters)):
        if state.shape == parameters.shape:
            for shift in (0, 3):
                states = initial_states(rule, parameters)
                states[i] = memory[shift : shift + 10]
                with pytest.raises(
                    ValueError, match="states: expected memory apart from parameters"
                ):
                    kernels.optimizer_update(
                        rule, parameters, np.zeros(10, dtype), states, step=1, learning_rate=0.1
                    )


def test_streamed_layers_have_their_bias_everywhere(isa, dtype):
    """Few rows and wide outputs are streamed in pieces of columns; each piece has its own bias."""
    limits = thresholds(dtype)
    wide = limits["stream_columns"]
    for rows in (1, limits["few_rows"]):
        for outputs in (wide - 1, wide, wide + 1, 2 * wide + 5):
            inputs = limits["streamed_elements"] // outputs + 1
            x = rng(rows).standard_normal((rows, inputs)).astype(dtype)
            weights = rng(outputs).standard_normal((inputs + 1, outputs)).astype(dtype)
            extended = np.hstack([np.ones((rows, 1), dtype), x])
            assert_product(kernels.dense_forward(x, weights), extended, weights)
            a = kernels.dense_forward(x, weights, "tanh")
            z = kernels.dense_forward(x, weights)
            np.testing.assert_array_equal(a, kernels.activate(z, "tanh"))
