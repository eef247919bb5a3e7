"""Conversions keep the predictions: scikit-learn, PyTorch, ONNX."""

import numpy as np
import pytest
from sklearn import neural_network as theirs
from sklearn.datasets import load_iris
from sklearn.preprocessing import StandardScaler

import nablas as nb
from nablas.sklearn import (
    MLPClassifier,
    MLPRegressor,
    from_sklearn,
    from_torch,
    to_onnx,
    to_sklearn,
    to_torch,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = load_iris(return_X_y=True)
X = StandardScaler().fit_transform(X)
SMALL = {"hidden_layer_sizes": (6, 5), "max_iter": 10, "random_state": 0}
TARGETS = {
    "multiclass": Y,
    "strings": np.array(["a", "b", "c"])[Y],
    "binary": Y > 0,
    "multilabel": np.eye(3, dtype=int)[Y],
}


def outputs(model, x=X):
    return model.predict_proba(x) if hasattr(model, "predict_proba") else model.predict(x)


@pytest.mark.parametrize("kind", [*TARGETS, "values", "counts"])
def test_scikit_learn_both_ways(kind):
    if kind in TARGETS:
        fitted = theirs.MLPClassifier(**SMALL, activation="tanh").fit(X, TARGETS[kind])
    else:
        fitted = theirs.MLPRegressor(
            **SMALL, loss="poisson" if kind == "counts" else "squared_error"
        ).fit(X, Y)
    ours = from_sklearn(fitted)
    np.testing.assert_allclose(outputs(ours), outputs(fitted), rtol=1e-9)
    assert (ours.predict(X) == fitted.predict(X)).all() or kind not in TARGETS
    assert ours.get_params()["hidden_layer_sizes"] == (6, 5)
    back = to_sklearn(ours)
    np.testing.assert_allclose(outputs(back), outputs(fitted), rtol=1e-12)
    assert back.loss_ == fitted.loss_
    ours.partial_fit(X, TARGETS.get(kind, Y))
    assert ours.t_ > fitted.t_
    with pytest.raises(ValueError, match="not fitted"):
        from_sklearn(theirs.MLPClassifier())
    with pytest.raises(ValueError, match="not fitted"):
        to_sklearn(MLPClassifier())


def test_what_scikit_learn_does_not_have():
    with pytest.raises(ValueError, match="options that scikit-learn has"):
        to_sklearn(MLPClassifier(**SMALL, activation="gelu").fit(X, Y))


TORCH = [
    "identity",
    "logistic",
    "tanh",
    "relu",
    "leaky_relu",
    "elu",
    "selu",
    "softplus",
    "softsign",
    "silu",
    "gelu",
]


@pytest.mark.parametrize("activation", TORCH)
def test_torch_both_ways(activation):
    torch = pytest.importorskip("torch")
    model = MLPClassifier(**SMALL, activation=activation).fit(X, Y)
    net = to_torch(model)
    with torch.no_grad():
        np.testing.assert_allclose(
            net(torch.from_numpy(X)).numpy(), model.predict_proba(X), rtol=1e-9, atol=1e-12
        )
    twin = from_torch(net, classes=[0, 1, 2])
    np.testing.assert_allclose(twin.predict_proba(X), model.predict_proba(X), rtol=1e-9)
    named = from_torch(net.state_dict(), classes=[0, 1, 2], activation=activation)
    np.testing.assert_allclose(named.predict_proba(X), model.predict_proba(X), rtol=1e-9)
    twin.partial_fit(X, Y)


def test_torch_regressors_and_errors():
    torch = pytest.importorskip("torch")
    nn = torch.nn
    net = nn.Sequential(
        nn.Linear(4, 3), nn.ReLU(), nn.Dropout(0.5), nn.Linear(3, 2), nn.Softplus()
    ).eval()
    model = from_torch(net)
    x = X.astype(np.float32)
    with torch.no_grad():
        np.testing.assert_allclose(
            model.predict(x), net(torch.from_numpy(x)).numpy(), rtol=1e-5, atol=1e-7
        )
    binary = from_torch(nn.Sequential(nn.Linear(4, 1)), classes=["no", "yes"])
    assert set(binary.predict(x)) <= {"no", "yes"}
    with pytest.raises(ValueError, match="got Conv2d"):
        from_torch(nn.Sequential(nn.Conv2d(1, 1, 1)))
    with pytest.raises(ValueError, match="with a bias"):
        from_torch(nn.Sequential(nn.Linear(4, 1, bias=False)))
    with pytest.raises(ValueError, match="classes: expected"):
        from_torch(nn.Sequential(nn.Linear(4, 2)), classes=[0, 1, 2])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", [a for a in nb.activations() if a != "step"])
def test_onnx(activation, dtype, tmp_path):
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    if dtype == np.float64 and activation not in ("relu", "sigmoid", "tanh", "identity"):
        pytest.skip("onnxruntime has no float64 kernel for it")
    x = X.astype(dtype)
    for model in (
        MLPClassifier(**SMALL, activation=activation).fit(x, Y),
        MLPRegressor(**SMALL, activation=activation).fit(x, Y),
        MLPClassifier(**SMALL, activation=activation).fit(x, TARGETS["multilabel"]),
    ):
        to_onnx(model, tmp_path / "model.onnx")
        session = onnxruntime.InferenceSession(
            str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"]
        )
        (got,) = session.run(None, {"X": x})
        np.testing.assert_allclose(
            got, model._forward(x), rtol=2e-4 if dtype == np.float32 else 1e-9, atol=1e-6
        )
    with pytest.raises(ValueError, match="'step'"):
        to_onnx(MLPClassifier(**SMALL, activation="step").fit(X, Y), tmp_path / "step.onnx")
