"""`documents/<key>/document.yaml`: the title of a document and where it comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, StringConstraints, ValidationError

from reeltrace.artifacts.names import DOCUMENTS
from reeltrace.errors import UserError, short
from reeltrace.registry.fields import Strict
from reeltrace.registry.texts import parse_yaml, read_text

HEADER = "document.yaml"
Tree = dict[str, Any]
PythonFile = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*\.py$")]


class ShownClips(Strict):
    """The figure of a document after which one test clip of each dataset is shown, and of which class, by dataset."""

    figure: str
    classes: dict[str, str] = Field(default_factory=dict)


class Header(Strict):
    """A document: its title and where it comes from. `position` orders the documents of the report, then their names.

    `not_drawn` says which of its figures the report does not draw again, and why; `clips` after which of them clips are
    shown. `module` is the Python file beside it with what no other document shares: a function `facts` for measurements
    of the kind `facts`. `kinds` are files beside it that declare kinds of its own, see `reeltrace.kinds`.
    """

    title: Annotated[str, StringConstraints(min_length=1)]
    subtitle: str | None = None
    author: str
    year: str
    venue: str
    not_drawn: str | None = None
    module: PythonFile | None = None
    kinds: tuple[PythonFile, ...] = ()
    position: Annotated[int, Field(ge=1, strict=True)] | None = None
    clips: ShownClips | None = None


def read_header(document: str, root: Path = Path()) -> Header:
    """The header of one document. Raises `UserError`, with the file and the place in it."""
    path = (DOCUMENTS / document / HEADER).as_posix()
    return header(path, read_text(root / path, path))


def header(path: str, text: str) -> Header:
    """A header from the text of its file. Raises `UserError`, with the file and the place in it."""
    try:
        return Header.model_validate(mapping(path, text))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise UserError(f"{path}: {where}: {first['msg'].removeprefix('Value error, ')}") from None


def mapping(path: str, text: str) -> Tree:
    """A YAML text of keys with values; none of an empty one. Raises `UserError`, with the place in it."""
    found = parse_yaml(path, text)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise UserError(f"{path}: found {short(found)}; expected keys with values")
    return found
