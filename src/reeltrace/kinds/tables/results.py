"""Tables of results of runs: error rates, accuracies of clips and of videos, and times of training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from reeltrace.kinds.table import (
    ON_TEST_SET,
    CellSource,
    Lookup,
    Printed,
    TableEntry,
    TableKind,
    no_names,
    rows_and_columns,
)
from reeltrace.registry.fields import Name

Quantity = Literal["error", "clip-top1", "top1", "training-time"]
RowRuns = Name | Annotated[tuple[Name, ...], Field(min_length=2)] | dict[str, Name]


class ResultTable(TableEntry):
    """A table of results of runs: each column is a quantity, each row says which run has it.

    A row is one run for all columns, or a run per column, or several runs whose mean is meant. A row or a column of the
    document that is not named here was not run. Times are also compared as multiples of that of the row `time_unit`.
    """

    kind: Literal["results"]
    columns: Annotated[dict[str, Quantity], Field(min_length=1)]
    rows: Annotated[dict[str, RowRuns], Field(min_length=1)]
    time_unit: str | None = None

    @model_validator(mode="after")
    def _unit_of_time(self) -> Self:
        timed = "training-time" in self.columns.values()
        if timed != (self.time_unit is not None) or (timed and self.time_unit not in self.rows):
            raise ValueError("time_unit names the row to whose training time the others are compared, if there is one")
        return self


def runs_of(table: ResultTable, row: str, column: str) -> tuple[str, ...]:
    """The runs behind one cell; none where the cell was not run."""
    if row not in table.rows or column not in table.columns:
        return ()
    runs = table.rows[row]
    if isinstance(runs, dict):
        return (runs[column],) if column in runs else ()
    return (runs,) if isinstance(runs, str) else runs


def sources(table: ResultTable) -> tuple[CellSource, ...]:
    """Each run of each cell."""
    return tuple(
        CellSource(row=row, column=column, run=run, transform="original")
        for row in table.rows
        for column in table.columns
        for run in runs_of(table, row, column)
    )


def timed(table: ResultTable) -> bool:
    """Whether a column has times."""
    return "training-time" in table.columns.values()


def check(table: ResultTable, names: Lookup) -> None:
    """A row that has a run per column names columns of the table."""
    for row, runs in table.rows.items():
        for column in runs if isinstance(runs, dict) else ():
            names.check(f"rows.{row}", "column", column, table.columns)


def printed(table: ResultTable) -> Iterator[Printed]:
    """Its rows and columns, and the columns for which a row has a run of its own."""
    yield from rows_and_columns(table)
    for row, runs in table.rows.items():
        yield from (Printed(f"rows.{row}", table.table, column=name) for name in runs if isinstance(runs, dict))


KIND = TableKind(
    name="results",
    params=ResultTable,
    sources=sources,
    measurements=no_names,
    beside=no_names,
    timed=timed,
    check=check,
    printed=printed,
    figures=no_names,
    cells="reeltrace.analysis.results:content",
    macro="macros.html.j2:accuracy",
    chart="reeltrace.report.charts:rates",
    note=None,
    claims=ON_TEST_SET,
)
