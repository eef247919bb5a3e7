"""Values that are found late, labels of many kinds, and how often a fit looks up."""

import numpy as np
import pytest

import nablas as nb
from nablas import _data, _epochs
from nablas.data import ArraySource, CachedSource

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3)).astype(np.float32)

# ---- memory maps ---------------------------------------------------------------------------------

OUTPUTS = {"identity": 1, "softmax": 3, "sigmoid": 2, "tanh": 1}
BAD = {"nan": np.nan, "inf": np.inf, "-inf": -np.inf, "large": 1e300}


def mapped(tmp_path, bad, dtype="float64", at=(17, 2)):
    values = X.astype(dtype)
    values[at] = bad
    np.save(tmp_path / "X.npy", values)
    return np.load(tmp_path / "X.npy", mmap_mode="r")


def targets(output, outputs):
    if output == "softmax":
        return np.arange(40) % outputs
    y = np.arange(40 * outputs).reshape(40, outputs) % 2
    return y if outputs > 1 else y[:, 0]


def network(output, hidden=()):
    return nb.MLP([3, *hidden, OUTPUTS[output]], output=output, seed=0)


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("hidden", [(), (4,)])
def test_values_in_a_memory_map_that_are_not_finite(output, bad, hidden, tmp_path):
    """Where they make a result that is no number the message names their place."""
    x, net = mapped(tmp_path, BAD[bad]), network(output, hidden)
    y = targets(output, OUTPUTS[output])
    expected = r"X: expected finite values, got \S+ at \(17, 2\)"
    outputs = net.forward(np.asarray(x))
    if not np.isfinite(outputs).all():
        with pytest.raises(ValueError, match=f"^{expected}"):
            net.predict(x)
        with pytest.raises(ValueError, match=f"^{expected}"):
            net.score(x, y)
    if not np.isfinite(net.loss(np.asarray(x), y)):
        with pytest.raises(ValueError, match=f"^{expected}"):
            net.fit(x, y, epochs=1, batch_size=10)
        with pytest.raises(ValueError, match=f"^validation_data, {expected}"):
            net.fit(X, y, epochs=1, validation_data=(x, y))
    elif bad == "nan":
        pytest.fail("a loss of nan was expected")


def test_a_memory_map_of_finite_values_is_as_an_array(tmp_path):
    x, y = mapped(tmp_path, 1.0), targets("softmax", 3)
    nets = [network("softmax", (4,)) for _ in range(2)]
    for net, given in zip(nets, (x, np.array(x)), strict=True):
        net.fit(given, y, epochs=2, validation_data=(given, y))
    assert np.array_equal(nets[0].parameters, nets[1].parameters)
    assert nets[0].history.val_loss == nets[1].history.val_loss
    diverging = nb.MLP([3, 1], seed=0)
    with pytest.raises(FloatingPointError, match="lower learning_rate"):
        diverging.fit(x, x[:, 0], epochs=500, optimizer=nb.SGD(1e6))


@pytest.mark.parametrize("at", [(0, 0), (9, 1), (10, 2), (39, 2)])
def test_the_place_in_any_piece(at, monkeypatch):
    monkeypatch.setattr(_data, "_CHECKED", 30)
    x = X.astype(float)
    x[at] = x[39, 2] = np.nan
    with pytest.raises(ValueError, match=rf"got nan at \({at[0]}, {at[1]}\)"):
        _data.check_finite(x, "float32")


# ---- labels --------------------------------------------------------------------------------------


def strings(count, width=6):
    return RNG.integers(0, 5, count).astype(f"U{width}")


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 1000])
def test_labels_in_pieces(count, monkeypatch):
    """The codes and classes are those of NumPy's `unique` of the whole."""
    labels = strings(count)
    whole, codes = np.unique(labels, return_inverse=True)
    monkeypatch.setattr(_data, "_ENCODED", 100)
    found, classes = _data._encode(labels, None)
    assert classes == whole.tolist()
    assert all(type(name) is str for name in classes)
    assert found.dtype == np.int64
    assert np.array_equal(found, codes)
    again, _ = _data._encode(labels, classes)
    assert np.array_equal(again, codes)


@pytest.mark.parametrize("at", [0, 99, 100, 250])
def test_a_label_that_is_no_class_in_any_piece(at, monkeypatch):
    monkeypatch.setattr(_data, "_ENCODED", 100)
    labels = strings(251)
    labels[[at, 250]] = "other"
    with pytest.raises(ValueError, match=f"got 'other' at index {at}$"):
        _data._encode(labels, list("01234"))


@pytest.mark.parametrize("classes", [None, list("01234")])
def test_no_piece_of_labels_is_long(classes, monkeypatch):
    """Between two calls of NumPy the interpreter looks at signals."""
    taken = []

    def noting(function):
        def call(*arrays, **settings):
            taken.append(max(np.size(array) for array in arrays))
            return function(*arrays, **settings)

        return call

    for name in ("unique", "searchsorted"):
        monkeypatch.setattr(np, name, noting(getattr(np, name)))
    _data._encode(strings(300_000), classes)
    assert len(taken) >= 4
    assert max(taken) <= 2**16


MISSING = {} if not hasattr(np.dtypes, "StringDType") else {"nan": np.nan, "None": None, "plain": 0}


@pytest.mark.parametrize("missing", MISSING)
@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_variable_width_strings(missing, output):
    settings = {} if missing == "plain" else {"na_object": MISSING[missing]}
    kind = np.dtypes.StringDType(**settings)
    names = np.array(["low", "a much longer name", "middle"])[: 3 if output == "softmax" else 2]
    labels = names[np.arange(40) % len(names)]
    sizes = [3, 3 if output == "softmax" else 1]
    nets = [nb.MLP(sizes, output=output, seed=0) for _ in range(2)]
    for net, y in zip(nets, (labels, labels.astype(kind)), strict=True):
        net.fit(X, y, epochs=2, validation_data=(X, y), class_weight={"low": 2.0})
        assert net.classes == sorted(names)
    assert np.array_equal(nets[0].parameters, nets[1].parameters)
    assert nets[0].score(X, labels.astype(kind)) == nets[0].score(X, labels)
    assert nets[0].loss(X, labels.astype(kind)) == nets[0].loss(X, labels)
    if missing != "plain":
        for place in (0, 3, 39):
            wrong = labels.astype(kind)
            wrong[place] = MISSING[missing]
            source = ArraySource(X, wrong)
            for call in (
                lambda y=wrong: nets[1].fit(X, y),
                lambda source=source: nets[1].fit(source),
                lambda source=source: CachedSource(source),
            ):
                with pytest.raises(TypeError, match="^y: expected numbers or strings"):
                    call()


@pytest.mark.parametrize("dtype", ["U", object, *([np.dtypes.StringDType()] if MISSING else [])])
@pytest.mark.parametrize("give", ["arrays", "source", "loss in Python"])
def test_a_fit_of_text_is_resumed(give, dtype, tmp_path):
    text = np.array(["low", "high", "middle"])[np.arange(40) % 3].astype(dtype)
    data, settings = [X, text], {"batch_size": 8}
    if give == "source":
        data, settings = [ArraySource(X, text)], {"batch_size": 8, "block_rows": 16}
    if give == "loss in Python":
        settings["loss"] = lambda z, y: (float((z**2).mean()), z * (y == "low")[:, np.newaxis])

    def fit(epochs, **more):
        net = nb.MLP([3, 4, 3], output="softmax", seed=0)
        net.fit(*data, epochs=epochs, **settings, **more)
        return net.parameters.tobytes()

    fit(2, callbacks=[nb.Checkpoint(tmp_path / "c")])
    assert fit(4, resume=tmp_path / "c") == fit(4)


@pytest.mark.parametrize("kind", ["Int128", "UInt128"])
def test_wide_integers_of_polars(kind):
    polars = pytest.importorskip("polars")
    dtype = getattr(polars, kind, None)
    if dtype is None:
        pytest.skip("polars has no such integers")
    labels = polars.Series("y", (np.arange(40) % 3).tolist(), dtype=dtype)
    columns = {"a": X[:, 0], "b": labels, "c": labels.cast(polars.Int64)}
    net, other = (nb.MLP([3, 3], output="softmax", seed=0) for _ in range(2))
    net.fit(polars.DataFrame(columns), labels, epochs=1)
    plain = np.column_stack([X[:, 0], labels.to_list(), labels.to_list()])
    other.fit(plain, np.array(labels.to_list()), epochs=1)
    assert np.array_equal(net.parameters, other.parameters)
    wide = polars.Series("b", [2**100, 1, None], dtype=dtype)
    found = nb.MLP([1, 1], seed=0).forward(polars.DataFrame({"b": wide[:2]}))
    assert np.isfinite(found).all()
    assert nb._frames.as_array(wide)[0] == 2.0**100


# ---- how often a fit looks up --------------------------------------------------------------------


def test_progress_within_an_epoch_of_a_loss_in_python(monkeypatch):
    """The rows done are told now and then, ascending, and not after every batch."""
    told, clock = [], iter(np.arange(0, 100, 0.02))
    monkeypatch.setattr(_epochs.time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr("nablas._training.row_report", lambda *_: told.append)
    net = nb.MLP([3, 1], seed=0)
    net.fit(
        X, X[:, 0], epochs=1, batch_size=1, progress=True,
        loss=lambda z, y: (float(((z - y) ** 2).mean()), 2 * (z - y) / len(z)),
    )  # fmt: skip
    assert told == sorted(set(told))
    assert 5 <= len(told) <= 20
    assert set(told) <= set(range(1, 41))
