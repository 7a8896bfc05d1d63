"""Prediction interval of the difference between a published share of a test set and ours.

Both numbers are taken as made by one procedure: a net trained with a seed of its own, tested on a drawn test set. How
far they may then lie apart has three parts: the sampling of the document's test set, that of ours, and the spread of
seeds in both. The interval holds no difference in at least 95 of 100 such cases (`tests/analysis/test_prediction.py`
simulates it).

All in percentage points, 0 to 100.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from reeltrace.analysis.intervals import Z

ASSUMED_SPREAD = 2.5  # points of standard deviation between seeds where fewer than three were run: a choice
LEAST_SPREAD = (
    1.0  # points that a measured spread counts for at least: few seeds agree by luck too, at 0 and 100 % most
)
ENOUGH_SEEDS = 3  # from which the spread between them is measured
MARGIN = 5.0  # points: a difference that must have been seen for two numbers to be called the same
POWER = 0.8  # the share of cases in which a difference of `detectable` is seen
Z_POWER = 0.8416212335729143  # quantile of the normal distribution at POWER


@dataclass(frozen=True)
class Published:
    """What a document prints: a share in percent, of `size` samples. `half` is how far the print may be rounded away.

    `spread` is what it prints behind plus-minus: taken as the standard deviation of its runs, which may be less than it
    means and is never more. None where it prints none.
    """

    share: float
    size: int
    half: float = 0.0
    spread: float | None = None


@dataclass(frozen=True)
class Prediction:
    """The difference, ours minus the published, with its interval, and what could have been seen.

    `known` is whether the spread of seeds was measured, and `spread` what stands for it, in points. `detectable` is the
    difference that would have been called one in four of five cases.
    """

    difference: float
    reach: float
    detectable: float
    spread: float
    known: bool

    @property
    def interval(self) -> tuple[float, float]:
        """The differences that the two numbers allow."""
        return self.difference - self.reach, self.difference + self.reach

    @property
    def differs(self) -> bool:
        """Whether no difference is none of those that the two allow."""
        return abs(self.difference) > self.reach

    @property
    def tells(self) -> bool:
        """Whether a difference of the margin would have been seen."""
        return self.detectable <= MARGIN


def predict(published: Published, seeds: Sequence[float], sets: Sequence[tuple[float, int]]) -> Prediction:
    """Ours against the published share.

    `seeds` are our shares, one per seed, in percent. `sets` are the test sets that each of them is the mean over: our
    mean share of each in percent, and its samples; one entry but for a mean over several splits. Sampling is counted
    twice also where both were tested on the same samples, and not less for several seeds, which share theirs: the more
    careful of the two. Raises `ValueError` without a seed or a test set.
    """
    fixed = _variance(published.share, published.size) + (published.spread or 0.0) ** 2
    return _against(published, seeds, sets, fixed, nets=0 if published.spread is not None else 1)


def beyond(published: Published, seeds: Sequence[float], sets: Sequence[tuple[float, int]]) -> Prediction:
    """Ours against a bound that the document prints in place of a value: the bound has no error of its own.

    As `predict`, without the document's sampling and seeds.
    """
    return _against(published, seeds, sets, 0.0, nets=0)


def _against(
    published: Published, seeds: Sequence[float], sets: Sequence[tuple[float, int]], fixed: float, nets: int
) -> Prediction:
    """`fixed` is the document's variance that is known; `nets` of its nets vary with their seeds as ours do."""
    if not seeds or not sets:
        raise ValueError("no seed or no test set")
    ours, count = sum(seeds) / len(seeds), len(seeds)
    normal = fixed + sum(_variance(share, size) for share, size in sets) / len(sets) ** 2
    known = count >= ENOUGH_SEEDS
    spread = _deviation(seeds) if known else ASSUMED_SPREAD
    # A spread that was measured from few seeds is itself uncertain: its part reaches as far as Student's t says.
    far = max(t_quantile(count - 1) * spread, Z * LEAST_SPREAD) if known else Z * spread
    varying = nets + 1 / count
    reach = math.sqrt(Z**2 * normal + far**2 * varying) + published.half
    deviation = math.sqrt(normal + max(spread, LEAST_SPREAD) ** 2 * varying)
    return Prediction(ours - published.share, reach, reach + Z_POWER * deviation, spread, known)


def _variance(share: float, size: int) -> float:
    """Binomial variance of a share in percent, with one sample more that is right and one that is wrong.

    So it does not vanish at 0 and 100 percent, where most cells of basu2021's tables lie (Agresti and Caffo).
    """
    p = (share / 100 * size + 1) / (size + 2)
    return 1e4 * p * (1 - p) / (size + 2)


def _deviation(values: Sequence[float]) -> float:
    middle = sum(values) / len(values)
    return math.sqrt(sum((value - middle) ** 2 for value in values) / (len(values) - 1))


@cache
def t_quantile(freedom: int) -> float:
    """Two-sided 95 % quantile of Student's t distribution with a whole number of degrees of freedom, at least 1.

    By bisection of the distribution's finite sums (Abramowitz and Stegun, 26.7.3 and 26.7.4).
    """
    if freedom < 1:
        raise ValueError(f"{freedom} degrees of freedom")
    low, high = 1.0, 13.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < 0.95 else (low, middle)
    return (low + high) / 2


def _within(t: float, freedom: int) -> float:
    """The probability that |T| is at most t."""
    angle = math.atan(t / math.sqrt(freedom))
    cosine = math.cos(angle) ** 2
    if freedom % 2:
        term, total = math.cos(angle), 0.0
        for power in range(1, freedom - 1, 2):
            total += term
            term *= cosine * (power + 1) / (power + 2)
        return 2 / math.pi * (angle + math.sin(angle) * total)
    term, total = 1.0, 0.0
    for power in range(0, freedom - 1, 2):
        total += term
        term *= cosine * (power + 1) / (power + 2)
    return math.sin(angle) * total
