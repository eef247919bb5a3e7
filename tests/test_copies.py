"""Copies and pickles of a network have all that it has."""

import copy
import functools
import pickle

import numpy as np
import pytest
from cases import iris

import nablas as nb


class Named(nb.MLP):
    """Another signature, attributes of its own, a property and a slot."""

    __slots__ = ("place",)
    kind = "of the class"

    def __init__(self, name, *sizes, **settings):
        super().__init__(sizes, **settings)
        self.name, self.place, self._notes = name, [1, 2], {"a": np.arange(3)}

    @property
    def upper(self):
        return self.name.upper()


def through_pickle(protocol, net):
    return pickle.loads(pickle.dumps(net, protocol))


WAYS = {"copy": copy.copy, "deepcopy": copy.deepcopy}
WAYS |= {f"pickle {p}": functools.partial(through_pickle, p) for p in range(2, 6)}
each_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
NAMES = np.array(["setosa", "versicolor", "virginica"])


def new(dtype="float32"):
    return nb.MLP([4, 7, 3], output="softmax", activation="tanh", dtype=dtype, seed=3)


def fitted(optimizer=None, dtype="float32"):
    x, y = iris()
    net, optimizer = (
        new(dtype),
        optimizer or nb.Adam(nb.schedules.ReduceOnPlateau(0.01, patience=1)),
    )
    net.fit(x, NAMES[y], epochs=3, optimizer=optimizer, validation_data=(x, NAMES[y]))
    net.extra = {"units": ["cm"]}
    return net


def values(net):
    """Every public attribute that is no method, and the attributes of the object itself."""
    names = {name for name in dir(net) if not name.startswith("_")} | set(vars(net))
    found = {
        name: getattr(net, name)
        for name in sorted(names)
        if name not in ("engine", "predict_proba")
    }
    return {name: value for name, value in found.items() if not callable(value)}


def check_same(twin, net):
    assert type(twin) is type(net)
    assert twin is not net
    assert twin.engine is not net.engine
    expected, found = values(net), values(twin)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_equal(found[name], value, err_msg=name)
        assert type(found[name]) is type(value), name
    assert not np.shares_memory(twin.parameters, net.parameters)
    x, _ = iris()
    np.testing.assert_array_equal(twin.forward(x), net.forward(x))


@each_way
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("make", [new, functools.partial(fitted, None)], ids=["new", "fitted"])
def test_every_attribute(way, make, dtype):
    net = make(dtype=dtype)
    check_same(way(net), net)
    check_same(way(way(net)), net)
    assert "history" in values(net)
    assert "seed" in values(net)


@each_way
def test_attributes_of_the_user_and_of_subclasses(way):
    net = fitted()
    net.note, net.table, net.none, net._hidden = "a note", {"rows": [1, 2]}, None, np.ones(2)
    net.other = new()
    twin = way(net)
    shared = way is copy.copy
    assert (twin.note, twin.table, twin.none) == ("a note", {"rows": [1, 2]}, None)
    assert (twin.table is net.table) == (twin.other is net.other) == shared
    np.testing.assert_array_equal(twin._hidden, net._hidden)
    named = Named("n", 4, 2, 3, output="softmax", seed=1)
    named.later = 5
    twin = way(named)
    check_same(twin, named)
    assert (twin.name, twin.upper, twin.place, twin.later, twin.kind) == (
        "n",
        "N",
        [1, 2],
        5,
        "of the class",
    )
    assert (twin.place is named.place) == shared
    twin.name = "other"
    assert named.name == "n"


@each_way
def test_an_attribute_that_refers_to_the_network(way):
    net = new()
    net.me, net.both = net, [net, net]
    twin = way(net)
    root = net if way is copy.copy else twin
    assert twin.me is root
    assert twin.both[0] is twin.both[1] is root


@each_way
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("make", [new, fitted])
def test_weights_that_are_not_finite(way, bad, make):
    net = make()
    net.parameters[5] = bad
    np.testing.assert_array_equal(way(net).parameters, net.parameters)


@each_way
def test_the_history_is_one_of_its_own(way):
    net = fitted()
    twin = way(net)
    assert twin.history == net.history
    assert len(twin.history) == 3
    twin.history.loss.append(0.0)
    assert len(net.history) == 3


@each_way
@pytest.mark.parametrize("make", [nb.SGD, nb.Adam, nb.NAdam, nb.Adagrad])
def test_a_copy_goes_on_with_the_training(way, make):
    """To the bits of the network itself, which the copying does not change."""
    x, y = iris()
    schedule = nb.schedules.ReduceOnPlateau(0.05, patience=1, min_delta=0.1, factor=0.5)
    optimizer = make(schedule)
    net = fitted(optimizer)
    plain, before = fitted(make(copy.deepcopy(schedule))), copy.deepcopy(schedule.get_state())
    twin = way(net)
    assert optimizer.schedule is schedule
    assert schedule.get_state() == before
    assert net.engine.last.optimizer is optimizer
    rule = twin.engine.last.optimizer
    assert (rule is optimizer) == (way is copy.copy)
    for k, v in net.engine.training_state().items():
        if k not in ("optimizer", "schedule"):
            np.testing.assert_equal(twin.engine.training_state()[k], v)
    trained = []
    for one, its in ((twin, rule), (plain, plain.engine.last.optimizer)):
        one.fit(x, NAMES[y], epochs=4, optimizer=its)
        trained.append(one.parameters.tobytes())
    assert net.epochs == 3
    assert twin.epochs == 7
    assert trained[0] == trained[1]


@each_way
def test_copies_in_a_callback(way):
    x, y = iris()
    twins = []

    def fit(callbacks):
        net = new()
        optimizer = nb.SGD(nb.schedules.ReduceOnPlateau(0.5, patience=1, min_delta=0.1))
        net.fit(x, y, epochs=6, optimizer=optimizer, callbacks=callbacks)
        return net.parameters.tobytes(), net.history.learning_rate

    assert fit([]) == fit([lambda state: twins.append(way(state.net))])
    assert [len(twin.history) for twin in twins] == [1, 2, 3, 4, 5, 6]
    for twin in twins:  # none of them holds the claim of the training
        twin.fit(x, y, epochs=1)


def test_states_do_not_hold_the_engine():
    net = fitted()
    held = net.__getstate__()
    assert "engine" not in held["attributes"]
    assert not any(
        type(v).__name__ in ("Engine", "Claim", "Use") for v in held["attributes"].values()
    )


class OwnState(nb.MLP):
    def __getstate__(self):
        return {"sizes": self.sizes, "parameters": self.parameters.copy()}

    def __setstate__(self, state):
        self.__init__(state["sizes"])
        self.parameters[:] = state["parameters"]


@pytest.mark.parametrize(
    "how", [copy.copy, copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))]
)
def test_a_subclass_with_a_state_of_its_own(how):
    net = OwnState([2, 3, 1], seed=5)
    twin = how(net)
    assert (twin.parameters == net.parameters).all()
    twin.parameters[:] = 0
    assert net.parameters.any()


@each_way
def test_copies_of_a_callbacks_argument(way, tmp_path):
    x, y = iris()
    twins, path = [], tmp_path / "kept.safetensors"
    stop = nb.EarlyStopping(monitor="loss", patience=3)
    keep = nb.Checkpoint(path, every=2)
    whole = new().fit(x, y, epochs=4)
    net = new()
    net.fit(x, y, epochs=4, callbacks=[lambda s: twins.append(way(s)), stop, keep])
    assert net.history.loss == whole.loss
    assert [(twin.epoch, twin.stop, len(twin.history)) for twin in twins[:2]] == (
        [(1, False, 4), (2, False, 4)] if way is copy.copy else [(1, False, 1), (2, False, 2)]
    )
    path.unlink()
    keep.on_epoch_end(twins[1])  # not of a fit: the network alone is written, at once
    assert nb.MLP.load(path).epochs == twins[1].net.epochs
