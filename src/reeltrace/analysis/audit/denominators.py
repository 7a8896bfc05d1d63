"""Denominators (GRIM): a share of n samples is k/n, and only some printed percentages are the print of one.

Of a set of 3,000 samples every thirtieth of a percent is a share: 99.67 is the print of 2,990, and 9.82 of none. Both
ways to shorten are allowed for, rounding and cutting off. How many of all numbers with so many decimals are prints of a
share is the base rate: a set is judged only where that is well below one.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import numpy as np
from numpy.typing import NDArray

from reeltrace.analysis.audit.findings import Finding, finding
from reeltrace.analysis.audit.values import Body, Printed, TestSize

TELLING = Fraction(9, 10)  # base rates above it tell nothing
RUNS = 10  # means of up to so many runs are tried as an explanation
LARGEST = 20_000  # the largest set that is tried as an explanation
COUNTED = 200_000  # the largest set whose prints are counted one by one
NO_COUNT = re.compile(  # rows and columns whose numbers are no counts over the samples
    r"\b(?:mean|average|avg|median|macro|weighted|std|stdev|sd|sem|se|ci|deviation|variance|spread|interval|error bar|"
    r"precision|f-?1|f-?[0-9.]+ ?score|f-?score|f-?measure|m?ap|auc|auroc|roc|m?iou|dice|kappa|mcc|bleu|map@\d+|"
    r"gain|improvement|difference|diff|change|delta|increase|decrease)s?\b|[±Δσ]",
    re.IGNORECASE,
)
SEVERAL = 5  # impossible cells that are named in full


@dataclass(frozen=True)
class Share:
    """A printed share in units of its last place: `units` of `per` for all of the set."""

    printed: Printed
    units: int
    per: int


def share_of(number: Printed) -> Share | None:
    """A printed number as a share; None where it is none, or its digits are not those of one share."""
    if number.whole is None or not number.exact_print or number.step == 0:
        return None
    units, per = number.value / number.step, Fraction(number.whole) / number.step
    if units.denominator != 1 or per.denominator != 1 or not 0 <= units <= per or per > 10**9:
        return None
    return Share(number, int(units), int(per))


def by_rounding(share: Share, size: int) -> int | None:
    """The smallest count of `size` samples whose share is printed so under rounding, halves either way; None: none."""
    low = -(-(2 * share.units - 1) * size // (2 * share.per))
    high = (2 * share.units + 1) * size // (2 * share.per)
    return max(low, 0) if max(low, 0) <= min(high, size) else None


def by_cutting(share: Share, size: int) -> int | None:
    """The smallest count whose share is printed so when further digits are cut off; None where there is none."""
    low = -(-share.units * size // share.per)
    return low if low <= size and low * share.per < (share.units + 1) * size else None


def possible(share: Share, size: int) -> bool:
    """Whether the print is that of a share of so many samples, rounded or cut off."""
    return by_rounding(share, size) is not None or by_cutting(share, size) is not None


def base_rate(share: Share, size: int) -> Fraction:
    """Which part of all numbers with so many decimals are prints of a share of so many samples, rounded or cut off."""
    return _prints(share.per, size)


@cache
def _prints(per: int, size: int) -> Fraction:
    if size >= per:
        return Fraction(1)
    if size > COUNTED:  # rounded and cut off, half of all shares have two prints
        return min(Fraction(1), Fraction(3 * size + 2, 2 * (per + 1)))
    counts: NDArray[np.int64] = np.arange(size + 1, dtype=np.int64)
    up, down = (2 * counts * per + size) // (2 * size), -((size - 2 * counts * per) // (2 * size))
    return Fraction(int(np.unique(np.concatenate([counts * per // size, up, down])).size), per + 1)


def telling(shares: Iterable[Share]) -> list[Share]:
    """Each print once, without none and all: those are shares of every set."""
    found = {(s.units, s.per): s for s in shares if 0 < s.units < s.per}
    return list(found.values())


def smallest(shares: Sequence[Share], largest: int = LARGEST) -> int | None:
    """The smallest set, of at most `largest`, of which every print is that of a share, rounded or cut off."""
    sizes: NDArray[np.int64] = np.arange(1, largest + 1, dtype=np.int64)
    for share in telling(shares):
        low = -(-(2 * share.units - 1) * sizes // (2 * share.per))
        rounded = low <= np.minimum((2 * share.units + 1) * sizes // (2 * share.per), sizes)
        least = -(-share.units * sizes // share.per)
        cut = (least <= sizes) & (least * share.per < (share.units + 1) * sizes)
        sizes = sizes[rounded | cut]
        if not sizes.size:
            return None
    return int(sizes[0])


def find(body: Body) -> list[Finding]:
    """Per table and test set, the shares that no count of its samples gives. What is called a mean, a spread or a
    difference is no share.
    """
    groups: dict[tuple[str, TestSize], list[Share]] = defaultdict(list)
    for number in body.numbers():
        share = share_of(number)
        if share is not None and number.test is not None and not NO_COUNT.search(f"{number.row} {number.column}"):
            groups[number.table, number.test].append(share)
    found = (_judge(body, table, test, shares) for (table, test), shares in groups.items())
    return [each for each in found if each is not None]


def _judge(body: Body, table: str, test: TestSize, shares: list[Share]) -> Finding | None:
    judged = [s for s in telling(shares) if base_rate(s, test.size) <= TELLING]
    if not judged:
        return None
    failing = [s for s in judged if not possible(s, test.size)]
    cut = [s for s in judged if by_rounding(s, test.size) is None and by_cutting(s, test.size) is not None]
    about = f"{table or 'prose'} {test.name}"
    expected = float(sum(base_rate(s, test.size) for s in judged))
    by_chance = f"by chance about {expected:.1f} of {len(judged)} different prints would be"
    if failing:
        names = [s.printed.name for s in failing]
        return finding(
            body.document,
            "denominator",
            about,
            "decision",
            [s.printed for s in failing],
            f"{_few(names)}: no count of {_set(test)} gives {'it' if len(names) == 1 else 'them'}, "
            "neither rounded nor cut off",
            f"{len(judged) - len(failing)} of {len(judged)} different prints are shares of {test.size:,}; {by_chance}; "
            + "; ".join(_nearest(s, test.size) for s in failing[:SEVERAL])
            + _also_fits(judged),
            _readings(body, judged, test),
        )
    if cut and any(by_cutting(s, test.size) is None for s in judged):
        return finding(
            body.document,
            "denominator",
            about,
            "rounding",
            [s.printed for s in cut],
            f"{_few([s.printed.name for s in cut])}: shares of {_set(test)} with digits cut off, beside others rounded",
            f"all {len(judged)} different prints are shares of {test.size:,}; {by_chance}; "
            + "; ".join(_nearest(s, test.size) for s in cut[:SEVERAL]),
            ["digits were cut off in some places and rounded in others", *_readings(body, judged, test)],
        )
    return None


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(names[:SEVERAL])
    return shown if len(names) <= SEVERAL else f"{shown} and {len(names) - SEVERAL} more"


def _set(test: TestSize) -> str:
    return f"{test.size:,} {test.of}" + (f" ({test.name})" if test.name else "")


def _nearest(share: Share, size: int) -> str:
    """The two shares between which a print lies."""
    below = share.units * size // share.per
    decimals = len(share.printed.printed.rstrip("%").strip().partition(".")[2]) + 2
    near = [Fraction(k * share.printed.whole, size) for k in (below, below + 1) if share.printed.whole and k <= size]
    return f"{share.printed.printed}: " + " and ".join(
        f"{k:,} of {size:,} is {float(value):.{decimals}f}" for k, value in zip((below, below + 1), near, strict=False)
    )


def _also_fits(shares: Sequence[Share]) -> str:
    least = smallest(shares)
    if least is None:
        return f"; no set of at most {LARGEST:,} has them all"
    return f"; the smallest set that has them all has {least:,}"


def _readings(body: Body, shares: Sequence[Share], test: TestSize) -> list[str]:
    """What would explain prints that are no shares of the set, each with how much it explains by chance alone."""
    readings = []
    for runs in range(2, RUNS + 1):
        size = runs * test.size
        if all(possible(s, size) for s in shares):
            rate = float(sum(base_rate(s, size) for s in shares)) / len(shares)
            readings.append(
                f"a mean over {runs} runs, or over {runs} clips of each of the {test.of}: all are shares of {size:,} "
                f"(by chance {rate:.0%} of all prints are)"
            )
            break
    for other in body.tests:
        if other.size != test.size and all(possible(s, other.size) for s in shares):
            rate = float(sum(base_rate(s, other.size) for s in shares)) / len(shares)
            readings.append(
                f"another test set: all are shares of {_set(other)} (by chance {rate:.0%} of all prints are)"
            )
    fewer = f"{test.of} that were left out, as those that could not be read"
    return [*readings, fewer, "a mean over classes or runs, which is no share of the whole set", "a slip in print"]
