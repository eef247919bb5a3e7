"""The estimators and scikit-learn's: time and test score of fits, time of a grid search."""

import statistics
import time
import warnings
from contextlib import contextmanager

import numpy as np
from examples.mnist import read_split

import nablas as nb

from .harness import SECONDS_BETWEEN_TURNS

SEEDS = 5
LIBRARIES = ("nablas", "scikit-learn")


def _class(library, kind):
    """The class of that name of one library."""
    if library == "nablas":
        import nablas.sklearn as package
    elif kind.startswith("MLP"):
        import sklearn.neural_network as package
    else:
        import sklearn.linear_model as package
    return getattr(package, kind)


def _mnist(folder):
    """The first 8,000 and last 2,000 images of MNIST's test split; None without a folder."""
    if folder is None:
        return None
    x, y = read_split(folder, "t10k")
    return x[:8000], x[8000:], y[:8000], y[8000:]


def _loaded(name):
    """X and y of a table that scikit-learn ships."""
    from sklearn import datasets

    return getattr(datasets, f"load_{name}")(return_X_y=True)


GENERATED = {  # by scikit-learn
    "moons": {"n_samples": 1000, "noise": 0.2, "random_state": 0},
    "classification": {"n_samples": 3000, "n_features": 40, "n_informative": 12, "n_classes": 4, "random_state": 0},
    "friedman1": {"n_samples": 2000, "noise": 1.0, "random_state": 0},
    "friedman2": {"n_samples": 1000, "noise": 100.0, "random_state": 0},
}  # fmt: skip


def _table(name):
    """X and y of a table of `TABLES`."""
    from sklearn import datasets

    if name not in GENERATED:
        return _loaded(name)
    return getattr(datasets, f"make_{name}")(**GENERATED[name])


def _split(x, y, seed, scaled):
    """Training and test rows; with columns and values of mean 0 and deviation 1 if `scaled`."""
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import StandardScaler

    if scaled and y.dtype.kind == "f":
        y = (y - y.mean(axis=0)) / y.std(axis=0)
    a, b, c, d = train_test_split(x, y, random_state=seed, test_size=0.3)
    if scaled:
        scaler = StandardScaler().fit(a)
        a, b = scaler.transform(a), scaler.transform(b)
    return a, b, c, d


CASES = [
    ("iris", (16,), {"max_iter": 200}),
    ("wine", (16,), {"max_iter": 200}),
    ("breast_cancer", (32,), {"max_iter": 100}),
    ("digits", (64,), {"max_iter": 60}),
    ("digits", (64,), {"max_iter": 60, "batch_size": 32}),
    ("digits", (16,), {"max_iter": 60, "batch_size": 16, "solver": "sgd"}),
    ("diabetes", (32,), {"max_iter": 100}),
    ("digits", (64,), {"max_iter": 60, "solver": "lbfgs"}),
    ("mnist", (256, 256), {"max_iter": 5}),
]


def _compared(kind, data, settings):
    """Median seconds and mean test scores of both libraries' fits, one for each of `data`, in turns.

    A fit of a model with a seed has the number of the data as its `random_state`.
    """
    seconds, scores, same = {k: [] for k in LIBRARIES}, {k: [] for k in LIBRARIES}, True
    for seed, (x, x_test, y, y_test) in enumerate(data):
        found = []
        for library in LIBRARIES:
            model = _class(library, kind)(**settings)
            if "random_state" in model.get_params():
                model.set_params(random_state=seed)
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                time.sleep(SECONDS_BETWEEN_TURNS)
                start = time.perf_counter()
                model.fit(x, y)
                seconds[library].append(time.perf_counter() - start)
                scores[library].append(model.score(x_test, y_test))
                found.append(model.predict(x_test))
        same = same and np.array_equal(*found)
    times = {library: statistics.median(s) for library, s in seconds.items()}
    several = len(scores["nablas"]) > 1
    return {
        "seconds": times,
        "ratio": times["scikit-learn"] / times["nablas"],
        "score": {k: statistics.mean(v) for k, v in scores.items()},
        "standard_error": {
            k: statistics.stdev(v) / len(v) ** 0.5 if several else None for k, v in scores.items()
        },
        "same_predictions": bool(same),
    }


def fits(mnist=None):
    """For each case median seconds and mean test scores over the seeds; the libraries alternate."""
    rows = []
    for name, hidden, settings in CASES:
        kind = "MLPRegressor" if name == "diabetes" else "MLPClassifier"
        if name == "mnist":
            data = [_mnist(mnist)] * SEEDS
        else:
            data = [_split(*_loaded(name), seed, True) for seed in range(SEEDS)]
        if data[0] is not None:
            made = _compared(kind, data, {"hidden_layer_sizes": hidden, **settings})
            rows.append({"case": f"{name} {hidden} {settings}", **made})
    return rows


TABLES = ["iris", "wine", "breast_cancer", "digits", "diabetes", "linnerud", *GENERATED]
NET = {"hidden_layer_sizes": (32,), "max_iter": 200}
LINEAR = {"LogisticRegression": {"max_iter": 1000}, "LinearRegression": {}}


@contextmanager
def _threads(count):
    """Both libraries limited to so many threads; None: as they are."""
    from threadpoolctl import threadpool_limits

    before = nb.num_threads()
    nb.set_num_threads(before if count is None else count)
    try:
        with threadpool_limits(count):
            yield
    finally:
        nb.set_num_threads(before)


def tables(quick=False):
    """Each table as it is and scaled, a net and a linear model, one thread and all.

    Parameters
    ----------
    quick : bool
        Two seeds of three tables, nets of ten epochs.
    """
    rows = []
    for name in ["iris", "linnerud", "moons"] if quick else TABLES:
        x, y = _table(name)
        classes = y.dtype.kind != "f"
        kinds = (
            ("MLPClassifier", "LogisticRegression") if classes else ("MLPRegressor", "LinearRegression")
        )  # fmt: skip
        for scaled in (False, True):
            data = [_split(x, y, seed, scaled) for seed in range(2 if quick else SEEDS)]
            for kind in kinds:
                settings = LINEAR.get(kind, NET | ({"max_iter": 10} if quick else {}))
                for count in (1, None):
                    with _threads(count):
                        made = _compared(kind, data, settings)
                    case = {"table": name, "scaled": scaled, "model": kind, "threads": count}
                    rows.append({**case, **made})
    return rows


def search():
    """Median seconds of a grid search over 32 settings with two jobs, from three runs each."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import GridSearchCV

    x, y = load_digits(return_X_y=True)
    x = x / 16
    grid = {
        "hidden_layer_sizes": [(8,), (16,), (32,), (64,)],
        "alpha": [1e-5, 1e-3],
        "learning_rate_init": [1e-3, 3e-3, 1e-2, 3e-2],
    }
    seconds = {library: [] for library in LIBRARIES}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(3):
            for library in LIBRARIES:
                net = _class(library, "MLPClassifier")
                model = net(max_iter=30, batch_size=32, random_state=0)
                time.sleep(SECONDS_BETWEEN_TURNS)
                start = time.perf_counter()
                GridSearchCV(model, grid, cv=2, n_jobs=2).fit(x, y)
                seconds[library].append(time.perf_counter() - start)
    times = {library: statistics.median(s) for library, s in seconds.items()}
    return {"seconds": times, "ratio": times["scikit-learn"] / times["nablas"]}
