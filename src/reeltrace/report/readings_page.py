"""Where a document is read otherwise: the numbers under each reading, a specification curve and a tornado of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from reeltrace.analysis.assumptions import Ledger
from reeltrace.artifacts.files import sha256_file
from reeltrace.artifacts.formats import READINGS
from reeltrace.artifacts.json_values import read_json
from reeltrace.errors import CheckFailed
from reeltrace.kinds.unit import UNITS
from reeltrace.report import specification
from reeltrace.report.binding import Binder, Number
from reeltrace.report.chains import table_words

Place = tuple[str, str, str]  # table, row and column of a cell
CHOSEN = "as chosen"


@dataclass(frozen=True)
class Found:
    """The readings of one document, as its artifact has them."""

    document: str
    artifact: str
    sha256: str
    content: Mapping[str, Any]


def load(documents: Iterable[str], inputs: Mapping[str, Path], artifacts: Mapping[str, Any]) -> list[Found]:
    """What was found under the readings of documents. Raises `CheckFailed` where that is not there."""
    found = []
    for document in documents:
        name = f"reading/{document}"
        if name not in inputs:
            raise CheckFailed(f"{name}: missing; run `reeltrace run reading {document}` first")
        path = inputs[name] / READINGS
        of = f"{artifacts[name]['path']}/{READINGS}"
        found.append(Found(document, of, sha256_file(path), read_json(path)))
    return found


def bind(binder: Binder, found: Found, cells: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Register every number of a document's readings; each reading as report.json holds it.

    A net that stands in several tables is shown in the one that has the most of them. Raises `CheckFailed` where what
    is set beside them is not what the tables have.
    """
    shown = _shown(found)
    for place in shown:
        identity = _id(found.document, place)
        chosen, table = shown[place]["reproduced"]["value"], cells[identity]["reproduced"]["value"]
        if chosen != table:
            said = f"{identity} is {table:g} in its table, and {chosen:g} beside readings"
            raise CheckFailed(f"{said}; run `reeltrace run reading {found.document}` again")
    readings = []
    for at, read in enumerate(found.content["readings"]):
        entries = []
        for index, cell in enumerate(read["cells"]):
            place = (cell["table"], cell["row"], cell["column"])
            if place in shown:
                pointer = f"/readings/{at}/cells/{index}/reproduced"
                entries.append(_bound(binder, found, read, cell, _id(found.document, place), pointer))
        readings.append(
            {
                "document": found.document,
                **{key: read[key] for key in ("detail", "reading", "says", "changes")},
                "cells": entries,
            }
        )
    return readings


def _shown(found: Found) -> dict[Place, Mapping[str, Any]]:
    """The cells as chosen, each test of a net once."""
    chosen = found.content["chosen"]
    most = {table: sum(cell["table"] == table for cell in chosen) for table in {cell["table"] for cell in chosen}}
    places: dict[Place, Mapping[str, Any]] = {}
    seen: set[tuple[tuple[str, str], ...]] = set()
    for cell in sorted(chosen, key=lambda cell: -most[cell["table"]]):
        test = tuple((trace["artifact"], trace["pointer"]) for trace in cell["trace"])
        if test not in seen:
            seen.add(test)
            places[cell["table"], cell["row"], cell["column"]] = cell
    return places


def _id(document: str, place: Place) -> str:
    return "/".join((document, *place))


def _bound(
    binder: Binder, found: Found, read: Mapping[str, Any], cell: Mapping[str, Any], beside: str, pointer: str
) -> dict[str, Any]:
    """Register one number under a reading, with its interval; what report.json holds of it."""
    identity, ours = f"{beside}/read-{read['reading']}", cell["reproduced"]
    trace = {"artifact": found.artifact, "pointer": f"{pointer}/value", "sha256": found.sha256}
    title = f"{found.document}, {table_words(cell['table'])}, {cell['row']}, {cell['column']}, read otherwise"
    seeds = "; ".join(f"seed {seed}: {each['correct']} of {each['total']}" for seed, each in ours["seeds"].items())
    facts = (
        ("Reading", f"{read['detail']}, {read['reading']}: {read['says']}"),
        ("Each seed", seeds),
        ("Verdict", f"{cell['verdict']} ({cell['circumstances']}): {cell['reason']}"),
    )
    binder.add(Number(identity, ours["printed"], title, trace, tuple(cell["trace"]), facts=facts))
    low, high = ours["interval_printed"]
    where = {**trace, "pointer": f"{pointer}/interval"}
    binder.add(Number(f"{identity}/interval", f"[{low}, {high}]", "Interval", where, chain=identity))
    return {
        "id": identity,
        "of": beside,
        "value": ours["value"],
        "printed": ours["printed"],
        "interval": ours["interval"],
        "verdict": cell["verdict"],
        "trace": trace,
        "sources": cell["trace"],
    }


# --- the page ---


def view(
    binder: Binder,
    found: Found,
    readings: Sequence[Mapping[str, Any]],
    cells: Mapping[str, Mapping[str, Any]],
    ledgers: Iterable[Ledger],
) -> dict[str, Any]:
    """What the templates draw of one document: its details with their readings, and two drawings per quantity."""
    open_ = {a.id: a for ledger in ledgers if ledger.document == found.document for a in ledger.assumptions}
    beside = list(dict.fromkeys(cell["of"] for read in readings for cell in read["cells"]))
    details: dict[str, dict[str, Any]] = {}
    for read in readings:
        of = {cell["of"]: cell for cell in read["cells"]}
        detail = details.setdefault(read["detail"], {"assumption": open_[read["detail"]], "readings": []})
        detail["readings"].append({**read, "of": of})
    nearest = {identity: _nearest(identity, readings, cells[identity]) for identity in beside}
    return {
        "document": found.document,
        "details": list(details.values()),
        "quantities": [_quantity(binder, identity, readings, cells[identity]) for identity in beside],
        "nearest": nearest,
        "stand_in": found.content["stand_in"],
    }


def _nearest(identity: str, readings: Sequence[Mapping[str, Any]], cell: Mapping[str, Any]) -> tuple[str, ...]:
    """The numbers that lie nearest to the print, as chosen or under a reading; none where there is no print."""
    theirs = cell["published"]["value"]
    if not isinstance(theirs, int | float):
        return ()
    every = {identity: cell["reproduced"]["value"]}
    every |= {each["id"]: each["value"] for read in readings for each in read["cells"] if each["of"] == identity}
    least = min(abs(value - theirs) for value in every.values())
    return tuple(name for name, value in every.items() if abs(value - theirs) == least)


def _quantity(
    binder: Binder, identity: str, readings: Sequence[Mapping[str, Any]], cell: Mapping[str, Any]
) -> dict[str, Any]:
    """One number of a table with its two drawings."""
    theirs, share = cell["published"]["value"], UNITS.get(cell["unit"]).share
    percent = 100 / share.whole if share else 1.0

    def point(reading: str, detail: str, at: str, ours: Mapping[str, Any]) -> specification.Point:
        low, high = ours["interval"]
        interval = (percent * low, percent * high)
        return specification.Point(
            _words(reading), _words(detail), at, percent * ours["value"], interval, ours["printed"]
        )

    chosen = point(CHOSEN, "", identity, cell["reproduced"])
    points = [
        point(read["reading"], read["detail"], each["id"], each)
        for read in readings
        for each in read["cells"]
        if each["of"] == identity
    ]
    of = [chosen.id, *(each.id for each in points)]
    print_ = percent * theirs if isinstance(theirs, int | float) else None
    label = f"{cell['row']}, {cell['column']}"

    def drawn(what: str) -> Markup:
        return binder.figure(f"{what}/{identity}", of)

    return {
        "id": identity,
        "label": label,
        "table": cell["table"],
        "row": cell["row"],
        "column": cell["column"],
        "curve": specification.curve(f"Specification curve of {label}", chosen, points, print_, drawn("curve")),
        "tornado": specification.tornado(f"What {label} depends on", chosen, points, print_, drawn("tornado")),
    }


def _words(name: str) -> str:
    return name.replace("-", " ")
