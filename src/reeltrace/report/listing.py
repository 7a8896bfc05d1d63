"""The cells of finished tables as a list: for the terminal, for programs, and for `explain` of a whole table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from reeltrace.artifacts.formats import CELLS, JSON
from reeltrace.artifacts.json_values import read_json
from reeltrace.errors import UserError, known_names
from reeltrace.report.chains import table_words

COLUMNS = ("id", "document", "table", "row", "column", "unit", "here", "printed", "verdict", "circumstances", "reason")
NO_VALUE = "–"  # in the terminal


def cells(root: Path, scale: str) -> list[dict[str, Any]]:
    """Every cell of every finished table, in the order of tables and cells, with the values of `COLUMNS`.

    Raises `UserError` where no table is finished.
    """
    found = []
    results = root / "results" / scale
    for path in sorted(results.glob(f"aggregate/*/{CELLS}")):
        if path.parent.name.startswith("."):
            continue
        table = read_json(path)
        for cell in table["cells"]:
            place = (table["document"], table["table"], cell["row"], cell["column"])
            ours = cell["reproduced"]
            found.append(
                {
                    "id": "/".join(place),
                    **dict(zip(("document", "table", "row", "column"), place, strict=True)),
                    "unit": cell["unit"],
                    "here": None if ours is None else ours["printed"],
                    "printed": cell["published"]["printed"],
                    **{key: cell[key] for key in ("verdict", "circumstances", "reason")},
                    "key": path.parent.name,
                }
            )
    if not found:
        raise UserError(f"{results / 'aggregate'}: no tables yet; run `snakemake --cores all` first")
    return found


def chosen(
    every: Sequence[Mapping[str, Any]], verdicts: Iterable[str], tables: Iterable[str], documents: Iterable[str]
) -> list[dict[str, Any]]:
    """Of all cells those with one of the verdicts, of one of the tables and of one of the documents; none named: all.

    A table is "basu2021/3", or named as an artifact is. Raises `UserError` for a name that nothing has.
    """
    kept = [dict(cell) for cell in every]
    for what, asked, names_of in (
        ("verdict", list(verdicts), lambda cell: (cell["verdict"],)),
        ("table", list(tables), lambda cell: (f"{cell['document']}/{cell['table']}", cell["key"])),
        ("document", list(documents), lambda cell: (cell["document"],)),
    ):
        known = list(dict.fromkeys(name for cell in every for name in names_of(cell)))
        for name in asked:
            if name not in known:
                raise UserError(f"no cell has the {what} {name!r}; {known_names(name, known)}")
        kept = [cell for cell in kept if not asked or any(name in asked for name in names_of(cell))]
    return [{key: cell[key] for key in COLUMNS} for cell in kept]


def as_text(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line per cell: its id, ours, the print, the verdict."""
    shown = [(c["id"], c["here"] or NO_VALUE, c["printed"] or NO_VALUE, c["verdict"]) for c in found]
    widths = [max((len(line[at]) for line in shown), default=0) for at in range(3)]
    return [
        "  ".join([*(text.ljust(width) for text, width in zip(line, widths, strict=False)), line[3]]) for line in shown
    ]


def as_csv(found: Iterable[Mapping[str, Any]]) -> str:
    """With a line of headings; nothing between two commas where there is no value."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)
    return text.getvalue()


def other(root: Path, scale: str, identity: str) -> dict[str, Any] | None:
    """What the page prints under an id that is no cell's, as programs take it.

    A "table" with its `cells`; or a "claim", a "number" (a count, a part of a cell, a measured one) or a "finding" of
    the audit as report.json has it, under its word in `kind`. None where nothing has the id.
    """
    every = cells(root, scale)
    of_table = [cell for cell in every if identity in (f"{cell['document']}/{cell['table']}", cell["key"])]
    if of_table:
        first = of_table[0]
        shown = [{key: cell[key] for key in COLUMNS} for cell in of_table]
        return {"kind": "table", "scale": scale, **{k: first[k] for k in ("document", "table", "key")}, "cells": shown}
    path = root / "results" / scale / "report" / "all" / JSON
    if not path.is_file():
        return None
    content = read_json(path)
    for kind, entries, named in (
        ("claim", "claims", "claim/{}"),
        ("number", "numbers", "{}"),
        ("finding", "audit", "audit/{}"),
    ):
        for entry in content[entries]:
            if named.format(entry["id"]) == identity:
                return {"kind": kind, "scale": scale, **entry}
    return None


def other_words(found: Mapping[str, Any]) -> list[str]:
    """The same for people, line by line."""
    if found["kind"] == "table":
        head = f"{found['document']}, {table_words(found['table'])}"
        return [head, *(f"  {line}" for line in as_text(found["cells"]))]
    return {"claim": _claim, "number": _number, "finding": _finding}[found["kind"]](found)


def names(root: Path, scale: str) -> list[str]:
    """Every id that the finished report prints, beside those of cells; none where there is no report."""
    path = root / "results" / scale / "report" / "all" / JSON
    if not path.is_file():
        return []
    content = read_json(path)
    said = (f"claim/{c['id']}" for c in content["claims"])
    return [*(n["id"] for n in content["numbers"]), *said, *(f"audit/{f['id']}" for f in content["audit"])]


def _line(label: str, text: object) -> str:
    return f"  {label:<14}{text}"


def _number(number: Mapping[str, Any]) -> list[str]:
    lines = [number["id"], _line("here", number["printed"]), _line("what", number["title"])]
    if number["rule"]:
        lines.append(_line("rule", number["rule"]))
    if number["trace"]:
        lines.append(_line("read from", f"{number['trace']['artifact']} {number['trace']['pointer']}"))
        lines.append(_line("", f"sha256 {number['trace']['sha256']}"))
    return lines + [_line("of" if not at else "", identity) for at, identity in enumerate(number["of"])]


def _claim(claim: Mapping[str, Any]) -> list[str]:
    lines = [f"claim/{claim['id']}", _line("claim", claim["title"]), _line("says", claim["says"])]
    lines += [_line("place", claim["place"]), _line("on print", claim["published_verdict"])]
    return [*lines, _line("here", f"{claim['verdict']} ({claim['circumstances']})")]


def _finding(found: Mapping[str, Any]) -> list[str]:
    lines = [f"audit/{found['id']}", _line("says", found["says"]), _line("computed", found["computation"])]
    lines.append(_line("severity", f"{found['severity']}, by the detector {found['detector']!r}"))
    for at, source in enumerate(found["sources"]):
        where = ", ".join(part for part in (source["row"], source["column"]) if part)
        of = f"{source['printed']}  {source['document']}, {source['place']}" + (f" ({where})" if where else "")
        lines.append(_line("" if at else "rests on", of))
    return lines + [_line("" if at else "unless", words) for at, words in enumerate(found["innocent"])]
