"""Loss functions in Python: made of Tensors, and checked against differences."""

from functools import partial

import numpy as np
import pytest
from cases import rng
from scipy.sparse import csr_array

import nablas as nb
from nablas import autograd as ag
from nablas.autograd import as_loss

X = rng().normal(size=(40, 3))
Y = rng(1).normal(size=(40, 2))


def squares(outputs, targets, sample_weight=None):
    each = ((outputs - targets) ** 2).mean(1)
    return (
        each.mean() if sample_weight is None else (each * sample_weight).sum() / sample_weight.sum()
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("weight", [None, rng(2).random(40)])
def test_a_function_of_tensors_trains_as_the_cores_loss(dtype, weight):
    nets = [nb.MLP([3, 5, 2], "tanh", dtype=dtype, seed=0) for _ in range(2)]
    for net, loss in zip(nets, (as_loss(squares), "mse"), strict=True):
        net.fit(X, Y, loss=loss, epochs=5, sample_weight=weight)
    exact = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(nets[0].parameters, nets[1].parameters, rtol=exact, atol=exact)
    with ag.no_grad():
        nets[0].fit(X, Y, loss=as_loss(squares), epochs=1)


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("rows", [4096, 8192])
def test_a_batch_in_parts_has_the_bits_of_the_cores_loss(rows, dropout, sparse, count, threads):
    """The core looks for signals after about 2,300 rows of this network, and adds sums of 4,096."""
    x = np.where(rng().random((rows, 600)) < 0.1, rng(1).normal(size=(rows, 600)), 0)
    x = (csr_array(x) if sparse else x).astype(np.float32)
    y = rng(2).normal(size=(rows, 3)).astype(np.float32)

    def loss(outputs, targets):
        difference = outputs - targets
        return float((difference**2).sum()) / 2 / rows, difference / np.float32(rows)

    nets = [nb.MLP([600, 1400, 3], "gelu", seed=0) for _ in range(2)]
    threads(count)
    for net, used in zip(nets, (loss, "half_mse"), strict=True):
        settings = {"optimizer": nb.SGD(0.1), "dropout": dropout, "batch_size": rows}
        net.fit(x, y, loss=used, epochs=1, **settings)
    np.testing.assert_array_equal(nets[0].parameters, nets[1].parameters)


def test_a_function_of_tensors_that_returns_no_number():
    for wrong in (lambda z, y: z - y, lambda z, y: 1.0, lambda z, y: (z.sum(), z)):
        with pytest.raises(TypeError, match="function: expected a Tensor of a single number"):
            nb.MLP([3, 2], seed=0).fit(X, Y, loss=as_loss(wrong), epochs=1)


def by_hand(scale=1.0, weighted=1.0):
    def loss(outputs, targets, sample_weight=None):
        w = np.ones(len(outputs)) if sample_weight is None else sample_weight
        share = (w / w.sum())[:, None] / outputs.shape[1]
        wrong = scale if sample_weight is None else weighted
        return float((share * (outputs - targets) ** 2).sum()), wrong * 2 * share * (
            outputs - targets
        )

    return loss


@pytest.mark.parametrize(
    ("errors", "worst", "count"),
    [
        ({(2, 1): 1e-3}, (2, 1), 1),
        ({(1, 0): 1e-3, (3, 2): -2e-3, (4, 1): 1e-3}, (3, 2), 3),
        ({(0, 0): 1e3, (4, 2): np.nan}, (4, 2), 2),
        ({(0, 0): 1e3, (1, 1): -np.inf}, (1, 1), 2),
    ],
)
def test_check_loss_names_the_entry_that_differs_most(errors, worst, count):
    def loss(z, y):
        value, gradient = by_hand()(z, y)
        for at, error in errors.items():
            gradient[at] += error
        return value, gradient

    with pytest.raises(RuntimeError) as caught:
        nb.check_loss(loss)
    assert str(caught.value).startswith(f"gradient by output {worst}: expected ")
    assert str(caught.value).endswith(f"; {count} of 15 entries differ")


def test_a_loss_has_the_name_and_the_text_of_its_function():
    made = as_loss(ag.cross_entropy)
    assert (made.__name__, made.__doc__) == ("cross_entropy", ag.cross_entropy.__doc__)
    assert as_loss(partial(squares, sample_weight=None)).__name__ == "loss"  # it has no name


def test_check_loss():
    assert nb.check_loss(by_hand())
    assert nb.check_loss(as_loss(squares))
    assert nb.check_loss(as_loss(squares), rng().normal(size=(4, 1)), rng().normal(size=(4, 1)))
    labels = np.array([0, 2, 1])
    assert nb.check_loss(
        as_loss(lambda z, y: ag.cross_entropy(z, y)), rng().normal(size=(3, 3)), labels
    )
    with pytest.raises(
        RuntimeError, match=r"by output \(\d, \d\): expected .* central differences, got"
    ):
        nb.check_loss(by_hand(1.01))
    with pytest.raises(RuntimeError, match="with sample_weight"):
        nb.check_loss(by_hand(1.0, 1.01))
    with pytest.raises(RuntimeError, match="expected"):
        nb.check_loss(lambda z, y: (float(((z - y) ** 2).sum()), np.full(z.shape, np.nan)))
    with pytest.raises(TypeError, match=r"expected \(value, gradient\)"):
        nb.check_loss(lambda z, y: 1.0)
    with pytest.raises(TypeError, match="loss: expected a function"):
        nb.check_loss("mse")
    with pytest.raises(ValueError, match="outputs: expected 2 dimensions"):
        nb.check_loss(by_hand(), np.ones(3))


def careless(outputs, targets, sample_weight=None):
    """`squares` with its gradient; writes to all that it is given."""
    n, columns = outputs.shape
    share = np.full(n, 1.0) if sample_weight is None else sample_weight
    share /= share.sum()
    targets -= outputs
    outputs[:] = -2 / columns * share[:, None] * targets
    targets **= 2
    targets *= share[:, None]
    return targets.sum() / columns, outputs


def trained(shuffle=False, **settings):
    def value(loss, y, weight):
        net = nb.MLP([3, 5, 2], "tanh", dtype="float64", seed=0)
        more = {name: make(y, weight) for name, make in settings.items()}
        given = {"loss": loss, "sample_weight": weight, "shuffle": shuffle, **more}
        history = net.fit(X, y, epochs=2, batch_size=7, **given)
        return np.concatenate([net.parameters, history.loss, history.val_loss])

    return value


def streamed(loss, y, weight):
    net = nb.MLP([3, 5, 2], "tanh", dtype="float64", seed=0)
    source = nb.data.ArraySource(X, y, weight)
    net.fit(source, loss=loss, epochs=2, batch_size=8, block_rows=16, shuffle=False)
    return net.parameters


def gradients_drawn(loss, y, weight):
    pytest.importorskip("matplotlib")
    net = nb.MLP([3, 5, 2], "tanh", dtype="float64", seed=0)
    shown = nb.plots.GradientNormDisplay.from_estimator(net, X, y, loss=loss, sample_weight=weight)
    return [value for name, value in sorted(vars(shown).items()) if name == "norms"]


USES = {
    "fit": trained(),
    "shuffled": trained(shuffle=True),
    "validation": trained(validation_data=lambda y, weight: (X, y, weight)),
    "blocks": streamed,
    "loss": lambda loss, y, weight: nb.MLP([3, 2], seed=0, dtype="float64").loss(
        X, y, loss=loss, sample_weight=weight
    ),
    "checked": lambda loss, y, weight: nb.check_loss(loss, X[:, :2], y),
    "drawn": gradients_drawn,
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("use", USES)
def test_a_loss_may_write_to_what_it_is_given(use, weighted):
    y, weight = Y.copy(), rng(2).random(40) if weighted else None
    want = USES[use](by_hand(), Y, weight)
    kept = None if weight is None else weight.copy()
    np.testing.assert_allclose(USES[use](careless, y, weight), want, rtol=1e-12)
    np.testing.assert_array_equal(y, Y)
    np.testing.assert_array_equal(weight, kept)


@pytest.mark.parametrize("weight", [None, rng(2).random(40)])
@pytest.mark.parametrize("l2", [0.0, 0.1])
def test_the_gradient_of_a_function_is_that_of_the_cores_loss(l2, weight):
    net = nb.MLP([3, 5, 2], "tanh", dtype="float64", seed=0)
    mine, core = (
        net.gradient(X, Y, loss=loss, l2=l2, sample_weight=weight)
        for loss in (as_loss(squares), "mse")
    )
    np.testing.assert_allclose(mine, core, rtol=1e-12, atol=1e-14)
    values = [
        net.loss(X, Y, loss=f, l2=l2, sample_weight=weight) for f in (as_loss(squares), "mse")
    ]
    assert values[0] == pytest.approx(values[1], rel=1e-12)


def test_a_function_of_tensors_without_weights_is_told_before_training():
    loss = as_loss(lambda outputs, targets: ((outputs - targets) ** 2).mean())
    with pytest.raises(
        TypeError, match="^loss: expected a function with a parameter sample_weight"
    ):
        nb.MLP([3, 2], seed=0).fit(X, Y, loss=loss, sample_weight=np.ones(40))
