"""`documents/<key>/spans.json`: where in a document's hashed text every transcribed value stands.

Spans are [from, up to) in characters of the text, which is named by its sha256 and not kept with the project. Without
the text it can be said that each value has a span and that the values are those that were bound to it; with the text,
that each stands where its place says: in its table's row and column, or in its section. Whoever has no text of a
document leaves the file out, and then nothing is said.
"""

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from reeltrace.analysis.places import Line, Place, Region, Text, normal, squeezed
from reeltrace.analysis.prose import ProseValue
from reeltrace.analysis.published import Cell, Document, Table, TestSet
from reeltrace.artifacts.json_values import parse_json
from reeltrace.artifacts.names import DOCUMENTS
from reeltrace.errors import UserError, short
from reeltrace.registry.texts import read_text

FILE = "spans.json"
_NUMERAL = r"\d[\d,]*(?:\.\d+)?"


class TextFile(BaseModel):
    """The text that the spans are of: what it was called, its sha256 and how many bytes it has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    sha256: str
    bytes: int


class Spans(BaseModel):
    """The spans of a document's values.

    `cells` are by "table/row/column"; `also` are those of the other places of a cell, in their order; `prose` are by
    id. `printed` is, by table, the sha256 of the values that were found at the spans, see `digests`; `printed_prose` of
    those of the prose.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: TextFile
    printed: dict[str, str]
    printed_prose: str
    cells: dict[str, Region]
    also: dict[str, tuple[Region, ...]]
    prose: dict[str, Region]


class Bound(NamedTuple):
    """A value that a text prints: its name in messages, the string, where it is said to stand, and its span if any."""

    name: str
    printed: str
    place: str
    span: Region | None
    after: str | None = None
    before: str | None = None


def name_of(table: str, cell: Cell) -> str:
    """The name of a cell in the file and in messages: "3/Z3CNN/original"."""
    return f"{table}/{cell.row}/{cell.column}"


def load(document: str, root: Path = Path()) -> Spans | None:
    """The spans of a document; None where it has no such file. Raises `UserError` naming the file and what is wrong."""
    path = DOCUMENTS / document / FILE
    if not (root / path).exists():
        return None
    try:
        return Spans.model_validate(parse_json(read_text(root / path, str(path))))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise UserError(f"{path}: {where}: {first['msg']}; found {short(first['input'])}") from None
    except ValueError as error:
        raise UserError(f"{path}: not JSON ({error}); make it again with `python tools/spans.py`") from None


def written(spans: Spans) -> str:
    """The text of the file: the spans of a table on one line, so that a change shows where it is."""
    lines = [f'"text": {_json(spans.text.model_dump())}', f'"printed": {_json(spans.printed)}']
    lines.append(f'"printed_prose": {_json(spans.printed_prose)}')
    for part, values in (("cells", spans.cells), ("also", spans.also)):
        groups: dict[str, list[str]] = defaultdict(list)
        for name, span in values.items():
            groups[name.split("/")[0]].append(f"{_json(name)}: {_json(span)}")
        lines.append(f'"{part}": {{\n' + ",\n".join(", ".join(group) for group in groups.values()) + "\n}")
    lines.append(
        '"prose": {\n' + ",\n".join(f"{_json(name)}: {_json(span)}" for name, span in spans.prose.items()) + "\n}"
    )
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def digests(document: Document) -> dict[str, str]:
    """By table, the sha256 of its printed values in the order of the file, a line each: row/column, value and place."""
    return {
        name: _digest(
            (f"{cell.row}/{cell.column}{f'/{number}' if number else ''}", text, place)
            for cell in table.cells
            for number, (text, place) in enumerate(_printed(cell))
            if text is not None
        )
        for name, table in document.tables.items()
    }


def _printed(cell: Cell) -> Iterator[tuple[str | None, str]]:
    """What a cell prints and where, then what other places do."""
    yield cell.printed, cell.place
    yield from ((other.printed, other.place) for other in cell.also)


def prose_digest(prose: Mapping[str, ProseValue]) -> str:
    """The sha256 of the printed values of the prose, a line each: id, value and place."""
    return _digest((name, value.printed, value.place) for name, value in prose.items())


def _digest(lines: Iterable[tuple[str, ...]]) -> str:
    return hashlib.sha256("".join("\t".join(line) + "\n" for line in lines).encode()).hexdigest()


def bounds(document: Document, prose: Mapping[str, ProseValue], spans: Spans) -> Iterator[Bound]:
    """Every value that the document is said to print, with its span."""
    for table_name, table in document.tables.items():
        for cell in table.cells:
            name = name_of(table_name, cell)
            if cell.printed is not None:
                yield Bound(name, cell.printed, cell.place, spans.cells.get(name), cell.after, cell.before)
            others = spans.also.get(name, ())
            for number, other in enumerate(cell.also):
                span = others[number] if number < len(others) else None
                yield Bound(f"{name} (also, {other.place})", other.printed, other.place, span)
    for name, value in prose.items():
        span = spans.prose.get(name)
        yield Bound(f"prose {name}", value.printed, value.place, span, value.after, value.before)


def unbound(document: Document, prose: Mapping[str, ProseValue], spans: Spans) -> list[str]:
    """What can be said without the text: values without a span, spans without a value, values that were changed."""
    found = [f"{value.name}: no span in the text" for value in bounds(document, prose, spans) if value.span is None]
    cells = {name_of(key, cell): cell for key, table in document.tables.items() for cell in table.cells}
    kept = {name for name, cell in cells.items() if cell.printed is not None}
    found += [f"{name}: a span, and no value is transcribed there" for name in spans.cells if name not in kept]
    found += [
        f"{name}: {len(others)} spans of other places, {len(cells[name].also) if name in cells else 0} are transcribed"
        for name, others in spans.also.items()
        if name not in cells or len(others) != len(cells[name].also)
    ]
    found += [f"prose {name}: a span, and no value is transcribed there" for name in spans.prose if name not in prose]
    now = digests(document)
    found += [
        f"table {name}: its values or places are not those that were found in the text"
        for name in now
        if spans.printed.get(name) != now[name]
    ]
    found += [
        f"table {name}: bound to the text, and there is no such table" for name in spans.printed if name not in now
    ]
    if spans.printed_prose != prose_digest(prose):
        found.append("the prose: its values or places are not those that were found in the text")
    return found


def misplaced(document: Document, prose: Mapping[str, ProseValue], spans: Spans, content: bytes) -> list[str]:
    """What the text itself says: values that do not stand at their spans, and spans that are not at their places."""
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 != spans.text.sha256:
        return [f"the text is another one: sha256 {sha256[:12]}, the spans are of {spans.text.sha256[:12]}"]
    text, places = Text(content.decode()), _Places()
    values = list(bounds(document, prose, spans))
    found = [problem for value in values if value.span is not None for problem in places.problems(text, value)]
    found += _beside(text.text, values)
    found += [problem for name, test in document.tests.items() for problem in _size(text, places, name, test)]
    for name, table in document.tables.items():
        found += _Printed(text, name, table, spans, places).problems()
    return found


@dataclass
class _Places:
    """Places by their names, each looked up once."""

    known: dict[str, Place | str] = field(default_factory=dict)

    def get(self, text: Text, name: str) -> Place | str:
        """The place, or why there is none."""
        if name not in self.known:
            try:
                self.known[name] = text.place(name)
            except ValueError as error:
                self.known[name] = str(error)
        return self.known[name]

    def problems(self, text: Text, value: Bound) -> list[str]:
        """Whether a value stands at its span, whole, and that at its place."""
        assert value.span is not None
        start, end = value.span
        where = f"{value.name}: [{start}, {end}]"
        if not 0 <= start < end <= len(text.text):
            return [f"{where} is outside of the text"]
        if normal(text.of(value.span)) != value.printed:
            return [f"{where} of the text is {short(text.of(value.span))}, transcribed is {value.printed!r}"]
        if not whole(text.text, value.span):
            return [f"{where} is a part of {short(text.text[max(start - 4, 0) : end + 4])}"]
        place = self.get(text, value.place)
        if isinstance(place, str):
            return [f"{value.name}: {place}"]
        return [] if place.holds(value.span) else [f"{where} of the text is not in {value.place!r}"]


def _size(text: Text, places: _Places, name: str, test: TestSet) -> Iterator[str]:
    """Whether the size of a test set stands somewhere in the place that is said to print it."""
    if test.place is None:
        return
    place = places.get(text, test.place)
    if isinstance(place, str):
        yield f"test set {name!r}: {place}"
        return
    numbers = {found.replace(",", "") for region in place.regions for found in re.findall(_NUMERAL, text.of(region))}
    if str(test.size) not in numbers:
        yield f"test set {name!r}: {test.place!r} of the text has no {test.size}"


def _beside(text: str, values: Iterable[Bound]) -> Iterator[str]:
    """Values that are not the next ones to the words that say what they are of."""
    values = list(values)
    taken = {value.span for value in values if value.span}
    for value in values:
        if value.span is None:
            continue
        start, end = value.span
        between: list[tuple[str, Region]] = []
        if value.after is not None:
            at = text.rfind(value.after, 0, start)
            between.append((value.after, (at + len(value.after) if at >= 0 else start + 1, start)))
        if value.before is not None:
            at = text.find(value.before, end)
            between.append((value.before, (end, at if at >= 0 else end - 1)))
        for words, (low, high) in between:
            if low > high or any(low <= other[0] and other[1] <= high for other in taken):
                yield f"{value.name}: [{start}, {end}] of the text is not the value next to {words!r}"


def whole(text: str, span: Region) -> bool:
    """Whether no number or word goes on beyond either end of a span."""
    start, end = span
    before, after = text[max(start - 2, 0) : start], text[end : end + 2]
    first, last = text[start], text[end - 1]
    if first.isdigit() and (before[-1:].isdigit() or (before[-1:] in {".", ","} and before[:1].isdigit())):
        return False
    if first.isalpha() and before[-1:].isalnum():
        return False
    if last.isdigit() and (after[:1].isdigit() or (after[:1] in {".", ","} and after[1:].isdigit())):
        return False
    return not (last.isalpha() and after[:1].isalnum())


def names(cell: str, label: str) -> bool:
    """Whether a cell of the print is a label, or begins or ends with it, or is its first part on two lines."""
    long = len(label) > 3 and (cell.startswith(label) or cell.endswith(label))
    return cell == label or long or (len(cell) > 3 and label.startswith(cell))


class _At(NamedTuple):
    """Where in a printed table a cell stands: which line of it, which of the line's cells, from where."""

    line: int
    cell: int
    start: int


class _Printed:
    """A table against the lines of the text in which it is printed."""

    def __init__(self, text: Text, name: str, table: Table, spans: Spans, places: _Places) -> None:
        self.text, self.name, self.table = text, name, table
        self.lines: tuple[Line, ...] = ()
        self.at: dict[tuple[str, str], _At] = {}
        self.astray: list[str] = []
        covered: dict[tuple[int, int], list[Region]] = defaultdict(list)
        for cell in table.cells:
            span, place = spans.cells.get(name_of(name, cell)), places.get(text, cell.place)
            if span is None or isinstance(place, str) or not place.holds(span):
                continue  # said already
            if place.lines and cell.place == table.place:
                self.lines = place.lines
                self._locate(cell, span, covered)
        self.astray += self._left_over(covered)

    def _locate(self, cell: Cell, span: Region, covered: dict[tuple[int, int], list[Region]]) -> None:
        for i, line in enumerate(self.lines):
            for j, (start, end) in enumerate(line.cells):
                if start <= span[0] and span[1] <= end:
                    self.at[cell.row, cell.column] = _At(i, j, span[0])
                    covered[i, j].append(span)
                    return
        self.astray.append(
            f"{name_of(self.name, cell)}: [{span[0]}, {span[1]}] is not in one cell of the printed table"
        )

    def _left_over(self, covered: Mapping[tuple[int, int], list[Region]]) -> Iterator[str]:
        """Cells of the print of which a number is in no span."""
        for (i, j), spans in covered.items():
            start, end = self.lines[i].cells[j]
            rest = [self.text.text[k] for k in range(start, end) if not any(a <= k < b for a, b in spans)]
            if any(character.isdigit() for character in rest):
                yield f"table {self.name}: of {short(self.text.of((start, end)))} a number is in no span"

    def problems(self) -> list[str]:
        """Everything that is not in its row, under its heading, or in the order of the print."""
        return [*self.astray, *self._rows(), *self._columns()]

    def _alone(self, line: int) -> bool:
        """Whether a line has one cell only, which is said of all of it or of the lines below it."""
        return len(self.lines[line].filled) == 1

    def _rows(self) -> Iterator[str]:
        before = -1
        for row in self.table.rows:
            mine = [at for (key, _), at in self.at.items() if key == row.key]
            if not mine:
                continue
            where = f"table {self.name}, row {row.key!r}"
            full = sorted({at.line for at in mine if not self._alone(at.line)})
            alone = sorted({at.line for at in mine if self._alone(at.line)})
            line = (full or alone)[0]
            above = [i for i in range(line) if self._alone(i)]
            if len(full or alone) > 1 or (full and alone and alone != above[-1:]):
                yield f"{where}: its values stand on several lines of the print"
            if line <= before:
                yield f"{where}: stands above the row before it in the print"
            before = max(line, before)
            printed = [squeezed(self.text.of(cell)) for cell in self.lines[line].filled]
            expected = [row.label, *([row.type] if row.type and self.table.headings else [])]
            for label in filter(None, map(squeezed, expected)):
                if not any(names(cell, label) for cell in printed):
                    yield f"{where}: its line of the print has no {label!r}"

    def _columns(self) -> Iterator[str]:
        full = {key: at for key, at in self.at.items() if not self._alone(at.line)}
        rows = {row: at.line for (row, _), at in full.items()}
        heads = [i for i in range(max(rows.values(), default=0)) if i not in rows.values()]
        number = {}  # of the print's column, by our column
        for column in self.table.columns:
            mine = [at for (_, key), at in full.items() if key == column.key]
            if not mine:
                continue
            where = f"table {self.name}, column {column.key!r}"
            number[column.key] = cell = Counter(at.cell for at in mine).most_common(1)[0][0]
            if not all(self._stretches(at, cell, heads, full.values()) for at in mine):
                yield f"{where}: its values stand in different columns of the print"
            above = [self._of(i, cell) for i in heads] + [self._of(mine[-1].line, mine[-1].cell)]
            if not any(squeezed(column.label) in squeezed(text) for text in above):
                yield f"{where}: no {column.label!r} stands above it in the print"
        for row in self.table.rows:
            ats = [full[row.key, column.key] for column in self.table.columns if (row.key, column.key) in full]
            if any((a.cell, a.start) >= (b.cell, b.start) for a, b in pairwise(ats)):
                yield f"table {self.name}, row {row.key!r}: its values do not stand in the order of the columns"
        yield from self._left_out(rows, number)

    def _of(self, line: int, cell: int) -> str:
        """What stands in a cell of the print; nothing in one that its line does not have."""
        cells = self.lines[line].cells
        return self.text.of(cells[cell]) if cell < len(cells) else ""

    def _stretches(self, at: _At, cell: int, heads: list[int], others: Iterable[_At]) -> bool:
        """Whether a value stands in a column of the print, or in a cell that reaches up to it.

        A cell does so where nothing is in the next ones, and it holds several values or stands above the headings.
        """
        if at.cell >= cell:
            return at.cell == cell
        several = sum((other.line, other.cell) == (at.line, at.cell) for other in others) > 1
        return (several or any(i > at.line for i in heads)) and not any(
            self._of(at.line, j) for j in range(at.cell + 1, cell + 1)
        )

    def _left_out(self, rows: Mapping[str, int], number: Mapping[str, int]) -> Iterator[str]:
        """Values that the print has where none is transcribed."""
        taken = {(at.line, at.cell) for at in self.at.values()}
        for (row, column), cell in self.table.by_place.items():
            if cell.printed is None and row in rows and column in number and (rows[row], number[column]) not in taken:
                there = self._of(rows[row], number[column])
                if re.search(r"[0-9]", there):
                    yield f"{name_of(self.name, cell)}: the text has {short(there)}, and no value is transcribed"
