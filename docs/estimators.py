"""The tables of docs/from-scikit-learn.md: each name of our estimators beside scikit-learn's.

Names, defaults, arguments, choices and types are read from the classes and from fits of both. What
code does not say is here: what a name of ours is for, where one of the same name means something
else, and why one of scikit-learn's is absent. ``python docs/tables.py`` writes the page.
"""

import inspect
import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import polars
import sklearn
from sklearn import linear_model, neural_network
from tables import table

import nablas.sklearn as ours

PACKAGES = {
    "MLPClassifier": neural_network,
    "MLPRegressor": neural_network,
    "LogisticRegression": linear_model,
    "LinearRegression": linear_model,
}
VERSION = ".".join(sklearn.__version__.split(".")[:2])
COLUMNS = ("name", "nablas", "scikit-learn", "remark")
HEADING = "## Every name"
INTRODUCTION = f"""{HEADING}

Made by `python docs/tables.py` from the classes and from fits of both, with scikit-learn {VERSION}.
Parameters stand with their defaults, methods with their arguments, fitted attributes with their
types. "same": scikit-learn's are ours; "-": there is none. "also": values of a parameter that are
ours alone. Absent: """
FITS = (  # a class that lacks a parameter or a solver does not make that fit
    {},
    {"fit_intercept": False},
    {"solver": "lbfgs"},
    {"solver": "sgd"},
    {"solver": "sgd", "early_stopping": True},
)

ENGINE = "of the engine's solvers"
AS_NETS = f"{ENGINE}, as in `MLPClassifier`"
VALIDATION = "`X_val`, `y_val`, `sample_weight_val`: validation data"
# What a name of ours is for. Of a class alone: a key "Class.name".
ALONE = {
    "batch_size": AS_NETS,
    "beta_1": AS_NETS,
    "beta_2": AS_NETS,
    "callbacks": "functions of a `nablas.FitState`, called after every epoch",
    "class_weight": 'a dict, `"balanced"`, or a list of dicts for several targets; counts in '
    "validation losses and scores, too",
    "clip_norm": "largest Euclidean norm of a batch's gradient",
    "dropout": "probability of dropping a hidden unit; one number, or one for each layer",
    "early_stopping": AS_NETS,
    "epsilon": AS_NETS,
    "l1": "factor of Σ|W|, divided by the batch's weight; makes weights exactly zero",
    "label_smoothing": "share of each target that is spread evenly over the classes",
    "learning_rate": f"{ENGINE}, as in `MLPClassifier`, schedules of `nablas.schedules` included",
    "learning_rate_init": AS_NETS,
    "loss": "or a function `(outputs, targets) -> (value, gradient)`",
    "max_iter": f"{ENGINE}: epochs",
    "momentum": AS_NETS,
    "n_iter_no_change": AS_NETS,
    "n_threads": "threads of this estimator; -1: all processors; None: `nablas.num_threads()`",
    "nesterovs_momentum": AS_NETS,
    "power_t": AS_NETS,
    "progress": "shows the progress",
    "quantile": 'of `loss="quantile"`',
    "random_state": f"{ENGINE}: the order of the rows and the share for early stopping",
    "scoring": 'what early stopping watches: a scorer, `"loss"`, or None for `score`',
    "shuffle": AS_NETS,
    "solver": "`\"lstsq\"` is scikit-learn's `fit`; the others are the engine's",
    "validation_fraction": AS_NETS,
    "verbose": AS_NETS,
    "warm_start": f"{ENGINE}: `fit` goes on from the weights of the last one",
    "weight_decay": 'of `solver="adamw"`',
    "activations()": "what every layer puts out for X",
    "initialize()": "the initial weights, without a fit",
    "input_gradients()": "the derivative of every output by every feature",
    "partial_fit()": f"{ENGINE}: one more epoch",
    "set_callbacks()": "scikit-learn's callbacks; each epoch is one of their tasks",
    "set_partial_fit_request()": f"{ENGINE}: metadata routing to `partial_fit`",
    "best_loss_": AS_NETS,
    "best_validation_score_": AS_NETS,
    "loss_": AS_NETS,
    "loss_curve_": AS_NETS,
    "n_iter_": 'epochs; 1 with `solver="lstsq"`',
    "network_": "the `nablas.MLP` whose parameters `coefs_` and `intercepts_` are",
    "t_": AS_NETS,
    "validation_loss_curve_": "the loss of the validation data after every epoch",
    "validation_scores_": AS_NETS,
}
# What else is to be said of a name that both have.
DIFFERENT = {
    "activation": "or a list, one for each hidden layer; `sigmoid` is `logistic`",
    "MLPClassifier.early_stopping": "the share is stratified for several classes, too",
    "epsilon": "added before the correction of Adam's moments: `nb.Adam(eps_hat=True)`",
    "MLPClassifier.learning_rate": "or a schedule of `nablas.schedules`",
    "MLPRegressor.learning_rate": "or a schedule of `nablas.schedules`",
    "MLPRegressor.loss": "or a `nablas.Loss`, or a function as for `MLPClassifier`",
    "MLPClassifier.random_state": "the same initial weights; another order of the rows",
    "MLPRegressor.random_state": "the same initial weights; another order of the rows",
    "LogisticRegression.dual": "refused by the engine's solvers",
    "LogisticRegression.intercept_scaling": "of liblinear alone",
    "LogisticRegression.max_iter": "epochs, with the engine's solvers",
    "LogisticRegression.n_jobs": "not used by the engine's solvers; see `n_threads`",
    "LogisticRegression.tol": "of the loss from epoch to epoch, with the engine's solvers",
    "LinearRegression.copy_X": "the engine's solvers never change X",
    "LinearRegression.n_jobs": "not used by the engine's solvers; see `n_threads`",
    "LinearRegression.positive": "refused by the engine's solvers",
    "LinearRegression.tol": "of the loss from epoch to epoch, with the engine's solvers",
    "fit()": VALIDATION,
    "set_fit_request()": VALIDATION,
    "MLPClassifier.coefs_": "views of `network_.weights`",
    "MLPRegressor.coefs_": "views of `network_.weights`",
    "MLPClassifier.intercepts_": "views of `network_.biases`",
    "MLPRegressor.intercepts_": "views of `network_.biases`",
    "MLPClassifier.classes_": "a list of arrays for several targets of several classes",
    "MLPClassifier.loss_curve_": "with the penalty of the epoch's last weights",
    "MLPRegressor.loss_curve_": "with the penalty of the epoch's last weights",
    "rank_": 'with `solver="lstsq"`',
    "singular_": 'with `solver="lstsq"`',
}
# Why a name of scikit-learn's is absent.
ABSENT: dict[str, str] = {}


class Names:
    """What a class has: each name with its default, its arguments or its types."""

    def __init__(self, cls: Any) -> None:
        self.cls, self.signature = cls, inspect.signature(cls).parameters
        public = [name for name in dir(cls) if not name.startswith("_")]
        methods = [name for name in public if callable(getattr(cls, name))]
        types: dict[str, set[str]] = {name: set() for name in public if name not in methods}
        for model in self.fitted():
            made = {name for name in vars(model) if name.endswith("_") and name[0] != "_"}
            for name in types.keys() | made:
                if hasattr(model, name):
                    types.setdefault(name, set()).add(type_name(getattr(model, name)))
        self.shown = {name: repr(p.default) for name, p in self.signature.items()}
        self.shown |= {f"{name}()": arguments(getattr(cls, name)) for name in methods}
        self.shown |= {name: ", ".join(sorted(types[name])) for name in sorted(types)}

    def choices(self, name: str) -> set[str]:
        """The texts that a parameter may be."""
        constraints = self.cls._parameter_constraints.get(name, ())
        options = set().union(*(getattr(c, "options", ()) for c in constraints))
        return {option for option in options if isinstance(option, str)}

    def fitted(self) -> Iterator[Any]:
        """Models fitted in the ways of `FITS`, to one target and, where the class can, to two."""
        rng = np.random.default_rng(0)
        X = polars.DataFrame(rng.normal(size=(60, 3)), schema=["a", "b", "c"])
        y = rng.integers(2, size=(60, 2))
        tags = self.cls().__sklearn_tags__()
        several = tags.target_tags.multi_output or getattr(
            tags.classifier_tags, "multi_label", False
        )
        few = {"max_iter": 5} if "max_iter" in self.signature else {}
        for settings in FITS:
            known = settings.keys() <= self.signature.keys()
            if known and {settings.get("solver")} <= {None, *self.choices("solver")}:
                for targets in (y[:, 0], y) if several else (y[:, 0],):
                    yield self.cls(**few, **settings).fit(X, targets)


def arguments(method: Any) -> str:
    """The names of a method's arguments."""
    taken = inspect.signature(method).parameters.values()
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    names = [stars.get(p.kind, "") + p.name for p in taken if p.name != "self"]
    return f"({', '.join(names)})"


def type_name(value: Any) -> str:
    """The name of a value's type; NumPy's scalars are numbers."""
    kinds = {np.floating: "float", np.integer: "int", type(None): "None", np.ndarray: "array"}
    return next(
        (name for kind, name in kinds.items() if isinstance(value, kind)), type(value).__name__
    )


class Tables:
    """The section's text.

    Parameters
    ----------
    names : dict
        `Names` of our class and of scikit-learn's, by the class's name.
    alone, different, absent : dict
        As `ALONE`, `DIFFERENT` and `ABSENT`.
    """

    def __init__(
        self,
        names: dict[str, tuple[Names, Names]],
        alone: dict[str, str] = ALONE,
        different: dict[str, str] = DIFFERENT,
        absent: dict[str, str] = ABSENT,
    ) -> None:
        self.names, self.used = names, set()
        self.remarks = {"alone": alone, "different": different, "absent": absent}

    def remark(self, kind: str, cls: str, name: str) -> str:
        """What is to be said of a name, or ""; ValueError where something must be."""
        for key in (f"{cls}.{name}", name):
            if key in self.remarks[kind]:
                self.used.add((kind, key))
                return self.remarks[kind][key]
        if kind != "different":
            raise ValueError(f"docs/estimators.py: {kind.upper()} says nothing of {cls}.{name}")
        return ""

    def rows(self, cls: str) -> Iterator[tuple[str, str, str, str]]:
        """Each name, what ours is, what scikit-learn's is, and a remark."""
        mine, yours = self.names[cls]
        for name in [*mine.shown, *(name for name in yours.shown if name not in mine.shown)]:
            one, other = mine.shown.get(name), yours.shown.get(name)
            kind = "alone" if other is None else "absent" if one is None else "different"
            said = [text] if (text := self.remark(kind, cls, name)) else []
            if (
                more := sorted(mine.choices(name) - yours.choices(name))
                if kind == "different"
                else []
            ):
                said.append("also " + ", ".join(f"`{choice}`" for choice in more))
            if lost := sorted(yours.choices(name) - mine.choices(name)) if one is not None else []:
                raise ValueError(f"{cls}.{name}: {', '.join(lost)} is not among the choices")
            shown = ["-" if text is None else f"`{text}`" for text in (one, other)]
            yield f"`{name}`", shown[0], "same" if one == other else shown[1], "; ".join(said)

    def text(self) -> str:
        """The section; ValueError for a name without an explanation, or for one of no name."""
        tables = [f"### {cls}\n\n{table(COLUMNS, self.rows(cls))}\n" for cls in self.names]
        for kind, remarks in self.remarks.items():
            for key in remarks:
                if (kind, key) not in self.used:
                    raise ValueError(
                        f"docs/estimators.py: {kind.upper()} has {key}, which is no such name"
                    )
        lost = [
            f"`{cls}.{name}`"
            for cls, (mine, yours) in self.names.items()
            for name in yours.shown
            if name not in mine.shown
        ]
        return "\n".join([f"{INTRODUCTION}{', '.join(lost) or 'none'}.\n", *tables])


@cache
def names() -> dict[str, tuple[Names, Names]]:
    """Both classes' names, by the class's name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fits that end early
        return {
            name: (Names(getattr(ours, name)), Names(getattr(package, name)))
            for name, package in PACKAGES.items()
        }


def page(text: str, section: str) -> str:
    """A page with this section, its last, in place of the one it has."""
    before, heading, _ = text.partition(f"{HEADING}\n")
    if not heading:
        raise ValueError(f"expected a section {HEADING}")
    return before + section
