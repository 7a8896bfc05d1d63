"""One quantity in two places of a document: what the transcription lists as `also` and prints another value."""

from __future__ import annotations

from fractions import Fraction

from reeltrace.analysis import published
from reeltrace.analysis.audit.findings import Finding, Severity, Source, finding
from reeltrace.analysis.audit.values import Body, Printed, number_of


def find(body: Body) -> list[Finding]:
    """Cells of which other places print another value; where two cells tell of the same values, one finding."""
    if body.transcription is None:
        return []
    found: dict[frozenset[str], Finding] = {}
    for name, table in body.transcription.tables.items():
        for cell in table.cells:
            number = body.sheets[name].cells.get((cell.row, cell.column))
            if number is None or not cell.contradicted_by:
                continue
            key = frozenset((cell.printed or "", *(other.printed for other in cell.contradicted_by)))
            found.setdefault(key, _finding(body, cell, number))
    return list(found.values())


def _finding(body: Body, cell: published.Cell, number: Printed) -> Finding:
    others = [
        Source(document=body.document, table="", row="", column="", prose="", printed=other.printed, place=other.place)
        for other in cell.also
    ]
    severity: Severity = "rounding"
    for other in cell.contradicted_by:
        if _apart(number, other.printed, cell):
            severity = "decision"
    values = [f"{number.printed} in {number.place}", *(f"{o.printed} in {o.place}" for o in others)]
    made = finding(
        body.document,
        "printed twice",
        f"{number.table} {number.row} {number.column}",
        severity,
        [number],
        f"{number.row}, {number.column}: the document prints different values for this quantity",
        "; ".join(values),
        ["two runs or two evaluations, each printed where it was used", "a slip in print"],
    )
    return made.model_copy(update={"sources": [*made.sources, *others]})


def _apart(number: Printed, text: str, cell: published.Cell) -> bool:
    """Whether another print is further away than rounding or cutting off explains."""
    unit = cell.in_unit
    found = None if unit.number is None else number_of(unit.number(text))
    if found is None:
        return True
    value, step = found
    low, high = number.wide
    room = step / 2 if step else Fraction(0)
    return not (low <= value + room and value - room <= high)
