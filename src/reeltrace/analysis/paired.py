"""Which tests each net got right, and what two nets' answers to the same tests say of the difference between them.

Two nets that are tested on the same clips are not two independent samples: what one gets right the other mostly does
too. A difference is therefore judged on the answers clip by clip (McNemar's exact test) or, where single clips are not
what is paired (clips of one video, several seeds, sums and ratios of several nets), by a bootstrap that draws videos
with all the answers that they got.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reeltrace.artifacts.formats import PREDICTIONS
from reeltrace.artifacts.runs import CLIP_LABEL, LABEL, VIDEO, predicted
from reeltrace.errors import CheckFailed
from reeltrace.kinds.table import TableEntry, cell_sources

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers = npt.NDArray[np.float64]

DRAWS = 9_999  # of a bootstrap: the smallest p-value it gives is 2 in ten thousand
SEED = 20_211_214
ALPHA = 0.05
OF_CLIPS = "clip-top1"  # what a table of results calls the accuracy over single clips
NO_SHARE = "training-time"


# --- written by the stage that aggregates ---


def answers(
    table: TableEntry, seeds: Iterable[int], inputs: Mapping[str, Path], specs: Mapping[str, Any]
) -> dict[str, Any]:
    """What cells.json says of every test behind its cells: `sets` of tests by name, and by cell which were right.

    `inputs` has the folder of each `train/<run>-s<seed>`, `specs` its spec. A cell has an entry per run and seed:
    `right` is a hexadecimal number whose bits are the tests, the first one highest; on clips of videos it is a list
    with the share of each video's clips instead. Raises `CheckFailed` where predictions cannot be read.
    """
    sets: dict[str, dict[str, Any]] = {}
    cells: dict[tuple[str, str], list[dict[str, Any]]] = {}
    columns = getattr(table, "columns", None)
    stored: dict[str, Mapping[str, Any]] = {}
    for place in cell_sources(table):
        quantity = columns.get(place.column) if isinstance(columns, Mapping) else None
        if quantity == NO_SHARE:
            continue
        for seed in seeds:
            key = f"train/{place.run}-s{seed}"
            spec = specs[key]
            if key not in stored:
                stored[key] = _read(inputs[key] / PREDICTIONS)
            arrays = stored[key]
            label = arrays[LABEL]
            name = _name(spec, label)
            sets[name] = {"tests": len(label), "classes": int(spec["classes"])}
            entry: dict[str, Any] = {"run": place.run, "seed": seed, "set": name}
            try:
                if quantity == OF_CLIPS:
                    right = arrays[predicted("best", place.transform, clips=True)] == arrays[CLIP_LABEL]
                    entry["right"] = _by_video(right, arrays[VIDEO], len(label))
                else:
                    entry["right"] = _packed(arrays[predicted("best", place.transform)] == label)
            except (KeyError, ValueError, IndexError):
                raise CheckFailed(
                    f"{inputs[key] / PREDICTIONS}: no answers under {place.transform}; run its stage again"
                ) from None
            cells.setdefault((place.row, place.column), []).append(entry)
    return {
        "sets": sets,
        "cells": [{"row": row, "column": column, "runs": runs} for (row, column), runs in sorted(cells.items())],
    }


def _read(path: Path) -> Mapping[str, Any]:
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except FileNotFoundError:
        raise CheckFailed(f"{path}: missing; run its stage again") from None
    except Exception as error:
        raise CheckFailed(f"{path}: not readable as predictions ({error}); run its stage again") from None


def _name(spec: Any, label: Any) -> str:
    """A name that two sets of tests share only if they are the same: dataset, split, and the labels in their order."""
    split = (spec.get("video") or {}).get("split")
    found = hashlib.sha256(str([int(value) for value in label]).encode()).hexdigest()[:12]
    return f"{spec['dataset']}{f' split {split}' if split else ''} {found}"


def _packed(right: Any) -> str:
    bits = "".join("1" if one else "0" for one in right)
    return f"{int(bits, 2):0{(len(bits) + 3) // 4}x}"


def _by_video(right: Any, video: Any, videos: int) -> list[float]:
    """The share of right clips of each video, as the number of them over the number of clips."""
    counted = [0] * videos
    had = [0] * videos
    for one, index in zip(right, video, strict=True):
        counted[int(index)] += 1
        had[int(index)] += int(one)
    return [round(h / c, 12) if c else 0.0 for h, c in zip(had, counted, strict=True)]


# --- read by who judges ---


@dataclass(frozen=True)
class Answers:
    """The answers of one run and seed to a set of tests: by test 1.0 where right, or the share of a video's clips."""

    run: str
    seed: int
    tests: str
    classes: int
    right: tuple[float, ...]

    @property
    def binary(self) -> bool:
        """Whether every test is either right or wrong."""
        return all(one in (0.0, 1.0) for one in self.right)


def read(paired: Mapping[str, Any]) -> dict[tuple[str, str], tuple[Answers, ...]]:
    """By (row, column), the answers that cells.json holds."""
    sets = paired.get("sets", {})
    return {
        (cell["row"], cell["column"]): tuple(
            Answers(
                one["run"],
                one["seed"],
                one["set"],
                sets[one["set"]]["classes"],
                _unpacked(one["right"], sets[one["set"]]["tests"]),
            )
            for one in cell["runs"]
        )
        for cell in paired.get("cells", ())
    }


def _unpacked(right: str | Sequence[float], tests: int) -> tuple[float, ...]:
    if not isinstance(right, str):
        return tuple(float(one) for one in right)
    return tuple(float(bit) for bit in f"{int(right, 16):0{tests}b}")


def mcnemar(left: Answers, right: Answers) -> float:
    """The exact two-sided p-value of McNemar's test: of the tests on which two nets differ, half go either way.

    1 where they differ on none.
    """
    first = sum(a > b for a, b in zip(left.right, right.right, strict=True))
    second = sum(a < b for a, b in zip(left.right, right.right, strict=True))
    return binomial_sign(first, second)


def binomial_sign(first: int, second: int) -> float:
    """Two-sided p-value of so many one way and so many the other, where either was equally likely; exact."""
    total, few = first + second, min(first, second)
    if total == 0:
        return 1.0
    tail, ways = 0, 1
    for k in range(few + 1):
        tail += ways
        ways = ways * (total - k) // (k + 1)
    return float(min(Fraction(1), Fraction(2 * tail, 1 << total)))


@dataclass(frozen=True)
class Spread:
    """How a difference may come out with other tests and other seeds: draws of it, in the unit of the rule."""

    draws: Any  # (DRAWS,), sorted
    between_seeds: float | None  # the deviation of the mean over seeds; None with fewer than two

    @property
    def error(self) -> float:
        """The standard error of the difference."""
        import numpy as np

        return float(np.std(self.draws))

    def interval(self) -> tuple[float, float]:
        """The central 95 %."""
        low, high = (len(self.draws) * q for q in (ALPHA / 2, 1 - ALPHA / 2))
        return float(self.draws[int(low)]), float(self.draws[min(len(self.draws) - 1, int(high))])

    def p(self, boundary: float) -> float:
        """The two-sided p-value of a boundary: how rare draws beyond it are."""
        import numpy as np

        below = int(np.searchsorted(self.draws, boundary, side="right"))
        above = len(self.draws) - int(np.searchsorted(self.draws, boundary, side="left"))
        return min(1.0, 2 * (1 + min(below, above)) / (1 + len(self.draws)))


def bootstrap(value: float, terms: Sequence[tuple[float, tuple[Answers, ...]]]) -> Spread:
    """The spread of `value`, which moves by `weight` for every point that the nets of a term gain.

    `terms` are pairs of such a weight and the answers of all runs and seeds behind one number. Videos (or clips that
    are tests by themselves) are drawn with all their answers, set by set; answers to the same set of tests are paired.
    One half of a test in either direction is added to each set, so that a handful of tests that came out alike do not
    count as certain. With several seeds the spread between them is added.
    """
    import numpy as np

    random = np.random.RandomState(SEED)  # the one generator whose numbers NumPy promises to keep
    by_set: dict[str, Numbers] = {}
    reach: dict[str, float] = {}
    for weight, of in terms:
        for one in of:
            moved = weight * 100 / len(of) * np.asarray(one.right, dtype=np.float64)
            by_set[one.tests] = by_set[one.tests] + moved if one.tests in by_set else moved
            reach[one.tests] = max(reach.get(one.tests, 0.0), abs(weight) * 100)
    draws: Any = np.full(DRAWS, value, dtype=np.float64)
    for name in sorted(by_set):
        each, counts = np.unique(np.round(by_set[name], 9), return_counts=True)
        tests, middle = int(counts.sum()), float((each * counts).sum() / counts.sum())
        each = np.concatenate([each, [middle - reach[name], middle + reach[name]]])
        share = np.concatenate([counts, [0.5, 0.5]]) / (tests + 1)
        drawn = random.multinomial(tests, share, size=DRAWS)
        draws = draws + (drawn @ (each - middle)) / tests
    seeds = _between_seeds(terms)
    if seeds:
        draws = draws + random.normal(0.0, seeds, size=DRAWS)
    return Spread(np.sort(draws), seeds)


def _between_seeds(terms: Sequence[tuple[float, tuple[Answers, ...]]]) -> float | None:
    """The standard deviation of the mean over seeds, from what each seed gives; None with fewer than two."""
    values: dict[int, float] = {}
    for seed in {one.seed for _, of in terms for one in of}:
        total = 0.0
        for weight, of in terms:
            mine = [100 * math.fsum(one.right) / len(one.right) for one in of if one.seed == seed]
            if not mine:
                return None
            total += weight * math.fsum(mine) / len(mine)
        values[seed] = total
    if len(values) < 2:
        return None
    middle = math.fsum(values.values()) / len(values)
    variance = math.fsum((one - middle) ** 2 for one in values.values()) / (len(values) - 1)
    return math.sqrt(variance / len(values))


def holm(values: Mapping[str, float]) -> dict[str, float]:
    """P-values adjusted by Holm's method for being looked at together; never lower than they were."""
    adjusted: dict[str, float] = {}
    highest = 0.0
    for rank, (name, p) in enumerate(sorted(values.items(), key=lambda item: (item[1], item[0]))):
        highest = max(highest, min(1.0, (len(values) - rank) * p))
        adjusted[name] = highest
    return adjusted


def normal_p(distance: float, error: float) -> float:
    """The two-sided p-value of a boundary so far from the value, in the unit of its standard error."""
    if error == 0:
        return 0.0 if distance > 0 else 1.0
    return math.erfc(max(0.0, distance) / error / math.sqrt(2))


def student_p(distance: float, freedom: float) -> float:
    """The two-sided p-value of a distance in standard errors, by Student's t with so many degrees of freedom."""
    return _beta(freedom / 2, 0.5, freedom / (freedom + distance * distance))


def student_reach(freedom: float) -> float:
    """The distance in standard errors whose two-sided p-value is `ALPHA`."""
    low, high = 0.0, 1.0
    while student_p(high, freedom) > ALPHA:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if student_p(middle, freedom) > ALPHA else (low, middle)
    return high


def _beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function, by its continued fraction after Lentz."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta(b, a, 1 - x)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )  # fmt: skip
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    total = d
    for m in range(1, 400):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d, c = 1 / (1 + term * d), 1 + term / c
            total *= d * c
        if abs(d * c - 1) < 1e-14:
            break
    return front * total / a


def p_words(p: float) -> str:
    """`p = 0.012`, or `p below 0.001`."""
    return "p below 0.001" if p < 0.001 else f"p = {p:.3f}"
