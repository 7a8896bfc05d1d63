"""Shares that no share can be: below nothing, or above all of the test set."""

from __future__ import annotations

from collections.abc import Iterator

from reeltrace.analysis.audit.findings import Finding, finding
from reeltrace.analysis.audit.values import Body


def find(body: Body) -> Iterator[Finding]:
    """Every number that stands among shares, or is called one, and is outside of what shares can be."""
    for number in body.numbers():
        if number.outside is not None:
            where = f"{number.table} {number.row} {number.column}" if number.table else number.prose
            yield finding(
                body.document,
                "impossible",
                where,
                "decision",
                [number],
                f"{number.name} is no share: shares lie between 0 and {number.outside}",
                f"{number.printed} is {'below 0' if number.value < 0 else f'above {number.outside}'}",
                [
                    "no share of a test set, whatever its heading says",
                    "a slip in print, such as a point misplaced",
                ],
            )
