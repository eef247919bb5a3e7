"""Searches and cross-validation on Dask and Ray, with two worker processes: `tests/searches.py` runs them."""

import importlib.util
import json
import os
import pickle
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import searches
from scipy import sparse

import nablas as nb
from nablas.sklearn import MLPRegressor, clusters, ray_put

# Ray gives workers a low priority, with which a busy machine starves them; its token would go to the home folder.
SETTINGS = {"RAY_worker_niceness": "0", "RAY_AUTH_MODE": "disabled"}
ENGINES = {"dask": "distributed", "ray": "ray"}


@pytest.fixture(scope="module", params=ENGINES)
def outcome(request):
    if importlib.util.find_spec(ENGINES[request.param]) is None:
        pytest.skip(f'needs pip install "nablas[{request.param}]"')
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"} | SETTINGS
    done = subprocess.run(
        [sys.executable, searches.__file__, request.param],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return {"engine": request.param, **json.loads(done.stdout.splitlines()[-1])}


def fits(outcome, label):
    """(processes, numbers of threads) of the fits in workers."""
    found = [fit for fit in outcome["seen"] if fit[0] == label and fit[1] != outcome["caller"]]
    return {process for _, process, _ in found}, {threads for *_, threads in found}


@pytest.mark.parametrize("search", ["random", "linear", "grid"])
def test_scores_parameters_and_models_are_those_of_a_serial_run(outcome, search):
    assert outcome["found"][search] == outcome["serial"][search]


@pytest.mark.parametrize("search", ["random", "grid"])
def test_all_workers_have_work_on_one_thread_each(outcome, search):
    processes, threads = fits(outcome, search)
    assert len(processes) >= searches.WORKERS
    assert threads == {1}


def test_n_threads_is_obeyed_in_a_worker(outcome):
    assert fits(outcome, "two threads")[1] == {2}
    if outcome["engine"] == "dask":  # whose workers may be threads, too
        assert outcome["found"]["scores"] == outcome["serial"]["scores"]
        assert {fit[2] for fit in outcome["seen"] if fit[0] == "one thread"} == {1}


def test_data_are_sent_once_for_all_searches(outcome):
    assert outcome["sent"] == 1
    if outcome["engine"] == "ray":
        assert outcome["largest"] < searches.X.nbytes / 8


def test_a_worker_that_dies_does_not_lose_the_search(outcome):
    assert outcome["died"]
    assert outcome["found"]["grid"] == outcome["serial"]["grid"]


def callbacks(folder):
    """One of each kind that the package has, and a function without a name."""
    kinds = [vars(nb.callbacks)[name] for name in nb.callbacks.__all__]
    kinds = [kind for kind in kinds if issubclass(kind, nb.Callback)]
    assert len(kinds) > 2
    arguments = {nb.Checkpoint: [folder / "model.safetensors"]}
    yield from (kind(*arguments.get(kind, [])) for kind in kinds)
    yield lambda state: state.epoch == 3


def test_estimators_with_callbacks_are_sent(tmp_path):
    cloudpickle = pytest.importorskip("cloudpickle")  # Dask and Ray pickle with it
    for callback in callbacks(tmp_path):
        model = MLPRegressor(hidden_layer_sizes=(4,), callbacks=[callback], max_iter=5)
        twin = cloudpickle.loads(cloudpickle.dumps(model))
        assert type(twin.callbacks[0]) is type(callback)
        assert vars(twin.callbacks[0]) == vars(callback)


def test_only_the_array_itself_is_a_reference():
    """A view of part of it pickles its numbers; a copy does so, too."""
    whole = np.arange(12.0).reshape(3, 4).view(clusters.RayArray)
    whole._reference = "reference"
    for part in (whole[1:], whole.T, whole + 0, whole.copy(), np.asarray(whole)):
        twin = pickle.loads(pickle.dumps(part))
        assert type(twin) is np.ndarray
        assert np.array_equal(twin, part)


def test_ray_is_not_started_by_the_way():
    """With another address than that of the user's cluster; the name has `ray`, as `.ci/run` asks."""
    ray = pytest.importorskip("ray")
    assert not ray.is_initialized()
    with pytest.raises(RuntimeError, match=r"^ray_put: expected ray.init\(\) before"):
        ray_put(np.ones(3))
    assert not ray.is_initialized()


def test_what_is_sent_cannot_be_changed_afterwards(monkeypatch):
    kept = []
    store = SimpleNamespace(is_initialized=lambda: True, put=kept.append)
    monkeypatch.setitem(sys.modules, "ray", store)
    array = np.arange(6.0).reshape(2, 3)
    sent = ray_put(array)
    assert np.shares_memory(sent, array)
    np.testing.assert_array_equal(kept[0], array)
    with pytest.raises(ValueError, match="read-only"):
        sent[0, 0] = 1
    array[0, 0] = 1  # the user's array is not


@pytest.mark.parametrize("data", [[1.0], sparse.eye(3).tocsr(), np.float64(1.0)], ids=type)
def test_what_is_no_array_is_refused(data):
    with pytest.raises(TypeError, match=r"array: expected a NumPy array, got \w+"):
        ray_put(data)
