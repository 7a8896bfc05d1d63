"""Stretches of numbers that are printed twice: a row or a column that repeats another, or a part of itself.

Equal numbers are common; equal stretches of different numbers are not. A stretch counts where so many equal numbers in
a row are expected, over all pairs of places that were compared, far less than once.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

from reeltrace.analysis.audit.findings import Finding, finding
from reeltrace.analysis.audit.values import Body, Printed, Sheet

EXPECTED = 1e-3  # of stretches by chance among all that were compared
LEAST = 2  # different numbers of a stretch
ROWS = 200  # of a table, beyond which rows are not compared place by place
CELLS = 5000  # of a document, beyond which only stretches of three are compared


@dataclass(frozen=True)
class _Stretch:
    first: tuple[Printed, ...]
    second: tuple[Printed, ...]
    expected: float


def find(body: Body) -> list[Finding]:
    """Equal stretches within and between the tables of a document."""
    lines = [line for sheet in body.sheets.values() for line in _lines(sheet)]
    chance = _chances(body)
    found = []
    taken: set[tuple[str, str, str]] = set()
    everywhere = [*_stretches(lines, chance), *(s for sheet in body.sheets.values() for s in _in_part(sheet, chance))]
    for stretch in sorted(everywhere, key=lambda s: (s.expected, -len(s.first))):
        places = {(n.table, n.row, n.column) for n in (*stretch.first, *stretch.second)}
        if len(places & taken) * 2 > len(places):
            continue
        taken |= places
        found.append(_finding(body, stretch))
    return found


def _lines(sheet: Sheet) -> Iterator[list[Printed | None]]:
    for row in sheet.rows:
        yield [c for c, name in zip(sheet.line(row), sheet.columns, strict=True) if name not in sheet.added]
    for column in sheet.columns:
        if column not in sheet.added:
            yield sheet.of_column(column)


def _chances(body: Body) -> dict[tuple[str, str], dict[Fraction, float]]:
    """By table and unit, how likely another number there is to be equal to this one.

    The larger of how often it is printed and of a unit of its last place over the numbers' range, or its own size.
    """
    groups: dict[tuple[str, str], list[Printed]] = defaultdict(list)
    for sheet in body.sheets.values():
        for number in sheet:
            groups[sheet.name, number.unit].append(number)
    chances = {}
    for key, numbers in groups.items():
        often = Counter(number.value for number in numbers)
        spread = max(often) - min(often)
        chances[key] = {
            n.value: min(
                1.0,
                max(
                    (often[n.value] - 2) / len(numbers) if often[n.value] > 2 else 0,
                    float((n.step or 1) / spread) if spread else 1.0,
                    float((n.step or 1) / abs(n.value)) if n.value else 1.0,
                    1 / 10**4,
                ),
            )
            for n in numbers
        }
    return chances


def _stretches(
    lines: Sequence[list[Printed | None]], chance: dict[tuple[str, str], dict[Fraction, float]]
) -> Iterator[_Stretch]:
    """Maximal equal stretches; places are found by their first two numbers, so that nothing is compared in vain."""
    total = sum(len(line) for line in lines)
    width = LEAST if total <= CELLS else LEAST + 1
    starts: dict[tuple[tuple[str, Fraction], ...], list[tuple[int, int]]] = defaultdict(list)
    for index, line in enumerate(lines):
        for at in range(len(line) - width + 1):
            part = line[at : at + width]
            if all(part):
                starts[tuple((n.unit, n.value) for n in part if n is not None)].append((index, at))
    pairs = max(1, total * (total - 1) // 2)
    for places in starts.values():
        if len(places) > 50:
            continue  # numbers that stand everywhere
        for one, (index, at) in enumerate(places):
            for other, start in places[one + 1 :]:
                if at and start and _equal(lines[index][at - 1], lines[other][start - 1]):
                    continue  # a part of a longer stretch
                first, second = _longest(lines[index][at:], lines[other][start:])
                if index == other:
                    first, second = first[: start - at], second[: start - at]
                stretch = _weigh(first, second, chance, pairs)
                if stretch is not None:
                    yield stretch


def _in_part(sheet: Sheet, chance: dict[tuple[str, str], dict[Fraction, float]]) -> Iterator[_Stretch]:
    """Pairs of rows that agree in several places which are not neighbours."""
    if not 2 <= len(sheet.rows) <= ROWS:
        return
    rows = [sheet.line(row) for row in sheet.rows]
    total = max(1, len(rows) * (len(rows) - 1) // 2 * len(sheet.columns) ** 2)
    for left, right in combinations(rows, 2):
        pairs = [(a, b) for a, b in zip(left, right, strict=True) if a is not None and b is not None and _equal(a, b)]
        there = sum(a is not None and b is not None for a, b in zip(left, right, strict=True))
        if LEAST <= len(pairs) < there and 2 * len(pairs) > there:
            stretch = _weigh([a for a, _ in pairs], [b for _, b in pairs], chance, total)
            if stretch is not None:
                yield stretch


def _equal(left: Printed | None, right: Printed | None) -> bool:
    return left is not None and right is not None and left.value == right.value and left.unit == right.unit


def _longest(
    left: Sequence[Printed | None], right: Sequence[Printed | None]
) -> tuple[tuple[Printed, ...], tuple[Printed, ...]]:
    pairs: list[tuple[Printed, Printed]] = []
    for a, b in zip(left, right, strict=False):
        if a is None or b is None or not _equal(a, b):
            break
        pairs.append((a, b))
    return tuple(a for a, _ in pairs), tuple(b for _, b in pairs)


def _weigh(
    first: Sequence[Printed],
    second: Sequence[Printed],
    chance: dict[tuple[str, str], dict[Fraction, float]],
    pairs: int,
) -> _Stretch | None:
    """The stretch, where it is to be believed: of different numbers, different places, and none said to be the same."""
    kept = [(a, b) for a, b in zip(first, second, strict=True) if a != b and not _said_the_same(a, b)]
    different = {a.value for a, _ in kept}
    if len(kept) < len(first) or len(different) < LEAST:
        return None
    likely = {
        value: max(chance[n.table, n.unit].get(value, 1.0) for a, b in kept if a.value == value for n in (a, b))
        for value in different
    }
    expected = math.prod(likely.values()) * pairs
    if expected >= EXPECTED:
        return None
    return _Stretch(tuple(first), tuple(second), expected)


def _said_the_same(left: Printed, right: Printed) -> bool:
    """Whether the transcription says of either that the other's place prints it too."""
    return any(
        place == other.place or place.startswith(f"{other.place},")
        for one, other in ((left, right), (right, left))
        for place in one.same
    )


def _finding(body: Body, stretch: _Stretch) -> Finding:
    first, second = stretch.first, stretch.second
    shares = all(number.whole is not None for number in first)
    return finding(
        body.document,
        "repeats",
        f"{first[0].table} {first[0].row} {first[0].column} {second[0].table} {second[0].row} {second[0].column}",
        "decision" if shares and len({n.value for n in first}) > LEAST else "note",
        [*first, *second],
        f"the numbers of {_where(first)} are those of {_where(second)} again",
        f"{', '.join(number.printed for number in first)} twice; {stretch.expected:.1g} such stretches are expected by "
        "chance among all that were compared",
        [
            "the same measurement, printed for both",
            "one of the two was copied, and what belongs there is not printed",
        ],
    )


def _where(numbers: Sequence[Printed]) -> str:
    table = f" of {numbers[0].place}" if numbers[0].place else ""
    if len({n.row for n in numbers}) == 1:
        columns = [n.column for n in numbers]
        shown = ", ".join(columns) if len(columns) <= 3 else f"{columns[0]} to {columns[-1]}"
        return f"{numbers[0].row} ({shown}){table}"
    rows = [n.row for n in numbers]
    return f"{numbers[0].column} ({rows[0]} to {rows[-1]}){table}"
