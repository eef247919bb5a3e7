"""Four ways to a derivative: by hand, by differences, by symbols, automatically.

f(x) = 64 x (1-x) (1-2x)² (1-8x+8x²)² is the fourth iterate of the logistic map, l₁ = x,
lₙ₊₁ = 4 lₙ (1 - lₙ): written out, its derivative grows much faster than the loop that computes it
(Baydin et al., 2018).
"""

import time

import numpy as np
import sympy
from _common import main, panels

from nablas.autograd import Tensor, grad


def f(x):
    return 64 * x * (1 - x) * (1 - 2 * x) ** 2 * (1 - 8 * x + 8 * x**2) ** 2


def by_hand(x):
    """The product rule, factor by factor."""
    a, b, c = 1 - x, 1 - 2 * x, 1 - 8 * x + 8 * x**2
    return (
        64 * a * b**2 * c**2
        - 64 * x * b**2 * c**2
        - 256 * x * a * b * c**2
        + 128 * x * a * b**2 * c * (16 * x - 8)
    )


def program(x):
    """The same f as a loop."""
    for _ in range(3):
        x = 4 * x * (1 - x)
    return x


def automatic(function, at):
    x = Tensor(at, requires_grad=True)
    return grad(function(x).sum(), x)[0].data


def swell():
    """The number of an iterate, operations in its formula and in its derivative."""
    x = sympy.Symbol("x")
    formula, rows = x, []
    for n in range(1, 5):
        derivative = sympy.diff(formula, x)
        rows.append((n, int(formula.count_ops()), int(derivative.count_ops())))
        formula = 4 * formula * (1 - formula)
    return rows


def seconds(function, repeats=200):
    start = time.perf_counter()
    for _ in range(repeats):
        function()
    return (time.perf_counter() - start) / repeats


def run(pictures):
    at = np.array([0.1, 0.2, 0.35, 0.7])
    symbol = sympy.Symbol("x")
    symbolic = sympy.lambdify(symbol, sympy.diff(f(symbol), symbol))
    values = {
        "by hand": by_hand(at),
        "central differences": (f(at + 1e-6) - f(at - 1e-6)) / 2e-6,
        "symbolic": symbolic(at),
        "automatic": automatic(f, at),
        "automatic, of the loop": automatic(program, at),
    }
    times = {
        "by hand": seconds(lambda: by_hand(at)),
        "central differences": seconds(lambda: (f(at + 1e-6) - f(at - 1e-6)) / 2e-6),
        "symbolic": seconds(lambda: symbolic(at)),
        "automatic": seconds(lambda: automatic(f, at)),
        "automatic, of the loop": seconds(lambda: automatic(program, at)),
    }
    rows = swell()

    exact = by_hand(0.2)
    h = 10.0 ** np.arange(-15, 0, 0.25)
    forward = np.abs((f(0.2 + h) - f(0.2)) / h - exact)
    central = np.abs((f(0.2 + h) - f(0.2 - h)) / (2 * h) - exact)
    auto = abs(automatic(f, np.array(0.2)) - exact)

    figure, (left, middle, right) = panels(3)
    grid = np.linspace(0, 1, 400)
    left.plot(grid, f(grid), label="f")
    left.plot(grid, by_hand(grid) / 20, "--", label="f′ / 20")
    left.set(xlabel="x", title="f and its derivative")
    left.legend()
    middle.loglog(h, forward, label="forward differences")
    middle.loglog(h, central, "--", label="central differences")
    middle.axhline(max(auto, 1e-16), color="k", linewidth=0.9, linestyle=":", label="automatic")
    middle.set(xlabel="step h", ylabel="error of f′(0.2)", title="Rounding meets truncation")
    middle.legend()
    right.plot([r[0] for r in rows], [r[1] for r in rows], "o-", label="formula")
    right.plot([r[0] for r in rows], [r[2] for r in rows], "s--", label="its derivative")
    right.set(xlabel="iterate of the logistic map", ylabel="operations", title="Expression swell")
    right.set_xticks([r[0] for r in rows])
    right.legend()
    pictures.save("09_differentiation", figure)
    return {
        "values": values,
        "times": times,
        "swell": rows,
        "best_forward": (h[forward.argmin()], forward.min()),
        "best_central": (h[central.argmin()], central.min()),
        "automatic_error": float(auto),
    }


if __name__ == "__main__":
    main(run, __doc__)
