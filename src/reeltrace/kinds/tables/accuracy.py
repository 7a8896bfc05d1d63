"""Tables of top-1 accuracies under transforms of one test set."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from reeltrace.kinds.table import (
    ON_TEST_SET,
    CellSource,
    TableEntry,
    TableKind,
    never,
    no_names,
    nothing_more,
    rows_and_columns,
)
from reeltrace.registry.fields import Name, Transform


class AccuracyTable(TableEntry):
    """A table of top-1 accuracies: each row is a run, each column a transform of the test set.

    `beside` names measurements that the report shows whole where it says how equivariant these nets are.
    """

    kind: Literal["accuracy"]
    columns: Annotated[tuple[Transform, ...], Field(min_length=1)]
    rows: Annotated[dict[str, Name], Field(min_length=1)]
    beside: tuple[Name, ...] = ()


def sources(table: AccuracyTable) -> tuple[CellSource, ...]:
    """Each row under each transform."""
    return tuple(
        CellSource(row=row, column=column, run=run, transform=column)
        for row, run in table.rows.items()
        for column in table.columns
    )


def beside(table: AccuracyTable) -> tuple[str, ...]:
    """The measurements that are shown with it, which are all that it reads."""
    return table.beside


KIND = TableKind(
    name="accuracy",
    params=AccuracyTable,
    sources=sources,
    measurements=beside,
    beside=beside,
    timed=never,
    check=nothing_more,
    printed=rows_and_columns,
    figures=no_names,
    cells="reeltrace.analysis.accuracies:on_one_set",
    macro="macros.html.j2:accuracy",
    chart="reeltrace.report.charts:rates",
    note=None,
    claims=ON_TEST_SET,
)
