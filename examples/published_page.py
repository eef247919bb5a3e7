"""Writes docs/published.md from the results: each figure beside the mean and spread of ours."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from published_recipes import RECIPES, Recipe, TableRecipe
from published_sources import SOURCES, Source
from scipy import stats

LIMIT = 2.0  # standard deviations; a row further from its figure needs a reason
Results = dict[str, Any]

HEAD = """# Published results

Made by `python examples/published.py --page` from `docs/published.json`, which holds every run: the
wrong images after each epoch. To make the runs anew, with MNIST's four IDX files in a folder:

```sh
python examples/published.py --mnist FOLDER --out new.json
python examples/published.py --page --out new.json
```

Ours is the mean of {seeds} runs, seeds 0 to {last}, ± their standard deviation. A seed decides
the initial weights, the order of the images and the dropout. "Reached" is the epoch in which half
of the runs had come to the published figure. "Apart" is our mean minus the published figure, in
our standard deviations; where its size is above {limit:g} the reason stands below the table. A
published figure is of one run, and five runs tell little of the spread: the percentage is the
probability that one more run of ours is as far from the mean (Student's t). At two standard
deviations it is 14 %, so about one row in seven lies beyond though its recipe is the same in
every respect.

"s" is the processor seconds of a recipe's fastest run, judging after every epoch included
({machines}); all runs at that speed take {minutes:.0f} minutes.
"""


@dataclass(frozen=True)
class Row:
    """A published figure and the same figure of each of our runs.

    Attributes
    ----------
    recipe : Recipe or TableRecipe
    what : str
        What the figure is of, in the recipe's table.
    published : float
    ours : list of float
        One for each seed.
    """

    recipe: Recipe | TableRecipe
    what: str
    published: float
    ours: list[float]

    @property
    def difference(self) -> float:
        """The mean of ours minus the published figure."""
        return statistics.mean(self.ours) - self.published

    @property
    def spread(self) -> float:
        """The standard deviation of ours."""
        return statistics.stdev(self.ours)

    @property
    def differs(self) -> bool:
        """Whether ours differs by more than `LIMIT` standard deviations."""
        return abs(self.difference) > LIMIT * self.spread

    @property
    def apart(self) -> str:
        """The difference in standard deviations, and its chance, as text."""
        if self.spread == 0:
            return "-"
        # Student's t of one more run against the runs, whose mean has a spread of its own.
        count = len(self.ours)
        t = abs(self.difference) / (self.spread * math.sqrt(1 + 1 / count))
        chance = 2 * stats.t.sf(t, count - 1)
        return f"{self.difference / self.spread:+.1f} ({100 * chance:.0f} %)".replace("-", "−")


def figures(recipe: Recipe, run: dict[str, Any]) -> list[float]:
    """After each epoch the share of the images, in per cent, that the source's figures are of."""
    wrong = [100 * count / run["of"] for count in run["wrong"]]
    return wrong if SOURCES[recipe.source].measure == "wrong" else [100 - share for share in wrong]


def best(source: Source, values: Iterable[float]) -> float:
    """The best of figures of a source."""
    return max(values) if source.measure == "right" else min(values)


def rows(results: Results, recipes: Sequence[Recipe | TableRecipe] = RECIPES) -> list[Row]:
    """The figures of all recipes with two runs or more."""
    found = []
    for recipe in recipes:
        runs = list(results.get(recipe.name, {"runs": {}})["runs"].values())
        if len(runs) < 2:
            continue
        if isinstance(recipe, TableRecipe):
            for model, published in (("lasso", recipe.lasso), ("network", recipe.network)):
                ours = [run[model] / run["linear"] for run in runs]
                found.append(Row(recipe, model, published / recipe.linear, ours))
        else:
            source = SOURCES[recipe.source]
            curves = [figures(recipe, run) for run in runs]
            chosen = [best(source, c) if source.epoch == "best" else c[-1] for c in curves]
            found.append(Row(recipe, recipe.what, recipe.published, chosen))
    return found


def unexplained(found: Iterable[Row]) -> list[str]:
    """Recipes that differ and give no reason, and recipes that give one and do not differ."""
    differs: dict[str, bool] = {}
    reasons: dict[str, str] = {}
    for row in found:
        differs[row.recipe.name] = differs.get(row.recipe.name, False) or row.differs
        reasons[row.recipe.name] = row.recipe.reason
    return [name for name in differs if differs[name] != bool(reasons[name])]


def reached(recipe: Recipe, curves: Sequence[Sequence[float]]) -> str:
    """The epoch in which half of the runs had come to the published figure."""
    source, epochs = SOURCES[recipe.source], []
    for curve in curves:
        hits = [best(source, (value, recipe.published)) == value for value in curve]
        epochs.append(hits.index(True) + 1 if any(hits) else math.inf)
    median = statistics.median_high(epochs)
    return "never" if math.isinf(median) else f"{median:.0f} of {recipe.epochs}"


def fastest(kept: dict[str, Any]) -> float:
    """Seconds of the run of a recipe that other programs disturbed least."""
    return min(float(run["seconds"]) for run in kept["runs"].values())


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Mean and standard deviation as text."""
    return f"{statistics.mean(values):.{digits}f} ± {statistics.stdev(values):.{digits}f}"


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    every = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in every)


def layers(recipe: Recipe) -> str:
    """Sizes, as in 784-30-10."""
    return "-".join(str(size) for size in recipe.sizes)


def network_line(row: Row, results: Results) -> list[str]:
    """A line of a table of networks."""
    recipe = row.recipe
    assert isinstance(recipe, Recipe)
    source, runs = SOURCES[recipe.source], list(results[recipe.name]["runs"].values())
    curves = [figures(recipe, run) for run in runs]
    return [
        f"`{recipe.name}`",
        f"{layers(recipe)}, {recipe.what}",
        f"{recipe.published:g}",
        spread([best(source, curve) for curve in curves]),
        spread([curve[-1] for curve in curves]),
        row.apart,
        reached(recipe, curves),
        f"{fastest(results[recipe.name]):.0f}",
    ]


def networks(found: Sequence[Row], source: Source, results: Results) -> str:
    """The table of networks of one source."""
    judged = f"images {source.measure}, %"
    compared = [f"ours, {e} epoch" + (" *" * (e == source.epoch)) for e in ("best", "last")]
    head = ["recipe", judged, "published", *compared, "apart", "reached", "s"]
    text = table(head, (network_line(row, results) for row in found))
    return f"{text}\n\n\\* compared with the published figure."


def models(found: Sequence[Row], results: Results) -> str:
    """The table of a `TableRecipe`."""
    recipe = found[0].recipe
    assert isinstance(recipe, TableRecipe)
    runs = list(results[recipe.name]["runs"].values())
    lines = [
        [
            "linear model",
            f"{recipe.linear:g}",
            spread([run["linear"] for run in runs], 1),
            "1",
            "1",
            "",
        ]
    ]
    for row in found:
        lines.append(
            [
                row.what,
                f"{getattr(recipe, row.what):g}",
                spread([run[row.what] for run in runs], 1),
                f"{row.published:.3f}",
                spread(row.ours, 3),
                row.apart,
            ]
        )
    head = ["model", "published error", "our error", "published ratio", "our ratio", "apart"]
    return table(head, lines)


def recipe_line(recipe: Recipe) -> list[str]:
    """A line of the table of settings."""
    judged = "test" if recipe.judged_on == "test" else "other training"
    dropout = recipe.dropout if isinstance(recipe.dropout, tuple) else (recipe.dropout,)
    return [
        f"`{recipe.name}`",
        f"{recipe.activation}, {recipe.output}",
        recipe.loss,
        f"`{recipe.optimizer!r}`",
        f"{recipe.batch_size}",
        f"{recipe.epochs}",
        recipe.weights,
        f"{recipe.l2:g}",
        ", ".join(f"{rate:g}" for rate in dropout),
        f"{recipe.images:,}",
        judged,
    ]


def section(key: str, found: Sequence[Row], results: Results) -> str:
    """The text of one source."""
    source = SOURCES[key]
    mine = [row for row in found if row.recipe.source == key]
    if isinstance(mine[0].recipe, TableRecipe):
        shown = models(mine, results)
    else:
        shown = networks(mine, source, results)
    parts = [f"## {source.title}", source.reference + ".", source.notes, shown]
    reasons = {row.recipe.name: row.recipe.reason for row in mine if row.differs}
    if reasons:
        parts.append("Why ours differs:")
        parts.append("\n".join(f"- `{name}`: {reason}" for name, reason in reasons.items()))
    return "\n\n".join(parts)


def page(results: Results) -> str:
    """The page's text; ValueError if no recipe has two runs."""
    found = rows(results)
    if not found:
        raise ValueError("results: expected a recipe with two runs or more, got none")
    shown = {row.recipe.name: results[row.recipe.name] for row in found}
    seeds = max(len(kept["runs"]) for kept in shown.values())
    head = HEAD.format(
        seeds=seeds,
        last=seeds - 1,
        limit=LIMIT,
        machines="; ".join(sorted({kept["machine"] for kept in shown.values()})),
        minutes=sum(fastest(kept) * len(kept["runs"]) for kept in shown.values()) / 60,
    )
    keys = [key for key in SOURCES if any(row.recipe.source == key for row in found)]
    names = ["recipe", "units, output", "cost", "optimizer", "batch", "epochs", "weights", "l2"]
    head_line = [*names, "dropout", "images", "judged on"]
    lines = [recipe_line(r) for r in RECIPES if isinstance(r, Recipe) and r.name in shown]
    settings = f"## Settings\n\n{table(head_line, lines)}"
    return "\n".join([head, *(section(key, found, results) + "\n" for key in keys), settings, ""])
