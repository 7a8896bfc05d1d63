"""What cells.json holds: one table, its cells with published value, ours, verdict and trace, and what is shown with it.

The kind of a table makes these parts as plain values; here stands what they must be. A part that a table lacks has the
default that stands here, and nothing is shown in its place.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reeltrace.analysis import published as pub
from reeltrace.errors import UserError


class Part(BaseModel):
    """A part of cells.json: no key more, and nothing converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Trace(Part):
    """Where a value stands: a file, a JSON pointer into it, its hash; of a training also the seed."""

    artifact: str
    pointer: str
    sha256: str
    seed: int | None = None


class PublishedValue(Part):
    """What the document prints in a cell, or why it prints nothing, and what contradicts it."""

    printed: str | None
    value: Any
    place: str
    reason: str | None
    note: str | None
    contradicted_by: list[dict[str, Any]]


class SeedScore(Part):
    """How many test clips or videos one seed had right; of a mean over runs all together, an epoch for each."""

    correct: int
    total: int
    printed: str
    interval: list[float] | None = None
    epoch: int | list[int] | None = None


class Value(Part):
    """A number and how it is printed."""

    value: float
    printed: str


class ClipScore(Value):
    """The accuracy over the single clips of videos, beside that of the videos."""

    seeds: dict[str, SeedScore]
    trace: list[Trace]


class Ratio(Value):
    """A time over that of the row `to`, here and in print."""

    to: str
    published: Value | None
    trace: list[Trace]


class Reproduced(Part):
    """Our value of a cell: `interval` and what follows it of a share of a test set, `range` of times."""

    value: float | str | list[Any] | None
    printed: str
    values: dict[str, float] | None = None
    of: Literal["clips", "videos"] | None = None
    seeds: dict[str, SeedScore] | None = None
    deviation: float | None = None
    deviation_printed: str | None = None
    interval: list[float] | None = None
    interval_printed: list[str] | None = None
    last: Value | None = None
    clip: ClipScore | None = None
    range: list[float] | None = None
    range_printed: list[str] | None = None
    ratio: Ratio | None = None


class Cell(Part):
    """One cell. `derivation` says of a derived value what it follows from."""

    row: str
    column: str
    unit: str
    published: PublishedValue
    origin: Literal["measured", "derived", "published"]
    reproduced: Reproduced | None
    derivation: dict[str, Any] | None
    trace: list[Trace]
    verdict: str
    reason: str
    circumstances: str


class Content(Part):
    """All of cells.json. `circumstances` are those of the whole table.

    Of a table from runs there are `seeds` and, by row, its `runs`. What else is shown with the cells: how equivariant
    the nets are (`equivariance`), what recurrent ones carry (`hidden`), the search for printed counts (`search`), by
    column where its values come from (`origins`) and which were `added` to the document's, whole measurements below the
    table (`beside`), figures drawn again (`drawings`, by number).
    """

    schema_: int = Field(alias="schema")
    document: str
    table: str
    kind: str
    scale: str
    stand_in: str | None
    circumstances: str
    columns: list[dict[str, Any]]
    rows: list[dict[str, Any]]
    overrides: list[dict[str, Any]]
    cells: list[Cell]
    seeds: list[int] = []
    runs: dict[str, Any] = {}
    measurement: str | None = None
    equivariance: list[dict[str, Any]] = []
    hidden: list[dict[str, Any]] = []
    search: dict[str, Any] | None = None
    origins: dict[str, Literal["measured", "derived", "published"]] = {}
    added: list[str] = []
    beside: list[dict[str, Any]] = []
    drawings: dict[str, dict[str, Any]] = {}


def check(content: dict[str, Any], made_by: str) -> None:
    """Raises `UserError`, naming the function `made_by`, where this is no content of cells.json."""
    try:
        Content.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = "/".join(map(str, first["loc"]))
        raise UserError(f"{made_by}: cells.json, /{where}: {first['msg']}; correct what it gives") from None


def parts() -> dict[str, Any]:
    """What cells.json may leave out, each with what then stands for it."""
    return {name: field.get_default() for name, field in Content.model_fields.items() if not field.is_required()}


def base_cell(cell: pub.Cell) -> dict[str, Any]:
    """What the document says of a cell."""
    return {
        "row": cell.row,
        "column": cell.column,
        "unit": cell.unit,
        "published": {
            "printed": cell.printed,
            "value": cell.value,
            "place": cell.place,
            "reason": cell.reason,
            "note": cell.note,
            "contradicted_by": [other.model_dump(mode="json") for other in cell.contradicted_by],
        },
    }
