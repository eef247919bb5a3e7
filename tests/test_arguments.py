"""The same argument has the same checks everywhere: every argument of the Python API with every odd value.

A call with one odd value does what it says or raises an ordinary exception whose message begins with the
argument's name; nothing else escapes, and no message of pybind11's.
"""

import numpy as np
import pytest

import nablas as nb
from nablas import schedules

X = np.random.default_rng(0).normal(size=(12, 4))
Y = np.arange(12) % 3


def net():
    return nb.MLP([4, 5, 3], output="softmax", seed=0)


def square(x):
    return float((x * x).sum())


CALLS = {
    "MLP": (
        nb.MLP,
        dict(
            sizes=[4, 3], activation="relu", output="softmax", dtype="float32", seed=0, init="auto"
        ),
    ),
    "initialize": (lambda **k: net().initialize(**k), dict(init="he", seed=1)),
    "fit": (
        lambda **k: net().fit(**k),
        dict(
            X=X,
            y=Y,
            optimizer="adam",
            loss=None,
            batch_size=4,
            epochs=1,
            shuffle=True,
            seed=0,
            validation_data=None,
            sample_weight=None,
            l1=0.0,
            l2=0.0,
            clip_norm=None,
            dropout=0.0,
            callbacks=(),
            progress=False,
            resume=None,
        ),
    ),
    "loss": (lambda **k: net().loss(**k), dict(X=X, y=Y, loss=None, sample_weight=None, l2=0.0)),
    "gradient": (
        lambda **k: net().gradient(**k),
        dict(X=X, y=Y, loss=None, sample_weight=None, l2=0.0),
    ),
    "explain": (lambda **k: net().explain(**k), dict(x=X[0], y=Y[0], loss=None)),
    "predict": (lambda **k: net().predict(**k), dict(X=X)),
    "predict_proba": (lambda **k: net().predict_proba(**k), dict(X=X)),
    "forward": (lambda **k: net().forward(**k), dict(X=X, out=None)),
    "score": (lambda **k: net().score(**k), dict(X=X, y=Y)),
    "EarlyStopping": (
        nb.EarlyStopping,
        dict(patience=2, min_delta=0.0, monitor="loss", restore_best=True),
    ),
    "Checkpoint": (
        nb.Checkpoint,
        dict(path="{epoch}", monitor=None, every=1, every_seconds=1.0, keep=2),
    ),
    "SGD": (nb.SGD, dict(learning_rate=0.1, momentum=0.9, nesterov=True)),
    "Adam": (nb.Adam, dict(learning_rate=0.1, beta1=0.9, beta2=0.99, eps=1e-8, eps_hat=True)),
    "AdamW": (nb.AdamW, dict(learning_rate=0.1, beta1=0.9, beta2=0.99, eps=1e-8, weight_decay=0.1)),
    "NAdam": (
        nb.NAdam,
        dict(learning_rate=0.1, beta1=0.9, beta2=0.99, eps=1e-8, momentum_decay=0.1),
    ),
    "RMSprop": (nb.RMSprop, dict(learning_rate=0.1, rho=0.9, eps=1e-8, momentum=0.1)),
    "Adagrad": (nb.Adagrad, dict(learning_rate=0.1, eps=1e-8)),
    "Huber": (nb.Huber, dict(delta=1.0)),
    "Quantile": (nb.Quantile, dict(q=0.3)),
    "Loss": (nb.Loss, dict(name="mse")),
    "Cosine": (schedules.Cosine, dict(initial=0.1, final=0.01)),
    "StepDecay": (schedules.StepDecay, dict(initial=0.1, every=2, factor=0.1)),
    "ExponentialDecay": (schedules.ExponentialDecay, dict(initial=0.1, factor=0.1)),
    "OneCycle": (schedules.OneCycle, dict(peak=0.1, rising=0.3, start_factor=0.1, end_factor=0.01)),
    "WarmUp": (schedules.WarmUp, dict(schedule=0.1, steps=3)),
    "Constant": (schedules.Constant, dict(initial=0.1)),
    "ReduceOnPlateau": (
        schedules.ReduceOnPlateau,
        dict(initial=0.1, factor=0.1, patience=2, min_delta=0.0, lowest=0.0),
    ),
    "gradient_descent": (
        nb.gradient_descent,
        dict(
            cost=square,
            grad=lambda x: 2 * x,
            x0=np.ones(2),
            learning_rate=0.1,
            max_iterations=3,
            tolerance=0.0,
            optimizer=None,
            callback=None,
            keep_path=False,
        ),
    ),
    "set_num_threads": (nb.set_num_threads, dict(count=nb.num_threads())),
}

ODD = [
    None,
    "x",
    b"x",
    float("nan"),
    float("inf"),
    -1,
    -1.5,
    0,
    2.5,
    10**30,
    True,
    [],
    [None],
    {},
    object(),
    np.array([1.0, 2.0]),
    np.float32(7.9),
    1j,
    lambda *a: 0,
    nb.EarlyStopping,
    "relu",
    (1, 2),
]
ALLOWED = (ValueError, TypeError, OverflowError, MemoryError, FloatingPointError, OSError)
# Arguments that another name's check speaks of.
SPEAKS_AS = {
    "initial": ("learning_rate",),
    "peak": ("learning_rate",),
    "schedule": ("learning_rate",),
    "momentum": ("momentum", "nesterov"),
    "x0": ("x0", "cost"),
    "path": ("path", "keep"),
    "resume": ("resume", "[Errno 2]"),  # of a file that is not there
}


@pytest.mark.parametrize("name", CALLS)
def test_odd_arguments(name, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    function, good = CALLS[name]
    function(**good)
    for argument in good:
        for odd in ODD:
            case, error = f"{name}({argument}={odd!r:.40})", None
            try:
                function(**{**good, argument: odd})
            except Exception as raised:
                error = raised
            if error is not None:
                text = f"{case}: {type(error).__name__}: {error!s:.200}"
                assert isinstance(error, ALLOWED), text
                assert str(error).startswith((argument, *SPEAKS_AS.get(argument, ()))), text
                assert "incompatible" not in str(error), text


def test_every_public_class_of_settings_is_called():
    """A new optimizer, loss or schedule gets its odd arguments, too."""
    for module in (nb.optimizers, schedules):
        for name in module.__all__:
            thing = getattr(module, name)
            if isinstance(thing, type) and name not in ("Optimizer", "Schedule", "Plan"):
                assert name in CALLS, f"add {name} to CALLS"
