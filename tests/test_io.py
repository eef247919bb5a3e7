import json
import struct

import numpy as np
import pytest
from cases import rng

import nablas as nb


def trained(dtype="float32"):
    net = nb.MLP([4, 6, 3], ["gelu"], "softmax", dtype=dtype, seed=1)
    net.fit(rng().normal(size=(30, 4)), np.array(list("abc") * 10), epochs=2)
    return net


def test_a_model_comes_back_as_it_was(tmp_path, dtype):
    net, x = trained(dtype), rng(1).normal(size=(9, 4))
    net.save(tmp_path / "m.safetensors")
    twin = nb.MLP.load(tmp_path / "m.safetensors")
    assert repr(twin) == repr(net)
    assert twin.classes == ["a", "b", "c"]
    np.testing.assert_array_equal(twin.parameters, net.parameters)
    np.testing.assert_array_equal(twin.predict(x), net.predict(x))
    y = np.array(list("abc") * 3)
    for model in (net, twin):  # the loaded network continues with the same shuffles
        model.fit(x, y, epochs=2, optimizer=nb.SGD(0.1))
    np.testing.assert_array_equal(twin.parameters, net.parameters)


def test_extra_and_layout(tmp_path):
    from safetensors import safe_open

    path = tmp_path / "m.safetensors"
    trained().save(path, extra={"anything": [1, 2, {"x": None}]})
    net = nb.MLP.load(path)
    assert net.extra == {"anything": [1, 2, {"x": None}]}
    net.save(path)
    assert nb.MLP.load(path).extra == net.extra
    with safe_open(path, "numpy") as file:
        assert sorted(file.keys()) == [
            f"layers.{i}.{n}" for i in (0, 1) for n in ("bias", "weight")
        ]
        assert file.get_tensor("layers.0.weight").shape == (4, 6)


def parts(path):
    """The safetensors header as JSON, and the data after it."""
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def metadata(path):
    return parts(path)[0]["__metadata__"]


def header(path, change, checksum=True, text=str):
    """Rewrite the file with the specification changed.

    Its checksum, if any, is kept and so is wrong; without, the file says that it is of format 1.
    """
    outer, data = parts(path)
    spec = json.loads(outer["__metadata__"]["nablas"])
    if not checksum:
        outer["__metadata__"].pop("sha256", None)
        spec["format"] = 1
    change(spec)
    outer["__metadata__"]["nablas"] = text(json.dumps(spec))
    written = json.dumps(outer).encode()
    path.write_bytes(struct.pack("<Q", len(written)) + written + data)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"not a model"),
        lambda path: path.write_bytes(path.read_bytes()[:-5]),
        lambda path: path.write_bytes(path.read_bytes()[:40]),
        lambda path: path.write_bytes(struct.pack("<Q", 2**60) + b"{}"),
        lambda path: path.write_bytes(path.read_bytes() + b"more"),
    ],
)
def test_bad_files_are_value_errors(tmp_path, damage):
    path = tmp_path / "m.safetensors"
    trained().save(path)
    damage(path)
    with pytest.raises(ValueError, match="expected a nablas model, but"):
        nb.MLP.load(path)


WRONG = {  # values that a field of the header must not have
    "format": [0, -1, 3, 1.5, "1", None, True],
    "sizes": ["large", None, [], [4], [4, 7, 3], [4, 6, 5, 3], [4, 0, 3], [4, -6, 3], [4, 6.0, 3],
              [4, "6", 3], [4, True, 3], [2**50, 2**50], [2**70, 6, 3], {"0": 4}, [[4], 6, 3]],
    "activations": [None, "gelu", [], ["gelu"], ["rely", "softmax"], ["softmax", "gelu"], [1, 2],
                    ["gelu", "softmax", "relu"], ["gelu", None]],
    "dtype": ["float64", "float16", None, 32, ["float32"]],
    "seed": [-1, 1.5, "1", None, True, 2**64],
    "classes": ["abc", ["a"], ["a", "b"], ["a", "a", "b"], ["b", "a", "c"], [1, 2, 3], {"a": 1},
                ["a", "b", None], ["a", "b", "c", "d"], 3],
    "epochs": [-1, 1.5, "1", None, [], 2**64],
    "updates": [-1, 1.5, "1", None, [], 2**64],
    "extra": [[], "x", 1, True],
}  # fmt: skip


@pytest.mark.parametrize("checksum", [True, False])
@pytest.mark.parametrize("name", WRONG)
def test_every_field_of_the_header_is_validated(tmp_path, name, checksum):
    path = tmp_path / "m.safetensors"
    for value in [*WRONG[name], "missing"]:
        if (name, value) == ("extra", "missing"):
            continue  # optional

        def change(spec, value=value):
            spec[name] = value
            if value == "missing":
                del spec[name]

        trained().save(path)
        header(path, change, checksum)
        with pytest.raises(ValueError, match="expected a nablas model, but"):
            nb.MLP.load(path)
        if name != "format" and (name, value) != ("dtype", "float64"):  # parameters are converted
            state = trained().__getstate__()
            change(state["specification"])
            with pytest.raises((ValueError, TypeError)):
                nb.MLP.__new__(nb.MLP).__setstate__(state)


def test_every_field_is_in_the_list_of_wrong_values(tmp_path):
    trained().save(tmp_path / "m.safetensors")
    assert set(json.loads(metadata(tmp_path / "m.safetensors")["nablas"])) == set(WRONG)


def test_a_deeply_nested_header_is_a_value_error(tmp_path):
    path = tmp_path / "m.safetensors"
    trained().save(path)
    header(path, lambda s: None, text=lambda text: "[" * 100_000)
    with pytest.raises(ValueError, match="expected a nablas model, but"):
        nb.MLP.load(path)


def test_no_edit_of_a_byte_loads_as_another_model(tmp_path):
    path, net = tmp_path / "m.safetensors", nb.MLP([2, 3, 2], output="softmax", seed=0)
    net.classes = ["no", "yes"]
    net.save(path)
    whole, same = path.read_bytes(), 0
    for i in range(len(whole)):
        for bits in (1, 0x20, 0x80):
            path.write_bytes(whole[:i] + bytes([whole[i] ^ bits]) + whole[i + 1 :])
            try:
                found = nb.MLP.load(path)
            except ValueError:
                continue
            same += 1
            assert found._specification() == net._specification(), (i, bits)
            np.testing.assert_array_equal(found.parameters, net.parameters, str((i, bits)))
    assert same < 30  # edits of padding


def test_files_of_format_1_load_without_a_checksum(tmp_path):
    path, net = tmp_path / "m.safetensors", trained()
    net.save(path)
    header(path, lambda s: s.update(format=1), checksum=False)
    np.testing.assert_array_equal(nb.MLP.load(path).parameters, net.parameters)
    header(path, lambda s: s.update(format=2))
    with pytest.raises(ValueError, match="it has no checksum"):
        nb.MLP.load(path)


def test_foreign_safetensors(tmp_path):
    from safetensors.numpy import save_file

    save_file({"x": np.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="it has no nablas header"):
        nb.MLP.load(tmp_path / "other.safetensors")


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        nb.MLP.load(tmp_path / "none.safetensors")


def test_weights_that_are_not_finite_are_refused(tmp_path):
    path, net = tmp_path / "m.safetensors", trained()
    net.save(path)
    before = path.read_bytes()
    for bad in (np.nan, np.inf):
        net.parameters[3] = bad
        with pytest.raises(ValueError, match=r"layers.0.bias: expected finite values"):
            net.save(path)
    assert path.read_bytes() == before


def test_without_safetensors(monkeypatch, tmp_path):
    import sys

    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(
        ImportError, match=r'safetensors is needed for this: pip install "nablas\[io\]"'
    ):
        trained().save(tmp_path / "m.safetensors")


def test_a_file_is_one_of_safetensors(tmp_path, dtype):
    """Our writer makes what theirs reads: names, shapes, contents, and tensors at multiples of 8."""
    from safetensors.numpy import load_file

    net = nb.MLP([3, 5, 2], output="softmax", dtype=dtype, seed=1)
    path = tmp_path / "m.safetensors"
    for note in range(9):
        net.save(path, extra={"note": "ü" * note})
        assert (8 + int.from_bytes(path.read_bytes()[:8], "little")) % 8 == 0
        found = load_file(path)
        assert set(found) == {f"layers.{i}.{kind}" for i in (0, 1) for kind in ("weight", "bias")}
        for i in (0, 1):
            np.testing.assert_array_equal(found[f"layers.{i}.weight"], net.weights[i])
            np.testing.assert_array_equal(found[f"layers.{i}.bias"], net.biases[i])


def test_epochs_beyond_what_the_core_counts(tmp_path):
    net = nb.MLP([3, 2], seed=1)
    x, y = np.ones((4, 3)), np.ones((4, 2))
    with pytest.raises(ValueError, match="epochs: expected at most 4294967295, got 4294967296"):
        net.fit(x, y, epochs=2**32)
    net.engine.epochs = 2**32 - 2
    net.save(tmp_path / "m.safetensors")
    again = nb.MLP.load(tmp_path / "m.safetensors")
    again.fit(x, y, epochs=1)
    with pytest.raises(ValueError, match="epochs: expected at most 0"):
        again.fit(x, y, epochs=1)


def test_arrays_of_a_training(tmp_path):
    """Of every kind that a file holds, at any depth and of any shape, bit for bit; nothing else."""
    path, bits = tmp_path / "m", np.arange(24, dtype=np.uint8)
    net = nb.MLP([3, 2], seed=0)
    layers = list(zip(net.weights, net.biases, strict=True))
    arrays = {name: bits.view(np.uint8).astype(name) for name in nb.io.KINDS}
    shapes = [
        np.array(2.5, np.float32),
        np.zeros((0, 3)),
        bits.reshape(2, 3, 4)[:, ::-1],
        bits.astype(">i4"),
    ]
    training = {
        "": {"deep": [arrays, shapes]},
        "x": [None, True, -(2**70), 1e-320, np.inf, "\0ü\ud800"],
    }
    nb.io.save(path, net._specification(), layers, training)
    found = nb.io.read(path)[2]
    assert found["x"] == training["x"]
    got, other = found[""]["deep"]
    for given, read in [
        *zip(arrays.values(), got.values(), strict=True),
        *zip(shapes, other, strict=True),
    ]:
        assert (given.dtype.newbyteorder("="), given.shape) == (read.dtype, read.shape)
        np.testing.assert_array_equal(given, read)
    assert nb.MLP.load(path).parameters.tobytes() == net.parameters.tobytes()
    for wrong in (
        {1: 2},
        {"a": {1}},
        {"a": 1j},
        {"a": np.array(["x"])},
        {"a": {"tensor": 1}},
        {"a": b"x"},
    ):
        with pytest.raises(TypeError, match="training"):
            nb.io.save(path, net._specification(), layers, wrong)


ODD = [None, True, -1, 2.5, 2**80, "x", "softmax", [], [1], {}, {"a": 1}, {1: 2}, (1,), b"x", 1j,
       np.float32(1), np.ones(2), {"tensor": 1}]  # fmt: skip


def _refusal(call, *arguments, **named):
    try:
        call(*arguments, **named)
    except (TypeError, ValueError) as error:
        return str(error)
    return None


@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize(
    "name", [*nb.MLP([3, 2])._specification(), "extra", "format", "training", "nablas", "sha256"]
)
def test_what_is_saved_can_be_loaded(tmp_path, name, odd):
    """Each entry of a specification odd, or absent: an error at once, or a file that is read."""
    net, path = nb.MLP([3, 2], seed=1), tmp_path / "m.safetensors"
    layers = list(zip(net.weights, net.biases, strict=True))
    without = {k: v for k, v in net._specification().items() if k != name}
    for specification in (without, {**without, name: odd}):
        refused = _refusal(nb.io.save, path, specification, layers)
        if refused is None:
            nb.io.load(path)
            path.unlink()
        assert refused is None or refused.startswith("specification")
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_an_extra_comes_back_or_is_refused(tmp_path, odd):
    net, path = nb.MLP([3, 2], seed=1), tmp_path / "m.safetensors"
    for extra in (odd, {"a": [odd]}):
        refused = _refusal(net.save, path, extra=extra)
        if refused is None:
            wanted = {"a": [list(odd) if isinstance(odd, tuple) else odd]}
            assert nb.MLP.load(path).extra == (wanted if extra is not odd else odd or {})
            path.unlink()
        assert refused is None or refused.startswith("extra")
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("file", ["model", "checkpoint", "format 1"])
def test_what_was_loaded_can_be_saved(tmp_path, file):
    path, again = tmp_path / "m.safetensors", tmp_path / "again.safetensors"
    net = nb.MLP([3, 2], seed=1)
    keep = nb.Checkpoint(path)
    net.fit(np.eye(3), np.ones((3, 2)), epochs=2, callbacks=[keep] if file == "checkpoint" else [])
    if file != "checkpoint":
        net.save(path)
    if file == "format 1":
        header(path, lambda spec: spec.update(format=1), checksum=False)
    specification, parameters = nb.io.load(path)
    nb.io.save(again, specification, list(zip(net.weights, net.biases, strict=True)))
    found, same = nb.io.load(again)
    assert found == {**specification, "format": nb.io.FORMAT}
    np.testing.assert_array_equal(same, parameters)


def test_layers_of_other_sizes_are_refused(tmp_path):
    net = nb.MLP([3, 2])
    weights, bias = net.weights[0], net.biases[0]
    for wrong in (
        [],
        [(weights, bias)] * 2,
        [(bias, bias)],
        [(weights.T, bias)],
        [(bias, weights)],
    ):
        with pytest.raises(ValueError, match="^layers"):
            nb.io.save(tmp_path / "m", net._specification(), wrong)
    assert not list(tmp_path.iterdir())


def test_values_that_are_nested_too_deeply(tmp_path):
    net, endless = nb.MLP([3, 2]), {}
    endless["itself"] = endless
    layers = list(zip(net.weights, net.biases, strict=True))
    for name, call in {
        "extra": lambda: net.save(tmp_path / "m", extra=endless),
        "specification": lambda: nb.io.save(tmp_path / "m", endless, layers),
        "training": lambda: nb.io.save(tmp_path / "m", net._specification(), layers, endless),
    }.items():
        with pytest.raises(ValueError, match=f"^{name}: expected values that are nested less"):
            call()
