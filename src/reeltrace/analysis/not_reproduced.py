"""What a document describes that stands nowhere here, and why, so that silence never reads as coverage."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from reeltrace.analysis.places import Region, Text
from reeltrace.analysis.published import read_lists

FILE = "not_reproduced.yaml"
_TABLE = re.compile(r"\bTable (\S+)$")
Words = Annotated[str, StringConstraints(min_length=1)]


class Described(BaseModel):
    """One thing that a document describes and that is not reproduced here.

    `place` is where the document has it; `tables` and `figures` are those of the document that belong to it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    what: Words
    place: Words
    because: Words
    tables: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()


class Shown(BaseModel):
    """Figures of a document that are here in another form, and where."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    figures: Annotated[tuple[str, ...], Field(min_length=1)]
    how: Words


class Written(BaseModel):
    """What the file of one document holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    not_reproduced: tuple[Described, ...]
    shown: tuple[Shown, ...] = ()

    @model_validator(mode="after")
    def _once(self) -> Self:
        """No figure is both here and not; slides may number several figures alike, so two entries may have one."""
        here = Counter(figure for shown in self.shown for figure in shown.figures)
        lacking = {figure for described in self.not_reproduced for figure in described.figures}
        twice = sorted(figure for figure, times in here.items() if times > 1 or figure in lacking)
        if twice:
            raise ValueError(f"figure {twice[0]} stands twice; say once whether it is shown")
        return self


@dataclass(frozen=True)
class Coverage:
    """What one document describes that is not here, and which of its figures are."""

    document: str
    not_reproduced: tuple[Described, ...]
    shown: tuple[Shown, ...]


def load(documents: Iterable[str], root: Path = Path()) -> tuple[Coverage, ...]:
    """The list of each document that has one. Raises `UserError` with the place and what was expected."""
    found = read_lists(documents, root, FILE, Written, "not_reproduced", "entry")
    return tuple(Coverage(document, written.not_reproduced, written.shown) for document, written in found)


def problems(coverage: Coverage, tables: Mapping[str, str], text: Text) -> Iterator[str]:
    """What the document's text says against its list; `tables` are the transcribed tables with their places.

    A place that the text does not have, and a table or figure with a caption that is neither transcribed nor shown nor
    in the list. Where a text has several captions with one number, each wants an entry whose place it stands at.
    """
    for described in coverage.not_reproduced:
        if (problem := _nowhere(described.place, text)) is not None:
            yield f"{described.id}: {problem}"
    transcribed = [(number, place) for name, place in tables.items() for number in (name, *_TABLE.findall(place))]
    known = {
        "table": [*transcribed, *((number, d.place) for d in coverage.not_reproduced for number in d.tables)],
        "figure": [
            *((number, "") for shown in coverage.shown for number in shown.figures),
            *((number, d.place) for d in coverage.not_reproduced for number in d.figures),
        ],
    }
    captions = {(what, number, text.of(region)): region for what, number, region in text.captions}
    times = Counter((what, number) for what, number, _ in captions)
    for (what, number, _), region in captions.items():
        places = [place for of, place in known[what] if of == number]
        if times[what, number] > 1:
            places = [place for place in places if place and _holds(place, number, region, text)]
        if not places:
            yield f"{what} {number} is neither transcribed nor shown nor said to be not reproduced"


def _nowhere(place: str, text: Text) -> str | None:
    try:
        text.place(place)
    except ValueError as error:
        return str(error)
    return None


def _holds(place: str, number: str, region: Region, text: Text) -> bool:
    """Whether a caption stands at a place; that of a table is meant where a place names the table."""
    meant = place.replace(f", Table {number}", f", caption of Table {number}")
    return _nowhere(meant, text) is None and text.place(meant).holds(region)
