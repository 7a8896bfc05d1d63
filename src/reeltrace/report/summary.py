"""The reviewer's summary at the top of the page: what there is of each outcome, and a line of statistics per table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from reeltrace.kinds.rounding import printed
from reeltrace.kinds.unit import UNITS
from reeltrace.report.binding import Binder, Number
from reeltrace.report.chains import table_words

# What stands before the outcome in the id of a count, the heading of its tiles, the section that shows what is
# counted, and the attribute there that says the outcome. Cells are listed in the appendix, and filtered by the script.
KINDS = (
    ("count/kind/", "The same cells, by what stands beside the print", "chains", "k"),
    ("count/claims-print/", "Claims, on the documents' own numbers", "claims", "print"),
    ("count/claims/", "Claims, on the numbers from here", "claims", "here"),
    ("count/audit/", "Audit of the published tables", "audit", "severity"),
)
COLOURS = {"good": "#22663a", "bad": "#a02a20", "warn": "#b98a2e", "soft": "#b5ae9f"}
TONES = {  # of outcomes; the order is that of the bars
    **dict.fromkeys(("matches", "exact", "holds", "trend holds", "supported"), "good"),
    **dict.fromkeys(("differs", "not exact", "fails", "trend fails", "contradicted", "decision"), "bad"),
    **dict.fromkeys(("exact, fitted", "cannot tell", "source damaged", "not comparable"), "warn"),
    **dict.fromkeys(("not distinguishable", "vacuous", "rounding"), "warn"),
}
SIGNS = {"good": "✓", "bad": "✗", "warn": "≁"}  # by tone


class Tile(NamedTuple):
    """A count and what it counts."""

    id: str
    outcome: str
    none: bool


class Tiles(NamedTuple):
    """The counts of one kind. `section` shows what they count, and says the outcome in its attribute `by`."""

    heading: str
    section: str
    by: str
    tiles: Sequence[Tile]


class Deviation(NamedTuple):
    """How far a value from here is from the printed one: in points of a share, or else in percent of the print."""

    cell: str
    size: float
    share: bool


def tiles(binder: Binder, verdicts: Iterable[str]) -> list[Tiles]:
    """The counts of cells by verdict, and of every other kind that the report has counted."""
    groups = [Tiles("Cells of the published tables", "chains", "v", _tiles(binder, "count/", verdicts))]
    for start, heading, section, by in KINDS:
        outcomes = [identity.removeprefix(start) for identity in binder.numbers if identity.startswith(start)]
        outcomes = [outcome for outcome in outcomes if "/" not in outcome and outcome != "by construction"]
        if outcomes:
            groups.append(Tiles(heading, section, by, _tiles(binder, start, outcomes)))
    return groups


def _tiles(binder: Binder, start: str, outcomes: Iterable[str]) -> list[Tile]:
    named = [(outcome, f"{start}{outcome}") for outcome in outcomes]
    return [Tile(identity, outcome, binder.numbers[identity].printed == "0") for outcome, identity in named]


def bind_tables(
    binder: Binder, tables: Iterable[Mapping[str, Any]], cells: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """A line per table: how many cells, which verdicts they have, and which value is furthest from its print.

    Registers the two numbers of each as `table/<document>/<table>/cells` and `.../deviation`.
    """
    by_table: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for cell in cells:
        by_table.setdefault((cell["document"], cell["table"]), []).append(cell)
    lines = []
    for table in tables:
        place = table["document"], table["table"]
        own = by_table.get(place, [])
        base, words = "table/" + "/".join(place), f"{place[0]}, {table_words(place[1])}"
        binder.add(
            Number(f"{base}/cells", str(len(own)), f"{words}: cells", rule="count", of=tuple(c["id"] for c in own))
        )
        furthest = _furthest(own)
        if furthest is not None:
            binder.add(
                Number(
                    f"{base}/deviation",
                    _size(furthest),
                    f"{words}: the value furthest from its print, {furthest.cell}",
                    rule="largest difference between a value from here and its print, "
                    + ("in points" if furthest.share else "in percent of the print"),
                    of=(furthest.cell,),
                )
            )
        counts = {verdict: sum(c["verdict"] == verdict for c in own) for verdict in [c["verdict"] for c in own]}
        lines.append(
            {
                "key": table["key"],
                "document": place[0],
                "table": place[1],
                "counts": counts,
                "id": base,
                "cells": len(own),
                "furthest": furthest,
                "agreeing": sum(n for verdict, n in counts.items() if TONES.get(verdict) == "good"),
            }
        )
    return lines


def _furthest(cells: Iterable[Mapping[str, Any]]) -> Deviation | None:
    """The largest deviation among shares, where there are any with both values, or else among other numbers."""
    found = [deviation for cell in cells if (deviation := _deviation(cell)) is not None]
    shares = [deviation for deviation in found if deviation.share]
    return max(shares or found, key=lambda deviation: deviation.size, default=None)


def _deviation(cell: Mapping[str, Any]) -> Deviation | None:
    unit, ours = UNITS.get(cell["unit"]), cell["reproduced"]
    theirs = cell["published"]["value"]
    if ours is None or not isinstance(theirs, int | float) or not isinstance(ours["value"], int | float):
        return None
    difference = abs(ours["value"] - theirs)
    if unit.share is not None:
        return Deviation(cell["id"], 100 * difference / unit.share.whole, True)
    return Deviation(cell["id"], 100 * difference / abs(theirs), False) if theirs else None


def _size(deviation: Deviation) -> str:
    return f"{printed(deviation.size, 2)} points" if deviation.share else f"{printed(deviation.size, 1)} %"


def bar(line: Mapping[str, Any], binder: Binder) -> Markup:
    """The verdicts of a table as a bar of 120 x 10 units, with its colours also where no style sheet is allowed."""
    words = ", ".join(f"{verdict}: {n}" for verdict, n in line["counts"].items())
    parts = [
        Markup('<svg class="bar" width="120" height="10" viewBox="0 0 120 10" role="img" aria-label="{}" {}>').format(
            words, binder.figure(f"bar/{line['key']}", [f"{line['id']}/cells"])
        )
    ]
    start, order = 0.0, list(TONES)
    for verdict, n in sorted(line["counts"].items(), key=lambda c: order.index(c[0]) if c[0] in order else len(order)):
        width, tone = 120 * n / line["cells"], TONES.get(verdict, "soft")
        parts.append(
            Markup('<rect x="{:.1f}" y="0" width="{:.1f}" height="10" class="t-{}" fill="{}"><title>{}</title></rect>')
            .format(start, width, tone, COLOURS[tone], f"{verdict}: {n}")
        )  # fmt: skip
        start += width
    return Markup("").join([*parts, Markup("</svg>")])
