"""Checkpoints of other fits, and damaged ones: an error that names what differs or is wrong, and nothing changes."""

import copy
from inspect import signature

import numpy as np
import pytest
import resuming
from resuming import OPTIONS, PLAIN, altered, make, outcome, resumed, written

import nablas as nb
from nablas import schedules

EPOCHS = 4


def everything(net, optimizer):
    """What a call that fails must not change."""
    state = net.engine.training_state()
    kept = {k: v for k, v in state.items() if k not in ("optimizer", "schedule", "states")}
    arrays = [net.parameters, *state.get("states", [])]
    return (
        [a.tobytes() for a in arrays], kept, repr(state.get("schedule")), id(state.get("optimizer")), net.seed,
        net.classes, net.history, net.extra, id(optimizer.schedule), copy.deepcopy(optimizer.schedule.get_state()),
    )  # fmt: skip


def refused(path, words, net, settings):
    net.fit(settings["X"][:10], settings["y"][:10], epochs=1, loss=settings["loss"])
    before = everything(net, settings["optimizer"])
    with pytest.raises(ValueError, match=words) as caught:
        net.fit(**settings, resume=path)
    assert everything(net, settings["optimizer"]) == before
    assert str(path) in str(caught.value) or str(caught.value).startswith("epochs")


X, Y = resuming.data()
CHANGES = {
    "batch_size": {"batch_size": 20},
    "shuffle": {"shuffle": False},
    "seed": {"seed": 4},
    "l1": {"l1": 0.1},
    "l2": {"l2": 0.1},
    "clip_norm": {"clip_norm": 1.0},
    "dropout": {"dropout": 0.5},
    "shards": {"shards": 2},
    "loss": {"loss": nb.Loss("mse")},
    "loss.delta": {"loss": nb.Huber(2.0)},
    "optimizer": {"optimizer": nb.SGD(0.002)},
    "optimizer.beta1": {"optimizer": nb.Adam(0.002, beta1=0.8)},
    "learning_rate": {"optimizer": nb.Adam(schedules.Cosine(0.002))},
    "learning_rate.initial": {"optimizer": nb.Adam(0.003)},
    "callbacks": {"callbacks": [nb.EarlyStopping(monitor="loss")]},
    "sample_weight.shape": {"sample_weight": np.ones(len(X))},
    "class_weight": {"class_weight": "balanced"},
    "validation_data, X.shape": {"validation_data": (X, np.eye(5)[Y])},
    "X.shape": {"X": X[:-1], "y": np.eye(5)[Y][:-1]},
    "X.dtype": {"X": X.astype(np.float64)},
    "X.values": {"X": X + (np.arange(X.size) == 1000).reshape(X.shape)},
    "y.values": {"y": np.eye(5)[Y[::-1]]},
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_setting_that_differs_is_named(name, tmp_path):
    case = {**PLAIN, "optimizer": 3, "loss": int(name != "class_weight")}
    _, files = written(case, tmp_path)
    for path in files[::5]:
        net, settings = make(case, epochs=EPOCHS, **CHANGES[name])
        refused(path, f"is of another fit: .*{name}: expected ", net, settings)


def test_every_argument_of_fit_is_among_the_changes():
    same = {
        "self",
        "epochs",
        "progress",
        "resume",
        "comm",
        "block_rows",
    }  # the last: test_streams_stopped.py
    assert set(signature(nb.MLP.fit).parameters) - same <= {
        name.split(".")[0].split(",")[0] for name in CHANGES
    }


@pytest.mark.parametrize(
    ("name", "make_net"),
    {
        "sizes": lambda: nb.MLP([30, 99, 5], "tanh", "softmax", seed=1),
        "activations": lambda: nb.MLP([30, 100, 5], "relu", "softmax", seed=1),
        "dtype": lambda: nb.MLP([30, 100, 5], "tanh", "softmax", seed=1, dtype="float64"),
    }.items(),
)
def test_another_network_is_named(name, make_net, tmp_path):
    _, files = written(PLAIN, tmp_path)
    _, settings = make(PLAIN, epochs=EPOCHS)
    refused(files[0], f"{name}: expected ", make_net(), settings)


def test_other_classes_are_named(tmp_path):
    path = tmp_path / "c"
    x, y = resuming.data()
    net = nb.MLP([30, 5], output="softmax", seed=0)
    net.fit(x, np.array(list("abcde"))[y], epochs=1, callbacks=[nb.Checkpoint(path)])
    with pytest.raises(ValueError, match=r"y.classes: expected \['a'"):
        net.fit(x, np.array(list("abcdf"))[y], epochs=2, resume=path)
    twin = nb.MLP.load(path)
    assert twin.classes == list("abcde")
    twin.fit(x, np.array(list("abcde"))[y], epochs=2, resume=path)
    net.fit(x, np.array(list("abcde"))[y], epochs=2, resume=path)
    assert outcome(twin) == outcome(net)
    other = nb.MLP([30, 5], output="softmax", seed=0)
    other.fit(x, np.array(list("vwxyz"))[y], epochs=1)  # what it was is of no account
    other.fit(x, np.array(list("abcde"))[y], epochs=2, resume=path)
    assert outcome(other) == outcome(net)


def test_every_value_of_the_schedules_settings_is_compared(tmp_path):
    for name, factory in OPTIONS["schedule"].items():
        case = {**PLAIN, "schedule": list(OPTIONS["schedule"]).index(name)}
        (folder := tmp_path / name).mkdir()
        _, files = written(case, folder)
        made = nb.SGD(factory()).schedule
        for setting, value in vars(made).items():
            if setting.startswith("_") or isinstance(value, nb.schedules.Schedule):
                continue
            other = copy.deepcopy(made)
            setattr(other, setting, value * 2 if value else 0.5)
            net, settings = make(case, epochs=EPOCHS, optimizer=nb.SGD(other))
            refused(files[1], rf"learning_rate.{setting}: expected ", net, settings)


def test_early_stopping_with_other_settings(tmp_path):
    case = {**PLAIN, "callbacks": 1}
    _, files = written(case, tmp_path)
    for change in ({"patience": 3}, {"min_delta": 0.1}, {"restore_best": False}):
        same = {"patience": 2, "min_delta": 0.02, "monitor": "loss"}
        net, settings = make(case, epochs=EPOCHS, callbacks=[nb.EarlyStopping(**same | change)])
        refused(files[5], f"{next(iter(change))}: expected ", net, settings)


def test_a_callback_that_fails_changes_nothing(tmp_path):
    class Fails(resuming.Own):
        def set_state(self, state):
            raise ValueError("not mine")

    Fails.__qualname__ = "Own"
    case = {**PLAIN, "callbacks": 2}
    _, files = written(case, tmp_path)
    for callbacks in ([Fails()], [resuming.Own()]):
        net, settings = make(case, epochs=EPOCHS, callbacks=callbacks)
        if isinstance(callbacks[0], Fails):
            refused(files[3], "not mine", net, settings)
        else:
            net.fit(**settings, resume=files[3])


def test_another_instruction_set_or_version_is_a_warning(tmp_path):
    want, files = written(PLAIN, tmp_path)
    for name in ("isa", "version"):
        changed = altered(
            files[2], lambda spec, _, name=name: spec["training"].update({name: "older"})
        )
        with pytest.warns(RuntimeWarning, match=f"{name}: expected older, got "):
            assert resumed(PLAIN, changed) == want


def test_a_state_that_no_file_can_hold_is_refused_before_the_training(tmp_path):
    class Odd(nb.Callback):
        def get_state(self):
            return {"deep": [{"set": {1}}]}

    net, settings = make(PLAIN, epochs=1, callbacks=[Odd(), nb.Checkpoint(tmp_path / "c")])
    before = net.parameters.copy()
    with pytest.raises(TypeError, match=r"get_state of .*Odd.deep\[0\].set: expected JSON values"):
        net.fit(**settings)
    assert (net.parameters == before).all()


def test_a_schedule_of_another_class_set_by_a_callback(tmp_path):
    x, y = resuming.data()
    optimizer = nb.SGD(0.1)

    def cosine(state):
        optimizer.learning_rate = schedules.StepDecay(0.1, every=1)

    net = nb.MLP([30, 5], output="softmax", seed=0)
    callbacks = [cosine, nb.Checkpoint(tmp_path / "c")]
    with pytest.raises(ValueError, match="^learning_rate: expected .*schedule: expected"):
        net.fit(x, y, epochs=2, optimizer=optimizer, callbacks=callbacks)
    assert not (tmp_path / "c").exists()


def test_files_that_are_no_checkpoints(tmp_path):
    net, settings = make(PLAIN, epochs=1)
    net.save(tmp_path / "m")
    refused(tmp_path / "m", "expected a checkpoint, got a model without a training", net, settings)
    with pytest.raises(FileNotFoundError):
        net.fit(**settings, resume=tmp_path / "none")
    for content in (b"", b"text", bytes(100)):
        (tmp_path / "x").write_bytes(content)
        refused(tmp_path / "x", "expected a nablas model, but", net, settings)


# ---- damaged files -------------------------------------------------------------------------------

STATE = {**PLAIN, "optimizer": 5, "schedule": 6, "callbacks": 1, "validation": 1}
ODD = [None, True, -1, 1, 2.5, 10**400, float("nan"), float("inf"), "", "x", [], [1], {}, {"tensor": "training.0"}]  # fmt: skip
# Entries of which another value can be right; with these the fit goes on, or says what is wrong.
FREE = {
    "version", "isa", "seed", "epochs", "updates", "steps", "scalar", "seconds", "stopped", "extra", "best", "best_epoch", "files",
    "path", "monitor", "_rate", "_best", "_waited", "weights",
}  # fmt: skip


def leaves(value, place=()):
    """Every entry at any depth, with its place."""
    for key in value if isinstance(value, dict) else range(len(value)):
        yield (*place, key)
        if isinstance(value[key], (dict, list)):
            yield from leaves(value[key], (*place, key))


def put(value, place, odd):
    for key in place[:-1]:
        value = value[key]
    if odd is ODD:
        del value[place[-1]]
    else:
        value[place[-1]] = odd


def free(place, odd):
    """Whether a change may go unnoticed."""
    if place == ("extra",) or (place[:2] == ("training", "checkpoints") and len(place) < 4):
        return True  # may be absent, or empty
    if "files" in place and isinstance(place[-1], int):  # fewer of them
        return True
    named = {key for key in place if isinstance(key, str)}
    return place[:1] != ("format",) and "fit" not in place and bool(named & FREE) and odd is not ODD


def error_of(net, settings, path):
    """What a ValueError says, or None."""
    try:
        net.fit(**settings, resume=path)
    except ValueError as error:
        return str(error)
    return None


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("within", [False, True])
def test_every_entry_of_the_header_is_checked(within, tmp_path):
    """With each entry replaced by each odd value, or left out: a clear error, and nothing changes."""
    _, files = written(STATE, tmp_path)
    path = next(p for p in files[8:] if bool(nb.io.read(p)[2]["rows"]) is within)
    specification = resuming.header(path)

    def fitted():
        net, settings = make(STATE, epochs=EPOCHS)
        settings["callbacks"].append(nb.Checkpoint(tmp_path / "{epoch}", every=10))
        net.fit(**settings)
        return net, settings

    net, settings = fitted()
    before, places = everything(net, settings["optimizer"]), list(leaves(specification))
    assert len(places) > 80
    if within:  # the others are as between epochs
        places = [p for p in places if {*p} & {"rows", "sums", "seconds", "stopped"}]
    accepted = []
    for place in places:
        for odd in [*ODD, ODD]:  # the list itself: left out
            changed = altered(path, lambda spec, _, place=place, odd=odd: put(spec, place, odd))
            error = error_of(net, settings, changed)
            if error is not None:
                assert str(changed) in error or error.startswith("epochs"), (place, odd, error)
                assert everything(net, settings["optimizer"]) == before, (place, odd)
            else:
                accepted.append((place, odd))
                assert np.isfinite(net.parameters).all()
                net, settings = fitted()
                before = everything(net, settings["optimizer"])
    original = {place: resuming.at(specification, place) for place in places}
    assert not [
        (place, odd)
        for place, odd in accepted
        if not free(place, odd) and (odd is ODD or odd != original[place])
    ]


def test_every_tensor_is_checked(tmp_path):
    """Another type, another shape, no such tensor, one more, other bytes."""
    _, files = written(STATE, tmp_path)
    net, settings = make(STATE, epochs=EPOCHS)
    content = files[9].read_bytes()
    names = [name for name in resuming.split(content)[0] if name != "__metadata__"]
    assert len(names) > 10

    def moved(header, name):
        begin, end = header[name]["data_offsets"]
        size = (end - begin) // (8 if header[name]["dtype"] == "F64" else 4)
        yield "shape", [size, 1]
        yield "shape", [1, size] if size > 1 else [1, 1]
        yield "dtype", "I64" if header[name]["dtype"] == "F64" else "I32"

    for name in names:
        for key, value in moved(resuming.split(content)[0], name):
            changed = altered(
                files[9], lambda _, header, e=(name, key, value): header[e[0]].update({e[1]: e[2]})
            )
            refused(changed, "expected a nablas model, but|resume: ", net, settings)
        changed = altered(
            files[9], lambda _, header, name=name: header.update(other=header.pop(name))
        )
        refused(changed, "expected a nablas model, but", net, settings)
    for at in range(0, len(content), len(content) // 60):
        files[9].write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        refused(files[9], "expected a nablas model, but", net, settings)
    for end in range(0, len(content), len(content) // 20):
        files[9].write_bytes(content[:end])
        refused(files[9], "expected a nablas model, but", net, settings)
