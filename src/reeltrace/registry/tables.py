"""Tables: which run, measurement or published value stands behind each cell."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from reeltrace.registry.fields import Flag, GroupName, Name, PositiveFloat, Strict, Transform


class AccuracyTable(Strict):
    """A table of top-1 accuracies: each row is a run, each column a transform of the test set."""

    document: Name
    table: str
    kind: Literal["accuracy"]
    columns: Annotated[tuple[Transform, ...], Field(min_length=1)]
    rows: Annotated[dict[str, Name], Field(min_length=1)]


class Column(Strict):
    """A column of a table that spans datasets: which dataset, under which transform of its test set."""

    dataset: Name
    transform: Transform


class VideoTable(Strict):
    """A table of top-1 accuracies over several datasets: each row names, per dataset, the run that fills it."""

    document: Name
    table: str
    kind: Literal["video-accuracy"]
    columns: Annotated[dict[str, Column], Field(min_length=1)]
    rows: Annotated[dict[str, dict[Name, Name]], Field(min_length=1)]


class MeasuredColumn(Strict):
    """Where the values of a column are read: a measurement and a pointer into its metrics.json.

    In the pointer `{row}` and `{column}` stand for the cell's keys and `{word}` for one of the row's own words; a row
    without that word has no such value. What is read is divided by `divisor`, rounded to a whole number if `whole` says
    so, and multiplied by `factor`: a number, or the word of the row that holds it. `machine` marks times and memory,
    which belong to the machine that they were measured on.
    """

    measurement: Name
    pointer: Annotated[str, StringConstraints(pattern=r"^/")]
    divisor: PositiveFloat = 1.0
    whole: Flag = False
    factor: PositiveFloat | Name = 1.0
    machine: Flag = False


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


class MeasuredTable(Strict):
    """A table of quantities. Each column is measured here, derived from published values, or published only.

    `rows` holds, per row, the words that pointers and factors use. `published_only` says why nothing is set beside the
    columns that are in neither list. `beside` names measurements that are shown whole below the table, `drawings` the
    document's figures that are drawn again from this table, by number.
    """

    document: Name
    table: str
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


class StructureTable(Strict):
    """A table of architecture facts, read off one measurement.

    `nets` says which of the measured nets a column is about, by the first word of the column's key.
    """

    document: Name
    table: str
    kind: Literal["structure"]
    measurement: Name
    nets: Annotated[dict[str, GroupName], Field(min_length=1)]


Quantity = Literal["error", "clip-top1", "top1", "training-time"]
RowRuns = Name | Annotated[tuple[Name, ...], Field(min_length=2)] | dict[str, Name]


class ResultTable(Strict):
    """A table of results of runs: each column is a quantity, each row says which run has it.

    A row is one run for all columns, or a run per column, or several runs whose mean is meant. A row or a column of the
    document that is not named here was not run. Times are also compared as multiples of that of the row `time_unit`.
    """

    document: Name
    table: str
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


AnyTable = AccuracyTable | VideoTable | StructureTable | MeasuredTable | ResultTable
Table = Annotated[AnyTable, Field(discriminator="kind")]
