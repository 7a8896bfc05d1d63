"""An earlier report beside this one: what each cell was there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reeltrace.artifacts.files import sha256_file
from reeltrace.report.compare import read_report


@dataclass(frozen=True)
class Reference:
    """A report.json by its path as params.yaml names it, its hash, and of each of its cells `printed` and `verdict`."""

    path: str
    sha256: str
    scale: str
    cells: Mapping[str, Mapping[str, str | None]]

    def facts(self, identity: str) -> tuple[tuple[str, str], ...]:
        """The line that the chain of a cell has of it."""
        before = self.cells.get(identity)
        if before is None:
            return (("Before", "no such cell"),)
        return (("Before", f"{before['printed'] or 'no value'} ({before['verdict']})"),)

    def view(self, cells: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """For the page: the cells that are others now, each with `was`, and those that are no more."""
        now = {cell["id"]: cell for cell in cells}
        changed = [
            {"cell": cell, "was": was}
            for identity, cell in now.items()
            if (was := self.cells.get(identity)) != {"printed": _printed(cell), "verdict": cell["verdict"]}
        ]
        gone = [identity for identity in self.cells if identity not in now]
        return {"path": self.path, "sha256": self.sha256, "scale": self.scale, "changed": changed, "gone": gone}


def read_reference(path: Path, named: str) -> Reference:
    """The report at `path`, which params.yaml names `named`. Raises `UserError` where there is none."""
    report = read_report(path)
    cells = {cell["id"]: {"printed": _printed(cell), "verdict": str(cell["verdict"])} for cell in report["cells"]}
    return Reference(path=named, sha256=sha256_file(path), scale=str(report["scale"]), cells=cells)


def _printed(cell: Mapping[str, Any]) -> str | None:
    return None if cell["reproduced"] is None else str(cell["reproduced"]["printed"])
