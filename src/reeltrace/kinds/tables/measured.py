"""Tables of quantities: measured here, derived from published values, or published only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from reeltrace.kinds.table import Judged, Lookup, Printed, TableEntry, TableKind, never, no_sources
from reeltrace.registry.fields import Flag, Name, PositiveFloat, Strict


class Fitted(Strict):
    """Why the network behind a cell is none that was given, but was chosen because its value is the printed one.

    `search` is the measurement that counted the settings of what the document leaves open; `to` is what was fitted.
    """

    search: Name
    to: Annotated[str, Field(min_length=1)]


class MeasuredColumn(Strict):
    """Where the values of a column are read: a measurement and a pointer into its metrics.json.

    In the pointer `{row}` and `{column}` stand for the cell's keys and `{word}` for one of the row's own words; a row
    without that word has no such value. What is read is divided by `divisor`, rounded to a whole number if `whole` says
    so, and multiplied by `factor`: a number, or the word of the row that holds it. `machine` marks times and memory,
    which belong to the machine that they were measured on. `fitted` names the rows whose network was chosen by value.
    `without` is said where the measurement has no such value. What is read may be a score, how many of how many videos
    were right: it is then compared as a share of the test set.
    """

    measurement: Name
    pointer: Annotated[str, StringConstraints(pattern=r"^/")]
    divisor: PositiveFloat = 1.0
    whole: Flag = False
    factor: PositiveFloat | Name = 1.0
    machine: Flag = False
    fitted: dict[str, Fitted] = Field(default_factory=dict)
    without: Annotated[str, Field(min_length=1)] | None = None


class DerivedColumn(Strict):
    """A column that follows from published values: `of` names two of them, "column", "table/column" or
    "table/row/column"; without a row they stand in the cell's own."""

    operation: Literal["quotient", "product"]
    of: tuple[str, str]


class Scatter(Strict):
    """A drawing of one quantity over another, each [table, column]; a point per row."""

    kind: Literal["scatter"]
    title: str
    across: tuple[str, str]
    up: tuple[str, str]


class Panels(Strict):
    """A drawing of several columns of the table side by side, on one logarithmic scale each; a line per row."""

    kind: Literal["panels"]
    title: str
    columns: Annotated[tuple[str, ...], Field(min_length=1)]


class MeasuredTable(TableEntry):
    """A table of quantities. Each column is measured here, derived from published values, or published only.

    `rows` holds, per row, the words that pointers and factors use. `published_only` says why nothing is set beside the
    columns that are in neither list. `beside` names measurements that are shown whole below the table, `drawings` the
    document's figures that are drawn again from this table, by number.
    """

    kind: Literal["measured"]
    published_only: Annotated[str, Field(min_length=1)]
    rows: dict[str, dict[Name, str | int]] = Field(default_factory=dict)
    measured: dict[str, MeasuredColumn] = Field(default_factory=dict)
    derived: dict[str, DerivedColumn] = Field(default_factory=dict)
    beside: tuple[Name, ...] = ()
    drawings: dict[str, Annotated[Scatter | Panels, Field(discriminator="kind")]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        both = sorted(self.measured.keys() & self.derived.keys())
        if both:
            raise ValueError(f"column {both[0]!r} is both measured and derived; give one")
        return self


def measurements(table: MeasuredTable) -> tuple[str, ...]:
    """Those of its columns, those that these were fitted by, and those that are shown below it."""
    fitted = [fit.search for column in table.measured.values() for fit in column.fitted.values()]
    return tuple(dict.fromkeys([*(column.measurement for column in table.measured.values()), *fitted, *table.beside]))


def beside(table: MeasuredTable) -> tuple[str, ...]:
    """Those that are shown below it."""
    return table.beside


def check(table: MeasuredTable, names: Lookup) -> None:
    """A word that a column multiplies by is a number in every row that has it, and some row has it."""
    for column, asked in table.measured.items():
        if isinstance(asked.factor, str):
            path = f"measured.{column}.factor"
            found = {row: words[asked.factor] for row, words in table.rows.items() if asked.factor in words}
            if not found:
                names.refuse(path, f"no row has the word {asked.factor!r}; give a number or a word of the rows")
            for row, value in found.items():
                if not isinstance(value, int):
                    names.refuse(path, f"in row {row!r} the word {asked.factor!r} is {value!r}, expected a number")


def place(text: str, table: str, row: str | None) -> tuple[str, str | None, str]:
    """Table, row and column of what a derived column is `of`; those that it leaves out are given."""
    parts = text.split("/")
    if len(parts) == 1:
        return table, row, parts[0]
    return (parts[0], row, parts[1]) if len(parts) == 2 else (parts[0], parts[1], "/".join(parts[2:]))


def printed(table: MeasuredTable) -> Iterator[Printed]:
    """Its rows, its columns, and the cells that columns follow from."""
    yield from (Printed("rows", table.table, row=row) for row in table.rows)
    for part, columns in (("measured", table.measured), ("derived", table.derived)):
        yield from (Printed(part, table.table, column=column) for column in columns)
    for name, measured in table.measured.items():
        yield from (Printed(f"measured.{name}.fitted", table.table, row=row) for row in measured.fitted)
    for name, asked in table.derived.items():
        for text in asked.of:
            number, row, column = place(text, table.table, None)
            yield Printed(f"derived.{name}.of", number, row=row, column=column)


def figures(table: MeasuredTable) -> tuple[str, ...]:
    """Those of its drawings."""
    return tuple(table.drawings)


KIND = TableKind(
    name="measured",
    params=MeasuredTable,
    sources=no_sources,
    measurements=measurements,
    beside=beside,
    timed=never,
    check=check,
    printed=printed,
    figures=figures,
    cells="reeltrace.analysis.measured:content",
    macro="macros.html.j2:quantities",
    chart=None,
    note=None,
    claims=Judged(overlap="times overlap: the opposite cannot be excluded on this machine", by_cell=True),
)
