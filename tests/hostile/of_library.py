"""Calls of everything else that is public: networks, losses, optimizers, callbacks, metrics, autograd, estimators.

A layout of the data must give the bits of a clean copy; everything else a result or an error that names an argument.
"""

import inspect
import tempfile
import warnings
from pathlib import Path

import numpy as np

import nablas as nb
from nablas import autograd, metrics, schedules
from nablas import sklearn as estimators
from nablas._losses import Loss

from .judge import complaint
from .values import LAYOUTS, PLAIN, clean, defaults, odd_array, odd_value

X = np.random.default_rng(0).normal(size=(20, 3))
LABELS, ONE_HOT = np.arange(20) % 3, np.eye(3)[np.arange(20) % 3]
WEIGHTS = np.linspace(0.5, 1.5, 20)
FOLDER = Path(tempfile.mkdtemp())


def network(choice, output=None):
    dtype = ("float32", "float64")[choice.integers(2)]
    output = output or ("softmax", "identity", "sigmoid")[choice.integers(3)]
    return nb.MLP([3, 4, 3], output=output, dtype=dtype, seed=1)


def _pick(choice, options):
    return options[choice.integers(len(options))]


METHODS = (
    "fit",
    "loss",
    "gradient",
    "gradients",
    "forward",
    "predict",
    "predict_proba",
    "score",
    "explain",
    "initialize",
    "save",
)


def method(choice):
    """A method of a network with one odd argument."""
    net = network(choice)
    y = LABELS if net.output == "softmax" else np.abs(np.sin(ONE_HOT))
    data = {"X": X, "y": y}
    calls = {
        "fit": {**data, "epochs": 1, "batch_size": 4, "sample_weight": WEIGHTS, "l1": 0.0, "l2": 0.0, "dropout": 0.0,
                "clip_norm": None, "optimizer": "sgd", "loss": None, "shuffle": True, "seed": 0, "class_weight": None,
                "validation_data": None, "callbacks": (), "progress": False},
        "loss": {**data, "sample_weight": WEIGHTS, "l2": 0.0, "loss": None},
        "gradient": {**data, "sample_weight": WEIGHTS, "l2": 0.0, "loss": None},
        "gradients": {**data, "sample_weight": WEIGHTS, "l2": 0.0, "loss": None},
        "forward": {"X": X}, "predict": {"X": X}, "predict_proba": {"X": X}, "score": data,
        "explain": {"x": X, "y": y, "loss": None}, "initialize": {"seed": 0}, "save": {"path": FOLDER / "m"},
    }  # fmt: skip
    if net.output == "identity":
        del calls["predict_proba"]
    name = _pick(choice, list(calls))
    accepted = inspect.signature(getattr(net, name)).parameters
    given = defaults(getattr(net, name))
    given |= {k: v for k, v in calls[name].items() if k in accepted}
    target = _pick(choice, list(given))
    kind, value = odd_value(choice, given[target])
    if target == "validation_data" and choice.random() < 0.5:
        kind, value = odd_array(choice, X)
        value = (value, y)
    if target == "loss" and callable(value):  # errors of a caller's function are his own
        value = None
    if target == "path" and isinstance(value, (str, bytes)):
        kind, value = "folder", FOLDER  # names that exist nowhere else
    if isinstance(value, int) and target in ("epochs", "batch_size") and value > 3:
        value = 3  # a large one is a long call, not an odd one
    told = f"MLP.{name} {target}: {kind}"
    allowed = {
        *accepted,
        "X",
        "x",
        "y",
        "validation_data",
        "path",
        "targets",
        "optimizer",
        "loss",
        "learning_rate",
    }

    def act(argument):
        fresh = nb.MLP(net.sizes, output=net.output, dtype=net.dtype, seed=1)
        result = getattr(fresh, name)(**{**given, target: argument})
        return fresh.parameters.copy() if name == "fit" else result

    return told, same_for_layouts(act, value, kind, allowed)


def same_for_layouts(act, value, kind, names):
    try:
        plain = clean(value)
    except Exception:
        plain = value
    try:
        got = act(value)
    except Exception as error:
        if kind in LAYOUTS and not isinstance(value, memoryview):
            return f"refused a layout: {type(error).__name__}: {error}"
        return complaint(error, names)
    if kind in LAYOUTS:
        want = act(plain)
        if isinstance(got, (np.ndarray, float)) and not np.array_equal(got, want, equal_nan=True):
            return "a layout changed the bits"
    return None


CONSTRUCTORS = [
    (nb.MLP, {"sizes": [3, 4, 2], "activation": "relu", "output": "identity", "dtype": "float32", "seed": 0, "init": "auto"}),
    *((getattr(nb, n), {}) for n in ("SGD", "Adam", "AdamW", "NAdam", "RMSprop", "Adagrad") if hasattr(nb, n)),
    *((cls, {}) for cls in Loss.__subclasses__() if cls.__name__ in nb.__all__), (nb.EarlyStopping, {}),
    *((getattr(schedules, n), None) for n in schedules.__all__ if inspect.isclass(getattr(schedules, n))),
]  # fmt: skip


def constructor(choice):
    cls, given = _pick(choice, CONSTRUCTORS)
    accepted = {
        n: p
        for n, p in inspect.signature(cls).parameters.items()
        if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    }
    if not accepted:
        return cls.__name__, None
    values = {n: 1 if p.default is p.empty else p.default for n, p in accepted.items()}
    values.update({k: v for k, v in (given or {}).items() if k in accepted})
    target = _pick(choice, list(values))
    kind, value = odd_value(choice, None)
    if target == "sizes" and choice.random() < 0.7:
        value = [3, value, 2]
    told = f"{cls.__name__} {target}: {kind}"
    try:
        cls(**{**values, target: value})
    except Exception as error:
        return told, complaint(
            error, {*accepted, "sizes", "activation", "learning_rate", cls.__name__}
        )
    return told, None


METRICS = {
    name: getattr(metrics, name) for name in metrics.__all__ if callable(getattr(metrics, name))
}


def metric(choice):
    name = _pick(choice, list(METRICS))
    accepted = inspect.signature(METRICS[name]).parameters
    given = defaults(METRICS[name])
    for p in accepted.values():
        if p.default is p.empty:
            given[p.name] = (
                np.abs(np.sin(ONE_HOT)) if "score" in p.name or "prob" in p.name else ONE_HOT
            )
            if p.name == "k":
                given[p.name] = 2
    target = _pick(choice, list(given))
    kind, value = odd_value(choice, given[target])
    told = f"metrics.{name} {target}: {kind}"
    return told, same_for_layouts(
        lambda v: METRICS[name](**{**given, target: v}), value, kind, set(accepted)
    )


UNARY = [n for n in autograd.__all__ if n.islower() and callable(getattr(autograd, n, None))]


def differentiation(choice):
    """A function of Tensors whose data, seed or axis is odd."""
    kind, value = odd_array(choice, X)
    told = f"autograd {kind}"
    names = {
        "data",
        "gradient",
        "x",
        "a",
        "b",
        "operand",
        "axis",
        "inputs",
        "outputs",
        "dtype",
        "shape",
        "Tensor",
    }
    way = choice.integers(4)
    try:
        if way == 0:
            t = autograd.Tensor(value, requires_grad=True)
            (t * t).sum().backward()
        elif way == 1:
            t = autograd.Tensor(X, requires_grad=True)
            (t * 2).backward(value)
        elif way == 2:
            t = autograd.Tensor(X, requires_grad=True)
            y = np.multiply(t, value)
            y.sum().backward()
        else:
            axis = _pick(choice, PLAIN)
            told = f"autograd sum axis: {axis!r:.40}"
            autograd.Tensor(X, requires_grad=True).sum(axis=axis).sum().backward()
    except Exception as error:
        if way >= 2:  # NumPy's own messages
            text = complaint(error, names)
            return told, text if text and "names no argument" not in text else None
        return told, complaint(error, names)
    return told, None


ESTIMATORS = [getattr(estimators, n) for n in estimators.__all__ if n[0].isupper()]


ESTIMATOR_METHODS = (
    "fit",
    "partial_fit",
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "score",
)


def estimator(choice):
    """An odd parameter, or odd data; messages about data are scikit-learn's."""
    cls = _pick(choice, ESTIMATORS)
    model = cls(max_iter=2)
    if cls.__name__.startswith("MLP"):
        model.set_params(hidden_layer_sizes=(4,), batch_size=5)
    y = (
        np.sin(np.arange(20.0))
        if cls.__name__.endswith("Regressor") or cls.__name__.startswith("Linear")
        else LABELS
    )
    if choice.random() < 0.5:
        parameter = _pick(choice, sorted(model.get_params()))
        kind, value = odd_value(choice, None)
        if parameter in ("max_iter", "hidden_layer_sizes", "max_fun", "n_threads") and isinstance(
            value, int
        ):
            value = min(value, 5)
        told = f"{cls.__name__}({parameter}: {kind})"
        model.set_params(**{parameter: value})
        act = lambda: model.fit(X, y).predict(X)  # noqa: E731
    else:
        if choice.random() < 0.5:
            model.set_params(solver="sgd")
        name = _pick(choice, [n for n in ESTIMATOR_METHODS if hasattr(model, n)])
        function = getattr(model if "fit" in name else model.fit(X, y), name)
        accepted = inspect.signature(function).parameters
        given = {"X": X, "y": y, "sample_weight": WEIGHTS, "classes": np.unique(y)}
        given = {k: v for k, v in given.items() if k in accepted}
        target = _pick(choice, list(given))
        kind, value = odd_array(choice, given[target])
        if kind.startswith("too"):  # scikit-learn's check reads all of it
            kind, value = "None", None
        told = f"{cls.__name__}.{name} {target}: {kind}"
        act = lambda: function(**{**given, target: value})  # noqa: E731
    try:
        act()
    except Exception as error:
        text = complaint(error, set(model.get_params()))
        return told, text if text and "names no argument" not in text else None
    return told, None


FAMILIES = (method, method, constructor, metric, differentiation, estimator)


def call(choice):
    """One call: its description, and what was wrong or None."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _pick(choice, FAMILIES)(choice)
