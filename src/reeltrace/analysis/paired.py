"""Which tests each net got right, and what that says of the difference between nets.

Chance has two parts. Which videos were drawn: nets that are tested on the same ones are not independent samples, since
what one gets right the other mostly does too, so that their answers are paired, video by video. And which seeds: a net
that is trained again comes out otherwise. The spread of seeds is measured where a run has three or more, and a value
stands for it where it has fewer, as for verdicts (`prediction`).
"""

from __future__ import annotations

import hashlib
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reeltrace.analysis.prediction import ASSUMED_SPREAD, ENOUGH_SEEDS, LEAST_SPREAD, Z_POWER
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
CHANGED = (
    4  # times the share of tests whose answer a transform changed stands for the spread of the difference: a choice
)
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

    @cached_property
    def share(self) -> float:
        """How many of the tests are right, 0 to 1."""
        return math.fsum(self.right) / len(self.right)

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
class Seeds:
    """What the seeds of one run add to the variance of a difference, in its unit squared.

    `measured` comes from `count` values, one per seed; None where there are too few, and `least` then stands for it.
    """

    count: int
    measured: float | None
    least: float


class Chance:
    """How a difference of nets may come out with other videos and other seeds.

    `terms` are pairs of a weight and the answers of all runs and seeds behind one number: `value` moves by the weight
    for every point that these gain together. Two parts make up the variance of `value`:

    - `videos`: that of drawing them (or clips that are tests by themselves), set by set, with all the answers that they
      got; answers to one set of tests are paired. One half of a test in either direction is added to each set, so that
      a handful of tests that came out alike do not count as certain.
    - `seeds`: of each run the spread of its part in the difference, over the number of seeds. What one net got right
      under several transforms of the tests is one part: it is compared within the seed.

    p-values and intervals are Student's, with degrees of freedom after Welch and Satterthwaite.
    """

    def __init__(self, value: float, terms: Sequence[tuple[float, tuple[Answers, ...]]]) -> None:
        self.value = value
        self._sets = _by_set(terms)
        self.videos = math.fsum(_variance(*each) for each in self._sets.values())
        self.seeds = tuple(_seeds(run, terms) for run in sorted({one.run for _, of in terms for one in of}))
        self._draws: Any = None

    @property
    def measured(self) -> bool:
        """Whether the spread of seeds was measured for every run."""
        return all(run.measured is not None for run in self.seeds)

    @property
    def fewest(self) -> int:
        """The number of seeds of the run that has the fewest."""
        return min(run.count for run in self.seeds)

    def _errors(self) -> tuple[float, float, float]:
        """The standard error with the spread of seeds as measured, its degrees of freedom, and the least it may be."""
        parts = [run.least if run.measured is None else run.measured for run in self.seeds]
        total = self.videos + math.fsum(parts)
        freedom = [
            (part / total) ** 2 / (run.count - 1)
            for run, part in zip(self.seeds, parts, strict=True)
            if run.measured is not None and total > 0
        ]
        least = self.videos + math.fsum(max(run.measured or 0.0, run.least) for run in self.seeds)
        return math.sqrt(total), 1 / math.fsum(freedom) if any(freedom) else math.inf, math.sqrt(least)

    @property
    def reach(self) -> float:
        """How far the true difference may lie from `value`: half the 95 % interval."""
        error, freedom, least = self._errors()
        return max(student_reach(freedom) * error, student_reach(math.inf) * least)

    @property
    def visible(self) -> float:
        """How far from a boundary it must truly be to be told from it in four of five cases."""
        error, _, least = self._errors()
        return self.reach + Z_POWER * max(error, least)

    def p(self, boundary: float) -> float:
        """The two-sided p-value of a boundary."""
        error, freedom, least = self._errors()
        distance = abs(self.value - boundary)
        return max(student_p(distance / error, freedom) if error else normal_p(distance, 0), normal_p(distance, least))

    # --- of the videos alone, as if every seed gave the same net ---

    @property
    def draws(self) -> Any:
        """(DRAWS,), sorted: the difference with other videos, by a bootstrap."""
        if self._draws is None:
            self._draws = _drawn(self.value, self._sets)
        return self._draws

    def interval_of_videos(self) -> tuple[float, float]:
        """The central 95 % of the draws."""
        low, high = (len(self.draws) * q for q in (ALPHA / 2, 1 - ALPHA / 2))
        return float(self.draws[int(low)]), float(self.draws[min(len(self.draws) - 1, int(high))])

    def p_of_videos(self, boundary: float) -> float:
        """The two-sided p-value of a boundary: how rare draws beyond it are."""
        import numpy as np

        below = int(np.searchsorted(self.draws, boundary, side="right"))
        above = len(self.draws) - int(np.searchsorted(self.draws, boundary, side="left"))
        return min(1.0, 2 * (1 + min(below, above)) / (1 + len(self.draws)))


def _by_set(terms: Sequence[tuple[float, tuple[Answers, ...]]]) -> dict[str, tuple[Numbers, Numbers]]:
    """By set of tests, how much each of its tests moves the difference: the values there are, and the weight of each.

    With one half of a test in either direction.
    """
    import numpy as np

    moved: dict[str, Numbers] = {}
    reach: dict[str, float] = {}
    for weight, of in terms:
        for one in of:
            mine = weight * 100 / len(of) * np.asarray(one.right, dtype=np.float64)
            moved[one.tests] = moved[one.tests] + mine if one.tests in moved else mine
            reach[one.tests] = max(reach.get(one.tests, 0.0), abs(weight) * 100)
    found = {}
    for name in sorted(moved):
        each, counts = np.unique(np.round(moved[name], 9), return_counts=True)
        middle = float((each * counts).sum() / counts.sum())
        each = np.concatenate([each, [middle - reach[name], middle + reach[name]]])
        found[name] = each - middle, np.concatenate([counts, [0.5, 0.5]])
    return found


def _variance(each: Numbers, weights: Numbers) -> float:
    """The variance of the mean over a set of tests, of which half of one in either direction was added."""
    total = float(weights.sum())
    return float((weights * each**2).sum()) / total / (total - 1)


def _drawn(value: float, sets: Mapping[str, tuple[Numbers, Numbers]]) -> Any:
    import numpy as np

    random = np.random.RandomState(SEED)  # the one generator whose numbers NumPy promises to keep
    draws: Any = np.full(DRAWS, value, dtype=np.float64)
    for each, weights in sets.values():
        tests = round(float(weights.sum())) - 1
        draws = draws + (random.multinomial(tests, weights / weights.sum(), size=DRAWS) @ each) / tests
    return np.sort(draws)


def _seeds(run: str, terms: Sequence[tuple[float, tuple[Answers, ...]]]) -> Seeds:
    """What the seeds of a run add: by its part in the difference where there are enough, and at least so much.

    Where they are too few the accuracy of a net counts as spread by `ASSUMED_SPREAD`, under each transform by itself or
    under all alike, whichever gives more; two seeds that lie farther apart count with what they show. Where the two
    accuracies of one net are subtracted, they cannot lie farther apart than the share of tests whose answer the
    transform changed, and `CHANGED` times this share stands for their spread if it is less.
    """
    parts = [(weight / len(of), one) for weight, of in terms for one in of if one.run == run]
    by_seed = [
        [(weight, one) for weight, one in parts if one.seed == seed] for seed in sorted({one.seed for _, one in parts})
    ]
    count = len(by_seed)
    weights = [count * weight for weight, _ in by_seed[0]]  # for every point that the mean over seeds gains
    reach = max(abs(math.fsum(weights)), math.sqrt(math.fsum(weight**2 for weight in weights)))
    spread = (LEAST_SPREAD if count >= ENOUGH_SEEDS else ASSUMED_SPREAD) * reach
    if len(weights) > 1 and abs(math.fsum(weights)) < 1e-6 * max(map(abs, weights)):
        spread = min(spread, CHANGED * math.fsum(_changed(of) for of in by_seed))
    values = [100 * count * math.fsum(weight * one.share for weight, one in of) for of in by_seed]
    apart = statistics.stdev(values) if count > 1 else 0.0
    if count < ENOUGH_SEEDS:
        return Seeds(count, None, max(spread, apart) ** 2 / count)
    return Seeds(count, apart**2 / count, spread**2 / count)


def _changed(of: Sequence[tuple[float, Answers]]) -> float:
    """How much a transform changed of a net's answers, in points of the difference; between two sets without end."""
    if len({one.tests for _, one in of}) > 1:
        return math.inf
    tests = len(of[0][1].right)
    moved = [abs(math.fsum(weight * one.right[test] for weight, one in of)) for test in range(tests)]
    return 100 * (math.fsum(moved) + max(abs(weight) for weight, _ in of)) / (tests + 1)


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
    """The two-sided p-value of a distance in standard errors, by Student's t with so many degrees of freedom.

    From a hundred thousand on, by the normal distribution.
    """
    if freedom > 1e5:
        return normal_p(distance, 1.0)
    return _beta(freedom / 2, 0.5, freedom / (freedom + distance * distance))


@cache
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
