"""The steps of a forward and a backward pass through a network, for one row."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from .. import kernels
from .._registry import ACTIVATIONS, LOSSES
from ..reference.losses import LOSSES as REFERENCE
from . import formulas
from .page import Step, Terms
from .passes import Array, LayerPass, Pass


def _low(*places: int) -> str:
    """Subscripts of indices, counted from 1."""
    joint = "," if max(places) > 8 else ""
    return joint.join(str(p + 1) for p in places).translate(
        str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
    )


def _high(layer: int) -> str:
    return f"⁽{layer}⁾".translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _plus(parts: list[str]) -> str:
    """The sum of expressions."""
    return " + ".join(parts).replace("+ −", "− ")


class Walk:
    """Makes the steps of a pass.

    Attributes
    ----------
    shown : list of lists of int
        The units of each layer that have steps; the first list is of the inputs.
    steps : list of Step
    """

    def __init__(self, seen: Pass, row: int, rate: float, most_units: int) -> None:
        self.seen, self.row, self.rate = seen, row, rate
        self.layers = seen.layers
        self.rows = len(self.layers[0].input)
        self.steps: list[Step] = []
        sizes = [self.layers[0].input, *(layer.delta for layer in self.layers)]
        weights = [np.abs(array[row]) for array in sizes]
        if seen.target.ndim == 1:  # a class label: its output is shown
            weights[-1] = weights[-1].copy()
            weights[-1][seen.target[row]] = np.inf
        self.shown = [_largest(size, most_units) for size in weights]

    # ---- symbols and numbers -----------------------------------------------------------------

    def layer(self, number: int) -> LayerPass:
        """Layer `number`, from 1."""
        return self.layers[number - 1]

    def unit(self, slot: str, number: int, j: int) -> tuple[str, float]:
        """Symbol and number of z, a or delta of a unit; layer 0 is the input."""
        if number == 0:
            return f"x{_low(j)}", float(self.layers[0].input[self.row, j])
        symbol = f"{'δ' if slot == 'delta' else slot}{_low(j)}{_high(number)}"
        return symbol, float(getattr(self.layer(number), slot)[self.row, j])

    def weight(self, number: int, i: int | None, j: int) -> tuple[str, float]:
        """Symbol and number of the weight from unit i (None: the bias) to unit j."""
        layer = self.layer(number)
        if i is None:
            return f"b{_low(j)}{_high(number)}", float(layer.bias[j])
        return f"w{_low(i, j)}{_high(number)}", float(layer.weights[i, j])

    def rest(self, number: int, products: Array) -> tuple[str, float] | None:
        """The sum of the products of the units of a layer that are not shown, or None."""
        left = np.delete(products.astype(np.float64), self.shown[number])
        return (f"the {left.size} others", float(left.sum())) if left.size else None

    @cached_property
    def given(self) -> Array:
        """The row's target, one number for each output."""
        target = self.seen.target[self.row]
        if target.ndim:
            return np.asarray(target, np.float64)
        one_hot: Array = np.eye(self.layers[-1].z.shape[1])[target]
        return one_hot

    @property
    def smoothing(self) -> float:
        """The share of each target that is spread evenly."""
        return float(self.seen.hyperparameters.get("label_smoothing", 0.0))

    @cached_property
    def target(self) -> Array:
        """What the loss compares with the outputs: the target, smoothed if the loss says so."""
        smoothed: Array = (1 - self.smoothing) * self.given + self.smoothing / self._spread_over()
        return smoothed if self.smoothing else self.given

    def _spread_over(self) -> int:
        return self.given.size if self.seen.loss_name == "cross_entropy" else 2

    @cached_property
    def linked(self) -> bool:
        """Whether the loss is a function of z, and so gives delta at once."""
        return LOSSES[self.seen.loss_name].link == self.layers[-1].activation

    def output(self, j: int) -> formulas.Named:
        """The fields of the loss of output j."""
        last = len(self.layers)
        z = self.layers[-1].z[self.row].astype(np.float64)
        known = {
            "h": self.unit("a", last, j),
            "z": self.unit("z", last, j),
            "y": (f"{'t' if self.smoothing else 'y'}{_low(j)}", float(self.target[j])),
            "s": ("log Σ exp(z)", float(np.logaddexp.reduce(z))),
        }
        known |= {name: (name, float(v)) for name, v in self.seen.hyperparameters.items()}
        total = float(self.target.sum())
        symbol = "Σt" if self.smoothing else "Σy"
        return known if abs(total - 1) < 1e-12 else known | {"total": (symbol, total)}

    # ---- forward -----------------------------------------------------------------------------

    def forward(self) -> None:
        """Preactivation and activation of every unit."""
        for number, layer in enumerate(self.layers, 1):
            for j in self.shown[number]:
                terms, node = Terms(), f"u{number}.{j}"
                parts, reads = [terms(*self.weight(number, None, j))], [f"w{number}.b.{j}"]
                for i in self.shown[number - 1]:
                    w = terms(*self.weight(number, i, j))
                    parts.append(f"{w} × {terms(*self.unit('a', number - 1, i))}")
                    reads += [f"w{number}.{i}.{j}", f"u{number - 1}.{i}"]
                products = layer.weights[:, j].astype(np.float64) * layer.input[self.row]
                if rest := self.rest(number - 1, products):
                    parts.append(terms(*rest))
                symbol, z = self.unit("z", number, j)
                self.steps.append(
                    terms.step("z", node, "z", symbol, _plus(parts), z, reads=tuple(reads))
                )
                if layer.activation != "softmax":
                    self._activation(number, j)
            if layer.activation == "softmax":
                for j in self.shown[number]:
                    self._softmax(number, j)

    def _activation(self, number: int, j: int) -> None:
        terms, name = Terms(), self.layer(number).activation
        formula, note = formulas.value(terms, name, self.unit("z", number, j))
        symbol, a = self.unit("a", number, j)
        self.steps.append(
            terms.step("a", f"u{number}.{j}", "a", symbol, formula, a, note=note or name)
        )

    def _softmax(self, number: int, j: int) -> None:
        """Its z are shifted by their maximum where exp could overflow."""
        terms = Terms()
        z = self.layer(number).z[self.row].astype(np.float64)
        top = float(z.max()) if np.abs(z).max() > formulas.LARGE else 0.0
        shift = f" − {terms('max z', top)}" if top else ""

        def power(i: int) -> str:
            return f"exp({terms(*self.unit('z', number, i))}{shift})"

        above, parts = power(j), [power(i) for i in self.shown[number]]
        if rest := self.rest(number, np.exp(z - top)):
            parts.append(terms(*rest))
        symbol, a = self.unit("a", number, j)
        formula = f"{above} ÷ ({' + '.join(parts)})"
        reads = tuple(f"u{number}.{i}" for i in self.shown[number])
        self.steps.append(
            terms.step("a", f"u{number}.{j}", "a", symbol, formula, a, note="softmax", reads=reads)
        )

    # ---- loss --------------------------------------------------------------------------------

    def loss(self) -> None:
        """The row's loss, and the mean over the rows if there are several."""
        name, last = self.seen.loss_name, len(self.layers)
        layer, terms, parts = self.layers[-1], Terms(), []
        read = (layer.z if self.linked else layer.a)[self.row : self.row + 1].astype(np.float64)
        entries = REFERENCE[name].entries(read, self.given[np.newaxis], **self.seen.hyperparameters)
        for j in self.shown[last]:
            if self.target[j] or name != "cross_entropy":
                parts.append(formulas.entry(terms, name, self.output(j)))
        if rest := self.rest(last, entries[0][0]):
            parts.append(terms(*rest))
        count = entries[0].size if LOSSES[name].averaged else 1
        formula = _plus(parts) or "0"
        formula = f"({formula}) ÷ {count}" if count > 1 else formula
        value = float(entries[0].sum()) / count
        reads = tuple(f"h.{j}" for j in self.shown[last])
        if self.rows == 1:
            note = name + self._of_smoothing()
            self.steps.append(
                terms.step(
                    "loss", "loss", "loss", "J", formula, self.seen.loss, note=note, reads=reads
                )
            )
            return
        note = f"{name} of this row" + self._of_smoothing()
        self.steps.append(
            terms.step("loss", "loss", "row", "L", formula, value, note=note, reads=reads)
        )
        terms = Terms()
        own = terms("L", value)
        others = terms("the other rows'", self.seen.loss * self.rows - value)
        formula = f"({own} + {others}) ÷ {self.rows}"
        note = "mean over the rows"
        self.steps.append(
            terms.step("loss", "loss", "loss", "J", formula, self.seen.loss, note=note)
        )

    def _of_smoothing(self) -> str:
        if not self.smoothing:
            return ""
        return f", t = (1 − s) y + s ÷ {self._spread_over()}, s = {self.smoothing:g}"

    # ---- backward ----------------------------------------------------------------------------

    def backward(self) -> None:
        """Delta of every unit, from the last layer to the first."""
        last = len(self.layers)
        if self.linked:
            for j in self.shown[last]:
                terms, (symbol, delta) = Terms(), self.unit("delta", last, j)
                formula = self._shared(
                    formulas.entry_slope(terms, self.seen.loss_name, self.output(j))
                )
                self.steps.append(
                    terms.step(
                        "delta", f"u{last}.{j}", "delta", symbol, formula, delta, reads=(f"h.{j}",)
                    )
                )
        else:
            self._through_output(last)
        for number in range(last - 1, 0, -1):
            for j in self.shown[number]:
                self._hidden_delta(number, j)

    def _shared(self, formula: str) -> str:
        """A derivative divided by what the loss's mean is over."""
        averaged = LOSSES[self.seen.loss_name].averaged
        count = self.rows * (self.target.size if averaged else 1)
        return f"({formula}) ÷ {count}" if count > 1 else formula

    def _through_output(self, last: int) -> None:
        """Delta of the output layer by the chain rule, through its activation."""
        layer, name = self.layers[-1], self.seen.loss_name
        read = layer.a[self.row : self.row + 1].astype(np.float64)
        slopes = REFERENCE[name].entries(read, self.given[np.newaxis], **self.seen.hyperparameters)[
            1
        ][0]
        slopes = slopes / (self.rows * (slopes.size if LOSSES[name].averaged else 1))
        for j in self.shown[last]:
            terms, symbol = Terms(), f"∂J/∂{self.unit('a', last, j)[0]}"
            formula = self._shared(formulas.entry_slope(terms, name, self.output(j)))
            self.steps.append(
                terms.step("output", f"h.{j}", "back", symbol, formula, slopes[j], reads=("loss",))
            )
        for j in self.shown[last]:
            terms, (symbol, delta) = Terms(), self.unit("delta", last, j)
            by = [(f"∂J/∂{self.unit('a', last, i)[0]}", float(v)) for i, v in enumerate(slopes)]
            if layer.activation == "softmax":
                own = terms(*self.unit("a", last, j))
                mean = [
                    f"{terms(*self.unit('a', last, i))} × {terms(*by[i])}" for i in self.shown[last]
                ]
                if rest := self.rest(last, read[0] * slopes):
                    mean.append(terms(*rest))
                formula = f"{own} × ({terms(*by[j])} − ({' + '.join(mean)}))"
            else:
                slope = self._slope(last, j)
                formula = f"{terms(*by[j])} × {terms(*slope)}"
            self.steps.append(
                terms.step(
                    "delta", f"u{last}.{j}", "delta", symbol, formula, delta, reads=(f"h.{j}",)
                )
            )

    def _slope(self, number: int, j: int) -> tuple[str, float]:
        """The step of g′(z); gives its symbol and number."""
        layer, terms = self.layer(number), Terms()
        kept = layer.z if ACTIVATIONS[layer.activation].kept == "preactivation" else layer.a
        value = float(kernels.slope(kept[self.row : self.row + 1], layer.activation)[0, j])
        z, a = self.unit("z", number, j), self.unit("a", number, j)
        formula, note = formulas.slope(terms, layer.activation, z, a)
        symbol = f"g′({z[0]})"
        self.steps.append(
            terms.step(
                "slope",
                f"u{number}.{j}",
                "slope",
                symbol,
                formula,
                value,
                note=note or layer.activation,
            )
        )
        return symbol, value

    def _hidden_delta(self, number: int, j: int) -> None:
        above, products = self.layer(number + 1), []
        for k in self.shown[number + 1]:
            terms = Terms()
            w, d = self.weight(number + 1, j, k), self.unit("delta", number + 1, k)
            a, z = self.unit("a", number, j)[0], self.unit("z", number + 1, k)[0]
            symbol = f"part of ∂J/∂{a} through {z}"
            formula = f"{terms(*w)} × {terms(*d)}"
            products.append((f"{w[0]} {d[0]}", w[1] * d[1]))
            edge, read = f"w{number + 1}.{j}.{k}", (f"u{number + 1}.{k}",)
            self.steps.append(
                terms.step("back", edge, "back", symbol, formula, products[-1][1], reads=read)
            )
        slope, terms = self._slope(number, j), Terms()
        parts = [terms(*product) for product in products]
        back = above.weights[j].astype(np.float64) * above.delta[self.row]
        if rest := self.rest(number + 1, back):
            parts.append(terms(*rest))
        formula = f"({_plus(parts)}) × {terms(*slope)}"
        symbol, delta = self.unit("delta", number, j)
        reads = tuple(f"w{number + 1}.{j}.{k}" for k in self.shown[number + 1])
        self.steps.append(
            terms.step("delta", f"u{number}.{j}", "delta", symbol, formula, delta, reads=reads)
        )

    # ---- gradients and update ----------------------------------------------------------------

    def edges(self) -> list[tuple[int, int | None, int]]:
        """Layer, unit below (None: the bias) and unit of every weight shown, last layer first."""
        return [
            (number, i, j)
            for number in range(len(self.layers), 0, -1)
            for j in self.shown[number]
            for i in [None, *self.shown[number - 1]]
        ]

    def gradient(self, number: int, i: int | None, j: int) -> tuple[str, float]:
        """Symbol and number of the gradient by a weight."""
        layer = self.layer(number)
        value = layer.db[j] if i is None else layer.dW[i, j]
        return f"∂J/∂{self.weight(number, i, j)[0]}", float(value)

    def gradients(self) -> None:
        """The gradient by every weight: this row's part, and the other rows' sum."""
        for number, i, j in self.edges():
            terms, delta = Terms(), self.unit("delta", number, j)
            symbol, value = self.gradient(number, i, j)
            a = ("1", 1.0) if i is None else self.unit("a", number - 1, i)
            formula = f"{terms(*a)} × {terms(*delta)}"
            if self.rows > 1:
                formula += f" + {terms('the other rows', value - a[1] * delta[1])}"
            below = f"b{number}" if i is None else f"u{number - 1}.{i}"
            reads = (below, f"u{number}.{j}")
            self.steps.append(
                terms.step(
                    "gradient",
                    edge_id(number, i, j),
                    "gradient",
                    symbol,
                    formula,
                    value,
                    reads=reads,
                )
            )

    def update(self) -> None:
        """Every weight after one step of gradient descent."""
        for number, i, j in self.edges():
            terms, weight, slope = Terms(), self.weight(number, i, j), self.gradient(number, i, j)
            formula = f"{terms(*weight)} − {terms('η', self.rate)} × {terms(*slope)}"
            value = weight[1] - self.rate * slope[1]
            self.steps.append(
                terms.step(
                    "update", edge_id(number, i, j), "update", f"new {weight[0]}", formula, value
                )
            )


def edge_id(number: int, i: int | None, j: int) -> str:
    """The id of a weight's edge."""
    return f"w{number}.{'b' if i is None else i}.{j}"


def _largest(sizes: Array, most: int) -> list[int]:
    """All units, or the `most` - 1 of largest size if there are more than `most`."""
    if len(sizes) <= most:
        return list(range(len(sizes)))
    return sorted(int(i) for i in np.argsort(-sizes, kind="stable")[: max(most - 1, 1)])
