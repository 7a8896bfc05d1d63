"""One CSV per table: a line for each cell, so that any tool reads it without knowing the table's shape."""

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

from reeltrace.export.reading import by_table, interval_of, table_file

HEADER = (
    "document",
    "table",
    "row",
    "column",
    "unit",
    "published",
    "place",
    "reproduced",
    "interval_low",
    "interval_high",
    "verdict",
    "origin",
    "circumstances",
    "reason",
    "artifact",
    "pointer",
    "sha256",
)


def tables(report: Mapping[str, Any]) -> dict[str, str]:
    """By file name the text of each table."""
    return {table_file(*key, ".csv"): table(cells) for key, cells in by_table(report).items()}


def table(cells: Iterable[Mapping[str, Any]]) -> str:
    """The cells as CSV (RFC 4180), printed values as printed. A field that is empty has no value."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(HEADER)
    for cell in cells:
        trace = cell.get("trace") or {}
        writer.writerow(
            [
                *(cell[name] for name in ("document", "table", "row", "column", "unit")),
                _shown(cell["published"]["printed"]),
                cell["published"]["place"],
                _shown((cell.get("reproduced") or {}).get("printed")),
                *interval_of(cell),
                *(cell[name] for name in ("verdict", "origin", "circumstances", "reason")),
                *(trace.get(name, "") for name in ("artifact", "pointer", "sha256")),
            ]
        )
    return text.getvalue()


def _shown(printed: str | None) -> str:
    return "" if printed is None else printed
