"""Callbacks and schedules, inside a fit or on hand-written histories."""

import numpy as np
import pytest
from cases import iris, rng, small

import nablas as nb


def play(callback, net, **columns):
    """Calls a callback as a fit would, with these history columns; returns the epochs it ran."""
    callback.on_fit_begin(net)
    history = nb.History()
    for epoch in range(1, len(next(iter(columns.values()))) + 1):
        for name, values in columns.items():
            getattr(history, name).append(values[epoch - 1])
        net.parameters[:] = epoch
        state = nb.FitState(net, epoch, history)
        if callback(state) is True or state.stop:
            break
    if hasattr(callback, "on_fit_end"):
        callback.on_fit_end(net)
    return epoch


@pytest.mark.parametrize(
    ("settings", "column", "values", "stops", "best"),
    [
        ({"patience": 2}, "val_loss", [3, 2, 1, 2, 2, 2], 5, 3),
        ({"patience": 2}, "val_loss", [3, 2, 1, 1, 1, 1], 5, 3),
        ({"patience": 3}, "val_loss", [3, 4, 4, 2, 5, 5], 6, 4),
        ({"patience": 2, "min_delta": 0.5}, "val_loss", [3, 2.8, 2.6, 1, 1, 1], 3, 1),
        ({"patience": 2, "monitor": "loss"}, "loss", [1, 2, 3, 0], 3, 1),
        ({"patience": 2, "monitor": "val_score"}, "val_score", [0.1, 0.5, 0.4, 0.3, 0.9], 4, 2),
    ],
)
def test_early_stopping(settings, column, values, stops, best):
    net, callback = small(), nb.EarlyStopping(**settings)
    for _ in range(2):  # a second fit resets the callback
        assert play(callback, net, **{column: values}) == stops
        assert callback.best_epoch == best
        assert callback.best == values[best - 1]
        assert (net.parameters == best).all()


def test_early_stopping_without_restoring():
    net = small()
    stops = play(nb.EarlyStopping(2, restore_best=False), net, val_loss=[1, 2, 3, 4])
    assert (net.parameters == stops).all()


@pytest.mark.parametrize(
    ("monitor", "column", "values", "saved"),
    [
        ("val_loss", "val_loss", [3, 2, 4, 1, 1], [1, 2, 4]),
        ("val_score", "val_score", [0.2, 0.1, 0.3], [1, 3]),
        (None, "loss", [1, 2, 3], [1, 2, 3]),
    ],
)
def test_checkpoint(tmp_path, monitor, column, values, saved):
    callback = nb.Checkpoint(tmp_path / "{epoch}.safetensors", monitor=monitor)
    play(callback, small(), **{column: values})
    assert sorted(int(p.stem) for p in tmp_path.iterdir()) == saved
    assert (nb.MLP.load(tmp_path / f"{saved[-1]}.safetensors").parameters == saved[-1]).all()


@pytest.mark.parametrize(
    ("settings", "epochs", "stop", "saved"),
    [
        ({"every": 2}, 4, None, [2, 4]),
        ({"every": 3}, 5, None, [3]),
        ({"every": 3, "every_seconds": 1e6}, 9, 5, [3, 5]),  # and at the end
        ({"every": 2, "monitor": "loss"}, 7, None, [2, 4, 6]),
        ({"every_seconds": 1e6}, 3, None, [3]),
        ({"every_seconds": 1e6, "every": 2}, 5, None, [2, 4, 5]),
        ({"every_seconds": 1e-9}, 3, None, [1, 2, 3]),
        ({"keep": 2}, 5, None, [4, 5]),
        ({"keep": 1, "every": 2}, 5, None, [4]),
        ({"keep": 3, "monitor": "loss"}, 4, None, [2, 3, 4]),
        ({"keep": 9}, 3, None, [1, 2, 3]),
    ],
)
def test_when_checkpoints_are_written(settings, epochs, stop, saved, tmp_path):
    x, y = iris()
    callback = nb.Checkpoint(tmp_path / "{epoch}.safetensors", **settings)
    for folder_is_empty in (True, False):  # a second fit begins anew
        net = small()
        net.fit(x, y, epochs=epochs, callbacks=[callback, lambda state: state.epoch == stop])
        kept = sorted(int(p.stem) for p in tmp_path.iterdir())
        assert kept == saved or not folder_is_empty
        last = nb.MLP.load(tmp_path / f"{saved[-1]}.safetensors")
        assert last.epochs == saved[-1]
        assert set(saved) <= set(kept)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"every_seconds": 1, "monitor": "loss"}, "every_seconds: expected None with monitor"),
        ({"every_seconds": 0}, "every_seconds: expected a positive number"),
        ({"keep": 2}, r"keep: expected 1 with a path without \{epoch\}, got 2"),
        ({"keep": 0}, "keep: expected at least 1"),
    ],
)
def test_settings_of_checkpoints_that_do_not_fit(settings, words):
    with pytest.raises(ValueError, match=words):
        nb.Checkpoint("c", **settings)


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("{epoch}", ["1", "2", "3"]),
        ("run-{epoch:02d}.st", ["run-01.st", "run-02.st", "run-03.st"]),
        ("{epoch:3}", ["  1", "  2", "  3"]),
        ("{epoch:d}-{epoch:03}", ["1-001", "2-002", "3-003"]),
        ("{{epoch}}", ["{epoch}"]),
        ("{{x}}-{epoch}", ["{x}-1", "{x}-2", "{x}-3"]),
        ("epoch", ["epoch"]),
    ],
)
def test_the_number_of_the_epoch_in_names(tmp_path, name, files):
    play(nb.Checkpoint(tmp_path / name), small(), loss=[3, 2, 1])
    assert sorted(p.name for p in tmp_path.iterdir()) == files
    if len(files) == 1:
        with pytest.raises(ValueError, match="^keep: expected 1 with a path without"):
            nb.Checkpoint(name, keep=2)
        return
    play(nb.Checkpoint(tmp_path / name, keep=2), small(), loss=[3, 2, 1, 0])
    assert len(list(tmp_path.iterdir())) == 2
    assert (tmp_path / files[2]).exists()


@pytest.mark.parametrize(
    "field",
    ["{}", "{0}", "{epochs}", "{val_loss:.2f}", "{epoch:.2f}", "{epoch:e}", "{epoch:c}", "{epoch:{w}}", "{epoch!r}", "{epoch:099d}",
     "{epoch.real}", "{epoch[0]}", "{ epoch}", "{epoch", "epoch}", "{", "}", "{epoch:x}", "{epoch:,}", "{epoch:+}", "{Epoch}"],
)  # fmt: skip
@pytest.mark.parametrize("where", ["{0}", "a-{0}.st", "{{epoch}}{0}", "{{epoch:02d}}-{0}"])
def test_other_braces_in_names_are_refused(field, where):
    name = where.format(field)
    for settings in ({}, {"keep": 1}, {"every": 2}, {"every_seconds": 1}):
        with pytest.raises(
            ValueError, match=r"^path: expected no fields but \{epoch\} or .*, got "
        ):
            nb.Checkpoint(name, **settings)


def test_a_resumed_fit_writes_the_files_of_one_that_never_stopped(tmp_path):
    """With the best value so far and the files to keep, wherever it stopped."""
    x, y = iris()

    def fit(folder, epochs, resume=None):
        folder.mkdir(exist_ok=True)
        callbacks = [
            nb.Checkpoint(folder / "last"),
            nb.Checkpoint(folder / "best{epoch}", monitor="val_loss", keep=2),
            nb.EarlyStopping(3),
        ]
        settings = {"optimizer": nb.SGD(0.5), "batch_size": 20, "validation_data": (x[::2], y[::2])}
        small().fit(x, y, epochs=epochs, callbacks=callbacks, resume=resume, **settings)
        return {p.name: nb.MLP.load(p).parameters.tobytes() for p in folder.iterdir()}

    whole = fit(tmp_path / "whole", 12)
    assert len(whole) == 3
    for epochs in range(1, 12):
        folder = tmp_path / str(epochs)
        fit(folder, epochs)
        assert fit(folder, 12, folder / "last") == whole


def test_checkpoints_within_an_epoch_have_its_number(tmp_path):
    x, y = np.zeros((300, 200), np.float32), np.arange(300) % 3
    seen = []

    class Watching(nb.Checkpoint):
        def write(self, save, epoch):
            super().write(save, epoch)
            seen.append((epoch, nb.MLP.load(self._path(epoch)).epochs))

    net = nb.MLP([200, 50, 3], output="softmax", seed=0)
    callback = Watching(tmp_path / "{epoch}", every_seconds=1e-9)
    net.fit(x, y, epochs=2, batch_size=50, callbacks=[callback])
    assert set(seen) == {(1, 0), (1, 1), (2, 1), (2, 2)}


def test_estimators_write_their_networks(tmp_path):
    """Which `MLP.load` reads; no estimator resumes from them."""
    sklearn = pytest.importorskip("nablas.sklearn")
    x, y = iris()
    for i, classes in enumerate((sklearn.MLPClassifier, sklearn.MLPRegressor)):
        path = tmp_path / str(i)
        callbacks = [nb.Checkpoint(path, every_seconds=1e-9)]
        made = classes(hidden_layer_sizes=(6,), max_iter=3, callbacks=callbacks)
        with pytest.warns(UserWarning, match="Maximum iterations"):
            made.fit(x, y)
        net = nb.MLP.load(path)
        np.testing.assert_array_equal(net.weights[0], made.coefs_[0])
        with pytest.raises(ValueError, match="expected a checkpoint, got a model"):
            net.fit(x, y, resume=path)


def test_schedules_see_the_whole_fit():
    x, y = iris()  # 150 rows: 5 batches an epoch
    for schedule in (nb.schedules.Cosine(0.1), nb.schedules.OneCycle(0.1)):
        history = small().fit(x, y, epochs=6, optimizer=nb.SGD(schedule))
        want = schedule.rates(np.arange(30), nb.schedules.Plan(5, 30))[4::5]
        np.testing.assert_allclose(history.learning_rate, want)


def test_plateaus_observe_the_validation_loss():
    x, y = iris()
    plateau = nb.schedules.ReduceOnPlateau(0.1, factor=0.5, patience=2, min_delta=10)
    optimizer = nb.SGD(plateau)
    net = small()
    history = net.fit(x, y, epochs=7, optimizer=optimizer, validation_data=(x, y))
    np.testing.assert_allclose(history.learning_rate, [0.1, 0.1, 0.1, 0.05, 0.05, 0.025, 0.025])
    assert net.fit(x, y, epochs=1, optimizer=optimizer).learning_rate != [0.1]  # continues
    assert small().fit(x, y, epochs=1, optimizer=optimizer).learning_rate == [0.1]  # restarts


def test_a_callback_may_set_the_learning_rate():
    x, y = iris()
    optimizer = nb.SGD(0.1)

    def halve(state):
        optimizer.learning_rate = optimizer.learning_rate / 2

    history = small().fit(x, y, epochs=3, optimizer=optimizer, callbacks=[halve])
    np.testing.assert_allclose(history.learning_rate, [0.1, 0.05, 0.025])


def test_only_true_ends_a_fit():
    x, y = iris()
    for answer, epochs in ((True, 1), (np.True_, 1), ("yes", 3), (1, 3), (None, 3)):
        assert len(small().fit(x, y, epochs=3, callbacks=[lambda state, a=answer: a])) == epochs


def test_validation_with_weights():
    x, y = iris()
    weight = rng().random(150)
    net = small()
    history = net.fit(x, y, epochs=1, validation_data=[x, y, weight])
    assert history.val_loss == [net.loss(x, y, sample_weight=weight)]
    assert history.val_loss != [net.loss(x, y)]


def test_dropout_masks_change_from_fit_to_fit():
    """Also with a new optimizer for each fit; `updates` sets where the masks continue."""
    x, y = iris()
    net = small()
    changes = []
    for _ in range(2):
        before = net.parameters.copy()
        net.fit(
            x,
            y,
            epochs=1,
            batch_size=150,
            optimizer=nb.SGD(1e-9),
            dropout=0.5,
            shuffle=False,
            seed=1,
        )
        changes.append(net.parameters - before)
    assert net.engine.updates == 2
    gradients = []
    for updates in (0, 1):
        twin = small(dtype="float64")
        twin.engine.updates = updates
        before = twin.parameters.copy()
        twin.fit(
            x,
            y,
            epochs=1,
            batch_size=150,
            optimizer=nb.SGD(1.0),
            dropout=0.5,
            shuffle=False,
            seed=1,
        )
        gradients.append(twin.parameters - before)
    assert np.abs(gradients[0] - gradients[1]).max() > 1e-3


def test_automatic_initialisation():
    for activation, init in (("relu", "he"), ("gelu", "he"), ("selu", "lecun"), ("tanh", "glorot")):
        net = nb.MLP([4, 8, 3], activation, seed=1)
        want = nb.MLP([4, 8, 3], activation, seed=1, init=init)
        np.testing.assert_array_equal(net.parameters, want.parameters)


def test_layers_cannot_be_replaced_by_accident():
    net = small()
    net.weights[0] = np.ones((4, 8))
    assert (net.parameters[8:40] == 1).all()
    with pytest.raises(ValueError, match=r"\[0\]: expected shape \(4, 8\), got \(8, 4\)"):
        net.weights[0] = np.zeros((8, 4))
    with pytest.raises(ValueError, match="parameters: expected shape"):
        net.parameters = np.zeros(3)
    with pytest.raises(TypeError):
        net.activations[0] = "tanh"
