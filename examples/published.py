"""Reproduces published results of dense networks, and writes the page that compares them.

``python examples/published.py --mnist FOLDER`` runs every recipe of `published_recipes.py` with
five seeds and keeps each run's result in docs/published.json; results that are there already are
not run again. ``python examples/published.py --page`` writes docs/published.md from them.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from mnist import read_split
from numpy.typing import NDArray
from published_page import page
from published_recipes import MNIST_IMAGES, RECIPES, WEIGHTS, Recipe, TableRecipe, settings

import nablas as nb

Array = NDArray[Any]
Split = tuple[Array, Array]
RESULTS = Path(__file__).parents[1] / "docs" / "published.json"


def build(recipe: Recipe, seed: int) -> nb.MLP:
    """The recipe's network with its initial weights."""
    own = recipe.weights in WEIGHTS
    net = nb.MLP(
        recipe.sizes,
        recipe.activation,
        recipe.output,
        seed=seed,
        init="zeros" if own else recipe.weights,
    )
    if own:
        rng = np.random.default_rng(seed)
        for layer, sizes in enumerate(itertools.pairwise(recipe.sizes)):
            drawn = WEIGHTS[recipe.weights](rng, *sizes, layer)
            net.weights[layer], net.biases[layer] = drawn
    return net


def one_hot(labels: Array, targets: tuple[float, float]) -> Array:
    """(n,) labels as (n, 10) targets: the second value where the label is, else the first."""
    return np.where(np.eye(10, dtype=bool)[labels], targets[1], targets[0])


def train(recipe: Recipe, seed: int, training: Split, test: Split) -> dict[str, Any]:
    """One run: wrong images after each epoch, of how many, and processor seconds."""
    white, black = recipe.pixels
    count = len(training[0]) * recipe.images // MNIST_IMAGES
    images, labels = (array[:count] for array in training)
    rest = [array[count:] for array in training]
    judged, truth = rest if recipe.judged_on == "validation" else test
    judged = white + (black - white) * judged
    wrong: list[int] = []

    def judge(state: nb.FitState) -> None:
        wrong.append(int((state.net.forward(judged).argmax(axis=1) != truth).sum()))

    start = time.process_time()
    build(recipe, seed).fit(
        white + (black - white) * images,
        labels if recipe.targets is None else one_hot(labels, recipe.targets),
        loss=recipe.loss,
        optimizer=recipe.optimizer,
        batch_size=recipe.batch_size,
        epochs=recipe.epochs,
        l2=recipe.l2,
        dropout=recipe.dropout,
        callbacks=[judge],
    )
    seconds = time.process_time() - start
    return {"wrong": wrong, "of": len(truth), "seconds": round(seconds, 1)}


def compare(recipe: TableRecipe, seed: int) -> dict[str, Any]:
    """Mean absolute errors of three models on one division of scikit-learn's diabetes table."""
    from sklearn.datasets import load_diabetes
    from sklearn.linear_model import Lasso
    from sklearn.model_selection import GridSearchCV, KFold, train_test_split
    from sklearn.preprocessing import StandardScaler

    from nablas.sklearn import LinearRegression

    X, y = load_diabetes(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, test_size=recipe.tested, random_state=seed)
    scaler = StandardScaler().fit(X)
    X, X_test = scaler.transform(X), scaler.transform(X_test)
    start = time.process_time()
    largest = np.abs(X.T @ (y - y.mean())).max() / len(y)  # above it all coefficients are 0
    lasso = GridSearchCV(
        Lasso(),
        {"alpha": largest * np.geomspace(recipe.smallest, 1, recipe.penalties)},
        cv=KFold(recipe.folds, shuffle=True, random_state=seed),
        scoring="neg_mean_absolute_error",
    )
    net = nb.MLP([X.shape[1], recipe.hidden, 1], "relu", init="glorot", seed=seed)
    net.fit(
        X,
        y,
        loss="mse",
        optimizer=recipe.optimizer,
        batch_size=recipe.batch_size,
        epochs=recipe.epochs,
        dropout=recipe.dropout,
    )
    models = {"linear": LinearRegression().fit(X, y), "lasso": lasso.fit(X, y), "network": net}
    errors = {
        name: round(float(np.abs(model.predict(X_test) - y_test).mean()), 2)
        for name, model in models.items()
    }
    return {**errors, "seconds": round(time.process_time() - start, 1)}


def report(recipe: Recipe | TableRecipe, run: dict[str, Any]) -> str:
    """One run as a line of text."""
    if isinstance(recipe, TableRecipe):
        return ", ".join(f"{name} {run[name]}" for name in ("linear", "lasso", "network"))
    share = [100 * wrong / run["of"] for wrong in run["wrong"]]
    best = min(share)
    return (
        f"wrong {best:.2f} % in the best epoch ({share.index(best) + 1} of {len(share)}), "
        f"{share[-1]:.2f} % in the last"
    )


def machine() -> str:
    """What the seconds depend on."""
    return f"{nb.isa()}, {nb.num_threads()} thread{'s' * (nb.num_threads() > 1)}"


def load(path: Path) -> dict[str, Any]:
    """The results in a file, by the recipes' names; empty without the file."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def save(path: Path, results: dict[str, Any]) -> None:
    """Write the results, a line for each run."""
    text = json.dumps(results, separators=(", ", ": "), ensure_ascii=False)
    for mark in ('"settings":', '"runs":'):
        text = text.replace(mark, "\n" + mark)
    text = re.sub(r'("\d+": \{)', r"\n \1", text)
    path.write_text(text + "\n", encoding="utf-8")


def run_all(chosen: Sequence[Recipe | TableRecipe], seeds: int, folder: str, out: Path) -> None:
    """Run what `out` does not hold yet; it is written after every run."""

    @functools.cache
    def split(name: str) -> Split:
        return read_split(folder, name)

    results = load(out)
    for recipe in chosen:
        kept = results.get(recipe.name)
        if kept is None or kept["settings"] != settings(recipe):
            kept = {"settings": settings(recipe), "machine": machine(), "runs": {}}
            results[recipe.name] = kept
        for seed in range(seeds):
            if str(seed) in kept["runs"]:
                continue
            if isinstance(recipe, TableRecipe):
                run = compare(recipe, seed)
            else:
                run = train(recipe, seed, split("train"), split("t10k"))
            kept["runs"][str(seed)] = run
            print(f"{recipe.name}, seed {seed}: {report(recipe, run)}, {run['seconds']} s")
            save(out, results)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mnist", metavar="FOLDER", help="MNIST's four IDX files, plain or .gz")
    parser.add_argument("--seeds", type=int, default=5, help="runs of each recipe (5)")
    parser.add_argument("--only", metavar="NAME", help="recipes whose name begins so")
    parser.add_argument("--epochs", type=int, help="in place of each recipe's number")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the results' JSON file")
    parser.add_argument("--page", action="store_true", help="write the page beside the results")
    options = parser.parse_args(arguments)
    chosen = [recipe for recipe in RECIPES if recipe.name.startswith(options.only or "")]
    if not chosen:
        names = ", ".join(recipe.name for recipe in RECIPES)
        parser.error(f"--only: expected the beginning of {names}, got {options.only}")
    if options.page:
        try:
            text = page(load(options.out))
        except ValueError as error:
            parser.error(str(error))
        options.out.with_suffix(".md").write_text(text, encoding="utf-8")
        return
    if options.mnist is None and any(isinstance(recipe, Recipe) for recipe in chosen):
        parser.error("--mnist: expected the folder of MNIST's files, got none")
    if options.epochs is not None:
        chosen = [replace(recipe, epochs=options.epochs) for recipe in chosen]
    run_all(chosen, options.seeds, options.mnist, options.out)


if __name__ == "__main__":
    main()
