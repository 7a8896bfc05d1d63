"""What report.json holds, part by part, and the JSON Schema that follows from it.

`docs/report-json.md` says it in prose. What a reader of version 1 could stumble over gets a new version.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError
from pydantic.json_schema import GenerateJsonSchema

from reeltrace.analysis.audit.findings import Finding
from reeltrace.analysis.cells import Absent, Compared, Kind, Override, Part, Sha256, Source, Trace, first_mistake
from reeltrace.analysis.claims import Here, OnPrint
from reeltrace.analysis.verdicts import Verdict
from reeltrace.analysis.yardstick import Operation
from reeltrace.artifacts.formats import JSON
from reeltrace.registry.fields import Scale

SCHEMA = "reeltrace-report/1"
Count = Annotated[int, Field(ge=0)]
Span = Annotated[list[Count], Field(min_length=2, max_length=2)]
Cell = Annotated[list[str], Field(min_length=3, max_length=3)]  # table, row, column


class Chance(Part):
    """The nets that were trained on one set of stand-in data."""

    dataset: str = Field(description="The key of the dataset.")
    classes: int = Field(ge=2, description="Its classes; chance is one in as many.")
    nets: int = Field(ge=1, description="How many nets were trained on it.")
    guessed: list[str] = Field(
        description="Those that cannot be told from guessing: their right answers lie in the central 95 % of the "
        "binomial distribution with chance 1/classes."
    )


class Summary(Part):
    """How often each verdict was given."""

    cells: int = Field(description="How many cells there are.")
    verdicts: dict[str, int] = Field(description="How many cells got each verdict.")
    kinds: dict[Kind, dict[Verdict, int]] = Field(
        description="By kind of cell, how many got each verdict; verdicts that none got are left out."
    )
    claims: dict[str, int] = Field(description="How many claims got each outcome on our numbers.")
    claims_print: dict[str, int] = Field(description="How many claims got each outcome on the document's own numbers.")
    chance: list[Chance] = Field(description="Per set of stand-in data, which nets do no better than chance.")


class Before(Part):
    """What a cell was in the report that this one is set beside."""

    printed: str | None = Field(description="Our value as printed there; null where there was none.")
    verdict: str = Field(description="The verdict there.")


class ReportCell(Compared):
    """One quantity of a published table."""

    id: str = Field(description="`document/table/row/column`; the id of its number, where it has one.")
    document: str = Field(description="The key of the document.")
    table: str = Field(description="The table's number or name in the document.")
    trace: Trace | None = Field(
        description="The place of our value in the table's cells.json; null where there is none."
    )
    sources: list[Source] = Field(description="What our value was computed from, one per seed.")
    span: Span | Absent = Field(
        default=None,
        description="From which to which character, counted from 0, the published value stands in the document's text; "
        "absent where nothing is printed, or nobody has the text.",
    )
    before: Before | None = Field(
        description="What it was in the report that `reference` in params.yaml names; null without one, or where that "
        "has no such cell."
    )


class Departure(Override):
    """Where the active scale departs from what is run at the paper's."""

    of: Literal["document", "ours"] = Field(
        description="Whose value `document` is: the document's, or one that was chosen here for what it leaves open."
    )
    ledger: str | None = Field(description="The assumption that chose it; null where there is none.")


class Quantity(Part):
    """A mean over seeds of one quantity of equivariance."""

    id: str = Field(description="The id of its number.")
    value: float = Field(description="The mean over seeds.")
    printed: str = Field(description="The mean as the report prints it.")
    trace: Trace = Field(description="The place of the mean in the table's cells.json.")
    sources: list[Source] = Field(description="What it was computed from, one per seed.")


class Equivariance(Part):
    """How equivariant one trained network is under one transform."""

    document: str = Field(description="The key of the document.")
    table: str = Field(description="The table that has the network.")
    row: str = Field(description="Its row there.")
    column: str = Field(description="Its column there, where a table has one network per column.")
    run: str = Field(description="The run that trained it.")
    transform: Literal["treverse", "r90", "r180", "r270"] = Field(description="The transform of the test clips.")
    relative_error: Quantity = Field(description="The relative error of the logits.")
    agreement: Quantity = Field(description="The percentage of clips that are classified alike.")


class Side(Part):
    """One side of a comparison: a cell, a value of the prose, or an expression over both."""

    cell: Cell | Absent = Field(default=None, description="Table, row and column.")
    prose: str | Absent = Field(default=None, description="The id of a value in the document's prose.yaml.")
    expression: str | Absent = Field(default=None, description="`{7.2/SlowFast/GFLOPS per run} / 30` and its like.")


class Comparing(Part):
    """What a comparison came to on some numbers; null what is missing or not random."""

    holds: bool | None = Field(description="Whether it holds; null where a value is missing.")
    left: float | None = Field(description="The left side, shares in percent.")
    right: float | None = Field(description="The right side, shares in percent.")
    difference: float | None = Field(description="left - right, or left - by * right.")
    relative: bool = Field(description="Whether the difference is in percent of the right side.")
    interval: list[float] | None = Field(description="Its 95 % interval, where something is random.")
    visible: float | None = Field(
        description="How far from the nearest end a difference must truly be to be told from it in four of five cases."
    )
    p: float | None = Field(description="How likely a difference so far from the nearest end is by chance.")
    p_of_videos: float | None = Field(
        description="The same as if every seed gave the same net, where nets were tested; null elsewhere."
    )
    settled: bool | None = Field(description="Where nothing is random: whether rounding leaves it certain.")
    how: str | None = Field(description="By which test.")
    why: str | None = Field(description="What is missing.")


class Comparison(Part):
    """`left op right`, with a factor `by` for `times` and `about`."""

    left: Side = Field(description="The left side.")
    op: Operation = Field(description="What the one is to the other: a word of the yardstick.")
    by: float | None = Field(description="The factor; null for other words.")
    right: Side = Field(description="The right side.")
    only: Literal["print", "here"] | None = Field(description="Where alone it counts; null where on both.")
    cells: list[Cell] = Field(description="The cells that both sides name.")
    print: Comparing = Field(description="What it comes to on the document's own numbers.")
    here: Comparing = Field(description="What it comes to on our numbers.")


class Claim(Part):
    """A sentence of a document, judged on our numbers and on its own."""

    id: str = Field(description="The name of the claim.")
    document: str = Field(description="The key of the document.")
    title: str = Field(description="The claim in short.")
    says: str = Field(description="What the document says, in our words.")
    place: str = Field(description="Where it says so.")
    note: str | None = Field(description="What a reader should know of the rule; null where nothing.")
    rests_on: list[str] = Field(description="Assumptions that our numbers come from, so that here one cannot tell.")
    rule: list[Comparison] = Field(min_length=1, description="The comparisons that must all hold.")
    verdict: Here = Field(description="The outcome on our numbers.")
    why: str | None = Field(description="Why our numbers leave it open or say nothing; null where they do not.")
    p: float | None = Field(description="The p-value of the outcome on our numbers; null where nothing is random.")
    p_adjusted: float | None = Field(description="The same, adjusted by Holm's method over the claims of its family.")
    family: str = Field(description="The table whose claims are looked at together, `document/table`.")
    circumstances: str = Field(description="How the numbers were made: scale and data.")
    by_construction: str | None = Field(
        description="Why the claim cannot be expected to hold on stand-in data; null where it can, or none is used."
    )
    published_verdict: OnPrint = Field(description="The outcome on the document's own numbers.")
    published_why: str | None = Field(description="Why those leave it open; null where they do not.")


class Assumption(Part):
    """An open detail of a document, and what was chosen."""

    document: str = Field(description="The key of the document.")
    id: str = Field(description="The name of the assumption.")
    open: str = Field(description="What the document leaves open.")
    choice: str = Field(description="What was chosen.")
    why: str = Field(description="Why.")
    tables: list[str] = Field(description="The tables that it touches.")
    registry: list[str] = Field(description="The paths of the registry that it touches.")
    code: str | None = Field(description="The place of a choice that is no parameter; null for others.")
    figures: list[str] = Field(description="The figures that it touches.")
    departs: bool = Field(description="Whether what is run is not what the document says, at any scale.")


class Described(Part):
    """What a document describes and what is not reproduced here."""

    document: str = Field(description="The key of the document.")
    id: str = Field(description="The name of the entry.")
    what: str = Field(description="What the document describes.")
    place: str = Field(description="Where it does.")
    because: str = Field(description="Why it is not reproduced.")
    tables: list[str] = Field(description="The tables of the document that belong to it.")
    figures: list[str] = Field(description="The figures of the document that belong to it.")


class Shown(Part):
    """Figures of a document that the page has in another form."""

    document: str = Field(description="The key of the document.")
    figures: list[str] = Field(description="Their numbers in the document.")
    how: str = Field(description="Where and how the page shows them.")


class Sides(Part):
    """The videos of an official split by side."""

    train: Count = Field(description="Videos on its training side.")
    test: Count = Field(description="Videos on its test side.")
    unused: Count = Field(description="Videos on neither.")


class Used(Part):
    """The videos of a split as the runs use them."""

    train: Count = Field(description="Videos that are trained on.")
    validation: Count = Field(description="Videos held out of the training side.")
    test: Count = Field(description="Videos that are tested on.")
    missing: Count = Field(description="Videos that could not be decoded.")


class BrokenVideo(Part):
    """A video that could not be decoded."""

    video: str = Field(description="Its path in the set.")
    reason: str = Field(description="Why.")


class NotedVideo(Part):
    """A stored video with a note."""

    place: Count = Field(description="Its place in the list of all notes, counted from 0.")
    video: str = Field(description="Its path in the set.")
    frames: int = Field(ge=1, description="Frames that are stored.")
    expected: int = Field(ge=1, description="Frames that its file promises.")
    note: str = Field(description="The note.")


class Videos(Part):
    """A set of videos, counted."""

    count: Count = Field(description="Videos in the set.")
    split: Literal[1, 2, 3] = Field(description="The official split that is used.")
    sides: Sides = Field(description="The videos per side of the split.")
    used: Used = Field(description="The videos as the runs use them.")
    frames: Count = Field(description="Frames that are stored.")
    decoders: dict[str, Count] = Field(description="How many videos each decoder decoded.")
    broken: list[BrokenVideo] = Field(description="The videos that could not be decoded.")
    short: Count = Field(description="How many stored videos are short of what their files promise.")
    tolerance: float = Field(ge=0, description="The share of its frames that a video may lack.")
    noted: list[NotedVideo] = Field(description="Stored videos with a note, those first that lack most.")
    noted_in_all: Count = Field(description="How many stored videos have a note.")
    frames_manifest_sha256: Sha256 = Field(description="The sha256 of the frames' manifest.")


class Dataset(Part):
    """What the clips of a dataset are."""

    key: str = Field(description="The key of the dataset.")
    stand_in: str | None = Field(description="What it is in place of the document's; null where it is the document's.")
    source: str | None = Field(description="Where its images or videos are from.")
    licence: str | None = Field(description="The licence of a set of videos; null for others.")
    citation: str | None = Field(description="How a set of videos is cited; null for others.")
    classes: list[str] = Field(description="The names of its classes, in the order of labels.")
    settings: dict[str, str] = Field(description="How it was made, a line for each setting.")
    clip: dict[str, Any] = Field(description="The test clip that the report shows.")
    manifest_sha256: Sha256 = Field(description="The sha256 of its manifest.")
    videos: Videos | None = Field(description="A set of videos, counted; null for others.")


class File(Part):
    """A file of the user's."""

    path: str = Field(description="Its path as given.")
    sha256: Sha256 = Field(description="Its sha256.")
    bytes: int = Field(description="Its size.")
    id: str = Field(description="The id of the number that says its size.")


class Film(File):
    """A video, of which one clip is seen."""

    start: int = Field(description="The first frame of the clip.")
    frames: int = Field(description="Frames of the clip.")
    height: int = Field(description="Rows of a frame.")
    width: int = Field(description="Columns of a frame.")
    shown: str = Field(description="The id of the number that says which frames are seen.")


class PictureIds(Part):
    """The ids of the numbers beside a picture."""

    shape: str = Field(description="Of its shape.")
    channels: str = Field(description="Of its channels.")
    frames: str = Field(description="Of its points in time.")
    black: str = Field(description="Of the value of black.")
    white: str = Field(description="Of the value of white.")


class Picture(Part):
    """A picture of one layer."""

    layer: str = Field(description="The layer, by its place in the net.")
    shape: list[int] = Field(description="The shape of what is shown.")
    channels: list[int] = Field(description="The channels that are shown, counted from 0.")
    frames: list[int] = Field(description="The points in time that are shown, counted from 0.")
    black: float = Field(description="The value of black.")
    white: float = Field(description="The value of white.")
    size: list[int] = Field(min_length=2, max_length=2, description="Rows and columns of the picture, in pixels.")
    transform: str | None = Field(default=None, description="The transform of the clip; null or absent where none is.")
    file: str = Field(description="The picture's file in the artifact.")
    sha256: Sha256 = Field(description="The sha256 of the file.")
    ids: PictureIds = Field(description="The ids of the numbers beside it.")


class Answer(Part):
    """What a net answers to a clip under a transform."""

    transform: str = Field(description="The transform.")
    class_: str = Field(alias="class", description="The class of the clip.")
    answer: str = Field(description="The class that the net gives it.")


class Figure(Part):
    """A figure of the document, drawn from a checkpoint."""

    figure: str = Field(description="Its number in the document.")
    title: str = Field(description="What it shows, in words.")
    answers: list[Answer] = Field(default=[], description="What the net answers; absent where it is not asked.")
    show: Literal["weights", "feature-maps", "clip", "filters"] = Field(description="What of the layers is shown.")
    video: int | None = Field(description="The video that is seen, counted from 0; null for weights.")
    left_out: str | None = Field(description="Why it is not drawn; null where it is.")
    pictures: list[Picture] = Field(description="Its pictures, one per layer.")


class Pictures(Part):
    """What one measurement drew."""

    measurement: str = Field(description="The key of the measurement.")
    document: str = Field(description="The key of the document.")
    network: str = Field(description="The network.")
    view: str = Field(description="How it sees a video.")
    run: str | None = Field(default=None, description="The training whose net it is; absent for the user's weights.")
    checkpoint: File = Field(description="The file of weights.")
    videos: list[Film] = Field(description="The videos.")
    figures: list[Figure] = Field(description="The figures.")


class Artifact(Part):
    """A finished artifact behind the report."""

    name: str = Field(description="`stage/key`.")
    stage: str = Field(description="The stage that made it.")
    key: str = Field(description="Its key among those of its stage.")
    path: str = Field(description="Its folder, below the project's root.")
    manifest_sha256: Sha256 = Field(description="The sha256 of its manifest.")
    spec_sha256: Sha256 = Field(description="The sha256 of its spec.")
    code_sha256: Sha256 = Field(description="The sha256 over the code that made it.")
    inputs: dict[str, Sha256] = Field(description="By name, the sha256 of each input's manifest.")
    outputs: dict[str, Sha256] = Field(description="The sha256 of each output.")
    settings: dict[str, str] = Field(description="How it was made, a line for each setting.")
    command: str = Field(description="The command that makes it alone.")
    workflow: str = Field(description="The command that makes it with all that it needs.")
    receipt: str = Field(description="The file that says when and where it was made.")


class Number(Part):
    """A number on the page."""

    id: str = Field(description="Its id.")
    printed: str = Field(description="What the page shows.")
    title: str = Field(description="What it is, in words.")
    trace: Trace | None = Field(description="Where it was read; null for a count.")
    rule: str | None = Field(description="How it was computed; null where it was read.")
    of: list[str] = Field(description="For a count, the ids that it counts.")


class TextFile(Part):
    """The text of a document that its published values were found in."""

    name: str = Field(description="What the file was called.")
    sha256: Sha256 = Field(description="Its sha256.")
    bytes: Count = Field(description="How many bytes it has.")


class ReadCell(Part):
    """One number under a reading, beside the cell as chosen."""

    id: str = Field(description="The id of its number.")
    of: str = Field(description="The id of the cell as chosen.")
    value: float = Field(description="The mean over seeds.")
    printed: str = Field(description="The mean as the report prints it.")
    interval: list[float] = Field(min_length=2, max_length=2, description="As that of the cell.")
    verdict: Verdict = Field(description="How it compares with the published value of the cell.")
    trace: Trace = Field(description="The place of the mean in the document's readings.json.")
    sources: list[Source] = Field(description="What it was computed from, one per seed.")


class Reading(Part):
    """What a document may mean otherwise, and what is found then. Of a change `document` is the value as chosen."""

    document: str = Field(description="The key of the document.")
    detail: str = Field(description="The assumption whose open detail is read otherwise.")
    reading: str = Field(description="The name of the reading.")
    says: str = Field(description="What the document is then taken to say.")
    changes: list[Override] = Field(description="What of the experiments is changed, the value as chosen and here.")
    cells: list[ReadCell] = Field(description="The numbers of the runs that were made under it.")


class Content(Part):
    """All of report.json."""

    schema_: Literal["reeltrace-report/1"] = Field(alias="schema", description="The version of this format.")
    scale: Scale = Field(description="The scale that was run.")
    stand_in: str | None = Field(
        description="A sentence for each set of data, and for the weights of backbones, that is used in place of the "
        "document's, separated by `; `; or null. Each ends in `in place of` and a name."
    )
    seeds: list[int] = Field(min_length=1, description="The seeds that every run was trained with.")
    summary: Summary = Field(description="How many cells and claims got each verdict, and which nets only guess.")
    cells: list[ReportCell] = Field(min_length=1, description="One entry per quantity of a published table.")
    equivariance: list[Equivariance] = Field(description="Each trained network under each transform.")
    claims: list[Claim] = Field(description="The documents' claims.")
    audit: list[Finding] = Field(description="What the printed values of the documents imply about each other.")
    texts: dict[str, TextFile] = Field(
        description="By document, the text that `span` of its cells is of; without the documents whose text nobody has."
    )
    assumptions: list[Assumption] = Field(description="The ledger: what documents leave open, and what was chosen.")
    not_reproduced: list[Described] = Field(description="What documents describe that is not reproduced here.")
    shown: list[Shown] = Field(description="Figures of documents that the page has in another form.")
    overrides: list[Departure] = Field(description="Where the active scale departs from the documents.")
    datasets: list[Dataset] = Field(description="What the clips are.")
    pictures: list[Pictures] = Field(description="What measurements of pictures drew, of those with a checkpoint.")
    readings: list[Reading] = Field(
        description="What is found where documents are read otherwise; none unless params.yaml asks for it."
    )
    artifacts: dict[str, Artifact] = Field(description="By `stage/key`, every artifact behind the report.")
    root_sha256: Sha256 = Field(
        description="One hash over all artifacts: the sha256 of a text with the line `stage/key/manifest.json SHA256` "
        "for each, sorted."
    )
    numbers: list[Number] = Field(description="Every number on the page.")


class _Plain(GenerateJsonSchema):
    """Without titles of fields, which repeat their names, and without null as what stands for an absent key."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: Any) -> dict[str, Any]:
        made = super().default_schema(schema)
        return {key: value for key, value in made.items() if (key, value) != ("default", None)}


def check(text: str) -> None:
    """Raises `RuntimeError` where the text of a report.json is none: no user can mend that."""
    try:
        Content.model_validate_json(text)
    except ValidationError as error:
        raise RuntimeError(f"{JSON} was built wrongly, {first_mistake(error)}") from None


def schema() -> dict[str, Any]:
    """The JSON Schema of report.json."""
    return {
        "$schema": _Plain.schema_dialect,
        **Content.model_json_schema(schema_generator=_Plain),
        "title": f"report.json of Reeltrace, version {SCHEMA.rpartition('/')[2]}",
        "description": "Written by tools/schema.py. See docs/report-json.md.",
    }
