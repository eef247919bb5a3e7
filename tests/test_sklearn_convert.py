"""Conversions keep the predictions: scikit-learn, PyTorch, ONNX."""

import copy

import numpy as np
import pytest
from scipy import sparse
from sklearn import linear_model
from sklearn import neural_network as theirs
from sklearn.datasets import load_iris
from sklearn.preprocessing import StandardScaler

import nablas as nb
from nablas import convert
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


ONNX = convert.onnx.ACTIVATIONS


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


def test_conversions_share_nothing_and_go_on():
    fitted = theirs.MLPClassifier(**SMALL).fit(X, Y)
    from_sklearn(fitted).partial_fit(X, Y)
    assert len(fitted.loss_curve_) == 10
    assert to_sklearn(MLPClassifier(**SMALL, tol=100.0).fit(X, Y)).partial_fit(X, Y).t_ == 1650
    for stopping in (False, True):
        settings = SMALL | {"warm_start": True, "early_stopping": stopping}
        model = from_sklearn(theirs.MLPClassifier(**settings).fit(X, Y))
        assert len(model.fit(X, Y, X_val=X, y_val=Y).validation_loss_curve_) == model.n_iter_
    with pytest.raises(TypeError, match="got Ridge"):
        from_sklearn(linear_model.Ridge().fit(X, Y))
    with pytest.raises(TypeError, match="one of nablas.sklearn, got MLPClassifier"):
        to_sklearn(theirs.MLPClassifier())


TORCH = sorted(set(nb.activations()) & set(convert.torch.ACTIVATIONS))


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


@pytest.mark.parametrize("outputs_of_two", [1, 2])
def test_classes_in_any_order(outputs_of_two):
    """`classes_` are sorted, and the outputs are reordered with them."""
    rng = np.random.default_rng(0)
    state = {"w": rng.normal(size=(3, 4)), "b": rng.normal(size=3)}
    model = from_torch(state, classes=["b", "c", "a"])
    want = nb.kernels.softmax(X @ state["w"].T + state["b"])
    np.testing.assert_allclose(model.predict_proba(X), want[:, [2, 0, 1]], rtol=1e-12)
    state = {name: values[:outputs_of_two] for name, values in state.items()}
    z = X @ state["w"].T + state["b"]
    want = nb.kernels.softmax(z if outputs_of_two == 2 else np.hstack([np.zeros_like(z), z]))
    for names in (["a", "b"], ["b", "a"]):
        model = from_torch(state, classes=names).set_params(learning_rate_init=0.05, random_state=0)
        order = [names.index(name) for name in model.classes_]
        np.testing.assert_allclose(model.predict_proba(X), want[:, order], rtol=1e-12)
        for _ in range(100):
            model.partial_fit(X, np.array(["a", "b"])[(Y > 0).astype(int)])
        assert model.score(X, np.array(["a", "b"])[(Y > 0).astype(int)]) > 0.95
    with pytest.raises(ValueError, match="distinct names"):
        from_torch(state, classes=["a", "a"])


class Layer:
    """The attributes of a PyTorch module that `from_torch` reads."""

    def __init__(self, **settings):
        vars(self).update(settings)


def layers(*kinds):
    rng = np.random.default_rng(1)
    made = []
    for kind in kinds:
        name, settings = kind if isinstance(kind, tuple) else (kind, {})
        if isinstance(name, int):
            name, settings = "Linear", {"weight": rng.normal(size=(name, 4)), "bias": np.ones(name)}
        made.append(type(name, (Layer,), {})(**settings))
    return made


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ([4, ("LeakyReLU", {"negative_slope": 0.3}), 3], "negative_slope 0.01, got 0.3"),
        ([4, ("ELU", {"alpha": 2.0}), 3], "ELU with alpha 1.0, got 2.0"),
        ([4, ("Softplus", {"beta": 3.0}), 3], "Softplus with beta 1, got 3.0"),
        ([4, ("GELU", {"approximate": "tanh"}), 3], "approximate 'none', got 'tanh'"),
        ([3, "Sigmoid"], "the ending softmax or none, got sigmoid"),
        ([3, "ReLU"], "the ending softmax or none, got relu"),
        ([4, "Conv2d", 3], "got Conv2d"),
    ],
)
def test_what_cannot_be_had_from_torch(model, message):
    with pytest.raises(ValueError, match=message):
        from_torch(layers(*model), classes=[0, 1, 2])
    with pytest.raises(ValueError, match="names for a model that ends in a softmax"):
        from_torch(layers(3, "Softmax"))


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
@pytest.mark.parametrize("activation", sorted(set(nb.activations()) & ONNX))
def test_onnx(activation, dtype, tmp_path):
    onnx = pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    # onnxruntime has float64 kernels for only these.
    exact = dtype == np.float32 or activation in ("relu", "sigmoid", "tanh", "identity")
    x = X.astype(dtype)
    for model in (
        MLPClassifier(**SMALL, activation=activation).fit(x, Y),
        MLPRegressor(**SMALL, activation=activation).fit(x, Y),
        MLPClassifier(**SMALL, activation=activation).fit(x, TARGETS["multilabel"]),
    ):
        for number in {"float32", x.dtype.name} if exact else {"float32"}:
            to_onnx(model, tmp_path / "model.onnx", dtype=number)
            session = onnxruntime.InferenceSession(
                str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"]
            )
            got = session.run(None, {"X": x.astype(number)})
            rtol = 1e-5 if number == "float32" else 1e-9
            if activation == "exp":  # of values up to 20, whose errors it multiplies by as much
                rtol *= 20
            tolerance = {"rtol": rtol, "atol": 1e-6}
            np.testing.assert_allclose(got[-1].squeeze(), outputs(model, x).squeeze(), **tolerance)
        to_onnx(model, tmp_path / "model.onnx")
        inputs = onnx.load(tmp_path / "model.onnx").graph.input
        assert inputs[0].type.tensor_type.elem_type == onnx.helper.np_dtype_to_tensor_dtype(x.dtype)
    with pytest.raises(ValueError, match="dtype: expected one of float32, float64, got 'float16'"):
        to_onnx(model, tmp_path / "model.onnx", dtype="float16")


@pytest.mark.parametrize("activation", sorted(set(nb.activations()) - ONNX))
def test_onnx_refuses_activations_that_it_lacks(activation, tmp_path):
    pytest.importorskip("onnx")
    with pytest.raises(ValueError, match=f"'{activation}'"):
        nb.MLP([2, 3, 1], activation).to_onnx(tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_networks_without_an_estimator(tmp_path):
    """`MLP` exports and imports itself; scikit-learn need not be installed."""
    torch = pytest.importorskip("torch")
    net = nb.MLP([4, 5, 3], "mish", "softmax", dtype="float64", seed=0)
    module = net.to_torch()
    got = module(torch.from_numpy(X[:7, :4].astype(float))).detach().numpy()
    np.testing.assert_allclose(got, net.forward(X[:7, :4]), rtol=1e-12)
    twin = nb.MLP.from_torch(module)
    assert (twin.sizes, twin.activations, twin.dtype) == (net.sizes, net.activations, net.dtype)
    np.testing.assert_array_equal(twin.parameters, net.parameters)
    named = nb.MLP.from_torch(module.state_dict(), activation="mish", output="softmax")
    np.testing.assert_array_equal(named.forward(X[:7, :4]), twin.forward(X[:7, :4]))


# ---- linear models as networks of one layer ----------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("names", [(0, 1, 2), ("a", "b", "c")])
@pytest.mark.parametrize("module", [linear_model, nb.sklearn])
def test_linear_models_are_networks(module, names, fit_intercept, dtype):
    """Three instances of one unit: identity, sigmoid (softmax for more classes), step."""
    x, y = X.astype(dtype), np.array(names)[Y]
    tolerance = {"rtol": 1e-5, "atol": 1e-6} if dtype == np.float32 else {"rtol": 1e-12}
    for targets in (X[:, 0] * 2 + 1, X[:, :2]):
        fitted = module.LinearRegression(fit_intercept=fit_intercept).fit(x, targets.astype(dtype))
        net = from_sklearn(fitted)
        assert (net.output, net.dtype) == ("identity", np.dtype(dtype).name)
        np.testing.assert_allclose(net.predict(x), fitted.predict(x), **tolerance)
    for rows, output in ((Y < 2, "sigmoid"), (Y < 3, "softmax")):
        fitted = module.LogisticRegression(fit_intercept=fit_intercept).fit(x[rows], y[rows])
        net = from_sklearn(fitted.sparsify())
        assert net.output == output
        np.testing.assert_allclose(net.predict_proba(x), fitted.predict_proba(x), **tolerance)
        assert (net.predict(x) == fitted.predict(x)).all()
        net.fit(x[rows], y[rows], epochs=1)
    fitted = linear_model.Perceptron(fit_intercept=fit_intercept).fit(x[Y < 2], y[Y < 2])
    net = from_sklearn(fitted)
    assert net.output == "step"
    assert (net.predict(x) == fitted.predict(x)).all()
    net.fit(x[Y < 2], y[Y < 2], batch_size=1, epochs=1)
    several = linear_model.Perceptron(fit_intercept=fit_intercept).fit(x, y)
    z = from_sklearn(several).layers(x)[-1][0]
    np.testing.assert_allclose(z, several.decision_function(x), rtol=1e-4, atol=1e-4)


def test_other_models_of_several_classes_than_a_softmax():
    """`multi_class`, which scikit-learn had until 1.7, and liblinear, which until then took them."""
    fitted = linear_model.LogisticRegression().fit(X, Y)
    for name, value in (("multi_class", "ovr"), ("solver", "liblinear")):
        other = copy.deepcopy(fitted)
        setattr(other, name, value)
        with pytest.raises(ValueError, match="multi_class: expected a multinomial model"):
            from_sklearn(other)
    two = linear_model.LogisticRegression().fit(X[Y < 2], Y[Y < 2])
    two.multi_class = "multinomial"
    z = two.decision_function(X)
    want = nb.kernels.softmax(np.column_stack([-z, z]))[:, 1:]
    np.testing.assert_allclose(from_sklearn(two).forward(X), want, rtol=1e-12)
    ours = nb.sklearn.LogisticRegression(solver="sgd", max_iter=2)
    ours.multi_class = "multinomial"
    ours.fit(X, Y).partial_fit(X[Y < 2], Y[Y < 2])
    for method, classes in (("fit", {}), ("partial_fit", {"classes": [0, 1]})):
        new = nb.sklearn.LogisticRegression(solver="sgd")
        new.multi_class = "multinomial"
        with pytest.raises(ValueError, match="multi_class: expected 'auto' with two classes"):
            getattr(new, method)(X[Y < 2], Y[Y < 2], **classes)


def test_linear_models_in_other_formats(tmp_path):
    torch = pytest.importorskip("torch")
    for fitted in (
        nb.sklearn.LogisticRegression(solver="sgd", random_state=0).fit(X, Y),
        linear_model.LogisticRegression().fit(sparse.csr_matrix(X), Y > 0),
    ):
        got = to_torch(fitted)(torch.from_numpy(X)).detach().numpy()
        np.testing.assert_allclose(got, from_sklearn(fitted).forward(X), rtol=1e-9)
        to_onnx(fitted, tmp_path / "model.onnx")


def test_labels_that_a_network_cannot_name():
    with pytest.raises(ValueError, match="expected strings or 0 to 1"):
        from_sklearn(linear_model.LogisticRegression().fit(X[Y < 2], Y[Y < 2] + 3))
    with pytest.raises(ValueError, match="not fitted"):
        from_sklearn(linear_model.LinearRegression())


@pytest.mark.parametrize(
    "name", ["", "X", "W0", "b1", "z0", "a1", "\ud800", 3, None, b"Y", ["Y"]], ids=ascii
)
def test_an_output_of_onnx_has_a_name_of_its_own(tmp_path, name):
    pytest.importorskip("onnx")
    with pytest.raises((TypeError, ValueError), match="^output: expected a "):
        convert.to_onnx(nb.MLP([2, 3, 1], seed=0), tmp_path / "model.onnx", output=name)
    assert not list(tmp_path.iterdir())
