"""MNIST with an MLP, on a CPU: seconds of training until a share of the test images is right.

A recipe is a whole training, fixed in advance: network, batch size, epochs, and a schedule over all
of them. `LADDER` holds the recipes that were fastest for what they reach on the last sixth of the
training images (10,000), trained on the others (`held_out`). In `reach` they train on all images and
the test images are only measured: a level's recipe is the one of least time by which nablas's mean over
the seeds is above the level by a standard error. Then all contenders train by it. Its time is
that of training alone, with the images in memory and everything compiled. Each contender has the
network's initial weights of that seed, the same rates, and as many threads; each has its own order
of the images.
"""

import dataclasses
import statistics
import time
from dataclasses import dataclass
from functools import cache

import numpy as np
from examples.mnist import read_split

import nablas as nb

from .cases import CHECKED_STEPS

HELD_OUT = 6  # one image of so many


@cache
def images(folder, split):
    """Pixels from 0 to 1 (n, 784) and digits (n,)."""
    return read_split(folder, split)


@dataclass(frozen=True)
class Recipe:
    """A whole training by Adam and a one-cycle schedule."""

    hidden: tuple[int, ...]
    batch: int
    epochs: int
    peak: float  # of the learning rate
    rising: float = 0.3  # share of the updates in which the rate rises
    folder: str = ""
    held_out: bool = False  # train without the images that are held out, and judge by them
    rows: int | None = None  # only the first ones
    shuffle: bool = True

    optimizer, activation, output = "adam", "relu", "softmax"

    @property
    def sizes(self):
        return (784, *self.hidden, 10)

    @property
    def name(self):
        shape = "-".join(map(str, self.sizes))
        return f"{shape}, {self.epochs} epochs in batches of {self.batch}, rate up to {self.peak:g}"

    def training(self):
        x, y = images(self.folder, "train")
        rows = self.rows or len(x) - self.held_out * (len(x) // HELD_OUT)
        return x[:rows], y[:rows]

    def judging(self):
        x, y = images(self.folder, "train" if self.held_out else "t10k")
        first = len(x) - len(x) // HELD_OUT if self.held_out else 0
        return x[first:], y[first:]

    def network(self, seed):
        return nb.MLP(list(self.sizes), self.activation, self.output, seed=seed)

    def schedule(self):
        return nb.schedules.OneCycle(self.peak, rising=self.rising)

    def rates(self):
        """The learning rate of each update."""
        steps = len(self.training()[0]) // self.batch
        plan = nb.schedules.Plan(steps, steps * self.epochs)
        return self.schedule().rates(np.arange(plan.total), plan)

    def shortened(self):
        """The first steps, in the images' order: what contenders are checked by."""
        rows = CHECKED_STEPS * self.batch
        return dataclasses.replace(self, rows=rows, epochs=1, shuffle=False)

    def expected(self):
        """Flat parameters after the shortened training, in float64, by the NumPy reference."""
        short, reference = self.shortened(), nb.reference
        net = self.network(0)
        start = net.parameters.astype(np.float64)
        twin = reference.ReferenceNetwork(net.sizes, net.activations, start)
        states, (x, y) = reference.initial_states("adam", twin.parameters), short.training()
        for step, rate in enumerate(short.rates()):
            rows = slice(step * self.batch, (step + 1) * self.batch)
            _, gradient = twin.loss_and_gradient(
                x[rows].astype(np.float64), y[rows], "cross_entropy"
            )
            reference.optimizer_update(
                "adam", twin.parameters, gradient, states, step=step + 1, learning_rate=rate
            )
        return twin.parameters

    def accuracy(self, parameters):
        """Percentage of the judging images that a network of these flat parameters gets right."""
        net, (x, y) = self.network(0), self.judging()
        twin = nb.reference.ReferenceNetwork(net.sizes, net.activations, parameters)
        return 100 * float((twin.forward(x.astype(np.float64)).argmax(axis=1) == y).mean())


LEVELS = (97.0, 97.5, 98.0)
LADDER = [
    Recipe((32,), 50, 2, 0.015),
    Recipe((48,), 50, 2, 0.01),
    Recipe((64,), 100, 2, 0.015),
    Recipe((64,), 50, 2, 0.01),
    Recipe((80,), 50, 2, 0.01),
    Recipe((96,), 100, 2, 0.012),
    Recipe((96,), 50, 2, 0.007),
    Recipe((128,), 100, 2, 0.01),
    Recipe((80,), 50, 3, 0.007),
    Recipe((96,), 100, 4, 0.01),
    Recipe((96,), 50, 4, 0.006),
    Recipe((128,), 100, 4, 0.01),
    Recipe((96,), 50, 5, 0.005),
    Recipe((160,), 100, 4, 0.008),
    Recipe((160,), 200, 5, 0.012),
    Recipe((128,), 50, 5, 0.005),
]
# What the ladder was chosen among, after a wider search with fewer seeds.
CANDIDATES = [
    *LADDER,
    Recipe((56,), 50, 2, 0.01),
    Recipe((64,), 50, 3, 0.01),
    Recipe((96,), 50, 6, 0.005),
    Recipe((96,), 100, 6, 0.008),
    Recipe((112,), 50, 2, 0.007),
    Recipe((112,), 50, 5, 0.005),
    Recipe((128,), 50, 1, 0.01),
    Recipe((128,), 50, 4, 0.005),
    Recipe((128,), 100, 5, 0.01),
    Recipe((128,), 200, 2, 0.02),
    Recipe((128,), 200, 4, 0.015),
    Recipe((160,), 50, 1, 0.01),
    Recipe((192,), 50, 3, 0.005),
    Recipe((192,), 100, 3, 0.01),
    Recipe((256,), 50, 3, 0.005),
]


def reach(bench, folder, ladder=LADDER, levels=LEVELS, seeds=30):
    """For each level its recipe, and each contender's mean and standard deviation of seconds and accuracy."""
    if folder is None:
        return {"skipped": "needs --mnist FOLDER with the four IDX files"}
    alone = {}
    for recipe in (dataclasses.replace(recipe, folder=str(folder)) for recipe in ladder):
        found = _train(bench, recipe, seeds, ["nablas"]).get("nablas")
        if found is None:
            return {"skipped": "needs nablas among the contenders"}
        alone[recipe] = found
        print(_line(recipe.name, {"nablas": found}), flush=True)
    chosen = {level: _fastest(alone, level, seeds) for level in levels}
    chosen = {level: recipe for level, recipe in chosen.items() if recipe}
    results = {recipe: _train(bench, recipe, seeds) for recipe in dict.fromkeys(chosen.values())}
    rows = []
    for level, recipe in sorted(chosen.items()):
        contenders = {
            name: {**found, "reached": found["accuracy"] >= level}
            for name, found in results[recipe].items()
        }
        rows.append({"level": level, "recipe": recipe.name, "contenders": contenders})
        print(f"{level} %: " + _line(recipe.name, contenders), flush=True)
    ladder = [{"recipe": recipe.name, **found} for recipe, found in alone.items()]
    return {"seeds": seeds, "levels": rows, "ladder": ladder}


def _fastest(alone, level, seeds):
    """The recipe that took the least time of those whose mean is above the level by a standard error, or None."""
    reaching = [
        recipe
        for recipe, found in alone.items()
        if found["accuracy"] - found["accuracy_deviation"] / seeds**0.5 >= level
    ]
    return min(reaching, key=lambda recipe: alone[recipe]["seconds"], default=None)


def _train(bench, recipe, seeds, names=None):
    """{contender: summary} of a recipe; the contenders take turns."""
    able = bench.prepared("learn", recipe, names)
    runs = {name: [] for name in able}
    for seed in range(-1, seeds):  # the first compiles and fills caches, and is not counted
        for name, worker in able.items():
            time.sleep(bench.pause)
            reply = worker.ask(do="learn", seed=max(seed, 0))
            if seed >= 0 and "seconds" in reply:
                runs[name].append((reply["seconds"], reply["accuracy"]))
    return {name: _summary(values) for name, values in runs.items() if values}


def _summary(values):
    """Means and standard deviations of (seconds, accuracy)."""
    summary = {}
    for name, numbers in zip(("seconds", "accuracy"), zip(*values, strict=True), strict=True):
        summary[name] = statistics.fmean(numbers)
        summary[f"{name}_deviation"] = statistics.stdev(numbers) if len(numbers) > 1 else 0.0
    return summary


def _line(name, contenders):
    parts = [
        f"{contender} {c['seconds']:.2f} ± {c['seconds_deviation']:.2f} s, "
        f"{c['accuracy']:.2f} ± {c['accuracy_deviation']:.2f} % right"
        for contender, c in contenders.items()
    ]
    return f"{name}: " + "; ".join(parts)


def held_out(folder, candidates=CANDIDATES, seeds=5):
    """Seconds and accuracy on the images held out, of each candidate, by nablas: how recipes are chosen."""
    if folder is None:
        return {"skipped": "needs --mnist FOLDER with the four IDX files"}
    from .peers import Nablas

    rows = []
    for recipe in candidates:
        recipe = dataclasses.replace(recipe, folder=str(folder), held_out=True)
        run, _ = Nablas(nb.num_threads()).learn(recipe)
        found = [(seconds, recipe.accuracy(p)) for p, seconds in map(run, range(seeds))]
        rows.append({"recipe": recipe.name, **_summary(found)})
        print(_line(recipe.name, {"nablas": rows[-1]}), flush=True)
    return rows
