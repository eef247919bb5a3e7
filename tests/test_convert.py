"""PyTorch's modules become the network that they compute, or are refused; ONNX gets weights that it can hold."""

import numpy as np
import pytest
from cases import rng

import nablas as nb
from nablas.sklearn import from_torch

torch = pytest.importorskip("torch")
prune = pytest.importorskip("torch.nn.utils.prune")
nn = torch.nn
pytestmark = pytest.mark.filterwarnings("ignore")  # of PyTorch: old functions of nn.utils


def plain():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Dropout(0.5), nn.Linear(4, 2))


def doubled(kind):
    """A class of the same name as `kind`, whose outputs are twice as large."""
    return type(kind.__name__, (kind,), {"forward": lambda self, x: 2 * kind.forward(self, x)})


def of_a_class(i):
    def change(net):
        net[i].__class__ = doubled(type(net[i]))
        return net

    return change


def of_an_object(i):
    def change(net):
        before = net[i].forward
        net[i].forward = lambda x: 2 * before(x)
        return net

    return change


def replaced(i, function):
    def change(net):
        net[i].forward = function
        return net

    return change


def named_as(name, kind):
    """Module 1 is of a class of that name, which inherits the rest."""

    def change(net):
        net[1].__class__ = type(name, (kind,), {})
        return net

    return change


def called(net):
    net[1].__class__ = type("Tanh", (nn.Tanh,), {"__call__": lambda self, x: 2 * torch.tanh(x)})
    return net


def quantised(net):
    """PyTorch's own Linear that rounds its weights in `forward`."""
    net.train().qconfig = torch.ao.quantization.get_default_qat_qconfig("x86")
    torch.ao.quantization.prepare_qat(net, inplace=True)(torch.ones(1, 3))
    for module in net:
        module._forward_hooks.clear()
    return net.eval()


def hooked(i, register):
    def change(net):
        module = net if i is None else net[i]
        if register == "register_forward_pre_hook":
            module.register_forward_pre_hook(lambda module, given: (2 * given[0],))
        else:
            module.register_forward_hook(lambda module, given, out: 2 * out)
        return net

    return change


def made_anew(function, name):
    """A weight that `forward` makes of a parameter, which has changed since."""

    def change(net):
        function(net[0])
        with torch.no_grad():
            getattr(net[0], name).mul_(3)
        return net

    return change


def whole(net):
    return doubled(nn.Sequential)(*net)


CHANGES = {f"class of module {i}": of_a_class(i) for i in range(4)}
CHANGES |= {f"forward of module {i}": of_an_object(i) for i in range(4)}
CHANGES |= {
    f"{register} of {'the whole' if i is None else f'module {i}'}": hooked(i, register)
    for i in (None, *range(4))
    for register in ("register_forward_pre_hook", "register_forward_hook")
}
CHANGES |= {
    "weight_norm": made_anew(nn.utils.weight_norm, "weight_g"),
    "spectral_norm": made_anew(nn.utils.spectral_norm, "weight_orig"),
    "prune": made_anew(lambda m: prune.l1_unstructured(m, "weight", 0.5), "weight_orig"),
    "the whole": whole,
    "a function of PyTorch": replaced(1, nn.functional.relu),
    "a built-in function of PyTorch": replaced(1, torch.sin),
    "forward of another module": replaced(1, nn.Sigmoid().forward),
    "another class of PyTorch": named_as("Tanh", nn.Sigmoid),
    "call": called,
    "dynamic quantisation": lambda net: torch.ao.quantization.quantize_dynamic(net, {nn.Linear}),
    "quantisation in training": quantised,
}


@pytest.mark.parametrize("read", [nb.MLP.from_torch, from_torch], ids=["MLP", "estimator"])
@pytest.mark.parametrize("name", CHANGES)
def test_what_computes_other_numbers_is_refused(name, read):
    x = torch.tensor(rng().normal(size=(5, 3)), dtype=torch.float32)
    net = plain().eval()
    with torch.no_grad():
        before = net(x).numpy()
    changed = CHANGES[name](net)
    with torch.no_grad():
        assert not np.allclose(changed(x).numpy(), before)
    with pytest.raises(ValueError, match=r"^model: expected (torch\.nn\.|modules without)"):
        read(changed)


@pytest.mark.parametrize("when", ["hook", "pre_hook"])
def test_hooks_of_all_modules_are_refused(when):
    register = getattr(nn.modules.module, f"register_module_forward_{when}")
    handle = register(lambda module, given, *out: None)
    try:
        with pytest.raises(ValueError, match="^model: expected modules without forward hooks"):
            nb.MLP.from_torch(plain())
    finally:
        handle.remove()
    nb.MLP.from_torch(plain())


SQUARE = {
    "weight_norm": lambda m, name: nn.utils.weight_norm(m, name),
    "spectral_norm": lambda m, name: nn.utils.spectral_norm(m, name),
    "prune": lambda m, name: prune.l1_unstructured(m, name, 0.5),
    "parametrization": lambda m, name: nn.utils.parametrize.register_parametrization(
        m, name, nn.Tanh()
    ),
}


@pytest.mark.parametrize("name", SQUARE)
@pytest.mark.parametrize("parts", [["weight"], ["weight", "bias"]])
def test_states_of_weights_that_forward_makes(name, parts):
    """Of square layers, in which a mask has the shape of a layer."""
    net = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3))
    for module in (net[0], net[2]):
        for part in parts if name in ("prune", "parametrization") else ["weight"]:
            SQUARE[name](module, part)
    with pytest.raises(
        ValueError, match=r"^model: expected weights and biases, got '0\..*: remove"
    ):
        nb.MLP.from_torch(net.state_dict(), activation="tanh")


def test_modules_that_cannot_be_listed(tmp_path):
    """Of `torch.jit.load`, `torch.jit.trace` and `torch.compile`."""
    torch.jit.save(torch.jit.script(plain()), tmp_path / "net.pt")
    for net in (
        torch.jit.load(tmp_path / "net.pt"),
        torch.jit.trace(plain(), torch.ones(1, 3)),
        torch.compile(plain(), backend="eager"),
    ):
        with pytest.raises(TypeError, match=r"^model: expected a torch\.nn\.Sequential or a state"):
            nb.MLP.from_torch(net)
        nb.MLP.from_torch(net.state_dict())


class Named(nn.Sequential):
    """Of another name, with no other `forward`."""


def listening(net):
    """With hooks that see gradients alone."""
    net[0].register_full_backward_hook(lambda *given: None)
    net[0].weight.register_hook(lambda gradient: None)
    return net


def compiled(net):
    net.compile(backend="eager")
    return net


@pytest.mark.parametrize(
    "kind",
    [lambda net: net, torch.jit.script, list, nn.ModuleList, lambda net: Named(*net), listening, compiled],
)  # fmt: skip
def test_what_computes_the_same_numbers_is_read(kind):
    x = torch.tensor(rng().normal(size=(5, 3)), dtype=torch.float32)
    net = plain().eval()
    twin = nb.MLP.from_torch(kind(net))
    with torch.no_grad():
        np.testing.assert_allclose(twin.forward(x.numpy()), net(x).numpy(), rtol=1e-5, atol=1e-6)


def test_a_pruned_layer_is_read_when_its_weights_are_plain():
    net = plain().eval()
    prune.l1_unstructured(net[0], "weight", 0.5)
    prune.remove(net[0], "weight")
    twin = nb.MLP.from_torch(net)
    assert (twin.weights[0] == 0).sum() == 6
    np.testing.assert_array_equal(twin.weights[0], net[0].weight.detach().numpy().T)


FLOATS = [d for d in vars(torch).values() if isinstance(d, torch.dtype) and d.is_floating_point]


@pytest.mark.parametrize("dtype", sorted({*FLOATS}, key=str), ids=str)
def test_every_floating_dtype_is_read_exactly_or_refused(dtype):
    state = {"w": torch.tensor([[1.0, 2.0], [-0.5, 4.0]]), "b": torch.tensor([0.25, 2.0])}
    try:
        narrow = {name: value.to(dtype) for name, value in state.items()}
        kept = [value.float().numpy() for value in narrow.values()]
    except (RuntimeError, TypeError, NotImplementedError):
        pytest.skip("PyTorch itself does not convert it")
    net = nb.MLP.from_torch(narrow)
    assert net.dtype == ("float64" if dtype == torch.float64 else "float32")
    np.testing.assert_array_equal(net.weights[0], kept[0].T)
    np.testing.assert_array_equal(net.biases[0], kept[1])


def test_tensors_that_are_no_dense_floats():
    dense = torch.ones(2, 2)
    for odd in (
        dense.to_sparse(), dense.to_sparse_csr(), dense.to("meta"), dense.to(torch.complex64), dense.int(), dense.bool(),
        torch.quantize_per_tensor(dense, 0.1, 0, torch.qint8),
    ):  # fmt: skip
        with pytest.raises(
            ValueError, match=r"^model: expected (dense )?floating weights, got .* in 'w'"
        ):
            nb.MLP.from_torch({"w": odd, "b": torch.zeros(2)})
    for nothing in ({}, nn.Sequential(), nn.Sequential(nn.Dropout()), []):
        with pytest.raises(ValueError, match="^model: expected dense layers, got none"):
            nb.MLP.from_torch(nothing)


@pytest.mark.parametrize("value", [1e39, -3.5e38, 1.7e308])
def test_weights_beyond_the_dtype_of_a_file_are_refused(value, tmp_path):
    pytest.importorskip("onnx")
    path = tmp_path / "model.onnx"
    for i in range(4):
        net = nb.MLP([1, 1, 1], dtype="float64", seed=0)
        net.to_onnx(path, dtype="float32")
        before = path.read_bytes()
        net.parameters[i] = value
        with pytest.raises(ValueError, match="^dtype: expected one that holds the weights, got fl"):
            net.to_onnx(path, dtype="float32")
        assert path.read_bytes() == before
        net.to_onnx(path)
