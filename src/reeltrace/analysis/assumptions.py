"""The ledger of assumptions: what a document leaves open, what was chosen, why, and what the choice touches."""

from pathlib import Path, PurePosixPath
from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator

from reeltrace.analysis.published import read_documents
from reeltrace.errors import UserError

LEDGER = Path("reports/assumptions.yaml")


class Assumption(BaseModel):
    """One open detail.

    `tables` and `figures` say what it touches. `registry` lists paths of params.yaml; `code` names the place of a
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

    @model_validator(mode="after")
    def _located(self) -> Self:
        if not self.registry and self.code is None:
            raise ValueError("an assumption names a registry path or a place in the code")
        if not self.tables and not self.figures:
            raise ValueError("an assumption touches a table or a figure")
        if self.code is not None and (PurePosixPath(self.code).is_absolute() or ".." in PurePosixPath(self.code).parts):
            raise ValueError(f"code names a place in this project, found {self.code!r}")
        return self


class Ledger(BaseModel):
    """All assumptions on one document."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    document: str
    assumptions: tuple[Assumption, ...]

    @model_validator(mode="after")
    def _unique(self) -> Self:
        ids = [assumption.id for assumption in self.assumptions]
        twice = [i for i in ids if ids.count(i) > 1]
        if twice:
            raise ValueError(f"assumption {twice[0]!r} appears twice")
        return self


def load(path: Path = LEDGER) -> tuple[Ledger, ...]:
    """Read and check the ledger, document by document. Raises `UserError` with the place and what was expected."""
    found = read_documents(path, Ledger)
    ids = [assumption.id for ledger in found for assumption in ledger.assumptions]
    twice = [i for i in ids if ids.count(i) > 1]
    if twice:
        raise UserError(f"{path}: assumption {twice[0]!r} appears in two documents; ids must differ")
    return found
