"""The audit of the printed tables on the page: its findings, and the numbers that count them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from reeltrace.analysis import published
from reeltrace.analysis.audit import run
from reeltrace.analysis.audit.findings import SEVERITIES, Finding, Source
from reeltrace.analysis.audit.run import Audit
from reeltrace.report.binding import Binder, Number
from reeltrace.report.chains import table_words

SHOWN = 12  # printed values of a finding that the page lists; report.json has all
TITLES = {
    "decision": "Findings of printed values that cannot all be right, or do not bear what is said of them",
    "rounding": "Findings that a last digit explains",
    "note": "Findings where nothing need be wrong",
}


def of_prints(
    prints: Mapping[str, published.Document], tables: Iterable[Mapping[str, Any]], root: Path, binder: Binder
) -> Audit:
    """The audit of the documents of a report, with its numbers registered as `count/audit/<severity>` and `audit/...`.

    Raises `UserError` where a text of a document is wrong.
    """
    found = run.of_loaded(prints.values(), root, tables)
    for severity in SEVERITIES:
        of = tuple(f"audit/{f.id}" for f in found.findings if f.severity == severity)
        binder.add(Number(f"count/audit/{severity}", str(len(of)), TITLES[severity], rule="count", of=of))
    tried = "sums, means, products, ratios and multiples of rows and columns that were held against the print"
    binder.add(Number("audit/tried", f"{found.tried:,}", "Relations that were tried", rule=tried))
    chance = "the sum of the probabilities of those believed in numbers without relations, times how many were tried"
    binder.add(
        Number(
            "audit/expected", f"{found.expected:.6f}", "Relations believed that are expected to be chance", rule=chance
        )
    )
    return found


def view(findings: Sequence[Finding]) -> dict[str, list[dict[str, Any]]]:
    """The findings by document, each as the page shows it."""
    shown: dict[str, list[dict[str, Any]]] = {}
    for finding in findings:
        more = len(finding.sources) - SHOWN
        references = [_reference(source, finding.document) for source in finding.sources[:SHOWN]]
        shown.setdefault(finding.document, []).append(
            {
                "id": finding.id,
                "severity": finding.severity,
                "detector": finding.detector,
                "says": finding.says,
                "computation": finding.computation,
                "sources": "; ".join(references) + (f"; and {more} more" if more > 0 else ""),
                "innocent": "; ".join(finding.innocent),
            }
        )
    return shown


def _reference(source: Source, document: str) -> str:
    """A printed value with where it stands, in short."""
    of = f"{source.document}, " if source.document != document else ""
    cell = ", ".join(part for part in (source.row, source.column) if part)
    where = f"{table_words(source.table)}, {cell}" if source.table else source.place
    return f"{source.printed} ({of}{where})"
