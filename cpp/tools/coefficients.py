"""Print the polynomial coefficients of ``cpp/kernels/math.hpp``.

Each polynomial is a least-squares fit at Chebyshev nodes, which is close to minimax, computed with
60 digits; its weights make the error relative to the result. Run it with mpmath installed,
``python cpp/tools/coefficients.py``, after changing a degree or an interval. The error printed
above each set must stay well below the unit roundoff (6e-8 or 1.1e-16).
"""

from collections.abc import Callable

import mpmath as mp

mp.mp.dps = 60
Function = Callable[[mp.mpf], mp.mpf]


def fit(
    name: str, target: Function, weight: Function, low: mp.mpf, high: mp.mpf, degree: int
) -> None:
    """Print c with sum c[i] t**i ~ target(t) on [low, high], error weighted by weight(t)."""
    count = 4 * degree + 9
    nodes = [
        (low + high) / 2 + (high - low) / 2 * mp.cos(mp.pi * (i + mp.mpf(1) / 2) / count)
        for i in range(count)
    ]
    rows = mp.matrix(count, degree + 1)
    right = mp.matrix(count, 1)
    for i, t in enumerate(nodes):
        scale = weight(t)
        for j in range(degree + 1):
            rows[i, j] = scale * t**j
        right[i] = scale * target(t)
    solution = mp.lu_solve(rows.T * rows, rows.T * right)
    worst = max(
        abs(weight(t) * (mp.polyval(list(solution)[::-1], t) - target(t)))
        for t in (low + (high - low) * mp.mpf(i) / 997 for i in range(1, 997))
    )
    print(f"// {name}: degree {degree}, largest relative error {mp.nstr(worst, 2)}")
    print(", ".join(mp.nstr(c, 19) for c in solution))


def main() -> None:
    half_ln2 = mp.log(2) / 2 * mp.mpf("1.001")
    for kind, degree in (("float", 4), ("double", 9)):
        fit(
            f"expm1 {kind}: (e^r - 1 - r) / r^2",
            lambda r: (mp.expm1(r) - r) / r**2 if r else mp.mpf(1) / 2,
            lambda r: r**2 / mp.exp(r),
            -half_ln2,
            half_ln2,
            degree,
        )
    widest = ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2 * mp.mpf("1.001")
    for kind, degree in (("float", 3), ("double", 6)):
        # log(1+f) = 2 atanh(s), s = f/(2+f); the polynomial is (2 atanh(s) - 2 s)/(s^3) in s^2.
        fit(
            f"log {kind}: (2 atanh(s) - 2 s) / s^3 in s^2",
            lambda q: (
                (2 * mp.atanh(mp.sqrt(q)) - 2 * mp.sqrt(q)) / mp.sqrt(q) ** 3
                if q
                else mp.mpf(2) / 3
            ),
            lambda q: q,
            mp.mpf(0),
            widest,
            degree,
        )
    for kind, degree in (("float", 6), ("double", 12)):
        fit(
            f"erf {kind}, |x| < 1: erf(x) / x - 1 in x^2",
            lambda q: mp.erf(mp.sqrt(q)) / mp.sqrt(q) - 1 if q else 2 / mp.sqrt(mp.pi) - 1,
            lambda q: mp.mpf(1),
            mp.mpf(0),
            mp.mpf(1),
            degree,
        )
    for kind, degree, top in (("float", 9, 10.1), ("double", 20, 27)):
        # u = 2.5/(x + 1.5) maps [1, top] to [2.5/(top + 1.5), 1]
        fit(
            f"erfc {kind}, x >= 1: erfc(x) e^(x^2) in u = 2.5/(x + 1.5)",
            lambda u: (
                mp.erfc(mp.mpf(5) / 2 / u - mp.mpf(3) / 2)
                * mp.exp((mp.mpf(5) / 2 / u - mp.mpf(3) / 2) ** 2)
            ),
            lambda u: (
                1
                / (
                    mp.erfc(mp.mpf(5) / 2 / u - mp.mpf(3) / 2)
                    * mp.exp((mp.mpf(5) / 2 / u - mp.mpf(3) / 2) ** 2)
                )
            ),
            mp.mpf(5) / 2 / (mp.mpf(top) + mp.mpf(3) / 2),
            mp.mpf(1),
            degree,
        )


if __name__ == "__main__":
    main()
