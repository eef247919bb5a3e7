"""What is written to another format computes the same there, or is refused by name."""

import numpy as np
import pytest
from sklearn import linear_model
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from test_sklearn_convert import ONNX, SMALL, TORCH, X, Y, layers

import nablas as nb
from nablas.sklearn import (
    MLPClassifier,
    MLPRegressor,
    from_torch,
    to_onnx,
    to_sklearn,
    to_torch,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

LABELS = {
    "integers": (Y + 3, (3, 4, 5)),
    "strings": (np.array(["a", "b", "c"])[Y], None),
    "two integers": ((Y > 0) * 7, None),
    "two strings": (np.array(["no", "yes"])[(Y > 0) * 1], None),
    "booleans": (Y > 0, None),
    "floats": (Y * 2.0, None),
    "floats of another width": ((Y > 0).astype(np.float32), None),
    "unsigned": (Y.astype(np.uint8), None),
    "multilabel": (np.eye(3, dtype=int)[Y], None),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("labels", LABELS)
def test_onnx_carries_labels(labels, dtype, tmp_path):
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    x, y = X.astype(dtype), LABELS[labels][0]
    models = [MLPClassifier(**SMALL).fit(x, y)]
    if y.ndim == 1:
        models += [
            nb.sklearn.LogisticRegression().fit(x, y),
            nb.sklearn.LogisticRegression(solver="sgd", max_iter=5, random_state=0).fit(x, y),
            linear_model.LogisticRegression().fit(x, y),
        ]
    for model in models:
        to_onnx(model, tmp_path / "model.onnx", dtype=dtype)
        session = onnxruntime.InferenceSession(
            str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"]
        )
        assert [one.name for one in session.get_outputs()] == ["label", "probabilities"]
        label, probabilities = session.run(None, {"X": x})
        assert label.tolist() == model.predict(x).tolist()
        np.testing.assert_allclose(probabilities, model.predict_proba(x), rtol=1e-5, atol=1e-6)
    values = nb.sklearn.LinearRegression().fit(x, x[:, :2])
    to_onnx(values, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(
        str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"]
    )
    (got,) = session.run(["variable"], {"X": x})
    np.testing.assert_allclose(got, values.predict(x), rtol=1e-5, atol=1e-6)


def session_of(written):
    onnxruntime = pytest.importorskip("onnxruntime")
    return onnxruntime.InferenceSession(written, providers=["CPUExecutionProvider"])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("label", [7, "owl", 2.0])
def test_a_class_alone_in_onnx(label, tmp_path):
    """It is the answer whatever the output says, which may be on either side of a half."""
    skl2onnx = pytest.importorskip("skl2onnx")
    x = X.astype(np.float32)
    model = MLPClassifier(**SMALL).fit(x, np.full(len(x), label))
    assert (model.predict_proba(x) > 0.5).any(axis=0).all()
    to_onnx(model, tmp_path / "model.onnx")
    nb.sklearn.register_skl2onnx()
    other = skl2onnx.to_onnx(model, x[:1], target_opset=20, options={"zipmap": False})
    for written in ((tmp_path / "model.onnx").read_bytes(), other.SerializeToString()):
        labels, probabilities = session_of(written).run(None, {"X": x})
        assert labels.tolist() == model.predict(x).tolist() == [label] * len(x)
        np.testing.assert_allclose(probabilities, model.predict_proba(x), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="expected zipmap=False with a class alone"):
        skl2onnx.to_onnx(model, x[:1], target_opset=20)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [MLPClassifier, nb.sklearn.LogisticRegression])
@pytest.mark.parametrize(
    "classes",
    [
        np.array([1, 2**63 + 1, 2**63 + 2], np.uint64),
        np.array(["2020-01-01", "2021-01-01", "2022-01-01"], "datetime64[D]"),
    ],
)
def test_labels_that_onnx_lacks_are_refused(kind, classes, tmp_path):
    pytest.importorskip("onnx")
    model = kind(max_iter=3).fit(X, classes[Y])
    with pytest.raises(ValueError, match="classes: expected text, integers of 64 bits with a sign"):
        to_onnx(model, tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("activation", nb.activations())
@pytest.mark.parametrize("where", ["hidden", "output"])
def test_every_layer_is_computed_or_named(activation, where, tmp_path):
    """Every activation, hidden and at the output, in every format."""
    torch, onnxruntime = pytest.importorskip("torch"), pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    hidden, output = (activation, "identity") if where == "hidden" else ("tanh", activation)
    net = nb.MLP([4, 5, 2], hidden, output, seed=0)
    x = X.astype(np.float32)
    layer, close = 1 if where == "hidden" else 2, {"rtol": 1e-5, "atol": 1e-6}
    refused = f"got '{activation}' in layer {layer}"
    if activation in TORCH:
        with torch.no_grad():
            got = net.to_torch()(torch.from_numpy(x)).numpy()
        np.testing.assert_allclose(got, net.forward(x), **close)
    else:
        with pytest.raises(ValueError, match=refused):
            net.to_torch()
    if activation in ONNX:
        net.to_onnx(tmp_path / "model.onnx")
        session = onnxruntime.InferenceSession(
            str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"]
        )
        np.testing.assert_allclose(session.run(["Y"], {"X": x})[0], net.forward(x), **close)
    else:
        with pytest.raises(ValueError, match=refused):
            net.to_onnx(tmp_path / "model.onnx")
    if activation in TORCH:
        model = from_torch(net.to_torch())
        try:
            twin = to_sklearn(model)
        except ValueError as error:
            assert any(text in str(error) for text in (refused, "'activation' parameter"))  # noqa: PT017
        else:
            np.testing.assert_allclose(twin.predict(x), model.predict(x), **close)
            np.testing.assert_allclose(twin.predict(x), net.forward(x), **close)


def test_poisson_regression_is_refused_by_name():
    pytest.importorskip("torch")
    model = MLPRegressor(**SMALL, loss="poisson").fit(X, Y)
    with pytest.raises(ValueError, match="got 'exp' in layer 3"):
        to_torch(model)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ([4, ("Softplus", {"threshold": 1.0}), 3], "Softplus with threshold 20, got 1.0"),
        ([3, ("Softmax", {"dim": 0})], "Softmax with dim 1, got 0"),
        ([3, ("LogSoftmax", {"dim": 0})], "LogSoftmax with dim 1, got 0"),
        ([("Flatten", {"start_dim": 0}), 3], "Flatten with start_dim 1, got 0"),
        ([5, "Tanh", 3], "layers that fit, got weights"),  # of 4 features, after 5 units
    ],
)
def test_what_would_compute_other_numbers(model, message):
    with pytest.raises(ValueError, match=message):
        from_torch(layers(*model), classes=[0, 1, 2])


def test_messages_of_what_is_no_sequence_of_layers():
    torch = pytest.importorskip("torch")

    class Net(torch.nn.Module):
        pass

    with pytest.raises(TypeError, match=r"expected a torch.nn.Sequential or a state_dict, got Net"):
        from_torch(Net())
    weights = {"a": np.ones((5, 4)), "b": np.ones((3, 5))}
    with pytest.raises(ValueError, match=r"got arrays of shapes \[\(5, 4\), \(3, 5\)\]"):
        from_torch(weights)
    biases = {"a": np.ones((5, 4)), "b": np.ones(5), "c": np.ones((3, 5)), "d": np.ones(3)}
    with pytest.raises(ValueError, match="activation: expected 1 names, got 2"):
        from_torch(biases, activation=["relu", "tanh"])
    with pytest.raises(ValueError, match="expected floating weights, got int64 in 'a'"):
        from_torch({"a": np.ones((3, 4), np.int64), "b": np.ones(3)})


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "float64"])
def test_torch_dtypes(dtype):
    torch = pytest.importorskip("torch")
    net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1))
    net = net.to(getattr(torch, dtype))
    model = from_torch(net)
    wide = net.to(torch.float64 if dtype == "float64" else torch.float32)
    x = X.astype(np.float64 if dtype == "float64" else np.float32)
    with torch.no_grad():
        want = wide(torch.from_numpy(x)).numpy()[:, 0]
    np.testing.assert_allclose(model.predict(x), want, rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("labels", [*LABELS, "values"])
@pytest.mark.parametrize("zipmap", [None, True, False, "columns"])
def test_pipelines_by_skl2onnx(labels, dtype, zipmap):
    """Columns scaled, one-hot and text labels: as `predict` and `predict_proba` of the pipeline."""
    skl2onnx = pytest.importorskip("skl2onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    if dtype == "float64" and zipmap in (None, True) and labels != "values":
        pytest.skip("ONNX's ZipMap takes float32 only: so with scikit-learn's classifiers")
    nb.sklearn.register_skl2onnx()
    x, y = X.astype(dtype), X[:, :2] if labels == "values" else LABELS[labels][0]
    kinds = [MLPClassifier(**SMALL), nb.sklearn.LogisticRegression(solver="sgd", max_iter=5)]
    if labels == "values":
        kinds = [MLPRegressor(**SMALL), nb.sklearn.LinearRegression()]
    for model in kinds if y.ndim == 1 or labels == "values" else kinds[:1]:
        pipeline = make_pipeline(StandardScaler(), model).fit(x, y)
        plain = labels == "values" or zipmap is None
        options = {} if plain else {"options": {"zipmap": zipmap}}
        written = skl2onnx.to_onnx(pipeline, x[:1], target_opset=20, **options)
        session = onnxruntime.InferenceSession(
            written.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        got = session.run(None, {"X": x})
        if labels == "values":
            np.testing.assert_allclose(got[0], pipeline.predict(x), rtol=1e-5, atol=1e-6)
            continue
        assert got[0].tolist() == pipeline.predict(x).tolist()
        shares = got[1]
        if len(got) > 2:  # a column for each class
            shares = np.column_stack(got[1:])
        elif isinstance(shares, list) and isinstance(shares[0], dict):
            assert {type(k) for k in shares[0]} == {str if y.dtype.kind == "U" else int}
            shares = np.array([[row[k] for k in pipeline.classes_.tolist()] for row in shares])
        np.testing.assert_allclose(shares, pipeline.predict_proba(x), rtol=1e-5, atol=2e-6)
