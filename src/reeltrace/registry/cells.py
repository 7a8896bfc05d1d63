"""What stands behind the cells of a table: its runs and its measurements; and what a table is called.

What a stage calls here is a part of its code.
"""

import re

from reeltrace.registry.fields import Strict, Transform
from reeltrace.registry.tables import AccuracyTable, AnyTable, MeasuredTable, ResultTable, StructureTable, VideoTable


class CellSource(Strict):
    """Where the accuracy in one cell of a table comes from."""

    row: str
    column: str
    run: str
    transform: Transform


def runs_of(table: ResultTable, row: str, column: str) -> tuple[str, ...]:
    """The runs behind one cell; none where the cell was not run."""
    if row not in table.rows or column not in table.columns:
        return ()
    runs = table.rows[row]
    if isinstance(runs, dict):
        return (runs[column],) if column in runs else ()
    return (runs,) if isinstance(runs, str) else runs


def cell_sources(table: AnyTable) -> tuple[CellSource, ...]:
    """The cells of a table of accuracies, row by row; none for a table of architecture facts.

    A cell that is the mean of several runs comes once per run.
    """
    if isinstance(table, ResultTable):
        return tuple(
            CellSource(row=row, column=column, run=run, transform="original")
            for row in table.rows
            for column in table.columns
            for run in runs_of(table, row, column)
        )
    if isinstance(table, AccuracyTable):
        return tuple(
            CellSource(row=row, column=column, run=run, transform=column)
            for row, run in table.rows.items()
            for column in table.columns
        )
    if isinstance(table, VideoTable):
        return tuple(
            CellSource(row=row, column=name, run=runs[column.dataset], transform=column.transform)
            for row, runs in table.rows.items()
            for name, column in table.columns.items()
        )
    return ()


def is_numbered(table: str) -> bool:
    """Whether a table is known by a number, such as 7.2, or by a name."""
    return re.fullmatch(r"\d+(\.\d+)*", table) is not None


def table_key(table: AnyTable) -> str:
    """The key that a table has in params.yaml: `basu2021-table1`, `mahler2020-table7-2`, `gavves-lecture5-resnext`."""
    slug = re.sub(r"[^a-z0-9]+", "-", table.table.lower()).strip("-")
    return f"{table.document}-table{slug}" if is_numbered(table.table) else f"{table.document}-{slug}"


def shown_below(table: AnyTable) -> tuple[str, ...]:
    """The measurements that are shown whole below a table."""
    return table.beside if isinstance(table, MeasuredTable) else ()


def measurements_of(table: AnyTable) -> tuple[str, ...]:
    """The measurements that a table reads, each once."""
    if isinstance(table, StructureTable):
        return (table.measurement,)
    if isinstance(table, MeasuredTable):
        return tuple(dict.fromkeys([*(column.measurement for column in table.measured.values()), *table.beside]))
    return ()
