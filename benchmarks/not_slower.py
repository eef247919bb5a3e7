"""Whether one build is slower than another: the definition that changes are held to.

A build is not slower if, over at least 20 interleaved rounds, the 95 % bootstrap interval of the median ratio of the
rounds' times reaches down to 1.02 or less on every row, and the geometric mean of the rows' medians is at most 1.01.
Where noise decides nothing, `python -m benchmarks.instructions` counts instructions.
"""

import math
import statistics

import numpy as np

LEAST_ROUNDS = 20
ROW_LIMIT, MEAN_LIMIT = 1.02, 1.01
RESAMPLES = 4000


def interval(ratios, seed=0):
    """The 95 % bootstrap interval of a median (percentile method)."""
    ratios = np.asarray(ratios)
    chosen = np.random.default_rng(seed).integers(0, len(ratios), (RESAMPLES, len(ratios)))
    low, high = np.quantile(np.median(ratios[chosen], axis=1), [0.025, 0.975])
    return float(low), float(high)


def rows(times, new, old):
    """A record for each case that both builds did: the median ratio new / old and its interval."""
    out = []
    for (section, case), by_contender in times.items():
        if new in by_contender and old in by_contender:
            ratios = [a / b for a, b in zip(by_contender[new], by_contender[old], strict=True)]
            low, high = interval(ratios)
            out.append(
                {
                    "section": section,
                    "case": case,
                    "rounds": len(ratios),
                    "ratio": statistics.median(ratios),
                    "interval": [low, high],
                }
            )
    return out


def geometric_mean(rows):
    """Of the rows' median ratios."""
    return math.exp(statistics.fmean(math.log(row["ratio"]) for row in rows))


def slower(rows):
    """Whether the new build is slower by the definition above; ValueError where it cannot be said."""
    if not rows:
        raise ValueError("expected cases that both builds can do, got none")
    if any(row["rounds"] < LEAST_ROUNDS for row in rows):
        raise ValueError(f"expected at least {LEAST_ROUNDS} rounds")
    return any(row["interval"][0] > ROW_LIMIT for row in rows) or geometric_mean(rows) > MEAN_LIMIT


def text(rows):
    """A line for each row, the rows that are slower marked, and the verdict."""
    lines = ["--- this build's time over the other's: median, 95 % interval"]
    for row in rows:
        low, high = row["interval"]
        mark = "  SLOWER" if low > ROW_LIMIT else ""
        lines.append(f"{row['case']:44} {row['ratio']:.3f}  [{low:.3f}, {high:.3f}]{mark}")
    verdict = "slower" if slower(rows) else "not slower"
    return "\n".join([*lines, f"geometric mean {geometric_mean(rows):.4f}: {verdict}"])
