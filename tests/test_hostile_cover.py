"""The hostile calls know every public callable, and their valid arguments are valid."""

import inspect
import itertools
import warnings

import numpy as np
import pytest
from hostile import of_kernels, of_library, of_public, valid

# Called by another family than `of_public`.
ELSEWHERE = {
    "kernels": set(of_public.public()),  # all of them: of_kernels
    "metrics": set(of_library.METRICS),
    "": {cls.__name__ for cls, _ in of_library.CONSTRUCTORS},
    "schedules": {cls.__name__ for cls, _ in of_library.CONSTRUCTORS},
    "optimizers": {cls.__name__ for cls, _ in of_library.CONSTRUCTORS},
    "callbacks": {cls.__name__ for cls, _ in of_library.CONSTRUCTORS},
    "sklearn": {cls.__name__ for cls in of_library.ESTIMATORS} | {"ray_put"},  # test_clusters.py
    "data": {"Source"},  # a protocol: it has no objects of its own
    # NumPy formulas that check nothing: the kernels' names and signatures, for tests
    "reference": set(of_public.public()),
}


def test_every_public_callable_is_called():
    missing = []
    for name in of_public.public():
        module, _, last = name.rpartition(".")
        known = name in valid.every_case() or last in valid.every_case()
        elsewhere = ELSEWHERE.get(module, set())
        if not known and last not in elsewhere and f"{module}.{last}" not in elsewhere:
            missing.append(name)
    assert not missing
    assert len(of_public.public()) > 150


def test_methods_of_a_network_are_called():
    import nablas as nb

    methods = {
        n for n, v in inspect.getmembers(nb.MLP) if callable(v) and not n.startswith("_")
    }  # fmt: skip
    known = {n.removeprefix("MLP.") for n in valid.every_case() if n.startswith("MLP.")}
    known |= set(of_library.METHODS) | {"initialise", "predict_proba", "to_torch"}
    assert methods <= known


@pytest.mark.parametrize("name", sorted(valid.cases()))
def test_valid_arguments_are_valid(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        given = valid.cases()[name]()
    if name == "Optimizer":  # the base class
        with pytest.raises(TypeError, match="Optimizer: expected"):
            of_public.resolved(name)(0.1)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        of_public._result(of_public.resolved(name), given)


SHAPES = [(), (0,), (3,), (2, 3), (2, 3, 1)]


@pytest.mark.parametrize(("of_input", "of_result"), list(itertools.product(SHAPES, SHAPES)))
def test_every_odd_output_can_be_made(of_input, of_result):
    given = {"x": np.ones(of_input, np.float32)}
    arguments = (np.random.default_rng(0), given, [given["x"]], np.ones(of_result, np.float32))
    for kind, make in of_kernels.kinds_of_out(*arguments).items():
        assert isinstance(make(), (np.ndarray, list, float)), kind
