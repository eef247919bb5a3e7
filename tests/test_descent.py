import numpy as np
import pytest
from cases import rng

import nablas as nb


def test_a_quadratic():
    a = np.array([[3.0, 1.0], [1.0, 2.0]])
    result = nb.gradient_descent(
        lambda x: 0.5 * x @ a @ x - x.sum(),
        lambda x: a @ x - 1,
        [0, 0],
        0.3,
        max_iterations=1000,
        keep_path=True,
    )
    np.testing.assert_allclose(result.x, np.linalg.solve(a, [1, 1]), atol=1e-6)
    assert result.converged
    assert result.iterations < 1000
    assert len(result.costs) == len(result.path) == result.iterations + 1
    assert (np.diff(result.costs) <= 1e-15).all()
    assert result.cost == result.costs[-1]


def test_logistic_regression_is_a_one_layer_network():
    x = np.column_stack([np.ones(80), rng().normal(size=(80, 3))])
    y = (x @ [0.5, 1, -1, 2] + rng(1).normal(size=80) > 0).astype(float)

    def p(w):
        return 1 / (1 + np.exp(-x @ w))

    result = nb.gradient_descent(
        lambda w: -np.mean(y * np.log(p(w)) + (1 - y) * np.log(1 - p(w))),
        lambda w: x.T @ (p(w) - y) / len(y),
        np.zeros(4),
        learning_rate=0.01,
        max_iterations=500,
    )
    net = nb.MLP([3, 1], output="sigmoid", dtype="float64", init="zeros")
    net.fit(x[:, 1:], y, optimizer=nb.SGD(0.01), batch_size=80, epochs=500, shuffle=False)
    np.testing.assert_allclose(net.parameters, result.x, rtol=1e-12)


def test_optimizers_and_callbacks():
    seen = []

    def watch(iteration, x, cost):
        seen.append(iteration)
        return iteration == 5

    result = nb.gradient_descent(
        lambda x: x @ x, lambda x: 2 * x, [1.0], optimizer=nb.Adam(0.1), callback=watch
    )
    assert seen == [1, 2, 3, 4, 5]
    assert result.iterations == 5
    assert not result.converged
    start = np.array([1.0, 2.0])
    nb.gradient_descent(lambda x: x @ x, lambda x: 2 * x, start, max_iterations=3)
    assert start.tolist() == [1, 2]
    assert (
        nb.gradient_descent(lambda x: x @ x, lambda x: 2 * x, np.ones(2, "f"), 0.1).x.dtype
        == np.float32
    )


def test_schedules_and_numpy_booleans_reach_the_descent():
    cosine = nb.SGD(nb.schedules.Cosine(0.2))
    assert (
        abs(
            nb.gradient_descent(
                lambda x: x @ x, lambda x: 2 * x, [1.0], optimizer=cosine, max_iterations=50
            ).x[0]
        )
        < 0.01
    )
    result = nb.gradient_descent(
        lambda x: x @ x,
        lambda x: 2 * x,
        [1.0],
        0.1,
        callback=lambda i, x, c: np.linalg.norm(x) < 0.5,
    )
    assert result.iterations == 4
    plateau = nb.SGD(nb.schedules.ReduceOnPlateau(1.0, patience=1, factor=0.1, min_delta=0))
    assert (
        nb.gradient_descent(lambda x: x @ x, lambda x: 2 * x, [1.0], optimizer=plateau).cost < 1e-9
    )


def test_errors():
    with pytest.raises(ValueError, match="max_iterations: expected at least 0"):
        nb.gradient_descent(lambda x: 0, lambda x: x, [0], max_iterations=-1)
    with pytest.raises(FloatingPointError, match="grad became non-finite at iteration 0"):
        nb.gradient_descent(lambda x: 3.0, lambda x: x * np.nan, [1.0])
    with pytest.raises(ValueError, match=r"grad: expected shape \(2,\), got \(\)"):
        nb.gradient_descent(lambda x: 0, lambda x: 1.0, [0, 0])
    with (
        pytest.raises(
            FloatingPointError, match="cost became inf at iteration [0-9]+; lower learning_rate"
        ),
        np.errstate(over="ignore"),
    ):
        nb.gradient_descent(lambda x: float(x[0] ** 2), lambda x: 2 * x, [1.0], 10.0)
    with pytest.raises(ValueError, match="learning_rate"):
        nb.gradient_descent(lambda x: 0, lambda x: x, [0], -1)


def test_a_result_is_shown_without_its_iterations():
    shown = repr(nb.gradient_descent(lambda x: x @ x, lambda x: 2 * x, [1.0, 2.0], keep_path=True))
    assert "converged=True" in shown
    assert "costs=" not in shown
    assert "path=" not in shown


def test_a_gradient_may_be_an_array_that_is_used_again():
    def descend(grad):
        def callback(iteration, x, value):
            grad(x + 100)  # to look at another point changes nothing

        given = {"max_iterations": 5, "callback": callback, "tolerance": 0}
        result = nb.gradient_descent(lambda x: x @ x, grad, [1.0, -2.0], 0.1, **given)
        grad(result.x + 1)
        return result

    memory = np.empty(2)
    once, again = descend(lambda x: 2 * x), descend(lambda x: np.multiply(x, 2, out=memory))
    assert again.x.tolist() == once.x.tolist()
    assert again.gradient.tolist() == once.gradient.tolist()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_norm_of_gradients_of_every_size(dtype):
    """That of (3, 4) times a size is 5 times it, though the squares leave the dtype's range."""
    limits = np.finfo(dtype)
    low, high = float(limits.smallest_subnormal), float(limits.max)
    for size in (0.0, low, low**0.75, 1.0, high**0.75, high / 8):
        gradient = np.array([3, 4], dtype) * np.array(size, dtype)
        for tolerance, converged in ((7.5 * size, True), (2.5 * size, size == 0)):
            result = nb.gradient_descent(
                lambda x: 0.0,
                lambda x, g=gradient: g,
                np.ones(2, dtype),
                tolerance=tolerance,
                max_iterations=0,
            )
            assert result.converged == converged, (size, tolerance)
