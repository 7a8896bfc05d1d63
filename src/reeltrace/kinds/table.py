"""Tables: what a kind of table says of itself, and what stands behind the cells of one.

What a stage calls here is a part of its code, and so is the file of each kind that it asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, NoReturn

from pydantic import SerializeAsAny

from reeltrace.errors import UserError, known_names
from reeltrace.kinds.points import Kind, Point
from reeltrace.registry.fields import Name, Place, Strict, Transform


class TableEntry(Strict):
    """What every table says: whose it is, what it is called there, and of which kind it is."""

    document: Name
    table: str
    kind: str


class CellSource(Strict):
    """Where the accuracy in one cell of a table comes from."""

    row: str
    column: str
    run: str
    transform: Transform


class Printed(NamedTuple):
    """What an entry names at `path`, and what the transcription must therefore have: a row, a column, or a cell."""

    path: str
    table: str
    row: str | None = None
    column: str | None = None


@dataclass(frozen=True)
class Lookup:
    """The names that a table may give to other entries; `at` is its own path in the registry, `place` adds the file."""

    at: str
    place: Place
    datasets: Mapping[str, Any]

    def check(self, path: str, what: str, name: str, known: Iterable[str]) -> None:
        """Raises `UserError` where no `what` is named so."""
        known = list(known)
        if name not in known:
            self.refuse(path, f"no {what} is named {name!r}; {known_names(name, known)}")

    def refuse(self, path: str, words: str) -> NoReturn:
        """Raises `UserError` at a path below the table's own."""
        raise UserError(f"{self.place(f'{self.at}.{path}')}: {words}")


@dataclass(frozen=True)
class Judged:
    """How claims are judged on cells of a kind.

    `overlap` is said where intervals allow the opposite too; `by_cell` whether each cell has circumstances of its own.
    """

    overlap: str
    by_cell: bool


@dataclass(frozen=True)
class TableKind(Kind):
    """A kind of table. Its functions are called with an entry that `params` has read.

    `sources` are the cells that come from runs, row by row; one that is the mean of several comes once per run.
    `measurements` are those that it reads, each once; `beside` those of them that are shown whole below it, which its
    entry has under that key. `timed` says whether it prints how long training took.
    `check` raises `UserError` where a name in the entry leads nowhere; that runs and measurements exist is checked for
    all. `printed` are the names that the transcription must have; `figures` the document's, by number, that are drawn
    again from the table.

    `cells` names the function, "package.module:function", that makes what cells.json holds besides what all tables
    have: of the entry, its spec, the transcription, what was measured and the circumstances. What that may be says
    `analysis.cells.Content`; the page shows each part that is there. `macro` draws the table: "file:macro", below the
    templates or documents/. `chart` names a function that draws the cells once more, as `cells` does; `note` is said
    below the table; `claims` says how claims are judged on it. None for one of these three means that there is none.
    """

    params: type[TableEntry]
    sources: Callable[[Any], tuple[CellSource, ...]]
    measurements: Callable[[Any], tuple[str, ...]]
    beside: Callable[[Any], tuple[str, ...]]
    timed: Callable[[Any], bool]
    check: Callable[[Any, Lookup], None]
    printed: Callable[[Any], Iterable[Printed]]
    figures: Callable[[Any], Iterable[str]]
    cells: str
    macro: str
    chart: str | None
    note: str | None
    claims: Judged | None


TABLES = Point("kind of table", "kind", f"{__package__}.tables", TableKind)
Table = Annotated[SerializeAsAny[TableEntry], TABLES.entry()]


def kind_of(table: TableEntry) -> TableKind:
    """What the kind of a table says."""
    return TABLES.get(table.kind)


def cell_sources(table: TableEntry) -> tuple[CellSource, ...]:
    """The cells of a table that come from runs, row by row; none of a table of quantities."""
    return kind_of(table).sources(table)


def measurements_of(table: TableEntry) -> tuple[str, ...]:
    """The measurements that a table reads, each once."""
    return kind_of(table).measurements(table)


def shown_below(table: TableEntry) -> tuple[str, ...]:
    """The measurements that are shown whole below a table."""
    return kind_of(table).beside(table)


def rows_of_runs(table: TableEntry, runs: Iterable[str]) -> dict[str, Any]:
    """The rows of a table that some of these runs stand in; none of a table without rows of runs."""
    asked = set(runs)
    rows = {source.row for source in cell_sources(table) if source.run in asked}
    return {row: said for row, said in getattr(table, "rows", {}).items() if row in rows}


def with_runs(table: TableEntry, read_as: Mapping[str, str]) -> TableEntry:
    """A table with other runs in its rows, each in place of the one that `read_as` maps to it."""

    def read(said: Any) -> Any:
        if isinstance(said, dict):
            return {key: read(each) for key, each in said.items()}
        return tuple(map(read, said)) if isinstance(said, tuple | list) else read_as.get(said, said)

    return table.model_copy(update={"rows": read(getattr(table, "rows", {}))})


# What kinds have in common where there is nothing of the sort.


def no_sources(table: TableEntry) -> tuple[CellSource, ...]:
    """A table that no run stands behind."""
    return ()


def no_names(table: TableEntry) -> tuple[str, ...]:
    """A table that reads no measurement, below which none is shown, or of which no figure is drawn."""
    return ()


def never(table: TableEntry) -> bool:
    """A table that prints no times of training."""
    return False


def nothing_more(table: TableEntry, names: Lookup) -> None:
    """A table whose names are those of runs and measurements, which are checked for all."""


def rows_and_columns(table: Any) -> Iterable[Printed]:
    """The names of a table that has `rows` and `columns` by the names that the document has for them."""
    return [
        *(Printed("rows", table.table, row=row) for row in table.rows),
        *(Printed("columns", table.table, column=column) for column in table.columns),
    ]


ON_TEST_SET = Judged(overlap="intervals overlap: the opposite cannot be excluded on this test set", by_cell=False)
