"""Rows and columns that are called a total or a mean, held against the others of their table.

A total of shares is no sum: it is the share of all, between the smallest and the largest, unless it is 100 %.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Literal

from reeltrace.analysis.audit.findings import Finding, apart, digits, finding
from reeltrace.analysis.audit.values import Body, Printed, Sheet

TOTAL = re.compile(r"\b(?:grand total|total|sum|in all|all together)\b", re.IGNORECASE)
MEAN = re.compile(r"\b(?:mean|average|avg)\b\.?", re.IGNORECASE)
LEAST = 2
What = Literal["total", "mean"]


def find(body: Body) -> list[Finding]:
    """Totals and means, by their names, that the numbers above or beside them do not give."""
    found = []
    for sheet in body.sheets.values():
        for number, others, what in _named(sheet):
            each = _judge(sheet, number, others, what)
            if each is not None:
                found.append(each)
    return found


def _called(name: str) -> What | None:
    if TOTAL.fullmatch(name.strip()):
        return "total"
    return "mean" if MEAN.fullmatch(name.strip()) else None


def _named(sheet: Sheet) -> Iterator[tuple[Printed, list[Printed], What]]:
    """Each number in a row or column that is called a total or a mean, with the others that it is of."""
    for across in (False, True):
        names = sheet.columns if across else sheet.rows
        plain = [name for name in names if _called(name) is None]
        for name in names:
            what = _called(name)
            if what is None:
                continue
            before = [n for n in plain if names.index(n) < names.index(name)] or plain
            for line in sheet.rows if across else sheet.columns:
                number = sheet.cells.get(_place(line, name, across))
                others = [sheet.cells.get(_place(line, n, across)) for n in before]
                there = [o for o in others if o is not None]
                if (
                    number is not None
                    and len(there) >= LEAST
                    and len({(o.unit, o.whole) for o in (number, *there)}) == 1
                ):
                    yield number, there, what


def _place(line: str, name: str, across: bool) -> tuple[str, str]:
    """Row and column of a cell: `name` is that of a column where it is looked for across the columns."""
    return (line, name) if across else (name, line)


def _judge(sheet: Sheet, number: Printed, others: Sequence[Printed], what: What) -> Finding | None:
    ends = [o.bounds for o in others]
    total = sum((low for low, _ in ends), Fraction()), sum((high for _, high in ends), Fraction())
    mean = total[0] / len(ends), total[1] / len(ends)
    if apart(total if what == "total" else mean, number) is None:
        return None
    if what == "mean" and number.whole is None and apart(total, number) is None:
        return None  # below columns of means, one of counts has its sum
    low, high = number.bounds
    within = min(o.value for o in others) <= high and low <= max(o.value for o in others)
    if number.whole is not None and what == "total":
        if within or (number.value == number.whole and apart(total, number) != "decision"):
            return None
        return _finding(
            sheet, number, others, "no share of all can lie outside of the shares that it is of", "decision"
        )
    severity = apart(total if what == "total" else mean, number)
    if severity is None:
        return None
    if what == "mean" and within:
        severity = "rounding" if severity == "rounding" else "note"
    computed = total if what == "total" else mean
    middle = (computed[0] + computed[1]) / 2
    words = f"their {'sum' if what == 'total' else 'mean'} is {digits(middle, number.step or Fraction(1))}"
    return _finding(sheet, number, others, words, severity)


def _finding(
    sheet: Sheet,
    number: Printed,
    others: Sequence[Printed],
    words: str,
    severity: Literal["decision", "rounding", "note"],
) -> Finding:
    shown = ", ".join(o.printed for o in others[:8]) + (f" and {len(others) - 8} more" if len(others) > 8 else "")
    return finding(
        sheet.document,
        "total",
        f"{sheet.name} {number.row} {number.column}",
        severity,
        [number, *others],
        f"{number.name} is not what the numbers that it is called the total or mean of give",
        f"of {shown}: {words}, printed {number.printed}",
        [
            "a mean weighted by sizes that are not in the table",
            "it is of more, or of other, numbers than are printed",
            "a slip in print",
        ],
    )
