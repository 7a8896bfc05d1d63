"""Claims of a document as rules over cells, judged on the document's own numbers and on ours.

A verdict on a claim is about a trend, so it can be given at any scale; the scale and the data are part of it. Where the
intervals of the numbers allow the opposite too, the verdict says so.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from reeltrace.analysis.published import read_lists
from reeltrace.kinds.table import TABLES
from reeltrace.kinds.unit import UNITS

FILE = "claims.yaml"
Operation = Literal["below", "above", "level", "times"]
Place = tuple[str, str, str]  # table, row, column
Interval = tuple[float, float]


class Comparison(BaseModel):
    """`left op right`, with `by` in the unit of the cells (percentage points; for `times` a factor) in between."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    left: Place
    op: Operation
    by: float = Field(ge=0, allow_inf_nan=False)
    right: Place


class Claim(BaseModel):
    """A sentence of the document, where it stands, and the comparisons that must all hold.

    `on_stand_in` says why the claim cannot be expected to hold on stand-in data, where that is known beforehand.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    title: str
    says: str
    place: str
    rule: tuple[Comparison, ...] = Field(min_length=1)
    on_stand_in: str | None = None


class Written(BaseModel):
    """What the file of one document holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    claims: tuple[Claim, ...]


@dataclass(frozen=True)
class Claims:
    """All claims of one document."""

    document: str
    claims: tuple[Claim, ...]


@dataclass(frozen=True)
class Measured:
    """A value and the interval around it; without one, as around a published value, both bounds are the value."""

    value: float
    interval: Interval


Lookup = Callable[[Place], Measured | None]


def load(documents: Iterable[str], root: Path = Path()) -> tuple[Claims, ...]:
    """The claims of each document that has some. Raises `UserError` with the place and what was expected."""
    found = read_lists(documents, root, FILE, Written, "claims", "claim")
    return tuple(Claims(document, written.claims) for document, written in found)


def in_percent(unit: str) -> float:
    """What a value of a unit is multiplied by for a rule: a share becomes percent, the unit of rules."""
    share = UNITS.get(unit).share
    return 1 if share is None else 100 / share.whole


def holds(comparison: Comparison, left: float, right: float) -> bool:
    """Whether the comparison holds for two values in percent."""
    if comparison.op == "below":
        return left < right - comparison.by
    if comparison.op == "above":
        return left > right + comparison.by
    if comparison.op == "times":
        return left >= comparison.by * right
    return abs(left - right) <= comparison.by


def certain(comparison: Comparison, left: Interval, right: Interval) -> bool:
    """Whether the comparison comes out the same for every pair of values inside the two intervals.

    All four operations change their answer at most where a bound is crossed, so the corners of the two intervals
    decide, and for `level` also whether the intervals overlap.
    """
    corners = {holds(comparison, a, b) for a in left for b in right}
    if comparison.op == "level" and not any(corners):
        return left[0] > right[1] or right[0] > left[1]
    return len(corners) == 1


def judge(claim: Claim, lookup: Lookup) -> tuple[bool | None, bool]:
    """(whether the claim holds, whether that is certain); None when a value is missing and no comparison fails.

    One failing comparison settles a claim even when another has no value.
    """
    outcomes: list[tuple[bool | None, bool]] = []
    for comparison in claim.rule:
        left, right = lookup(comparison.left), lookup(comparison.right)
        if left is None or right is None:
            outcomes.append((None, False))
        else:
            outcomes.append(
                (
                    holds(comparison, left.value, right.value),
                    certain(comparison, left.interval, right.interval),
                )
            )
    failed = [sure for held, sure in outcomes if held is False]
    if failed:
        return False, any(failed)
    if any(held is None for held, _ in outcomes):
        return None, False
    return True, all(sure for _, sure in outcomes)


def judge_all(claims: Claims, tables: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each claim with two verdicts. `tables` maps a table's number to the content of its cells.json.

    Tables of a kind on which no claim is judged are left out.
    """
    how = {number: said for number, table in tables.items() if (said := TABLES.get(table["kind"]).claims)}
    tables = {number: tables[number] for number in how}
    cells = {(number, cell["row"], cell["column"]): cell for number, table in tables.items() for cell in table["cells"]}

    def ours(place: Place) -> Measured | None:
        cell = cells.get(place, {})
        reproduced = cell.get("reproduced")
        if reproduced is None:
            return None
        value, scale = reproduced["value"], in_percent(cell["unit"])
        low, high = reproduced.get("interval") or reproduced.get("range") or (value, value)
        return Measured(scale * value, (scale * low, scale * high))

    def circumstances(place: Place) -> str:
        """How the numbers of a place were made: its table's circumstances, or its own where they differ by cell."""
        table = tables[place[0]]
        found = cells.get(place, {}) if how[place[0]].by_cell else table
        return str(found.get("circumstances", table["circumstances"]))

    def theirs(place: Place) -> Measured | None:
        cell = cells.get(place, {})
        value = cell.get("published", {}).get("value")
        if not isinstance(value, int | float):
            return None
        value *= in_percent(cell["unit"])
        return Measured(value, (value, value))

    judged = []
    for claim in claims.claims:
        held, sure = judge(claim, ours)
        used = {place for c in claim.rule for place in (c.left, c.right) if place[0] in how}
        words = sorted({circumstances(place) for place in used})
        published_held, _ = judge(claim, theirs)
        made_up = held is not None and any(tables[place[0]].get("stand_in") for place in used)
        judged.append(
            {
                "id": claim.id,
                "document": claims.document,
                "title": claim.title,
                "says": claim.says,
                "place": claim.place,
                "rule": [c.model_dump(mode="json") for c in claim.rule],
                "verdict": "not run" if held is None else "trend holds" if held else "trend fails",
                "certain": sure,
                "circumstances": "; ".join(words),
                "uncertainty": None
                if held is None or sure
                else "; ".join(sorted({how[place[0]].overlap for place in used})),
                "by_construction": claim.on_stand_in if made_up else None,
                "published_verdict": "not given" if published_held is None else "holds" if published_held else "fails",
            }
        )
    return judged
