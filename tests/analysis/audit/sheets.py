"""Invented tables to audit."""

from collections.abc import Mapping, Sequence
from fractions import Fraction

from reeltrace.analysis.audit.findings import Finding
from reeltrace.analysis.audit.run import audit
from reeltrace.analysis.audit.values import Body, Printed, Sheet, TestSize
from reeltrace.kinds.rounding import decimals_of

DOCUMENT = "invented"


def number(
    text: str, row: str, column: str, unit: str = "", whole: int | None = None, test: TestSize | None = None
) -> Printed:
    """A printed number of a table called `table`."""
    step = Fraction(0) if unit == "count" else Fraction(1, 10 ** decimals_of(text))
    return Printed(DOCUMENT, text, "table", unit, Fraction(text), step, "table", row, column, whole=whole, test=test)


def sheet(
    columns: Mapping[str, Sequence[str]], unit: str = "", whole: int | None = None, size: int | None = None
) -> Body:
    """One table of columns of printed strings; an empty one is no number. `size` is that of the test set."""
    test = None if size is None else TestSize("set", size, "clips", "said")
    rows = tuple(f"row {i}" for i in range(len(next(iter(columns.values())))))
    cells = {
        (row, name): number(text, row, name, unit, whole, test)
        for name, texts in columns.items()
        for row, text in zip(rows, texts, strict=True)
        if text
    }
    table = Sheet(DOCUMENT, "table", "table", rows, tuple(columns), cells)
    return Body(DOCUMENT, {"table": table}, tests=() if test is None else (test,))


def wrong(body: Body) -> list[Finding]:
    """What an audit finds that is more than a note."""
    return [each for each in audit([body]).findings if each.severity != "note"]


def cells_of(findings: Sequence[Finding]) -> set[tuple[str, str]]:
    """Row and column of what each finding is about."""
    return {(each.sources[0].row, each.sources[0].column) for each in findings}
