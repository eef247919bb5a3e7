"""Sparse X: the bits of the same rows as a dense array, on every path of a network; damaged matrices are refused."""

import hashlib

import numpy as np
import pytest
import scipy.sparse
from cases import rng

import nablas as nb
from nablas import _core

# Columns: within a tile, more than a vector, beyond one block of a sum (longest_sum). Batches by rows and by layers.
PROBLEMS = [
    # rows, columns, hidden, batch
    (300, 50, (7,), 32),
    (120, 9000, (40, 9), 50),
    (90, 20000, (130,), 90),
    (400, 300, (), 50),
    (5000, 20, (11,), 5000),
]
SOFTMAX, OTHER = "softmax", "sigmoid"


def rows_of(count, columns, dtype="float64", seed=0, each=6):
    """A CSR matrix with about `each` terms a row, one row and one column empty."""
    random = rng(seed)
    density = min(0.5, each / columns)
    made = scipy.sparse.random(count, columns, density, "csr", random_state=seed)
    made.data = random.normal(size=made.nnz)
    dense = made.toarray()
    dense[count // 2] = 0
    dense[:, columns // 3] = 0
    return scipy.sparse.csr_array(dense.astype(dtype))


def trained(X, sizes, batch, dtype, output=SOFTMAX, loss=None, dropout=0.0):
    y = rng(1).integers(0, sizes[-1], X.shape[0])
    if output == OTHER:
        y = np.eye(sizes[-1])[y]
    weight = rng(2).random(X.shape[0])
    hidden = ["relu", "gelu", "tanh"][: len(sizes) - 2]
    net = nb.MLP(list(sizes), hidden, output, dtype=dtype, seed=3)
    settings = {"batch_size": batch, "epochs": 2, "seed": 4, "sample_weight": weight, "loss": loss}
    history = net.fit(X, y, optimizer=nb.Adam(1e-3), l2=1e-4, dropout=dropout,
                      validation_data=(X, y), **settings)  # fmt: skip
    digest = hashlib.sha256(net.parameters.tobytes())
    digest.update(net.forward(X).tobytes())
    digest.update(np.asarray(net.predict(X)).tobytes())
    loss = None if callable(loss) else loss  # `gradient` and `loss` take no function
    digest.update(net.gradient(X, y, loss=loss).tobytes())
    digest.update(np.array([*history.loss, *history.val_loss, net.loss(X, y, loss=loss)]).tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize(("count", "columns", "hidden", "batch"), PROBLEMS)
def test_the_bits_of_dense_rows(isa, dtype, threads, count, columns, hidden, batch):
    X = rows_of(count, columns)
    sizes = (columns, *hidden, 3)
    threads(1)
    want = trained(X.toarray(), sizes, batch, dtype)
    for number in (1, 2, 3):
        threads(number)
        assert trained(X, sizes, batch, dtype) == want


@pytest.mark.parametrize("dropout", [0.2, [0.0, 0.3, 0.1]])
def test_dropout_of_sparse_inputs(dtype, dropout):
    X = rows_of(300, 50)
    sizes = (50, 7, 5, 6, 3) if isinstance(dropout, list) else (50, 7, 3)
    want = trained(X.toarray(), sizes, 32, dtype, dropout=dropout)
    assert trained(X, sizes, 32, dtype, dropout=dropout) == want


def squares(outputs, targets, sample_weight=None):
    weight = np.ones(len(outputs)) if sample_weight is None else sample_weight
    error = (outputs - targets) * np.sqrt(weight)[:, np.newaxis]
    return float(np.square(error).mean()), 2 * weight[:, np.newaxis] * (
        outputs - targets
    ) / outputs.size


@pytest.mark.parametrize("loss", ["binary_cross_entropy", "mse", nb.Huber(0.3), squares])
def test_losses_on_sparse_rows(dtype, loss):
    X = rows_of(300, 50)
    case = {"output": OTHER, "loss": loss}
    assert trained(X, (50, 7, 3), 32, dtype, **case) == trained(
        X.toarray(), (50, 7, 3), 32, dtype, **case
    )


@pytest.mark.parametrize("settings", [{"l1": 1e-3}, {"clip_norm": 0.1}, {"batch_size": 5000}])
def test_batches_through_python(settings):
    """Also batches of more rows than a block of a sum."""
    X, y = rows_of(5000, 30), rng(1).integers(0, 3, 5000)
    found = []
    for rows in (X, X.toarray()):
        net = nb.MLP([30, 5, 3], output=SOFTMAX, seed=0)
        loss = squares_of_classes if "batch_size" in settings else None
        net.fit(rows, y, **{"batch_size": 100, "epochs": 1, "seed": 0, "loss": loss, **settings})
        found.append(net.parameters.copy())
    np.testing.assert_array_equal(*found)


def squares_of_classes(outputs, targets):
    return squares(outputs, np.eye(3)[targets])


@pytest.mark.parametrize("hidden", [(), (5,)])
def test_a_matrix_without_terms(dtype, threads, hidden):
    X = scipy.sparse.csr_array((300, 40))
    threads(2)
    assert trained(X, (40, *hidden, 3), 32, dtype) == trained(
        X.toarray(), (40, *hidden, 3), 32, dtype
    )


FORMS = ["csr_array", "csr_matrix", "csc_matrix", "coo_array", "lil_matrix", "dok_array", "bsr_array"]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["float32", "float64", "int8", "uint16", "bool"])
def test_every_form_and_type(form, kind):
    dense = (np.abs(rows_of(60, 20).toarray()) * 3).astype(kind)
    net = nb.MLP([20, 4, 2], output=SOFTMAX, seed=0)
    sparse = getattr(scipy.sparse, form)(dense)
    np.testing.assert_array_equal(net.forward(sparse), net.forward(dense))


def test_unsorted_columns_are_sorted_in_a_copy():
    X = rows_of(60, 20)
    mixed = X.copy()
    for i in range(60):
        part = slice(mixed.indptr[i], mixed.indptr[i + 1])
        mixed.indices[part], mixed.data[part] = mixed.indices[part][::-1], mixed.data[part][::-1]
    mixed.has_sorted_indices = False
    before = mixed.indices.copy()
    net = nb.MLP([20, 4, 2], output=SOFTMAX, seed=0)
    np.testing.assert_array_equal(net.forward(mixed), net.forward(X))
    np.testing.assert_array_equal(mixed.indices, before)


def test_edits_of_the_structure_during_a_fit_change_nothing():
    X, y = rows_of(300, 20), rng(1).integers(0, 2, 300)
    nets = [nb.MLP([20, 4, 2], output=SOFTMAX, seed=0) for _ in range(2)]
    nets[0].fit(X.copy(), y, epochs=3, seed=0)
    edited = X.copy()

    def edit(state):
        edited.indices[:] = 10**9
        edited.indptr[:] = -(10**9)

    nets[1].fit(edited, y, epochs=3, seed=0, callbacks=[edit])
    np.testing.assert_array_equal(nets[0].parameters, nets[1].parameters)


DAMAGE = [("indices", 3, 20), ("indices", 3, -1), ("indptr", 2, 10**6), ("indptr", 5, 0), ("indptr", 0, 1)]  # fmt: skip


@pytest.mark.parametrize(("part", "at", "value"), DAMAGE)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("form", ["csr_array", "csc_array"])
def test_a_damaged_matrix_is_refused(part, at, value, form, dtype):
    """By every call: SciPy's functions would read beyond its arrays."""
    X = getattr(scipy.sparse, form)(rows_of(60, 20, dtype))
    getattr(X, part)[at] = value if form == "csr_array" or abs(value) != 20 else 60
    X.has_sorted_indices = True
    net = nb.MLP([20, 4, 2], output=SOFTMAX, seed=0)
    y = np.zeros(60, int)
    for call in (net.forward, net.predict, net.layers, lambda X: net.loss(X, y), lambda X: net.fit(X, y)):  # fmt: skip
        with pytest.raises(ValueError, match=f"^X: expected a valid sparse|^X, {part}: expected"):
            call(X)
    csr = rows_of(60, 20, "float32")
    getattr(csr, part)[at] = value
    with pytest.raises(ValueError, match=f"^{part}: expected"):
        _core.Sparse_float32(csr.data, csr.indices, csr.indptr, 20)


def test_bad_rows_name_x():
    X, y = rows_of(60, 20), np.zeros(60, int)
    net = nb.MLP([20, 4, 2], output=SOFTMAX, seed=0)
    before = net.parameters.copy()
    with pytest.raises(ValueError, match=r"^X: expected shape \(n, 20\), got \(60, 19\)"):
        net.fit(rows_of(60, 19), y)
    with pytest.raises(TypeError, match="^X: expected numbers, got dtype complex128"):
        net.fit(X.astype(complex), y)
    with pytest.raises(ValueError, match="^y: expected 60 rows like X, got 59"):
        net.fit(X, y[:59])
    with pytest.raises(ValueError, match="^X: expected at least one row"):
        net.fit(X[:0], y[:0])
    bad = X.copy()
    bad.data[7] = np.nan
    row = int(np.searchsorted(bad.indptr, 7, side="right")) - 1
    with pytest.raises(ValueError, match=rf"^X: expected finite values, got nan at \({row}, "):
        net.fit(bad, y)
    np.testing.assert_array_equal(net.parameters, before)


def test_the_core_s_matrix_checks_its_arguments():
    X = rows_of(60, 20, "float32")
    made = _core.Sparse_float32(X.data, X.indices, X.indptr, 20)
    assert made.shape == (60, 20)
    for columns in (-1, 2**31):
        with pytest.raises(ValueError, match="^columns: expected"):
            _core.Sparse_float32(X.data, X.indices, X.indptr, columns)
    with pytest.raises(TypeError, match="^data: expected"):
        _core.Sparse_float64(X.data, X.indices, X.indptr, 20)
    with pytest.raises(ValueError, match="^indices: expected"):
        _core.Sparse_float32(X.data, X.indices[:-1], X.indptr, 20)
    with pytest.raises(ValueError, match="^indptr: expected"):
        _core.Sparse_float32(X.data, X.indices, X.indptr[:0], 20)


@pytest.mark.parametrize("argument", ["data", "indices", "indptr"])
def test_the_core_s_matrix_takes_flat_arrays_only(argument):
    X = rows_of(60, 20, "float32")
    given = {"data": X.data, "indices": X.indices, "indptr": X.indptr}
    flat = given[argument]
    for other in (flat[0], flat[:0].reshape(0, 3), flat[np.newaxis], flat[:, np.newaxis]):
        with pytest.raises(ValueError, match=f"^{argument}: expected"):
            _core.Sparse_float32(*{**given, argument: np.asarray(other)}.values(), 20)


def test_wide_rows_need_no_dense_block():
    """A dense block of 512 rows would take 1 GB."""
    resource = pytest.importorskip("resource")
    X = rows_of(512, 2**10)
    X = scipy.sparse.csr_array((X.data, X.indices, X.indptr), shape=(512, 2**19))
    net, y = nb.MLP([2**19, 2, 2], output=SOFTMAX, seed=0), np.arange(512) % 2
    net.fit(X[:4], y[:4], epochs=1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    net.fit(X, y, epochs=1, batch_size=512)
    net.predict(X)
    used = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert used < 2e8


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_layers_of_sparse_rows(dtype):
    X = scipy.sparse.csr_array(rows_of(50, 30).astype(dtype))
    net = nb.MLP([30, 9, 4], "gelu", "softmax", dtype=dtype, seed=1)
    for thin, dense in zip(net.layers(X), net.layers(X.toarray()), strict=True):
        for ours, theirs in zip(thin, dense, strict=True):
            np.testing.assert_array_equal(ours, theirs)
