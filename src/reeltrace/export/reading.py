"""report.json as the exports read it."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from reeltrace.artifacts.files import sha256_file
from reeltrace.artifacts.formats import JSON
from reeltrace.artifacts.json_values import read_json
from reeltrace.artifacts.names import MANIFEST
from reeltrace.errors import CheckFailed, UserError, known_names

Cells = Mapping[tuple[str, str], list[dict[str, Any]]]  # by document and table, in the report's order


def read_report(folder: Path) -> dict[str, Any]:
    """The report.json of a finished report.

    Raises `CheckFailed` where there is none, where it is not the one of its manifest, or none of ours.
    """
    path = folder / JSON
    if not path.is_file():
        raise CheckFailed(f"{path}: not made yet; run: snakemake --cores all")
    try:
        altered = read_json(folder / MANIFEST)["outputs"][JSON]["sha256"] != sha256_file(path)
    except (LookupError, TypeError):
        altered = True
    if altered:
        raise CheckFailed(
            f"{path}: is not the file that its manifest records; `reeltrace verify` says what was altered"
        )
    report = read_json(path)
    if not isinstance(report, dict) or not {"artifacts", "cells", "scale"} <= report.keys():
        raise CheckFailed(f"{path}: is not a report of this project; make it again: reeltrace run report all")
    return report


def by_table(report: Mapping[str, Any]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """The cells of each table, by document and table."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for cell in report["cells"]:
        found.setdefault((cell["document"], cell["table"]), []).append(cell)
    return found


def of_document(report: Mapping[str, Any], document: str) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """The tables of one document. Raises `UserError` where the report has none of it."""
    tables = by_table(report)
    documents = list(dict.fromkeys(key for key, _ in tables))
    if document not in documents:
        raise UserError(f"--document: no {document!r} in the report; {known_names(document, documents)}")
    return {key: cells for key, cells in tables.items() if key[0] == document}


def table_file(document: str, table: str, suffix: str) -> str:
    """The name of a table's file: `basu2021-table3.csv`; what no file name should hold becomes a hyphen."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in table)
    return f"{document}-table{plain}{suffix}"


def interval_of(cell: Mapping[str, Any]) -> tuple[str, str]:
    """The bounds of the interval around our value, as printed; empty where there is none."""
    found = (cell.get("reproduced") or {}).get("interval_printed")
    return (str(found[0]), str(found[1])) if found else ("", "")


def documents_of(report: Mapping[str, Any]) -> Iterable[str]:
    """The documents of a report, in its order."""
    return dict.fromkeys(cell["document"] for cell in report["cells"])
