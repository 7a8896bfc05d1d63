"""The ledger of assumptions: what a document leaves open, what was chosen, why, and what the choice touches."""

from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from reeltrace.analysis.published import read_documents

LEDGER = Path("reports/assumptions.yaml")


class Assumption(BaseModel):
    """One open detail.

    `registry` lists paths of params.yaml; `code` names the place of a choice that is not a parameter.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    open: str
    choice: str
    why: str
    tables: tuple[str, ...] = Field(min_length=1)
    registry: tuple[str, ...]
    code: str | None = None

    @model_validator(mode="after")
    def _located(self) -> Self:
        if not self.registry and self.code is None:
            raise ValueError("an assumption names a registry path or a place in the code")
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


def load(path: Path = LEDGER) -> list[Ledger]:
    """Read and check the ledgers, document by document. Raises `UserError` with the place and what was expected."""
    return read_documents(path, Ledger)


def unknown_paths(ledger: Ledger, params: Any) -> list[str]:
    """Registry paths of the ledger that `params` (params.yaml as plain YAML) does not have."""

    def known(path: str) -> bool:
        node = params
        for part in path.split("."):
            if not isinstance(node, dict) or part not in node:
                return False
            node = node[part]
        return True

    return [path for a in ledger.assumptions for path in a.registry if not known(path)]
