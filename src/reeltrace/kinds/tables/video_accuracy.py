"""Tables of top-1 accuracies that span several sets of videos."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from reeltrace.kinds.table import (
    ON_TEST_SET,
    CellSource,
    Lookup,
    TableEntry,
    TableKind,
    never,
    no_names,
    rows_and_columns,
)
from reeltrace.registry.fields import Name, Strict, Transform


class Column(Strict):
    """A column of a table that spans datasets: which dataset, under which transform of its test set."""

    dataset: Name
    transform: Transform


class VideoTable(TableEntry):
    """A table of top-1 accuracies over several datasets: each row names, per dataset, the run that fills it."""

    kind: Literal["video-accuracy"]
    columns: Annotated[dict[str, Column], Field(min_length=1)]
    rows: Annotated[dict[str, dict[Name, Name]], Field(min_length=1)]


def sources(table: VideoTable) -> tuple[CellSource, ...]:
    """Each row in each column, from its run on the column's dataset."""
    return tuple(
        CellSource(row=row, column=name, run=runs[column.dataset], transform=column.transform)
        for row, runs in table.rows.items()
        for name, column in table.columns.items()
    )


def check(table: VideoTable, names: Lookup) -> None:
    """Columns are of known datasets, and every row has a run for each of them."""
    for row, runs in table.rows.items():
        for column in table.columns.values():
            names.check("columns", "dataset", column.dataset, sorted(names.datasets))
            if column.dataset not in runs:
                names.refuse(f"rows.{row}", f"no run for dataset {column.dataset!r}")


KIND = TableKind(
    name="video-accuracy",
    params=VideoTable,
    sources=sources,
    measurements=no_names,
    beside=no_names,
    timed=never,
    check=check,
    printed=rows_and_columns,
    figures=no_names,
    cells="reeltrace.analysis.accuracies:on_sets_of_videos",
    macro="macros.html.j2:accuracy",
    chart="reeltrace.report.charts:rates",
    note=(
        "The larger number is the accuracy on videos, each judged by the mean probability over its clips; it has the "
        "interval and the verdict. Below it stands the accuracy over the single clips."
    ),
    claims=ON_TEST_SET,
)
