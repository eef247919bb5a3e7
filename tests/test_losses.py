from functools import partial

import numpy as np
import pytest
from cases import LOSS_SETTINGS, kernel_and_reference, loss_targets, rng, thresholds

from nablas import kernels, reference
from nablas._registry import LOSSES

SHAPES = [(0, 3), (1, 1), (5, 10), (31, 16), (32, 17), (33, 1), (65, 40), (3, 300)]
TOLERANCE = {"float32": 3e-6, "float64": 1e-14}


def targets(loss, shape, seed=7):
    return loss_targets(loss, *shape, seed=seed)


@pytest.mark.parametrize(("loss", "setting"), LOSS_SETTINGS)
@pytest.mark.parametrize("weighted", [False, True])
def test_loss_and_delta(isa, dtype, loss, setting, weighted):
    kernel, oracle = kernel_and_reference(loss)
    for shape in SHAPES:
        z = (2 * rng(1).standard_normal(shape)).astype(dtype)
        y = targets(loss, shape).astype(dtype)
        weight = rng(2).random(shape[0]).astype(dtype) if weighted else None
        value, delta = kernel(z, y, sample_weight=weight, **setting)
        want, want_delta = oracle(z, y, sample_weight=weight, **setting)
        assert value == pytest.approx(want, rel=TOLERANCE[dtype], abs=TOLERANCE[dtype])
        assert delta.dtype == dtype
        np.testing.assert_allclose(
            delta, want_delta, rtol=1e-4 if dtype == "float32" else 1e-11, atol=TOLERANCE[dtype]
        )
        kernel(z, y, sample_weight=weight, out=z, **setting)
        np.testing.assert_array_equal(z, delta)


@pytest.mark.parametrize(("loss", "setting"), LOSS_SETTINGS)
def test_delta_is_the_derivative(isa, loss, setting):
    kernel = partial(kernel_and_reference(loss)[0], **setting)
    z, y, weight, h = rng(3).normal(size=(6, 5)), targets(loss, (6, 5)), rng(4).random(6), 1e-6
    _, delta = kernel(z, y, sample_weight=weight)
    for i, j in np.ndindex(z.shape):
        up, down = z.copy(), z.copy()
        up[i, j] += h
        down[i, j] -= h
        difference = (
            kernel(up, y, sample_weight=weight)[0] - kernel(down, y, sample_weight=weight)[0]
        ) / (2 * h)
        assert delta[i, j] == pytest.approx(difference, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_labels_are_one_hot_targets(isa, dtype, smoothing):
    narrow = thresholds(dtype)["narrow_columns"]
    shapes = [
        (1, 1),
        (33, 2),
        (50, 3),
        (47, 4),
        (7, 10),
        (40, 33),
        (18, narrow),
        (20, narrow + 1),
        (3, 300),
    ]
    for n, classes in shapes:
        z = rng(1).standard_normal((n, classes)).astype(dtype)
        labels = rng(2).integers(0, classes, n)
        one_hot = np.eye(classes, dtype=dtype)[labels]
        want, want_delta = reference.softmax_cross_entropy(
            z.astype(float), one_hot, label_smoothing=smoothing
        )
        of_targets, delta = kernels.softmax_cross_entropy(z, one_hot, label_smoothing=smoothing)
        assert of_targets == pytest.approx(want, rel=TOLERANCE[dtype])
        np.testing.assert_allclose(delta, want_delta, atol=TOLERANCE[dtype])
        kinds = (np.int64, np.int32, np.uint16, np.uint8)
        for kind in [kind for kind in kinds if classes <= np.iinfo(kind).max + 1]:
            value, delta = kernels.softmax_cross_entropy(
                z, labels.astype(kind), label_smoothing=smoothing
            )
            assert value == pytest.approx(of_targets, rel=1e-6 if dtype == "float32" else 1e-14)
            np.testing.assert_allclose(delta, want_delta, atol=TOLERANCE[dtype])


@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize("outputs", [1, 2, 3, 4, 5, 10, 64, 65])
def test_a_row_has_the_same_bits_in_any_call(isa, dtype, outputs, labelled):
    """Numbers of rows that are powers of two: delta's factor 1 / rows is exact."""
    z = rng(1).standard_normal((64, outputs)).astype(dtype)
    y = rng(2).integers(0, outputs, 64) if labelled else rng(3).random((64, outputs)).astype(dtype)
    for smoothing in (0.0, 0.3):
        _, whole = kernels.softmax_cross_entropy(z, y, label_smoothing=smoothing)
        for count in (1, 2, 8, 16, 32):
            for i in range(0, 64, count):
                part = slice(i, i + count)
                _, delta = kernels.softmax_cross_entropy(
                    z[part], y[part], label_smoothing=smoothing
                )
                np.testing.assert_array_equal(delta * z.dtype.type(count / 64), whole[part])


@pytest.mark.parametrize("loss", LOSSES)
def test_extreme_outputs_stay_finite(isa, dtype, loss):
    kernel, _ = kernel_and_reference(loss)
    top = 50 if LOSSES[loss].link == "exp" else 1e4
    z = np.array([[top, -top, 0.0], [-top, top, top]], dtype)
    y = np.array([[0, 1, 0], [1, 0, 0]], dtype)
    value, delta = kernel(z, y)
    assert np.isfinite(value)
    assert np.isfinite(delta).all()
    assert value > 0


def test_cross_entropies_keep_small_probabilities(isa, dtype):
    value, _ = kernels.softmax_cross_entropy(np.array([[0.0, 500.0]], dtype), [0])
    assert value == pytest.approx(500, rel=1e-6)
    value, _ = kernels.sigmoid_binary_cross_entropy(
        np.array([[500.0]], dtype), np.array([[0.0]], dtype)
    )
    assert value == pytest.approx(500, rel=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_zero_weights(dtype, loss):
    kernel, _ = kernel_and_reference(loss)
    z, y = rng().standard_normal((4, 3)).astype(dtype), targets(loss, (4, 3)).astype(dtype)
    value, delta = kernel(z, y, sample_weight=np.zeros(4, dtype))
    assert value == 0
    assert not delta.any()
    some = np.array([1, 0, 2, 0], dtype)
    value, delta = kernel(z, y, sample_weight=some)
    want, want_delta = kernel(z[::2].copy(), y[::2].copy(), sample_weight=some[::2].copy())
    assert value == pytest.approx(want, rel=1e-6)
    np.testing.assert_allclose(delta[::2], want_delta, rtol=1e-6)


@pytest.mark.parametrize(("loss", "setting"), LOSS_SETTINGS)
@pytest.mark.parametrize("columns", [1, 3, 40])
def test_the_scale_of_weights(isa, dtype, loss, setting, columns):
    """Weights of any size: the loss of their ratios, or an error."""
    kernel = partial(kernel_and_reference(loss)[0], **setting)
    z, y = (
        rng().standard_normal((5, columns)).astype(dtype),
        targets(loss, (5, columns)).astype(dtype),
    )
    ratios = np.array([1, 2, 0, 1, 4], dtype)
    want, want_delta = kernel(z, y, sample_weight=ratios)
    most = 2.0 ** (96 if dtype == "float32" else 960)
    digits = np.finfo(dtype).maxexp - 4
    for exponent in range(-digits - 30, digits, digits // 24):
        weight = ratios * np.exp2(np.longdouble(exponent)).astype(dtype)
        if 1 / most <= weight.sum(dtype=float) <= most:
            value, delta = kernel(z, y, sample_weight=weight)
            assert value == pytest.approx(want, rel=1e-6, abs=1e-12)
            np.testing.assert_allclose(delta, want_delta, rtol=4e-6)
        elif weight.any():
            with pytest.raises(
                ValueError, match="^sample_weight: expected weights whose sum is 0 or"
            ):
                kernel(z, y, sample_weight=weight)


@pytest.mark.parametrize(
    ("loss", "setting"),
    [
        (loss, setting) for loss, setting in LOSS_SETTINGS if loss != "cross_entropy"
    ],  # of one output: 0
)
def test_losses_that_the_dtype_holds(isa, dtype, loss, setting):
    """Nothing overflows or loses a limit on the way, as in float64 or wider."""
    entry, top = LOSSES[loss], np.finfo(dtype).max
    kernel, formula = (
        partial(kernel_and_reference(loss)[0], **setting),
        reference.LOSSES[loss].entries,
    )
    sizes = [0, 0.3, 1, 20, 80, 1e4, 0.9 * top**0.5, 1.3 * top**0.5, top / 99, top / 8]
    setting = {name: np.longdouble(value) for name, value in setting.items()}
    for y in [s for s in (*sizes, *np.negative(sizes)) if entry.lowest <= s <= entry.highest]:
        for z in (*sizes, *np.negative(sizes), np.inf, -np.inf):
            arguments = np.full((1, 1), z, dtype), np.full((1, 1), y, dtype)
            with np.errstate(all="ignore"):
                wide = [a.astype(np.longdouble) for a in arguments]
                want = [float(part[0, 0].astype(dtype)) for part in formula(*wide, **setting)]
            value, delta = kernel(*arguments)
            for got, right in zip((value, delta[0, 0]), want, strict=True):
                if not np.isnan(right):
                    assert got == pytest.approx(right, rel=1e-5, abs=1e-5), (z, y)


@pytest.mark.parametrize(
    ("loss", "bad", "message"),
    [
        ("cross_entropy", [0, 5], "targets: expected class labels from 0 to 2, got 5 at index 1"),
        ("cross_entropy", [-1, 0], "got -1 at index 0"),
        ("cross_entropy", [0, 1, 2], r"targets: expected shape \(2,\), got \(3,\)"),
        (
            "binary_cross_entropy",
            [[0, 0, 0], [0, 2, 0]],
            r"targets: expected values from 0 to 1, got 2 at \(1, 1\)",
        ),
        (
            "poisson",
            [[0, 0, -1], [0, 0, 0]],
            r"targets: expected values of at least 0, got -1 at \(0, 2\)",
        ),
        (
            "mse",
            [[0, np.nan, 0], [0, 0, 0]],
            r"targets: expected finite values, got nan at \(0, 1\)",
        ),
        ("mae", [[0, 0, 0], [np.inf, 0, 0]], r"got inf at \(1, 0\)"),
        ("huber", [[0, 0]], r"targets: expected shape \(2, 3\), got \(1, 2\)"),
    ],
)
def test_bad_targets(loss, bad, message):
    kernel, _ = kernel_and_reference(loss)
    y = np.array(bad) if loss == "cross_entropy" else np.array(bad, float)
    with pytest.raises(ValueError, match=message):
        kernel(np.zeros((2, 3)), y)


def test_bad_weights():
    z, y = np.zeros((2, 3)), np.zeros((2, 3))
    with pytest.raises(
        ValueError, match=r"sample_weight: expected values of at least 0, got -1 at \(1,\)"
    ):
        kernels.mse(z, y, sample_weight=np.array([1.0, -1.0]))
    with pytest.raises(ValueError, match=r"sample_weight: expected shape \(2,\)"):
        kernels.mse(z, y, sample_weight=np.ones(3))
    with pytest.raises(
        TypeError, match="targets: expected float64 like the other arguments, got float32"
    ):
        kernels.mse(z, y.astype("f"))


@pytest.mark.parametrize(
    ("setting", "error", "message"),
    [
        ({"delta": 0.0}, ValueError, "delta: expected a finite number above 0, got 0.0"),
        ({"delta": -1}, ValueError, "delta: expected a finite number above 0, got -1"),
        ({"delta": np.nan}, ValueError, "delta: expected a finite number, got nan"),
        ({"delta": "a"}, TypeError, "delta: expected a number, got str"),
        ({"beta": 1.0}, TypeError, "huber: expected hyperparameters among delta, got 'beta'"),
    ],
)
def test_bad_hyperparameters(setting, error, message):
    with pytest.raises(error, match=message):
        kernels.huber(np.zeros((2, 3)), np.zeros((2, 3)), **setting)
    with pytest.raises(TypeError, match="mse: expected no hyperparameters, got 'delta'"):
        kernels.mse(np.zeros((2, 3)), np.zeros((2, 3)), delta=1.0)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("over", ["z", "targets", "sample_weight"])
@pytest.mark.parametrize("shift", [0, 1, -2])
def test_out_may_overlap_every_input(dtype, loss, over, shift):
    """Exactly, or shifted by some elements: the answer is that of separate memory."""
    kernel, shape = kernel_and_reference(loss)[0], (17, 5)
    given = {
        "z": rng(1).standard_normal(shape).astype(dtype),
        "targets": targets(loss, shape).astype(dtype),
        "sample_weight": rng(2).random(17).astype(dtype),
    }
    value, delta = kernel(**given)
    memory = np.zeros(100, dtype)
    size = given[over].size
    inside = memory[5 : 5 + size].reshape(given[over].shape)
    inside[...] = given[over]
    out = memory[5 + shift : 5 + shift + 85].reshape(shape)
    got, result = kernel(**{**given, over: inside}, out=out)
    assert got == value
    assert result is out
    np.testing.assert_array_equal(out, delta)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3, 1e5])
def test_poisson_near_its_minimum(dtype, size):
    """It is no difference of terms as large as the counts: not negative, and exact to z's rounding."""
    y = (size * rng(0).uniform(0.5, 2, (500, 1))).astype(dtype)
    z = (
        np.log(y)
        + rng(1).normal(size=(500, 1)) * np.repeat([1e-4, 1e-2, 1, 100], 125)[:, None] / 10
    ).astype(dtype)
    own = np.array([kernels.poisson(z[i : i + 1], y[i : i + 1])[0] for i in range(len(y))])
    t = np.log(y.astype(np.longdouble)) - z.astype(np.longdouble)
    exact = (y * (np.expm1(-t) + t))[:, 0]
    eps = np.finfo(dtype).eps
    slope = y * np.abs(np.expm1(-t)) * (np.abs(z) + 1)  # of the loss by z, times z's size
    assert (own >= 0).all()
    np.testing.assert_array_less(
        np.abs(own - exact), (8 * eps * (slope[:, 0] + exact)).astype(float) + 1e-30
    )
