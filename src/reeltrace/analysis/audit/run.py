"""An audit as a whole: all detectors over the numbers of documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reeltrace.analysis import prose, published
from reeltrace.analysis.audit import counts, denominators, derived, impossible, relations, repeats, totals, twice
from reeltrace.analysis.audit.findings import SEVERITIES, Finding, in_order
from reeltrace.analysis.audit.values import Body, Library, of_document
from reeltrace.artifacts.formats import CELLS
from reeltrace.artifacts.json_values import read_json
from reeltrace.artifacts.names import DOCUMENTS
from reeltrace.errors import UserError
from reeltrace.registry.documents import keys
from reeltrace.registry.texts import parse_yaml, read_text


@dataclass(frozen=True)
class Audit:
    """What was found, how much was searched for derived numbers, and what was read of foreign files."""

    findings: tuple[Finding, ...]
    tried: int
    expected: float
    limits: tuple[str, ...]
    read: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many findings there are of each severity."""
        return {severity: sum(f.severity == severity for f in self.findings) for severity in SEVERITIES}


def audit(
    bodies: Iterable[Body],
    declared: Mapping[str, relations.Declared] | None = None,
    tables: Iterable[Mapping[str, Any]] = (),
) -> Audit:
    """All that the detectors find. `tables` are contents of cells.json, where there are some."""
    library = Library(bodies)
    tally = derived.Tally()
    measured = list(tables)
    found: list[Finding] = []
    for body in library.bodies.values():
        each = [
            *impossible.find(body),
            *totals.find(body),
            *derived.find(body, tally),
            *twice.find(body),
            *repeats.find(body),
            *denominators.find(body),
            *counts.find(body, measured),
        ]
        # What a total's name or the document itself says of a cell need not be found again.
        told = {f.id.partition("/total/")[2] for f in each if f.detector == "total"}
        found += [f for f in each if f.detector != "derived" or f.id.partition("/derived/")[2] not in told]
    found += relations.judge((declared or {}).items(), library)
    limits = (*(note for body in library.bodies.values() for note in body.notes), *tally.limits)
    read = tuple(body.read for body in library.bodies.values() if body.read)
    return Audit(tuple(in_order(found, library.bodies)), tally.tried, tally.expected, limits, read)


def of_tables(bodies: Sequence[Body], declared: Path | None = None) -> Audit:
    """The audit of tables of any origin; `declared` is a file with relations of the first. Raises `UserError`."""
    if declared is None:
        return audit(bodies)
    first = bodies[0].document
    return audit(bodies, {first: relations.read(declared, first, Library(bodies))})


def of_documents(documents: Iterable[str], root: Path = Path(), tables: Iterable[Mapping[str, Any]] = ()) -> Audit:
    """The audit of documents of the project below `root`. Raises `UserError` where a text is wrong."""
    return of_loaded([published.load(name, root) for name in documents], root, tables)


def of_loaded(
    documents: Iterable[published.Document], root: Path = Path(), tables: Iterable[Mapping[str, Any]] = ()
) -> Audit:
    """The audit of transcriptions that are loaded, with what else the project below `root` says of their documents."""
    bodies = [of_document(found, prose.load(found.document, root)) for found in documents]
    library = Library(bodies)
    declared = {body.document: relations.load(body.document, library, root) for body in bodies}
    return audit(bodies, declared, tables)


def of_project(root: Path) -> Audit:
    """The audit of all documents of a project. Raises `UserError` where there are none, or a text is wrong."""
    documents = [name for name in keys(root) if (root / DOCUMENTS / name / published.FILE).exists()]
    if not documents:
        raise UserError(f"{DOCUMENTS}: no document with printed tables here; name a table file, as in: audit table.csv")
    return of_documents(documents, root, _measured(root))


def _measured(root: Path) -> list[Mapping[str, Any]]:
    """The tables that are finished at the scale of params.yaml; none where that cannot be told."""
    try:
        scale = parse_yaml("params.yaml", read_text(root / "params.yaml", "params.yaml")).get("scale", "")
    except (UserError, AttributeError):
        return []
    paths = sorted((root / "results" / str(scale) / "aggregate").glob(f"*/{CELLS}"))
    return [read_json(path) for path in paths]
