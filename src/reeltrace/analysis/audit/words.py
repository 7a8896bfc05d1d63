"""An audit in words, for a terminal and for programs."""

from __future__ import annotations

from typing import Any

from reeltrace.analysis.audit.findings import SEVERITIES
from reeltrace.analysis.audit.run import Audit


def lines(audit: Audit) -> list[str]:
    """Every finding with its computation and what would explain it, then how much was searched."""
    said = []
    for finding in audit.findings:
        said.append(f"{finding.severity}: {finding.document}: {finding.says}")
        said.append(f"    {finding.computation}")
        if finding.innocent:
            said.append(f"    unless: {'; '.join(finding.innocent)}")
    said += [f"read: {what}" for what in audit.read]
    said += [f"limit: {limit}" for limit in audit.limits]
    counted = ", ".join(f"{count} {severity}" for severity, count in audit.counts.items())
    said.append(
        f"{counted}; {audit.tried:,} relations between rows and columns were tried, of those believed "
        f"{audit.expected:.1g} are expected to be chance. A finding is a question to the print, no accusation"
    )
    return said


def as_json(audit: Audit) -> dict[str, Any]:
    """The same for a program."""
    return {
        "findings": [finding.model_dump(mode="json") for finding in audit.findings],
        "counts": {severity: audit.counts[severity] for severity in SEVERITIES},
        "read": list(audit.read),
        "searched": {"tried": audit.tried, "expected_by_chance": audit.expected, "limits": list(audit.limits)},
    }
