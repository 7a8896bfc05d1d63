"""`documents/<key>/published.yaml` -> typed tables. What the document prints lives there and nowhere else.

A transcription is checked as strictly as the experiments: every cell of a table appears once, its printed string parses
in its unit, and a value that the text does not give is null with the reason.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticCustomError

from reeltrace.artifacts.names import DOCUMENTS
from reeltrace.errors import UserError, known_names, short
from reeltrace.kinds.unit import UNITS, Given, Unit, Value, bounded, units_of
from reeltrace.registry.texts import parse_yaml, read_text

FILE = "published.yaml"
M = TypeVar("M", bound=BaseModel)


def _known_unit(value: Any, info: ValidationInfo) -> str:
    """The name of a unit that the document may use, which the context of its validation names."""
    known = units_of((info.context or {}).get("document"))
    if not isinstance(value, str) or value not in known:
        *others, last = map(repr, known)
        expected = {"expected": f"{', '.join(others)} or {last}"}
        raise PydanticCustomError("literal_error", "Input should be {expected}", expected)
    return value


UnitName = Annotated[str, PlainValidator(_known_unit)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TestSet(_Strict):
    """What shares of the document are shares of: so many samples, `of` what (videos, images).

    `place` is where the document prints the size; where it prints none `ledger` names the assumption that has it.
    """

    __test__: ClassVar[bool] = False  # pytest collects what is called Test

    size: int = Field(ge=1, strict=True)
    of: str
    place: str | None = None
    ledger: str | None = None

    @model_validator(mode="after")
    def _told(self) -> Self:
        if (self.place is None) == (self.ledger is None):
            raise ValueError("a test set has the place that prints its size, or the assumption in the ledger: one")
        return self


class Printed(_Strict):
    """A value of the same quantity that the document prints in another place."""

    printed: str
    place: str


class Cell(_Strict):
    """One cell of a published table. `unit` and `place` are those of its table unless it has its own.

    `test` names, among the `tests` of the document, the test set that a share is of: the cell's, or that of its row,
    its column or its table, the first that is said. None where the print is no share of a set. `damaged` says what the
    text that was transcribed has lost of the print.
    `after` and `before` are words of the text to which a value in a sentence is the next of the values, see `spans`.
    """

    row: str
    column: str
    printed: str | None
    unit: UnitName
    place: str
    test: str | None = None
    reason: str | None = None
    note: str | None = None
    damaged: str | None = None
    after: str | None = None
    before: str | None = None
    also: tuple[Printed, ...] = ()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.damaged is not None and self.printed is None:
            raise ValueError("only what is printed can be damaged; of a null value the reason says why")
        if self.test is not None and self.in_unit.share is None:
            raise ValueError(f"a test set belongs to a share of it, and {self.unit} is none; leave test out")
        if (self.printed is None) == (self.reason is None):
            raise ValueError("a null value needs a reason, and only a null value has one")
        self.value  # noqa: B018 - raises when the printed string does not parse
        for other in self.also:
            parse(other.printed, self.unit)
        return self

    @property
    def in_unit(self) -> Unit:
        """What its unit says."""
        return UNITS.get(self.unit)

    @property
    def value(self) -> Value:
        """The printed string as a value of its unit; None where nothing is printed. See `parse`."""
        return None if self.printed is None else parse(self.printed, self.unit)

    @property
    def contradicted_by(self) -> tuple[Printed, ...]:
        """The other places that print a different value for this quantity."""
        return tuple(o for o in self.also if self.printed is not None and _apart(self.in_unit, self.printed, o.printed))


class Column(_Strict):
    """A column: its key in the registry, the printed heading, and the heading that spans it and its neighbours.

    `unit` and `test` are those of its cells where they are not the table's. `added` marks a column that the document's
    table does not have and that is set beside it here; it is the reason why a cell of it is null, and such cells need
    not be listed.
    """

    key: str
    label: str
    group: str | None = None
    unit: UnitName | None = None
    test: str | None = None
    added: str | None = None


class Row(_Strict):
    """A row: its key in the registry, the printed label and type, the layer's name in a measurement, its test set."""

    key: str
    label: str
    type: str | None = None
    measured: str | None = None
    test: str | None = None


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
    unit: UnitName
    test: str | None = None
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
        tested = _tests_of(data)
        return {**data, "cells": [tested(cell) if isinstance(cell, dict) else cell for cell in cells]}

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


def _tests_of(table: dict[str, Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """What gives a cell the test set of its row, its column or its table, in this order, where it is a share.

    A null at a nearer place stands against a name at a farther one.
    """
    near = [
        {of.get("key"): of["test"] for of in table.get(part) or () if isinstance(of, dict) and "test" in of}
        for part in ("rows", "columns")
    ]

    def tested(cell: dict[str, Any]) -> dict[str, Any]:
        unit = cell.get("unit")
        known = UNITS.all().get(unit) if isinstance(unit, str) else None
        if "test" in cell or known is None or known.share is None:
            return cell
        for names, key in zip(near, (cell.get("row"), cell.get("column")), strict=True):
            if key in names:
                return {**cell, "test": names[key]}
        return {**cell, "test": table.get("test")}

    return tested


class Transcription(_Strict):
    """The tables transcribed from a document, its test sets, and with how many decimals it prints shares, by unit."""

    tests: dict[str, TestSet] = Field(default_factory=dict)
    decimals: dict[UnitName, Annotated[int, Field(ge=0, le=9, strict=True)]] = Field(default_factory=dict)
    tables: dict[str, Table] = Field(min_length=1)


def parse(text: str, unit: str) -> Value:
    """A printed string as a value of its unit; see `kinds.unit.Unit`. Raises `ValueError` when it is not one."""
    return UNITS.get(unit).read(text)


def _apart(unit: Unit, one: str, other: str) -> bool:
    """Whether two prints cannot be of one quantity: other values, neither of which is a bound that holds the other."""
    if unit.read(one) == unit.read(other) or unit.number is None:
        return unit.read(one) != unit.read(other)
    for said, value in ((one, other), (other, one)):
        within = bounded(unit, said, Fraction(unit.number(value)), Given())
        if within is not None and within[0]:
            return False
    return True


def share_decimals() -> dict[str, int]:
    """By unit, with how many decimals shares are printed where a document does not say."""
    return {name: unit.share.decimals for name, unit in UNITS.all().items() if unit.share is not None}


@dataclass(frozen=True)
class Document:
    """A document by its key, with the tables transcribed from it; `path` is where they stand.

    `decimals` says with how many it prints the shares of a unit, `tests` of which test sets, by the names in its cells.
    """

    document: str
    tables: Mapping[str, Table]
    path: Path
    decimals: Mapping[str, int] = field(default_factory=share_decimals)
    tests: Mapping[str, TestSet] = field(default_factory=dict)

    def test_of(self, cell: Cell) -> TestSet | None:
        """The test set that a cell is a share of; None where none is said."""
        return None if cell.test is None else self.tests[cell.test]


def load(document: str, root: Path = Path()) -> Document:
    """Read and check one transcription of the project below `root`.

    Raises `UserError` with the file, the place in it, what was found and what was expected.
    """
    path = DOCUMENTS / document / FILE
    found = read_yaml(path, Transcription, root, document)
    _check_tests(path, found)
    return Document(document, found.tables, path, {**share_decimals(), **found.decimals}, found.tests)


def _check_tests(path: Path, found: Transcription) -> None:
    """Every test set that a table, a row, a column or a cell names is one of the document's."""
    for number, table in found.tables.items():
        named: list[tuple[str | None, str | None]] = [(None, table.test)]
        named += [(f"row {row.key!r}", row.test) for row in table.rows]
        named += [(f"column {column.key!r}", column.test) for column in table.columns]
        named += [(f"row {cell.row!r}, column {cell.column!r}", cell.test) for cell in table.cells]
        for where, name in named:
            if name is not None and name not in found.tests:
                known = known_names(name, found.tests) if found.tests else "there are none, declare it under tests"
                place = f"tables.{number}" + (f": {where}" if where else "")
                raise UserError(f"{path}: {place}: no test set {name!r}; {known}")


def read_yaml(path: Path, model: type[M], root: Path = Path(), document: str | None = None) -> M:
    """A YAML file below `root`, of a document, validated. Raises `UserError` naming the file and the place in it."""
    raw = parse_yaml(str(path), read_text(root / path, str(path)))
    try:
        return model.model_validate(raw, context={"document": document})
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
