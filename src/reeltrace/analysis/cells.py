"""What cells.json holds: one table, its cells with published value, ours, verdict and trace, and what is shown with it.

The kind of a table makes these parts as plain values; here stands what they must be. A part that a table lacks has the
default that stands here, and nothing is shown in its place.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NoReturn, Self, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)
from pydantic.json_schema import SkipJsonSchema

from reeltrace.analysis import published as pub
from reeltrace.analysis.intervals import wilson
from reeltrace.analysis.verdicts import Verdict
from reeltrace.errors import UserError
from reeltrace.kinds.rounding import printed
from reeltrace.kinds.unit import UNITS, marks


def _refuse(value: object) -> NoReturn:
    raise ValueError("leave the key out instead")


Absent: TypeAlias = Annotated[None, SkipJsonSchema(), BeforeValidator(_refuse)]  # `int | Absent = None`: never null
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Origin = Literal["measured", "derived", "published"]
Kind = Literal["trained", "counted", "described", "timed", "derived", "quoted"]
KINDS: dict[Kind, str] = {
    "trained": "the test of a net that was trained here, or could be",
    "counted": "a number or a size that was counted here, without randomness",
    "described": "a word of a layer's description, such as maxpool or ReLU, compared as text",
    "timed": "a time or an amount of memory of a machine",
    "derived": "computed here from nothing but values that the document prints",
    "quoted": "the document's value alone: nothing is set beside it",
}
Share = Annotated[float, Field(ge=0, le=100)]  # percent
Bounds = Annotated[list[float], Field(min_length=2, max_length=2)]
Ends = Annotated[list[str], Field(min_length=2, max_length=2)]
Epoch = Annotated[int, Field(ge=1)]


class Part(BaseModel):
    """A part of cells.json: no key more, and nothing converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Trace(Part):
    """Where a value stands: a file, a place in it, and its hash."""

    artifact: str = Field(
        pattern="^results/[a-z]+/[a-z]+/[^/]+/[^/]+$", description="The file, below the project's root."
    )
    pointer: str = Field(pattern="^/", description="The place in the file, a JSON pointer (RFC 6901).")
    sha256: Sha256 = Field(description="The sha256 of the file.")


class Source(Trace):
    """What a value was computed from; of a training also the seed."""

    seed: int | Absent = Field(default=None, description="The seed of the training that the file is of.")


class Contradiction(Part):
    """Another value for the same quantity in the same document."""

    printed: str = Field(description="The other value as printed.")
    place: str = Field(description="Where it is printed.")


class Tested(Part):
    """The test set that a published share is of."""

    name: str = Field(description="Its name in the document's `tests`.")
    size: int = Field(ge=1, description="How many samples it has.")
    of: str = Field(description="What these are.")


class PublishedValue(Part):
    """What the document prints in a cell, or why it prints nothing, and what contradicts it."""

    printed: str | None = Field(description="The string as printed; null where the text gives no value.")
    value: float | list[int | str] | str | None = Field(description="The printed string as a value of its unit.")
    place: str = Field(description="Where in the document it stands.")
    reason: str | None = Field(description="Why the text gives no value, where it gives none.")
    note: str | None = Field(description="What a reader should know of the printed value.")
    contradicted_by: list[Contradiction] = Field(description="Other values that the document prints for it.")
    bound: Literal["<", "<=", ">", ">=", "~"] | Absent = Field(
        default=None, description="Where the print is a bound, or says about: which."
    )
    spread: float | Absent = Field(default=None, description="What the document prints behind plus-minus.")
    damaged: str | Absent = Field(default=None, description="What the text that was transcribed has lost of the print.")
    test: Tested | Absent = Field(default=None, description="Of a share, the test set that it is of.")
    interval: Annotated[list[Share], Field(min_length=2, max_length=2)] | Absent = Field(
        default=None,
        description="Wilson's 95 % interval of the published share, in its unit, from the size of its test.",
    )
    interval_printed: Ends | Absent = Field(default=None, description="Both bounds as the report prints them.")


class Value(Part):
    """A number and how it is printed."""

    value: float = Field(description="The number.")
    printed: str = Field(description="The number as the report prints it.")


class Score(Part):
    """How many clips or videos one seed had right; of a mean over runs all together."""

    correct: int = Field(ge=0, description="How many were right.")
    total: int = Field(ge=1, description="Of how many.")
    printed: str = Field(description="The share as the report prints it.")


class SeedScore(Score):
    """The score of one seed's checkpoint that was best on validation."""

    interval: Annotated[list[Share], Field(min_length=2, max_length=2)] = Field(
        description="Wilson's 95 % interval; of a mean over runs the mean of their bounds."
    )
    epoch: Epoch | Annotated[list[Epoch], Field(min_length=2)] = Field(
        description="The epoch of the checkpoint; of a mean over runs one for each."
    )


class ClipScore(Part):
    """The accuracy over the single clips of videos, beside that of the videos."""

    value: Share = Field(description="The mean over seeds, in percent.")
    printed: str = Field(description="The mean as the report prints it.")
    seeds: dict[str, Score] = Field(description="The score of each seed.")
    trace: list[Source] = Field(min_length=1, description="What it was computed from, one per seed.")


class Ratio(Value):
    """A time over that of another row, here and in print."""

    to: str = Field(description="The row whose time is the unit.")
    published: Value | None = Field(description="The ratio of the document's own times; null where it prints none.")
    trace: list[Source] = Field(min_length=1, description="The times it was computed from.")


class Difference(Value):
    """How far a share found here lies from the published one, in percentage points."""

    interval: Bounds | Absent = Field(
        default=None,
        description="The 95 % prediction interval of the difference; only of numbers made as the document says.",
    )
    interval_printed: Ends | Absent = Field(default=None, description="Both bounds as the report prints them.")
    detectable: float | Absent = Field(
        default=None, description="The difference that would have been seen in four of five cases."
    )
    detectable_printed: str | Absent = Field(default=None, description="The same as the report prints it.")


class Accuracy(Part):
    """A share of a test set: an accuracy in percent, or an error rate between 0 and 1."""

    value: Share = Field(description="The mean over seeds of the checkpoint that was best on validation, from counts.")
    printed: str = Field(description="The mean as the report prints it, rounded half to even from the exact fraction.")
    values: dict[str, float] = Field(description="The share of each seed.")
    of: Literal["clips", "videos"] | Absent = Field(default=None, description="What the scores of the seeds count.")
    seeds: dict[str, SeedScore] = Field(description="The score of each seed.")
    deviation: float | None = Field(description="The sample standard deviation over seeds; null for one seed.")
    deviation_printed: str | None = Field(description="The deviation as the report prints it.")
    interval: Annotated[list[Share], Field(min_length=2, max_length=2)] = Field(
        description="From the lowest lower to the highest upper bound of the seeds' intervals."
    )
    interval_printed: Ends = Field(description="Both bounds as the report prints them.")
    last: Value = Field(description="The mean of the last checkpoints.")
    clip: ClipScore | Absent = Field(default=None, description="Of videos, the accuracy on their clips.")
    difference: Difference | Absent = Field(default=None, description="Ours minus the published value.")


class Time(Part):
    """A training time, without an interval."""

    value: float = Field(gt=0, description="Hours, the mean over seeds.")
    printed: str = Field(description="The time as the report prints it.")
    ratio: Ratio = Field(description="Its multiple of the time of another row.")


class Sizes(Part):
    """Several numbers of a layer, such as a shape or channels."""

    value: list[int] = Field(description="The numbers; none where the layer does not exist.")
    printed: str = Field(description="The numbers as the report prints them.")


class Measured(Part):
    """A quantity without an interval; one of times is their median."""

    value: float | str = Field(description="The quantity in its unit; text for a description.")
    printed: str = Field(description="The quantity as the report prints it.")
    range: Bounds | Absent = Field(default=None, description="Of times, the fastest and the slowest pass.")
    range_printed: Ends | Absent = Field(default=None, description="Both as the report prints them.")
    network: str | Absent = Field(default=None, description="Which of several networks it is of.")

    model_config = ConfigDict(
        json_schema_extra={"dependentRequired": {"range": ["range_printed"], "range_printed": ["range"]}}
    )

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.range is None) != (self.range_printed is None):
            raise ValueError("range and range_printed go together")
        return self


def _sort(value: Any) -> str:
    """Which of the four a value is, told from its keys."""
    if isinstance(value, dict):
        named = next((name for key, name in (("values", "accuracy"), ("ratio", "time")) if key in value), None)
        return named or ("sizes" if isinstance(value.get("value"), list) else "measured")
    return "measured"


Reproduced = Annotated[
    Annotated[Accuracy, Tag("accuracy")]
    | Annotated[Time, Tag("time")]
    | Annotated[Sizes, Tag("sizes")]
    | Annotated[Measured, Tag("measured")],
    Discriminator(_sort),
]


class Operand(Part):
    """A cell that a derived value follows from."""

    table: str = Field(description="Its table.")
    row: str = Field(description="Its row.")
    column: str = Field(description="Its column.")
    printed: str = Field(description="Its value as printed.")
    place: str = Field(description="Where in the document it stands.")


class Derivation(Part):
    """What a derived value follows from."""

    operation: Literal["quotient", "product"] = Field(description="What is done with the two cells.")
    of: list[Operand] = Field(min_length=2, max_length=2, description="The two cells.")


class Fit(Part):
    """How the network behind a value that is equal to the print was chosen: by its value."""

    search: str = Field(description="The measurement that counted the settings of what the document leaves open.")
    to: str = Field(description="What was fitted to what.")
    settings: int = Field(ge=1, description="How many settings were counted.")
    giving: int = Field(ge=0, description="How many of them give the printed count.")


def _quantity(name: str) -> str:
    unit = UNITS.all().get(name)
    if unit is None or unit.compare is None:
        raise ValueError(f"a unit whose cells are compared, not {name}")
    return name


Quantity = Annotated[str, AfterValidator(_quantity)]  # which units there are depends on the documents


class Compared(Part):
    """A published value and ours, and what came of it."""

    row: str = Field(description="The key of its row.")
    column: str = Field(description="The key of its column.")
    unit: Quantity = Field(description="The unit of both values.")
    published: PublishedValue = Field(description="What the document prints.")
    origin: Origin = Field(
        description="Where our value comes from: counted, trained or timed here; from nothing but values that the "
        "document prints; or nothing is set beside the document's value."
    )
    kind: Kind = Field(description="What sort of value stands beside the document's, which the headline counts by.")
    reproduced: Reproduced | None = Field(description="Our value; null where nothing was run or measured.")
    derivation: Derivation | None = Field(description="Of a derived value what it follows from, null for others.")
    fitted: Fit | Absent = Field(default=None, description="Of a value that is exact, but fitted: how.")
    verdict: Verdict = Field(description="How the two values compare.")
    reason: str = Field(description="Why the verdict is this one.")
    circumstances: str = Field(description="How our value was made: scale, data, machine.")


class Cell(Compared):
    """One cell of a table."""

    trace: list[Source] = Field(description="What our value was computed from, one per seed.")


class Override(Part):
    """Where what is run departs from the document."""

    path: str = Field(description="The path in the experiments.")
    document: Any = Field(description="The document's value.")
    here: Any = Field(description="The value here.")


class Content(Part):
    """All of cells.json. `circumstances` are those of the whole table.

    Of a table from runs there are `seeds` and, by row, its `runs`. What else is shown with the cells: how equivariant
    the nets are (`equivariance`), what recurrent ones carry (`hidden`), the search for printed counts (`search`), by
    column where its values come from (`origins`) and which were `added` to the document's, whole measurements below the
    table (`beside`), figures drawn again (`drawings`, by number), which tests each net got right (`paired`).
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
    overrides: list[Override]
    cells: list[Cell]
    seeds: list[int] = []
    runs: dict[str, Any] = {}
    measurement: str | None = None
    equivariance: list[dict[str, Any]] = []
    hidden: list[dict[str, Any]] = []
    search: dict[str, Any] | None = None
    origins: dict[str, Origin] = {}
    added: list[str] = []
    beside: list[dict[str, Any]] = []
    drawings: dict[str, dict[str, Any]] = {}
    paired: dict[str, Any] = {}


def check(content: dict[str, Any], made_by: str) -> None:
    """Raises `UserError`, naming the function `made_by`, where this is no content of cells.json."""
    try:
        Content.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{made_by}: cells.json, {first_mistake(error)}; correct what it gives") from None


def first_mistake(error: ValidationError) -> str:
    """Where the first mistake lies, and what it is: `/cells/0/row: Field required`."""
    first = error.errors(include_url=False)[0]
    return f"/{'/'.join(map(str, first['loc']))}: {first['msg']}"


def parts() -> dict[str, Any]:
    """What cells.json may leave out, each with what then stands for it."""
    return {name: field.get_default() for name, field in Content.model_fields.items() if not field.is_required()}


def base_cell(cell: pub.Cell, document: pub.Document) -> dict[str, Any]:
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
            **_marked(cell),
            **_tested(cell, document),
        },
    }


def _marked(cell: pub.Cell) -> dict[str, Any]:
    """What stands around a printed number, and what is lost of it."""
    found: dict[str, Any] = {} if cell.damaged is None else {"damaged": cell.damaged}
    if cell.printed is not None and cell.in_unit.number is not None:
        said = marks(cell.printed)
        found |= {} if said.bound is None else {"bound": said.bound}
        found |= {} if said.spread is None else {"spread": float(said.spread)}
    return found


def _tested(cell: pub.Cell, document: pub.Document) -> dict[str, Any]:
    """The test set of a share, and the interval that its size gives."""
    test, share = document.test_of(cell), cell.in_unit.share
    if cell.test is None or test is None or share is None:
        return {}
    found: dict[str, Any] = {"test": {"name": cell.test, "size": test.size, "of": test.of}}
    if cell.printed is not None and cell.in_unit.number is not None and marks(cell.printed).bound in (None, "~"):
        part = float(cell.in_unit.number(cell.printed)) / share.whole
        ends = [end * share.whole / 100 for end in wilson(part * test.size, test.size)]
        decimals = document.decimals[cell.unit]
        found |= {"interval": ends, "interval_printed": [printed(end, decimals) for end in ends]}
    return found
