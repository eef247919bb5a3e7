"""Writes the tables that follow from the code: docs/formulas.md, four rows of README.md, and
the names of the estimators in docs/from-scikit-learn.md.

``python docs/tables.py`` rewrites the files; ``tests/test_recipes.py`` compares them.
"""

import math
import re
from pathlib import Path

from nablas import optimizers
from nablas._registry import ACTIVATIONS, INITIALIZATIONS, LOSSES, OPTIMIZERS

ROOT = Path(__file__).parents[1]
CLASSES = {
    cls.name: cls
    for cls in (getattr(optimizers, name) for name in optimizers.__all__)
    if isinstance(cls, type) and hasattr(cls, "name")
}


def number(x):
    """A bound of targets."""
    return "any" if abs(x) > 1e30 else f"{x:g}"


def bounds(hyperparameters):
    """Each hyperparameter with its default and its interval."""
    out = []
    for name, h in hyperparameters.items():
        low = "(0" if 0 < h.lowest < 1e-300 else f"[{h.lowest:g}"
        high = "∞)" if math.isinf(h.end) else f"{h.end:g})"
        within = ", a flag" if h.flag else f" in {low}, {high}"
        out.append(f"{name} = {h.shown(h.default)}{within}")
    return "; ".join(out) or "-"


def table(head, rows):
    """A Markdown table."""
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    cells = ([cell.replace("|", "\\|") for cell in row] for row in rows)
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in cells])


def formulas():
    """The text of docs/formulas.md."""
    activations = [
        (
            f"`{name}`",
            f"`{entry.formula}`",
            "a" if entry.kept == "output" else "z",
            entry.initialization,
        )
        for name, entry in ACTIVATIONS.items()
    ]
    losses = [
        (
            f"`{name}`",
            f"`{entry.formula}`",
            f"`{entry.link}`",
            "class indices, or 0 to 1"
            if entry.takes_labels
            else " to ".join(dict.fromkeys([number(entry.lowest), number(entry.highest)])),
            bounds(entry.hyperparameters),
            f"`{entry.function}`",
        )
        for name, entry in LOSSES.items()
    ]
    optimizers = [
        (
            f"`{name}`",
            f"`{rule.formula}`",
            bounds(rule.hyperparameters),
            ", ".join([*rule.states, *([f"{rule.scalar} (one number)"] if rule.scalar else [])]),
        )
        for name, rule in OPTIMIZERS.items()
    ]
    activation_header = ("name", "g(z)", "slope from", 'init="auto"')
    return f"""# Formulas

Made by `python docs/tables.py` from the core's registries.

## Activations

The slope g' is computed from the activation's output a, or from its preactivation z. The last
column is the initialization of a network whose first activation it is.

{table(activation_header, activations)}

`softmax` is an output activation: `exp(z_j) / sum(exp(z))` over a row.

## Losses

Of one sample, from the preactivation z of the linked output; averaged over the samples.

{table(("name", "formula", "linked output", "targets", "hyperparameters", "kernel"), losses)}

## Optimizers

`g` is the gradient plus `2 l2 w`, `rate` the learning rate.

{table(("name", "update", "hyperparameters", "states"), optimizers)}

With `l1` above 0 an update ends with a proximal step, `w = sign(w) max(|w| - t, 0)` for each
weight (Yun, Lozano and Yang 2021). The threshold t is the change that a constant gradient of `l1`
would have made at this update, the n-th: `rate l1 S` for `sgd` with
`S = (1 - momentum^n) / (1 - momentum)`, `rate l1 (1 + momentum S)` for it with `nesterov`,
`rate l1 S / d` for `rmsprop`, `rate l1 / d` for `adam`, `adamw` and `adagrad`, and
`rate l1 ((1 - mu_n) / (1 - M_n) + mu_(n+1) (1 - beta1^n) / (1 - M_(n+1))) / d` for `nadam`, where d
is the divisor of the formula. So every optimizer rests where the loss's slope is -l1 sign(w), or
within l1 for a w of 0. Divisors are at least `l1`, so that a weight without a gradient moves by at
most the factor before l1 and d. `clip_norm` limits the norm of `g`; the proximal step comes after.
"""


def readme(text):
    """README.md with the names as they are now."""
    rows = {
        "activations": ", ".join(ACTIVATIONS) + "; softmax at the output",
        "losses": ", ".join(LOSSES)
        + ", or a function `(outputs, targets) -> (value, gradient)`; label smoothing; "
        "weights of samples and classes; l1 with exact zeros, l2; a limit of the gradient's norm",
        "optimizers": ", ".join(
            f"`{CLASSES[name].__name__ if name in CLASSES else name}`" for name in OPTIMIZERS
        )
        + ", also on plain arrays and Tensors (`optimizer.bind`)",
        "initialization": ", ".join(INITIALIZATIONS),
    }
    for name, row in rows.items():
        text, count = re.subn(rf"(?m)^\| {name} \| .*$", f"| {name} | {row} |", text)
        assert count == 1, name
    return text


def pages():
    """Path and text of what follows from the registries."""
    return {
        ROOT / "docs/formulas.md": formulas(),
        ROOT / "README.md": readme((ROOT / "README.md").read_text()),
    }


def estimators_page():
    """Path and text of the page with the estimators' names; needs scikit-learn."""
    import estimators  # beside this file

    path = ROOT / "docs/from-scikit-learn.md"
    return path, estimators.page(path.read_text(), estimators.Tables(estimators.names()).text())


if __name__ == "__main__":
    for path, text in [*pages().items(), estimators_page()]:
        path.write_text(text)
