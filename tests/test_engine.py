"""The engine against the NumPy reference: training steps, gradients, dropout, initial weights."""

import gc
import itertools
import weakref

import numpy as np
import pytest
from cases import NETWORKS, relative_error, rng

import nablas as nb
from nablas import _core, _registry, reference
from nablas._registry import INITIALIZATIONS
from nablas.optimizers import as_optimizer

OPTIMIZERS = {name: as_optimizer(name) for name in nb.optimizers.names()} | {
    "sgd": nb.SGD(0.05, momentum=0.9)
}
STEPS = 100


def build(loss, n, dtype="float64", seed=1):
    sizes, hidden, output, make = NETWORKS[loss]
    net = nb.MLP(sizes, hidden, output, dtype=dtype, seed=seed)
    twin = reference.ReferenceNetwork(sizes, net.activations, net.parameters.astype(np.float64))
    return net, twin, rng(3).normal(size=(n, sizes[0])).astype(dtype), make(n)


def pairs():
    """Every loss and every optimizer at least once."""
    losses, optimizers = list(NETWORKS), list(OPTIMIZERS)
    for i in range(max(len(losses), len(optimizers))):
        yield losses[i % len(losses)], optimizers[i % len(optimizers)]


@pytest.mark.parametrize(("loss", "name"), list(pairs()))
def test_a_hundred_steps_follow_the_reference(isa, loss, name):
    """20 epochs of 5 batches, the last one smaller."""
    optimizer = OPTIMIZERS[name]
    net, twin, x, y = build(loss, 90)
    weight = rng(4).random(90)
    common = {
        "loss": loss,
        "batch_size": 20,
        "epochs": 20,
        "seed": 7,
        "l2": 1e-3,
        "sample_weight": weight,
    }
    theirs = reference.fit(
        twin,
        x,
        y,
        optimizer=name,
        learning_rate=optimizer.schedule.initial,
        **optimizer.hyperparameters,
        **common,
    )
    steps = [(value, parameters.copy()) for value, parameters in theirs]
    assert len(steps) == STEPS
    history = net.fit(x, y, optimizer=optimizer, **common)
    assert relative_error(net.parameters, steps[-1][1]) < 1e-9
    assert len(history) == 20
    for epoch in (1, 2):  # an early deviation is found, too
        net, _, _, _ = build(loss, 90)
        net.fit(
            x,
            y,
            optimizer=type(optimizer)(optimizer.schedule, **_settings(optimizer)),
            **(common | {"epochs": epoch}),
        )
        assert relative_error(net.parameters, steps[5 * epoch - 1][1]) < 1e-12


def _settings(optimizer):
    known = _registry.OPTIMIZERS[optimizer.name].hyperparameters
    return {k: bool(v) if known[k].flag else v for k, v in optimizer.hyperparameters.items()}


@pytest.mark.parametrize("loss", NETWORKS)
def test_gradients_pass_central_differences(isa, loss):
    net, twin, x, y = build(loss, 12)
    weight = rng(4).random(12)
    for settings in ({}, {"l2": 0.1}, {"sample_weight": weight, "l2": 0.01}):
        gradient = net.gradient(x, y, loss=loss, **settings)
        value, want = twin.loss_and_gradient(x, y, loss, **settings)
        assert relative_error(gradient, want) < 1e-12
        assert net.loss(x, y, loss=loss, **settings) == pytest.approx(value, rel=1e-12)
        difference, h, p = np.empty_like(gradient), 1e-5, net.parameters
        for i in range(len(p)):
            old = p[i]
            p[i] = old + h
            up = net.loss(x, y, loss=loss, **settings)
            p[i] = old - h
            difference[i] = (up - net.loss(x, y, loss=loss, **settings)) / (2 * h)
            p[i] = old
        assert relative_error(gradient, difference) < 1e-7


@pytest.mark.parametrize("depth", range(5))
@pytest.mark.parametrize("activation", list(nb.activations()))
def test_every_activation_at_every_depth(isa, dtype, depth, activation):
    sizes = [6, *[8] * depth, 3]
    net = nb.MLP(sizes, activation, "softmax", dtype=dtype, seed=depth)
    if activation == "exp":
        net.parameters[:] *= 0.3  # nested exponentials overflow
    twin = reference.ReferenceNetwork(sizes, net.activations, net.parameters.astype(np.float64))
    x, y = rng(1).normal(size=(17, 6)).astype(dtype), rng(2).integers(0, 3, 17)
    value, want = twin.loss_and_gradient(x.astype(np.float64), y, "cross_entropy")
    assert net.loss(x, y) == pytest.approx(value, rel=1e-5 if dtype == "float32" else 1e-13)
    assert relative_error(net.gradient(x, y), want) < (2e-5 if dtype == "float32" else 1e-12)
    np.testing.assert_allclose(
        net.forward(x), twin.forward(x), rtol=1e-4 if dtype == "float32" else 1e-11, atol=1e-7
    )


OUTPUT_LOSSES = [
    (output, loss)
    for output, (loss, link) in itertools.product(
        [*nb.activations(), "softmax"], nb.losses().items()
    )
    if link in ("identity", output)
]


@pytest.mark.parametrize(("output", "loss"), OUTPUT_LOSSES)
def test_every_output_with_every_loss_it_fits(output, loss):
    net = nb.MLP([4, 6, 3], "tanh", output, dtype="float64", seed=1)
    twin = reference.ReferenceNetwork(net.sizes, net.activations, net.parameters.copy())
    x, y = rng(1).normal(size=(9, 4)), rng(2).dirichlet(np.ones(3), 9)
    value, want = twin.loss_and_gradient(x, y, loss)
    assert net.loss(x, y, loss=loss) == pytest.approx(value, rel=1e-12)
    assert relative_error(net.gradient(x, y, loss=loss), want) < 1e-12


# Every output, every loss.
DIVIDED = {(output, "huber") for output, _ in OUTPUT_LOSSES} | {
    (link, loss) for loss, link in nb.losses().items()
}


@pytest.mark.parametrize(("output", "loss"), [*sorted(DIVIDED), ("softmax", "in Python")])
def test_every_output_and_loss_divided_among_threads(output, loss, threads):
    """Batches of 30 rows go by layers, those of 260 by rows; the last one is smaller. All bits are one thread's."""
    x, y, weight = (
        rng(1).normal(size=(330, 20)),
        rng(2).dirichlet(np.ones(6), 330),
        rng(3).random(330),
    )

    def in_python(outputs, targets, sample_weight):
        d, share = outputs - targets, (sample_weight / sample_weight.sum())[:, None]
        return float((share * d * d).sum()), 2 * share * d

    found = set()
    for count in (1, 2, 3):
        threads(count)
        net = nb.MLP([20, 60, 50, 6], ["tanh", "gelu"], output, dtype="float64", seed=1)
        net.parameters *= 0.3
        for size, dropout in [(30, 0.0), (260, 0.0), (260, [0.2, 0.3])]:
            history = net.fit(
                x, y, loss=in_python if loss == "in Python" else loss, optimizer=nb.SGD(1e-3), batch_size=size,
                epochs=1, seed=2, sample_weight=weight, dropout=dropout, l2=1e-3,
            )  # fmt: skip
        found.add((net.parameters.tobytes(), net.forward(x).tobytes(), history.loss[-1]))
    assert len(found) == 1


@pytest.mark.parametrize("rates", [[0.0, 0.4], [0.3, 0.0], [0.5, 0.5]])
def test_dropout_follows_the_reference(isa, rates):
    net, twin, x, y = build("cross_entropy", 70)
    common = {"loss": "cross_entropy", "batch_size": 32, "epochs": 4, "seed": 11}
    net.fit(x, y, optimizer=nb.Adam(0.01), dropout=rates, **common)
    *_, (_, want) = reference.fit(
        twin, x, y, optimizer="adam", learning_rate=0.01, dropout=[0.0, *rates], **common
    )
    assert relative_error(net.parameters, want) < 1e-10


def test_batches_larger_than_a_block(isa):
    """About 2,600 rows of this net fill a block, so a batch of 6,000 takes three."""
    net = nb.MLP([3, 3000, 2], "tanh", dtype="float64", seed=1)
    twin = reference.ReferenceNetwork(net.sizes, net.activations, net.parameters.copy())
    x, y = rng(1).normal(size=(6000, 3)), rng(2).normal(size=(6000, 2))
    value, want = twin.loss_and_gradient(x, y, "mse")
    assert relative_error(net.gradient(x, y), want) < 1e-12
    assert net.loss(x, y) == pytest.approx(value, rel=1e-12)
    net.fit(
        x, y, optimizer=nb.SGD(0.1), batch_size=6000, epochs=1, dropout=0.5, shuffle=False, seed=3
    )
    *_, (_, after) = reference.fit(
        twin, x, y, optimizer="sgd", learning_rate=0.1, loss="mse", batch_size=6000, epochs=1,
        shuffle=False, seed=3, dropout=[0.0, 0.5],
    )  # fmt: skip
    assert relative_error(net.parameters, after) < 1e-12


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_a_loss_in_python_trains_like_the_built_in_one(dropout):
    def half_mse(outputs, targets):
        d = outputs - targets
        return 0.5 * np.sum(d * d) / len(d), d / len(d)

    results = []
    for loss in ("half_mse", half_mse):
        net, _, x, y = build("half_mse", 70)
        history = net.fit(
            x,
            y,
            loss=loss,
            optimizer=nb.Adam(0.01),
            epochs=3,
            seed=2,
            l2=0.01,
            dropout=dropout,
            validation_data=(x, y),
        )
        results.append((net.parameters.copy(), history.loss, history.val_loss))
    assert relative_error(results[1][0], results[0][0]) < 1e-12
    np.testing.assert_allclose(results[1][1], results[0][1], rtol=1e-10)
    np.testing.assert_allclose(results[1][2], results[0][2], rtol=1e-10)


def test_labels_and_one_hot_targets_train_alike():
    net, _, x, y = build("cross_entropy", 60)
    other, _, _, _ = build("cross_entropy", 60)
    net.fit(x, y, epochs=3, seed=1)
    other.fit(x, np.eye(5)[y], epochs=3, seed=1)
    assert relative_error(net.parameters, other.parameters) < 1e-11


@pytest.mark.parametrize("init", INITIALIZATIONS)
def test_initial_weights(dtype, init):
    sizes = [50, 40, 7]
    net = nb.MLP(sizes, dtype=dtype, seed=5, init=init)
    want = reference.initial_parameters(sizes, init, 5)
    np.testing.assert_allclose(net.parameters, want, rtol=1e-6 if dtype == "float32" else 1e-13)
    assert not any(b.any() for b in net.biases)
    if init != "zeros":
        deviation = {
            "glorot": np.sqrt(2 / 90),
            "glorot_normal": np.sqrt(2 / 90),
            "he": 0.2,
            "lecun": np.sqrt(1 / 50),
            "uniform": 1 / np.sqrt(3 * 50),
            "normal": 0.01,
        }
        assert net.weights[0].std() == pytest.approx(deviation[init], rel=0.05)


@pytest.mark.parametrize("init", INITIALIZATIONS)
def test_initial_weights_of_a_large_layer(init):
    """More numbers than are made between two looks for signals."""
    sizes = [700, 800, 3]
    net = nb.MLP(sizes, dtype="float64", seed=5, init=init)
    np.testing.assert_allclose(
        net.parameters, reference.initial_parameters(sizes, init, 5), rtol=1e-13
    )


def test_optimizer_states_go_on_between_fits():
    x, y = rng(1).normal(size=(64, 7)), rng(2).integers(0, 5, 64)
    once, _, _, _ = build("cross_entropy", 1)
    once.fit(x, y, optimizer=nb.Adam(0.01), epochs=4, seed=1)
    twice, _, _, _ = build("cross_entropy", 1)
    optimizer = nb.Adam(0.01)
    for _ in range(2):
        twice.fit(x, y, optimizer=optimizer, epochs=2, seed=1)
    np.testing.assert_array_equal(once.parameters, twice.parameters)
    fresh, _, _, _ = build("cross_entropy", 1)
    for _ in range(2):
        fresh.fit(x, y, optimizer=nb.Adam(0.01), epochs=2, seed=1)
    assert (fresh.parameters != once.parameters).any()


def test_a_step_unit_learns_by_rosenblatts_rule(isa):
    """In batches of one: ``w += rate (y - prediction) (1, x)``; the loss is linked to the step."""
    x, rate = rng(5).normal(size=(40, 3)), 0.1
    y = (x @ [1.0, -2.0, 0.5] + 0.2 > 0).astype(int)
    net = nb.MLP([3, 1], output="step", dtype="float64", seed=0)
    w = net.parameters.copy()
    for _ in range(5):
        for row, target in zip(x, y, strict=True):
            extended = np.array([1.0, *row])
            w += rate * (target - (extended @ w >= 0)) * extended
    net.fit(x, y, optimizer=nb.SGD(rate), batch_size=1, epochs=5, shuffle=False)
    np.testing.assert_allclose(net.parameters, w, rtol=1e-12, atol=1e-14)
    assert net.metric == "accuracy"
    assert net.score(x, y) > 0.9
    np.testing.assert_array_equal(net.predict(x), (np.c_[np.ones(40), x] @ w >= 0).astype(int))


BY_OUTPUTS = np.ones((4, 2))
USERS = {  # what refers to a network or a trainer
    "trainer": lambda network, trainer: (network, trainer),
    "parameters": lambda network, trainer: (network, network.parameters),
    "gradient": lambda network, trainer: (trainer, trainer.backward_batch(BY_OUTPUTS, [0.0], 0)),
}


@pytest.mark.parametrize("user", USERS)
def test_trainers_and_views_keep_what_they_refer_to(user):
    network = _core.Network_float64([3, 2], ["identity"])
    trainer = _core.Trainer_float64(network, "adam", dict(nb.Adam().hyperparameters))
    data = _core.Dataset_float64(network, np.ones((4, 3)), BY_OUTPUTS, None, "mse", {}, [])
    trainer.forward_batch(data, 0, 4, None, [0.0], 0)
    owner, kept = USERS[user](network, trainer)
    seen = weakref.ref(owner)
    del network, trainer, data, owner
    gc.collect()
    assert seen() is not None
    del kept
    gc.collect()
    assert seen() is None


@pytest.mark.parametrize("sparse", [False, True])
def test_a_batch_of_an_order_is_given_its_own_rows(sparse):
    """Not the order of all rows, which would be checked at every batch."""
    net = nb.MLP([3, 4, 2], dtype="float64", seed=0)
    x, y = (
        rng().normal(size=(10_000, 3)) * (rng(1).random((10_000, 3)) < 0.5),
        np.zeros((10_000, 2)),
    )
    given = pytest.importorskip("scipy.sparse").csr_matrix(x) if sparse else x
    data = net.engine.dataset(given, y, None, nb.Loss("mse"))
    trainer, order = net.engine.gradient_trainer(), rng(2).permutation(10_000)
    for begin, end in ((0, 1), (5, 40), (9_990, 10_000)):
        outputs = trainer.forward_batch(data, begin, end, order[begin:end], [0.0, 0.0], 0)
        np.testing.assert_array_equal(outputs, net.forward(x[order[begin:end]]))
        with pytest.raises(ValueError, match=rf"^order: expected shape \({end - begin},\)"):
            trainer.forward_batch(data, begin, end, order, [0.0, 0.0], 0)
    with pytest.raises(ValueError, match="^order: expected row numbers from 0 to 9999, got 10000"):
        trainer.forward_batch(data, 0, 1, np.array([10_000]), [0.0, 0.0], 0)


def test_calls_made_in_slices_with_looks_for_signals_between():
    """2e6 multiply-adds a row: slices of 768 rows of forward passes and of 256 of gradients, the last ones shorter."""
    net = nb.MLP([1000, 2000, 1], "tanh", dtype="float64", seed=0)
    twin = reference.ReferenceNetwork(net.sizes, net.activations, net.parameters.copy())
    x, y, weight = (
        rng(1).normal(size=(1700, 1000)),
        rng(2).normal(size=(1700, 1)),
        rng(3).random(1700),
    )
    value, want = twin.loss_and_gradient(x, y, "mse", sample_weight=weight)
    assert relative_error(net.forward(x), twin.forward(x)) < 1e-12
    assert net.loss(x, y, sample_weight=weight) == pytest.approx(value, rel=1e-12)
    assert relative_error(net.gradient(x, y, sample_weight=weight), want) < 1e-12


NAMES = {  # argument of the core: a call with a name
    "init": lambda network, name: network.initialize(name, 0),
    "activation": lambda network, name: _core.Network_float64([3, 4, 2], [name, "identity"]),
    "output": lambda network, name: _core.Network_float64([3, 4, 2], ["identity", name]),
    "optimizer": lambda network, name: _core.Trainer_float64(network, name, {}),
    "loss": lambda network, name: _core.Dataset_float64(
        network, np.ones((4, 3)), BY_OUTPUTS, None, name, {}, []
    ),
}


@pytest.mark.parametrize("argument", NAMES)
@pytest.mark.parametrize("name", ["best", "", "Adam", "relu "])
def test_the_core_refuses_unknown_names(argument, name):
    network = _core.Network_float64([3, 2], ["identity"])
    with pytest.raises(ValueError, match=f"^{argument}: expected one of .*, got '{name}'$"):
        NAMES[argument](network, name)
