"""The ledger of assumptions: what a document leaves open, what was chosen, why, and what the choice touches."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator

from reeltrace.analysis.published import read_lists

FILE = "assumptions.yaml"


class Assumption(BaseModel):
    """One open detail; or, where it `departs`, a point in which what is run is not what the document says.

    `tables` and `figures` say what it touches. `registry` lists paths of the registry; `code` names the place of a
    choice that is not a parameter.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    open: str
    choice: str
    why: str
    tables: tuple[str, ...]
    figures: tuple[str, ...] = ()
    registry: tuple[str, ...]
    code: str | None = None
    departs: bool = False

    @model_validator(mode="after")
    def _located(self) -> Self:
        if not self.registry and self.code is None:
            raise ValueError("an assumption names a registry path or a place in the code")
        if not self.tables and not self.figures:
            raise ValueError("an assumption touches a table or a figure")
        if self.code is not None and (PurePosixPath(self.code).is_absolute() or ".." in PurePosixPath(self.code).parts):
            raise ValueError(f"code names a place in this project, found {self.code!r}")
        return self


class Written(BaseModel):
    """What the file of one document holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    assumptions: tuple[Assumption, ...]


@dataclass(frozen=True)
class Ledger:
    """All assumptions on one document."""

    document: str
    assumptions: tuple[Assumption, ...]


def load(documents: Iterable[str], root: Path = Path()) -> tuple[Ledger, ...]:
    """The ledger of each document that has one. Raises `UserError` with the place and what was expected."""
    found = read_lists(documents, root, FILE, Written, "assumptions", "assumption")
    return tuple(Ledger(document, written.assumptions) for document, written in found)
