"""Intervals: the little arithmetic between counts of clips and printed percentages.

All of it starts from counts, so that a printed value has one exact origin.
"""

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import cache

CONFIDENCE = 0.95
Z = 1.959963984540054  # two-sided 95 % quantile of the normal distribution


def wilson(correct: float, total: int, z: float = Z) -> tuple[float, float]:
    """Wilson's score interval of a proportion, in percent, for `correct` of `total` test clips.

    Unlike the normal approximation it stays inside [0, 100] and does not shrink to a point at 0 or 100 %, where most
    cells of basu2021's tables lie. Raises `ValueError` unless 0 <= correct <= total and total > 0.
    """
    if not 0 <= correct <= total or total == 0:
        raise ValueError(f"{correct} of {total} is not a proportion")
    p = correct / total
    centre = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    # At 0 and at 100 % the bound is exact; the formula misses it by a rounding error.
    low = 0.0 if correct == 0 else 100 * (centre - half)
    high = 100.0 if correct == total else 100 * (centre + half)
    return low, high


@cache
def guessing(total: int, classes: int, confidence: float = CONFIDENCE) -> tuple[int, int]:
    """Between which counts the right answers of a guesser lie, in at least that share of test sets of `total` clips.

    The central interval of the binomial distribution with chance 1/`classes`, exact. Raises `ValueError` where there is
    nothing to guess.
    """
    if total < 1 or classes < 2:
        raise ValueError(f"guessing {total} clips of {classes} classes")
    tail = (1 - Fraction(str(confidence))) / 2 * classes**total
    bounds: list[int] = []
    ways, reached = (classes - 1) ** total, 0  # in which `right` answers are right, of classes**total
    for right in range(total + 1):
        reached += ways
        if not bounds and reached > tail:
            bounds.append(right)
        if reached >= classes**total - tail:
            bounds.append(right)
            break
        ways = ways * (total - right) // ((right + 1) * (classes - 1))
    low, high = bounds
    return low, high


def hull(intervals: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """From the lowest lower bound to the highest upper bound.

    Seeds share one test set, so pooling their clips as if they were independent would claim too narrow an interval;
    the hull of the seeds' own intervals holds both the spread of the seeds and the noise of the test set.
    """
    return min(low for low, _ in intervals), max(high for _, high in intervals)


def mean(values: Sequence[Fraction]) -> Fraction:
    """Exact mean."""
    return sum(values, Fraction()) / len(values)


def sample_deviation(values: Sequence[Fraction]) -> float | None:
    """Sample standard deviation (n - 1 in the denominator); None for fewer than two values."""
    if len(values) < 2:
        return None
    middle = mean(values)
    return math.sqrt(sum((value - middle) ** 2 for value in values) / (len(values) - 1))


def percent(correct: int, total: int) -> Fraction:
    """Exact percentage."""
    return Fraction(100 * correct, total)


def overlap(a: tuple[float, float], b: tuple[float, float]) -> bool:
    """Whether two closed intervals share a point."""
    return a[0] <= b[1] and b[0] <= a[1]
