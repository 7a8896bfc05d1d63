"""What an audit says: findings, each with the printed values that it rests on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from reeltrace.analysis.audit.values import Printed
from reeltrace.kinds.rounding import printed

Severity = Literal["decision", "rounding", "note"]
SEVERITIES: tuple[Severity, ...] = ("decision", "rounding", "note")
Detector = Literal[
    "derived",
    "declared",
    "printed twice",
    "repeats",
    "total",
    "gain",
    "count",
    "monotone",
    "denominator",
    "impossible",
]


class Source(BaseModel):
    """A printed value that a finding rests on: a cell, or a value of the prose where `prose` is its id."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    document: str = Field(description="The key of the document, or the name of a file.")
    table: str = Field(description="The table; empty for a value of the prose.")
    row: str = Field(description="The row; empty for a value of the prose.")
    column: str = Field(description="The column; empty for a value of the prose.")
    prose: str = Field(description="The id of a value of the prose; empty for a cell.")
    printed: str = Field(description="The value as printed.")
    place: str = Field(description="Where it is printed.")


class Finding(BaseModel):
    """One thing that an audit found."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(description="The name of the finding, the same as long as what it is about is the same.")
    document: str = Field(description="The key of the document, or the name of a file.")
    detector: Detector = Field(description="What found it.")
    severity: Severity = Field(
        description="`decision` where printed values cannot all be right or do not bear what is said of them, "
        "`rounding` where a last digit explains it, `note` where nothing need be wrong."
    )
    sources: list[Source] = Field(min_length=1, description="The printed values that it rests on.")
    computation: str = Field(description="What was computed, with its numbers.")
    says: str = Field(description="The finding in a sentence.")
    innocent: list[str] = Field(description="What would explain it without a mistake.")


def source(of: Printed) -> Source:
    """A printed value as a source."""
    return Source(
        document=of.document,
        table=of.table,
        row=of.row,
        column=of.column,
        prose=of.prose,
        printed=of.printed,
        place=of.place,
    )


def finding(
    document: str,
    detector: Detector,
    about: str,
    severity: Severity,
    sources: Iterable[Printed],
    says: str,
    computation: str,
    innocent: Iterable[str] = (),
) -> Finding:
    """A finding; `about` tells it from others of its detector in the document."""
    return Finding(
        id=f"{document}/{detector.replace(' ', '-')}/{slug(about)}",
        document=document,
        detector=detector,
        severity=severity,
        sources=[source(each) for each in sources],
        says=says,
        computation=computation,
        innocent=list(innocent),
    )


def slug(text: str) -> str:
    """A text as a part of an id."""
    return re.sub(r"[^A-Za-z0-9.+]+", "-", text).strip("-").lower()


def in_order(findings: Iterable[Finding], documents: Iterable[str]) -> list[Finding]:
    """By document, then what weighs most first; ids that would be the same are counted."""
    rank = {document: place for place, document in enumerate(documents)}
    ordered = sorted(findings, key=lambda f: (rank.get(f.document, len(rank)), SEVERITIES.index(f.severity)))
    seen: dict[str, int] = {}
    named = []
    for each in ordered:
        seen[each.id] = seen.get(each.id, 0) + 1
        named.append(each if seen[each.id] == 1 else each.model_copy(update={"id": f"{each.id}-{seen[each.id]}"}))
    return named


def apart(found: tuple[Fraction, Fraction], of: Printed) -> Severity | None:
    """How far a computed interval is from a printed value: None where they agree, `rounding` within a unit of it."""
    low, high = of.bounds
    if found[0] <= high and low <= found[1]:
        return None
    low, high = of.wide
    return "rounding" if found[0] <= high and low <= found[1] else "decision"


def digits(value: Fraction, like: Fraction, more: int = 2) -> str:
    """A computed number, with so many decimals more than a printed one whose last place is `like`."""
    if 0 < abs(value) < Fraction(1, 10**4):
        return f"{float(value):.{more + 2}e}".replace("e-0", "e-")
    if abs(value) >= 10**18:  # more digits than are of use to anyone
        return f"{float(value):.8e}".replace("e+", "e")
    decimals = 0
    while like and like * 10**decimals < 1 and decimals < 12:
        decimals += 1
    text = printed(value, decimals + more)
    return text.rstrip("0").rstrip(".") if "." in text else text


def document_parts(finding_: Finding) -> dict[str, Any]:
    """A finding as report.json has it."""
    return finding_.model_dump(mode="json")
