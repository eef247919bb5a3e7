import json
import os
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


def header(path, change):
    """Rewrites the file with the specification changed."""
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    outer = json.loads(content[8 : 8 + size])
    spec = json.loads(outer["__metadata__"]["nablas"])
    change(spec)
    outer["__metadata__"]["nablas"] = json.dumps(spec)
    text = json.dumps(outer).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + size :])


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"not a model"),
        lambda path: path.write_bytes(path.read_bytes()[:-5]),
        lambda path: path.write_bytes(path.read_bytes()[:40]),
        lambda path: path.write_bytes(struct.pack("<Q", 2**60) + b"{}"),
        lambda path: header(path, lambda s: s.update(sizes=[4, 7, 3])),
        lambda path: header(path, lambda s: s.update(sizes=[4, 6, 5, 3])),
        lambda path: header(path, lambda s: s.update(sizes=[2**50, 2**50])),
        lambda path: header(path, lambda s: s.update(sizes="large")),
        lambda path: header(path, lambda s: s.update(activations=["rely", "softmax"])),
        lambda path: header(path, lambda s: s.update(dtype="float64")),
        lambda path: header(path, lambda s: s.update(format=99)),
        lambda path: header(path, lambda s: s.pop("seed")),
        lambda path: header(path, lambda s: s.update(seed=-1)),
    ],
)
def test_bad_files_are_value_errors(tmp_path, damage):
    path = tmp_path / "m.safetensors"
    trained().save(path)
    damage(path)
    with pytest.raises(ValueError, match="expected a nablas model, but"):
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
    net = trained()
    net.parameters[3] = np.nan
    net.save(tmp_path / "m.safetensors")
    with pytest.raises(ValueError, match=r"layers.0.bias: expected finite values"):
        nb.MLP.load(tmp_path / "m.safetensors")


def test_saving_is_atomic(tmp_path, monkeypatch):
    path = tmp_path / "m.safetensors"
    trained().save(path)
    before = path.read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        trained("float64").save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_permissions_are_the_usual_ones(tmp_path):
    trained().save(tmp_path / "m.safetensors")
    (tmp_path / "other").write_text("")
    assert (tmp_path / "m.safetensors").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_without_safetensors(monkeypatch, tmp_path):
    import sys

    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(
        ImportError, match=r'safetensors is needed for this: pip install "nablas\[io\]"'
    ):
        trained().save(tmp_path / "m.safetensors")
