"""Four ways to a derivative: by hand, by differences, by symbols, automatically; what each costs
when there are many variables, and where each goes wrong.

f is the fourth of l₁ = x, lₙ₊₁ = 4 lₙ (1 - lₙ), iterates of the logistic map (Baydin et al., 2018).
"""

import time

import numpy as np
import sympy
from _common import main, panels

from nablas.autograd import Tensor, grad

PLACES, AT = (0.1, 0.2, 0.35, 0.7), 0.2
STEP, REPEATS = 1e-5, 3
STEPS = (1e-1, 1e-3, 1e-5, 1e-7, 1e-9, 1e-11, 1e-13)
ITERATES = 5
COUNTS = (1, 10, 100, 1000)  # numbers of variables
ROUNDING, APART = 1e-12, 1e-9


def f(x):
    return 64 * x * (1 - x) * (1 - 2 * x) ** 2 * (1 - 8 * x + 8 * x**2) ** 2


def by_hand(x):
    """The product rule, factor by factor."""
    a, b, c = 1 - x, 1 - 2 * x, 1 - 8 * x + 8 * x**2
    return (
        128 * x * a * (16 * x - 8) * b**2 * c
        + 64 * a * b**2 * c**2
        - 64 * x * b**2 * c**2
        - 256 * x * a * b * c**2
    )


def as_the_slide_has_it(x):
    """The last factor as a denominator."""
    return 64 * x * (1 - x) * (1 - 2 * x) ** 2 / (1 - 8 * x + 8 * x**2) ** 2


def program(x):
    """The same f as a loop."""
    for _ in range(3):
        x = 4 * x * (1 - x)
    return x


def central(function, x):
    """Of each variable by itself: two evaluations."""
    return [(function(x + h) - function(x - h)) / (2 * STEP) for h in STEP * np.eye(len(x))]


def symbolic(function):
    """A function for the derivative's formula."""
    x = sympy.Symbol("x")
    return sympy.lambdify(x, sympy.diff(function(x), x))


def automatic(function, at):
    x = Tensor(at, requires_grad=True)
    return grad(function(x).sum(), x)[0].data


def swell():
    """The number of an iterate, operations in its formula and in its derivative."""
    x = sympy.Symbol("x")
    formula, rows = x, []
    for n in range(1, ITERATES + 1):
        derivative = sympy.diff(formula, x)
        rows.append((n, int(formula.count_ops()), int(derivative.count_ops())))
        formula = 4 * formula * (1 - formula)
    return rows


def errors(h):
    """Of forward and central differences at AT, and the difference in the numerator."""
    at, exact = np.array([AT]), by_hand(np.array([AT]))
    numerator = f(at + h) - f(at - h)
    forward = np.abs((f(at + h) - f(at)) / h - exact)
    return forward, np.abs(numerator / (2 * h) - exact), numerator


def loss(w):
    """Logistic loss of one row with the target 1: as many variables as weights."""
    return np.log(1 + np.exp(-(w @ attributes(len(w)))))


def attributes(n):
    return np.cos(np.arange(n)) / np.sqrt(n)


def symbolic_loss(n):
    """Operations of all n partial derivatives; seconds to derive one of them."""
    w, x = sympy.symbols(f"w:{n}"), sympy.symbols(f"x:{n}")
    inner = sympy.Add(*(a * b for a, b in zip(w, x, strict=True)))
    formula = sympy.log(1 + sympy.exp(-inner))
    start = time.perf_counter()
    partial = sympy.diff(formula, w[0])
    return n * int(partial.count_ops()), time.perf_counter() - start  # all partials are alike


def seconds(function):
    """The least time of one call."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


class Counted:
    """A function that counts its calls."""

    def __init__(self, function):
        self.function, self.calls = function, 0

    def __call__(self, *arguments):
        self.calls += 1
        return self.function(*arguments)


def many_variables(n):
    """Calls, times and errors of one gradient of `loss` in n variables."""
    rng = np.random.default_rng(0)
    w = rng.normal(size=n)
    exact = -attributes(n) / (1 + np.exp(w @ attributes(n)))
    by_central, by_automatic = Counted(loss), Counted(loss)
    differences = np.array(central(by_central, w)) - exact
    gradient = automatic(by_automatic, w)
    operations, derived = symbolic_loss(n)
    return {
        "calls": (by_central.calls, by_automatic.calls),
        "errors": (np.abs(differences).max(), np.abs(gradient - exact).max()),
        "times": (
            seconds(lambda: loss(w)),
            seconds(lambda: central(loss, w)),
            seconds(lambda: automatic(loss, w)),
        ),
        "first": gradient[0],
        "operations": operations,
        "derived": derived,
    }


def run(pictures):
    at, derivative = np.array(PLACES), symbolic(f)
    ways = {
        "by hand": lambda: by_hand(at),
        "numerical: central differences": lambda: (f(at + STEP) - f(at - STEP)) / (2 * STEP),
        "symbolic": lambda: derivative(at),
        "automatic": lambda: automatic(f, at),
        "automatic, of the loop": lambda: automatic(program, at),
    }
    rows, many = swell(), {n: many_variables(n) for n in COUNTS}
    h = np.array([float(f"{digit}e-{k}") for k in range(15, 0, -1) for digit in (1, 2, 5)])
    forward, central_, _ = errors(h)
    draw(pictures, (h, forward, central_), rows, many)
    return {
        "places": PLACES,
        "values": {name: way() for name, way in ways.items()},
        "times": {name: seconds(way) for name, way in ways.items()},
        "slide": as_the_slide_has_it(AT),
        "f": f(AT),
        "at": AT,
        "exact": by_hand(AT),
        "step": STEP,
        "repeats": REPEATS,
        "steps": [(h, *(value.item() for value in errors(h))) for h in STEPS],
        "best": [(h[e.argmin()], e.min()) for e in (forward, central_)],
        "swell": rows,
        "many": many,
        "bound": ROUNDING,
        "apart": APART,
    }


def check(got):
    """What the page claims."""
    exact = got["values"]["by hand"]
    for name, found in got["values"].items():
        most = 1e-7 if name.startswith("numerical") else ROUNDING
        np.testing.assert_allclose(found, exact, rtol=most, atol=most, err_msg=name)
    np.testing.assert_allclose(program(np.array(PLACES)), f(np.array(PLACES)), atol=ROUNDING)
    (_, forward), (_, both) = got["best"]
    assert both < forward / 100
    assert both < got["steps"][0][2] / 1e6 < got["steps"][-1][2]
    for n, found in got["many"].items():
        assert found["calls"] == (2 * n, 1)
        assert found["errors"][0] < APART
        assert found["errors"][1] < ROUNDING


def draw(pictures, by_step, rows, many):
    figure, (functions, error, operations, calls) = panels(4, 4.4, 3.5, columns=2)
    grid = np.linspace(0, 1, 400)
    functions.plot(grid, f(grid), label="f(x)")
    slopes = functions.twinx()
    slopes.plot(grid, by_hand(grid), "--", color="#D55E00", label="f′(x)")
    slopes.set_ylabel("f′ (dashed)", color="#D55E00")
    functions.set(xlabel="x", ylabel="f", title="Fourth iterate and its derivative")
    h, forward, central_ = by_step
    error.loglog(h, forward, label="forward differences")
    error.loglog(h, central_, "--", label="central differences")
    error.annotate("cancellation", (1e-14, 2), fontsize=9)
    error.annotate("truncation", (1e-7, 2), fontsize=9)
    error.set(xlabel="step h", ylabel=f"error of f′({AT})", title="Two errors of differences")
    numbers = [row[0] for row in rows]
    operations.plot(numbers, [row[1] for row in rows], "o-", label="formula")
    operations.plot(numbers, [row[2] for row in rows], "s--", label="its derivative")
    operations.set(xlabel="iterate of the logistic map", ylabel="operations")
    operations.set(title="Expression swell", xticks=numbers)
    counts = list(many)
    calls.loglog(counts, [found["calls"][0] for found in many.values()], "s--", label="central")
    calls.loglog(
        counts,
        [2 * found["calls"][1] for found in many.values()],
        "o-",
        label="automatic: there and back",
    )
    calls.set(xlabel="variables", ylabel="passes through f", title="Work of one gradient")
    for ax in (error, operations, calls):
        ax.legend()
    pictures.save("09_differentiation", figure)


if __name__ == "__main__":
    main(run, __doc__)
