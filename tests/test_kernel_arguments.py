"""Plain arguments of the kernels: every one with every odd value, found through the signatures."""

import inspect
import sys
import tracemalloc

import numpy as np
import pytest
from test_kernels import arguments, results

import nablas as nb
from nablas import kernels
from nablas._registry import LOSSES, OPTIMIZERS

F = np.float32
X, W = np.ones((4, 3), F), np.ones((4, 2), F)
ARRAYS = {  # arguments without a default, by name
    "a": np.ones((3, 3), F),
    "b": np.ones((3, 3), F),
    "x": X,
    "z": X,
    "kept": X,
    "delta": X,
    "weights": W,
    "indices": np.arange(3),
    "targets": np.full((4, 3), 0.5, F),
    "parameters": np.ones(5, F),
    "gradient": np.ones(5, F),
    "data": np.ones(5, F),
    "indptr": np.array([0, 2, 2, 4, 5]),
}
SCALARS = {
    "count": 5,
    "seed": 0,
    "rate": 0.5,
    "activation": "relu",
    "optimizer": "sgd",
    "step": 1,
    "learning_rate": 0.1,
    "states": [np.zeros(5, F)],
    "inputs": 3,
}
OF_CALL = {("dense_backward", "delta"): np.ones((4, 2), F), ("huber", "delta"): 1.0}
OF_CALL |= {
    (f"sparse_{what}", "indices"): np.array([2, 0, 1, 0, 1]) for what in ("forward", "gradient")
}
ODD = [
    None,
    "x",
    b"x",
    1.5,
    -1,
    2**70,
    np.float32(7.9),
    np.nan,
    True,
    np.True_,
    [],
    [1, 2],
    {},
    object(),
    int,
]
OUTPUTS = {"out", "preactivation_out", "gradient_out", "delta_out"}
OPTIONAL_ARRAYS = OUTPUTS | {"preactivation"}
OPTIONAL_ARRAYS |= {"sample_weight", "dtype"}


def calls():
    for name in kernels.__all__:
        function = getattr(kernels, name)
        valid = {}
        for p in inspect.signature(function).parameters.values():
            if p.kind is p.VAR_KEYWORD:
                continue
            known = {**ARRAYS, **SCALARS}.get(p.name, p.default)
            valid[p.name] = OF_CALL.get((name, p.name), known)
        yield name, function, valid


CALLS = list(calls())


@pytest.mark.parametrize(("name", "function", "valid"), CALLS, ids=[name for name, _, _ in CALLS])
def test_odd_values_of_plain_arguments(name, function, valid):
    function(**valid)
    for argument, given in valid.items():
        if isinstance(given, np.ndarray) or argument in OPTIONAL_ARRAYS:
            continue
        for value in ODD:
            if type(value) is type(given) and value == given:
                continue
            try:
                function(**{**valid, argument: value})
            except (TypeError, ValueError) as error:
                text = str(error)
                assert text.startswith(f"{argument}: expected "), (argument, value, text)
                assert "got" in text, (argument, value, text)
            else:  # taken: a number in range where a number is meant
                assert isinstance(value, (int, float, np.floating, np.bool_)), (argument, value)
                if isinstance(given, int):
                    assert isinstance(value, (int, np.bool_)), (argument, value)
                    flag = isinstance(value, (bool, np.bool_))
                    assert flag == isinstance(given, bool), (argument, value)


@pytest.mark.parametrize(("name", "function", "valid"), CALLS, ids=[name for name, _, _ in CALLS])
def test_errors_of_conversion(name, function, valid):
    """An array-like's own error is kept as the cause; interrupts and lack of memory go through."""

    class Fails:
        def __init__(self, error):
            self.error = error

        def __array__(self, *_, **__):
            raise self.error

    for argument, given in valid.items():
        in_place = (name, argument) == ("optimizer_update", "parameters")
        if in_place or not isinstance(given, np.ndarray):
            continue
        for error in (KeyboardInterrupt(), MemoryError()):
            with pytest.raises(type(error)):
                function(**{**valid, argument: Fails(error)})
        cause = RuntimeError("call detach first")
        with pytest.raises(TypeError, match=rf"^{argument}: expected an array, got Fails \(call"):
            function(**{**valid, argument: Fails(cause)})


@pytest.mark.parametrize(("name", "function", "valid"), CALLS, ids=[name for name, _, _ in CALLS])
def test_masked_entries_are_refused(name, function, valid):
    for argument, given in valid.items():
        if not isinstance(given, np.ndarray):
            continue
        masked = np.ma.masked_array(given, np.zeros(given.shape, bool))
        function(**{**valid, argument: masked})  # nothing is masked
        masked.mask.flat[1] = True
        with pytest.raises(TypeError, match=rf"^{argument}: expected an array without masked"):
            function(**{**valid, argument: masked})


def test_row_numbers_are_no_mask():
    with pytest.raises(TypeError, match="indices: expected integers"):
        kernels.gather_rows(X, np.array([True, False, True, True]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_beyond_the_dtype_are_refused(dtype):
    too_large = 1e39
    array = np.ones(3, dtype)
    for name, entry in OPTIMIZERS.items():
        states = [np.zeros(3, dtype) for _ in entry.states]
        states += [np.ones(1)] if entry.scalar else []
        for setting in ("learning_rate", "l2", *entry.hyperparameters):
            values = {"learning_rate": 0.1, setting: too_large}
            if setting in entry.hyperparameters and entry.hyperparameters[setting].end <= too_large:
                continue
            call = lambda v=values, s=states, n=name: kernels.optimizer_update(  # noqa: E731
                n, array.copy(), array, s, step=1, **v
            )
            if dtype == "float64":
                call()
                continue
            with pytest.raises(
                ValueError, match=rf"^{setting}: expected a number within the range.*got 1e\+39$"
            ):
                call()
    for entry in LOSSES.values():
        for setting, h in entry.hyperparameters.items():
            if h.end <= too_large:
                continue
            function = getattr(kernels, entry.function)
            z = np.ones((2, 3), dtype)
            if dtype == "float64":
                function(z, z, **{setting: too_large})
                continue
            with pytest.raises(
                ValueError, match=rf"^{setting}: expected a number within the range"
            ):
                function(z, z, **{setting: too_large})
            with pytest.raises(ValueError, match=rf"^{setting}: expected a number above 0"):
                function(z, z, **{setting: 1e-50})


@pytest.mark.parametrize(
    "function",
    [getattr(kernels, name) for name in kernels.__all__]
    + [nb.isa, nb.num_threads, nb.set_num_threads, nb.available_isas],
)
@pytest.mark.parametrize(
    "given", [((), {"none_of_these": 1}), ((1,) * 20, {}), ((), {"\ud800": 1})]
)
def test_arguments_that_a_function_does_not_take(function, given):
    """The message tells the signature, not the binding layer's types."""
    positional, named = given
    with pytest.raises(TypeError) as raised:
        function(*positional, **named)
    text = str(raised.value)
    assert text.startswith(f"{function.__name__}: expected the arguments (")
    assert "Invoked" not in text
    assert "incompatible" not in text


def outputs(name, given):
    """(argument, shape) of what a kernel can write to."""
    function = getattr(kernels, name)
    shapes = {result.shape for result in results(function, given) if result.size > 1}
    for argument in OUTPUTS & set(inspect.signature(function).parameters):
        for shape in shapes:
            try:
                function(**{**given, argument: np.zeros(shape, F)})
            except ValueError:
                continue
            yield argument, shape


@pytest.mark.parametrize("name", kernels.__all__)
def test_outputs_that_repeat_elements_are_refused(name):
    """Along any dimension: each element once for all, or rows that overlap."""
    given = arguments(name, "float32")
    for argument, shape in outputs(name, given):
        whole = np.zeros(shape, F)
        for d in range(whole.ndim):
            for stride in (0, F().itemsize):
                strides = [stride if i == d else s for i, s in enumerate(whole.strides)]
                if shape[d] < 2 or strides == list(whole.strides):
                    continue
                out = np.lib.stride_tricks.as_strided(whole, shape, strides)
                with pytest.raises(ValueError, match=rf"^{argument}: expected an array whose"):
                    getattr(kernels, name)(**{**given, argument: out})


@pytest.mark.parametrize("dtype", [*np.typecodes["AllInteger"], "?", ">i2", ">u8"])
@pytest.mark.parametrize("step", [1, 2, -1])
def test_labels_of_every_integer_dtype_and_layout(dtype, step):
    labels = np.array([1, 0, 0, 1])
    given = np.repeat(labels.astype(dtype)[:: np.sign(step)], abs(step))[::step]
    assert given.tolist() == labels.tolist()
    want, delta = kernels.softmax_cross_entropy(X, labels)
    got, got_delta = kernels.softmax_cross_entropy(X, given)
    assert (got, got_delta.tolist()) == (want, delta.tolist())
    net = nb.MLP([3, 3], output="softmax", seed=0)
    assert net.gradient(X, given).tolist() == net.gradient(X, labels).tolist()
    if dtype != "?":
        assert kernels.gather_rows(X, given).tolist() == X[labels].tolist()


def most_memory(call):
    """Bytes that Python and NumPy hold at most within a call, the least of some calls."""
    peaks = []
    for _ in range(5):
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        call()
        peaks.append(tracemalloc.get_traced_memory()[1] - before)
        tracemalloc.stop()
    return min(peaks)


@pytest.mark.parametrize(("name", "function", "valid"), CALLS, ids=[name for name, _, _ in CALLS])
def test_a_call_with_its_outputs_given_makes_no_array(name, function, valid):
    """pybind11's default-constructed array is an empty array of NumPy: 0.1 µs each."""
    outputs = [argument for argument in valid if argument in OUTPUTS - {"preactivation_out"}]
    made = function(**valid)
    arrays = [
        a for a in (made if isinstance(made, tuple) else (made,)) if isinstance(a, np.ndarray)
    ]
    given = {**valid, **dict(zip(outputs, arrays, strict=False))}
    text = ", ".join(f"{argument}=given[{argument!r}]" for argument in given)
    call = eval(f"lambda: function({text})", {"function": function, "given": given})
    # new arrays: the indices' copy; the result where it cannot be given
    new = (name == "gather_rows") + (not outputs and name != "optimizer_update")
    assert most_memory(call) < (1 + new) * sys.getsizeof(np.empty(0)) + 64


def test_outputs_of_a_network_into_an_array_make_no_array():
    net, x, out = nb.MLP([3, 2], seed=0), np.ones((1, 3), F), np.empty((1, 2), F)
    assert most_memory(lambda: net.forward(x, out)) < sys.getsizeof(np.empty(0)) + 64
