import numpy as np
import pytest

from nablas import kernels, reference
from nablas.reference import random as reference_random


def test_philox_known_answers():
    """Test vectors of the generator's authors (Random123, kat_vectors)."""
    ones = 0xFFFFFFFF
    cases = [
        ((0, 0, 0, 0), (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ((ones,) * 4, (ones, ones), "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ]
    for (c0, c1, c2, c3), (k0, k1), want in cases:
        block = reference_random.philox(k0 | k1 << 32, [c0 | c1 << 32], c2, c3)[0]
        assert " ".join(f"{int(w):08x}" for w in block) == want


@pytest.mark.parametrize("seed", [0, 1, 2**63 - 1])
def test_numbers_are_those_of_the_reference(seed):
    for n in (0, 1, 2, 5, 1000):
        np.testing.assert_array_equal(
            kernels.random_uniform(n, seed=seed, stream=3),
            reference.random_uniform(n, seed=seed, stream=3),
        )
        np.testing.assert_allclose(
            kernels.random_normal(n, seed=seed),
            reference.random_normal(n, seed=seed),
            rtol=1e-13,
            atol=1e-15,
        )
        np.testing.assert_array_equal(
            kernels.permutation(n, seed=seed, epoch=2), reference.permutation(n, seed=seed, epoch=2)
        )


def test_long_calls_go_on_after_a_look_for_signals():
    """More numbers than between two looks."""
    for name in ("random_uniform", "random_normal", "permutation"):
        found = getattr(kernels, name)(2**19 + 5, seed=1)
        np.testing.assert_allclose(
            found, getattr(reference, name)(2**19 + 5, seed=1), rtol=1e-13, atol=1e-15
        )


NUMBERS = {  # argument: the largest that is taken, for three rows; None: what there is memory for
    "random_uniform": {"count": None, "seed": 2**64 - 1, "stream": 2**24 - 1},
    "random_normal": {"count": None, "seed": 2**64 - 1, "stream": 2**24 - 1},
    "permutation": {"count": None, "seed": 2**64 - 1, "epoch": 2**32 - 1},
    "dropout": {"seed": 2**64 - 1, "step": 2**64 - 1, "layer": 2**24 - 1, "first_row": 2**63 - 4},
}


@pytest.mark.parametrize(("name", "argument"), [(n, a) for n in NUMBERS for a in NUMBERS[n]])
def test_every_number_has_its_range(name, argument):
    valid = {"x": np.ones((3, 2)), "rate": 0.5} if name == "dropout" else {"count": 3}
    most = NUMBERS[name][argument]

    def call(value):
        return getattr(kernels, name)(**{**valid, "seed": 0, argument: value})

    call(0)
    if most is not None:
        call(most)
    for value in (-1, 2**63 if most is None else most + 1, 2**64, 10**30):
        with pytest.raises(ValueError, match=f"^{argument}: expected an integer"):
            call(value)


def test_permutations_are_fair():
    orders = np.array([kernels.permutation(4, seed=s) for s in range(4800)])
    assert (np.sort(orders, axis=1) == np.arange(4)).all()
    _, counts = np.unique(orders, axis=0, return_counts=True)
    assert len(counts) == 24
    assert ((counts - 200) ** 2 / 200).sum() < 55  # chi-squared, 23 degrees of freedom: p = 0.0002


def test_moments():
    u, z = kernels.random_uniform(100_000, seed=1), kernels.random_normal(100_000, seed=1)
    assert abs(u.mean() - 0.5) < 0.005
    assert abs(u.var() - 1 / 12) < 0.002
    assert abs(z.mean()) < 0.015
    assert abs(z.var() - 1) < 0.02
    assert 0 <= u.min() < u.max() < 1


def test_streams_and_seeds_differ():
    first = kernels.random_uniform(10, seed=1)
    assert not np.isin(first, kernels.random_uniform(10, seed=1, stream=1)).any()
    assert not np.isin(first, kernels.random_uniform(10, seed=2)).any()


def test_dropout(isa, dtype):
    x = np.random.default_rng(0).standard_normal((50, 37)).astype(dtype)
    for rate in (0.0, 0.3, 0.9):
        where = {"seed": 5, "step": 9, "layer": 2}
        got = kernels.dropout(x, rate, **where)
        np.testing.assert_array_equal(got, reference.dropout(x, rate, **where))
        assert abs((got == 0).mean() - rate) < 0.05
        tail = kernels.dropout(x[20:], rate, first_row=20, **where)
        np.testing.assert_array_equal(tail, got[20:])
        kernels.dropout(x, rate, **where, out=(copy := x.copy()))
    np.testing.assert_array_equal(copy, got)
    assert (kernels.dropout(x, 0.5, seed=5) != kernels.dropout(x, 0.5, seed=5, step=1)).any()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: kernels.random_uniform(-1, seed=0),
            "count: expected an integer of at least 0, got -1",
        ),
        (lambda: kernels.random_uniform(1, seed=0, stream=2**24), "stream: expected"),
        (
            lambda: kernels.dropout(np.ones((2, 2)), 1.0, seed=0),
            "rate: expected a number from 0 to less than 1",
        ),
        (lambda: kernels.dropout(np.ones((2, 2)), np.nan, seed=0), "rate"),
        (lambda: kernels.dropout(np.ones(2), 0.1, seed=0), "x: expected 2 dimensions"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
