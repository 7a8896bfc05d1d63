"""Table files of any origin -> numbers to audit: comma, semicolon and tab separated, and YAML as in `published.yaml`.

What a file holds is text and stays text: names are shown and looked up, never run. Whatever cannot be read is said in
one line, with the place.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from reeltrace.analysis.audit.values import Body, Printed, Sheet, TestSize, of_document
from reeltrace.analysis.published import Document, Transcription, read_yaml
from reeltrace.artifacts.files import reason_of
from reeltrace.errors import UserError, known_names, short
from reeltrace.kinds.rounding import decimals_of

BYTES = 10_000_000
CELLS = 200_000
DIGITS = 40
SHOWN = 3  # cells that were not read and are named
LARGEST = 10**9  # of a test set
MISSING = frozenset(("", "-", "--", "–", "—", "−", "?", "na", "n/a", "n.a.", "nan", "none", "null"))
SHARE = re.compile(r"%|percent|\bacc(?:uracy)?\b|\btop[- ]?[0-9]+\b|\berror rate\b", re.IGNORECASE)
NO_SHARE = re.compile(r"gain|improve|increase|decrease|change|diff|delta|Δ|points", re.IGNORECASE)
COUNTED = re.compile(r"#.*|n|counts?|total|samples|size|support|videos|images|clips|params?|parameters", re.IGNORECASE)
SCORE = re.compile(r"\bacc(?:uracy)?\b|\btop[- ]?[0-9]+\b|\berror rate\b", re.IGNORECASE)  # a share by its name alone
NUMERIC = re.compile(r"[<>~≈≤≥]?\s*[+-]?[.,]?\d[\d.,' \u00a0\u202f]*%?")  # what looks like a number
SIZES = re.compile(r"n|n[_ ]test|samples|size|test size|support|#? ?(?:videos|images|clips|samples)", re.IGNORECASE)
_CELL = re.compile(
    r"(?P<bound>[<>~≈≤≥]\s*)?(?P<sign>[+-])?(?P<number>\d[\d.,]*)(?P<exponent>[eE][+-]?\d{1,2})?\s*(?P<percent>%)?"
    r"(?P<spread>\s*(?:±|\+/-|\+-)\s*\d[\d.,]*\s*%?|\s*\(\d[\d.,]*\))?\s*(?P<unit>[A-Za-zµ°/²³]*)"
)
_TIMES = {"K": 3, "k": 3, "M": 6}


@dataclass(frozen=True)
class Sizes:
    """What `--n` and `--percent` say: the size of all test sets, by column a size or another column, and shares."""

    every: int | str | None = None
    by_column: Mapping[str, int | str] | None = None
    shares: tuple[str, ...] = ()

    @classmethod
    def read(cls, sizes: Iterable[str], shares: Iterable[str]) -> Sizes:
        """`3000`, `COLUMN`, `COLUMN=3000` or `COLUMN=COLUMN`. Raises `UserError` for a size that is none."""
        every: int | str | None = None
        by_column: dict[str, int | str] = {}
        for text in sizes:
            column, given, size = text.rpartition("=")
            read = _size(size if given else text)
            if given:
                by_column[column.strip()] = read
            elif every is not None:
                raise UserError(f"--n: found {short(text)} beside {every!r}; give one, or COLUMN=SIZE for each")
            else:
                every = read
        return cls(every, by_column, tuple(shares))


def _size(text: str) -> int | str:
    text = text.strip()
    if not re.fullmatch(r"[+-]?\d+(?:[.,]\d+)*", text):
        return text
    plain = text.replace(",", "")
    if not plain.isdigit() or not 1 <= int(plain[:12]) <= LARGEST or len(plain) > 10:
        raise UserError(f"--n: found {short(text)}; expected the size of a test set, 1 to {LARGEST:,}")
    return int(plain)


def read(path: Path, sizes: Sizes) -> Body:
    """The numbers of a file. Raises `UserError` with the place in it and what was expected."""
    if path.suffix.lower() in (".yaml", ".yml"):
        return _yaml(path, sizes)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: {reason_of(error)}; name a table file that can be read") from None
    if len(raw) > BYTES:
        raise UserError(f"{path}: {len(raw):,} bytes; at most {BYTES:,} are read: split the table")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: byte {error.start} is no UTF-8; save the table as UTF-8") from None
    if "\0" in text:
        raise UserError(f"{path}: holds zero bytes; expected a table as text")
    return _Reader(path, text, sizes).body()


def _yaml(path: Path, sizes: Sizes) -> Body:
    if not path.is_file():
        raise UserError(f"{path}: not found; name a table file that can be read")
    if sizes.every is not None or sizes.by_column or sizes.shares:
        raise UserError(f"{path}: --n and --percent are for separated tables; in YAML write tests, test and unit")
    found = read_yaml(Path(path.name), Transcription, path.parent)
    for number, table in found.tables.items():
        for cell in table.cells:
            if cell.test is not None and cell.test not in found.tests:
                where = f"tables.{number}: row {cell.row!r}, column {cell.column!r}"
                raise UserError(f"{path}: {where}: no test set {cell.test!r}; {known_names(cell.test, found.tests)}")
    return of_document(Document(path.name, found.tables, path, tests=found.tests), {})


class _Reader:
    """One separated table."""

    def __init__(self, path: Path, text: str, sizes: Sizes) -> None:
        self._path, self._sizes = path, sizes
        first = text.lstrip().partition("\n")[0]
        self._separator = max(("\t", ";", ","), key=first.count) if path.suffix.lower() != ".tsv" else "\t"
        self._lines = self._split(text)
        self._notes: list[str] = []

    def _split(self, text: str) -> list[tuple[int, list[str]]]:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=self._separator, strict=True)
        lines = []
        try:
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    lines.append((reader.line_num, [cell.strip() for cell in cells]))
        except csv.Error as error:
            raise UserError(f"{self._path}: line {reader.line_num}: {error}; correct the line") from None
        if not lines:
            raise UserError(f"{self._path}: holds nothing; expected a table with a line of names above")
        if sum(len(cells) for _, cells in lines) > CELLS:
            raise UserError(f"{self._path}: more than {CELLS:,} cells; split the table")
        return lines

    def body(self) -> Body:
        """The table with what each of its numbers is."""
        names, rows = self._shape()
        columns = self._columns(names, rows)
        sheet_name = self._path.stem
        tests = self._tests(columns, list(rows))
        cells = {}
        for (row, column), number in columns.items():
            test = tests.get((row, column)) if number.whole is not None else None
            cells[row, column] = replace(number, test=test)
        kept = tuple(name for name in names if any((row, name) in cells for row in rows))
        sheet = Sheet(self._path.name, sheet_name, self._path.name, tuple(rows), kept, cells)
        known = tuple(dict.fromkeys(tests.values()))
        return Body(self._path.name, {sheet_name: sheet}, tests=known, notes=tuple(self._notes))

    def _shape(self) -> tuple[list[str], dict[str, list[str]]]:
        """The names of the columns, and by the names of rows their cells; what has no name gets its number."""
        (_, head), *rest = self._lines
        named = any(self._number(cell, 1, "") is None for cell in head)
        if not named:
            head, rest = [""] * len(head), self._lines
        while head and not head[-1] and all(len(cells) < len(head) or not cells[len(head) - 1] for _, cells in rest):
            head = head[:-1]
        for line, cells in rest:
            if len(cells) < len(head) or any(cells[len(head) :]):
                raise UserError(
                    f"{self._path}: line {line}: {len(cells)} cells, the names above are {len(head)}; "
                    f"give every line as many, separated by {self._separator!r}"
                )
        labelled = bool(rest) and (
            (named and not head[0])
            or any(c[0].lower() not in MISSING and self._number(c[0], n, "") is None for n, c in rest)
        )
        start = 1 if labelled else 0
        names = _each_once([name or f"column {i}" for i, name in enumerate(head[start:], start=start + 1)])
        if not names or not rest:
            raise UserError(f"{self._path}: no cells; expected a line of names above, and lines with numbers")
        labels = [cells[0] if labelled and cells[0] else f"row {i}" for i, (_, cells) in enumerate(rest, start=1)]
        rows = dict(zip(_each_once(labels), ([*cells[start : len(head)]] for _, cells in rest), strict=True))
        self._at = dict(zip(rows, (line for line, _ in rest), strict=True))
        return names, rows

    def _columns(self, names: Sequence[str], rows: Mapping[str, list[str]]) -> dict[tuple[str, str], Printed]:
        for name in (*self._sizes.shares, *(self._sizes.by_column or {})):
            self._known(name, names)
        found: dict[tuple[str, str], Printed] = {}
        unread: list[str] = []
        for place, name in enumerate(names):
            for row, cells in rows.items():
                number = self._number(cells[place], self._at[row], name)
                if number is not None:
                    found[row, name] = replace(number, row=row, column=name)
                elif NUMERIC.fullmatch(cells[place].replace("−", "-")):
                    unread.append(f"{short(cells[place])} (line {self._at[row]}, column {short(name)})")
        if unread:
            more = f" and {len(unread) - SHOWN} more" if len(unread) > SHOWN else ""
            point = "comma or point" if self._separator == ";" else "point"
            self._notes.append(
                f"{self._path.name}: looks like numbers and was not read: {', '.join(unread[:SHOWN])}{more}; "
                f"a decimal {point} is read here, and between thousands the other sign of the two"
            )
        whole = {key: n for key, n in found.items() if n.step >= 1 or n.step == 0}
        all_whole = len(whole) == len(found)
        for name in names:
            column = {key: n for key, n in found.items() if key[1] == name}
            found.update(self._marked(name, column, all_whole))
        return found

    def _marked(
        self, name: str, column: Mapping[tuple[str, str], Printed], all_whole: bool
    ) -> dict[tuple[str, str], Printed]:
        """A column's numbers, as shares where they are marked as such, as counts where they are counted."""
        plain = [n for n in column.values() if not n.unit]
        asked = name in self._sizes.shares or name in (self._sizes.by_column or {})
        gained = NO_SHARE.search(name) is not None and not asked
        share = asked or (SHARE.search(name) is not None and not gained)
        whole = self._whole(name, plain, asked) if share and plain else None
        percent = [n for n in column.values() if n.unit == "%"]
        of_percent = None if gained or not percent else self._whole(name, percent, asked)
        counted = (
            whole is None and all(n.step == 1 for n in plain) and (all_whole or COUNTED.fullmatch(name) is not None)
        )
        marked = {}
        for key, number in column.items():
            if number.unit == "%":
                marked[key] = _as_share(number, of_percent)
            elif not number.unit and whole is not None:
                marked[key] = _as_share(number, whole)
            elif not number.unit and counted:
                marked[key] = replace(number, unit="count", step=Fraction(0))
        return marked

    def _whole(self, name: str, numbers: Sequence[Printed], asked: bool) -> int | None:
        """What all of a test set is in a column of shares, 100 or 1; None where its numbers speak against shares.

        They do not where a single one cannot be a share, in a column that is called one: that one is to be found.
        """
        percent = "%" in name or all(n.unit == "%" for n in numbers)
        score = asked or SCORE.search(name) is not None
        rates = [n for n in numbers if n.value <= 1]
        if not percent and any(n.step < 1 for n in numbers):
            # Errors in percent may well be mostly below one, accuracies are not.
            most = score and "error" not in name.lower() and 4 * len(rates) >= 3 * len(numbers) >= 9
            if len(rates) == len(numbers) or most:
                return 1
        outside = [n for n in numbers if not 0 <= n.value <= 100]
        if not outside or asked or (score and (percent or 2 * len(outside) <= len(numbers))):
            return 100
        self._notes.append(
            f"{self._path.name}: column {short(name)} is not judged as shares, {short(outside[0].printed)} lies "
            "outside of 0 to 100; where it should be one, name the column with --percent"
        )
        return None

    def _tests(
        self, columns: Mapping[tuple[str, str], Printed], rows: Sequence[str]
    ) -> dict[tuple[str, str], TestSize]:
        """By cell the test set that it is a share of."""
        names = list(dict.fromkeys(column for _, column in columns))
        shares = [name for name in names if any(columns[r, c].whole for r, c in columns if c == name)]
        by_column: dict[str, int | str] = dict(self._sizes.by_column or {})
        every = self._sizes.every
        if every is not None and not shares:
            raise UserError(
                f"{self._path}: --n: no column is marked as a percentage; name one with --percent; "
                f"{known_names('accuracy', names) if names else 'there is none'}"
            )
        for name in by_column:
            if name not in shares:
                raise UserError(f"{self._path}: --n: column {name!r} holds no shares between 0 and 1 or 0 and 100")
        if every is None:
            own = [name for name in names if SIZES.fullmatch(name) and name not in shares]
            every = own[0] if len(own) == 1 else None
        sizes: dict[tuple[str, str], TestSize] = {}
        for name in shares:
            said = by_column.get(name, every)
            if isinstance(said, int):
                sizes.update({(row, name): TestSize("", said, "samples", "--n") for row in rows})
            elif said is not None:
                self._known(said, names)
                sizes.update(self._by_row(name, said, columns, rows))
        return sizes

    def _by_row(
        self, name: str, of: str, columns: Mapping[tuple[str, str], Printed], rows: Sequence[str]
    ) -> dict[tuple[str, str], TestSize]:
        found = {}
        for row in rows:
            number = columns.get((row, of))
            if number is None or (row, name) not in columns:
                continue
            if number.value.denominator != 1 or not 1 <= number.value <= LARGEST:
                raise UserError(f"{self._path}: row {row!r}, column {of!r}: {number.printed} is no size of a test set")
            found[row, name] = TestSize("", int(number.value), "samples", f"column {of}")
        return found

    def _known(self, name: str, names: Sequence[str]) -> None:
        if name not in names:
            raise UserError(f"{self._path}: no column {short(name)}; {known_names(name, names)}")

    def _number(self, text: str, line: int, column: str) -> Printed | None:
        """A cell as a number; None where it is none. Raises `UserError` for one of more digits than are read."""
        if text.lower() in MISSING:
            return None
        if sum(c.isdigit() for c in text) > DIGITS and re.fullmatch(r"[\d.,\s+-]+%?", text):
            where = f"line {line}" + (f", column {column!r}" if column else "")
            raise UserError(f"{self._path}: {where}: a number of more than {DIGITS} digits; shorten it")
        match = _CELL.fullmatch(text.replace("−", "-"))
        if match is None or len(match["number"]) > DIGITS:
            return None
        plain = self._plain(match["number"])
        if plain is None:
            return None
        unit = match["percent"] or match["unit"]
        power = int((match["exponent"] or "e0")[1:]) + _TIMES.get(unit, 0)
        scale = Fraction(10) ** power
        value = Fraction((match["sign"] or "") + plain) * scale
        step = scale / 10 ** decimals_of(plain)
        exact = match["bound"] is None and match["spread"] is None
        return Printed(
            self._path.name, text, f"line {line}", unit, value, step, table=self._path.stem, exact_print=exact
        )

    def _plain(self, text: str) -> str | None:
        """Digits and a decimal point: `1,234.5`, and where semicolons separate `1.234,5`, are 1234.5."""
        point, group = (",", ".") if self._separator == ";" and "," in text else (".", ",")
        grouped = re.fullmatch(rf"\d{{1,3}}(?:\{group}\d{{3}})+(?:\{point}\d+)?", text)
        if not grouped and not re.fullmatch(rf"\d+(?:\{point}\d+)?", text):
            return None
        return text.replace(group, "").replace(point, ".")


def _as_share(number: Printed, whole: int | None) -> Printed:
    """A number as a share of `whole`, or as one that is none although it should be."""
    if whole is None or 0 <= number.value <= whole:
        return replace(number, whole=whole)
    return replace(number, outside=whole)


def _each_once(names: Sequence[str]) -> list[str]:
    """Names, a number behind those that stand more than once; none holds a slash, which parts of a reference do not."""
    seen: Counter[str] = Counter()
    result = []
    for name in names:
        seen[name] += 1
        result.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return result
