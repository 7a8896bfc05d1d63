"""Table files of any origin -> numbers to audit: separated, Markdown, LaTeX, and YAML as in `published.yaml`.

What a file holds is text and stays text: names are shown and looked up, never run. Whatever cannot be read is said in
one line, with the place.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from reeltrace.analysis.audit.layouts import bare, lay_out, names_of
from reeltrace.analysis.audit.values import Body, Printed, Sheet, TestSize, of_document
from reeltrace.analysis.published import Document, Transcription, read_yaml
from reeltrace.artifacts.files import read_whole, reason_of
from reeltrace.errors import UserError, known_names, short
from reeltrace.kinds.rounding import decimals_of

BYTES = 10_000_000
CELLS = 200_000
DIGITS = 40
SHOWN = 3  # cells that were not read and are named
STDIN = Path("-")  # stands for what is piped in
LARGEST = 10**9  # of a test set
MISSING = frozenset(("", "-", "--", "---", "–", "—", "−", "?", "/", "x", "na", "n/a", "n.a.", "n.s.", "none", "null"))
ENDLESS = frozenset(("nan", "inf", "-inf", "+inf", "infinity", "-infinity", "∞", "-∞"))  # numbers that are none
SHARE = re.compile(r"%|percent|\bacc(?:uracy)?\b|\btop[- ]?[0-9]+\b|\berror rate\b", re.IGNORECASE)
NO_SHARE = re.compile(r"gain|improve|increase|decrease|change|diff|delta|Δ|points", re.IGNORECASE)
COUNTED = re.compile(r"#.*|n|counts?|total|samples|size|support|videos|images|clips|params?|parameters", re.IGNORECASE)
SCORE = re.compile(r"\bacc(?:uracy)?\b|\btop[- ]?[0-9]+\b|\berror rate\b", re.IGNORECASE)  # a share by its name alone
NUMERIC = re.compile(r"[<>~≈≤≥]?\s*[+-]?[.,]?\d[\d.,' \u00a0\u202f]*%?")  # what looks like a number
SIZES = re.compile(r"n|n[_ ]test|samples|size|test size|support|#? ?(?:videos|images|clips|samples)", re.IGNORECASE)
_CELL = re.compile(
    r"(?P<bound>[<>~≈≤≥]\s*)?(?P<sign>[+-])?(?P<number>\d[\d.,]*)(?P<exponent>[eE][+-]?\d{1,2})?\s*(?P<percent>%)?"
    r"(?P<spread>\s*(?:±|\+/-|\+-)\s*\d[\d.,]*\s*%?|\s*\([±+-]?\s*\d[\d.,]*\s*%?\)|\s*\[[^\]]*\])?"
    r"\s*(?P<unit>[A-Za-zµ°/²³]*)"
)
_TIMES = {"K": 3, "k": 3, "M": 6, "G": 9}
_BEGUN = re.compile(r"[<>~≈≤≥(\[+−-]*\s*[.,]?\d")  # a text that begins as a number does
_DECIMAL_COMMA = re.compile(r"[<>~≈≤≥]?\s*[+-]?(?:\d+|\d{1,3}(?:\.\d{3})+),\d+\s*%?(?:\s*±.*)?")


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
    """The numbers of a file, or for `-` of what is piped in.

    Raises `UserError` with the place and what was expected.
    """
    if path.suffix.lower() in (".yaml", ".yml"):
        return _yaml(path, sizes)
    raw = _piped() if path == STDIN else _whole(path)
    path = Path("stdin") if path == STDIN else path
    if len(raw) > BYTES:
        raise UserError(f"{path}: more than {BYTES:,} bytes; split the table")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: byte {error.start} is no UTF-8; save the table as UTF-8") from None
    if "\0" in text:
        raise UserError(f"{path}: holds zero bytes; expected a table as text")
    return _Reader(path, text, sizes).body()


def read_all(paths: Sequence[Path], sizes: Sizes) -> dict[str, tuple[Path, Body]]:
    """The numbers of several files, by the names under which findings speak of them. Raises `UserError` as `read`."""
    found: dict[str, tuple[Path, Body]] = {}
    for path in paths:
        body = read(path, sizes)
        if body.document in found:
            raise UserError(f"{path}: {found[body.document][0]} has the same name; rename one, or audit them apart")
        found[body.document] = path, body
    return found


def _piped() -> bytes:
    """What is piped in, no more than one byte above what is read."""
    if sys.stdin is None or sys.stdin.isatty():
        raise UserError("-: nothing is piped in; as in: cat table.csv | reeltrace audit -")
    return sys.stdin.buffer.read(BYTES + 1)


def _whole(path: Path) -> bytes:
    """All of a file. A pipe or a device in its place would never end."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise UserError(f"{path}: a pipe or a device, no file; pipe it in, as in: reeltrace audit - < {path}")
    try:
        return read_whole(path, BYTES)
    except OSError as error:
        raise UserError(f"{path}: {reason_of(error)}; name a table file that can be read") from None


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
        laid = lay_out(str(path), text, path.suffix.lower() == ".tsv")
        if sum(len(cells) for _, cells in laid.lines) > CELLS:
            raise UserError(f"{path}: more than {CELLS:,} cells; split the table")
        self._separator, self._lines = laid.separator, laid.lines
        self._notes = [f"{path.name}: {note}" for note in laid.notes]
        self._comma = laid.separator == ";" and any(
            _DECIMAL_COMMA.fullmatch(cell) for _, cells in laid.lines for cell in cells
        )

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
        return Body(self._path.name, {sheet_name: sheet}, tests=known, notes=tuple(self._notes), read=_told(sheet))

    def _shape(self) -> tuple[list[str], dict[str, list[str]]]:
        """The names of the columns, and by the names of rows their cells; what has no name gets its number."""
        head, count = names_of(self._lines, lambda cell: self._number(cell, 1, "") is not None)
        rest = self._lines[count:]
        if count > 1:
            self._notes.append(f"{self._path.name}: lines {self._lines[0][0]} to {self._lines[count - 1][0]} are names")
        named = any(self._number(cell, 1, "") is None for cell in head)
        if not named:
            head, rest = [""] * len(head), self._lines
        while head and not head[-1] and all(len(cells) < len(head) or not cells[len(head) - 1] for _, cells in rest):
            head = head[:-1]
        for line, cells in rest:
            if sum(map(bool, cells)) == 1 and cells[0]:
                cells += [""] * (len(head) - len(cells))  # a heading between rows, or a remark below them
            if len(cells) < len(head) or any(cells[len(head) :]):
                raise UserError(
                    f"{self._path}: line {line}: {len(cells)} cells, the names above are {len(head)}; "
                    f"give every line as many, separated by {self._separator!r}, and quote cells that hold one"
                )
        labelled = bool(rest) and (
            (named and not head[0])
            or any(c[0].lower() not in MISSING and self._number(c[0], n, "") is None for n, c in rest)
        )
        start = 1 if labelled else 0
        names = _each_once([name or f"column {i}" for i, name in enumerate(head[start:], start=start + 1)])
        if not names or not rest:
            raise UserError(
                f"{self._path}: no cells beside the names of rows, separated by {self._separator!r}; expected a line "
                "of names above, and lines with numbers"
            )
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
            texts = {row: cells[place] for row, cells in rows.items() if cells[place].lower() not in MISSING}
            for row, text in texts.items():
                number = self._number(text, self._at[row], name)
                if number is not None:
                    found[row, name] = replace(number, row=row, column=name)
            unread += self._unread(name, texts, {row for row, column in found if column == name})
        if unread:
            more = f" and {len(unread) - SHOWN} more" if len(unread) > SHOWN else ""
            point = "comma or point" if self._separator == ";" else "point"
            self._notes.append(
                f"{self._path.name}: looks like numbers and was not read: {', '.join(unread[:SHOWN])}{more}; "
                f"a decimal {point} is read here, and between thousands the other sign of the two or a space"
            )
        if not found:
            self._notes.append(f"{self._path.name}: holds no number that is read")
        whole = {key: n for key, n in found.items() if n.step >= 1 or n.step == 0}
        all_whole = len(whole) == len(found)
        for name in names:
            column = {key: n for key, n in found.items() if key[1] == name}
            found.update(self._marked(name, column, all_whole))
        return found

    def _unread(self, name: str, texts: Mapping[str, str], known: set[str]) -> list[str]:
        """Cells of a column that look like numbers and are none; a column without any number gets a note of its own."""
        others = {row: text for row, text in texts.items() if row not in known}
        if others and not known:
            shown = list(dict.fromkeys(others.values()))
            begun = sum(_BEGUN.match(text) is not None for text in shown)
            if all(text.lower() in ENDLESS for text in shown) or 2 * begun > len(shown):
                few = ", ".join(map(short, shown[:SHOWN])) + (", ..." if len(shown) > SHOWN else "")
                self._notes.append(f"{self._path.name}: column {short(name)} holds no number that is read: {few}")
                return []
        return [
            f"{short(text)} (line {self._at[row]}, column {short(name)})"
            for row, text in others.items()
            if text.lower() in ENDLESS or (_BEGUN.match(text) if known else NUMERIC.fullmatch(text.replace("−", "-")))
        ]

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
        printed, text = text, bare(text)
        if sum(c.isdigit() for c in text) > DIGITS and re.fullmatch(r"[\d.,\s+-]+%?", text):
            where = f"line {line}" + (f", column {column!r}" if column else "")
            raise UserError(f"{self._path}: {where}: a number of more than {DIGITS} digits; shorten it")
        match = _CELL.fullmatch(text)
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
            self._path.name, printed, f"line {line}", unit, value, step, table=self._path.stem, exact_print=exact
        )

    def _plain(self, text: str) -> str | None:
        """Digits and a decimal point: `1,234.5`, and where semicolons separate `1.234,5`, are 1234.5."""
        point, group = (",", ".") if self._comma else (".", ",")
        grouped = re.fullmatch(rf"\d{{1,3}}(?:\{group}\d{{3}})+(?:\{point}\d+)?", text)
        if not grouped and not re.fullmatch(rf"\d+(?:\{point}\d+)?", text):
            return None
        return text.replace(group, "").replace(point, ".")


def _told(sheet: Sheet) -> str:
    """What was read, for who wants to know whether all of it was."""
    rows, columns = {n.row for n in sheet}, {n.column for n in sheet}
    shares = list(dict.fromkeys(n.column for n in sheet if n.whole is not None))
    sized = {n.column for n in sheet if n.test is not None}
    named = ", ".join(short(name) + ("" if name in sized else " (of how many, --n says)") for name in shares)
    return (
        f"{sheet.document}: {len(sheet.cells)} numbers in {len(rows)} rows and {len(columns)} columns"
        f"; shares: {named or 'none, --percent names columns of them'}"
    )


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
