"""The estimators and scikit-learn's: time and test score of fits, time of a grid search."""

import statistics
import time
import warnings

from examples.mnist import read_split

from .harness import SECONDS_BETWEEN_TURNS

SEEDS = 5


def _mnist(folder):
    """The first 8,000 and last 2,000 images of MNIST's test split; None without a folder."""
    if folder is None:
        return None
    x, y = read_split(folder, "t10k")
    return x[:8000], x[8000:], y[:8000], y[8000:]


def _bundled(name, seed):
    from sklearn import datasets
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import StandardScaler

    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    if name == "diabetes":
        y = (y - y.mean()) / y.std()
    a, b, c, d = train_test_split(x, y, random_state=seed, test_size=0.3)
    scaler = StandardScaler().fit(a)
    return scaler.transform(a), scaler.transform(b), c, d


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


def fits(mnist=None):
    """For each case median seconds and mean test scores over the seeds; the libraries alternate."""
    import sklearn.neural_network as theirs

    import nablas.sklearn as ours

    rows = []
    for name, hidden, settings in CASES:
        kind = "MLPRegressor" if name == "diabetes" else "MLPClassifier"
        seconds, scores = {"nablas": [], "scikit-learn": []}, {"nablas": [], "scikit-learn": []}
        for seed in range(SEEDS):
            data = _mnist(mnist) if name == "mnist" else _bundled(name, seed)
            if data is None:
                break
            x, x_test, y, y_test = data
            for library, module in (("nablas", ours), ("scikit-learn", theirs)):
                model = getattr(module, kind)(
                    hidden_layer_sizes=hidden, random_state=seed, **settings
                )
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    time.sleep(SECONDS_BETWEEN_TURNS)
                    start = time.perf_counter()
                    model.fit(x, y)
                    seconds[library].append(time.perf_counter() - start)
                scores[library].append(model.score(x_test, y_test))
        if not seconds["nablas"]:
            continue
        times = {library: statistics.median(s) for library, s in seconds.items()}
        rows.append(
            {
                "case": f"{name} {hidden} {settings}",
                "seconds": times,
                "ratio": times["scikit-learn"] / times["nablas"],
                "score": {k: statistics.mean(v) for k, v in scores.items()},
                "standard_error": {k: statistics.stdev(v) / SEEDS**0.5 for k, v in scores.items()},
            }
        )
    return rows


def search():
    """Median seconds of a grid search over 32 settings with two jobs, from three runs each."""
    import sklearn.neural_network as theirs
    from sklearn.datasets import load_digits
    from sklearn.model_selection import GridSearchCV

    import nablas.sklearn as ours

    x, y = load_digits(return_X_y=True)
    x = x / 16
    grid = {
        "hidden_layer_sizes": [(8,), (16,), (32,), (64,)],
        "alpha": [1e-5, 1e-3],
        "learning_rate_init": [1e-3, 3e-3, 1e-2, 3e-2],
    }
    seconds = {"nablas": [], "scikit-learn": []}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(3):
            for library, module in (("nablas", ours), ("scikit-learn", theirs)):
                model = module.MLPClassifier(max_iter=30, batch_size=32, random_state=0)
                time.sleep(SECONDS_BETWEEN_TURNS)
                start = time.perf_counter()
                GridSearchCV(model, grid, cv=2, n_jobs=2).fit(x, y)
                seconds[library].append(time.perf_counter() - start)
    times = {library: statistics.median(s) for library, s in seconds.items()}
    return {"seconds": times, "ratio": times["scikit-learn"] / times["nablas"]}
