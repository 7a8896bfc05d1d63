"""Printed counts that no configuration of the network gives, as the search of a measurement found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reeltrace.analysis.audit.findings import Finding, finding
from reeltrace.analysis.audit.values import Body
from reeltrace.kinds.unit import UNITS


def find(body: Body, tables: Iterable[Mapping[str, Any]]) -> list[Finding]:
    """Of tables as their cells.json holds them, the counted cells that a search over configurations missed."""
    found = []
    for table in tables:
        if table["document"] != body.document or table["table"] not in body.sheets or not table.get("search"):
            continue
        sheet = body.sheets[table["table"]]
        for cell in table["cells"]:
            number = sheet.cells.get((cell["row"], cell["column"]))
            layers = UNITS.get(cell["unit"]).layers
            if number is None or layers is None or not layers.search or cell["verdict"] != "not exact":
                continue
            found.append(
                finding(
                    body.document,
                    "count",
                    f"{sheet.name} {number.row} {number.column}",
                    "decision",
                    [number],
                    f"{number.name}: no configuration that was searched gives this count",
                    str(cell["reason"]),
                    ["a configuration outside of those that were searched", "a rule of counting that was not tried"],
                )
            )
    return found
