"""Two reports beside each other: which cells, claims, findings and other numbers differ, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reeltrace.artifacts.formats import JSON
from reeltrace.artifacts.json_values import read_json
from reeltrace.errors import CheckFailed, UserError
from reeltrace.report.content import SCHEMA

KINDS = ("report", "cell", "claim", "finding", "number")
ADDED, REMOVED, CHANGED = "added", "removed", "changed"
NONE = "none"
# What is compared of a claim and of a finding of the audit; the documents' words are not.
OF_CLAIM = ("verdict", "published_verdict", "outcome", "published_outcome")
OF_FINDING = ("severity", "says")


@dataclass(frozen=True)
class Difference:
    """One thing that differs: its kind and id, `what` happened to it, and by field what stood there and stands now."""

    kind: str
    id: str
    what: str
    fields: Mapping[str, tuple[str, str]]

    def __str__(self) -> str:
        parts = [f"{name} {before} -> {after}" for name, (before, after) in self.fields.items()]
        return f"{self.kind} {self.id}: {'; '.join([self.what, *parts] if self.what != CHANGED else parts)}"

    def as_json(self) -> dict[str, Any]:
        """For a program to read."""
        return asdict(self)


def read_report(path: Path) -> Any:
    """A report.json: the file, the folder that it lies in, or a folder of results of one scale.

    Raises `UserError` where there is none, and where it is none of this version.
    """
    found = path
    if path.is_dir():
        places = (path / JSON, path / "report" / "all" / JSON)
        found = next((place for place in places if place.is_file()), places[0])
    if not found.is_file():
        raise UserError(f"{found}: {'not a file' if found.exists() else 'missing'}; name a {JSON} or a folder with one")
    try:
        report = read_json(found)
    except CheckFailed as error:
        why = str(error).removeprefix(f"{found}: ").partition("; remove the folder")[0]
        raise UserError(f"{found}: {why}; name another file, or make the report again") from None
    if not isinstance(report, dict) or report.get("schema") != SCHEMA:
        raise UserError(f"{found}: not a {JSON} of {SCHEMA}; make the report again, or name another file")
    try:
        for part in ("cells", "claims", "numbers"):
            names = [(_claim(entry) if part == "claims" else str(entry["id"])) for entry in report[part]]
            if len(set(names)) < len(names):
                twice = next(name for name in names if names.count(name) > 1)
                raise UserError(f"{found}: {twice!r} stands twice under {part}; make the report again")
        for cell in report["cells"]:
            _of_cell(cell)
    except (KeyError, TypeError, AttributeError):
        raise UserError(f"{found}: its fields are not those of a {JSON}; make the report again") from None
    return report


def differences(before: Any, after: Any) -> list[Difference]:
    """What differs between two reports, in the order of KINDS and of the second report.

    Numbers are those that belong to no cell. A number that only counts others, or that a cell has, says nothing new.
    """
    whole = _compared("report", [before], [after], _of_report, lambda report: "as a whole")
    cells = _compared("cell", before["cells"], after["cells"], _of_cell)
    claims = _compared("claim", before["claims"], after["claims"], _of_fields(OF_CLAIM), _claim)
    findings = _compared("finding", before.get("audit") or (), after.get("audit") or (), _of_fields(OF_FINDING))
    ids = {cell["id"] for report in (before, after) for cell in report["cells"]}
    others = [
        [n for n in report["numbers"] if n["rule"] is None and not any(p in ids for p in _prefixes(n["id"]))]
        for report in (before, after)
    ]
    numbers = _compared("number", others[0], others[1], lambda n: {"printed": str(n["printed"])})
    return [*whole, *cells, *claims, *findings, *numbers]


def _of_report(report: Mapping[str, Any]) -> dict[str, str]:
    """At which scale and on what it was made."""
    return {"scale": str(report.get("scale", NONE)), "stand-in data": str(report.get("stand_in") or NONE)}


def _prefixes(identity: str) -> list[str]:
    parts = identity.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]


def _claim(claim: Mapping[str, Any]) -> str:
    return f"{claim['document']}/{claim['id']}" if "document" in claim else str(claim["id"])


def _printed(cell: Mapping[str, Any]) -> str:
    ours = cell["reproduced"]
    return NONE if ours is None else str(ours["printed"])


def _of_cell(cell: Mapping[str, Any]) -> dict[str, str]:
    theirs = cell["published"]["printed"]
    return {
        "here": _printed(cell),
        "published": NONE if theirs is None else str(theirs),
        "verdict": str(cell["verdict"]),
    }


def _of_fields(names: tuple[str, ...]) -> Any:
    return lambda entry: {name: str(entry[name]) for name in names if name in entry}


def _compared(
    kind: str, before: Any, after: Any, fields_of: Any, name: Any = lambda e: str(e["id"])
) -> list[Difference]:
    old, new = ({name(entry): fields_of(entry) for entry in entries} for entries in (before, after))
    found = []
    for identity in [*new, *(i for i in old if i not in new)]:
        was, now = old.get(identity), new.get(identity)
        if was is None or now is None:
            what = ADDED if was is None else REMOVED
            there = now if now is not None else was or {}
            fields = {k: (NONE, v) if was is None else (v, NONE) for k, v in there.items() if v != NONE}
            found.append(Difference(kind, identity, what, fields))
        elif was != now:
            keys = [k for k in {**now, **was} if was.get(k, NONE) != now.get(k, NONE)]
            fields = {k: (was.get(k, NONE), now.get(k, NONE)) for k in keys}
            found.append(Difference(kind, identity, CHANGED, fields))
    return found
