"""Printed numbers: what each may stand for, where it stands, and the tables that they form."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from reeltrace.analysis import prose, published
from reeltrace.analysis.expressions import ALL, Interval, Reference
from reeltrace.kinds.rounding import decimals_of
from reeltrace.kinds.unit import EXACT, UNITS

_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:e[+-]?\d{1,2})?")


@dataclass(frozen=True)
class TestSize:
    """How many samples a share is a share of. `known` is where that is said."""

    __test__ = False  # pytest collects what is called Test

    name: str
    size: int
    of: str
    known: str


@dataclass(frozen=True)
class Printed:
    """A number as printed: in a cell, or in the prose where `prose` is its id.

    `step` is one unit of its last printed place, 0 where the number is exact; `whole` is what all of a test set is for
    a share, 100 or 1, and None for other numbers. `same` are the places that are said to print the same quantity.
    """

    document: str
    printed: str
    place: str
    unit: str
    value: Fraction
    step: Fraction
    table: str = ""
    row: str = ""
    column: str = ""
    prose: str = ""
    whole: int | None = None
    test: TestSize | None = None
    same: tuple[str, ...] = ()
    outside: int | None = None  # what all of a test set would be, of a number that is called a share and can be none
    exact_print: bool = True  # False for a bound, or a mean with a spread: its digits are not those of one count

    @property
    def bounds(self) -> Interval:
        """Half a unit of the last printed place to either side."""
        return self.value - self.step / 2, self.value + self.step / 2

    @property
    def wide(self) -> Interval:
        """A whole unit of the last printed place to either side: what rounding or cutting off may leave."""
        return self.value - self.step, self.value + self.step

    @property
    def name(self) -> str:
        """How a sentence speaks of it."""
        if self.prose:
            return f"{self.printed} ({self.place})"
        return f"{self.printed} ({', '.join(part for part in (self.row, self.column) if part)})"

    def reference(self, document: str | None = None) -> Reference:
        """As an expression has it."""
        return Reference(self.table, self.row, self.column, self.prose, document)


@dataclass(frozen=True)
class Sheet:
    """A table: the keys of its rows and columns in their order, and its printed numbers."""

    document: str
    name: str
    place: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: Mapping[tuple[str, str], Printed]
    added: frozenset[str] = frozenset()  # columns that are set beside the print

    def line(self, row: str) -> list[Printed | None]:
        """The numbers of a row, None where there is none."""
        return [self.cells.get((row, column)) for column in self.columns]

    def of_column(self, column: str) -> list[Printed | None]:
        """The numbers of a column, None where there is none."""
        return [self.cells.get((row, column)) for row in self.rows]

    def __iter__(self) -> Iterator[Printed]:
        return (self.cells[r, c] for r in self.rows for c in self.columns if (r, c) in self.cells)


@dataclass(frozen=True)
class Body:
    """The tables of one document and the located numbers of its prose.

    `tests` are all its test sets, `notes` what was not read of it or not judged, `read` what was, of a foreign file.
    """

    document: str
    sheets: Mapping[str, Sheet]
    prose: Mapping[str, Printed] = field(default_factory=dict)
    tests: tuple[TestSize, ...] = ()
    transcription: published.Document | None = None
    notes: tuple[str, ...] = ()
    read: str = ""

    def numbers(self) -> Iterator[Printed]:
        """All of them."""
        for sheet in self.sheets.values():
            yield from sheet
        yield from self.prose.values()


class Library:
    """The numbers of several documents, as expressions look them up."""

    def __init__(self, bodies: Iterable[Body]) -> None:
        self.bodies = {body.document: body for body in bodies}

    def of(self, document: str, reference: Reference) -> Printed | None:
        """The number of a reference that stands in a document; None where nothing is printed, or no number.

        Raises `KeyError` where there is no such place.
        """
        body = self.bodies[reference.document or document]
        if reference.prose:
            return body.prose[reference.prose]
        sheet = body.sheets[reference.table]
        for key, known in ((reference.row, sheet.rows), (reference.column, sheet.columns)):
            if key != ALL and key not in known:
                raise KeyError(key)
        return sheet.cells.get((reference.row, reference.column))

    def expand(self, document: str, reference: Reference) -> Sequence[Reference]:
        """The cells that a reference with `*` stands for, those alone in which something is printed."""
        sheet = self.bodies[reference.document or document].sheets[reference.table]
        rows = sheet.rows if reference.row == ALL else (reference.row,)
        columns = sheet.columns if reference.column == ALL else (reference.column,)
        return [
            Reference(reference.table, row, column, document=reference.document)
            for row in rows
            for column in columns
            if (row, column) in sheet.cells
        ]


def number_of(text: str) -> tuple[Fraction, Fraction] | None:
    """Value and unit of the last place of `7020`, `0.52` or `1.344e-6`; None for another text."""
    if not _NUMBER.fullmatch(text):
        return None
    mantissa, _, exponent = text.partition("e")
    scale = Fraction(10) ** int(exponent or 0)
    return Fraction(mantissa) * scale, scale / 10 ** decimals_of(mantissa)


def of_document(found: published.Document, located: Mapping[str, prose.ProseValue]) -> Body:
    """The numbers of a transcribed document."""
    tests = {name: TestSize(name, of.size, of.of, of.place or "") for name, of in found.tests.items()}
    sheets = {}
    for name, table in found.tables.items():
        cells = {}
        for cell in table.cells:
            number = _printed(found.document, cell.printed, cell.unit, cell.place, tests.get(cell.test or ""))
            if number is not None:
                same = tuple(other.place for other in cell.also)
                cells[cell.row, cell.column] = _at(number, name, cell.row, cell.column, same)
        sheets[name] = Sheet(
            found.document,
            name,
            table.place,
            tuple(row.key for row in table.rows),
            tuple(column.key for column in table.columns),
            cells,
            frozenset(column.key for column in table.columns if column.added is not None),
        )
    numbers = {}
    for key, said in located.items():
        number = _printed(found.document, said.printed, said.unit, said.place, tests.get(said.test or ""))
        if number is not None:
            numbers[key] = replace(number, prose=key)
    return Body(found.document, sheets, numbers, tuple(tests.values()), found)


def _at(number: Printed, table: str, row: str, column: str, same: tuple[str, ...]) -> Printed:
    return replace(number, table=table, row=row, column=column, same=same)


def _printed(document: str, text: str | None, unit: str, place: str, test: TestSize | None) -> Printed | None:
    """A printed string of a unit as a number; None where it is none."""
    of = UNITS.get(unit)
    if text is None or of.number is None:
        return None
    try:
        found = number_of(of.number(text))
    except ValueError:
        return None
    if found is None:
        return None
    value, step = found
    whole = None if of.share is None else int(of.share.whole)
    plain = re.fullmatch(r"[^±<>~≈]*", text) is not None
    return Printed(
        document,
        text,
        place,
        unit,
        value,
        Fraction(0) if unit in EXACT else step,
        whole=whole,
        test=test,
        exact_print=plain,
    )
