"""Derived rows and columns, found without being told: sums, means, products, ratios, percentages, multiples, rests.

For every row or column, every pair of others, every run of neighbours, every number printed in another table, what is
left of 100 or of 1, reciprocals and the cell of one fixed row are tried as what it follows from. Whatever is tried
often enough fits somewhere, so a relation counts only where the expected number of such relations in numbers without
any, over all that were tried, is far below one. Then the cells that depart from it are of interest.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from reeltrace.analysis.audit import exactness
from reeltrace.analysis.audit.findings import Finding, apart, digits, finding
from reeltrace.analysis.audit.values import Body, Printed, Sheet
from reeltrace.analysis.expressions import Interval, Sign, combine

EXPECTED = 1e-3  # of false relations of a table: where more are expected, a relation is not believed
LEAST = 3  # different cells in which a relation must hold
PART = 0.6  # of its cells in which it must hold
MOST = 0.75  # of them for rests, reciprocals and what is relative to one row: things in a ratio are nearly so by nature
COST = 8_000_000  # pairs times lines times cells of a table beyond which operands are sought among neighbours only
CONSTANTS = 200  # numbers of other tables that are tried as factors
MULTIPLES = tuple(range(2, 13))
RECIPROCALS = (1, 60, 1000, 3600, 1_000_000)  # what is per second, minute or hour over what takes so many parts of it
NEARLY = 3  # lines of a table that are named as nearly following from others
BASES = 3  # lines to which all others may be relative, besides the first one
Floats: TypeAlias = NDArray[np.float64]
Kind = Literal[
    "sum",
    "mean",
    "product",
    "percent",
    "gain",
    "run",
    "mean of a run",
    "times",
    "over",
    "quotient",
    "percentage",
    "rest",
    "per",
    "relative",
    "less",
]
WORDS: dict[Kind, str] = {
    "sum": "the sum of",
    "mean": "the mean of",
    "product": "the product of",
    "percent": "the product in percent of",
    "gain": "the gain in percent of",
    "run": "the sum of",
    "mean of a run": "the mean of",
    "times": "the multiple of",
    "over": "the quotient of",
    "quotient": "the quotient of",
    "percentage": "the quotient in percent of",
    "rest": "what is left by",
    "per": "the reciprocal of",
    "relative": "relative to one of",
    "less": "the distance to one of",
}
PAIRS: tuple[Kind, ...] = ("sum", "mean", "product", "percent", "gain")
FACTORS: tuple[Kind, ...] = ("times", "over")


@dataclass
class Tally:
    """How much was searched: relations that were tried, false ones expected among those believed, and limits met."""

    tried: int = 0
    expected: float = 0.0
    held: int = 0
    limits: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Line:
    """A row or a column as numbers; not a number where nothing is printed. `low` to `high` is a unit to either side."""

    name: str
    cells: tuple[Printed | None, ...]
    value: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class Relation:
    """`target` follows from `operands` (places of lines) or, by a factor, from one of them and `constant`.

    `constant` is for `rest` what all add up to, for `per` what is divided by the operand, for `relative` and `less`
    the operand's cell that all are held against.
    """

    target: int
    kind: Kind
    operands: tuple[int, ...]
    constant: Printed | int | None
    expected: float


def find(body: Body, tally: Tally) -> list[Finding]:
    """Cells that depart from a relation that their row or column has, of all tables of a document."""
    found: list[Finding] = []
    for sheet in body.sheets.values():
        others = _constants(body, sheet)
        flagged: dict[tuple[str, str], tuple[float, Finding]] = {}
        notes: list[Finding] = []
        for across, shares in ((False, False), (True, False), (True, True)):
            lines = _lines(sheet, across, shares)
            if len(lines) < 2:
                continue
            search = _Search(lines, others, f"{sheet.document}, {sheet.name}: {'rows' if across else 'columns'}", tally)
            for relation in search.best():
                tally.held += 1
                tally.expected += relation.expected
                for cell, each in _departures(sheet, lines, relation):
                    if cell not in flagged or relation.expected < flagged[cell][0]:
                        flagged[cell] = (relation.expected, each)
                if relation.kind in FACTORS and isinstance(relation.constant, Printed):
                    notes.append(_note(sheet, lines, relation))
        found += [each for _, each in flagged.values()]
        found += notes
    return found


def _lines(sheet: Sheet, across: bool, shares: bool) -> list[Line]:
    """The columns, or across them the rows, in which enough different numbers are printed.

    Shares of a test set follow other rules than the costs beside them, so that of rows either these or those count.
    """
    lines = []
    for name in sheet.rows if across else sheet.columns:
        if not across and name in sheet.added:
            continue
        cells = sheet.line(name) if across else sheet.of_column(name)
        if across:
            cells = [
                None if column in sheet.added or (c is not None and (c.whole is None) is shares) else c
                for c, column in zip(cells, sheet.columns, strict=True)
            ]
        if len({c.value for c in cells if c is not None}) >= LEAST:
            lines.append(_line(name, cells))
    return lines


def _line(name: str, cells: Sequence[Printed | None]) -> Line:
    def floats(ends: Sequence[Fraction | None]) -> Floats:
        return np.array([math.nan if end is None else float(end) for end in ends])

    return Line(
        name,
        tuple(cells),
        floats([None if c is None else c.value for c in cells]),
        floats([None if c is None else c.wide[0] for c in cells]),
        floats([None if c is None else c.wide[1] for c in cells]),
    )


def _constants(body: Body, sheet: Sheet) -> list[Printed]:
    """Numbers of the document's other tables and of its prose that may be factors, each value once."""
    found: dict[Fraction, Printed] = {}
    for number in body.numbers():
        if number.table != sheet.name and number.value > 1 and number.value.denominator * number.value > 12:
            if abs(number.value) <= 12 or number.whole is not None:
                continue  # small numbers are tried as multiples, and shares are no factors
            found.setdefault(number.value, number)
    return list(found.values())[:CONSTANTS]


class _Search:
    """All relations between the lines of one table in one direction."""

    def __init__(self, lines: Sequence[Line], constants: Sequence[Printed], name: str, tally: Tally) -> None:
        self._lines, self._constants, self._name, self._tally = lines, constants, name, tally
        self._low = np.stack([line.low for line in lines])
        self._high = np.stack([line.high for line in lines])
        self._value = np.stack([line.value for line in lines])
        # A unit's half to either side for what is computed with, a whole one for what it is held against.
        self._under = (self._low + self._value) / 2
        self._over = (self._high + self._value) / 2
        self._candidates: list[tuple[int, Kind, tuple[int, ...], Printed | int | None, float]] = []
        self._tried = 0
        count, cells = self._value.shape
        self._reach = count
        while self._reach > 2 and count * self._reach * self._reach / 2 * cells > COST:
            self._reach = self._reach * 2 // 3
        if self._reach < count:
            tally.limits.append(f"{name}: sums, means and ratios were sought among {self._reach} neighbours only")

    def best(self) -> list[Relation]:
        """Per line the relation that is least likely by chance, where it is to be believed."""
        with np.errstate(all="ignore"):
            for target in range(len(self._lines)):
                self._pairs(target)
                self._runs(target)
                self._factors(target)
                self._rests(target)
                self._bases(target)
        self._tally.tried += self._tried
        believed = [
            Relation(target, kind, operands, constant, chance * self._tried)
            for target, kind, operands, constant, chance in self._candidates
            if chance * self._tried < EXPECTED
        ]
        believed += self._families(believed)
        return self._chosen(list(_once(believed)))

    def _chosen(self, relations: list[Relation]) -> list[Relation]:
        """Per line the least likely relation by which its numbers were computed; what they are only near to is said.

        Where two lines follow from one by numbers of another table, less is asked of a third: it is likely to as well.
        """
        relations.sort(key=lambda relation: relation.expected)
        family = Counter(_family(r) for r in relations if _odds(self._lines, r) >= exactness.BETTER)
        best: dict[int, Relation] = {}
        near: dict[int, Relation] = {}
        for relation in relations:
            least = 1 if relation.kind in FACTORS and family[_family(relation)] >= 2 else exactness.BETTER
            if relation.target not in best:
                fits = _odds(self._lines, relation) >= least or not _farthest(self._lines, relation)
                (best if fits else near).setdefault(relation.target, relation)
        apart_ = [relation for target, relation in near.items() if target not in best]
        self._tally.limits += [_nearly(self._name, self._lines, relation) for relation in apart_[:NEARLY]]
        if len(apart_) > NEARLY:
            self._tally.limits.append(f"{self._name}: {len(apart_) - NEARLY} more nearly follow from others")
        return list(best.values())

    def _families(self, believed: Sequence[Relation]) -> list[Relation]:
        """Where two lines follow from a third by numbers of one other table, the rest may by its other numbers.

        Few relations are left to try then, so that one is believed in which more cells depart.
        """
        families: dict[tuple[Kind, tuple[int, ...], str], set[int]] = {}
        for relation in believed:
            if relation.kind in FACTORS and isinstance(relation.constant, Printed) and relation.constant.table:
                key = relation.kind, relation.operands, relation.constant.table
                families.setdefault(key, set()).add(relation.target)
        found = []
        for (kind, operands, table), targets in families.items():
            units = {cell.unit for target in targets for cell in self._lines[target].cells if cell is not None}
            tries = [
                (target, constant, chance)
                for target, one, of, constant, chance in self._candidates
                if one == kind
                and of == operands
                and isinstance(constant, Printed)
                and constant.table == table
                and target not in targets
                and {c.unit for c in self._lines[target].cells if c is not None} <= units
            ]
            possible = sum(c.table == table for c in self._constants) * (len(self._lines) - len(targets))
            if len(targets) >= 2:
                found += [
                    Relation(target, kind, operands, constant, chance * possible)
                    for target, constant, chance in tries
                    if chance * possible < EXPECTED
                ]
        return found

    def _near(self, target: int) -> NDArray[np.intp]:
        others = np.array([i for i in range(len(self._lines)) if i != target], dtype=np.intp)
        if self._reach >= len(self._lines):
            return others
        nearest = np.argsort(np.abs(others - target), kind="stable")[: self._reach]
        return np.sort(others[nearest])

    def _pairs(self, target: int) -> None:
        near = self._near(target)
        if len(near) < 2:
            return
        first, second = (near[i] for i in np.triu_indices(len(near), 1))
        for kind in PAIRS:
            for a, b in ((first, second), (second, first)) if kind == "gain" else ((first, second),):
                low, high = _apply(kind, self._under[a], self._over[a], self._under[b], self._over[b])
                hits = self._screen(target, low, high)
                for index in hits:
                    self._weigh(target, kind, (int(a[index]), int(b[index])), None, low[index], high[index])

    def _runs(self, target: int) -> None:
        """Sums and means of three and more neighbours that end beside the target, or are all the others."""
        for low, high, kind, operands in self._neighbours(target):
            if self._screen(target, low[None], high[None]).size:
                self._weigh(target, kind, operands, None, low, high)

    def _neighbours(self, target: int) -> Iterator[tuple[Floats, Floats, Kind, tuple[int, ...]]]:
        count = len(self._lines)
        before = [tuple(range(start, target)) for start in range(max(0, target - self._reach), target - 2)]
        after = [tuple(range(target + 1, end)) for end in range(target + 4, min(count, target + self._reach) + 1)]
        others = [tuple(i for i in range(count) if i != target)] if 0 < target < count - 1 and count > 3 else []
        for operands in (*before, *after, *others):
            chosen = list(operands)
            low, high = self._under[chosen].sum(axis=0), self._over[chosen].sum(axis=0)
            yield low, high, "run", operands
            yield low / len(chosen), high / len(chosen), "mean of a run", operands

    def _factors(self, target: int) -> None:
        near = self._near(target)
        constants: tuple[Printed | int, ...] = (*MULTIPLES, *self._constants)
        for constant in constants:
            low, high = (float(end) for end in (constant.bounds if isinstance(constant, Printed) else (constant,) * 2))
            kinds: tuple[Kind, ...] = ("times", "over") if isinstance(constant, Printed) else ("times",)
            for kind in kinds:
                if kind == "times":
                    ends = self._under[near] * low, self._over[near] * high
                else:
                    ends = self._under[near] / high, self._over[near] / low
                for index in self._screen(target, *ends):
                    self._weigh(target, kind, (int(near[index]),), constant, ends[0][index], ends[1][index])

    def _whole(self, target: int) -> int:
        """What a line and others may add up to: 1 where none of its numbers is larger, and 100."""
        return 1 if np.nanmax(self._value[target]) <= 1 else 100

    def _rests(self, target: int) -> None:
        """What one line, two lines or a run of neighbours leave of 100 or of 1."""
        whole, near = self._whole(target), self._near(target)
        first, second = (near[i] for i in np.triu_indices(len(near), 1))
        single = whole - self._over[near], whole - self._under[near]
        double = whole - self._over[first] - self._over[second], whole - self._under[first] - self._under[second]
        for index in self._screen(target, *single, MOST):
            self._weigh(target, "rest", (int(near[index]),), whole, single[0][index], single[1][index])
        for index in self._screen(target, *double, MOST) if len(near) > 1 else ():
            self._weigh(
                target, "rest", (int(first[index]), int(second[index])), whole, double[0][index], double[1][index]
            )
        for low, high, kind, operands in self._neighbours(target):
            if kind == "run" and self._screen(target, (whole - high)[None], (whole - low)[None], MOST).size:
                self._weigh(target, "rest", operands, whole, whole - high, whole - low)

    def _bases(self, target: int) -> None:
        """Reciprocals, and quotients and distances to the cell in a fixed place, as speed-ups over the first row are.

        The fixed place is the first, or where the target prints 1, 100 % or no distance; its own cell is no evidence.
        """
        near = self._near(target)
        for constant in RECIPROCALS:
            positive = self._under[near] > 0
            low = np.where(positive, constant / self._over[near], np.nan)
            high = np.where(positive, constant / self._under[near], np.nan)
            for index in self._screen(target, low, high, MOST):
                self._weigh(target, "per", (int(near[index]),), constant, low[index], high[index])
        own = self._value[target]
        for base in dict.fromkeys((0, *np.flatnonzero((own == 1) | (own == 0))[:BASES].tolist())):
            at_low, at_high = self._under[near, base][:, None], self._over[near, base][:, None]
            positive = (self._under[near] > 0) & (at_low > 0)
            kinds: tuple[tuple[Kind, Floats, Floats], ...] = (
                ("per", at_low / self._over[near], at_high / self._under[near]),
                ("relative", self._under[near] / at_high, self._over[near] / at_low),
                ("less", self._under[near] - at_high, self._over[near] - at_low),
            )
            for kind, low, high in kinds:
                open_ = np.ones_like(positive) if kind == "less" else positive
                low, high = np.where(open_, low, np.nan), np.where(open_, high, np.nan)
                low[:, base] = high[:, base] = np.nan
                for index in self._screen(target, low, high, MOST):
                    operand = int(near[index])
                    cell = self._lines[operand].cells[base]
                    self._weigh(target, kind, (operand,), cell, low[index], high[index])

    def _screen(self, target: int, low: Floats, high: Floats, part: float = PART) -> NDArray[np.intp]:
        """Which of the computed lines agree with the target in enough cells to be weighed."""
        self._tried += len(low)
        there = ~np.isnan(low) & ~np.isnan(self._low[target])
        hits = there & (low <= self._high[target]) & (self._low[target] <= high)
        many, all_ = hits.sum(axis=1), there.sum(axis=1)
        return np.flatnonzero((many >= LEAST) & (many >= part * all_))

    def _weigh(
        self,
        target: int,
        kind: Kind,
        operands: tuple[int, ...],
        constant: Printed | int | None,
        low: Floats,
        high: Floats,
    ) -> None:
        chance = _chance(self._value[target], self._low[target], self._high[target], low, high)
        if chance is not None:
            self._candidates.append((target, kind, operands, constant, chance))


def _apply(kind: Kind, a: Floats, a2: Floats, b: Floats, b2: Floats) -> tuple[Floats, Floats]:
    """Ends of what two lines come to: `a` to `a2` and `b` to `b2` are theirs."""
    if kind == "sum":
        return a + b, a2 + b2
    if kind == "mean":
        return (a + b) / 2, (a2 + b2) / 2
    if kind in ("product", "percent"):
        corners = np.stack([a * b, a * b2, a2 * b, a2 * b2]) * (0.01 if kind == "percent" else 1)
        return corners.min(axis=0), corners.max(axis=0)
    positive = (a > 0) & (b > 0)
    return np.where(positive, 100 * (a / b2 - 1), np.nan), np.where(positive, 100 * (a2 / b - 1), np.nan)


def _chance(value: Floats, low: Floats, high: Floats, found_low: Floats, found_high: Floats) -> float | None:
    """How likely as many cells agree in numbers without a relation; None where too few different ones do.

    The chance of one cell is the larger of two estimates: the width of what agrees over the range of the line, and over
    each number's own size; and how often what was computed for one cell agrees with another one. Equal cells count
    once.
    """
    there = ~np.isnan(value) & ~np.isnan(found_low)
    value, low, high, found_low, found_high = (x[there] for x in (value, low, high, found_low, found_high))
    _, firsts = np.unique(np.stack([value, (found_low + found_high) / 2]).round(12), axis=1, return_index=True)
    value, low, high, found_low, found_high = (x[firsts] for x in (value, low, high, found_low, found_high))
    hits = (found_low <= high) & (low <= found_high)
    different = np.unique(value[hits])
    if len(different) < LEAST or hits.sum() < PART * len(hits):
        return None
    width = (high - low) + (found_high - found_low)
    spread = value.max() - value.min()
    alone = float(np.minimum(1, np.maximum(width / spread, width / np.maximum(np.abs(value), 1e-300))).mean())
    crossed = (found_low[:, None] <= high[None]) & (low[None] <= found_high[:, None])
    count = len(value)
    others = float(crossed.sum() - hits.sum()) / (count * (count - 1)) if count > 1 else 1.0
    return _tail(min(len(different), int(hits.sum())), count, min(1.0, max(alone, others)))


def _tail(least: int, count: int, chance: float) -> float:
    """The probability of at least so many of `count` events of that chance."""
    if chance >= 1:
        return 1.0
    ways = [math.comb(count, k) * chance**k * (1 - chance) ** (count - k) for k in range(least, count + 1)]
    return min(1.0, math.fsum(ways))


def _once(relations: Sequence[Relation]) -> Iterator[Relation]:
    """Of relations between the same lines, as b = 2 a and a = b / 2, the one that has the last line follow."""
    groups: dict[frozenset[int], list[Relation]] = {}
    for relation in relations:
        groups.setdefault(frozenset((relation.target, *relation.operands)), []).append(relation)
    for group in groups.values():
        solved = [_solved(relation) for relation in group]
        last = max(relation.target for relation in solved)
        yield min((r for r in solved if r.target == last), key=lambda r: r.expected)


def _solved(relation: Relation) -> Relation:
    """A product, of which the last line is a factor, as the quotient that this line then is."""
    last = max(relation.operands)
    if relation.kind not in ("product", "percent") or relation.target > last:
        return relation
    (other,) = (i for i in relation.operands if i != last)
    kind: Kind = "quotient" if relation.kind == "product" else "percentage"
    return replace(relation, target=last, kind=kind, operands=(relation.target, other))


# --- what departs ---


def _combined(sign: Sign, left: Interval, right: Interval) -> Interval | None:
    """All values of `left sign right`; None where something may be divided by zero, or they are too large to judge."""
    try:
        return combine(sign, left, right)
    except ValueError:
        return None


def _exactly(lines: Sequence[Line], relation: Relation, cell: int) -> tuple[Interval | None, list[Printed]]:
    """What a relation gives for one cell, with all that rounding leaves open, and the numbers that it rests on."""
    operands = [lines[i].cells[cell] for i in relation.operands]
    numbers = [number for number in operands if number is not None]
    if len(numbers) < len(operands):
        return None, []
    ends = [number.bounds for number in numbers]
    if relation.constant is not None:
        if isinstance(relation.constant, Printed):
            factor = relation.constant.bounds
            numbers.append(relation.constant)
        else:
            factor = Fraction(relation.constant), Fraction(relation.constant)
        if relation.kind == "rest":
            return (factor[0] - sum(e[1] for e in ends), factor[1] - sum(e[0] for e in ends)), numbers
        if relation.kind == "per":
            return _combined("/", factor, ends[0]), numbers
        if relation.kind in ("relative", "less"):
            return _combined("/" if relation.kind == "relative" else "-", ends[0], factor), numbers
        return _combined("*" if relation.kind == "times" else "/", ends[0], factor), numbers
    hundred = Fraction(100), Fraction(100)
    if relation.kind in ("sum", "mean", "run", "mean of a run"):
        low, high = sum(e[0] for e in ends), sum(e[1] for e in ends)
        count = len(ends) if relation.kind in ("mean", "mean of a run") else 1
        return (Fraction(low) / count, Fraction(high) / count), numbers
    if relation.kind == "gain":
        quotient = _combined("/", ends[0], ends[1])
        return (100 * quotient[0] - 100, 100 * quotient[1] - 100) if quotient else None, numbers
    if relation.kind in ("quotient", "percentage"):
        quotient = _combined("/", ends[0], ends[1])
        return (_combined("*", quotient, hundred) if quotient and relation.kind == "percentage" else quotient), numbers
    product = _combined("*", ends[0], ends[1])
    return _combined("/", product, hundred) if product and relation.kind == "percent" else product, numbers


def _given(lines: Sequence[Line], relation: Relation) -> list[tuple[Printed, Interval]]:
    """The numbers of a line, each with what a relation gives for it, where it gives something."""
    found = []
    for cell, number in enumerate(lines[relation.target].cells):
        ends, _ = _exactly(lines, relation, cell)
        if number is not None and ends is not None:
            found.append((number, ends))
    return found


def _odds(lines: Sequence[Line], relation: Relation) -> float:
    """How much likelier it is that a line was computed by a relation than that it was measured apart."""
    return exactness.odds([(number.value, number.step, ends) for number, ends in _given(lines, relation)])


def _farthest(lines: Sequence[Line], relation: Relation) -> tuple[Printed, Interval] | None:
    """The cell that departs the most from a relation, and what that gives; None where none departs."""
    departing = [each for each in _given(lines, relation) if apart(each[1], each[0]) is not None]
    return max(departing, key=lambda each: abs(each[0].value - _middle(each[1])), default=None)


def _middle(ends: Interval) -> Fraction:
    return (ends[0] + ends[1]) / 2


def _family(relation: Relation) -> tuple[Kind, tuple[int, ...], str]:
    table = relation.constant.table if isinstance(relation.constant, Printed) else ""
    return relation.kind, relation.operands, table


def _nearly(name: str, lines: Sequence[Line], relation: Relation) -> str:
    farthest = _farthest(lines, relation)
    assert farthest is not None
    number, ends = farthest
    return (
        f"{name}: {lines[relation.target].name!r} is nearly {_rule(lines, relation)}, as what was measured apart is: "
        f"not judged by that; farthest off is {number.name}, which would be {digits(_middle(ends), number.step, 1)}"
    )


def _departures(sheet: Sheet, lines: Sequence[Line], relation: Relation) -> Iterator[tuple[tuple[str, str], Finding]]:
    target = lines[relation.target]
    measured = relation.kind in ("per", "relative", "quotient", "rest", "times", "over")
    agreeing: Counter[str] = Counter()
    departing = []
    for cell, number in enumerate(target.cells):
        found, numbers = _exactly(lines, relation, cell)
        if number is None or found is None:
            continue
        severity = apart(found, number)
        if severity is None:
            agreeing[number.unit] += 1
        else:
            departing.append((number, found, numbers, severity))
    for number, found, numbers, severity in departing:
        if agreeing[number.unit] < 2:
            continue  # the rule is one of other quantities
        middle = (found[0] + found[1]) / 2
        cut = "rounding" if severity == "rounding" and number.value <= middle < number.value + number.step else ""
        yield (
            (number.row, number.column),
            finding(
                sheet.document,
                "derived",
                f"{sheet.name} {number.row} {number.column}",
                severity,
                [number, *numbers],
                f"{number.name} departs from what the other cells of {target.name!r} follow: {_rule(lines, relation)}",
                f"{_sum(relation, numbers)} = {digits(middle, number.step)}, printed {number.printed}",
                (["further digits were cut off instead of rounded"] if cut else [])
                + (["it was measured, or is another's number, where the others were computed"] if measured else [])
                + ["it was computed from numbers with more digits than are printed, or from others", "a slip in print"],
            ),
        )


def _rule(lines: Sequence[Line], relation: Relation) -> str:
    names = [repr(lines[i].name) for i in relation.operands]
    shown = f"{names[0]} to {names[-1]}" if len(names) > 3 else " and ".join(names)
    if relation.constant is not None:
        constant = relation.constant
        if relation.kind == "rest":
            return f"what {shown} leave of {constant}"
        if relation.kind in ("per", "relative", "less"):
            of = constant.name if isinstance(constant, Printed) else f"{constant}"
            if relation.kind == "per":
                return f"{of} over {names[0]}"
            return f"{names[0]} {'over' if relation.kind == 'relative' else 'less'} {of}"
        of = f"{constant.printed} ({constant.place})" if isinstance(constant, Printed) else f"{constant}"
        return f"{names[0]} {'times' if relation.kind == 'times' else 'over'} {of}"
    return f"{WORDS[relation.kind]} {shown}"


def _sum(relation: Relation, numbers: Sequence[Printed]) -> str:
    texts = [number.printed for number in numbers]
    if relation.kind == "rest":
        return " - ".join((str(relation.constant), *texts))
    if relation.kind == "per":
        return f"{texts[1] if isinstance(relation.constant, Printed) else relation.constant} / {texts[0]}"
    if relation.kind == "less":
        return " - ".join(texts)
    if isinstance(relation.constant, int):
        return f"{relation.constant} x {texts[0]}"
    if relation.kind in ("run", "sum"):
        return " + ".join(texts)
    if relation.kind in ("mean", "mean of a run"):
        return f"mean of {', '.join(texts)}"
    if relation.kind in ("over", "quotient", "relative"):
        return f"{texts[0]} / {texts[1]}"
    if relation.kind == "percentage":
        return f"100 x {texts[0]} / {texts[1]}"
    if relation.kind == "gain":
        return f"100 ({texts[0]} / {texts[1]} - 1)"
    return f"{texts[0]} x {texts[1]}" + (" / 100" if relation.kind == "percent" else "")


def _note(sheet: Sheet, lines: Sequence[Line], relation: Relation) -> Finding:
    target = lines[relation.target]
    numbers = [number for number in target.cells if number is not None]
    constant = relation.constant
    agreeing = 0
    for cell, number in enumerate(target.cells):
        found, _ = _exactly(lines, relation, cell)
        agreeing += number is not None and found is not None and apart(found, number) is None
    return finding(
        sheet.document,
        "derived",
        f"{sheet.name} {target.name}",
        "note",
        [*numbers, *([constant] if isinstance(constant, Printed) else [])],
        f"{target.name!r} need not have been measured: it is {_rule(lines, relation)}",
        f"this holds in {agreeing} of {len(numbers)} cells",
        ["the document says so", "two measurements that are proportional by their nature"],
    )
