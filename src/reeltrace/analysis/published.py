"""`documents/<key>/published.yaml` -> typed tables. What the document prints lives there and nowhere else.

A transcription is checked as strictly as the experiments: every cell of a table appears once, its printed string parses
in its unit, and a value that the text does not give is null with the reason.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from reeltrace.artifacts.names import DOCUMENTS
from reeltrace.errors import UserError, short
from reeltrace.registry.texts import parse_yaml, read_text

FILE = "published.yaml"
QuantityUnit = Literal[
    "percent",
    "error rate",
    "hours",
    "parameters",
    "channels",
    "shape",
    "filter",
    "stride",
    "count",
    "size",
    "blocks",
    "gigaflops",
    "seconds",
    "rate",
    "gigabytes",
    "ratio",
    "thousands",
    "millions",
    "times",
]
Unit = Literal[QuantityUnit, "text"]
Value = float | int | list[int | str] | str | None

_NUMBER = r"\d+(?:\.\d+)?"
# Units whose strings are one number and the letters around it.
QUANTITIES: Mapping[str, tuple[str, str]] = {
    "gigaflops": (_NUMBER, "a number of GFLOPS such as '235.8'"),
    "seconds": (rf"({_NUMBER})s", "a time such as '0.52s'"),
    "rate": (_NUMBER, "a number per second such as '2.5'"),
    "gigabytes": (rf"({_NUMBER}) ?G?B", "an amount of memory such as '2.888 GB'"),
    "thousands": (rf"({_NUMBER})K", "a number of thousands such as '2.7K'"),
    "millions": (rf"({_NUMBER})M?", "a number of millions such as '133' or '34M'"),
    "times": (rf"({_NUMBER})x", "a multiple such as '2x'"),
    "ratio": (rf"{_NUMBER}(?:e-?\d+)?", "a ratio such as '1.344e-6'"),
}
_TUPLE = re.compile(r"^\((\w+(?:, \w+)*)\)$")
NOT_APPLICABLE = "N/A"
DECIMALS: dict[str, int] = {"percent": 2, "error rate": 3}  # of shares, where a document does not say
M = TypeVar("M", bound=BaseModel)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Printed(_Strict):
    """A value of the same quantity that the document prints in another place."""

    printed: str
    place: str


class Cell(_Strict):
    """One cell of a published table. `unit` and `place` are those of its table unless it has its own."""

    row: str
    column: str
    printed: str | None
    unit: Unit
    place: str
    reason: str | None = None
    note: str | None = None
    also: tuple[Printed, ...] = ()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.printed is None) == (self.reason is None):
            raise ValueError("a null value needs a reason, and only a null value has one")
        self.value  # noqa: B018 - raises when the printed string does not parse
        for other in self.also:
            parse(other.printed, self.unit)
        return self

    @property
    def value(self) -> Value:
        """The printed string as a value of its unit; None where nothing is printed. See `parse`."""
        return None if self.printed is None else parse(self.printed, self.unit)

    @property
    def contradicted_by(self) -> tuple[Printed, ...]:
        """The other places that print a different value for this quantity."""
        return tuple(o for o in self.also if parse(o.printed, self.unit) != self.value)


class Column(_Strict):
    """A column: its key in the registry, the printed heading, and the heading that spans it and its neighbours.

    `unit` is that of its cells where it is not the table's. `added` marks a column that the document's table does not
    have and that is set beside it here; it is the reason why a cell of it is null, and such cells need not be listed.
    """

    key: str
    label: str
    group: str | None = None
    unit: Unit | None = None
    added: str | None = None


class Row(_Strict):
    """A row: its key in the registry, the printed label and type, and the layer's name in a measurement."""

    key: str
    label: str
    type: str | None = None
    measured: str | None = None


class Table(_Strict):
    """One table as printed.

    `headings` stand above the rows' labels and types, and then every row prints both. Without them they are Model and
    Type, and a type is printed once for the rows below it that share it.
    """

    title: str
    caption: str
    place: str
    note: str | None = None
    headings: tuple[str] | tuple[str, str] | None = None
    unit: Unit
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    cells: tuple[Cell, ...]

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("cells"), list):
            return data
        defaults = {key: data[key] for key in ("unit", "place") if key in data}
        columns = [c for c in data.get("columns") or () if isinstance(c, dict)]
        units = {c.get("key"): {"unit": c["unit"]} for c in columns if "unit" in c}
        cells = [
            {**defaults, **units.get(cell.get("column"), {}), **cell} if isinstance(cell, dict) else cell
            for cell in data["cells"]
        ]
        there = {(cell.get("row"), cell.get("column")) for cell in cells if isinstance(cell, dict)}
        for row in data.get("rows") or ():
            for column in columns:
                if isinstance(row, dict) and "added" in column and (row.get("key"), column.get("key")) not in there:
                    place = {"row": row.get("key"), "column": column.get("key")}
                    empty = {"printed": None, "reason": column["added"]}
                    cells.append({**defaults, **units.get(column.get("key"), {}), **place, **empty})
        return {**data, "cells": cells}

    @model_validator(mode="after")
    def _complete(self) -> Self:
        for kind, keys in (("row", [r.key for r in self.rows]), ("column", [c.key for c in self.columns])):
            for key in keys:
                if keys.count(key) > 1:
                    raise ValueError(f"{kind} {key!r} appears twice")
                if "/" in key:
                    raise ValueError(f"{kind} {key!r} must not hold a slash")
        for row in self.rows:
            if self.headings is not None and (row.type is not None) != (len(self.headings) == 2):
                raise ValueError(f"row {row.key!r}: a type and a second heading go together; give both or neither")
        expected = {(row.key, column.key) for row in self.rows for column in self.columns}
        seen: set[tuple[str, str]] = set()
        for cell in self.cells:
            place = (cell.row, cell.column)
            if place in seen:
                raise ValueError(f"cell {cell.row!r}, {cell.column!r} appears twice")
            if place not in expected:
                raise ValueError(f"cell {cell.row!r}, {cell.column!r} has no such row or column")
            seen.add(place)
        missing = sorted(expected - seen)
        if missing:
            raise ValueError(f"cell {missing[0][0]!r}, {missing[0][1]!r} is missing; write null and the reason")
        return self

    @cached_property
    def by_place(self) -> Mapping[tuple[str, str], Cell]:
        """Cells by (row, column)."""
        return {(cell.row, cell.column): cell for cell in self.cells}

    def cell(self, row: str, column: str) -> Cell:
        """One cell. Raises `KeyError`."""
        return self.by_place[row, column]


class Transcription(_Strict):
    """The tables transcribed from a document, and with how many decimals it prints shares, by unit."""

    decimals: dict[Unit, Annotated[int, Field(ge=0, le=9, strict=True)]] = Field(default_factory=dict)
    tables: dict[str, Table] = Field(min_length=1)


def parse(text: str, unit: Unit) -> Value:
    """A printed string as a value of its unit. Raises `ValueError` when it is not one.

    percent: float in [0, 100]; error rate: float in [0, 1]; hours: int, "161 Hrs" is 161; parameters: int, "687K
    parameters" is 687000; channels and shape: list of int (or of names such as N); "N/A" is the empty list; filter:
    list of three int; stride: int; count: int, "59,342,488" is 59342488; size: [T, S, S] of "TxS^2"; gigaflops,
    seconds, rate (per second), gigabytes, thousands, millions, times and ratio: the number as a float; text (never
    measured) and blocks (a setting or description that is): the string itself.
    """
    if unit in ("text", "blocks"):
        return text
    if unit in QUANTITIES:
        return float(number_in(text, unit))
    if unit == "count":
        if not re.fullmatch(r"\d{1,3}(,\d{3})*", text):
            raise ValueError(f"{text!r} is not a count such as '59,342,488'")
        return int(text.replace(",", ""))
    if unit == "size":
        match = re.fullmatch(r"(\d+)x(\d+)\^2", text)
        if not match:
            raise ValueError(f"{text!r} is not a size such as '8x56^2'")
        return [int(match[1]), int(match[2]), int(match[2])]
    if unit == "percent":
        if not re.fullmatch(r"\d{1,3}(\.\d+)?", text) or not 0 <= float(text) <= 100:
            raise ValueError(f"{text!r} is not a percentage in 0..100")
        return float(text)
    if unit == "error rate":
        if not re.fullmatch(r"[01]\.\d+", text) or not 0 <= float(text) <= 1:
            raise ValueError(f"{text!r} is not an error rate such as '0.197'")
        return float(text)
    if unit == "hours":
        match = re.fullmatch(r"(\d+) Hrs", text)
        if not match:
            raise ValueError(f"{text!r} is not a time such as '161 Hrs'")
        return int(match[1])
    if unit == "parameters":
        match = re.fullmatch(r"(\d+)K parameters", text)
        if not match:
            raise ValueError(f"{text!r} is not a parameter count such as '687K parameters'")
        return int(match[1]) * 1000
    if unit == "stride":
        if not re.fullmatch(r"[1-9]\d*", text):
            raise ValueError(f"{text!r} is not a stride")
        return int(text)
    if unit == "filter":
        if not re.fullmatch(r"\d+x\d+x\d+", text):
            raise ValueError(f"{text!r} is not a filter size such as '3x3x3'")
        return [int(part) for part in text.split("x")]
    if text == NOT_APPLICABLE:
        return []
    match = _TUPLE.match(text)
    if not match:
        raise ValueError(f"{text!r} is not a tuple such as '(3, 64)'")
    return [int(part) if part.isdigit() else part for part in match[1].split(", ")]


def number_in(text: str, unit: str) -> str:
    """The number in a printed string of one of the `QUANTITIES`: "0.52" of "0.52s". Raises `ValueError`."""
    pattern, what = QUANTITIES[unit]
    match = re.fullmatch(pattern, text)
    if not match:
        raise ValueError(f"{text!r} is not {what}")
    return match[1] if match.groups() else match[0]


@dataclass(frozen=True)
class Document:
    """A document by its key, with the tables transcribed from it; `path` is where they stand.

    `decimals` says with how many it prints the shares of a unit.
    """

    document: str
    tables: Mapping[str, Table]
    path: Path
    decimals: Mapping[str, int] = field(default_factory=lambda: DECIMALS)


def load(document: str, root: Path = Path()) -> Document:
    """Read and check one transcription of the project below `root`.

    Raises `UserError` with the file, the place in it, what was found and what was expected.
    """
    path = DOCUMENTS / document / FILE
    found = read_yaml(path, Transcription, root)
    return Document(
        document, found.tables, path, DECIMALS | {str(unit): places for unit, places in found.decimals.items()}
    )


def read_yaml(path: Path, model: type[M], root: Path = Path()) -> M:
    """A YAML file below `root`, validated. Raises `UserError` naming the file and the place in it."""
    raw = parse_yaml(str(path), read_text(root / path, str(path)))
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        cell = _named_cell(raw, first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise UserError(f"{path}: {where}{cell}: {message}; found {short(first['input'])}") from None


def read_lists(
    documents: Iterable[str], root: Path, file: str, model: type[M], part: str, one: str
) -> Iterator[tuple[str, M]]:
    """Each document that has such a file, with what it holds; `part` is its list of items, `one` the word for an item.

    Raises `UserError` with the place and what was expected, and where two items of all documents have the same id.
    """
    places: dict[str, Path] = {}
    for document in documents:
        path = DOCUMENTS / document / file
        if not (root / path).exists():
            continue
        found = read_yaml(path, model, root)
        for item in getattr(found, part):
            if item.id in places:
                raise UserError(f"{path}: {one} {item.id!r} stands in {places[item.id]} too; ids must differ")
            places[item.id] = path
        yield document, found


def _named_cell(raw: Any, loc: tuple[int | str, ...]) -> str:
    """Which row and column an error inside a list of cells is about: an index alone is hard to find."""
    node = raw
    for part in loc:
        try:
            node = node[part]
        except (KeyError, IndexError, TypeError):
            break
        if isinstance(node, dict) and {"row", "column"} <= set(node):
            return f" (row {node['row']!r}, column {node['column']!r})"
    return ""
