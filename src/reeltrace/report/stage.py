"""Stage `report`: report.html and report.json from every finished artifact."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reeltrace.artifacts.files import atomic_write
from reeltrace.artifacts.formats import HTML, JSON
from reeltrace.report.content import check
from reeltrace.report.document import build

if TYPE_CHECKING:
    from reeltrace.registry.specs import ReportSpec


def run(spec: ReportSpec, inputs: Mapping[str, Path], work: Path) -> dict[str, Any]:
    """Write `report.html` and `report.json` into `work`. Reads the texts below the current folder."""
    report = build(spec, inputs, Path())
    check(report.json)
    for name, text in ((HTML, report.html), (JSON, report.json)):
        with atomic_write(work / name) as handle:
            handle.write(text.encode())
    return {}
