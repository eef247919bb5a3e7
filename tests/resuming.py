"""Fits of many kinds, for tests and attacks that stop and resume them; a child process that runs one.

``python resuming.py CASE PATH EPOCHS THREADS SECONDS`` goes on from PATH if it is there, and prints the outcome.
"""

import hashlib
import itertools
import json
import os
import sys

import numpy as np
from fuzz.bases import join, split
from fuzz.headers import checksum

import nablas as nb
from nablas import schedules

ROWS, BATCHES = 220, (50, 64, 220)
CHILD_ROWS = 4000  # of a training in a process of its own
ALWAYS = 1e-9  # seconds: between any two batches
SIZES = [30, 100, 5]  # a step of 50 rows is enough work to look at the clock after
OPTIONS = {
    "optimizer": {
        "sgd": lambda rate: nb.SGD(rate),
        "momentum": lambda rate: nb.SGD(rate, momentum=0.9),
        "nesterov": lambda rate: nb.SGD(rate, momentum=0.9, nesterov=True),
        "adam": nb.Adam,
        "adamw": nb.AdamW,
        "nadam": nb.NAdam,
        "rmsprop": nb.RMSprop,
        "rmsprop with momentum": lambda rate: nb.RMSprop(rate, momentum=0.5),
        "adagrad": nb.Adagrad,
    },
    "schedule": {
        "Constant": lambda: 0.002,
        "StepDecay": lambda: schedules.StepDecay(0.002, every=2),
        "ExponentialDecay": lambda: schedules.ExponentialDecay(0.002, factor=0.7),
        "Cosine": lambda: schedules.Cosine(0.002),
        "OneCycle": lambda: schedules.OneCycle(0.002),
        "WarmUp": lambda: schedules.WarmUp(schedules.Cosine(0.002), steps=7),
        "ReduceOnPlateau": lambda: schedules.ReduceOnPlateau(0.002, patience=1, min_delta=0.5),
    },
    "shuffle": (True, False),
    "dropout": (0.0, 0.3),
    "validation": (False, True),
    "callbacks": ("none", "stopping", "own", "rate"),
    "weights": (None, "sample", "class"),
    "batch_size": BATCHES,
    "loss": ("cross_entropy", "huber", "function"),
    "penalties": ({}, {"l2": 1e-3}, {"l1": 1e-4, "clip_norm": 1.0}),
    "dtype": ("float32", "float64"),
    "shards": (1, 4),
}

PLAIN = dict.fromkeys(OPTIONS, 0)


class Own(nb.Callback):
    """A user's callback: its state, a number and an array, decides on the weights."""

    def on_fit_begin(self, net):
        self.calls, self.mean = 0, np.zeros(net.parameters.size)

    def on_epoch_end(self, state):
        self.calls += 1
        self.mean += state.net.parameters / self.calls
        state.net.parameters += (1e-3 * self.mean).astype(state.net.dtype)

    def get_state(self):
        return {"calls": self.calls, "mean": self.mean}

    def set_state(self, state):
        self.calls, self.mean = state["calls"], state["mean"]


class Slower:
    """A callback that sets the optimizer's rate, as a number, after the second epoch."""

    def __init__(self, optimizer):
        self.optimizer = optimizer

    def __call__(self, state):
        if state.epoch == 2:
            self.optimizer.learning_rate = 0.0007


def squares(outputs, targets, sample_weight=None):
    """A loss in Python."""
    weight = np.ones(len(outputs)) if sample_weight is None else sample_weight
    d = outputs - targets
    share = (weight / weight.sum())[:, np.newaxis]
    return float((share * d * d).sum()), 2 * share * d


def cases():
    """Cases in which every pair of two options' values occurs; each a dict of indices of values."""
    values = {name: range(len(options)) for name, options in OPTIONS.items()}
    pairs = {
        frozenset([(a, i), (b, j)])
        for a, b in itertools.combinations(values, 2)
        for i in values[a]
        for j in values[b]
    }
    choice = np.random.default_rng(0)
    while pairs:
        best = {}, -1
        for _ in range(20):
            case = dict(min(pairs, key=sorted))
            for name in choice.permutation([n for n in values if n not in case]):
                gains = [
                    sum(frozenset([(name, i), pair]) in pairs for pair in case.items())
                    for i in values[name]
                ]
                case[str(name)] = int(np.argmax(gains + choice.random(len(gains)) / 2))
            met = sum(frozenset(p) in pairs for p in itertools.combinations(case.items(), 2))
            best = max(best, (case, met), key=lambda found: found[1])
        pairs -= {frozenset(p) for p in itertools.combinations(best[0].items(), 2)}
        yield best[0]


def random_case(choice):
    """Any of all cases."""
    return {name: int(choice.integers(len(options))) for name, options in OPTIONS.items()}


def chosen(case):
    """The values of a case's indices."""
    return {name: list(options)[case[name]] for name, options in OPTIONS.items()}


def data(rows=ROWS):
    choice = np.random.default_rng(5)
    x = choice.normal(size=(rows, SIZES[0])).astype(np.float32)
    return x, (x[:, : SIZES[-1]] + choice.normal(size=(rows, SIZES[-1]))).argmax(axis=1)


def make(case, rows=ROWS, **changes):
    """A new network and the arguments of its `fit`, from the beginning."""
    now = chosen(case)
    x, y = data(rows)
    loss = {"cross_entropy": None, "huber": nb.Huber(0.5), "function": squares}[now["loss"]]
    output = "softmax" if loss is None else "identity"
    y = y if loss is None else np.eye(SIZES[-1])[y]
    rate = OPTIONS["schedule"][now["schedule"]]()
    optimizer = OPTIONS["optimizer"][now["optimizer"]](rate)
    callbacks = {
        "none": lambda: [],
        "stopping": lambda: [nb.EarlyStopping(2, min_delta=0.02, monitor="loss")],
        "own": lambda: [Own()],
        "rate": lambda: [Slower(optimizer), Own()],
    }[now["callbacks"]]()
    settings = {
        "optimizer": optimizer,
        "loss": loss,
        "callbacks": callbacks,
        "seed": 3,
        **now["penalties"],
    }
    settings |= {name: now[name] for name in ("shuffle", "dropout", "batch_size")}
    if now["weights"] == "sample" or (now["weights"] and loss is not None):
        settings["sample_weight"] = np.linspace(0, 2, rows)
    elif now["weights"]:
        settings["class_weight"] = {0: 2.0, 3: 0.5}
    if loss is not squares and now["shards"] > 1:
        settings["shards"] = now["shards"]
    if now["validation"]:
        settings["validation_data"] = (x[:40] + 0.1, y[:40])
    net = nb.MLP(SIZES, "tanh", output, dtype=now["dtype"], seed=1)
    return net, {"X": x, "y": y, **settings, **changes}


def outcome(net):
    """SHA-256 of the weights, and the history without times."""
    curves = {name: values for name, values in vars(net.history).items() if name != "seconds"}
    return [hashlib.sha256(net.parameters.tobytes()).hexdigest(), net.epochs, curves]


class Every(nb.Checkpoint):
    """Keeps every file that it writes, in a folder."""

    def __init__(self, folder):
        super().__init__(folder / "{epoch}", every_seconds=ALWAYS)
        self.folder, self.count = folder, 0

    def write(self, save, epoch):
        self.count += 1
        save(str(self.folder / f"{self.count:04}.safetensors"))


def written(case, folder, epochs=4, **changes):
    """The outcome of a fit, and its checkpoints in their order."""
    net, settings = make(case, epochs=epochs, **changes)
    settings["callbacks"].append(Every(folder))
    net.fit(**settings)
    return outcome(net), sorted(folder.glob("*.safetensors"))


def resumed(case, path, epochs=4, **changes):
    net, settings = make(case, epochs=epochs, **changes)
    history = net.fit(**settings, resume=path)
    assert net.history is history
    return outcome(net)


def header(path):
    """The specification in a file."""
    return json.loads(split(path.read_bytes())[0]["__metadata__"]["nablas"])


def at(value, place):
    """The entry of nested objects at a place."""
    for key in place:
        value = value[key]
    return value


def altered(path, change):
    """The file with another header, by `change(specification, header)`, and the right checksum; in the same folder."""
    header, content = split(path.read_bytes())
    specification = json.loads(header["__metadata__"]["nablas"])
    change(specification, header)
    text = json.dumps(specification)
    header["__metadata__"] = {"nablas": text, "sha256": checksum(text, header, content)}
    made = path.with_name("altered")
    made.write_bytes(join(header, content))
    return made


def main(case, path, epochs, threads, seconds):
    nb.set_num_threads(int(threads))
    net, settings = make(json.loads(case), rows=CHILD_ROWS, epochs=int(epochs))
    settings["callbacks"].append(nb.Checkpoint(path, every_seconds=float(seconds)))
    print("begun", flush=True)
    net.fit(**settings, resume=path if os.path.exists(path) else None)
    print(json.dumps(outcome(net)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
