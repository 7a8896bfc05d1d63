"""Printed counts that no configuration of the network gives: of those that a search tried, or that are counted here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reeltrace.analysis.audit.findings import Finding, Severity, finding
from reeltrace.analysis.audit.values import Body
from reeltrace.kinds.unit import UNITS


def find(body: Body, tables: Iterable[Mapping[str, Any]]) -> list[Finding]:
    """Of tables as their cells.json holds them, the counted cells that were counted otherwise.

    Where a search over configurations missed the print, that weighs; one network that was counted is a note.
    """
    found = []
    for table in tables:
        if table["document"] != body.document or table["table"] not in body.sheets:
            continue
        sheet = body.sheets[table["table"]]
        for cell in table["cells"]:
            number, unit = sheet.cells.get((cell["row"], cell["column"])), UNITS.get(cell["unit"])
            counted = unit.whole and cell["origin"] == "measured" and cell["verdict"] == "not exact"
            if number is None or not counted:
                continue
            searched = bool(table.get("search")) and unit.layers is not None and unit.layers.search
            severity: Severity = "decision" if searched else "note"
            which = (
                "no configuration that was searched gives"
                if searched
                else "the network that is counted here does not give"
            )
            found.append(
                finding(
                    body.document,
                    "count",
                    f"{sheet.name} {number.row} {number.column}",
                    severity,
                    [number],
                    f"{number.name}: {which} this count",
                    str(cell["reason"]),
                    [
                        "another configuration than those that were counted",
                        "a round number",
                        "another rule of counting",
                    ],
                )
            )
    return found
