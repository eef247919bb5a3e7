"""Valid arguments of every public function and class that no other module calls, by its name."""

import functools
import importlib.util
import inspect
import tempfile
from pathlib import Path

import numpy as np

import nablas as nb
from nablas import autograd, schedules

from .of_library import LABELS, ONE_HOT, WEIGHTS, X

FOLDER = Path(tempfile.mkdtemp())
POSITIVE = np.abs(X) + 0.1
INSIDE = np.tanh(X) * 0.9


def network(output="softmax"):
    return nb.MLP([3, 4, 3], output=output, dtype="float64", seed=1)


def trained():
    net = network()
    net.fit(X, LABELS, epochs=2)
    return net


def bowl(x):
    return float((x * x).sum())


def slope(x):
    return 2 * x


def squares(t):
    return (t * t).sum()


def loss(outputs, targets):
    if np.shape(outputs) != np.shape(targets) or np.asarray(targets).dtype.kind not in "fiub":
        raise ValueError("loss: the caller's own words")
    return float(((outputs - targets) ** 2).sum()), 2 * (outputs - targets)


def leaf(value=X):
    return autograd.Tensor(value, requires_grad=True)


def _of_autograd():
    """Functions of Tensors with valid arguments."""
    two = {"arctan2", "hypot", "logaddexp", "maximum", "minimum", "power"}
    inside = {"arccos", "arcsin", "arctanh"}
    made = {}
    for name in autograd.__all__:
        function = getattr(autograd, name)
        if not callable(function) or inspect.isclass(function):
            continue
        accepted = list(inspect.signature(function).parameters)
        if name in two:
            made[name] = lambda: {"a": POSITIVE, "b": POSITIVE[:1]}
        elif accepted == ["x"]:
            data = INSIDE if name in inside else POSITIVE + (name == "arccosh")
            made[name] = functools.partial(dict, x=data)
        elif accepted[:2] == ["z", "targets"]:
            made[name] = lambda: {"z": X, "targets": ONE_HOT, "sample_weight": WEIGHTS}
        elif accepted[:2] == ["x", "axis"]:
            given = {"x": X, "axis": 0} | ({"keepdims": True} if "keepdims" in accepted else {})
            made[name] = functools.partial(dict, given)
    made |= {
        "Tensor": lambda: {"data": X, "requires_grad": True, "dtype": "float64"},
        "activate": lambda: {"z": X, "activation": "gelu"},
        "as_loss": lambda: {"function": squares},
        "broadcast_to": lambda: {"x": X, "shape": (2, 20, 3)},
        "clip": lambda: {"x": X, "min": -1.0, "max": X + 2},
        "concatenate": lambda: {"tensors": [X, X], "axis": 0},
        "stack": lambda: {"tensors": [X, X], "axis": 0},
        "dense": lambda: {"x": X, "weights": np.ones((4, 2)), "activation": "tanh"},
        "draw": lambda: {"tensor": squares(leaf()), "names": {"x": X}, "precision": 3, "local_derivatives": True},
        "einsum": lambda: {"subscripts": "ij->i", "operands": X},
        "enable_grad": lambda: {"function": squares},
        "no_grad": lambda: {"function": squares},
        "grad": _of_grad,
        "gradcheck": lambda: {"function": squares, "inputs": leaf(X[:3]), "eps": 1e-6, "atol": 1e-5, "rtol": 1e-3, "raise_exception": True},
        "gradgradcheck": lambda: {"function": squares, "inputs": leaf(X[:3]), "grad_outputs": None, "eps": 1e-6, "atol": 1e-5, "rtol": 1e-3},
        "hessian": lambda: {"function": squares, "x": X[:2]},
        "jacobian": lambda: {"function": squares, "x": X[:2], "create_graph": False},
        "jvp": lambda: {"function": squares, "x": X, "v": X},
        "vjp": lambda: {"function": np.square, "x": X, "v": X},
        "matmul": lambda: {"a": X, "b": X.T},
        "norm": lambda: {"x": X, "ord": 2, "axis": 0, "keepdims": True},
        "reshape": lambda: {"x": X, "shape": (3, 20)},
        "transpose": lambda: {"x": X, "axes": (1, 0)},
        "where": lambda: {"condition": X > 0, "a": X, "b": 0.0},
        "Context": lambda: {"needs_input_grad": (True,)},
        "Function": dict,
    }  # fmt: skip
    return {f"autograd.{name}": given for name, given in made.items()}


def _of_grad():
    t = leaf()
    return {"outputs": squares(t), "inputs": t, "grad_outputs": 1.0, "retain_graph": True, "create_graph": False,
            "allow_unused": False}  # fmt: skip


def _of_plots():
    plots = {
        "ActivationDisplay": lambda: {"z": X[:, 0], "values": {"relu": X[:, 0]}, "slopes": {"relu": X[:, 0]}},
        "DecisionBoundaryDisplay": lambda: {"xx0": X[:2], "xx1": X[:2], "response": X[:2], "classes": ["a", "b"]},
        "GradientNormDisplay": lambda: {"by_weights": X[:, 0], "by_biases": X[:, 0], "names": ["a"] * 20},
        "LossCurveDisplay": lambda: {"loss": [1.0, 0.5], "val_loss": [2.0, 1.0], "log": True},
        "LossLandscapeDisplay": lambda: {"alphas": X[:, 0], "values": X[:, 1]},
        "NetworkDisplay": lambda: {"weights": [np.ones((3, 2))], "biases": [np.ones(2)], "activations": ["relu"], "most_units": 4},
        "WeightHistogramDisplay": lambda: {"weights": [X], "names": ["a"]},
        "confusion_matrix": lambda: {"net": trained(), "X": X, "y": LABELS},
        "filter_normalised_direction": lambda: {"net": network(), "seed": 0},
        "ActivationDisplay.from_names": lambda: {"names": ["relu"], "limits": (-1.0, 1.0), "ax": None},
        "DecisionBoundaryDisplay.from_estimator": lambda: {
            "estimator": nb.MLP([2, 3], output="softmax", seed=0), "X": X[:, :2], "y": LABELS, "grid_resolution": 4, "eps": 0.1},
        "GradientNormDisplay.from_estimator": lambda: {"net": network(), "X": X, "y": LABELS},
        "LossCurveDisplay.from_estimator": lambda: {"estimator": _estimator(), "log": False},
        "LossCurveDisplay.from_history": lambda: {"history": trained().history, "log": True},
        "LossLandscapeDisplay.from_estimator": lambda: {"net": network(), "X": X, "y": LABELS, "span": 1.0, "resolution": 3, "seed": 0},
        "LossLandscapeDisplay.from_function": lambda: {
            "cost": bowl, "centre": X[0], "directions": [X[1], X[2]], "span": 1.0, "resolution": 3, "kind": "contour", "log": False},
        "LossLandscapeDisplay.from_networks": lambda: {"networks": [network(), trained()], "X": X, "y": LABELS, "resolution": 3},
        "NetworkDisplay.from_estimator": lambda: {"net": network(), "most_units": 4, "show_values": True},
        "NetworkDisplay.from_explanation": lambda: {"passed": network().explain(X[0], 1), "show": "backward", "most_units": 4},
        "WeightHistogramDisplay.from_estimator": lambda: {"net": network(), "bins": 3},
    }  # fmt: skip
    return {f"plots.{name}": given for name, given in plots.items()}


@functools.cache
def _estimator():
    from nablas.sklearn import MLPClassifier

    return MLPClassifier((4,), max_iter=2).fit(X, LABELS)


@functools.cache
def _theirs():
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier((4,), max_iter=2).fit(X, LABELS)


def _state():
    return {
        "0.weight": np.ones((4, 3)),
        "0.bias": np.ones(4),
        "2.weight": np.ones((3, 4)),
        "2.bias": np.ones(3),
    }


def _specification():
    return {
        "sizes": [3, 2],
        "activations": ["relu"],
        "dtype": "float64",
        "seed": 0,
        "classes": None,
        "epochs": 0,
        "updates": 0,
    }


@functools.cache
def _table():
    path = FOLDER / "table.csv"
    path.write_text("a,b,y\n" + "1,2,0\n3,4,1\n" * 5, encoding="utf-8")
    return str(path)


def _of_data():
    source = nb.data.ArraySource(X, LABELS)
    made = {"ArraySource": source, "CachedSource": nb.data.CachedSource(source)}
    reads = {name: lambda of=of: {"self": of, "rows": slice(0, 3)} for name, of in made.items()}
    return {f"data.{name}.read": given for name, given in reads.items()} | {
        "data.ArraySource": lambda: {"X": X, "y": LABELS, "sample_weight": WEIGHTS},
        "data.ArrowSource": lambda: {"data": _table(), "target": "y", "features": ["a"], "sample_weight": "b",
                                     "dtype": "float32", "format": "csv"},
        "data.CachedSource": lambda: {"source": nb.data.ArraySource(X, LABELS), "folder": str(FOLDER)},
    }  # fmt: skip


def _of_the_rest():
    path = FOLDER / "p"
    network().save(FOLDER / "m.safetensors")
    descent = {"cost": bowl, "grad": slope, "x0": X[0], "learning_rate": 0.1, "max_iterations": 3, "tolerance": 1e-6,
               "optimizer": "adam"}  # fmt: skip
    return {
        "Callback": dict, "activations": dict, "available_isas": dict, "isa": dict, "losses": dict, "num_threads": dict,
        "Checkpoint": lambda: {"path": path, "monitor": "loss", "every": 2, "every_seconds": None, "keep": 1},
        "Loss": lambda: {"name": "huber", "delta": 2.0},
        "Optimizer": dict,
        "check_loss": lambda: {"loss": loss, "outputs": X, "targets": X + 1, "eps": 1e-6, "atol": 1e-6, "rtol": 1e-4},
        "gradient_descent": lambda: descent,
        "set_num_threads": lambda: {"count": 1},
        "show_config": lambda: {"mode": "dicts"},
        "DescentResult": lambda: {"x": X[0], "cost": 0.0, "gradient": X[0], "iterations": 1, "converged": True, "costs": [], "path": []},
        "Explanation": lambda: {"loss": 0.0, "loss_name": "mse", "target": X, "layers": []},
        "FitState": lambda: {"net": network(), "epoch": 1, "history": nb.History()},
        "History": lambda: {"metric": "r2", "loss": [1.0]},
        "schedules.Plan": lambda: {"steps_per_epoch": 3, "total_steps": 6},
        "schedules.as_schedule": lambda: {"rate": schedules.Cosine(0.1)},
        "schedules.Schedule": lambda: {"initial": 0.1},
        "optimizers.as_optimizer": lambda: {"optimizer": "adam"},
        "optimizers.initial_states": lambda: {"name": "adam", "parameters": X[0]},
        "optimizers.make_optimizer": lambda: {"name": "sgd", "learning_rate": 0.1, "momentum": 0.9},
        "optimizers.names": dict,
        "convert.to_onnx": lambda: {"net": network(), "path": path, "dtype": "float32"},
        "convert.to_torch": lambda: {"net": network()},
        "convert.torch_layers": lambda: {"model": _state(), "activation": "relu"},
        "convert.TorchLayers": lambda: {"arrays": [], "activations": [], "output": None},
        "sklearn.from_sklearn": lambda: {"fitted": _theirs()},
        "sklearn.from_torch": lambda: {"model": _state(), "classes": ["a", "b", "c"], "activation": "relu"},
        "sklearn.register_skl2onnx": dict,
        "sklearn.to_onnx": lambda: {"estimator": _estimator(), "path": path, "dtype": "float32"},
        "sklearn.to_sklearn": lambda: {"estimator": _estimator()},
        "sklearn.to_torch": lambda: {"estimator": _estimator()},
        "io.load": lambda: {"path": FOLDER / "m.safetensors"},
        "io.save": lambda: {"path": path, "specification": _specification(), "layers": [(np.ones((3, 2)), np.ones(2))],
                            "training": {"a": [1, 2.0, {"b": X}]}},
        "MLP.from_torch": lambda: {"module": _state(), "activation": "relu", "output": "softmax"},
        "MLP.load": lambda: {"path": FOLDER / "m.safetensors"},
        "MLP.layers": lambda: {"self": network(), "X": X},
        "MLP.to_onnx": lambda: {"self": network(), "path": path, "dtype": "float64"},
    }  # fmt: skip


# Optional packages that a case needs; without one its calls are left out.
NEEDS = {
    "plots": ("matplotlib",), "convert.to_torch": ("torch",), "sklearn.to_torch": ("torch",), "convert.to_onnx": ("onnx",),
    "sklearn.to_onnx": ("onnx",), "MLP.to_onnx": ("onnx",),
    "sklearn.register_skl2onnx": ("skl2onnx",), "data.ArrowSource": ("pyarrow",),
}  # fmt: skip


def _installed(name):
    needed = NEEDS.get(name.split(".")[0], ()) + NEEDS.get(name, ())
    return all(importlib.util.find_spec(module) for module in needed)


@functools.cache
def every_case():
    """Valid arguments of each callable, also of those that need packages which are absent."""
    return {**_of_autograd(), **_of_plots(), **_of_data(), **_of_the_rest()}


def cases():
    return {name: given for name, given in every_case().items() if _installed(name)}
