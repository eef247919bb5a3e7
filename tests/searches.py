"""Searches run serially, then by workers of Dask or Ray: ``python tests/searches.py dask|ray`` prints what came of them.

As one line of JSON: the numbers of every search, of both ways, by their bytes; what each fit in a worker saw; how often X was
sent; whether a worker died. Workers are two processes of this machine.
"""

import contextlib
import hashlib
import itertools
import json
import os
import signal
import sys
import tempfile
import time
import uuid
from pathlib import Path

import joblib
import numpy as np
from sklearn.model_selection import (
    GridSearchCV,
    RandomizedSearchCV,
    StratifiedKFold,
    cross_val_score,
    cross_validate,
)

import nablas as nb
from nablas.sklearn import LogisticRegression, MLPClassifier, MLPRegressor, ray_put

WORKERS = 2
IDLE = 5.0  # seconds, in which Dask removes copies of data if it is let
RNG = np.random.default_rng(0)
X = RNG.normal(
    size=(600, 200)
)  # its folds' indices are beyond a kilobyte, from which joblib sends them apart
Y = (X[:, 0] + X[:, 1] ** 2 > 0.5).astype(int)
VALUES = X[:, 0] - np.abs(X[:, 1])
SPLITS = list(StratifiedKFold(3).split(X, Y))
DATA = [X, Y, VALUES]
ENGINE = {"max_iter": 8, "learning_rate": "cosine", "random_state": 0}


class Witness(nb.Callback):
    """Writes a file for each fit: its label, process and threads."""

    def __init__(self, folder, label):
        self.folder, self.label = folder, label

    def on_fit_begin(self, net):
        seen = [self.label, os.getpid(), nb.num_threads()]
        Path(self.folder, f"fit-{uuid.uuid4()}").write_text(json.dumps(seen))


class Killer(nb.Callback):
    """Ends the first process that comes to the fourth epoch, unless it is the caller's."""

    def __init__(self, folder):
        self.folder, self.caller = folder, os.getpid()

    def on_epoch_end(self, state):
        if state.epoch == 4 and os.getpid() != self.caller:
            with contextlib.suppress(FileExistsError):
                Path(self.folder, "killed").touch(exist_ok=False)
                os.kill(os.getpid(), signal.SIGKILL)


def shown(*arrays):
    return [hashlib.sha256(np.ascontiguousarray(a).tobytes()).hexdigest() for a in arrays]


def searched(search, X, y):
    search.fit(X, y)
    scores = [search.cv_results_[f"split{i}_test_score"] for i in range(len(SPLITS))]
    return [repr(search.best_params_), *shown(*scores, search.predict(X))]


def grid(folder, data, *callbacks):
    """The callbacks' kinds: a class of this program, one of the package, a lambda."""
    stop = nb.EarlyStopping(patience=5, monitor="loss")
    callbacks = [Witness(folder, "grid"), stop, lambda state: None, *callbacks]
    net = MLPClassifier(callbacks=callbacks, **ENGINE)
    options = {"hidden_layer_sizes": [(8,), (8, 8)], "alpha": [1e-4, 1.0]}
    return searched(GridSearchCV(net, options, cv=SPLITS), data[0], data[1])


def random(folder, data):
    net = MLPRegressor(hidden_layer_sizes=(8,), callbacks=[Witness(folder, "random")], **ENGINE)
    options = {"learning_rate_init": np.geomspace(1e-3, 0.1, 50), "loss": ["huber", "mae"]}
    search = RandomizedSearchCV(net, options, n_iter=4, cv=SPLITS, random_state=0)
    return searched(search, data[0], data[2])


def linear(folder, data):
    """With as many threads as the caller wants, whatever the worker's environment says; fitted models come back."""
    model = LogisticRegression(
        solver="adam", n_threads=2, callbacks=[Witness(folder, "two threads")], **ENGINE
    )
    found = cross_validate(model, *data[:2], cv=SPLITS, return_estimator=True)
    return shown(found["test_score"], *(each.coef_ for each in found["estimator"]))


def scores(folder, data):
    """With one thread where no environment says anything."""
    witness = Witness(folder, "one thread")
    net = MLPClassifier((8,), n_threads=1, callbacks=[witness], **ENGINE)
    return shown(cross_val_score(net, *data[:2], cv=SPLITS))


def on_dask(folder):
    """Two searches of one `with`, one during which a worker dies, and one in threads of this process."""
    from distributed import Client, LocalCluster
    from distributed.protocol.serialize import dask_serialize

    sent, serialize = [], dask_serialize.dispatch(np.ndarray)

    @dask_serialize.register(np.ndarray)
    def counted(array, context=None):
        sent.append(array.nbytes)
        return serialize(array, context)

    scatter = [*DATA, *itertools.chain.from_iterable(SPLITS)]
    settings = {"dashboard_address": None}
    with contextlib.ExitStack() as stack:
        processes = {"n_workers": WORKERS, "threads_per_worker": 1, **settings}
        client = stack.enter_context(Client(stack.enter_context(LocalCluster(**processes))))
        client.amm.stop()  # or the copies of the data go, with which a worker's death is survived
        with joblib.parallel_config("dask", scatter=scatter):
            found = {"random": random(folder, DATA), "linear": linear(folder, DATA)}
            count = sent.count(X.nbytes)
            time.sleep(IDLE)
            found["grid"] = grid(folder, DATA, Killer(folder))
    with contextlib.ExitStack() as stack:
        threads = {"n_workers": 1, "threads_per_worker": 2, "processes": False, **settings}
        stack.enter_context(Client(stack.enter_context(LocalCluster(**threads))))
        stack.enter_context(joblib.parallel_config("dask", scatter=scatter))
        found["scores"] = scores(folder, DATA)
    return found, {"sent": count}


def start_ray(temporary):
    """Again if it took longer than the 30 seconds that Ray gives itself, as it may on a busy machine."""
    import ray

    for last in (False, False, True):
        try:
            ray.init("local", num_cpus=WORKERS, include_dashboard=False, _temp_dir=temporary)
        except Exception as error:
            if last or "timed out during startup" not in str(error):
                raise
            ray.shutdown()
        else:
            return


def on_ray(folder):
    """Every search has workers of its own; during the last one a worker dies."""
    import ray
    from ray.util.joblib import register_ray
    from ray.util.multiprocessing import Pool

    puts, tasks, put, run = [], [], ray.put, Pool._run_batch

    def counted_put(value):
        puts.append(value.nbytes)
        return put(value)

    def counted_run(self, index, function, batch):
        tasks.append(len(ray.cloudpickle.dumps(function)))
        return run(self, index, function, batch)

    ray.put, Pool._run_batch = counted_put, counted_run
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as temporary:
        start_ray(temporary)
        try:
            register_ray()
            data = [ray_put(array) for array in DATA]
            retries = {"max_restarts": 3, "max_task_retries": 3}
            with joblib.parallel_config("ray", n_jobs=-1, ray_remote_args=retries):
                found = {"random": random(folder, data), "linear": linear(folder, data)}
                found["grid"] = grid(folder, data, Killer(folder))
        finally:
            ray.shutdown()
    return found, {"sent": puts.count(X.nbytes), "largest": max(tasks)}


def main(engine):
    with tempfile.TemporaryDirectory() as folder:
        serial = {
            search.__name__: search(folder, DATA) for search in (grid, random, linear, scores)
        }
        found, counts = {"dask": on_dask, "ray": on_ray}[engine](folder)
        seen = [json.loads(path.read_text()) for path in Path(folder).glob("fit-*")]
        died = Path(folder, "killed").exists()
    result = {"serial": serial, "found": found, "seen": seen, "died": died, "caller": os.getpid()}
    print(json.dumps(result | counts))


if __name__ == "__main__":
    main(sys.argv[1])
